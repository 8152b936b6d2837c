//! Which catalog a write-ahead log belongs to, and how new that catalog has to be.
//!
//! A log is only understood with the catalog it was written for: the catalog says which tables its rows belong to, and
//! which of them lie elsewhere by now. With another catalog, or with an older copy of the right one, rows would count as
//! covered and be deleted, or would be missing without a word. So the folder of the log notes the catalog and the newest
//! epoch that is relied on: because definitions that logged rows need were committed by then, or because what only older
//! epochs know of was deleted since. The note lies with the log, so that a log which is set aside takes it along.

use std::path::{Path, PathBuf};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use zxq_catalog::TableId;

use crate::durable_file;
use crate::error::{EngineError, ErrorKind, Result};

/// Name of the file in the log's folder. The log itself looks at `*.log` only.
const FILE: &str = "catalog.json";

/// What the file says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Owner {
    /// Identity of the catalog.
    catalog: String,
    /// The newest epoch of it that is relied on.
    epoch: u64,
}

/// Compares what the log's folder notes with the catalog that was opened, of which `epoch` is the newest durable one. A
/// folder that notes nothing is a new one, or was last used by a version that noted nothing.
///
/// `has_rows`: the log holds committed rows, covered or not. Without any there is nothing to misread, so that the log of
/// another catalog may be taken over. An older copy of the right catalog is refused even then: segments that it still
/// names may have been dropped, and it does not know where their rows, or those that have left hot since, lie now.
///
/// # Errors
/// [`ErrorKind::DataCorrupted`] for rows of another catalog, for an older copy of the right one, and for a note that cannot
/// be read.
pub(crate) fn check(wal_dir: &Path, identity: &str, epoch: u64, has_rows: bool) -> Result<()> {
    let Some(owner) = read(wal_dir)? else { return Ok(()) };
    let log = wal_dir.display();
    if owner.catalog != identity {
        if !has_rows {
            return Ok(());
        }
        return refuse(format!(
            "the write-ahead log in {log} holds rows of catalog {} (at its epoch {} or later), and the catalog here is \
             {identity} (at epoch {epoch}): catalog.sqlite was replaced, or was deleted and made anew, or catalog.url names \
             another database. Nothing was deleted. Put catalog {} back, or move {log} aside: that gives up the rows that \
             only the log holds",
            owner.catalog, owner.epoch, owner.catalog
        ));
    }
    if owner.epoch > epoch {
        return refuse(format!(
            "the write-ahead log in {log} needs catalog {identity} at epoch {} or later, and it is at epoch {epoch}: it was \
             put back from an older copy (of catalog.sqlite, perhaps without its catalog.sqlite-wal). Nothing was deleted. \
             Put the newest state of the catalog back, or move {log} aside: that gives up the rows that only the log holds, \
             and with them whatever was loaded or moved since that copy was made",
            owner.epoch
        ));
    }
    Ok(())
}

/// Fails where the log names tables that are newer than all that the catalog ever had: it was written with another catalog,
/// or with a newer state of this one. For logs whose folder notes nothing.
///
/// `newest_known` is the newest table id that the catalog ever reserved, `logged` the tables that the log holds committed
/// rows of.
///
/// # Errors
/// [`ErrorKind::DataCorrupted`].
pub(crate) fn check_tables(newest_known: TableId, logged: impl IntoIterator<Item = TableId>) -> Result<()> {
    match logged.into_iter().max() {
        Some(newest) if newest > newest_known => refuse(format!(
            "the write-ahead log holds rows of table number {newest}, and the catalog has never had more than \
             {newest_known}: catalog.sqlite was replaced, or was deleted and made anew, or was put back from an older copy. \
             Nothing was deleted. Put the right catalog back, or move the folder wal of the data directory aside: that gives \
             up the rows that only the log holds"
        )),
        _ => Ok(()),
    }
}

/// The note in the folder of an open log.
#[derive(Debug)]
pub(crate) struct LogOwner {
    wal_dir: PathBuf,
    identity: String,
    /// What the file says of this catalog.
    epoch: Mutex<Option<u64>>,
}

impl LogOwner {
    /// Notes the catalog, to be called once [`check`] has found that the log may be used with it. The folder is there. Where
    /// the note cannot be written (the disk is full) it is tried again before anything relies on it.
    ///
    /// # Errors
    /// [`ErrorKind::DataCorrupted`] when the file cannot be read.
    pub(crate) fn open(wal_dir: &Path, identity: &str, epoch: u64) -> Result<LogOwner> {
        // Of another catalog: whatever epoch that had says nothing about this one.
        let said = read(wal_dir)?.filter(|owner| owner.catalog == identity).map(|owner| owner.epoch);
        let owner = LogOwner { wal_dir: wal_dir.to_owned(), identity: identity.to_owned(), epoch: Mutex::new(said) };
        if let Err(error) = owner.raise(epoch) {
            tracing::warn!(%error, "the write-ahead log could not note its catalog; it is tried again");
        }
        Ok(owner)
    }

    /// Notes that this durable epoch of the catalog is relied on. When it returns, an older copy of the catalog will not
    /// be opened with the log. Does nothing for an epoch that is not newer than the noted one; otherwise it waits for the
    /// disk.
    ///
    /// # Errors
    /// [`ErrorKind::Io`], [`ErrorKind::DiskFull`]: what the epoch is relied on for must not be done then.
    pub(crate) fn raise(&self, epoch: u64) -> Result<()> {
        let mut said = self.epoch.lock();
        if said.is_none_or(|said| epoch > said) {
            self.write(epoch)?;
            *said = Some(epoch);
        }
        Ok(())
    }

    fn write(&self, epoch: u64) -> Result<()> {
        let owner = Owner { catalog: self.identity.clone(), epoch };
        let text = serde_json::to_string(&owner).map_err(|e| EngineError::internal(e.to_string()))?;
        durable_file::write(&self.wal_dir.join(FILE), &text)
    }
}

fn read(wal_dir: &Path) -> Result<Option<Owner>> {
    let path = wal_dir.join(FILE);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(EngineError::io(format!("cannot read {}", path.display()), e)),
    };
    serde_json::from_str(&text).map(Some).or_else(|e| {
        refuse(format!(
            "{} cannot be read, and says which catalog the write-ahead log beside it belongs to: {e}. Restore it from a \
             backup, or delete it if the catalog is the one that the log was written for",
            path.display()
        ))
    })
}

fn refuse<T>(what: String) -> Result<T> {
    Err(EngineError::new(ErrorKind::DataCorrupted, what))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn said(dir: &Path) -> (String, u64) {
        let owner = read(dir).unwrap().unwrap();
        (owner.catalog, owner.epoch)
    }

    /// Fails with a text that names all of these.
    fn refused(outcome: Result<()>, named: &[&str]) {
        let error = outcome.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::DataCorrupted, "{error}");
        for name in named {
            assert!(error.to_string().contains(name), "{error} does not say {name}");
        }
    }

    #[test]
    fn a_folder_that_notes_nothing_is_taken() {
        let dir = tempfile::tempdir().unwrap();
        check(dir.path(), "c", 0, false).unwrap();
        check(dir.path(), "c", 7, true).unwrap();
        assert!(!dir.path().join(FILE).exists(), "checking writes nothing");
        LogOwner::open(dir.path(), "c", 7).unwrap();
        assert_eq!(said(dir.path()), ("c".to_owned(), 7));
    }

    #[test]
    fn an_older_copy_of_the_catalog_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let owner = LogOwner::open(dir.path(), "c", 7).unwrap();
        owner.raise(12).unwrap();
        drop(owner);
        let place = dir.path().display().to_string();
        for has_rows in [true, false] {
            check(dir.path(), "c", 12, has_rows).unwrap();
            check(dir.path(), "c", 13, has_rows).unwrap();
            refused(
                check(dir.path(), "c", 11, has_rows),
                &["catalog c", "epoch 12", "epoch 11", "older copy", &place, "aside"],
            );
        }
        assert_eq!(said(dir.path()), ("c".to_owned(), 12));
    }

    #[test]
    fn rows_of_another_catalog_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        LogOwner::open(dir.path(), "old", 7).unwrap();
        let place = dir.path().display().to_string();
        // That its epoch is newer makes it no better.
        for epoch in [0, 70] {
            refused(
                check(dir.path(), "new", epoch, true),
                &["catalog old", "is new", "catalog.sqlite was replaced", "epoch 7", &place, "aside"],
            );
        }
        assert_eq!(said(dir.path()), ("old".to_owned(), 7));
        check(dir.path(), "old", 7, true).unwrap();
    }

    #[test]
    fn an_empty_log_of_another_catalog_is_taken_over() {
        let dir = tempfile::tempdir().unwrap();
        LogOwner::open(dir.path(), "old", 7).unwrap();
        check(dir.path(), "new", 0, false).unwrap();
        let owner = LogOwner::open(dir.path(), "new", 0).unwrap();
        assert_eq!(said(dir.path()), ("new".to_owned(), 0));
        owner.raise(1).unwrap();
        assert_eq!(said(dir.path()), ("new".to_owned(), 1));
        refused(check(dir.path(), "old", 7, true), &["catalog new"]);
    }

    #[test]
    fn the_epoch_only_rises_and_the_file_is_written_when_it_does() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join(FILE);
        let owner = LogOwner::open(dir.path(), "c", 7).unwrap();
        std::fs::remove_file(&file).unwrap();
        for epoch in [0, 6, 7] {
            owner.raise(epoch).unwrap();
            assert!(!file.exists(), "{epoch} is not newer");
        }
        owner.raise(8).unwrap();
        assert_eq!(said(dir.path()), ("c".to_owned(), 8));
        // Opened again: with what the catalog has by then, and never with less.
        LogOwner::open(dir.path(), "c", 9).unwrap();
        assert_eq!(said(dir.path()), ("c".to_owned(), 9));
        let owner = LogOwner::open(dir.path(), "c", 3).unwrap();
        owner.raise(4).unwrap();
        assert_eq!(said(dir.path()), ("c".to_owned(), 9));
    }

    #[test]
    fn an_epoch_that_could_not_be_noted_is_tried_again() {
        let dir = tempfile::tempdir().unwrap();
        let wal = dir.path().join("wal");
        std::fs::create_dir(&wal).unwrap();
        let owner = LogOwner::open(&wal, "c", 7).unwrap();
        std::fs::remove_dir_all(&wal).unwrap();
        assert!(owner.raise(8).is_err());
        std::fs::create_dir(&wal).unwrap();
        owner.raise(8).unwrap();
        assert_eq!(said(&wal), ("c".to_owned(), 8));
    }

    #[test]
    fn a_note_that_cannot_be_read_is_no_reason_to_go_on() {
        let dir = tempfile::tempdir().unwrap();
        for text in ["", "{\"catalog\":\"c\"}", "{\"catalog\":\"c\",\"epoch\":-1}"] {
            std::fs::write(dir.path().join(FILE), text).unwrap();
            refused(check(dir.path(), "c", 7, false), &[FILE]);
            refused(LogOwner::open(dir.path(), "c", 7).map(|_| ()), &[FILE]);
            assert_eq!(std::fs::read_to_string(dir.path().join(FILE)).unwrap(), text);
        }
    }

    #[test]
    fn tables_that_the_catalog_never_had_are_refused() {
        check_tables(0, []).unwrap();
        check_tables(5, [1, 5]).unwrap();
        // Dropped since, all of them.
        check_tables(5, [2]).unwrap();
        refused(check_tables(5, [1, 6, 2]), &["table number 6", "more than 5", "aside"]);
        refused(check_tables(0, [1]), &["table number 1"]);
    }
}

//! Which catalog a data directory belongs to, and whether its write-ahead log holds rows that lie nowhere else.
//!
//! A log is only understood with the catalog it was written for. So a directory that was used with one catalog is not
//! opened with another, and a log whose rows were left behind when another directory took over is set aside, never replayed
//! into a catalog that went on without it, and never deleted.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::durable_file;
use crate::error::{EngineError, ErrorKind, Result};

/// Name of the file in the data directory.
const FILE: &str = "node.json";
/// The catalog of a directory that shares none.
pub(super) const SQLITE: &str = "catalog.sqlite";

/// What the file says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Membership {
    /// Identity of this directory.
    pub(super) directory: String,
    /// Identity of the catalog.
    pub(super) catalog: String,
    /// The catalog in words.
    pub(super) place: String,
    /// Fence under which this directory's log was last written; 0 for never.
    pub(super) fence: u64,
    /// The log holds no row that lies nowhere else.
    pub(super) settled: bool,
}

/// Fails for a directory whose rows belong to a catalog elsewhere.
pub(crate) fn refuse_other_catalogs(data_dir: &Path) -> Result<()> {
    match read(data_dir)? {
        None => Ok(()),
        Some(member) => Err(EngineError::new(
            ErrorKind::InvalidParameter,
            format!(
                "data directory {} belongs to the catalog in {}: name it with catalog.url, or choose another --data",
                data_dir.display(),
                member.place
            ),
        )),
    }
}

/// The directory's membership in this catalog, made if it has none.
///
/// # Errors
/// [`ErrorKind::InvalidParameter`] for a directory that was used with another catalog.
pub(super) fn join(data_dir: &Path, catalog: &str, place: &str) -> Result<Membership> {
    let refused = |whose: &str| {
        Err(EngineError::new(
            ErrorKind::InvalidParameter,
            format!(
                "data directory {} belongs to {whose}, and its rows are not in the catalog in {place}: choose another --data",
                data_dir.display()
            ),
        ))
    };
    if data_dir.join(SQLITE).exists() {
        return refused("its own catalog.sqlite");
    }
    match read(data_dir)? {
        Some(member) if member.catalog == catalog => Ok(member),
        Some(member) => refused(&format!("the catalog in {}", member.place)),
        None => {
            let member = Membership {
                directory: zxq_catalog::JobId::new().0,
                catalog: catalog.to_owned(),
                place: place.to_owned(),
                fence: 0,
                settled: true,
            };
            write(data_dir, &member)?;
            Ok(member)
        }
    }
}

/// Marks the log as being written under a fence. `went_on`: the log's rows were not left behind since it was last written.
/// Otherwise, a log with rows in it is set aside first.
pub(super) fn begin_writing(data_dir: &Path, member: &Membership, fence: u64, went_on: bool) -> Result<()> {
    if !went_on && !member.settled {
        let (log, aside) = (data_dir.join("wal"), set_aside(data_dir, member.fence));
        if log.exists() {
            std::fs::rename(&log, &aside)
                .map_err(|e| EngineError::io(format!("cannot set {} aside", log.display()), e))?;
            tracing::error!(
                log = %aside.display(),
                "another data directory took the catalog over without this one's rows in hot: its write-ahead log was set \
                 aside, and those rows are not visible"
            );
        }
    }
    write(data_dir, &Membership { fence, settled: false, ..member.clone() })
}

fn set_aside(data_dir: &Path, fence: u64) -> PathBuf {
    data_dir.join(format!("wal.left-behind-{fence}"))
}

/// Marks the log as holding nothing that does not lie elsewhere.
pub(super) fn settle(data_dir: &Path) -> Result<()> {
    match read(data_dir)? {
        Some(member) => write(data_dir, &Membership { settled: true, ..member }),
        None => Err(EngineError::internal(format!("{} is gone from {}", FILE, data_dir.display()))),
    }
}

fn read(data_dir: &Path) -> Result<Option<Membership>> {
    let path = data_dir.join(FILE);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(EngineError::io(format!("cannot read {}", path.display()), e)),
    };
    serde_json::from_str(&text)
        .map(Some)
        .map_err(|e| EngineError::new(ErrorKind::DataCorrupted, format!("{} cannot be read: {e}", path.display())))
}

/// Writes the file anew, durably.
fn write(data_dir: &Path, member: &Membership) -> Result<()> {
    let text = serde_json::to_string(member).map_err(|e| EngineError::internal(e.to_string()))?;
    durable_file::write(&data_dir.join(FILE), &text)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_log_that_was_left_behind_is_set_aside_and_kept() {
        let dir = tempfile::tempdir().unwrap();
        let rows = dir.path().join("wal/1.log");
        let member = join(dir.path(), "c", "there").unwrap();
        std::fs::create_dir(dir.path().join("wal")).unwrap();
        std::fs::write(&rows, "rows").unwrap();
        begin_writing(dir.path(), &member, 1, true).unwrap();
        let member = join(dir.path(), "c", "there").unwrap();
        assert_eq!((member.fence, member.settled), (1, false));
        // The same directory goes on.
        begin_writing(dir.path(), &member, 2, true).unwrap();
        assert!(rows.exists());
        // After an end with all rows elsewhere, another directory may have written.
        settle(dir.path()).unwrap();
        begin_writing(dir.path(), &join(dir.path(), "c", "there").unwrap(), 4, false).unwrap();
        assert!(rows.exists());
        // After a crash it took over without them.
        begin_writing(dir.path(), &join(dir.path(), "c", "there").unwrap(), 6, false).unwrap();
        assert!(!rows.exists());
        assert_eq!(std::fs::read_to_string(dir.path().join("wal.left-behind-4/1.log")).unwrap(), "rows");
    }

    #[test]
    fn a_directory_belongs_to_one_catalog() {
        let dir = tempfile::tempdir().unwrap();
        refuse_other_catalogs(dir.path()).unwrap();
        let member = join(dir.path(), "c", "schema x of there").unwrap();
        assert_eq!(join(dir.path(), "c", "schema x of there").unwrap(), member);
        for error in [refuse_other_catalogs(dir.path()).unwrap_err(), join(dir.path(), "d", "here").unwrap_err()] {
            assert!(error.to_string().contains("schema x of there"), "{error}");
        }
        let own = tempfile::tempdir().unwrap();
        std::fs::write(own.path().join(SQLITE), "").unwrap();
        assert!(join(own.path(), "c", "there").unwrap_err().to_string().contains("catalog.sqlite"));
    }
}

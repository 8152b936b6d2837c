//! What must be true of a commit before it is made. A library or a planner that loses or doubles a file stops here.

use std::collections::HashMap;

use iceberg::spec::ManifestEntry;
use zxq_catalog::RowHash;

use crate::error::{ProviderError, Result};
use crate::lake::iceberg::STORE;
use crate::lake::iceberg::new_snapshot::SnapshotChange;
use crate::tier_store::Publication;

/// Live files by address, with their rows.
pub(crate) type Files = HashMap<String, u64>;

fn refused(table: &str, reason: String) -> ProviderError {
    ProviderError::Corrupt { store: STORE, what: format!("the snapshot about to be committed to {table}"), reason }
}

/// Adds the file of an entry; a file that two entries name would be read twice.
pub(crate) fn add(files: &mut Files, table: &str, entry: &ManifestEntry) -> Result<()> {
    match files.insert(entry.file_path().to_owned(), entry.record_count()) {
        None => Ok(()),
        Some(_) => Err(refused(table, format!("it names {} twice", entry.file_path()))),
    }
}

/// Checks that the files after a change are those before it, less the removed, plus the added, with the same rows each.
///
/// # Errors
/// [`ProviderError::Corrupt`] naming the difference.
pub(crate) fn check(table: &str, before: &Files, change: &SnapshotChange<'_>, after: &Files) -> Result<()> {
    let mut expected = before.clone();
    for address in &change.removed {
        if expected.remove(address).is_none() {
            return Err(refused(table, format!("it removes {address}, which is not there")));
        }
    }
    for file in &change.added {
        if expected.insert(file.file_path().to_owned(), file.record_count()).is_some() {
            return Err(refused(table, format!("it adds {}, which is there", file.file_path())));
        }
    }
    if let Some((address, rows)) = expected.iter().find(|(address, rows)| after.get(*address) != Some(rows)) {
        let found = after.get(address).map_or("no".to_owned(), u64::to_string);
        return Err(refused(table, format!("it has {found} rows of {address} instead of {rows}")));
    }
    match after.keys().find(|address| !expected.contains_key(*address)) {
        Some(address) => Err(refused(table, format!("it names {address}, which nobody added"))),
        None => Ok(()),
    }
}

/// Checks that a publication that says so holds the same rows before and after: as many, with the same hash.
///
/// # Errors
/// [`ProviderError::Corrupt`] with both counts and hashes.
pub(crate) fn check_same_rows(table: &str, publication: &Publication<'_>) -> Result<()> {
    if publication.data_change || publication.added.is_empty() || publication.removed.is_empty() {
        return Ok(());
    }
    let total = |segments: &[zxq_catalog::Segment]| {
        segments.iter().fold((0, RowHash::default()), |(rows, hash), s| (rows + s.rows, hash.combine(s.hash)))
    };
    let (removed, added) = (total(publication.removed), total(publication.added));
    if removed == added {
        return Ok(());
    }
    Err(refused(
        table,
        format!(
            "it replaces {} rows with hash {} by {} rows with hash {}, and was said to change none",
            removed.0, removed.1, added.0, added.1
        ),
    ))
}

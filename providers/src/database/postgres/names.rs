//! Where things lie in the database.
//!
//! | what | where |
//! |---|---|
//! | a zxq table, for people | `zxq.trades_data_7`, partitioned by the hidden column `zxq_segment`, or a view |
//! | a segment | `zxq_segments.t7_s42_<job>`: table id, segment id, the job that wrote it, and `_h` or `_c` for a hypertable |
//! | which segments people see | `zxq_segments.visible` |
//! | the catalog that lists the segments | `zxq_segments.owner` |
//!
//! The job is in the name so that the litter of a crashed job can be found.

use zxq_catalog::{JobId, SegmentId};

use super::NAME;
use super::hypertable::SegmentForm;
use crate::database::sql::quote;
use crate::error::{ProviderError, Result};

/// PostgreSQL cuts longer names off, silently.
pub(super) const LONGEST: usize = 63;

/// The column that tells segments apart in the partitioned table.
pub(super) const SEGMENT_COLUMN: &str = "zxq_segment";

/// The schema of the segments that belong to tables in `schema`.
pub(super) fn segments_schema(schema: &str) -> String {
    format!("{schema}_segments")
}

/// The name of a zxq table, for people. Cut in front of its id where it is too long, so it stays unique.
pub(super) fn parent(storage_name: &str) -> String {
    if storage_name.len() <= LONGEST {
        return storage_name.to_owned();
    }
    let id = table_id(storage_name);
    let room = LONGEST.saturating_sub(id.len() + 1);
    let start: String = storage_name.chars().take(room).collect();
    format!("{start}_{id}")
}

/// The id that a storage name ends with.
fn table_id(storage_name: &str) -> &str {
    storage_name.rsplit_once('_').map_or(storage_name, |(_, id)| id)
}

/// What the names of all of a table's segments begin with.
pub(super) fn segment_prefix(storage_name: &str) -> String {
    format!("t{}_s", table_id(storage_name))
}

/// The table that `job` writes segment `id` to, without its schema.
pub(super) fn segment_table(storage_name: &str, id: SegmentId, job: &JobId, kind: SegmentForm) -> String {
    format!("{}{id}_{}{}", segment_prefix(storage_name), job_name(job), kind.suffix())
}

/// The job as part of a name: itself where it is a UUID as it should be, else a hash of it.
pub(super) fn job_name(job: &JobId) -> String {
    if job.0.len() <= 32 && job.0.chars().all(|c| c.is_ascii_alphanumeric()) {
        return job.0.clone();
    }
    format!("h{:016x}", xxhash_rust::xxh3::xxh3_64(job.0.as_bytes()))
}

/// A pattern for the names of a table's segments: those of one job, or all.
pub(super) fn pattern(storage_name: &str, job: Option<&JobId>) -> String {
    let id: String = table_id(storage_name).chars().filter(char::is_ascii_alphanumeric).collect();
    match job {
        Some(job) => format!("^t{id}_s[0-9]+_{}(_[hc])?$", job_name(job)),
        None => format!("^t{id}_s[0-9]+_[A-Za-z0-9]+(_[hc])?$"),
    }
}

/// A table as SQL.
pub(super) fn place(schema: &str, table: &str) -> String {
    format!("{}.{}", quote(schema), quote(table))
}

/// What the catalog keeps as the segment's location.
pub(super) fn location(segments_schema: &str, table: &str) -> String {
    format!("{segments_schema}.{table}")
}

/// A location's schema and table.
///
/// # Errors
/// [`ProviderError::Corrupt`] when the catalog holds a location that this store cannot have written.
pub(super) fn parts(location: &str) -> Result<(&str, &str)> {
    let safe =
        |part: &str| (1..=LONGEST).contains(&part.len()) && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    match location.split_once('.') {
        Some((schema, table)) if safe(schema) && safe(table) => Ok((schema, table)),
        _ => Err(ProviderError::Corrupt {
            store: NAME,
            what: format!("the catalog's location {location:?}"),
            reason: "it is not a schema and a table, like zxq_segments.t7_s42_1f0c".to_owned(),
        }),
    }
}

//! Where things lie in the DuckDB file: one schema per zxq table, one DuckDB table per segment.
//!
//! A person with the `duckdb` shell sees `trades_data_7.s42_<job>`: the storage name of the zxq table, then the
//! segment's id and the job that wrote it. The job is in the name so that the litter of a crashed job can be found.

use zxq_catalog::{JobId, SegmentId};

use super::NAME;
use crate::database::sql::quote;
use crate::error::{ProviderError, Result};

/// The DuckDB table that `job` writes segment `id` to, without its schema.
pub(super) fn segment_table(id: SegmentId, job: &JobId) -> String {
    format!("s{id}{}", job_suffix(job))
}

/// What the name of every table written by `job` ends with.
pub(super) fn job_suffix(job: &JobId) -> String {
    let safe: String = job.0.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    format!("_{safe}")
}

/// What the catalog keeps as the segment's location.
pub(super) fn location(storage_name: &str, table: &str) -> String {
    format!("{storage_name}.{table}")
}

/// A location as SQL.
///
/// # Errors
/// [`ProviderError::Corrupt`] when the catalog holds a location that this store cannot have written.
pub(super) fn location_sql(location: &str) -> Result<String> {
    let safe = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    match location.split_once('.') {
        Some((schema, table)) if safe(schema) && safe(table) => Ok(format!("{}.{}", quote(schema), quote(table))),
        _ => Err(ProviderError::Corrupt {
            store: NAME,
            what: format!("the catalog's location {location:?}"),
            reason: "it is not a schema and a table, like trades_data_7.s42_1f0c".to_owned(),
        }),
    }
}

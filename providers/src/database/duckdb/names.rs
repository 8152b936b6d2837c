//! Where things lie in the DuckDB file: one schema per zxq table, one DuckDB table per segment, or per pack of small ones.
//!
//! A person with the `duckdb` shell sees `trades_data_7.s42_<job>`: the storage name of the zxq table, then the
//! segment's id and the job that wrote it. `trades_data_7.p42_<job>` holds several segments, of which 42 is the first. The job is
//! in the name so that the litter of a crashed job can be found.
//!
//! The catalog's location of a segment is `trades_data_7.s42_<job>`, or `trades_data_7.p42_<job>#3` for the fourth of a pack.

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

/// The DuckDB table in which `job` keeps small segments together, the first of which is `first`; without its schema.
pub(super) fn pack_table(first: SegmentId, job: &JobId) -> String {
    format!("p{first}{}", job_suffix(job))
}

/// What the catalog keeps as the location of a segment in a pack.
pub(super) fn packed_location(storage_name: &str, table: &str, position: u32) -> String {
    format!("{}#{position}", location(storage_name, table))
}

/// What a location says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Parts<'a> {
    /// The zxq table's schema.
    pub(super) schema: &'a str,
    /// The DuckDB table.
    pub(super) table: &'a str,
    /// The segment's place in a pack.
    pub(super) position: Option<u32>,
}

impl Parts<'_> {
    /// The DuckDB table as SQL.
    pub(super) fn table_sql(&self) -> String {
        format!("{}.{}", quote(self.schema), quote(self.table))
    }
}

/// Reads a location.
///
/// # Errors
/// [`ProviderError::Corrupt`] when the catalog holds a location that this store cannot have written.
pub(super) fn parts(location: &str) -> Result<Parts<'_>> {
    let safe = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let split = || {
        let (schema, rest) = location.split_once('.')?;
        let (table, position) = match rest.split_once('#') {
            Some((table, position)) => (table, Some(position.parse().ok()?)),
            None => (rest, None),
        };
        (safe(schema) && safe(table)).then_some(Parts { schema, table, position })
    };
    split().ok_or_else(|| ProviderError::Corrupt {
        store: NAME,
        what: format!("the catalog's location {location:?}"),
        reason: "it is not a schema and a table, like trades_data_7.s42_1f0c".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn locations_are_read_as_they_are_written() {
        let (job, schema) = (JobId("1f-0c".to_owned()), "trades_data_7");
        let alone = location(schema, &segment_table(42, &job));
        assert_eq!(parts(&alone).unwrap(), Parts { schema, table: "s42_1f_0c", position: None });
        let packed = packed_location(schema, &pack_table(42, &job), 3);
        assert_eq!(parts(&packed).unwrap(), Parts { schema, table: "p42_1f_0c", position: Some(3) });
        assert_eq!(parts(&packed).unwrap().table_sql(), "\"trades_data_7\".\"p42_1f_0c\"");
        for other in ["", "s42_1f", "a.", ".b", "a.b#", "a.b#x", "a.b#-1", "a.b#1#2", "a.\"b", "a.b#99999999999"] {
            assert!(matches!(parts(other), Err(ProviderError::Corrupt { .. })), "{other}");
        }
    }
}

//! DuckDB's SQL.

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use zxq_catalog::quoting::quoted_text;

use super::{NAME, names, types};
use crate::database::sql::buckets::Bucket;
use crate::database::sql::facts::Facts;
use crate::database::sql::types::is_float;
use crate::database::sql::{Dialect, POSITION_COLUMN, Place, quote};
use crate::error::Result;

/// How a statement fails that reads segments which a pack does not hold any more.
pub(super) const SEGMENTS_GONE: &str = "segments are missing from";

/// DuckDB's SQL.
#[derive(Debug)]
pub(super) struct DuckDbDialect;

/// The one instance.
pub(super) static DUCKDB: DuckDbDialect = DuckDbDialect;

impl Dialect for DuckDbDialect {
    fn store(&self) -> &'static str {
        NAME
    }

    fn sql_type(&self, data_type: &DataType) -> Option<String> {
        types::sql_type(data_type)
    }

    fn literal(&self, value: &ScalarValue, data_type: &DataType) -> Option<String> {
        types::literal(value, data_type)
    }

    /// Text compares by its bytes anyway.
    fn ordered(&self, sql: String, _data_type: &DataType) -> String {
        sql
    }

    fn place(&self, location: &str) -> Result<Place> {
        names::parts(location).map(|parts| Place { table: parts.table_sql(), position: parts.position })
    }

    fn guard(&self, table: &str, positions: &str, segments: usize, columns: usize) -> Option<String> {
        let found = format!("SELECT count(DISTINCT {}) FROM {table} WHERE {positions}", quote(POSITION_COLUMN));
        let refusal = quoted_text(&format!("{SEGMENTS_GONE} {table}"));
        let nothing = vec!["NULL"; columns].join(", ");
        Some(format!("SELECT {nothing} WHERE CASE WHEN ({found}) = {segments} THEN false ELSE error({refusal}) END"))
    }

    /// Microseconds since 1970, computed by plain arithmetic with an origin written out, never by a DuckDB function with an
    /// origin of its own.
    fn bucket(&self, bucket: &Bucket<'_>) -> Option<String> {
        let micros = format!("epoch_us({})", bucket.column);
        let (width, origin) = (bucket.width, bucket.origin.rem_euclid(bucket.width));
        // DuckDB's % takes the sign of its left side, as Rust's does.
        Some(format!("({micros} - ((({micros} - {origin}) % {width}) + {width}) % {width})"))
    }

    fn extreme(&self, least: bool, column: &str, data_type: &DataType, facts: &Facts<'_>) -> Option<String> {
        if is_float(data_type) && !facts.no_nan(column) {
            return None;
        }
        let name = if least { "min" } else { "max" };
        Some(format!("{name}({})", crate::database::sql::quote(column)))
    }
}

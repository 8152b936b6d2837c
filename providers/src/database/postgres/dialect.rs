//! PostgreSQL's SQL, as far as it differs from other databases'.

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use zxq_catalog::Value;

use super::{NAME, names, types};
use crate::database::sql::buckets::Bucket;
use crate::database::sql::facts::Facts;
use crate::database::sql::types::{is_float, is_text};
use crate::database::sql::{Dialect, Place, quote};
use crate::error::Result;

/// PostgreSQL's SQL.
#[derive(Debug)]
pub(super) struct PostgresDialect;

/// The one instance.
pub(super) static POSTGRES: PostgresDialect = PostgresDialect;

impl Dialect for PostgresDialect {
    fn store(&self) -> &'static str {
        NAME
    }

    fn sql_type(&self, data_type: &DataType) -> Option<String> {
        types::sql_type(data_type)
    }

    fn literal(&self, value: &ScalarValue, data_type: &DataType) -> Option<String> {
        types::literal(value, data_type)
    }

    /// Text compares by its bytes only in the collation "C". Segments have it; saying it again costs nothing and holds when
    /// somebody changed them.
    fn ordered(&self, sql: String, data_type: &DataType) -> String {
        if is_text(data_type) { format!("({sql} COLLATE \"C\")") } else { sql }
    }

    fn place(&self, location: &str) -> Result<Place> {
        names::parts(location).map(|(schema, table)| Place { table: names::place(schema, table), position: None })
    }

    /// PostgreSQL's `date_bin`, with an origin before every instant: then it does not matter how it rounds below the origin.
    fn bucket(&self, bucket: &Bucket<'_>) -> Option<String> {
        let into = bucket.earliest.checked_sub(bucket.origin)?.rem_euclid(bucket.width);
        let origin = bucket.earliest.checked_sub(into)?;
        let zoned = matches!(bucket.data_type, DataType::Timestamp(_, Some(_)));
        let origin = types::instant(origin, zoned)?;
        Some(format!("date_bin(INTERVAL '{} microseconds', {}, {origin})", bucket.width, bucket.column))
    }

    fn extreme(&self, least: bool, column: &str, data_type: &DataType, facts: &Facts<'_>) -> Option<String> {
        let aggregate = match (data_type, least) {
            (DataType::Boolean, true) => "bool_and",
            (DataType::Boolean, false) => "bool_or",
            (_, true) => "min",
            (_, false) => "max",
        };
        let bytes = matches!(data_type, DataType::Binary | DataType::LargeBinary | DataType::BinaryView);
        // PostgreSQL has no min of bytes before 18, and takes either zero for the smaller one.
        if bytes || is_float(data_type) && !one_sign(column, facts) {
            return None;
        }
        Some(format!("{aggregate}({})", self.ordered(quote(column), data_type)))
    }
}

/// True when a float column holds neither NaN nor zero, or nothing but values on one side of zero.
fn one_sign(column: &str, facts: &Facts<'_>) -> bool {
    let Some(extremes) = facts.extremes(column) else { return false };
    let all = |test: fn(f64) -> bool| extremes.iter().all(|v| matches!(v, Value::Float(v) if test(*v)));
    all(|v| v > 0.0) || all(|v| v < 0.0)
}

//! In what one database's SQL differs from another's.

use std::fmt::Debug;

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
pub(crate) use zxq_catalog::quoting::quoted as quote;
use zxq_catalog::quoting::quoted_text;

use super::buckets::Bucket;
use super::facts::Facts;
use crate::error::Result;

/// The column that tells segments apart which lie in one table.
pub(crate) const POSITION_COLUMN: &str = "zxq_position";

/// Where a segment's rows lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// The table, as SQL.
    pub(crate) table: String,
    /// Where other segments lie in the same table: what [`POSITION_COLUMN`] holds in this one's rows.
    pub(crate) position: Option<u32>,
}

/// A database's way of writing types, values and places.
///
/// All of them agree on this: NULL follows three-valued logic, every NaN is equal to every other and comes last, the two
/// zeros are equal, text compares by its bytes (as [`Dialect::ordered`] makes it).
pub(crate) trait Dialect: Debug + Send + Sync {
    /// The store's name in messages.
    fn store(&self) -> &'static str;

    /// The type that holds a canonical type; `None` for a type the database cannot hold.
    fn sql_type(&self, data_type: &DataType) -> Option<String>;

    /// A value as a literal of exactly this type. `None` when the value is of another type, or cannot be written so that
    /// the database reads back the same value.
    fn literal(&self, value: &ScalarValue, data_type: &DataType) -> Option<String>;

    /// An expression of this type, in a form that compares and sorts as DataFusion's values do.
    fn ordered(&self, sql: String, data_type: &DataType) -> String;

    /// What a segment's location says.
    ///
    /// # Errors
    /// When the catalog holds a location that this store cannot have written.
    fn place(&self, location: &str) -> Result<Place>;

    /// A SELECT of so many columns and no rows, which fails where fewer than `segments` segments lie at those positions of a table. `None`
    /// for a database that keeps no segments together.
    fn guard(&self, _table: &str, _positions: &str, _segments: usize, _columns: usize) -> Option<String> {
        None
    }

    /// The bucket of a timestamp, as a value that the store knows how to read back. `None` where it cannot be said.
    fn bucket(&self, bucket: &Bucket<'_>) -> Option<String>;

    /// The smallest (or largest) value of a column as an aggregate; `None` where the database's own differs.
    fn extreme(&self, least: bool, column: &str, data_type: &DataType, facts: &Facts<'_>) -> Option<String>;
}

/// Text as a SQL literal; `None` for text with a NUL character, which cannot be sent.
pub(crate) fn text_literal(text: &str) -> Option<String> {
    (!text.contains('\0')).then(|| quoted_text(text))
}

/// The shortest text that reads back as the same float, given its own shortest form.
pub(crate) fn float_text(value: f64, shortest: String) -> String {
    if value.is_nan() {
        "nan".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "inf".to_owned() } else { "-inf".to_owned() }
    } else {
        shortest
    }
}

/// A decimal with all its digits.
pub(crate) fn decimal_text(unscaled: i128, scale: i8) -> String {
    let sign = if unscaled < 0 { "-" } else { "" };
    let digits = unscaled.unsigned_abs().to_string();
    let scale = usize::try_from(scale).unwrap_or(0);
    if scale == 0 {
        return format!("{sign}{digits}");
    }
    let padded = format!("{digits:0>width$}", width = scale + 1);
    let (whole, fraction) = padded.split_at(padded.len() - scale);
    format!("{sign}{whole}.{fraction}")
}

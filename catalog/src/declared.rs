//! What a column is declared as, where the Arrow type that its values are stored in does not tell.
//!
//! Stores keep few types. A `UUID` is a text there, a `TIME` an integer, an array a text: [`ColumnDef::data_type`] is the
//! type in the stores, [`ColumnDef::row_type`] the one that queries see. Where both are text, [`PG_TYPE`] in the metadata of
//! a field names the declared type, as far as clients are told.
//!
//! [`ColumnDef::data_type`]: crate::ColumnDef::data_type
//! [`ColumnDef::row_type`]: crate::ColumnDef::row_type

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, IntervalUnit, TimeUnit};

/// Key of a field's metadata: the PostgreSQL type of a text, such as `uuid`, `jsonb`, `varchar(20)` or `bpchar(3)`; and `numeric` of
/// a decimal whose digits nobody declared.
pub const PG_TYPE: &str = "zxq.pg_type";

/// The value of [`PG_TYPE`] for a declared type; `None` where the Arrow type tells.
pub fn annotation(sql_type: &str) -> Option<String> {
    let length = sql_type.find('(').map_or("", |open| &sql_type[open..]);
    match sql_type.split('(').next().unwrap_or_default() {
        "UUID" => Some("uuid".to_owned()),
        "JSON" => Some("json".to_owned()),
        "JSONB" => Some("jsonb".to_owned()),
        // With digits, the Arrow type tells.
        "NUMERIC" if length.is_empty() => Some("numeric".to_owned()),
        "VARCHAR" if !sql_type.ends_with("[]") => Some(format!("varchar{length}")),
        "CHAR" if !sql_type.ends_with("[]") => Some(format!("bpchar{length}")),
        _ => None,
    }
}

/// A field without a name, of that type and declared type.
pub fn annotated(data_type: DataType, declared: &str) -> FieldRef {
    let metadata = HashMap::from([(PG_TYPE.to_owned(), declared.to_owned())]);
    Arc::new(Field::new("", data_type, true).with_metadata(metadata))
}

/// The declared type in a field's metadata, without its length.
pub fn declared(field: &Field) -> Option<&str> {
    field.metadata().get(PG_TYPE).map(|declared| declared.split('(').next().unwrap_or_default())
}

/// The type that queries see where it is another than the stored one: of `TIME`, `INTERVAL` and arrays.
pub fn row_type(sql_type: &str) -> Option<DataType> {
    match sql_type {
        "TIME" => Some(DataType::Time64(TimeUnit::Microsecond)),
        "INTERVAL" => Some(DataType::Interval(IntervalUnit::MonthDayNano)),
        array => {
            let element = array.strip_suffix("[]")?;
            let item = Field::new("item", element_type(element)?, true);
            let item = match annotation(element) {
                Some(declared) => item.with_metadata(HashMap::from([(PG_TYPE.to_owned(), declared)])),
                None => item,
            };
            Some(DataType::List(Arc::new(item)))
        }
    }
}

/// The type of an array's elements.
fn element_type(sql_type: &str) -> Option<DataType> {
    let micros = TimeUnit::Microsecond;
    Some(match sql_type {
        "BOOLEAN" => DataType::Boolean,
        "SMALLINT" => DataType::Int16,
        "INTEGER" => DataType::Int32,
        "BIGINT" => DataType::Int64,
        "REAL" => DataType::Float32,
        "DOUBLE PRECISION" => DataType::Float64,
        "DATE" => DataType::Date32,
        "TIMESTAMP" => DataType::Timestamp(micros, None),
        "TIMESTAMPTZ" => DataType::Timestamp(micros, Some("UTC".into())),
        "TEXT" | "VARCHAR" | "UUID" => DataType::Utf8View,
        decimal => {
            let (precision, scale) = decimal.strip_prefix("DECIMAL(")?.strip_suffix(')')?.split_once(',')?;
            DataType::Decimal128(precision.parse().ok()?, scale.parse().ok()?)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn declared_types_say_what_rows_are_of() {
        assert_eq!(row_type("TIME"), Some(DataType::Time64(TimeUnit::Microsecond)));
        assert_eq!(row_type("BIGINT"), None);
        let item = |sql_type: &str| match row_type(sql_type) {
            Some(DataType::List(item)) => Some((item.data_type().clone(), declared(&item).map(str::to_owned))),
            _ => None,
        };
        assert_eq!(item("DECIMAL(10,2)[]"), Some((DataType::Decimal128(10, 2), None)));
        assert_eq!(item("UUID[]"), Some((DataType::Utf8View, Some("uuid".to_owned()))));
        assert_eq!(item("JSON[]"), None);
        assert_eq!(item("INTEGER[][]"), None);
    }

    #[test]
    fn texts_are_annotated_with_what_they_are() {
        assert_eq!(annotation("VARCHAR(20)").as_deref(), Some("varchar(20)"));
        assert_eq!(annotation("CHAR(3)").as_deref(), Some("bpchar(3)"));
        assert_eq!(annotation("NUMERIC").as_deref(), Some("numeric"));
        assert_eq!(annotation("TEXT"), None);
        assert_eq!(declared(&annotated(DataType::Utf8View, "bpchar(3)")), Some("bpchar"));
    }
}

//! PostgreSQL's names of types, for messages.

use datafusion::arrow::datatypes::{DataType, Field};

/// The name of a type: `bigint`, `timestamp with time zone`, `text[]`.
pub fn of(data_type: &DataType) -> String {
    let name = match data_type {
        DataType::Null => "unknown",
        DataType::Boolean => "boolean",
        DataType::Int8 | DataType::UInt8 | DataType::Int16 => "smallint",
        DataType::UInt16 | DataType::Int32 => "integer",
        DataType::UInt32 | DataType::Int64 | DataType::UInt64 => "bigint",
        DataType::Float16 | DataType::Float32 => "real",
        DataType::Float64 => "double precision",
        DataType::Decimal32(_, _)
        | DataType::Decimal64(_, _)
        | DataType::Decimal128(_, _)
        | DataType::Decimal256(_, _) => "numeric",
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "text",
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => "bytea",
        DataType::Date32 | DataType::Date64 => "date",
        DataType::Time32(_) | DataType::Time64(_) => "time without time zone",
        DataType::Timestamp(_, None) => "timestamp without time zone",
        DataType::Timestamp(_, Some(_)) => "timestamp with time zone",
        DataType::Interval(_) | DataType::Duration(_) => "interval",
        DataType::Struct(_) => "record",
        DataType::Dictionary(_, inner) => return of(inner),
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::FixedSizeList(item, _)
        | DataType::ListView(item)
        | DataType::LargeListView(item) => return array_of(item),
        other => return other.to_string().to_lowercase(),
    };
    name.to_owned()
}

/// Arrays of arrays are arrays of the same name.
fn array_of(item: &Field) -> String {
    let name = of(item.data_type());
    if name.ends_with("[]") { name } else { format!("{name}[]") }
}

/// The same from a type as DataFusion's messages show it: `Decimal128(3, 1)`.
pub(super) fn of_shown(shown: &str) -> String {
    let shown = shown.trim();
    for list in ["List(", "LargeList(", "FixedSizeList(", "ListView("] {
        if let Some(inner) = shown.strip_prefix(list).and_then(|rest| rest.strip_suffix(')')) {
            let name = of_shown(inner.rsplit_once(" x ").map_or(inner, |(_, item)| item));
            return if name.ends_with("[]") { name } else { format!("{name}[]") };
        }
    }
    let (name, arguments) = shown.split_once('(').unwrap_or((shown, ""));
    let known = match name {
        "Null" => "unknown",
        "Boolean" => "boolean",
        "Int8" | "UInt8" | "Int16" => "smallint",
        "UInt16" | "Int32" => "integer",
        "UInt32" | "Int64" | "UInt64" | "Integer" => "bigint",
        "Float16" | "Float32" => "real",
        "Float64" | "Float" => "double precision",
        "Decimal" | "Decimal32" | "Decimal64" | "Decimal128" | "Decimal256" => "numeric",
        "Utf8" | "LargeUtf8" | "Utf8View" | "String" => "text",
        "Binary" | "LargeBinary" | "BinaryView" | "FixedSizeBinary" => "bytea",
        "Date32" | "Date64" => "date",
        "Time32" | "Time64" => "time without time zone",
        "Timestamp" if arguments.contains('"') => "timestamp with time zone",
        "Timestamp" => "timestamp without time zone",
        "Interval" | "Duration" => "interval",
        "Struct" => "record",
        _ => return shown.to_lowercase(),
    };
    known.to_owned()
}

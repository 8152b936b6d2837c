//! Column types: SQL's names to the canonical Arrow types and back.

use arrow::datatypes::{DECIMAL128_MAX_PRECISION, DataType, Field, TimeUnit};
use datafusion::sql::sqlparser::ast::{
    ArrayElemTypeDef, CharacterLength, DataType as SqlType, ExactNumberInfo, TimezoneInfo,
};
use zxq_catalog::declared;

use crate::error::{EngineError, ErrorKind, Result};

#[cfg(test)]
mod tests;

/// A column's type as the table definition keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnType {
    /// The canonical Arrow type, in which stores keep the values.
    pub data_type: DataType,
    /// The SQL name, normalised: `VARCHAR(50)`, `DECIMAL(20,8)`, `INTEGER`.
    pub sql_type: String,
    /// The n of `VARCHAR(n)` and `CHAR(n)`.
    pub max_chars: Option<u32>,
}

impl ColumnType {
    fn of(data_type: DataType, sql_type: impl Into<String>) -> Self {
        ColumnType { data_type, sql_type: sql_type.into(), max_chars: None }
    }
}

/// Canonical `TIMESTAMPTZ`.
pub fn timestamptz() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// Canonical `TIMESTAMP`.
pub fn timestamp() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, None)
}

/// The canonical type of a SQL type.
///
/// # Errors
/// [`ErrorKind::FeatureNotSupported`] for types zxq does not keep, with the type to use instead;
/// [`ErrorKind::InvalidDefinition`] for a bad length, precision or scale.
pub fn column_type(sql_type: &SqlType) -> Result<ColumnType> {
    use SqlType as T;
    Ok(match sql_type {
        T::SmallInt(None) | T::Int2(None) => ColumnType::of(DataType::Int16, "SMALLINT"),
        T::Int(None) | T::Integer(None) | T::Int4(None) => ColumnType::of(DataType::Int32, "INTEGER"),
        T::BigInt(None) | T::Int8(None) => ColumnType::of(DataType::Int64, "BIGINT"),
        T::Real | T::Float4 => ColumnType::of(DataType::Float32, "REAL"),
        T::Float(ExactNumberInfo::Precision(bits)) if (1..=24).contains(bits) => {
            ColumnType::of(DataType::Float32, "REAL")
        }
        T::Float(ExactNumberInfo::Precision(bits)) if (25..=53).contains(bits) => double(),
        T::Float(ExactNumberInfo::None) | T::Float8 | T::DoublePrecision | T::Double(ExactNumberInfo::None) => double(),
        T::Bool | T::Boolean => ColumnType::of(DataType::Boolean, "BOOLEAN"),
        T::Date => ColumnType::of(DataType::Date32, "DATE"),
        T::Timestamp(precision, zone) => timestamp_type(*precision, zone)?,
        T::Text | T::String(None) => text(),
        T::Varchar(length) | T::CharacterVarying(length) | T::CharVarying(length) => limited("VARCHAR", length, None)?,
        T::Char(length) | T::Character(length) => limited("CHAR", length, Some(1))?,
        T::Numeric(info) | T::Decimal(info) | T::Dec(info) => decimal(info)?,
        T::Uuid => ColumnType::of(DataType::Utf8View, "UUID"),
        T::JSON => ColumnType::of(DataType::Utf8View, "JSON"),
        T::JSONB => ColumnType::of(DataType::Utf8View, "JSONB"),
        T::Bytea => ColumnType::of(DataType::BinaryView, "BYTEA"),
        T::Time(None | Some(6), TimezoneInfo::None | TimezoneInfo::WithoutTimeZone) => time(),
        T::Interval { fields: None, precision: None | Some(6) } => interval(),
        T::Array(ArrayElemTypeDef::SquareBracket(element, _) | ArrayElemTypeDef::AngleBracket(element)) => {
            array(element)?
        }
        T::Custom(name, arguments) => return custom(&name.to_string(), arguments),
        other => return Err(unsupported(&other.to_string())),
    })
}

fn double() -> ColumnType {
    ColumnType::of(DataType::Float64, "DOUBLE PRECISION")
}

fn text() -> ColumnType {
    ColumnType::of(DataType::Utf8View, "TEXT")
}

/// Kept as microseconds since midnight.
fn time() -> ColumnType {
    ColumnType::of(DataType::Int64, "TIME")
}

/// Kept as text.
fn interval() -> ColumnType {
    ColumnType::of(DataType::Utf8View, "INTERVAL")
}

/// Arrays of one dimension, kept as text. As in PostgreSQL, a length is not looked at.
fn array(element: &SqlType) -> Result<ColumnType> {
    let sql_type = format!("{}[]", column_type(element)?.sql_type);
    match declared::row_type(&sql_type) {
        Some(_) => Ok(ColumnType::of(DataType::Utf8View, sql_type)),
        None => Err(EngineError::new(
            ErrorKind::FeatureNotSupported,
            format!(
                "columns of type {sql_type} are not supported: the elements of an array are numbers, booleans, dates, \
                 timestamps, UUIDs, TEXT or VARCHAR without a length"
            ),
        )),
    }
}

fn timestamp_type(precision: Option<u64>, zone: &TimezoneInfo) -> Result<ColumnType> {
    let with_zone = matches!(zone, TimezoneInfo::WithTimeZone | TimezoneInfo::Tz);
    let name = if with_zone { "TIMESTAMPTZ" } else { "TIMESTAMP" };
    if let Some(digits) = precision
        && digits != 6
    {
        return Err(EngineError::new(
            ErrorKind::FeatureNotSupported,
            format!(
                "{name}({digits}) is not supported: timestamps are kept to the microsecond, write {name} (and keep \
                 nanoseconds in a BIGINT column beside it)"
            ),
        ));
    }
    Ok(ColumnType::of(if with_zone { timestamptz() } else { timestamp() }, name))
}

fn limited(name: &str, length: &Option<CharacterLength>, default: Option<u64>) -> Result<ColumnType> {
    let length = match length {
        None => default,
        Some(CharacterLength::IntegerLength { length, .. }) => Some(*length),
        Some(CharacterLength::Max) => None,
    };
    let Some(length) = length else { return Ok(text_named(name)) };
    let max_chars = u32::try_from(length).ok().filter(|n| (1..=10_485_760).contains(n)).ok_or_else(|| {
        EngineError::new(
            ErrorKind::InvalidDefinition,
            format!("{name}({length}): the length must be between 1 and 10485760 characters"),
        )
    })?;
    Ok(ColumnType {
        data_type: DataType::Utf8View,
        sql_type: format!("{name}({max_chars})"),
        max_chars: Some(max_chars),
    })
}

fn text_named(name: &str) -> ColumnType {
    ColumnType::of(DataType::Utf8View, name)
}

/// A bare `NUMERIC` is refused rather than given a precision: PostgreSQL's has no limit, and any choice of ours would
/// round somebody's prices without saying so.
fn decimal(info: &ExactNumberInfo) -> Result<ColumnType> {
    let (precision, scale) = match *info {
        ExactNumberInfo::PrecisionAndScale(precision, scale) => (precision, scale),
        ExactNumberInfo::Precision(precision) => (precision, 0),
        ExactNumberInfo::None => {
            return Err(EngineError::new(
                ErrorKind::InvalidDefinition,
                "NUMERIC needs a precision and a scale here, for example NUMERIC(20,8): at most 38 digits, and none \
                 are rounded away unasked",
            ));
        }
    };
    decimal_type(precision, scale)
}

/// `DECIMAL(p,s)`, checked.
pub(super) fn decimal_type(precision: u64, scale: i64) -> Result<ColumnType> {
    let p = u8::try_from(precision).ok().filter(|p| (1..=DECIMAL128_MAX_PRECISION).contains(p));
    let s = i8::try_from(scale).ok().filter(|s| *s >= 0);
    match (p, s) {
        (Some(p), Some(s)) if i64::from(s) <= i64::from(p) => {
            Ok(ColumnType::of(DataType::Decimal128(p, s), format!("DECIMAL({p},{s})")))
        }
        _ => Err(EngineError::new(
            ErrorKind::InvalidDefinition,
            format!(
                "DECIMAL({precision},{scale}): the precision must be between 1 and {DECIMAL128_MAX_PRECISION}, the \
                 scale between 0 and the precision"
            ),
        )),
    }
}

/// Types that sqlparser does not know by name.
fn custom(name: &str, arguments: &[String]) -> Result<ColumnType> {
    let lower = name.to_ascii_lowercase();
    match (lower.trim_start_matches("pg_catalog."), arguments) {
        ("bpchar", [length]) => {
            let length = length.trim().parse().ok().map(|length| CharacterLength::IntegerLength { length, unit: None });
            limited("CHAR", &length, Some(1))
        }
        ("bpchar" | "name" | "citext", []) => Ok(text()),
        ("smallserial" | "serial2", []) => Ok(ColumnType::of(DataType::Int16, "SMALLINT")),
        ("serial" | "serial4", []) => Ok(ColumnType::of(DataType::Int32, "INTEGER")),
        ("bigserial" | "serial8", []) => Ok(ColumnType::of(DataType::Int64, "BIGINT")),
        (known, _) if NOT_KEPT.contains(&known) => Err(unsupported(name)),
        _ => Err(EngineError::new(
            ErrorKind::UndefinedObject,
            format!("type \"{name}\" does not exist; zxq's types are {KNOWN_TYPES}"),
        )
        .about_name(name)),
    }
}

/// PostgreSQL's types that columns here do not have.
const NOT_KEPT: [&str; 41] = [
    "bit",
    "varbit",
    "timetz",
    "money",
    "inet",
    "cidr",
    "macaddr",
    "macaddr8",
    "xml",
    "tsvector",
    "tsquery",
    "point",
    "line",
    "lseg",
    "box",
    "path",
    "polygon",
    "circle",
    "int4range",
    "int8range",
    "numrange",
    "tsrange",
    "tstzrange",
    "daterange",
    "int4multirange",
    "int8multirange",
    "nummultirange",
    "tsmultirange",
    "tstzmultirange",
    "datemultirange",
    "jsonpath",
    "pg_lsn",
    "xid",
    "xid8",
    "cid",
    "tid",
    "oid",
    "regclass",
    "regproc",
    "regtype",
    "txid_snapshot",
];

const KNOWN_TYPES: &str = "SMALLINT, INTEGER, BIGINT, REAL, DOUBLE PRECISION, DECIMAL(p,s), BOOLEAN, DATE, TIMESTAMP, \
                           TIMESTAMPTZ, TIME, INTERVAL, TEXT, VARCHAR(n), CHAR(n), UUID, JSON, JSONB, BYTEA and arrays";

fn unsupported(name: &str) -> EngineError {
    let lower = name.to_ascii_lowercase();
    let instead = if lower.starts_with("tinyint") || lower.contains("unsigned") {
        "use SMALLINT, INTEGER or BIGINT"
    } else if lower.starts_with("interval") {
        "use INTERVAL"
    } else if lower.starts_with("time") {
        "use TIMESTAMPTZ, or TIME without a zone"
    } else if lower.contains("blob") || lower.contains("binary") || lower.starts_with("byte") {
        "use BYTEA"
    } else {
        "use one of those"
    };
    EngineError::new(
        ErrorKind::FeatureNotSupported,
        format!("columns of type {name} are not supported: zxq's types are {KNOWN_TYPES}; {instead}"),
    )
}

/// The canonical type for a column of another system's: a Parquet file's, a query's. Timestamps become microseconds,
/// dictionaries their values, unsigned integers the next signed type that holds them.
///
/// `None` for types that stores do not hold: [`kept_type`] knows how some of them are kept.
pub fn canonical_type(data_type: &DataType) -> Option<ColumnType> {
    Some(match data_type {
        DataType::Boolean => ColumnType::of(DataType::Boolean, "BOOLEAN"),
        DataType::Int8 | DataType::UInt8 | DataType::Int16 => ColumnType::of(DataType::Int16, "SMALLINT"),
        DataType::UInt16 | DataType::Int32 => ColumnType::of(DataType::Int32, "INTEGER"),
        DataType::UInt32 | DataType::Int64 => ColumnType::of(DataType::Int64, "BIGINT"),
        DataType::UInt64 => decimal_type(20, 0).ok()?,
        DataType::Float16 | DataType::Float32 => ColumnType::of(DataType::Float32, "REAL"),
        DataType::Float64 => double(),
        DataType::Decimal32(p, s)
        | DataType::Decimal64(p, s)
        | DataType::Decimal128(p, s)
        | DataType::Decimal256(p, s) => decimal_type(u64::from(*p), i64::from(*s)).ok()?,
        DataType::Date32 | DataType::Date64 => ColumnType::of(DataType::Date32, "DATE"),
        DataType::Timestamp(_, None) => ColumnType::of(timestamp(), "TIMESTAMP"),
        DataType::Timestamp(_, Some(_)) => ColumnType::of(timestamptz(), "TIMESTAMPTZ"),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null => text(),
        // Writers use sixteen bytes for UUIDs and do not always say so.
        DataType::FixedSizeBinary(16) => return None,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            ColumnType::of(DataType::BinaryView, "BYTEA")
        }
        DataType::Dictionary(_, values) => canonical_type(values)?,
        DataType::RunEndEncoded(_, values) => canonical_type(values.data_type())?,
        _ => return None,
    })
}

/// The type for a column of a query's result or a file's: as [`canonical_type`], and times of day, intervals, arrays, and
/// what the field is declared as.
///
/// `None` for types no zxq column can hold (structs, maps, arrays of arrays, …).
pub fn kept_type(field: &Field) -> Option<ColumnType> {
    match field.data_type() {
        DataType::Time32(_) | DataType::Time64(_) => Some(time()),
        DataType::Interval(_) | DataType::Duration(_) => Some(interval()),
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            let sql_type = format!("{}[]", kept_type(item)?.sql_type);
            declared::row_type(&sql_type).map(|_| ColumnType::of(DataType::Utf8View, sql_type))
        }
        _ => {
            let kind = canonical_type(field.data_type())?;
            let named = field.metadata().get(declared::PG_TYPE).map(|declared| declared.to_ascii_uppercase());
            Some(match named.as_deref() {
                Some(name @ ("UUID" | "JSON" | "JSONB" | "VARCHAR")) if kind.data_type == DataType::Utf8View => {
                    ColumnType::of(kind.data_type, name)
                }
                // Its digits are nothing that anybody declared.
                Some(name @ "NUMERIC") if matches!(kind.data_type, DataType::Decimal128(..)) => {
                    ColumnType::of(kind.data_type, name)
                }
                Some(name) if kind.data_type == DataType::Utf8View => with_length(name).unwrap_or(kind),
                _ => kind,
            })
        }
    }
}

/// `VARCHAR(n)` or `BPCHAR(n)` as a column's type.
fn with_length(name: &str) -> Option<ColumnType> {
    let (name, length) = name.strip_suffix(')')?.split_once('(')?;
    let length = CharacterLength::IntegerLength { length: length.parse().ok()?, unit: None };
    limited(if name == "BPCHAR" { "CHAR" } else { "VARCHAR" }, &Some(length), None).ok()
}

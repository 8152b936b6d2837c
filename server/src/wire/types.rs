//! Which PostgreSQL type each Arrow type is on the wire, and back.

use datafusion::arrow::datatypes::{DataType, Field, IntervalUnit, Schema, TimeUnit};
use pgwire::api::Type;
use tokio_postgres::types::Kind;
use zxq_engine::catalog::declared::{PG_TYPE, declared};
use zxq_engine::{QUOTIENT_DIGITS, QuotientDigits};

/// Field metadata key that overrides the wire type, for results whose PostgreSQL type Arrow cannot name: `oid`, `name`,
/// `uuid`, `varchar(20)`.
pub(crate) const PG_TYPE_KEY: &str = PG_TYPE;

/// One result column as `RowDescription` announces it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Column {
    /// Column name.
    pub(crate) name: String,
    /// Wire type.
    pub(crate) pg_type: Type,
    /// Type modifier: precision and scale of a numeric, length of a text that has one, otherwise -1.
    pub(crate) typmod: i32,
    /// For quotients, whose digits behind the point differ from value to value: what says how many.
    pub(crate) quotient: Option<QuotientDigits>,
    /// The OID of the table that it is a column of, and its number there; zeros for what is computed.
    pub(crate) origin: (u32, i16),
}

impl Column {
    /// Bytes of a value where the type has a fixed width, otherwise -1.
    pub(crate) fn width(&self) -> i16 {
        match self.pg_type {
            Type::BOOL | Type::CHAR => 1,
            Type::INT2 => 2,
            Type::INT4 | Type::FLOAT4 | Type::DATE | Type::OID => 4,
            Type::INT8 | Type::FLOAT8 | Type::TIMESTAMP | Type::TIMESTAMPTZ | Type::TIME => 8,
            Type::INTERVAL => 16,
            Type::NAME => 64,
            Type::UUID => 16,
            _ => -1,
        }
    }
}

/// The wire columns of a result.
pub(crate) fn columns(schema: &Schema) -> Vec<Column> {
    schema.fields().iter().map(|field| column_of(field)).collect()
}

/// One wire column.
pub(crate) fn column_of(field: &Field) -> Column {
    let typmod = declared_length(field).map_or_else(|| typmod(field.data_type()), |length| length + 4);
    let quotient = field.metadata().get(QUOTIENT_DIGITS).and_then(|digits| QuotientDigits::parse(digits));
    let typmod = if quotient.is_some() || declared(field) == Some("numeric") { -1 } else { typmod };
    Column { name: field.name().clone(), pg_type: field_type(field), typmod, quotient, origin: (0, 0) }
}

/// The n of `varchar(n)` and `bpchar(n)`.
pub(crate) fn declared_length(field: &Field) -> Option<i32> {
    field.metadata().get(PG_TYPE_KEY)?.strip_suffix(')')?.split_once('(')?.1.parse().ok()
}

/// The wire type of a field: what it is declared as, or that of its Arrow type.
pub(crate) fn field_type(field: &Field) -> Type {
    match declared(field) {
        Some("oid") => Type::OID,
        Some("name") => Type::NAME,
        Some("char") => Type::CHAR,
        Some("uuid") => Type::UUID,
        Some("json") => Type::JSON,
        Some("jsonb") => Type::JSONB,
        Some("varchar") => Type::VARCHAR,
        Some("bpchar") => Type::BPCHAR,
        Some("numeric") => Type::NUMERIC,
        Some("int2vector") => Type::INT2_VECTOR,
        Some("oidvector") => Type::OID_VECTOR,
        _ => pg_type(field.data_type()),
    }
}

/// The wire type of an Arrow type. Types PostgreSQL does not have widen (`UInt16` is an `int4`) or become JSON.
pub(crate) fn pg_type(data_type: &DataType) -> Type {
    match data_type {
        DataType::Boolean => Type::BOOL,
        DataType::Int8 | DataType::UInt8 | DataType::Int16 => Type::INT2,
        DataType::UInt16 | DataType::Int32 => Type::INT4,
        DataType::UInt32 | DataType::Int64 | DataType::UInt64 => Type::INT8,
        DataType::Float16 | DataType::Float32 => Type::FLOAT4,
        DataType::Float64 => Type::FLOAT8,
        DataType::Decimal32(..) | DataType::Decimal64(..) | DataType::Decimal128(..) | DataType::Decimal256(..) => {
            Type::NUMERIC
        }
        DataType::Date32 => Type::DATE,
        DataType::Date64 | DataType::Timestamp(_, None) => Type::TIMESTAMP,
        DataType::Timestamp(_, Some(_)) => Type::TIMESTAMPTZ,
        DataType::Time32(_) | DataType::Time64(_) => Type::TIME,
        DataType::Interval(_) | DataType::Duration(_) => Type::INTERVAL,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => Type::BYTEA,
        DataType::Dictionary(_, values) => pg_type(values),
        DataType::RunEndEncoded(_, values) => pg_type(values.data_type()),
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::FixedSizeList(item, _)
        | DataType::ListView(item)
        | DataType::LargeListView(item) => match field_type(item) {
            _ if has_no_array(item.data_type()) => Type::JSON,
            // An array of arrays has the type of an array.
            array if matches!(array.kind(), Kind::Array(_)) => array,
            element => array_type(&element),
        },
        DataType::Struct(_) => Type::RECORD,
        DataType::Map(..) | DataType::Union(..) => Type::JSON,
        DataType::Null | DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Type::TEXT,
    }
}

/// True for types whose values are shown as JSON, of which PostgreSQL has no arrays.
fn has_no_array(item: &DataType) -> bool {
    matches!(item, DataType::Struct(_) | DataType::Map(..) | DataType::Union(..))
        || pg_type_of_list(item) == Some(Type::JSON)
}

fn pg_type_of_list(item: &DataType) -> Option<Type> {
    item.is_list().then(|| pg_type(item))
}

/// The array type over an element type; JSON where there is none.
pub(crate) fn array_type(element: &Type) -> Type {
    match *element {
        Type::BOOL => Type::BOOL_ARRAY,
        Type::INT2 => Type::INT2_ARRAY,
        Type::INT4 => Type::INT4_ARRAY,
        Type::INT8 => Type::INT8_ARRAY,
        Type::FLOAT4 => Type::FLOAT4_ARRAY,
        Type::FLOAT8 => Type::FLOAT8_ARRAY,
        Type::NUMERIC => Type::NUMERIC_ARRAY,
        Type::DATE => Type::DATE_ARRAY,
        Type::TIMESTAMP => Type::TIMESTAMP_ARRAY,
        Type::TIMESTAMPTZ => Type::TIMESTAMPTZ_ARRAY,
        Type::TIME => Type::TIME_ARRAY,
        Type::INTERVAL => Type::INTERVAL_ARRAY,
        Type::BYTEA => Type::BYTEA_ARRAY,
        Type::TEXT => Type::TEXT_ARRAY,
        Type::UUID => Type::UUID_ARRAY,
        Type::VARCHAR => Type::VARCHAR_ARRAY,
        Type::BPCHAR => Type::BPCHAR_ARRAY,
        Type::NAME => Type::NAME_ARRAY,
        Type::CHAR => Type::CHAR_ARRAY,
        Type::OID => Type::OID_ARRAY,
        Type::JSON => Type::JSON_ARRAY,
        Type::JSONB => Type::JSONB_ARRAY,
        _ => Type::JSON,
    }
}

/// The type modifier `RowDescription` carries: `((precision << 16) | scale) + 4` for a numeric, otherwise -1.
fn typmod(data_type: &DataType) -> i32 {
    match data_type {
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale) => numeric_typmod(*precision, *scale),
        _ => -1,
    }
}

/// The type modifier of `NUMERIC(precision, scale)`.
pub(crate) fn numeric_typmod(precision: u8, scale: i8) -> i32 {
    ((i32::from(precision) << 16) | (i32::from(scale) & 0x7ff)) + 4
}

/// The wire type with this OID, where zxq knows it.
pub(crate) fn type_of_oid(oid: u32) -> Type {
    Type::from_oid(oid).unwrap_or(Type::UNKNOWN)
}

/// The Arrow type a client means by a parameter's OID; `None` leaves it to inference (no OID was given). A numeric with more
/// digits than that is planned again with them.
pub(crate) fn parameter_hint(oid: u32) -> Option<DataType> {
    let micros = TimeUnit::Microsecond;
    let item = |data_type: DataType| DataType::List(Field::new_list_field(data_type, true).into());
    Some(match type_of_oid(oid) {
        Type::BOOL => DataType::Boolean,
        Type::INT2 => DataType::Int16,
        Type::INT4 => DataType::Int32,
        Type::INT8 | Type::OID | Type::XID | Type::CID => DataType::Int64,
        Type::REGCLASS | Type::REGTYPE | Type::REGNAMESPACE | Type::REGPROC => DataType::Int64,
        Type::NUMERIC => DataType::Decimal128(38, 10),
        Type::FLOAT4 => DataType::Float32,
        Type::FLOAT8 => DataType::Float64,
        Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::CHAR => DataType::Utf8View,
        Type::UUID | Type::JSON | Type::JSONB => DataType::Utf8View,
        Type::BYTEA => DataType::BinaryView,
        Type::DATE => DataType::Date32,
        Type::TIMESTAMP => DataType::Timestamp(micros, None),
        Type::TIMESTAMPTZ => DataType::Timestamp(micros, Some("UTC".into())),
        Type::TIME => DataType::Time64(micros),
        Type::INTERVAL => DataType::Interval(IntervalUnit::MonthDayNano),
        Type::BOOL_ARRAY => item(DataType::Boolean),
        Type::INT2_ARRAY => item(DataType::Int16),
        Type::INT4_ARRAY => item(DataType::Int32),
        Type::INT8_ARRAY | Type::OID_ARRAY => item(DataType::Int64),
        Type::FLOAT4_ARRAY => item(DataType::Float32),
        Type::FLOAT8_ARRAY => item(DataType::Float64),
        Type::TEXT_ARRAY | Type::VARCHAR_ARRAY | Type::BPCHAR_ARRAY | Type::NAME_ARRAY | Type::CHAR_ARRAY => {
            item(DataType::Utf8View)
        }
        Type::UUID_ARRAY | Type::JSON_ARRAY | Type::JSONB_ARRAY => item(DataType::Utf8View),
        Type::NUMERIC_ARRAY => item(DataType::Decimal128(38, 10)),
        Type::BYTEA_ARRAY => item(DataType::BinaryView),
        Type::TIME_ARRAY => item(DataType::Time64(micros)),
        Type::INTERVAL_ARRAY => item(DataType::Interval(IntervalUnit::MonthDayNano)),
        Type::DATE_ARRAY => item(DataType::Date32),
        Type::TIMESTAMP_ARRAY => item(DataType::Timestamp(micros, None)),
        Type::TIMESTAMPTZ_ARRAY => item(DataType::Timestamp(micros, Some("UTC".into()))),
        _ => return None,
    })
}

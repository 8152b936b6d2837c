//! A typed reader of one column that writes values in either format.

use bytes::{BufMut, BytesMut};
use datafusion::arrow::array::{
    Array, AsArray, BinaryArray, BinaryViewArray, BooleanArray, LargeBinaryArray, LargeStringArray, ListArray,
    PrimitiveArray, StringArray, StringViewArray,
};
use datafusion::arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Decimal256Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, IntervalMonthDayNanoType, IntervalUnit, Time64MicrosecondType, TimeUnit, TimestampMicrosecondType,
    UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use pgwire::api::Type;

use super::{binary, set_length, text};
use crate::wire::error::WireError;

/// One column, downcast.
pub(crate) enum Source<'a> {
    Null,
    Bool(&'a BooleanArray),
    I16(&'a PrimitiveArray<Int16Type>),
    I32(&'a PrimitiveArray<Int32Type>),
    I64(&'a PrimitiveArray<Int64Type>),
    /// `oid` on the wire where the column says so, otherwise `int8`.
    U32(&'a PrimitiveArray<UInt32Type>),
    F32(&'a PrimitiveArray<Float32Type>),
    F64(&'a PrimitiveArray<Float64Type>),
    Decimal128(&'a PrimitiveArray<Decimal128Type>, i8),
    Decimal256(&'a PrimitiveArray<Decimal256Type>, i8),
    Utf8(&'a StringArray),
    LargeUtf8(&'a LargeStringArray),
    Utf8View(&'a StringViewArray),
    Binary(&'a BinaryArray),
    LargeBinary(&'a LargeBinaryArray),
    BinaryView(&'a BinaryViewArray),
    Date(&'a PrimitiveArray<Date32Type>),
    Timestamp {
        values: &'a PrimitiveArray<TimestampMicrosecondType>,
        zoned: bool,
    },
    Time(&'a PrimitiveArray<Time64MicrosecondType>),
    Interval(&'a PrimitiveArray<IntervalMonthDayNanoType>),
    List {
        lists: &'a ListArray,
        items: Box<Source<'a>>,
    },
    Dictionary {
        dictionary: &'a dyn Array,
        keys: Keys<'a>,
        values: Box<Source<'a>>,
    },
}

/// Keys of a dictionary column.
pub(crate) enum Keys<'a> {
    I8(&'a [i8]),
    I16(&'a [i16]),
    I32(&'a [i32]),
    I64(&'a [i64]),
    U8(&'a [u8]),
    U16(&'a [u16]),
    U32(&'a [u32]),
    U64(&'a [u64]),
}

impl Keys<'_> {
    /// Position in the dictionary; keys of rows that are not NULL are never negative.
    fn at(&self, row: usize) -> usize {
        match self {
            Keys::I8(keys) => keys[row] as usize,
            Keys::I16(keys) => keys[row] as usize,
            Keys::I32(keys) => keys[row] as usize,
            Keys::I64(keys) => keys[row] as usize,
            Keys::U8(keys) => keys[row] as usize,
            Keys::U16(keys) => keys[row] as usize,
            Keys::U32(keys) => keys[row] as usize,
            Keys::U64(keys) => keys[row] as usize,
        }
    }
}

impl<'a> Source<'a> {
    /// A reader of the array.
    ///
    /// # Errors
    /// For a type that [`super::normalise`] should have cast.
    pub(crate) fn new(array: &'a dyn Array) -> Result<Self, WireError> {
        Ok(match array.data_type() {
            DataType::Null => Source::Null,
            DataType::Boolean => Source::Bool(array.as_boolean()),
            DataType::Int16 => Source::I16(array.as_primitive()),
            DataType::Int32 => Source::I32(array.as_primitive()),
            DataType::Int64 => Source::I64(array.as_primitive()),
            DataType::UInt32 => Source::U32(array.as_primitive()),
            DataType::Float32 => Source::F32(array.as_primitive()),
            DataType::Float64 => Source::F64(array.as_primitive()),
            DataType::Decimal128(_, scale) => Source::Decimal128(array.as_primitive(), *scale),
            DataType::Decimal256(_, scale) => Source::Decimal256(array.as_primitive(), *scale),
            DataType::Utf8 => Source::Utf8(array.as_string()),
            DataType::LargeUtf8 => Source::LargeUtf8(array.as_string()),
            DataType::Utf8View => Source::Utf8View(array.as_string_view()),
            DataType::Binary => Source::Binary(array.as_binary()),
            DataType::LargeBinary => Source::LargeBinary(array.as_binary()),
            DataType::BinaryView => Source::BinaryView(array.as_binary_view()),
            DataType::Date32 => Source::Date(array.as_primitive()),
            DataType::Timestamp(TimeUnit::Microsecond, zone) => {
                Source::Timestamp { values: array.as_primitive(), zoned: zone.is_some() }
            }
            DataType::Time64(TimeUnit::Microsecond) => Source::Time(array.as_primitive()),
            DataType::Interval(IntervalUnit::MonthDayNano) => Source::Interval(array.as_primitive()),
            DataType::List(_) => {
                let lists = array.as_list::<i32>();
                Source::List { lists, items: Box::new(Source::new(lists.values().as_ref())?) }
            }
            DataType::Dictionary(key, _) => {
                let dictionary = array.as_any_dictionary();
                Source::Dictionary {
                    dictionary: array,
                    keys: keys(dictionary.keys(), key)?,
                    values: Box::new(Source::new(dictionary.values().as_ref())?),
                }
            }
            other => return Err(WireError::unsupported(format!("results of type {other} cannot be sent to a client"))),
        })
    }

    /// True where the value is NULL.
    pub(crate) fn is_null(&self, row: usize) -> bool {
        match self {
            Source::Null => true,
            Source::Bool(a) => a.is_null(row),
            Source::I16(a) => a.is_null(row),
            Source::I32(a) => a.is_null(row),
            Source::I64(a) => a.is_null(row),
            Source::U32(a) => a.is_null(row),
            Source::F32(a) => a.is_null(row),
            Source::F64(a) => a.is_null(row),
            Source::Decimal128(a, _) => a.is_null(row),
            Source::Decimal256(a, _) => a.is_null(row),
            Source::Utf8(a) => a.is_null(row),
            Source::LargeUtf8(a) => a.is_null(row),
            Source::Utf8View(a) => a.is_null(row),
            Source::Binary(a) => a.is_null(row),
            Source::LargeBinary(a) => a.is_null(row),
            Source::BinaryView(a) => a.is_null(row),
            Source::Date(a) => a.is_null(row),
            Source::Timestamp { values, .. } => values.is_null(row),
            Source::Time(a) => a.is_null(row),
            Source::Interval(a) => a.is_null(row),
            Source::List { lists, .. } => lists.is_null(row),
            Source::Dictionary { dictionary, keys, values } => dictionary.is_null(row) || values.is_null(keys.at(row)),
        }
    }

    /// Appends a value that is not NULL as text.
    ///
    /// # Errors
    /// None today; lists pass on what their elements say.
    pub(crate) fn write_text(&self, row: usize, buf: &mut BytesMut) -> Result<(), WireError> {
        match self {
            Source::Null => {}
            Source::Bool(a) => text::write_bool(buf, a.value(row)),
            Source::I16(a) => text::write_int(buf, a.value(row)),
            Source::I32(a) => text::write_int(buf, a.value(row)),
            Source::I64(a) => text::write_int(buf, a.value(row)),
            Source::U32(a) => text::write_int(buf, a.value(row)),
            Source::F32(a) => text::write_f32(buf, a.value(row)),
            Source::F64(a) => text::write_f64(buf, a.value(row)),
            Source::Decimal128(a, scale) => {
                with_digits(a.value(row), |digits| text::write_decimal(buf, digits, *scale))
            }
            Source::Decimal256(a, scale) => text::write_decimal(buf, &a.value(row).to_string(), *scale),
            Source::Utf8(a) => buf.put_slice(a.value(row).as_bytes()),
            Source::LargeUtf8(a) => buf.put_slice(a.value(row).as_bytes()),
            Source::Utf8View(a) => buf.put_slice(a.value(row).as_bytes()),
            Source::Binary(a) => text::write_bytea(buf, a.value(row)),
            Source::LargeBinary(a) => text::write_bytea(buf, a.value(row)),
            Source::BinaryView(a) => text::write_bytea(buf, a.value(row)),
            Source::Date(a) => text::write_date(buf, a.value(row)),
            Source::Timestamp { values, zoned } => text::write_timestamp(buf, values.value(row), *zoned),
            Source::Time(a) => text::write_time(buf, a.value(row)),
            Source::Interval(a) => {
                let value = a.value(row);
                text::write_interval(buf, value.months, value.days, value.nanoseconds);
            }
            Source::List { lists, items } => write_list_text(buf, lists, items, row)?,
            Source::Dictionary { keys, values, .. } => values.write_text(keys.at(row), buf)?,
        }
        Ok(())
    }

    /// Appends a value that is not NULL in the binary format of `pg_type`.
    ///
    /// # Errors
    /// When PostgreSQL's format cannot hold the value.
    pub(crate) fn write_binary(&self, row: usize, pg_type: &Type, buf: &mut BytesMut) -> Result<(), WireError> {
        match self {
            Source::Null => {}
            Source::Bool(a) => buf.put_u8(u8::from(a.value(row))),
            Source::I16(a) => buf.put_i16(a.value(row)),
            Source::I32(a) => buf.put_i32(a.value(row)),
            Source::I64(a) => buf.put_i64(a.value(row)),
            Source::U32(a) if *pg_type == Type::OID => buf.put_u32(a.value(row)),
            Source::U32(a) => buf.put_i64(i64::from(a.value(row))),
            Source::F32(a) => buf.put_f32(a.value(row)),
            Source::F64(a) => buf.put_f64(a.value(row)),
            Source::Decimal128(a, scale) => {
                with_digits(a.value(row), |digits| binary::write_numeric(buf, digits, *scale));
            }
            Source::Decimal256(a, scale) => binary::write_numeric(buf, &a.value(row).to_string(), *scale),
            Source::Utf8(a) => buf.put_slice(a.value(row).as_bytes()),
            Source::LargeUtf8(a) => buf.put_slice(a.value(row).as_bytes()),
            Source::Utf8View(a) => buf.put_slice(a.value(row).as_bytes()),
            Source::Binary(a) => buf.put_slice(a.value(row)),
            Source::LargeBinary(a) => buf.put_slice(a.value(row)),
            Source::BinaryView(a) => buf.put_slice(a.value(row)),
            Source::Date(a) => in_range(binary::write_date(buf, a.value(row)))?,
            Source::Timestamp { values, .. } => in_range(binary::write_timestamp(buf, values.value(row)))?,
            Source::Time(a) => buf.put_i64(a.value(row)),
            Source::Interval(a) => {
                let value = a.value(row);
                binary::write_interval(buf, value.months, value.days, value.nanoseconds);
            }
            Source::List { lists, items } => write_list_binary(buf, lists, items, row, pg_type)?,
            Source::Dictionary { keys, values, .. } => values.write_binary(keys.at(row), pg_type, buf)?,
        }
        Ok(())
    }
}

fn keys<'a>(array: &'a dyn Array, key_type: &DataType) -> Result<Keys<'a>, WireError> {
    Ok(match key_type {
        DataType::Int8 => Keys::I8(array.as_primitive::<Int8Type>().values()),
        DataType::Int16 => Keys::I16(array.as_primitive::<Int16Type>().values()),
        DataType::Int32 => Keys::I32(array.as_primitive::<Int32Type>().values()),
        DataType::Int64 => Keys::I64(array.as_primitive::<Int64Type>().values()),
        DataType::UInt8 => Keys::U8(array.as_primitive::<UInt8Type>().values()),
        DataType::UInt16 => Keys::U16(array.as_primitive::<UInt16Type>().values()),
        DataType::UInt32 => Keys::U32(array.as_primitive::<UInt32Type>().values()),
        DataType::UInt64 => Keys::U64(array.as_primitive::<UInt64Type>().values()),
        other => return Err(WireError::internal(format!("{other} cannot be a dictionary key"))),
    })
}

fn with_digits(value: i128, write: impl FnOnce(&str)) {
    write(itoa::Buffer::new().format(value));
}

fn in_range(written: bool) -> Result<(), WireError> {
    if written { Ok(()) } else { Err(WireError::out_of_range("date or timestamp out of range".to_owned())) }
}

/// `{1,NULL,"a b"}`: an element is quoted where PostgreSQL would read it differently otherwise.
fn write_list_text(buf: &mut BytesMut, lists: &ListArray, items: &Source<'_>, row: usize) -> Result<(), WireError> {
    let offsets = lists.value_offsets();
    let mut element = BytesMut::new();
    buf.put_u8(b'{');
    for (position, item) in (offsets[row] as usize..offsets[row + 1] as usize).enumerate() {
        if position > 0 {
            buf.put_u8(b',');
        }
        if items.is_null(item) {
            buf.put_slice(b"NULL");
            continue;
        }
        element.clear();
        items.write_text(item, &mut element)?;
        if !needs_quotes(&element) {
            buf.put_slice(&element);
            continue;
        }
        buf.put_u8(b'"');
        for byte in &element {
            if matches!(byte, b'"' | b'\\') {
                buf.put_u8(b'\\');
            }
            buf.put_u8(*byte);
        }
        buf.put_u8(b'"');
    }
    buf.put_u8(b'}');
    Ok(())
}

fn needs_quotes(element: &[u8]) -> bool {
    element.is_empty()
        || element.eq_ignore_ascii_case(b"NULL")
        || element
            .iter()
            .any(|b| matches!(b, b'{' | b'}' | b',' | b'"' | b'\\') || b.is_ascii_whitespace() || *b == 0x0b)
}

fn write_list_binary(
    buf: &mut BytesMut,
    lists: &ListArray,
    items: &Source<'_>,
    row: usize,
    pg_type: &Type,
) -> Result<(), WireError> {
    let element = match pg_type.kind() {
        tokio_postgres::types::Kind::Array(element) => element.clone(),
        _ => return Err(WireError::internal(format!("{pg_type} is no array type"))),
    };
    let offsets = lists.value_offsets();
    let range = offsets[row] as usize..offsets[row + 1] as usize;
    if range.is_empty() {
        buf.put_i32(0);
        buf.put_i32(0);
        buf.put_u32(element.oid());
        return Ok(());
    }
    buf.put_i32(1);
    buf.put_i32(i32::from(range.clone().any(|item| items.is_null(item))));
    buf.put_u32(element.oid());
    buf.put_i32(range.len() as i32);
    buf.put_i32(1);
    for item in range {
        if items.is_null(item) {
            buf.put_i32(-1);
            continue;
        }
        let start = buf.len();
        buf.put_i32(0);
        items.write_binary(item, &element, buf)?;
        set_length(buf, start, 4)?;
    }
    Ok(())
}

//! A typed reader of one column that writes values in either format.

use bytes::{BufMut, BytesMut};
use datafusion::arrow::array::{
    Array, AsArray, BinaryArray, BinaryViewArray, BooleanArray, LargeBinaryArray, LargeStringArray, ListArray,
    PrimitiveArray, StringArray, StringViewArray, StructArray,
};
use datafusion::arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Decimal256Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, IntervalMonthDayNanoType, IntervalUnit, Time64MicrosecondType, TimeUnit, TimestampMicrosecondType,
    UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use pgwire::api::Type;
use zxq_engine::{QuotientDigits, Zone};

use super::lists::{write_list_binary, write_list_text};
use super::records::{write_record_binary, write_record_text};
use super::{binary, text};
use crate::wire::error::WireError;
use crate::wire::types::field_type;

/// One column, downcast.
pub(crate) enum ColumnValues<'a> {
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
    /// Decimals of which each has the digits behind the point that its size asks for.
    Quotients {
        values: &'a PrimitiveArray<Decimal128Type>,
        scale: i8,
        digits: QuotientDigits,
    },
    Utf8(&'a StringArray),
    LargeUtf8(&'a LargeStringArray),
    Utf8View(&'a StringViewArray),
    Binary(&'a BinaryArray),
    LargeBinary(&'a LargeBinaryArray),
    BinaryView(&'a BinaryViewArray),
    Date(&'a PrimitiveArray<Date32Type>),
    Timestamp {
        values: &'a PrimitiveArray<TimestampMicrosecondType>,
        /// The zone that moments are shown in.
        zone: Option<Zone>,
    },
    Time(&'a PrimitiveArray<Time64MicrosecondType>),
    Interval(&'a PrimitiveArray<IntervalMonthDayNanoType>),
    List {
        lists: &'a ListArray,
        items: Box<ColumnValues<'a>>,
    },
    Record {
        records: &'a StructArray,
        /// The values of each of its columns, and their types.
        values: Vec<(Type, ColumnValues<'a>)>,
    },
    Dictionary {
        dictionary: &'a dyn Array,
        keys: Keys<'a>,
        values: Box<ColumnValues<'a>>,
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

impl<'a> ColumnValues<'a> {
    /// A reader of the array.
    ///
    /// # Errors
    /// For a type that [`super::normalise`] should have cast.
    pub(crate) fn new(array: &'a dyn Array) -> Result<Self, WireError> {
        Ok(match array.data_type() {
            DataType::Null => ColumnValues::Null,
            DataType::Boolean => ColumnValues::Bool(array.as_boolean()),
            DataType::Int16 => ColumnValues::I16(array.as_primitive()),
            DataType::Int32 => ColumnValues::I32(array.as_primitive()),
            DataType::Int64 => ColumnValues::I64(array.as_primitive()),
            DataType::UInt32 => ColumnValues::U32(array.as_primitive()),
            DataType::Float32 => ColumnValues::F32(array.as_primitive()),
            DataType::Float64 => ColumnValues::F64(array.as_primitive()),
            DataType::Decimal128(_, scale) => ColumnValues::Decimal128(array.as_primitive(), *scale),
            DataType::Decimal256(_, scale) => ColumnValues::Decimal256(array.as_primitive(), *scale),
            DataType::Utf8 => ColumnValues::Utf8(array.as_string()),
            DataType::LargeUtf8 => ColumnValues::LargeUtf8(array.as_string()),
            DataType::Utf8View => ColumnValues::Utf8View(array.as_string_view()),
            DataType::Binary => ColumnValues::Binary(array.as_binary()),
            DataType::LargeBinary => ColumnValues::LargeBinary(array.as_binary()),
            DataType::BinaryView => ColumnValues::BinaryView(array.as_binary_view()),
            DataType::Date32 => ColumnValues::Date(array.as_primitive()),
            DataType::Timestamp(TimeUnit::Microsecond, zone) => {
                ColumnValues::Timestamp { values: array.as_primitive(), zone: zone.as_deref().map(zone_of) }
            }
            DataType::Time64(TimeUnit::Microsecond) => ColumnValues::Time(array.as_primitive()),
            DataType::Interval(IntervalUnit::MonthDayNano) => ColumnValues::Interval(array.as_primitive()),
            DataType::List(_) => {
                let lists = array.as_list::<i32>();
                ColumnValues::List { lists, items: Box::new(ColumnValues::new(lists.values().as_ref())?) }
            }
            DataType::Struct(fields) => {
                let records = array.as_struct();
                let columns = fields.iter().zip(records.columns());
                let values =
                    columns.map(|(field, column)| Ok((field_type(field), ColumnValues::new(column.as_ref())?)));
                ColumnValues::Record { records, values: values.collect::<Result<_, WireError>>()? }
            }
            DataType::Dictionary(key, _) => {
                let dictionary = array.as_any_dictionary();
                ColumnValues::Dictionary {
                    dictionary: array,
                    keys: keys(dictionary.keys(), key)?,
                    values: Box::new(ColumnValues::new(dictionary.values().as_ref())?),
                }
            }
            other => return Err(WireError::unsupported(format!("results of type {other} cannot be sent to a client"))),
        })
    }

    /// The same values as quotients, with the digits behind the point that each of them has.
    pub(crate) fn into_quotients(self, digits: QuotientDigits) -> Self {
        match self {
            ColumnValues::Decimal128(values, scale) if scale > 0 => ColumnValues::Quotients { values, scale, digits },
            other => other,
        }
    }

    /// True where the value is NULL.
    pub(crate) fn is_null(&self, row: usize) -> bool {
        match self {
            ColumnValues::Null => true,
            ColumnValues::Bool(a) => a.is_null(row),
            ColumnValues::I16(a) => a.is_null(row),
            ColumnValues::I32(a) => a.is_null(row),
            ColumnValues::I64(a) => a.is_null(row),
            ColumnValues::U32(a) => a.is_null(row),
            ColumnValues::F32(a) => a.is_null(row),
            ColumnValues::F64(a) => a.is_null(row),
            ColumnValues::Decimal128(a, _) => a.is_null(row),
            ColumnValues::Decimal256(a, _) => a.is_null(row),
            ColumnValues::Quotients { values, .. } => values.is_null(row),
            ColumnValues::Utf8(a) => a.is_null(row),
            ColumnValues::LargeUtf8(a) => a.is_null(row),
            ColumnValues::Utf8View(a) => a.is_null(row),
            ColumnValues::Binary(a) => a.is_null(row),
            ColumnValues::LargeBinary(a) => a.is_null(row),
            ColumnValues::BinaryView(a) => a.is_null(row),
            ColumnValues::Date(a) => a.is_null(row),
            ColumnValues::Timestamp { values, .. } => values.is_null(row),
            ColumnValues::Time(a) => a.is_null(row),
            ColumnValues::Interval(a) => a.is_null(row),
            ColumnValues::List { lists, .. } => lists.is_null(row),
            ColumnValues::Record { records, .. } => records.is_null(row),
            ColumnValues::Dictionary { dictionary, keys, values } => {
                dictionary.is_null(row) || values.is_null(keys.at(row))
            }
        }
    }

    /// Appends a value that is not NULL as text.
    ///
    /// # Errors
    /// None today; lists and records pass on what their values say.
    pub(crate) fn write_text(&self, row: usize, buf: &mut BytesMut) -> Result<(), WireError> {
        match self {
            ColumnValues::Null => {}
            ColumnValues::Bool(a) => text::write_bool(buf, a.value(row)),
            ColumnValues::I16(a) => text::write_int(buf, a.value(row)),
            ColumnValues::I32(a) => text::write_int(buf, a.value(row)),
            ColumnValues::I64(a) => text::write_int(buf, a.value(row)),
            ColumnValues::U32(a) => text::write_int(buf, a.value(row)),
            ColumnValues::F32(a) => text::write_f32(buf, a.value(row)),
            ColumnValues::F64(a) => text::write_f64(buf, a.value(row)),
            ColumnValues::Decimal128(a, scale) => {
                with_digits(a.value(row), |digits| text::write_decimal(buf, digits, *scale))
            }
            ColumnValues::Decimal256(a, scale) => text::write_decimal(buf, &a.value(row).to_string(), *scale),
            ColumnValues::Quotients { values, scale, digits } => {
                let (value, digits) = digits.shown(values.value(row), *scale);
                with_digits(value, |written| text::write_decimal(buf, written, digits));
            }
            ColumnValues::Utf8(a) => buf.put_slice(a.value(row).as_bytes()),
            ColumnValues::LargeUtf8(a) => buf.put_slice(a.value(row).as_bytes()),
            ColumnValues::Utf8View(a) => buf.put_slice(a.value(row).as_bytes()),
            ColumnValues::Binary(a) => text::write_bytea(buf, a.value(row)),
            ColumnValues::LargeBinary(a) => text::write_bytea(buf, a.value(row)),
            ColumnValues::BinaryView(a) => text::write_bytea(buf, a.value(row)),
            ColumnValues::Date(a) => text::write_date(buf, a.value(row)),
            ColumnValues::Timestamp { values, zone } => text::write_timestamp(buf, values.value(row), *zone),
            ColumnValues::Time(a) => text::write_time(buf, a.value(row)),
            ColumnValues::Interval(a) => {
                let value = a.value(row);
                text::write_interval(buf, value.months, value.days, value.nanoseconds);
            }
            ColumnValues::List { lists, items } => write_list_text(buf, lists, items, row)?,
            ColumnValues::Record { values, .. } => write_record_text(buf, values, row)?,
            ColumnValues::Dictionary { keys, values, .. } => values.write_text(keys.at(row), buf)?,
        }
        Ok(())
    }

    /// Appends a value that is not NULL as `int2vector` and `oidvector` are written: `1 2`.
    ///
    /// # Errors
    /// As [`ColumnValues::write_text`].
    pub(crate) fn write_vector_text(&self, row: usize, buf: &mut BytesMut) -> Result<(), WireError> {
        let ColumnValues::List { lists, items } = self else { return self.write_text(row, buf) };
        let offsets = lists.value_offsets();
        for (position, item) in (offsets[row] as usize..offsets[row + 1] as usize).enumerate() {
            if position > 0 {
                buf.put_u8(b' ');
            }
            items.write_text(item, buf)?;
        }
        Ok(())
    }

    /// Appends a value that is not NULL in the binary format of `pg_type`.
    ///
    /// # Errors
    /// When PostgreSQL's format cannot hold the value.
    pub(crate) fn write_binary(&self, row: usize, pg_type: &Type, buf: &mut BytesMut) -> Result<(), WireError> {
        match self {
            ColumnValues::Null => {}
            ColumnValues::Bool(a) => buf.put_u8(u8::from(a.value(row))),
            ColumnValues::I16(a) => buf.put_i16(a.value(row)),
            ColumnValues::I32(a) => buf.put_i32(a.value(row)),
            ColumnValues::I64(a) if *pg_type == Type::OID => buf.put_u32(a.value(row) as u32),
            ColumnValues::I64(a) => buf.put_i64(a.value(row)),
            ColumnValues::U32(a) if *pg_type == Type::OID => buf.put_u32(a.value(row)),
            ColumnValues::U32(a) => buf.put_i64(i64::from(a.value(row))),
            ColumnValues::F32(a) => buf.put_f32(a.value(row)),
            ColumnValues::F64(a) if *pg_type == Type::NUMERIC => binary::write_numeric_of(buf, a.value(row)),
            ColumnValues::F64(a) => buf.put_f64(a.value(row)),
            ColumnValues::Decimal128(a, scale) => {
                with_digits(a.value(row), |digits| binary::write_numeric(buf, digits, *scale));
            }
            ColumnValues::Decimal256(a, scale) => binary::write_numeric(buf, &a.value(row).to_string(), *scale),
            ColumnValues::Quotients { values, scale, digits } => {
                let (value, digits) = digits.shown(values.value(row), *scale);
                with_digits(value, |written| binary::write_numeric(buf, written, digits));
            }
            ColumnValues::Utf8(a) => write_text_binary(buf, a.value(row), pg_type),
            ColumnValues::LargeUtf8(a) => write_text_binary(buf, a.value(row), pg_type),
            ColumnValues::Utf8View(a) => write_text_binary(buf, a.value(row), pg_type),
            ColumnValues::Binary(a) => buf.put_slice(a.value(row)),
            ColumnValues::LargeBinary(a) => buf.put_slice(a.value(row)),
            ColumnValues::BinaryView(a) => buf.put_slice(a.value(row)),
            ColumnValues::Date(a) => in_range(binary::write_date(buf, a.value(row)))?,
            ColumnValues::Timestamp { values, .. } => in_range(binary::write_timestamp(buf, values.value(row)))?,
            ColumnValues::Time(a) => buf.put_i64(a.value(row)),
            ColumnValues::Interval(a) => {
                let value = a.value(row);
                binary::write_interval(buf, value.months, value.days, value.nanoseconds);
            }
            ColumnValues::List { lists, items } => write_list_binary(buf, lists, items, row, pg_type)?,
            ColumnValues::Record { values, .. } => write_record_binary(buf, values, row)?,
            ColumnValues::Dictionary { keys, values, .. } => values.write_binary(keys.at(row), pg_type, buf)?,
        }
        Ok(())
    }
}

/// A text in the binary format of its type.
fn write_text_binary(buf: &mut BytesMut, text: &str, pg_type: &Type) {
    match *pg_type {
        Type::JSONB => {
            // The version of the format.
            buf.put_u8(1);
            buf.put_slice(text.as_bytes());
        }
        Type::UUID => {
            let digits = text.bytes().filter_map(|byte| char::from(byte).to_digit(16)).map(|digit| digit as u8);
            let mut high = None;
            for digit in digits {
                match high.take() {
                    None => high = Some(digit),
                    Some(first) => buf.put_u8(first << 4 | digit),
                }
            }
        }
        _ => buf.put_slice(text.as_bytes()),
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

/// The zone that a column's moments are labelled with.
fn zone_of(label: &str) -> Zone {
    Zone::of_setting(label).map_or(Zone::UTC, |(zone, _)| if zone.is_utc() { Zone::UTC } else { zone })
}

fn in_range(written: bool) -> Result<(), WireError> {
    if written { Ok(()) } else { Err(WireError::out_of_range("date or timestamp out of range".to_owned())) }
}

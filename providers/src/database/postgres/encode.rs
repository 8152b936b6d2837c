//! Arrow to `COPY … FROM STDIN (FORMAT binary)`.

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryViewArray, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array,
    Int16Array, Int32Array, Int64Array, StringViewArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type, TimeUnit,
    TimestampMicrosecondType,
};
use arrow::record_batch::RecordBatch;
use bytes::{BufMut, BytesMut};

use super::{NAME, numeric};
use crate::error::{ProviderError, Result};

/// What every binary COPY begins with: the signature, no flags, no extension.
pub(super) const HEADER: &[u8; 19] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// Days and microseconds from 1970-01-01 to 2000-01-01, where PostgreSQL counts from.
pub(super) const EPOCH_DAYS: i32 = 10_957;
pub(super) const EPOCH_MICROS: i64 = EPOCH_DAYS as i64 * 86_400_000_000;

/// What PostgreSQL can hold, counted from 2000-01-01: 4714 BC to the end of 5874897 and 294276.
const DAYS: std::ops::Range<i32> = -2_451_545..2_145_031_949;
const MICROS: std::ops::Range<i64> = -211_813_488_000_000_000..9_223_371_331_200_000_000;

enum Column<'a> {
    Bool(&'a BooleanArray),
    Int16(&'a Int16Array),
    Int32(&'a Int32Array),
    Int64(&'a Int64Array),
    Float32(&'a Float32Array),
    Float64(&'a Float64Array),
    Decimal(&'a Decimal128Array, i8),
    Text(&'a StringViewArray),
    Bytes(&'a BinaryViewArray),
    Date(&'a Date32Array),
    Micros(&'a TimestampMicrosecondArray),
}

/// Encodes the rows of one batch of canonical types.
pub(super) struct Encoder<'a> {
    columns: Vec<(String, &'a ArrayRef, Column<'a>)>,
}

impl<'a> Encoder<'a> {
    /// An encoder of these columns.
    ///
    /// # Errors
    /// [`ProviderError::Unsupported`] for a type that PostgreSQL cannot hold.
    pub(super) fn new(batch: &'a RecordBatch) -> Result<Encoder<'a>> {
        let schema = batch.schema();
        let columns = batch.columns().iter().zip(schema.fields()).map(|(array, field)| {
            let column = match array.data_type() {
                DataType::Boolean => Column::Bool(array.as_boolean()),
                DataType::Int16 => Column::Int16(array.as_primitive::<Int16Type>()),
                DataType::Int32 => Column::Int32(array.as_primitive::<Int32Type>()),
                DataType::Int64 => Column::Int64(array.as_primitive::<Int64Type>()),
                DataType::Float32 => Column::Float32(array.as_primitive::<Float32Type>()),
                DataType::Float64 => Column::Float64(array.as_primitive::<Float64Type>()),
                DataType::Decimal128(_, scale) => Column::Decimal(array.as_primitive::<Decimal128Type>(), *scale),
                DataType::Utf8View => Column::Text(array.as_string_view()),
                DataType::BinaryView => Column::Bytes(array.as_binary_view()),
                DataType::Date32 => Column::Date(array.as_primitive::<Date32Type>()),
                DataType::Timestamp(TimeUnit::Microsecond, _) => {
                    Column::Micros(array.as_primitive::<TimestampMicrosecondType>())
                }
                other => return Err(cannot(format!("hold column \"{}\" of type {other}", field.name()))),
            };
            Ok((field.name().clone(), array, column))
        });
        Ok(Encoder { columns: columns.collect::<Result<_>>()? })
    }

    /// Appends one row.
    ///
    /// # Errors
    /// [`ProviderError::Unsupported`] for a value that PostgreSQL cannot hold.
    pub(super) fn row(&self, row: usize, out: &mut BytesMut) -> Result<()> {
        out.put_i16(i16::try_from(self.columns.len()).map_err(|_| cannot("hold so many columns".to_owned()))?);
        for (name, array, column) in &self.columns {
            if array.is_null(row) {
                out.put_i32(-1);
                continue;
            }
            match column {
                Column::Bool(a) => {
                    out.put_i32(1);
                    out.put_u8(u8::from(a.value(row)));
                }
                Column::Int16(a) => {
                    out.put_i32(2);
                    out.put_i16(a.value(row));
                }
                Column::Int32(a) => {
                    out.put_i32(4);
                    out.put_i32(a.value(row));
                }
                Column::Int64(a) => {
                    out.put_i32(8);
                    out.put_i64(a.value(row));
                }
                Column::Float32(a) => {
                    out.put_i32(4);
                    out.put_f32(a.value(row));
                }
                Column::Float64(a) => {
                    out.put_i32(8);
                    out.put_f64(a.value(row));
                }
                Column::Decimal(a, scale) => numeric::encode(a.value(row), *scale, out),
                Column::Text(a) => {
                    let text = a.value(row);
                    if text.contains('\0') {
                        return Err(cannot(format!("hold text with a NUL character, as in column \"{name}\"")));
                    }
                    put_bytes(text.as_bytes(), name, out)?;
                }
                Column::Bytes(a) => put_bytes(a.value(row), name, out)?,
                Column::Date(a) => {
                    let days = a.value(row).checked_sub(EPOCH_DAYS).filter(|days| DAYS.contains(days));
                    out.put_i32(4);
                    out.put_i32(days.ok_or_else(|| too_far(name))?);
                }
                Column::Micros(a) => {
                    let micros = a.value(row).checked_sub(EPOCH_MICROS).filter(|micros| MICROS.contains(micros));
                    out.put_i32(8);
                    out.put_i64(micros.ok_or_else(|| too_far(name))?);
                }
            }
        }
        Ok(())
    }
}

fn put_bytes(bytes: &[u8], name: &str, out: &mut BytesMut) -> Result<()> {
    let length = i32::try_from(bytes.len());
    out.put_i32(length.map_err(|_| cannot(format!("hold a value of more than 2 GB, as in column \"{name}\"")))?);
    out.put_slice(bytes);
    Ok(())
}

fn too_far(name: &str) -> ProviderError {
    cannot(format!("hold a time so far away as one in column \"{name}\""))
}

fn cannot(what: String) -> ProviderError {
    ProviderError::Unsupported { store: NAME, what }
}

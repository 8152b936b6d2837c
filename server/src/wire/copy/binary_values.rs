//! Values of one column in PostgreSQL's binary format, gathered into an array of the column's type.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, BinaryViewBuilder, BooleanBuilder, Date32Builder, Decimal128Builder, Float32Builder, Float64Builder,
    Int16Builder, Int32Builder, Int64Builder, IntervalMonthDayNanoBuilder, ListArray, StringViewBuilder,
    Time64MicrosecondBuilder, TimestampMicrosecondBuilder,
};
use datafusion::arrow::buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, IntervalUnit, TimeUnit};
use pgwire::api::Type;

use super::text_reader::text_of;
use crate::sqlstate;
use crate::wire::decode::binary::{DAY_MICROS, each_element, fixed, interval, time_out_of_range, too_short};
use crate::wire::decode::numeric::{self, Unscaled};
use crate::wire::encode::binary::{EPOCH_DAYS, EPOCH_MICROS};
use crate::wire::error::WireError;
use crate::wire::types::{self, field_type};

/// Gathers the values of one column.
pub(super) struct ColumnBuilder {
    values: Values,
    rows: usize,
}

enum Values {
    Bool(BooleanBuilder),
    Int16(Int16Builder),
    Int32(Int32Builder),
    Int64(Int64Builder),
    Float32(Float32Builder),
    Float64(Float64Builder),
    Decimal { builder: Decimal128Builder, precision: u8, scale: i8 },
    Date(Date32Builder),
    Timestamp(TimestampMicrosecondBuilder),
    Time(Time64MicrosecondBuilder),
    Interval(IntervalMonthDayNanoBuilder),
    Bytes(BinaryViewBuilder),
    Text(StringViewBuilder),
    Uuid(StringViewBuilder),
    Jsonb(StringViewBuilder),
    List { items: Box<ColumnBuilder>, item: FieldRef, element: Type, offsets: Vec<i32>, valid: Vec<bool> },
}

impl ColumnBuilder {
    /// A builder for the column.
    ///
    /// # Errors
    /// 0A000 for a type without one.
    pub(super) fn new(field: &Field) -> Result<Self, WireError> {
        let values = match field.data_type() {
            DataType::Boolean => Values::Bool(BooleanBuilder::new()),
            DataType::Int16 => Values::Int16(Int16Builder::new()),
            DataType::Int32 => Values::Int32(Int32Builder::new()),
            DataType::Int64 => Values::Int64(Int64Builder::new()),
            DataType::Float32 => Values::Float32(Float32Builder::new()),
            DataType::Float64 => Values::Float64(Float64Builder::new()),
            DataType::Decimal128(precision, scale) => Values::Decimal {
                builder: Decimal128Builder::new().with_precision_and_scale(*precision, *scale)?,
                precision: *precision,
                scale: *scale,
            },
            DataType::Date32 => Values::Date(Date32Builder::new()),
            DataType::Timestamp(TimeUnit::Microsecond, _) => {
                Values::Timestamp(TimestampMicrosecondBuilder::new().with_data_type(field.data_type().clone()))
            }
            DataType::Time64(TimeUnit::Microsecond) => Values::Time(Time64MicrosecondBuilder::new()),
            DataType::Interval(IntervalUnit::MonthDayNano) => Values::Interval(IntervalMonthDayNanoBuilder::new()),
            DataType::BinaryView => Values::Bytes(BinaryViewBuilder::new()),
            DataType::Utf8View => match field_type(field) {
                Type::UUID => Values::Uuid(StringViewBuilder::new()),
                Type::JSONB => Values::Jsonb(StringViewBuilder::new()),
                _ => Values::Text(StringViewBuilder::new()),
            },
            DataType::List(item) => Values::List {
                items: Box::new(ColumnBuilder::new(item)?),
                item: Arc::clone(item),
                element: field_type(item),
                offsets: vec![0],
                valid: Vec::new(),
            },
            other => {
                let name = types::pg_type(other);
                return Err(WireError::unsupported(format!(
                    "COPY FROM in binary format of type {name} is not supported"
                )));
            }
        };
        Ok(ColumnBuilder { values, rows: 0 })
    }

    /// Values so far.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// Adds a NULL.
    pub(super) fn append_null(&mut self) {
        self.rows += 1;
        match &mut self.values {
            Values::Bool(builder) => builder.append_null(),
            Values::Int16(builder) => builder.append_null(),
            Values::Int32(builder) => builder.append_null(),
            Values::Int64(builder) => builder.append_null(),
            Values::Float32(builder) => builder.append_null(),
            Values::Float64(builder) => builder.append_null(),
            Values::Decimal { builder, .. } => builder.append_null(),
            Values::Date(builder) => builder.append_null(),
            Values::Timestamp(builder) => builder.append_null(),
            Values::Time(builder) => builder.append_null(),
            Values::Interval(builder) => builder.append_null(),
            Values::Bytes(builder) => builder.append_null(),
            Values::Text(builder) | Values::Uuid(builder) | Values::Jsonb(builder) => builder.append_null(),
            Values::List { offsets, valid, .. } => {
                offsets.push(offsets.last().copied().unwrap_or(0));
                valid.push(false);
            }
        }
    }

    /// Adds a value.
    ///
    /// # Errors
    /// Where the bytes are no value of the type.
    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<(), WireError> {
        match &mut self.values {
            Values::Bool(builder) => builder.append_value(fixed::<1>(bytes)? != [0]),
            Values::Int16(builder) => builder.append_value(i16::from_be_bytes(fixed(bytes)?)),
            Values::Int32(builder) => builder.append_value(i32::from_be_bytes(fixed(bytes)?)),
            Values::Int64(builder) => builder.append_value(i64::from_be_bytes(fixed(bytes)?)),
            Values::Float32(builder) => builder.append_value(f32::from_be_bytes(fixed(bytes)?)),
            Values::Float64(builder) => builder.append_value(f64::from_be_bytes(fixed(bytes)?)),
            Values::Decimal { builder, precision, scale } => {
                builder.append_value(decimal(bytes, *precision, *scale)?);
            }
            Values::Date(builder) => {
                let days = i32::from_be_bytes(fixed(bytes)?);
                let finite = !matches!(days, i32::MIN | i32::MAX);
                let days = days.checked_add(EPOCH_DAYS).filter(|_| finite);
                builder.append_value(days.ok_or_else(|| time_out_of_range("date"))?);
            }
            Values::Timestamp(builder) => {
                let micros = i64::from_be_bytes(fixed(bytes)?);
                let finite = !matches!(micros, i64::MIN | i64::MAX);
                let micros = micros.checked_add(EPOCH_MICROS).filter(|_| finite);
                builder.append_value(micros.ok_or_else(|| time_out_of_range("timestamp"))?);
            }
            Values::Time(builder) => {
                let micros = i64::from_be_bytes(fixed(bytes)?);
                if !(0..=DAY_MICROS).contains(&micros) {
                    return Err(time_out_of_range("time"));
                }
                builder.append_value(micros);
            }
            Values::Interval(builder) => builder.append_value(interval(bytes)?),
            Values::Bytes(builder) => builder.append_value(bytes),
            Values::Text(builder) => builder.append_value(text_of(bytes)?),
            Values::Uuid(builder) => builder.append_value(uuid(fixed(bytes)?)),
            Values::Jsonb(builder) => match bytes.split_first() {
                Some((1, text)) => builder.append_value(text_of(text)?),
                Some((version, _)) => {
                    let message = format!("unsupported jsonb version number {version}");
                    return Err(WireError::new(sqlstate::INVALID_BINARY_REPRESENTATION, message));
                }
                None => return Err(too_short()),
            },
            Values::List { items, element, offsets, valid, .. } => {
                each_element(bytes, element, |item| match item {
                    Some(item) => items.append(item),
                    None => {
                        items.append_null();
                        Ok(())
                    }
                })?;
                let end = i32::try_from(items.rows).map_err(|_| WireError::too_many("too many elements of arrays"))?;
                offsets.push(end);
                valid.push(true);
            }
        }
        self.rows += 1;
        Ok(())
    }

    /// The values since the last call.
    ///
    /// # Errors
    /// None but bugs.
    pub(super) fn finish(&mut self) -> Result<ArrayRef, WireError> {
        self.rows = 0;
        Ok(match &mut self.values {
            Values::Bool(builder) => Arc::new(builder.finish()),
            Values::Int16(builder) => Arc::new(builder.finish()),
            Values::Int32(builder) => Arc::new(builder.finish()),
            Values::Int64(builder) => Arc::new(builder.finish()),
            Values::Float32(builder) => Arc::new(builder.finish()),
            Values::Float64(builder) => Arc::new(builder.finish()),
            Values::Decimal { builder, .. } => Arc::new(builder.finish()),
            Values::Date(builder) => Arc::new(builder.finish()),
            Values::Timestamp(builder) => Arc::new(builder.finish()),
            Values::Time(builder) => Arc::new(builder.finish()),
            Values::Interval(builder) => Arc::new(builder.finish()),
            Values::Bytes(builder) => Arc::new(builder.finish()),
            Values::Text(builder) | Values::Uuid(builder) | Values::Jsonb(builder) => Arc::new(builder.finish()),
            Values::List { items, item, offsets, valid, .. } => {
                let values = items.finish()?;
                let offsets = std::mem::replace(offsets, vec![0]);
                let valid = NullBuffer::from(std::mem::take(valid));
                let item = Arc::new(item.as_ref().clone().with_data_type(values.data_type().clone()));
                let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
                Arc::new(ListArray::try_new(item, offsets, values, Some(valid))?)
            }
        })
    }
}

fn decimal(bytes: &[u8], precision: u8, scale: i8) -> Result<i128, WireError> {
    match numeric::unscaled(bytes, scale)? {
        Unscaled::Number(value) if value.unsigned_abs() < 10u128.pow(u32::from(precision)) => Ok(value),
        Unscaled::Number(_) | Unscaled::TooLong => Err(WireError::out_of_range("numeric field overflow")),
        Unscaled::Special(name) => Err(WireError::out_of_range(format!("columns of type numeric cannot hold {name}"))),
    }
}

/// `a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11`
fn uuid(bytes: [u8; 16]) -> String {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(36);
    for (at, byte) in bytes.into_iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push(char::from(HEX[usize::from(byte >> 4)]));
        text.push(char::from(HEX[usize::from(byte & 15)]));
    }
    text
}

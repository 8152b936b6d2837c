//! `COPY … TO STDOUT (FORMAT binary)` straight into Arrow builders.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryViewBuilder, BooleanBuilder, Date32Builder, Decimal128Builder, Float32Builder, Float64Builder,
    Int16Builder, Int32Builder, Int64Builder, StringViewBuilder, TimestampMicrosecondBuilder,
    TimestampNanosecondBuilder, UInt64Builder,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, FieldRef, SchemaRef, TimeUnit};
use arrow::record_batch::RecordBatch;
use bytes::{Buf, BytesMut};
use tokio_postgres::types::Type;

use super::encode::{EPOCH_DAYS, EPOCH_MICROS, HEADER};
use super::{NAME, numeric, types};
use crate::error::{ProviderError, Result};

/// Rows whose last field may still be on its way.
#[derive(Default)]
struct Buffer {
    bytes: BytesMut,
    header_seen: bool,
}

/// Turns the bytes of a binary COPY into batches.
pub(super) struct Decoder {
    schema: SchemaRef,
    columns: Vec<Column>,
    rows: usize,
    buffer: Buffer,
}

impl Decoder {
    /// A decoder for a result of these wire types. `sums` lifts the check of a decimal's declared digits: DataFusion does not
    /// check them in partial states either.
    ///
    /// # Errors
    /// [`ProviderError::Changed`] when a column is not of the type that the plan promised.
    pub(super) fn new(schema: &SchemaRef, wire: &[Type], sums: bool) -> Result<Decoder> {
        if wire.len() != schema.fields().len() {
            return Err(damaged(format!("{} columns came where {} were asked for", wire.len(), schema.fields().len())));
        }
        let columns = schema.fields().iter().zip(wire).map(|(field, wire)| {
            if !types::comes_as(wire, field.data_type()) {
                return Err(ProviderError::Changed {
                    store: NAME,
                    what: format!("column \"{}\"", field.name()),
                    reason: format!("it is {wire} where zxq made it for {}", field.data_type()),
                });
            }
            Column::new(field, wire, sums)
        });
        let columns = columns.collect::<Result<_>>()?;
        Ok(Decoder { schema: Arc::clone(schema), columns, rows: 0, buffer: Buffer::default() })
    }

    /// Rows decoded and not handed out yet.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// Takes the next bytes, which end anywhere.
    ///
    /// # Errors
    /// When they are no binary COPY of the expected columns.
    pub(super) fn feed(&mut self, mut chunk: &[u8]) -> Result<()> {
        if self.buffer.header_seen && self.buffer.bytes.is_empty() {
            // The usual case: a chunk holds whole rows.
            while let Some(length) = row_length(chunk, self.columns.len())? {
                let (row, rest) = chunk.split_at(length);
                self.row(row)?;
                chunk = rest;
            }
            self.buffer.bytes.extend_from_slice(chunk);
            return Ok(());
        }
        let mut pending = std::mem::take(&mut self.buffer.bytes);
        pending.extend_from_slice(chunk);
        if !self.buffer.header_seen {
            if pending.len() < HEADER.len() {
                self.buffer.bytes = pending;
                return Ok(());
            }
            if pending.get(..11) != HEADER.get(..11) {
                return Err(damaged("it does not begin as a binary COPY".to_owned()));
            }
            self.buffer.header_seen = true;
            pending.advance(HEADER.len());
        }
        while let Some(length) = row_length(&pending, self.columns.len())? {
            let row = pending.split_to(length);
            self.row(&row)?;
        }
        self.buffer.bytes = pending;
        Ok(())
    }

    /// Says that no more bytes come.
    ///
    /// # Errors
    /// When the last row is not complete, or the end mark did not come.
    pub(super) fn end(&self) -> Result<()> {
        match *self.buffer.bytes {
            [0xff, 0xff] => Ok(()),
            _ => Err(damaged("it ended in the middle".to_owned())),
        }
    }

    fn row(&mut self, row: &[u8]) -> Result<()> {
        let mut rest = row.get(2..).unwrap_or_default();
        for (column, field) in self.columns.iter_mut().zip(self.schema.fields()) {
            let Some((length, after)) = rest.split_first_chunk::<4>() else { return Err(cut_off()) };
            let length = i32::from_be_bytes(*length);
            match usize::try_from(length) {
                Err(_) => {
                    column.push(None, field)?;
                    rest = after;
                }
                Ok(length) => {
                    let Some((value, after)) = after.split_at_checked(length) else { return Err(cut_off()) };
                    column.push(Some(value), field)?;
                    rest = after;
                }
            }
        }
        self.rows += 1;
        Ok(())
    }

    /// Hands out the rows decoded since the last time.
    pub(super) fn finish(&mut self) -> Result<RecordBatch> {
        self.rows = 0;
        let columns = self.columns.iter_mut().zip(self.schema.fields()).map(|(column, field)| {
            let array = column.finish();
            Ok(if array.data_type() == field.data_type() { array } else { cast(&array, field.data_type())? })
        });
        let columns = columns.collect::<Result<Vec<ArrayRef>>>()?;
        Ok(RecordBatch::try_new(Arc::clone(&self.schema), columns)?)
    }
}

/// Length of the row that the bytes begin with; `None` when it is not all there, or the end mark is.
fn row_length(bytes: &[u8], columns: usize) -> Result<Option<usize>> {
    let Some((count, _)) = bytes.split_first_chunk::<2>() else { return Ok(None) };
    let count = i16::from_be_bytes(*count);
    if count == -1 {
        return Ok(None);
    }
    if usize::try_from(count) != Ok(columns) {
        return Err(damaged(format!("a row of {count} columns came where {columns} were asked for")));
    }
    let mut at = 2;
    for _ in 0..columns {
        let Some(length) = bytes.get(at..at + 4).and_then(<[u8]>::first_chunk::<4>) else { return Ok(None) };
        at += 4 + usize::try_from(i32::from_be_bytes(*length)).unwrap_or(0);
    }
    Ok((at <= bytes.len()).then_some(at))
}

enum Column {
    Bool(BooleanBuilder),
    Int16(Int16Builder),
    Int32(Int32Builder),
    Int64(Int64Builder),
    /// A sum of integers, which DataFusion would wrap around.
    WrappedSum(Int64Builder),
    UInt64(UInt64Builder),
    Float32(Float32Builder),
    Float64(Float64Builder),
    Decimal(Decimal128Builder, i8, i128),
    Text(StringViewBuilder),
    Bytes(BinaryViewBuilder),
    Date(Date32Builder),
    Micros(TimestampMicrosecondBuilder),
    Nanos(TimestampNanosecondBuilder),
}

impl Column {
    fn new(field: &FieldRef, wire: &Type, sums: bool) -> Result<Column> {
        let data_type = field.data_type();
        Ok(match data_type {
            DataType::Boolean => Column::Bool(BooleanBuilder::new()),
            DataType::Int16 => Column::Int16(Int16Builder::new()),
            DataType::Int32 => Column::Int32(Int32Builder::new()),
            DataType::Int64 if *wire == Type::NUMERIC => Column::WrappedSum(Int64Builder::new()),
            DataType::Int64 => Column::Int64(Int64Builder::new()),
            DataType::UInt64 => Column::UInt64(UInt64Builder::new()),
            DataType::Float32 => Column::Float32(Float32Builder::new()),
            DataType::Float64 => Column::Float64(Float64Builder::new()),
            DataType::Decimal128(precision, scale) => {
                let digits = if sums { 38 } else { u32::from(*precision) };
                let limit = 10_i128.checked_pow(digits).unwrap_or(i128::MAX);
                Column::Decimal(Decimal128Builder::new().with_data_type(data_type.clone()), *scale, limit)
            }
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Column::Text(StringViewBuilder::new()),
            DataType::Binary | DataType::LargeBinary | DataType::BinaryView => Column::Bytes(BinaryViewBuilder::new()),
            DataType::Date32 => Column::Date(Date32Builder::new()),
            DataType::Timestamp(TimeUnit::Microsecond, _) => {
                Column::Micros(TimestampMicrosecondBuilder::new().with_data_type(data_type.clone()))
            }
            DataType::Timestamp(TimeUnit::Nanosecond, _) => {
                Column::Nanos(TimestampNanosecondBuilder::new().with_data_type(data_type.clone()))
            }
            other => {
                let what = format!("read column \"{}\" of type {other}", field.name());
                return Err(ProviderError::Unsupported { store: NAME, what });
            }
        })
    }

    fn push(&mut self, value: Option<&[u8]>, field: &FieldRef) -> Result<()> {
        let bad = |reason: &str| damaged(format!("a value of column \"{}\" cannot be read: {reason}", field.name()));
        macro_rules! fixed {
            ($builder:expr, $number:ty) => {{
                let bytes = value.map(<[u8; size_of::<$number>()]>::try_from).transpose();
                let bytes = bytes.map_err(|_| bad("its length is wrong"))?;
                $builder.append_option(bytes.map(<$number>::from_be_bytes));
            }};
        }
        let micros = |value: Option<&[u8]>| -> Result<Option<i64>> {
            let Some(value) = value else { return Ok(None) };
            let micros = value.try_into().map(i64::from_be_bytes).map_err(|_| bad("its length is wrong"))?;
            if micros == i64::MIN || micros == i64::MAX {
                return Err(bad("it is infinite"));
            }
            micros.checked_add(EPOCH_MICROS).map(Some).ok_or_else(|| bad("it is too far away"))
        };
        match self {
            Column::Bool(builder) => match value {
                None => builder.append_null(),
                Some([byte]) => builder.append_value(*byte != 0),
                Some(_) => return Err(bad("its length is wrong")),
            },
            Column::Int16(builder) => fixed!(builder, i16),
            Column::Int32(builder) => fixed!(builder, i32),
            Column::Int64(builder) => fixed!(builder, i64),
            Column::UInt64(builder) => fixed!(builder, u64),
            Column::Float32(builder) => fixed!(builder, f32),
            Column::Float64(builder) => fixed!(builder, f64),
            Column::WrappedSum(builder) => {
                let sum = value.map(|v| numeric::decode(v, 0)).transpose().map_err(bad)?;
                builder.append_option(sum.map(|sum| sum as i64));
            }
            Column::Decimal(builder, scale, limit) => {
                let number = value.map(|v| numeric::decode(v, *scale)).transpose().map_err(bad)?;
                if number.is_some_and(|n| n.unsigned_abs() >= limit.unsigned_abs()) {
                    return Err(bad("it has too many digits"));
                }
                builder.append_option(number);
            }
            Column::Text(builder) => {
                let text = value.map(std::str::from_utf8).transpose().map_err(|_| bad("it is not UTF-8"))?;
                builder.append_option(text);
            }
            Column::Bytes(builder) => builder.append_option(value),
            Column::Date(builder) => {
                let bytes = value.map(<[u8; 4]>::try_from).transpose().map_err(|_| bad("its length is wrong"))?;
                let days = bytes.map(i32::from_be_bytes);
                if days.is_some_and(|days| days == i32::MIN || days == i32::MAX) {
                    return Err(bad("it is infinite"));
                }
                let days = days.map(|d| d.checked_add(EPOCH_DAYS).ok_or_else(|| bad("it is too far away")));
                builder.append_option(days.transpose()?);
            }
            Column::Micros(builder) => builder.append_option(micros(value)?),
            Column::Nanos(builder) => {
                let nanos = micros(value)?.map(|m| m.checked_mul(1000).ok_or_else(|| bad("it is too far away")));
                builder.append_option(nanos.transpose()?);
            }
        }
        Ok(())
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Column::Bool(b) => Arc::new(b.finish()),
            Column::Int16(b) => Arc::new(b.finish()),
            Column::Int32(b) => Arc::new(b.finish()),
            Column::Int64(b) | Column::WrappedSum(b) => Arc::new(b.finish()),
            Column::UInt64(b) => Arc::new(b.finish()),
            Column::Float32(b) => Arc::new(b.finish()),
            Column::Float64(b) => Arc::new(b.finish()),
            Column::Decimal(b, _, _) => Arc::new(b.finish()),
            Column::Text(b) => Arc::new(b.finish()),
            Column::Bytes(b) => Arc::new(b.finish()),
            Column::Date(b) => Arc::new(b.finish()),
            Column::Micros(b) => Arc::new(b.finish()),
            Column::Nanos(b) => Arc::new(b.finish()),
        }
    }
}

fn cut_off() -> ProviderError {
    damaged("a row is cut off".to_owned())
}

fn damaged(reason: String) -> ProviderError {
    ProviderError::Corrupt { store: NAME, what: "a query result".to_owned(), reason }
}

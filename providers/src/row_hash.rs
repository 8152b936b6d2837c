//! The order-insensitive hash of a set of rows ([`RowHash`]).
//!
//! A row's hash is the sum, over its columns, of a mix of the column's name and the value; NULL adds nothing. So adding
//! a column of NULLs, or reordering columns, leaves it unchanged. The set's hash is the wrapping sum of the finalised
//! row hashes. Values are hashed in one canonical form: integers as 64 bits, floats as 64-bit floats with one zero and
//! one NaN, text as its bytes, whatever the Arrow layout.

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, ByteView, GenericByteViewArray, PrimitiveArray};
use arrow::buffer::NullBuffer;
use arrow::compute;
use arrow::datatypes::{
    ByteViewType, DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, Time64MicrosecondType, TimeUnit, TimestampMicrosecondType, UInt8Type, UInt16Type, UInt32Type,
    UInt64Type,
};
use arrow::record_batch::RecordBatch;
use xxhash_rust::xxh3::xxh3_64;
use zxq_catalog::RowHash;

use crate::error::{ProviderError, Result};

#[cfg(test)]
mod tests;

/// Rows hashed at a time, so that the running row hashes stay in the processor's cache.
const CHUNK_ROWS: usize = 8192;

/// Hash of all rows over all columns.
///
/// # Errors
/// [`ProviderError::Unsupported`] for a column type that has no canonical form.
pub fn hash_batch(batch: &RecordBatch) -> Result<RowHash> {
    hash_batch_columns(batch, |_| true)
}

/// Hash of all rows over the columns whose name `include` accepts.
///
/// # Errors
/// As [`hash_batch`].
pub fn hash_batch_columns(batch: &RecordBatch, include: impl Fn(&str) -> bool) -> Result<RowHash> {
    let schema = batch.schema();
    let mut columns: Vec<(&str, u64, ArrayRef)> = Vec::with_capacity(batch.num_columns());
    for (field, column) in schema.fields().iter().zip(batch.columns()) {
        if include(field.name()) {
            let plain = match column.data_type() {
                DataType::Dictionary(_, values) if values.is_string() => compute::cast(column, &DataType::Utf8View)?,
                DataType::Dictionary(_, values) => compute::cast(column, values)?,
                _ => column.clone(),
            };
            columns.push((field.name(), xxh3_64(field.name().as_bytes()), plain));
        }
    }
    let mut rows = vec![0_u64; CHUNK_ROWS.min(batch.num_rows())];
    let mut total = 0_u64;
    let mut start = 0;
    while start < batch.num_rows() {
        let len = CHUNK_ROWS.min(batch.num_rows() - start);
        let rows = &mut rows[..len];
        rows.fill(0);
        for (name, seed, column) in &columns {
            add_column(column.slice(start, len).as_ref(), *seed, rows).map_err(|data_type| {
                ProviderError::Unsupported {
                    store: "row hash",
                    what: format!("hash column \"{name}\" of type {data_type}"),
                }
            })?;
        }
        total = rows.iter().fold(total, |sum, row| sum.wrapping_add(finalise(*row)));
        start += len;
    }
    Ok(RowHash(total))
}

#[inline(always)]
fn mix(seed: u64, value: u64) -> u64 {
    let mut x = (value ^ seed).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    x ^= x >> 32;
    x = x.wrapping_mul(0xD6E8_FEB8_6659_FD93);
    x ^ (x >> 32)
}

#[inline(always)]
fn finalise(row: u64) -> u64 {
    mix(0x2545_F491_4F6C_DD1D, row)
}

#[inline(always)]
fn float_bits(value: f64) -> u64 {
    // One NaN; and -0.0 + 0.0 is 0.0.
    if value.is_nan() { f64::NAN.to_bits() } else { (value + 0.0).to_bits() }
}

fn add_column(array: &dyn Array, seed: u64, rows: &mut [u64]) -> std::result::Result<(), DataType> {
    match array.data_type() {
        DataType::Null => {}
        DataType::Boolean => {
            let array = array.as_boolean();
            let (no, yes) = (mix(seed, 0), mix(seed, 1));
            for (row, slot) in rows.iter_mut().enumerate() {
                if array.is_valid(row) {
                    *slot = slot.wrapping_add(if array.value(row) { yes } else { no });
                }
            }
        }
        DataType::Int8 => add_fixed::<Int8Type>(array, rows, |v| mix(seed, i64::from(v) as u64)),
        DataType::Int16 => add_fixed::<Int16Type>(array, rows, |v| mix(seed, i64::from(v) as u64)),
        DataType::Int32 => add_fixed::<Int32Type>(array, rows, |v| mix(seed, i64::from(v) as u64)),
        DataType::Int64 => add_fixed::<Int64Type>(array, rows, |v| mix(seed, v as u64)),
        DataType::UInt8 => add_fixed::<UInt8Type>(array, rows, |v| mix(seed, v.into())),
        DataType::UInt16 => add_fixed::<UInt16Type>(array, rows, |v| mix(seed, v.into())),
        DataType::UInt32 => add_fixed::<UInt32Type>(array, rows, |v| mix(seed, v.into())),
        DataType::UInt64 => add_fixed::<UInt64Type>(array, rows, |v| mix(seed, v)),
        DataType::Date32 => add_fixed::<Date32Type>(array, rows, |v| mix(seed, i64::from(v) as u64)),
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            add_fixed::<TimestampMicrosecondType>(array, rows, |v| mix(seed, v as u64));
        }
        DataType::Time64(TimeUnit::Microsecond) => {
            add_fixed::<Time64MicrosecondType>(array, rows, |v| mix(seed, v as u64));
        }
        DataType::Float32 => add_fixed::<Float32Type>(array, rows, |v| mix(seed, float_bits(v.into()))),
        DataType::Float64 => add_fixed::<Float64Type>(array, rows, |v| mix(seed, float_bits(v))),
        DataType::Decimal128(_, _) => add_fixed::<Decimal128Type>(array, rows, |v| {
            let high = ((v >> 64) as u64).wrapping_mul(0xA24B_AED4_963E_E407);
            mix(seed.wrapping_add(high), v as u64)
        }),
        DataType::Utf8View => add_views(array.as_string_view(), seed, rows),
        DataType::BinaryView => add_views(array.as_binary_view(), seed, rows),
        DataType::Utf8 => {
            add_bytes(array.nulls(), seed, rows, array.as_string::<i32>(), |a, row| a.value(row).as_bytes())
        }
        DataType::LargeUtf8 => {
            add_bytes(array.nulls(), seed, rows, array.as_string::<i64>(), |a, row| a.value(row).as_bytes());
        }
        DataType::Binary => add_bytes(array.nulls(), seed, rows, array.as_binary::<i32>(), |a, row| a.value(row)),
        DataType::LargeBinary => add_bytes(array.nulls(), seed, rows, array.as_binary::<i64>(), |a, row| a.value(row)),
        other => return Err(other.clone()),
    }
    Ok(())
}

#[inline]
fn add_fixed<T: ArrowPrimitiveType>(array: &dyn Array, rows: &mut [u64], hash: impl Fn(T::Native) -> u64) {
    let array: &PrimitiveArray<T> = array.as_primitive();
    let values = array.values().iter();
    match array.nulls() {
        None => rows.iter_mut().zip(values).for_each(|(slot, v)| *slot = slot.wrapping_add(hash(*v))),
        Some(nulls) => {
            for ((slot, v), valid) in rows.iter_mut().zip(values).zip(nulls.iter()) {
                if valid {
                    *slot = slot.wrapping_add(hash(*v));
                }
            }
        }
    }
}

fn add_views<T: ByteViewType>(array: &GenericByteViewArray<T>, seed: u64, rows: &mut [u64]) {
    // Market data repeats short texts (symbols, venues): an inline view equal to the one before has the same hash.
    let mut last: Option<(u128, u64)> = None;
    for ((row, slot), view) in rows.iter_mut().enumerate().zip(array.views().iter()) {
        if array.is_null(row) {
            continue;
        }
        let hash = match last {
            Some((seen, hash)) if seen == *view => hash,
            _ => {
                let bytes: &[u8] = array.value(row).as_ref();
                let hash = mix(seed, xxh3_64(bytes));
                if ByteView::from(*view).length <= 12 {
                    last = Some((*view, hash));
                }
                hash
            }
        };
        *slot = slot.wrapping_add(hash);
    }
}

fn add_bytes<'a, A>(
    nulls: Option<&NullBuffer>,
    seed: u64,
    rows: &mut [u64],
    array: &'a A,
    value: impl Fn(&'a A, usize) -> &'a [u8],
) {
    for (row, slot) in rows.iter_mut().enumerate() {
        if nulls.is_none_or(|n| n.is_valid(row)) {
            *slot = slot.wrapping_add(mix(seed, xxh3_64(value(array, row))));
        }
    }
}

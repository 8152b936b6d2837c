//! A hash index from a column's values to rows, for lookup columns that the rows are not sorted by.

use std::cmp::Ordering;

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Int16Type, Int32Type, Int64Type, TimeUnit, TimestampMicrosecondType,
};
use xxhash_rust::xxh3::xxh3_64;
use zxq_catalog::Value;

use super::key::compare_at;

/// Rows by the hash of their value: 8 bytes a row, sorted by hash, then row. Holds no NULLs.
#[derive(Debug)]
pub(crate) struct ColumnIndex {
    entries: Vec<u64>,
}

impl ColumnIndex {
    /// Builds the index over the batches' columns (one array per batch, rows counted through). `None` for a type that
    /// is not indexed, and for more rows than 32 bits count.
    pub(crate) fn build<'a>(columns: impl Iterator<Item = &'a ArrayRef>) -> Option<Self> {
        let mut entries = Vec::new();
        let mut first_row = 0_usize;
        for array in columns {
            u32::try_from(first_row + array.len()).ok()?;
            entries.reserve(array.len());
            add_entries(array, first_row, &mut entries)?;
            first_row += array.len();
        }
        entries.sort_unstable();
        entries.shrink_to_fit();
        Some(ColumnIndex { entries })
    }

    /// Bytes it takes.
    pub(crate) fn bytes(&self) -> u64 {
        (self.entries.capacity() * size_of::<u64>()) as u64
    }

    /// Rows that may hold `value`, ascending: all that do, and those whose values share its hash.
    pub(crate) fn candidates(&self, value: &Value) -> impl DoubleEndedIterator<Item = usize> {
        let entries = match hash_value(value) {
            Some(hash) => {
                let prefix = hash & HASH_BITS;
                let start = self.entries.partition_point(|entry| *entry < prefix);
                let end = self.entries.partition_point(|entry| *entry & HASH_BITS <= prefix);
                self.entries.get(start..end).unwrap_or_default()
            }
            None => &[],
        };
        entries.iter().map(|entry| *entry as u32 as usize)
    }

    /// Rows that hold `value`, ascending. `locate` gives a row's array and its place in it.
    pub(crate) fn rows<'a>(&self, value: &Value, locate: impl Fn(usize) -> Option<(&'a ArrayRef, usize)>) -> Vec<u32> {
        let Some(hash) = hash_value(value) else { return Vec::new() };
        let prefix = hash & HASH_BITS;
        let start = self.entries.partition_point(|entry| *entry < prefix);
        let candidates = self.entries.iter().skip(start).take_while(|entry| **entry & HASH_BITS == prefix);
        candidates
            .map(|entry| *entry as u32)
            .filter(|row| {
                locate(*row as usize)
                    .and_then(|(array, at)| compare_at(array, at, value))
                    .is_some_and(|order| order == Ordering::Equal)
            })
            .collect()
    }
}

const HASH_BITS: u64 = 0xFFFF_FFFF_0000_0000;

fn hash_integer(value: i64) -> u64 {
    let mixed = (value as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed ^ (mixed >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9)
}

fn hash_wide(value: i128) -> u64 {
    hash_integer(value as i64).wrapping_add(hash_integer((value >> 64) as i64).rotate_left(17))
}

fn hash_value(value: &Value) -> Option<u64> {
    match value {
        Value::Int(v) | Value::TimestampMicros(v) => Some(hash_integer(*v)),
        Value::Date(v) => Some(hash_integer(i64::from(*v))),
        Value::Decimal(v) => Some(hash_wide(*v)),
        Value::Text(v) => Some(xxh3_64(v.as_bytes())),
        Value::Bool(_) | Value::Float(_) => None,
    }
}

/// Whether columns of this type are indexed.
pub(crate) fn indexable(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Utf8View
            | DataType::Int16
            | DataType::Int32
            | DataType::Int64
            | DataType::Date32
            | DataType::Decimal128(_, _)
            | DataType::Timestamp(TimeUnit::Microsecond, _)
    )
}

fn add_entries(array: &ArrayRef, first_row: usize, entries: &mut Vec<u64>) -> Option<()> {
    match array.data_type() {
        DataType::Utf8View => {
            let texts = array.as_string_view();
            for (row, text) in texts.iter().enumerate() {
                if let Some(text) = text {
                    entries.push((xxh3_64(text.as_bytes()) & HASH_BITS) | (first_row + row) as u64);
                }
            }
        }
        DataType::Int16 => add_fixed::<Int16Type>(array, first_row, entries, |v| hash_integer(v.into())),
        DataType::Int32 => add_fixed::<Int32Type>(array, first_row, entries, |v| hash_integer(v.into())),
        DataType::Int64 => add_fixed::<Int64Type>(array, first_row, entries, hash_integer),
        DataType::Date32 => add_fixed::<Date32Type>(array, first_row, entries, |v| hash_integer(v.into())),
        DataType::Decimal128(_, _) => add_fixed::<Decimal128Type>(array, first_row, entries, hash_wide),
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            add_fixed::<TimestampMicrosecondType>(array, first_row, entries, hash_integer);
        }
        _ => return None,
    }
    Some(())
}

fn add_fixed<T: ArrowPrimitiveType>(
    array: &ArrayRef,
    first_row: usize,
    entries: &mut Vec<u64>,
    hash: impl Fn(T::Native) -> u64,
) {
    for (row, value) in array.as_primitive::<T>().iter().enumerate() {
        if let Some(value) = value {
            entries.push((hash(value) & HASH_BITS) | (first_row + row) as u64);
        }
    }
}

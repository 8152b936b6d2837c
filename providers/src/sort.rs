//! Sorting batches by a table's sort key: ascending, NULLs first, equal keys in their old order.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, GenericByteViewArray, PrimitiveArray, UInt32Array, UInt64Array,
};
use arrow::compute::{LexicographicalComparator, SortColumn, SortOptions, concat_batches, max, min, take_record_batch};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    StringViewType, TimeUnit, TimestampMicrosecondType,
};
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use arrow::row::{RowConverter, SortField};
use xxhash_rust::xxh3::xxh3_64;

use crate::error::Result;

#[cfg(test)]
mod tests;

const ASCENDING_NULLS_FIRST: SortOptions = SortOptions { descending: false, nulls_first: true };

/// The batch's rows sorted by the named columns; the batch itself (a cheap clone) when they are sorted already.
///
/// # Errors
/// When the batch has no such column, or its type has no order.
pub fn sort_batch(batch: &RecordBatch, sort_by: &[String]) -> Result<RecordBatch> {
    let keys = key_columns(batch, sort_by)?;
    if rows_in_order(&keys, batch.num_rows())? {
        return Ok(batch.clone());
    }
    let order = sorted_order(&keys, batch.num_rows())?;
    Ok(take_record_batch(batch, order.as_ref())?)
}

/// True when the rows are in order by the named columns.
///
/// # Errors
/// As [`sort_batch`].
pub fn is_sorted(batch: &RecordBatch, sort_by: &[String]) -> Result<bool> {
    rows_in_order(&key_columns(batch, sort_by)?, batch.num_rows())
}

/// One sorted batch of all rows of the given batches, which should each be sorted already (that makes it faster).
///
/// # Errors
/// As [`sort_batch`]; also when there is no batch at all, since the schema is then unknown.
pub fn merge_sorted(batches: &[RecordBatch], sort_by: &[String]) -> Result<RecordBatch> {
    let Some(first) = batches.first() else {
        return Err(ArrowError::InvalidArgumentError("no batches to merge".to_owned()).into());
    };
    let filled: Vec<&RecordBatch> = batches.iter().filter(|b| b.num_rows() > 0).collect();
    match filled.as_slice() {
        [] => Ok(first.clone()),
        [only] => sort_batch(only, sort_by),
        many => sort_batch(&concat_batches(&first.schema(), many.iter().copied())?, sort_by),
    }
}

fn key_columns(batch: &RecordBatch, sort_by: &[String]) -> Result<Vec<ArrayRef>> {
    let schema = batch.schema();
    let mut keys = Vec::with_capacity(sort_by.len());
    for name in sort_by {
        keys.push(batch.column(schema.index_of(name)?).clone());
    }
    Ok(keys)
}

fn rows_in_order(keys: &[ArrayRef], rows: usize) -> Result<bool> {
    if keys.is_empty() || rows < 2 {
        return Ok(true);
    }
    let columns: Vec<SortColumn> =
        keys.iter().map(|k| SortColumn { values: k.clone(), options: Some(ASCENDING_NULLS_FIRST) }).collect();
    let comparator = LexicographicalComparator::try_new(&columns)?;
    Ok((1..rows).all(|row| comparator.compare(row - 1, row).is_le()))
}

/// Row numbers in sorted order.
///
/// Every key column becomes a small unsigned integer per row (a text's rank among the distinct texts, a timestamp's
/// distance from the first), all of them and the row number are packed into one integer, and those are sorted. Keys that
/// do not fit 128 bits take Arrow's row format.
fn sorted_order(keys: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    let row_bits = bits_for(rows as u64 - 1);
    let mut parts = Vec::with_capacity(keys.len());
    let mut total_bits = row_bits;
    for key in keys {
        match small_keys(key) {
            Some(part) => {
                total_bits += part.bits;
                parts.push(part);
            }
            None => return row_format_order(keys, rows),
        }
    }
    let mask = (1_u64 << row_bits) - 1;
    if total_bits <= 64 {
        let mut packed: Vec<u64> = vec![0; rows];
        for part in &parts {
            packed.iter_mut().zip(&part.values).for_each(|(slot, v)| *slot = (*slot << part.bits) | v);
        }
        packed.iter_mut().enumerate().for_each(|(row, slot)| *slot = (*slot << row_bits) | row as u64);
        packed.sort_unstable();
        return Ok(row_numbers(packed.into_iter().map(|v| v & mask), rows));
    }
    if total_bits <= 128 {
        let mut packed: Vec<u128> = vec![0; rows];
        for part in &parts {
            packed.iter_mut().zip(&part.values).for_each(|(slot, v)| *slot = (*slot << part.bits) | u128::from(*v));
        }
        packed.iter_mut().enumerate().for_each(|(row, slot)| *slot = (*slot << row_bits) | row as u128);
        packed.sort_unstable();
        return Ok(row_numbers(packed.into_iter().map(|v| v as u64 & mask), rows));
    }
    row_format_order(keys, rows)
}

fn row_numbers(order: impl Iterator<Item = u64>, rows: usize) -> ArrayRef {
    if u32::try_from(rows).is_ok() {
        std::sync::Arc::new(UInt32Array::from_iter_values(order.map(|row| row as u32)))
    } else {
        std::sync::Arc::new(UInt64Array::from_iter_values(order))
    }
}

fn row_format_order(keys: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    let fields =
        keys.iter().map(|k| SortField::new_with_options(k.data_type().clone(), ASCENDING_NULLS_FIRST)).collect();
    let encoded = RowConverter::new(fields)?.convert_columns(keys)?;
    let mut order: Vec<u64> = (0..rows as u64).collect();
    order.sort_by(|a, b| encoded.row(*a as usize).cmp(&encoded.row(*b as usize)));
    Ok(row_numbers(order.into_iter(), rows))
}

/// One key column as unsigned integers in the same order, of the least width that holds them.
struct SmallKeys {
    values: Vec<u64>,
    bits: u32,
}

fn bits_for(max: u64) -> u32 {
    // At least one bit, so that shifts by 64 cannot happen.
    (u64::BITS - max.leading_zeros()).max(1)
}

/// `None` when the type is not handled here or the values span too much.
fn small_keys(array: &ArrayRef) -> Option<SmallKeys> {
    const SIGN: u64 = 1 << 63;
    match array.data_type() {
        DataType::Boolean => {
            let array = array.as_boolean();
            Some(offsets(array.len(), array.nulls().is_some(), 0, 1, |row| {
                array.is_valid(row).then(|| u64::from(array.value(row)))
            }))
        }
        DataType::Int8 => fixed::<Int8Type>(array, |v| i64::from(v) as u64 ^ SIGN),
        DataType::Int16 => fixed::<Int16Type>(array, |v| i64::from(v) as u64 ^ SIGN),
        DataType::Int32 => fixed::<Int32Type>(array, |v| i64::from(v) as u64 ^ SIGN),
        DataType::Int64 => fixed::<Int64Type>(array, |v| v as u64 ^ SIGN),
        DataType::Date32 => fixed::<Date32Type>(array, |v| i64::from(v) as u64 ^ SIGN),
        DataType::Timestamp(TimeUnit::Microsecond, _) => fixed::<TimestampMicrosecondType>(array, |v| v as u64 ^ SIGN),
        // The bits of a float, negative ones turned around, are in the order of its values: -NaN first, NaN last.
        DataType::Float32 => fixed::<Float32Type>(array, |v| {
            let bits = v.to_bits();
            u64::from(if bits >> 31 == 1 { !bits } else { bits | 1 << 31 })
        }),
        DataType::Float64 => fixed::<Float64Type>(array, |v| {
            let bits = v.to_bits();
            if bits >> 63 == 1 { !bits } else { bits | SIGN }
        }),
        DataType::Decimal128(_, _) => {
            let decimals = array.as_primitive::<Decimal128Type>();
            let (low, high) = (min(decimals).unwrap_or(0), max(decimals).unwrap_or(0));
            let span = u64::try_from(high.checked_sub(low)?).ok().filter(|span| *span < u64::MAX)?;
            let nulls = decimals.null_count() > 0;
            Some(offsets(decimals.len(), nulls, 0, span, |row| {
                decimals.is_valid(row).then(|| decimals.value(row).wrapping_sub(low) as u64)
            }))
        }
        DataType::Utf8View => Some(text_ranks(array.as_string_view())),
        _ => None,
    }
}

fn fixed<T: ArrowPrimitiveType>(array: &ArrayRef, ordered: impl Fn(T::Native) -> u64) -> Option<SmallKeys> {
    let array: &PrimitiveArray<T> = array.as_primitive();
    let (mut low, mut high) = (u64::MAX, 0);
    let mut widen = |v: u64| {
        low = low.min(v);
        high = high.max(v);
    };
    let nulls = array.null_count() > 0;
    if nulls {
        array.iter().flatten().for_each(|v| widen(ordered(v)));
    } else {
        array.values().iter().for_each(|v| widen(ordered(*v)));
    }
    let span = high.saturating_sub(low);
    if span == u64::MAX {
        return None;
    }
    Some(offsets(array.len(), nulls, low, span, |row| array.is_valid(row).then(|| ordered(array.value(row)))))
}

/// Values less `low`; where there are NULLs they are 0 and every value is one more.
fn offsets(rows: usize, nulls: bool, low: u64, span: u64, value: impl Fn(usize) -> Option<u64>) -> SmallKeys {
    if nulls {
        let values = (0..rows).map(|row| value(row).map_or(0, |v| v - low + 1)).collect();
        SmallKeys { values, bits: bits_for(span + 1) }
    } else {
        let values = (0..rows).map(|row| value(row).map_or(0, |v| v - low)).collect();
        SmallKeys { values, bits: bits_for(span) }
    }
}

/// Each text's rank among the distinct texts, from 1; NULL is 0.
fn text_ranks(array: &GenericByteViewArray<StringViewType>) -> SmallKeys {
    let mut codes: HashMap<&[u8], u32, BuildHasherDefault<BytesHasher>> = HashMap::default();
    let mut distinct: Vec<&[u8]> = Vec::new();
    let mut values: Vec<u64> = Vec::with_capacity(array.len());
    let mut last: Option<(u128, u32)> = None;
    for (row, view) in array.views().iter().enumerate() {
        if array.is_null(row) {
            values.push(0);
            continue;
        }
        let code = match last {
            Some((seen, code)) if seen == *view => code,
            _ => {
                let text = array.value(row).as_bytes();
                let code = *codes.entry(text).or_insert_with(|| {
                    distinct.push(text);
                    distinct.len() as u32
                });
                last = Some((*view, code));
                code
            }
        };
        values.push(u64::from(code));
    }
    let mut by_text: Vec<u32> = (0..distinct.len() as u32).collect();
    by_text.sort_unstable_by_key(|code| distinct.get(*code as usize));
    let mut ranks = vec![0_u64; distinct.len() + 1];
    for (rank, code) in by_text.iter().enumerate() {
        if let Some(slot) = ranks.get_mut(*code as usize + 1) {
            *slot = rank as u64 + 1;
        }
    }
    for value in &mut values {
        *value = ranks.get(*value as usize).copied().unwrap_or(0);
    }
    SmallKeys { values, bits: bits_for(distinct.len() as u64) }
}

/// Hashes byte strings with xxh3; faster than the standard hasher, whose protection nothing here needs.
#[derive(Default)]
struct BytesHasher(u64);

impl Hasher for BytesHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = self.0.rotate_left(5) ^ xxh3_64(bytes);
    }

    fn write_usize(&mut self, _length: usize) {
        // The length prefix of a slice; xxh3 mixes the length in itself.
    }
}

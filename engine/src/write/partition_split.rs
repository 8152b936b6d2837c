//! Splits a batch by partition.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch, UInt32Array};
use arrow::compute::take_record_batch;
use arrow::datatypes::Date32Type;
use zxq_catalog::{Granularity, PartitionKey, TableDef};

use crate::error::{EngineError, Result};

#[cfg(test)]
mod tests;

/// Period and class of one row.
type RowKey<'a> = (Option<i32>, Option<&'a str>);

/// The rows of a batch (with the table's schema) by partition, each part in the order of the batch.
///
/// # Errors
/// [`crate::error::ErrorKind::Internal`] when a partition column is missing or has another type than the table says.
pub(crate) fn split(table: &TableDef, batch: &RecordBatch) -> Result<Vec<(PartitionKey, RecordBatch)>> {
    if batch.num_rows() == 0 {
        return Ok(Vec::new());
    }
    let partitioning = &table.partitioning;
    let missing = |name: &str| EngineError::internal(format!("partition column {name} is not in the batch"));
    let dates = match &partitioning.date_column {
        Some(name) => {
            let column = batch.column_by_name(name).ok_or_else(|| missing(name))?;
            Some(column.as_primitive_opt::<Date32Type>().ok_or_else(|| missing(name))?)
        }
        None => None,
    };
    let classes = match &partitioning.class_column {
        Some(name) => {
            let column = batch.column_by_name(name).ok_or_else(|| missing(name))?;
            Some(column.as_string_view_opt().ok_or_else(|| missing(name))?)
        }
        None => None,
    };
    if dates.is_none() && classes.is_none() {
        return Ok(vec![(PartitionKey::default(), batch.clone())]);
    }

    let mut periods = PeriodCache::new(partitioning.granularity);
    let mut rows: HashMap<RowKey<'_>, Vec<u32>> = HashMap::new();
    // Market data comes in long runs of one partition: look the group up only when the key changes.
    let mut run: Option<(RowKey<'_>, u32)> = None;
    let count = batch.num_rows() as u32;
    for row in 0..batch.num_rows() {
        let period = dates.and_then(|d| d.is_valid(row).then(|| periods.start_of(d.value(row))));
        let class = classes.and_then(|c| c.is_valid(row).then(|| c.value(row)));
        let key = (period, class);
        if run.is_some_and(|(current, _)| current == key) {
            continue;
        }
        if let Some((previous, start)) = run.replace((key, row as u32)) {
            rows.entry(previous).or_default().extend(start..row as u32);
        }
    }
    if let Some((last, start)) = run {
        rows.entry(last).or_default().extend(start..count);
    }

    let mut parts = Vec::with_capacity(rows.len());
    let whole = rows.len() == 1;
    for ((period, class), indices) in rows {
        let key = PartitionKey { period, class: class.map(str::to_owned) };
        let part = if whole { batch.clone() } else { take_record_batch(batch, &UInt32Array::from(indices))? };
        parts.push((key, part));
    }
    parts.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(parts)
}

/// Remembers the last period, since neighbours nearly always share it.
struct PeriodCache {
    granularity: Granularity,
    last: Option<(i32, i32)>,
}

impl PeriodCache {
    fn new(granularity: Granularity) -> Self {
        PeriodCache { granularity, last: None }
    }

    fn start_of(&mut self, day: i32) -> i32 {
        if self.granularity == Granularity::Day {
            return day;
        }
        match self.last {
            Some((start, end)) if (start..end).contains(&day) => start,
            _ => {
                let start = self.granularity.period_start(day);
                self.last = Some((start, self.granularity.period_end(start)));
                start
            }
        }
    }
}

/// The parts of several batches, gathered by partition.
pub(crate) fn split_all(table: &TableDef, batches: &[RecordBatch]) -> Result<Vec<(PartitionKey, Vec<RecordBatch>)>> {
    let mut gathered: std::collections::BTreeMap<PartitionKey, Vec<RecordBatch>> = Default::default();
    for batch in batches {
        for (key, part) in split(table, batch)? {
            gathered.entry(key).or_default().push(part);
        }
    }
    Ok(gathered.into_iter().collect())
}

/// One batch of all of these, which share a schema; `None` when there are no rows.
pub(crate) fn concat(batches: &[RecordBatch]) -> Result<Option<RecordBatch>> {
    match batches {
        [] => Ok(None),
        [one] => Ok(Some(one.clone())),
        [first, ..] => Ok(Some(arrow::compute::concat_batches(&Arc::clone(&first.schema()), batches)?)),
    }
}

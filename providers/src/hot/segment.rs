//! One hot segment: sorted record batches in memory, and the ways to find rows in them.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute;
use arrow::datatypes::{DataType, Date32Type, Int64Type, SchemaRef, TimeUnit, TimestampMicrosecondType};
use arrow::record_batch::RecordBatch;
use parking_lot::Mutex;
use zxq_catalog::{JobId, SegmentId, TableDef, TableId, Value};

use super::bounds::{ColumnBounds, KeyBounds};
use super::index::{ColumnIndex, indexable};
use super::key::{Bound, compare_at, search};
use super::memory::{HotMemory, HotReservation, allocated_bytes, compact};
use super::project::Projector;
use crate::error::{ProviderError, Result};
use crate::{scalar, sort};

/// Most ranges that equality filters may cut one segment into; beyond it the cut stops at fewer key columns.
const MAX_RANGES: usize = 4096;

/// Rows found in a segment, in row order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RowSet {
    /// Consecutive rows.
    Range(Range<usize>),
    /// Single rows, ascending.
    Rows(Vec<u32>),
}

impl RowSet {
    /// Number of rows.
    pub fn len(&self) -> usize {
        match self {
            RowSet::Range(range) => range.len(),
            RowSet::Rows(rows) => rows.len(),
        }
    }

    /// True when nothing was found.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// An immutable, sorted set of rows in memory.
#[derive(Debug)]
pub struct HotSegment {
    id: SegmentId,
    table: TableId,
    job: Option<JobId>,
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
    /// Row number of each batch's first row.
    starts: Vec<usize>,
    rows: usize,
    data_bytes: u64,
    sort_by: Vec<String>,
    sort_columns: Vec<usize>,
    time_bounds: Option<(i64, i64)>,
    /// By column position; `None` for a column that cannot be indexed.
    indexes: Mutex<HashMap<usize, Option<Arc<ColumnIndex>>>>,
    /// What it holds of the tier's memory; given back when the last reader lets go of the segment.
    reservation: Mutex<HotReservation>,
}

impl HotSegment {
    /// Takes the rows over. Without a reservation the memory is admitted here; with one it never fails for lack of it.
    pub(crate) fn build(
        memory: &Arc<HotMemory>,
        reservation: Option<HotReservation>,
        id: SegmentId,
        table: &TableDef,
        job: Option<JobId>,
        rows: Vec<RecordBatch>,
    ) -> Result<Self> {
        let mut batches = Vec::with_capacity(rows.len());
        for batch in rows.iter().filter(|b| b.num_rows() > 0) {
            batches.push(compact(batch)?);
        }
        drop(rows);
        let schema = batches.first().map_or_else(|| table.schema(), RecordBatch::schema);
        if let Some(other) = batches.iter().find(|b| b.schema().fields() != schema.fields()) {
            return Err(unsupported(format!("keep batches of different schemas in one segment: {:?}", other.schema())));
        }
        let data_bytes = allocated_bytes(&batches);
        let reservation = match reservation {
            Some(mut reservation) => {
                reservation.resize(data_bytes);
                reservation
            }
            None => memory.try_reserve(data_bytes)?,
        };
        let mut starts = Vec::with_capacity(batches.len());
        let mut rows = 0;
        for batch in &batches {
            starts.push(rows);
            rows += batch.num_rows();
        }
        let sort_columns = table
            .sort_by
            .iter()
            .map(|name| schema.index_of(name).map_err(|_| unsupported(format!("sort by \"{name}\": no such column"))))
            .collect::<Result<Vec<_>>>()?;
        let time_column = table.time_column.as_ref().and_then(|name| schema.index_of(name).ok());
        let time_bounds = time_column.and_then(|column| time_bounds(&batches, column));
        let segment = HotSegment {
            id,
            table: table.id,
            job,
            schema,
            batches,
            starts,
            rows,
            data_bytes,
            sort_by: table.sort_by.clone(),
            sort_columns,
            time_bounds,
            indexes: Mutex::default(),
            reservation: Mutex::new(reservation),
        };
        segment.check_sorted(table)?;
        Ok(segment)
    }

    /// A declared order that does not hold gives wrong answers, so it is checked, once.
    fn check_sorted(&self, table: &TableDef) -> Result<()> {
        let mut sorted = true;
        for (number, batch) in self.batches.iter().enumerate() {
            sorted &= sort::is_sorted(batch, &self.sort_by)?;
            if let Some(previous) = number.checked_sub(1).and_then(|n| self.batches.get(n)) {
                let edges = [previous.slice(previous.num_rows() - 1, 1), batch.slice(0, 1)];
                sorted &= sort::is_sorted(&compute::concat_batches(&self.schema, &edges)?, &self.sort_by)?;
            }
        }
        if sorted {
            return Ok(());
        }
        Err(unsupported(format!(
            "take rows of table \"{}\" that are not sorted by ({}); sort them first",
            table.name,
            self.sort_by.join(", ")
        )))
    }

    /// Identity.
    pub fn id(&self) -> SegmentId {
        self.id
    }

    /// The table it belongs to.
    pub fn table(&self) -> TableId {
        self.table
    }

    /// The job that wrote it; `None` for one that ingest inserted.
    pub fn job(&self) -> Option<&JobId> {
        self.job.as_ref()
    }

    /// The schema it was written with; columns added to the table later are not in it.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The rows, in order.
    pub fn batches(&self) -> &[RecordBatch] {
        &self.batches
    }

    /// The rows as rows of the table as it is now: columns that were added since have the value that a read gives them.
    ///
    /// # Errors
    /// [`ProviderError::Unsupported`] where a stored column is of another type than the table's.
    pub fn rows_of(&self, table: &TableDef) -> Result<Vec<RecordBatch>> {
        let schema = table.schema();
        if self.schema == schema {
            return Ok(self.batches.clone());
        }
        let all: Vec<usize> = (0..table.columns.len()).collect();
        let projector = Projector::new(table, &all, &schema, &self.schema)?;
        self.batches.iter().map(|batch| projector.apply(batch)).collect()
    }

    /// Number of rows.
    pub fn num_rows(&self) -> usize {
        self.rows
    }

    /// Bytes of memory its rows take (without indexes).
    pub fn bytes(&self) -> u64 {
        self.data_bytes
    }

    /// The columns its rows are sorted by.
    pub fn sort_by(&self) -> &[String] {
        &self.sort_by
    }

    /// Oldest and newest value of the table's time column, in that column's unit. `None` without a time column or value.
    pub fn time_bounds(&self) -> Option<(i64, i64)> {
        self.time_bounds
    }

    /// A row's batch and its place in it.
    pub(crate) fn locate(&self, row: usize) -> Option<(&RecordBatch, usize)> {
        if let [only] = self.batches.as_slice() {
            return (row < self.rows).then_some((only, row));
        }
        let number = self.starts.partition_point(|start| *start <= row).checked_sub(1)?;
        let at = row - self.starts.get(number)?;
        self.batches.get(number).filter(|b| at < b.num_rows()).map(|b| (b, at))
    }

    /// The array of a column that holds a row, and its place in it.
    pub(crate) fn array_at(&self, column: usize, row: usize) -> Option<(&ArrayRef, usize)> {
        self.locate(row).and_then(|(batch, at)| Some((batch.columns().get(column)?, at)))
    }

    /// How the value at a row compares; see [`compare_at`].
    pub(crate) fn compare(&self, column: usize, row: usize, value: &Value) -> Option<Ordering> {
        self.array_at(column, row).and_then(|(array, at)| compare_at(array, at, value))
    }

    /// The value at a row; `None` for NULL and NaN.
    pub(crate) fn value(&self, column: usize, row: usize) -> Option<Value> {
        self.array_at(column, row).and_then(|(array, at)| scalar::value_at(array.as_ref(), at))
    }

    /// Positions of the sort key's columns.
    pub(crate) fn sort_columns(&self) -> &[usize] {
        &self.sort_columns
    }

    /// The first `max_rows` rows of `rows`, or as many of them as lie in one batch; shares the stored memory.
    pub(crate) fn front(&self, rows: &Range<usize>, max_rows: usize) -> Option<RecordBatch> {
        let (batch, at) = self.locate(rows.start)?;
        let len = max_rows.min(rows.len()).min(batch.num_rows() - at);
        (len > 0).then(|| batch.slice(at, len))
    }

    /// Single rows, copied into one batch.
    pub(crate) fn gather(&self, rows: &[u32]) -> Result<RecordBatch> {
        if let [only] = self.batches.as_slice() {
            let indices = arrow::array::UInt32Array::from(rows.to_vec());
            return Ok(compute::take_record_batch(only, &indices)?);
        }
        let batches: Vec<&RecordBatch> = self.batches.iter().collect();
        Ok(compute::interleave_record_batch(&batches, &self.places(rows))?)
    }

    /// Each row's batch, by its number, and its place in it.
    pub(crate) fn places(&self, rows: &[u32]) -> Vec<(usize, usize)> {
        let place = |row: &u32| {
            let row = *row as usize;
            let number = self.starts.partition_point(|start| *start <= row).saturating_sub(1);
            (number, row - self.starts.get(number).copied().unwrap_or(0))
        };
        rows.iter().map(place).collect()
    }

    /// The parts of `rows` that the bounds on the sort key leave, ascending and disjoint. Rows outside them cannot pass
    /// the filter; rows inside need not.
    pub(crate) fn narrow(&self, bounds: &KeyBounds, rows: Range<usize>) -> Vec<Range<usize>> {
        let mut ranges = vec![rows];
        for (name, column) in self.sort_by.iter().zip(&self.sort_columns) {
            let Some(limits) = bounds.column(name) else { break };
            let Some(cut) = self.cut(&ranges, *column, limits) else { break };
            ranges = cut;
            if limits.equals.is_none() {
                break;
            }
        }
        ranges
    }

    fn cut(&self, ranges: &[Range<usize>], column: usize, limits: &ColumnBounds) -> Option<Vec<Range<usize>>> {
        let compare = |row: usize, value: &Value| self.compare(column, row, value);
        let mut cut = Vec::new();
        match &limits.equals {
            Some(values) => {
                if values.len().saturating_mul(ranges.len()) > MAX_RANGES {
                    return None;
                }
                for range in ranges {
                    let mut rest = range.clone();
                    for value in values {
                        let bound = Bound { value: value.clone(), inclusive: true };
                        let found = search(rest.clone(), Some(&bound), Some(&bound), compare)?;
                        rest.start = found.end;
                        if !found.is_empty() {
                            cut.push(found);
                        }
                    }
                }
            }
            None => {
                for range in ranges {
                    let found = search(range.clone(), limits.lower.as_ref(), limits.upper.as_ref(), compare)?;
                    if !found.is_empty() {
                        cut.push(found);
                    }
                }
            }
        }
        Some(cut)
    }

    /// The hash index of a column, built at its first use. `None` for a type that is not indexed.
    pub(crate) fn index(&self, column: usize) -> Option<Arc<ColumnIndex>> {
        let mut indexes = self.indexes.lock();
        if let Some(known) = indexes.get(&column) {
            return known.clone();
        }
        let index = match self.schema.fields().get(column) {
            Some(field) if indexable(field.data_type()) => {
                ColumnIndex::build(self.batches.iter().filter_map(|b| b.columns().get(column))).map(Arc::new)
            }
            _ => None,
        };
        if let Some(index) = &index {
            let mut reservation = self.reservation.lock();
            let more = reservation.memory().reserve_always(index.bytes());
            reservation.absorb(more);
        }
        indexes.insert(column, index.clone());
        index
    }

    /// The hash index of a column where it is there, and nobody is building one.
    pub(crate) fn ready_index(&self, column: usize) -> Option<Arc<ColumnIndex>> {
        self.indexes.try_lock()?.get(&column)?.clone()
    }

    /// The rows whose `column` holds one of the values, by index; `None` when the column has no index.
    pub(crate) fn indexed_rows(&self, column: usize, values: &[Value]) -> Option<Vec<u32>> {
        let index = self.index(column)?;
        let mut rows: Vec<u32> =
            values.iter().flat_map(|value| index.rows(value, |row| self.array_at(column, row))).collect();
        if values.len() > 1 {
            rows.sort_unstable();
        }
        Some(rows)
    }

    /// The rows whose `column` holds exactly `value`: by binary search where the rows are sorted by it first, else by a
    /// hash index that the first look-up builds.
    ///
    /// # Errors
    /// [`ProviderError::Unsupported`] when the segment has no such column or its type cannot be looked up.
    pub fn lookup(&self, column: &str, value: &Value) -> Result<RowSet> {
        let position = self
            .schema
            .index_of(column)
            .map_err(|_| unsupported(format!("look up by \"{column}\": no such column in segment {}", self.id)))?;
        if self.sort_columns.first() == Some(&position) {
            let bound = Bound { value: value.clone(), inclusive: true };
            let compare = |row: usize, value: &Value| self.compare(position, row, value);
            if let Some(range) = search(0..self.rows, Some(&bound), Some(&bound), compare) {
                return Ok(RowSet::Range(range));
            }
        } else if let Some(rows) = self.indexed_rows(position, std::slice::from_ref(value)) {
            return Ok(RowSet::Rows(rows));
        }
        Err(unsupported(format!("look up {value:?} by column \"{column}\"")))
    }

    /// The newest of the rows whose `column` holds `value`, by `time_column` (the last in row order where times are
    /// equal, or without a time column), and its time in that column's unit, `i64::MIN` where that is NULL or missing.
    ///
    /// # Errors
    /// As [`HotSegment::lookup`].
    pub fn last_row(
        &self,
        column: &str,
        value: &Value,
        time_column: Option<&str>,
    ) -> Result<Option<(i64, RecordBatch)>> {
        let found = self.lookup(column, value)?;
        let time = time_column.and_then(|name| self.schema.index_of(name).ok());
        let sorted_by_time = match &found {
            RowSet::Range(_) => self.sort_columns.get(1).copied(),
            RowSet::Rows(_) => self.sort_columns.first().copied(),
        };
        let last = match &found {
            RowSet::Range(range) => range.clone().next_back(),
            RowSet::Rows(rows) => rows.last().map(|row| *row as usize),
        };
        let newest = match time {
            Some(time) if sorted_by_time != Some(time) => match &found {
                RowSet::Range(range) => range.clone().max_by_key(|row| self.time_at(time, *row)),
                RowSet::Rows(rows) => rows.iter().map(|row| *row as usize).max_by_key(|row| self.time_at(time, *row)),
            },
            _ => last,
        };
        Ok(newest.and_then(|row| {
            let (batch, at) = self.locate(row)?;
            Some((time.map_or(i64::MIN, |time| self.time_at(time, row)), batch.slice(at, 1)))
        }))
    }

    fn time_at(&self, column: usize, row: usize) -> i64 {
        self.array_at(column, row).map_or(i64::MIN, |(array, at)| time_value(array, at))
    }
}

fn time_value(array: &ArrayRef, row: usize) -> i64 {
    if array.is_null(row) {
        return i64::MIN;
    }
    match array.data_type() {
        DataType::Timestamp(TimeUnit::Microsecond, _) => array.as_primitive::<TimestampMicrosecondType>().value(row),
        DataType::Date32 => array.as_primitive::<Date32Type>().value(row).into(),
        DataType::Int64 => array.as_primitive::<Int64Type>().value(row),
        _ => i64::MIN,
    }
}

fn time_bounds(batches: &[RecordBatch], column: usize) -> Option<(i64, i64)> {
    let mut bounds: Option<(i64, i64)> = None;
    for array in batches.iter().filter_map(|b| b.columns().get(column)) {
        let (low, high) = match array.data_type() {
            DataType::Timestamp(TimeUnit::Microsecond, _) => {
                let array = array.as_primitive::<TimestampMicrosecondType>();
                (compute::min(array), compute::max(array))
            }
            DataType::Date32 => {
                let array = array.as_primitive::<Date32Type>();
                (compute::min(array).map(i64::from), compute::max(array).map(i64::from))
            }
            DataType::Int64 => {
                let array = array.as_primitive::<Int64Type>();
                (compute::min(array), compute::max(array))
            }
            _ => return None,
        };
        if let (Some(low), Some(high)) = (low, high) {
            bounds = Some(bounds.map_or((low, high), |(a, b)| (a.min(low), b.max(high))));
        }
    }
    bounds
}

fn unsupported(what: String) -> ProviderError {
    ProviderError::Unsupported { store: "hot", what }
}

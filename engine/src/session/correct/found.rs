//! The rows that a correction is about, as its query has found them, and what they become. Rows have no other identity than their
//! values: which of several that are alike is meant makes no difference.

use std::collections::HashMap;

use arrow::array::{Array, ArrayRef, AsArray, Float32Array, Float64Array};
use arrow::compute::{cast, concat};
use arrow::datatypes::{DataType, Float32Type, Float64Type, SchemaRef};
use arrow::record_batch::RecordBatch;
use arrow::row::{RowConverter, SortField};
use datafusion::execution::memory_pool::MemoryReservation;

use crate::error::{EngineError, ErrorKind, Result};

/// What is kept for each row beside its values.
const BYTES_PER_ROW: usize = 64;

/// Rows that were found.
pub(super) struct Found {
    schema: SchemaRef,
    converter: RowConverter,
    rows: HashMap<Box<[u8]>, Row>,
    /// For each column that is assigned to, the values of all rows.
    pub(super) values: Vec<ArrayRef>,
    /// How many were found.
    pub(super) count: usize,
    /// All rows that are alike are meant, however often one was found.
    joined: bool,
    _memory: MemoryReservation,
}

struct Row {
    /// Its place among the values.
    at: usize,
    /// How many are still to come.
    left: usize,
    taken: bool,
}

impl Found {
    /// The rows of a query's answer: the table's columns first, then what is assigned. `joined`: a row may be there several
    /// times.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfMemory`].
    pub(super) fn new(
        schema: &SchemaRef,
        answer: &[RecordBatch],
        joined: bool,
        memory: MemoryReservation,
    ) -> Result<Self> {
        let width = schema.fields().len();
        let fields = schema.fields().iter().map(|field| SortField::new(field.data_type().clone())).collect();
        let converter = RowConverter::new(fields)?;
        let mut found = Found {
            schema: SchemaRef::clone(schema),
            converter,
            rows: HashMap::new(),
            values: Vec::new(),
            count: 0,
            joined,
            _memory: memory,
        };
        for batch in answer {
            let keys = found.keys(&batch.columns()[..width])?;
            let bytes: usize = keys.iter().map(|key| key.as_ref().len() + BYTES_PER_ROW).sum();
            found._memory.try_grow(bytes)?;
            for key in &keys {
                let at = found.count;
                found.count += 1;
                match found.rows.get_mut(key.as_ref()) {
                    Some(row) => row.left += 1,
                    None => {
                        found.rows.insert(key.as_ref().into(), Row { at, left: 1, taken: false });
                    }
                }
            }
        }
        if let Some(first) = answer.first() {
            for at in width..first.num_columns() {
                let parts: Vec<&dyn Array> = answer.iter().map(|batch| batch.column(at).as_ref()).collect();
                found.values.push(concat(&parts)?);
            }
        }
        Ok(found)
    }

    /// For each of these rows of the table, its place among the values where it is one of those.
    ///
    /// # Errors
    /// None but bugs.
    pub(super) fn take(&mut self, rows: &RecordBatch) -> Result<Vec<Option<usize>>> {
        let keys = self.keys(rows.columns())?;
        let place = |row: &mut Row, joined: bool| {
            if row.left == 0 && !joined {
                return None;
            }
            row.left = row.left.saturating_sub(1);
            row.taken = true;
            Some(row.at)
        };
        let joined = self.joined;
        let found = &mut self.rows;
        Ok(keys.iter().map(|key| found.get_mut(key.as_ref()).and_then(|row| place(row, joined))).collect())
    }

    /// That every row was met again.
    ///
    /// # Errors
    /// [`ErrorKind::DataCorrupted`].
    pub(super) fn check_all_taken(&self) -> Result<()> {
        let is_left = |row: &&Row| if self.joined { !row.taken } else { row.left > 0 };
        match self.rows.values().filter(is_left).count() {
            0 => Ok(()),
            left => Err(EngineError::new(
                ErrorKind::DataCorrupted,
                format!(
                    "{left} of {} rows were not met again when their segments were read; nothing was changed",
                    self.count
                ),
            )),
        }
    }

    fn keys(&self, columns: &[ArrayRef]) -> Result<arrow::row::Rows> {
        let columns = columns.iter().zip(self.schema.fields()).map(|(values, field)| {
            let values = match values.data_type() == field.data_type() {
                true => ArrayRef::clone(values),
                false => cast(values, field.data_type())?,
            };
            Ok(plain(&values))
        });
        let columns: Vec<ArrayRef> = columns.collect::<Result<_>>()?;
        Ok(self.converter.convert_columns(&columns)?)
    }
}

/// Doubles whose equal values are alike: expressions need not tell the zeros apart, nor one NaN from others.
fn plain(values: &ArrayRef) -> ArrayRef {
    match values.data_type() {
        DataType::Float64 => {
            let plain = |x: f64| if x.is_nan() { f64::NAN } else { x + 0.0 };
            let plain: Float64Array = values.as_primitive::<Float64Type>().unary(plain);
            std::sync::Arc::new(plain)
        }
        DataType::Float32 => {
            let plain = |x: f32| if x.is_nan() { f32::NAN } else { x + 0.0 };
            let plain: Float32Array = values.as_primitive::<Float32Type>().unary(plain);
            std::sync::Arc::new(plain)
        }
        _ => ArrayRef::clone(values),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::Arc;

    use arrow::array::{Int64Array, StringViewArray};
    use arrow::datatypes::{Field, Schema};
    use datafusion::execution::memory_pool::{GreedyMemoryPool, MemoryConsumer, MemoryPool};

    use super::*;

    fn rows(ids: &[i64], prices: &[f64], new: Option<&[&str]>) -> RecordBatch {
        let mut columns: Vec<(&str, ArrayRef)> = vec![
            ("id", Arc::new(Int64Array::from(ids.to_vec()))),
            ("price", Arc::new(Float64Array::from(prices.to_vec()))),
        ];
        if let Some(new) = new {
            columns.push(("new", Arc::new(StringViewArray::from(new.to_vec()))));
        }
        RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, values)| (name, values, true)))
            .unwrap()
    }

    fn found(answer: &[RecordBatch], joined: bool, bytes: usize) -> Result<Found> {
        let pool: Arc<dyn MemoryPool> = Arc::new(GreedyMemoryPool::new(bytes));
        let fields = vec![Field::new("id", DataType::Int64, true), Field::new("price", DataType::Float64, true)];
        Found::new(&Arc::new(Schema::new(fields)), answer, joined, MemoryConsumer::new("found").register(&pool))
    }

    #[test]
    fn rows_that_are_alike_are_met_as_often_as_they_were_found() {
        let answer = [rows(&[1, 1], &[-0.0, 0.0], Some(&["a", "b"])), rows(&[2], &[f64::NAN], Some(&["c"]))];
        let mut found = found(&answer, false, 1 << 20).unwrap();
        assert_eq!((found.count, found.values[0].len()), (3, 3));
        let met = found.take(&rows(&[1, 3, 1, 1], &[0.0, 0.0, -0.0, 0.0], None)).unwrap();
        assert_eq!(met, [Some(0), None, Some(0), None]);
        assert_eq!(found.check_all_taken().unwrap_err().kind(), ErrorKind::DataCorrupted);
        assert_eq!(found.take(&rows(&[2], &[-f64::NAN], None)).unwrap(), [Some(2)]);
        found.check_all_taken().unwrap();
    }

    #[test]
    fn beside_other_tables_all_that_are_alike_are_meant() {
        let mut found = found(&[rows(&[1, 1], &[0.5, 0.5], Some(&["a", "b"]))], true, 1 << 20).unwrap();
        assert_eq!(found.take(&rows(&[1, 1, 1], &[0.5; 3], None)).unwrap(), [Some(0); 3]);
        found.check_all_taken().unwrap();
    }

    #[test]
    fn what_is_kept_of_them_is_counted() {
        let many = rows(&(0..1_000).collect::<Vec<_>>(), &[0.0; 1_000], None);
        assert_eq!(found(&[many], false, 10_000).err().unwrap().kind(), ErrorKind::OutOfMemory);
    }
}

//! Sums by group.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray, Decimal128Array, Decimal256Array, PrimitiveArray,
    UInt64Array,
};
use arrow::buffer::NullBuffer;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Decimal128Type, Int64Type};
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::{EmitTo, GroupsAccumulator};

use super::total::{Total, add, add_wide};
use super::{Shape, States};

/// One sum for each group; those that count nothing are NULL.
#[derive(Debug)]
pub(super) struct ExactGroups {
    shape: Shape,
    low: Vec<i128>,
    /// What was carried, where 128 bits may not suffice.
    high: Vec<i64>,
    counts: Vec<u64>,
}

impl ExactGroups {
    pub(super) fn new(shape: Shape) -> Self {
        ExactGroups { shape, low: Vec::new(), high: Vec::new(), counts: Vec::new() }
    }

    fn resize(&mut self, total: usize) {
        self.low.resize(total, 0);
        self.counts.resize(total, 0);
        if self.shape.wide {
            self.high.resize(total, 0);
        }
    }

    fn take(&mut self, emit: EmitTo) -> Vec<Total> {
        let low = emit.take_needed(&mut self.low);
        let counts = emit.take_needed(&mut self.counts);
        let mut totals: Vec<Total> =
            low.into_iter().zip(counts).map(|(low, count)| Total { low, high: 0, count }).collect();
        if self.shape.wide {
            let high = emit.take_needed(&mut self.high);
            totals.iter_mut().zip(high).for_each(|(total, high)| total.high = high);
        }
        totals
    }
}

/// Calls `each(group, value)` for every row that counts.
fn each_row<T: ArrowPrimitiveType>(
    values: &PrimitiveArray<T>,
    groups: &[usize],
    filter: Option<&BooleanArray>,
    mut each: impl FnMut(usize, T::Native),
) {
    let counted = counted(values.nulls(), filter);
    match counted {
        None => groups.iter().zip(values.values().iter()).for_each(|(group, value)| each(*group, *value)),
        Some(counted) => {
            for row in counted.valid_indices() {
                each(groups[row], values.value(row));
            }
        }
    }
}

/// Rows that are not NULL and pass the filter.
fn counted(nulls: Option<&NullBuffer>, filter: Option<&BooleanArray>) -> Option<NullBuffer> {
    let passed = filter.map(|filter| match filter.nulls() {
        Some(nulls) => NullBuffer::new(filter.values() & nulls.inner()),
        None => NullBuffer::new(filter.values().clone()),
    });
    NullBuffer::union(nulls, passed.as_ref())
}

impl GroupsAccumulator for ExactGroups {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        total: usize,
    ) -> Result<()> {
        self.resize(total);
        let (low, high, counts) = (&mut self.low, &mut self.high, &mut self.counts);
        match values[0].data_type() {
            DataType::Int64 => each_row(values[0].as_primitive::<Int64Type>(), groups, filter, |group, value| {
                low[group] += i128::from(value);
                counts[group] += 1;
            }),
            DataType::Decimal128(_, _) if self.shape.wide => {
                each_row(values[0].as_primitive::<Decimal128Type>(), groups, filter, |group, value| {
                    add(&mut low[group], &mut high[group], value);
                    counts[group] += 1;
                });
            }
            DataType::Decimal128(_, _) => {
                each_row(values[0].as_primitive::<Decimal128Type>(), groups, filter, |group, value| {
                    low[group] = low[group].wrapping_add(value);
                    counts[group] += 1;
                });
            }
            other => return exec_err!("no exact sum of {other}"),
        }
        Ok(())
    }

    fn evaluate(&mut self, emit: EmitTo) -> Result<ArrayRef> {
        let shape = self.shape;
        let values = self.take(emit).iter().map(|total| shape.finish(total)).collect::<Result<Decimal128Array>>()?;
        Ok(Arc::new(values.with_precision_and_scale(shape.precision, shape.result_scale)?))
    }

    fn state(&mut self, emit: EmitTo) -> Result<Vec<ArrayRef>> {
        let totals = self.take(emit);
        let sums: ArrayRef = match self.shape.state() {
            DataType::Decimal256(precision, scale) => {
                let sums: Decimal256Array = totals.iter().map(|t| (t.count > 0).then(|| t.wide())).collect();
                Arc::new(sums.with_precision_and_scale(precision, scale)?)
            }
            _ => {
                let sums = totals.iter().map(|t| (t.count > 0).then(|| t.narrow()).transpose());
                let sums = sums.collect::<Result<Decimal128Array>>()?;
                Arc::new(sums.with_precision_and_scale(38, self.shape.scale)?)
            }
        };
        Ok(match self.shape.average {
            true => vec![Arc::new(totals.iter().map(|t| t.count).collect::<UInt64Array>()), sums],
            false => vec![sums],
        })
    }

    fn merge_batch(
        &mut self,
        states: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        total: usize,
    ) -> Result<()> {
        self.resize(total);
        let states = States::of(self.shape, states)?;
        for (row, group) in groups.iter().enumerate() {
            if filter.is_some_and(|filter| !filter.is_valid(row) || !filter.value(row)) {
                continue;
            }
            let Some((count, sum)) = states.value(row) else { continue };
            let mut unused = 0;
            let high = self.high.get_mut(*group).unwrap_or(&mut unused);
            add_wide(&mut self.low[*group], high, sum);
            self.counts[*group] += count;
        }
        Ok(())
    }

    fn convert_to_state(&self, values: &[ArrayRef], filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        let counted = counted(values[0].nulls(), filter);
        let rows = values[0].len();
        let counts: UInt64Array = match &counted {
            None => std::iter::repeat_n(1, rows).collect::<Vec<u64>>().into(),
            Some(counted) => counted.iter().map(u64::from).collect::<Vec<u64>>().into(),
        };
        let only = values[0].to_data().into_builder().nulls(counted).build()?;
        let sums = cast(&arrow::array::make_array(only), &self.shape.state())?;
        Ok(if self.shape.average { vec![Arc::new(counts), sums] } else { vec![sums] })
    }

    fn supports_convert_to_state(&self) -> bool {
        true
    }

    fn size(&self) -> usize {
        self.low.capacity() * size_of::<i128>()
            + self.high.capacity() * size_of::<i64>()
            + self.counts.capacity() * size_of::<u64>()
    }
}

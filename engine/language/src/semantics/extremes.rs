//! `min` and `max` of doubles by group: NaN is above every number.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray, PrimitiveArray};
use arrow::datatypes::{DataType, Float32Type, Float64Type};
use datafusion::common::Result;
use datafusion::logical_expr::{EmitTo, GroupsAccumulator};

/// The least or greatest value of each group.
#[derive(Debug)]
struct ExtremeGroups<T: ArrowPrimitiveType> {
    least: bool,
    values: Vec<Option<T::Native>>,
}

/// For doubles of that width.
pub(super) fn groups_of(data_type: &DataType, least: bool) -> Box<dyn GroupsAccumulator> {
    match data_type {
        DataType::Float32 => Box::new(ExtremeGroups::<Float32Type> { least, values: Vec::new() }),
        _ => Box::new(ExtremeGroups::<Float64Type> { least, values: Vec::new() }),
    }
}

impl<T: ArrowPrimitiveType> GroupsAccumulator for ExtremeGroups<T>
where
    f64: From<T::Native>,
{
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        total: usize,
    ) -> Result<()> {
        self.values.resize(total, None);
        let rows = values[0].as_primitive::<T>();
        for (row, group) in groups.iter().enumerate() {
            if rows.is_null(row) || filter.is_some_and(|filter| !filter.is_valid(row) || !filter.value(row)) {
                continue;
            }
            let value = rows.value(row);
            let best = &mut self.values[*group];
            let better = best.is_none_or(|best| {
                let (value, best) = (f64::from(value), f64::from(best));
                match self.least {
                    true => value < best || best.is_nan(),
                    false => value > best || value.is_nan(),
                }
            });
            if better {
                *best = Some(value);
            }
        }
        Ok(())
    }

    fn evaluate(&mut self, emit: EmitTo) -> Result<ArrayRef> {
        Ok(Arc::new(PrimitiveArray::<T>::from_iter(emit.take_needed(&mut self.values))))
    }

    fn state(&mut self, emit: EmitTo) -> Result<Vec<ArrayRef>> {
        Ok(vec![self.evaluate(emit)?])
    }

    fn merge_batch(
        &mut self,
        states: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        total: usize,
    ) -> Result<()> {
        self.update_batch(states, groups, filter, total)
    }

    fn size(&self) -> usize {
        self.values.capacity() * size_of::<Option<T::Native>>()
    }
}

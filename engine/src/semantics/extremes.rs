//! `min` and `max` of doubles by group: NaN is above every number. And aggregates that are more exact row by row.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray, PrimitiveArray};
use arrow::datatypes::{DataType, FieldRef, Float32Type, Float64Type};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, EmitTo, GroupsAccumulator, Signature, StatisticsArgs,
};

/// One of DataFusion's aggregates with another way to compute it by group.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Extreme {
    inner: Arc<AggregateUDF>,
    /// Else its groups are computed row by row, as without groups.
    of_doubles: bool,
}

impl Extreme {
    /// `min` or `max` of doubles.
    pub(crate) fn of_doubles(inner: &Arc<AggregateUDF>) -> Arc<AggregateUDF> {
        Arc::new(AggregateUDF::from(Extreme { inner: Arc::clone(inner), of_doubles: true }))
    }

    /// An aggregate whose own way to compute groups loses digits.
    pub(crate) fn row_by_row(inner: &Arc<AggregateUDF>) -> Arc<AggregateUDF> {
        Arc::new(AggregateUDF::from(Extreme { inner: Arc::clone(inner), of_doubles: false }))
    }
}

impl AggregateUDFImpl for Extreme {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        self.inner.coerce_types(given)
    }

    fn return_type(&self, given: &[DataType]) -> Result<DataType> {
        self.inner.return_type(given)
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        self.inner.state_fields(args)
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        self.inner.accumulator(args)
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        self.inner.create_sliding_accumulator(args)
    }

    fn groups_accumulator_supported(&self, _args: AccumulatorArgs) -> bool {
        self.of_doubles
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn GroupsAccumulator>> {
        let least = self.inner.name() == "min";
        Ok(match args.return_field.data_type() {
            DataType::Float32 => Box::new(ExtremeGroups::<Float32Type> { least, values: Vec::new() }),
            _ => Box::new(ExtremeGroups::<Float64Type> { least, values: Vec::new() }),
        })
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        self.inner.order_sensitivity()
    }

    fn value_from_stats(&self, args: &StatisticsArgs) -> Option<ScalarValue> {
        self.inner.value_from_stats(args)
    }
}

#[derive(Debug)]
struct ExtremeGroups<T: ArrowPrimitiveType> {
    least: bool,
    values: Vec<Option<T::Native>>,
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

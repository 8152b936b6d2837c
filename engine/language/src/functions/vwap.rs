//! `vwap(price, size)`: the sum of price times size over the sum of sizes.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Float64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, Float64Type};
use datafusion::common::{Result, ScalarValue, plan_err};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{Accumulator, AggregateUDFImpl, EmitTo, GroupsAccumulator, Signature, Volatility};

use crate::functions::queue_sum::QueueSum;
use crate::values::counted::counted;

/// Implements `vwap`. The result is DOUBLE PRECISION: an average has no exact decimal form. Rows where either argument
/// is NULL do not count; no size at all gives NULL.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Vwap {
    signature: Signature,
}

impl Default for Vwap {
    fn default() -> Self {
        Vwap { signature: Signature::user_defined(Volatility::Immutable) }
    }
}

impl AggregateUDFImpl for Vwap {
    fn name(&self) -> &str {
        "vwap"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        match given {
            [price, size] if is_number(price) && is_number(size) => Ok(vec![price.clone(), size.clone()]),
            [price, size] => plan_err!("vwap takes two numbers, a price and a size, not {price} and {size}"),
            _ => plan_err!("vwap takes a price and a size, not {}", counted(given.len() as u64, "argument")),
        }
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn accumulator(&self, _: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(VwapAccumulator::default()))
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let field = |part: &str| Arc::new(Field::new(format!("{}[{part}]", args.name), DataType::Float64, false));
        Ok(vec![field("notional"), field("size")])
    }

    fn groups_accumulator_supported(&self, _: AccumulatorArgs) -> bool {
        true
    }

    fn create_groups_accumulator(&self, _: AccumulatorArgs) -> Result<Box<dyn GroupsAccumulator>> {
        Ok(Box::new(VwapGroups::default()))
    }

    fn create_sliding_accumulator(&self, _: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(MovingVwap::default()))
    }
}

fn is_number(data_type: &DataType) -> bool {
    data_type.is_numeric() || *data_type == DataType::Null
}

fn average(notional: f64, size: f64) -> Option<f64> {
    (size != 0.0).then(|| notional / size)
}

/// Calls `each(row, price, size)` for every row that counts.
fn for_each_row(
    values: &[ArrayRef],
    filter: Option<&BooleanArray>,
    mut each: impl FnMut(usize, f64, f64),
) -> Result<()> {
    let prices = cast(&values[0], &DataType::Float64)?;
    let sizes = cast(&values[1], &DataType::Float64)?;
    let (prices, sizes) = (prices.as_primitive::<Float64Type>(), sizes.as_primitive::<Float64Type>());
    let nulls = prices.null_count() > 0 || sizes.null_count() > 0;
    for (row, (price, size)) in prices.values().iter().zip(sizes.values()).enumerate() {
        if nulls && (prices.is_null(row) || sizes.is_null(row)) {
            continue;
        }
        if filter.is_some_and(|f| !f.is_valid(row) || !f.value(row)) {
            continue;
        }
        each(row, *price, *size);
    }
    Ok(())
}

#[derive(Debug, Default)]
struct VwapAccumulator {
    notional: f64,
    size: f64,
}

impl Accumulator for VwapAccumulator {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for_each_row(values, None, |_, price, size| {
            self.notional += price * size;
            self.size += size;
        })
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(ScalarValue::Float64(average(self.notional, self.size)))
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![ScalarValue::from(self.notional), ScalarValue::from(self.size)])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for (notional, size) in state_values(states) {
            self.notional += notional;
            self.size += size;
        }
        Ok(())
    }
}

/// Over a frame that moves: the queue holds notionals and sizes.
#[derive(Debug, Default)]
struct MovingVwap {
    queue: QueueSum<2>,
}

impl Accumulator for MovingVwap {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for_each_row(values, None, |_, price, size| self.queue.push([price * size, size]))
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let mut leaving = 0;
        for_each_row(values, None, |_, _, _| leaving += 1)?;
        self.queue.pop(leaving);
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let [notional, size] = self.queue.sum();
        Ok(ScalarValue::Float64(average(notional, size)))
    }

    fn size(&self) -> usize {
        self.queue.size()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(self.queue.sum().into_iter().map(ScalarValue::from).collect())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        state_values(states).for_each(|(notional, size)| self.queue.push([notional, size]));
        Ok(())
    }
}

fn state_values(states: &[ArrayRef]) -> impl Iterator<Item = (f64, f64)> {
    let notionals = states[0].as_primitive::<Float64Type>().values().iter().copied();
    notionals.zip(states[1].as_primitive::<Float64Type>().values().iter().copied())
}

#[derive(Debug, Default)]
struct VwapGroups {
    notional: Vec<f64>,
    size: Vec<f64>,
}

impl VwapGroups {
    fn resize(&mut self, groups: usize) {
        self.notional.resize(groups, 0.0);
        self.size.resize(groups, 0.0);
    }
}

impl GroupsAccumulator for VwapGroups {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        total: usize,
    ) -> Result<()> {
        self.resize(total);
        for_each_row(values, filter, |row, price, size| {
            let group = groups[row];
            self.notional[group] += price * size;
            self.size[group] += size;
        })
    }

    fn evaluate(&mut self, emit: EmitTo) -> Result<ArrayRef> {
        let notional = emit.take_needed(&mut self.notional);
        let size = emit.take_needed(&mut self.size);
        let averages: Float64Array = notional.into_iter().zip(size).map(|(n, s)| average(n, s)).collect();
        Ok(Arc::new(averages))
    }

    fn state(&mut self, emit: EmitTo) -> Result<Vec<ArrayRef>> {
        let notional = Float64Array::from(emit.take_needed(&mut self.notional));
        let size = Float64Array::from(emit.take_needed(&mut self.size));
        Ok(vec![Arc::new(notional), Arc::new(size)])
    }

    fn merge_batch(
        &mut self,
        states: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        total: usize,
    ) -> Result<()> {
        self.resize(total);
        for (row, (notional, size)) in state_values(states).enumerate() {
            if filter.is_none_or(|f| f.is_valid(row) && f.value(row)) {
                self.notional[groups[row]] += notional;
                self.size[groups[row]] += size;
            }
        }
        Ok(())
    }

    fn convert_to_state(&self, values: &[ArrayRef], filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        let rows = values[0].len();
        let (mut notional, mut sizes) = (vec![0.0; rows], vec![0.0; rows]);
        for_each_row(values, filter, |row, price, size| {
            notional[row] = price * size;
            sizes[row] = size;
        })?;
        Ok(vec![Arc::new(Float64Array::from(notional)), Arc::new(Float64Array::from(sizes))])
    }

    fn supports_convert_to_state(&self) -> bool {
        true
    }

    fn size(&self) -> usize {
        (self.notional.capacity() + self.size.capacity()) * size_of::<f64>()
    }
}

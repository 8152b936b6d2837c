//! `sum`, `avg`, `min` and `max` of intervals, beside those of everything else.

use std::any::Any;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Field, FieldRef, IntervalMonthDayNano, IntervalMonthDayNanoType};
use datafusion::common::{Result, ScalarValue};
use datafusion::execution::FunctionRegistry;
use datafusion::execution::context::SessionContext;
use datafusion::functions_aggregate::{average, min_max, sum};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::type_coercion::functions::fields_with_udf;
use datafusion::logical_expr::{Accumulator, AggregateUDF, SetMonotonicity, Signature, Volatility};

use super::parts;
use super::simple::INTERVAL;
use crate::functions::aggregate_front::{AggregateFront, OverAggregate};
use crate::functions::interval_times;
use crate::functions::out_of_range;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum IntervalAggregate {
    Sum,
    Avg,
    Min,
    Max,
}

/// Puts intervals beside what the session's own functions take.
pub(super) fn register(context: &SessionContext) {
    for (name, kind, usual) in [
        ("sum", IntervalAggregate::Sum, sum::sum_udaf as fn() -> Arc<AggregateUDF>),
        ("avg", IntervalAggregate::Avg, average::avg_udaf),
        ("min", IntervalAggregate::Min, min_max::min_udaf),
        ("max", IntervalAggregate::Max, min_max::max_udaf),
    ] {
        let inner = context.state_ref().read().udaf(name).unwrap_or_else(|_| usual());
        if (inner.inner().as_ref() as &dyn Any).is::<OverAggregate<WithIntervals>>() {
            continue;
        }
        context.register_udaf(OverAggregate(WithIntervals::new(inner, kind)).into());
    }
}

/// The function that is meant where no interval is given: what looks for it by its type then finds it.
pub(super) fn without_intervals(function: Arc<AggregateUDF>, takes_interval: bool) -> Arc<AggregateUDF> {
    let any: &dyn Any = function.inner().as_ref();
    match any.downcast_ref::<OverAggregate<WithIntervals>>() {
        Some(OverAggregate(wrapped)) if !takes_interval => Arc::clone(&wrapped.inner),
        _ => function,
    }
}

/// An aggregate that takes intervals as well.
#[derive(Debug, PartialEq, Eq, Hash)]
struct WithIntervals {
    inner: Arc<AggregateUDF>,
    kind: IntervalAggregate,
    signature: Signature,
}

impl WithIntervals {
    fn new(inner: Arc<AggregateUDF>, kind: IntervalAggregate) -> Self {
        // What the inner function takes is asked of it, whose signature may be any.
        WithIntervals { inner, kind, signature: Signature::user_defined(Volatility::Immutable) }
    }

    fn takes(fields: &[FieldRef]) -> bool {
        matches!(fields, [field] if matches!(field.data_type(), DataType::Interval(_)))
    }
}

impl AggregateFront for WithIntervals {
    fn inner(&self) -> &Arc<AggregateUDF> {
        &self.inner
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        if matches!(given, [DataType::Interval(_)]) {
            return Ok(vec![INTERVAL]);
        }
        let fields: Vec<FieldRef> = given.iter().map(|t| Arc::new(Field::new("", t.clone(), true))).collect();
        let coerced = fields_with_udf(&fields, self.inner.as_ref())?;
        Ok(coerced.iter().map(|field| field.data_type().clone()).collect())
    }

    fn return_type(&self, given: &[DataType]) -> Result<DataType> {
        if matches!(given, [DataType::Interval(_)]) { Ok(INTERVAL) } else { self.inner.return_type(given) }
    }

    fn return_field(&self, fields: &[FieldRef]) -> Result<FieldRef> {
        if Self::takes(fields) {
            return Ok(Arc::new(Field::new(self.inner.name(), INTERVAL, true)));
        }
        self.inner.return_field(fields)
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        if Self::takes(args.input_fields) {
            let field = |what: &str, data_type| Arc::new(Field::new(format!("{}[{what}]", args.name), data_type, true));
            return Ok(vec![field("interval", INTERVAL), field("count", DataType::Int64)]);
        }
        self.inner.state_fields(args)
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        if Self::takes(args.expr_fields) {
            return Ok(Box::new(Lengths::new(self.kind)));
        }
        self.inner.accumulator(args)
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        if Self::takes(args.expr_fields) {
            return Ok(Box::new(Lengths::new(self.kind)));
        }
        self.inner.create_sliding_accumulator(args)
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs) -> bool {
        !Self::takes(args.expr_fields) && self.inner.groups_accumulator_supported(args)
    }

    fn default_value(&self, data_type: &DataType) -> Result<ScalarValue> {
        if matches!(data_type, DataType::Interval(_)) {
            Ok(ScalarValue::IntervalMonthDayNano(None))
        } else {
            self.inner.default_value(data_type)
        }
    }

    fn set_monotonicity(&self, data_type: &DataType) -> SetMonotonicity {
        if matches!(data_type, DataType::Interval(_)) {
            return SetMonotonicity::NotMonotonic;
        }
        self.inner.inner().set_monotonicity(data_type)
    }
}

/// Sums, or the extreme, of intervals; a window may take its rows back from a sum.
#[derive(Debug)]
struct Lengths {
    kind: IntervalAggregate,
    value: Option<IntervalMonthDayNano>,
    count: i64,
}

impl Lengths {
    fn new(kind: IntervalAggregate) -> Self {
        Lengths { kind, value: None, count: 0 }
    }

    fn take(&mut self, value: IntervalMonthDayNano, count: i64) -> Result<()> {
        self.count += count;
        self.value = Some(match (self.kind, self.value) {
            (_, None) => value,
            (IntervalAggregate::Sum | IntervalAggregate::Avg, Some(sum)) => {
                parts::sum(sum, value).ok_or_else(|| out_of_range("interval"))?
            }
            (IntervalAggregate::Min, Some(least)) if parts::length(value) >= parts::length(least) => least,
            (IntervalAggregate::Max, Some(most)) if parts::length(value) <= parts::length(most) => most,
            (IntervalAggregate::Min | IntervalAggregate::Max, Some(_)) => value,
        });
        Ok(())
    }
}

impl Accumulator for Lengths {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for value in values[0].as_primitive::<IntervalMonthDayNanoType>().iter().flatten() {
            self.take(value, 1)?;
        }
        Ok(())
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for value in values[0].as_primitive::<IntervalMonthDayNanoType>().iter().flatten() {
            self.count -= 1;
            let less = parts::negated(value).and_then(|value| parts::sum(self.value?, value));
            self.value = if self.count == 0 { None } else { Some(less.ok_or_else(|| out_of_range("interval"))?) };
        }
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        matches!(self.kind, IntervalAggregate::Sum | IntervalAggregate::Avg)
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let value = match (self.kind, self.value) {
            (IntervalAggregate::Avg, Some(sum)) => {
                Some(interval_times::divided(sum, self.count as f64).ok_or_else(|| out_of_range("interval"))?)
            }
            (_, value) => value,
        };
        Ok(ScalarValue::IntervalMonthDayNano(value))
    }

    fn size(&self) -> usize {
        std::mem::size_of_val(self)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![ScalarValue::IntervalMonthDayNano(self.value), ScalarValue::Int64(Some(self.count))])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let values = states[0].as_primitive::<IntervalMonthDayNanoType>();
        let counts = states[1].as_primitive::<arrow::datatypes::Int64Type>();
        for row in 0..values.len() {
            if values.is_valid(row) {
                self.take(values.value(row), counts.value(row))?;
            }
        }
        Ok(())
    }
}

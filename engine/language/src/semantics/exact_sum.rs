//! `sum` and `avg` of integers and decimals: exact, and never wrapped.
//!
//! The sum of bigints is a decimal. Sums are taken in 128 bits where the type of what is added shows that these suffice,
//! else in 192: a carry is counted. An average has 20 digits behind the point, where 38 leave room for them.

mod groups;
mod total;

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, UInt64Array};
use arrow::datatypes::{DataType, Decimal128Type, Decimal256Type, Field, FieldRef, Int64Type, UInt64Type, i256};
use datafusion::common::{Result, ScalarValue, exec_err, plan_err};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::format_state_name;
use datafusion::logical_expr::{Accumulator, AggregateUDFImpl, GroupsAccumulator, Signature, Volatility};

use super::number_types::MOST_ROUNDED_DIGITS;
use groups::ExactGroups;
use total::Total;

/// Digits of a number of which 10^10 can be added in 128 bits.
const NARROW_DIGITS: u8 = 28;

/// Implements `sum(bigint)`, `sum(numeric)`, `avg(bigint)` and `avg(numeric)`.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct ExactSum {
    average: bool,
    /// Whether what is added are integers of at most 32 bits: then an average has room for more digits.
    short: bool,
    signature: Signature,
}

impl ExactSum {
    /// `avg`, or `sum`.
    pub(crate) fn new(average: bool, short: bool) -> Self {
        ExactSum { average, short, signature: Signature::user_defined(Volatility::Immutable) }
    }

    fn shape(&self, input: &DataType) -> Result<Shape> {
        Shape::of(self.average, self.short, input)
    }
}

/// How one of these aggregates computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shape {
    average: bool,
    /// Digits behind the point of what is added.
    scale: i8,
    /// Whether 128 bits may not suffice.
    wide: bool,
    precision: u8,
    result_scale: i8,
}

impl Shape {
    fn of(average: bool, short: bool, input: &DataType) -> Result<Shape> {
        let digits = MOST_ROUNDED_DIGITS;
        Ok(match input {
            DataType::Int64 => Shape {
                average,
                scale: 0,
                wide: false,
                precision: 38,
                result_scale: match (average, short) {
                    (false, _) => 0,
                    (true, true) => digits,
                    // Of the 38 digits that there are, a bigint has 19.
                    (true, false) => digits - 1,
                },
            },
            DataType::Decimal128(precision, scale) => {
                let whole = *precision as i8 - scale;
                let average_scale = (*scale).max(digits.min(38 - whole));
                Shape {
                    average,
                    scale: *scale,
                    wide: *precision > NARROW_DIGITS,
                    precision: if average { 38 } else { (precision + 10).min(38) },
                    result_scale: if average { average_scale } else { *scale },
                }
            }
            other => return plan_err!("no exact sum of {other}"),
        })
    }

    fn result(&self) -> DataType {
        DataType::Decimal128(self.precision, self.result_scale)
    }

    /// The type of a sum that is handed on. An average's may be larger than what 38 digits hold.
    fn state(&self) -> DataType {
        if self.average && self.wide {
            DataType::Decimal256(76, self.scale)
        } else {
            DataType::Decimal128(38, self.scale)
        }
    }

    fn finish(&self, total: &Total) -> Result<Option<i128>> {
        total.finish(self.average, self.scale, self.result_scale - self.scale)
    }
}

impl AggregateUDFImpl for ExactSum {
    fn name(&self) -> &str {
        if self.average { "avg" } else { "sum" }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        Ok(given
            .iter()
            .map(|data_type| if data_type.is_integer() { DataType::Int64 } else { data_type.clone() })
            .collect())
    }

    fn return_type(&self, given: &[DataType]) -> Result<DataType> {
        match given {
            [input] => Ok(self.shape(input)?.result()),
            _ => plan_err!("{} takes one number", self.name()),
        }
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let shape = self.shape(args.input_fields[0].data_type())?;
        let field = |part, data_type| Arc::new(Field::new(format_state_name(args.name, part), data_type, true));
        let sum = field("sum", shape.state());
        Ok(if self.average { vec![field("count", DataType::UInt64), sum] } else { vec![sum] })
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let shape = self.shape(args.expr_fields[0].data_type())?;
        Ok(Box::new(ExactAccumulator { shape, total: Total::default() }))
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        self.accumulator(args)
    }

    fn groups_accumulator_supported(&self, _args: AccumulatorArgs) -> bool {
        true
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn GroupsAccumulator>> {
        let shape = self.shape(args.expr_fields[0].data_type())?;
        Ok(Box::new(ExactGroups::new(shape)))
    }
}

/// The sum over all rows, or over a frame that moves.
#[derive(Debug)]
struct ExactAccumulator {
    shape: Shape,
    total: Total,
}

impl ExactAccumulator {
    fn each(&mut self, values: &ArrayRef, mut each: impl FnMut(&mut Total, i128)) -> Result<()> {
        match values.data_type() {
            DataType::Int64 => {
                values.as_primitive::<Int64Type>().iter().flatten().for_each(|v| each(&mut self.total, v.into()));
            }
            DataType::Decimal128(_, _) => {
                values.as_primitive::<Decimal128Type>().iter().flatten().for_each(|v| each(&mut self.total, v));
            }
            other => return exec_err!("no exact sum of {other}"),
        }
        Ok(())
    }
}

impl Accumulator for ExactAccumulator {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        if !self.shape.wide
            && values[0].null_count() == 0
            && let Some(integers) = values[0].as_primitive_opt::<Int64Type>()
        {
            self.total.add_many(integers.values().iter().map(|v| i128::from(*v)).sum(), integers.values().len());
            return Ok(());
        }
        self.each(&values[0], Total::add)
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.each(&values[0], Total::remove)
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let value = self.shape.finish(&self.total)?;
        Ok(ScalarValue::Decimal128(value, self.shape.precision, self.shape.result_scale))
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let seen = self.total.count > 0;
        let sum = match self.shape.state() {
            DataType::Decimal256(precision, scale) => {
                ScalarValue::Decimal256(seen.then(|| self.total.wide()), precision, scale)
            }
            _ => ScalarValue::Decimal128(seen.then(|| self.total.narrow()).transpose()?, 38, self.shape.scale),
        };
        let count = ScalarValue::UInt64(Some(self.total.count));
        Ok(if self.shape.average { vec![count, sum] } else { vec![sum] })
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let states = States::of(self.shape, states)?;
        for row in 0..states.len() {
            if let Some((count, sum)) = states.value(row) {
                self.total.merge(count, sum);
            }
        }
        Ok(())
    }
}

/// Sums that come from elsewhere.
struct States {
    counts: Option<UInt64Array>,
    sums: ArrayRef,
}

impl States {
    fn of(shape: Shape, states: &[ArrayRef]) -> Result<States> {
        let (counts, sums) = match states {
            [counts, sums] if shape.average => (Some(counts.as_primitive::<UInt64Type>().clone()), sums),
            [sums] => (None, sums),
            _ => return exec_err!("a sum has other states than these {}", states.len()),
        };
        Ok(States { counts, sums: Arc::clone(sums) })
    }

    fn len(&self) -> usize {
        self.sums.len()
    }

    fn value(&self, row: usize) -> Option<(u64, i256)> {
        if self.sums.is_null(row) {
            return None;
        }
        let count = self.counts.as_ref().map_or(1, |counts| counts.value(row));
        let sum = match self.sums.as_primitive_opt::<Decimal256Type>() {
            Some(wide) => wide.value(row),
            None => i256::from_i128(self.sums.as_primitive::<Decimal128Type>().value(row)),
        };
        Some((count, sum))
    }
}

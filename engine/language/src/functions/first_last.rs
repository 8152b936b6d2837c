//! `first(value, time)` and `last(value, time)`: the value at the earliest and at the latest time, as in TimescaleDB.
//!
//! Rows without a time do not count; the value found may be NULL. Among rows of one time, `first` takes the one seen
//! first and `last` the one seen last; within one segment that is segment order, across segments it is any.

mod values;

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, Int64Type};
use datafusion::common::{Result, ScalarValue, plan_err};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{Accumulator, AggregateUDFImpl, EmitTo, GroupsAccumulator, Signature, Volatility};

use values::GroupValues;

use crate::values::counted::counted;

/// Implements `first` and `last`.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct ValueAtTime {
    signature: Signature,
    end: End,
}

/// Which end of time is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum End {
    First,
    Last,
}

impl End {
    /// True when a row at `time` takes the place of one at `held`.
    fn prefers(self, time: i64, held: i64) -> bool {
        match self {
            End::First => time < held,
            End::Last => time >= held,
        }
    }
}

impl ValueAtTime {
    /// `first(value, time)`
    pub(super) fn first() -> Self {
        ValueAtTime { signature: Signature::user_defined(Volatility::Immutable), end: End::First }
    }

    /// `last(value, time)`
    pub(super) fn last() -> Self {
        ValueAtTime { signature: Signature::user_defined(Volatility::Immutable), end: End::Last }
    }
}

impl AggregateUDFImpl for ValueAtTime {
    fn name(&self) -> &str {
        match self.end {
            End::First => "first",
            End::Last => "last",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        let [value, time] = given else {
            return plan_err!(
                "{} takes a value and a time, not {}",
                self.name(),
                counted(given.len() as u64, "argument")
            );
        };
        match time {
            DataType::Timestamp(_, _) | DataType::Date32 | DataType::Date64 => {}
            integer if integer.is_integer() && *integer != DataType::UInt64 => {}
            other => {
                return plan_err!(
                    "{}: the second argument must be a timestamp, a date or an integer, not {other}",
                    self.name()
                );
            }
        }
        // Texts of groups are kept one by one; the view type hands them out without another copy.
        let value = match value {
            DataType::Null => DataType::Int64,
            DataType::Dictionary(_, inner) => inner.as_ref().clone(),
            other => other.clone(),
        };
        Ok(vec![value, time.clone()])
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        Ok(arg_types[0].clone())
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let nothing = ScalarValue::try_from(args.return_type())?;
        Ok(Box::new(OneGroup { end: self.end, time: None, value: nothing }))
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        Ok(vec![
            Arc::new(Field::new(format!("{}[value]", args.name), args.return_type().clone(), true)),
            Arc::new(Field::new(format!("{}[time]", args.name), DataType::Int64, true)),
        ])
    }

    fn groups_accumulator_supported(&self, _: AccumulatorArgs) -> bool {
        true
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn GroupsAccumulator>> {
        Ok(Box::new(ManyGroups {
            end: self.end,
            times: Vec::new(),
            values: GroupValues::for_type(args.return_type()),
            chosen: Vec::new(),
        }))
    }
}

/// Times as integers that order as they do.
fn integers(times: &ArrayRef) -> Result<Int64Array> {
    let wide = match times.data_type() {
        // Dates have no direct cast to 64 bits.
        DataType::Date32 => cast(&cast(times, &DataType::Int32)?, &DataType::Int64)?,
        _ => cast(times, &DataType::Int64)?,
    };
    Ok(wide.as_primitive::<Int64Type>().clone())
}

#[derive(Debug)]
struct OneGroup {
    end: End,
    time: Option<i64>,
    value: ScalarValue,
}

impl OneGroup {
    fn update(&mut self, values: &ArrayRef, times: &Int64Array) -> Result<()> {
        let mut chosen = None;
        for (row, time) in times.iter().enumerate() {
            if let Some(time) = time
                && self.time.is_none_or(|held| self.end.prefers(time, held))
            {
                self.time = Some(time);
                chosen = Some(row);
            }
        }
        if let Some(row) = chosen {
            self.value = ScalarValue::try_from_array(values, row)?.compacted();
        }
        Ok(())
    }
}

impl Accumulator for OneGroup {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.update(&values[0], &integers(&values[1])?)
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(self.value.clone())
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.value.size()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![self.value.clone(), ScalarValue::Int64(self.time)])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.update(&states[0], &integers(&states[1])?)
    }
}

struct ManyGroups {
    end: End,
    /// Time held for each group.
    times: Vec<Option<i64>>,
    values: GroupValues,
    /// Row of the batch at hand that each group takes its value from; all `NONE` between batches.
    chosen: Vec<u32>,
}

const NONE: u32 = u32::MAX;

impl ManyGroups {
    fn update(
        &mut self,
        values: &ArrayRef,
        times: &Int64Array,
        groups: &[usize],
        filter: Option<&BooleanArray>,
        total: usize,
    ) -> Result<()> {
        self.times.resize(total, None);
        self.chosen.resize(total, NONE);
        self.values.resize(total);
        // First find the winning row of every group, then copy each group's value once.
        let mut touched = Vec::new();
        for (row, (&group, &time)) in groups.iter().zip(times.values()).enumerate() {
            if times.is_null(row) || filter.is_some_and(|f| !f.is_valid(row) || !f.value(row)) {
                continue;
            }
            if self.times[group].is_none_or(|held| self.end.prefers(time, held)) {
                self.times[group] = Some(time);
                if self.chosen[group] == NONE {
                    touched.push(group);
                }
                self.chosen[group] = row as u32;
            }
        }
        let picks: Vec<(usize, usize)> = touched.iter().map(|&group| (group, self.chosen[group] as usize)).collect();
        for group in touched {
            self.chosen[group] = NONE;
        }
        self.values.set(values, &picks)
    }
}

impl GroupsAccumulator for ManyGroups {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        total: usize,
    ) -> Result<()> {
        self.update(&values[0], &integers(&values[1])?, groups, filter, total)
    }

    fn evaluate(&mut self, emit: EmitTo) -> Result<ArrayRef> {
        let taken = emit.take_needed(&mut self.times).len();
        emit.take_needed(&mut self.chosen);
        self.values.take(emit, taken)
    }

    fn state(&mut self, emit: EmitTo) -> Result<Vec<ArrayRef>> {
        let times = emit.take_needed(&mut self.times);
        emit.take_needed(&mut self.chosen);
        let values = self.values.take(emit, times.len())?;
        Ok(vec![values, Arc::new(Int64Array::from(times))])
    }

    fn merge_batch(
        &mut self,
        states: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        total: usize,
    ) -> Result<()> {
        self.update(&states[0], &integers(&states[1])?, groups, filter, total)
    }

    fn convert_to_state(&self, values: &[ArrayRef], filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        let times = integers(&values[1])?;
        let times = match filter {
            None => times,
            Some(filter) => times
                .iter()
                .enumerate()
                .map(|(row, time)| time.filter(|_| filter.is_valid(row) && filter.value(row)))
                .collect(),
        };
        Ok(vec![Arc::clone(&values[0]), Arc::new(times)])
    }

    fn supports_convert_to_state(&self) -> bool {
        true
    }

    fn size(&self) -> usize {
        self.times.capacity() * size_of::<Option<i64>>()
            + self.chosen.capacity() * size_of::<u32>()
            + self.values.size()
    }
}

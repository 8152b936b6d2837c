//! `arg_min(value, key)` and `arg_max(value, key)`, also called `min_by` and `max_by`: the value of the row with the least and the
//! greatest key, as in DuckDB. Rows with a NULL in either do not count; of equal keys the first seen wins.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow::array::make_comparator;
use arrow::array::{Array, ArrayRef};
use arrow::compute::SortOptions;
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{Accumulator, AggregateUDFImpl, Signature, Volatility};

use crate::functions::overloads::no_such_function;

/// Implements both.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct ArgExtreme {
    name: &'static str,
    aliases: Vec<String>,
    greatest: bool,
    signature: Signature,
}

impl ArgExtreme {
    fn new(name: &'static str, aliases: [&str; 2], greatest: bool) -> Self {
        let aliases = aliases.map(str::to_owned).to_vec();
        ArgExtreme { name, aliases, greatest, signature: Signature::user_defined(Volatility::Immutable) }
    }

    /// `arg_min`
    pub(super) fn min() -> Self {
        ArgExtreme::new("arg_min", ["min_by", "argmin"], false)
    }

    /// `arg_max`
    pub(super) fn max() -> Self {
        ArgExtreme::new("arg_max", ["max_by", "argmax"], true)
    }
}

impl AggregateUDFImpl for ArgExtreme {
    fn name(&self) -> &str {
        self.name
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        let plain = |data_type: &DataType| match data_type {
            DataType::Null => DataType::Int64,
            DataType::Dictionary(_, inner) => inner.as_ref().clone(),
            other => other.clone(),
        };
        match given {
            [_, key] if key.is_nested() => Err(no_such_function(self.name, given).into()),
            [value, key] => Ok(vec![plain(value), plain(key)]),
            _ => Err(no_such_function(self.name, given).into()),
        }
    }

    fn return_type(&self, given: &[DataType]) -> Result<DataType> {
        Ok(given[0].clone())
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let field = |name: &str, place: usize| {
            let data_type = args.input_fields[place].data_type().clone();
            Arc::new(Field::new(format!("{}[{name}]", args.name), data_type, true))
        };
        Ok(vec![field("value", 0), field("key", 1)])
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Held {
            greatest: self.greatest,
            value: ScalarValue::try_from(args.expr_fields[0].data_type())?,
            key: ScalarValue::try_from(args.expr_fields[1].data_type())?,
        }))
    }
}

#[derive(Debug)]
struct Held {
    greatest: bool,
    value: ScalarValue,
    key: ScalarValue,
}

impl Held {
    fn update(&mut self, values: &ArrayRef, keys: &ArrayRef) -> Result<()> {
        let wins = if self.greatest { Ordering::Greater } else { Ordering::Less };
        let compare = make_comparator(keys, keys, SortOptions::default())?;
        let mut best: Option<usize> = None;
        for row in 0..keys.len() {
            if keys.is_valid(row) && values.is_valid(row) && best.is_none_or(|best| compare(row, best) == wins) {
                best = Some(row);
            }
        }
        let Some(best) = best else { return Ok(()) };
        let held = self.key.to_array()?;
        if self.key.is_null() || make_comparator(keys, &held, SortOptions::default())?(best, 0) == wins {
            self.key = ScalarValue::try_from_array(keys, best)?.compacted();
            self.value = ScalarValue::try_from_array(values, best)?.compacted();
        }
        Ok(())
    }
}

impl Accumulator for Held {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.update(&values[0], &values[1])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(self.value.clone())
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.value.size() + self.key.size()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![self.value.clone(), self.key.clone()])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.update(&states[0], &states[1])
    }
}

//! `variance`, `var_samp`, `var_pop`, `stddev`, `stddev_samp` and `stddev_pop` of integers and decimals, exactly: PostgreSQL
//! has them as numeric. Those of doubles are DataFusion's.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Decimal128Array, Decimal256Array, UInt64Array};
use arrow::datatypes::{DataType, Decimal128Type, Decimal256Type, Field, FieldRef, UInt64Type, i256};
use datafusion::common::{Result, ScalarValue};
use datafusion::functions_aggregate::stddev::{stddev_pop_udaf, stddev_udaf};
use datafusion::functions_aggregate::variance::{var_pop_udaf, var_samp_udaf};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, EmitTo, GroupsAccumulator, Signature, Volatility,
};

use crate::error::{EngineError, ErrorKind};
use crate::functions::overloads::no_such_function;
use crate::values::quotient_digits::{base_10000, digits_by_weight};

const PRECISION: u8 = 38;
/// Digits behind the point of results: where there is room, as many as PostgreSQL shows of values below one; else as many as
/// count; else as many as large values still show.
const MOST_SHOWN: u32 = 20;
const SHOWN: u32 = 16;
const LEAST_SHOWN: u32 = 10;
/// What integers become: of 32 bits, and of 64, which rarely use them all.
const SHORT: DataType = DataType::Decimal128(10, 0);
const LONG: DataType = DataType::Decimal128(20, 0);

pub(super) fn functions() -> Vec<AggregateUDF> {
    [
        ("variance", &["var", "var_samp", "var_sample"][..], false, false, var_samp_udaf()),
        ("var_pop", &["var_population"][..], true, false, var_pop_udaf()),
        ("stddev", &["stddev_samp"][..], false, true, stddev_udaf()),
        ("stddev_pop", &[][..], true, true, stddev_pop_udaf()),
    ]
    .into_iter()
    .map(|(name, aliases, population, root, doubles)| {
        let aliases = aliases.iter().map(|alias| (*alias).to_owned()).collect();
        let signature = Signature::user_defined(Volatility::Immutable);
        Spread { name, aliases, population, root, doubles, signature }.into()
    })
    .collect()
}

/// One of the four.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Spread {
    name: &'static str,
    aliases: Vec<String>,
    /// Of all values, not of a sample.
    population: bool,
    /// The root of it.
    root: bool,
    doubles: Arc<AggregateUDF>,
    signature: Signature,
}

impl Spread {
    fn finish(&self, data_type: &DataType) -> Finish {
        let scale = match data_type {
            DataType::Decimal128(_, scale) => u32::try_from(*scale).unwrap_or(0),
            _ => 0,
        };
        Finish { population: self.population, root: self.root, scale, shown: self.shown(data_type) }
    }

    /// The scale of results: so many digits that their whole part fits, which values hardly ever use up.
    fn shown(&self, data_type: &DataType) -> u32 {
        let DataType::Decimal128(precision, scale) = data_type else { return SHOWN };
        let whole = u32::from(*precision).saturating_sub(u32::try_from(*scale).unwrap_or(0));
        match (self.root, *data_type == LONG) {
            (true, true) => MOST_SHOWN,
            (true, false) => u32::from(PRECISION).saturating_sub(whole).clamp(SHOWN, MOST_SHOWN),
            (false, true) => SHOWN,
            (false, false) if whole <= 10 => MOST_SHOWN,
            (false, false) if whole <= 16 => SHOWN,
            (false, false) => LEAST_SHOWN,
        }
    }
}

impl AggregateUDFImpl for Spread {
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
        match given {
            [DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::UInt8 | DataType::UInt16] => {
                Ok(vec![SHORT])
            }
            [integer] if integer.is_integer() => Ok(vec![LONG]),
            [DataType::Decimal128(precision, scale)] if *scale >= 0 => {
                Ok(vec![DataType::Decimal128(*precision, *scale)])
            }
            [number] if number.is_numeric() || number.is_null() => Ok(vec![DataType::Float64]),
            _ => Err(no_such_function(self.name, given).into()),
        }
    }

    fn return_type(&self, given: &[DataType]) -> Result<DataType> {
        Ok(match &given[0] {
            DataType::Float64 => DataType::Float64,
            other => DataType::Decimal128(PRECISION, self.shown(other) as i8),
        })
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        if *args.input_fields[0].data_type() == DataType::Float64 {
            return self.doubles.state_fields(args);
        }
        let field = |name: &str, data_type| Arc::new(Field::new(format!("{}[{name}]", args.name), data_type, true));
        Ok(vec![field("count", DataType::UInt64), field("sum", WIDE), field("squares", WIDE)])
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let data_type = args.expr_fields[0].data_type().clone();
        if data_type == DataType::Float64 {
            return self.doubles.accumulator(args);
        }
        let finish = Finish { shown: scale_of(args.return_type()), ..self.finish(&data_type) };
        if args.is_distinct {
            return Ok(Box::new(Distinct { seen: std::collections::HashSet::new(), finish }));
        }
        Ok(Box::new(One { sums: Sums::default(), finish }))
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs) -> bool {
        match args.expr_fields[0].data_type() {
            DataType::Float64 => self.doubles.groups_accumulator_supported(args),
            _ => !args.is_distinct,
        }
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn GroupsAccumulator>> {
        let data_type = args.expr_fields[0].data_type().clone();
        if data_type == DataType::Float64 {
            return self.doubles.create_groups_accumulator(args);
        }
        let finish = Finish { shown: scale_of(args.return_type()), ..self.finish(&data_type) };
        Ok(Box::new(Many { sums: Vec::new(), finish }))
    }
}

const WIDE: DataType = DataType::Decimal256(76, 0);

fn scale_of(data_type: &DataType) -> u32 {
    match data_type {
        DataType::Decimal128(_, scale) => u32::try_from(*scale).unwrap_or(0),
        _ => 0,
    }
}

/// How many values there are, their sum and the sum of their squares.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    count: u64,
    sum: i256,
    squares: i256,
}

fn out_of_range() -> EngineError {
    EngineError::new(ErrorKind::NumericOutOfRange, "numeric value out of range: it has more than 38 digits")
}

impl Sums {
    fn add(&mut self, value: i128) -> Option<()> {
        let wide = i256::from_i128(value);
        self.count += 1;
        self.sum = self.sum.checked_add(wide)?;
        self.squares = self.squares.checked_add(wide.checked_mul(wide)?)?;
        Some(())
    }

    fn remove(&mut self, value: i128) -> Option<()> {
        let wide = i256::from_i128(value);
        self.count -= 1;
        self.sum = self.sum.checked_sub(wide)?;
        self.squares = self.squares.checked_sub(wide.checked_mul(wide)?)?;
        Some(())
    }

    fn merge(&mut self, other: Sums) -> Option<()> {
        self.count += other.count;
        self.sum = self.sum.checked_add(other.sum)?;
        self.squares = self.squares.checked_add(other.squares)?;
        Some(())
    }
}

/// What becomes of the sums.
#[derive(Debug, Clone, Copy)]
struct Finish {
    population: bool,
    root: bool,
    /// Digits behind the point of the values, and of the result.
    scale: u32,
    shown: u32,
}

impl Finish {
    fn result(&self, sums: &Sums) -> Result<Option<i128>, EngineError> {
        if sums.count == 0 || (sums.count == 1 && !self.population) {
            return Ok(None);
        }
        let most = 10_i128.pow(u32::from(PRECISION)) - 1;
        let result = self.compute(sums).and_then(|value| value.to_i128());
        result.filter(|value| value.abs() <= most).map(Some).ok_or_else(out_of_range)
    }

    fn compute(&self, sums: &Sums) -> Option<i256> {
        let count = i256::from_i128(i128::from(sums.count));
        let others = if self.population { count } else { count.checked_sub(i256::ONE)? };
        let above = count.checked_mul(sums.squares)?.checked_sub(sums.sum.checked_mul(sums.sum)?)?;
        let below = count.checked_mul(others)?;
        if above <= i256::ZERO {
            return Some(i256::ZERO);
        }
        // The quotient has twice the digits of the values behind its point.
        let scale = i8::try_from(2 * self.scale).ok()?;
        let digits = digits_by_weight(weight(above, scale), weight(below, 0)).max(i32::from(scale));
        let digits = u32::try_from(digits).ok()?;
        let to_scale = |digits: u32| i64::from(digits) - i64::from(scale);
        if digits > self.shown {
            let wanted = if self.root { 2 * self.shown } else { self.shown };
            let quotient = quotient(above, below, to_scale(wanted))?;
            return if self.root { root(quotient) } else { Some(quotient) };
        }
        // As PostgreSQL, which takes the root of a variance that is rounded already.
        let ten = i256::from_i128(10);
        let variance = quotient(above, below, to_scale(digits))?;
        let result = match self.root {
            true => root(variance.checked_mul(ten.checked_pow(digits)?)?)?,
            false => variance,
        };
        result.checked_mul(ten.checked_pow(self.shown - digits)?)
    }
}

/// The weight and the first digit in base 10000 of a positive number.
fn weight(value: i256, scale: i8) -> (i32, i32) {
    let mut value = value;
    let mut beyond = 0;
    // Only the leading digits count.
    loop {
        match value.to_i128() {
            Some(narrow) => {
                let (weight, first) = base_10000(narrow, scale);
                return (weight + beyond, first);
            }
            None => value = value.wrapping_div(i256::from_i128(10_000)),
        }
        beyond += 1;
    }
}

/// `above / below` times ten to a power, rounded half up; both are positive.
fn quotient(above: i256, below: i256, power: i64) -> Option<i256> {
    let ten = i256::from_i128(10);
    let (above, below) = match u32::try_from(power) {
        Ok(power) => (above.checked_mul(ten.checked_pow(power)?)?, below),
        Err(_) => (above, below.checked_mul(ten.checked_pow(u32::try_from(-power).ok()?)?)?),
    };
    above.checked_add(below.checked_div(i256::from_i128(2))?)?.checked_div(below)
}

/// The root, rounded.
fn root(value: i256) -> Option<i256> {
    if value <= i256::ZERO {
        return Some(i256::ZERO);
    }
    let two = i256::from_i128(2);
    // From above, so that each step goes down.
    let mut root = i256::ONE;
    while root.checked_mul(root).is_some_and(|square| square < value) {
        root = root.checked_mul(two)?;
    }
    loop {
        let next = root.checked_add(value.checked_div(root)?)?.checked_div(two)?;
        if next >= root {
            break;
        }
        root = next;
    }
    let above = value.checked_sub(root.checked_mul(root)?)? > root;
    if above { root.checked_add(i256::ONE) } else { Some(root) }
}

fn scalar(value: Option<i128>, finish: Finish) -> ScalarValue {
    ScalarValue::Decimal128(value, PRECISION, finish.shown as i8)
}

fn wide(values: impl Iterator<Item = i256>) -> Result<ArrayRef> {
    Ok(Arc::new(Decimal256Array::from_iter_values(values).with_data_type(WIDE)))
}

fn sums_of(states: &[ArrayRef], row: usize) -> Sums {
    Sums {
        count: states[0].as_primitive::<UInt64Type>().value(row),
        sum: states[1].as_primitive::<Decimal256Type>().value(row),
        squares: states[2].as_primitive::<Decimal256Type>().value(row),
    }
}

#[derive(Debug)]
struct One {
    sums: Sums,
    finish: Finish,
}

impl Accumulator for One {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for value in values[0].as_primitive::<Decimal128Type>().iter().flatten() {
            self.sums.add(value).ok_or_else(out_of_range)?;
        }
        Ok(())
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for value in values[0].as_primitive::<Decimal128Type>().iter().flatten() {
            self.sums.remove(value).ok_or_else(out_of_range)?;
        }
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(scalar(self.finish.result(&self.sums)?, self.finish))
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let wide = |value| ScalarValue::Decimal256(Some(value), 76, 0);
        Ok(vec![ScalarValue::UInt64(Some(self.sums.count)), wide(self.sums.sum), wide(self.sums.squares)])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for row in 0..states[0].len() {
            self.sums.merge(sums_of(states, row)).ok_or_else(out_of_range)?;
        }
        Ok(())
    }
}

/// Of distinct values, which come as they are: such aggregates are computed in one step.
#[derive(Debug)]
struct Distinct {
    seen: std::collections::HashSet<i128>,
    finish: Finish,
}

impl Accumulator for Distinct {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.seen.extend(values[0].as_primitive::<Decimal128Type>().iter().flatten());
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let mut sums = Sums::default();
        for value in &self.seen {
            sums.add(*value).ok_or_else(out_of_range)?;
        }
        Ok(scalar(self.finish.result(&sums)?, self.finish))
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.seen.capacity() * size_of::<i128>()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Err(EngineError::new(
            ErrorKind::FeatureNotSupported,
            "variance and stddev of DISTINCT values are supported for one group of rows at a time",
        )
        .into())
    }

    fn merge_batch(&mut self, _states: &[ArrayRef]) -> Result<()> {
        Ok(())
    }
}

struct Many {
    sums: Vec<Sums>,
    finish: Finish,
}

impl GroupsAccumulator for Many {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        total: usize,
    ) -> Result<()> {
        self.sums.resize(total, Sums::default());
        let values = values[0].as_primitive::<Decimal128Type>();
        for (row, &group) in groups.iter().enumerate() {
            if values.is_valid(row) && filter.is_none_or(|f| f.is_valid(row) && f.value(row)) {
                self.sums[group].add(values.value(row)).ok_or_else(out_of_range)?;
            }
        }
        Ok(())
    }

    fn evaluate(&mut self, emit: EmitTo) -> Result<ArrayRef> {
        let sums = emit.take_needed(&mut self.sums);
        let results = sums.iter().map(|sums| self.finish.result(sums));
        let results = results.collect::<Result<Decimal128Array, EngineError>>()?;
        Ok(Arc::new(results.with_data_type(DataType::Decimal128(PRECISION, self.finish.shown as i8))))
    }

    fn state(&mut self, emit: EmitTo) -> Result<Vec<ArrayRef>> {
        let sums = emit.take_needed(&mut self.sums);
        Ok(vec![
            Arc::new(UInt64Array::from_iter_values(sums.iter().map(|sums| sums.count))),
            wide(sums.iter().map(|sums| sums.sum))?,
            wide(sums.iter().map(|sums| sums.squares))?,
        ])
    }

    fn merge_batch(
        &mut self,
        states: &[ArrayRef],
        groups: &[usize],
        _filter: Option<&BooleanArray>,
        total: usize,
    ) -> Result<()> {
        self.sums.resize(total, Sums::default());
        for (row, &group) in groups.iter().enumerate() {
            self.sums[group].merge(sums_of(states, row)).ok_or_else(out_of_range)?;
        }
        Ok(())
    }

    fn size(&self) -> usize {
        self.sums.capacity() * size_of::<Sums>()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn sums_give_variances_and_roots() {
        let mut sums = Sums::default();
        for value in [10, 20, 30, -40, 10] {
            sums.add(value).unwrap();
        }
        let finish = |population, root| Finish { population, root, scale: 0, shown: 16 };
        let result = |population, root| finish(population, root).result(&sums).unwrap().unwrap();
        assert_eq!(result(false, false), 7_300_000_000_000_000_000);
        assert_eq!(result(true, false), 5_840_000_000_000_000_000);
        assert_eq!(result(false, true), 270_185_121_722_125_921);
        let mut one = Sums::default();
        one.add(5).unwrap();
        assert_eq!(finish(false, false).result(&one).unwrap(), None);
        assert_eq!(finish(true, true).result(&one).unwrap(), Some(0));
        let mut three = Sums::default();
        for value in [1, 2, 2] {
            three.add(value).unwrap();
        }
        let root_of_third = Finish { population: false, root: true, scale: 0, shown: 20 }.result(&three).unwrap();
        assert_eq!(root_of_third, Some(57_735_026_918_962_576_451));
        assert_eq!(weight(i256::from_i128(10_i128.pow(38)).checked_mul(i256::from_i128(20_000)).unwrap(), 4), (9, 200));
        assert_eq!(root(i256::from_i128(10)).unwrap(), i256::from_i128(3));
    }
}

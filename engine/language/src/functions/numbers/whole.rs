//! Whole quotients and what belongs to them: `mod`, `div`, `gcd`, `lcm`, `factorial`, and the bits of `~x`.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Decimal128Array, Int64Array};
use arrow::datatypes::{DataType, Decimal128Type, Int64Type};
use datafusion::common::Result;
use datafusion::logical_expr::ScalarUDF;

use crate::error::{EngineError, ErrorKind};
use crate::functions::overloads::{Form, Overloaded, Takes, as_first};

/// Digits that a decimal holds.
const PRECISION: u8 = 38;

pub(super) fn functions() -> Vec<ScalarUDF> {
    use Takes::{Integer, Number};
    const MOD: &[Form] = &[
        Form::new(&[Integer, Integer], as_first, |args, _| integers(args, remainder)),
        Form::new(&[Number, Number], finer, |args, _| decimals(args, finer, |a, b| a.checked_rem(b))),
    ];
    const DIV: &[Form] =
        &[Form::new(&[Number, Number], whole, |args, _| decimals(args, whole, |a, b| a.checked_div(b)))];
    const GCD: &[Form] = &[
        Form::new(&[Integer, Integer], as_first, |args, _| integers(args, |a, b| small(gcd(a.into(), b.into())))),
        Form::new(&[Number, Number], finer, |args, _| decimals(args, finer, |a, b| signed(gcd(a, b)))),
    ];
    const LCM: &[Form] = &[
        Form::new(&[Integer, Integer], as_first, |args, _| integers(args, |a, b| small(lcm(a.into(), b.into())?))),
        Form::new(&[Number, Number], finer, |args, _| decimals(args, finer, |a, b| signed(lcm(a, b)?))),
    ];
    const FACTORIAL: &[Form] = &[Form::new(&[Integer], whole, factorial)];
    const NOT: &[Form] = &[Form::new(&[Integer], as_first, bitwise_not)];
    vec![
        Overloaded::new("mod", MOD).into(),
        Overloaded::new("div", DIV).into(),
        Overloaded::new("gcd", GCD).into(),
        Overloaded::new("lcm", LCM).into(),
        Overloaded::new("factorial", FACTORIAL).into(),
        Overloaded::new("bitwise_not", NOT).into(),
    ]
}

fn scale_of(data_type: &DataType) -> i8 {
    match data_type {
        DataType::Decimal128(_, scale) => *scale,
        _ => 0,
    }
}

/// As many digits behind the point as the argument with more of them.
fn finer(given: &[DataType]) -> DataType {
    DataType::Decimal128(PRECISION, given.iter().map(scale_of).max().unwrap_or(0))
}

fn whole(_: &[DataType]) -> DataType {
    DataType::Decimal128(PRECISION, 0)
}

fn out_of_range(what: &str) -> EngineError {
    EngineError::new(ErrorKind::NumericOutOfRange, format!("{what} out of range"))
}

fn division_by_zero() -> EngineError {
    EngineError::new(ErrorKind::DivisionByZero, "division by zero")
}

fn remainder(a: i64, b: i64) -> Option<i64> {
    if b == -1 { Some(0) } else { a.checked_rem(b) }
}

fn small(value: u128) -> Option<i64> {
    i64::try_from(value).ok()
}

fn signed(value: u128) -> Option<i128> {
    i128::try_from(value).ok()
}

fn gcd(a: i128, b: i128) -> u128 {
    let (mut a, mut b) = (a.unsigned_abs(), b.unsigned_abs());
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

fn lcm(a: i128, b: i128) -> Option<u128> {
    match gcd(a, b) {
        0 => Some(0),
        common => (a.unsigned_abs() / common).checked_mul(b.unsigned_abs()),
    }
}

fn integers(args: &[ArrayRef], compute: fn(i64, i64) -> Option<i64>) -> Result<ArrayRef> {
    let (left, right) = (args[0].as_primitive::<Int64Type>(), args[1].as_primitive::<Int64Type>());
    let results = left.iter().zip(right).map(|pair| match pair {
        (Some(a), Some(b)) => match compute(a, b) {
            Some(result) => Ok(Some(result)),
            None if b == 0 => Err(division_by_zero()),
            None => Err(out_of_range("bigint")),
        },
        _ => Ok(None),
    });
    Ok(Arc::new(results.collect::<Result<Int64Array, EngineError>>()?))
}

/// Brings both to the same digits behind the point; the result has those, or none where it is whole.
fn decimals(
    args: &[ArrayRef],
    gives: fn(&[DataType]) -> DataType,
    compute: fn(i128, i128) -> Option<i128>,
) -> Result<ArrayRef> {
    let types: Vec<DataType> = args.iter().map(|arg| arg.data_type().clone()).collect();
    let scale = types.iter().map(scale_of).max().unwrap_or(0);
    let factor = |data_type: &DataType| 10_i128.pow(u32::try_from(scale - scale_of(data_type)).unwrap_or(0));
    let (by_left, by_right) = (factor(&types[0]), factor(&types[1]));
    let (left, right) = (args[0].as_primitive::<Decimal128Type>(), args[1].as_primitive::<Decimal128Type>());
    let results = left.iter().zip(right).map(|pair| match pair {
        (Some(a), Some(b)) => {
            let scaled = a.checked_mul(by_left).zip(b.checked_mul(by_right));
            let (a, b) = scaled.ok_or_else(|| out_of_range("numeric value"))?;
            match compute(a, b) {
                Some(result) => Ok(Some(result)),
                None if b == 0 => Err(division_by_zero()),
                None => Err(out_of_range("numeric value")),
            }
        }
        _ => Ok(None),
    });
    let results = results.collect::<Result<Decimal128Array, EngineError>>()?;
    Ok(Arc::new(results.with_data_type(gives(&types))))
}

fn factorial(args: &[ArrayRef], _rows: usize) -> Result<ArrayRef> {
    let numbers = args[0].as_primitive::<Int64Type>();
    let results = numbers.iter().map(|number| match number {
        None => Ok(None),
        Some(..0) => Err(EngineError::new(ErrorKind::NumericOutOfRange, "factorial of a negative number is undefined")),
        // 38 digits hold no more.
        Some(number @ 0..=33) => Ok(Some((1..=i128::from(number)).product())),
        Some(_) => Err(out_of_range("numeric value")),
    });
    let results = results.collect::<Result<Decimal128Array, EngineError>>()?;
    Ok(Arc::new(results.with_data_type(whole(&[]))))
}

fn bitwise_not(args: &[ArrayRef], _rows: usize) -> Result<ArrayRef> {
    Ok(Arc::new(args[0].as_primitive::<Int64Type>().unary::<_, Int64Type>(|value| !value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_divisors_and_multiples() {
        assert_eq!(gcd(12, -18), 6);
        assert_eq!(gcd(0, 0), 0);
        assert_eq!(gcd(i128::MIN, 0), 1 << 127);
        assert_eq!(lcm(4, 6), Some(12));
        assert_eq!(lcm(0, 5), Some(0));
        assert_eq!(lcm(i128::MAX, i128::MAX - 1), None);
        assert_eq!(remainder(i64::MIN, -1), Some(0));
        assert_eq!(remainder(-7, 3), Some(-1));
    }
}

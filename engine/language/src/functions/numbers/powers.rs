//! Powers and roots of decimals, to all digits that are shown.
//!
//! They are computed in fixed point with [`DIGITS`] digits behind the point. Results have 16 digits behind the point, as
//! PostgreSQL's have where they are not large. Doubles are left to DataFusion's functions.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Decimal128Array};
use arrow::datatypes::{DataType, Decimal128Type, i256};
use datafusion::common::Result;
use datafusion::logical_expr::ScalarUDF;

use crate::error::{EngineError, ErrorKind};
use crate::functions::overloads::{Form, Overloaded, Takes};

/// The function behind `a ^ b` of decimals.
pub(in crate::functions) const DECIMAL_POWER: &str = "decimal_power";
/// `sqrt` of decimals.
pub(in crate::functions) const DECIMAL_SQRT: &str = "decimal_sqrt";

/// Digits behind the point of what is computed.
const DIGITS: u32 = 36;
/// Digits behind the point of results.
const SHOWN: u32 = 16;
const PRECISION: u8 = 38;

pub(super) fn functions() -> Vec<ScalarUDF> {
    use Takes::Number;
    const POWER: &[Form] = &[Form::new(&[Number, Number], shown, power)];
    const SQRT: &[Form] = &[Form::new(&[Number], root_type, square_root)];
    vec![Overloaded::new(DECIMAL_POWER, POWER).into(), Overloaded::new(DECIMAL_SQRT, SQRT).into()]
}

fn shown(_: &[DataType]) -> DataType {
    DataType::Decimal128(PRECISION, SHOWN as i8)
}

/// One digit less than powers have, as PostgreSQL shows roots of numbers below a hundred.
fn root_type(_: &[DataType]) -> DataType {
    DataType::Decimal128(PRECISION, SHOWN as i8 - 1)
}

fn out_of_range() -> EngineError {
    EngineError::new(ErrorKind::NumericOutOfRange, "numeric value out of range: it has more than 38 digits")
}

fn ten_to(exponent: u32) -> i256 {
    i256::from_i128(10).wrapping_pow(exponent)
}

fn one() -> i256 {
    ten_to(DIGITS)
}

/// The product of two numbers in fixed point.
fn times(a: i256, b: i256) -> Option<i256> {
    a.checked_mul(b)?.checked_div(one())
}

fn divided(a: i256, b: i256) -> Option<i256> {
    a.checked_mul(one())?.checked_div(b)
}

/// Rounds to the digits that are shown, half away from zero.
fn rounded(value: i256, digits: u32) -> Option<i128> {
    let unit = ten_to(DIGITS - digits);
    let half = unit.checked_div(i256::from_i128(2))?;
    let half = if value < i256::ZERO { half.wrapping_neg() } else { half };
    value.checked_add(half)?.checked_div(unit)?.to_i128()
}

fn ln_of_two() -> i256 {
    i256::from_i128(693_147_180_559_945_309_417_232_121_458_176_568)
}

/// The natural logarithm of a positive number in fixed point.
fn logarithm(value: i256) -> Option<i256> {
    let two = i256::from_i128(2);
    let (mut mantissa, mut doublings) = (value, 0_i128);
    while mantissa >= one().checked_mul(two)? {
        mantissa = mantissa.checked_div(two)?;
        doublings += 1;
    }
    while mantissa < one() {
        mantissa = mantissa.checked_mul(two)?;
        doublings -= 1;
    }
    // ln m = 2 (z + z³/3 + z⁵/5 …) with z = (m - 1) / (m + 1)
    let z = divided(mantissa.checked_sub(one())?, mantissa.checked_add(one())?)?;
    let square = times(z, z)?;
    let (mut term, mut sum) = (z, z);
    for odd in (3..200).step_by(2) {
        term = times(term, square)?;
        if term == i256::ZERO {
            break;
        }
        sum = sum.checked_add(term.checked_div(i256::from_i128(odd))?)?;
    }
    sum.checked_mul(two)?.checked_add(ln_of_two().checked_mul(i256::from_i128(doublings))?)
}

/// e to a power in fixed point.
fn exponential(value: i256) -> Option<i256> {
    let two = i256::from_i128(2);
    let doublings = value.checked_div(ln_of_two())?.to_i128()?;
    let rest = value.checked_sub(ln_of_two().checked_mul(i256::from_i128(doublings))?)?;
    let (mut term, mut sum) = (one(), one());
    for n in 1..100 {
        term = times(term, rest)?.checked_div(i256::from_i128(n))?;
        if term == i256::ZERO {
            break;
        }
        sum = sum.checked_add(term)?;
    }
    match doublings {
        0.. => (0..doublings).try_fold(sum, |sum, _| sum.checked_mul(two)),
        -250..0 => (doublings..0).try_fold(sum, |sum, _| sum.checked_div(two)),
        _ => Some(i256::ZERO),
    }
}

fn fixed(value: i128, scale: u32) -> Option<i256> {
    let wide = i256::from_i128(value);
    match scale <= DIGITS {
        true => wide.checked_mul(ten_to(DIGITS - scale)),
        false => wide.checked_div(ten_to(scale - DIGITS)),
    }
}

/// A number to a whole power, exactly as long as the digits hold it.
fn whole_power(base: i256, exponent: i128) -> Option<i256> {
    let (mut power, mut factor, mut left) = (one(), base, exponent.unsigned_abs());
    while left > 0 {
        if left & 1 == 1 {
            power = times(power, factor)?;
        }
        left >>= 1;
        if left > 0 {
            factor = times(factor, factor)?;
        }
    }
    if exponent < 0 { divided(one(), power) } else { Some(power) }
}

/// A power with all its digits, before it is rounded to those that are shown.
fn exact_power((base, scale): (i128, u32), exponent: i128) -> Option<i128> {
    let times = u32::try_from(exponent).ok()?;
    let power = i256::from_i128(base).checked_pow(times)?;
    let digits = scale.checked_mul(times)?;
    if digits <= SHOWN {
        return power.checked_mul(ten_to(SHOWN - digits))?.to_i128();
    }
    let unit = i256::from_i128(10).checked_pow(digits - SHOWN)?;
    let half = unit.checked_div(i256::from_i128(2))?;
    let half = if base < 0 && times % 2 == 1 { half.wrapping_neg() } else { half };
    power.checked_add(half)?.checked_div(unit)?.to_i128()
}

fn power_of(base: (i128, u32), exponent: (i128, u32)) -> Result<i128, EngineError> {
    let invalid = |message: &str| EngineError::new(ErrorKind::InvalidPower, message);
    let unit = 10_i128.pow(exponent.1);
    let is_whole = exponent.0 % unit == 0;
    if base.0 == 0 && exponent.0 < 0 {
        return Err(invalid("zero raised to a negative power is undefined"));
    }
    if base.0 < 0 && !is_whole {
        return Err(invalid("a negative number raised to a non-integer power yields a complex result"));
    }
    let compute = || {
        let wide = fixed(base.0, base.1)?;
        if exponent.0 == 0 || base.0 == 0 {
            return Some(if exponent.0 == 0 { one() } else { i256::ZERO });
        }
        if is_whole && let Some(power) = whole_power(wide, exponent.0 / unit) {
            return Some(power);
        }
        let negative = base.0 < 0 && exponent.0 / unit % 2 != 0;
        let power = exponential(times(logarithm(wide.wrapping_abs())?, fixed(exponent.0, exponent.1)?)?)?;
        Some(if negative { power.wrapping_neg() } else { power })
    };
    let most = 10_i128.pow(u32::from(PRECISION)) - 1;
    let exact = if is_whole { exact_power(base, exponent.0 / unit) } else { None };
    let result = exact.or_else(|| compute().and_then(|power| rounded(power, SHOWN)));
    result.filter(|value| value.abs() <= most).ok_or_else(out_of_range)
}

fn power(args: &[ArrayRef], _rows: usize) -> Result<ArrayRef> {
    let (bases, exponents) = (args[0].as_primitive::<Decimal128Type>(), args[1].as_primitive::<Decimal128Type>());
    let scale = |of: &Decimal128Array| u32::try_from(of.scale()).unwrap_or(0);
    let scales = (scale(bases), scale(exponents));
    let results = bases.iter().zip(exponents).map(|pair| match pair {
        (Some(base), Some(exponent)) => power_of((base, scales.0), (exponent, scales.1)).map(Some),
        _ => Ok(None),
    });
    let results = results.collect::<Result<Decimal128Array, EngineError>>()?;
    Ok(Arc::new(results.with_data_type(shown(&[]))))
}

/// Newton's steps from a double's root.
fn root_of(value: i128, scale: u32) -> Option<i128> {
    let digits = SHOWN - 1;
    // The root of value · 10^(2 digits - scale), in units of 10^-digits.
    let wide = i256::from_i128(value);
    let wide = match 2 * digits >= scale {
        true => wide.checked_mul(ten_to(2 * digits - scale))?,
        false => wide.checked_div(ten_to(scale - 2 * digits))?,
    };
    if wide == i256::ZERO {
        return Some(0);
    }
    let two = i256::from_i128(2);
    let mut root = i256::from_f64((value as f64 / 10_f64.powi(scale as i32)).sqrt() * 10_f64.powi(digits as i32))?;
    root = if root == i256::ZERO { i256::ONE } else { root };
    for _ in 0..100 {
        let next = root.checked_add(wide.checked_div(root)?)?.checked_div(two)?;
        if next == root || next == root.checked_add(i256::ONE)? {
            break;
        }
        root = next;
    }
    while root.checked_mul(root)? > wide {
        root = root.checked_sub(i256::ONE)?;
    }
    // Half a unit more than the root makes it the next one.
    let above = wide.checked_sub(root.checked_mul(root)?)? > root;
    let root = if above { root.checked_add(i256::ONE)? } else { root };
    root.to_i128()
}

fn square_root(args: &[ArrayRef], _rows: usize) -> Result<ArrayRef> {
    let numbers = args[0].as_primitive::<Decimal128Type>();
    let scale = u32::try_from(numbers.scale()).unwrap_or(0);
    let results = numbers.iter().map(|number| match number {
        Some(..0) => Err(EngineError::new(ErrorKind::InvalidPower, "cannot take square root of a negative number")),
        Some(number) => root_of(number, scale).map(Some).ok_or_else(out_of_range),
        None => Ok(None),
    });
    let results = results.collect::<Result<Decimal128Array, EngineError>>()?;
    Ok(Arc::new(results.with_data_type(root_type(&[]))))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn powers_are_right_to_the_last_digit() {
        let power = |base, exponent| power_of(base, exponent).unwrap();
        assert_eq!(power((20, 1), (5, 1)), 14_142_135_623_730_950);
        assert_eq!(power((2, 0), (-1, 0)), 5_000_000_000_000_000);
        assert_eq!(power((25, 1), (25, 1)), 98_821_176_880_261_854);
        assert_eq!(power((15, 1), (2, 0)), 22_500_000_000_000_000);
        assert_eq!(power((-2, 0), (3, 0)), -80_000_000_000_000_000);
        assert_eq!(power((9, 0), (5, 1)), 30_000_000_000_000_000);
        assert_eq!(power_of((0, 0), (-1, 0)).unwrap_err().kind(), ErrorKind::InvalidPower);
        assert_eq!(power_of((-8, 0), (5, 1)).unwrap_err().kind(), ErrorKind::InvalidPower);
        assert_eq!(power_of((10, 0), (40, 0)).unwrap_err().kind(), ErrorKind::NumericOutOfRange);
    }

    #[test]
    fn roots_are_rounded() {
        assert_eq!(root_of(2, 0).unwrap(), 1_414_213_562_373_095);
        assert_eq!(root_of(400, 2).unwrap(), 2_000_000_000_000_000);
        assert_eq!(root_of(0, 5).unwrap(), 0);
    }
}

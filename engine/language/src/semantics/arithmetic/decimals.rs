//! Decimals: exact where 38 digits allow, else rounded half away from zero to the digits of the result's type.
//!
//! The bounds of a batch decide how it is computed: in 64 or 128 bits where nothing can overflow, else with checks, and in
//! 256 bits where only the last digits do not fit.

use std::sync::Arc;

use arrow::array::{ArrayRef, Decimal128Array, PrimitiveArray};
use arrow::datatypes::{DataType, Decimal128Type, i256};
use datafusion::common::{Result, exec_err};

use super::{Operand, Operation, check_rows, combine, nulls, rows};
use crate::semantics::{division_by_zero, too_many_digits};
use crate::values::quotient_digits::quotient_digits;

/// Numbers of more than 38 digits begin here.
pub(crate) const LIMIT: u128 = 100_000_000_000_000_000_000_000_000_000_000_000_000;

type Decimals<'a> = Operand<'a, Decimal128Type>;

/// The operation on decimals of these scales; `to` is the result's type.
pub(super) fn compute(
    operation: Operation,
    (left, s1): (&Decimals<'_>, i8),
    (right, s2): (&Decimals<'_>, i8),
    to: &DataType,
) -> Result<ArrayRef> {
    let DataType::Decimal128(precision, scale) = *to else { return exec_err!("a decimal was expected, not {to}") };
    let values = match operation {
        Operation::Plus | Operation::Minus => added(left, right, (scale - s1, scale - s2), operation),
        Operation::Times => multiplied(left, right, s1 + s2 - scale),
        Operation::Divided => divided(left, right, scale + s2 - s1)?,
        Operation::Modulo => modulo(left, right, (scale - s1, scale - s2))?,
        Operation::Negate => Some(combine(left, right, |a, _| a.wrapping_neg())),
    };
    let mut values = match values {
        Some(values) => values,
        None => one_by_one(operation, (left, s1), (right, s2), scale)?,
    };
    if operation == Operation::Divided {
        cut_as_in_postgres(&mut values, (left, s1), (right, s2), scale);
    }
    let array: Decimal128Array = PrimitiveArray::new(values.into(), nulls(left, right));
    Ok(Arc::new(array.with_precision_and_scale(precision, scale)?))
}

/// A number that no absolute value of these exceeds.
fn bound(of: &Decimals<'_>) -> u128 {
    of.array.values().iter().fold(0, |bits, value| bits | (value ^ (value >> 127)) as u128) + 1
}

/// Ten to a power of at most 38.
pub(crate) fn power_of_ten(digits: i8) -> Option<i128> {
    u32::try_from(digits).ok().and_then(|digits| 10_i128.checked_pow(digits))
}

fn scaled_bound(of: &Decimals<'_>, by: i128) -> Option<u128> {
    bound(of).checked_mul(by.unsigned_abs())
}

fn added(left: &Decimals<'_>, right: &Decimals<'_>, by: (i8, i8), operation: Operation) -> Option<Vec<i128>> {
    let (by_left, by_right) = (power_of_ten(by.0)?, power_of_ten(by.1)?);
    let most = scaled_bound(left, by_left)?.checked_add(scaled_bound(right, by_right)?)?;
    if most >= LIMIT {
        return None;
    }
    let minus = operation == Operation::Minus;
    Some(match (by_left, by_right, minus) {
        (1, 1, false) => combine(left, right, i128::wrapping_add),
        (1, 1, true) => combine(left, right, i128::wrapping_sub),
        (_, _, false) => combine(left, right, |a, b| (a * by_left).wrapping_add(b * by_right)),
        (_, _, true) => combine(left, right, |a, b| (a * by_left).wrapping_sub(b * by_right)),
    })
}

/// `surplus` digits are rounded away.
fn multiplied(left: &Decimals<'_>, right: &Decimals<'_>, surplus: i8) -> Option<Vec<i128>> {
    let (most_left, most_right) = (bound(left), bound(right));
    if most_left.checked_mul(most_right)? >= LIMIT {
        return None;
    }
    let narrow = most_left <= i64::MAX as u128 && most_right <= i64::MAX as u128;
    Some(match (surplus, narrow) {
        (0, true) => combine(left, right, |a, b| i128::from(a as i64) * i128::from(b as i64)),
        (0, false) => combine(left, right, i128::wrapping_mul),
        _ => {
            let divisor = power_of_ten(surplus)?;
            combine(left, right, |a, b| rounded(a.wrapping_mul(b), divisor))
        }
    })
}

fn divided(left: &Decimals<'_>, right: &Decimals<'_>, shift: i8) -> Result<Option<Vec<i128>>> {
    let Some((by, most)) = power_of_ten(shift).and_then(|by| Some((by, scaled_bound(left, by)?))) else {
        return Ok(None);
    };
    if most >= LIMIT {
        return Ok(None);
    }
    let mut zero = false;
    let values = if most <= i64::MAX as u128 && bound(right) <= i64::MAX as u128 {
        let by = by as i64;
        combine(left, right, |a, b| {
            let (a, b) = (a as i64 * by, b as i64);
            if b == 0 {
                zero = true;
                return 0;
            }
            let (quotient, rest) = (a / b, a % b);
            let away = rest.unsigned_abs() * 2 >= b.unsigned_abs();
            i128::from(quotient) + if away { i128::from((a ^ b).signum() | 1) } else { 0 }
        })
    } else {
        combine(left, right, |a, b| {
            if b == 0 {
                zero = true;
                return 0;
            }
            rounded(a * by, b)
        })
    };
    no_zero_divisor(zero, left, right)?;
    Ok(Some(values))
}

fn modulo(left: &Decimals<'_>, right: &Decimals<'_>, by: (i8, i8)) -> Result<Option<Vec<i128>>> {
    let Some((by_left, by_right)) = power_of_ten(by.0).zip(power_of_ten(by.1)) else { return Ok(None) };
    let fits = |of: &Decimals<'_>, by: i128| scaled_bound(of, by).is_some_and(|most| most < LIMIT);
    if !fits(left, by_left) || !fits(right, by_right) {
        return Ok(None);
    }
    let mut zero = false;
    let values = combine(left, right, |a, b| {
        if b == 0 {
            zero = true;
            return 0;
        }
        (a * by_left) % (b * by_right)
    });
    no_zero_divisor(zero, left, right)?;
    Ok(Some(values))
}

/// Where there was a zero among the divisors: it may lie under a NULL.
fn no_zero_divisor(zero: bool, left: &Decimals<'_>, right: &Decimals<'_>) -> Result<()> {
    if !zero {
        return Ok(());
    }
    let nulls = nulls(left, right);
    check_rows(left, right, nulls.as_ref(), |_, b| if b == 0 { Err(division_by_zero()) } else { Ok(()) })
}

/// Quotients of which their size does not tell how many digits PostgreSQL computes, rounded to those digits: then what stands
/// behind the sixteenth tells whether there are more.
fn cut_as_in_postgres(
    values: &mut [i128],
    (left, s1): (&Decimals<'_>, i8),
    (right, s2): (&Decimals<'_>, i8),
    scale: i8,
) {
    let doubtful = Doubtful::new(scale);
    for (row, value) in values.iter_mut().enumerate() {
        if !doubtful.has(*value) {
            continue;
        }
        let (a, b) = (left.value(row), right.value(row));
        let digits = i8::try_from(quotient_digits((a, s1), (b, s2))).unwrap_or(scale);
        if digits < scale
            && let Some(cut) = one(Operation::Divided, (i256::from_i128(a), s1), (i256::from_i128(b), s2), digits)
            && let Some(by) = power_of_ten(scale - digits)
        {
            *value = cut * by;
        }
    }
}

/// The quotients that begin a group of four decimal digits with a one.
pub(crate) struct Doubtful {
    /// Where such groups begin, the largest first.
    starts: Vec<u128>,
}

impl Doubtful {
    /// Of numbers with so many digits behind the point.
    pub(crate) fn new(scale: i8) -> Doubtful {
        let first = scale.rem_euclid(4);
        let powers = (first..38).step_by(4).rev();
        Doubtful { starts: powers.filter_map(|power| 10_u128.checked_pow(u32::try_from(power).ok()?)).collect() }
    }

    pub(crate) fn has(&self, value: i128) -> bool {
        let size = value.unsigned_abs();
        self.starts.iter().find(|start| size >= **start).is_some_and(|start| size < 2 * start)
    }
}

/// A quotient rounded half away from zero.
pub(crate) fn rounded(dividend: i128, divisor: i128) -> i128 {
    let (quotient, rest) = (dividend / divisor, dividend % divisor);
    let away = rest.unsigned_abs() >= divisor.unsigned_abs() - rest.unsigned_abs();
    match (away, (dividend < 0) != (divisor < 0)) {
        (false, _) => quotient,
        (true, false) => quotient + 1,
        (true, true) => quotient - 1,
    }
}

/// The same in 256 bits; `None` where the result has more than 38 digits.
pub(crate) fn rounded_wide(dividend: i256, divisor: i256) -> Option<i128> {
    let quotient = dividend.checked_div(divisor)?;
    let rest = dividend.checked_sub(quotient.checked_mul(divisor)?)?.wrapping_abs();
    let negative = dividend.is_negative() != divisor.is_negative();
    let away = rest >= divisor.wrapping_abs().wrapping_sub(rest);
    let quotient = match (away, negative) {
        (false, _) => quotient,
        (true, false) => quotient.checked_add(i256::ONE)?,
        (true, true) => quotient.checked_sub(i256::ONE)?,
    };
    quotient.to_i128().filter(|value| value.unsigned_abs() < LIMIT)
}

/// Ten to a power of at most 76.
fn wide_power_of_ten(digits: i8) -> Option<i256> {
    i256::from_i128(10).checked_pow(u32::try_from(digits).ok()?)
}

/// A wide value times or divided by a power of ten.
fn shifted(value: i256, digits: i8) -> Option<i256> {
    value.checked_mul(wide_power_of_ten(digits)?)
}

fn one_by_one(
    operation: Operation,
    (left, s1): (&Decimals<'_>, i8),
    (right, s2): (&Decimals<'_>, i8),
    scale: i8,
) -> Result<Vec<i128>> {
    let nulls = nulls(left, right);
    (0..rows(left, right))
        .map(|row| {
            if nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
                return Ok(0);
            }
            let (a, b) = (left.value(row), right.value(row));
            if b == 0 && matches!(operation, Operation::Divided | Operation::Modulo) {
                return Err(division_by_zero());
            }
            one(operation, (i256::from_i128(a), s1), (i256::from_i128(b), s2), scale).ok_or_else(too_many_digits)
        })
        .collect()
}

fn one(operation: Operation, (a, s1): (i256, i8), (b, s2): (i256, i8), scale: i8) -> Option<i128> {
    let common = s1.max(s2);
    match operation {
        Operation::Plus => {
            let sum = shifted(a, common - s1)?.checked_add(shifted(b, common - s2)?)?;
            at_scale(sum, common, scale)
        }
        Operation::Minus => {
            let difference = shifted(a, common - s1)?.checked_sub(shifted(b, common - s2)?)?;
            at_scale(difference, common, scale)
        }
        Operation::Times => at_scale(a.checked_mul(b)?, s1 + s2, scale),
        Operation::Divided => {
            let shift = scale + s2 - s1;
            if shift >= 0 { rounded_wide(shifted(a, shift)?, b) } else { rounded_wide(a, shifted(b, -shift)?) }
        }
        Operation::Modulo => at_scale(shifted(a, common - s1)?.checked_rem(shifted(b, common - s2)?)?, common, scale),
        Operation::Negate => a.checked_neg()?.to_i128(),
    }
}

/// A wide value of one scale at another.
pub(crate) fn at_scale(value: i256, from: i8, to: i8) -> Option<i128> {
    if to >= from {
        return shifted(value, to - from)?.to_i128().filter(|value| value.unsigned_abs() < LIMIT);
    }
    rounded_wide(value, wide_power_of_ten(from - to)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_go_away_from_zero() {
        assert_eq!([rounded(5, 2), rounded(-5, 2), rounded(5, -2), rounded(-5, -2), rounded(4, 3)], [3, -3, -3, 3, 1]);
        let wide = |a: i128, b: i128| rounded_wide(i256::from_i128(a), i256::from_i128(b));
        assert_eq!([wide(5, 2), wide(-5, 2), wide(-4, 3), wide(-5, 3)], [Some(3), Some(-3), Some(-1), Some(-2)]);
        assert_eq!(at_scale(i256::from_i128(-125), 2, 1), Some(-13));
        let doubtful = Doubtful::new(2);
        assert_eq!(
            [1, 2, 99, 100, 199, 200, -150, 1_000_000].map(|value| doubtful.has(value)),
            [false, false, false, true, true, false, true, true]
        );
        assert_eq!(at_scale(i256::from_i128(10_i128.pow(37)), 0, 1), None, "38 digits at most");
    }
}

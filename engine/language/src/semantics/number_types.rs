//! Types of numbers, and of what operators make of them.
//!
//! PostgreSQL's `numeric` has as many digits as a value needs; a column here has 38 at most, and one scale for all rows.
//! Sums and products keep every digit behind the point as long as that leaves room before it. Quotients have at least 16
//! digits behind the point, up to 20 where the operands leave room.

use arrow::datatypes::{DECIMAL128_MAX_PRECISION, DataType};
use datafusion::common::ScalarValue;

use super::arithmetic::Operation;
use crate::values::quotient_digits::quotient_digits;

/// Digits behind the point that a quotient always has.
pub(crate) const LEAST_QUOTIENT_DIGITS: i8 = 16;
/// Digits behind the point beyond which products and quotients are rounded where 38 digits do not hold everything.
pub(crate) const MOST_ROUNDED_DIGITS: i8 = 20;
const MOST: i8 = DECIMAL128_MAX_PRECISION as i8;

/// What kind of number a type is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// `SMALLINT`, `INTEGER` or `BIGINT`, by its bits.
    Integer(u8),
    /// A decimal with its precision and scale.
    Decimal(u8, i8),
    /// `REAL`.
    Real,
    /// `DOUBLE PRECISION`.
    Double,
}

impl Class {
    /// The class of a type; `None` for what is no number. Unsigned integers count as the next signed type.
    pub(crate) fn of(data_type: &DataType) -> Option<Class> {
        Some(match data_type {
            DataType::Int8 | DataType::UInt8 | DataType::Int16 => Class::Integer(16),
            DataType::UInt16 | DataType::Int32 => Class::Integer(32),
            DataType::UInt32 | DataType::Int64 | DataType::UInt64 => Class::Integer(64),
            DataType::Decimal32(p, s) | DataType::Decimal64(p, s) | DataType::Decimal128(p, s) if *s >= 0 => {
                Class::Decimal(*p, *s)
            }
            // `3e9` of a plan that was not parsed by us.
            DataType::Decimal128(p, s) => Class::Decimal(p.saturating_add(s.unsigned_abs()).min(38), 0),
            DataType::Float16 | DataType::Float32 => Class::Real,
            DataType::Float64 => Class::Double,
            _ => return None,
        })
    }

    /// The type that operators see.
    pub(crate) fn data_type(self) -> DataType {
        match self {
            Class::Integer(16) => DataType::Int16,
            Class::Integer(32) => DataType::Int32,
            Class::Integer(_) => DataType::Int64,
            Class::Decimal(p, s) => DataType::Decimal128(p, s),
            Class::Real => DataType::Float32,
            Class::Double => DataType::Float64,
        }
    }

    /// The class as a decimal, where it is exact.
    pub(crate) fn as_decimal(self) -> Option<(u8, i8)> {
        match self {
            Class::Integer(16) => Some((5, 0)),
            Class::Integer(32) => Some((10, 0)),
            Class::Integer(_) => Some((19, 0)),
            Class::Decimal(p, s) => Some((p, s)),
            Class::Real | Class::Double => None,
        }
    }

    /// The class in which PostgreSQL computes with both: the wider integer, else the decimal, else the double.
    pub(crate) fn with(self, other: Class) -> Class {
        match (self, other) {
            (Class::Integer(a), Class::Integer(b)) => Class::Integer(a.max(b)),
            (Class::Real, Class::Real) => Class::Real,
            (a, b) => match (a.as_decimal(), b.as_decimal()) {
                (Some(a), Some(b)) => {
                    let (precision, scale) = common_decimal(a, b);
                    Class::Decimal(precision, scale)
                }
                _ => Class::Double,
            },
        }
    }
}

/// A decimal that holds both; where 38 digits do not, digits behind the point go first, down to [`LEAST_QUOTIENT_DIGITS`].
pub(crate) fn common_decimal((p1, s1): (u8, i8), (p2, s2): (u8, i8)) -> (u8, i8) {
    let whole = (p1 as i8 - s1).max(p2 as i8 - s2);
    let scale = s1.max(s2);
    if whole + scale <= MOST {
        return ((whole + scale) as u8, scale);
    }
    (DECIMAL128_MAX_PRECISION, (MOST - whole).max(scale.min(LEAST_QUOTIENT_DIGITS)))
}

/// The type of `left operation right`, which are of one class.
pub(crate) fn result_type(operation: Operation, left: &DataType, right: &DataType) -> Option<DataType> {
    let (DataType::Decimal128(p1, s1), DataType::Decimal128(p2, s2)) = (left, right) else {
        return (left == right && Class::of(left).is_some()).then(|| left.clone());
    };
    let (precision, scale) = match operation {
        Operation::Plus | Operation::Minus | Operation::Negate => {
            let whole = (*p1 as i8 - s1).max(*p2 as i8 - s2);
            let scale = *s1.max(s2);
            (whole + scale + 1, scale)
        }
        Operation::Times => {
            let precision = *p1 as i8 + *p2 as i8;
            let scale = s1 + s2;
            let scale = if precision <= MOST { scale } else { scale.min(MOST_ROUNDED_DIGITS.max(*s1).max(*s2)) };
            (precision, scale)
        }
        Operation::Divided => (MOST, quotient_scale((*p1, *s1), *s2)),
        Operation::Modulo => {
            let whole = (*p1 as i8 - s1).max(*p2 as i8 - s2);
            (whole + *s1.max(s2), *s1.max(s2))
        }
    };
    Some(DataType::Decimal128(precision.min(MOST) as u8, scale))
}

/// Digits behind the point of a quotient: 20 where 38 digits then hold whatever the operands can be, else fewer.
fn quotient_scale((p1, s1): (u8, i8), s2: i8) -> i8 {
    let whole = (p1 as i8 - s1).saturating_add(s2);
    let room = (MOST - whole).clamp(LEAST_QUOTIENT_DIGITS, MOST_ROUNDED_DIGITS);
    room.max(s1.max(s2).min(24))
}

/// Digits behind the point of a quotient with sums, where that is more than its type has: of a sum's digits, the ten that its
/// type has more than what it adds are hardly ever used.
pub(crate) fn quotient_of_sums((left, is_sum): (&DataType, bool), (right, _): (&DataType, bool)) -> Option<i8> {
    let (DataType::Decimal128(p1, s1), DataType::Decimal128(_, s2)) = (left, right) else { return None };
    let usual = quotient_scale((*p1, *s1), *s2);
    let used = if is_sum { p1.saturating_sub(10).max(*s1 as u8) } else { *p1 };
    let digits = quotient_scale((used, *s1), *s2);
    (digits > usual).then_some(digits)
}

/// Digits behind the point that PostgreSQL gives the quotient of two constants (`select_div_scale`), as far as 38 digits
/// allow.
pub(crate) fn constant_quotient_scale(left: &ScalarValue, right: &ScalarValue) -> Option<i8> {
    let (ScalarValue::Decimal128(Some(a), _, s1), ScalarValue::Decimal128(Some(b), _, s2)) = (left, right) else {
        return None;
    };
    let scale = quotient_digits((*a, *s1), (*b, *s2));
    let digits = |value: i128| value.unsigned_abs().checked_ilog10().map_or(0, |d| d as i32 + 1);
    let whole = (digits(*a) - i32::from(*s1)) - (digits(*b) - i32::from(*s2)) + 1;
    Some(scale.min(i32::from(MOST) - whole.max(0)).clamp(0, i32::from(MOST)) as i8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(p: u8, s: i8) -> DataType {
        DataType::Decimal128(p, s)
    }

    #[test]
    fn products_keep_their_digits_as_long_as_they_fit() {
        let times = |l: DataType, r: DataType| result_type(Operation::Times, &l, &r);
        assert_eq!(times(decimal(18, 8), decimal(18, 8)), Some(decimal(36, 16)));
        assert_eq!(times(decimal(20, 8), decimal(19, 0)), Some(decimal(38, 8)));
        assert_eq!(times(decimal(20, 8), decimal(20, 8)), Some(decimal(38, 16)));
        assert_eq!(times(decimal(38, 16), decimal(38, 16)), Some(decimal(38, 20)));
    }

    #[test]
    fn quotients_have_sixteen_digits_and_more() {
        let divided = |l: DataType, r: DataType| result_type(Operation::Divided, &l, &r);
        assert_eq!(divided(decimal(10, 2), decimal(10, 2)), Some(decimal(38, 20)));
        assert_eq!(divided(decimal(20, 8), decimal(20, 8)), Some(decimal(38, 18)));
        assert_eq!(divided(decimal(38, 8), decimal(38, 0)), Some(decimal(38, 16)));
    }

    #[test]
    fn quotients_of_constants_are_as_long_as_in_postgres() {
        let scale = |a: i128, s1: i8, b: i128, s2: i8| {
            let number = |v, s| ScalarValue::Decimal128(Some(v), 38, s);
            constant_quotient_scale(&number(a, s1), &number(b, s2))
        };
        assert_eq!(scale(20, 1, 3, 0), Some(20), "2.0/3");
        assert_eq!(scale(10, 0, 4, 0), Some(16), "10/4.0");
        assert_eq!(scale(10, 1, 30000, 0), Some(24), "1.0/30000");
        assert_eq!(scale(1_000_000, 0, 7, 0), Some(12), "1000000/7.0");
    }
}

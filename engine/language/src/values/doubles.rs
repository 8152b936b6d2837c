//! Decimals as the doubles that are nearest to them.

use arrow::array::{Decimal128Array, Float64Array};

/// Whole numbers up to here are doubles.
const WHOLE: u128 = 1 << 53;
/// Powers of ten up to this one are doubles.
const POWERS: i8 = 22;

/// The double nearest to each decimal; a quotient of two doubles, as which Arrow computes it, is that only where both are exact.
pub fn nearest(decimals: &Decimal128Array) -> Float64Array {
    let scale = decimals.scale();
    let power = (0..=POWERS).contains(&scale).then(|| 10_f64.powi(i32::from(scale)));
    decimals.unary(|digits| match power {
        Some(power) if digits.unsigned_abs() <= WHOLE => digits as f64 / power,
        _ => format!("{digits}e{}", -i32::from(scale)).parse().unwrap_or(f64::NAN),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_last_bit_is_right() {
        let decimals = |digits: &[i128], scale: i8| {
            let decimals = Decimal128Array::from(digits.to_vec()).with_precision_and_scale(38, scale).unwrap();
            nearest(&decimals).values().to_vec()
        };
        assert_eq!(decimals(&[12_345_678_123_456_789, 1, -25], 9), [12_345_678.123_456_79, 1e-9, -2.5e-8]);
        assert_eq!(decimals(&[i128::from(i64::MAX)], 0), [9_223_372_036_854_775_807.0]);
        assert_eq!(decimals(&[1, 3], 38), [1e-38, 3e-38]);
        assert_eq!(decimals(&[7], -2), [700.0]);
    }
}

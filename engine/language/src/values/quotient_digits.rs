//! How many digits PostgreSQL gives a quotient: it keeps numbers in base 10000, and 16 decimal digits are to count.

/// Digits behind the point that PostgreSQL gives a quotient (`select_div_scale`): such that 16 digits count, and no fewer than
/// either operand has.
pub(crate) fn quotient_digits((a, s1): (i128, i8), (b, s2): (i128, i8)) -> i32 {
    digits_by_weight(base_10000(a, s1), base_10000(b, s2)).max(i32::from(s1)).max(i32::from(s2))
}

/// The same by the weights and first digits of the operands.
pub(crate) fn digits_by_weight((weight1, first1): (i32, i32), (weight2, first2): (i32, i32)) -> i32 {
    let weight = weight1 - weight2 - i32::from(first1 <= first2);
    (16 - weight * 4).max(0)
}

/// The weight and the value of the first digit of a number in base 10000, as PostgreSQL keeps it.
pub(crate) fn base_10000(value: i128, scale: i8) -> (i32, i32) {
    let value = value.unsigned_abs();
    let Some(top) = value.checked_ilog10() else { return (0, 0) };
    // The power of ten of the leading decimal digit.
    let power = top as i32 - i32::from(scale);
    let weight = power.div_euclid(4);
    let shift = weight * 4 + i32::from(scale);
    let first = match shift {
        0.. => value / 10_u128.pow(shift as u32),
        _ => value * 10_u128.pow(shift.unsigned_abs()),
    };
    (weight, i32::try_from(first).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_operands_decide() {
        assert_eq!(quotient_digits((18_525, 2), (18_510, 2)), 20, "begin alike");
        assert_eq!(quotient_digits((18_525, 2), (18_490, 2)), 16);
        assert_eq!(quotient_digits((15, 1), (1, 0)), 20);
        assert_eq!(quotient_digits((4, 0), (3, 0)), 16);
        assert_eq!(quotient_digits((10, 1), (30_000, 0)), 24);
        assert_eq!(quotient_digits((1_000_000, 0), (7, 0)), 12);
    }
}

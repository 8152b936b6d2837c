//! A sum in 192 bits with its count.

use arrow::datatypes::i256;
use datafusion::common::Result;

use crate::semantics::arithmetic::decimals::LIMIT;
use crate::semantics::arithmetic::{power_of_ten, rounded, rounded_wide};
use crate::semantics::too_many_digits;
use crate::values::quotient_digits::quotient_digits;

/// The sum is `high * 2^128 + low`.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Total {
    pub(super) low: i128,
    pub(super) high: i64,
    pub(super) count: u64,
}

/// Adds, counting what is carried.
#[inline]
pub(super) fn add(low: &mut i128, high: &mut i64, value: i128) {
    let (sum, carried) = low.overflowing_add(value);
    *low = sum;
    if carried {
        *high += if value < 0 { -1 } else { 1 };
    }
}

/// Adds what another sum came to.
pub(super) fn add_wide(low: &mut i128, high: &mut i64, value: i256) {
    let (bits, above) = value.to_parts();
    let bits = bits as i128;
    add(low, high, bits);
    *high += (above + i128::from(bits < 0)) as i64;
}

impl Total {
    pub(super) fn add(&mut self, value: i128) {
        self.count += 1;
        add(&mut self.low, &mut self.high, value);
    }

    pub(super) fn add_many(&mut self, sum: i128, count: usize) {
        self.count += count as u64;
        add(&mut self.low, &mut self.high, sum);
    }

    pub(super) fn remove(&mut self, value: i128) {
        self.count = self.count.saturating_sub(1);
        let (sum, carried) = self.low.overflowing_sub(value);
        self.low = sum;
        if carried {
            self.high += if value < 0 { 1 } else { -1 };
        }
    }

    pub(super) fn merge(&mut self, count: u64, sum: i256) {
        self.count += count;
        add_wide(&mut self.low, &mut self.high, sum);
    }

    /// The sum in 256 bits.
    pub(super) fn wide(&self) -> i256 {
        i256::from_i128(self.low).wrapping_add(i256::from_parts(0, i128::from(self.high)))
    }

    /// The sum, which has 38 digits at most.
    pub(super) fn narrow(&self) -> Result<i128> {
        if self.high == 0 && self.low.unsigned_abs() < LIMIT { Ok(self.low) } else { Err(too_many_digits()) }
    }

    /// The sum, or the average with `more` digits behind the point than the `scale` of what was added; NULL of nothing. An
    /// average is rounded to the digits that PostgreSQL computes, where those are fewer.
    pub(super) fn finish(&self, average: bool, scale: i8, more: i8) -> Result<Option<i128>> {
        if self.count == 0 {
            return Ok(None);
        }
        if !average {
            return self.narrow().map(Some);
        }
        let fewer = self.narrow().ok().map(|sum| quotient_digits((sum, scale), (i128::from(self.count), 0)));
        let digits = fewer.and_then(|digits| i8::try_from(digits).ok()).map_or(more, |digits| more.min(digits - scale));
        let padding = power_of_ten(more - digits);
        let average = self.average(digits).zip(padding).and_then(|(average, by)| average.checked_mul(by));
        average.filter(|value| value.unsigned_abs() < LIMIT).map(Some).ok_or_else(too_many_digits)
    }

    fn average(&self, more: i8) -> Option<i128> {
        let by = power_of_ten(more)?;
        match self.narrow().ok().and_then(|sum| sum.checked_mul(by)) {
            Some(dividend) => Some(rounded(dividend, i128::from(self.count))),
            None => {
                let dividend = self.wide().checked_mul(i256::from_i128(by))?;
                rounded_wide(dividend, i256::from_i128(i128::from(self.count)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn carries_are_counted_both_ways() {
        let mut total = Total::default();
        for _ in 0..4 {
            total.add(i128::MAX);
        }
        assert!(total.narrow().is_err());
        assert_eq!(total.finish(true, 0, 0).ok(), None, "the average has 39 digits");
        let mut same = Total::default();
        same.merge(4, total.wide());
        assert_eq!(same, total);
        for _ in 0..3 {
            total.remove(i128::MAX);
        }
        total.remove(i128::MAX - 7);
        assert_eq!((total.low, total.high, total.count), (7, 0, 0));
        let mut negative = Total::default();
        negative.merge(1, i256::from_i128(-5));
        negative.add(i128::MIN);
        negative.remove(i128::MIN);
        assert_eq!((negative.low, negative.high), (-5, 0));
    }

    #[test]
    fn averages_of_wide_sums_are_exact() {
        let value = 12_345_678_901_234_567_890_123_456_780_000_000_000_i128;
        let mut total = Total::default();
        for _ in 0..1000 {
            total.add(value);
        }
        assert_eq!(total.finish(true, 0, 0).unwrap(), Some(value));
    }

    #[test]
    fn averages_have_the_digits_of_postgres() {
        let average = |values: &[i128], scale, more| {
            let mut total = Total::default();
            values.iter().for_each(|value| total.add(*value));
            total.finish(true, scale, more).unwrap().unwrap()
        };
        assert_eq!(average(&[1, 2, 2], 0, 20), 166_666_666_666_666_670_000, "1.6666666666666667");
        assert_eq!(average(&[185, 186, 184, 170], 2, 18), 181_250_000_000_000_000_000, "1.8125");
        assert_eq!(average(&[110, 111, 112, 100, 101], 2, 18), 106_800_000_000_000_000_000, "1.068");
        assert_eq!(average(&[110, 111, 112], 2, 18), 111_000_000_000_000_000_000);
        assert_eq!(
            average(&[10, 10, 11], 1, 19),
            103_333_333_333_333_333_333,
            "1.03333333333333333333: 3.1 begins as 3"
        );
    }
}

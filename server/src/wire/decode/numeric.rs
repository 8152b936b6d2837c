//! Numbers of type `numeric` in the binary format: groups of four digits around the point.

use super::binary::{too_short, wrong_format};
use crate::wire::error::WireError;

const NEGATIVE: u16 = 0x4000;
const POSITIVE: u16 = 0x0000;
const NAN: u16 = 0xC000;
const INFINITY: u16 = 0xD000;
const NEGATIVE_INFINITY: u16 = 0xF000;
/// Numbers of more than 38 digits begin here.
const MOST: u128 = 100_000_000_000_000_000_000_000_000_000_000_000_000;

/// A number without its point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unscaled {
    /// The number times ten to the power of the scale.
    Number(i128),
    /// It has more than 38 digits.
    TooLong,
    /// `NaN`, `Infinity`, `-Infinity`.
    Special(&'static str),
}

/// A number as it came.
pub(crate) struct Groups<'a> {
    groups: &'a [u8],
    /// The power of 10000 of the first group.
    weight: i32,
    negative: bool,
    /// Digits behind the point that are shown.
    pub(crate) scale: u16,
    special: Option<&'static str>,
}

impl<'a> Groups<'a> {
    /// Reads the parts of the bytes.
    ///
    /// # Errors
    /// 08P01 where there are too few, 22P03 where they are no number.
    pub(crate) fn read(bytes: &'a [u8]) -> Result<Self, WireError> {
        let (head, groups) = bytes.split_at_checked(8).ok_or_else(too_short)?;
        let part = |at: usize| u16::from_be_bytes([head[at], head[at + 1]]);
        let (count, weight, sign, scale) = (usize::from(part(0)), part(2) as i16, part(4), part(6));
        match groups.len().cmp(&(count * 2)) {
            std::cmp::Ordering::Less => return Err(too_short()),
            std::cmp::Ordering::Greater => return Err(wrong_format()),
            std::cmp::Ordering::Equal => {}
        }
        let special = match sign {
            POSITIVE | NEGATIVE => None,
            NAN => Some("NaN"),
            INFINITY => Some("Infinity"),
            NEGATIVE_INFINITY => Some("-Infinity"),
            _ => return Err(wrong_format()),
        };
        let read = Groups { groups, weight: i32::from(weight), negative: sign == NEGATIVE, scale, special };
        if (0..count).any(|at| read.group(at) >= 10_000) {
            return Err(wrong_format());
        }
        Ok(read)
    }

    fn count(&self) -> usize {
        self.groups.len() / 2
    }

    fn group(&self, at: usize) -> u16 {
        u16::from_be_bytes([self.groups[at * 2], self.groups[at * 2 + 1]])
    }

    /// The number with so many digits behind the point, rounded half away from zero.
    pub(crate) fn unscaled(&self, scale: i8) -> Unscaled {
        if let Some(special) = self.special {
            return Unscaled::Special(special);
        }
        let scale = i32::from(scale);
        let mut value: i128 = 0;
        // How many digits too few `value` has at the end.
        let mut missing = 0;
        let mut rounds_up = false;
        for at in 0..self.count() {
            let group = i128::from(self.group(at));
            // Of the group's last digit: how far it is from the last that is kept.
            missing = (self.weight - at as i32) * 4 + scale;
            let kept = (missing + 4).clamp(0, 4);
            let rest = 10_i128.pow(4 - kept.unsigned_abs());
            let more =
                value.checked_mul(10_i128.pow(kept.unsigned_abs())).and_then(|more| more.checked_add(group / rest));
            let Some(more) = more else { return Unscaled::TooLong };
            value = more;
            if missing < 0 {
                rounds_up = missing >= -4 && (group % rest) * 2 >= rest;
                break;
            }
        }
        let value = match value + i128::from(rounds_up) {
            0 => Some(0),
            value => 10_i128.checked_pow(missing.max(0).unsigned_abs()).and_then(|by| value.checked_mul(by)),
        };
        match value {
            Some(value) if value.unsigned_abs() < MOST => Unscaled::Number(if self.negative { -value } else { value }),
            _ => Unscaled::TooLong,
        }
    }
}

/// The number of these bytes with so many digits behind the point.
///
/// # Errors
/// As [`Groups::read`].
pub(crate) fn unscaled(bytes: &[u8], scale: i8) -> Result<Unscaled, WireError> {
    Ok(Groups::read(bytes)?.unscaled(scale))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn bytes(groups: &[u16], weight: i16, sign: u16, scale: u16) -> Vec<u8> {
        let head = [groups.len() as u16, weight as u16, sign, scale];
        head.iter().chain(groups).flat_map(|part| part.to_be_bytes()).collect()
    }

    #[test]
    fn digits_behind_the_point_are_rounded_to_those_that_are_kept() {
        let number = |groups: &[u16], weight, scale| unscaled(&bytes(groups, weight, 0, 8), scale).unwrap();
        assert_eq!(number(&[1, 2345, 6780], 1, 3), Unscaled::Number(12_345_678));
        assert_eq!(number(&[1, 5000], 0, 2), Unscaled::Number(150));
        assert_eq!(number(&[1, 5000], 0, 0), Unscaled::Number(2), "half goes away from zero");
        assert_eq!(number(&[1, 4999, 9999], 0, 0), Unscaled::Number(1));
        assert_eq!(number(&[12], -2, 8), Unscaled::Number(12));
        assert_eq!(number(&[12], -2, 2), Unscaled::Number(0));
        assert_eq!(number(&[1], 2, 0), Unscaled::Number(100_000_000));
        assert_eq!(number(&[], 0, 5), Unscaled::Number(0));
        // 38 digits that do not fill their groups.
        let ones = 11_111_111_111_111_111_111_111_111_111_111_111_111;
        let groups = [1111, 1111, 1111, 1111, 1111, 1111, 1111, 1111, 1111, 1100];
        assert_eq!(number(&groups, -1, 38), Unscaled::Number(ones));
        assert_eq!(number(&groups, -1, 37), Unscaled::Number(ones / 10));
        assert_eq!(number(&[4999, 9999], -2, 4), Unscaled::Number(0));
        assert_eq!(number(&[5000], -2, 4), Unscaled::Number(1));
        assert_eq!(number(&[9999; 10], 9, 0), Unscaled::TooLong);
        assert_eq!(number(&[1], 30_000, 0), Unscaled::TooLong);
        assert_eq!(number(&[1], -30_000, 5), Unscaled::Number(0));
        let negative = bytes(&[1, 5000], 0, NEGATIVE, 2);
        assert_eq!(unscaled(&negative, 0).unwrap(), Unscaled::Number(-2));
    }

    #[test]
    fn what_is_no_number_is_told() {
        assert_eq!(unscaled(&bytes(&[], 0, NAN, 0), 2).unwrap(), Unscaled::Special("NaN"));
        assert_eq!(unscaled(&bytes(&[], 0, 0xF000, 0), 2).unwrap(), Unscaled::Special("-Infinity"));
        let code = |bytes: &[u8]| unscaled(bytes, 2).unwrap_err().code;
        assert_eq!(code(&[0, 1]), "08P01");
        assert_eq!(code(&bytes(&[1, 2], 0, 0, 0)[..10]), "08P01");
        assert_eq!(code(&bytes(&[10_000], 0, 0, 0)), "22P03");
        assert_eq!(code(&bytes(&[1], 0, 0x1234, 0)), "22P03");
        assert_eq!(code(&[&bytes(&[1], 0, 0, 0)[..], &[0]].concat()), "22P03");
    }
}

//! Values as PostgreSQL's binary format has them: big-endian, dates and times counted from 2000-01-01.

use bytes::{BufMut, BytesMut};

/// Days from 1970-01-01 to 2000-01-01.
pub(crate) const EPOCH_DAYS: i32 = 10_957;
/// Microseconds from 1970-01-01 to 2000-01-01.
pub(crate) const EPOCH_MICROS: i64 = EPOCH_DAYS as i64 * 86_400_000_000;

const NUMERIC_POSITIVE: u16 = 0x0000;
const NUMERIC_NEGATIVE: u16 = 0x4000;
const NUMERIC_NAN: u16 = 0xC000;
const NUMERIC_INFINITY: u16 = 0xD000;
const NUMERIC_NEGATIVE_INFINITY: u16 = 0xF000;

/// Writes a date; false when it lies outside what PostgreSQL can hold.
#[must_use]
pub(crate) fn write_date(buf: &mut BytesMut, days: i32) -> bool {
    // The ends stand for infinity in both.
    let infinite = matches!(days, i32::MAX | i32::MIN);
    let Some(days) = (if infinite { Some(days) } else { days.checked_sub(EPOCH_DAYS) }) else { return false };
    buf.put_i32(days);
    true
}

/// Writes a timestamp; false when it lies outside what PostgreSQL can hold.
#[must_use]
pub(crate) fn write_timestamp(buf: &mut BytesMut, micros: i64) -> bool {
    let infinite = matches!(micros, i64::MAX | i64::MIN);
    let Some(micros) = (if infinite { Some(micros) } else { micros.checked_sub(EPOCH_MICROS) }) else { return false };
    buf.put_i64(micros);
    true
}

/// Writes an interval.
pub(crate) fn write_interval(buf: &mut BytesMut, months: i32, days: i32, nanos: i64) {
    buf.put_i64(nanos / 1_000);
    buf.put_i32(days);
    buf.put_i32(months);
}

/// Writes a numeric that is no number, or one that a double tells exactly.
pub(crate) fn write_numeric_of(buf: &mut BytesMut, value: f64) {
    let sign = match value {
        nan if nan.is_nan() => NUMERIC_NAN,
        f64::INFINITY => NUMERIC_INFINITY,
        f64::NEG_INFINITY => NUMERIC_NEGATIVE_INFINITY,
        number => {
            let text = format!("{number}");
            let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
            let scale = i8::try_from(fraction.len()).unwrap_or(i8::MAX);
            return write_numeric(buf, &format!("{whole}{fraction}"), scale);
        }
    };
    buf.put_u16(0);
    buf.put_i16(0);
    buf.put_u16(sign);
    buf.put_u16(0);
}

/// Writes a numeric from the decimal digits of the unscaled integer (with `-` in front of a negative one).
///
/// The format is base 10000: groups of four digits counted from the decimal point, without zero groups at either end.
pub(crate) fn write_numeric(buf: &mut BytesMut, digits: &str, scale: i8) {
    let (sign, digits) = match digits.strip_prefix('-') {
        Some(rest) => (NUMERIC_NEGATIVE, rest),
        None => (NUMERIC_POSITIVE, digits),
    };
    let trailing_zeros = usize::from(scale.min(0).unsigned_abs());
    let fraction_digits = usize::try_from(scale).unwrap_or(0);
    let total = digits.len() + trailing_zeros;
    // Digits of the integer part; negative counts zeros between the point and the first digit.
    let whole_digits = total as i64 - fraction_digits as i64;
    let first_group = (whole_digits + 3).div_euclid(4) - 1;
    // Zeros in front that make the first group whole.
    let padding = (first_group + 1) * 4 - whole_digits;
    let digit_at = |position: i64| -> u16 {
        usize::try_from(position - padding)
            .ok()
            .and_then(|index| digits.as_bytes().get(index))
            .map_or(0, |digit| u16::from(digit - b'0'))
    };
    let group_count = (padding + total as i64 + 3) / 4;
    let mut groups: Vec<u16> =
        (0..group_count).map(|group| (0..4).fold(0, |value, at| value * 10 + digit_at(group * 4 + at))).collect();
    while groups.last() == Some(&0) {
        groups.pop();
    }
    let zeros_in_front = groups.iter().take_while(|group| **group == 0).count();
    let groups = &groups[zeros_in_front..];
    let weight = if groups.is_empty() { 0 } else { first_group - zeros_in_front as i64 };
    buf.put_u16(groups.len() as u16);
    buf.put_i16(weight as i16);
    buf.put_u16(if groups.is_empty() { NUMERIC_POSITIVE } else { sign });
    buf.put_u16(fraction_digits as u16);
    for group in groups {
        buf.put_u16(*group);
    }
}

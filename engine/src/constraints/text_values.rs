//! Texts to values, with PostgreSQL's rules: what is no value is an error, never NULL or a guess.

use chrono::{DateTime, Utc};

use crate::constraints::problem::CastProblem;

#[cfg(test)]
mod tests;

type Parsed<T> = Result<T, CastProblem>;

/// Most digits of a decimal.
const MAX_DIGITS: usize = 38;
const MICROS_PER_DAY: i64 = 86_400_000_000;

/// An integer of any width, checked against the limits.
pub(super) fn integer<T: TryFrom<i64>>(text: &str) -> Parsed<T> {
    let text = text.trim();
    let wide = text.parse::<i64>().map_err(|e| match e.kind() {
        std::num::IntErrorKind::PosOverflow | std::num::IntErrorKind::NegOverflow => CastProblem::Overflow,
        _ => CastProblem::Invalid,
    })?;
    T::try_from(wide).map_err(|_| CastProblem::Overflow)
}

/// A double: decimal notation, `NaN`, `Infinity`, `inf`.
pub(super) fn double(text: &str) -> Parsed<f64> {
    let text = text.trim();
    let value: f64 = text.parse().map_err(|_| CastProblem::Invalid)?;
    if value.is_infinite() && !text.contains(['i', 'I']) { Err(CastProblem::Overflow) } else { Ok(value) }
}

/// A real: as [`double`].
pub(super) fn real(text: &str) -> Parsed<f32> {
    let text = text.trim();
    let value: f32 = text.parse().map_err(|_| CastProblem::Invalid)?;
    if value.is_infinite() && !text.contains(['i', 'I']) { Err(CastProblem::Overflow) } else { Ok(value) }
}

/// A boolean, in the spellings PostgreSQL takes.
pub(super) fn boolean(text: &str) -> Parsed<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "t" | "tr" | "tru" | "true" | "y" | "ye" | "yes" | "on" | "1" => Ok(true),
        "f" | "fa" | "fal" | "fals" | "false" | "n" | "no" | "of" | "off" | "0" => Ok(false),
        _ => Err(CastProblem::Invalid),
    }
}

/// The unscaled integer of `DECIMAL(precision, scale)`; digits beyond the scale round half away from zero.
pub(super) fn decimal(text: &str, precision: u8, scale: u8) -> Parsed<i128> {
    let text = text.trim();
    let value = match short_decimal(text.as_bytes(), usize::from(scale)) {
        Some(value) => value,
        None => long_decimal(text, scale)?,
    };
    if value.unsigned_abs() < 10_u128.pow(u32::from(precision)) { Ok(value) } else { Err(CastProblem::Overflow) }
}

/// Plain numbers of up to 18 characters with no more fraction digits than the scale; `None` for everything else.
fn short_decimal(bytes: &[u8], scale: usize) -> Option<i128> {
    let (negative, digits) = match bytes {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, bytes),
    };
    if digits.is_empty() || digits.len() > 18 {
        return None;
    }
    let mut value: u64 = 0;
    let mut point = None;
    for (i, byte) in digits.iter().enumerate() {
        match byte {
            b'0'..=b'9' => value = value * 10 + u64::from(byte - b'0'),
            b'.' if point.is_none() => point = Some(i),
            _ => return None,
        }
    }
    let fraction = point.map_or(0, |p| digits.len() - p - 1);
    if fraction > scale || (point.is_some() && digits.len() == 1) {
        return None;
    }
    let magnitude = i128::from(value).checked_mul(10_i128.pow((scale - fraction) as u32))?;
    Some(if negative { -magnitude } else { magnitude })
}

/// Any number in decimal notation, with or without exponent.
fn long_decimal(text: &str, scale: u8) -> Parsed<i128> {
    let (negative, unsigned) = match text.as_bytes() {
        [b'-', ..] => (true, &text[1..]),
        [b'+', ..] => (false, &text[1..]),
        _ => (false, text),
    };
    let (mantissa, exponent) = match unsigned.find(['e', 'E']) {
        Some(at) => (&unsigned[..at], unsigned[at + 1..].parse::<i64>().map_err(|_| CastProblem::Invalid)?),
        None => (unsigned, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits: Vec<u8> = whole.bytes().chain(fraction.bytes()).collect();
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(CastProblem::Invalid);
    }
    // How many of the digits are kept; negative when the number is far below one unit of the last place.
    let kept = i64::try_from(whole.len())
        .ok()
        .and_then(|n| n.checked_add(exponent))
        .and_then(|n| n.checked_add(i64::from(scale)))
        .ok_or(CastProblem::Overflow)?;
    let leading_zeros = digits.iter().take_while(|d| **d == b'0').count();
    if leading_zeros == digits.len() || kept < 0 {
        return Ok(0);
    }
    if kept - leading_zeros as i64 > MAX_DIGITS as i64 {
        return Err(CastProblem::Overflow);
    }
    let kept = kept as usize;
    let mut value: i128 = 0;
    for i in 0..kept {
        let digit = digits.get(i).map_or(0, |d| d - b'0');
        value = value * 10 + i128::from(digit);
    }
    if digits.get(kept).is_some_and(|d| *d >= b'5') {
        value += 1;
    }
    Ok(if negative { -value } else { value })
}

/// Days since 1970-01-01: `2024-01-02`, `20240102`, or the date of a timestamp.
pub(super) fn date(text: &str) -> Parsed<i32> {
    let text = text.trim();
    let bytes = text.as_bytes();
    if let Some((days, rest)) = iso_date(bytes)
        && rest.is_empty()
    {
        return Ok(days);
    }
    if bytes.len() == 8
        && let (Some(year), Some(month), Some(day)) = (number(&bytes[..4]), number(&bytes[4..6]), number(&bytes[6..]))
    {
        return days_of(year, month, day).ok_or(CastProblem::Invalid);
    }
    let micros = timestamp(text, false)?;
    i32::try_from(micros.div_euclid(MICROS_PER_DAY)).map_err(|_| CastProblem::Overflow)
}

/// Microseconds since 1970-01-01 00:00:00: ISO 8601 and PostgreSQL's own form, a date alone being midnight. A zone in
/// the text is applied when `zoned` (TIMESTAMPTZ) and left out otherwise (TIMESTAMP), as PostgreSQL does; texts
/// without one are UTC. Digits beyond the microsecond are cut off, as they are when a file has nanoseconds.
pub(super) fn timestamp(text: &str, zoned: bool) -> Parsed<i64> {
    let text = text.trim();
    match iso_timestamp(text.as_bytes()) {
        Some((local, offset_seconds)) => Ok(if zoned { local - i64::from(offset_seconds) * 1_000_000 } else { local }),
        None => DateTime::parse_from_rfc2822(text)
            .map(|moment| {
                if zoned {
                    moment.with_timezone(&Utc).timestamp_micros()
                } else {
                    moment.naive_local().and_utc().timestamp_micros()
                }
            })
            .map_err(|_| CastProblem::Invalid),
    }
}

/// Whether an ISO timestamp with a time of day names its zone; `None` when the text is none.
pub(super) fn timestamp_zone(text: &str) -> Option<bool> {
    let text = text.trim();
    let (_, time) = iso_date(text.as_bytes())?;
    if time.is_empty() {
        return None;
    }
    iso_timestamp(text.as_bytes())?;
    Some(time.iter().any(|b| matches!(b, b'+' | b'-' | b'Z' | b'z' | b'U' | b'G' | b'u' | b'g')))
}

/// Local microseconds and the zone's offset from UTC in seconds.
fn iso_timestamp(bytes: &[u8]) -> Option<(i64, i32)> {
    let (days, rest) = iso_date(bytes)?;
    let midnight = i64::from(days) * MICROS_PER_DAY;
    let rest = match rest {
        [] => return Some((midnight, 0)),
        [b' ' | b'T' | b't', rest @ ..] => rest,
        _ => return None,
    };
    let (hour, rest) = two_digits(rest)?;
    let (minute, rest) = two_digits(rest.strip_prefix(b":")?)?;
    let (second, rest) = match rest.strip_prefix(b":") {
        Some(rest) => two_digits(rest)?,
        None => (0, rest),
    };
    let (micros, rest) = match rest.strip_prefix(b".") {
        Some(rest) => fraction(rest)?,
        None => (0, rest),
    };
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let seconds = i64::from(hour) * 3_600 + i64::from(minute) * 60 + i64::from(second);
    Some((midnight + seconds * 1_000_000 + micros, zone_offset(rest)?))
}

fn iso_date(bytes: &[u8]) -> Option<(i32, &[u8])> {
    let [y0, y1, y2, y3, b'-', m0, m1, b'-', d0, d1, rest @ ..] = bytes else { return None };
    let year = number(&[*y0, *y1, *y2, *y3])?;
    let days = days_of(year, number(&[*m0, *m1])?, number(&[*d0, *d1])?)?;
    Some((days, rest))
}

fn number(bytes: &[u8]) -> Option<i32> {
    bytes.iter().try_fold(0_i32, |n, b| b.is_ascii_digit().then(|| n * 10 + i32::from(b - b'0')))
}

fn two_digits(bytes: &[u8]) -> Option<(i32, &[u8])> {
    let [a, b, rest @ ..] = bytes else { return None };
    Some((number(&[*a, *b])?, rest))
}

/// Microseconds of a fraction of a second.
fn fraction(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let digits = bytes.iter().take_while(|b| b.is_ascii_digit()).count();
    if digits == 0 {
        return None;
    }
    let (fraction, rest) = bytes.split_at(digits);
    let micros = (0..6).fold(0_i64, |n, i| n * 10 + fraction.get(i).map_or(0, |b| i64::from(b - b'0')));
    Some((micros, rest))
}

/// `Z`, `UTC`, `+01`, `+0130`, `-05:00`, or nothing.
fn zone_offset(bytes: &[u8]) -> Option<i32> {
    let bytes = bytes.trim_ascii_start();
    let (sign, rest) = match bytes {
        [] | [b'Z' | b'z'] => return Some(0),
        [b'+', rest @ ..] => (1, rest),
        [b'-', rest @ ..] => (-1, rest),
        name if name.eq_ignore_ascii_case(b"utc") || name.eq_ignore_ascii_case(b"gmt") => return Some(0),
        _ => return None,
    };
    let (hours, rest) = two_digits(rest)?;
    let (minutes, rest) = match rest {
        [] => (0, rest),
        _ => two_digits(rest.strip_prefix(b":").unwrap_or(rest))?,
    };
    (rest.is_empty() && hours < 16 && minutes < 60).then_some(sign * (hours * 3_600 + minutes * 60))
}

/// Days since 1970-01-01 of a date of the Gregorian calendar; `None` when there is no such day.
fn days_of(year: i32, month: i32, day: i32) -> Option<i32> {
    const DAYS: [i32; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = *DAYS.get(usize::try_from(month).ok()?.checked_sub(1)?)? + i32::from(leap && month == 2);
    if day < 1 || day > length || year < 1 {
        return None;
    }
    // Howard Hinnant's days_from_civil: years begin in March, so that leap days come last.
    let shifted = if month <= 2 { year - 1 } else { year };
    let era = shifted.div_euclid(400);
    let year_of_era = shifted.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    Some(era * 146_097 + day_of_era - 719_468)
}

//! Texts to values, with PostgreSQL's rules: what is no value is an error, never NULL or a guess.

use std::ops::RangeInclusive;

use chrono::DateTime;

use crate::values::civil::{days_from_civil, days_in_month};
use crate::values::zone::Zone;
use crate::values::{CastProblem, wordy};

#[cfg(test)]
mod tests;

type Parsed<T> = Result<T, CastProblem>;

/// Most digits of a decimal.
const MAX_DIGITS: usize = 38;
pub(super) const MICROS_PER_DAY: i64 = 86_400_000_000;
/// What PostgreSQL's timestamps hold: 4714-11-24 BC to 294276-12-31, in microseconds since 1970.
pub(crate) const TIMESTAMPS: RangeInclusive<i64> = -210_866_803_200_000_000..=9_223_371_331_199_999_999;

/// An integer of any width, checked against the limits.
pub fn integer<T: TryFrom<i64>>(text: &str) -> Parsed<T> {
    let text = text.trim();
    let wide = text.parse::<i64>().map_err(|e| match e.kind() {
        std::num::IntErrorKind::PosOverflow | std::num::IntErrorKind::NegOverflow => CastProblem::Overflow,
        _ => CastProblem::Invalid,
    })?;
    T::try_from(wide).map_err(|_| CastProblem::Overflow)
}

/// A double: decimal notation, `NaN`, `Infinity`, `inf`.
pub fn double(text: &str) -> Parsed<f64> {
    let text = text.trim();
    let value: f64 = text.parse().map_err(|_| CastProblem::Invalid)?;
    if is_out_of_range(value, text) { Err(CastProblem::Overflow) } else { Ok(value) }
}

/// True where a number became infinite, or zero, because it is too large or too small.
fn is_out_of_range(value: f64, text: &str) -> bool {
    let has_digits = || {
        let mantissa = text.split(['e', 'E']).next().unwrap_or_default();
        mantissa.bytes().any(|byte| matches!(byte, b'1'..=b'9'))
    };
    value.is_infinite() && !text.contains(['i', 'I']) || value == 0.0 && has_digits()
}

/// A real: as [`double`].
pub fn real(text: &str) -> Parsed<f32> {
    let text = text.trim();
    let value: f32 = text.parse().map_err(|_| CastProblem::Invalid)?;
    if is_out_of_range(value.into(), text) { Err(CastProblem::Overflow) } else { Ok(value) }
}

/// A boolean, in the spellings PostgreSQL takes.
pub fn boolean(text: &str) -> Parsed<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "t" | "tr" | "tru" | "true" | "y" | "ye" | "yes" | "on" | "1" => Ok(true),
        "f" | "fa" | "fal" | "fals" | "false" | "n" | "no" | "of" | "off" | "0" => Ok(false),
        _ => Err(CastProblem::Invalid),
    }
}

/// The unscaled integer of `DECIMAL(precision, scale)`; digits beyond the scale round half away from zero.
pub fn decimal(text: &str, precision: u8, scale: u8) -> Parsed<i128> {
    let text = text.trim();
    let value = match short_decimal(text.as_bytes(), usize::from(scale)) {
        Some(value) => value,
        None => long_decimal(text, scale)?,
    };
    if value.unsigned_abs() < 10_u128.pow(u32::from(precision)) { Ok(value) } else { Err(CastProblem::Overflow) }
}

/// A decimal with the digits that it is written with: the unscaled integer, and how many of its digits are behind the point.
/// `None` where 38 digits do not hold it, or it is none.
pub(crate) fn exact_decimal(text: &str) -> Option<(i128, u8)> {
    let text = text.trim();
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()?),
        None => (text, 0),
    };
    let behind = mantissa.split_once('.').map_or(0, |(_, behind)| behind.len() as i64);
    let behind = behind.checked_sub(exponent)?.max(0);
    // Of zero no digit is lost.
    let is_zero = mantissa.bytes().all(|byte| !matches!(byte, b'1'..=b'9'));
    let scale = u8::try_from(if is_zero { behind.min(MAX_DIGITS as i64) } else { behind }).ok()?;
    if usize::from(scale) > MAX_DIGITS {
        return None;
    }
    Some((decimal(text, MAX_DIGITS as u8, scale).ok()?, scale))
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
pub fn date(text: &str) -> Parsed<i32> {
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
        return days_of(year, month, day).filter(|_| year >= 1).ok_or(CastProblem::Overflow);
    }
    // Dates reach further than timestamps do.
    let micros = match wordy::read(text) {
        Some(Ok(moment)) => moment.local,
        Some(Err(())) => return Err(CastProblem::Overflow),
        None => timestamp(text, false)?,
    };
    i32::try_from(micros.div_euclid(MICROS_PER_DAY)).map_err(|_| CastProblem::Overflow)
}

/// Microseconds since 1970-01-01 00:00:00: ISO 8601 and PostgreSQL's other forms, a date alone being midnight. A zone in
/// the text is applied when `zoned` (TIMESTAMPTZ) and left out otherwise (TIMESTAMP), as PostgreSQL does; texts
/// without one are UTC. Digits beyond the microsecond are rounded, half to even.
pub fn timestamp(text: &str, zoned: bool) -> Parsed<i64> {
    timestamp_in(text, zoned, Zone::UTC)
}

/// The same, where texts without a zone are local to this one.
pub fn timestamp_in(text: &str, zoned: bool, session: Zone) -> Parsed<i64> {
    let text = text.trim();
    let (local, zone) = match iso_timestamp(text.as_bytes()) {
        Some((local, offset_seconds)) => (local, offset_seconds.map(Zone::Fixed)),
        None => match wordy::read(text) {
            Some(Ok(moment)) => (moment.local, moment.zone),
            Some(Err(())) => return Err(CastProblem::Overflow),
            None => {
                let moment = DateTime::parse_from_rfc2822(text).map_err(|_| CastProblem::Invalid)?;
                (
                    moment.naive_local().and_utc().timestamp_micros(),
                    Some(Zone::Fixed(moment.offset().local_minus_utc())),
                )
            }
        },
    };
    let micros = if zoned { zone.unwrap_or(session).from_local(local) } else { Some(local) };
    micros.filter(|micros| TIMESTAMPS.contains(micros)).ok_or(CastProblem::Overflow)
}

/// The zone behind a time: an offset, a name or an abbreviation.
pub(super) fn zone_of(text: &str) -> Option<Zone> {
    match zone_offset(text.as_bytes()) {
        Some(offset) => Some(offset.map_or(Zone::UTC, Zone::Fixed)),
        None if text.starts_with(|c: char| c.is_ascii_alphabetic()) => Zone::parse(text),
        None => None,
    }
}

/// Microseconds since midnight of `12:30`, `12:30:01.5`, `04:05 PM`; a zone behind it is left out.
pub(crate) fn time_of_day(text: &str) -> Parsed<i64> {
    let text = text.trim();
    if text.contains('-') && text.as_bytes().first().is_some_and(u8::is_ascii_digit) && text.len() > 12 {
        return timestamp(text, false).map(|micros| micros.rem_euclid(MICROS_PER_DAY));
    }
    let Some(moment) = wordy::read(&format!("1970-01-01 {text}")) else {
        return Err(if is_clock(text) { CastProblem::Overflow } else { CastProblem::Invalid });
    };
    match moment {
        Ok(moment) if (0..=MICROS_PER_DAY).contains(&moment.local) => Ok(moment.local),
        _ => Err(CastProblem::Overflow),
    }
}

/// True for hours, minutes and perhaps seconds in figures, though there may be no such time.
fn is_clock(text: &str) -> bool {
    let parts: Vec<&str> = text.split(':').collect();
    let is_number = |part: &&str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    matches!(parts.len(), 2 | 3) && parts.iter().all(is_number)
}

/// Whether an ISO timestamp with a time of day names its zone; `None` when the text is none.
pub(crate) fn timestamp_zone(text: &str) -> Option<bool> {
    let text = text.trim();
    let (_, time) = iso_date(text.as_bytes())?;
    if time.is_empty() {
        return None;
    }
    iso_timestamp(text.as_bytes())?;
    Some(time.iter().any(|b| matches!(b, b'+' | b'-' | b'Z' | b'z' | b'U' | b'G' | b'u' | b'g')))
}

/// Local microseconds and the zone's offset from UTC in seconds, if there is one.
fn iso_timestamp(bytes: &[u8]) -> Option<(i64, Option<i32>)> {
    let (days, rest) = iso_date(bytes)?;
    let midnight = i64::from(days) * MICROS_PER_DAY;
    let rest = match rest {
        [] => return Some((midnight, None)),
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
        Some(rest) => seconds_fraction(rest)?,
        None => (0, rest),
    };
    // Midnight may be the end of a day, and a minute may have a second more.
    let midnight_after = hour == 24 && minute == 0 && second == 0 && micros == 0;
    if (hour > 23 && !midnight_after) || minute > 59 || second > 60 {
        return None;
    }
    let seconds = i64::from(hour) * 3_600 + i64::from(minute) * 60 + i64::from(second);
    Some((midnight + seconds * 1_000_000 + micros, zone_offset(rest)?))
}

fn iso_date(bytes: &[u8]) -> Option<(i32, &[u8])> {
    let [y0, y1, y2, y3, b'-', m0, m1, b'-', d0, d1, rest @ ..] = bytes else { return None };
    let year = number(&[*y0, *y1, *y2, *y3]).filter(|year| *year >= 1)?;
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

/// Microseconds of a fraction of a second, rounded half to even as PostgreSQL rounds (`rint` of the double).
pub(super) fn seconds_fraction(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let digits = bytes.iter().take_while(|b| b.is_ascii_digit()).count();
    if digits == 0 {
        return None;
    }
    let (fraction, rest) = bytes.split_at(digits);
    let micros = (0..6).fold(0_i64, |n, i| n * 10 + fraction.get(i).map_or(0, |b| i64::from(b - b'0')));
    if digits <= 6 {
        return Some((micros, rest));
    }
    let text = std::str::from_utf8(fraction).ok()?;
    let seconds: f64 = format!("0.{text}").parse().ok()?;
    Some(((seconds * 1e6).round_ties_even() as i64, rest))
}

/// `Z`, `UTC`, `+01`, `+0130`, `-05:00`, `+05:30:15`; `Some(None)` for nothing.
fn zone_offset(bytes: &[u8]) -> Option<Option<i32>> {
    let bytes = bytes.trim_ascii_start();
    let (sign, rest) = match bytes {
        [] => return Some(None),
        [b'Z' | b'z'] => return Some(Some(0)),
        [b'+', rest @ ..] => (1, rest),
        [b'-', rest @ ..] => (-1, rest),
        name if name.eq_ignore_ascii_case(b"utc") || name.eq_ignore_ascii_case(b"gmt") => return Some(Some(0)),
        _ => return None,
    };
    let (hours, rest) = match rest {
        [hour] => (number(&[*hour])?, &[][..]),
        _ => two_digits(rest)?,
    };
    let (minutes, rest) = match rest {
        [] => (0, rest),
        _ => two_digits(rest.strip_prefix(b":").unwrap_or(rest))?,
    };
    let (seconds, rest) = match rest {
        [] => (0, rest),
        _ => two_digits(rest.strip_prefix(b":").unwrap_or(rest))?,
    };
    (rest.is_empty() && hours < 16 && minutes < 60 && seconds < 60)
        .then_some(Some(sign * (hours * 3_600 + minutes * 60 + seconds)))
}

/// Days since 1970-01-01 of a date of the Gregorian calendar; `None` when there is no such day. Year 0 is 1 BC.
pub(super) fn days_of(year: i32, month: i32, day: i32) -> Option<i32> {
    let month = u32::try_from(month).ok().filter(|month| (1..=12).contains(month))?;
    let day = u32::try_from(day).ok().filter(|day| *day >= 1 && *day <= days_in_month(i64::from(year), month))?;
    (-4_713..=5_874_897).contains(&year).then(|| i32::try_from(days_from_civil(i64::from(year), month, day)).ok())?
}

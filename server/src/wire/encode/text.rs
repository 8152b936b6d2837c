//! Values as PostgreSQL writes them in text.

use std::fmt::Write as _;

use bytes::{BufMut, BytesMut};
use zxq_engine::Zone;
use zxq_engine::civil;

const MICROS_PER_SECOND: i64 = 1_000_000;
const MICROS_PER_DAY: i64 = 86_400 * MICROS_PER_SECOND;
const NANOS_PER_MICRO: i64 = 1_000;

/// Writes an integer.
pub(crate) fn write_int(buf: &mut BytesMut, value: impl itoa::Integer) {
    buf.put_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Writes a boolean: `t` or `f`.
pub(crate) fn write_bool(buf: &mut BytesMut, value: bool) {
    buf.put_u8(if value { b't' } else { b'f' });
}

/// Writes the digits of an unscaled decimal with its point: all of `scale` digits after it, as PostgreSQL does.
pub(crate) fn write_decimal(buf: &mut BytesMut, digits: &str, scale: i8) {
    let digits = match digits.strip_prefix('-') {
        Some(rest) => {
            buf.put_u8(b'-');
            rest
        }
        None => digits,
    };
    let bytes = digits.as_bytes();
    let Ok(scale) = usize::try_from(scale) else {
        buf.put_slice(bytes);
        if digits != "0" {
            buf.put_bytes(b'0', usize::from(scale.unsigned_abs()));
        }
        return;
    };
    if scale == 0 {
        buf.put_slice(bytes);
    } else if bytes.len() > scale {
        let (whole, fraction) = bytes.split_at(bytes.len() - scale);
        buf.put_slice(whole);
        buf.put_u8(b'.');
        buf.put_slice(fraction);
    } else {
        buf.put_slice(b"0.");
        buf.put_bytes(b'0', scale - bytes.len());
        buf.put_slice(bytes);
    }
}

/// Writes a `float4`: the shortest text that reads back the same, in PostgreSQL's layout.
pub(crate) fn write_f32(buf: &mut BytesMut, value: f32) {
    write_float(buf, value.is_nan(), value.is_infinite(), value.is_sign_negative(), 6, &format!("{:e}", value.abs()));
}

/// Writes a `float8`: the shortest text that reads back the same, in PostgreSQL's layout.
pub(crate) fn write_f64(buf: &mut BytesMut, value: f64) {
    write_float(buf, value.is_nan(), value.is_infinite(), value.is_sign_negative(), 15, &format!("{:e}", value.abs()));
}

/// Lays out shortest digits given as `d.ddde±x`: an exponent below -4 or from `scientific_from` on keeps it.
fn write_float(buf: &mut BytesMut, nan: bool, infinite: bool, negative: bool, scientific_from: i32, shortest: &str) {
    if nan {
        buf.put_slice(b"NaN");
        return;
    }
    if negative {
        buf.put_u8(b'-');
    }
    if infinite {
        buf.put_slice(b"Infinity");
        return;
    }
    let (mantissa, exponent) = shortest.split_once('e').unwrap_or((shortest, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if exponent < -4 || exponent >= scientific_from {
        buf.put_slice(mantissa.as_bytes());
        buf.put_slice(if exponent < 0 { b"e-" } else { b"e+" });
        if exponent.abs() < 10 {
            buf.put_u8(b'0');
        }
        write_int(buf, exponent.unsigned_abs());
        return;
    }
    let digits: Vec<u8> = mantissa.bytes().filter(|b| *b != b'.').collect();
    match usize::try_from(exponent) {
        Ok(exponent) if exponent + 1 >= digits.len() => {
            buf.put_slice(&digits);
            buf.put_bytes(b'0', exponent + 1 - digits.len());
        }
        Ok(exponent) => {
            let (whole, fraction) = digits.split_at(exponent + 1);
            buf.put_slice(whole);
            buf.put_u8(b'.');
            buf.put_slice(fraction);
        }
        Err(_) => {
            buf.put_slice(b"0.");
            buf.put_bytes(b'0', exponent.unsigned_abs() as usize - 1);
            buf.put_slice(&digits);
        }
    }
}

fn write_two(buf: &mut BytesMut, value: u32) {
    buf.put_u8(b'0' + (value / 10 % 10) as u8);
    buf.put_u8(b'0' + (value % 10) as u8);
}

/// Writes year, month and day; returns true for a year before 1, which the caller ends with ` BC`.
fn write_civil(buf: &mut BytesMut, days: i64) -> bool {
    let (year, month, day) = civil(days);
    let before_christ = year <= 0;
    let shown = if before_christ { 1 - year } else { year };
    if shown < 10_000 {
        write_two(buf, (shown / 100) as u32);
        write_two(buf, (shown % 100) as u32);
    } else {
        write_int(buf, shown);
    }
    buf.put_u8(b'-');
    write_two(buf, month);
    buf.put_u8(b'-');
    write_two(buf, day);
    before_christ
}

/// `+05`, or with the minutes and seconds that there are.
fn write_offset(buf: &mut BytesMut, east: i32) {
    buf.put_u8(if east < 0 { b'-' } else { b'+' });
    let all = east.unsigned_abs();
    write_two(buf, all / 3_600);
    if !all.is_multiple_of(3_600) {
        buf.put_u8(b':');
        write_two(buf, all / 60 % 60);
    }
    if !all.is_multiple_of(60) {
        buf.put_u8(b':');
        write_two(buf, all % 60);
    }
}

/// Writes a date, `2024-01-02`.
pub(crate) fn write_date(buf: &mut BytesMut, days: i32) {
    match days {
        i32::MAX => return buf.put_slice(b"infinity"),
        i32::MIN => return buf.put_slice(b"-infinity"),
        _ => {}
    }
    if write_civil(buf, i64::from(days)) {
        buf.put_slice(b" BC");
    }
}

/// Writes a time of day, `03:04:05.123456`: no more digits than the fraction needs.
pub(crate) fn write_time(buf: &mut BytesMut, micros: i64) {
    let seconds = micros / MICROS_PER_SECOND;
    write_two(buf, (seconds / 3_600) as u32);
    buf.put_u8(b':');
    write_two(buf, (seconds / 60 % 60) as u32);
    buf.put_u8(b':');
    write_two(buf, (seconds % 60) as u32);
    write_fraction(buf, (micros % MICROS_PER_SECOND) as u32);
}

fn write_fraction(buf: &mut BytesMut, micros: u32) {
    if micros == 0 {
        return;
    }
    buf.put_u8(b'.');
    let mut digits = [0u8; 6];
    let mut rest = micros;
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    let used = 6 - digits.iter().rev().take_while(|digit| **digit == b'0').count();
    buf.put_slice(&digits[..used]);
}

/// Writes a timestamp, `2024-01-02 03:04:05.123456`; a moment local to the zone, with its offset: `+05:30`.
pub(crate) fn write_timestamp(buf: &mut BytesMut, micros: i64, zone: Option<Zone>) {
    match micros {
        i64::MAX => return buf.put_slice(b"infinity"),
        i64::MIN => return buf.put_slice(b"-infinity"),
        _ => {}
    }
    let east = match zone {
        None => 0,
        Some(Zone::Fixed(east)) => east,
        Some(zone) => zone.east_at(micros.div_euclid(MICROS_PER_SECOND)).unwrap_or(0),
    };
    let micros = micros.saturating_add(i64::from(east) * MICROS_PER_SECOND);
    let before_christ = write_civil(buf, micros.div_euclid(MICROS_PER_DAY));
    buf.put_u8(b' ');
    write_time(buf, micros.rem_euclid(MICROS_PER_DAY));
    if zone.is_some() {
        write_offset(buf, east);
    }
    if before_christ {
        buf.put_slice(b" BC");
    }
}

/// Writes bytes as hexadecimal, `\x0aff`.
pub(crate) fn write_bytea(buf: &mut BytesMut, bytes: &[u8]) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    buf.put_slice(b"\\x");
    buf.reserve(bytes.len() * 2);
    for byte in bytes {
        buf.put_u8(HEX[usize::from(byte >> 4)]);
        buf.put_u8(HEX[usize::from(byte & 15)]);
    }
}

/// Writes an interval in the `postgres` style: `1 year 2 mons 3 days 04:05:06.789`.
pub(crate) fn write_interval(buf: &mut BytesMut, months: i32, days: i32, nanos: i64) {
    let start = buf.len();
    let mut negative_before = false;
    for (value, unit) in [(months / 12, "year"), (months % 12, "mon"), (days, "day")] {
        if value == 0 {
            continue;
        }
        if buf.len() > start {
            buf.put_u8(b' ');
        }
        if negative_before && value > 0 {
            buf.put_u8(b'+');
        }
        write_int(buf, value);
        buf.put_u8(b' ');
        buf.put_slice(unit.as_bytes());
        if value != 1 {
            buf.put_u8(b's');
        }
        negative_before = value < 0;
    }
    let micros = nanos / NANOS_PER_MICRO;
    if micros == 0 && buf.len() > start {
        return;
    }
    if buf.len() > start {
        buf.put_u8(b' ');
    }
    if micros < 0 {
        buf.put_u8(b'-');
    } else if negative_before {
        buf.put_u8(b'+');
    }
    let (whole, fraction) =
        (micros.unsigned_abs() / MICROS_PER_SECOND as u64, micros.unsigned_abs() % MICROS_PER_SECOND as u64);
    // Writing to memory cannot fail.
    let _ = write!(buf, "{:02}:{:02}:{:02}", whole / 3_600, whole / 60 % 60, whole % 60);
    write_fraction(buf, fraction as u32);
}

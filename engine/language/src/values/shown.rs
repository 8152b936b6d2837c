//! Dates, times and intervals as PostgreSQL writes them.

use std::fmt::Write;

use arrow::datatypes::IntervalMonthDayNano;

use super::civil::civil;
use super::zone::{Zone, offset_text};

const MICROS_PER_DAY: i64 = 86_400_000_000;
const MICROS_PER_SECOND: i64 = 1_000_000;

/// Writes a date, `2024-01-02`.
pub(crate) fn date(out: &mut String, days: i32) {
    if write_civil(out, i64::from(days)) {
        out.push_str(" BC");
    }
}

/// Writes a time of day, `03:04:05.123456`: no more digits than the fraction needs.
pub(crate) fn time(out: &mut String, micros: i64) {
    let seconds = micros / MICROS_PER_SECOND;
    let _ = write!(out, "{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60);
    fraction(out, micros % MICROS_PER_SECOND);
}

/// Writes a timestamp, local to the zone where there is one: `2024-01-02 03:04:05.123456+01`.
pub(crate) fn timestamp(out: &mut String, micros: i64, zone: Option<Zone>) {
    let east = zone.and_then(|zone| zone.east_at(micros.div_euclid(MICROS_PER_SECOND))).unwrap_or(0);
    let local = micros.saturating_add(i64::from(east) * MICROS_PER_SECOND);
    let before_christ = write_civil(out, local.div_euclid(MICROS_PER_DAY));
    out.push(' ');
    time(out, local.rem_euclid(MICROS_PER_DAY));
    if zone.is_some() {
        out.push_str(&offset_text(east));
    }
    if before_christ {
        out.push_str(" BC");
    }
}

/// Writes an interval in the `postgres` style: `1 year 2 mons 3 days 04:05:06.789`.
pub(crate) fn interval(out: &mut String, value: IntervalMonthDayNano) {
    let start = out.len();
    let mut negative_before = false;
    for (value, unit) in [(value.months / 12, "year"), (value.months % 12, "mon"), (value.days, "day")] {
        if value == 0 {
            continue;
        }
        if out.len() > start {
            out.push(' ');
        }
        if negative_before && value > 0 {
            out.push('+');
        }
        let _ = write!(out, "{value} {unit}");
        if value != 1 {
            out.push('s');
        }
        negative_before = value < 0;
    }
    let micros = value.nanoseconds / 1_000;
    if micros == 0 && out.len() > start {
        return;
    }
    if out.len() > start {
        out.push(' ');
    }
    if micros < 0 {
        out.push('-');
    } else if negative_before {
        out.push('+');
    }
    let (whole, rest) = (micros.unsigned_abs() / 1_000_000, micros.unsigned_abs() % 1_000_000);
    let _ = write!(out, "{:02}:{:02}:{:02}", whole / 3_600, whole / 60 % 60, whole % 60);
    fraction(out, rest as i64);
}

/// Writes year, month and day; returns true for a year before 1, which the caller ends with ` BC`.
fn write_civil(out: &mut String, days: i64) -> bool {
    let (year, month, day) = civil(days);
    let before_christ = year <= 0;
    let shown = if before_christ { 1 - year } else { year };
    // Writing to memory cannot fail.
    let _ = write!(out, "{shown:04}-{month:02}-{day:02}");
    before_christ
}

fn fraction(out: &mut String, micros: i64) {
    if micros != 0 {
        let digits = format!("{micros:06}");
        out.push('.');
        out.push_str(digits.trim_end_matches('0'));
    }
}

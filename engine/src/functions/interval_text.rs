//! Intervals written as text: `5 minutes`, `1h`, `60.000s`, `1 year 2 months`, `01:30:00`.

use arrow::datatypes::IntervalMonthDayNano;

/// Nanoseconds of a second.
pub const NANOS_PER_SECOND: i64 = 1_000_000_000;

/// Parses an interval as PostgreSQL writes them, with short units too. `None` when the text is no interval.
///
/// `m` is minutes, `mon` and `month` are months.
pub fn parse_interval(text: &str) -> Option<IntervalMonthDayNano> {
    let mut total = Parts::default();
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let number_end = rest
            .char_indices()
            .find(|&(i, c)| !(c.is_ascii_digit() || c == '.' || c == ':' || (i == 0 && (c == '-' || c == '+'))))
            .map_or(rest.len(), |(i, _)| i);
        let (number, tail) = rest.split_at(number_end);
        if number.contains(':') {
            total.add_clock(number)?;
            rest = tail.trim_start();
            continue;
        }
        let tail = tail.trim_start();
        let unit_end = tail.find(|c: char| !c.is_alphabetic()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_end);
        total.add(number, unit)?;
        rest = tail.trim_start_matches([' ', ',']);
    }
    total.finish()
}

/// The length of an interval in seconds, with months of 30 days and years of 365; `None` below zero.
pub fn approximate_seconds(interval: IntervalMonthDayNano) -> Option<u64> {
    let months = i64::from(interval.months);
    let days = months / 12 * 365 + months % 12 * 30 + i64::from(interval.days);
    u64::try_from(days * 86_400 + interval.nanoseconds / NANOS_PER_SECOND).ok()
}

#[derive(Default)]
struct Parts {
    months: i64,
    days: i64,
    nanos: i64,
}

impl Parts {
    fn add(&mut self, number: &str, unit: &str) -> Option<()> {
        let unit = unit.to_ascii_lowercase();
        let (months, days, nanos) = match unit.as_str() {
            "us" | "usec" | "usecs" | "microsecond" | "microseconds" => (0, 0, 1_000),
            "ms" | "msec" | "msecs" | "millisecond" | "milliseconds" => (0, 0, 1_000_000),
            "s" | "sec" | "secs" | "second" | "seconds" => (0, 0, NANOS_PER_SECOND),
            "m" | "min" | "mins" | "minute" | "minutes" => (0, 0, 60 * NANOS_PER_SECOND),
            "h" | "hr" | "hrs" | "hour" | "hours" => (0, 0, 3_600 * NANOS_PER_SECOND),
            "d" | "day" | "days" => (0, 1, 0),
            "w" | "week" | "weeks" => (0, 7, 0),
            "mon" | "mons" | "month" | "months" => (1, 0, 0),
            "y" | "yr" | "yrs" | "year" | "years" => (12, 0, 0),
            _ => return None,
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let negative = whole.starts_with('-');
        let whole: i64 = if matches!(whole, "" | "-" | "+") { 0 } else { whole.parse().ok()? };
        if whole == 0 && fraction.is_empty() && !number.contains('0') {
            return None;
        }
        self.months += whole.checked_mul(months)?;
        self.days += whole.checked_mul(days)?;
        self.nanos = self.nanos.checked_add(whole.checked_mul(nanos)?)?;
        if !fraction.is_empty() {
            // Fractions of days count hours, as in PostgreSQL; fractions of months have no exact length.
            let unit_nanos = if days > 0 { days * 86_400 * NANOS_PER_SECOND } else { nanos };
            if unit_nanos == 0 || fraction.len() > 9 {
                return None;
            }
            let digits: i128 = fraction.parse().ok()?;
            let scaled = digits * i128::from(unit_nanos) / 10_i128.pow(fraction.len() as u32);
            let scaled = i64::try_from(scaled).ok()?;
            self.nanos = self.nanos.checked_add(if negative { -scaled } else { scaled })?;
        }
        Some(())
    }

    /// `hh:mm[:ss[.ffffff]]`
    fn add_clock(&mut self, clock: &str) -> Option<()> {
        let (negative, clock) = match clock.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, clock.strip_prefix('+').unwrap_or(clock)),
        };
        let mut parts = clock.split(':');
        let mut clock = Parts::default();
        clock.add(parts.next()?, "h")?;
        clock.add(parts.next()?, "m")?;
        if let Some(seconds) = parts.next() {
            clock.add(seconds, "s")?;
        }
        if parts.next().is_some() {
            return None;
        }
        self.nanos = self.nanos.checked_add(if negative { -clock.nanos } else { clock.nanos })?;
        Some(())
    }

    fn finish(self) -> Option<IntervalMonthDayNano> {
        Some(IntervalMonthDayNano::new(i32::try_from(self.months).ok()?, i32::try_from(self.days).ok()?, self.nanos))
    }
}

#[cfg(test)]
mod tests;

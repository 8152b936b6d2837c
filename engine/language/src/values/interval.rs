//! Intervals written as text: `5 minutes`, `1h`, `60.000s`, `1 year 2 months`, `01:30:00`.

use std::time::Duration;

use arrow::datatypes::IntervalMonthDayNano;

/// Nanoseconds of a second.
pub const NANOS_PER_SECOND: i64 = 1_000_000_000;

/// Parses an interval as PostgreSQL does: `1 day 2 hours`, `1 year 2 mons 3 days 04:05:06.789`, `1-2`, `3 04:05`, `P1Y2M3DT4H`,
/// `1 day ago`, with short units too (`1h30m`, `250ms`). `None` when the text is no interval.
///
/// `m` is minutes, `mon` and `month` are months. Digits beyond the microsecond are rounded.
pub fn parse_interval(text: &str) -> Option<IntervalMonthDayNano> {
    read(text, None)
}

/// The same, where a number without a unit counts this one: `INTERVAL '5' DAY`.
pub(crate) fn read(text: &str, default_unit: Option<&str>) -> Option<IntervalMonthDayNano> {
    let text = text.trim();
    let lower = text.to_ascii_lowercase();
    if let Some(iso) = lower.strip_prefix('p') {
        return read_iso(iso)?.finish();
    }
    let mut total = Parts::default();
    let mut rest = lower.trim_start_matches('@').trim();
    if rest.is_empty() {
        return None;
    }
    let mut ago = false;
    while !rest.is_empty() {
        if ago {
            return None;
        }
        if rest == "ago" {
            ago = true;
            break;
        }
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
        // A sign may stand apart from its number.
        if matches!(number, "-" | "+") && tail.starts_with(' ') {
            let negative = number == "-";
            let digits = tail.trim_start();
            let end = digits.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(digits.len());
            let after = digits[end..].trim_start();
            let unit_end = after.find(|c: char| !c.is_alphabetic()).unwrap_or(after.len());
            let mut part = Parts::default();
            part.add(&digits[..end], &after[..unit_end])?;
            let sign = if negative { -1.0 } else { 1.0 };
            total.months += sign * part.months;
            total.days += sign * part.days;
            total.micros += sign * part.micros;
            rest = after[unit_end..].trim_start_matches([' ', ',']);
            continue;
        }
        // Years and months, as SQL writes them.
        if let Some(after) = tail.strip_prefix('-')
            && number.trim_start_matches(['-', '+']).bytes().all(|b| b.is_ascii_digit())
        {
            let end = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
            let (years, months) = (number.parse::<i64>().ok()?, after[..end].parse::<i64>().ok()?);
            if months > 11 {
                return None;
            }
            let months = years.abs().checked_mul(12)? + months;
            total.months += if number.starts_with('-') { -months } else { months } as f64;
            rest = after[end..].trim_start_matches([' ', ',']);
            continue;
        }
        let tail = tail.trim_start();
        let unit_end = tail.find(|c: char| !c.is_alphabetic()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_end);
        let unit = match unit {
            // Days stand before a time of day; else the unit is the type's, or seconds.
            "" if tail.split(' ').next().is_some_and(|next| next.contains(':')) => "day",
            "" => default_unit?,
            unit => unit,
        };
        total.add(number, unit)?;
        rest = tail.trim_start_matches([' ', ',']);
    }
    if ago {
        total = Parts { months: -total.months, days: -total.days, micros: -total.micros };
    }
    total.finish()
}

/// `1y2m3dt4h5m6s`, behind the P.
fn read_iso(text: &str) -> Option<Parts> {
    let mut total = Parts::default();
    let (mut rest, mut time) = (text, false);
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('t') {
            (time, rest) = (true, after);
            continue;
        }
        let end = rest.find(|c: char| c.is_ascii_alphabetic())?;
        let unit = match (&rest[end..=end], time) {
            ("y", false) => "year",
            ("m", false) => "month",
            ("w", false) => "week",
            ("d", false) => "day",
            ("h", true) => "hour",
            ("m", true) => "minute",
            ("s", true) => "second",
            _ => return None,
        };
        total.add(&rest[..end], unit)?;
        rest = &rest[end + 1..];
    }
    Some(total)
}

/// The length of an interval, with months of 30 days and years of 365; `None` below zero.
pub fn approximate_duration(interval: IntervalMonthDayNano) -> Option<Duration> {
    let months = i128::from(interval.months);
    let days = months / 12 * 365 + months % 12 * 30 + i128::from(interval.days);
    let nanos = u128::try_from(days * 86_400 * i128::from(NANOS_PER_SECOND) + i128::from(interval.nanoseconds)).ok()?;
    let per_second = u128::from(NANOS_PER_SECOND.unsigned_abs());
    let seconds = u64::try_from(nanos / per_second).ok()?;
    Some(Duration::new(seconds, u32::try_from(nanos % per_second).ok()?))
}

/// Sums of whole units; they are whole, but may be large on the way.
#[derive(Default)]
struct Parts {
    months: f64,
    days: f64,
    micros: f64,
}

impl Parts {
    fn add(&mut self, number: &str, unit: &str) -> Option<()> {
        let (months, days, micros) = match unit {
            "us" | "usec" | "usecs" | "usecond" | "useconds" | "microsecond" | "microseconds" | "microsec" => {
                (0.0, 0.0, 1.0)
            }
            "ms" | "msec" | "msecs" | "msecond" | "mseconds" | "millisecond" | "milliseconds" | "millisec" => {
                (0.0, 0.0, 1e3)
            }
            "s" | "sec" | "secs" | "second" | "seconds" => (0.0, 0.0, 1e6),
            "m" | "min" | "mins" | "minute" | "minutes" => (0.0, 0.0, 60e6),
            "h" | "hr" | "hrs" | "hour" | "hours" => (0.0, 0.0, 3_600e6),
            "d" | "day" | "days" => (0.0, 1.0, 0.0),
            "w" | "week" | "weeks" => (0.0, 7.0, 0.0),
            "mon" | "mons" | "month" | "months" => (1.0, 0.0, 0.0),
            "quarter" | "quarters" | "qtr" => (3.0, 0.0, 0.0),
            "y" | "yr" | "yrs" | "year" | "years" => (12.0, 0.0, 0.0),
            "dec" | "decs" | "decade" | "decades" => (120.0, 0.0, 0.0),
            "c" | "cent" | "century" | "centuries" => (1_200.0, 0.0, 0.0),
            "mil" | "mils" | "millennium" | "millennia" => (12_000.0, 0.0, 0.0),
            _ => return None,
        };
        if !number.bytes().any(|b| b.is_ascii_digit()) {
            return None;
        }
        let whole_part = number.split('.').next()?;
        let value: f64 = number.parse().ok()?;
        let whole = value.trunc();
        let negative = number.starts_with('-');
        // The digits themselves, so that no binary fraction creeps in.
        let fraction: f64 = format!("0{}", &number[whole_part.len()..]).parse().ok()?;
        let fraction = if negative { -fraction } else { fraction };
        if micros > 0.0 {
            self.micros += whole * micros + (fraction * micros).round_ties_even();
        } else if days > 0.0 {
            // Parts of days are time; parts of weeks are days first.
            self.days += whole * days;
            let part = fraction * days;
            self.days += part.trunc();
            self.micros += (part.fract() * 86_400e6).round_ties_even();
        } else if months >= 12.0 {
            self.months += whole * months + (fraction * months).round_ties_even();
        } else {
            self.months += whole * months;
            let part = fraction * months * 30.0;
            self.days += part.trunc();
            self.micros += (part.fract() * 86_400e6).round_ties_even();
        }
        Some(())
    }

    /// `hh:mm[:ss[.ffffff]]`, or `mm:ss.ffffff`.
    fn add_clock(&mut self, clock: &str) -> Option<()> {
        let (negative, clock) = match clock.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, clock.strip_prefix('+').unwrap_or(clock)),
        };
        let parts: Vec<&str> = clock.split(':').collect();
        let mut time = Parts::default();
        match parts.as_slice() {
            [minutes, seconds] if seconds.contains('.') => {
                time.add(minutes, "m")?;
                time.add(seconds, "s")?;
            }
            [hours, minutes, rest @ ..] if rest.len() <= 1 => {
                if hours.contains('.') || minutes.contains('.') || minutes.parse::<u32>().ok()? > 59 {
                    return None;
                }
                time.add(hours, "h")?;
                time.add(minutes, "m")?;
                if let [seconds] = rest {
                    if seconds.parse::<f64>().ok()? >= 61.0 {
                        return None;
                    }
                    time.add(seconds, "s")?;
                }
            }
            _ => return None,
        }
        self.micros += if negative { -time.micros } else { time.micros };
        Some(())
    }

    fn finish(self) -> Option<IntervalMonthDayNano> {
        let whole = |value: f64| (value.abs() <= f64::from(i32::MAX)).then_some(value as i32);
        let nanos = (self.micros.abs() < 9.2e15).then(|| (self.micros as i64).checked_mul(1_000))??;
        Some(IntervalMonthDayNano::new(whole(self.months)?, whole(self.days)?, nanos))
    }
}

#[cfg(test)]
mod tests;

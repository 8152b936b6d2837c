//! `to_date(text, template)` and `to_timestamp(text, template)` with PostgreSQL's templates, and `to_timestamp(seconds)`.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Date32Array, TimestampMicrosecondArray};
use arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::ScalarUDF;

use super::arithmetic::timestamps;
use super::build::moment_of_seconds;
use super::parts::MICROS_PER_DAY;
use super::simple::{doubles, failed, function, is_text, no_such, timestamptz};
use crate::error::{EngineError, ErrorKind};
use crate::values::civil::{days_from_civil, days_in_month};
use crate::values::wordy::MONTHS;
use crate::values::zone::Zone;

const DAYS: [&str; 7] = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];
/// Julian day number of 1970-01-01.
const EPOCH_JULIAN: i64 = 2_440_588;

/// Patterns, of those that begin alike the longest first; in capitals.
const PATTERNS: [&str; 47] = [
    "SSSSS", "SSSS", "SS", "Y,YYY", "YYYY", "YYY", "YY", "Y", "IYYY", "IYY", "IY", "IDDD", "ID", "IW", "I", "MONTH",
    "MON", "MM", "MI", "MS", "US", "FF1", "FF2", "FF3", "FF4", "FF5", "FF6", "DAY", "DDD", "DD", "DY", "D", "HH24",
    "HH12", "HH", "WW", "W", "Q", "J", "CC", "A.M.", "P.M.", "AM", "PM", "TZH", "TZM", "OF",
];

/// Both functions.
pub(super) fn functions() -> Vec<ScalarUDF> {
    vec![to_date(), to_timestamp()]
}

fn to_date() -> ScalarUDF {
    fn types(given: &[DataType]) -> Result<Vec<DataType>> {
        match given {
            [text, template] if [text, template].iter().all(|t| is_text(t) || t.is_null()) => {
                Ok(vec![DataType::Utf8, DataType::Utf8])
            }
            _ => no_such("to_date", given),
        }
    }
    function(
        "to_date",
        types,
        |_| DataType::Date32,
        |arrays| {
            let days = each(arrays, |text, template| Ok(i64::from(read(text, template)?.days()?)))?;
            let days: Date32Array = days.into_iter().map(|day| day.map(|day| day as i32)).collect();
            Ok(Arc::new(days))
        },
    )
}

fn to_timestamp() -> ScalarUDF {
    fn types(given: &[DataType]) -> Result<Vec<DataType>> {
        match given {
            [number] if number.is_numeric() || number.is_null() => Ok(vec![DataType::Float64]),
            [text, template, zone @ ..]
                if zone.len() <= 1
                    && given.iter().all(|t| is_text(t) || t.is_null())
                    && !(text.is_null() && template.is_null()) =>
            {
                Ok(vec![DataType::Utf8; given.len()])
            }
            _ => no_such("to_timestamp", given),
        }
    }
    function(
        "to_timestamp",
        types,
        |_| timestamptz(),
        |arrays| {
            if let [seconds] = arrays {
                let seconds = doubles(seconds);
                let moments = timestamps(arrays, |row| moment_of_seconds(seconds[row]))?;
                return Ok(Arc::new(moments.with_timezone("UTC")));
            }
            let zone = match arrays.get(2).map(|zone| zone.as_string::<i32>()) {
                Some(zone) if !zone.is_empty() => Zone::of_setting(zone.value(0)).map_or(Zone::UTC, |(zone, _)| zone),
                _ => Zone::UTC,
            };
            let moments = each(arrays, |text, template| {
                let fields = read(text, template)?;
                let local = i64::from(fields.days()?) * MICROS_PER_DAY + fields.time()?;
                let moment = match fields.east {
                    Some(east) => local.checked_sub(east * 1_000_000),
                    None => zone.from_local(local),
                };
                moment.ok_or_else(|| crate::functions::out_of_range("timestamp"))
            })?;
            let moments: TimestampMicrosecondArray = moments.into_iter().collect();
            Ok(Arc::new(moments.with_timezone("UTC")))
        },
    )
}

fn each(arrays: &[ArrayRef], value: impl Fn(&str, &str) -> Result<i64>) -> Result<Vec<Option<i64>>> {
    let (texts, templates) = (arrays[0].as_string::<i32>(), arrays[1].as_string::<i32>());
    let row = |row: usize| match texts.is_null(row) || templates.is_null(row) {
        true => Ok(None),
        false => value(texts.value(row), templates.value(row)).map(Some),
    };
    (0..texts.len()).map(row).collect()
}

#[derive(Debug, Default)]
struct Fields {
    year: Option<i64>,
    iso_year: Option<i64>,
    century: Option<i64>,
    month: Option<i64>,
    day: Option<i64>,
    day_of_year: Option<i64>,
    iso_week: Option<i64>,
    iso_day: Option<i64>,
    week: Option<i64>,
    julian: Option<i64>,
    hour: i64,
    half: Option<bool>,
    twelve: bool,
    minute: i64,
    second: i64,
    second_of_day: Option<i64>,
    micros: i64,
    before_christ: bool,
    east: Option<i64>,
}

fn out_of_range(what: &str) -> DataFusionError {
    let message = format!("date/time field value out of range: \"{what}\"");
    EngineError::new(ErrorKind::DatetimeOutOfRange, message).about_value(what).into()
}

impl Fields {
    fn days(&self) -> Result<i32> {
        let days = self.day_count()?;
        i32::try_from(days).map_err(|_| out_of_range("date"))
    }

    fn day_count(&self) -> Result<i64> {
        if let Some(julian) = self.julian {
            return Ok(julian - EPOCH_JULIAN);
        }
        if let (Some(year), Some(week)) = (self.iso_year, self.iso_week) {
            let fourth = days_from_civil(year, 1, 4);
            let monday = fourth - (fourth + 3).rem_euclid(7);
            return Ok(monday + (week - 1) * 7 + self.iso_day.unwrap_or(1) - 1);
        }
        let year = self.year.or(self.iso_year).or_else(|| self.century.map(|century| century * 100 - 99));
        // Without a year it is 1 BC, as in PostgreSQL.
        let year = match (year, self.before_christ) {
            (Some(year), true) => 1 - year,
            (Some(year), false) => year,
            (None, _) => 0,
        };
        if let Some(day) = self.day_of_year {
            let length = if days_in_month(year, 2) == 29 { 366 } else { 365 };
            if !(1..=length).contains(&day) {
                return Err(out_of_range("DDD"));
            }
            return Ok(days_from_civil(year, 1, 1) + day - 1);
        }
        if let (Some(week), None, None) = (self.week, self.month, self.day) {
            return Ok(days_from_civil(year, 1, 1) + (week - 1) * 7);
        }
        let (month, day) = (self.month.unwrap_or(1), self.day.unwrap_or(1));
        let shown = || out_of_range(&format!("{year:04}-{month:02}-{day:02}"));
        let month = u32::try_from(month).ok().filter(|month| (1..=12).contains(month)).ok_or_else(shown)?;
        let day = u32::try_from(day).ok().filter(|day| *day >= 1 && *day <= days_in_month(year, month));
        Ok(days_from_civil(year, month, day.ok_or_else(shown)?))
    }

    fn time(&self) -> Result<i64> {
        if let Some(second) = self.second_of_day {
            return Ok(second * 1_000_000 + self.micros);
        }
        let mut hour = self.hour;
        if self.twelve || self.half.is_some() {
            if !(1..=12).contains(&hour) {
                let message = format!("hour \"{hour}\" is invalid for the 12-hour clock");
                return Err(failed(ErrorKind::InvalidDatetime, message));
            }
            hour = hour % 12 + if self.half == Some(true) { 12 } else { 0 };
        }
        if hour > 23 || self.minute > 59 || self.second > 59 {
            return Err(out_of_range(&format!("{hour}:{}:{}", self.minute, self.second)));
        }
        Ok(((hour * 60 + self.minute) * 60 + self.second) * 1_000_000 + self.micros)
    }
}

fn is_separator(c: char) -> bool {
    !c.is_ascii_alphanumeric() && c != '"'
}

/// What a text says, read by a template.
fn read(text: &str, template: &str) -> Result<Fields> {
    let mut fields = Fields::default();
    let (mut rest, mut pattern) = (text, template);
    let upper = template.to_ascii_uppercase();
    while !pattern.is_empty() {
        let here = &upper[template.len() - pattern.len()..];
        if let Some(after) = ["FM", "TM", "FX"].iter().find(|prefix| here.starts_with(**prefix)) {
            pattern = &pattern[after.len()..];
            continue;
        }
        if let Some(name) = PATTERNS.iter().find(|name| here.starts_with(**name)) {
            pattern = &pattern[name.len()..];
            if here[name.len()..].starts_with("TH") {
                pattern = &pattern[2..];
            }
            rest = rest.trim_start();
            // Patterns that follow one another without a separator take only their own digits.
            let fixed = pattern.starts_with(|c: char| c.is_ascii_alphanumeric());
            rest = fields.take(name, rest, fixed)?;
            if here[name.len()..].starts_with("TH") {
                rest = rest.trim_start_matches(|c: char| c.is_ascii_alphabetic());
            }
            continue;
        }
        if let Some(era) = ["B.C.", "A.D.", "BC", "AD"].iter().find(|era| here.starts_with(**era)) {
            rest = rest.trim_start();
            fields.before_christ = rest.starts_with(['B', 'b']);
            rest = rest.get(era.len()..).unwrap_or("");
            pattern = &pattern[era.len()..];
            continue;
        }
        let Some(first) = pattern.chars().next() else { break };
        pattern = &pattern[first.len_utf8()..];
        if first == '"' {
            let (quoted, after) = pattern.split_once('"').unwrap_or((pattern, ""));
            pattern = after;
            let skipped = rest.char_indices().nth(quoted.chars().count()).map_or(rest.len(), |(at, _)| at);
            rest = &rest[skipped..];
        } else if is_separator(first) {
            let sign = pattern.get(..3).is_some_and(|next| next.eq_ignore_ascii_case("TZH"));
            let separates = |c: char| is_separator(c) && !(sign && matches!(c, '+' | '-'));
            rest = rest.trim_start_matches(separates);
        } else {
            let skipped = rest.chars().next().map_or(0, char::len_utf8);
            rest = &rest[skipped..];
        }
    }
    Ok(fields)
}

impl Fields {
    /// Takes one pattern's value off the text.
    fn take<'a>(&mut self, pattern: &str, text: &'a str, fixed: bool) -> Result<&'a str> {
        let invalid = || {
            let shown: String = text.chars().take(pattern.len()).collect();
            failed(ErrorKind::InvalidDatetime, format!("invalid value \"{shown}\" for \"{pattern}\""))
        };
        match pattern {
            "MONTH" | "MON" => {
                let (at, rest) = named(&MONTHS, text).ok_or_else(invalid)?;
                self.month = Some(at as i64 + 1);
                return Ok(rest);
            }
            "DAY" | "DY" => return named(&DAYS, text).map(|(_, rest)| rest).ok_or_else(invalid),
            "AM" | "PM" | "A.M." | "P.M." => {
                let half = text.get(..1).ok_or_else(invalid)?;
                self.half = Some(half.eq_ignore_ascii_case("p"));
                return Ok(text.get(pattern.len()..).unwrap_or(""));
            }
            "TZH" | "OF" => {
                let negative = text.starts_with('-');
                let (hours, rest) = digits(text.trim_start_matches(['+', '-']), 2).ok_or_else(invalid)?;
                let (minutes, rest) = match rest.strip_prefix(':').filter(|_| pattern == "OF") {
                    Some(after) => digits(after, 2).ok_or_else(invalid)?,
                    None => (0, rest),
                };
                let east = hours * 3_600 + minutes * 60;
                self.east = Some(if negative { -east } else { east });
                return Ok(rest);
            }
            _ => {}
        }
        let width = match pattern {
            "Y,YYY" => {
                let (thousands, rest) = digits(text, usize::MAX).ok_or_else(invalid)?;
                let (units, rest) = digits(rest.trim_start_matches(','), 3).ok_or_else(invalid)?;
                self.year = Some(thousands * 1_000 + units);
                return Ok(rest);
            }
            "YYYY" | "IYYY" if !fixed => usize::MAX,
            "YYYY" | "IYYY" => 4,
            "SSSS" | "SSSSS" => 5,
            "J" => usize::MAX,
            "US" | "FF6" => 6,
            "MS" | "FF3" | "YYY" | "IYY" | "DDD" | "IDDD" => 3,
            "FF4" => 4,
            "FF5" => 5,
            "Y" | "I" | "D" | "ID" | "W" | "Q" | "FF1" => 1,
            _ => 2,
        };
        let (number, rest) = digits(text, width).ok_or_else(invalid)?;
        let taken = text.len() - rest.len();
        // Years of fewer digits are those nearest to 2020.
        let near = |number: i64| match taken {
            4.. => number,
            3 => number + if number >= 520 { 1_000 } else { 2_000 },
            _ => {
                number
                    + if number < 70 {
                        2_000
                    } else if number < 100 {
                        1_900
                    } else {
                        0
                    }
            }
        };
        match pattern {
            "YYYY" => self.year = Some(number),
            "YYY" | "YY" | "Y" => self.year = Some(near(number)),
            "IYYY" => self.iso_year = Some(number),
            "IYY" | "IY" | "I" => self.iso_year = Some(near(number)),
            "CC" => self.century = Some(number),
            "MM" => self.month = Some(number),
            "DD" => self.day = Some(number),
            "DDD" => self.day_of_year = Some(number),
            "IW" => self.iso_week = Some(number),
            "ID" => self.iso_day = Some(number),
            "WW" => self.week = Some(number),
            "J" => self.julian = Some(number),
            "HH24" => self.hour = number,
            "HH12" | "HH" => {
                self.hour = number;
                self.twelve = true;
            }
            "MI" => self.minute = number,
            "SS" => self.second = number,
            "SSSS" | "SSSSS" => self.second_of_day = Some(number),
            "MS" | "US" | "FF1" | "FF2" | "FF3" | "FF4" | "FF5" | "FF6" => {
                self.micros += number * 10_i64.pow(6_u32.saturating_sub(taken as u32));
            }
            "TZM" => self.east = self.east.map(|east| east + if east < 0 { -60 } else { 60 } * number),
            // Quarters, days of the week and weeks of the month say nothing that the date does not.
            _ => {}
        }
        Ok(rest)
    }
}

fn digits(text: &str, most: usize) -> Option<(i64, &str)> {
    let length = text.bytes().take(most).take_while(u8::is_ascii_digit).count();
    let number = text[..length].parse().ok()?;
    Some((number, &text[length..]))
}

/// A name or its first three letters, in any case.
fn named<'a>(names: &[&str], text: &'a str) -> Option<(usize, &'a str)> {
    let starts = |name: &str| text.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name));
    names.iter().enumerate().find_map(|(at, name)| {
        let length = if starts(name) {
            name.len()
        } else if starts(&name[..3]) {
            3
        } else {
            return None;
        };
        Some((at, &text[length..]))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn dates_are_read_by_templates() {
        let days = |text: &str, template: &str| read(text, template).unwrap().days().unwrap();
        let christmas = days_from_civil(2024, 12, 25) as i32;
        for (text, template) in [
            ("2024-12-25", "YYYY-MM-DD"),
            ("25 Dec 2024", "DD Mon YYYY"),
            ("20241225", "YYYYMMDD"),
            ("12/25/24", "MM/DD/YY"),
            ("2024-360", "YYYY-DDD"),
            ("2024 52 3", "IYYY IW ID"),
            ("December 25th, 2024", "Month DDth, YYYY"),
        ] {
            assert_eq!(days(text, template), christmas, "{text}");
        }
        assert!(read("2024-13-01", "YYYY-MM-DD").unwrap().days().is_err());
        assert!(read("x", "YYYY").is_err());
        let time = read("03:04:05.678 PM", "HH12:MI:SS.MS AM").unwrap().time().unwrap();
        assert_eq!(time, (15 * 3_600 + 4 * 60 + 5) * 1_000_000 + 678_000);
    }
}

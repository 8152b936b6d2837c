//! Templates of PostgreSQL's `to_char` for dates and times
//! (<https://www.postgresql.org/docs/current/functions-formatting.html>).

use std::fmt::{Result, Write};

use arrow::datatypes::IntervalMonthDayNano;
use chrono::{Datelike, NaiveDateTime, Timelike};

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const ROMAN: [&str; 12] = ["I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII"];
/// Names are padded to the longest one's length.
const NAME_WIDTH: usize = 9;
/// Julian day number of 1970-01-01.
const EPOCH_JULIAN: i64 = 2_440_588;

/// What a template shows.
#[derive(Debug, Clone)]
pub(super) enum Shown {
    /// A local time, and of a moment what its zone is called and its seconds east of Greenwich.
    At { at: NaiveDateTime, zone: Option<(String, i64)> },
    /// A length.
    Interval(IntervalMonthDayNano),
}

/// Patterns, of those that begin alike the longest first.
const PATTERNS: [(&str, Pattern); 55] = {
    use Pattern::*;
    [
        ("SSSSS", SecondsOfDay),
        ("SSSS", SecondsOfDay),
        ("SS", Second),
        ("Y,YYY", YearWithComma),
        ("YYYY", Year(4)),
        ("YYY", Year(3)),
        ("YY", Year(2)),
        ("Y", Year(1)),
        ("IYYY", IsoYear(4)),
        ("IYY", IsoYear(3)),
        ("IY", IsoYear(2)),
        ("IDDD", IsoDayOfYear),
        ("ID", IsoDay),
        ("IW", IsoWeek),
        ("I", IsoYear(1)),
        ("MONTH", MonthName),
        ("MON", MonthShort),
        ("MM", Month),
        ("MI", Minute),
        ("MS", Fraction(3)),
        ("US", Fraction(6)),
        ("FF1", Fraction(1)),
        ("FF2", Fraction(2)),
        ("FF3", Fraction(3)),
        ("FF4", Fraction(4)),
        ("FF5", Fraction(5)),
        ("FF6", Fraction(6)),
        ("DAY", DayName),
        ("DDD", DayOfYear),
        ("DD", Day),
        ("DY", DayShort),
        ("D", DayOfWeek),
        ("HH24", Hour24),
        ("HH12", Hour12),
        ("HH", Hour12),
        ("WW", Week),
        ("W", WeekOfMonth),
        ("Q", Quarter),
        ("J", Julian),
        ("CC", Century),
        ("RM", Roman),
        ("A.M.", HalfDay("A.M.", "P.M.")),
        ("P.M.", HalfDay("A.M.", "P.M.")),
        ("AM", HalfDay("AM", "PM")),
        ("PM", HalfDay("AM", "PM")),
        ("A.D.", Text("A.D.")),
        ("B.C.", Text("A.D.")),
        ("AD", Text("AD")),
        ("BC", Text("AD")),
        ("TZH", ZoneHour),
        ("TZM", ZoneMinute),
        ("TZ", Zone),
        ("OF", Offset),
        ("FX", Text("")),
        ("TM", Text("")),
    ]
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pattern {
    Year(usize),
    YearWithComma,
    IsoYear(usize),
    Century,
    Quarter,
    Month,
    MonthName,
    MonthShort,
    Roman,
    Week,
    WeekOfMonth,
    IsoWeek,
    Day,
    DayName,
    DayShort,
    DayOfWeek,
    DayOfYear,
    IsoDay,
    IsoDayOfYear,
    Julian,
    Hour12,
    Hour24,
    Minute,
    Second,
    SecondsOfDay,
    Fraction(u32),
    HalfDay(&'static str, &'static str),
    Zone,
    ZoneHour,
    ZoneMinute,
    Offset,
    /// The same for all times there are since the first year.
    Text(&'static str),
}

/// How names are written, after the pattern's own letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Letters {
    Upper,
    Capital,
    Lower,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(String),
    Field {
        pattern: Pattern,
        letters: Letters,
        /// `FM`: neither zeros nor blanks are filled in.
        bare: bool,
        /// `TH` or `th` behind it.
        ordinal: Option<Letters>,
    },
}

/// A template that has been read. Every text is one: what is no pattern stands for itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Template(Vec<Part>);

impl Template {
    /// Reads a template.
    pub(super) fn parse(text: &str) -> Template {
        let mut parts: Vec<Part> = Vec::new();
        let mut literal = String::new();
        let mut bare = false;
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            if let Some(after) = strip(rest, "FM") {
                bare = true;
                rest = after;
                continue;
            }
            let is_here = |(name, pattern): &&(&str, Pattern)| {
                strip(rest, name).is_some() || is_name(*pattern) && begins_with_capital(rest, name)
            };
            if let Some((name, pattern)) = PATTERNS.iter().find(is_here) {
                let (own, mut after) = rest.split_at(name.len());
                let mut ordinal = None;
                if is_number(*pattern)
                    && let Some(behind) = strip(after, "TH")
                {
                    ordinal = Some(if after.starts_with('T') { Letters::Upper } else { Letters::Lower });
                    after = behind;
                }
                if !literal.is_empty() {
                    parts.push(Part::Literal(std::mem::take(&mut literal)));
                }
                parts.push(Part::Field { pattern: *pattern, letters: letters_of(own), bare, ordinal });
                bare = false;
                rest = after;
                continue;
            }
            rest = &rest[first.len_utf8()..];
            match first {
                '"' => rest = quoted(rest, &mut literal),
                '\\' if rest.starts_with('"') => {
                    literal.push('"');
                    rest = &rest[1..];
                }
                other => literal.push(other),
            }
        }
        if !literal.is_empty() {
            parts.push(Part::Literal(literal));
        }
        Template(parts)
    }

    /// Writes a value.
    pub(super) fn write(&self, value: &Shown, out: &mut impl Write) -> Result {
        for part in &self.0 {
            match part {
                Part::Literal(text) => out.write_str(text)?,
                Part::Field { pattern, letters, bare, ordinal } => match value {
                    Shown::At { at, zone } => field(*pattern, *letters, *bare, *ordinal, *at, zone.as_ref(), out)?,
                    Shown::Interval(value) => interval_field(*pattern, *bare, *ordinal, *value, out)?,
                },
            }
        }
        Ok(())
    }
}

/// The rest behind a name in capitals, or without any.
fn strip<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (start, rest) = text.split_at_checked(name.len())?;
    (start == name || start == name.to_ascii_lowercase()).then_some(rest)
}

/// True where a text begins with a name with one capital.
fn begins_with_capital(text: &str, name: &str) -> bool {
    let mut letters = text.chars();
    letters.next().is_some_and(|first| name.starts_with(first))
        && letters.as_str().get(..name.len() - 1).is_some_and(|rest| rest == name[1..].to_ascii_lowercase())
}

/// Takes a quoted text up to its closing quote, or the end; a backslash takes the next character as it is.
fn quoted<'a>(text: &'a str, literal: &mut String) -> &'a str {
    let mut characters = text.char_indices();
    while let Some((at, c)) = characters.next() {
        match c {
            '"' => return &text[at + 1..],
            '\\' => literal.extend(characters.next().map(|(_, escaped)| escaped)),
            other => literal.push(other),
        }
    }
    ""
}

fn letters_of(own: &str) -> Letters {
    let mut letters = own.chars().filter(char::is_ascii_alphabetic);
    match (letters.next(), letters.next()) {
        (Some(first), _) if first.is_ascii_lowercase() => Letters::Lower,
        (_, Some(second)) if second.is_ascii_lowercase() => Letters::Capital,
        _ => Letters::Upper,
    }
}

fn is_name(pattern: Pattern) -> bool {
    matches!(pattern, Pattern::MonthName | Pattern::MonthShort | Pattern::DayName | Pattern::DayShort)
}

fn is_number(pattern: Pattern) -> bool {
    use Pattern::{HalfDay, Offset, Roman, Text, Zone, ZoneHour, ZoneMinute};
    !is_name(pattern) && !matches!(pattern, Roman | HalfDay(..) | Zone | ZoneHour | ZoneMinute | Offset | Text(_))
}

/// A field of an interval: its own units, which nothing is carried between.
fn interval_field(
    pattern: Pattern,
    bare: bool,
    ordinal: Option<Letters>,
    value: IntervalMonthDayNano,
    out: &mut impl Write,
) -> Result {
    let time = value.nanoseconds / 1_000;
    let (years, hours) = (i64::from(value.months / 12), time / 3_600_000_000);
    let (number, width) = match pattern {
        Pattern::Year(digits) | Pattern::IsoYear(digits) => {
            (if digits < 4 { years % 10_i64.pow(digits as u32) } else { years }, digits)
        }
        Pattern::YearWithComma => {
            write!(out, "{},{:03}", years / 1_000, (years % 1_000).abs())?;
            return suffix(years, ordinal, out);
        }
        Pattern::Century => (years / 100, 2),
        Pattern::Month => (i64::from(value.months % 12), 2),
        Pattern::Day => (i64::from(value.days), 2),
        Pattern::DayOfYear => (i64::from(value.months) * 30 + i64::from(value.days), 3),
        Pattern::Hour24 => (hours, 2),
        Pattern::Hour12 => (if hours % 12 == 0 { 12 * if hours < 0 { -1 } else { 1 } } else { hours % 12 }, 2),
        Pattern::Minute => (time / 60_000_000 % 60, 2),
        Pattern::Second => (time / 1_000_000 % 60, 2),
        Pattern::SecondsOfDay => (time / 1_000_000, 1),
        Pattern::Fraction(digits) => (time % 1_000_000 / 10_i64.pow(6 - digits), digits as usize),
        Pattern::HalfDay(before, after) => return out.write_str(if hours % 24 < 12 { before } else { after }),
        Pattern::Text(text) => return out.write_str(text),
        // An interval has no place in the calendar.
        _ => return Ok(()),
    };
    let width = if bare && !matches!(pattern, Pattern::Fraction(_)) { 1 } else { width };
    // A sign takes no digit's place.
    let width = width + usize::from(number < 0);
    write!(out, "{number:0width$}")?;
    suffix(number, ordinal, out)
}

fn field(
    pattern: Pattern,
    letters: Letters,
    bare: bool,
    ordinal: Option<Letters>,
    at: NaiveDateTime,
    zone: Option<&(String, i64)>,
    out: &mut impl Write,
) -> Result {
    let iso = at.iso_week();
    let day_of_week = at.weekday().num_days_from_sunday();
    let month = MONTHS[at.month0() as usize];
    let day = DAYS[day_of_week as usize];
    let last_digits = |year: i32, digits: usize| {
        let year = i64::from(of_era(year));
        if digits < 4 { year.rem_euclid(10_i64.pow(digits as u32)) } else { year }
    };
    let (number, width) = match pattern {
        Pattern::Year(digits) => (last_digits(at.year(), digits), digits),
        Pattern::IsoYear(digits) => (last_digits(iso.year(), digits), digits),
        Pattern::YearWithComma => {
            let (thousands, rest) = (of_era(at.year()) / 1_000, of_era(at.year()) % 1_000);
            write!(out, "{thousands},{rest:03}")?;
            return suffix(i64::from(at.year()), ordinal, out);
        }
        Pattern::Century => (i64::from((at.year() - 1).div_euclid(100) + 1), 2),
        Pattern::Quarter => (i64::from(at.month0() / 3 + 1), 1),
        Pattern::Month => (i64::from(at.month()), 2),
        Pattern::Week => (i64::from(at.ordinal0() / 7 + 1), 2),
        Pattern::WeekOfMonth => (i64::from(at.day0() / 7 + 1), 1),
        Pattern::IsoWeek => (i64::from(iso.week()), 2),
        Pattern::Day => (i64::from(at.day()), 2),
        Pattern::DayOfWeek => (i64::from(day_of_week + 1), 1),
        Pattern::DayOfYear => (i64::from(at.ordinal()), 3),
        Pattern::IsoDay => (i64::from(at.weekday().number_from_monday()), 1),
        Pattern::IsoDayOfYear => (i64::from(iso.week0() * 7 + at.weekday().number_from_monday()), 3),
        Pattern::Julian => (at.and_utc().timestamp().div_euclid(86_400) + EPOCH_JULIAN, 1),
        Pattern::Hour12 => (i64::from(at.hour12().1), 2),
        Pattern::Hour24 => (i64::from(at.hour()), 2),
        Pattern::Minute => (i64::from(at.minute()), 2),
        Pattern::Second => (i64::from(at.second()), 2),
        Pattern::SecondsOfDay => (i64::from(at.num_seconds_from_midnight()), 1),
        Pattern::Fraction(digits) => (i64::from(at.nanosecond() / 1_000 / 10_u32.pow(6 - digits)), digits as usize),
        Pattern::MonthName => return name(month, letters, bare, NAME_WIDTH, out),
        Pattern::MonthShort => return name(&month[..3], letters, bare, 0, out),
        Pattern::DayName => return name(day, letters, bare, NAME_WIDTH, out),
        Pattern::DayShort => return name(&day[..3], letters, bare, 0, out),
        Pattern::Roman => {
            let lower = if letters == Letters::Lower { Letters::Lower } else { Letters::Upper };
            return name(ROMAN[at.month0() as usize], lower, bare, 4, out);
        }
        Pattern::HalfDay(before, after) => {
            let half = if at.hour() < 12 { before } else { after };
            return name(half, same_case(letters), true, 0, out);
        }
        Pattern::Text(text) => return name(text, same_case(letters), true, 0, out),
        Pattern::Zone => return name(zone.map_or("", |(name, _)| name.as_str()), same_case(letters), true, 0, out),
        Pattern::ZoneHour | Pattern::ZoneMinute | Pattern::Offset => {
            let east = zone.map_or(0, |(_, east)| *east);
            let (sign, hours, minutes) = (if east < 0 { '-' } else { '+' }, east.abs() / 3_600, east.abs() / 60 % 60);
            return match (pattern, minutes) {
                (Pattern::ZoneMinute, _) => write!(out, "{minutes:02}"),
                (Pattern::Offset, 1..) => write!(out, "{sign}{hours:02}:{minutes:02}"),
                _ => write!(out, "{sign}{hours:02}"),
            };
        }
    };
    // A fraction's digits are never left out: they are places behind a point.
    let width = if bare && !matches!(pattern, Pattern::Fraction(_)) { 1 } else { width };
    write!(out, "{number:0width$}")?;
    suffix(number, ordinal, out)
}

/// These come in capitals or without.
fn same_case(letters: Letters) -> Letters {
    if letters == Letters::Lower { Letters::Lower } else { Letters::Upper }
}

fn name(name: &str, letters: Letters, bare: bool, width: usize, out: &mut impl Write) -> Result {
    let shown = match letters {
        Letters::Upper => name.to_ascii_uppercase(),
        Letters::Capital => name.to_owned(),
        Letters::Lower => name.to_ascii_lowercase(),
    };
    let width = if bare { 0 } else { width };
    write!(out, "{shown:width$}")
}

fn suffix(number: i64, ordinal: Option<Letters>, out: &mut impl Write) -> Result {
    let Some(letters) = ordinal else { return Ok(()) };
    let suffix = match (number % 10, number / 10 % 10) {
        (_, 1) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    name(suffix, letters, true, 0, out)
}

/// A year as it is counted in its era: before the year 1 lies the year 1 before Christ.
fn of_era(year: i32) -> i32 {
    if year > 0 { year } else { 1 - year }
}

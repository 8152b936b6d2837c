//! Time zones by name: IANA's, abbreviations, and offsets in PostgreSQL's spellings.

use chrono::{DateTime, NaiveDateTime, Offset, TimeDelta, TimeZone};
use chrono_tz::{OffsetName, TZ_VARIANTS, Tz};

const MICROS: i64 = 1_000_000;
/// PostgreSQL refuses offsets of a week and more; no clock is a day off.
const MOST_SECONDS: i32 = 86_400 * 7;

/// Abbreviations as PostgreSQL's default set knows them: hours east of Greenwich, whatever the season.
const ABBREVIATIONS: [(&str, i32); 28] = [
    ("z", 0),
    ("utc", 0),
    ("gmt", 0),
    ("wet", 0),
    ("west", 1),
    ("bst", 1),
    ("cet", 1),
    ("cest", 2),
    ("eet", 2),
    ("eest", 3),
    ("msk", 3),
    ("sgt", 8),
    ("hkt", 8),
    ("jst", 9),
    ("kst", 9),
    ("aest", 10),
    ("aedt", 11),
    ("nzst", 12),
    ("nzdt", 13),
    ("est", -5),
    ("edt", -4),
    ("cst", -6),
    ("cdt", -5),
    ("mst", -7),
    ("mdt", -6),
    ("pst", -8),
    ("pdt", -7),
    ("hst", -10),
];

/// IANA's names of UTC, without `Etc/`.
const UTC_NAMES: [&str; 9] = ["UTC", "GMT", "UCT", "Zulu", "Universal", "Greenwich", "GMT0", "GMT+0", "GMT-0"];

/// A time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Zone {
    /// One with a history.
    Named(Tz),
    /// Always so many seconds east of Greenwich.
    Fixed(i32),
}

impl Zone {
    /// Coordinated universal time.
    pub const UTC: Zone = Zone::Fixed(0);

    /// The zone of a name as `AT TIME ZONE` takes it: an abbreviation, then an IANA name, then POSIX's `EST+5`.
    pub fn parse(name: &str) -> Option<Zone> {
        let trimmed = name.trim();
        Zone::abbreviation(trimmed).or_else(|| Zone::named(trimmed)).or_else(|| posix(trimmed).map(|(_, zone)| zone))
    }

    /// The zone that a setting names, and how `SHOW` spells it. A number counts hours east of Greenwich.
    pub fn of_setting(text: &str) -> Option<(Zone, String)> {
        let trimmed = text.trim();
        if let Ok(hours) = trimmed.parse::<f64>() {
            return Zone::of_hours(hours);
        }
        if let Some(interval) = interval_literal(trimmed) {
            return Zone::of_hours(interval);
        }
        if let Some(zone) = Zone::named(trimmed) {
            let Zone::Named(tz) = zone else { return Some((zone, "UTC".to_owned())) };
            return Some((zone, tz.name().to_owned()));
        }
        posix(trimmed).map(|(shown, zone)| (zone, shown))
    }

    /// So many hours east of Greenwich, and how `SHOW` spells it: `<+05:30>-05:30`.
    fn of_hours(hours: f64) -> Option<(Zone, String)> {
        let seconds = hours * 3_600.0;
        if seconds.is_nan() || seconds.abs() >= f64::from(MOST_SECONDS) {
            return None;
        }
        let seconds = seconds.round() as i32;
        let shown = |east: i32| {
            let sign = if east < 0 { '-' } else { '+' };
            let minutes = east.unsigned_abs() / 60;
            match minutes % 60 {
                0 => format!("{sign}{:02}", minutes / 60),
                rest => format!("{sign}{:02}:{rest:02}", minutes / 60),
            }
        };
        let west = if seconds == 0 { "-00".to_owned() } else { shown(-seconds) };
        Some((Zone::Fixed(seconds), format!("<{}>{west}", shown(seconds))))
    }

    fn abbreviation(name: &str) -> Option<Zone> {
        let known = ABBREVIATIONS.iter().find(|(short, _)| name.eq_ignore_ascii_case(short));
        known.map(|(_, hours)| Zone::Fixed(hours * 3_600))
    }

    /// IANA's names, in any case.
    fn named(name: &str) -> Option<Zone> {
        if name.eq_ignore_ascii_case("utc") {
            return Some(Zone::Named(Tz::UTC));
        }
        let exact = name.parse::<Tz>().ok();
        exact.or_else(|| TZ_VARIANTS.iter().find(|tz| tz.name().eq_ignore_ascii_case(name)).copied()).map(Zone::Named)
    }

    /// Whether this is UTC in all but name.
    pub fn is_utc(self) -> bool {
        match self {
            Zone::Fixed(east) => east == 0,
            Zone::Named(tz) => UTC_NAMES.contains(&tz.name().trim_start_matches("Etc/")),
        }
    }

    /// Seconds that local time is ahead of UTC at a moment, given as seconds since the epoch.
    pub fn east_at(self, seconds: i64) -> Option<i32> {
        match self {
            Zone::Fixed(east) => Some(east),
            Zone::Named(zone) => {
                let moment = DateTime::from_timestamp(seconds, 0)?.naive_utc();
                Some(zone.offset_from_utc_datetime(&moment).fix().local_minus_utc())
            }
        }
    }

    /// The same for a local time. One that comes twice, as clocks go back, is the later; one that is left out, as they go
    /// forward, counts as before they did. So does PostgreSQL (`DetermineTimeZoneOffset`).
    pub fn east_of_local(self, seconds: i64) -> Option<i32> {
        let Zone::Named(zone) = self else { return self.east_at(seconds) };
        let local = DateTime::from_timestamp(seconds, 0)?.naive_utc();
        let at = |local: &NaiveDateTime| zone.offset_from_local_datetime(local).latest();
        // No clock was ever set forward by more than a day.
        let found = at(&local).or_else(|| at(&local.checked_sub_signed(TimeDelta::hours(25))?))?;
        Some(found.fix().local_minus_utc())
    }

    /// Local microseconds of a moment. `None` out of range.
    pub fn to_local(self, micros: i64) -> Option<i64> {
        micros.checked_add(i64::from(self.east_at(micros.div_euclid(MICROS))?) * MICROS)
    }

    /// The moment of local microseconds. `None` out of range.
    pub fn from_local(self, micros: i64) -> Option<i64> {
        micros.checked_sub(i64::from(self.east_of_local(micros.div_euclid(MICROS))?) * MICROS)
    }

    /// What the zone's time is called at a moment: `EST`, `+0530`.
    pub fn short_name(self, micros: i64) -> String {
        let seconds = micros.div_euclid(MICROS);
        if let Zone::Named(zone) = self
            && let Some(moment) = DateTime::from_timestamp(seconds, 0)
            && let Some(name) = zone.offset_from_utc_datetime(&moment.naive_utc()).abbreviation()
        {
            return name.to_owned();
        }
        let east = self.east_at(seconds).unwrap_or(0);
        if east == 0 {
            return "UTC".to_owned();
        }
        offset_text(east)
    }
}

/// `+05`, `+05:30`, `-00:00:30`: an offset as PostgreSQL writes it behind a time.
pub fn offset_text(east: i32) -> String {
    let sign = if east < 0 { '-' } else { '+' };
    let all = east.unsigned_abs();
    let (hours, minutes, seconds) = (all / 3_600, all / 60 % 60, all % 60);
    match (minutes, seconds) {
        (0, 0) => format!("{sign}{hours:02}"),
        (_, 0) => format!("{sign}{hours:02}:{minutes:02}"),
        _ => format!("{sign}{hours:02}:{minutes:02}:{seconds:02}"),
    }
}

/// Hours of `INTERVAL '-05:00'`, as `SET TIME ZONE` may have it.
fn interval_literal(text: &str) -> Option<f64> {
    let rest = text.get(..8).filter(|word| word.eq_ignore_ascii_case("interval")).and(text.get(8..))?;
    let inner = rest.trim().trim_start_matches('\'');
    let inner = &inner[..inner.find(|c: char| c == '\'' || c.is_ascii_alphabetic()).unwrap_or(inner.len())];
    let interval = super::interval::parse_interval(inner)?;
    (interval.months == 0 && interval.days == 0).then_some(interval.nanoseconds as f64 / 3.6e12)
}

/// POSIX: `EST5`, `UTC-05:30`, `<+03>-3`, `+05:30`, where numbers count west of Greenwich. Rules for summer time are left
/// to IANA's names.
fn posix(text: &str) -> Option<(String, Zone)> {
    let rest = match text.strip_prefix('<') {
        Some(rest) => rest.split_once('>')?.1,
        None => text.trim_start_matches(|c: char| c.is_ascii_alphabetic()),
    };
    let name = text.len() - rest.len();
    if (1..3).contains(&name) || rest.is_empty() {
        return None;
    }
    let (sign, digits) = match rest.as_bytes() {
        [b'-', ..] => (1, &rest[1..]),
        [b'+', ..] => (-1, &rest[1..]),
        _ => (-1, rest),
    };
    let mut seconds = 0;
    let mut unit = 3_600;
    for part in digits.split(':') {
        if part.is_empty() || part.len() > 2 || unit == 0 || !part.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        seconds += part.parse::<i32>().ok()? * unit;
        unit /= 60;
    }
    (seconds < MOST_SECONDS).then(|| (text.to_owned(), Zone::Fixed(sign * seconds)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn settings_are_shown_as_postgres_shows_them() {
        let shown = |text: &str| Zone::of_setting(text).map(|(_, shown)| shown);
        assert_eq!(shown("america/new_york").as_deref(), Some("America/New_York"));
        assert_eq!(shown("utc").as_deref(), Some("UTC"));
        assert_eq!(shown("5").as_deref(), Some("<+05>-05"));
        assert_eq!(shown("-5.5").as_deref(), Some("<-05:30>+05:30"));
        assert_eq!(shown("GMT-05:30").as_deref(), Some("GMT-05:30"));
        assert_eq!(shown("Mars/Olympus"), None);
        assert_eq!(Zone::of_setting("GMT-05:30").unwrap().0, Zone::Fixed(19_800));
        assert_eq!(Zone::of_setting("<+05>-05").unwrap().0, Zone::Fixed(18_000));
    }

    #[test]
    fn clocks_that_change() {
        let zone = Zone::parse("America/New_York").unwrap();
        // 2024-03-10 02:30 is left out, 2024-11-03 01:30 comes twice.
        assert_eq!(zone.east_of_local(1_710_037_800), Some(-18_000));
        assert_eq!(zone.east_of_local(1_730_597_400), Some(-18_000));
        assert_eq!(zone.short_name(1_720_000_000_000_000), "EDT");
        assert_eq!(offset_text(-16_200), "-04:30");
    }
}

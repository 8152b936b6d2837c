//! Dates and times in words: `January 8, 1999`, `8-Jan-1999 4:05 PM`, `2024-1-2`, `epoch`, `44-03-15 BC`.
//!
//! What could be a day or a month (`01/02/2024`) is refused: a guess would be wrong half of the time.

use super::text::{MICROS_PER_DAY, days_of, seconds_fraction, zone_of};
use super::zone::Zone;

/// Their English names, January first.
pub(crate) const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
const WEEKDAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

/// What a text names.
#[derive(Debug, Default)]
pub(super) struct Moment {
    /// Local microseconds since the epoch.
    pub(super) local: i64,
    /// The zone it names.
    pub(super) zone: Option<Zone>,
}

#[derive(Default)]
struct Fields {
    year: Option<i32>,
    month: Option<i32>,
    day: Option<i32>,
    time: Option<i64>,
    afternoon: Option<bool>,
    before_christ: bool,
    zone: Option<Zone>,
}

/// `None` where the text is no date. `Some(Err(()))` where a field is out of range.
pub(super) fn read(text: &str) -> Option<Result<Moment, ()>> {
    let lower = text.trim().to_lowercase();
    if lower == "epoch" {
        return Some(Ok(Moment { local: 0, zone: Some(Zone::UTC) }));
    }
    let mut fields = Fields::default();
    for piece in lower.split([' ', ',']).filter(|piece| !piece.is_empty()) {
        fields.take(piece)?;
    }
    fields.finish()
}

impl Fields {
    fn take(&mut self, piece: &str) -> Option<()> {
        // The T of ISO 8601, between two digits.
        if let Some(at) = piece.find('t')
            && piece[..at].ends_with(|c: char| c.is_ascii_digit())
            && piece[at + 1..].starts_with(|c: char| c.is_ascii_digit())
            && self.day.is_none()
        {
            self.take(&piece[..at])?;
            return self.take_time(&piece[at + 1..]);
        }
        match piece {
            "bc" | "b.c." => {
                self.before_christ = true;
                return Some(());
            }
            "ad" | "a.d." | "at" | "on" => return Some(()),
            "am" | "pm" => {
                self.time?;
                self.afternoon = Some(piece == "pm");
                return Some(());
            }
            "allballs" => {
                self.time = Some(0);
                return Some(());
            }
            _ => {}
        }
        if piece.contains(':') && piece.starts_with(|c: char| c.is_ascii_digit()) {
            return self.take_time(piece);
        }
        if let Some(month) = name_in(&MONTHS, piece) {
            return set(&mut self.month, month as i32 + 1);
        }
        if name_in(&WEEKDAYS, piece).is_some() {
            return Some(());
        }
        if piece.bytes().all(|b| b.is_ascii_digit()) {
            return self.take_number(piece);
        }
        if self.day.is_none() && (piece.contains(['-', '.']) || piece.contains('/')) && !piece.starts_with(['-', '+']) {
            return self.take_date(piece);
        }
        if self.day.is_some() && self.zone.is_none() {
            self.zone = Some(zone_of(piece)?);
            return Some(());
        }
        None
    }

    fn take_number(&mut self, piece: &str) -> Option<()> {
        let number: i32 = piece.parse().ok()?;
        match piece.len() {
            8 if self.year.is_none() && self.month.is_none() && self.day.is_none() => {
                self.year = Some(number / 10_000);
                self.month = Some(number / 100 % 100);
                self.day = Some(number % 100);
                Some(())
            }
            6 if self.day.is_some() && self.time.is_none() => self.take_time(piece),
            1 | 2 if self.month.is_some() || self.day.is_none() && self.year.is_some() => set(&mut self.day, number),
            1 | 2 if self.day.is_none() => set(&mut self.day, number),
            3.. => set(&mut self.year, number),
            _ => None,
        }
    }

    /// Three parts, of which one is a name or the first a year.
    fn take_date(&mut self, piece: &str) -> Option<()> {
        let parts: Vec<&str> = piece.split(['-', '/', '.']).collect();
        let number = |text: &str| text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse::<i32>().ok()).flatten();
        let month = |text: &str| name_in(&MONTHS, text).map(|at| at as i32 + 1);
        let (year, month, day) = match parts.as_slice() {
            // The day of the year.
            [year, day] if year.len() == 4 && day.len() == 3 => {
                let (year, day) = (number(year)?, number(day)?);
                let first = days_of(year, 1, 1)?;
                let (y, m, d) = super::civil::civil(i64::from(first + day - 1));
                (i32::try_from(y).ok().filter(|y| *y == year)?, m as i32, d as i32)
            }
            [a, b, c] => match (month(a), month(b)) {
                (Some(m), _) if c.len() >= 3 => (number(c)?, m, number(b)?),
                (_, Some(m)) if a.len() >= 3 => (number(a)?, m, number(c)?),
                (_, Some(m)) if c.len() >= 3 => (number(c)?, m, number(a)?),
                (None, None) if a.len() >= 3 => (number(a)?, number(b)?, number(c)?),
                _ => return None,
            },
            _ => return None,
        };
        set(&mut self.year, year)?;
        set(&mut self.month, month)?;
        set(&mut self.day, day)
    }

    fn take_time(&mut self, piece: &str) -> Option<()> {
        let end = piece.find(|c: char| !(c.is_ascii_digit() || c == ':' || c == '.')).unwrap_or(piece.len());
        let (clock, rest) = piece.split_at(end);
        let compact;
        let clock = if clock.contains(':') {
            clock
        } else {
            let (digits, fraction) = clock.split_at(clock.find('.').unwrap_or(clock.len()));
            compact = match digits.len() {
                4 => format!("{}:{}", &digits[..2], &digits[2..]),
                6 => format!("{}:{}:{}{fraction}", &digits[..2], &digits[2..4], &digits[4..]),
                _ => return None,
            };
            &compact
        };
        set_time(&mut self.time, clock_micros(clock)?)?;
        match rest {
            "" => Some(()),
            "am" | "pm" => {
                self.afternoon = Some(rest == "pm");
                Some(())
            }
            zone => {
                self.zone = Some(zone_of(zone)?);
                Some(())
            }
        }
    }

    fn finish(self) -> Option<Result<Moment, ()>> {
        let (year, month, day) = (self.year?, self.month?, self.day?);
        let year = match self.before_christ {
            true if year < 1 => return Some(Err(())),
            true => 1 - year,
            false if year < 1 => return Some(Err(())),
            false => year,
        };
        let Some(days) = days_of(year, month, day) else { return Some(Err(())) };
        let mut time = self.time.unwrap_or(0);
        if let Some(afternoon) = self.afternoon {
            const HOUR: i64 = 3_600_000_000;
            let hour = time / HOUR;
            if hour > 12 || hour == 0 {
                return Some(Err(()));
            }
            time = time % HOUR + (hour % 12 + if afternoon { 12 } else { 0 }) * HOUR;
        }
        if time > MICROS_PER_DAY {
            return Some(Err(()));
        }
        // Days reach further than microseconds do.
        let local = i64::from(days).checked_mul(MICROS_PER_DAY).and_then(|midnight| midnight.checked_add(time));
        Some(local.map(|local| Moment { local, zone: self.zone }).ok_or(()))
    }
}

/// Microseconds of `4:05`, `04:05:06.789`.
fn clock_micros(clock: &str) -> Option<i64> {
    let mut parts = clock.split(':');
    let two = |text: &str| {
        (!text.is_empty() && text.len() <= 2 && text.bytes().all(|b| b.is_ascii_digit()))
            .then(|| text.parse::<i64>().ok())?
    };
    let hour = two(parts.next()?)?;
    let minute = two(parts.next()?)?;
    let (second, micros) = match parts.next() {
        Some(seconds) => {
            let (whole, fraction) = seconds.split_once('.').unwrap_or((seconds, ""));
            (two(whole)?, if fraction.is_empty() { 0 } else { seconds_fraction(fraction.as_bytes())?.0 })
        }
        None => (0, 0),
    };
    if parts.next().is_some() || hour > 24 || minute > 59 || second > 60 {
        return None;
    }
    Some((hour * 3_600 + minute * 60 + second) * 1_000_000 + micros)
}

/// A name, or its first three letters (or `sept`).
fn name_in(names: &[&str], text: &str) -> Option<usize> {
    let text = text.trim_end_matches('.');
    names.iter().position(|name| *name == text || name[..3] == *text || (*name == "september" && text == "sept"))
}

fn set(field: &mut Option<i32>, value: i32) -> Option<()> {
    field.replace(value).is_none().then_some(())
}

fn set_time(field: &mut Option<i64>, value: i64) -> Option<()> {
    field.replace(value).is_none().then_some(())
}

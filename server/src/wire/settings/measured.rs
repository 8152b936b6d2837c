//! Settings that are measured: bytes and times, read and shown with units as PostgreSQL does.

/// What a setting counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Bytes.
    Byte,
    /// 1024 bytes.
    Kilobyte,
    /// Pages of 8192 bytes.
    Page,
    /// 1024 kB.
    Megabyte,
    /// Milliseconds.
    Millisecond,
    /// Seconds.
    Second,
    /// Minutes.
    Minute,
}

/// Units of bytes, the largest first, with their length.
const BYTES: [(&str, i64); 5] = [("TB", 1 << 40), ("GB", 1 << 30), ("MB", 1 << 20), ("kB", 1 << 10), ("B", 1)];
/// Units of time, the largest first, with their length in microseconds.
const TIMES: [(&str, i64); 6] =
    [("d", 86_400_000_000), ("h", 3_600_000_000), ("min", 60_000_000), ("s", 1_000_000), ("ms", 1_000), ("us", 1)];

impl Unit {
    /// How `pg_settings` names it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Unit::Byte => "B",
            Unit::Kilobyte => "kB",
            Unit::Page => "8kB",
            Unit::Megabyte => "MB",
            Unit::Millisecond => "ms",
            Unit::Second => "s",
            Unit::Minute => "min",
        }
    }

    /// One of it, in bytes or microseconds.
    fn length(self) -> i64 {
        match self {
            Unit::Byte => 1,
            Unit::Kilobyte => 1 << 10,
            Unit::Page => 1 << 13,
            Unit::Megabyte => 1 << 20,
            Unit::Millisecond => 1_000,
            Unit::Second => 1_000_000,
            Unit::Minute => 60_000_000,
        }
    }

    fn units(self) -> &'static [(&'static str, i64)] {
        match self {
            Unit::Byte | Unit::Kilobyte | Unit::Page | Unit::Megabyte => &BYTES,
            Unit::Millisecond | Unit::Second | Unit::Minute => &TIMES,
        }
    }

    /// The number that a text such as `64MB` or `30` stands for; `None` for what is none.
    pub(crate) fn parse(self, text: &str) -> Option<i64> {
        let text = text.trim();
        let digits = text.bytes().take_while(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'+')).count();
        let (number, unit) = text.split_at(digits);
        let number: f64 = number.parse().ok()?;
        let number = match unit.trim() {
            "" => number,
            unit => {
                let (_, length) = self.units().iter().find(|(name, _)| *name == unit)?;
                number * *length as f64 / self.length() as f64
            }
        };
        (number.abs() < 9e15).then_some(number.round() as i64)
    }

    /// The number in the largest unit that measures it without a rest.
    pub(crate) fn show(self, number: i64) -> String {
        let total = number.saturating_mul(self.length());
        match self.units().iter().find(|(_, length)| total % length == 0) {
            Some((unit, length)) if number > 0 => format!("{}{unit}", total / length),
            _ => number.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Unit;

    #[test]
    fn units_are_read_and_shown() {
        for (unit, text, number, shown) in [
            (Unit::Kilobyte, "64MB", 65_536, "64MB"),
            (Unit::Kilobyte, "1000", 1_000, "1000kB"),
            (Unit::Page, "128MB", 16_384, "128MB"),
            (Unit::Page, "3", 3, "24kB"),
            (Unit::Byte, "1 GB", 1 << 30, "1GB"),
            (Unit::Millisecond, "1.5s", 1_500, "1500ms"),
            (Unit::Second, "90", 90, "90s"),
            (Unit::Second, "2min", 120, "2min"),
            (Unit::Minute, "1d", 1_440, "1d"),
            (Unit::Millisecond, "-1", -1, "-1"),
            (Unit::Millisecond, "0", 0, "0"),
        ] {
            assert_eq!(unit.parse(text), Some(number), "{text}");
            assert_eq!(unit.show(number), shown, "{text}");
        }
        for text in ["", "x", "5 parsecs", "1mb", "1e9999"] {
            assert_eq!(Unit::Kilobyte.parse(text), None, "{text}");
        }
    }
}

//! Times of day as text.

/// Microseconds of a day.
const DAY: i64 = 86_400_000_000;

/// Microseconds since midnight of a text such as `09:30`, `9:30:00.25`, `093000` or `9:30 PM`; digits beyond the microsecond
/// are rounded. A date before it and a zone behind it are left out, as in PostgreSQL. `None` for what is no time.
pub fn parse(text: &str) -> Option<i64> {
    let text = text.trim();
    let clock = match text.split_once([' ', 'T']) {
        Some((date, rest)) if crate::values::is_date_text(date) => rest.trim(),
        _ => text,
    };
    let lower = clock.to_ascii_lowercase();
    let (clock, half) = match (lower.strip_suffix("am"), lower.strip_suffix("pm")) {
        (Some(clock), _) => (clock.trim_end(), Some(0)),
        (_, Some(clock)) => (clock.trim_end(), Some(12)),
        _ => (without_zone(&lower), None),
    };
    let (hours, minutes, seconds) = parts(clock)?;
    let hours: i64 = match half {
        None => hours,
        Some(_) if !(1..=12).contains(&hours) => return None,
        Some(half) => hours % 12 + half,
    };
    let micros = seconds_of(seconds)?;
    if minutes > 59 || micros > 60_000_000 {
        return None;
    }
    let total = (hours * 60 + minutes) * 60_000_000 + micros;
    (total <= DAY).then_some(total)
}

fn without_zone(clock: &str) -> &str {
    let clock = clock.trim_end_matches('z').trim_end();
    clock.find(['+', '-']).map_or(clock, |at| clock[..at].trim_end())
}

/// Hours, minutes, and the text of the seconds.
fn parts(clock: &str) -> Option<(i64, i64, &str)> {
    let number = |text: &str| -> Option<i64> {
        ((1..=2).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok())?
    };
    if let Some((hours, rest)) = clock.split_once(':') {
        let (minutes, seconds) = rest.split_once(':').unwrap_or((rest, "0"));
        return Some((number(hours)?, number(minutes)?, seconds));
    }
    let digits = clock.find('.').unwrap_or(clock.len());
    match digits {
        4 if digits == clock.len() => Some((number(clock.get(..2)?)?, number(clock.get(2..)?)?, "0")),
        6 => Some((number(clock.get(..2)?)?, number(clock.get(2..4)?)?, clock.get(4..)?)),
        1 | 2 if digits == clock.len() => Some((number(clock)?, 0, "0")),
        _ => None,
    }
}

/// Microseconds of seconds with a fraction.
fn seconds_of(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if !(1..=2).contains(&whole.len()) || !whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit()) {
        return None;
    }
    let mut micros = whole.parse::<i64>().ok()? * 1_000_000;
    let mut unit = 100_000;
    for digit in fraction.bytes().take(6) {
        micros += i64::from(digit - b'0') * unit;
        unit /= 10;
    }
    let rounds_up = fraction.as_bytes().get(6).is_some_and(|digit| *digit >= b'5');
    Some(micros + i64::from(rounds_up))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_postgres_forms() {
        const MINUTE: i64 = 60_000_000;
        for (text, micros) in [
            ("09:30", 570 * MINUTE),
            ("9:30:00.25", 570 * MINUTE + 250_000),
            ("093000", 570 * MINUTE),
            ("0930", 570 * MINUTE),
            ("9:30 PM", 1290 * MINUTE),
            ("12:00 AM", 0),
            ("12:15 pm", 735 * MINUTE),
            ("24:00:00", DAY),
            ("09:30:00.0000005", 570 * MINUTE + 1),
            ("09:30:00+05", 570 * MINUTE),
            ("2024-01-02 09:30:00", 570 * MINUTE),
        ] {
            assert_eq!(parse(text), Some(micros), "{text}");
        }
        for text in ["", "25:00", "24:00:01", "09:60", "noon", "13:00 PM", "9.5", "-01:00"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}

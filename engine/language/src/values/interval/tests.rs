#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;

#[test]
fn intervals_read_as_people_write_them() {
    let s = NANOS_PER_SECOND;
    for (text, months, days, nanos) in [
        ("5 minutes", 0, 0, 300 * s),
        ("60.000s", 0, 0, 60 * s),
        ("0.5s", 0, 0, s / 2),
        ("250ms", 0, 0, s / 4),
        ("1h30m", 0, 0, 5_400 * s),
        ("1 day", 0, 1, 0),
        ("1.5 days", 0, 1, 43_200 * s),
        ("2w", 0, 14, 0),
        ("1 year 2 mons", 14, 0, 0),
        ("01:30:00", 0, 0, 5_400 * s),
        ("-1 day", 0, -1, 0),
        ("1 day -00:30", 0, 1, -1_800 * s),
        ("0 s", 0, 0, 0),
        ("1.5 months", 1, 15, 0),
        ("1.5 years", 18, 0, 0),
        ("1-2", 14, 0, 0),
        ("1 month - 1 day", 1, -1, 0),
        ("3 04:05:06", 0, 3, 14_706 * s),
        ("P1Y2M3DT4H", 14, 3, 14_400 * s),
        ("1 day ago", 0, -1, 0),
    ] {
        assert_eq!(parse_interval(text), Some(IntervalMonthDayNano::new(months, days, nanos)), "{text}");
    }
    for text in ["", "5", "minutes", "5 parsecs", "1:2:3:4", "- day", "a 5 s"] {
        assert_eq!(parse_interval(text), None, "{text}");
    }
}

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;

#[test]
fn ages_read_as_people_write_them() {
    for (text, seconds) in [
        ("7 days", 604_800),
        ("1h", 3_600),
        ("3600", 3_600),
        ("1 day 12 hours", 129_600),
        ("2 years", 63_072_000),
        ("0", 0),
    ] {
        assert_eq!(parse_age(text).unwrap(), Age::After(Duration::from_secs(seconds)), "{text}");
    }
    assert_eq!(parse_age("500 ms").unwrap(), Age::After(Duration::from_millis(500)));
    assert_eq!(parse_age(" Never").unwrap(), Age::Never);
    for text in ["", "soon", "-1 day", "7 dayz"] {
        assert!(parse_age(text).is_err(), "{text}");
    }
    assert_eq!(render_age(Duration::from_secs(604_800)), "7 days");
    assert_eq!(render_age(Duration::from_secs(3_600)), "1 hour");
    assert_eq!(render_age(Duration::from_secs(61)), "61 seconds");
    assert_eq!(render_age(Duration::from_secs(1)), "1 second");
    assert_eq!(render_age(Duration::from_millis(1_500)), "1500 milliseconds");
}

#[test]
fn codecs_are_checked_and_get_a_level() {
    for (text, expected) in [("ZSTD", "zstd(3)"), ("zstd(9)", "zstd(9)"), ("gzip", "gzip(6)"), ("Snappy", "snappy")] {
        assert_eq!(cold_compression(text).unwrap(), expected);
    }
    for text in ["brotli", "zstd(99)", "lz4(1)", "zstd(x)"] {
        assert_eq!(cold_compression(text).expect_err(text).kind(), ErrorKind::InvalidParameter);
    }
}

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use CastProblem::{Invalid, Overflow};

#[test]
fn decimals_are_exact_and_round_half_away_from_zero() {
    for (text, expected) in [
        ("1", Ok(100)),
        ("-1.5", Ok(-150)),
        ("+0.05", Ok(5)),
        (".5", Ok(50)),
        ("5.", Ok(500)),
        ("1.005", Ok(101)),
        ("-1.005", Ok(-101)),
        ("1.00499999999999999999999", Ok(100)),
        ("0.004", Ok(0)),
        ("0.005", Ok(1)),
        ("1e2", Ok(10_000)),
        ("1.25E-1", Ok(13)),
        ("12e-3", Ok(1)),
        ("1e-40", Ok(0)),
        ("0e999", Ok(0)),
        ("000000000000000000000000000000000000000001.10", Ok(110)),
        (" 7 ", Ok(700)),
        ("99999999.99", Ok(9_999_999_999)),
        ("99999999.995", Err(Overflow)),
        ("100000000", Err(Overflow)),
        ("1e30", Err(Overflow)),
        ("1e99999999999", Err(Overflow)),
        ("", Err(Invalid)),
        (".", Err(Invalid)),
        ("-", Err(Invalid)),
        ("1.2.3", Err(Invalid)),
        ("1,5", Err(Invalid)),
        ("0x10", Err(Invalid)),
        ("NaN", Err(Invalid)),
        ("1e", Err(Invalid)),
        ("é", Err(Invalid)),
    ] {
        assert_eq!(decimal(text, 10, 2), expected, "{text:?}");
    }
    let widest = "99999999999999999999999999999999999999";
    assert_eq!(decimal(widest, 38, 0), Ok(10_i128.pow(38) - 1));
    assert_eq!(decimal(&format!("{widest}9"), 38, 0), Err(Overflow));
    assert_eq!(decimal("99999999999999999999999999999999999999.5", 38, 0), Err(Overflow));
    assert_eq!(decimal("1", 38, 38), Err(Overflow));
    assert_eq!(decimal("0.00000001", 38, 38), Ok(10_i128.pow(30)));
    assert_eq!(decimal("123456789012.12345678", 20, 8), Ok(12_345_678_901_212_345_678));
}

#[test]
fn numbers_and_booleans_are_strict() {
    assert_eq!(integer::<i16>(" -32768 "), Ok(i16::MIN));
    assert_eq!(integer::<i16>("32768"), Err(Overflow));
    assert_eq!(integer::<i64>("9223372036854775808"), Err(Overflow));
    assert_eq!(integer::<i32>("1.0"), Err(Invalid));
    assert_eq!(integer::<i32>(""), Err(Invalid));
    assert_eq!(double("1e3"), Ok(1000.0));
    assert_eq!(double("-Infinity"), Ok(f64::NEG_INFINITY));
    assert!(double("NaN").unwrap().is_nan());
    assert_eq!(double("1e999"), Err(Overflow));
    assert_eq!(real("1e39"), Err(Overflow));
    assert_eq!(boolean("YES"), Ok(true));
    assert_eq!(boolean("0"), Ok(false));
    assert_eq!(boolean("2"), Err(Invalid));
}

#[test]
fn dates_follow_the_calendar() {
    for (text, days) in
        [("1970-01-01", 0), ("2024-02-29", 19_782), ("1969-12-31", -1), ("20240102", 19_724), ("0001-01-01", -719_162)]
    {
        assert_eq!(date(text), Ok(days), "{text}");
    }
    assert_eq!(date("2024-01-02T23:59:59Z"), Ok(19_724));
    for text in ["2024-1-2", "January 2, 2024", "2-Jan-2024"] {
        assert_eq!(date(text), Ok(19_724), "{text}");
    }
    for text in ["2023-02-29", "2024-13-01", "2024-00-10", "2024-01-32"] {
        assert_eq!(date(text), Err(Overflow), "{text}");
    }
    for text in ["01/02/2024", "", "today"] {
        assert_eq!(date(text), Err(Invalid), "{text}");
    }
    // Every day of four centuries, counted.
    let mut expected = date("1900-01-01").unwrap();
    let mut day = chrono::NaiveDate::from_ymd_opt(1900, 1, 1).unwrap();
    while expected < date("2300-01-01").unwrap() {
        assert_eq!(date(&day.to_string()), Ok(expected), "{day}");
        day = day.succ_opt().unwrap();
        expected += 1;
    }
}

#[test]
fn timestamps_are_utc_unless_they_say_otherwise() {
    let noon = 1_704_196_800_000_000;
    for (text, micros) in [
        ("2024-01-02 12:00:00", noon),
        ("2024-01-02T12:00:00Z", noon),
        ("2024-01-02 12:00", noon),
        ("2024-01-02 12:00:00.5", noon + 500_000),
        ("2024-01-02 12:00:00.123456789", noon + 123_457),
        ("2024-01-02 12:00:00.0000005", noon),
        ("2024-01-02 13:00:00+01", noon),
        ("2024-01-02 13:30:00.000+0130", noon),
        ("2024-01-02 07:00:00-05:00", noon),
        ("2024-01-02 12:00:00 UTC", noon),
        ("Tue, 02 Jan 2024 12:00:00 GMT", noon),
    ] {
        assert_eq!(timestamp(text, true), Ok(micros), "{text}");
    }
    assert_eq!(timestamp("2024-01-02 13:00:00+01", false), Ok(noon + 3_600_000_000));
    assert_eq!(timestamp("2024-01-02", true), Ok(noon - 43_200_000_000));
    for text in ["2024-01-02 25:00:00", "2024-01-02 12:60:00", "2024-01-02 12:00:00 Mars", "x"] {
        assert_eq!(timestamp(text, true), Err(Invalid), "{text}");
    }
}

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use chrono::{Datelike, NaiveDate};
use proptest::prelude::*;

use super::{Granularity, PartitionKey, Partitioning};

const ALL: [Granularity; 3] = [Granularity::Day, Granularity::Month, Granularity::Year];

fn days(text: &str) -> i32 {
    let date: NaiveDate = text.parse().unwrap();
    date.num_days_from_ce() - NaiveDate::from_ymd_opt(1970, 1, 1).unwrap().num_days_from_ce()
}

#[test]
fn periods_of_a_leap_year() {
    let leap = days("2024-02-29");
    assert_eq!(Granularity::Day.period_start(leap), leap);
    assert_eq!(Granularity::Day.period_end(leap), days("2024-03-01"));
    assert_eq!(Granularity::Month.period_start(leap), days("2024-02-01"));
    assert_eq!(Granularity::Month.period_end(days("2024-02-01")), days("2024-03-01"));
    assert_eq!(Granularity::Month.period_end(days("2023-12-01")), days("2024-01-01"));
    assert_eq!(Granularity::Year.period_start(leap), days("2024-01-01"));
    assert_eq!(Granularity::Year.period_end(days("2024-01-01")), days("2025-01-01"));
    assert_eq!(Granularity::Year.period_end(days("2024-01-01")) - days("2024-01-01"), 366);
    assert_eq!(Granularity::Year.period_end(days("1900-01-01")) - days("1900-01-01"), 365, "no leap year");
}

#[test]
fn periods_before_1970() {
    assert_eq!(days("1969-12-31"), -1);
    assert_eq!(Granularity::Day.period_start(-1), -1);
    assert_eq!(Granularity::Day.period_end(-1), 0);
    assert_eq!(Granularity::Month.period_start(-1), days("1969-12-01"));
    assert_eq!(Granularity::Month.period_end(days("1969-12-01")), 0);
    assert_eq!(Granularity::Year.period_start(-1), days("1969-01-01"));
    assert_eq!(Granularity::Year.period_start(days("1899-06-15")), days("1899-01-01"));
}

#[test]
fn periods_are_written_as_people_write_them() {
    let day = days("2024-01-02");
    assert_eq!(Granularity::Day.period_text(day), "2024-01-02");
    assert_eq!(Granularity::Month.period_text(days("2024-01-01")), "2024-01");
    assert_eq!(Granularity::Year.period_text(days("2024-01-01")), "2024");
    assert_eq!(Granularity::Year.period_text(days("1969-01-01")), "1969");
}

#[test]
fn names_parse_back() {
    for granularity in ALL {
        assert_eq!(granularity.name().parse::<Granularity>().unwrap(), granularity);
    }
    assert_eq!(" Day ".parse::<Granularity>().unwrap(), Granularity::Day);
    assert!("hour".parse::<Granularity>().unwrap_err().to_string().contains("day, month or year"));
}

#[test]
fn keys_are_written_as_people_write_them() {
    let both = Partitioning {
        date_column: Some("trade_date".to_owned()),
        granularity: Granularity::Month,
        class_column: Some("asset_class".to_owned()),
    };
    let key = |period, class: Option<&str>| PartitionKey { period, class: class.map(str::to_owned) };
    assert_eq!(key(Some(days("2024-01-01")), Some("FX")).text(&both), "2024-01/FX");
    assert_eq!(key(None, None).text(&both), "null/null");
    assert_eq!(key(Some(0), None).text(&Partitioning { class_column: None, ..both.clone() }), "1970-01");
    assert_eq!(key(None, Some("A/B")).text(&Partitioning { date_column: None, ..both.clone() }), "A/B");
    assert_eq!(PartitionKey::default().text(&Partitioning::none()), "all");
    assert_eq!(both.columns().collect::<Vec<_>>(), ["trade_date", "asset_class"]);
    assert_eq!(Partitioning::none().columns().count(), 0);
}

proptest! {
    /// Periods tile the calendar: each day lies in exactly one, and the next starts where it ends.
    #[test]
    fn every_day_lies_in_its_period(day in -800_000i32..3_000_000) {
        for granularity in ALL {
            let start = granularity.period_start(day);
            let end = granularity.period_end(start);
            prop_assert!(start <= day && day < end);
            prop_assert_eq!(granularity.period_start(start), start);
            prop_assert_eq!(granularity.period_start(end - 1), start);
            prop_assert_eq!(granularity.period_start(end), end);
        }
    }

    /// Days no calendar knows are periods of their own; nothing panics.
    #[test]
    fn any_day_has_a_period(day in any::<i32>()) {
        for granularity in ALL {
            let start = granularity.period_start(day);
            prop_assert!(start <= day);
            prop_assert!(granularity.period_end(start) > start || start == i32::MAX);
            prop_assert!(!granularity.period_text(start).is_empty());
        }
    }
}

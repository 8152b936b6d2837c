#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;

use datafusion::prelude::{col, lit};
use zxq_catalog::{Granularity, JobId, Role, RowHash, Segment, Tier};

use super::*;

/// A table with rows of some days, some without a date, in two classes.
fn table(granularity: Granularity, days: impl IntoIterator<Item = i32>) -> TableState {
    let sql = "CREATE TABLE t (ts TIMESTAMPTZ, symbol TEXT, trade_date DATE, asset_class TEXT)";
    let statement = crate::sql::parse(sql).unwrap().remove(0);
    let Some(datafusion::sql::sqlparser::ast::Statement::CreateTable(create)) = statement.ast() else {
        panic!("not a CREATE TABLE");
    };
    let mut def = crate::sql::create_table(create).unwrap();
    def.partitioning.granularity = granularity;
    let mut state = TableState::new(def);
    let periods = days.into_iter().map(|day| Some(granularity.period_start(day))).chain([None]);
    let keys = periods.flat_map(|period| [Some("FX"), None].map(|class| (period, class.map(str::to_owned))));
    for (id, (period, class)) in keys.enumerate() {
        state.insert_segment(Arc::new(Segment {
            id: id as u64 + 1,
            table: 1,
            partition: PartitionKey { period, class },
            tier: Tier::ALL[id % 3],
            role: Role::Owner,
            location: String::new(),
            rows: 1,
            bytes: 1,
            hash: RowHash(0),
            stats: BTreeMap::new(),
            sorted: true,
            job: JobId("j".to_owned()),
            created_epoch: 0,
        }));
    }
    state
}

fn date() -> Expr {
    col("trade_date")
}

fn day(day: i32) -> Expr {
    lit(ScalarValue::Date32(Some(day)))
}

fn range(first: Option<i32>, last: Option<i32>) -> DayRange {
    DayRange { first, last }
}

#[test]
fn filters_leave_the_days_that_pass_them_all() {
    let state = table(Granularity::Day, [1]);
    let of = |filters: &[Expr]| DayRange::of_filters(&state.def, filters);
    assert_eq!(of(&[]), range(None, None));
    assert_eq!(of(&[date().eq(day(5))]), range(Some(5), Some(5)));
    assert_eq!(of(&[date().gt_eq(day(5)), date().lt(day(9))]), range(Some(5), Some(8)));
    assert_eq!(of(&[date().gt(day(5)).and(date().lt_eq(day(9)))]), range(Some(6), Some(9)));
    assert_eq!(of(&[day(5).lt_eq(date()), day(9).gt(date())]), range(Some(5), Some(8)));
    assert_eq!(of(&[date().between(day(5), day(9)), date().gt_eq(day(7))]), range(Some(7), Some(9)));
    assert_eq!(of(&[date().lt(day(i32::MIN))]), range(None, Some(i32::MIN)));
    // Of these, nothing is known.
    for filter in [
        date().eq(day(5)).or(col("symbol").eq(lit("ES"))),
        date().not_between(day(5), day(9)),
        date().not_eq(day(5)),
        col("symbol").eq(lit("ES")),
        date().gt(col("ts")),
        date().is_null(),
        date().eq(lit(ScalarValue::Date32(None))),
    ] {
        assert_eq!(of(&[filter]), range(None, None));
    }
}

#[test]
fn conditions_leave_the_days_that_pass_them_all() {
    let state = table(Granularity::Day, [1]);
    let condition = |column: &str, comparison, value| Condition { column: column.to_owned(), comparison, value };
    let of = |conditions: &[Condition]| DayRange::of_conditions(&state.def, conditions);
    let on_date = |comparison, day| condition("trade_date", comparison, Value::Date(day));
    assert_eq!(of(&[on_date(Comparison::Equal, 7)]), range(Some(7), Some(7)));
    assert_eq!(of(&[on_date(Comparison::Greater, 7), on_date(Comparison::LessOrEqual, 9)]), range(Some(8), Some(9)));
    assert_eq!(of(&[condition("symbol", Comparison::Equal, Value::Text("ES".to_owned()))]), range(None, None));
}

#[test]
fn a_partition_with_a_day_of_the_range_is_never_left_out() {
    for granularity in [Granularity::Day, Granularity::Month, Granularity::Year] {
        let days: Vec<i32> = (19_700..20_500).step_by(3).collect();
        let state = table(granularity, days.iter().copied());
        for (first, last) in [(19_723, 19_753), (19_700, 19_700), (20_000, 19_000), (0, 40_000), (20_499, 30_000)] {
            let found: Vec<&PartitionKey> =
                range(Some(first), Some(last)).partitions(&state).map(|(key, _)| key).collect();
            for day in days.iter().filter(|day| (first..=last).contains(*day)) {
                let period = Some(granularity.period_start(*day));
                assert_eq!(found.iter().filter(|key| key.period == period).count(), 2, "{granularity:?} {day}");
            }
            let within = |key: &&PartitionKey| {
                let start = key.period.unwrap();
                start <= last && granularity.period_end(start) > first
            };
            assert!(found.iter().all(within), "{granularity:?} {first} {last}: {found:?}");
        }
        let all = |range: DayRange| range.partitions(&state).count();
        assert_eq!(all(range(None, None)), state.partition_count());
        assert_eq!(all(range(None, Some(i32::MAX))), state.partition_count() - 2, "rows without a date do not pass");
        assert_eq!(all(range(Some(i32::MIN), None)), state.partition_count() - 2);
    }
}

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;

use datafusion::prelude::{col, lit};
use datafusion::scalar::ScalarValue;
use zxq_catalog::{JobId, Role, RowHash, SegmentId};

use super::*;

/// A table of daily partitions of two classes, with two segments in hot and one in cold each, in no order.
fn table(days: u64) -> TableState {
    let sql = "CREATE TABLE t (ts TIMESTAMPTZ, symbol TEXT, trade_date DATE, asset_class TEXT)";
    let statement = crate::sql::parse(sql).unwrap().remove(0);
    let Some(datafusion::sql::sqlparser::ast::Statement::CreateTable(create)) = statement.ast() else {
        panic!("not a CREATE TABLE");
    };
    let mut def = crate::sql::create_table(create).unwrap();
    def.partitioning.granularity = Granularity::Day;
    let mut state = TableState::new(def);
    for number in 0..days * 6 {
        let id = number * 7919 % (days * 6) + 1;
        let tier = if number % 3 == 2 { Tier::Cold } else { Tier::Hot };
        let class = if number / 3 % 2 == 0 { "FX" } else { "CRYPTO" };
        let partition = PartitionKey { period: Some((number / 6) as i32), class: Some(class.to_owned()) };
        state.insert_segment(segment(id, tier, partition, Role::Owner));
    }
    state
}

fn segment(id: SegmentId, tier: Tier, partition: PartitionKey, role: Role) -> Arc<Segment> {
    Arc::new(Segment {
        id,
        table: 1,
        partition,
        tier,
        role,
        location: String::new(),
        rows: id % 5 + 1,
        bytes: 1,
        hash: RowHash(0),
        stats: BTreeMap::new(),
        sorted: true,
        job: JobId("j".to_owned()),
        created_epoch: 0,
    })
}

fn days(from: i32, to: i32) -> Expr {
    let day = |day| lit(ScalarValue::Date32(Some(day)));
    col("trade_date").between(day(from), day(to))
}

fn fx() -> Expr {
    col("asset_class").eq(lit(ScalarValue::Utf8View(Some("FX".to_owned()))))
}

/// Compares the plan with what looking at every segment gives.
fn check(state: &TableState, filters: &[Expr], passes: impl Fn(&PartitionKey) -> bool) {
    for tiers in [&Tier::ALL[..], &[Tier::Hot], &[Tier::Cold, Tier::Hot], &[Tier::Warm], &[]] {
        let plan = plan_scan(state, filters, tiers, &ExecutionProps::new()).unwrap();
        let whole = state.read_set(tiers);
        for tier in Tier::ALL {
            let all: Vec<_> = whole.iter().filter(|segment| segment.tier == tier).collect();
            let kept: Vec<_> = all.iter().filter(|s| passes(&s.partition)).map(|s| s.id).collect();
            let part = &plan.tiers[tier.index()];
            let planned: Vec<_> = part.segments.iter().map(|segment| segment.id).collect();
            assert_eq!(planned, kept, "{tiers:?} {tier}");
            assert_eq!(part.pruned, all.len() - kept.len(), "{tiers:?} {tier}");
        }
        let rows: u64 = whole.iter().map(|segment| segment.rows).sum();
        assert_eq!(plan.rows_left_out, state.row_count() - rows, "{tiers:?}");
        assert!(plan.exact);
    }
}

#[test]
fn partitions_are_ruled_out_as_their_segments_would_be() {
    let mut state = table(40);
    let is_fx = |key: &PartitionKey| key.class.as_deref() == Some("FX");
    let within = |key: &PartitionKey| key.period.is_some_and(|period| (10..=20).contains(&period));
    for replicated in [false, true] {
        if replicated {
            let owner = Arc::clone(state.tier(Tier::Cold).iter().next().unwrap());
            let replica = segment(9_999, Tier::Hot, owner.partition.clone(), Role::ReplicaOf(vec![owner.id]));
            state.insert_segment(Arc::new(Segment { rows: owner.rows, ..replica.as_ref().clone() }));
        }
        check(&state, &[], |_| true);
        check(&state, &[days(10, 20)], within);
        check(&state, &[fx()], is_fx);
        check(&state, &[days(10, 20), fx()], |key| within(key) && is_fx(key));
        check(&state, &[days(1_000, 2_000)], |_| false);
    }
    check(&table(0), &[days(10, 20)], within);
}

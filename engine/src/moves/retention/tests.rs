#![allow(clippy::unwrap_used)]

use zxq_catalog::{Change, PartitionKey, Snapshot, Value};

use super::*;
use crate::moves::plan::tests::{add_segment, config, never, snapshot};
use crate::moves::plan::{Action, by_policy};

const DAY_US: i64 = 86_400_000_000;
const LATE: i64 = 30_000 * DAY_US;

/// Options hold ages in seconds, as `CREATE TABLE` leaves them.
const TEN_DAYS: &str = "864000";
const HUNDRED_DAYS: &str = "8640000";

/// A table that keeps ten days, and what its policy deletes.
fn table(tier: Tier) -> (Snapshot, Vec<PlannedMove>) {
    let snapshot = snapshot(&[("retention", TEN_DAYS)], &[(tier, 100), (tier, 150)]);
    let moves: Vec<PlannedMove> = by_policy(&snapshot, &config(), 0, LATE, &never)
        .into_iter()
        .filter(|planned| planned.action == Action::Delete)
        .collect();
    (snapshot, moves)
}

fn deleted(snapshot: &Snapshot, planned: &PlannedMove) -> Vec<u64> {
    let state = snapshot.table_by_id(planned.table).unwrap();
    expired(state, planned, &config(), LATE).iter().map(|segment| segment.id).collect()
}

fn key(day: i32) -> PartitionKey {
    PartitionKey { period: Some(day), class: Some("FX".to_owned()) }
}

#[test]
fn what_was_planned_goes() {
    for tier in Tier::ALL {
        let (snapshot, moves) = table(tier);
        assert_eq!(moves.len(), 1, "in {tier}");
        assert_eq!(deleted(&snapshot, &moves[0]), [1], "in {tier}");
    }
}

#[test]
fn rows_that_came_since_stay() {
    for tier in [Tier::Warm, Tier::Cold] {
        let (snapshot, moves) = table(tier);
        let later = snapshot.apply(&[add_segment(9, tier, key(100), Value::Date(100))]).unwrap();
        assert_eq!(deleted(&later, &moves[0]), [1], "in {tier}");
    }
    // One number covers the log of the whole partition, so in hot nothing goes beside rows that stay.
    let (snapshot, moves) = table(Tier::Hot);
    let later = snapshot.apply(&[add_segment(9, Tier::Hot, key(100), Value::Date(100))]).unwrap();
    assert!(deleted(&later, &moves[0]).is_empty());
}

#[test]
fn segments_that_went_elsewhere_are_not_missed() {
    let (snapshot, moves) = table(Tier::Warm);
    let later = snapshot.apply(&[Change::RetireSegment { table: 1, segment: 1 }]).unwrap();
    assert!(deleted(&later, &moves[0]).is_empty());
}

#[test]
fn a_retention_that_was_lengthened_since_counts() {
    let (snapshot, moves) = table(Tier::Cold);
    let mut def = snapshot.table_by_id(1).unwrap().def.as_ref().clone();
    def.options.insert("retention".to_owned(), HUNDRED_DAYS.to_owned());
    let later = snapshot.apply(&[Change::AlterTable(Box::new(def))]).unwrap();
    assert!(deleted(&later, &moves[0]).is_empty());
}

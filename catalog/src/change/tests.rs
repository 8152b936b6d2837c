#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::Change;
use crate::fixtures::{column, partition, replica, segment, table};
use crate::{CatalogError, Segment, SegmentId, Snapshot, Tier};
use arrow::datatypes::DataType;

fn add(segment: Segment) -> Change {
    Change::AddSegment(Box::new(segment))
}

fn retire(segment: SegmentId) -> Change {
    Change::RetireSegment { table: 1, segment }
}

fn with_table() -> Snapshot {
    Snapshot::default().apply(&[Change::CreateTable(Box::new(table(1, "trades")))]).unwrap()
}

fn ids(snapshot: &Snapshot) -> Vec<SegmentId> {
    snapshot.table("trades").unwrap().all().map(|s| s.id).collect()
}

fn refused(snapshot: &Snapshot, changes: &[Change]) -> String {
    let before = snapshot.clone();
    let error = snapshot.apply(changes).unwrap_err();
    assert_eq!(*snapshot, before, "a refused change left something behind");
    assert!(matches!(error, CatalogError::Conflict(_) | CatalogError::TableExists(_)), "{error:?}");
    error.to_string()
}

#[test]
fn every_change_makes_the_next_epoch_and_leaves_the_old_snapshot() {
    let first = with_table();
    let second = first.apply(&[add(segment(10, 1, Tier::Hot)), add(segment(11, 1, Tier::Cold))]).unwrap();
    assert_eq!((first.epoch, second.epoch), (1, 2));
    assert!(ids(&first).is_empty());
    assert_eq!(ids(&second), [10, 11]);
    let state = second.table("trades").unwrap();
    assert!(state.all().all(|s| s.created_epoch == 2));
    assert_eq!(state.row_count(), 110 + 111);
    assert_eq!(state.tier(Tier::Cold).len(), 1);
}

#[test]
fn tables_that_did_not_change_are_shared() {
    let first = with_table().apply(&[Change::CreateTable(Box::new(table(2, "quotes")))]).unwrap();
    let second = first.apply(&[add(segment(10, 1, Tier::Hot))]).unwrap();
    assert!(std::sync::Arc::ptr_eq(first.table("quotes").unwrap(), second.table("quotes").unwrap()));
}

#[test]
fn a_taken_table_name_or_id_is_refused() {
    let snapshot = with_table();
    assert!(refused(&snapshot, &[Change::CreateTable(Box::new(table(2, "trades")))]).contains("already exists"));
    assert!(refused(&snapshot, &[Change::CreateTable(Box::new(table(1, "other")))]).contains("not fresh"));
    assert!(refused(&snapshot, &[Change::CreateTable(Box::new(table(0, "other")))]).contains("not fresh"));
}

#[test]
fn dropping_frees_the_name_and_takes_the_segments_away() {
    let snapshot = with_table().apply(&[add(segment(10, 1, Tier::Warm))]).unwrap();
    let dropped = snapshot.apply(&[Change::DropTable(1)]).unwrap();
    assert!(dropped.table("trades").is_none() && dropped.table_by_id(1).is_none());
    let again = dropped.apply(&[Change::CreateTable(Box::new(table(2, "trades")))]).unwrap();
    assert!(ids(&again).is_empty());
    refused(&dropped, &[Change::DropTable(1)]);
}

#[test]
fn altering_keeps_segments_and_respects_names() {
    let snapshot = with_table()
        .apply(&[add(segment(10, 1, Tier::Warm)), Change::CreateTable(Box::new(table(2, "quotes")))])
        .unwrap();
    let mut wider = table(1, "trades");
    wider.columns.push(column("venue", DataType::Utf8View, "TEXT"));
    let altered = snapshot.apply(&[Change::AlterTable(Box::new(wider.clone()))]).unwrap();
    assert_eq!(*altered.table("trades").unwrap().def, wider);
    assert_eq!(ids(&altered), [10]);
    assert!(refused(&snapshot, &[Change::AlterTable(Box::new(table(1, "quotes")))]).contains("already exists"));
    refused(&snapshot, &[Change::AlterTable(Box::new(table(9, "ghost")))]);
}

#[test]
fn retiring_an_owner_takes_its_replicas_along() {
    let snapshot = with_table()
        .apply(&[
            add(segment(10, 1, Tier::Cold)),
            add(segment(11, 1, Tier::Cold)),
            add(replica(12, 1, Tier::Hot, &[10, 11])),
            add(replica(13, 1, Tier::Warm, &[11])),
        ])
        .unwrap();
    assert_eq!(ids(&snapshot.apply(&[retire(10)]).unwrap()), [13, 11]);
    assert_eq!(ids(&snapshot.apply(&[retire(12)]).unwrap()), [13, 10, 11], "owners survive their replicas");
    assert_eq!(ids(&snapshot.apply(&[retire(11)]).unwrap()), [10]);
}

#[test]
fn segments_that_do_not_fit_are_refused() {
    let snapshot =
        with_table().apply(&[add(segment(10, 1, Tier::Cold)), add(replica(11, 1, Tier::Hot, &[10]))]).unwrap();
    refused(&snapshot, &[add(segment(10, 1, Tier::Hot))]);
    refused(&snapshot, &[add(segment(12, 7, Tier::Hot))]);
    refused(&snapshot, &[retire(99)]);
    refused(&snapshot, &[Change::RetireSegment { table: 7, segment: 10 }]);
    assert!(refused(&snapshot, &[add(replica(12, 1, Tier::Hot, &[10, 99]))]).contains("99"));
    assert!(refused(&snapshot, &[add(replica(12, 1, Tier::Hot, &[11]))]).contains("11"), "a replica owns nothing");
}

#[test]
fn one_bad_change_refuses_the_whole_list() {
    let snapshot = with_table();
    refused(&snapshot, &[add(segment(10, 1, Tier::Hot)), Change::DropTable(9)]);
    assert!(ids(&snapshot).is_empty());
}

#[test]
fn covered_log_positions_only_move_forward() {
    let cover = |lsn| Change::CoverWal { table: 1, partition: partition("FX"), lsn };
    let snapshot = with_table().apply(&[cover(7), cover(5)]).unwrap();
    let covered = &snapshot.table("trades").unwrap().wal_covered;
    assert_eq!(covered.get(&partition("FX")), Some(&7));
    assert_eq!(covered.get(&partition("CRYPTO")), None);
    refused(&snapshot, &[Change::CoverWal { table: 9, partition: partition("FX"), lsn: 1 }]);
}

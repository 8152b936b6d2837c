#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Arc;

use crate::fixtures::{replica, segment, table};
use crate::{Change, Segment, SegmentId, Snapshot, TableDef, Tier};

fn read_set(segments: Vec<Segment>, tiers: &[Tier]) -> Vec<SegmentId> {
    let mut changes = vec![Change::CreateTable(Box::new(table(1, "trades")))];
    changes.extend(segments.into_iter().map(|s| Change::AddSegment(Box::new(s))));
    let snapshot = Snapshot::default().apply(&changes).unwrap();
    let mut ids: Vec<_> = snapshot.table("trades").unwrap().read_set(tiers).iter().map(|s| s.id).collect();
    ids.sort_unstable();
    ids
}

fn promoted() -> Vec<Segment> {
    vec![
        segment(1, 1, Tier::Cold),
        segment(2, 1, Tier::Cold),
        segment(3, 1, Tier::Warm),
        replica(4, 1, Tier::Hot, &[1, 3]),
    ]
}

#[test]
fn a_replica_stands_in_for_all_its_owners() {
    assert_eq!(read_set(promoted(), &Tier::ALL), [2, 4]);
}

#[test]
fn owners_are_read_where_the_hint_leaves_the_replica_out() {
    assert_eq!(read_set(promoted(), &[Tier::Warm, Tier::Cold]), [1, 2, 3]);
    assert_eq!(read_set(promoted(), &[Tier::Warm]), [3]);
}

#[test]
fn a_replica_is_read_where_the_hint_leaves_the_owners_out() {
    assert_eq!(read_set(promoted(), &[Tier::Hot]), [4]);
    assert!(read_set(promoted(), &[]).is_empty());
}

#[test]
fn overlapping_replicas_never_give_a_row_twice() {
    let mut segments = promoted();
    segments.push(replica(5, 1, Tier::Hot, &[1, 2]));
    segments.push(replica(6, 1, Tier::Warm, &[1]));
    assert_eq!(read_set(segments, &Tier::ALL), [2, 4]);
}

fn with_tables(tables: &[(u64, &str)]) -> Snapshot {
    let changes: Vec<Change> =
        tables.iter().map(|(id, name)| Change::CreateTable(Box::new(table(*id, name)))).collect();
    Snapshot::default().apply(&changes).unwrap()
}

#[test]
fn private_segments_are_seen_in_a_copy_only() {
    let snapshot = with_tables(&[(1, "trades"), (2, "quotes")]);
    let own: Vec<Arc<Segment>> = [(7, 1), (8, 2), (9, 3)].map(|(id, of)| Arc::new(segment(id, of, Tier::Hot))).into();
    let seen = snapshot.with_private(&own);
    assert_eq!(seen.epoch, snapshot.epoch);
    assert_eq!(seen.table("trades").unwrap().row_count(), own[0].rows);
    assert!(seen.table("quotes").unwrap().segment(8).is_some());
    assert_eq!(seen.tables.len(), 2, "the third table is not there");
    assert_eq!(snapshot.table("trades").unwrap().row_count(), 0);
}

#[test]
fn an_older_snapshot_takes_newer_definitions_and_keeps_its_rows() {
    let old = with_tables(&[(1, "trades"), (2, "gone")]);
    let old = old.apply(&[Change::AddSegment(Box::new(segment(1, 1, Tier::Cold)))]).unwrap();
    let renamed = TableDef { name: "ticks".to_owned(), ..table(1, "trades") };
    let new = old
        .apply(&[
            Change::AlterTable(Box::new(renamed)),
            Change::AddSegment(Box::new(segment(2, 1, Tier::Cold))),
            Change::CreateTable(Box::new(table(3, "later"))),
            Change::AddSegment(Box::new(segment(3, 3, Tier::Hot))),
            Change::DropTable(2),
        ])
        .unwrap();
    let seen = old.with_definitions_of(&new);
    assert_eq!(seen.epoch, old.epoch);
    let ticks = seen.table("ticks").unwrap();
    assert!(ticks.segment(1).is_some() && ticks.segment(2).is_none());
    assert_eq!(seen.table("later").unwrap().row_count(), 0);
    assert!(seen.table("gone").is_some(), "who has read it reads it on");
}

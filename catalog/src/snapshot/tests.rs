#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use crate::fixtures::{replica, segment, table};
use crate::{Change, Segment, SegmentId, Snapshot, Tier};

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

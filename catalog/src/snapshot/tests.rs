#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Arc;

use crate::fixtures::{replica, segment, table};
use crate::{Change, ColumnStats, PartitionKey, Segment, SegmentId, Snapshot, TableDef, Tier, Totals, Value};

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
    let seen = snapshot.with_private(&own, &[]);
    assert_eq!(seen.epoch, snapshot.epoch);
    assert_eq!(seen.table("trades").unwrap().row_count(), own[0].rows);
    assert!(seen.table("quotes").unwrap().segment(8).is_some());
    assert_eq!(seen.tables.len(), 2, "the third table is not there");
    assert_eq!(snapshot.table("trades").unwrap().row_count(), 0);
    let corrected = seen.with_private(&[], &own[..1]);
    assert_eq!(corrected.table("trades").unwrap().row_count(), 0);
    assert_eq!(seen.table("trades").unwrap().row_count(), own[0].rows);
}

#[test]
fn a_snapshot_of_some_segments_has_no_others_of_that_table() {
    let own: Vec<Change> =
        [(7, 1), (8, 1), (9, 2)].map(|(id, of)| Change::AddSegment(Box::new(segment(id, of, Tier::Cold)))).into();
    let all = with_tables(&[(1, "trades"), (2, "quotes")]).apply(&own).unwrap();
    let kept = Arc::clone(all.table("trades").unwrap().segment(8).unwrap());
    let only = all.with_only(1, [kept]);
    let ids = |name| only.table(name).unwrap().all().map(|segment| segment.id).collect::<Vec<_>>();
    assert_eq!((only.epoch, ids("trades"), ids("quotes")), (all.epoch, vec![8], vec![9]));
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

/// A partition of a day.
fn day(number: u64) -> PartitionKey {
    PartitionKey { period: Some(number as i32), class: None }
}

fn small(id: SegmentId, partition: PartitionKey, tier: Tier) -> Segment {
    Segment { partition, stats: Default::default(), rows: id % 7 + 1, ..segment(id, 1, tier) }
}

fn add(segment: Segment) -> Change {
    Change::AddSegment(Box::new(segment))
}

/// A table of two segments in each of many partitions.
fn large(partitions: u64) -> Snapshot {
    let segments = (0..partitions).flat_map(|number| {
        [small(2 * number + 1, day(number), Tier::Hot), small(2 * number + 2, day(number), Tier::Warm)]
    });
    let changes: Vec<Change> = segments.map(add).collect();
    with_tables(&[(1, "trades"), (2, "quotes")]).apply(&changes).unwrap()
}

#[test]
fn a_commit_copies_what_it_changes_and_shares_the_rest() {
    let partitions = 50_000;
    let before = large(partitions);
    let state = before.table("trades").unwrap();
    let changes = [
        add(small(200_001, day(7), Tier::Hot)),
        add(small(200_002, day(partitions), Tier::Hot)),
        Change::RetireSegment { table: 1, segment: 2 * 9 + 1 },
        Change::CoverWal { table: 1, partition: day(9), lsn: 5 },
    ];
    let after = before.apply(&changes).unwrap();
    let now = after.table("trades").unwrap();
    let touched: Vec<u64> = (0..partitions)
        .filter(|number| !Arc::ptr_eq(state.partition(&day(*number)).unwrap(), now.partition(&day(*number)).unwrap()))
        .collect();
    assert_eq!(touched, [7, 9]);
    let made = now.tier(Tier::Hot).made_since(state.tier(Tier::Hot));
    assert!(made <= 12, "{made} nodes were made for two segments that came and one that went");
    assert!(now.tier(Tier::Warm).ptr_eq(state.tier(Tier::Warm)));
    assert!(Arc::ptr_eq(before.table("quotes").unwrap(), after.table("quotes").unwrap()));
    assert_eq!(state.tier(Tier::Hot).len() + 1, now.tier(Tier::Hot).len(), "the snapshot before is as it was");
}

#[test]
fn a_partition_of_many_segments_is_shared_too() {
    let changes: Vec<Change> = (1..=50_000).map(|id| add(small(id, day(1), Tier::Hot))).collect();
    let before = with_tables(&[(1, "trades")]).apply(&changes).unwrap();
    let after = before.apply(&[add(small(50_001, day(1), Tier::Hot))]).unwrap();
    let hot =
        |snapshot: &Snapshot| snapshot.table("trades").unwrap().partition(&day(1)).unwrap().tier(Tier::Hot).clone();
    assert_eq!(hot(&after).len(), 50_001);
    assert!(hot(&after).made_since(&hot(&before)) <= 8);
}

#[test]
fn partitions_and_totals_are_those_of_the_segments() {
    let mut snapshot = large(40);
    let mut changes: Vec<Change> = vec![add(Segment { partition: day(3), ..replica(500, 1, Tier::Hot, &[8, 10]) })];
    changes.extend((1..30).step_by(3).map(|segment| Change::RetireSegment { table: 1, segment }));
    changes.extend([7, 8].map(|number| add(small(600 + number, day(number), Tier::Cold))));
    for change in changes {
        snapshot = snapshot.apply(&[change]).unwrap();
        let state = snapshot.table("trades").unwrap();
        let mut by_partition = Vec::new();
        for (key, partition) in state.partitions() {
            assert!(!partition.is_empty());
            assert!(partition.all().all(|segment| segment.partition == *key));
            by_partition.extend(partition.all().map(|segment| segment.id));
        }
        let mut all: Vec<SegmentId> = state.all().map(|segment| segment.id).collect();
        assert_eq!(state.segment_count(), all.len());
        all.sort_unstable();
        by_partition.sort_unstable();
        assert_eq!(all, by_partition);
        assert_eq!(state.row_count(), state.owners().map(|segment| segment.rows).sum::<u64>());
        assert_eq!(state.has_replicas(), state.all().any(|segment| !segment.is_owner()));
        for tier in Tier::ALL {
            let segments = state.tier(tier);
            let rows = |owner: bool| segments.iter().filter(|s| s.is_owner() == owner).map(|s| s.rows).sum::<u64>();
            let totals = Totals {
                owners: segments.owners().count(),
                owned_rows: rows(true),
                replica_rows: rows(false),
                bytes: segments.iter().map(|segment| segment.bytes).sum(),
            };
            assert_eq!(segments.totals(), totals);
            assert_eq!(segments.len(), segments.iter().count());
        }
    }
}

#[test]
fn it_is_known_what_a_commit_takes_away() {
    let snapshot = large(3).apply(&[add(replica(50, 1, Tier::Hot, &[2, 4]))]).unwrap();
    let gone = |changes: &[Change]| {
        let mut ids: Vec<SegmentId> = snapshot.apply_all(changes).unwrap().gone.iter().map(|s| s.id).collect();
        ids.sort_unstable();
        ids
    };
    let retire = |segment| Change::RetireSegment { table: 1, segment };
    assert!(gone(&[add(small(60, day(1), Tier::Hot))]).is_empty());
    assert_eq!(gone(&[retire(1)]), [1]);
    assert_eq!(gone(&[retire(4), retire(3)]), [3, 4, 50], "a replica goes with its owner");
    assert_eq!(gone(&[retire(50), add(small(60, day(1), Tier::Hot))]), [50]);
    assert!(gone(&[retire(1), add(small(1, day(0), Tier::Hot))]).is_empty(), "it came back");
    assert_eq!(gone(&[Change::DropTable(1)]), [1, 2, 3, 4, 5, 6, 50]);
}

#[test]
fn a_replica_is_forgotten_with_its_owners_and_without_them() {
    let snapshot = large(3).apply(&[add(replica(50, 1, Tier::Hot, &[2, 4]))]).unwrap();
    let of = |snapshot: &Snapshot, owner| snapshot.table("trades").unwrap().replicas_of(owner).collect::<Vec<_>>();
    assert_eq!((of(&snapshot, 2), of(&snapshot, 4), of(&snapshot, 3)), (vec![50], vec![50], vec![]));
    for retired in [2, 50] {
        let after = snapshot.apply(&[Change::RetireSegment { table: 1, segment: retired }]).unwrap();
        assert!(of(&after, 2).is_empty() && of(&after, 4).is_empty());
        assert!(!after.table("trades").unwrap().has_replicas());
    }
}

fn sized(id: SegmentId, tier: Tier, least: i64, most: i64) -> Segment {
    let stats =
        ColumnStats { min: Some(Value::Int(least)), max: Some(Value::Int(most)), null_count: 1, has_bounds: true };
    Segment { stats: [("size".to_owned(), stats)].into(), ..segment(id, 1, tier) }
}

#[test]
fn statistics_of_a_tier_are_gathered_once_until_it_changes() {
    let first = with_tables(&[(1, "trades")])
        .apply(&[add(sized(1, Tier::Cold, 3, 9)), add(sized(2, Tier::Cold, -2, 5)), add(sized(3, Tier::Hot, 0, 1))])
        .unwrap();
    let column = |snapshot: &Snapshot, tier| snapshot.table("trades").unwrap().column(tier, "size").unwrap();
    let cold = column(&first, Tier::Cold);
    assert_eq!((&cold.min, &cold.max, cold.null_count), (&Some(Value::Int(-2)), &Some(Value::Int(9)), 2));
    let hot = column(&first, Tier::Hot);
    let second = first.apply(&[add(sized(4, Tier::Hot, 0, 7))]).unwrap();
    assert!(Arc::ptr_eq(&cold, &column(&second, Tier::Cold)), "the tier is as it was");
    assert_eq!(column(&second, Tier::Hot).max, Some(Value::Int(7)));
    assert!(Arc::ptr_eq(&hot, &column(&first, Tier::Hot)), "the snapshot before is as it was");
    let third = second.apply(&[Change::RetireSegment { table: 1, segment: 1 }]).unwrap();
    assert_eq!(column(&third, Tier::Cold).max, Some(Value::Int(5)));
    assert!(first.table("trades").unwrap().column(Tier::Cold, "price").is_none(), "no segment knows it");
    assert_eq!(
        *first.table("trades").unwrap().column(Tier::Warm, "size").unwrap(),
        ColumnStats { has_bounds: true, ..ColumnStats::default() }
    );
}

#[test]
fn statistics_that_cannot_be_compared_leave_no_bounds() {
    let of = |value: Value| ColumnStats { min: Some(value.clone()), max: Some(value), null_count: 0, has_bounds: true };
    let mut total = of(Value::Int(1));
    total.widen(&of(Value::Float(2.0)));
    assert_eq!(total, ColumnStats::default());
    total.widen(&of(Value::Int(1)));
    assert_eq!(total, ColumnStats::default(), "what is not known stays so");
    let mut nulls = ColumnStats { null_count: 4, has_bounds: true, ..ColumnStats::default() };
    nulls.widen(&of(Value::Int(1)));
    assert_eq!(nulls, ColumnStats { null_count: 4, ..of(Value::Int(1)) });
}

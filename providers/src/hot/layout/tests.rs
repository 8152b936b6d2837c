#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use crate::hot::store::HotStore;
use crate::hot::testing::{insert, many, rows, store, trades};

fn piece(store: &HotStore, facts: &Arc<Segment>) -> Piece {
    let segment = store.segment(facts.id).unwrap();
    Piece { rows: 0..segment.num_rows(), facts: Arc::clone(facts), segment }
}

fn ids(layout: &ScanLayout) -> Vec<Vec<u64>> {
    layout.partitions.iter().map(|p| p.iter().map(|piece| piece.facts.id).collect()).collect()
}

/// Segments of one row each, given as (symbol, ts).
fn pieces(store: &HotStore, keys: &[&[(&str, i64)]]) -> Vec<Piece> {
    let mut all = Vec::new();
    for (id, keys) in (1..).zip(keys) {
        let of: Vec<_> = keys.iter().map(|(s, ts)| (Some(*s), Some(*ts), *ts)).collect();
        all.push(piece(store, &insert(store, &trades(), id, &rows(&of))));
    }
    all
}

#[test]
fn segments_that_follow_each_other_make_one_ordered_partition() {
    let store = store();
    let all = pieces(&store, &[&[("C", 1), ("D", 1)], &[("A", 1), ("A", 5)], &[("A", 5), ("B", 9)]]);
    let layout = ScanLayout::new(all, &trades().sort_by, 4);
    assert!(layout.ordered);
    assert_eq!(ids(&layout), [[2, 3, 1]], "equal keys may touch");
}

#[test]
fn overlapping_segments_go_side_by_side_until_there_are_too_many() {
    let store = store();
    let overlapping: Vec<&[(&str, i64)]> = vec![&[("A", 1), ("Z", 1)]; 9];
    let all = pieces(&store, &overlapping);
    let layout = ScanLayout::new(all[..8].to_vec(), &trades().sort_by, 2);
    assert!(layout.ordered);
    assert_eq!(layout.partitions.len(), 8);
    let layout = ScanLayout::new(all, &trades().sort_by, 2);
    assert!(!layout.ordered);
    assert_eq!(layout.partitions.len(), 1, "few rows need one partition only");
}

#[test]
fn no_order_is_claimed_for_other_sort_keys_or_unsorted_facts() {
    let store = store();
    let all = pieces(&store, &[&[("A", 1)]]);
    assert!(!ScanLayout::new(all.clone(), &[], 2).ordered);
    assert!(!ScanLayout::new(all.clone(), &["ts".to_owned()], 2).ordered);
    let mut unsorted = all.clone();
    let facts = Segment { sorted: false, ..all[0].facts.as_ref().clone() };
    unsorted[0].facts = Arc::new(facts);
    assert!(!ScanLayout::new(unsorted, &trades().sort_by, 2).ordered);
}

#[test]
fn nulls_come_before_everything() {
    let store = store();
    let nulls = insert(&store, &trades(), 1, &rows(&[(None, Some(9), 1), (Some("A"), None, 1)]));
    let values = insert(&store, &trades(), 2, &rows(&[(Some("A"), Some(1), 2)]));
    let layout = ScanLayout::new(vec![piece(&store, &values), piece(&store, &nulls)], &trades().sort_by, 2);
    assert_eq!(ids(&layout), [[1, 2]]);
}

#[test]
fn a_large_segment_is_cut_into_row_ranges_in_order() {
    let store = store();
    let facts = insert(&store, &trades(), 1, &many(0, 300_000));
    let layout = ScanLayout::new(vec![piece(&store, &facts)], &trades().sort_by, 4);
    assert!(layout.ordered);
    let ranges: Vec<_> = layout.partitions.iter().map(|p| p[0].rows.clone()).collect();
    assert_eq!(ranges, [0..75_000, 75_000..150_000, 150_000..225_000, 225_000..300_000]);
    let unordered = ScanLayout::new(vec![piece(&store, &facts)], &[], 2);
    assert_eq!(unordered.partitions.iter().map(|p| row_count(p)).collect::<Vec<_>>(), [150_000, 150_000]);
}

#[test]
fn nothing_to_read_is_one_empty_partition() {
    let layout = ScanLayout::new(Vec::new(), &trades().sort_by, 4);
    assert_eq!(layout.partitions.len(), 1);
    assert!(layout.partitions[0].is_empty());
}

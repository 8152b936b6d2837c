use std::collections::BTreeMap;
use std::sync::Arc;

use zxq_catalog::{Granularity, PartitionKey, Partitioning, Role, RowHash, TableDef};

use super::*;

/// A table of which only the segments matter.
fn table(segments: Vec<Segment>) -> TableState {
    let mut state = TableState::new(TableDef {
        partitioning: Partitioning { granularity: Granularity::Day, ..Partitioning::none() },
        ..TableDef::new(1, "t", Vec::new())
    });
    for segment in segments {
        state.insert_segment(Arc::new(segment));
    }
    state
}

/// An owner; all have the same rows.
fn owner(id: SegmentId, tier: Tier, job: &str) -> Segment {
    Segment {
        id,
        table: 1,
        partition: PartitionKey::default(),
        tier,
        role: Role::Owner,
        location: format!("{tier}/{id}"),
        rows: 10,
        bytes: 1000,
        hash: RowHash(7),
        stats: BTreeMap::new(),
        sorted: true,
        job: JobId(job.to_owned()),
        created_epoch: 0,
    }
}

fn warm(id: SegmentId, job: &str) -> Segment {
    owner(id, Tier::Warm, job)
}

fn cold(id: SegmentId, job: &str) -> Segment {
    owner(id, Tier::Cold, job)
}

fn hot(id: SegmentId, lsn: u64) -> Segment {
    Segment { location: format!("lsn:{lsn}"), ..owner(id, Tier::Hot, "insert") }
}

/// Segments that a job made of others.
fn copied(job: &str, from: &[SegmentId], made: &[SegmentId], at_us: i64) -> Vec<LineageEntry> {
    let entry = |segment: &SegmentId| LineageEntry {
        segment: *segment,
        job: JobId(job.to_owned()),
        from_segments: from.to_vec(),
        from_files: Vec::new(),
        at_us,
    };
    made.iter().map(entry).collect()
}

/// Segments that a job loaded.
fn loaded(job: &str, made: &[SegmentId], at_us: i64) -> Vec<LineageEntry> {
    let file = vec!["a.csv".to_owned()];
    copied(job, &[], made, at_us).into_iter().map(|e| LineageEntry { from_files: file.clone(), ..e }).collect()
}

fn problems(segments: Vec<Segment>, lineage: &[Vec<LineageEntry>]) -> Vec<(Tier, String)> {
    let found = doubled(&table(segments), &lineage.concat(), &HashMap::new());
    found.into_iter().map(|doubled| (doubled.tier, doubled.problem)).collect()
}

fn one(tier: Tier, problem: &str) -> Vec<(Tier, String)> {
    vec![(tier, problem.to_owned())]
}

#[test]
fn rows_that_moved_on_are_there_once() {
    // Loaded, moved, rewritten, moved again; the other half came from hot.
    let lineage = [
        loaded("load", &[1, 2], 1),
        copied("a", &[1, 2], &[3, 4], 2),
        copied("b", &[3, 4], &[5], 3),
        copied("c", &[5], &[6], 4),
        copied("d", &[100, 101], &[7], 5),
    ];
    assert_eq!(problems(vec![cold(6, "c"), warm(7, "d"), hot(102, 9)], &lineage), vec![]);
    assert_eq!(problems(vec![], &lineage), vec![]);
    assert_eq!(problems(vec![warm(1, "load"), warm(2, "load")], &[]), vec![]);
}

#[test]
fn a_segment_beside_the_one_it_was_copied_from_is_found() {
    let lineage = [loaded("load", &[7], 1), copied("j", &[7], &[12], 2)];
    assert_eq!(
        problems(vec![warm(7, "load"), cold(12, "j")], &lineage),
        one(
            Tier::Cold,
            "segment 12 (cold/12): its rows are also in segment 7 (warm/7), which it was copied from by job j"
        )
    );
    // Every one of them is named; of many sources some are.
    let sources: Vec<SegmentId> = (1..=20).collect();
    let lineage = [copied("j", &sources, &[30, 31], 2)];
    let mut segments: Vec<Segment> = (1..=10).map(|id| warm(id, "load")).collect();
    segments.extend([cold(30, "j"), cold(31, "j")]);
    let found = problems(segments, &lineage);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].1.starts_with("segment 30 (cold/30): its rows are also in segments 1 (warm/1), 2"), "{found:?}");
    assert!(found[1].1.ends_with("8 (warm/8) and 2 more, which it was copied from by job j"), "{found:?}");
}

#[test]
fn a_segment_beside_one_that_it_comes_from_by_way_of_others_is_found() {
    let lineage = [
        copied("a", &[1], &[2], 1),
        copied("b", &[2, 50], &[3], 2),
        copied("c", &[3], &[4, 5], 3),
        // Beside them, and none of it.
        copied("d", &[60], &[6], 4),
    ];
    let segments = vec![warm(1, "load"), cold(4, "c"), cold(6, "d")];
    assert_eq!(
        problems(segments, &lineage),
        one(
            Tier::Cold,
            "segment 4 (cold/4): its rows are also in segment 1 (warm/1), which it was copied from by way of job a"
        )
    );
}

#[test]
fn a_replica_doubles_nothing() {
    let replica = Segment { role: Role::ReplicaOf(vec![12]), location: "hot/13".to_owned(), ..hot(13, 0) };
    let lineage = [copied("j", &[7], &[12], 2), copied("k", &[7], &[13], 2)];
    assert_eq!(problems(vec![cold(12, "j"), replica], &lineage), vec![]);
}

#[test]
fn two_copies_of_one_source_are_found() {
    // The sources were hot segments: nobody knows more of them than their ids.
    let lineage = [copied("a", &[100, 101], &[28], 1), copied("b", &[101, 102, 100], &[30, 31], 2)];
    assert_eq!(
        problems(vec![warm(28, "a"), warm(30, "b"), cold(31, "b")], &lineage),
        one(
            Tier::Warm,
            "segment 30 (warm/30): its rows are there twice: segment 28 (warm/28) by job a and segments 30 (warm/30), 31 \
             (cold/31) by job b were both copied from segments 100, 101"
        )
    );
    // One of the copies was deleted since.
    assert_eq!(problems(vec![warm(28, "a")], &lineage), vec![]);
}

#[test]
fn the_copy_that_came_last_is_the_one_too_many() {
    let lineage = [copied("a", &[100], &[28], 9), copied("b", &[100], &[30], 2), copied("c", &[100], &[40], 3)];
    let found = problems(vec![cold(28, "a"), warm(30, "b"), warm(40, "c")], &lineage);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].0, Tier::Cold);
    assert!(found[0].1.starts_with("segment 28 (cold/28): its rows are there twice: segment 28"), "{found:?}");
    assert!(found[0].1.ends_with("segment 40 (warm/40) by job c were all copied from segment 100"), "{found:?}");
}

#[test]
fn two_copies_of_one_source_are_found_after_they_have_moved_on() {
    let twice = [copied("a", &[5], &[28], 1), copied("b", &[5], &[30], 2)];
    // Each by itself.
    let apart = [copied("c", &[28], &[40], 3), copied("d", &[30], &[41], 4)];
    let lineage = [twice.concat(), apart.concat()];
    assert_eq!(
        problems(vec![cold(40, "c"), cold(41, "d")], &lineage),
        one(
            Tier::Cold,
            "segment 41 (cold/41): its rows are there twice: segment 40 (cold/40) by job a and segment 41 (cold/41) by job b \
             were both copied from segment 5"
        )
    );
    // Together.
    let lineage = [twice.concat(), copied("c", &[28, 30], &[40], 3)];
    let found = problems(vec![cold(40, "c")], &lineage);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].1.starts_with("segment 40 (cold/40): its rows are there twice: "), "{found:?}");
    // What became of one of them is gone.
    let lineage = [twice.concat(), apart.concat()];
    assert_eq!(problems(vec![cold(41, "d")], &lineage), vec![]);
}

#[test]
fn the_same_rows_that_came_in_twice_are_no_doubled_rows() {
    // Loaded twice; inserted, moved, inserted and moved again. Rows and hash are the same in all of them.
    let lineage = [
        loaded("load", &[1], 1),
        loaded("again", &[2], 2),
        copied("a", &[100], &[3], 3),
        copied("b", &[200], &[4], 4),
        // In two goes, each with its own sources.
        copied("c", &[300], &[5], 5),
        copied("c", &[301], &[6], 5),
    ];
    let mut segments: Vec<Segment> = vec![warm(1, "load"), warm(2, "again"), warm(3, "a"), warm(4, "b")];
    segments.extend([warm(5, "c"), warm(6, "c"), hot(201, 9), hot(202, 10)]);
    assert_eq!(problems(segments, &lineage), vec![]);
}

#[test]
fn lineage_in_a_circle_comes_to_an_end() {
    let lineage = [copied("a", &[1], &[2], 1), copied("b", &[2], &[1], 2), copied("c", &[2], &[3], 3)];
    assert_eq!(problems(vec![warm(1, "b"), warm(2, "a"), warm(3, "c")], &lineage).len(), 4);
}

#[test]
fn owners_of_jobs_that_were_given_up_are_found() {
    let given_up = HashMap::from([(JobId("j".to_owned()), "the bucket was away".to_owned())]);
    let replica = Segment { role: Role::ReplicaOf(vec![2]), ..warm(3, "j") };
    let hot = owner(4, Tier::Hot, "j");
    let found = doubled(&table(vec![warm(1, "j"), warm(2, "k"), replica, hot]), &[], &given_up);
    let found: Vec<String> = found.into_iter().map(|doubled| doubled.problem).collect();
    assert_eq!(found, ["segment 1 (warm/1): its job was given up: the bucket was away (job j)"]);
}

#[test]
fn a_record_says_whether_a_job_was_given_up() {
    let error = || Some("why".to_owned());
    assert_eq!(why_given_up(JobPhase::Failed, error()), error());
    assert!(why_given_up(JobPhase::Failed, None).is_some());
    assert_eq!(why_given_up(JobPhase::Copying, error()), error());
    assert_eq!(why_given_up(JobPhase::Copying, None), None);
    assert_eq!(why_given_up(JobPhase::Durable, None), None);
    assert_eq!(why_given_up(JobPhase::Done, None), None);
}

#[test]
fn covered_rows_in_hot_are_found() {
    let other = PartitionKey { period: None, class: Some("FX".to_owned()) };
    let replica = Segment { role: Role::ReplicaOf(vec![1]), location: "lsn:0".to_owned(), ..hot(5, 3) };
    let empty = Segment { rows: 0, ..hot(6, 4) };
    let elsewhere = Segment { partition: other, ..hot(7, 4) };
    let mut state = table(vec![hot(2, 4), hot(3, 5), hot(4, 6), replica, empty, elsewhere, warm(1, "j")]);
    state.wal_covered.insert(PartitionKey::default(), 5);
    let found = doubled(&state, &[], &HashMap::new());
    let ids: Vec<&str> = found.iter().filter_map(|doubled| doubled.problem.split(':').next()).collect();
    assert_eq!(ids, ["segment 2 (lsn", "segment 3 (lsn"]);
    assert!(found.iter().all(|doubled| doubled.tier == Tier::Hot), "{found:?}");
    assert!(found[0].problem.ends_with("covered up to sequence number 5"), "{found:?}");
}

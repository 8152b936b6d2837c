use zxq_catalog::{Change, ColumnStats, JobId, Role, RowHash, Value};

use super::*;

const DAY: u64 = 86_400;
const DAY_US: i64 = 86_400_000_000;

pub(crate) fn snapshot(options: &[(&str, &str)], segments: &[(Tier, i32)]) -> Snapshot {
    let sql = "CREATE TABLE t (ts TIMESTAMPTZ, symbol TEXT, trade_date DATE, asset_class TEXT)";
    let statement = crate::sql::parse(sql).unwrap().remove(0);
    let Some(datafusion::sql::sqlparser::ast::Statement::CreateTable(create)) = statement.ast() else {
        panic!("not a CREATE TABLE");
    };
    let mut def = crate::sql::create_table(create).unwrap();
    def.id = 1;
    def.options = options.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let mut changes = vec![Change::CreateTable(Box::new(def))];
    for (index, (tier, day)) in segments.iter().enumerate() {
        let partition = PartitionKey { period: Some(*day), class: Some("FX".to_owned()) };
        changes.push(add_segment(index as u64 + 1, *tier, partition, Value::Date(*day)));
    }
    Snapshot::default().apply(&changes).unwrap()
}

/// A segment of table 1 whose rows have one date.
pub(crate) fn add_segment(id: SegmentId, tier: Tier, partition: PartitionKey, date: Value) -> Change {
    let stats = ColumnStats { min: Some(date.clone()), max: Some(date), null_count: 0, has_bounds: true };
    Change::AddSegment(Box::new(Segment {
        id,
        table: 1,
        partition,
        tier,
        role: Role::Owner,
        location: String::new(),
        rows: 10,
        bytes: 1000,
        hash: RowHash(0),
        stats: [("trade_date".to_owned(), stats)].into(),
        sorted: true,
        job: JobId("j".to_owned()),
        created_epoch: 0,
    }))
}

pub(crate) fn config() -> EngineConfig {
    let mut config = EngineConfig::at("unused");
    config.policy.hot_to_warm_age = Duration::from_secs(7 * DAY);
    config.policy.warm_to_cold_age = Duration::from_secs(30 * DAY);
    config
}

fn summary(moves: &[PlannedMove]) -> Vec<(i32, Tier, Tier, Action)> {
    moves.iter().map(|m| (m.partition.period.unwrap(), m.from, m.to, m.action)).collect()
}

/// A store that keeps rows of every age alike.
pub(crate) fn never(_: &TableDef, _: &Segment, _: Duration) -> bool {
    false
}

/// A moment long after all test data: only the table's own newest date counts.
const LATE: i64 = 30_000 * DAY_US;

#[test]
fn age_is_measured_from_the_newest_date_of_the_table() {
    let snapshot =
        snapshot(&[], &[(Tier::Hot, 100), (Tier::Hot, 94), (Tier::Hot, 93), (Tier::Hot, 70), (Tier::Warm, 69)]);
    let moves = by_policy(&snapshot, &config(), 0, LATE, &never);
    assert_eq!(
        summary(&moves),
        vec![
            (70, Tier::Hot, Tier::Cold, Action::Move),
            (93, Tier::Hot, Tier::Warm, Action::Move),
            (69, Tier::Warm, Tier::Cold, Action::Move),
        ]
    );
}

#[test]
fn the_wall_clock_counts_when_it_is_earlier() {
    let snapshot = snapshot(&[], &[(Tier::Hot, 100), (Tier::Hot, 93)]);
    assert!(by_policy(&snapshot, &config(), 0, 95 * DAY_US, &never).is_empty());
}

#[test]
fn table_options_go_before_the_configuration() {
    let snapshot =
        snapshot(&[("hot_to_warm_age", "never"), ("warm_to_cold_age", "never")], &[(Tier::Hot, 100), (Tier::Hot, 1)]);
    assert!(by_policy(&snapshot, &config(), 0, LATE, &never).is_empty());
}

#[test]
fn retention_deletes_in_every_tier() {
    let retention = (50 * DAY).to_string();
    let snapshot = snapshot(&[("retention", &retention)], &[(Tier::Hot, 100), (Tier::Cold, 50), (Tier::Cold, 51)]);
    assert_eq!(
        summary(&by_policy(&snapshot, &config(), 0, LATE, &never)),
        vec![(50, Tier::Cold, Tier::Cold, Action::Delete)]
    );
}

#[test]
fn a_full_hot_tier_flushes_its_oldest_partitions_first() {
    let mut config = config();
    config.hot.memory_limit_bytes = 2000;
    config.policy.hot_usage_threshold = 0.8;
    let snapshot = snapshot(&[], &[(Tier::Hot, 100), (Tier::Hot, 99), (Tier::Hot, 98)]);
    let moves = by_policy(&snapshot, &config, 3000, LATE, &never);
    assert_eq!(
        summary(&moves),
        vec![(98, Tier::Hot, Tier::Warm, Action::Move), (99, Tier::Hot, Tier::Warm, Action::Move)]
    );
}

/// The snapshot with a copy in hot of a segment that lies elsewhere.
fn with_copy_of(snapshot: &Snapshot, owner: SegmentId, id: SegmentId) -> Snapshot {
    let owner = snapshot.table("t").unwrap().segment(owner).unwrap().as_ref().clone();
    let copy = Segment { id, tier: Tier::Hot, role: Role::ReplicaOf(vec![owner.id]), ..owner };
    snapshot.apply(&[Change::AddSegment(Box::new(copy))]).unwrap()
}

#[test]
fn copies_leave_a_full_hot_tier_before_rows_do() {
    let mut config = config();
    config.hot.memory_limit_bytes = 2000;
    config.policy.hot_usage_threshold = 0.8;
    let snapshot = snapshot(&[], &[(Tier::Hot, 100), (Tier::Hot, 98), (Tier::Warm, 99), (Tier::Warm, 97)]);
    let snapshot = with_copy_of(&with_copy_of(&snapshot, 3, 10), 4, 11);
    let expected = [
        (97, Tier::Hot, Tier::Warm, Action::DropReplica),
        (99, Tier::Hot, Tier::Warm, Action::DropReplica),
        (98, Tier::Hot, Tier::Warm, Action::Move),
    ];
    for (bytes, moves) in [(1600, 0), (2000, 1), (3000, 2), (4000, 3)] {
        assert_eq!(summary(&by_policy(&snapshot, &config, bytes, LATE, &never)), expected[..moves], "{bytes}");
    }
}

#[test]
fn room_is_made_by_copies_and_then_by_what_is_oldest() {
    // Of day 60 the age asks for it, of the others it does not.
    let segments = [(Tier::Hot, 100), (Tier::Hot, 99), (Tier::Hot, 60), (Tier::Warm, 80), (Tier::Hot, 98)];
    let snapshot = with_copy_of(&snapshot(&[], &segments), 4, 10);
    let expected = [
        (80, Tier::Hot, Tier::Warm, Action::DropReplica),
        (60, Tier::Hot, Tier::Cold, Action::Move),
        (98, Tier::Hot, Tier::Warm, Action::Move),
        (99, Tier::Hot, Tier::Warm, Action::Move),
        (100, Tier::Hot, Tier::Warm, Action::Move),
    ];
    assert_eq!(summary(&for_room(&snapshot, &config(), LATE)), expected);
}

#[test]
fn what_its_store_wants_anew_is_rewritten_where_it_lies() {
    let snapshot = snapshot(&[], &[(Tier::Hot, 100), (Tier::Warm, 99), (Tier::Warm, 80), (Tier::Warm, 60)]);
    let is_due = |_: &TableDef, segment: &Segment, age: Duration| {
        segment.tier == Tier::Warm && age >= Duration::from_secs(10 * DAY)
    };
    assert_eq!(
        summary(&by_policy(&snapshot, &config(), 0, LATE, &is_due)),
        vec![(60, Tier::Warm, Tier::Cold, Action::Move), (80, Tier::Warm, Tier::Warm, Action::Rewrite)]
    );
}

#[test]
fn by_hand_names_partitions_that_exist() {
    let snapshot = snapshot(&[], &[(Tier::Hot, 100), (Tier::Warm, 99)]);
    let state = snapshot.table("t").unwrap();
    assert_eq!(
        summary(&by_hand(state, Tier::Cold, None, None).unwrap()),
        vec![(100, Tier::Hot, Tier::Cold, Action::Move), (99, Tier::Warm, Tier::Cold, Action::Move)]
    );
    assert_eq!(
        summary(&by_hand(state, Tier::Hot, None, Some("1970-04-10/FX")).unwrap()),
        vec![(99, Tier::Warm, Tier::Hot, Action::Promote)]
    );
    let error = by_hand(state, Tier::Cold, None, Some("2024-01-01/FX")).unwrap_err();
    assert!(error.to_string().contains("1970-04-10/FX"), "{error}");
    assert!(by_hand(state, Tier::Cold, Some(Tier::Cold), None).is_err());
}

//! Random valid commits keep what every reader relies on, in memory and in the store.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use arrow::datatypes::DataType;
use proptest::prelude::*;
use zxq_catalog::store::postgres::writer::{Claim, Claimed};
use zxq_catalog::store::{Commit, DroppedTable};
use zxq_catalog::{
    CatalogStore, Change, ColumnDef, JobId, PartitionKey, PostgresCatalog, PostgresCatalogOptions, Role, RowHash,
    Segment, SegmentId, Snapshot, SqliteStore, TableDef, TableId, Tier,
};
use zxq_test_support::postgres_server;

/// What a commit does. Numbers are picks among what is there. `Other`: another table comes, or goes where there is one.
#[derive(Debug, Clone)]
enum Step {
    Load { tier: usize, rows: u32 },
    Move { picks: Vec<usize>, tier: usize },
    Promote { picks: Vec<usize>, tier: usize },
    Delete { pick: usize },
    DropReplica { pick: usize },
    Cover { lsn: u64 },
    Other,
}

fn step() -> impl Strategy<Value = Step> {
    let picks = || prop::collection::vec(any::<usize>(), 1..4);
    prop_oneof![
        4 => (0usize..3, 1u32..5).prop_map(|(tier, rows)| Step::Load { tier, rows }),
        3 => (picks(), 0usize..3).prop_map(|(picks, tier)| Step::Move { picks, tier }),
        3 => (picks(), 0usize..2).prop_map(|(picks, tier)| Step::Promote { picks, tier }),
        1 => any::<usize>().prop_map(|pick| Step::Delete { pick }),
        1 => any::<usize>().prop_map(|pick| Step::DropReplica { pick }),
        1 => (0u64..100).prop_map(|lsn| Step::Cover { lsn }),
        1 => Just(Step::Other),
    ]
}

/// The truth that the catalog is checked against: which rows each segment holds.
#[derive(Default)]
struct Model {
    owners: BTreeMap<SegmentId, (Tier, BTreeSet<u32>)>,
    contents: BTreeMap<SegmentId, BTreeSet<u32>>,
    next_id: SegmentId,
    next_row: u32,
    /// The table beside the one that holds the rows.
    other: Option<TableId>,
    next_table: TableId,
    /// Tables that went, and when.
    dropped: Vec<DroppedTable>,
}

impl Model {
    fn segment(&mut self, tier: Tier, role: Role, rows: BTreeSet<u32>) -> Change {
        self.next_id += 1;
        let id = self.next_id;
        if role == Role::Owner {
            self.owners.insert(id, (tier, rows.clone()));
        }
        let change = Change::AddSegment(Box::new(Segment {
            id,
            table: 1,
            partition: PartitionKey::default(),
            tier,
            role,
            location: format!("s{id}"),
            rows: rows.len() as u64,
            bytes: 1,
            hash: RowHash(id),
            stats: BTreeMap::new(),
            sorted: false,
            job: JobId("job".to_owned()),
            created_epoch: 0,
        }));
        self.contents.insert(id, rows);
        change
    }

    /// Distinct owners, at least one where there is any, that `keep` allows.
    fn pick(&self, picks: &[usize], keep: impl Fn(Tier) -> bool) -> BTreeSet<SegmentId> {
        let ids: Vec<_> = self.owners.iter().filter(|(_, (tier, _))| keep(*tier)).map(|(id, _)| *id).collect();
        if ids.is_empty() { BTreeSet::new() } else { picks.iter().map(|p| ids[p % ids.len()]).collect() }
    }

    fn rows_of(&self, ids: &BTreeSet<SegmentId>) -> BTreeSet<u32> {
        ids.iter().flat_map(|id| self.contents[id].iter().copied()).collect()
    }

    fn changes(&mut self, step: &Step, snapshot: &Snapshot) -> Vec<Change> {
        let retire = |segment: SegmentId| Change::RetireSegment { table: 1, segment };
        match step {
            Step::Load { tier, rows } => {
                let fresh = self.next_row..self.next_row + rows;
                self.next_row += rows;
                vec![self.segment(Tier::ALL[*tier], Role::Owner, fresh.collect())]
            }
            Step::Move { picks, tier } => {
                let from = self.pick(picks, |_| true);
                let rows = self.rows_of(&from);
                self.owners.retain(|id, _| !from.contains(id));
                let mut changes: Vec<_> = from.iter().copied().map(retire).collect();
                if !rows.is_empty() {
                    changes.push(self.segment(Tier::ALL[*tier], Role::Owner, rows));
                }
                changes
            }
            Step::Promote { picks, tier } => {
                let to = Tier::ALL[*tier];
                let of = self.pick(picks, |tier| tier > to);
                let rows = self.rows_of(&of);
                if of.is_empty() {
                    return vec![];
                }
                vec![self.segment(to, Role::ReplicaOf(of.into_iter().collect()), rows)]
            }
            Step::Delete { pick } => {
                let gone = self.pick(&[*pick], |_| true);
                self.owners.retain(|id, _| !gone.contains(id));
                gone.into_iter().map(retire).collect()
            }
            Step::DropReplica { pick } => {
                let replicas: Vec<_> =
                    snapshot.table("t").unwrap().all().filter(|s| !s.is_owner()).map(|s| s.id).collect();
                if replicas.is_empty() { vec![] } else { vec![retire(replicas[pick % replicas.len()])] }
            }
            Step::Cover { lsn } => {
                vec![Change::CoverWal { table: 1, partition: PartitionKey::default(), lsn: *lsn }]
            }
            Step::Other => match self.other.take() {
                Some(id) => {
                    let storage_name = format!("other_{id}");
                    self.dropped.push(DroppedTable { table: id, storage_name, dropped_epoch: snapshot.epoch + 1 });
                    vec![Change::DropTable(id)]
                }
                None => {
                    self.next_table += 1;
                    let id = self.next_table + 1;
                    self.other = Some(id);
                    vec![Change::CreateTable(Box::new(TableDef { id, name: "other".to_owned(), ..table() }))]
                }
            },
        }
    }

    fn check(&self, snapshot: &Snapshot) {
        let state = snapshot.table("t").unwrap();
        let owners: BTreeSet<_> = state.owners().map(|s| s.id).collect();
        assert_eq!(owners, self.owners.keys().copied().collect(), "owners are what was loaded and moved");
        assert_eq!(state.all().map(|s| s.id).collect::<BTreeSet<_>>().len(), state.all().count(), "ids are distinct");
        for segment in state.all() {
            if let Role::ReplicaOf(of) = &segment.role {
                assert!(of.iter().all(|id| owners.contains(id)), "replica {} outlived an owner", segment.id);
            }
        }
        let truth: BTreeSet<u32> = self.owners.values().flat_map(|(_, rows)| rows.iter().copied()).collect();
        assert_eq!(state.row_count(), truth.len() as u64);
        for hint in 0u8..8 {
            let tiers: Vec<Tier> = Tier::ALL.into_iter().filter(|t| hint & (1 << t.index()) != 0).collect();
            let mut read = BTreeSet::new();
            for segment in state.read_set(&tiers) {
                assert!(tiers.contains(&segment.tier));
                for row in &self.contents[&segment.id] {
                    assert!(read.insert(*row), "row {row} is read twice with {tiers:?}");
                }
            }
            assert!(read.is_subset(&truth));
            let owned = self.owners.values().filter(|(tier, _)| tiers.contains(tier));
            assert!(
                owned.flat_map(|(_, rows)| rows).all(|row| read.contains(row)),
                "{tiers:?} leaves out its own rows"
            );
            if tiers.len() == 3 {
                assert_eq!(read, truth, "every row is read");
            }
        }
    }
}

fn table() -> TableDef {
    let column = ColumnDef::new("x", DataType::Int64, "BIGINT");
    TableDef::new(1, "t", vec![column])
}

fn create() -> Vec<Change> {
    vec![Change::CreateTable(Box::new(table()))]
}

/// What a store must give back: the snapshot without hot, segments in id order.
fn durable_part(snapshot: &Snapshot) -> Vec<Segment> {
    let mut segments: Vec<Segment> =
        snapshot.table("t").unwrap().all().filter(|s| s.tier != Tier::Hot).map(|s| s.as_ref().clone()).collect();
    segments.sort_by_key(|s| s.id);
    segments
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    #[test]
    fn every_row_is_read_exactly_once(commits in prop::collection::vec(prop::collection::vec(step(), 1..4), 1..12)) {
        let mut model = Model::default();
        let mut snapshot = Snapshot::default().apply(&create()).unwrap();
        for steps in &commits {
            for step in steps {
                let before = snapshot.clone();
                let mut changes = model.changes(step, &snapshot);
                let next = snapshot.apply(&changes).unwrap();
                prop_assert_eq!(&snapshot, &before, "apply changed its input");
                prop_assert_eq!(&next, &snapshot.apply(&changes).unwrap(), "apply is not a function");
                changes.push(Change::DropTable(99));
                prop_assert!(snapshot.apply(&changes).is_err());
                snapshot = next;
            }
            model.check(&snapshot);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn the_store_agrees_with_memory(commits in prop::collection::vec(step(), 1..16)) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("catalog.db");
        let open = async || Box::new(SqliteStore::open(&path).await.unwrap()) as Box<dyn CatalogStore>;
        run(agrees_with_memory(&commits, open));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn a_store_in_postgres_agrees_with_memory(commits in prop::collection::vec(step(), 1..16)) {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        if let Some(server) = postgres_server::shared() {
            let schema = format!("random_{}", COUNT.fetch_add(1, Ordering::Relaxed));
            let options = PostgresCatalogOptions::parse(&server.superuser_url()).unwrap().with_schema(&schema).unwrap();
            let claim = Claim {
                directory: "a".to_owned(),
                host: "here".to_owned(),
                place: "/a".to_owned(),
                lease: Duration::from_secs(60),
                take_over: false,
            };
            let open = async || {
                let catalog = PostgresCatalog::open(options.clone(), true).await.unwrap();
                assert!(matches!(catalog.claim(&claim).await.unwrap(), Claimed::Taken(_)));
                Box::new(catalog) as Box<dyn CatalogStore>
            };
            run(agrees_with_memory(&commits, open));
        }
    }
}

fn run(work: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work);
}

async fn agrees_with_memory(commits: &[Step], open: impl AsyncFn() -> Box<dyn CatalogStore>) {
    let mut store = open().await;
    let mut model = Model::default();
    let mut snapshot = Snapshot::default();
    let mut changes = create();
    for (i, step) in commits.iter().enumerate() {
        let next = snapshot.apply(&changes).unwrap();
        let commit = Commit { base_epoch: snapshot.epoch, epoch: next.epoch, changes, ..Commit::default() };
        store.commit(&commit).await.unwrap();
        snapshot = next;
        if i % 4 == 3 {
            store = open().await;
        }
        let loaded = store.load().await.unwrap();
        assert_eq!(loaded.epoch, snapshot.epoch);
        assert_eq!(durable_part(&loaded), durable_part(&snapshot));
        assert_eq!(loaded.table("t").unwrap().wal_covered, snapshot.table("t").unwrap().wal_covered);
        assert!(loaded.tables.keys().eq(snapshot.tables.keys()));
        assert_eq!(store.dropped_tables().await.unwrap(), model.dropped);
        if i % 5 == 4 && !model.dropped.is_empty() {
            store.forget_dropped(&[model.dropped.remove(0).table]).await.unwrap();
        }
        let live: BTreeSet<_> = loaded.table("t").unwrap().all().map(|s| s.id).collect();
        for retired in store.retired().await.unwrap() {
            assert!(!live.contains(&retired.segment.id) && retired.retired_epoch <= snapshot.epoch);
        }
        changes = model.changes(step, &snapshot);
    }
}

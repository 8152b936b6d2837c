//! What every store must do, run against each of them. What only one of them has is tested beside it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::{Commit, RetiredSegment};
use crate::fixtures::{partition, replica, segment, table};
use crate::{
    CatalogError, Change, Job, JobId, JobKind, JobPhase, LineageEntry, PartitionKey, Segment, SegmentId, Snapshot, Tier,
};

mod dropped;
mod harness;
mod leases;
mod roles;

use dropped::{an_older_catalog_learns_which_tables_it_had_dropped, dropped_tables_wait_until_they_are_forgotten};
use harness::Catalog;
pub(super) use harness::{StoreKind, claim, fresh_schema, open_writer, options, raw_in_schema};
use leases::{a_newer_lease_fences_the_older_job_off, partitions_that_are_leased_together_share_a_fence};
use roles::{
    an_older_catalog_has_no_roles, roles_and_grants_are_back_after_reopening,
    roles_that_do_not_fit_leave_nothing_behind,
};

/// Each test once for each store.
macro_rules! on_both_stores {
    ($($name:ident)*) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $name() {
                super::$name(super::StoreKind::Sqlite).await;
            })*
        }

        mod postgres {
            $(#[tokio::test]
            async fn $name() {
                if zxq_test_support::postgres_server::shared().is_some() {
                    super::$name(super::StoreKind::Postgres).await;
                }
            })*
        }
    };
}

on_both_stores! {
    a_new_catalog_is_empty_and_at_epoch_zero
    everything_is_back_after_reopening
    hot_segments_are_not_stored
    retired_segments_wait_until_they_are_forgotten
    retiring_an_owner_retires_its_stored_replicas
    dropping_a_table_retires_its_segments_and_keeps_its_history
    dropped_tables_wait_until_they_are_forgotten
    a_commit_against_an_old_epoch_is_refused
    changes_that_do_not_fit_leave_nothing_behind
    a_newer_lease_fences_the_older_job_off
    partitions_that_are_leased_together_share_a_fence
    ids_are_never_handed_out_twice
    jobs_are_replaced_and_listed_newest_first
    a_job_that_has_ended_is_final
    lineage_of_a_segment_nobody_adds_is_refused
    a_commit_may_hold_thousands_of_segments
    a_damaged_catalog_names_what_is_damaged
    a_catalog_of_a_newer_program_is_refused
    iceberg_pointers_change_only_from_what_they_are
    an_older_catalog_is_brought_up_to_date
    an_older_catalog_learns_which_tables_it_had_dropped
    roles_and_grants_are_back_after_reopening
    roles_that_do_not_fit_leave_nothing_behind
    an_older_catalog_has_no_roles
}

fn add(segment: Segment) -> Change {
    Change::AddSegment(Box::new(segment))
}

fn retire(segment: SegmentId) -> Change {
    Change::RetireSegment { table: 1, segment }
}

fn job(id: &str, phase: JobPhase, started_us: i64) -> Job {
    Job {
        id: JobId(id.to_owned()),
        kind: JobKind::Move,
        table: 1,
        partition: Some(partition("FX")),
        partitions: vec![partition("CRYPTO"), partition("RATES")],
        from: Some(Tier::Hot),
        to: Tier::Warm,
        phase,
        fence: 3,
        rows: 100,
        started_us,
        ended_us: None,
        error: Some("disk \"full\"".to_owned()),
        reason: Some("3 days old".to_owned()),
        pending: vec![add(segment(10, 1, Tier::Warm)), retire(3)],
        created: vec![table(2, "made \"here\"")],
    }
}

async fn a_new_catalog_is_empty_and_at_epoch_zero(kind: StoreKind) {
    let catalog = Catalog::empty(kind).await;
    assert_eq!(catalog.store.load().await.unwrap(), Snapshot::default());
    assert!(catalog.store.jobs(10).await.unwrap().is_empty());
    assert!(catalog.store.retired().await.unwrap().is_empty());
    assert!(catalog.store.dropped_tables().await.unwrap().is_empty());
    assert_eq!(catalog.store.newest_table_id().await.unwrap(), 0);
}

async fn everything_is_back_after_reopening(kind: StoreKind) {
    let catalog = Catalog::empty(kind).await;
    let null_key = PartitionKey::default();
    let changes = vec![
        Change::CreateTable(Box::new(table(1, "trades"))),
        Change::CreateTable(Box::new(table(2, "Quotes \"ü\""))),
        add(segment(10, 1, Tier::Warm)),
        add(segment(11, 1, Tier::Cold)),
        add(replica(12, 1, Tier::Warm, &[11])),
        add(Segment { partition: null_key.clone(), ..segment(13, 2, Tier::Cold) }),
        Change::CoverWal { table: 1, partition: partition("A/B 'x'"), lsn: 42 },
        Change::CoverWal { table: 1, partition: null_key, lsn: 7 },
    ];
    let expected = Snapshot::default().apply(&changes).unwrap();
    let lineage = LineageEntry {
        segment: 10,
        job: JobId("job10".to_owned()),
        from_segments: vec![1, 2],
        from_files: vec!["a b.csv".to_owned()],
        at_us: 5,
    };
    let commit = Commit {
        base_epoch: 0,
        epoch: 1,
        changes,
        jobs: vec![job("a", JobPhase::Done, 1)],
        lineage: vec![lineage.clone()],
        ..Commit::default()
    };
    catalog.store.commit(&commit).await.unwrap();

    let catalog = catalog.reopen().await;
    assert_eq!(catalog.store.load().await.unwrap(), expected);
    assert_eq!(catalog.store.job(&JobId("a".to_owned())).await.unwrap(), Some(job("a", JobPhase::Done, 1)));
    assert_eq!(catalog.store.lineage(1).await.unwrap(), [lineage]);
    assert!(catalog.store.lineage(2).await.unwrap().is_empty());
}

async fn hot_segments_are_not_stored(kind: StoreKind) {
    let catalog = Catalog::with_table(kind).await;
    let changes = vec![add(segment(10, 1, Tier::Hot)), add(segment(11, 1, Tier::Warm)), retire(10)];
    catalog.commit(1, changes).await.unwrap();
    assert_eq!(catalog.ids().await, [11]);
    assert!(catalog.retired_ids().await.is_empty());
    catalog.commit(2, vec![retire(999)]).await.unwrap();
}

async fn retired_segments_wait_until_they_are_forgotten(kind: StoreKind) {
    let catalog = Catalog::with_table(kind).await;
    let segments = (10..14).map(|id| add(segment(id, 1, Tier::Cold))).collect();
    catalog.commit(1, segments).await.unwrap();
    catalog.commit(2, vec![retire(10), retire(12)]).await.unwrap();
    assert_eq!(catalog.ids().await, [11, 13]);
    let expected = |id| RetiredSegment {
        segment: Segment { created_epoch: 2, ..segment(id, 1, Tier::Cold) },
        storage_name: "trades_1".to_owned(),
        retired_epoch: 3,
    };
    let catalog = catalog.reopen().await;
    assert_eq!(catalog.store.retired().await.unwrap(), [expected(10), expected(12)]);
    catalog.store.forget_retired(&[10, 999]).await.unwrap();
    catalog.store.forget_retired(&[]).await.unwrap();
    assert_eq!(catalog.retired_ids().await, [12]);
}

async fn retiring_an_owner_retires_its_stored_replicas(kind: StoreKind) {
    let catalog = Catalog::with_table(kind).await;
    let changes = vec![
        add(segment(10, 1, Tier::Cold)),
        add(segment(11, 1, Tier::Cold)),
        add(replica(12, 1, Tier::Warm, &[10, 11])),
        add(replica(13, 1, Tier::Hot, &[10])),
    ];
    catalog.commit(1, changes).await.unwrap();
    catalog.commit(2, vec![retire(11)]).await.unwrap();
    assert_eq!(catalog.ids().await, [10]);
    assert_eq!(catalog.retired_ids().await, [11, 12]);
}

async fn dropping_a_table_retires_its_segments_and_keeps_its_history(kind: StoreKind) {
    let catalog = Catalog::with_table(kind).await;
    let lineage = LineageEntry {
        segment: 10,
        job: JobId::new(),
        from_segments: vec![],
        from_files: vec!["insert".to_owned()],
        at_us: 1,
    };
    let fence = catalog.store.lease(1, &partition("FX")).await.unwrap();
    let changes = vec![
        add(segment(10, 1, Tier::Cold)),
        add(replica(11, 1, Tier::Warm, &[10])),
        Change::CoverWal { table: 1, partition: partition("FX"), lsn: 3 },
    ];
    let commit = Commit { base_epoch: 1, epoch: 2, changes, lineage: vec![lineage.clone()], ..Commit::default() };
    catalog.store.commit(&commit).await.unwrap();
    catalog.commit(2, vec![Change::DropTable(1)]).await.unwrap();
    assert!(catalog.store.load().await.unwrap().tables.is_empty());
    let mut retired = catalog.retired_ids().await;
    retired.sort_unstable();
    assert_eq!(retired, [10, 11]);
    assert_eq!(catalog.store.lineage(1).await.unwrap(), [lineage]);
    assert_eq!(catalog.store.fence(1, &partition("FX")).await.unwrap(), 0);
    let late = Commit {
        base_epoch: 3,
        epoch: 4,
        fences: vec![(1, partition("FX"), fence)],
        jobs: vec![job("late", JobPhase::Done, 1)],
        ..Commit::default()
    };
    let error = catalog.store.commit(&late).await.unwrap_err();
    assert!(matches!(&error, CatalogError::Fenced { job, current: 0, .. } if job == "late"), "{error}");
}

async fn a_commit_against_an_old_epoch_is_refused(kind: StoreKind) {
    let catalog = Catalog::with_table(kind).await;
    let stale = Commit { base_epoch: 0, epoch: 5, changes: vec![Change::DropTable(1)], ..Commit::default() };
    assert!(matches!(catalog.store.commit(&stale).await, Err(CatalogError::Conflict(_))));
    let backwards = Commit { base_epoch: 3, epoch: 3, ..Commit::default() };
    assert!(matches!(catalog.store.commit(&backwards).await, Err(CatalogError::Conflict(_))));
    assert!(catalog.store.load().await.unwrap().table("trades").is_some());
    // Hot appends advance the epoch in memory only, so a commit may be far ahead of the file.
    let ahead = Commit { base_epoch: 40, epoch: 41, ..Commit::default() };
    catalog.store.commit(&ahead).await.unwrap();
    assert_eq!(catalog.store.load().await.unwrap().epoch, 41);
}

async fn changes_that_do_not_fit_leave_nothing_behind(kind: StoreKind) {
    let catalog = Catalog::with_table(kind).await;
    catalog.commit(1, vec![add(segment(10, 1, Tier::Cold)), add(segment(11, 1, Tier::Cold))]).await.unwrap();
    catalog.commit(2, vec![retire(11)]).await.unwrap();
    let before = catalog.store.load().await.unwrap();
    let bad: Vec<Vec<Change>> = vec![
        vec![Change::CreateTable(Box::new(table(1, "other")))],
        vec![Change::CreateTable(Box::new(table(0, "other")))],
        vec![Change::AlterTable(Box::new(table(5, "other")))],
        vec![Change::DropTable(5)],
        vec![add(segment(10, 1, Tier::Warm))],
        vec![add(segment(11, 1, Tier::Warm))],
        vec![add(segment(12, 1, Tier::Warm)), add(segment(12, 1, Tier::Cold))],
        vec![add(segment(12, 9, Tier::Warm))],
        vec![add(segment(u64::MAX, 1, Tier::Warm))],
        vec![add(replica(12, 1, Tier::Warm, &[99]))],
        vec![retire(11)],
        vec![retire(10), retire(10)],
        vec![Change::RetireSegment { table: 9, segment: 10 }],
        vec![Change::CoverWal { table: 9, partition: partition("FX"), lsn: 1 }],
    ];
    for changes in bad {
        let mut all = vec![
            Change::CreateTable(Box::new(table(7, "good"))),
            add(segment(20, 7, Tier::Warm)),
            Change::CoverWal { table: 1, partition: partition("FX"), lsn: 9 },
        ];
        all.extend(changes.clone());
        let commit = Commit {
            base_epoch: 3,
            epoch: 4,
            changes: all,
            jobs: vec![job("a", JobPhase::Done, 1)],
            ..Commit::default()
        };
        let error = catalog.store.commit(&commit).await.expect_err("must be refused");
        assert!(matches!(error, CatalogError::Conflict(_)), "{changes:?}: {error:?}");
        assert_eq!(catalog.store.load().await.unwrap(), before, "{changes:?}");
        assert!(catalog.store.jobs(10).await.unwrap().is_empty());
    }
    let taken = catalog.commit(3, vec![Change::CreateTable(Box::new(table(7, "trades")))]).await;
    assert!(matches!(taken, Err(CatalogError::TableExists(name)) if name == "trades"));
    catalog.commit(3, vec![Change::CreateTable(Box::new(table(7, "good")))]).await.unwrap();
    let taken = catalog.commit(4, vec![Change::AlterTable(Box::new(table(7, "trades")))]).await;
    assert!(matches!(taken, Err(CatalogError::TableExists(_))));
}

async fn ids_are_never_handed_out_twice(kind: StoreKind) {
    let mut catalog = Catalog::empty(kind).await;
    let mut seen = std::collections::BTreeSet::new();
    for count in [1, 5, 1, 4096, 10_000, 1, 4095, 2] {
        let first = catalog.store.reserve_segment_ids(count).await.unwrap();
        for id in first..first + count {
            assert!(id > 0 && seen.insert(id), "segment id {id} was handed out twice");
        }
        if count % 2 == 0 {
            catalog = catalog.reopen().await;
        }
    }
    assert_eq!(catalog.store.newest_table_id().await.unwrap(), 0);
    let first = catalog.store.reserve_table_id().await.unwrap();
    let catalog = catalog.reopen().await;
    assert_eq!(catalog.store.newest_table_id().await.unwrap(), first);
    let second = catalog.store.reserve_table_id().await.unwrap();
    assert!(0 < first && first < second);
    assert_eq!(catalog.store.newest_table_id().await.unwrap(), second);
    assert!(catalog.store.reserve_segment_ids(u64::MAX).await.is_err());
}

async fn jobs_are_replaced_and_listed_newest_first(kind: StoreKind) {
    let catalog = Catalog::empty(kind).await;
    for (id, phase, at) in
        [("a", JobPhase::Copying, 1), ("b", JobPhase::Failed, 3), ("c", JobPhase::Durable, 2), ("d", JobPhase::Done, 3)]
    {
        catalog.store.put_job(&job(id, phase, at)).await.unwrap();
    }
    let ids = |jobs: Vec<Job>| jobs.into_iter().map(|j| j.id.0).collect::<Vec<_>>();
    assert_eq!(ids(catalog.store.jobs(10).await.unwrap()), ["d", "b", "c", "a"]);
    assert_eq!(ids(catalog.store.jobs(2).await.unwrap()), ["d", "b"]);
    assert_eq!(ids(catalog.store.unfinished_jobs().await.unwrap()), ["a", "c"]);
    catalog.store.put_job(&job("a", JobPhase::Done, 1)).await.unwrap();
    let catalog = catalog.reopen().await;
    assert_eq!(ids(catalog.store.unfinished_jobs().await.unwrap()), ["c"]);
    assert_eq!(catalog.store.jobs(usize::MAX).await.unwrap().len(), 4);
    assert_eq!(catalog.store.job(&JobId("nobody".to_owned())).await.unwrap(), None);
}

async fn a_job_that_has_ended_is_final(kind: StoreKind) {
    let catalog = Catalog::with_table(kind).await;
    for (id, ended) in [("done", JobPhase::Done), ("failed", JobPhase::Failed)] {
        let last = job(id, ended, 1);
        for phase in [JobPhase::Copying, JobPhase::Durable, ended, ended] {
            catalog.store.put_job(&job(id, phase, 1)).await.unwrap();
        }
        let others = [
            job(id, JobPhase::Copying, 1),
            job(id, if ended == JobPhase::Done { JobPhase::Failed } else { JobPhase::Done }, 1),
            Job { rows: 7, ..last.clone() },
            Job { created: Vec::new(), ..last.clone() },
        ];
        for other in others {
            let commit = Commit {
                base_epoch: 1,
                epoch: 2,
                changes: vec![add(segment(10, 1, Tier::Warm))],
                jobs: vec![other.clone()],
                ..Commit::default()
            };
            for refused in [catalog.store.put_job(&other).await, catalog.store.commit(&commit).await] {
                let error = refused.unwrap_err();
                let named = format!("job {id} has ended already");
                assert!(matches!(&error, CatalogError::Conflict(text) if text.contains(&named)), "{error}");
            }
        }
        let stored = catalog.store.job(&last.id).await.unwrap();
        assert_eq!(stored, Some(last));
    }
    assert!(catalog.ids().await.is_empty());
    let again = Commit {
        base_epoch: 1,
        epoch: 2,
        changes: vec![add(segment(10, 1, Tier::Warm))],
        jobs: vec![job("done", JobPhase::Done, 1)],
        ..Commit::default()
    };
    catalog.store.commit(&again).await.unwrap();
    assert_eq!(catalog.ids().await, [10]);
}

async fn lineage_of_a_segment_nobody_adds_is_refused(kind: StoreKind) {
    let catalog = Catalog::with_table(kind).await;
    let lineage = LineageEntry { segment: 10, job: JobId::new(), from_segments: vec![], from_files: vec![], at_us: 0 };
    let commit = Commit { base_epoch: 1, epoch: 2, lineage: vec![lineage], ..Commit::default() };
    assert!(matches!(catalog.store.commit(&commit).await, Err(CatalogError::Conflict(_))));
}

async fn a_commit_may_hold_thousands_of_segments(kind: StoreKind) {
    let catalog = Catalog::with_table(kind).await;
    let added: Vec<_> = (1..=3000).map(|id| add(segment(id, 1, Tier::Cold))).collect();
    catalog.commit(1, added).await.unwrap();
    assert_eq!(catalog.ids().await.len(), 3000);
    catalog.commit(2, (1..=2500).map(retire).collect()).await.unwrap();
    assert_eq!(catalog.ids().await.len(), 500);
    assert_eq!(catalog.retired_ids().await.len(), 2500);
    catalog.store.forget_retired(&(1..=2500).collect::<Vec<_>>()).await.unwrap();
    assert!(catalog.retired_ids().await.is_empty());
}

async fn a_damaged_catalog_names_what_is_damaged(kind: StoreKind) {
    for (sql, names) in [
        ("UPDATE tables SET body = '{\"v1\": 3}'", "table 1"),
        ("UPDATE tables SET body = '{\"v9\": {}}'", "table 1"),
        ("UPDATE segments SET body = 'x' WHERE id = 11", "segment 11"),
        ("UPDATE segments SET id = 99 WHERE id = 12", "segment 99"),
        ("UPDATE wal_covered SET partition = '[]'", "covered log position of table 1"),
        ("UPDATE wal_covered SET lsn = -1", "log position"),
        ("UPDATE meta SET value = -4 WHERE key = 'epoch'", "epoch"),
        ("DELETE FROM meta WHERE key = 'epoch'", "epoch"),
        ("DELETE FROM segments WHERE id = 11", "replica of 11"),
        ("DELETE FROM tables", "table 1"),
    ] {
        let catalog = Catalog::with_table(kind).await;
        let changes = vec![
            add(segment(11, 1, Tier::Cold)),
            add(replica(12, 1, Tier::Warm, &[11])),
            Change::CoverWal { table: 1, partition: partition("FX"), lsn: 1 },
        ];
        catalog.commit(1, changes).await.unwrap();
        catalog.raw(sql).await;
        match catalog.store.load().await {
            Err(CatalogError::Corrupt(message)) => assert!(message.contains(names), "{sql}: {message}"),
            other => panic!("{sql}: {other:?}"),
        }
    }
}

async fn a_catalog_of_a_newer_program_is_refused(kind: StoreKind) {
    let catalog = Catalog::with_table(kind).await;
    catalog.raw("UPDATE meta SET value = 1000 WHERE key = 'schema_version'").await;
    let error = catalog.open_again().await.unwrap_err();
    assert!(matches!(error, CatalogError::NewerSchema { found: 1000, .. }), "{error}");
}

async fn iceberg_pointers_change_only_from_what_they_are(kind: StoreKind) {
    let catalog = Catalog::empty(kind).await;
    let at = async |table: &str| catalog.store.metadata_location(table).await.unwrap();
    assert_eq!(at("trades_1").await, None);
    assert!(!catalog.store.swap_pointer("trades_1", "a", "b").await.unwrap());
    assert!(catalog.store.create_pointer("trades_1", "file:///1.json").await.unwrap());
    assert!(!catalog.store.create_pointer("trades_1", "file:///other.json").await.unwrap());
    assert!(catalog.store.create_pointer("it's_2", "file:///x.json").await.unwrap());
    assert!(!catalog.store.swap_pointer("trades_1", "file:///0.json", "file:///2.json").await.unwrap());
    assert_eq!(at("trades_1").await.as_deref(), Some("file:///1.json"));
    assert!(catalog.store.swap_pointer("trades_1", "file:///1.json", "file:///2.json").await.unwrap());
    assert_eq!(at("trades_1").await.as_deref(), Some("file:///2.json"));
    assert_eq!(catalog.store.tables_with_pointers().await.unwrap(), ["it's_2", "trades_1"]);
    catalog.store.drop_pointer("trades_1").await.unwrap();
    catalog.store.drop_pointer("trades_1").await.unwrap();
    let catalog = catalog.reopen().await;
    assert_eq!(catalog.store.tables_with_pointers().await.unwrap(), ["it's_2"]);
}

/// A catalog from before there were Iceberg tables gets theirs and what came later, and one without a name of its own
/// gets one.
async fn an_older_catalog_is_brought_up_to_date(kind: StoreKind) {
    let catalog = Catalog::with_table(kind).await;
    catalog
        .raw(
            "DROP TABLE iceberg_tables; DROP TABLE iceberg_namespace_properties; DROP TABLE dropped_tables; \
             DROP TABLE roles; DROP TABLE grants; DELETE FROM meta WHERE key IN ('identity', 'next_role_id'); UPDATE meta SET value = 1 WHERE key = 'schema_version'",
        )
        .await;
    let catalog = catalog.reopen().await;
    let identity = catalog.store.identity().to_owned();
    let catalog = catalog.reopen().await;
    assert_eq!(catalog.store.identity(), identity);
    assert_ne!(Catalog::empty(kind).await.store.identity(), identity);
    assert!(catalog.store.create_pointer("t", "l").await.unwrap());
    assert!(catalog.store.dropped_tables().await.unwrap().is_empty());
    assert!(catalog.store.load().await.unwrap().table("trades").is_some());
}

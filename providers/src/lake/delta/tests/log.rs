//! The public log.

use std::collections::BTreeSet;
use std::path::Path;

use arrow::datatypes::DataType;
use deltalake_core::DeltaTableBuilder;
use futures::TryStreamExt;
use url::Url;
use zxq_catalog::{Granularity, JobId, Segment, TableDef};

use super::fixture::{DAY, column, count, key, publish, publish_day, read_all, rows, store, table, timestamp, write};
use crate::lake::delta::{DeltaOptions, DeltaStore};
use crate::tier_store::{Publication, TierStore};

/// What a stranger sees: the version of the table, its files, its columns.
async fn outside(folder: &Path, table: &TableDef) -> (u64, BTreeSet<String>, Vec<String>) {
    let url = Url::from_directory_path(folder.canonicalize().unwrap().join(table.storage_name())).unwrap();
    let delta = DeltaTableBuilder::from_url(url).unwrap().load().await.unwrap();
    let state = delta.snapshot().unwrap();
    let files = state
        .snapshot()
        .file_views(delta.log_store().as_ref(), None)
        .map_ok(|file| format!("{}/{}", table.storage_name(), file.path()))
        .try_collect()
        .await
        .unwrap();
    (state.version(), files, state.schema().fields().map(|f| f.name().clone()).collect())
}

fn locations(segments: &[&Segment]) -> BTreeSet<String> {
    segments.iter().map(|s| s.location.clone()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_publishes_once() {
    let (folder, store) = store();
    let table = table(Granularity::Day);
    let (job, day) = (JobId::new(), key(Some(DAY), Some("a/b c")));
    let input = rows(&table, Some(DAY), Some("a/b c"), 50, 2);
    let segment = write(&store, &table, &job, 1, &day, &input).await.unwrap();
    assert!(!store.is_published(&table, &job).await.unwrap());
    publish(&store, &table, &job, std::slice::from_ref(&segment), &[]).await;
    let first = outside(folder.path(), &table).await;
    assert_eq!(first.1, locations(&[&segment]));
    publish(&store, &table, &job, std::slice::from_ref(&segment), &[]).await;
    let reopened = DeltaStore::open(DeltaOptions::at(folder.path())).unwrap();
    assert!(reopened.is_published(&table, &job).await.unwrap());
    publish(&reopened, &table, &job, std::slice::from_ref(&segment), &[]).await;
    assert_eq!(outside(folder.path(), &table).await, first);
    assert!(!reopened.is_published(&table, &JobId::new()).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compaction_swaps_files_in_one_commit() {
    let (folder, store) = store();
    let table = table(Granularity::Day);
    let half = rows(&table, Some(DAY), Some("FX"), 50, 2);
    let (a, b) = (publish_day(&store, &table, 1, &half).await, publish_day(&store, &table, 2, &half).await);
    assert_eq!(outside(folder.path(), &table).await.1, locations(&[&a, &b]));
    let job = JobId::new();
    let both = rows(&table, Some(DAY), Some("FX"), 100, 2);
    let whole = write(&store, &table, &job, 3, &key(Some(DAY), Some("FX")), &both).await.unwrap();
    let before = outside(folder.path(), &table).await.0;
    let (added, removed) = ([whole.clone()], [a.clone(), b.clone()]);
    store
        .publish(&table, &Publication { job: &job, added: &added, removed: &removed, data_change: false })
        .await
        .unwrap();
    let (version, files, _) = outside(folder.path(), &table).await;
    assert_eq!((version, files), (before + 1, locations(&[&whole])));
    assert_eq!(
        count(&read_all(&store, &table, &[a.clone(), b.clone()]).await),
        100,
        "readers in flight still see them"
    );
    store.drop_segments(&table.storage_name(), &removed).await.unwrap();
    store.drop_segments(&table.storage_name(), &removed).await.unwrap();
    assert_eq!(outside(folder.path(), &table).await.0, before + 1);
    assert!(!folder.path().join(&a.location).exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_file_leaves_the_log_first() {
    let (folder, store) = store();
    let table = table(Granularity::Day);
    let input = rows(&table, Some(DAY), Some("FX"), 50, 2);
    let (a, b) = (publish_day(&store, &table, 1, &input).await, publish_day(&store, &table, 2, &input).await);
    store.drop_segments(&table.storage_name(), std::slice::from_ref(&a)).await.unwrap();
    assert_eq!(outside(folder.path(), &table).await.1, locations(&[&b]));
    assert!(!folder.path().join(&a.location).exists() && folder.path().join(&b.location).exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn litter_of_a_job_is_swept_and_published_files_stay() {
    let (folder, store) = store();
    let table = table(Granularity::Day);
    let input = rows(&table, Some(DAY), Some("FX"), 50, 2);
    let (job, day) = (JobId::new(), key(Some(DAY), Some("FX")));
    let kept = write(&store, &table, &job, 1, &day, &input).await.unwrap();
    let litter = write(&store, &table, &job, 2, &day, &input).await.unwrap();
    publish(&store, &table, &job, std::slice::from_ref(&kept), &[]).await;
    store.sweep_job(&table.storage_name(), &job).await.unwrap();
    assert!(folder.path().join(&kept.location).exists());
    assert!(!folder.path().join(&litter.location).exists());
    store.sweep_job("never_seen_9", &job).await.unwrap();
    assert!(store.bytes_used().await.unwrap() > kept.bytes);
    store.drop_table(&table.storage_name()).await.unwrap();
    store.drop_table(&table.storage_name()).await.unwrap();
    assert!(!folder.path().join(table.storage_name()).exists());
    assert_eq!(store.bytes_used().await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn added_columns_reach_the_log() {
    let (folder, store) = store();
    let mut table = table(Granularity::Month);
    store.alter_table(&table).await.unwrap();
    assert!(!folder.path().join(table.storage_name()).exists(), "no log before the first file");
    let job = JobId::new();
    let input = rows(&table, Some(DAY), Some("FX"), 50, 2);
    let segment = write(&store, &table, &job, 1, &key(Some(DAY - 1), Some("FX")), &input).await.unwrap();
    publish(&store, &table, &job, &[segment], &[]).await;
    assert_eq!(outside(folder.path(), &table).await.2[0], "trade_month");
    table.columns.push(column("note", DataType::Utf8View, false));
    table.columns.push(column("local", timestamp(None), true));
    store.alter_table(&table).await.unwrap();
    store.alter_table(&table).await.unwrap();
    let (version, _, columns) = outside(folder.path(), &table).await;
    assert_eq!(version, 2, "one commit for the table, one for the file, one for the columns");
    assert_eq!(columns.len(), 11);
    // The log is brought up to date by a publication too, as after a crash between the two.
    table.columns.push(column("more", DataType::Int32, true));
    publish(&store, &table, &JobId::new(), &[], &[]).await;
    assert_eq!(outside(folder.path(), &table).await.2.len(), 12);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_race_is_run_again() {
    let (folder, store) = store();
    let other = DeltaStore::open(DeltaOptions::at(folder.path())).unwrap();
    let table = table(Granularity::Day);
    let input = rows(&table, Some(DAY), Some("FX"), 50, 2);
    let mut all = Vec::new();
    for id in 0..3 {
        all.push(publish_day(&store, &table, 2 * id, &input).await);
        all.push(publish_day(&other, &table, 2 * id + 1, &input).await);
    }
    assert_eq!(outside(folder.path(), &table).await.1, locations(&all.iter().collect::<Vec<_>>()));
}

#[tokio::test(flavor = "multi_thread")]
async fn long_logs_get_checkpoints() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = DeltaOptions::at(folder.path());
    options.checkpoint_interval = 5;
    let store = DeltaStore::open(options).unwrap();
    let table = table(Granularity::Day);
    let input = rows(&table, Some(DAY), Some("a/b c"), 5, 1);
    let (first, mut all) = (JobId::new(), Vec::new());
    for id in 0..12 {
        let job = if id == 0 { first.clone() } else { JobId::new() };
        let segment = write(&store, &table, &job, id, &key(Some(DAY), Some("a/b c")), &input).await.unwrap();
        publish(&store, &table, &job, std::slice::from_ref(&segment), &[]).await;
        all.push(segment);
    }
    let log = folder.path().join(table.storage_name()).join("_delta_log");
    assert!(log.join("00000000000000000009.checkpoint.parquet").exists());
    assert!(log.join("_last_checkpoint").exists());
    for version in 0..5 {
        std::fs::remove_file(log.join(format!("{version:020}.json"))).unwrap();
    }
    assert_eq!(outside(folder.path(), &table).await.1, locations(&all.iter().collect::<Vec<_>>()));
    assert!(store.is_published(&table, &first).await.unwrap(), "checkpoints remember jobs");
}

//! What an Iceberg table keeps of its past, what it deletes, and what it does when somebody else has changed it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/reader_tables.rs"]
#[allow(dead_code, reason = "shared with tests that use all of it")]
mod reader_tables;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use reader_tables::{publish, rows, table};
use serde_json::{Value as Json, json};
use zxq_catalog::{Granularity, JobId, MetadataPointers, PartitionKey, Partitioning, SqliteStore, TableDef};
use zxq_providers::lake::iceberg::{IcebergCatalog, IcebergOptions, IcebergStore};
use zxq_providers::{ProviderError, Publication, TierStore};

/// 2024-01-02.
const DAY: i32 = 19_724;

struct Table {
    folder: tempfile::TempDir,
    pointers: Arc<SqliteStore>,
    definition: TableDef,
}

impl Table {
    async fn new() -> Table {
        let folder = tempfile::tempdir().unwrap();
        let pointers = Arc::new(SqliteStore::open(&folder.path().join("catalog.sqlite")).await.unwrap());
        Table { folder, pointers, definition: table(1, Granularity::Day) }
    }

    fn open(&self) -> IcebergStore {
        let options = IcebergOptions {
            snapshots_kept: 3,
            metadata_files_kept: 2,
            merge_manifests_above: 3,
            orphan_age: Duration::ZERO,
            ..IcebergOptions::at(self.folder.path().join("cold"), IcebergCatalog::Sql(self.pointers.clone()))
        };
        IcebergStore::open(options).unwrap()
    }

    async fn add(&self, store: &IcebergStore, first: i64) -> zxq_catalog::Segment {
        let key = self.key();
        let batch = rows(&self.definition, first, Some(DAY), Some("FX"), 5);
        publish(store, &self.definition, &key, &batch, &[]).await
    }

    fn key(&self) -> PartitionKey {
        let partitioning = &self.definition.partitioning;
        let period = partitioning.date_column.as_ref().map(|_| partitioning.granularity.period_start(DAY));
        PartitionKey { period, class: partitioning.class_column.as_ref().map(|_| "FX".to_owned()) }
    }

    async fn location(&self) -> String {
        self.pointers.metadata_location(&self.definition.storage_name()).await.unwrap().unwrap()
    }

    async fn metadata(&self) -> Json {
        let location = self.location().await;
        serde_json::from_slice(&std::fs::read(location.strip_prefix("file://").unwrap()).unwrap()).unwrap()
    }

    /// Replaces the metadata as another program would.
    async fn change(&self, change: impl FnOnce(&mut Json)) {
        let (location, mut metadata) = (self.location().await, self.metadata().await);
        change(&mut metadata);
        let other = location.replace(".metadata.json", "-other.metadata.json");
        std::fs::write(other.strip_prefix("file://").unwrap(), metadata.to_string()).unwrap();
        assert!(self.pointers.swap_pointer(&self.definition.storage_name(), &location, &other).await.unwrap());
    }

    fn folder(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join("cold").join(self.definition.storage_name()).join(name)
    }

    /// Metadata files by the end of their names.
    fn files(&self) -> HashMap<&'static str, usize> {
        let mut counts = HashMap::new();
        for entry in std::fs::read_dir(self.folder("metadata")).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let kind = if name.ends_with(".metadata.json") {
                "metadata"
            } else if name.starts_with("snap-") {
                "list"
            } else {
                "manifest"
            };
            *counts.entry(kind).or_default() += 1;
        }
        counts
    }
}

fn total(metadata: &Json) -> String {
    let current = metadata["current-snapshot-id"].as_i64();
    let snapshots = metadata["snapshots"].as_array().unwrap();
    let snapshot = snapshots.iter().find(|s| s["snapshot-id"].as_i64() == current).unwrap();
    snapshot["summary"]["total-records"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_past_is_kept_as_long_as_agreed_and_jobs_longer() {
    let table = Table::new().await;
    let store = table.open();
    let mut segments = Vec::new();
    for number in 0..12 {
        segments.push(table.add(&store, number * 10).await);
    }
    let metadata = table.metadata().await;
    assert_eq!(total(&metadata), "60");
    assert_eq!(metadata["snapshots"].as_array().unwrap().len(), 3);
    let files = table.files();
    // The current metadata file and two before it; a list for each snapshot; manifests were merged again and again.
    assert_eq!((files["metadata"], files["list"]), (3, 3), "{files:?}");
    assert!(files["manifest"] <= 7, "{files:?}");
    // Every job is known, also those whose snapshots are gone; committing again changes nothing.
    for segment in &segments {
        assert!(store.is_published(&table.definition, &segment.job).await.unwrap());
    }
    let first = &segments[..1];
    let again = Publication { job: &segments[0].job, added: first, removed: &[], data_change: true };
    store.publish(&table.definition, &again).await.unwrap();
    assert_eq!(table.metadata().await, metadata);
    assert!(!store.is_published(&table.definition, &JobId::new()).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_snapshot_names_a_dropped_file() {
    let table = Table::new().await;
    let store = table.open();
    let first = table.add(&store, 0).await;
    table.add(&store, 10).await;
    // Dropped without having been unpublished: it is unlisted first, and the snapshots that name it go.
    store.drop_segments(&table.definition.storage_name(), std::slice::from_ref(&first)).await.unwrap();
    let metadata = table.metadata().await;
    assert_eq!(total(&metadata), "5");
    assert_eq!(metadata["snapshots"].as_array().unwrap().len(), 1);
    assert!(!table.folder.path().join("cold").join(&first.location).exists());
    assert!(store.is_published(&table.definition, &first.job).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn litter_of_crashed_commits_goes_with_the_next_start() {
    let table = Table::new().await;
    table.add(&table.open(), 0).await;
    let before = table.files();
    for name in ["abc-m0.avro", "snap-1-1-abc.avro", "00009-abc.metadata.json", "notes.txt"] {
        std::fs::write(table.folder("metadata").join(name), "x").unwrap();
    }
    let orphan_data = Path::new("data").join("not-ours.parquet");
    std::fs::write(table.folder("").join(&orphan_data), "x").unwrap();
    table.add(&table.open(), 10).await;
    let after = table.files();
    assert_eq!(after["manifest"], before["manifest"] + 2, "one new manifest, and the notes: {after:?}");
    assert_eq!((after["list"], after["metadata"]), (2, 3), "{after:?}");
    assert!(table.folder("metadata").join("notes.txt").exists() && table.folder("").join(orphan_data).exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn partitioning_changes_while_there_are_no_rows() {
    let mut table = Table::new().await;
    let store = table.open();
    let first = table.add(&store, 0).await;
    let job = JobId::new();
    let removed = [first];
    let publication = Publication { job: &job, added: &[], removed: &removed, data_change: true };
    store.publish(&table.definition, &publication).await.unwrap();
    for (granularity, class) in [(Granularity::Month, true), (Granularity::Year, false), (Granularity::Day, true)] {
        table.definition.partitioning = Partitioning {
            date_column: Some("trade_date".to_owned()),
            granularity,
            class_column: class.then(|| "asset_class".to_owned()),
        };
        table.definition.sort_by = vec![if class { "symbol" } else { "ts" }.to_owned()];
        store.alter_table(&table.definition).await.unwrap();
        store.alter_table(&table.definition).await.unwrap();
        let segment = table.add(&store, 100).await;
        let metadata = table.metadata().await;
        assert_eq!(total(&metadata), "5");
        let specs = metadata["partition-specs"].as_array().unwrap();
        let current = specs.iter().find(|spec| spec["spec-id"] == metadata["default-spec-id"]).unwrap();
        let transforms: Vec<&str> =
            current["fields"].as_array().unwrap().iter().map(|f| f["transform"].as_str().unwrap()).collect();
        let date = match granularity {
            Granularity::Day => "identity",
            Granularity::Month => "month",
            Granularity::Year => "year",
        };
        assert_eq!(transforms.first(), Some(&date));
        assert_eq!(transforms.len(), if class { 2 } else { 1 });
        let (job, removed) = (JobId::new(), [segment]);
        let publication = Publication { job: &job, added: &[], removed: &removed, data_change: true };
        store.publish(&table.definition, &publication).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_by_others_are_kept_or_refused() {
    let table = Table::new().await;
    let store = table.open();
    table.add(&store, 0).await;
    table.change(|metadata| metadata["properties"]["owner"] = json!("somebody")).await;
    table.add(&store, 10).await;
    let metadata = table.metadata().await;
    assert_eq!((metadata["properties"]["owner"].as_str(), total(&metadata).as_str()), (Some("somebody"), "10"));
    let column = |metadata: &mut Json| {
        metadata["last-column-id"] = json!(17);
        let fields = metadata["schemas"][0]["fields"].as_array_mut().unwrap();
        fields.push(json!({ "id": 17, "name": "theirs", "required": false, "type": "long" }));
    };
    table.change(column).await;
    let batch = rows(&table.definition, 20, Some(DAY), Some("FX"), 5);
    let job = JobId::new();
    let written = store.write_segment(&table.definition, &job, 99, &table.key(), vec![batch]).await.unwrap();
    let mut segment = table.add(&table.open_elsewhere().await, 30).await;
    segment.location = written.location;
    let added = [segment];
    let publication = Publication { job: &job, added: &added, removed: &[], data_change: true };
    let error = store.publish(&table.definition, &publication).await.unwrap_err();
    assert!(matches!(error, ProviderError::Changed { .. }), "{error}");
    assert_eq!(total(&table.metadata().await), "10");
}

impl Table {
    /// A store of its own, to describe a segment with.
    async fn open_elsewhere(&self) -> IcebergStore {
        let folder = self.folder.path().join("elsewhere");
        std::fs::create_dir_all(&folder).unwrap();
        let pointers = Arc::new(SqliteStore::open(&folder.join("catalog.sqlite")).await.unwrap());
        IcebergStore::open(IcebergOptions::at(folder.join("cold"), IcebergCatalog::Sql(pointers))).unwrap()
    }
}

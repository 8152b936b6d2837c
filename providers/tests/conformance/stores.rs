//! How to open each store.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use datafusion::physical_plan::ExecutionPlan;
use deltalake_core::logstore::{StorageConfig, default_logstore};
use deltalake_core::{DeltaTable, DeltaTableBuilder, DeltaTableConfig};
use object_store::prefix::PrefixStore;
use object_store::{ObjectStore, ObjectStoreExt};
use url::Url;
use zxq_catalog::hypertable::{CHUNK_TIME_INTERVAL, COMPRESS_AFTER, HYPERTABLE, hypertable_column};
use zxq_catalog::{JobId, MetadataPointers, PartitionKey, Segment, SqliteStore, TableDef};
use zxq_providers::database::duckdb::{DuckDbOptions, DuckDbStore};
use zxq_providers::database::postgres::{PostgresOptions, PostgresStore};
use zxq_providers::hot::{HotOptions, HotStore};
use zxq_providers::lake::delta::{DeltaOptions, DeltaStore};
use zxq_providers::lake::iceberg::{IcebergCatalog, IcebergOptions, IcebergStore, RestAuth, RestOptions};
use zxq_providers::lake::objects::{StorageRoot, s3};
use zxq_providers::{Publication, Pushdown, Result, ScanRequest, SegmentRows, TierStore, WrittenSegment};

use crate::harness::StoreKind;
use zxq_test_support::{iceberg_rest_server as rest_server, postgres_server, s3_server};

pub struct Hot;

#[async_trait]
impl StoreKind for Hot {
    async fn open(&self, _folder: &Path) -> Arc<dyn TierStore> {
        Arc::new(HotStore::new(HotOptions { memory_limit_bytes: 256 << 20 }))
    }

    fn keeps_rows(&self) -> bool {
        false
    }
}

pub struct DuckDb;

#[async_trait]
impl StoreKind for DuckDb {
    async fn open(&self, folder: &Path) -> Arc<dyn TierStore> {
        let options = DuckDbOptions { memory_limit_bytes: 256 << 20, threads: 2, temp_dir: folder.join("duckdb_temp") };
        Arc::new(DuckDbStore::open(&folder.join("warm.duckdb"), options).unwrap())
    }
}

/// A schema for each folder, in the server that all tests of this process share.
pub struct Postgres;

impl Postgres {
    pub fn options(folder: &Path) -> PostgresOptions {
        let server = postgres_server::shared().unwrap();
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        let letters: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
        let mut options = PostgresOptions::parse(&server.superuser_url()).unwrap();
        options.schema = format!("s_{}", letters.to_lowercase());
        options
    }
}

#[async_trait]
impl StoreKind for Postgres {
    async fn open(&self, folder: &Path) -> Arc<dyn TierStore> {
        Arc::new(PostgresStore::open(Postgres::options(folder)).await.unwrap())
    }

    fn is_available(&self) -> bool {
        postgres_server::is_installed()
    }
}

/// PostgreSQL with TimescaleDB: every table that can asks for hypertables.
pub struct Timescale {
    /// All segments are old enough to be compressed, or none.
    pub compressed: bool,
}

impl Timescale {
    pub fn options(folder: &Path) -> PostgresOptions {
        let mut options = PostgresOptions::parse(&postgres_server::timescale_url().unwrap()).unwrap();
        options.schema = Postgres::options(folder).schema;
        options
    }
}

#[async_trait]
impl StoreKind for Timescale {
    async fn open(&self, folder: &Path) -> Arc<dyn TierStore> {
        let store = PostgresStore::open(Timescale::options(folder)).await.unwrap();
        Arc::new(AsHypertables { store, compressed: self.compressed })
    }

    fn is_available(&self) -> bool {
        postgres_server::has_timescale_installed()
    }
}

/// A store whose tables ask for hypertables.
#[derive(Debug)]
struct AsHypertables {
    store: PostgresStore,
    compressed: bool,
}

impl AsHypertables {
    fn asking(&self, table: &TableDef) -> TableDef {
        let mut table = table.clone();
        if hypertable_column(&table).is_some_and(|column| !column.nullable) {
            let compress_after = if self.compressed { "0" } else { "never" };
            // Test data reach from year 1 to 9999: chunks of a century, so that there are few.
            for (option, value) in
                [(HYPERTABLE, "true"), (CHUNK_TIME_INTERVAL, "3153600000"), (COMPRESS_AFTER, compress_after)]
            {
                table.options.insert(option.to_owned(), value.to_owned());
            }
        }
        table
    }
}

impl AsHypertables {
    fn assert_kind(&self, table: &TableDef, partition: &PartitionKey, at: &str) {
        // Rows without a date, or of days to come, are not old.
        let is_old = partition.period.is_some_and(|day| day <= crate::data::NEW_YEAR_2024);
        let kind = match (table.options.contains_key(HYPERTABLE), self.compressed && is_old) {
            (true, true) => "_c",
            (true, false) => "_h",
            (false, _) => "",
        };
        assert!(at.ends_with(kind) || (self.compressed && !is_old && at.ends_with("_c")), "{at}");
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl TierStore for AsHypertables {
    fn name(&self) -> &'static str {
        self.store.name()
    }

    fn check_table(&self, table: &TableDef) -> Result<()> {
        self.store.check_table(&self.asking(table))
    }

    async fn create_table(&self, table: &TableDef) -> Result<()> {
        self.store.create_table(&self.asking(table)).await
    }

    async fn alter_table(&self, table: &TableDef) -> Result<()> {
        self.store.alter_table(&self.asking(table)).await
    }

    async fn drop_table(&self, storage_name: &str) -> Result<()> {
        self.store.drop_table(storage_name).await
    }

    async fn write_segment(
        &self,
        table: &TableDef,
        job: &JobId,
        id: u64,
        partition: &PartitionKey,
        rows: Vec<RecordBatch>,
    ) -> Result<WrittenSegment> {
        let table = self.asking(table);
        let written = self.store.write_segment(&table, job, id, partition, rows).await?;
        self.assert_kind(&table, partition, &written.location);
        Ok(written)
    }

    async fn write_segments(
        &self,
        table: &TableDef,
        job: &JobId,
        segments: Vec<SegmentRows>,
    ) -> Result<Vec<WrittenSegment>> {
        let table = self.asking(table);
        let partitions: Vec<PartitionKey> = segments.iter().map(|segment| segment.partition.clone()).collect();
        let written = self.store.write_segments(&table, job, segments).await?;
        for (partition, written) in partitions.iter().zip(&written) {
            self.assert_kind(&table, partition, &written.location);
        }
        Ok(written)
    }

    async fn publish(&self, table: &TableDef, publication: &Publication<'_>) -> Result<()> {
        self.store.publish(&self.asking(table), publication).await
    }

    fn has_log(&self) -> bool {
        self.store.has_log()
    }

    async fn is_published(&self, table: &TableDef, job: &JobId) -> Result<bool> {
        self.store.is_published(table, job).await
    }

    async fn scan(&self, request: ScanRequest<'_>) -> Result<Arc<dyn ExecutionPlan>> {
        self.store.scan(request).await
    }

    fn pushdown(&self) -> Option<&dyn Pushdown> {
        self.store.pushdown()
    }

    fn may_hold(&self, table: &TableDef, segment: &Segment) -> bool {
        self.store.may_hold(&self.asking(table), segment)
    }

    fn is_due(&self, table: &TableDef, segment: &Segment, age: Duration) -> bool {
        self.store.is_due(&self.asking(table), segment, age)
    }

    async fn drop_segments(&self, storage_name: &str, segments: &[Segment]) -> Result<()> {
        self.store.drop_segments(storage_name, segments).await
    }

    async fn sweep_job(&self, storage_name: &str, job: &JobId) -> Result<()> {
        self.store.sweep_job(storage_name, job).await
    }

    async fn bytes_used(&self) -> Result<u64> {
        self.store.bytes_used().await
    }

    async fn close(&self) -> Result<()> {
        self.store.close().await
    }
}

/// Small row groups and frequent checkpoints, so that small tests have several of each.
pub struct Delta {
    pub pushdown_filters: bool,
}

#[async_trait]
impl StoreKind for Delta {
    async fn open(&self, folder: &Path) -> Arc<dyn TierStore> {
        let options = DeltaOptions {
            row_group_rows: 64,
            checkpoint_interval: 3,
            pushdown_filters: self.pushdown_filters,
            ..DeltaOptions::at(folder.join("cold"))
        };
        Arc::new(DeltaStore::open(options).unwrap())
    }

    /// Counts as delta-rs does: by the statistics of the files that the log lists, which must be there.
    async fn public_rows(&self, folder: &Path, table: &TableDef) -> Option<u64> {
        let folder = folder.join("cold").join(table.storage_name());
        if !folder.join("_delta_log").exists() {
            return Some(0);
        }
        let url = Url::from_directory_path(&folder).unwrap();
        let delta = DeltaTableBuilder::from_url(url).unwrap().load().await.unwrap();
        let mut rows = 0;
        for file in delta.snapshot().unwrap().log_data().iter() {
            rows += file.num_records().unwrap() as u64;
        }
        for uri in delta.get_file_uris().unwrap() {
            let path = Url::parse(&uri).map_or_else(|_| uri.clone().into(), |url| url.to_file_path().unwrap());
            assert!(path.exists(), "the log lists {uri}, which is not there");
        }
        Some(rows)
    }
}

/// Delta Lake in a bucket, under a prefix for each folder, in the server that all tests of this process share.
pub struct DeltaOnS3;

impl DeltaOnS3 {
    async fn root(folder: &Path) -> StorageRoot {
        let prefix = folder.file_name().unwrap().to_string_lossy().replace('.', "");
        s3::connect(&s3_server::shared().options(&prefix)).await.unwrap()
    }
}

#[async_trait]
impl StoreKind for DeltaOnS3 {
    async fn open(&self, folder: &Path) -> Arc<dyn TierStore> {
        let options = DeltaOptions {
            root: DeltaOnS3::root(folder).await,
            row_group_rows: 64,
            checkpoint_interval: 3,
            ..DeltaOptions::at(folder)
        };
        Arc::new(DeltaStore::open(options).unwrap())
    }

    async fn public_rows(&self, folder: &Path, table: &TableDef) -> Option<u64> {
        let StorageRoot::ObjectStore { store, url, .. } = DeltaOnS3::root(folder).await else { panic!("no bucket") };
        let url = url.join(&format!("{}/", table.storage_name())).unwrap();
        let inner = PrefixStore::new(Arc::clone(&store), object_store::path::Path::from_url_path(url.path()).unwrap());
        let inner: Arc<dyn ObjectStore> = Arc::new(inner);
        let log = default_logstore(Arc::clone(&inner), store, &url, &StorageConfig::default());
        let mut delta = DeltaTable::new(log, DeltaTableConfig::default());
        if !delta.verify_deltatable_existence().await.unwrap() {
            return Some(0);
        }
        delta.load().await.unwrap();
        let mut rows = 0;
        for file in delta.snapshot().unwrap().log_data().iter() {
            rows += file.num_records().unwrap() as u64;
            let path = object_store::path::Path::parse(file.path()).unwrap();
            inner.head(&path).await.unwrap_or_else(|e| panic!("the log lists {path}: {e}"));
        }
        Some(rows)
    }
}

/// Small row groups, few snapshots and few manifests, so that small tests expire and merge some.
pub struct Iceberg {
    pub pushdown_filters: bool,
}

impl Iceberg {
    fn pointers(folder: &Path) -> SqliteStore {
        let file = folder.join("catalog.sqlite");
        let open = SqliteStore::open(&file);
        tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(open)).unwrap()
    }
}

#[async_trait]
impl StoreKind for Iceberg {
    async fn open(&self, folder: &Path) -> Arc<dyn TierStore> {
        let catalog = IcebergCatalog::Sql(Arc::new(Iceberg::pointers(folder)));
        let options = IcebergOptions {
            row_group_rows: 64,
            snapshots_kept: 2,
            metadata_files_kept: 2,
            merge_manifests_above: 2,
            pushdown_filters: self.pushdown_filters,
            ..IcebergOptions::at(folder.join("cold"), catalog)
        };
        Arc::new(IcebergStore::open(options).unwrap())
    }

    async fn public_rows(&self, folder: &Path, table: &TableDef) -> Option<u64> {
        let pointers = Iceberg::pointers(folder);
        let Some(location) = pointers.metadata_location(&table.storage_name()).await.unwrap() else { return Some(0) };
        Some(public_rows_at(&location).await)
    }
}

/// Counts with the Iceberg library, from its own reading of metadata and manifests; each file must be there.
async fn public_rows_at(location: &str) -> u64 {
    let files = iceberg::io::FileIO::new_with_fs();
    let metadata = iceberg::spec::TableMetadata::read_from(&files, location).await.unwrap();
    let mut rows = 0;
    for snapshot in metadata.snapshots() {
        let is_current = Some(snapshot.snapshot_id()) == metadata.current_snapshot_id();
        let list = files.new_input(snapshot.manifest_list()).unwrap().read().await.unwrap();
        let list = iceberg::spec::ManifestList::parse_with_version(&list, metadata.format_version()).unwrap();
        for manifest in list.entries() {
            let manifest = manifest.load_manifest(&files).await.unwrap();
            for entry in manifest.entries().iter().filter(|entry| entry.is_alive()) {
                let path = entry.file_path().strip_prefix("file://").unwrap();
                assert!(Path::new(path).exists(), "a snapshot names {path}, which is not there");
                rows += if is_current { entry.record_count() } else { 0 };
            }
        }
    }
    rows
}

/// The same tables, in a catalog that a server keeps: a namespace for each folder.
pub struct IcebergRest;

impl IcebergRest {
    fn namespace(folder: &Path) -> String {
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        let letters: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
        format!("s_{letters}")
    }
}

#[async_trait]
impl StoreKind for IcebergRest {
    async fn open(&self, folder: &Path) -> Arc<dyn TierStore> {
        let rest = RestOptions {
            namespace: IcebergRest::namespace(folder),
            auth: RestAuth::Token("static".to_owned()),
            ..RestOptions::at(&rest_server::shared().uri)
        };
        let options = IcebergOptions {
            row_group_rows: 64,
            snapshots_kept: 2,
            merge_manifests_above: 2,
            ..IcebergOptions::at(folder.join("cold"), IcebergCatalog::Rest(rest))
        };
        Arc::new(IcebergStore::open(options).unwrap())
    }

    fn is_available(&self) -> bool {
        rest_server::is_installed()
    }

    async fn public_rows(&self, folder: &Path, table: &TableDef) -> Option<u64> {
        let (server, namespace) = (&rest_server::shared().uri, IcebergRest::namespace(folder));
        let address = format!("{server}/v1/some/where/namespaces/{namespace}/tables/{}", table.storage_name());
        let answer = reqwest::Client::new().get(address).bearer_auth("static").send().await.unwrap();
        if answer.status() == reqwest::StatusCode::NOT_FOUND {
            return Some(0);
        }
        let table: serde_json::Value = answer.json().await.unwrap();
        Some(public_rows_at(table["metadata-location"].as_str().unwrap()).await)
    }
}

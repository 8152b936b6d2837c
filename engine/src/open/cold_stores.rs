//! The cold tier's two stores behind one: each table is served by the store of its format.
//!
//! Calls that know a table go by its definition, segments by their location, which tells the format. A call that knows
//! only a storage name goes to both: it names one table for ever, and nothing of it lies in the other store.

use std::sync::Arc;
use std::time::Duration;

use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use datafusion::physical_plan::ExecutionPlan;
use zxq_catalog::{CatalogStore, JobId, PartitionKey, Segment, SegmentId, TableDef};
use zxq_providers::lake::delta::{DeltaOptions, DeltaStore};
use zxq_providers::lake::iceberg::{IcebergCatalog, IcebergOptions, IcebergStore, is_iceberg_location};
use zxq_providers::lake::objects::StorageRoot;
use zxq_providers::{ProviderError, Publication, Pushdown, ScanRequest, SegmentRows, TierStore, WrittenSegment};

use crate::config::EngineConfig;
use crate::error::Result;
use crate::sql::cold_format::ColdFormat;

/// The folder of the Iceberg tables, inside the cold tier's.
const ICEBERG_FOLDER: &str = "iceberg";

/// Delta and Iceberg tables.
#[derive(Debug)]
pub(crate) struct ColdStores {
    delta: DeltaStore,
    iceberg: IcebergStore,
    /// The format of tables that name none.
    usual: ColdFormat,
}

impl ColdStores {
    /// Opens both under one root.
    ///
    /// # Errors
    /// What the stores say about the root or a setting.
    pub(crate) fn open(config: &EngineConfig, root: StorageRoot, catalog: Arc<dyn CatalogStore>) -> Result<Self> {
        let cold = &config.cold;
        let iceberg_catalog = match &cold.iceberg.rest {
            Some(rest) => IcebergCatalog::Rest(rest.clone()),
            None => IcebergCatalog::Sql(catalog),
        };
        let folder = config.data_dir.join("cold");
        let iceberg = IcebergStore::open(IcebergOptions {
            root: root.clone().inner(ICEBERG_FOLDER)?,
            compression: cold.compression.clone(),
            metadata_cache_bytes: cold.metadata_cache_bytes,
            snapshots_kept: cold.iceberg.snapshots_kept,
            ..IcebergOptions::at(folder.clone(), iceberg_catalog)
        })?;
        let delta = DeltaStore::open(DeltaOptions {
            root,
            compression: cold.compression.clone(),
            metadata_cache_bytes: cold.metadata_cache_bytes,
            ..DeltaOptions::at(folder)
        })?;
        Ok(ColdStores { delta, iceberg, usual: cold.format })
    }

    fn of_format(&self, format: ColdFormat) -> &dyn TierStore {
        match format {
            ColdFormat::Delta => &self.delta,
            ColdFormat::Iceberg => &self.iceberg,
        }
    }

    fn of(&self, table: &TableDef) -> &dyn TierStore {
        self.of_format(ColdFormat::of(table))
    }
}

type Done<T> = std::result::Result<T, ProviderError>;

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl TierStore for ColdStores {
    /// The format of new tables; [`ColdFormat::of`] tells each table's.
    fn name(&self) -> &'static str {
        self.usual.name()
    }

    fn check_table(&self, table: &TableDef) -> Done<()> {
        self.of(table).check_table(table)
    }

    async fn create_table(&self, table: &TableDef) -> Done<()> {
        self.of(table).create_table(table).await
    }

    async fn alter_table(&self, table: &TableDef) -> Done<()> {
        self.of(table).alter_table(table).await
    }

    async fn drop_table(&self, storage_name: &str) -> Done<()> {
        self.iceberg.drop_table(storage_name).await?;
        self.delta.drop_table(storage_name).await
    }

    async fn write_segment(
        &self,
        table: &TableDef,
        job: &JobId,
        id: SegmentId,
        partition: &PartitionKey,
        rows: Vec<RecordBatch>,
    ) -> Done<WrittenSegment> {
        self.of(table).write_segment(table, job, id, partition, rows).await
    }

    async fn write_segments(
        &self,
        table: &TableDef,
        job: &JobId,
        segments: Vec<SegmentRows>,
    ) -> Done<Vec<WrittenSegment>> {
        self.of(table).write_segments(table, job, segments).await
    }

    async fn publish(&self, table: &TableDef, publication: &Publication<'_>) -> Done<()> {
        self.of(table).publish(table, publication).await
    }

    fn has_log(&self) -> bool {
        true
    }

    async fn is_published(&self, table: &TableDef, job: &JobId) -> Done<bool> {
        self.of(table).is_published(table, job).await
    }

    async fn scan(&self, request: ScanRequest<'_>) -> Done<Arc<dyn ExecutionPlan>> {
        self.of(&request.table).scan(request).await
    }

    /// Files compute nothing.
    fn pushdown(&self) -> Option<&dyn Pushdown> {
        None
    }

    fn may_hold(&self, table: &TableDef, segment: &Segment) -> bool {
        self.of(table).may_hold(table, segment)
    }

    fn is_due(&self, table: &TableDef, segment: &Segment, age: Duration) -> bool {
        self.of(table).is_due(table, segment, age)
    }

    async fn drop_segments(&self, storage_name: &str, segments: &[Segment]) -> Done<()> {
        let (iceberg, delta): (Vec<Segment>, Vec<Segment>) =
            segments.iter().cloned().partition(|segment| is_iceberg_location(&segment.location));
        if !iceberg.is_empty() {
            self.iceberg.drop_segments(storage_name, &iceberg).await?;
        }
        if !delta.is_empty() {
            self.delta.drop_segments(storage_name, &delta).await?;
        }
        Ok(())
    }

    async fn sweep_job(&self, storage_name: &str, job: &JobId) -> Done<()> {
        self.iceberg.sweep_job(storage_name, job).await?;
        self.delta.sweep_job(storage_name, job).await
    }

    /// The Iceberg tables lie inside the root of the Delta tables, which counts all that lies there.
    async fn bytes_used(&self) -> Done<u64> {
        self.delta.bytes_used().await
    }

    async fn close(&self) -> Done<()> {
        self.iceberg.close().await?;
        self.delta.close().await
    }
}

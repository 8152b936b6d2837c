//! Iceberg tables: one snapshot, read by the Iceberg library, which knows renamed columns, hidden partitions and delete
//! files.

use std::fmt::{self, Debug};
use std::sync::Arc;

use ::iceberg::arrow::{ArrowReaderBuilder, schema_to_arrow_schema};
use ::iceberg::io::FileIO;
use ::iceberg::scan::FileScanTask;
use ::iceberg::spec::{DataFileFormat, ManifestContentType};
use ::iceberg::table::StaticTable;
use ::iceberg::{Error as IcebergError, Runtime, TableIdent};
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::error::DataFusionError;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, Partitioning};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet, RecordOutput};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use futures::{StreamExt, TryStreamExt};

use super::bucket_files::bucket_files;
use super::iceberg_predicate::predicate;
use super::{ExternalFormat, ExternalScan, ExternalTable, address, failed, missing, refused, store_of};
use crate::adapt::adapt_batch;
use crate::error::Result;

const FORMAT: ExternalFormat = ExternalFormat::Iceberg;

/// The current snapshot of a table.
#[derive(Debug)]
pub(super) struct IcebergFiles {
    location: String,
    files: FileIO,
    table: StaticTable,
    schema: SchemaRef,
}

impl IcebergFiles {
    pub(super) async fn open(state: &dyn Session, location: &str) -> Result<Self> {
        let files = match location.split_once("://") {
            None | Some(("file", _)) => FileIO::new_with_fs(),
            Some(("s3", rest)) => {
                let store = store_of(state, FORMAT, location, &address(FORMAT, location)?)?;
                bucket_files(rest.split('/').next().unwrap_or_default(), store)
            }
            Some(_) => return Err(refused(FORMAT, location, "such tables are read from local disk and from s3://")),
        };
        let reading = |e: IcebergError| failed(FORMAT, "read the metadata of", location, e);
        let metadata = metadata_file(&files, location).await?;
        if !files.exists(&metadata).await.map_err(reading)? {
            return Err(missing(FORMAT, location));
        }
        let name = TableIdent::from_strs(["external", "table"]).map_err(reading)?;
        let table = StaticTable::from_metadata_file(&metadata, name, files.clone()).await.map_err(reading)?;
        let schema = schema_to_arrow_schema(table.metadata().current_schema()).map_err(reading)?;
        let found = IcebergFiles { location: location.to_owned(), files, table, schema: Arc::new(schema) };
        found.check_formats().await?;
        Ok(found)
    }

    /// Refuses files that the library would pass over: delete vectors, and data that is not Parquet.
    async fn check_formats(&self) -> Result<()> {
        let reading = |e: IcebergError| failed(FORMAT, "read the manifests of", &self.location, e);
        let table = self.table.clone().into_table();
        let Some(snapshot) = table.metadata().current_snapshot() else { return Ok(()) };
        let manifests = table.manifest_list_reader(snapshot).load().await.map_err(reading)?;
        for manifest in manifests.entries() {
            let deletes = manifest.content == ManifestContentType::Deletes;
            let entries = manifest.load_manifest(&self.files).await.map_err(reading)?;
            for entry in entries.entries().iter().filter(|entry| entry.is_alive()) {
                match entry.file_format() {
                    DataFileFormat::Parquet => {}
                    other => {
                        let kind = if deletes { "delete file" } else { "data file" };
                        let what = format!("its {kind} {} is {other}; only Parquet can be read", entry.file_path());
                        return Err(refused(FORMAT, &self.location, &what));
                    }
                }
            }
        }
        Ok(())
    }
}

/// The metadata file: the one that is named, or the one that the folder's version hint names. Without a hint nobody can
/// tell which of the files in a folder has been committed.
async fn metadata_file(files: &FileIO, location: &str) -> Result<String> {
    if location.ends_with(".metadata.json") {
        return Ok(location.to_owned());
    }
    let folder = location.trim_end_matches('/');
    let hint = format!("{folder}/metadata/version-hint.text");
    let reading = |e: IcebergError| failed(FORMAT, "read", &hint, e);
    let input = files.new_input(&hint).map_err(reading)?;
    if !input.exists().await.map_err(reading)? {
        let what = "name its current metadata file (…/metadata/….metadata.json): the folder has no version-hint.text";
        return Err(refused(FORMAT, location, what));
    }
    let bytes = input.read().await.map_err(reading)?;
    let version = String::from_utf8_lossy(&bytes).trim().to_owned();
    let name = if version.chars().all(|c| c.is_ascii_digit()) { format!("v{version}") } else { version };
    Ok(format!("{folder}/metadata/{}.metadata.json", name.trim_end_matches(".metadata.json")))
}

#[async_trait]
impl ExternalTable for IcebergFiles {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    async fn scan(&self, scan: ExternalScan<'_>) -> Result<Arc<dyn ExecutionPlan>> {
        let planning = |e: IcebergError| failed(FORMAT, "plan a scan of", &self.location, e);
        let wanted: Vec<usize> = scan.projection.cloned().unwrap_or_else(|| (0..self.schema.fields().len()).collect());
        let mut builder = self.table.scan().select(wanted.iter().map(|i| self.schema.field(*i).name().clone()));
        if let Some(filter) = predicate(scan.filters, &self.schema) {
            builder = builder.with_filter(filter);
        }
        let planned = builder.build().map_err(planning)?.plan_files().await.map_err(planning)?;
        let mut tasks: Vec<FileScanTask> = planned.try_collect().await.map_err(planning)?;
        tasks.sort_by_key(|task| std::cmp::Reverse(task.length));
        let partitions = scan.state.config().target_partitions().clamp(1, tasks.len().max(1));
        let mut parts: Vec<Vec<FileScanTask>> = vec![Vec::new(); partitions];
        for (number, task) in tasks.into_iter().enumerate() {
            parts[number % partitions].push(task);
        }
        let schema = Arc::new(scan.schema.project(&wanted)?);
        Ok(Arc::new(IcebergScanExec {
            location: self.location.clone(),
            files: self.files.clone(),
            properties: Arc::new(PlanProperties::new(
                EquivalenceProperties::new(Arc::clone(&schema)),
                Partitioning::UnknownPartitioning(partitions),
                EmissionType::Incremental,
                Boundedness::Bounded,
            )),
            parts,
            schema,
            metrics: ExecutionPlanMetricsSet::new(),
        }))
    }
}

/// Reads data files of one snapshot, with their delete files applied.
struct IcebergScanExec {
    location: String,
    files: FileIO,
    /// The files of each output partition.
    parts: Vec<Vec<FileScanTask>>,
    schema: SchemaRef,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl Debug for IcebergScanExec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IcebergScanExec").field("location", &self.location).finish_non_exhaustive()
    }
}

impl DisplayAs for IcebergScanExec {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let files: usize = self.parts.iter().map(Vec::len).sum();
        let deletes: usize = self.parts.iter().flatten().map(|task| task.deletes.len()).sum();
        write!(f, "IcebergScanExec: files={files}, delete_files={deletes}, location={}", self.location)
    }
}

impl ExecutionPlan for IcebergScanExec {
    fn name(&self) -> &str {
        "IcebergScanExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn with_new_children(
        self: Arc<Self>,
        _children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> datafusion::error::Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> datafusion::error::Result<SendableRecordBatchStream> {
        let reading = {
            let location = self.location.clone();
            move |e: IcebergError| DataFusionError::External(Box::new(failed(FORMAT, "read", &location, e)))
        };
        let tasks = self.parts.get(partition).cloned().unwrap_or_default();
        let runtime = Runtime::try_current().map_err(&reading)?;
        let reader = ArrowReaderBuilder::new(self.files.clone(), runtime)
            .with_batch_size(context.session_config().batch_size())
            .with_data_file_concurrency_limit(1)
            .with_row_group_filtering_enabled(true)
            .build();
        let read = reader.read(futures::stream::iter(tasks.into_iter().map(Ok)).boxed()).map_err(&reading)?;
        let (schema, metrics) = (Arc::clone(&self.schema), BaselineMetrics::new(&self.metrics, partition));
        let batches = read.stream().map(move |batch| {
            let batch = adapt_batch(&batch.map_err(&reading)?, &schema)?;
            Ok(batch.record_output(&metrics))
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), batches)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }
}

//! Delta Lake tables: the files that the log lists, with the partition values it gives.

use std::sync::Arc;

use arrow::array::StringArray;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use async_trait::async_trait;
use chrono::DateTime;
use datafusion::catalog::Session;
use datafusion::common::config::TableParquetOptions;
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::expr_rewriter::unnormalize_col;
use datafusion::physical_expr::conjunction_opt;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use deltalake_core::kernel::Remove;
use deltalake_core::kernel::engine::arrow_conversion::TryIntoArrow;
use deltalake_core::{DeltaTableBuilder, DeltaTableError};
use object_store::ObjectMeta;
use object_store::path::Path;
use url::Url;

use super::{ExternalFormat, ExternalScan, ExternalTable, address, failed, missing, refused};
use crate::error::Result;
use crate::parquet_files::source::NamingSource;

const FORMAT: ExternalFormat = ExternalFormat::Delta;

/// Reader features that change nothing for whoever takes the log's word for which files there are. Deletion vectors are
/// looked for file by file: a table may allow them and have none.
const HARMLESS: [&str; 4] = ["deletionVectors", "timestampNtz", "v2Checkpoint", "vacuumProtocolCheck"];

/// One version of a table.
#[derive(Debug)]
pub(super) struct DeltaFiles {
    location: String,
    store: ObjectStoreUrl,
    /// The table's folder, as the store names it.
    folder: Path,
    schema: SchemaRef,
    partition_columns: Vec<String>,
    /// Each as the log would remove it: that is how the library hands out a file's path, size and partition values.
    files: Vec<Remove>,
}

impl DeltaFiles {
    pub(super) async fn open(state: &dyn Session, location: &str) -> Result<Self> {
        let place = address(FORMAT, location)?;
        let mut url = Url::parse(place.as_str()).map_err(|e| failed(FORMAT, "understand", location, e))?;
        if !url.path().ends_with('/') {
            url.set_path(&format!("{}/", url.path()));
        }
        let store = place.object_store();
        let backend = state.runtime_env().object_store(&store)?;
        let reading = |e: DeltaTableError| failed(FORMAT, "read the log of", location, e);
        let builder =
            DeltaTableBuilder::from_url(url.clone()).map_err(reading)?.with_storage_backend(backend, url.clone());
        let mut table = builder.build().map_err(reading)?;
        if !table.verify_deltatable_existence().await.map_err(reading)? {
            return Err(missing(FORMAT, location));
        }
        table.load().await.map_err(reading)?;
        let snapshot = table.snapshot().map_err(reading)?;
        let features = snapshot.protocol().reader_features().unwrap_or_default();
        let names = features.iter().map(ToString::to_string);
        if let Some(feature) = names.into_iter().find(|feature| !HARMLESS.contains(&feature.as_str())) {
            return Err(refused(FORMAT, location, &format!("it uses the feature {feature}, which is not known here")));
        }
        let metadata = snapshot.metadata();
        let mapping = metadata.configuration().get("delta.columnMapping.mode").map(String::as_str);
        if mapping.is_some_and(|mode| mode != "none") {
            return Err(refused(FORMAT, location, "its columns are mapped to other names in its files"));
        }
        let files: Vec<Remove> = snapshot.log_data().iter().map(|file| file.remove_action(false)).collect();
        if let Some(file) = files.iter().find(|file| file.deletion_vector.is_some()) {
            let what = format!(
                "file {} has a deletion vector; rewrite such files first (REORG TABLE … APPLY (PURGE), or OPTIMIZE)",
                file.path
            );
            return Err(refused(FORMAT, location, &what));
        }
        let schema: Schema = snapshot
            .schema()
            .as_ref()
            .try_into_arrow()
            .map_err(|e: arrow::error::ArrowError| failed(FORMAT, "understand the schema of", location, e))?;
        let folder = Path::from_url_path(url.path()).map_err(|e| failed(FORMAT, "understand", location, e))?;
        Ok(DeltaFiles {
            location: location.to_owned(),
            store,
            folder,
            schema: Arc::new(schema),
            partition_columns: metadata.partition_columns().to_vec(),
            files,
        })
    }

    /// A file of the log as the scan wants it.
    fn file(&self, listed: &Remove, folders: &[FieldRef]) -> Result<PartitionedFile> {
        let reading = |what: String| refused(FORMAT, &self.location, &what);
        // The log names files relative to the table's folder, or by whole URLs; the library has decoded the names.
        let path = match Url::parse(&listed.path) {
            Ok(url) => Path::from_url_path(url.path()),
            Err(_) => Path::parse(format!("{}/{}", self.folder, listed.path)),
        };
        let location = path.map_err(|e| reading(format!("the log names the file {}: {e}", listed.path)))?;
        let size = listed.size.and_then(|size| u64::try_from(size).ok());
        let size = size.ok_or_else(|| reading(format!("the log gives no size of file {}", listed.path)))?;
        let last_modified = DateTime::UNIX_EPOCH;
        let meta = ObjectMeta { location, last_modified, size, e_tag: None, version: None };
        let values = folders.iter().map(|field| {
            let text = listed.partition_values.as_ref().and_then(|values| values.get(field.name()).cloned().flatten());
            // An empty text stands for NULL in Delta's partition values.
            partition_value(text.filter(|text| !text.is_empty()), field.data_type())
        });
        let values = values.collect::<Result<Vec<ScalarValue>>>()?;
        Ok(PartitionedFile::new_from_meta(meta).with_partition_values(values))
    }
}

fn partition_value(text: Option<String>, data_type: &DataType) -> Result<ScalarValue> {
    let text = StringArray::from(vec![text]);
    let value = arrow::compute::cast_with_options(
        &text,
        data_type,
        &arrow::compute::CastOptions { safe: false, ..Default::default() },
    )?;
    Ok(ScalarValue::try_from_array(&cast(&value, data_type)?, 0)?)
}

#[async_trait]
impl ExternalTable for DeltaFiles {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    async fn scan(&self, scan: ExternalScan<'_>) -> Result<Arc<dyn ExecutionPlan>> {
        let in_folder = |field: &Field| self.partition_columns.contains(field.name());
        let (mut order, mut file_fields, mut folders) = (Vec::new(), Vec::new(), Vec::new());
        for (index, field) in scan.schema.fields().iter().enumerate().filter(|(_, field)| !in_folder(field)) {
            order.push(index);
            file_fields.push(Arc::clone(field));
        }
        for name in &self.partition_columns {
            let index = scan.schema.index_of(name)?;
            order.push(index);
            folders.push(Arc::clone(&scan.schema.fields()[index]));
        }
        let wanted: Vec<usize> = scan.projection.cloned().unwrap_or_else(|| (0..scan.schema.fields().len()).collect());
        if self.files.is_empty() {
            return Ok(Arc::new(EmptyExec::new(Arc::new(scan.schema.project(&wanted)?))));
        }
        let mut files = Vec::with_capacity(self.files.len());
        for listed in &self.files {
            files.push(self.file(listed, &folders)?);
        }
        let schema = TableSchema::new(Arc::new(Schema::new(file_fields)), folders);
        let global = scan.state.config_options().execution.parquet.clone();
        let options = TableParquetOptions { global, ..Default::default() };
        let mut source = ParquetSource::new(schema.clone()).with_table_parquet_options(options);
        let columns = DFSchema::try_from(schema.table_schema().as_ref().clone())?;
        let filters = scan.filters.iter().map(|filter| unnormalize_col(filter.clone()));
        let conjuncts = filters.filter_map(|filter| scan.state.create_physical_expr(filter, &columns).ok());
        if let Some(predicate) = conjunction_opt(conjuncts) {
            source = source.with_predicate(predicate);
        }
        let groups = FileGroup::new(files).split_files(scan.state.config().target_partitions().max(1));
        let position = |index: &usize| order.iter().position(|at| at == index);
        let config = FileScanConfigBuilder::new(self.store.clone(), NamingSource::wrap(Arc::new(source)))
            .with_file_groups(groups)
            .with_limit(scan.limit)
            .with_projection_indices(Some(wanted.iter().filter_map(position).collect()))?
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }
}

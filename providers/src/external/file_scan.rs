//! A scan of Parquet files, where some columns are told by the folders that files lie in.

use std::sync::Arc;

use arrow::array::StringArray;
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::common::config::TableParquetOptions;
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::ParquetAccessPlan;
use datafusion::datasource::physical_plan::{
    FileGroup, FileScanConfigBuilder, ParquetFileReaderFactory, ParquetSource,
};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::expr_rewriter::unnormalize_col;
use datafusion::physical_expr::conjunction_opt;
use datafusion::physical_expr_adapter::PhysicalExprAdapterFactory;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use object_store::ObjectMeta;

use super::ExternalScan;
use super::columns::FileColumns;
use super::files::Files;
use crate::error::Result;
use crate::lake::parquet_files::source::NamingSource;

/// A file, and what its folders say.
pub(super) struct InFolders {
    pub(super) meta: ObjectMeta,
    /// A value of each of those columns, in the table's types.
    pub(super) values: Vec<ScalarValue>,
    /// Which rows there are, where not all of the file's.
    pub(super) rows: Option<ParquetAccessPlan>,
}

/// Files that are alike.
pub(super) struct FileScan {
    pub(super) store: ObjectStoreUrl,
    pub(super) files: Files,
    pub(super) columns: FileColumns,
    /// The columns that are not in the files, in the order of each file's values.
    pub(super) folder_columns: Vec<String>,
    pub(super) parts: Vec<InFolders>,
}

/// Plans a scan of the files.
pub(super) fn plan(scan: &ExternalScan<'_>, of: FileScan) -> Result<Arc<dyn ExecutionPlan>> {
    let in_folder = |field: &Field| of.folder_columns.contains(field.name());
    let (mut order, mut file_fields, mut folders) = (Vec::new(), Vec::new(), Vec::new());
    for (index, field) in scan.schema.fields().iter().enumerate().filter(|(_, field)| !in_folder(field)) {
        order.push(index);
        file_fields.push(Arc::clone(field));
    }
    for name in &of.folder_columns {
        let index = scan.schema.index_of(name)?;
        order.push(index);
        folders.push(Arc::clone(&scan.schema.fields()[index]));
    }
    let wanted: Vec<usize> = scan.projection.cloned().unwrap_or_else(|| (0..scan.schema.fields().len()).collect());
    if of.parts.is_empty() {
        return Ok(Arc::new(EmptyExec::new(Arc::new(scan.schema.project(&wanted)?))));
    }
    let partitioned: Vec<PartitionedFile> = of
        .parts
        .into_iter()
        .map(|part| {
            let file = PartitionedFile::new_from_meta(part.meta).with_partition_values(part.values);
            match part.rows {
                Some(rows) => file.with_extension(rows),
                None => file,
            }
        })
        .collect();
    let schema = TableSchema::new(Arc::new(Schema::new(file_fields)), folders);
    let mut global = scan.state.config_options().execution.parquet.clone();
    // In nanoseconds, as they are otherwise taken, years outside 1677 to 2262 wrap around.
    global.coerce_int96 = Some("us".to_owned());
    let options = TableParquetOptions { global, ..Default::default() };
    let mut source = ParquetSource::new(schema.clone())
        .with_table_parquet_options(options)
        .with_parquet_file_reader_factory(Arc::new(of.files) as Arc<dyn ParquetFileReaderFactory>);
    let columns = DFSchema::try_from(schema.table_schema().as_ref().clone())?;
    let filters = scan.filters.iter().map(|filter| unnormalize_col(filter.clone()));
    let conjuncts = filters.filter_map(|filter| scan.state.create_physical_expr(filter, &columns).ok());
    if let Some(predicate) = conjunction_opt(conjuncts) {
        source = source.with_predicate(predicate);
    }
    let groups = FileGroup::new(partitioned).split_files(scan.state.config().target_partitions().max(1));
    let position = |index: &usize| order.iter().position(|at| at == index);
    let config = FileScanConfigBuilder::new(of.store, NamingSource::wrap(Arc::new(source)))
        .with_file_groups(groups)
        .with_limit(scan.limit)
        .with_expr_adapter(Some(Arc::new(of.columns) as Arc<dyn PhysicalExprAdapterFactory>))
        .with_projection_indices(Some(wanted.iter().filter_map(position).collect()))?
        .build();
    Ok(DataSourceExec::from_data_source(config))
}

/// The values that texts in a folder's name, or in a log, stand for; `None` is NULL.
pub(super) fn folder_values(
    columns: &[String],
    texts: Vec<Option<String>>,
    schema: &SchemaRef,
) -> Result<Vec<ScalarValue>> {
    let value = |(name, text): (&String, Option<String>)| {
        let field = schema.field_with_name(name)?;
        let text = StringArray::from(vec![text]);
        let value = cast_with_options(&text, field.data_type(), &CastOptions { safe: false, ..Default::default() })?;
        Ok(ScalarValue::try_from_array(&value, 0)?)
    };
    columns.iter().zip(texts).map(value).collect()
}

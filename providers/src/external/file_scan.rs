//! A scan of Parquet files, where some columns are told by the folders that files lie in.

use std::sync::Arc;

use arrow::array::StringArray;
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{Field, Schema};
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
use object_store::ObjectMeta;

use super::ExternalScan;
use crate::error::Result;
use crate::parquet_files::source::NamingSource;

/// A file, and what its folders say: a text for each of those columns, `None` for NULL.
pub(super) struct InFolders {
    pub(super) meta: ObjectMeta,
    pub(super) values: Vec<Option<String>>,
}

/// Plans a scan of the files. `folder_columns` are the columns that are not in them, in the order of each file's values.
pub(super) fn plan(
    scan: &ExternalScan<'_>,
    store: ObjectStoreUrl,
    folder_columns: &[String],
    files: Vec<InFolders>,
) -> Result<Arc<dyn ExecutionPlan>> {
    let in_folder = |field: &Field| folder_columns.contains(field.name());
    let (mut order, mut file_fields, mut folders) = (Vec::new(), Vec::new(), Vec::new());
    for (index, field) in scan.schema.fields().iter().enumerate().filter(|(_, field)| !in_folder(field)) {
        order.push(index);
        file_fields.push(Arc::clone(field));
    }
    for name in folder_columns {
        let index = scan.schema.index_of(name)?;
        order.push(index);
        folders.push(Arc::clone(&scan.schema.fields()[index]));
    }
    let wanted: Vec<usize> = scan.projection.cloned().unwrap_or_else(|| (0..scan.schema.fields().len()).collect());
    if files.is_empty() {
        return Ok(Arc::new(EmptyExec::new(Arc::new(scan.schema.project(&wanted)?))));
    }
    let mut partitioned = Vec::with_capacity(files.len());
    for file in files {
        let values = file.values.into_iter().zip(&folders).map(|(text, field)| folder_value(text, field));
        let values = values.collect::<Result<Vec<ScalarValue>>>()?;
        partitioned.push(PartitionedFile::new_from_meta(file.meta).with_partition_values(values));
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
    let groups = FileGroup::new(partitioned).split_files(scan.state.config().target_partitions().max(1));
    let position = |index: &usize| order.iter().position(|at| at == index);
    let config = FileScanConfigBuilder::new(store, NamingSource::wrap(Arc::new(source)))
        .with_file_groups(groups)
        .with_limit(scan.limit)
        .with_projection_indices(Some(wanted.iter().filter_map(position).collect()))?
        .build();
    Ok(DataSourceExec::from_data_source(config))
}

fn folder_value(text: Option<String>, field: &Field) -> Result<ScalarValue> {
    let text = StringArray::from(vec![text]);
    let value = cast_with_options(&text, field.data_type(), &CastOptions { safe: false, ..Default::default() })?;
    Ok(ScalarValue::try_from_array(&value, 0)?)
}

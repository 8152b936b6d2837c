//! What the scan knows of a segment's file before opening it: path, size, folder values, exact statistics.

use std::sync::Arc;

use arrow::datatypes::{Field, FieldRef, SchemaRef};
use chrono::DateTime;
use datafusion::common::stats::Precision;
use datafusion::common::{ColumnStatistics, ScalarValue, Statistics};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::table_schema::TableSchema;
use moka::sync::Cache;
use object_store::ObjectMeta;
use object_store::path::Path;
use zxq_catalog::{Segment, SegmentId, TableDef, TableId, Value};

use crate::error::{ProviderError, Result};
use crate::lake::objects::object_path;
use crate::lake::parquet_files::STORE;
use crate::lake::parquet_files::layout::{FileForm, PartitionColumn};
use crate::lake::parquet_files::reader::ExpectedRows;
use crate::{scalar, stats};

/// The table as DataFusion's file scan sees it: columns of the files first, then those of the folders.
pub(crate) struct ScanTable {
    /// The table's canonical schema.
    pub(crate) canonical: SchemaRef,
    /// Files' columns and folders' columns.
    pub(crate) schema: TableSchema,
    /// For each column of `schema`, its position in `canonical`.
    pub(crate) order: Vec<usize>,
    folders: Vec<PartitionColumn>,
}

impl ScanTable {
    pub(crate) fn new(table: &TableDef, form: FileForm) -> Result<Self> {
        let canonical = table.schema();
        let mut order = form.columns(table);
        let file_schema = Arc::new(canonical.project(&order)?);
        let folders = form.left_out(table);
        let mut folder_fields: Vec<FieldRef> = Vec::with_capacity(folders.len());
        for folder in &folders {
            let index = canonical.index_of(&folder.name)?;
            order.push(index);
            folder_fields.push(Arc::new(Field::clone(canonical.field(index))));
        }
        let schema = TableSchema::new(file_schema, folder_fields);
        Ok(ScanTable { canonical, schema, order, folders })
    }

    /// The position in `schema` of a column of the canonical schema.
    pub(crate) fn position(&self, canonical: usize) -> Option<usize> {
        self.order.iter().position(|index| *index == canonical)
    }

    /// The values that a segment's folder gives.
    fn folder_values(&self, segment: &Segment) -> Result<Vec<ScalarValue>> {
        let mut values = Vec::with_capacity(self.folders.len());
        for (folder, field) in self.folders.iter().zip(self.schema.table_partition_cols()) {
            let value = if folder.is_period {
                segment.partition.period.map(Value::Date)
            } else {
                segment.partition.class.clone().map(Value::Text)
            };
            let scalar = match value {
                Some(value) => scalar::to_scalar(&value, field.data_type()),
                None => Some(scalar::null_scalar(field.data_type())?),
            };
            values.push(scalar.ok_or_else(|| ProviderError::Unsupported {
                store: STORE,
                what: format!("partition by column \"{}\" of type {}", field.name(), field.data_type()),
            })?);
        }
        Ok(values)
    }
}

/// Files by segment, made once: planning a scan of many files then costs next to nothing.
///
/// The key has the number of columns, because statistics change shape when a column is added.
#[derive(Debug)]
pub(crate) struct FileCache {
    root: Path,
    files: Cache<(TableId, SegmentId, usize), Arc<PartitionedFile>>,
}

/// Files kept, of some kilobytes each.
const MAX_FILES: u64 = 50_000;

impl FileCache {
    /// `root` is the folder that locations are relative to.
    pub(crate) fn new(root: Path) -> Self {
        FileCache { root, files: Cache::builder().max_capacity(MAX_FILES).build() }
    }

    /// The file of a segment.
    pub(crate) fn get(&self, table: &ScanTable, segment: &Arc<Segment>) -> Result<Arc<PartitionedFile>> {
        let key = (segment.table, segment.id, table.order.len());
        if let Some(file) = self.files.get(&key) {
            return Ok(file);
        }
        let file = Arc::new(self.make(table, segment)?);
        self.files.insert(key, Arc::clone(&file));
        Ok(file)
    }

    fn make(&self, table: &ScanTable, segment: &Arc<Segment>) -> Result<PartitionedFile> {
        let folder_values = table.folder_values(segment)?;
        let statistics = file_statistics(table, segment, &folder_values);
        let mut file = PartitionedFile::new_from_meta(ObjectMeta {
            location: object_path(&self.root, &segment.location)?,
            last_modified: DateTime::UNIX_EPOCH,
            size: segment.bytes,
            e_tag: None,
            version: None,
        })
        .with_partition_values(folder_values)
        .with_extension(ExpectedRows(segment.rows));
        // Not by `with_statistics`: it takes a folder's NULL for a value.
        file.statistics = Some(Arc::new(statistics));
        Ok(file)
    }
}

/// Exact statistics in the scan's column order. Folder columns come from the partition, whatever the catalog's say.
fn file_statistics(table: &ScanTable, segment: &Arc<Segment>, folder_values: &[ScalarValue]) -> Statistics {
    let mut statistics = stats::statistics(&table.canonical, std::slice::from_ref(segment), &table.order, true);
    let rows = usize::try_from(segment.rows).unwrap_or(usize::MAX);
    let in_files = table.schema.file_schema().fields().len();
    for (column, value) in statistics.column_statistics.iter_mut().skip(in_files).zip(folder_values) {
        *column = ColumnStatistics::new_unknown();
        if value.is_null() {
            column.null_count = Precision::Exact(rows);
        } else {
            column.null_count = Precision::Exact(0);
            column.min_value = Precision::Exact(value.clone());
            column.max_value = Precision::Exact(value.clone());
        }
    }
    statistics
}

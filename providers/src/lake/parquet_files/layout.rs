//! Where a segment's file lies, and which columns its folder names instead of the file.
//!
//! Day: `trade_date=2024-01-02/asset_class=FX/`; month and year: `trade_month=2024-01/…`, `trade_year=2024/…`, where
//! `trade_month` exists only in the public Delta table, beside the real `trade_date` in the files.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use parquet::arrow::PARQUET_FIELD_ID_META_KEY;
use zxq_catalog::{Granularity, JobId, PartitionKey, Partitioning, SegmentId, TableDef};

use crate::error::Result;

/// How Hive, and Delta after it, write a NULL in a folder name.
const NULL_FOLDER: &str = "__HIVE_DEFAULT_PARTITION__";

/// What the files of a lakehouse format hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileForm {
    /// All columns but those that a folder's name gives (Hive, and Delta after it), described as Arrow does.
    WithoutFolderColumns,
    /// All columns, each under its number, in the types that Iceberg has, described as Parquet does.
    Iceberg,
}

impl FileForm {
    /// The folder levels whose values files of this form leave out.
    pub(crate) fn left_out(self, table: &TableDef) -> Vec<PartitionColumn> {
        match self {
            FileForm::WithoutFolderColumns => partition_columns(table).into_iter().filter(|c| c.in_table).collect(),
            FileForm::Iceberg => Vec::new(),
        }
    }

    /// Positions in the table's schema of the columns that files hold, in order.
    pub(crate) fn columns(self, table: &TableDef) -> Vec<usize> {
        let left_out = self.left_out(table);
        let is_kept = |i: &usize| table.columns.get(*i).is_some_and(|c| !left_out.iter().any(|l| l.name == c.name));
        (0..table.columns.len()).filter(is_kept).collect()
    }

    /// The schema that files are written with.
    ///
    /// # Errors
    /// None that a valid definition could cause.
    pub(crate) fn write_schema(self, table: &TableDef) -> Result<SchemaRef> {
        let schema = table.schema().project(&self.columns(table))?;
        if self == FileForm::WithoutFolderColumns {
            return Ok(Arc::new(schema));
        }
        let fields = schema.fields().iter().enumerate().map(|(position, field)| {
            // Iceberg has no integers below 32 bits; the scan gives the narrow ones back.
            let data_type = match field.data_type() {
                DataType::Int8 | DataType::Int16 => DataType::Int32,
                other => other.clone(),
            };
            let id = [(PARQUET_FIELD_ID_META_KEY.to_owned(), field_id(position).to_string())];
            Field::new(field.name(), data_type, field.is_nullable()).with_metadata(id.into())
        });
        Ok(Arc::new(Schema::new(fields.collect::<Vec<_>>())))
    }
}

/// The number of a table's column in Iceberg: columns are only ever added at the end, so their places are for ever.
pub(crate) fn field_id(position: usize) -> i32 {
    i32::try_from(position).unwrap_or(i32::MAX).saturating_add(1)
}

/// One level of folders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PartitionColumn {
    /// Name in the Delta table.
    pub(crate) name: String,
    /// True when `name` is a column of the table, so that files leave it out; false for `trade_month`, `trade_year`.
    pub(crate) in_table: bool,
    /// True for the period, false for the class.
    pub(crate) is_period: bool,
}

/// The folder levels of a table, outermost first.
pub(crate) fn partition_columns(table: &TableDef) -> Vec<PartitionColumn> {
    let mut columns = Vec::with_capacity(2);
    if let Some(date) = &table.partitioning.date_column {
        let (name, in_table) = match table.partitioning.granularity {
            Granularity::Day => (date.clone(), true),
            coarse => (coarse_name(table, date, coarse), false),
        };
        columns.push(PartitionColumn { name, in_table, is_period: true });
    }
    if let Some(class) = &table.partitioning.class_column {
        columns.push(PartitionColumn { name: class.clone(), in_table: true, is_period: false });
    }
    columns
}

/// `trade_date` by month gives `trade_month`; a table that has such a column already gets `trade_date_month_partition`.
fn coarse_name(table: &TableDef, date: &str, granularity: Granularity) -> String {
    let stem = date.strip_suffix("_date").filter(|stem| !stem.is_empty()).unwrap_or(date);
    let short = format!("{stem}_{}", granularity.name());
    // Delta column names differ by more than case.
    if table.columns.iter().any(|c| c.name.eq_ignore_ascii_case(&short)) {
        format!("{date}_{}_partition", granularity.name())
    } else {
        short
    }
}

/// The value of a folder level as text, `None` for NULL.
pub(crate) fn partition_text(
    column: &PartitionColumn,
    key: &PartitionKey,
    partitioning: &Partitioning,
) -> Option<String> {
    if column.is_period { key.period.map(|p| partitioning.granularity.period_text(p)) } else { key.class.clone() }
}

/// Partition values as the Delta log wants them. Delta takes an empty text for NULL: other readers of such a partition see
/// NULL, our own scan takes the value from the catalog.
pub(crate) fn partition_values(table: &TableDef, key: &PartitionKey) -> HashMap<String, Option<String>> {
    partition_columns(table)
        .into_iter()
        .map(|column| {
            let text = partition_text(&column, key, &table.partitioning);
            (column.name, text)
        })
        .collect()
}

/// The path of a segment's file, relative to the store's root; `folder` is the table's.
pub(crate) fn location(folder: &str, table: &TableDef, job: &JobId, id: SegmentId, key: &PartitionKey) -> String {
    let mut path = folder.to_owned();
    for column in partition_columns(table) {
        let value = partition_text(&column, key, &table.partitioning);
        path.push('/');
        escape(&column.name, &mut path);
        path.push('=');
        match value {
            Some(text) => escape(&text, &mut path),
            None => path.push_str(NULL_FOLDER),
        }
    }
    path.push('/');
    path.push_str(&format!("{id}-{job}.parquet"));
    path
}

/// What ends the file names of a job.
pub(crate) fn job_suffix(job: &JobId) -> String {
    format!("-{job}.parquet")
}

/// Percent-encodes all but letters, digits and `_ - .`, more than Hive does: the same name is then safe in a file system,
/// in a URL and in an object store. Readers take values from the log, not from here.
fn escape(text: &str, into: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.') {
            into.push(char::from(byte));
        } else {
            into.push_str(&format!("%{byte:02X}"));
        }
    }
}

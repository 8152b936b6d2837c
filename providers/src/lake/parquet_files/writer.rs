//! Turns the rows of one segment into the bytes of one Parquet file.

use std::sync::Arc;

use arrow::array::{Array, RecordBatch};
use arrow::array::{AsArray, StringViewArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Date32Type, Schema};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::Compression;
use zxq_catalog::{PartitionKey, TableDef};

use crate::adapt::adapt_batch;
use crate::error::{ProviderError, Result};
use crate::lake::parquet_files::STORE;
use crate::lake::parquet_files::encoding::writer_properties;
use crate::lake::parquet_files::layout::{FileForm, partition_columns};

/// The bytes of a file that holds `rows`.
///
/// # Errors
/// [`ProviderError::Unsupported`] when a row belongs to another partition than `key`: its value would be
/// lost, or found in the wrong place. Else when a row breaks a NOT NULL, or the encoder fails.
pub(crate) fn encode_file(
    table: &TableDef,
    key: &PartitionKey,
    rows: &[RecordBatch],
    form: FileForm,
    compression: Compression,
    row_group_rows: usize,
) -> Result<Vec<u8>> {
    let schema = table.schema();
    let kept = form.columns(table);
    let file_schema = form.write_schema(table)?;
    let mut batches = Vec::with_capacity(rows.len());
    for batch in rows.iter().filter(|b| b.num_rows() > 0) {
        let batch = adapt_batch(batch, &schema)?;
        check_partition(table, key, &batch)?;
        batches.push(adapt_batch(&batch.project(&kept)?, &file_schema)?);
    }
    if batches.is_empty() {
        return Err(ProviderError::Unsupported { store: STORE, what: "write a segment without rows".to_owned() });
    }
    encode_batches(table, &file_schema, &batches, form, compression, row_group_rows)
}

fn encode_batches(
    table: &TableDef,
    schema: &Arc<Schema>,
    batches: &[RecordBatch],
    form: FileForm,
    compression: Compression,
    row_group_rows: usize,
) -> Result<Vec<u8>> {
    let failed = |e: parquet::errors::ParquetError| ProviderError::store(STORE, "encode a Parquet file", e);
    let properties = writer_properties(table, schema, batches, compression, row_group_rows)?;
    // Readers of Iceberg files go by Parquet's types and field ids; Arrow's description names types that some lack.
    let options =
        ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(form == FileForm::Iceberg);
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new_with_options(&mut bytes, Arc::clone(schema), options).map_err(failed)?;
    for batch in batches {
        writer.write(batch).map_err(failed)?;
    }
    let metadata = writer.close().map_err(failed)?;
    let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
    if usize::try_from(metadata.file_metadata().num_rows()).ok() != Some(rows) {
        return Err(ProviderError::Corrupt {
            store: STORE,
            what: "a Parquet file just encoded".to_owned(),
            reason: format!("rows that went in: {rows}, that came out: {}", metadata.file_metadata().num_rows()),
        });
    }
    Ok(bytes)
}

/// All rows hold the partition's values.
fn check_partition(table: &TableDef, key: &PartitionKey, batch: &RecordBatch) -> Result<()> {
    for column in partition_columns(table).into_iter().filter(|c| c.in_table) {
        let Some(array) = batch.column_by_name(&column.name) else { continue };
        let constant = if column.is_period {
            let days = cast(array, &DataType::Date32)?;
            is_all(days.as_ref(), key.period, |i| days.as_primitive::<Date32Type>().value(i))
        } else {
            let texts = cast(array, &DataType::Utf8View)?;
            let texts: &StringViewArray = texts.as_string_view();
            is_all(texts, key.class.as_deref(), |i| texts.value(i))
        };
        if !constant {
            return Err(ProviderError::Unsupported {
                store: STORE,
                what: format!(
                    "write rows of other partitions into partition {} of table \"{}\": column \"{}\" differs",
                    key.text(&table.partitioning),
                    table.name,
                    column.name
                ),
            });
        }
    }
    Ok(())
}

fn is_all<T: PartialEq>(array: &dyn Array, wanted: Option<T>, value: impl Fn(usize) -> T) -> bool {
    match wanted {
        None => array.null_count() == array.len(),
        Some(wanted) => array.null_count() == 0 && (0..array.len()).all(|i| value(i) == wanted),
    }
}

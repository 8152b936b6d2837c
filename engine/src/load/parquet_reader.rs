//! Parquet files, a row group at a time.

use std::fs::File;
use std::sync::Arc;

use arrow::array::{ArrayRef, new_empty_array};
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef, TimeUnit};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use zxq_catalog::TableDef;
use zxq_language::sql::types::canonical_type;
use zxq_providers::guard;

use crate::constraints::{RejectedRow, check_castable};
use crate::error::{EngineError, ErrorKind, Result};
use crate::load::columns::{Constant, plan_columns};
use crate::load::{BATCH_ROWS, ReadOptions, RowReader, fractions};

struct ParquetReader {
    source: String,
    schema: SchemaRef,
    /// Names the file's columns get.
    fields: Vec<FieldRef>,
    constant: Option<Constant>,
    /// Columns of nanoseconds of which no other column of the table keeps the last digits.
    shortened: Vec<usize>,
    digits_cut: bool,
    batches: ParquetRecordBatchReader,
    /// Row number of the last batch's first row.
    first_row: u64,
    rows_read: u64,
    rows_total: u64,
    bytes_total: u64,
}

/// Opens a Parquet file and matches its columns to the table's.
pub(super) fn open(
    file: File,
    source: String,
    table: Option<&TableDef>,
    options: &ReadOptions,
) -> Result<Box<dyn RowReader>> {
    let bytes_total = file.metadata().map_err(|e| EngineError::io(format!("cannot read {source}"), e))?.len();
    let builder = decoding(&source, || ParquetRecordBatchReaderBuilder::try_new(file))?;
    let names: Vec<String> = builder.schema().fields().iter().map(|f| f.name().clone()).collect();
    let plan = plan_columns(&source, &names, table, options)?;

    let mut roots = Vec::new();
    let mut fields: Vec<FieldRef> = Vec::new();
    for (position, (field, name)) in builder.schema().fields().iter().zip(&plan.names).enumerate() {
        let Some(name) = name else { continue };
        if let Some(column) = table.and_then(|t| t.column(name)) {
            check_castable(&new_empty_array(field.data_type()), column).map_err(|e| e.context(&source))?;
        }
        roots.push(position);
        fields.push(Arc::new(Field::new(name, field.data_type().clone(), field.is_nullable())));
    }
    let rows_total = u64::try_from(builder.metadata().file_metadata().num_rows()).unwrap_or(0);
    let mask = ProjectionMask::roots(builder.parquet_schema(), roots);
    let batches = decoding(&source, || builder.with_projection(mask).with_batch_size(BATCH_ROWS).build())?;

    let keeps_digits = |name: &str| table.is_some_and(|table| table.column(&format!("{name}_ns")).is_some());
    let is_shortened = |field: &FieldRef| {
        matches!(field.data_type(), DataType::Timestamp(TimeUnit::Nanosecond, _)) && !keeps_digits(field.name())
    };
    let shortened = (0..fields.len()).filter(|place| is_shortened(&fields[*place])).collect();
    let canonical = fields.iter().map(|field| match canonical_type(field.data_type()) {
        Some(kind) => Arc::new(Field::new(field.name(), kind.data_type, field.is_nullable())),
        None => Arc::clone(field),
    });
    let schema = Arc::new(Schema::new(canonical.chain(plan.constant.iter().map(Constant::field)).collect::<Vec<_>>()));
    Ok(Box::new(ParquetReader {
        source,
        schema,
        fields,
        constant: plan.constant,
        shortened,
        digits_cut: false,
        batches,
        first_row: 1,
        rows_read: 0,
        rows_total,
        bytes_total,
    }))
}

/// A step of the decoder, which gives up on some damaged bytes by a panic.
fn decoding<T, E>(source: &str, step: impl FnOnce() -> std::result::Result<T, E>) -> Result<T>
where
    E: std::error::Error + Send + Sync + 'static,
{
    match guard::call(step) {
        Ok(outcome) => outcome.map_err(|e| damaged(source, e)),
        Err(panicked) => Err(damaged(source, panicked.in_file("parquet", source))),
    }
}

fn damaged(source: &str, error: impl std::error::Error + Send + Sync + 'static) -> EngineError {
    EngineError::new(
        ErrorKind::InvalidFile,
        format!("{source} cannot be read as Parquet (is it damaged, cut short or of another format?): {error}"),
    )
    .with_source(error)
}

impl RowReader for ParquetReader {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn next(&mut self) -> Result<Option<RecordBatch>> {
        let Some(batch) = decoding(&self.source, || self.batches.next().transpose())? else { return Ok(None) };
        let rows = batch.num_rows();
        self.digits_cut |= self.shortened.iter().any(|place| fractions::has_more_digits(batch.column(*place)));
        self.first_row = self.rows_read + 1;
        self.rows_read += rows as u64;
        let constants = self.constant.iter().map(|c| c.values(rows));
        let columns: Vec<ArrayRef> = batch.columns().iter().map(Arc::clone).chain(constants).collect();
        let fields: Vec<FieldRef> =
            self.fields.iter().map(Arc::clone).chain(self.constant.iter().map(Constant::field)).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        Ok(Some(RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)?))
    }

    fn source(&self) -> &str {
        &self.source
    }

    fn unit(&self) -> &'static str {
        "row"
    }

    fn number(&self, row: usize) -> u64 {
        self.first_row + row as u64
    }

    fn digits_cut(&self) -> bool {
        self.digits_cut
    }

    fn take_rejected(&mut self) -> Vec<RejectedRow> {
        Vec::new()
    }

    /// In proportion to the rows: a Parquet file is not read from front to back.
    fn bytes_read(&self) -> u64 {
        let share = u128::from(self.bytes_total) * u128::from(self.rows_read) / u128::from(self.rows_total.max(1));
        u64::try_from(share).unwrap_or(self.bytes_total).min(self.bytes_total)
    }

    fn bytes_total(&self) -> Option<u64> {
        Some(self.bytes_total)
    }

    fn rows_read(&self) -> u64 {
        self.rows_read
    }
}

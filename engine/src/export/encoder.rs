//! Batches in, bytes of one file out. Memory is bounded by one row group, and counted.

use std::fmt;
use std::io::{self, Write};
use std::sync::Arc;

use arrow::datatypes::{DataType, Schema, SchemaRef};
use arrow::ipc::writer::{IpcWriteOptions, StreamWriter};
use arrow::record_batch::RecordBatch;
use bytes::Bytes;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, MemoryReservation};
use parking_lot::Mutex;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

use crate::error::{EngineError, Result};
use crate::export::ExportFormat;
use crate::export::columns::{file_schema, rows_in_file};

/// Rows of one row group at most: what readers take at a time, and few enough to be kept until it is whole.
const GROUP_ROWS: usize = 128 * 1024;
/// Bytes of one row group at most, as it is written.
const GROUP_BYTES: usize = 16 * 1024 * 1024;

/// Where the writers put their bytes until somebody takes them.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Written {
    fn take(&self) -> Bytes {
        Bytes::from(std::mem::take(&mut *self.0.lock()))
    }

    fn len(&self) -> usize {
        self.0.lock().len()
    }
}

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

enum Writer {
    Parquet(Box<ArrowWriter<Written>>),
    Arrow(Box<StreamWriter<Written>>),
}

/// Encodes one file.
pub(crate) struct Encoder {
    schema: SchemaRef,
    writer: Writer,
    written: Written,
    memory: MemoryReservation,
}

impl fmt::Debug for Encoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encoder").field("schema", &self.schema).finish_non_exhaustive()
    }
}

impl Encoder {
    /// A file of such rows, its columns called so. Its memory is taken from the pool.
    ///
    /// # Errors
    /// For columns that the format cannot have.
    pub(crate) fn new(
        format: ExportFormat,
        names: &[String],
        rows: &Schema,
        pool: &Arc<dyn MemoryPool>,
    ) -> Result<Encoder> {
        let schema = file_schema(format, names, rows)?;
        let written = Written::default();
        let writer = match format {
            ExportFormat::Parquet(compression) => {
                // Arrow's own description of the columns names types that some readers lack; Parquet's types say all.
                let options = ArrowWriterOptions::new()
                    .with_properties(properties(&schema, compression))
                    .with_skip_arrow_metadata(true);
                let writer = ArrowWriter::try_new_with_options(written.clone(), Arc::clone(&schema), options);
                Writer::Parquet(Box::new(writer.map_err(failed)?))
            }
            ExportFormat::Arrow(compression) => {
                let options = IpcWriteOptions::default().try_with_compression(compression)?;
                Writer::Arrow(Box::new(StreamWriter::try_new_with_options(written.clone(), &schema, options)?))
            }
        };
        let memory = MemoryConsumer::new(format!("a file of {}", format.name())).register(pool);
        Ok(Encoder { schema, writer, written, memory })
    }

    /// Takes rows in; the bytes that are ready by now.
    ///
    /// # Errors
    /// When a value has no form in the file, or there is no memory.
    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<Bytes> {
        let rows = rows_in_file(batch, &self.schema)?;
        match &mut self.writer {
            Writer::Arrow(writer) => {
                if rows.num_rows() > 0 {
                    writer.write(&rows)?;
                }
                self.memory.try_resize(self.written.len())?;
            }
            Writer::Parquet(writer) => {
                writer.write(&rows).map_err(failed)?;
                if self.memory.try_resize(writer.memory_size() + self.written.len()).is_err() {
                    // A smaller row group is better than none.
                    writer.flush().map_err(failed)?;
                    self.memory.try_resize(self.written.len())?;
                }
            }
        }
        Ok(self.written.take())
    }

    /// The end of the file.
    ///
    /// # Errors
    /// When it cannot be encoded.
    pub(crate) fn finish(&mut self) -> Result<Bytes> {
        match &mut self.writer {
            Writer::Parquet(writer) => drop(writer.finish().map_err(failed)?),
            Writer::Arrow(writer) => writer.finish()?,
        }
        Ok(self.written.take())
    }
}

fn properties(schema: &Schema, compression: Compression) -> WriterProperties {
    let mut builder = WriterProperties::builder()
        .set_created_by(concat!("zxq ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_compression(compression)
        .set_max_row_group_row_count(Some(GROUP_ROWS))
        .set_max_row_group_bytes(Some(GROUP_BYTES));
    for field in schema.fields() {
        // Parquet's bounds leave NaN out, but SQL sorts it above every number: readers would pass over rows that match.
        if matches!(field.data_type(), DataType::Float32 | DataType::Float64) {
            let path = ColumnPath::new(vec![field.name().clone()]);
            builder = builder.set_column_statistics_enabled(path, EnabledStatistics::None);
        }
    }
    builder.build()
}

fn failed(error: ParquetError) -> EngineError {
    EngineError::internal(format!("rows could not be written as Parquet: {error}"))
}

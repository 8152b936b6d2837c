//! COPY data in the formats text and csv as batches of texts; the row checker makes values of them.

use std::io::Read;
use std::ops::Range;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, StringViewBuilder};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use zxq_engine::{EngineError, RejectedRow, RowReader};

use super::moments::Moments;
use super::pipe::PipeReader;
use super::text_rows::{RowSink, TextRows};
use crate::wire::error::WireError;

/// Bytes asked of the pipe at a time.
const READ_BYTES: usize = 256 * 1024;
/// Rows, or bytes of values, after which a batch is handed out.
const BATCH_ROWS: usize = 65_536;
const BATCH_BYTES: usize = 16 * 1024 * 1024;

/// Rows of a table that is there.
pub(crate) struct TextReader {
    name: String,
    pipe: PipeReader,
    text: TextRows,
    rows: Columns,
    buffer: Vec<u8>,
    bytes_read: u64,
    rows_read: u64,
    ended: bool,
    /// Lines of the last batch's rows.
    lines: Vec<u64>,
}

/// Rows by column.
#[derive(Default)]
struct Columns {
    names: Vec<String>,
    builders: Vec<StringViewBuilder>,
    moments: Moments,
    /// Which columns are of moments that are local to the session.
    local: Vec<bool>,
    /// The line of each row.
    lines: Vec<u64>,
    bytes: usize,
}

impl RowSink for Columns {
    fn columns(&mut self, names: &[String]) {
        self.names = names.to_vec();
        self.builders = names.iter().map(|_| StringViewBuilder::new()).collect();
        self.local = names.iter().map(|name| self.moments.has(name)).collect();
    }

    fn row(&mut self, values: &[u8], fields: &[Option<Range<usize>>], line: u64) -> Result<(), WireError> {
        self.lines.push(line);
        self.bytes += values.len();
        for ((builder, local), field) in self.builders.iter_mut().zip(&self.local).zip(fields) {
            let Some(place) = field else {
                builder.append_null();
                continue;
            };
            let text = text_of(&values[place.clone()])?;
            match local.then(|| self.moments.in_utc(text)).flatten() {
                Some(moment) => builder.append_value(moment),
                None => builder.append_value(text),
            }
        }
        Ok(())
    }
}

/// The text that bytes are.
///
/// # Errors
/// 22021 where they are none.
pub(super) fn text_of(bytes: &[u8]) -> Result<&str, WireError> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let wrong: Vec<String> =
            bytes[error.valid_up_to()..].iter().take(4).map(|byte| format!("0x{byte:02x}")).collect();
        WireError::not_utf8(format!("invalid byte sequence for encoding \"UTF8\": {}", wrong.join(" ")))
    })?;
    if text.contains('\0') {
        return Err(WireError::not_utf8("invalid byte sequence for encoding \"UTF8\": 0x00"));
    }
    Ok(text)
}

impl TextReader {
    /// A reader of what comes through the pipe.
    pub(crate) fn new(name: String, pipe: PipeReader, text: TextRows, moments: Moments) -> Self {
        TextReader {
            name,
            pipe,
            text,
            rows: Columns { moments, ..Columns::default() },
            buffer: vec![0; READ_BYTES],
            bytes_read: 0,
            rows_read: 0,
            ended: false,
            lines: Vec::new(),
        }
    }

    /// Reads on until a batch is full or the data ends.
    fn fill(&mut self) -> Result<(), EngineError> {
        while !self.ended && self.rows.lines.len() < BATCH_ROWS && self.rows.bytes < BATCH_BYTES {
            let read = self.pipe.read(&mut self.buffer).map_err(|error| EngineError::io("COPY", error))?;
            self.bytes_read += read as u64;
            let result = match read {
                0 => {
                    self.ended = true;
                    self.text.finish(&mut self.rows)
                }
                read => self.text.push(&self.buffer[..read], &mut self.rows),
            };
            result.map_err(WireError::for_engine)?;
        }
        Ok(())
    }
}

impl RowReader for TextReader {
    fn schema(&self) -> SchemaRef {
        let fields = self.rows.names.iter().map(|name| Field::new(name, DataType::Utf8View, true));
        Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    }

    fn next(&mut self) -> Result<Option<RecordBatch>, EngineError> {
        self.fill()?;
        if self.rows.lines.is_empty() {
            return Ok(None);
        }
        self.lines = std::mem::take(&mut self.rows.lines);
        self.rows.bytes = 0;
        self.rows_read += self.lines.len() as u64;
        let columns: Vec<ArrayRef> =
            self.rows.builders.iter_mut().map(|builder| Arc::new(builder.finish()) as ArrayRef).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(self.lines.len()));
        Ok(Some(RecordBatch::try_new_with_options(self.schema(), columns, &options)?))
    }

    fn source(&self) -> &str {
        &self.name
    }

    fn unit(&self) -> &'static str {
        "line"
    }

    fn number(&self, row: usize) -> u64 {
        self.lines.get(row).copied().unwrap_or_else(|| self.text.line_number())
    }

    fn take_rejected(&mut self) -> Vec<RejectedRow> {
        Vec::new()
    }

    fn bytes_read(&self) -> u64 {
        self.bytes_read
    }

    fn bytes_total(&self) -> Option<u64> {
        None
    }

    fn rows_read(&self) -> u64 {
        self.rows_read
    }

    /// Digits beyond the microsecond round, as they do in PostgreSQL's COPY.
    fn digits_cut(&self) -> bool {
        false
    }
}

//! COPY data in PostgreSQL's binary format as batches of values of the table's types.

use std::io::Read;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use datafusion::arrow::datatypes::{Field, FieldRef, Schema, SchemaRef};
use zxq_engine::{EngineError, RejectedRow, RowReader};

use super::binary_values::ColumnBuilder;
use crate::sqlstate;
use crate::wire::error::WireError;

/// What the data begins with.
const SIGNATURE: &[u8; 11] = b"PGCOPY\n\xff\r\n\0";
/// Flags of the header that may not be overlooked, and the one among them that says that rows have OIDs.
const CRITICAL_FLAGS: i32 = !0xffff;
const WITH_OIDS: i32 = 1 << 16;
/// Longest value, bytes.
const LONGEST_VALUE: usize = 64 * 1024 * 1024;
/// Bytes asked of the pipe at a time.
const READ_BYTES: usize = 256 * 1024;
/// Rows, or bytes of values, after which a batch is handed out.
const BATCH_ROWS: usize = 65_536;
const BATCH_BYTES: usize = 16 * 1024 * 1024;

/// Rows of a table that is there.
pub(crate) struct BinaryReader {
    name: String,
    table: String,
    bytes: Bytes,
    columns: Vec<FieldRef>,
    builders: Vec<ColumnBuilder>,
    begun: bool,
    ended: bool,
    rows_read: u64,
    /// Rows before those of the last batch.
    before: u64,
}

/// The bytes of the pipe, as many at once as are asked for.
struct Bytes {
    pipe: Box<dyn Read + Send>,
    buffer: Vec<u8>,
    /// Bytes of the buffer that were taken, and those that are there.
    taken: usize,
    filled: usize,
    read: u64,
}

impl Bytes {
    /// The next bytes; `None` where the data ends before.
    fn take(&mut self, count: usize) -> Result<Option<&[u8]>, EngineError> {
        while self.filled - self.taken < count {
            if self.read_on()? == 0 {
                return Ok(None);
            }
        }
        self.taken += count;
        Ok(Some(&self.buffer[self.taken - count..self.taken]))
    }

    fn read_on(&mut self) -> Result<usize, EngineError> {
        if self.taken > 0 {
            self.buffer.copy_within(self.taken..self.filled, 0);
            self.filled -= self.taken;
            self.taken = 0;
        }
        if self.buffer.len() - self.filled < READ_BYTES {
            // It grows with what has come, not with what is announced.
            self.buffer.resize(self.filled + READ_BYTES.max(self.filled), 0);
        }
        let read = self.pipe.read(&mut self.buffer[self.filled..]).map_err(|error| EngineError::io("COPY", error))?;
        self.filled += read;
        self.read += read as u64;
        Ok(read)
    }

    fn take_i16(&mut self) -> Result<Option<i16>, EngineError> {
        Ok(self.take(2)?.and_then(|bytes| bytes.try_into().ok()).map(i16::from_be_bytes))
    }

    fn take_i32(&mut self) -> Result<Option<i32>, EngineError> {
        Ok(self.take(4)?.and_then(|bytes| bytes.try_into().ok()).map(i32::from_be_bytes))
    }

    fn at_end(&mut self) -> Result<bool, EngineError> {
        Ok(self.filled == self.taken && self.read_on()? == 0)
    }
}

fn malformed(message: impl Into<String>) -> WireError {
    WireError::new(sqlstate::BAD_COPY_FILE_FORMAT, message)
}

impl BinaryReader {
    /// A reader of what comes through the pipe: rows of these columns, which are fields with what they are declared as.
    ///
    /// # Errors
    /// 0A000 for a column whose type has no binary format here.
    pub(crate) fn new(
        name: String,
        table: String,
        columns: Vec<FieldRef>,
        pipe: Box<dyn Read + Send>,
    ) -> Result<Self, WireError> {
        let builders = columns.iter().map(|field| ColumnBuilder::new(field)).collect::<Result<_, _>>()?;
        let bytes = Bytes { pipe, buffer: Vec::new(), taken: 0, filled: 0, read: 0 };
        let (begun, ended) = (false, false);
        Ok(BinaryReader { name, table, bytes, columns, builders, begun, ended, rows_read: 0, before: 0 })
    }

    fn read_header(&mut self) -> Result<(), EngineError> {
        self.begun = true;
        if self.bytes.take(SIGNATURE.len())? != Some(SIGNATURE.as_slice()) {
            return Err(malformed("COPY file signature not recognized").for_engine());
        }
        let Some(flags) = self.bytes.take_i32()? else {
            return Err(malformed("invalid COPY file header (missing flags)").for_engine());
        };
        if flags & WITH_OIDS != 0 {
            return Err(malformed("invalid COPY file header (WITH OIDS)").for_engine());
        }
        if flags & CRITICAL_FLAGS != 0 {
            return Err(malformed("unrecognized critical flags in COPY file header").for_engine());
        }
        let Some(mut left) = self.bytes.take_i32()?.and_then(|length| usize::try_from(length).ok()) else {
            return Err(malformed("invalid COPY file header (missing length)").for_engine());
        };
        while left > 0 {
            let step = left.min(READ_BYTES);
            if self.bytes.take(step)?.is_none() {
                return Err(malformed("invalid COPY file header (wrong length)").for_engine());
            }
            left -= step;
        }
        Ok(())
    }

    /// Reads one row; false at the end.
    fn read_row(&mut self) -> Result<bool, EngineError> {
        let Some(count) = self.bytes.take_i16()? else { return Ok(false) };
        if count == -1 {
            return match self.bytes.at_end()? {
                true => Ok(false),
                false => Err(self.in_row(malformed("received copy data after EOF marker"), None)),
            };
        }
        let expected = self.columns.len();
        if usize::try_from(count) != Ok(expected) {
            let message = format!("row field count is {count}, expected {expected}");
            return Err(self.in_row(malformed(message), None));
        }
        for at in 0..expected {
            self.read_value(at)?;
        }
        Ok(true)
    }

    fn read_value(&mut self, at: usize) -> Result<(), EngineError> {
        let Some(length) = self.bytes.take_i32()? else {
            return Err(self.in_row(malformed("unexpected EOF in COPY data"), Some(at)));
        };
        if length == -1 {
            self.builders[at].append_null();
            return Ok(());
        }
        let Ok(length) = usize::try_from(length) else {
            return Err(self.in_row(malformed("invalid field size"), Some(at)));
        };
        if length > LONGEST_VALUE {
            let most = LONGEST_VALUE >> 20;
            let error = WireError::too_many(format!("a value is longer than {most} MiB"));
            return Err(self.in_row(error, Some(at)));
        }
        let appended = match self.bytes.take(length)? {
            Some(value) => self.builders[at].append(value),
            None => Err(malformed("unexpected EOF in COPY data")),
        };
        appended.map_err(|error| self.in_row(error, Some(at)))
    }

    /// The error with where it is, as PostgreSQL says it.
    fn in_row(&self, error: WireError, column: Option<usize>) -> EngineError {
        let line = self.before + self.row_count() as u64 + 1;
        let mut place = format!("COPY {}, line {line}", self.table);
        if let Some(column) = column.and_then(|at| self.columns.get(at)) {
            place.push_str(&format!(", column {}", column.name()));
        }
        error.within(place).for_engine()
    }

    /// Whole rows since the last batch.
    fn row_count(&self) -> usize {
        self.builders.iter().map(ColumnBuilder::rows).min().unwrap_or(0)
    }
}

impl RowReader for BinaryReader {
    fn schema(&self) -> SchemaRef {
        Arc::new(Schema::new(self.columns.clone()))
    }

    fn next(&mut self) -> Result<Option<RecordBatch>, EngineError> {
        if !self.begun {
            self.read_header()?;
        }
        self.before = self.rows_read;
        let (mut rows, until) = (0, self.bytes.read + BATCH_BYTES as u64);
        while !self.ended && rows < BATCH_ROWS && self.bytes.read < until {
            match self.read_row()? {
                true => rows += 1,
                false => self.ended = true,
            }
        }
        if rows == 0 {
            return Ok(None);
        }
        self.rows_read += rows as u64;
        let arrays = self.builders.iter_mut().map(ColumnBuilder::finish).collect::<Result<Vec<ArrayRef>, _>>();
        let arrays = arrays.map_err(WireError::for_engine)?;
        // What an array is of is told by the array itself.
        let fields = self.columns.iter().zip(&arrays).map(|(column, array)| {
            let field: &Field = column;
            Arc::new(field.clone().with_data_type(array.data_type().clone()).with_nullable(true)) as FieldRef
        });
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        Ok(Some(RecordBatch::try_new_with_options(schema, arrays, &options)?))
    }

    fn source(&self) -> &str {
        &self.name
    }

    fn unit(&self) -> &'static str {
        "row"
    }

    fn number(&self, row: usize) -> u64 {
        self.before + row as u64 + 1
    }

    fn take_rejected(&mut self) -> Vec<RejectedRow> {
        Vec::new()
    }

    fn bytes_read(&self) -> u64 {
        self.bytes.read
    }

    fn bytes_total(&self) -> Option<u64> {
        None
    }

    fn rows_read(&self) -> u64 {
        self.rows_read
    }

    /// The format has microseconds.
    fn digits_cut(&self) -> bool {
        false
    }
}

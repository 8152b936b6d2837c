//! CSV and TSV files. Columns are handed out as text; the row checker casts them, so that a bad value is reported with
//! its row and column, or quarantined, like any other.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use arrow::array::{Array, ArrayRef, AsArray, StringViewBuilder};
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use zxq_catalog::TableDef;

use crate::constraints::{OnError, RejectedRow};
use crate::error::{EngineError, ErrorKind, Result};
use crate::load::columns::{ColumnPlan, Constant, plan_columns};
use crate::load::csv_options::DateFormat;
use crate::load::csv_records::{CsvField, Record, parse_record};
use crate::load::csv_types::guess;
use crate::load::fractions;
use crate::load::source::TextSource;
use crate::load::{BATCH_ROWS, FileFormat, ReadOptions, RowReader};
use crate::values::counted::counted;

/// Bytes asked of the source at a time.
const READ_BYTES: usize = 1024 * 1024;
/// Bytes of field text after which a batch is handed out, however few rows it has.
const BATCH_BYTES: usize = 32 * 1024 * 1024;
/// Longest record: anything longer is a quote that was never closed.
const MAX_RECORD_BYTES: usize = 64 * 1024 * 1024;
/// Most of a raw line that is kept for a rejected row, bytes.
const RAW_BYTES: usize = 4096;

struct CsvReader {
    source: String,
    input: TextSource,
    /// Delimiter and quote.
    marks: (u8, u8),
    /// The unquoted text that is NULL.
    null: Option<String>,
    /// How dates are written, and the columns that hold some.
    dates: Option<(DateFormat, Vec<usize>)>,
    on_error: OnError,
    /// Names in the header line.
    header: Vec<String>,
    plan: ColumnPlan,
    /// What a table for these rows would look like.
    schema: SchemaRef,
    /// What batches look like: text.
    text_schema: SchemaRef,
    /// The first batch, read ahead to guess types.
    ahead: Option<RecordBatch>,
    buffer: Vec<u8>,
    /// Where the next record starts in the buffer.
    at: usize,
    /// No more bytes will come.
    ended: bool,
    /// Line of the next record.
    line: u64,
    /// Line of each row of the last batch.
    lines: Vec<u64>,
    fields: Vec<CsvField>,
    rejected: Vec<RejectedRow>,
    rows_read: u64,
    digits_cut: bool,
}

/// Opens CSV text, reads its header and matches its columns to the table's.
pub(super) fn open(
    input: TextSource,
    source: String,
    format: FileFormat,
    table: Option<&TableDef>,
    options: &ReadOptions,
) -> Result<Box<dyn RowReader>> {
    let nothing = Arc::new(Schema::empty());
    let mut reader = CsvReader {
        source,
        input,
        marks: (
            options.csv.delimiter.unwrap_or(if format == FileFormat::Tsv { b'\t' } else { b',' }),
            options.csv.quote.unwrap_or(b'"'),
        ),
        null: options.csv.null.clone(),
        dates: None,
        on_error: options.on_error,
        header: Vec::new(),
        plan: ColumnPlan { names: Vec::new(), constant: None },
        schema: Arc::clone(&nothing),
        text_schema: nothing,
        ahead: None,
        buffer: Vec::new(),
        at: 0,
        ended: false,
        line: 1,
        lines: Vec::new(),
        fields: Vec::new(),
        rejected: Vec::new(),
        rows_read: 0,
        digits_cut: false,
    };
    let header = match options.csv.header {
        Some(false) => reader.columns_by_place(table)?,
        _ => reader.read_header()?,
    };
    let Some(header) = header else {
        // An empty file has no columns and no rows.
        return Ok(Box::new(reader));
    };
    reader.plan = plan_columns(&reader.source, &header, table, options)?;
    reader.header = header;
    let names: Vec<String> = reader.plan.names.iter().flatten().cloned().collect();
    let constant = || reader.plan.constant.iter().map(Constant::field);
    let texts = names.iter().map(|name| -> FieldRef { Arc::new(Field::new(name, DataType::Utf8View, true)) });
    reader.text_schema = Arc::new(Schema::new(texts.chain(constant()).collect::<Vec<_>>()));
    reader.schema = match table {
        Some(table) => {
            let of_table = |name: &String| table.column(name).map_or(DataType::Utf8View, |c| c.row_type());
            let dated = |name: &String| matches!(of_table(name), DataType::Date32 | DataType::Timestamp(_, _));
            let columns = (0..names.len()).filter(|i| dated(&names[*i])).collect();
            reader.dates = options.csv.date_format.clone().map(|format| (format, columns));
            let fields = names.iter().map(|name| -> FieldRef { Arc::new(Field::new(name, of_table(name), true)) });
            Arc::new(Schema::new(fields.chain(constant()).collect::<Vec<_>>()))
        }
        None => {
            let ahead = reader.read_batch()?;
            if let (Some(format), Some(batch)) = (&options.csv.date_format, &ahead) {
                let is_date = |text: &str| format.iso(text).is_some();
                let columns =
                    (0..names.len()).filter(|i| batch.column(*i).as_string_view().iter().flatten().all(is_date));
                reader.dates = Some((format.clone(), columns.collect()));
            }
            let ahead = ahead.map(|batch| reader.with_dates(batch)).transpose()?;
            let guessed = |i: usize| ahead.as_ref().map_or(DataType::Utf8View, |b| guess(b.column(i).as_string_view()));
            let fields: Vec<FieldRef> =
                names.iter().enumerate().map(|(i, name)| Arc::new(Field::new(name, guessed(i), true)) as _).collect();
            let schema = Schema::new(
                fields.into_iter().chain(reader.plan.constant.iter().map(Constant::field)).collect::<Vec<_>>(),
            );
            reader.ahead = ahead;
            Arc::new(schema)
        }
    };
    Ok(Box::new(reader))
}

impl CsvReader {
    /// The header's names; `None` for an empty file.
    fn read_header(&mut self) -> Result<Option<Vec<String>>> {
        let Some(record) = self.next_record()? else { return Ok(None) };
        let text = std::str::from_utf8(self.buffer.get(record.start..record.end).unwrap_or_default())
            .map_err(|_| self.failure(1, "the header is not UTF-8 text"))?;
        let mut names = Vec::with_capacity(self.fields.len());
        for (i, field) in self.fields.iter().enumerate() {
            let name = field.value(text, record.start).unwrap_or_default();
            let name = name.trim().trim_start_matches('\u{feff}').trim().trim_matches('"');
            if name.is_empty() {
                return Err(self.failure(
                    record.line,
                    &format!("column {} of the header has no name: the first line must name the columns", i + 1),
                ));
            }
            names.push(name.to_owned());
        }
        if let Some(problem) = record.problem {
            return Err(self.failure(record.line, problem));
        }
        Ok(Some(names))
    }

    /// The names of columns of a text without a header: the table's in their order, else `column1`, `column2`, …
    fn columns_by_place(&mut self, table: Option<&TableDef>) -> Result<Option<Vec<String>>> {
        let Some(record) = self.next_record()? else { return Ok(None) };
        // The record is the first row.
        (self.at, self.line) = (record.start, record.line);
        let found = self.fields.len();
        let Some(table) = table else { return Ok(Some((1..=found).map(|n| format!("column{n}")).collect())) };
        let names = table.columns.iter().filter(|c| c.generated.is_none()).map(|c| c.name.clone()).take(found);
        let names: Vec<String> = names.collect();
        if names.len() < found {
            let (fields, columns) = (counted(found as u64, "field"), counted(names.len() as u64, "column"));
            let what = format!("{fields} where table \"{}\" has {columns}", table.name);
            return Err(self.failure(record.line, &what));
        }
        Ok(Some(names))
    }

    /// The batch with dates as everybody reads them.
    fn with_dates(&self, batch: RecordBatch) -> Result<RecordBatch> {
        let Some((format, places)) = &self.dates else { return Ok(batch) };
        let mut columns = batch.columns().to_vec();
        for place in places {
            let Some(column) = columns.get_mut(*place) else { continue };
            let mut dated = StringViewBuilder::with_capacity(column.len());
            for text in column.as_string_view() {
                match text.map(|text| (text, format.iso(text))) {
                    Some((_, Some(iso))) => dated.append_value(iso),
                    Some((text, None)) => dated.append_value(text),
                    None => dated.append_null(),
                }
            }
            *column = Arc::new(dated.finish());
        }
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        Ok(RecordBatch::try_new_with_options(batch.schema(), columns, &options)?)
    }

    fn failure(&self, line: u64, what: &str) -> EngineError {
        EngineError::new(ErrorKind::InvalidFile, format!("{} line {line}: {what}", self.source))
    }

    /// Moves on to the next record that is not blank. Its fields are in `self.fields`, its text in `self.buffer`.
    fn next_record(&mut self) -> Result<Option<RecordText>> {
        loop {
            match parse_record(&self.buffer, self.at, self.ended, self.marks, &mut self.fields) {
                _ if self.ended && self.at >= self.buffer.len() => return Ok(None),
                Record::Complete { end, next, lines, problem } => {
                    let record = RecordText { start: self.at, end, line: self.line, problem };
                    self.at = next;
                    self.line += lines;
                    // With one column, an empty line is a NULL.
                    if record.start == record.end && self.header.len() != 1 {
                        continue;
                    }
                    return Ok(Some(record));
                }
                Record::Incomplete => self.fill()?,
            }
        }
    }

    /// Reads more bytes behind what has not been parsed yet.
    fn fill(&mut self) -> Result<()> {
        self.buffer.drain(..self.at);
        self.at = 0;
        let held = self.buffer.len();
        if held > MAX_RECORD_BYTES {
            return Err(self.failure(
                self.line,
                &format!("a record of more than {} MiB starts here: is a quote never closed?", MAX_RECORD_BYTES >> 20),
            ));
        }
        let wanted = READ_BYTES.max(held);
        let read = Read::take(&mut self.input.reader, wanted as u64).read_to_end(&mut self.buffer).map_err(|e| {
            EngineError::new(ErrorKind::InvalidFile, format!("{} cannot be read: {e}", self.source)).with_source(e)
        })?;
        self.ended = read < wanted;
        Ok(())
    }

    fn read_batch(&mut self) -> Result<Option<RecordBatch>> {
        let columns = self.plan.names.iter().flatten().count();
        let mut builders: Vec<StringViewBuilder> = (0..columns).map(|_| StringViewBuilder::new()).collect();
        self.lines.clear();
        let mut bytes = 0;
        while self.lines.len() < BATCH_ROWS && bytes < BATCH_BYTES {
            let Some(record) = self.next_record()? else { break };
            bytes += record.end - record.start;
            match self.append(&record, &mut builders) {
                Ok(()) => self.lines.push(record.line),
                Err(problem) => self.reject(&record, problem)?,
            }
        }
        let rows = self.lines.len();
        if rows == 0 {
            return Ok(None);
        }
        let texts = builders.iter_mut().map(|b| -> ArrayRef { Arc::new(b.finish()) });
        let columns: Vec<ArrayRef> = texts.chain(self.plan.constant.iter().map(|c| c.values(rows))).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.text_schema), columns, &options)?;
        self.with_dates(batch).map(Some)
    }

    /// Appends a record's fields, or says what is wrong with it and appends nothing.
    fn append(&self, record: &RecordText, builders: &mut [StringViewBuilder]) -> Result<(), String> {
        if let Some(problem) = record.problem {
            return Err(problem.to_owned());
        }
        let (found, wanted) = (self.fields.len(), self.header.len());
        if found != wanted {
            let hint = match self.header.get(found) {
                Some(column) => format!("missing data for column \"{column}\""),
                None => "extra data after the last column".to_owned(),
            };
            let found = counted(found as u64, "field");
            return Err(format!("{found} where the header has {wanted}: {hint}"));
        }
        let raw = self.buffer.get(record.start..record.end).unwrap_or_default();
        let text = std::str::from_utf8(raw).map_err(|_| "it is not UTF-8 text".to_owned())?;
        let kept = self.fields.iter().zip(&self.plan.names).filter(|(_, name)| name.is_some());
        for ((field, _), builder) in kept.zip(builders) {
            builder.append_option(match &self.null {
                Some(null) => field.value_but(null, text, record.start),
                None => field.value(text, record.start),
            });
        }
        Ok(())
    }

    fn reject(&mut self, record: &RecordText, problem: String) -> Result<()> {
        if self.on_error == OnError::Reject {
            return Err(self.failure(record.line, &problem));
        }
        let end = record.end.min(record.start + RAW_BYTES);
        let raw = self.buffer.get(record.start..end).unwrap_or_default();
        let row = String::from_utf8_lossy(raw).into_owned();
        self.rejected.push(RejectedRow { row_number: record.line, reason: problem, row });
        Ok(())
    }
}

/// Where a record lies.
struct RecordText {
    start: usize,
    end: usize,
    line: u64,
    problem: Option<&'static str>,
}

impl RowReader for CsvReader {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn next(&mut self) -> Result<Option<RecordBatch>> {
        if self.header.is_empty() {
            return Ok(None);
        }
        let batch = match self.ahead.take() {
            Some(batch) => Some(batch),
            None => self.read_batch()?,
        };
        self.rows_read += batch.as_ref().map_or(0, RecordBatch::num_rows) as u64;
        let Some(batch) = batch else { return Ok(None) };
        let (batch, cut) = fractions::in_micros(batch, &self.schema)?;
        self.digits_cut |= cut;
        Ok(Some(batch))
    }

    fn source(&self) -> &str {
        &self.source
    }

    fn unit(&self) -> &'static str {
        "line"
    }

    fn number(&self, row: usize) -> u64 {
        self.lines.get(row).copied().unwrap_or(self.line)
    }

    fn digits_cut(&self) -> bool {
        self.digits_cut
    }

    fn take_rejected(&mut self) -> Vec<RejectedRow> {
        std::mem::take(&mut self.rejected)
    }

    fn bytes_read(&self) -> u64 {
        self.input.bytes_read.load(Ordering::Relaxed)
    }

    fn bytes_total(&self) -> Option<u64> {
        self.input.bytes_total
    }

    fn rows_read(&self) -> u64 {
        self.rows_read
    }
}

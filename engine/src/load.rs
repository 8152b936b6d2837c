//! Rows from files and streams: Parquet and CSV, plain or compressed.
//!
//! [`Input::open`] gives a [`RowReader`] for one file or stream; [`next_checked`] reads its next rows through a table's
//! `RowChecker`. Everything here blocks: run it on a blocking thread. Memory is bounded by one batch and one row group.

mod columns;
pub(crate) mod csv_options;
mod csv_reader;
mod csv_records;
mod csv_types;
mod fractions;
pub(crate) mod inputs;
mod parquet_reader;
mod source;

use std::io::Read;
use std::path::{Path, PathBuf};

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use zxq_catalog::TableDef;

use crate::constraints::{Checked, OnError, RejectedRow, RowChecker};
use crate::error::Result;
use crate::load::csv_options::CsvOptions;

#[cfg(test)]
mod tests;

/// Most rows of one batch.
pub const BATCH_ROWS: usize = 65_536;

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FileFormat {
    /// Comma-separated values with a header line.
    Csv,
    /// Tab-separated values with a header line.
    Tsv,
    /// Apache Parquet.
    Parquet,
}

/// How a source is read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReadOptions {
    /// The format; `None` goes by the file's name, else by its first bytes.
    pub format: Option<FileFormat>,
    /// Whether unreadable CSV rows stop the load or are set aside.
    pub on_error: OnError,
    /// Value of the class column for every row: the table's partition class, or `asset_class` for a table to be made.
    pub asset_class: Option<String>,
    /// How CSV text is laid out.
    pub csv: CsvOptions,
}

/// One place rows come from.
pub enum Input {
    /// A file.
    File(PathBuf),
    /// A stream.
    Stream {
        /// Name for messages: `stdin`.
        name: String,
        /// What the file would hold.
        reader: Box<dyn Read + Send>,
    },
}

impl Input {
    /// Name for messages and lineage.
    pub fn name(&self) -> String {
        match self {
            Input::File(path) => path.display().to_string(),
            Input::Stream { name, .. } => name.clone(),
        }
    }

    /// Opens it. With a table, columns are matched to the table's by name (whatever their case) and checked for type;
    /// without one, [`RowReader::schema`] says what a table for these rows would look like.
    ///
    /// # Errors
    /// Naming the source: [`crate::ErrorKind::FileNotFound`], [`crate::ErrorKind::InvalidFile`] for one that is not
    /// what it should be, [`crate::ErrorKind::UndefinedColumn`], [`crate::ErrorKind::NotNullViolation`] and
    /// [`crate::ErrorKind::DatatypeMismatch`] for columns that do not fit the table.
    pub fn open(self, table: Option<&TableDef>, options: &ReadOptions) -> Result<Box<dyn RowReader>> {
        match self {
            Input::File(path) => open_file(&path, table, options),
            Input::Stream { name, reader } => open_stream(&name, reader, table, options),
        }
    }
}

/// Reads rows from one source.
///
/// Batches hold a subset of the table's columns under the table's names; types are the source's, to be cast by
/// `RowChecker`. CSV columns are text.
pub trait RowReader: Send {
    /// The columns, with the types a table made for them would have.
    fn schema(&self) -> SchemaRef;

    /// The next rows; `None` at the end.
    fn next(&mut self) -> Result<Option<RecordBatch>>;

    /// Name of the source.
    fn source(&self) -> &str;

    /// What [`RowReader::number`] counts: `line` or `row`.
    fn unit(&self) -> &'static str;

    /// Where in the source a row of the last batch is, from 1.
    fn number(&self, row: usize) -> u64;

    /// Rows that could not be read, since this was last asked. Always empty under [`OnError::Reject`], where such a row
    /// is an error instead.
    fn take_rejected(&mut self) -> Vec<RejectedRow>;

    /// Bytes of the source read, compressed bytes where it is compressed.
    fn bytes_read(&self) -> u64;

    /// Size of the source in bytes; `None` for a stream.
    fn bytes_total(&self) -> Option<u64>;

    /// Rows handed out.
    fn rows_read(&self) -> u64;

    /// True where times had digits beyond the microsecond, which were cut.
    fn digits_cut(&self) -> bool;
}

/// Opens a file; see [`Input::open`].
///
/// # Errors
/// As [`Input::open`].
pub fn open_file(path: &Path, table: Option<&TableDef>, options: &ReadOptions) -> Result<Box<dyn RowReader>> {
    let name = path.display().to_string();
    let file = source::open(path)?;
    match source_format(path, &file, options)? {
        FileFormat::Parquet => parquet_reader::open(file, name, table, options),
        text => csv_reader::open(source::text_file(file, &name)?, name, text, table, options),
    }
}

/// What a file holds.
///
/// # Errors
/// As [`Input::open`].
fn format_of(path: &Path, options: &ReadOptions) -> Result<FileFormat> {
    source_format(path, &source::open(path)?, options)
}

fn source_format(path: &Path, file: &std::fs::File, options: &ReadOptions) -> Result<FileFormat> {
    options.format.map_or_else(|| source::format_of_file(path, file), Ok)
}

/// Opens a stream; see [`Input::open`]. Parquet, which is read from its end, is first copied to a temporary file.
///
/// # Errors
/// As [`Input::open`].
pub fn open_stream(
    name: &str,
    reader: Box<dyn Read + Send>,
    table: Option<&TableDef>,
    options: &ReadOptions,
) -> Result<Box<dyn RowReader>> {
    let (first_bytes, reader) = source::peek(reader, name)?;
    let format = options.format.unwrap_or_else(|| source::format_of_bytes(&first_bytes));
    match format {
        FileFormat::Parquet => parquet_reader::open(source::spool(reader, name)?, name.to_owned(), table, options),
        text => {
            csv_reader::open(source::text_stream(&first_bytes, reader, name)?, name.to_owned(), text, table, options)
        }
    }
}

/// The next rows of a source as rows of the table; `None` at the end. Under [`OnError::Reject`] the first bad row is
/// an error that says where it is; under [`OnError::Quarantine`] bad rows come back beside the good ones (which may be
/// none).
///
/// # Errors
/// As [`RowReader::next`] and `RowChecker::check`.
pub fn next_checked(reader: &mut dyn RowReader, checker: &RowChecker, on_error: OnError) -> Result<Option<Checked>> {
    let Some(batch) = reader.next()? else {
        let rejected = reader.take_rejected();
        if rejected.is_empty() {
            return Ok(None);
        }
        return Ok(Some(Checked { rows: RecordBatch::new_empty(checker.table().schema()), rejected }));
    };
    match on_error {
        OnError::Reject => {
            let locate = |row: usize| format!("{} {} {}", reader.source(), reader.unit(), reader.number(row));
            let rows = checker
                .check_located(&batch, &locate)
                .map_err(|error| error.renumbered(|row| reader.number(usize::try_from(row).unwrap_or(usize::MAX))))?;
            Ok(Some(Checked { rows, rejected: Vec::new() }))
        }
        OnError::Quarantine => {
            let mut checked = checker.quarantine(&batch, &|row| reader.number(row))?;
            let unreadable = reader.take_rejected();
            if !unreadable.is_empty() {
                checked.rejected.extend(unreadable);
                checked.rejected.sort_by_key(|row| row.row_number);
            }
            Ok(Some(checked))
        }
    }
}

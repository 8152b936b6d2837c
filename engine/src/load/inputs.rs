//! The sources of one bulk load, read one after the other on a blocking thread, with a bounded queue between.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::datatypes::{FieldRef, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use tokio::sync::mpsc;
use zxq_catalog::TableDef;
use zxq_providers::external::widened;

use crate::constraints::{RowChecker, rejects_batch};
use crate::error::{EngineError, ErrorKind, Result};
use crate::load::{FileFormat, Input, ReadOptions, RowReader, format_of, next_checked, open_file};
use crate::sql::types::canonical_type;

/// Batches read ahead.
const READ_AHEAD: usize = 4;

/// Where rows come from.
pub enum LoadSource {
    /// Files, Parquet or CSV, each plain or compressed.
    Files(Vec<PathBuf>),
    /// One stream.
    Stream {
        /// Name for messages and lineage: `stdin`.
        name: String,
        /// Its format; `None` looks at its first bytes.
        format: Option<FileFormat>,
        /// Where the bytes come from.
        reader: Box<dyn std::io::Read + Send>,
    },
    /// Rows that somebody else reads, for a table that is there.
    Rows(Box<dyn RowReader>),
}

/// How far a load has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LoadProgress {
    /// Rows read.
    pub rows: u64,
    /// Bytes of the sources read.
    pub bytes_read: u64,
    /// Bytes of all sources, where known.
    pub bytes_total: Option<u64>,
}

/// The opened or yet unopened sources.
pub(crate) struct Inputs {
    names: Vec<String>,
    waiting: Vec<Input>,
    /// A stream that had to be opened to see its columns: it cannot be opened twice.
    opened: Option<Box<dyn RowReader>>,
    options: ReadOptions,
    bytes_total: Option<u64>,
}

/// Some rows that were read and checked.
pub(crate) struct Read {
    /// Rows of the table's schema.
    pub(crate) rows: RecordBatch,
    /// Rows for the table's rejects.
    pub(crate) rejected: Option<RecordBatch>,
    pub(crate) progress: LoadProgress,
    /// Times of its source had digits that were cut.
    pub(crate) digits_cut: bool,
}

impl Inputs {
    /// Checks that all files are there.
    ///
    /// # Errors
    /// [`ErrorKind::FileNotFound`] naming the first missing one, before anything is read.
    pub(crate) fn open(source: LoadSource, mut options: ReadOptions) -> Result<Inputs> {
        let mut opened = None;
        let (waiting, bytes_total) = match source {
            LoadSource::Files(files) if files.is_empty() => {
                return Err(EngineError::new(ErrorKind::InvalidParameter, "no files to load"));
            }
            LoadSource::Files(files) => {
                let mut total = 0;
                for file in &files {
                    total += file_size(file)?;
                }
                (files.into_iter().map(Input::File).collect::<Vec<_>>(), Some(total))
            }
            LoadSource::Stream { name, format, reader } => {
                options.format = format;
                (vec![Input::Stream { name, reader }], None)
            }
            LoadSource::Rows(reader) => {
                opened = Some(reader);
                (Vec::new(), None)
            }
        };
        let names = waiting.iter().map(Input::name).chain(opened.iter().map(|rows| rows.source().to_owned())).collect();
        Ok(Inputs { names, waiting, opened, options, bytes_total })
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.names.clone()
    }

    /// The columns of the first source, for a table to be made from them: where other files have a column in another type, the
    /// type that holds the values of all.
    ///
    /// # Errors
    /// [`ErrorKind::DatatypeMismatch`] naming a column for which there is no such type.
    pub(crate) fn first_schema(&mut self) -> Result<SchemaRef> {
        match self.waiting.first() {
            Some(Input::File(path)) => {
                let first = open_file(path, None, &self.options)?.schema();
                let others = self.waiting.iter().skip(1).filter_map(|input| match input {
                    Input::File(path) => Some(path),
                    Input::Stream { .. } => None,
                });
                let mut columns: Vec<FieldRef> = first.fields().iter().cloned().collect();
                for other in others {
                    // A text's columns have no types: each value is read as the table's.
                    if format_of(other, &self.options)? == FileFormat::Parquet {
                        widen(&mut columns, path, other, &open_file(other, None, &self.options)?.schema())?;
                    }
                }
                Ok(Arc::new(Schema::new(columns)))
            }
            Some(Input::Stream { .. }) => {
                let reader = self.waiting.remove(0).open(None, &self.options)?;
                let schema = reader.schema();
                self.opened = Some(reader);
                Ok(schema)
            }
            None => match &self.opened {
                Some(rows) => Ok(rows.schema()),
                None => Err(EngineError::internal("no source")),
            },
        }
    }

    /// Starts reading. The queue ends after the last source or the first error.
    pub(crate) fn read(
        self,
        table: Arc<TableDef>,
        checker: Arc<RowChecker>,
        now_us: i64,
    ) -> mpsc::Receiver<Result<Read>> {
        let (sender, receiver) = mpsc::channel(READ_AHEAD);
        tokio::task::spawn_blocking(move || {
            if let Err(error) = self.read_all(&table, &checker, now_us, &sender) {
                // A receiver that is gone has failed already and says so itself.
                let _ = sender.blocking_send(Err(error));
            }
        });
        receiver
    }

    fn read_all(
        self,
        table: &TableDef,
        checker: &RowChecker,
        now_us: i64,
        sender: &mpsc::Sender<Result<Read>>,
    ) -> Result<()> {
        let mut progress = LoadProgress { bytes_total: self.bytes_total, ..LoadProgress::default() };
        let mut opened = self.opened;
        let mut waiting = self.waiting.into_iter();
        loop {
            let mut reader = match opened.take() {
                Some(reader) => reader,
                None => match waiting.next() {
                    Some(input) => input.open(Some(table), &self.options)?,
                    None => return Ok(()),
                },
            };
            let before = progress;
            while let Some(checked) = next_checked(reader.as_mut(), checker, self.options.on_error)? {
                progress.rows = before.rows + reader.rows_read();
                progress.bytes_read = before.bytes_read + reader.bytes_read();
                let rejected = if checked.rejected.is_empty() {
                    None
                } else {
                    Some(rejects_batch(&checked.rejected, reader.source(), now_us)?)
                };
                let digits_cut = reader.digits_cut();
                if sender.blocking_send(Ok(Read { rows: checked.rows, rejected, progress, digits_cut })).is_err() {
                    return Ok(());
                }
            }
        }
    }
}

/// Columns of the first file with what another one has in them.
fn widen(columns: &mut [FieldRef], first: &Path, other: &Path, schema: &Schema) -> Result<()> {
    for column in columns {
        let exact = schema.fields().iter().find(|field| field.name() == column.name());
        let same = exact.or_else(|| schema.fields().iter().find(|f| f.name().eq_ignore_ascii_case(column.name())));
        let Some(field) = same.filter(|field| field.data_type() != column.data_type()) else { continue };
        let wide = widened(column.data_type(), field.data_type()).ok_or_else(|| {
            let shown =
                |data_type| canonical_type(data_type).map_or_else(|| format!("{data_type}"), |kind| kind.sql_type);
            let text = format!(
                "column \"{}\" is {} in {} and {} in {}: no type holds both",
                column.name(),
                shown(column.data_type()),
                first.display(),
                shown(field.data_type()),
                other.display()
            );
            EngineError::new(ErrorKind::DatatypeMismatch, text)
        })?;
        *column = Arc::new(column.as_ref().clone().with_data_type(wide));
    }
    Ok(())
}

fn file_size(path: &Path) -> Result<u64> {
    let metadata =
        std::fs::metadata(path).map_err(|e| EngineError::io(format!("cannot read {}", path.display()), e))?;
    if metadata.is_dir() {
        return Err(EngineError::new(
            ErrorKind::FileNotFound,
            format!("cannot read {}: it is a folder; name the files in it", path.display()),
        ));
    }
    Ok(metadata.len())
}

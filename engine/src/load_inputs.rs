//! The sources of one bulk load, read one after the other on a blocking thread, with a bounded queue between.

use std::path::Path;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use tokio::sync::mpsc;
use zxq_catalog::TableDef;

use crate::bulk_load::{LoadProgress, LoadSource};
use crate::constraints::{OnError, RowChecker, rejects_batch};
use crate::error::{EngineError, ErrorKind, Result};
use crate::load::{Input, ReadOptions, RowReader, next_checked, open_file};

/// Batches read ahead.
const READ_AHEAD: usize = 4;

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
}

impl Inputs {
    /// Checks that all files are there.
    ///
    /// # Errors
    /// [`ErrorKind::FileNotFound`] naming the first missing one, before anything is read.
    pub(crate) fn open(source: LoadSource, on_error: OnError, asset_class: Option<String>) -> Result<Inputs> {
        let mut options = ReadOptions { format: None, on_error, asset_class };
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
        };
        Ok(Inputs { names: waiting.iter().map(Input::name).collect(), waiting, opened: None, options, bytes_total })
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.names.clone()
    }

    /// The columns of the first source, for a table to be made from them.
    pub(crate) fn first_schema(&mut self) -> Result<SchemaRef> {
        match self.waiting.first() {
            Some(Input::File(path)) => Ok(open_file(path, None, &self.options)?.schema()),
            Some(Input::Stream { .. }) => {
                let reader = self.waiting.remove(0).open(None, &self.options)?;
                let schema = reader.schema();
                self.opened = Some(reader);
                Ok(schema)
            }
            None => Err(EngineError::internal("no source")),
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
                if sender.blocking_send(Ok(Read { rows: checked.rows, rejected, progress })).is_err() {
                    return Ok(());
                }
            }
        }
    }
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

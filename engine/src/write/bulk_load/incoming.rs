//! Where the rows of a load come from: files and streams that are read beside it, or a query that runs as they are taken.

use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::memory_pool::MemoryReservation;
use futures::TryStreamExt;
use tokio::sync::mpsc::Receiver;
use zxq_catalog::TableDef;

use super::gather::Gather;
use crate::constraints::RowChecker;
use crate::error::Result;
use crate::load::inputs::{Inputs, LoadProgress, Read};
use crate::write::gathered::Gathered;
use crate::write::insert_sink::Onlooking;

/// Bytes of rows that a load of a query's rows may gather although its statement may have no memory at all.
const LEAST_BYTES: usize = 1 << 20;

/// What is open to be loaded.
pub(super) enum Source {
    Inputs(Inputs),
    Query(QueryRows),
}

impl Source {
    /// Names of the files and streams.
    pub(super) fn names(&self) -> Vec<String> {
        match self {
            Source::Inputs(inputs) => inputs.names(),
            Source::Query(_) => Vec::new(),
        }
    }

    /// Starts reading.
    pub(super) fn read(self, table: &Arc<TableDef>, checker: Arc<RowChecker>, now_us: i64) -> Incoming {
        match self {
            Source::Inputs(inputs) => Incoming::Read(inputs.read(Arc::clone(table), checker, now_us)),
            Source::Query(rows) => Incoming::Query { rows, table: Arc::clone(table), checker, taken: 0 },
        }
    }
}

/// The rows of a statement: those that were gathered, and those that are still to come.
pub(crate) struct QueryRows {
    gathered: std::vec::IntoIter<RecordBatch>,
    rest: Option<SendableRecordBatchStream>,
    /// What is counted for the rows that are in memory.
    memory: MemoryReservation,
    /// Sees some of the rows after the other.
    onlooker: Option<Arc<Onlooking>>,
}

impl QueryRows {
    pub(crate) fn new(
        gathered: Gathered,
        rest: Option<SendableRecordBatchStream>,
        onlooker: Option<&Arc<Onlooking>>,
    ) -> Self {
        let Gathered { batches, memory } = gathered;
        QueryRows { gathered: batches.into_iter(), rest, memory, onlooker: onlooker.cloned() }
    }

    async fn next(&mut self) -> Result<Option<RecordBatch>> {
        if let Some(batch) = self.gathered.next() {
            return Ok(Some(batch));
        }
        let Some(rest) = &mut self.rest else { return Ok(None) };
        let batch = rest.try_next().await?;
        if batch.is_none() {
            // Whatever it holds in place is not needed any more.
            self.rest = None;
        }
        Ok(batch)
    }
}

/// Checked rows as they come.
pub(super) enum Incoming {
    Read(Receiver<Result<Read>>),
    Query { rows: QueryRows, table: Arc<TableDef>, checker: Arc<RowChecker>, taken: u64 },
}

impl Incoming {
    /// True where the rows are those of a statement.
    pub(super) fn is_of_query(&self) -> bool {
        matches!(self, Incoming::Query { .. })
    }

    /// The next rows; `None` after the last.
    ///
    /// # Errors
    /// What reading says; the first bad row's.
    pub(super) async fn next(&mut self) -> Result<Option<Read>> {
        match self {
            Incoming::Read(reads) => reads.recv().await.transpose(),
            Incoming::Query { rows, table, checker, taken } => {
                let Some(batch) = rows.next().await? else { return Ok(None) };
                let checked = checker.check(&batch, *taken + 1)?;
                if let Some(Onlooking(onlooker)) = rows.onlooker.as_deref() {
                    onlooker.see(table, std::slice::from_ref(&checked)).await?;
                }
                *taken += batch.num_rows() as u64;
                let progress = LoadProgress { rows: *taken, ..LoadProgress::default() };
                Ok(Some(Read { rows: checked, rejected: None, progress, digits_cut: false }))
            }
        }
    }

    /// Counts what is gathered of a statement's rows as its memory; where that is all it gets, no more is gathered.
    pub(super) fn count(&self, gathered: &mut Gather) {
        let Incoming::Query { rows: QueryRows { memory, .. }, .. } = self else { return };
        let more = gathered.bytes().saturating_sub(memory.size());
        if more > 0 && memory.try_grow(more).is_err() {
            gathered.gather_at_most(memory.size().max(LEAST_BYTES));
        }
    }
}

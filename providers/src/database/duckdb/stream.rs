//! A running DuckDB statement as a DataFusion stream.
//!
//! DuckDB is driven on a blocking thread, which starts when the stream is first polled, so that filters found out by
//! other parts of the plan until then can still go into the SQL. Batches pass through a short channel: a slow reader
//! makes DuckDB wait. Dropping the stream interrupts the statement.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use ::duckdb::{Connection, InterruptHandle};
use arrow::array::AsArray;
use arrow::compute::concat_batches;
use arrow::datatypes::{Int64Type, SchemaRef};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use datafusion::error::DataFusionError;
use datafusion::execution::RecordBatchStream;
use datafusion::physical_plan::metrics::{BaselineMetrics, RecordOutput, Time};
use futures::Stream;
use parking_lot::Mutex;
use tokio::sync::mpsc;

use super::database::DuckDbFile;
use super::{NAME, rows};
use crate::database::sql::source::RowQuery;
use crate::error::{ProviderError, Result};

/// Batches that wait for the reader.
const BATCHES_IN_FLIGHT: usize = 3;

enum StreamState {
    Waiting(Arc<DuckDbFile>, Box<RowQuery>),
    Running(mpsc::Receiver<Result<RecordBatch>>),
    Ended,
}

/// Batches of one statement, which a thread reads as they are asked for.
pub(super) struct DuckDbStream {
    schema: SchemaRef,
    state: StreamState,
    stop: Arc<Stop>,
    metrics: BaselineMetrics,
}

impl DuckDbStream {
    /// A stream that starts to work when it is polled.
    pub(super) fn new(database: Arc<DuckDbFile>, work: RowQuery, metrics: BaselineMetrics) -> Self {
        let schema = Arc::clone(&work.schema);
        DuckDbStream { schema, state: StreamState::Waiting(database, Box::new(work)), stop: Arc::default(), metrics }
    }
}

impl Stream for DuckDbStream {
    type Item = Result<RecordBatch, DataFusionError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if matches!(this.state, StreamState::Waiting(..))
            && let StreamState::Waiting(database, work) = std::mem::replace(&mut this.state, StreamState::Ended)
        {
            let (sender, receiver) = mpsc::channel(BATCHES_IN_FLIGHT);
            let stop = Arc::clone(&this.stop);
            let elapsed = this.metrics.elapsed_compute().clone();
            tokio::task::spawn_blocking(move || drive(&database, *work, &sender, &stop, &elapsed));
            this.state = StreamState::Running(receiver);
        }
        let StreamState::Running(receiver) = &mut this.state else { return Poll::Ready(None) };
        let item = std::task::ready!(receiver.poll_recv(cx));
        if !matches!(item, Some(Ok(_))) {
            this.state = StreamState::Ended;
            this.metrics.done();
        }
        Poll::Ready(item.map(|batch| Ok(batch?.record_output(&this.metrics))))
    }
}

impl RecordBatchStream for DuckDbStream {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}

impl Drop for DuckDbStream {
    fn drop(&mut self) {
        self.stop.stop();
    }
}

/// Stops the statement that runs for a stream, and never one that runs for somebody else on the same connection later.
#[derive(Default)]
struct Stop {
    stopped: AtomicBool,
    running: Mutex<Option<Arc<InterruptHandle>>>,
}

impl Stop {
    fn stop(&self) {
        self.stopped.store(true, Ordering::SeqCst);
        if let Some(handle) = self.running.lock().as_ref() {
            handle.interrupt();
        }
    }

    fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::SeqCst)
    }
}

type Batches = mpsc::Sender<Result<RecordBatch>>;

/// Runs everything and sends what comes of it; the last message is the error, if there was one.
fn drive(database: &DuckDbFile, work: RowQuery, sender: &Batches, stop: &Stop, elapsed: &Time) {
    let outcome = catch_unwind(AssertUnwindSafe(|| run(database, work, sender, stop, elapsed)));
    // The connection may be gone with the panic: nothing is left to interrupt.
    *stop.running.lock() = None;
    let failed = match outcome {
        Ok(Ok(())) => return,
        Ok(Err(failed)) => failed,
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
            ProviderError::store(NAME, "reading rows", format!("the database client panicked: {text}"))
        }
    };
    if !stop.is_stopped() && sender.blocking_send(Err(failed)).is_err() {
        tracing::debug!("the reader of a failed scan has gone");
    }
}

fn run(database: &DuckDbFile, mut work: RowQuery, sender: &Batches, stop: &Stop, elapsed: &Time) -> Result<()> {
    let connection = database.connection()?;
    let mut rows = 0;
    while let Some(statement) = work.statements.next(rows)? {
        *stop.running.lock() = Some(connection.interrupt_handle());
        if stop.is_stopped() {
            return Ok(());
        }
        let mut output = Output::new(&work.schema, sender, work.batch_rows, statement.most_rows);
        if !execute(database, &connection, &statement.sql, &mut output, elapsed)? {
            break;
        }
        if let Some(expected) = statement.expected_rows.filter(|expected| *expected != output.rows) {
            return Err(ProviderError::Corrupt {
                store: NAME,
                what: database.path().display().to_string(),
                reason: format!("rows in the segments read: {}, rows in the catalog: {expected}", output.rows),
            });
        }
        rows += output.rows;
    }
    *stop.running.lock() = None;
    database.give_back(connection);
    Ok(())
}

/// Runs one statement; false when the reader has gone.
fn execute(
    database: &DuckDbFile,
    connection: &Connection,
    sql: &str,
    output: &mut Output<'_>,
    elapsed: &Time,
) -> Result<bool> {
    let error = |e| database.error("reading rows", e);
    let mut timer = elapsed.timer();
    let mut prepared = connection.prepare(sql).map_err(error)?;
    // Only starts the statement: the iterator it returns panics on errors, so the steps are taken by hand.
    prepared.stream_arrow([]).map(drop).map_err(error)?;
    while let Some(chunk) = prepared.step().map_err(error)? {
        if output.schema.fields().is_empty() {
            let count = chunk.columns().first().and_then(|c| c.as_primitive_opt::<Int64Type>());
            let count = count.filter(|c| c.len() == 1).map_or(0, |c| c.value(0));
            timer.stop();
            return output.send_empty(usize::try_from(count).unwrap_or(0));
        }
        output.pending.push(rows::to_batch(chunk, output.schema)?);
        if output.pending_rows() >= output.wanted {
            let batch = output.gather()?;
            timer.stop();
            if !output.send(batch) {
                return Ok(false);
            }
            timer.restart();
        }
    }
    let batch = output.gather()?;
    timer.stop();
    Ok(output.send(batch))
}

/// Gathers DuckDB's chunks of at most 2,048 rows into batches.
struct Output<'a> {
    schema: &'a SchemaRef,
    sender: &'a mpsc::Sender<Result<RecordBatch>>,
    wanted: usize,
    most: usize,
    pending: Vec<RecordBatch>,
    rows: usize,
}

impl<'a> Output<'a> {
    fn new(
        schema: &'a SchemaRef,
        sender: &'a mpsc::Sender<Result<RecordBatch>>,
        wanted: usize,
        most: Option<usize>,
    ) -> Self {
        Output { schema, sender, wanted, most: most.unwrap_or(usize::MAX), pending: Vec::new(), rows: 0 }
    }

    fn pending_rows(&self) -> usize {
        self.pending.iter().map(RecordBatch::num_rows).sum()
    }

    fn gather(&mut self) -> Result<RecordBatch> {
        let batch = match self.pending.as_slice() {
            [single] => single.clone(),
            many => concat_batches(self.schema, many)?,
        };
        self.pending.clear();
        Ok(batch)
    }

    /// False when the reader has gone.
    fn send(&mut self, batch: RecordBatch) -> bool {
        self.rows += batch.num_rows();
        batch.num_rows() == 0 || self.sender.blocking_send(Ok(batch)).is_ok()
    }

    fn send_empty(&mut self, count: usize) -> Result<bool> {
        let mut count = count.min(self.most);
        while count > 0 {
            let rows = count.min(self.wanted);
            let options = RecordBatchOptions::new().with_row_count(Some(rows));
            let batch = RecordBatch::try_new_with_options(Arc::clone(self.schema), Vec::new(), &options)?;
            if !self.send(batch) {
                return Ok(false);
            }
            count -= rows;
        }
        Ok(true)
    }
}

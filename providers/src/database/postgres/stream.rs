//! Running statements as a DataFusion stream.
//!
//! Work starts when the stream is first polled, so that filters found out by other parts of the plan until then can still go
//! into the SQL. Batches pass through a short channel: a slow reader makes the server wait. Dropping the stream cancels
//! the statement.

use std::pin::pin;
use std::sync::Arc;

use arrow::array::AsArray;
use arrow::datatypes::{DataType, Field, Int64Type, Schema};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::metrics::{BaselineMetrics, RecordOutput, Time};
use datafusion::physical_plan::stream::{RecordBatchReceiverStream, RecordBatchStreamAdapter};
use futures::{StreamExt, TryStreamExt};
use tokio::sync::mpsc::Sender;
use tokio_postgres::types::Type;

use super::NAME;
use super::decode::Decoder;
use super::errors::Context;
use super::pool::Connection;
use super::snapshot::Group;
use crate::database::sql::scan::Statement;
use crate::database::sql::source::RowQuery;
use crate::error::{ProviderError, Result};

/// Batches that wait for the reader.
const BATCHES_IN_FLIGHT: usize = 3;

/// A stream that starts to work, on the group's connection for this output partition, when it is polled.
pub(super) fn stream(
    group: Arc<Group>,
    partition: usize,
    work: RowQuery,
    metrics: BaselineMetrics,
) -> SendableRecordBatchStream {
    let schema = Arc::clone(&work.schema);
    let elapsed = metrics.elapsed_compute().clone();
    let started = futures::stream::once(async move {
        let mut builder = RecordBatchReceiverStream::builder(Arc::clone(&work.schema), BATCHES_IN_FLIGHT);
        let sender = builder.tx();
        builder.spawn(async move { Ok(run(&group, partition, work, &sender, &elapsed).await?) });
        builder.build()
    });
    let counted = started.flatten().map_ok(move |batch| batch.record_output(&metrics));
    Box::pin(RecordBatchStreamAdapter::new(schema, counted))
}

/// A connection with a statement on it: whoever stops half way cancels the statement.
struct Running(Option<Connection>);

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(connection) = self.0.take() {
            connection.cancel();
        }
    }
}

type Batches = Sender<datafusion::error::Result<RecordBatch>>;

async fn run(group: &Group, partition: usize, mut work: RowQuery, sender: &Batches, elapsed: &Time) -> Result<()> {
    let mut running = Running(Some(group.take(partition).await?));
    let mut rows = 0;
    while let Some(statement) = work.statements.next(rows)? {
        let Some(connection) = &running.0 else { return Ok(()) };
        let mut output = Output { work: &work, sender, rows: 0 };
        if !output.execute(connection, &statement, elapsed).await? {
            return Ok(());
        }
        if let Some(expected) = statement.expected_rows.filter(|expected| *expected != output.rows) {
            return Err(ProviderError::Corrupt {
                store: NAME,
                what: "the segments read".to_owned(),
                reason: format!("rows in them: {}, rows in the catalog: {expected}", output.rows),
            });
        }
        rows += output.rows;
    }
    let Some(connection) = &running.0 else { return Ok(()) };
    if group.shares_a_snapshot() {
        connection.client()?.batch_execute("ROLLBACK").await.context(|| "ending a scan".to_owned())?;
    }
    if let Some(connection) = running.0.take() {
        connection.give_back();
    }
    Ok(())
}

struct Output<'a> {
    work: &'a RowQuery,
    sender: &'a Batches,
    rows: usize,
}

impl Output<'_> {
    /// Runs one statement; false when the reader has gone.
    async fn execute(&mut self, connection: &Connection, statement: &Statement, elapsed: &Time) -> Result<bool> {
        let doing = || "reading rows".to_owned();
        let client = connection.client()?;
        // Asked first what will come: a column that somebody gave another type must not be read as what it was.
        let prepared = client.prepare(&statement.sql).await.context(doing)?;
        let wire: Vec<Type> = prepared.columns().iter().map(|column| column.type_().clone()).collect();
        drop(prepared);
        let counting = self.work.schema.fields().is_empty();
        let count = Field::new("count", DataType::Int64, true);
        let schema = if counting { Arc::new(Schema::new(vec![count])) } else { Arc::clone(&self.work.schema) };
        let mut decoder = Decoder::new(&schema, &wire, self.work.sums)?;
        let copy = format!("COPY ({}) TO STDOUT (FORMAT binary)", statement.sql);
        let mut chunks = pin!(client.copy_out(&copy).await.context(doing)?);
        while let Some(chunk) = chunks.try_next().await.context(doing)? {
            let timer = elapsed.timer();
            decoder.feed(&chunk)?;
            let batch = if decoder.rows() >= self.work.batch_rows { Some(decoder.finish()?) } else { None };
            drop(timer);
            if let Some(batch) = batch
                && !self.send(batch).await
            {
                return Ok(false);
            }
        }
        decoder.end()?;
        let batch = decoder.finish()?;
        if counting {
            let count = batch.column(0).as_primitive_opt::<Int64Type>().filter(|c| c.len() == 1);
            let count = count.and_then(|c| usize::try_from(c.value(0)).ok()).unwrap_or(0);
            return self.send_empty(count.min(statement.most_rows.unwrap_or(usize::MAX))).await;
        }
        Ok(self.send(batch).await)
    }

    /// False when the reader has gone.
    async fn send(&mut self, batch: RecordBatch) -> bool {
        self.rows += batch.num_rows();
        batch.num_rows() == 0 || self.sender.send(Ok(batch)).await.is_ok()
    }

    async fn send_empty(&mut self, mut count: usize) -> Result<bool> {
        while count > 0 {
            let rows = count.min(self.work.batch_rows);
            let options = RecordBatchOptions::new().with_row_count(Some(rows));
            let batch = RecordBatch::try_new_with_options(Arc::clone(&self.work.schema), Vec::new(), &options)?;
            if !self.send(batch).await {
                return Ok(false);
            }
            count -= rows;
        }
        Ok(true)
    }
}

//! Rows of a stream onto the wire, in bounded memory.
//!
//! The first batches are encoded where they are asked for: small results pay for no task. What follows is encoded on a
//! task of its own, so that computing, encoding and sending overlap; a short channel between them is the backpressure.

use std::sync::Arc;

use bytes::BytesMut;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, MemoryReservation};
use futures::StreamExt;
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use super::encode::{ColumnEncoding, EncodableBatch, encode_data_rows};
use super::error::{Stop, WireError};
use super::link::{Guard, Link, SEND_BYTES};

/// Encoded chunks waiting to be sent.
const CHUNKS_AHEAD: usize = 3;
/// Batches encoded before a task takes over.
const BATCHES_IN_PLACE: usize = 2;

/// Writes rows in one layout.
pub(crate) trait RowWriter: Send + 'static {
    /// Appends rows `from..until` until the buffer holds `full` bytes; returns the first row not written.
    ///
    /// # Errors
    /// When a value has no form in this layout.
    fn write(
        &mut self,
        batch: &EncodableBatch,
        from: usize,
        until: usize,
        full: usize,
        buf: &mut BytesMut,
    ) -> Result<usize, WireError>;
}

/// `DataRow` messages.
#[derive(Debug)]
pub(crate) struct DataRows(pub(crate) Vec<ColumnEncoding>);

impl RowWriter for DataRows {
    fn write(
        &mut self,
        batch: &EncodableBatch,
        from: usize,
        until: usize,
        full: usize,
        buf: &mut BytesMut,
    ) -> Result<usize, WireError> {
        encode_data_rows(batch, &self.0, from, until, full, buf)
    }
}

/// A stream that is being sent, perhaps in several goes.
pub(crate) struct RowCursor {
    /// Never locked: the mutex makes the cursor `Sync`, as a session that keeps it has to be.
    stream: Mutex<SendableRecordBatchStream>,
    current: Option<(EncodableBatch, usize)>,
    ended: bool,
    /// What is counted for the current batch, where it waits for the client to ask for more.
    kept: Option<MemoryReservation>,
}

/// What one go has sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sent {
    /// Rows sent.
    pub(crate) rows: u64,
    /// No rows are left.
    pub(crate) ended: bool,
}

impl RowCursor {
    /// A cursor before the first row.
    pub(crate) fn new(stream: SendableRecordBatchStream) -> Self {
        RowCursor { stream: Mutex::new(stream), current: None, ended: false, kept: None }
    }

    /// Waits for the first row, or that there is none.
    ///
    /// # Errors
    /// What the stream says, the guard's reason, or that the client is gone.
    pub(crate) async fn begin(&mut self, link: &mut Link, guard: &Guard) -> Result<(), Stop> {
        self.load(link, guard).await.map(drop)
    }

    /// Sends up to `limit` rows.
    ///
    /// # Errors
    /// What the stream or the encoding says, the guard's reason, or that the client is gone.
    pub(crate) async fn send(
        &mut self,
        writer: &mut impl RowWriter,
        link: &mut Link,
        guard: &Guard,
        limit: u64,
    ) -> Result<Sent, Stop> {
        let mut rows = 0;
        while rows < limit {
            if !self.load(link, guard).await? {
                return Ok(Sent { rows, ended: true });
            }
            let Some((batch, at)) = &mut self.current else { break };
            let until = batch.rows().min(at.saturating_add(usize::try_from(limit - rows).unwrap_or(usize::MAX)));
            while *at < until {
                let from = *at;
                *at = writer.write(batch, from, until, SEND_BYTES, link.buffer())?;
                rows += (*at - from) as u64;
                if link.buffer().len() >= SEND_BYTES {
                    link.flush_guarded(guard).await?;
                }
            }
        }
        // A portal with exactly as many rows as asked for is known to be at its end only by looking further.
        let ended = !self.load(link, guard).await?;
        Ok(Sent { rows, ended })
    }

    /// Keeps the rows of the current batch that are left until more are asked for: they alone, and counted in the pool.
    ///
    /// # Errors
    /// 53200 where there is no room for them.
    pub(crate) fn keep(&mut self, pool: &Arc<dyn MemoryPool>) -> Result<(), WireError> {
        let Some((batch, at)) = self.current.as_ref().filter(|_| self.kept.is_none()) else { return Ok(()) };
        let (rest, bytes) = batch.rest(*at)?;
        let memory = MemoryConsumer::new("rows of a portal").register(pool);
        memory.try_grow(bytes).map_err(WireError::from)?;
        self.current = Some((rest, 0));
        self.kept = Some(memory);
        Ok(())
    }

    /// The rows that are left: the stream, the batch that it has come to with the rows of it that were sent, and whether the
    /// stream has ended.
    pub(crate) fn into_parts(self) -> (SendableRecordBatchStream, Option<(EncodableBatch, usize)>, bool) {
        (self.stream.into_inner(), self.current, self.ended)
    }

    /// Makes a batch with rows left current; false when there is none.
    async fn load(&mut self, link: &mut Link, guard: &Guard) -> Result<bool, Stop> {
        loop {
            if self.current.as_ref().is_some_and(|(batch, at)| *at < batch.rows()) {
                return Ok(true);
            }
            if self.ended {
                return Ok(false);
            }
            self.current = None;
            self.kept = None;
            let stream = self.stream.get_mut();
            match link.run(guard, async { stream.next().await.transpose() }).await? {
                Some(batch) => self.current = Some((EncodableBatch::new(&batch)?, 0)),
                None => self.ended = true,
            }
        }
    }

    /// Sends all rows that are left and returns how many there were.
    ///
    /// # Errors
    /// As [`RowCursor::send`].
    pub(crate) async fn send_all(
        mut self,
        mut writer: impl RowWriter,
        link: &mut Link,
        guard: &Guard,
    ) -> Result<u64, Stop> {
        let mut sent = 0;
        for _ in 0..BATCHES_IN_PLACE {
            if !self.load(link, guard).await? {
                return Ok(sent);
            }
            let Some((batch, mut at)) = self.current.take() else { continue };
            while at < batch.rows() {
                let from = at;
                at = writer.write(&batch, from, batch.rows(), SEND_BYTES, link.buffer())?;
                sent += (at - from) as u64;
                if link.buffer().len() >= SEND_BYTES {
                    link.flush_guarded(guard).await?;
                }
            }
        }
        let (sender, mut chunks) = mpsc::channel(CHUNKS_AHEAD);
        let _encoding = AbortOnDropHandle::new(tokio::spawn(encode(self.stream.into_inner(), writer, sender)));
        loop {
            let next = link.run(guard, async { chunks.recv().await.transpose() }).await?;
            let Some(chunk) = next else { return Ok(sent) };
            sent += chunk.rows;
            link.send_chunk(chunk.bytes, guard).await?;
        }
    }
}

struct Chunk {
    bytes: BytesMut,
    rows: u64,
}

/// Encodes the rest of a stream into chunks; an error is the last thing sent.
async fn encode<W: RowWriter>(
    mut stream: SendableRecordBatchStream,
    mut writer: W,
    chunks: mpsc::Sender<Result<Chunk, WireError>>,
) {
    while let Some(batch) = stream.next().await {
        let batch = match batch.map_err(WireError::from).and_then(|batch| EncodableBatch::new(&batch)) {
            Ok(batch) => batch,
            Err(error) => {
                // Nobody listens any more only when the statement was stopped.
                let _ = chunks.send(Err(error)).await;
                return;
            }
        };
        let mut at = 0;
        while at < batch.rows() {
            let mut bytes = BytesMut::with_capacity(SEND_BYTES + SEND_BYTES / 4);
            let from = at;
            let chunk = writer.write(&batch, from, batch.rows(), SEND_BYTES, &mut bytes).map(|next| {
                at = next;
                Chunk { bytes, rows: (next - from) as u64 }
            });
            let failed = chunk.is_err();
            if chunks.send(chunk).await.is_err() || failed {
                return;
            }
        }
    }
}

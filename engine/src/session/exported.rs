//! Rows of a statement as the bytes of a file.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use datafusion::execution::SendableRecordBatchStream;
use futures::StreamExt;
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use crate::error::{EngineError, Result};
use crate::export::{Encoder, ExportFormat};
use crate::session::{EngineSession, threads};

/// Bytes handed out at a time.
const PIECE: usize = 64 * 1024;
/// Pieces that are made ahead of who reads them: whoever reads slowly is waited for.
const AHEAD: usize = 2;

/// The bytes of a file, made as they are read. Dropping it ends the statement.
pub struct FileBytes {
    pieces: mpsc::Receiver<Result<Bytes>>,
    making: Option<AbortOnDropHandle<()>>,
    rows: Arc<AtomicU64>,
}

impl fmt::Debug for FileBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileBytes").field("rows", &self.rows()).finish_non_exhaustive()
    }
}

impl FileBytes {
    /// The next bytes; `None` at the end of the file.
    ///
    /// # Errors
    /// What fails while the rows are computed or encoded: the file then has no end.
    pub async fn next(&mut self) -> Option<Result<Bytes>> {
        if let Some(piece) = self.pieces.recv().await {
            return Some(piece);
        }
        // No more bytes come: because that is all, or because of a panic.
        let error = self.making.take()?.await.err()?;
        Some(Err(threads::ended(error)))
    }

    /// How many rows are in the file by now.
    pub fn rows(&self) -> u64 {
        self.rows.load(Ordering::Relaxed)
    }

    /// The same number, for those who show how far it has come.
    pub fn rows_so_far(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.rows)
    }
}

impl EngineSession {
    /// The rows as a file whose columns are called so. They are encoded where statements compute, and count against the memory
    /// of this session.
    ///
    /// # Errors
    /// For columns that a file of this format cannot have.
    pub fn file_of(
        &self,
        names: &[String],
        rows: SendableRecordBatchStream,
        format: ExportFormat,
    ) -> Result<FileBytes> {
        let encoder = Encoder::new(format, names, &rows.schema(), &self.context.runtime_env().memory_pool)?;
        let (sender, pieces) = mpsc::channel(AHEAD);
        let encoded = Arc::new(AtomicU64::new(0));
        let making = make(encoder, rows, sender, Arc::clone(&encoded));
        let making = match self.threads(false) {
            Some(threads) => threads.spawn(making),
            None => tokio::spawn(making),
        };
        Ok(FileBytes { pieces, making: Some(AbortOnDropHandle::new(making)), rows: encoded })
    }
}

async fn make(
    mut encoder: Encoder,
    mut rows: SendableRecordBatchStream,
    pieces: mpsc::Sender<Result<Bytes>>,
    encoded: Arc<AtomicU64>,
) {
    let work = async {
        while let Some(batch) = rows.next().await {
            let batch = batch?;
            let bytes = encoder.write(&batch)?;
            encoded.fetch_add(batch.num_rows() as u64, Ordering::Relaxed);
            if !hand_out(bytes, &pieces).await {
                return Ok(());
            }
        }
        hand_out(encoder.finish()?, &pieces).await;
        Ok::<(), EngineError>(())
    };
    if let Err(error) = work.await {
        // Nobody reads on only where the statement was stopped.
        let _ = pieces.send(Err(error)).await;
    }
}

/// False where nobody reads on.
async fn hand_out(mut bytes: Bytes, pieces: &mpsc::Sender<Result<Bytes>>) -> bool {
    while !bytes.is_empty() {
        let piece = bytes.split_to(bytes.len().min(PIECE));
        if pieces.send(Ok(piece)).await.is_err() {
            return false;
        }
    }
    true
}

//! Where statements are planned and their rows computed: on threads of their own, where the engine has some. A statement that
//! computes for long then keeps no socket, no timer and no other client waiting.

use std::future::Future;
use std::time::Duration;

use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::StreamExt;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinError;
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use crate::error::{EngineError, ErrorKind, Result};
use crate::state::statement_queue::Turn;

/// Batches that are computed ahead of who reads them.
const AHEAD: usize = 2;
/// How long computed rows lie before the statement lets others have their turn: a cursor that nobody reads keeps nobody waiting.
const UNREAD: Duration = Duration::from_secs(1);

/// Does work on those threads, or here where there are none. Dropping the future ends the work at its next await.
///
/// # Errors
/// The work's own; [`ErrorKind::Internal`] where it panics, which ends nothing else.
pub(super) async fn run<T: Send + 'static>(
    threads: Option<&Handle>,
    work: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    match threads {
        Some(threads) => AbortOnDropHandle::new(threads.spawn(work)).await.map_err(ended)?,
        None => work.await,
    }
}

/// The rows, computed on those threads as they are read, while it is the statement's turn. Dropping the stream
/// ends the work at its next await. Where there are no such threads, the turn lasts until the rows are read or dropped.
pub(super) fn stream(
    threads: Option<&Handle>,
    mut rows: SendableRecordBatchStream,
    mut turn: Turn,
) -> SendableRecordBatchStream {
    let schema = rows.schema();
    let Some(threads) = threads else {
        let read = futures::stream::unfold((rows, turn), |(mut rows, turn)| async move {
            let batch = rows.next().await?;
            Some((batch, (rows, turn)))
        });
        return Box::pin(RecordBatchStreamAdapter::new(schema, read));
    };
    let (sender, receiver) = mpsc::channel(AHEAD);
    let computing = AbortOnDropHandle::new(threads.spawn(async move {
        while let Some(batch) = rows.next().await {
            let room = match timeout(UNREAD, sender.reserve()).await {
                Ok(room) => room,
                Err(_) => {
                    turn.leave();
                    sender.reserve().await
                }
            };
            let Ok(room) = room else { return };
            room.send(batch);
            turn.take().await;
        }
    }));
    let received = futures::stream::unfold(Some((receiver, computing)), |state| async move {
        let (mut receiver, computing) = state?;
        if let Some(batch) = receiver.recv().await {
            return Some((batch, Some((receiver, computing))));
        }
        // No more rows come: because there are none, or because of a panic.
        let error = computing.await.err()?;
        Some((Err(DataFusionError::from(ended(error))), None))
    });
    Box::pin(RecordBatchStreamAdapter::new(schema, received))
}

/// Why work has ended without an outcome.
pub(super) fn ended(error: JoinError) -> EngineError {
    match error.try_into_panic() {
        Ok(panic) => {
            let words = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
            let words = words.or_else(|| panic.downcast_ref::<String>().cloned());
            EngineError::internal(format!("the statement met a bug: {}", words.as_deref().unwrap_or("no message")))
        }
        Err(_) => EngineError::new(ErrorKind::ShuttingDown, "the engine is shutting down"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use std::sync::Arc;

    use arrow::datatypes::Schema;
    use arrow::record_batch::{RecordBatch, RecordBatchOptions};

    use super::*;
    use crate::state::statement_queue::{QueuedStatements, StatementQueue};

    fn rows(count: usize, panics: bool) -> SendableRecordBatchStream {
        let schema = Arc::new(Schema::empty());
        let options = RecordBatchOptions::new().with_row_count(Some(1));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&schema), Vec::new(), &options).unwrap();
        let batches = futures::stream::iter(0..=count).filter_map(move |at| {
            assert!(at < count || !panics, "on purpose");
            futures::future::ready((at < count).then(|| Ok(batch.clone())))
        });
        Box::pin(RecordBatchStreamAdapter::new(schema, batches))
    }

    #[tokio::test]
    async fn all_rows_come_and_a_panic_is_an_error() {
        let threads = Handle::current();
        let all: Vec<_> = stream(Some(&threads), rows(9, false), Turn::default()).collect().await;
        assert_eq!(all.iter().filter(|batch| batch.is_ok()).count(), 9);
        assert_eq!(all.len(), 9);
        let broken: Vec<_> = stream(Some(&threads), rows(3, true), Turn::default()).collect().await;
        assert_eq!(broken.len(), 4, "three batches, then the error: an answer in part says so");
        let error = EngineError::from(broken.into_iter().last().unwrap().unwrap_err());
        assert_eq!(error.kind(), ErrorKind::Internal);
        assert!(error.message().contains("on purpose"), "{error}");
    }

    #[tokio::test]
    async fn rows_that_nobody_reads_keep_nobody_waiting() {
        let threads = Handle::current();
        let (queue, queued) = (StatementQueue::of(Some(1)), QueuedStatements::default());
        let mut unread = stream(Some(&threads), rows(9, false), queue.enter(&queued).await);
        let other = queue.enter(&QueuedStatements::default()).await;
        for _ in 0..=AHEAD {
            assert!(unread.next().await.is_some_and(|batch| batch.is_ok()), "they were computed before");
        }
        drop(other);
        assert_eq!(unread.count().await, 9 - AHEAD - 1, "it goes on when it is its turn again");
        queue.enter(&queued).await;
        let here = stream(None, rows(9, false), queue.enter(&queued).await);
        assert_eq!(here.count().await, 9);
        queue.enter(&queued).await;
    }

    #[tokio::test]
    async fn work_that_panics_fails_alone() {
        let threads = Handle::current();
        let broken = || -> Result<()> { panic!("on purpose") };
        let error = run(Some(&threads), async move { broken() }).await.unwrap_err();
        assert!(error.message().contains("on purpose"), "{error}");
        assert_eq!(run(Some(&threads), async { Ok(5) }).await.unwrap(), 5);
        assert_eq!(run(None, async { Ok(6) }).await.unwrap(), 6);
    }
}

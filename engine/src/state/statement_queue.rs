//! How many statements read tables at once. Those beyond wait, in the order in which they came, and hold nothing meanwhile: a
//! turn is taken before a statement has pins, locks or memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Statements that read tables, and those that wait to.
#[derive(Debug, Default)]
pub(crate) struct StatementQueue {
    /// `None` for as many as come.
    turns: Option<Arc<Semaphore>>,
}

/// Whether statements of a session wait for their turn, for others to see.
#[derive(Debug, Clone, Default)]
pub struct QueuedStatements(Arc<AtomicUsize>);

impl QueuedStatements {
    /// True while one of them waits.
    pub fn any(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }

    fn one(&self) -> Waiting {
        self.0.fetch_add(1, Ordering::Relaxed);
        Waiting(self.clone())
    }
}

/// Counts as waiting until it is dropped.
struct Waiting(QueuedStatements);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl StatementQueue {
    /// So many at once.
    pub(crate) fn of(most: Option<usize>) -> Self {
        let turns = most.map(|most| Arc::new(Semaphore::new(most.clamp(1, Semaphore::MAX_PERMITS))));
        StatementQueue { turns }
    }

    /// Waits for a turn. Dropping the future leaves the queue.
    pub(crate) async fn enter(&self, queued: &QueuedStatements) -> Turn {
        let mut turn = Turn { turns: self.turns.clone(), queued: queued.clone(), held: None };
        turn.take().await;
        turn
    }
}

/// A statement's turn. Dropping it lets the next one in.
#[derive(Debug, Default)]
pub(crate) struct Turn {
    /// Where it is one of; `None` for a statement that needs none.
    turns: Option<Arc<Semaphore>>,
    queued: QueuedStatements,
    held: Option<OwnedSemaphorePermit>,
}

impl Turn {
    /// Gives it to others for now.
    pub(crate) fn leave(&mut self) {
        self.held = None;
    }

    /// Waits for it, where it is not held.
    pub(crate) async fn take(&mut self) {
        let Some(turns) = self.turns.as_ref().filter(|_| self.held.is_none()) else { return };
        if let Ok(held) = Arc::clone(turns).try_acquire_owned() {
            self.held = Some(held);
            return;
        }
        let _waiting = self.queued.one();
        // Fails only where the semaphore was closed, which nobody does.
        self.held = Arc::clone(turns).acquire_owned().await.ok();
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn who_came_first_is_first() {
        let queue = StatementQueue::of(Some(1));
        let (mine, yours) = (QueuedStatements::default(), QueuedStatements::default());
        let first = queue.enter(&mine).await;
        assert!(!mine.any(), "it did not wait");
        let mut second = Box::pin(queue.enter(&mine));
        let mut third = Box::pin(queue.enter(&yours));
        assert!(second.as_mut().now_or_never().is_none() && third.as_mut().now_or_never().is_none());
        assert!(mine.any() && yours.any());
        drop(first);
        assert!(third.as_mut().now_or_never().is_none(), "it came later");
        let second = second.await;
        assert!(!mine.any() && yours.any());
        drop(second);
        third.await;
    }

    #[tokio::test]
    async fn who_does_not_wait_any_more_leaves_the_queue() {
        let queue = StatementQueue::of(Some(1));
        let queued = QueuedStatements::default();
        let mut first = queue.enter(&queued).await;
        let mut given_up = Box::pin(queue.enter(&queued));
        assert!(given_up.as_mut().now_or_never().is_none());
        drop(given_up);
        assert!(!queued.any());
        first.leave();
        let second = queue.enter(&queued).await;
        assert!(first.take().now_or_never().is_none(), "it was given away");
        drop(second);
        first.take().await;
    }

    #[tokio::test]
    async fn without_a_number_nobody_waits() {
        let queue = StatementQueue::of(None);
        let queued = QueuedStatements::default();
        let turns: Vec<Turn> = futures::future::join_all((0..100).map(|_| queue.enter(&queued))).await;
        assert_eq!(turns.len(), 100);
        Turn::default().take().await;
    }
}

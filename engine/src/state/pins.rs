//! Pins: which snapshots are still being read, so that nothing a reader may touch is dropped.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;
use zxq_catalog::Snapshot;

use crate::error::Result;
use crate::nodes::Node;

/// The current snapshot and the epochs that readers hold.
#[derive(Debug)]
pub(crate) struct Pins {
    current: ArcSwap<Snapshot>,
    held: Arc<Held>,
    /// With a shared catalog, what says whether a snapshot is still kept.
    node: Option<Arc<Node>>,
}

/// The epochs that readers hold, with how many do.
#[derive(Debug, Default)]
struct Held {
    epochs: Mutex<BTreeMap<u64, usize>>,
    /// The last reader of an epoch is done.
    ended: Notify,
}

/// One reader's hold on a snapshot; released when dropped.
#[derive(Debug)]
pub(crate) struct Pin {
    snapshot: Arc<Snapshot>,
    hold: Arc<Hold>,
}

/// What keeps everything of an epoch in place.
#[derive(Debug)]
struct Hold {
    epoch: u64,
    held: Arc<Held>,
    /// The node, and its generation when the snapshot was pinned.
    node: Option<(Arc<Node>, u64)>,
}

impl Pins {
    pub(crate) fn new(snapshot: Snapshot, node: Option<Arc<Node>>) -> Self {
        Pins { current: ArcSwap::from_pointee(snapshot), held: Arc::default(), node }
    }

    /// The current snapshot, without a hold: for metadata, not for reading rows.
    pub(crate) fn current(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    /// Makes a newer snapshot the current one.
    pub(crate) fn publish(&self, snapshot: Arc<Snapshot>) {
        self.current.store(snapshot);
    }

    /// Takes the current snapshot for reading.
    ///
    /// Loading and registering happen under one lock, so [`Pins::oldest`] can never miss a reader that has loaded a
    /// snapshot but not yet registered.
    pub(crate) fn pin(&self) -> Arc<Pin> {
        let node = self.node.as_ref().map(|node| (Arc::clone(node), node.generation()));
        let mut held = self.held.epochs.lock();
        let snapshot = self.current.load_full();
        *held.entry(snapshot.epoch).or_insert(0) += 1;
        let hold = Arc::new(Hold { epoch: snapshot.epoch, held: Arc::clone(&self.held), node });
        Arc::new(Pin { snapshot, hold })
    }

    /// The epochs that readers hold now, ascending. Readers to come are at the current one or later: of what is retired by
    /// then they see nothing.
    pub(crate) fn held(&self) -> Vec<u64> {
        self.held.epochs.lock().keys().copied().collect()
    }

    /// Done when nobody reads some epoch any more that was held before.
    pub(crate) fn ended(&self) -> Notified<'_> {
        self.held.ended.notified()
    }

    /// The oldest epoch that any present or future reader can be at: a segment retired at or before it is invisible
    /// to all of them.
    pub(crate) fn oldest(&self) -> u64 {
        let held = self.held.epochs.lock();
        let current = self.current.load().epoch;
        held.keys().next().map_or(current, |oldest| (*oldest).min(current))
    }
}

impl Pin {
    pub(crate) fn snapshot(&self) -> &Arc<Snapshot> {
        &self.snapshot
    }

    /// Fails when what the snapshot names may have been dropped by another process.
    pub(crate) fn check(&self) -> Result<()> {
        match &self.hold.node {
            Some((node, generation)) => node.check_pinned(*generation),
            None => Ok(()),
        }
    }

    /// Another snapshot under the same hold: this one with more in it that is kept in place by other means.
    pub(crate) fn over(&self, snapshot: Snapshot) -> Arc<Pin> {
        Arc::new(Pin { snapshot: Arc::new(snapshot), hold: Arc::clone(&self.hold) })
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut held = self.held.epochs.lock();
        if let Some(count) = held.get_mut(&self.epoch) {
            *count -= 1;
            if *count == 0 {
                held.remove(&self.epoch);
                drop(held);
                self.held.ended.notify_waiters();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_waits_is_told_when_the_last_reader_of_an_epoch_is_done() {
        let pins = Pins::new(Snapshot { epoch: 3, ..Snapshot::default() }, None);
        let (one, other) = (pins.pin(), pins.pin());
        pins.publish(Arc::new(Snapshot { epoch: 5, ..Snapshot::default() }));
        let newer = pins.pin();
        assert_eq!((pins.held(), pins.oldest()), (vec![3, 5], 3));
        let mut ended = std::pin::pin!(pins.ended());
        drop(one);
        assert!(futures::poll!(ended.as_mut()).is_pending(), "another reader is still there");
        drop(other);
        ended.await;
        assert_eq!(pins.held(), [5]);
        drop(newer);
        assert_eq!((pins.held(), pins.oldest()), (vec![], 5));
    }
}

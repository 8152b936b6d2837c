//! Pins: which snapshots are still being read, so that nothing a reader may touch is dropped.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use zxq_catalog::Snapshot;

use crate::error::Result;
use crate::nodes::Node;

/// The current snapshot and the epochs that readers hold.
#[derive(Debug)]
pub(crate) struct Pins {
    current: ArcSwap<Snapshot>,
    held: Arc<Mutex<BTreeMap<u64, usize>>>,
    /// With a shared catalog, what says whether a snapshot is still kept.
    node: Option<Arc<Node>>,
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
    held: Arc<Mutex<BTreeMap<u64, usize>>>,
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
        let mut held = self.held.lock();
        let snapshot = self.current.load_full();
        *held.entry(snapshot.epoch).or_insert(0) += 1;
        let hold = Arc::new(Hold { epoch: snapshot.epoch, held: Arc::clone(&self.held), node });
        Arc::new(Pin { snapshot, hold })
    }

    /// The oldest epoch that any present or future reader can be at: a segment retired at or before it is invisible
    /// to all of them.
    pub(crate) fn oldest(&self) -> u64 {
        let held = self.held.lock();
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
        let mut held = self.held.lock();
        if let Some(count) = held.get_mut(&self.epoch) {
            *count -= 1;
            if *count == 0 {
                held.remove(&self.epoch);
            }
        }
    }
}

//! Several processes on one catalog: one writes, the others read.
//!
//! A [`Node`] is this process's part: a writer that keeps its lease, or a reader that says which snapshots it holds and
//! follows the writer's commits. An engine over its own SQLite catalog has none. ARCHITECTURE.md says what must stay true.
//!
//! Reading order: `directory` (whose rows a data directory holds), `opening` (who writes); what a node does all the time is
//! in `state/heartbeat.rs`, since it looks at the whole engine.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::Notify;
use zxq_catalog::store::postgres::writer::Writer;
use zxq_catalog::{CatalogError, PostgresCatalog, Snapshot, TableId, Tier};

use crate::error::{EngineError, ErrorKind, Result};

mod directory;
mod opening;

pub(crate) use directory::refuse_other_catalogs;
pub(crate) use opening::open;

/// What a node does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NodeRole {
    Writer,
    Reader,
}

/// This process among those that share the catalog.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) role: NodeRole,
    pub(crate) catalog: Arc<PostgresCatalog>,
    pub(crate) lease: Duration,
    pub(crate) host: String,
    pub(crate) data_dir: std::path::PathBuf,
    /// No rows lay in hot alone when this process came.
    was_settled: bool,
    pub(crate) state: Mutex<NodeState>,
    /// A table has come to have rows in hot, or has none any more (writer): the next heartbeat is due.
    pub(crate) hot_changed: Notify,
    /// Grows when all snapshots that were pinned before are lost.
    generation: AtomicU64,
}

#[derive(Debug)]
pub(crate) struct NodeState {
    /// Until then nobody else writes (writer), or nothing that we read is dropped (reader).
    valid_until: Instant,
    /// Why this process must not go on, once it is known.
    lost: Option<String>,
    /// Who writes, as a reader last heard.
    writer: Option<Writer>,
    /// Where this process serves.
    pub(crate) address: Option<SocketAddr>,
}

impl Node {
    fn new(
        role: NodeRole,
        catalog: Arc<PostgresCatalog>,
        lease: Duration,
        host: String,
        data_dir: std::path::PathBuf,
        (was_settled, begun): (bool, Instant),
    ) -> Node {
        let state = NodeState { valid_until: begun + lease, lost: None, writer: None, address: None };
        Node {
            role,
            catalog,
            lease,
            host,
            data_dir,
            was_settled,
            state: Mutex::new(state),
            hot_changed: Notify::new(),
            generation: AtomicU64::new(0),
        }
    }

    /// Fails where this process may not change anything (now).
    pub(crate) fn check_write(&self) -> Result<()> {
        let state = self.state.lock();
        if self.role == NodeRole::Reader {
            let writer = state.writer.as_ref().filter(|writer| writer.alive);
            let to_whom = writer.map_or_else(
                || "no process writes now: start one".to_owned(),
                |writer| match writer.address.as_str() {
                    "" => format!("the writer is {}", writer.name()),
                    address => format!("send it to the writer on {address} ({})", writer.name()),
                },
            );
            return Err(EngineError::new(
                ErrorKind::ReadOnly,
                format!("this process reads the catalog and cannot change anything: {to_whom}"),
            ));
        }
        if let Some(lost) = &state.lost {
            return Err(EngineError::new(ErrorKind::ReadOnly, lost.clone()));
        }
        if Instant::now() >= state.valid_until {
            return Err(EngineError::new(
                ErrorKind::Io,
                format!(
                    "the writer's lease could not be renewed for {:?}: the catalog, {}, does not answer; nothing is \
                     written until it does",
                    self.lease,
                    self.catalog.place()
                ),
            ));
        }
        Ok(())
    }

    /// Fails where an answer from here could be of a state that nobody keeps any more.
    pub(crate) fn check_read(&self) -> Result<()> {
        let state = self.state.lock();
        match (&state.lost, self.role) {
            (Some(lost), _) => Err(EngineError::new(ErrorKind::ReadOnly, lost.clone())),
            (None, NodeRole::Reader) if Instant::now() >= state.valid_until => Err(self.ran_out()),
            _ => Ok(()),
        }
    }

    /// As [`Node::check_read`], for a snapshot that was pinned in the given generation.
    pub(crate) fn check_pinned(&self, generation: u64) -> Result<()> {
        self.check_read()?;
        if self.generation() == generation { Ok(()) } else { Err(self.ran_out()) }
    }

    fn ran_out(&self) -> EngineError {
        EngineError::new(
            ErrorKind::SnapshotTooOld,
            format!(
                "this reader could not say for {:?} what it reads, so the writer may have dropped some of it: run the \
                 statement again",
                self.lease
            ),
        )
    }

    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::SeqCst)
    }

    /// Every snapshot pinned so far is lost.
    pub(crate) fn lose_pins(&self) {
        self.generation.fetch_add(1, Ordering::SeqCst);
    }

    /// Another process is the writer: this one is done.
    pub(crate) fn lose(&self, error: &CatalogError) {
        let mut state = self.state.lock();
        if state.lost.is_none() {
            tracing::error!(%error, "this process lost the writer's lease and stops answering; restart it");
            state.lost = Some(format!("{error}; restart this process to read or write again"));
        }
    }

    pub(crate) fn is_lost(&self) -> bool {
        self.state.lock().lost.is_some()
    }

    pub(crate) fn renewed(&self, begun: Instant) {
        self.state.lock().valid_until = begun + self.lease;
    }

    pub(crate) fn heard_of(&self, writer: Writer) {
        self.state.lock().writer = Some(writer);
    }

    /// Others are told at the next heartbeat where this process serves.
    pub(crate) fn serves_on(&self, address: SocketAddr) {
        self.state.lock().address = Some(address);
    }

    /// Rows of a table that only the writer has, in its memory, as a reader last heard; and who that is.
    pub(crate) fn hot_elsewhere(&self, table: TableId) -> Option<(u64, String)> {
        let state = self.state.lock();
        let writer = state.writer.as_ref()?;
        let rows = *writer.hot.get(&table)?;
        (self.role == NodeRole::Reader && rows > 0).then(|| (rows, writer.name()))
    }

    /// The oldest epoch that a reader elsewhere may be reading.
    pub(crate) async fn oldest_reader(&self) -> Result<u64> {
        Ok(self.catalog.oldest_reader().await?.unwrap_or(u64::MAX))
    }

    /// Gives up what others wait for. `snapshot`: what exists at the end; the log must be closed.
    pub(crate) async fn leave(&self, snapshot: &Snapshot) -> Result<()> {
        match self.role {
            NodeRole::Reader => self.catalog.unregister_reader().await?,
            NodeRole::Writer if self.is_lost() => {}
            NodeRole::Writer => self.release(hot_rows(snapshot).is_empty()).await?,
        }
        Ok(())
    }

    /// As [`Node::leave`], where opening failed before anything was written.
    pub(crate) async fn leave_unopened(&self) {
        let left = match self.role {
            NodeRole::Reader => self.catalog.unregister_reader().await.map_err(EngineError::from),
            NodeRole::Writer => self.release(self.was_settled).await,
        };
        if let Err(error) = left {
            tracing::warn!(%error, "the catalog will take this process for alive until its lease ends");
        }
    }

    async fn release(&self, settled: bool) -> Result<()> {
        if settled {
            directory::settle(&self.data_dir)?;
        }
        Ok(self.catalog.release(settled).await?)
    }
}

/// Rows whose home is hot, by table.
pub(crate) fn hot_rows(snapshot: &Snapshot) -> BTreeMap<TableId, u64> {
    let rows = |state: &zxq_catalog::TableState| state.tier(Tier::Hot).totals().owned_rows;
    snapshot.tables.iter().map(|(id, state)| (*id, rows(state))).filter(|(_, rows)| *rows > 0).collect()
}

//! The engine: owns the stores and the catalog, and hands out sessions.

use std::collections::HashSet;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use datafusion::execution::runtime_env::RuntimeEnv;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use zxq_catalog::{CatalogStore, PartitionKey, Segment, Snapshot, TableId, TableState, Tier};
use zxq_providers::TierStore;
use zxq_providers::hot::HotStore;
use zxq_providers::hot::wal::Wal;

use crate::config::EngineConfig;
use crate::error::{EngineError, ErrorKind, Result};
use crate::nodes::Node;
use crate::state::access::AccessLog;
use crate::state::commit::CommitState;
use crate::state::ids::SegmentIds;
use crate::state::job_places::JobPlaces;
use crate::state::lock::DirectoryLock;
use crate::state::log_owner::LogOwner;
use crate::state::memory_share::UserShares;
use crate::state::pins::{Pin, Pins};
use crate::state::query_log::QueryLog;
use crate::state::room::Room;
use crate::state::row_checkers::RowCheckers;
use crate::state::statement_queue::StatementQueue;
use crate::state::unsettled::Unsettled;
use crate::supervisor::backoff::Backoff;
use crate::supervisor::owner::Supervisor;
use crate::supervisor::table_locks::TableLocks;

/// A database: one data directory, opened by one process.
pub struct Engine {
    pub(crate) config: EngineConfig,
    pub(crate) lock: DirectoryLock,
    pub(crate) catalog: Arc<dyn CatalogStore>,
    pub(crate) hot: Arc<HotStore>,
    pub(crate) stores: [Arc<dyn TierStore>; 3],
    /// The log; a reader has none.
    pub(crate) wal: Option<Arc<Wal>>,
    /// This process among others, with a catalog that is shared.
    pub(crate) node: Option<Arc<Node>>,
    pub(crate) pins: Pins,
    /// Serialises commits; holds what has been retired and waits for its readers.
    pub(crate) commits: tokio::sync::Mutex<CommitState>,
    /// Ingest holds it shared from before its log append until its rows are visible; sealing takes it alone, and so
    /// finds every row with a log sequence number visible.
    pub(crate) ingest_gate: tokio::sync::RwLock<()>,
    /// Partitions whose hot segments a move is reading: they are not merged meanwhile.
    pub(crate) sealed: Mutex<HashSet<(TableId, PartitionKey)>>,
    /// Partitions whose small hot segments somebody is merging: others need not.
    pub(crate) merging: Mutex<HashSet<(TableId, PartitionKey)>>,
    /// Who waits for room in hot, and who makes it.
    pub(crate) room: Arc<Room>,
    pub(crate) segment_ids: SegmentIds,
    pub(crate) checkers: RowCheckers,
    pub(crate) queries: QueryLog,
    pub(crate) accesses: AccessLog,
    pub(crate) runtime: Arc<RuntimeEnv>,
    /// What users may have of its memory.
    pub(crate) user_shares: UserShares,
    /// How many statements read tables at once.
    pub(crate) statements: StatementQueue,
    /// Owns what runs.
    pub(crate) supervisor: Supervisor,
    /// Which jobs exclude each other.
    pub(crate) locks: TableLocks,
    /// Partitions whose moves fail.
    pub(crate) backoff: Backoff,
    /// Jobs that failed and could not be brought to their end yet.
    pub(crate) unsettled: Mutex<Vec<Unsettled>>,
    /// Where running jobs have written, and those that failed and are not settled yet.
    pub(crate) job_places: JobPlaces,
    pub(crate) unsettled_came: Arc<Notify>,
    /// Held while one of them is being settled.
    pub(crate) settling: tokio::sync::Mutex<()>,
    /// Held while roles or grants change, which are computed from what they are.
    pub(crate) role_changes: tokio::sync::Mutex<()>,
    /// Says which catalog the log belongs to; a reader has no log.
    pub(crate) log_owner: Option<LogOwner>,
    pub(crate) stop: CancellationToken,
    pub(crate) closed: AtomicBool,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("data_dir", &self.config.data_dir).finish_non_exhaustive()
    }
}

/// How long the end of the engine waits for jobs that were asked to stop.
const LAST_JOBS: Duration = Duration::from_secs(30);

impl Engine {
    /// What exists now. For metadata: it holds nothing in place.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.pins.current()
    }

    /// How the engine was opened.
    pub fn config(&self) -> &EngineConfig {
        &self.config
    }

    /// Tells other processes where this one serves, so that their commands run through it.
    pub fn advertise(&self, address: SocketAddr) -> Result<()> {
        if let Some(node) = &self.node {
            node.serves_on(address);
        }
        self.lock.advertise(address)
    }

    /// True for the secret of this data directory's lock file: who says it may read the directory, and so do what its owner
    /// may.
    pub fn has_secret(&self, said: &str) -> bool {
        self.lock.has_secret(said)
    }

    /// The table of that name in the current snapshot.
    ///
    /// # Errors
    /// [`ErrorKind::UndefinedTable`], listing the tables there are.
    pub fn table(&self, name: &str) -> Result<Arc<TableState>> {
        let snapshot = self.snapshot();
        snapshot.table(name).cloned().ok_or_else(|| {
            let mut names: Vec<&str> = snapshot.tables.values().map(|t| t.def.name.as_str()).collect();
            names.sort_unstable();
            let known = if names.is_empty() { "there are no tables yet".to_owned() } else { names.join(", ") };
            let message = format!("table \"{name}\" does not exist (tables: {known})");
            EngineError::new(ErrorKind::UndefinedTable, message).about_name(name)
        })
    }

    /// A table that zxq itself keeps.
    ///
    /// # Errors
    /// [`ErrorKind::UndefinedTable`]; [`ErrorKind::FeatureNotSupported`] for a table of others.
    pub(crate) fn own_table(&self, name: &str) -> Result<Arc<TableState>> {
        let state = self.table(name)?;
        if state.def.view().is_some() {
            let text = format!("\"{name}\" is a view: its rows are those of the tables that it reads");
            return Err(EngineError::new(ErrorKind::WrongObjectType, text));
        }
        match state.def.external() {
            None => Ok(state),
            Some((format, location)) => Err(EngineError::new(
                ErrorKind::FeatureNotSupported,
                format!(
                    "table \"{name}\" is external ({format}, {location}): zxq only reads it; to have its rows in the \
                     tiers, CREATE TABLE … AS SELECT * FROM {name}"
                ),
            )),
        }
    }

    /// A table that was looked up before, as it is now.
    ///
    /// # Errors
    /// [`ErrorKind::UndefinedTable`] where it was dropped meanwhile.
    pub(crate) fn own_table_by_id(&self, id: TableId) -> Result<Arc<TableState>> {
        self.snapshot().table_by_id(id).cloned().ok_or_else(|| {
            EngineError::new(ErrorKind::UndefinedTable, format!("the table (id {id}) was dropped meanwhile"))
        })
    }

    /// Asks all jobs to stop, waits for those that have to finish, and closes the stores. Rows in hot stay in the write-ahead
    /// log; a job that a store holds up for long is left to the next start, which judges it. A second call does nothing.
    ///
    /// # Errors
    /// What a store says while it closes; all of them are closed all the same.
    pub async fn shutdown(&self) -> Result<()> {
        if self.closed.swap(true, Ordering::SeqCst) {
            return Ok(());
        }
        self.stop.cancel();
        let left = self.supervisor.close(LAST_JOBS).await;
        if !left.is_empty() {
            tracing::error!(jobs = left.join(", "), "not all jobs have ended; the next start looks after them");
        }
        let mut outcome = match &self.wal {
            Some(wal) => wal.close().await.map_err(EngineError::from),
            None => Ok(()),
        };
        for store in &self.stores {
            if let Err(error) = store.close().await {
                outcome = Err(error.into());
            }
        }
        // Only after a clean end may others go on without this process's log.
        if let Some(node) = &self.node
            && outcome.is_ok()
        {
            outcome = node.leave(&self.snapshot()).await;
        }
        outcome
    }

    /// False for a reader of a shared catalog, and for a writer that was replaced.
    pub fn may_write(&self) -> bool {
        self.check_write().is_ok()
    }

    /// Fails where this process may not change anything.
    ///
    /// # Errors
    /// [`ErrorKind::ShuttingDown`]; with a shared catalog also [`ErrorKind::ReadOnly`], naming the writer, and
    /// [`ErrorKind::Io`] while the catalog does not answer.
    pub(crate) fn check_write(&self) -> Result<()> {
        if self.is_closed() {
            return Err(EngineError::new(ErrorKind::ShuttingDown, "the engine is shutting down"));
        }
        self.check_lease()
    }

    /// As [`Engine::check_write`], also while the engine is shutting down.
    pub(crate) fn check_lease(&self) -> Result<()> {
        self.node.as_ref().map_or(Ok(()), |node| node.check_write())
    }

    /// The write-ahead log, which only a process that writes has.
    pub(crate) fn wal(&self) -> Result<&Arc<Wal>> {
        self.wal.as_ref().ok_or_else(|| EngineError::internal("a reader has no write-ahead log"))
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    pub(crate) fn store(&self, tier: Tier) -> &Arc<dyn TierStore> {
        &self.stores[tier.index()]
    }

    pub(crate) fn pin(&self) -> Arc<Pin> {
        self.pins.pin()
    }

    pub(crate) fn now_us(&self) -> i64 {
        self.config.clock.now_us()
    }

    pub(crate) fn note_access(&self, table: TableId, segments: &[Arc<Segment>]) {
        self.accesses.note(table, segments, self.now_us());
    }
}

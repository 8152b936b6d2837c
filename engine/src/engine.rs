//! The engine: owns the stores and the catalog, and hands out sessions.

use std::collections::HashSet;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::record_batch::RecordBatch;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::prelude::SessionContext;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;
use zxq_catalog::{CatalogStore, Job, PartitionKey, Segment, Snapshot, TableId, TableState, Tier};
use zxq_providers::TierStore;
use zxq_providers::hot::HotStore;
use zxq_providers::hot::wal::{Recovery, Wal};

use crate::access::AccessLog;
use crate::config::EngineConfig;
use crate::error::{EngineError, ErrorKind, Result};
use crate::ids::SegmentIds;
use crate::lock::DirectoryLock;
use crate::nodes::Node;
use crate::pins::{Pin, Pins};
use crate::query_log::QueryLog;
use crate::row_checkers::RowCheckers;
use crate::session::EngineSession;

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
    pub(crate) commits: tokio::sync::Mutex<crate::commit::CommitState>,
    /// Ingest holds it shared from before its log append until its rows are visible; sealing takes it alone, and so
    /// finds every row with a log sequence number visible.
    pub(crate) ingest_gate: tokio::sync::RwLock<()>,
    /// Partitions whose hot segments a move is reading: they are not merged meanwhile.
    pub(crate) sealed: Mutex<HashSet<(TableId, PartitionKey)>>,
    pub(crate) segment_ids: SegmentIds,
    pub(crate) checkers: RowCheckers,
    pub(crate) queries: QueryLog,
    pub(crate) accesses: AccessLog,
    pub(crate) runtime: Arc<RuntimeEnv>,
    /// One move of a partition at a time.
    pub(crate) moving: tokio::sync::Mutex<()>,
    /// Jobs that failed and whose litter lies in a store that was out of reach.
    pub(crate) abandoned: tokio::sync::Mutex<Vec<Job>>,
    pub(crate) stop: CancellationToken,
    closed: AtomicBool,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("data_dir", &self.config.data_dir).finish_non_exhaustive()
    }
}

/// Everything an open engine is made of; [`crate::recovery`] fills it.
pub(crate) struct Parts {
    pub(crate) config: EngineConfig,
    pub(crate) lock: DirectoryLock,
    pub(crate) catalog: Arc<dyn CatalogStore>,
    pub(crate) hot: Arc<HotStore>,
    pub(crate) stores: [Arc<dyn TierStore>; 3],
    /// The log and what it holds; `None` for a reader.
    pub(crate) wal: Option<(Arc<Wal>, Recovery)>,
    pub(crate) node: Option<Arc<Node>>,
    pub(crate) snapshot: Snapshot,
    pub(crate) runtime: Arc<RuntimeEnv>,
}

impl Engine {
    /// Opens (or creates) the database in `config.data_dir`: takes the directory's lock, repairs the write-ahead log's
    /// tail, replays it, completes or sweeps moves that were under way, and starts the maintenance scheduler.
    ///
    /// # Errors
    /// [`ErrorKind::DirectoryInUse`] when another process has the directory; [`ErrorKind::DataCorrupted`] when what
    /// lies there cannot be read back exactly; [`ErrorKind::Io`] and [`ErrorKind::DiskFull`].
    pub async fn open(config: EngineConfig) -> Result<Arc<Engine>> {
        let parts = crate::recovery::open_parts(config).await?;
        let (wal, logged) = parts.wal.unzip();
        let engine = Arc::new(Engine {
            segment_ids: SegmentIds::new(Arc::clone(&parts.catalog)),
            config: parts.config,
            lock: parts.lock,
            catalog: parts.catalog,
            hot: parts.hot,
            stores: parts.stores,
            wal,
            pins: Pins::new(parts.snapshot, parts.node.clone()),
            node: parts.node,
            commits: tokio::sync::Mutex::default(),
            ingest_gate: tokio::sync::RwLock::new(()),
            sealed: Mutex::default(),
            checkers: RowCheckers::default(),
            queries: QueryLog::default(),
            accesses: AccessLog::default(),
            runtime: parts.runtime,
            moving: tokio::sync::Mutex::new(()),
            abandoned: tokio::sync::Mutex::default(),
            stop: CancellationToken::new(),
            closed: AtomicBool::new(false),
        });
        crate::nodes::start(&engine);
        if let Some(logged) = logged {
            crate::recovery::recover(&engine, logged).await?;
            crate::maintenance::start(&engine);
        }
        Ok(engine)
    }

    /// A session: its own settings and its own `SessionContext`, over the shared database. One per connection.
    pub fn session(self: &Arc<Self>) -> EngineSession {
        EngineSession::new(self)
    }

    /// A DataFusion context over this database, for embedding programs. Every statement it runs reads one snapshot.
    pub fn session_context(self: &Arc<Self>) -> SessionContext {
        crate::session::new_context(self)
    }

    /// Runs SQL (one statement or several) and gathers the rows of the last one.
    ///
    /// # Errors
    /// The first failing statement's error; statements before it stay done.
    pub async fn sql(self: &Arc<Self>, sql: &str) -> Result<Vec<RecordBatch>> {
        let session = self.session();
        let mut last = Vec::new();
        for statement in session.parse(sql)? {
            last = session.run_statement(&statement).await?.collect().await?;
        }
        Ok(last)
    }

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
            EngineError::new(ErrorKind::UndefinedTable, format!("table \"{name}\" does not exist (tables: {known})"))
        })
    }

    /// Stops the scheduler, waits for a move under way, and closes the stores. Rows in hot stay in the write-ahead
    /// log. A second call does nothing.
    ///
    /// # Errors
    /// What a store says while it closes; all of them are closed all the same.
    pub async fn shutdown(&self) -> Result<()> {
        if self.closed.swap(true, Ordering::SeqCst) {
            return Ok(());
        }
        self.stop.cancel();
        let _moves = self.moving.lock().await;
        let _ingests = self.ingest_gate.write().await;
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

    /// Fails where this process may not change anything.
    ///
    /// # Errors
    /// [`ErrorKind::ShuttingDown`]; with a shared catalog also [`ErrorKind::ReadOnly`], naming the writer, and
    /// [`ErrorKind::Io`] while the catalog does not answer.
    pub(crate) fn check_write(&self) -> Result<()> {
        if self.is_closed() {
            return Err(EngineError::new(ErrorKind::ShuttingDown, "the engine is shutting down"));
        }
        self.node.as_ref().map_or(Ok(()), |node| node.check_write())
    }

    /// The log.
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

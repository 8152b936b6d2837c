//! `Engine::open`: the parts that recovery opened become an engine, which then recovers and starts what runs by itself.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::config::EngineConfig;
use crate::context;
use crate::error::Result;
use crate::open::recovery;
use crate::state::access::AccessLog;
use crate::state::commit::CommitState;
use crate::state::engine::Engine;
use crate::state::heartbeat;
use crate::state::ids::SegmentIds;
use crate::state::job_places::JobPlaces;
use crate::state::memory_share::UserShares;
use crate::state::pins::Pins;
use crate::state::query_log::QueryLog;
use crate::state::room::Room;
use crate::state::row_checkers::RowCheckers;
use crate::state::statement_queue::StatementQueue;
use crate::supervisor::backoff::Backoff;
use crate::supervisor::owner::Supervisor;
use crate::supervisor::table_locks::TableLocks;
use crate::{jobs, moves};

impl Engine {
    /// Opens (or creates) the database in `config.data_dir`: takes the directory's lock, repairs the write-ahead log's
    /// tail, replays it, completes or sweeps moves that were under way, and starts the maintenance scheduler.
    ///
    /// # Errors
    /// [`crate::ErrorKind::DirectoryInUse`] when another process has the directory; [`crate::ErrorKind::DataCorrupted`] when what
    /// lies there cannot be read back exactly; [`crate::ErrorKind::Io`] and [`crate::ErrorKind::DiskFull`].
    pub async fn open(config: EngineConfig) -> Result<Arc<Engine>> {
        let parts = recovery::open_parts(config).await?;
        let (wal, log_owner, logged) = match parts.wal {
            Some(log) => (Some(log.wal), Some(log.owner), Some(log.logged)),
            None => (None, None, None),
        };
        let commits = CommitState::at(parts.snapshot.epoch);
        let supervisor = Supervisor::new(parts.config.threads.clone(), parts.config.probe.clone());
        let checkers = RowCheckers::new(
            context::expression_state(parts.config.target_partitions, &parts.runtime),
            Arc::clone(&parts.config.clock),
        );
        let engine = Arc::new(Engine {
            segment_ids: SegmentIds::new(Arc::clone(&parts.catalog)),
            room: Arc::new(Room::new(parts.config.policy.maintenance_interval.is_zero())),
            statements: StatementQueue::of(parts.config.most_statements),
            config: parts.config,
            lock: parts.lock,
            catalog: parts.catalog,
            hot: parts.hot,
            stores: parts.stores,
            wal,
            pins: Pins::new(parts.snapshot, parts.node.clone()),
            node: parts.node,
            commits: tokio::sync::Mutex::new(commits),
            ingest_gate: tokio::sync::RwLock::new(()),
            sealed: Mutex::default(),
            merging: Mutex::default(),
            checkers,
            queries: QueryLog::default(),
            accesses: AccessLog::default(),
            runtime: parts.runtime,
            user_shares: UserShares::default(),
            supervisor,
            locks: TableLocks::default(),
            backoff: Backoff::default(),
            unsettled: Mutex::default(),
            job_places: JobPlaces::default(),
            unsettled_came: Arc::default(),
            settling: tokio::sync::Mutex::default(),
            role_changes: tokio::sync::Mutex::default(),
            log_owner,
            stop: CancellationToken::new(),
            closed: AtomicBool::new(false),
        });
        heartbeat::start(&engine);
        if let Some(logged) = logged {
            recovery::recover(&engine, logged).await?;
            jobs::settle::start(&engine);
            moves::maintenance::start(&engine);
            moves::pressure::start(&engine);
        }
        Ok(engine)
    }
}

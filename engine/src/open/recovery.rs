//! Opening: from what a data directory holds, after a clean end or a crash, to a consistent engine.

use std::sync::Arc;

use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use object_store::ObjectStore;
use url::Url;
use zxq_catalog::store::SqliteStore;
use zxq_catalog::{CatalogStore, Change, Job, JobKind, JobPhase, PartitionKey, Segment, Snapshot, Tier};
use zxq_providers::database::duckdb::{DuckDbOptions, DuckDbStore};
use zxq_providers::database::postgres::PostgresStore;
use zxq_providers::hot::wal::{Recovery, Wal, WalOptions};
use zxq_providers::hot::{HotOptions, HotStore};
use zxq_providers::lake::objects::{StorageRoot, s3};
use zxq_providers::{Publication, TierStore};

use crate::config::EngineConfig;
use crate::error::{EngineError, ErrorKind, Result};
use crate::jobs::publish::Part;
use crate::nodes::{self, Node, NodeRole};
use crate::open::cold_place;
use crate::open::cold_stores::ColdStores;
use crate::open::replay::replay;
use crate::open::watched_catalog::WatchedCatalog;
use crate::state::commit::Record;
use crate::state::engine::Engine;
use crate::state::lock::DirectoryLock;
use crate::state::log_owner::{self, LogOwner};
use crate::state::unsettled::Unsettled;

/// Everything an open engine is made of.
pub(crate) struct Parts {
    pub(crate) config: EngineConfig,
    pub(crate) lock: DirectoryLock,
    pub(crate) catalog: Arc<dyn CatalogStore>,
    pub(crate) hot: Arc<HotStore>,
    pub(crate) stores: [Arc<dyn TierStore>; 3],
    /// The log; `None` for a reader.
    pub(crate) wal: Option<OpenLog>,
    pub(crate) node: Option<Arc<Node>>,
    pub(crate) snapshot: Snapshot,
    pub(crate) runtime: Arc<RuntimeEnv>,
}

/// Opens every part of the data directory; nothing is replayed yet.
pub(crate) async fn open_parts(config: EngineConfig) -> Result<Parts> {
    let dir = config.data_dir.clone();
    let at = |name: &str| dir.join(name);
    for folder in [dir.clone(), at("spill")] {
        std::fs::create_dir_all(&folder)
            .map_err(|e| EngineError::io(format!("cannot create {}", folder.display()), e))?;
    }
    let lock = DirectoryLock::take(&dir)?;
    let (mut catalog, node, snapshot) = open_catalog(&config).await?;
    if let Some(probe) = &config.probe {
        catalog = Arc::new(WatchedCatalog::new(catalog, Arc::clone(probe)));
    }
    let stores = open_stores(&config, &catalog, node.as_deref(), &snapshot).await;
    if let (Err(_), Some(node)) = (&stores, &node) {
        node.leave_unopened().await;
    }
    let Stores { hot, stores, wal, bucket } = stores?;
    let runtime = runtime(&config)?;
    if let Some((bucket, store)) = bucket {
        // Tables that others keep in the same bucket can be read, too.
        runtime.register_object_store(&bucket, store);
    }
    Ok(Parts { runtime, lock, catalog, hot, stores, wal, node, snapshot, config })
}

/// The log, whose it is, and what it holds.
pub(crate) struct OpenLog {
    pub(crate) wal: Arc<Wal>,
    pub(crate) owner: LogOwner,
    pub(crate) logged: Recovery,
}

/// The tiers, and the log that hot comes back from.
struct Stores {
    hot: Arc<HotStore>,
    stores: [Arc<dyn TierStore>; 3],
    wal: Option<OpenLog>,
    /// Where cold lies in a bucket: its address and client.
    bucket: Option<(Url, Arc<dyn ObjectStore>)>,
}

async fn open_stores(
    config: &EngineConfig,
    catalog: &Arc<dyn CatalogStore>,
    node: Option<&Node>,
    snapshot: &Snapshot,
) -> Result<Stores> {
    let is_reader = node.is_some_and(|node| node.role == NodeRole::Reader);
    // First: a start that is refused for its log touches no store.
    let wal = if is_reader { None } else { Some(open_wal(config, catalog.as_ref(), snapshot.epoch).await?) };
    let hot = Arc::new(HotStore::new(HotOptions { memory_limit_bytes: config.hot.memory_limit_bytes }));
    let warm = open_warm(config, is_reader, catalog.identity()).await?;
    check_places(snapshot, warm.as_ref())?;
    let root = cold_root(config).await?;
    if node.is_none() {
        cold_place::check(config, &root, snapshot, catalog.as_ref()).await?;
    }
    let access = match node {
        None => cold_place::CatalogUse::Alone,
        Some(_) if is_reader => cold_place::CatalogUse::SharedReader,
        Some(_) => cold_place::CatalogUse::SharedWriter,
    };
    cold_place::claim(config, &root, snapshot, catalog.identity(), access).await?;
    let bucket = match &root {
        StorageRoot::ObjectStore { uncached, url, .. } => Some((url.clone(), Arc::clone(uncached))),
        StorageRoot::Folder(_) => None,
    };
    let cold = ColdStores::open(config, root, Arc::clone(catalog))?;
    let stores: [Arc<dyn TierStore>; 3] = [Arc::clone(&hot) as Arc<dyn TierStore>, warm, Arc::new(cold)];
    Ok(Stores { hot, stores, wal, bucket })
}

/// The catalog: the PostgreSQL database where one is named, else the directory's own file.
async fn open_catalog(config: &EngineConfig) -> Result<(Arc<dyn CatalogStore>, Option<Arc<Node>>, Snapshot)> {
    if let Some(options) = &config.catalog.postgres {
        let opened = nodes::open(config, options).await?;
        return Ok((opened.catalog, Some(opened.node), opened.snapshot));
    }
    nodes::refuse_other_catalogs(&config.data_dir)?;
    let catalog = SqliteStore::open(&config.data_dir.join("catalog.sqlite")).await?;
    let snapshot = catalog.load().await?;
    Ok((Arc::new(catalog), None, snapshot))
}

async fn open_wal(config: &EngineConfig, catalog: &dyn CatalogStore, epoch: u64) -> Result<OpenLog> {
    let wal_options = WalOptions { segment_bytes: config.hot.wal_segment_bytes, sync: config.hot.wal_sync };
    let wal_dir = config.data_dir.join("wal");
    std::fs::create_dir_all(&wal_dir)
        .map_err(|e| EngineError::io(format!("cannot create {}", wal_dir.display()), e))?;
    let dir = wal_dir.clone();
    let (wal, logged) = tokio::task::spawn_blocking(move || Wal::open(&dir, wal_options))
        .await
        .map_err(|e| EngineError::internal(format!("opening the write-ahead log stopped: {e}")))??;
    if logged.truncated_bytes > 0 {
        tracing::warn!(
            file = %logged.truncated_file.as_deref().unwrap_or(std::path::Path::new("wal")).display(),
            bytes = logged.truncated_bytes,
            "the write-ahead log ended in an unfinished record, from a crash while it was written; it was cut off"
        );
    }
    let tables = logged.tables();
    log_owner::check(&wal_dir, catalog.identity(), epoch, !tables.is_empty())?;
    log_owner::check_tables(catalog.newest_table_id().await?, tables.iter().copied())?;
    let owner = LogOwner::open(&wal_dir, catalog.identity(), epoch)?;
    Ok(OpenLog { wal: Arc::new(wal), owner, logged })
}

/// Where cold tables lie: the bucket or folder that is named, else a folder of the data directory. The store makes it.
async fn cold_root(config: &EngineConfig) -> Result<StorageRoot> {
    Ok(match &config.cold.s3 {
        Some(options) => s3::connect(options).await?,
        None => StorageRoot::Folder(config.cold.folder.clone().unwrap_or_else(|| config.data_dir.join("cold"))),
    })
}

/// The warm tier's database: PostgreSQL where one is named, else the DuckDB file.
async fn open_warm(config: &EngineConfig, is_reader: bool, catalog: &str) -> Result<Arc<dyn TierStore>> {
    if let Some(options) = &config.warm.postgres {
        let mut options = options.clone();
        options.owner = Some(catalog.to_owned());
        let store =
            if is_reader { PostgresStore::open_to_read(options).await } else { PostgresStore::open(options).await };
        return Ok(Arc::new(store?));
    }
    let options = DuckDbOptions {
        memory_limit_bytes: config.warm.memory_limit_bytes,
        threads: config.warm.threads,
        temp_dir: config.data_dir.join("spill"),
    };
    let path = config.data_dir.join("warm.duckdb");
    let warm = tokio::task::spawn_blocking(move || DuckDbStore::open(&path, options))
        .await
        .map_err(|e| EngineError::internal(format!("opening the warm database stopped: {e}")))??;
    Ok(Arc::new(warm))
}

/// Fails where warm rows lie elsewhere than in the store that the configuration names.
fn check_places(snapshot: &Snapshot, warm: &dyn TierStore) -> Result<()> {
    for state in snapshot.tables.values() {
        if let Some(segment) = state.tier(Tier::Warm).iter().find(|segment| !warm.may_hold(&state.def, segment)) {
            return Err(EngineError::new(
                ErrorKind::InvalidParameter,
                format!(
                    "warm rows of table {} do not lie in the warm store that the configuration names ({}), but at {}: start \
                     with the former setting of warm, move them out (CALL zxq.migrate('{}', 'cold', from => 'warm')), and \
                     change it then",
                    state.def.name,
                    warm.name(),
                    segment.location,
                    state.def.name
                ),
            ));
        }
    }
    Ok(())
}

fn runtime(config: &EngineConfig) -> Result<Arc<RuntimeEnv>> {
    let pool = FairSpillPool::new(usize::try_from(config.query_memory_bytes).unwrap_or(usize::MAX));
    let spill =
        DiskManagerBuilder::default().with_mode(DiskManagerMode::Directories(vec![config.data_dir.join("spill")]));
    Ok(RuntimeEnvBuilder::new().with_memory_pool(Arc::new(pool)).with_disk_manager_builder(spill).build_arc()?)
}

/// Makes sure that the warm store knows every table: it may be another than the one that the tables were made in.
async fn make_warm_tables(engine: &Arc<Engine>) {
    let snapshot = engine.snapshot();
    for state in snapshot.tables.values().filter(|state| state.def.is_stored()) {
        // Statements that need it say so again; the others work.
        if let Err(error) = engine.store(Tier::Warm).create_table(&state.def).await {
            tracing::error!(table = %state.def.name, %error, "the warm store cannot take the table");
        }
    }
}

/// Judges unfinished jobs, replays the write-ahead log, then collects.
///
/// What a crash can leave is no reason not to open: what cannot be repaired now is set aside, and looked after in the
/// background.
pub(crate) async fn recover(engine: &Arc<Engine>, logged: Recovery) -> Result<()> {
    let covered = engine.snapshot().tables.values().flat_map(|t| t.wal_covered.values().copied()).max();
    if let Some(covered) = covered {
        // Should the log have been lost: new records must not look like ones that were moved long ago.
        engine.wal()?.raise_lsn_above(covered).await?;
    }
    make_warm_tables(engine).await;
    let mut given_up = Vec::new();
    let mut unfinished = engine.catalog.unfinished_jobs().await?;
    // What a store shows is taken back before its files go, which other jobs of the same transaction may have written.
    unfinished.sort_by_key(|job| job.phase != JobPhase::Durable);
    for job in unfinished {
        if let Err(reason) = complete(engine, &job).await {
            tracing::info!(job = %job.id, reason, "a job that the last end interrupted is given up");
            given_up.push(Unsettled::interrupted(
                &job,
                format!("interrupted by a crash; {reason}; nothing of it became visible"),
            ));
        }
    }
    replay(engine, logged).await?;
    // After the replay: whether tables that they made hold rows is known only now.
    for unsettled in given_up {
        engine.settle_or_keep(unsettled).await;
    }
    engine.collect().await;
    Ok(())
}

/// Completes a move whose copy is durable, if nothing speaks against it.
///
/// A load is never completed: nobody was told that it worked, and whoever asked may have been told that it failed. A move
/// changes no answer, and people who look into its store directly may have seen the copy already.
///
/// # Errors
/// Why not, in words; then it has to be given up. Nothing is committed in that case.
async fn complete(engine: &Arc<Engine>, job: &Job) -> Result<(), String> {
    if job.phase != JobPhase::Durable {
        return Err("its copy was not complete".to_owned());
    }
    if !matches!(job.kind, JobKind::Move | JobKind::Rewrite) || job.leased().next().is_none() {
        return Err("what was not answered as done is not done later".to_owned());
    }
    let words = |what: &str| {
        let what = what.to_owned();
        move |error: EngineError| format!("{what}: {error}")
    };
    let snapshot = engine.snapshot();
    let Some(state) = snapshot.table_by_id(job.table) else { return Err("its table was dropped".to_owned()) };
    for partition in job.leased() {
        let fence = engine.catalog.fence(job.table, partition).await;
        let fence = fence.map_err(|e| words("its fence cannot be read")(e.into()))?;
        if fence != job.fence {
            return Err(format!("the partition has been worked on since (fence {fence}, the job's is {})", job.fence));
        }
    }
    // Sources in hot went with the process; replay leaves out the rows that the job covers.
    let is_hot = job.from == Some(Tier::Hot);
    let mut changes = job.pending.clone();
    if is_hot {
        changes.retain(|change| !matches!(change, Change::RetireSegment { .. }));
    }
    for change in &changes {
        if let Change::RetireSegment { segment, .. } = change
            && state.segment(*segment).is_none()
        {
            return Err(format!("its source segment {segment} is not there any more"));
        }
    }
    let parts = engine.parts_of(job);
    if parts.iter().any(|part| part.tier == Tier::Hot) {
        return Err("its copy was in memory".to_owned());
    }
    for part in &parts {
        let store = engine.store(part.tier);
        let published = store.is_published(&part.table, &job.id).await.map_err(|e| words("its store")(e.into()))?;
        if store.has_log() && !published {
            return Err(format!("{} does not show its copy", store.name()));
        }
        for segment in &part.segments {
            let read = engine.verify_segment(&part.table, Arc::new(segment.clone())).await;
            if let Some(problem) = read.map_err(words("its copy cannot be read back"))? {
                return Err(format!("its copy does not read back: {problem}"));
            }
        }
    }
    tracing::info!(job = %job.id, "completing a move that the last end interrupted after its copy was durable");
    show_again(engine, job, &parts).await.map_err(words("its copy cannot be shown"))?;
    let done = Job { phase: JobPhase::Done, ended_us: Some(engine.now_us()), pending: Vec::new(), ..job.clone() };
    let retired = job.pending.iter().filter_map(|change| match change {
        Change::RetireSegment { segment, .. } => Some(*segment),
        _ => None,
    });
    let retired: Vec<u64> = retired.collect();
    let is_of = |source: u64, partition: &PartitionKey| {
        job.partitions.is_empty() || state.segment(source).is_some_and(|source| source.partition == *partition)
    };
    let of = |segment: &Segment| {
        let from: Vec<u64> = retired.iter().copied().filter(|source| is_of(*source, &segment.partition)).collect();
        engine.lineage_of(std::slice::from_ref(segment), &job.id, &from, &[])
    };
    let lineage = parts.iter().flat_map(|part| &part.segments).flat_map(of).collect();
    let fences = job.leased().map(|partition| (job.table, partition.clone(), job.fence)).collect();
    engine.commit(changes, Record { jobs: vec![done], fences, lineage }).await.map_err(words("the catalog"))?;
    Ok(())
}

/// A store without a log may not have shown the job's segments to people yet; where it has, showing them changes nothing.
async fn show_again(engine: &Arc<Engine>, job: &Job, parts: &[Part]) -> Result<()> {
    for part in parts.iter().filter(|part| !engine.store(part.tier).has_log()) {
        let data_change = part.replaced.is_empty();
        let publication = Publication { job: &job.id, added: &part.segments, removed: &part.replaced, data_change };
        engine.store(part.tier).publish(&part.table, &publication).await?;
    }
    Ok(())
}

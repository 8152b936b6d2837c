//! Opening: from what a data directory holds, after a clean end or a crash, to a consistent engine.

use std::sync::Arc;

use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use object_store::ObjectStore;
use url::Url;
use zxq_catalog::store::SqliteStore;
use zxq_catalog::{CatalogStore, Change, Job, JobPhase, Segment, Snapshot, TableDef, Tier};
use zxq_providers::duckdb::{DuckDbOptions, DuckDbStore};
use zxq_providers::hot::wal::{Recovery, Wal, WalOptions};
use zxq_providers::hot::{HotOptions, HotStore};
use zxq_providers::objects::{StorageRoot, s3};
use zxq_providers::postgres::PostgresStore;
use zxq_providers::{ProviderError, Publication, TierStore, sort};

use crate::cold_place;
use crate::cold_stores::ColdStores;
use crate::commit::{Record, is_covered};
use crate::config::EngineConfig;
use crate::engine::{Engine, Parts};
use crate::error::{EngineError, ErrorKind, Result};
use crate::ingest::SortedRows;
use crate::lock::DirectoryLock;
use crate::nodes::{self, Node, NodeRole};

/// Opens every part of the data directory; nothing is replayed yet.
pub(crate) async fn open_parts(config: EngineConfig) -> Result<Parts> {
    let dir = config.data_dir.clone();
    let at = |name: &str| dir.join(name);
    for folder in [dir.clone(), at("spill")] {
        std::fs::create_dir_all(&folder)
            .map_err(|e| EngineError::io(format!("cannot create {}", folder.display()), e))?;
    }
    let lock = DirectoryLock::take(&dir)?;
    let (catalog, node, snapshot) = open_catalog(&config).await?;
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

/// The tiers, and the log that hot comes back from.
struct Stores {
    hot: Arc<HotStore>,
    stores: [Arc<dyn TierStore>; 3],
    wal: Option<(Arc<Wal>, Recovery)>,
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
    let hot = Arc::new(HotStore::new(HotOptions { memory_limit_bytes: config.hot.memory_limit_bytes }));
    let warm = open_warm(config, is_reader, catalog.identity()).await?;
    check_places(snapshot, warm.as_ref())?;
    let root = cold_root(config).await?;
    if node.is_none() {
        cold_place::check(config, &root, snapshot, catalog.as_ref()).await?;
    }
    let access = match node {
        None => cold_place::Access::Alone,
        Some(_) if is_reader => cold_place::Access::SharedReader,
        Some(_) => cold_place::Access::SharedWriter,
    };
    cold_place::claim(config, &root, snapshot, catalog.identity(), access).await?;
    let bucket = match &root {
        StorageRoot::ObjectStore { store, url } => Some((url.clone(), Arc::clone(store))),
        StorageRoot::Folder(_) => None,
    };
    let cold = ColdStores::open(config, root, Arc::clone(catalog))?;
    let wal = if is_reader { None } else { Some(open_wal(config).await?) };
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

async fn open_wal(config: &EngineConfig) -> Result<(Arc<Wal>, Recovery)> {
    let wal_options = WalOptions { segment_bytes: config.hot.wal_segment_bytes, sync: config.hot.wal_sync };
    let wal_dir = config.data_dir.join("wal");
    std::fs::create_dir_all(&wal_dir)
        .map_err(|e| EngineError::io(format!("cannot create {}", wal_dir.display()), e))?;
    let (wal, logged) = tokio::task::spawn_blocking(move || Wal::open(&wal_dir, wal_options))
        .await
        .map_err(|e| EngineError::internal(format!("opening the write-ahead log stopped: {e}")))??;
    if logged.truncated_bytes > 0 {
        tracing::warn!(
            file = %logged.truncated_file.as_deref().unwrap_or(std::path::Path::new("wal")).display(),
            bytes = logged.truncated_bytes,
            "the write-ahead log ended in an unfinished record, from a crash while it was written; it was cut off"
        );
    }
    Ok((Arc::new(wal), logged))
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
async fn make_warm_tables(engine: &Arc<Engine>) -> Result<()> {
    let snapshot = engine.snapshot();
    for state in snapshot.tables.values().filter(|state| state.def.external().is_none()) {
        match engine.store(Tier::Warm).create_table(&state.def).await {
            // What somebody changed there is no reason not to start: statements that need it say so again.
            Err(error @ ProviderError::Changed { .. }) => tracing::error!(table = %state.def.name, %error),
            outcome => outcome?,
        }
    }
    Ok(())
}

/// Completes or sweeps unfinished jobs, then replays the write-ahead log, then collects.
pub(crate) async fn recover(engine: &Arc<Engine>, logged: Recovery) -> Result<()> {
    let covered = engine.snapshot().tables.values().flat_map(|t| t.wal_covered.values().copied()).max();
    if let Some(covered) = covered {
        // Should the log have been lost: new records must not look like ones that were moved long ago.
        engine.wal()?.raise_lsn_above(covered).await?;
    }
    make_warm_tables(engine).await?;
    for job in engine.catalog.unfinished_jobs().await? {
        finish_or_sweep(engine, job).await?;
    }
    replay(engine, logged).await?;
    engine.collect().await?;
    Ok(())
}

/// A job that had written its copy and told the store's own log is completed; any other is swept.
async fn finish_or_sweep(engine: &Arc<Engine>, mut job: Job) -> Result<()> {
    let snapshot = engine.snapshot();
    let Some(state) = snapshot.table_by_id(job.table) else {
        job.phase = JobPhase::Failed;
        job.error = Some("its table was dropped".to_owned());
        job.ended_us = Some(engine.now_us());
        return Ok(engine.catalog.put_job(&job).await?);
    };
    let table = Arc::clone(&state.def);
    let mut published = job.phase == JobPhase::Durable;
    if published {
        // A job may have written to several stores; it counts as published only where each store with a log says so.
        for store in &engine.stores {
            if job.pending.iter().any(|c| names_store(c, store.as_ref(), engine)) {
                published &= !store.has_log() || store.is_published(&table, &job.id).await?;
            }
        }
    }
    if published && !touches_hot(&job) {
        tracing::info!(job = %job.id, "completing a move that a crash interrupted after its copy was durable");
        show_again(engine, &table, &job).await?;
        let mut pending = std::mem::take(&mut job.pending);
        if job.from == Some(Tier::Hot) {
            // Sources in hot went with the process; replay leaves out the rows that the job covers.
            pending.retain(|change| match change {
                Change::RetireSegment { segment, .. } => state.segment(*segment).is_some(),
                _ => true,
            });
        }
        job.phase = JobPhase::Done;
        job.ended_us = Some(engine.now_us());
        let record = Record { jobs: vec![job], ..Record::default() };
        engine.commit(pending, record).await?;
    } else {
        tracing::info!(job = %job.id, "sweeping a load or move that a crash interrupted");
        engine.sweep(&table, &job).await?;
        job.phase = JobPhase::Failed;
        job.pending.clear();
        job.error.get_or_insert_with(|| "interrupted by a crash; nothing of it became visible".to_owned());
        job.ended_us = Some(engine.now_us());
        engine.catalog.put_job(&job).await?;
    }
    Ok(())
}

/// A store without a log may not have shown the job's segments to people yet; where it has, showing them changes nothing.
async fn show_again(engine: &Arc<Engine>, table: &TableDef, job: &Job) -> Result<()> {
    let removed = engine.replaced_by(job);
    for store in engine.stores.iter().filter(|store| !store.has_log()) {
        let added = job.pending.iter().filter_map(|change| match change {
            Change::AddSegment(segment) if names_store(change, store.as_ref(), engine) => {
                Some(segment.as_ref().clone())
            }
            _ => None,
        });
        let added: Vec<Segment> = added.collect();
        if !added.is_empty() {
            let data_change = removed.is_empty();
            let publication = Publication { job: &job.id, added: &added, removed: &removed, data_change };
            store.publish(table, &publication).await?;
        }
    }
    Ok(())
}

fn names_store(change: &Change, store: &dyn TierStore, engine: &Engine) -> bool {
    match change {
        Change::AddSegment(segment) => engine.store(segment.tier).name() == store.name(),
        _ => false,
    }
}

fn touches_hot(job: &Job) -> bool {
    job.pending.iter().any(|c| matches!(c, Change::AddSegment(s) if s.tier == Tier::Hot))
}

/// Brings back hot rows that no other tier covers.
async fn replay(engine: &Arc<Engine>, logged: Recovery) -> Result<()> {
    let snapshot: Arc<Snapshot> = engine.snapshot();
    let for_filter = Arc::clone(&snapshot);
    let (sender, mut records) = tokio::sync::mpsc::channel(16);
    let reader = tokio::task::spawn_blocking(move || {
        logged.replay(
            |table, partition, lsn| is_covered(&for_filter, table, partition, lsn),
            |lsn, table, partition, batch| {
                sender
                    .blocking_send((lsn, table, partition, batch))
                    .map_err(|_| EngineError::internal("replay was given up"))
            },
        )
    });
    let mut rows = 0;
    while let Some((lsn, table, partition, batch)) = records.recv().await {
        let Some(state) = snapshot.table_by_id(table) else { continue };
        rows += batch.num_rows();
        let part = SortedRows { partition, rows: sort::sort_batch(&batch, &state.def.sort_by)? };
        let id = engine.segment_ids.next().await?;
        let reservation = engine.hot.reserve_always(part.rows.get_array_memory_size() as u64);
        let segment = engine.insert_hot(&state.def, id, &part, reservation, lsn, "replay")?;
        engine.commit_hot(&[Change::AddSegment(Box::new(segment))]).await?;
        engine.merge_small(&state.def, &part.partition).await?;
        engine.collect_hot().await?;
    }
    reader.await.map_err(|e| EngineError::internal(format!("replay stopped: {e}")))??;
    if rows > 0 {
        tracing::info!(rows, "replayed the write-ahead log");
    }
    Ok(())
}

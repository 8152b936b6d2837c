//! Opening a shared catalog: who writes is decided once, when the process starts.

use std::sync::Arc;
use std::time::{Duration, Instant};

use zxq_catalog::store::postgres::writer::{Claim, Claimed, Writer};
use zxq_catalog::{CatalogStore, PostgresCatalog, PostgresCatalogOptions, Snapshot};

use super::directory::{self, Membership};
use super::{Node, NodeRole};
use crate::config::{CatalogRole, EngineConfig};
use crate::error::{EngineError, ErrorKind, Result};

/// Pause between two tries to get the lease.
const PAUSE: Duration = Duration::from_millis(200);

/// A shared catalog that is open, and this process's part.
pub(crate) struct Opened {
    pub(crate) catalog: Arc<PostgresCatalog>,
    pub(crate) node: Arc<Node>,
    pub(crate) snapshot: Snapshot,
}

/// Opens the catalog and takes the lease, or registers as a reader.
///
/// # Errors
/// What the catalog says about server, role and tables; [`ErrorKind::DirectoryInUse`], naming the writer, when this process
/// has to write and another does; [`ErrorKind::InvalidParameter`] for settings that cannot be shared.
pub(crate) async fn open(config: &EngineConfig, options: &PostgresCatalogOptions) -> Result<Opened> {
    let may_write = config.catalog.role != CatalogRole::Reader;
    let catalog = Arc::new(PostgresCatalog::open(options.clone(), may_write).await?);
    let member = directory::join(&config.data_dir, catalog.identity(), &catalog.place())?;
    let (role, was_settled, begun) = match config.catalog.role {
        CatalogRole::Reader => (NodeRole::Reader, false, Instant::now()),
        CatalogRole::Auto | CatalogRole::Writer => claim(config, &catalog, &member).await?,
    };
    let lease = config.catalog.lease_time;
    let node =
        Arc::new(Node::new(role, Arc::clone(&catalog), lease, host(), config.data_dir.clone(), (was_settled, begun)));
    match begin(config, &catalog, &node).await {
        Ok(snapshot) => Ok(Opened { catalog, node, snapshot }),
        Err(error) => {
            node.leave_unopened().await;
            Err(error)
        }
    }
}

/// Registers a reader, before it loads what it will read.
async fn begin(config: &EngineConfig, catalog: &PostgresCatalog, node: &Node) -> Result<Snapshot> {
    if node.role == NodeRole::Reader {
        check_shared(config)?;
        catalog.register_reader(&node.host, node.lease).await?;
        node.heard_of(catalog.state().await?.writer);
    }
    Ok(catalog.load().await?)
}

/// Takes the lease, waits for it, or settles for reading. Also says whether no rows lay in hot alone, and from when on the
/// lease's time counts, at the earliest.
async fn claim(
    config: &EngineConfig,
    catalog: &PostgresCatalog,
    member: &Membership,
) -> Result<(NodeRole, bool, Instant)> {
    let settings = &config.catalog;
    let claim = Claim {
        directory: member.directory.clone(),
        host: host(),
        place: absolute(config),
        lease: settings.lease_time,
        take_over: settings.take_over,
    };
    let deadline = Instant::now() + settings.lease_time + settings.writer_wait;
    loop {
        let begun = Instant::now();
        match catalog.claim(&claim).await? {
            Claimed::Taken(former) => {
                let went_on = former.fence == 0 || former.directory == member.directory;
                directory::begin_writing(&config.data_dir, member, catalog.fence(), went_on)?;
                return Ok((NodeRole::Writer, former.settled, begun));
            }
            // The lease of this directory's former process, elsewhere, runs out.
            Claimed::Held(writer) if writer.directory == member.directory && Instant::now() < deadline => {
                tokio::time::sleep(PAUSE).await;
            }
            Claimed::Held(writer) if settings.role == CatalogRole::Auto => {
                tracing::info!(writer = %writer.name(), "another process writes: this one reads");
                return Ok((NodeRole::Reader, false, begun));
            }
            Claimed::Held(_) if Instant::now() < deadline => tokio::time::sleep(PAUSE).await,
            Claimed::Held(writer) => {
                let text = format!(
                    "the catalog in {} is written by {} from data directory {}: connect to it, stop it, or start this \
                     process as a reader (catalog.role)",
                    catalog.place(),
                    writer.name(),
                    writer.place
                );
                return Err(EngineError::new(ErrorKind::DirectoryInUse, text));
            }
            Claimed::HotElsewhere(writer) => {
                let text = left_behind(&writer);
                if settings.role == CatalogRole::Auto {
                    tracing::warn!("{text}; this process reads");
                    return Ok((NodeRole::Reader, false, begun));
                }
                return Err(EngineError::new(ErrorKind::DirectoryInUse, text));
            }
        }
    }
}

fn left_behind(writer: &Writer) -> String {
    let rows: u64 = writer.hot.values().sum();
    format!(
        "the last writer ({}) ended with rows in its write-ahead log that lie nowhere else ({rows} at its last sign of life): \
         start zxq there, on data directory {}, or give those rows up with catalog.take_over",
        writer.name(),
        writer.place
    )
}

/// A reader sees only what lies where it can reach it.
fn check_shared(config: &EngineConfig) -> Result<()> {
    let unshared = |what: &str| Err(EngineError::new(ErrorKind::InvalidParameter, what.to_owned()));
    if config.warm.postgres.is_none() {
        return unshared(
            "a reader shares the warm tier with the writer, and a DuckDB file cannot be shared: name the writer's warm.url",
        );
    }
    if !config.cold.is_shared() {
        return unshared(
            "a reader shares the cold tier with the writer: name the writer's folder (cold.folder) or bucket (cold.url)",
        );
    }
    Ok(())
}

/// The data directory as another host would name it.
fn absolute(config: &EngineConfig) -> String {
    config.data_dir.canonicalize().unwrap_or_else(|_| config.data_dir.clone()).display().to_string()
}

/// This machine's name.
fn host() -> String {
    let name =
        std::fs::read_to_string("/proc/sys/kernel/hostname").or_else(|_| std::fs::read_to_string("/etc/hostname"));
    name.map(|name| name.trim().to_owned())
        .ok()
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "this host".to_owned())
}

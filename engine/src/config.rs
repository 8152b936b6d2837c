//! What an engine is opened with, validated: below this line nothing is optional by accident.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use zxq_catalog::PostgresCatalogOptions;
use zxq_providers::database::postgres::PostgresOptions;
use zxq_providers::lake::iceberg::RestOptions;
use zxq_providers::lake::objects::s3::S3Options;

use crate::config::clock::{Clock, SystemClock};
use crate::sql::cold_format::ColdFormat;
use crate::supervisor::Probe;

pub(crate) mod ages;
pub(crate) mod clock;

/// Mebibyte, in bytes.
pub const MIB: u64 = 1024 * 1024;

/// Everything that can be set when an engine is opened.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// Folder that holds the catalog, the write-ahead log, the warm database and the cold tables.
    pub data_dir: PathBuf,
    /// Catalog.
    pub catalog: CatalogConfig,
    /// Hot tier.
    pub hot: HotConfig,
    /// Warm tier.
    pub warm: WarmConfig,
    /// Cold tier.
    pub cold: ColdConfig,
    /// When data moves by itself.
    pub policy: PolicyConfig,
    /// Memory for running queries, bytes; sorts and aggregates above it spill to disk. Hot and warm have their own.
    pub query_memory_bytes: u64,
    /// Of that, for the statements of one client's session; `None` for three quarters.
    pub session_memory_bytes: Option<u64>,
    /// Of that, for the statements of all sessions of one user; `None` for all.
    pub user_memory_bytes: Option<u64>,
    /// Statements that read tables at once; those beyond wait. `None` for as many as come.
    pub most_statements: Option<usize>,
    /// Output partitions per query: how many cores one query may use.
    pub target_partitions: usize,
    /// Threads that statements and jobs run on, so that those which compute for long keep no socket and no timer waiting;
    /// `None` for the caller's own.
    pub threads: Option<tokio::runtime::Handle>,
    /// What time it is. Tests set it.
    pub clock: Arc<dyn Clock>,
    /// Watches jobs and breaks them. For tests.
    pub probe: Option<Arc<dyn Probe>>,
}

/// Catalog settings. All but the first mean something only with that.
#[derive(Debug, Clone)]
pub struct CatalogConfig {
    /// A PostgreSQL database in place of the SQLite file, for several processes to share.
    pub postgres: Option<PostgresCatalogOptions>,
    /// Whether this process writes.
    pub role: CatalogRole,
    /// Write also where the last writer's data directory, another one, holds rows that lie nowhere else: do without them.
    pub take_over: bool,
    /// How long a writer or reader counts as alive after its last sign of life.
    pub lease_time: Duration,
    /// How long a process that has to write waits, beyond `lease_time`, for another that does.
    pub writer_wait: Duration,
}

/// What a process does with a shared catalog, from its start to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CatalogRole {
    /// Write if nobody does, else read.
    Auto,
    /// Write, or do not start.
    Writer,
    /// Read.
    Reader,
}

/// Hot tier settings.
#[derive(Debug, Clone)]
pub struct HotConfig {
    /// Bytes of Arrow memory; ingest above it waits while rows are moved out.
    pub memory_limit_bytes: u64,
    /// How long ingest that finds it full waits, where nothing can be moved out, before it is refused.
    pub full_wait: Duration,
    /// Bytes of rows that a statement gathers for hot, at most; one with more (`INSERT … SELECT`, `CREATE TABLE AS`) is taken
    /// in as a load is. Less than this where hot or statements have little memory.
    pub gathered_bytes: u64,
    /// Size at which a write-ahead-log file is closed and the next begun, bytes.
    pub wal_segment_bytes: u64,
    /// fsync before an ingest is acknowledged. Turn off only where losing the last moments is fine.
    pub wal_sync: bool,
}

/// Warm tier settings.
#[derive(Debug, Clone)]
pub struct WarmConfig {
    /// Bytes DuckDB may use.
    pub memory_limit_bytes: u64,
    /// Threads DuckDB may use.
    pub threads: usize,
    /// A PostgreSQL database in place of the DuckDB file; the two settings above then mean nothing.
    pub postgres: Option<PostgresOptions>,
}

/// Cold tier settings.
#[derive(Debug, Clone)]
pub struct ColdConfig {
    /// Parquet codec and level: `zstd(3)`, `lz4`, `snappy`, `gzip`, `uncompressed`.
    pub compression: String,
    /// Bytes of Parquet footers kept in memory.
    pub metadata_cache_bytes: u64,
    /// Folder of the tables in place of `cold` in the data directory, as for several processes to share.
    pub folder: Option<PathBuf>,
    /// A bucket in place of the folder in the data directory.
    pub s3: Option<S3Options>,
    /// The format of new tables that name none.
    pub format: ColdFormat,
    /// Settings of Iceberg tables.
    pub iceberg: IcebergConfig,
}

impl ColdConfig {
    /// True where other processes can be given the same place.
    pub(crate) fn is_shared(&self) -> bool {
        self.folder.is_some() || self.s3.is_some()
    }
}

/// When data moves by itself. Tables may set their own ages, with an option of the same name.
#[derive(Debug, Clone)]
pub struct PolicyConfig {
    /// Age at which a partition leaves hot.
    pub hot_to_warm_age: Duration,
    /// Age at which a partition leaves warm.
    pub warm_to_cold_age: Duration,
    /// Time between two maintenance runs; zero turns the scheduler off.
    pub maintenance_interval: Duration,
    /// Share of hot's memory limit above which the oldest hot partitions are flushed whatever their age (0..=1).
    pub hot_usage_threshold: f64,
    /// Most rows of one segment.
    pub segment_rows: usize,
}

impl EngineConfig {
    /// Defaults for a data directory.
    pub fn at(data_dir: impl Into<PathBuf>) -> Self {
        let threads = std::thread::available_parallelism().map_or(2, usize::from);
        EngineConfig {
            data_dir: data_dir.into(),
            catalog: CatalogConfig {
                postgres: None,
                role: CatalogRole::Auto,
                take_over: false,
                lease_time: Duration::from_secs(10),
                writer_wait: Duration::from_secs(5),
            },
            hot: HotConfig {
                memory_limit_bytes: 2048 * MIB,
                full_wait: Duration::from_secs(10),
                gathered_bytes: 64 * MIB,
                wal_segment_bytes: 64 * MIB,
                wal_sync: true,
            },
            warm: WarmConfig { memory_limit_bytes: 1024 * MIB, threads, postgres: None },
            cold: ColdConfig {
                compression: "zstd(3)".to_owned(),
                metadata_cache_bytes: 128 * MIB,
                folder: None,
                s3: None,
                format: ColdFormat::default(),
                iceberg: IcebergConfig::default(),
            },
            policy: PolicyConfig {
                hot_to_warm_age: Duration::from_secs(7 * 86_400),
                warm_to_cold_age: Duration::from_secs(180 * 86_400),
                maintenance_interval: Duration::from_secs(300),
                hot_usage_threshold: 0.8,
                segment_rows: 1_048_576,
            },
            query_memory_bytes: 2048 * MIB,
            session_memory_bytes: None,
            user_memory_bytes: None,
            most_statements: None,
            target_partitions: threads,
            threads: None,
            clock: Arc::new(SystemClock),
            probe: None,
        }
    }
}

/// Settings of Iceberg tables.
#[derive(Debug, Clone)]
pub struct IcebergConfig {
    /// The REST catalog that names the tables; `None` for zxq's own catalog database.
    pub rest: Option<RestOptions>,
    /// Snapshots kept per table for time travel, at least 1.
    pub snapshots_kept: usize,
}

impl Default for IcebergConfig {
    fn default() -> Self {
        IcebergConfig { rest: None, snapshots_kept: 20 }
    }
}

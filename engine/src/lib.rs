//! The engine: one SQL table over three tiers.
//!
//! [`Engine::open`] opens a data directory. [`Engine::sql`] runs statements and gathers rows; [`Engine::session`] gives a
//! connection of its own with zxq's own statements (`CREATE TABLE … WITH`, `CALL zxq.…`), [`Engine::session_context`] a
//! DataFusion context. [`Engine::ingest`] takes Arrow batches, [`Engine::load`] files.
//!
//! ```no_run
//! use zxq_engine::{Engine, EngineConfig};
//!
//! #[tokio::main]
//! async fn main() -> zxq_engine::Result<()> {
//!     let folder = std::env::temp_dir().join("zxq-first-steps");
//!     let engine = Engine::open(EngineConfig::at(&folder)).await?;
//!     engine
//!         .sql(
//!             "CREATE TABLE IF NOT EXISTS ticks (ts TIMESTAMPTZ NOT NULL, symbol TEXT NOT NULL, price DECIMAL(18,8))
//!              WITH (time_column = 'ts', partition_by = 'none', sort_by = 'symbol, ts')",
//!         )
//!         .await?;
//!     engine.sql("INSERT INTO ticks VALUES ('2024-01-02 09:30:00Z', 'AAPL', 187.15)").await?;
//!     let rows = engine.sql("SELECT symbol, max(price) FROM ticks GROUP BY symbol").await?;
//!     println!("{} symbols", rows.iter().map(|batch| batch.num_rows()).sum::<usize>());
//!     engine.shutdown().await
//! }
//! ```
//!
//! With Arrow batches, as in the README:
//!
//! ```no_run
//! # async fn example(batches: Vec<arrow::record_batch::RecordBatch>) -> Result<(), Box<dyn std::error::Error>> {
//! let engine = zxq_engine::Engine::open(zxq_engine::EngineConfig::at("./zxq-data")).await?;
//! engine.ingest("ticks", batches).await?;                   // Arrow record batches; durable when it returns
//! let newest = engine.get("ticks", "AAPL").await?;          // latest row of one key
//! let frames = engine.session_context().sql("SELECT count(*) FROM ticks").await?.collect().await?;
//! engine.shutdown().await?;
//! # drop((newest, frames));
//! # Ok(())
//! # }
//! ```
//!
//! `examples/embedded.rs` is a longer program.
//!
//! What knows nothing of storage is a crate of its own, `zxq-language` in `language/`: texts of values, statements, functions and
//! PostgreSQL's numbers. [`sql`] and [`functions`] are its modules.
//!
//! The modules here are wings, each using those before it only: `error`, `durable_file`, `supervisor` (who owns what runs),
//! `config`, `constraints` (rows are checked), `load` (files to rows), `export` (rows to files), `nodes` (several processes), `state` (the engine and its commits), `roles` (who
//! may do what), `jobs` and `write` (rows in), `scan`, `optimizer` and `context` (rows out), `moves` (rows change tier), `system_views`, `session` (statements) and
//! `open` (a directory becomes an engine).
//!
//! Read first: `state/engine.rs` (the fields that everything works with), `state/commit.rs` (the one way anything changes),
//! then the wing you came for, by its front page. ARCHITECTURE.md has the map, a table of where things are, and the way of an
//! INSERT, a SELECT, a move, a load and a start through the files.

mod config;
mod constraints;
mod context;
mod durable_file;
pub mod error;
mod export;
mod jobs;
pub mod load;
mod moves;
mod nodes;
mod open;
mod optimizer;
pub mod roles;
mod scan;
mod session;
mod state;
mod supervisor;
mod system_views;
mod write;

use zxq_language::{semantics, values};

pub use config::clock::{Clock, SystemClock};
pub use config::{
    CatalogConfig, CatalogRole, ColdConfig, EngineConfig, HotConfig, IcebergConfig, MIB, PolicyConfig, WarmConfig,
};
pub use constraints::{OnError, RejectedRow};
pub use context::{CATALOG, PUBLIC};
pub use error::{BadRow, BrokenRule, EngineError, ErrorKind, LanguageError, Place, Result, Subject};
pub use export::{ExportFormat, rows_in_parquet};
pub use load::inputs::{LoadProgress, LoadSource};
pub use load::{FileFormat, RowReader};
pub use scan::session_options::ZxqOptions;
pub use scan::tier_scan_exec::{ScanReport, TierScanExec};
pub use scan::tiered_table::TieredTable;
pub use session::{EngineSession, FileBytes, MOST_PARAMETERS, Origin, Outcome, Prepared};
pub use state::engine::Engine;
pub use state::lock;
pub use state::statement_queue::QueuedStatements;
pub use supervisor::{JobHandle, Probe, RunningJob, Verdict};
pub use write::bulk_load::{LoadReport, LoadRequest};
pub use write::ingest::IngestReport;
pub use zxq_catalog as catalog;
pub use zxq_catalog::{PostgresCatalogOptions, Tier};
pub use zxq_language::semantics::quotients::{QUOTIENT_DIGITS, QuotientDigits, QuotientKind};
pub use zxq_language::sql::cold_format::ColdFormat;
pub use zxq_language::sql::{Statement, StatementKind};
pub use zxq_language::values::civil::civil;
pub use zxq_language::values::counted::counted;
pub use zxq_language::values::value_texts;
pub use zxq_language::values::zone::Zone;
pub use zxq_language::{functions, sql};
pub use zxq_providers::database::postgres::{PoolOptions, PostgresOptions};
pub use zxq_providers::guard::is_decoding;
pub use zxq_providers::lake::iceberg::{RestAuth, RestOptions};
pub use zxq_providers::lake::objects::range_cache::{DiskCacheOptions, RangeCacheOptions};
pub use zxq_providers::lake::objects::s3::{ObjectUpload, S3Credentials, S3Encryption, S3Options, S3Retry};

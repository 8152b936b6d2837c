//! The engine: one SQL table over three tiers.
//!
//! [`Engine::open`] opens a data directory; [`Engine::session_context`] gives a DataFusion context over it,
//! [`Engine::session`] a session with zxq's own statements (`CREATE TABLE … WITH`, `CALL zxq.…`).
//!
//! Reading order, along the data: `ingest` and `bulk_load` (rows in), `commit` (the one way anything changes),
//! `moves` and `maintenance` (rows change tier), `scan_plan` and `tiered_table` (rows out), `session` and `prepared`
//! (statements), `recovery` (after a crash).

mod access;
mod bulk_load;
mod call;
mod clock;
mod cold_format;
mod cold_place;
mod cold_stores;
mod commit;
mod config;
mod constraints;
mod ddl;
mod durable_file;
mod engine;
pub mod error;
mod external_table;
mod file_order;
pub mod functions;
mod get;
mod ids;
mod ingest;
mod insert_sink;
mod insert_statement;
pub mod load;
mod load_inputs;
pub mod lock;
mod maintenance;
mod moves;
mod nodes;
mod null_matching_joins;
mod partial_aggregates;
mod partition_count;
mod partition_split;
mod pins;
mod prepared;
mod query_log;
mod query_planner;
mod recovery;
mod repeated_rows;
mod row_checkers;
mod scan_plan;
mod schema_provider;
mod segment_writers;
mod session;
mod session_options;
pub mod sql;
mod system_views;
mod tier_scan_exec;
mod tiered_table;

pub use bulk_load::{LoadProgress, LoadReport, LoadRequest, LoadSource};
pub use clock::{Clock, SystemClock};
pub use cold_format::{ColdFormat, IcebergConfig};
pub use config::{CatalogConfig, CatalogRole, ColdConfig, EngineConfig, HotConfig, MIB, PolicyConfig, WarmConfig};
pub use constraints::OnError;
pub use engine::Engine;
pub use error::{EngineError, ErrorKind, Result};
pub use ingest::IngestReport;
pub use load::FileFormat;
pub use prepared::Prepared;
pub use session::{CATALOG, EngineSession, Outcome, PUBLIC};
pub use session_options::ZxqOptions;
pub use sql::{Statement, StatementKind};
pub use tier_scan_exec::{ScanReport, TierScanExec};
pub use tiered_table::TieredTable;
pub use zxq_catalog as catalog;
pub use zxq_catalog::{PostgresCatalogOptions, Tier};
pub use zxq_providers::iceberg::{RestAuth, RestOptions};
pub use zxq_providers::objects::range_cache::{DiskCacheOptions, RangeCacheOptions};
pub use zxq_providers::objects::s3::{S3Credentials, S3Encryption, S3Options, S3Retry};
pub use zxq_providers::postgres::{PoolOptions, PostgresOptions};

//! What exists and where: tables, partitions, segments, snapshots, and the one way any of them changes.
//!
//! This crate knows no query engine and does no reading or writing of rows. It answers one question, "which segments
//! hold the rows of this table at this epoch?", and makes the answer durable.
//!
//! A [`Snapshot`] is the answer: immutable, shared by all who read at its epoch. A [`Change`] makes the next one of it
//! ([`Snapshot::apply`], pure); a [`CatalogStore`] makes the same changes durable, in a SQLite file ([`SqliteStore`]) or in
//! PostgreSQL ([`PostgresCatalog`], for several processes). Segments of hot are never stored: the write-ahead log is their
//! record.
//!
//! Read first: [`segment`] and [`snapshot`] (made of [`shared_map`]s). Then, in order: [`tier`], `table`, [`declared`] (what columns were
//! declared as), [`partition`], [`roles`] (who may do
//! what), [`change`], [`job`] (which load or move made what), [`store`] (the trait; its statements are the same for both databases, in `store/sql`),
//! [`hypertable`] (what tables of TimescaleDB say), [`iceberg_pointers`] (the catalog that other programs open Iceberg tables by),
//! [`postgres_address`] (URLs of PostgreSQL servers, for the catalog and for warm), [`quoting`] (names and texts in SQL).

pub mod change;
pub mod declared;
pub mod error;
#[cfg(test)]
mod fixtures;
pub mod hypertable;
pub mod iceberg_pointers;
pub mod job;
pub mod keys;
pub mod partition;
mod passfile;
pub mod postgres_address;
pub mod quoting;
pub mod roles;
pub mod segment;
pub mod shared_map;
pub mod snapshot;
pub mod store;
mod table;
pub mod tier;
pub mod value;

pub use change::{Applied, Change};
pub use error::{CatalogError, Result};
pub use iceberg_pointers::MetadataPointers;
pub use job::{Job, JobId, JobKind, JobPhase, LineageEntry};
pub use keys::{KeyDef, KeyKind, is_inner_option};
pub use partition::{Granularity, PartitionKey, Partitioning};
pub use segment::{ColumnStats, Role, RowHash, Segment, SegmentId};
pub use shared_map::SharedMap;
pub use snapshot::{PartitionState, Segments, Snapshot, TableState, Totals};
pub use store::{CatalogStore, PostgresCatalog, PostgresCatalogOptions, SqliteStore};
pub use table::{
    COMMENT, CheckDef, ColumnDef, EXTERNAL_FOLDER, EXTERNAL_FORMAT, EXTERNAL_LOCATION, SCHEMA_OF_ITS_OWN, SEQUENCE,
    SEQUENCE_OWNER, TableDef, TableId, VIEW_QUERY,
};
pub use tier::Tier;
pub use value::Value;

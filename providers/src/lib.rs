//! One tier store each, behind one trait.
//!
//! A [`TierStore`] writes, reads and drops segments in one place. It does not know which other stores exist, which tier
//! it serves, or what a snapshot is: it is told exactly which segments to touch.
//!
//! Reading order: [`tier_store`], then what all stores share ([`row_hash`], [`stats`], [`sort`], [`scalar`],
//! [`pruning`], [`adapt`]; `sql` for those that speak SQL, [`objects`] and `parquet_files` for those that keep files), then one
//! folder per store: [`hot`], [`duckdb`], [`postgres`], [`delta`], [`iceberg`].

pub mod adapt;
pub mod delta;
pub mod duckdb;
pub mod error;
pub mod external;
pub mod hot;
pub mod iceberg;
pub mod objects;
mod parquet_files;
pub mod postgres;
pub mod pruning;
pub mod row_hash;
pub mod scalar;
pub mod sort;
mod sql;
pub mod stats;
pub mod tier_store;

pub use error::{ProviderError, Result};
pub use tier_store::{Publication, ScanRequest, TierStore, WrittenSegment};

//! One tier store each, behind one trait.
//!
//! A [`TierStore`] writes, reads and drops segments in one place. It does not know which other stores exist, which tier
//! it serves, or what a snapshot is: it is told exactly which segments to touch. A segment is written durably and invisibly,
//! then published; scans plan and read nothing; every call that changes something can be repeated.
//!
//! Read first: [`tier_store`], the trait with its promises. Then what all stores share ([`row_hash`], [`stats`], [`sort`],
//! [`scalar`], [`pruning`], [`adapt`], [`guard`], `names_apart`), then one store: [`hot`] (memory, with its write-ahead log); [`database`] (DuckDB,
//! PostgreSQL); [`lake`] (Delta Lake, Iceberg). [`external`] reads tables that others keep.
//!
//! Each module uses only those below it; the test `tidy` has the order. One suite, `tests/conformance`, runs against every
//! store.

pub mod adapt;
pub mod database;
pub mod error;
pub mod external;
pub mod guard;
pub mod hot;
pub mod lake;
mod names_apart;
pub mod pruning;
pub mod row_hash;
pub mod scalar;
pub mod sort;
pub mod stats;
pub mod tier_store;

pub use error::{ProviderError, Result};
pub use tier_store::{Publication, Pushdown, ScanRequest, SegmentRows, TierStore, WrittenSegment};

//! Stores whose rows lie in Parquet files that other tools read: [`delta`] and [`iceberg`] over `parquet_files` (a segment as
//! one file) and [`objects`] (where files lie: a folder or a bucket). `store` is what the two do alike.

pub mod delta;
pub mod iceberg;
pub mod objects;
pub(crate) mod parquet_files;
mod store;

pub use parquet_files::compression::parse_compression;
pub use store::{LakeStore, TableLog};

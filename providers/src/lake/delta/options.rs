//! What a cold store is opened with.

use std::path::PathBuf;

use crate::lake::objects::StorageRoot;

/// What a cold store is opened with.
#[derive(Debug, Clone)]
pub struct DeltaOptions {
    /// Where the tables lie.
    pub root: StorageRoot,
    /// How data pages are compressed: `zstd(3)`, `zstd`, `lz4`, `snappy`, `gzip`, `gzip(6)`, `uncompressed`. A table's
    /// option `cold_compression` overrides it.
    pub compression: String,
    /// Bytes of Parquet footers and page indexes kept in memory.
    pub metadata_cache_bytes: u64,
    /// Largest number of rows in a row group: the unit of pruning and of parallel reading.
    pub row_group_rows: usize,
    /// Commits between two checkpoints of a table's log.
    pub checkpoint_interval: u64,
    /// Evaluate filters while decoding (late materialisation). Off by default: faster only for filters that keep few,
    /// scattered rows, and the newest part of the reader.
    pub pushdown_filters: bool,
}

impl DeltaOptions {
    /// The defaults, for a folder on this machine.
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        DeltaOptions {
            root: StorageRoot::Folder(folder.into()),
            compression: "zstd(3)".to_owned(),
            metadata_cache_bytes: 128 * 1024 * 1024,
            row_group_rows: 131_072,
            checkpoint_interval: 50,
            pushdown_filters: false,
        }
    }
}

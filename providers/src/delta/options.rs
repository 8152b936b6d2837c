//! What a cold store is opened with.

use std::path::PathBuf;
use std::sync::Arc;

use object_store::ObjectStore;
use parquet::basic::{Compression, GzipLevel, ZstdLevel};
use url::Url;

use crate::delta::STORE;
use crate::error::{ProviderError, Result};

/// Where the tables lie.
#[derive(Debug, Clone)]
pub enum DeltaRoot {
    /// A folder on this machine; made when it is not there.
    Folder(PathBuf),
    /// A folder in an object store. The store must answer conditional puts, and its puts must be durable when they return.
    ObjectStore {
        /// The store; its `/` is the root of the storage system, not of the folder.
        store: Arc<dyn ObjectStore>,
        /// The folder, with a scheme that the Delta library knows.
        url: Url,
    },
}

/// What a cold store is opened with.
#[derive(Debug, Clone)]
pub struct DeltaOptions {
    /// Where the tables lie.
    pub root: DeltaRoot,
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
            root: DeltaRoot::Folder(folder.into()),
            compression: "zstd(3)".to_owned(),
            metadata_cache_bytes: 128 * 1024 * 1024,
            row_group_rows: 131_072,
            checkpoint_interval: 50,
            pushdown_filters: false,
        }
    }
}

/// Parses a compression as users write it.
///
/// # Errors
/// [`ProviderError::Unsupported`] naming the text and what is allowed.
pub(crate) fn parse_compression(text: &str) -> Result<Compression> {
    let unknown = || ProviderError::Unsupported {
        store: STORE,
        what: format!(
            "compress with {text:?}: use zstd, zstd(1) to zstd(22), lz4, snappy, gzip, gzip(0) to gzip(9), or uncompressed"
        ),
    };
    let lower = text.trim().to_ascii_lowercase();
    let (name, level) = match lower.split_once('(') {
        None => (lower.as_str(), None),
        Some((name, rest)) => {
            let level =
                rest.strip_suffix(')').and_then(|level| level.trim().parse::<u32>().ok()).ok_or_else(unknown)?;
            (name.trim_end(), Some(level))
        }
    };
    match (name, level) {
        ("zstd", level) => {
            let level = level.map_or(Ok(3), i32::try_from).map_err(|_| unknown())?;
            ZstdLevel::try_new(level).map(Compression::ZSTD).map_err(|_| unknown())
        }
        ("gzip", None) => Ok(Compression::GZIP(GzipLevel::default())),
        ("gzip", Some(level)) => GzipLevel::try_new(level).map(Compression::GZIP).map_err(|_| unknown()),
        ("lz4" | "lz4_raw", None) => Ok(Compression::LZ4_RAW),
        ("snappy", None) => Ok(Compression::SNAPPY),
        ("uncompressed" | "none", None) => Ok(Compression::UNCOMPRESSED),
        _ => Err(unknown()),
    }
}

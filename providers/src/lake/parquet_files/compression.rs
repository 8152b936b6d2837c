//! How users write a compression.

use parquet::basic::{Compression, GzipLevel, ZstdLevel};
use zxq_catalog::TableDef;

use crate::error::{ProviderError, Result};
use crate::lake::parquet_files::STORE;

/// The table option that overrides a store's compression.
const COMPRESSION_OPTION: &str = "cold_compression";

/// How a table's files are compressed: as its option says, or as usual.
///
/// # Errors
/// As [`parse_compression`].
pub(crate) fn compression_of(table: &TableDef, usual: Compression) -> Result<Compression> {
    table.options.get(COMPRESSION_OPTION).map_or(Ok(usual), |text| parse_compression(text))
}

/// Parses a compression as users write it.
///
/// # Errors
/// [`ProviderError::Unsupported`] naming the text and what is allowed.
pub fn parse_compression(text: &str) -> Result<Compression> {
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

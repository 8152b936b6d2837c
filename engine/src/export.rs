//! Rows to the bytes of a file, as they come: Apache Parquet, or a stream of Arrow's inter-process format.
//!
//! `columns` says which types a file's columns have; `encoder` turns batches into bytes within bounded memory.

mod columns;
mod encoder;
#[cfg(test)]
mod tests;

use arrow::ipc::CompressionType;
use parquet::basic::Compression;
use parquet::file::metadata::ParquetMetaDataReader;
use zxq_providers::lake::parse_compression;

use crate::error::{EngineError, ErrorKind, Result};

/// Bytes of a Parquet file's end that say how long its footer is.
const TRAILER: usize = 8;

pub(crate) use encoder::Encoder;

/// How the data of Parquet files is compressed unless something else is asked for.
const USUAL: &str = "zstd";

/// What rows are written as.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ExportFormat {
    /// One Parquet file.
    Parquet(Compression),
    /// One stream of Arrow's inter-process format.
    Arrow(Option<CompressionType>),
}

impl ExportFormat {
    /// Parquet with its data compressed so: `zstd`, `zstd(9)`, `snappy`, `gzip`, `lz4`, `none`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidParameter`] for a compression that Parquet does not have.
    pub fn parquet(compression: Option<&str>) -> Result<Self> {
        let compression = parse_compression(compression.unwrap_or(USUAL));
        let compression =
            compression.map_err(|error| EngineError::new(ErrorKind::InvalidParameter, error.to_string()))?;
        Ok(ExportFormat::Parquet(compression))
    }

    /// Arrow with its data compressed so: `zstd`, `lz4`, `none`, which is usual.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidParameter`] for a compression that Arrow does not have.
    pub fn arrow(compression: Option<&str>) -> Result<Self> {
        let compression = compression.unwrap_or("none");
        match compression.trim().to_ascii_lowercase().as_str() {
            "zstd" => Ok(ExportFormat::Arrow(Some(CompressionType::ZSTD))),
            "lz4" => Ok(ExportFormat::Arrow(Some(CompressionType::LZ4_FRAME))),
            "none" | "uncompressed" => Ok(ExportFormat::Arrow(None)),
            _ => Err(EngineError::new(
                ErrorKind::InvalidParameter,
                format!("arrow cannot compress with {compression:?}: use zstd, lz4 or none"),
            )),
        }
    }

    /// As messages name it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            ExportFormat::Parquet(_) => "Parquet",
            ExportFormat::Arrow(_) => "Arrow",
        }
    }
}

/// How many rows a Parquet file holds, of which these are the last bytes; `None` where its footer is not among them.
pub fn rows_in_parquet(end: &[u8]) -> Option<u64> {
    let (rest, trailer) = end.split_at_checked(end.len().checked_sub(TRAILER)?)?;
    let length = u32::from_le_bytes(trailer.strip_suffix(b"PAR1")?.try_into().ok()?);
    let footer = rest.get(rest.len().checked_sub(usize::try_from(length).ok()?)?..)?;
    let footer = ParquetMetaDataReader::decode_metadata(footer).ok()?;
    u64::try_from(footer.file_metadata().num_rows()).ok()
}

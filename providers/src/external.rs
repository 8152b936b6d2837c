//! Tables that others keep: plain Parquet files, Delta Lake and Iceberg tables. They are read where they lie, as they are
//! when a statement is planned, and never written.
//!
//! What cannot be read exactly is refused: a table may use features (deletion vectors, renamed columns) that would give
//! wrong rows to whoever ignores them.

use std::fmt::{self, Debug};
use std::str::FromStr;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::datasource::listing::ListingTableUrl;
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::ExecutionPlan;
use object_store::ObjectStore;
use url::Url;

use crate::error::{ProviderError, Result};

mod bucket_files;
mod delta;
mod file_scan;
mod iceberg;
mod iceberg_predicate;
mod parquet;

/// What such a table is stored as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExternalFormat {
    /// One Parquet file, or a folder of them, perhaps in `column=value` folders.
    Parquet,
    /// A Delta Lake table's folder.
    Delta,
    /// An Iceberg table's metadata file, or its folder where that has a version hint.
    Iceberg,
}

impl ExternalFormat {
    /// As SQL names it.
    pub const fn name(self) -> &'static str {
        match self {
            ExternalFormat::Parquet => "parquet",
            ExternalFormat::Delta => "delta",
            ExternalFormat::Iceberg => "iceberg",
        }
    }
}

impl fmt::Display for ExternalFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for ExternalFormat {
    type Err = ProviderError;

    fn from_str(text: &str) -> Result<Self> {
        [ExternalFormat::Parquet, ExternalFormat::Delta, ExternalFormat::Iceberg]
            .into_iter()
            .find(|format| text.eq_ignore_ascii_case(format.name()))
            .ok_or_else(|| ProviderError::Unsupported {
                store: "external",
                what: format!("read tables stored as {text}: use parquet, delta or iceberg"),
            })
    }
}

/// What a scan must return.
pub struct ExternalScan<'a> {
    /// DataFusion's session.
    pub state: &'a dyn Session,
    /// The table's schema as the catalog has it: the same columns in canonical types.
    pub schema: SchemaRef,
    /// Columns to return, in this order; all where it is `None`.
    pub projection: Option<&'a Vec<usize>>,
    /// Conjuncts that may be used to return fewer rows; the caller evaluates them again.
    pub filters: &'a [Expr],
    /// The caller needs only this many rows.
    pub limit: Option<usize>,
}

/// A table as it is now.
#[async_trait]
pub trait ExternalTable: Debug + Send + Sync {
    /// Its columns, in its own types.
    fn schema(&self) -> SchemaRef;

    /// Plans a scan.
    async fn scan(&self, scan: ExternalScan<'_>) -> Result<Arc<dyn ExecutionPlan>>;
}

/// Looks at a table: reads its log or its metadata, and its schema. `location` is a path or a URL.
///
/// # Errors
/// [`ProviderError::Missing`] when nothing is there, [`ProviderError::Unsupported`] for a table that zxq cannot read
/// exactly, naming what it uses; else what goes wrong while reading.
pub async fn open(state: &dyn Session, format: ExternalFormat, location: &str) -> Result<Arc<dyn ExternalTable>> {
    Ok(match format {
        ExternalFormat::Parquet => Arc::new(parquet::ParquetFiles::open(state, location).await?),
        ExternalFormat::Delta => Arc::new(delta::DeltaFiles::open(state, location).await?),
        ExternalFormat::Iceberg => Arc::new(iceberg::IcebergFiles::open(state, location).await?),
    })
}

/// The address of a folder or file named by a path or a URL.
fn address(format: ExternalFormat, location: &str) -> Result<ListingTableUrl> {
    let parsed = ListingTableUrl::parse(location).map_err(|e| failed(format, "understand", location, e))?;
    if parsed.scheme() == "file" && parsed.get_glob().is_none() {
        let path = Url::parse(parsed.as_str()).ok().and_then(|url| url.to_file_path().ok());
        if path.is_some_and(|path| !path.exists()) {
            return Err(missing(format, location));
        }
    }
    Ok(parsed)
}

/// The store that a location names, where this session can reach it.
fn store_of(
    state: &dyn Session,
    format: ExternalFormat,
    location: &str,
    url: &ListingTableUrl,
) -> Result<Arc<dyn ObjectStore>> {
    let place = url.object_store();
    state.runtime_env().object_store(&place).map_err(|_| {
        let what =
            format!("zxq has no access to {place}: only the bucket of cold.url, and this machine's disk, can be read");
        refused(format, location, &what)
    })
}

fn missing(format: ExternalFormat, location: &str) -> ProviderError {
    ProviderError::Missing { store: format.name(), what: format!("{location}: there is no {format} table") }
}

fn refused(format: ExternalFormat, location: &str, what: &str) -> ProviderError {
    ProviderError::Unsupported { store: format.name(), what: format!("read {location}: {what}") }
}

fn failed(
    format: ExternalFormat,
    doing: &str,
    location: &str,
    source: impl Into<crate::error::Source>,
) -> ProviderError {
    ProviderError::store(format.name(), format!("{doing} {location}"), source)
}

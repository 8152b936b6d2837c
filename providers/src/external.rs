//! Tables that others keep: plain Parquet files, Delta Lake and Iceberg tables. They are read where they lie, as they are
//! when a statement is planned, and never written.
//!
//! What cannot be read exactly is refused: a table may use features (deletion vectors, renamed columns) that would give
//! wrong rows to whoever ignores them.

use std::fmt::{self, Debug};
use std::path::Path;
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
use crate::guard;

mod bucket_files;
mod columns;
mod confined;
mod delta;
mod file_scan;
mod files;
mod iceberg;
mod iceberg_deletes;
mod iceberg_predicate;
mod iceberg_values;
mod listing;
mod micros;
mod parquet;
#[cfg(test)]
mod tests;
mod trust;
mod widen;

pub use widen::widened;

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
                store: "zxq",
                what: format!("read external tables stored as {text}: use parquet, delta or iceberg"),
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
    open_within(state, format, location, None).await
}

/// As [`open`], of a table of this machine's disk all whose files must lie in that folder, links followed. Its name holds no
/// links.
///
/// # Errors
/// As [`open`]; also for files outside of the folder, here or while they are read.
pub async fn open_within(
    state: &dyn Session,
    format: ExternalFormat,
    location: &str,
    folder: Option<&Path>,
) -> Result<Arc<dyn ExternalTable>> {
    let opened = async {
        let table: Arc<dyn ExternalTable> = match format {
            ExternalFormat::Parquet => Arc::new(parquet::ParquetFiles::open(state, location, folder).await?),
            ExternalFormat::Delta => Arc::new(delta::DeltaFiles::open(state, location, folder).await?),
            ExternalFormat::Iceberg => Arc::new(iceberg::IcebergFiles::open(state, location, folder).await?),
        };
        Ok(table)
    };
    guarded(format, location, opened).await
}

/// What reads a table's log or metadata: where that makes a library panic, they are damaged.
async fn guarded<T>(format: ExternalFormat, location: &str, work: impl Future<Output = Result<T>>) -> Result<T> {
    let done = guard::future(work).await;
    done.map_err(|panicked| panicked.in_file(format.name(), format!("the {format} table {location}")))?
}

/// The address of a folder or file named by a path or a URL. Both are taken as they stand: `*`, `?` and `[` are part of a
/// name, and no pattern.
fn address(format: ExternalFormat, location: &str) -> Result<ListingTableUrl> {
    let wrong = |why: &str| failed(format, "understand", location, why);
    let url = match location.split_once("://") {
        // In a URL these would begin what is no part of a name.
        Some(_) => Url::parse(&location.replace('?', "%3F").replace('#', "%23")).map_err(|e| wrong(&e.to_string()))?,
        None => {
            let path = std::path::absolute(location).map_err(|e| wrong(&e.to_string()))?;
            let is_folder = location.ends_with('/') || path.is_dir();
            let url = if is_folder { Url::from_directory_path(&path) } else { Url::from_file_path(&path) };
            url.map_err(|()| wrong("it is no path of this machine"))?
        }
    };
    let is_missing = |url: &Url| url.to_file_path().is_ok_and(|path| !path.exists());
    if url.scheme() == "file" && is_missing(&url) {
        return Err(missing(format, location));
    }
    ListingTableUrl::try_new(url, None).map_err(|e| failed(format, "understand", location, e))
}

/// The store that a location names, where this session can reach it; of a folder of this machine where one is given.
fn store_of(
    state: &dyn Session,
    format: ExternalFormat,
    location: &str,
    url: &ListingTableUrl,
    folder: Option<&Path>,
) -> Result<Arc<dyn ObjectStore>> {
    let place = url.object_store();
    let store = state.runtime_env().object_store(&place).map_err(|_| {
        let what =
            format!("zxq has no access to {place}: only the bucket of cold.url, and this machine's disk, can be read");
        refused(format, location, &what)
    })?;
    match folder {
        None => Ok(store),
        Some(folder) if place.as_str().starts_with("file:") => Ok(confined::within(store, folder)),
        Some(folder) => Err(refused(format, location, &format!("it does not lie in {}", folder.display()))),
    }
}

fn missing(format: ExternalFormat, location: &str) -> ProviderError {
    ProviderError::Missing { store: format.name(), what: location.to_owned() }
}

fn refused(format: ExternalFormat, location: &str, what: &str) -> ProviderError {
    ProviderError::Unsupported { store: format.name(), what: format!("read {location}: {what}") }
}

fn failed(
    format: ExternalFormat,
    doing: &str,
    location: &str,
    source: impl Into<crate::error::Cause>,
) -> ProviderError {
    ProviderError::store(format.name(), format!("{doing} {location}"), source)
}

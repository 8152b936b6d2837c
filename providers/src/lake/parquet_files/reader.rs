//! Opens Parquet files for the scan, with their footers and page indexes kept in memory.
//!
//! Files never change and the catalog knows their size, so a cached footer is never checked again and no file is asked for
//! its size.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{ParquetFileMetrics, ParquetFileReaderFactory};
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use futures::FutureExt;
use futures::future::BoxFuture;
use moka::sync::Cache;
use object_store::ObjectStore;
use object_store::path::Path;
use parking_lot::Mutex;
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::arrow::async_reader::{AsyncFileReader, MetadataFetch};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::ParquetMetaData;
use tokio::sync::Mutex as AsyncMutex;

use crate::error::ProviderError;
use crate::lake::parquet_files::errors::reading_parquet;
use crate::lake::parquet_files::{STORE, footer};

/// Travels with a [`PartitionedFile`]: the rows that the catalog says the file has.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ExpectedRows(pub(crate) u64);

/// Makes readers that share one cache of footers.
#[derive(Debug)]
pub(crate) struct CachedFooters {
    store: Arc<dyn ObjectStore>,
    footers: Footers,
}

/// Footers by file, and the files whose footer is being read: output partitions that share a file read it once.
#[derive(Debug, Clone)]
struct Footers {
    kept: Cache<Path, Arc<ParquetMetaData>>,
    reading: Arc<Mutex<HashMap<Path, Arc<AsyncMutex<()>>>>>,
}

impl Footers {
    /// The footer, by `read` where it is not kept.
    async fn get<Fut>(&self, path: &Path, read: impl FnOnce() -> Fut) -> Result<Arc<ParquetMetaData>>
    where
        Fut: Future<Output = Result<Arc<ParquetMetaData>>>,
    {
        if let Some(footer) = self.kept.get(path) {
            return Ok(footer);
        }
        let turn = Arc::clone(self.reading.lock().entry(path.clone()).or_default());
        let _turn = turn.lock().await;
        if let Some(footer) = self.kept.get(path) {
            return Ok(footer);
        }
        let footer = read().await;
        if let Ok(footer) = &footer {
            self.kept.insert(path.clone(), Arc::clone(footer));
        }
        self.reading.lock().remove(path);
        footer
    }
}

/// The bytes of one file, with errors that name it.
#[derive(Debug, Clone)]
pub(crate) struct FileBytes {
    pub(crate) store: Arc<dyn ObjectStore>,
    pub(crate) path: Path,
}

impl FileBytes {
    /// Always by `get_ranges`: that is what a cache of ranges in the store answers.
    pub(crate) async fn get(&self, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let read = self.store.get_ranges(&self.path, ranges).await;
        read.map_err(|e| reading_parquet(self.path.as_ref(), e.into()))
    }

    pub(crate) async fn get_one(&self, range: Range<u64>) -> Result<Bytes> {
        let read = self.get(std::slice::from_ref(&range)).await?;
        Ok(read.into_iter().next().unwrap_or_default())
    }
}

impl MetadataFetch for &FileBytes {
    fn fetch(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes>> {
        self.get_one(range).boxed()
    }
}

impl CachedFooters {
    /// At most `bytes` of footers stay in memory.
    pub(crate) fn new(store: Arc<dyn ObjectStore>, bytes: u64) -> Self {
        let weight = |path: &Path, footer: &Arc<ParquetMetaData>| {
            u32::try_from(footer.memory_size() + path.as_ref().len()).unwrap_or(u32::MAX)
        };
        let kept = Cache::builder().max_capacity(bytes).weigher(weight).build();
        CachedFooters { store, footers: Footers { kept, reading: Arc::default() } }
    }

    /// Drops the footer of a deleted file.
    pub(crate) fn forget(&self, path: &Path) {
        self.footers.kept.invalidate(path);
    }
}

impl ParquetFileReaderFactory for CachedFooters {
    fn create_reader(
        &self,
        partition_index: usize,
        file: PartitionedFile,
        _metadata_size_hint: Option<usize>,
        metrics: &ExecutionPlanMetricsSet,
    ) -> datafusion::error::Result<Box<dyn AsyncFileReader + Send>> {
        let path = file.object_meta.location.clone();
        let metrics = ParquetFileMetrics::new(partition_index, path.as_ref(), metrics);
        let size = file.object_meta.size;
        let bytes = FileBytes { store: Arc::clone(&self.store), path };
        let expected_rows = file.extension::<ExpectedRows>().map(|rows| rows.0);
        Ok(Box::new(ColdFileReader { bytes, metrics, size, expected_rows, footers: self.footers.clone() }))
    }
}

/// Reads one file.
struct ColdFileReader {
    bytes: FileBytes,
    metrics: ParquetFileMetrics,
    size: u64,
    expected_rows: Option<u64>,
    footers: Footers,
}

async fn load_footer(bytes: &FileBytes, size: u64, expected_rows: Option<u64>) -> Result<Arc<ParquetMetaData>> {
    let footer = footer::load(bytes, size).await.map_err(|e| reading_parquet(bytes.path.as_ref(), e))?;
    // Another file in this place would silently give a short or a long answer.
    let rows = footer.file_metadata().num_rows();
    if let Some(expected) = expected_rows
        && u64::try_from(rows).ok() != Some(expected)
    {
        return Err(ParquetError::External(Box::new(ProviderError::Corrupt {
            store: STORE,
            what: format!("file {}", bytes.path),
            reason: format!("rows in it: {rows}, rows in the catalog: {expected}"),
        })));
    }
    Ok(Arc::new(footer))
}

impl AsyncFileReader for ColdFileReader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes>> {
        self.metrics.bytes_scanned.add((range.end - range.start) as usize);
        self.bytes.get_one(range).boxed()
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, Result<Vec<Bytes>>> {
        let total: u64 = ranges.iter().map(|r| r.end - r.start).sum();
        self.metrics.bytes_scanned.add(total as usize);
        async move { self.bytes.get(&ranges).await }.boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        _options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, Result<Arc<ParquetMetaData>>> {
        let load = || load_footer(&self.bytes, self.size, self.expected_rows);
        self.footers.get(&self.bytes.path, load).boxed()
    }
}

impl Drop for ColdFileReader {
    fn drop(&mut self) {
        self.metrics.scan_efficiency_ratio.add_part(self.metrics.bytes_scanned.value());
        self.metrics.scan_efficiency_ratio.set_total(self.size as usize);
    }
}

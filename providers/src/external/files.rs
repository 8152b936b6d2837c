//! The Parquet files of others: opened with footers that hold only what can be trusted.

use std::any::Any;
use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{ParquetFileMetrics, ParquetFileReaderFactory};
use datafusion::execution::cache::cache_manager::{CachedFileMetadataEntry, FileMetadata, FileMetadataCache};
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use futures::FutureExt;
use futures::future::BoxFuture;
use object_store::{ObjectMeta, ObjectStore};
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::ParquetMetaData;

use super::trust::trusted;
use crate::guard;
use crate::lake::parquet_files::errors::reading_parquet;
use crate::lake::parquet_files::footer;
use crate::lake::parquet_files::reader::FileBytes;

/// Files of one store.
#[derive(Clone)]
pub(super) struct Files {
    /// The store's address, by which kept footers are told apart.
    place: Arc<str>,
    store: Arc<dyn ObjectStore>,
    /// Where footers are kept between statements: `None` where nothing tells that a file is still the same.
    kept: Option<Arc<dyn FileMetadataCache>>,
    /// Columns are found by Iceberg's numbers.
    by_number: bool,
}

impl fmt::Debug for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Files").field("place", &self.place).finish_non_exhaustive()
    }
}

/// A footer of a file that was as `file` says.
struct KeptFooter {
    place: Arc<str>,
    e_tag: Option<String>,
    version: Option<String>,
    footer: Arc<ParquetMetaData>,
}

impl FileMetadata for KeptFooter {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn memory_size(&self) -> usize {
        self.footer.memory_size()
    }

    fn extra_info(&self) -> HashMap<String, String> {
        HashMap::new()
    }
}

impl Files {
    /// Files that a listing or a log names, which are never changed.
    pub(super) fn listed(place: &str, store: Arc<dyn ObjectStore>, by_number: bool) -> Files {
        Files { place: place.into(), store, kept: None, by_number }
    }

    /// Files that anybody may replace: a footer is kept for as long as size, time and tag of its file stay the same.
    pub(super) fn looked_up(place: &str, store: Arc<dyn ObjectStore>, kept: Arc<dyn FileMetadataCache>) -> Files {
        Files { place: place.into(), store, kept: Some(kept), by_number: false }
    }

    fn known(&self, file: &ObjectMeta) -> Option<Arc<ParquetMetaData>> {
        let entry = self.kept.as_ref()?.get(&file.location)?;
        let kept = entry.file_metadata.as_any().downcast_ref::<KeptFooter>()?;
        let same = entry.is_valid_for(file)
            && kept.place == self.place
            && kept.e_tag == file.e_tag
            && kept.version == file.version;
        same.then(|| Arc::clone(&kept.footer))
    }

    /// A file's footer; its errors name the file.
    pub(super) async fn footer(&self, file: &ObjectMeta) -> Result<Arc<ParquetMetaData>> {
        if let Some(footer) = self.known(file) {
            return Ok(footer);
        }
        let bytes = self.bytes(file);
        let named = |e: ParquetError| reading_parquet(file.location.as_ref(), e);
        let footer = footer::load(&bytes, file.size).await.map_err(named)?;
        let footer = guard::call(|| trusted(footer, self.by_number));
        let footer = footer.unwrap_or_else(|_| Err(ParquetError::General("its footer cannot be decoded".to_owned())));
        let footer = Arc::new(footer.map_err(named)?);
        if let Some(kept) = &self.kept {
            let entry = KeptFooter {
                place: Arc::clone(&self.place),
                e_tag: file.e_tag.clone(),
                version: file.version.clone(),
                footer: Arc::clone(&footer),
            };
            kept.put(&file.location, CachedFileMetadataEntry::new(file.clone(), Arc::new(entry)));
        }
        Ok(footer)
    }

    fn bytes(&self, file: &ObjectMeta) -> FileBytes {
        FileBytes { store: Arc::clone(&self.store), path: file.location.clone() }
    }

    /// A reader of one file.
    pub(super) fn reader(&self, file: ObjectMeta, metrics: Option<ParquetFileMetrics>) -> FileReader {
        FileReader { bytes: self.bytes(&file), files: self.clone(), file, metrics }
    }
}

impl ParquetFileReaderFactory for Files {
    fn create_reader(
        &self,
        partition_index: usize,
        file: PartitionedFile,
        _metadata_size_hint: Option<usize>,
        metrics: &ExecutionPlanMetricsSet,
    ) -> datafusion::error::Result<Box<dyn AsyncFileReader + Send>> {
        let metrics = ParquetFileMetrics::new(partition_index, file.object_meta.location.as_ref(), metrics);
        Ok(Box::new(self.reader(file.object_meta, Some(metrics))))
    }
}

/// Reads one file.
pub(super) struct FileReader {
    files: Files,
    file: ObjectMeta,
    bytes: FileBytes,
    metrics: Option<ParquetFileMetrics>,
}

impl FileReader {
    fn count(&self, ranges: &[Range<u64>]) {
        if let Some(metrics) = &self.metrics {
            let bytes: u64 = ranges.iter().map(|range| range.end.saturating_sub(range.start)).sum();
            metrics.bytes_scanned.add(usize::try_from(bytes).unwrap_or(usize::MAX));
        }
    }
}

impl AsyncFileReader for FileReader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes>> {
        self.count(std::slice::from_ref(&range));
        self.bytes.get_one(range).boxed()
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, Result<Vec<Bytes>>> {
        self.count(&ranges);
        async move { self.bytes.get(&ranges).await }.boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        _options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, Result<Arc<ParquetMetaData>>> {
        self.files.footer(&self.file).boxed()
    }
}

impl Drop for FileReader {
    fn drop(&mut self) {
        if let Some(metrics) = &self.metrics {
            metrics.scan_efficiency_ratio.add_part(metrics.bytes_scanned.value());
            metrics.scan_efficiency_ratio.set_total(usize::try_from(self.file.size).unwrap_or(usize::MAX));
        }
    }
}

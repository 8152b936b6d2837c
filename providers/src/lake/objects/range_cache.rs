//! Byte ranges of remote files, kept in memory and, if wanted, on local disk.
//!
//! Data files never change, so what was read of one stays true until the file is written again or deleted, both of which
//! pass here. What is kept are the ranges that were asked for, no blocks around them: a query reads what it needs and not
//! more. A range inside a kept one is answered from it.

use std::fmt::{self, Display};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use object_store::path::Path;
use object_store::{ObjectStore, Result};

use crate::lake::objects::over::{Front, Over};
use crate::lake::objects::range_cache::disk::DiskRanges;
use crate::lake::objects::range_cache::index::FileId;
use crate::lake::objects::range_cache::memory::MemoryRanges;

mod disk;
mod index;
mod memory;

#[cfg(test)]
mod tests;

/// How much is kept, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RangeCacheOptions {
    /// Bytes in memory; 0: none.
    pub memory_bytes: u64,
    /// On local disk.
    pub disk: Option<DiskCacheOptions>,
}

/// A folder for what is kept on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskCacheOptions {
    /// Made when it is not there; its files whose names end in `.range` belong to the cache.
    pub folder: PathBuf,
    /// Bytes in it.
    pub bytes: u64,
}

impl Default for RangeCacheOptions {
    fn default() -> Self {
        RangeCacheOptions { memory_bytes: 256 * 1024 * 1024, disk: None }
    }
}

/// A remote store that answers ranges of data files from what it kept of them.
#[derive(Debug)]
pub(crate) struct CachedRanges {
    inner: Arc<dyn ObjectStore>,
    kept: Kept,
}

/// What is kept of one store.
#[derive(Debug)]
struct Kept {
    /// Tells this store's files from those of others in the same folder.
    name: String,
    memory: MemoryRanges,
    disk: Option<Arc<DiskRanges>>,
}

impl CachedRanges {
    /// The store with a cache in front; the store itself where nothing is to be kept. `name` says which store it is.
    ///
    /// # Errors
    /// When the folder cannot be made or read.
    pub(crate) fn over(
        inner: Arc<dyn ObjectStore>,
        name: &str,
        options: &RangeCacheOptions,
    ) -> crate::error::Result<Arc<dyn ObjectStore>> {
        let disk = match &options.disk {
            Some(disk) if disk.bytes > 0 => Some(Arc::new(DiskRanges::open(&disk.folder, disk.bytes)?)),
            _ => None,
        };
        if options.memory_bytes == 0 && disk.is_none() {
            return Ok(inner);
        }
        let kept = Kept { name: name.to_owned(), memory: MemoryRanges::new(options.memory_bytes), disk };
        Ok(Arc::new(Over::new(CachedRanges { inner, kept })))
    }
}

/// True for files that never change.
fn is_data_file(path: &Path) -> bool {
    path.extension() == Some("parquet") && path.parts().all(|part| part.as_ref() != "_delta_log")
}

impl Kept {
    fn file(&self, path: &Path) -> FileId {
        FileId::of(&self.name, path)
    }

    fn forget(&self, path: &Path) {
        if is_data_file(path) {
            let file = self.file(path);
            self.memory.forget(file);
            if let Some(disk) = &self.disk {
                disk.forget(file);
            }
        }
    }

    /// What is kept of each range, from memory, else from disk.
    async fn find(&self, file: FileId, ranges: &[Range<u64>]) -> Vec<Option<Bytes>> {
        let mut found: Vec<Option<Bytes>> = ranges.iter().map(|range| self.memory.get(file, range)).collect();
        let Some(disk) = &self.disk else { return found };
        let wanted: Vec<(usize, Range<u64>)> = found
            .iter()
            .zip(ranges)
            .enumerate()
            .filter(|(_, (bytes, range))| bytes.is_none() && disk.holds(file, range))
            .map(|(at, (_, range))| (at, range.clone()))
            .collect();
        if wanted.is_empty() {
            return found;
        }
        let disk = Arc::clone(disk);
        let read = tokio::task::spawn_blocking(move || {
            wanted.into_iter().map(|(at, range)| (at, disk.get(file, &range), range)).collect::<Vec<_>>()
        });
        // A worker that stopped leaves everything to be fetched.
        for (at, bytes, range) in read.await.unwrap_or_default() {
            if let Some(bytes) = &bytes {
                self.memory.put(file, &range, bytes);
            }
            if let Some(slot) = found.get_mut(at) {
                *slot = bytes;
            }
        }
        found
    }

    async fn keep(&self, file: FileId, fetched: Vec<(Range<u64>, Bytes)>) {
        for (range, bytes) in &fetched {
            self.memory.put(file, range, bytes);
        }
        if let Some(disk) = &self.disk {
            let disk = Arc::clone(disk);
            let write = tokio::task::spawn_blocking(move || {
                for (range, bytes) in fetched {
                    disk.put(file, &range, &bytes);
                }
            });
            if let Err(error) = write.await {
                tracing::warn!(%error, "the cache on disk was not written");
            }
        }
    }
}

impl Display for CachedRanges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Display::fmt(&self.inner, f)
    }
}

#[async_trait]
impl Front for CachedRanges {
    type Inner = dyn ObjectStore;

    fn inner(&self) -> &dyn ObjectStore {
        self.inner.as_ref()
    }

    fn changes(&self, location: &Path) {
        self.kept.forget(location);
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        if !is_data_file(location) {
            return self.inner.get_ranges(location, ranges).await;
        }
        let file = self.kept.file(location);
        let mut found = self.kept.find(file, ranges).await;
        let missing: Vec<Range<u64>> =
            found.iter().zip(ranges).filter(|(bytes, _)| bytes.is_none()).map(|(_, range)| range.clone()).collect();
        if !missing.is_empty() {
            let fetched = self.inner.get_ranges(location, &missing).await?;
            let mut next = fetched.iter();
            for slot in found.iter_mut().filter(|slot| slot.is_none()) {
                *slot = next.next().cloned();
            }
            self.kept.keep(file, missing.into_iter().zip(fetched).collect()).await;
        }
        Ok(found.into_iter().map(Option::unwrap_or_default).collect())
    }
}

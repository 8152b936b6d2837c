//! Ranges on local disk, one file each; they outlive the process.

use std::fs;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use moka::notification::RemovalCause;
use moka::sync::Cache;
use xxhash_rust::xxh3::xxh3_64;

use super::index::{FileId, Index, RangeKey};
use crate::error::{ProviderError, Result};

/// Bytes before the range's own: their checksum.
const CHECKSUM: usize = 8;
/// What a small file takes of a disk.
const BLOCK: u64 = 4096;
/// A range larger than this share of the limit is not kept.
const LARGEST_SHARE: u64 = 4;

/// Ranges in a folder, up to a limit; those used least go first. What cannot be read back exactly counts as not kept.
#[derive(Debug)]
pub(super) struct DiskRanges {
    folder: PathBuf,
    limit: u64,
    index: Arc<Index>,
    ranges: Cache<RangeKey, ()>,
    written: AtomicU64,
}

impl DiskRanges {
    /// Takes over what an earlier process left in the folder.
    ///
    /// # Errors
    /// [`ProviderError::Store`] when the folder cannot be made or read.
    pub(super) fn open(folder: &Path, limit: u64) -> Result<Self> {
        let failed = |e: io::Error| {
            ProviderError::store(crate::lake::objects::STORE, format!("open the cache folder {}", folder.display()), e)
        };
        fs::create_dir_all(folder).map_err(failed)?;
        let index = Arc::new(Index::default());
        let evicted = {
            let (index, folder) = (Arc::clone(&index), folder.to_owned());
            move |key: Arc<RangeKey>, (), cause| {
                if cause != RemovalCause::Replaced {
                    index.remove(&key);
                    remove(&folder.join(name(&key)));
                }
            }
        };
        let weight = |key: &RangeKey, (): &()| {
            u32::try_from((key.len() + CHECKSUM as u64).next_multiple_of(BLOCK)).unwrap_or(u32::MAX)
        };
        let ranges = Cache::builder().max_capacity(limit).weigher(weight).eviction_listener(evicted).build();
        let disk = DiskRanges { folder: folder.to_owned(), limit, index, ranges, written: AtomicU64::new(0) };
        disk.take_over().map_err(failed)?;
        Ok(disk)
    }

    fn take_over(&self) -> io::Result<()> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let Some(file) = entry.file_name().to_str().and_then(|text| text.strip_suffix(SUFFIX).map(str::to_owned))
            else {
                continue;
            };
            let facts = entry.metadata()?;
            match parse(&file) {
                Some(key) if facts.len() == key.len() + CHECKSUM as u64 => found.push((facts.modified()?, key)),
                // Unfinished when a process ended.
                _ => remove(&entry.path()),
            }
        }
        found.sort_unstable_by_key(|(time, _)| *time);
        for (_, key) in found {
            self.ranges.insert(key, ());
            self.index.add(key);
        }
        self.ranges.run_pending_tasks();
        Ok(())
    }

    /// True when the range is kept.
    pub(super) fn holds(&self, file: FileId, range: &Range<u64>) -> bool {
        self.index.covering(file, range).is_some()
    }

    pub(super) fn get(&self, file: FileId, range: &Range<u64>) -> Option<Bytes> {
        let key = self.index.covering(file, range)?;
        self.ranges.get(&key)?;
        let path = self.folder.join(name(&key));
        match read(&path, &key) {
            Ok(bytes) => Some(bytes.slice(key.within(range))),
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "a cached range is fetched again");
                self.index.remove(&key);
                self.ranges.invalidate(&key);
                None
            }
        }
    }

    pub(super) fn put(&self, file: FileId, range: &Range<u64>, bytes: &Bytes) {
        let key = RangeKey::new(file, range);
        if key.len() != bytes.len() as u64 || key.len() > self.limit / LARGEST_SHARE {
            return;
        }
        let path = self.folder.join(name(&key));
        let staged = self.folder.join(format!("{}{SUFFIX}", self.written.fetch_add(1, Ordering::Relaxed)));
        let written = write(&staged, bytes).and_then(|()| fs::rename(&staged, &path));
        if let Err(error) = written {
            tracing::warn!(path = %path.display(), %error, "a range is not kept on disk");
            remove(&staged);
            return;
        }
        self.ranges.insert(key, ());
        self.index.add(key);
        self.ranges.run_pending_tasks();
    }

    pub(super) fn forget(&self, file: FileId) {
        for key in self.index.take(file) {
            self.ranges.invalidate(&key);
        }
        self.ranges.run_pending_tasks();
    }
}

const SUFFIX: &str = ".range";

fn name(key: &RangeKey) -> String {
    format!("{:032x}-{:x}-{:x}{SUFFIX}", key.file.0, key.start, key.end)
}

fn parse(stem: &str) -> Option<RangeKey> {
    let mut parts = stem.split('-');
    let file = FileId(u128::from_str_radix(parts.next()?, 16).ok()?);
    let mut number = || u64::from_str_radix(parts.next()?, 16).ok();
    let (start, end) = (number()?, number()?);
    (start <= end).then_some(RangeKey { file, start, end })
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    use io::Write;
    let mut file = fs::File::create(path)?;
    file.write_all(&xxh3_64(bytes).to_le_bytes())?;
    file.write_all(bytes)
}

fn read(path: &Path, key: &RangeKey) -> io::Result<Bytes> {
    let damaged = || io::Error::new(io::ErrorKind::InvalidData, "its checksum or length is wrong");
    let whole = Bytes::from(fs::read(path)?);
    let (sum, bytes) = whole.split_at_checked(CHECKSUM).ok_or_else(damaged)?;
    if bytes.len() as u64 != key.len() || sum != xxh3_64(bytes).to_le_bytes() {
        return Err(damaged());
    }
    Ok(whole.slice(CHECKSUM..))
}

fn remove(path: &Path) {
    if let Err(error) = fs::remove_file(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(path = %path.display(), %error, "could not remove a file of the cache");
    }
}

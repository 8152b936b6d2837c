//! Which ranges of which files are kept.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;

use object_store::path::Path;
use parking_lot::Mutex;
use xxhash_rust::xxh3::xxh3_128;

/// Kept ranges that begin before a wanted one and are looked at for it.
const LOOKED_AT: usize = 8;

/// A file of a store, by a hash of both names that is wide enough to stand for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct FileId(pub(super) u128);

impl FileId {
    pub(super) fn of(store: &str, path: &Path) -> Self {
        FileId(xxh3_128(format!("{store}\n{path}").as_bytes()))
    }
}

/// A kept range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct RangeKey {
    pub(super) file: FileId,
    pub(super) start: u64,
    pub(super) end: u64,
}

impl RangeKey {
    pub(super) fn new(file: FileId, range: &Range<u64>) -> Self {
        RangeKey { file, start: range.start, end: range.end }
    }

    /// Bytes in it.
    pub(super) fn len(&self) -> u64 {
        self.end.saturating_sub(self.start)
    }

    /// Where `range`, which lies inside, is in its bytes.
    pub(super) fn within(&self, range: &Range<u64>) -> Range<usize> {
        let at = |position: u64| usize::try_from(position.saturating_sub(self.start)).unwrap_or(usize::MAX);
        at(range.start)..at(range.end)
    }
}

/// The kept ranges by file, so that one that holds a wanted range is found.
#[derive(Debug, Default)]
pub(super) struct Index {
    files: Mutex<HashMap<FileId, BTreeSet<(u64, u64)>>>,
}

impl Index {
    /// A kept range that holds all of `range`.
    pub(super) fn covering(&self, file: FileId, range: &Range<u64>) -> Option<RangeKey> {
        let files = self.files.lock();
        let begun = files.get(&file)?.range(..=(range.start, u64::MAX)).rev().take(LOOKED_AT);
        let mut begun = begun.filter(|(_, end)| *end >= range.end);
        begun.next().map(|(start, end)| RangeKey { file, start: *start, end: *end })
    }

    pub(super) fn add(&self, key: RangeKey) {
        self.files.lock().entry(key.file).or_default().insert((key.start, key.end));
    }

    pub(super) fn remove(&self, key: &RangeKey) {
        let mut files = self.files.lock();
        if let Some(ranges) = files.get_mut(&key.file) {
            ranges.remove(&(key.start, key.end));
            if ranges.is_empty() {
                files.remove(&key.file);
            }
        }
    }

    /// Takes out all ranges of a file.
    pub(super) fn take(&self, file: FileId) -> Vec<RangeKey> {
        let ranges = self.files.lock().remove(&file).unwrap_or_default();
        ranges.into_iter().map(|(start, end)| RangeKey { file, start, end }).collect()
    }
}

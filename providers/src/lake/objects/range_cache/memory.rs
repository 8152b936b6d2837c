//! Ranges in memory.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use moka::notification::RemovalCause;
use moka::sync::Cache;

use super::index::{FileId, Index, RangeKey};

/// What one entry takes besides its bytes, about.
const OVERHEAD: u64 = 200;
/// A range larger than this share of the limit is not kept: it would drive out everything else.
const LARGEST_SHARE: u64 = 4;

/// Ranges in memory, up to a limit; those used least go first.
#[derive(Debug)]
pub(super) struct MemoryRanges {
    limit: u64,
    index: Arc<Index>,
    ranges: Cache<RangeKey, Bytes>,
}

impl MemoryRanges {
    pub(super) fn new(limit: u64) -> Self {
        let index = Arc::new(Index::default());
        let evicted = {
            let index = Arc::clone(&index);
            move |key: Arc<RangeKey>, _, cause| {
                if cause != RemovalCause::Replaced {
                    index.remove(&key);
                }
            }
        };
        let weight = |key: &RangeKey, _: &Bytes| u32::try_from(key.len() + OVERHEAD).unwrap_or(u32::MAX);
        let ranges = Cache::builder().max_capacity(limit).weigher(weight).eviction_listener(evicted).build();
        MemoryRanges { limit, index, ranges }
    }

    pub(super) fn get(&self, file: FileId, range: &Range<u64>) -> Option<Bytes> {
        let key = self.index.covering(file, range)?;
        let bytes = self.ranges.get(&key)?;
        let within = key.within(range);
        (within.end <= bytes.len()).then(|| bytes.slice(within))
    }

    pub(super) fn put(&self, file: FileId, range: &Range<u64>, bytes: &Bytes) {
        let key = RangeKey::new(file, range);
        if key.len() != bytes.len() as u64 || key.len() > self.limit / LARGEST_SHARE {
            return;
        }
        // A copy: the bytes may be a small view of a large answer that they would keep in memory.
        self.ranges.insert(key, Bytes::copy_from_slice(bytes));
        self.index.add(key);
    }

    pub(super) fn forget(&self, file: FileId) {
        for key in self.index.take(file) {
            self.ranges.invalidate(&key);
        }
    }
}

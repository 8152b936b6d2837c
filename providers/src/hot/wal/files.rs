//! What is in which log file, and which files nobody needs any more.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use zxq_catalog::{PartitionKey, TableId};

use super::entry::Key;

/// One log file.
#[derive(Debug, Clone)]
pub(super) struct FileInfo {
    pub(super) path: PathBuf,
    pub(super) first_lsn: u64,
    pub(super) bytes: u64,
    /// Per partition, the newest lsn under which rows (or the commit) in this file count.
    pub(super) max_lsn: HashMap<Key, u64>,
    /// Bytes of each partition's rows here, also of such that never counted.
    key_bytes: HashMap<Key, u64>,
    /// Transactions with rows here that have not ended.
    pub(super) open_txns: HashSet<u64>,
}

impl FileInfo {
    pub(super) fn new(dir: &Path, first_lsn: u64, bytes: u64) -> Self {
        FileInfo {
            path: dir.join(format!("{first_lsn:020}.log")),
            first_lsn,
            bytes,
            max_lsn: HashMap::new(),
            key_bytes: HashMap::new(),
            open_txns: HashSet::new(),
        }
    }

    pub(super) fn raise(&mut self, key: &Key, lsn: u64) {
        match self.max_lsn.get_mut(key) {
            Some(known) => *known = lsn.max(*known),
            None => {
                self.max_lsn.insert(key.clone(), lsn);
            }
        }
    }

    /// Notes rows of a partition.
    pub(super) fn add_bytes(&mut self, key: &Key, bytes: u64) {
        match self.key_bytes.get_mut(key) {
            Some(known) => *known += bytes,
            None => {
                self.key_bytes.insert(key.clone(), bytes);
            }
        }
    }

    /// The partitions of which replay needs nothing of it. Rows of one that nothing here counts for were never committed, where
    /// no transaction with rows here is open.
    pub(super) fn gone(&self, covered: &impl Fn(TableId, &PartitionKey, u64) -> bool) -> HashSet<Key> {
        let is_gone = |key: &Key| self.max_lsn.get(key).is_none_or(|lsn| covered(key.0, &key.1, *lsn));
        self.key_bytes.keys().chain(self.max_lsn.keys()).filter(|key| is_gone(key)).cloned().collect()
    }

    /// Bytes of rows of other partitions.
    pub(super) fn bytes_but(&self, gone: &HashSet<Key>) -> u64 {
        self.key_bytes.iter().filter(|(key, _)| !gone.contains(*key)).map(|(_, bytes)| bytes).sum()
    }

    /// True when replay needs nothing of it.
    pub(super) fn is_covered(&self, covered: &impl Fn(TableId, &PartitionKey, u64) -> bool) -> bool {
        self.open_txns.is_empty()
            && self.max_lsn.iter().all(|((table, partition), lsn)| covered(*table, partition, *lsn))
    }
}

/// All log files; the last one is being written.
#[derive(Debug, Default)]
pub(super) struct Files {
    pub(super) all: Vec<FileInfo>,
    pub(super) next_lsn: u64,
}

impl Files {
    pub(super) fn active(&mut self) -> Option<&mut FileInfo> {
        self.all.last_mut()
    }

    pub(super) fn bytes(&self) -> u64 {
        self.all.iter().map(|f| f.bytes).sum()
    }

    pub(super) fn by_first_lsn(&mut self, first_lsn: u64) -> Option<&mut FileInfo> {
        self.all.iter_mut().find(|f| f.first_lsn == first_lsn)
    }
}

/// What [`super::Wal::truncate`] did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Truncated {
    /// Files deleted.
    pub files: usize,
    /// Bytes that are free by that.
    pub bytes: u64,
}

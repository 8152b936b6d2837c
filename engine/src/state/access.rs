//! Which partitions are read, how often and when, for `zxq.partitions`.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use parking_lot::RwLock;
use zxq_catalog::{PartitionKey, Segment, TableId};

/// Reads of one partition since the engine was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Accesses {
    pub(crate) count: u64,
    /// Microseconds since the Unix epoch, UTC.
    pub(crate) last_us: i64,
}

/// Counts reads. Scans that run beside each other do not wait for each other: only the first read of a partition changes what
/// they share.
#[derive(Debug, Default)]
pub(crate) struct AccessLog {
    tables: RwLock<HashMap<TableId, Arc<TableAccesses>>>,
}

type TableAccesses = RwLock<HashMap<PartitionKey, Counter>>;

#[derive(Debug, Default)]
struct Counter {
    count: AtomicU64,
    last_us: AtomicI64,
}

impl Counter {
    fn note(&self, now_us: i64) {
        self.count.fetch_add(1, Ordering::Relaxed);
        self.last_us.store(now_us, Ordering::Relaxed);
    }
}

impl AccessLog {
    pub(crate) fn note(&self, table: TableId, segments: &[Arc<Segment>], now_us: i64) {
        let table = self.table(table);
        let mut unknown: Vec<&PartitionKey> = Vec::new();
        {
            let known = table.read();
            let mut previous: Option<&PartitionKey> = None;
            for segment in segments {
                if previous == Some(&segment.partition) {
                    continue;
                }
                previous = Some(&segment.partition);
                match known.get(&segment.partition) {
                    Some(counter) => counter.note(now_us),
                    None => unknown.push(&segment.partition),
                }
            }
        }
        if !unknown.is_empty() {
            let mut known = table.write();
            for partition in unknown {
                known.entry(partition.clone()).or_default().note(now_us);
            }
        }
    }

    pub(crate) fn of(&self, table: TableId, partition: &PartitionKey) -> Accesses {
        let Some(table) = self.tables.read().get(&table).map(Arc::clone) else { return Accesses::default() };
        let known = table.read();
        known.get(partition).map_or_else(Accesses::default, |counter| Accesses {
            count: counter.count.load(Ordering::Relaxed),
            last_us: counter.last_us.load(Ordering::Relaxed),
        })
    }

    fn table(&self, table: TableId) -> Arc<TableAccesses> {
        if let Some(known) = self.tables.read().get(&table) {
            return Arc::clone(known);
        }
        Arc::clone(self.tables.write().entry(table).or_default())
    }
}

#[cfg(test)]
mod tests;

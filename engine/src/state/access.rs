//! Which partitions are read, how often and when, for `zxq.partitions`.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use zxq_catalog::{PartitionKey, Segment, TableId};

/// Reads of one partition since the engine was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Accesses {
    pub(crate) count: u64,
    /// Microseconds since the Unix epoch, UTC.
    pub(crate) last_us: i64,
}

#[derive(Debug, Default)]
pub(crate) struct AccessLog {
    by_partition: Mutex<HashMap<TableId, HashMap<PartitionKey, Accesses>>>,
}

impl AccessLog {
    pub(crate) fn note(&self, table: TableId, segments: &[Arc<Segment>], now_us: i64) {
        let mut by_partition = self.by_partition.lock();
        let table = by_partition.entry(table).or_default();
        let mut previous: Option<&PartitionKey> = None;
        for segment in segments {
            if previous == Some(&segment.partition) {
                continue;
            }
            previous = Some(&segment.partition);
            match table.get_mut(&segment.partition) {
                Some(seen) => {
                    seen.count += 1;
                    seen.last_us = now_us;
                }
                None => {
                    table.insert(segment.partition.clone(), Accesses { count: 1, last_us: now_us });
                }
            }
        }
    }

    pub(crate) fn of(&self, table: TableId, partition: &PartitionKey) -> Accesses {
        self.by_partition.lock().get(&table).and_then(|t| t.get(partition)).copied().unwrap_or_default()
    }
}

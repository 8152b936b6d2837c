//! What fails by itself again and again is tried less and less often, so that it costs the rest nothing.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;
use zxq_catalog::{PartitionKey, TableId};

/// Pause after the first failure.
const FIRST: Duration = Duration::from_secs(60);
/// Longest pause.
const LONGEST: Duration = Duration::from_secs(3600);

/// Partitions whose moves have failed, and when maintenance tries them again. Times are microseconds of the engine's clock.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    failed: Mutex<HashMap<(TableId, PartitionKey), Failed>>,
}

#[derive(Debug, Clone, Copy)]
struct Failed {
    times: u32,
    not_before_us: i64,
}

impl Backoff {
    /// True when the partition may be tried now.
    pub(crate) fn may_try(&self, table: TableId, partition: &PartitionKey, now_us: i64) -> bool {
        self.failed.lock().get(&(table, partition.clone())).is_none_or(|failed| now_us >= failed.not_before_us)
    }

    /// It failed once more; returns how long maintenance leaves it alone.
    pub(crate) fn failed(&self, table: TableId, partition: &PartitionKey, now_us: i64) -> Duration {
        let mut all = self.failed.lock();
        let entry = all.entry((table, partition.clone())).or_insert(Failed { times: 0, not_before_us: 0 });
        let pause = FIRST.saturating_mul(1 << entry.times.min(16)).min(LONGEST);
        entry.times = entry.times.saturating_add(1);
        entry.not_before_us = now_us.saturating_add(i64::try_from(pause.as_micros()).unwrap_or(i64::MAX));
        pause
    }

    /// It worked.
    pub(crate) fn worked(&self, table: TableId, partition: &PartitionKey) {
        self.failed.lock().remove(&(table, partition.clone()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_an_hour_and_end_with_a_success() {
        let (backoff, key) = (Backoff::default(), PartitionKey::default());
        assert!(backoff.may_try(1, &key, 0));
        let pauses: Vec<u64> = (0..9).map(|_| backoff.failed(1, &key, 0).as_secs()).collect();
        assert_eq!(pauses, [60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]);
        assert!(!backoff.may_try(1, &key, 3_599_999_999));
        assert!(backoff.may_try(1, &key, 3_600_000_000));
        assert!(backoff.may_try(2, &key, 0), "others are not held up");
        backoff.worked(1, &key);
        assert!(backoff.may_try(1, &key, 0));
    }
}

//! Which jobs exclude each other on one table.
//!
//! Loads, moves and corrections *use* a table, each beside others; ALTER and DROP *change* it, alone. Of one table one move runs at
//! a time, and none while a transaction corrects its rows.
//! Taken in this order: use or change, then move, then the ingest gate, then the commit lock.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard, OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};
use zxq_catalog::TableId;

/// How often who waits for a move looks whether it is a correction instead.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// The locks of all tables.
#[derive(Debug, Default)]
pub(crate) struct TableLocks {
    tables: Mutex<HashMap<TableId, TableLock>>,
}

#[derive(Debug, Clone, Default)]
struct TableLock {
    definition: Arc<RwLock<()>>,
    moving: Arc<AsyncMutex<()>>,
    /// Who moves it is a transaction that corrects it.
    corrected: Arc<AtomicBool>,
}

/// The right of one transaction to correct a table's rows; given back when dropped.
#[derive(Debug)]
pub(crate) struct Correcting {
    corrected: Arc<AtomicBool>,
    _alone: OwnedMutexGuard<()>,
}

impl Drop for Correcting {
    fn drop(&mut self) {
        self.corrected.store(false, Ordering::SeqCst);
    }
}

impl TableLock {
    /// Nobody holds it or waits for it.
    fn is_idle(&self) -> bool {
        Arc::strong_count(&self.definition) == 1 && Arc::strong_count(&self.moving) == 1
    }
}

impl TableLocks {
    /// The table stays as it is defined while the guard is held.
    pub(crate) async fn use_table(&self, table: TableId) -> OwnedRwLockReadGuard<()> {
        let lock = self.of(table).definition;
        lock.read_owned().await
    }

    /// As [`TableLocks::use_table`], if it can be had at once: nobody changes the table, or waits to.
    pub(crate) fn try_use_table(&self, table: TableId) -> Option<OwnedRwLockReadGuard<()>> {
        self.of(table).definition.try_read_owned().ok()
    }

    /// Nobody loads into the table, moves it or changes it while the guard is held.
    pub(crate) async fn change_table(&self, table: TableId) -> OwnedRwLockWriteGuard<()> {
        let lock = self.of(table).definition;
        lock.write_owned().await
    }

    /// As [`TableLocks::change_table`], if it can be had at once.
    pub(crate) fn try_change_table(&self, table: TableId) -> Option<OwnedRwLockWriteGuard<()>> {
        self.of(table).definition.try_write_owned().ok()
    }

    /// The one move of the table that runs, or the one transaction that corrects it.
    pub(crate) async fn move_table(&self, table: TableId) -> OwnedMutexGuard<()> {
        let lock = self.of(table).moving;
        lock.lock_owned().await
    }

    /// As [`TableLocks::move_table`]; `None` where a transaction corrects the table, which may take as long as its client likes.
    pub(crate) async fn move_uncorrected(&self, table: TableId) -> Option<OwnedMutexGuard<()>> {
        while !self.is_corrected(table) {
            if let Ok(alone) = tokio::time::timeout(LOOK_AGAIN, self.move_table(table)).await {
                return Some(alone);
            }
        }
        None
    }

    /// The one transaction that corrects the table's rows; no move of it runs meanwhile.
    pub(crate) async fn correct_table(&self, table: TableId) -> Correcting {
        let lock = self.of(table);
        let alone = lock.moving.lock_owned().await;
        lock.corrected.store(true, Ordering::SeqCst);
        Correcting { corrected: lock.corrected, _alone: alone }
    }

    /// True while a transaction corrects the table.
    pub(crate) fn is_corrected(&self, table: TableId) -> bool {
        self.of(table).corrected.load(Ordering::SeqCst)
    }

    fn of(&self, table: TableId) -> TableLock {
        let mut tables = self.tables.lock();
        if !tables.contains_key(&table) {
            tables.retain(|_, lock| !lock.is_idle());
        }
        tables.entry(table).or_default().clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_change_waits_for_those_who_use_the_table_and_for_no_others() {
        let locks = TableLocks::default();
        let first = locks.use_table(1).await;
        let second = locks.use_table(1).await;
        let _other = locks.change_table(2).await;
        let mut change = Box::pin(locks.change_table(1));
        assert!(futures::poll!(&mut change).is_pending());
        drop(first);
        assert!(futures::poll!(&mut change).is_pending());
        assert!(locks.try_change_table(1).is_none());
        assert!(locks.try_use_table(1).is_none(), "who waits to change it comes first");
        drop(second);
        let changing = change.await;
        assert!(futures::poll!(Box::pin(locks.use_table(1))).is_pending());
        drop(changing);
        locks.use_table(1).await;
    }

    #[tokio::test]
    async fn who_will_not_wait_for_a_correction_waits_for_a_move() {
        let locks = TableLocks::default();
        let moving = locks.move_table(1).await;
        let mut next = Box::pin(locks.move_uncorrected(1));
        assert!(futures::poll!(&mut next).is_pending());
        drop(moving);
        drop(next.await.expect("the move has ended"));
        let correcting = locks.correct_table(1).await;
        assert!(locks.is_corrected(1) && !locks.is_corrected(2));
        assert!(locks.move_uncorrected(1).await.is_none());
        drop(correcting);
        assert!(locks.move_uncorrected(1).await.is_some());
    }

    #[tokio::test]
    async fn locks_of_tables_that_nobody_uses_are_forgotten() {
        let locks = TableLocks::default();
        for table in 0..1000 {
            locks.move_table(table).await;
        }
        assert!(locks.tables.lock().len() < 3);
    }
}

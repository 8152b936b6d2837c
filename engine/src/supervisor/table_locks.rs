//! Which jobs exclude each other on one table.
//!
//! Loads and moves *use* a table, each beside others; ALTER and DROP *change* it, alone. Of one table one move runs at a time.
//! Taken in this order: use or change, then move, then the ingest gate, then the commit lock.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard, OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};
use zxq_catalog::TableId;

/// The locks of all tables.
#[derive(Debug, Default)]
pub(crate) struct TableLocks {
    tables: Mutex<HashMap<TableId, TableLock>>,
}

#[derive(Debug, Clone, Default)]
struct TableLock {
    definition: Arc<RwLock<()>>,
    moving: Arc<AsyncMutex<()>>,
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

    /// The one move of the table that runs.
    pub(crate) async fn move_table(&self, table: TableId) -> OwnedMutexGuard<()> {
        let lock = self.of(table).moving;
        lock.lock_owned().await
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
    async fn locks_of_tables_that_nobody_uses_are_forgotten() {
        let locks = TableLocks::default();
        for table in 0..1000 {
            locks.move_table(table).await;
        }
        assert!(locks.tables.lock().len() < 3);
    }
}

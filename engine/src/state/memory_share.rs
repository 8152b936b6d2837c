//! Shares of the memory of statements: no connection and no user takes all of it. What reaches its share spills, where it is an
//! operator that can, and is refused where it cannot.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use datafusion::common::resources_datafusion_err;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation};
use parking_lot::Mutex;

/// A pool for one connection or user, which gives out at most a number of bytes of the pool above it.
pub(crate) struct MemoryShare {
    /// Whose it is, and which setting says how much: for messages.
    whose: String,
    limit: usize,
    used: AtomicUsize,
    above: Arc<dyn MemoryPool>,
}

impl MemoryShare {
    /// A share; `whose` as in "the statements of … may use".
    pub(crate) fn of(above: &Arc<dyn MemoryPool>, whose: String, bytes: u64) -> Arc<dyn MemoryPool> {
        let limit = usize::try_from(bytes).unwrap_or(usize::MAX);
        Arc::new(MemoryShare { whose, limit, used: AtomicUsize::new(0), above: Arc::clone(above) })
    }

    fn take(&self, bytes: usize) -> datafusion::error::Result<()> {
        let taken = self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
            used.checked_add(bytes).filter(|used| *used <= self.limit)
        });
        match taken {
            Ok(_) => Ok(()),
            Err(used) => Err(resources_datafusion_err!(
                "the statements of {} may use {} bytes of memory: {used} are in use, {bytes} more are needed",
                self.whose,
                self.limit
            )),
        }
    }
}

impl fmt::Debug for MemoryShare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryShare").field("whose", &self.whose).field("limit", &self.limit).finish_non_exhaustive()
    }
}

impl fmt::Display for MemoryShare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "memory of {}", self.whose)
    }
}

impl MemoryPool for MemoryShare {
    fn name(&self) -> &str {
        &self.whose
    }

    fn register(&self, consumer: &MemoryConsumer) {
        self.above.register(consumer);
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        self.above.unregister(consumer);
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        self.used.fetch_add(additional, Ordering::Relaxed);
        self.above.grow(reservation, additional);
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        self.used.fetch_sub(shrink, Ordering::Relaxed);
        self.above.shrink(reservation, shrink);
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> datafusion::error::Result<()> {
        self.take(additional)?;
        self.above.try_grow(reservation, additional).inspect_err(|_| {
            self.used.fetch_sub(additional, Ordering::Relaxed);
        })
    }

    fn reserved(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    fn memory_limit(&self) -> MemoryLimit {
        MemoryLimit::Finite(self.limit)
    }
}

/// The shares of users, for as long as sessions of theirs hold them.
#[derive(Debug, Default)]
pub(crate) struct UserShares {
    shares: Mutex<HashMap<String, Weak<dyn MemoryPool>>>,
}

impl UserShares {
    /// The share that all sessions of this user have together.
    pub(crate) fn of(&self, above: &Arc<dyn MemoryPool>, user: &str, bytes: u64) -> Arc<dyn MemoryPool> {
        let mut shares = self.shares.lock();
        if let Some(share) = shares.get(user).and_then(Weak::upgrade) {
            return share;
        }
        shares.retain(|_, share| share.strong_count() > 0);
        let share = MemoryShare::of(above, format!("user \"{user}\" (user_memory_limit)"), bytes);
        shares.insert(user.to_owned(), Arc::downgrade(&share));
        share
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use datafusion::execution::memory_pool::GreedyMemoryPool;

    use super::*;

    #[test]
    fn a_share_ends_before_the_whole_and_gives_back() {
        let all: Arc<dyn MemoryPool> = Arc::new(GreedyMemoryPool::new(1_000));
        let users = UserShares::default();
        let user = users.of(&all, "ann", 700);
        let one = MemoryShare::of(&user, "this connection".to_owned(), 500);
        let two = MemoryShare::of(&users.of(&all, "ann", 700), "this connection".to_owned(), 500);
        let take = |pool: &Arc<dyn MemoryPool>| MemoryConsumer::new("rows").register(pool);
        let (first, second, other) = (take(&one), take(&two), take(&all));
        first.try_grow(400).unwrap();
        let error = first.try_grow(101).unwrap_err().to_string();
        assert!(error.contains("this connection may use 500 bytes of memory: 400 are in use, 101 more"), "{error}");
        // Both connections are of one user.
        let error = second.try_grow(301).unwrap_err().to_string();
        assert!(error.contains("user \"ann\""), "{error}");
        second.try_grow(300).unwrap();
        // What the whole refuses is not counted as taken.
        other.try_grow(300).unwrap();
        first.shrink(100);
        other.try_grow(100).unwrap();
        assert!(first.try_grow(50).is_err());
        assert_eq!((one.reserved(), two.reserved(), user.reserved(), all.reserved()), (300, 300, 600, 1_000));
        drop((first, second, other));
        assert_eq!((one.reserved(), user.reserved(), all.reserved()), (0, 0, 0));
    }

    #[test]
    fn a_share_is_gone_with_its_sessions() {
        let all: Arc<dyn MemoryPool> = Arc::new(GreedyMemoryPool::new(1_000));
        let users = UserShares::default();
        drop(users.of(&all, "ann", 700));
        let _bob = users.of(&all, "bob", 700);
        assert_eq!(users.shares.lock().len(), 1);
    }
}

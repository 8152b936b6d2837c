//! Advisory locks: what `pg_advisory_lock` and its like take and give back. They lock a number, and mean what their users
//! say.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::error::WireError;
use super::session::Session;
use crate::sqlstate;

/// Locks that one connection may hold.
const MOST_LOCKS: usize = 10_000;
/// Longest key, in bytes: one or two numbers.
const LONGEST_KEY: usize = 100;

/// What a call of such a function does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AdvisoryCall {
    kind: LockCall,
    /// Others may hold it too, if they share it.
    shared: bool,
    /// Until the end of the transaction.
    transaction: bool,
    /// What is locked.
    key: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LockCall {
    Lock,
    TryLock,
    Unlock,
    UnlockAll,
}

impl AdvisoryCall {
    /// The call that a function of this name is, without its key.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let call = |kind, shared, transaction| Some(AdvisoryCall { kind, shared, transaction, key: String::new() });
        match name {
            "pg_advisory_lock" => call(LockCall::Lock, false, false),
            "pg_advisory_lock_shared" => call(LockCall::Lock, true, false),
            "pg_advisory_xact_lock" => call(LockCall::Lock, false, true),
            "pg_advisory_xact_lock_shared" => call(LockCall::Lock, true, true),
            "pg_try_advisory_lock" => call(LockCall::TryLock, false, false),
            "pg_try_advisory_lock_shared" => call(LockCall::TryLock, true, false),
            "pg_try_advisory_xact_lock" => call(LockCall::TryLock, false, true),
            "pg_try_advisory_xact_lock_shared" => call(LockCall::TryLock, true, true),
            "pg_advisory_unlock" => call(LockCall::Unlock, false, false),
            "pg_advisory_unlock_shared" => call(LockCall::Unlock, true, false),
            "pg_advisory_unlock_all" => call(LockCall::UnlockAll, false, false),
            _ => None,
        }
    }

    /// The same call with its arguments, as SQL: casts do not make another key of a number.
    pub(crate) fn with_key(self, arguments: &str) -> Self {
        let mut key: String = arguments.chars().filter(|c| !c.is_whitespace()).collect();
        for cast in ["::bigint", "::int8", "::integer", "::int4", "::int"] {
            key = key.replace(cast, "");
        }
        AdvisoryCall { key, ..self }
    }
}

/// One connection's hold on a lock.
#[derive(Debug, Default, Clone, Copy)]
struct Hold {
    exclusive: u32,
    shared: u32,
    exclusive_in_transaction: u32,
    shared_in_transaction: u32,
}

impl Hold {
    fn is_exclusive(self) -> bool {
        self.exclusive > 0 || self.exclusive_in_transaction > 0
    }

    fn is_empty(self) -> bool {
        !self.is_exclusive() && self.shared == 0 && self.shared_in_transaction == 0
    }

    fn counter(&mut self, shared: bool, transaction: bool) -> &mut u32 {
        match (shared, transaction) {
            (false, false) => &mut self.exclusive,
            (true, false) => &mut self.shared,
            (false, true) => &mut self.exclusive_in_transaction,
            (true, true) => &mut self.shared_in_transaction,
        }
    }
}

type Holders = HashMap<i32, Hold>;

/// Who holds which lock.
#[derive(Debug, Default)]
pub(crate) struct AdvisoryLocks {
    held: Mutex<Held>,
    /// Told whenever one is given back.
    freed: Notify,
}

/// The locks that are held, by what is locked and by who holds them: what a connection does costs what it holds itself.
#[derive(Debug, Default)]
struct Held {
    locks: HashMap<Arc<str>, Holders>,
    by_connection: HashMap<i32, HashSet<Arc<str>>>,
}

impl Held {
    /// Changes a connection's hold on a lock, and forgets it where it is none any more.
    fn change(&mut self, pid: i32, key: &str, change: impl FnOnce(&mut Hold)) {
        let Some(holders) = self.locks.get_mut(key) else { return };
        let Some(hold) = holders.get_mut(&pid) else { return };
        change(hold);
        if !hold.is_empty() {
            return;
        }
        holders.remove(&pid);
        if holders.is_empty() {
            self.locks.remove(key);
        }
        if let Some(mine) = self.by_connection.get_mut(&pid) {
            mine.remove(key);
            if mine.is_empty() {
                self.by_connection.remove(&pid);
            }
        }
    }
}

impl AdvisoryLocks {
    fn try_lock(&self, pid: i32, call: &AdvisoryCall) -> Result<bool, WireError> {
        let mut held = self.held.lock();
        let key: Arc<str> = match held.locks.get_key_value(call.key.as_str()) {
            Some((key, holders)) => {
                let mut others = holders.iter().filter(|(holder, _)| **holder != pid).map(|(_, hold)| hold);
                let free = if call.shared { !others.any(|hold| hold.is_exclusive()) } else { others.next().is_none() };
                if !free {
                    return Ok(false);
                }
                Arc::clone(key)
            }
            None => call.key.as_str().into(),
        };
        let mine = held.by_connection.entry(pid).or_default();
        if mine.len() >= MOST_LOCKS && !mine.contains(&key) {
            return Err(WireError::too_many(format!("a connection holds at most {MOST_LOCKS} advisory locks")));
        }
        mine.insert(Arc::clone(&key));
        let hold = held.locks.entry(key).or_default().entry(pid).or_default();
        let counter = hold.counter(call.shared, call.transaction);
        *counter = counter.saturating_add(1);
        Ok(true)
    }

    fn unlock(&self, pid: i32, call: &AdvisoryCall) -> bool {
        let mut had = false;
        self.held.lock().change(pid, &call.key, |hold| {
            let counter = hold.counter(call.shared, false);
            had = *counter > 0;
            *counter = counter.saturating_sub(1);
        });
        if had {
            self.freed.notify_waiters();
        }
        had
    }

    /// Gives back what a connection holds till the end of its transaction.
    pub(crate) fn end_transaction(&self, pid: i32) {
        self.change(pid, |hold| {
            hold.exclusive_in_transaction = 0;
            hold.shared_in_transaction = 0;
        });
    }

    /// Gives back what a connection holds till its end.
    pub(crate) fn release_session(&self, pid: i32) {
        self.change(pid, |hold| {
            hold.exclusive = 0;
            hold.shared = 0;
        });
    }

    /// Gives back all that a connection holds.
    pub(crate) fn release_all(&self, pid: i32) {
        self.change(pid, |hold| *hold = Hold::default());
    }

    fn change(&self, pid: i32, change: impl Fn(&mut Hold)) {
        let mut held = self.held.lock();
        let Some(mine) = held.by_connection.get(&pid) else { return };
        for key in mine.iter().map(Arc::clone).collect::<Vec<_>>() {
            held.change(pid, &key, &change);
        }
        self.freed.notify_waiters();
    }
}

impl Session {
    /// Takes or gives back a lock; returns what the function gives, as SQL.
    ///
    /// # Errors
    /// 54000 for too many, 0A000 for a key that is no number.
    pub(crate) async fn advisory(&mut self, call: AdvisoryCall) -> Result<String, WireError> {
        if call.key.len() > LONGEST_KEY {
            return Err(WireError::unsupported("advisory locks are taken on numbers that are written out"));
        }
        let pid = self.seat.pid;
        let locks = self.seat.connections().advisory();
        let given = |truth: bool| if truth { "true" } else { "false" }.to_owned();
        match call.kind {
            LockCall::Lock => loop {
                let freed = locks.freed.notified();
                tokio::pin!(freed);
                // From here on nothing that is given back is missed.
                freed.as_mut().enable();
                if locks.try_lock(pid, &call)? {
                    if call.transaction && !self.in_block() {
                        locks.end_transaction(pid);
                    }
                    return Ok("''".to_owned());
                }
                freed.await;
            },
            LockCall::TryLock => {
                let taken = locks.try_lock(pid, &call)?;
                if call.transaction && !self.in_block() {
                    locks.end_transaction(pid);
                }
                Ok(given(taken))
            }
            LockCall::Unlock => {
                let had = locks.unlock(pid, &call);
                if !had {
                    let kind = if call.shared { "ShareLock" } else { "ExclusiveLock" };
                    let message = format!("you don't own a lock of type {kind}");
                    self.notice(WireError::warning(sqlstate::WARNING, message));
                }
                Ok(given(had))
            }
            LockCall::UnlockAll => {
                locks.release_session(pid);
                Ok("''".to_owned())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn call(name: &str, key: &str) -> AdvisoryCall {
        AdvisoryCall::named(name).unwrap().with_key(key)
    }

    #[test]
    fn a_lock_is_held_as_often_as_it_was_taken() {
        let locks = AdvisoryLocks::default();
        let (lock, unlock) = (call("pg_advisory_lock", "1"), call("pg_advisory_unlock", "1::bigint"));
        assert!(locks.try_lock(1, &lock).unwrap() && locks.try_lock(1, &lock).unwrap());
        assert!(!locks.try_lock(2, &lock).unwrap());
        assert!(!locks.unlock(2, &unlock), "it is another's");
        assert!(locks.unlock(1, &unlock));
        assert!(!locks.try_lock(2, &lock).unwrap());
        assert!(locks.unlock(1, &unlock));
        assert!(!locks.unlock(1, &unlock));
        assert!(locks.try_lock(2, &lock).unwrap());
        locks.release_all(2);
        let held = locks.held.lock();
        assert!(held.locks.is_empty() && held.by_connection.is_empty());
    }

    #[test]
    fn shared_locks_and_those_of_transactions_end_apart() {
        let locks = AdvisoryLocks::default();
        let (shared, exclusive) = (call("pg_advisory_xact_lock_shared", "1"), call("pg_advisory_lock", "1"));
        assert!(locks.try_lock(1, &shared).unwrap() && locks.try_lock(2, &shared).unwrap());
        assert!(!locks.try_lock(1, &exclusive).unwrap());
        locks.end_transaction(2);
        assert!(locks.try_lock(1, &exclusive).unwrap());
        locks.release_session(1);
        assert!(locks.try_lock(2, &shared).unwrap(), "one still shares it until its transaction ends");
        assert!(!locks.try_lock(2, &exclusive).unwrap());
        locks.end_transaction(1);
        assert!(locks.try_lock(2, &exclusive).unwrap());
    }

    #[test]
    fn a_connection_holds_so_many() {
        let locks = AdvisoryLocks::default();
        for key in 0..MOST_LOCKS {
            assert!(locks.try_lock(1, &call("pg_advisory_lock", &key.to_string())).unwrap());
        }
        assert_eq!(locks.try_lock(1, &call("pg_advisory_lock", "-1")).unwrap_err().code, "54000");
        assert!(locks.try_lock(1, &call("pg_advisory_lock", "0")).unwrap(), "it has that one");
        assert!(locks.try_lock(2, &call("pg_advisory_lock", "-1")).unwrap());
    }
}

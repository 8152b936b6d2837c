//! Advisory locks: what `pg_advisory_lock` and its like take and give back. They lock a number, and mean what their users
//! say.

use std::collections::HashMap;

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::error::WireError;
use super::session::Session;
use crate::sqlstate;

/// Locks that one connection may hold.
const MOST_LOCKS: usize = 100_000;

/// What a call of such a function does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AdvisoryCall {
    kind: Kind,
    /// Others may hold it too, if they share it.
    shared: bool,
    /// Until the end of the transaction.
    transaction: bool,
    /// What is locked.
    key: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
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
            "pg_advisory_lock" => call(Kind::Lock, false, false),
            "pg_advisory_lock_shared" => call(Kind::Lock, true, false),
            "pg_advisory_xact_lock" => call(Kind::Lock, false, true),
            "pg_advisory_xact_lock_shared" => call(Kind::Lock, true, true),
            "pg_try_advisory_lock" => call(Kind::TryLock, false, false),
            "pg_try_advisory_lock_shared" => call(Kind::TryLock, true, false),
            "pg_try_advisory_xact_lock" => call(Kind::TryLock, false, true),
            "pg_try_advisory_xact_lock_shared" => call(Kind::TryLock, true, true),
            "pg_advisory_unlock" => call(Kind::Unlock, false, false),
            "pg_advisory_unlock_shared" => call(Kind::Unlock, true, false),
            "pg_advisory_unlock_all" => call(Kind::UnlockAll, false, false),
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
        self.exclusive + self.exclusive_in_transaction > 0
    }

    fn is_empty(self) -> bool {
        self.exclusive + self.shared + self.exclusive_in_transaction + self.shared_in_transaction == 0
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
    held: Mutex<HashMap<String, Holders>>,
    /// Told whenever one is given back.
    freed: Notify,
}

impl AdvisoryLocks {
    fn try_lock(&self, pid: i32, call: &AdvisoryCall) -> Result<bool, WireError> {
        let mut held = self.held.lock();
        let mine = held.values().filter(|holders| holders.contains_key(&pid)).take(MOST_LOCKS).count();
        if mine == MOST_LOCKS {
            return Err(WireError::too_many(format!("a connection holds at most {MOST_LOCKS} advisory locks")));
        }
        let holders = held.entry(call.key.clone()).or_default();
        let others = || holders.iter().filter(|(holder, _)| **holder != pid).map(|(_, hold)| hold);
        let free = if call.shared { !others().any(|hold| hold.is_exclusive()) } else { others().count() == 0 };
        if free {
            *holders.entry(pid).or_default().counter(call.shared, call.transaction) += 1;
        } else if holders.is_empty() {
            held.remove(&call.key);
        }
        Ok(free)
    }

    fn unlock(&self, pid: i32, call: &AdvisoryCall) -> bool {
        let mut held = self.held.lock();
        let Some(holders) = held.get_mut(&call.key) else { return false };
        let Some(hold) = holders.get_mut(&pid) else { return false };
        let counter = hold.counter(call.shared, false);
        if *counter == 0 {
            return false;
        }
        *counter -= 1;
        self.sweep(&mut held);
        true
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
        if held.is_empty() {
            return;
        }
        held.values_mut().filter_map(|holders| holders.get_mut(&pid)).for_each(change);
        self.sweep(&mut held);
    }

    fn sweep(&self, held: &mut HashMap<String, Holders>) {
        held.retain(|_, holders| {
            holders.retain(|_, hold| !hold.is_empty());
            !holders.is_empty()
        });
        self.freed.notify_waiters();
    }
}

impl Session {
    /// Takes or gives back a lock; returns what the function gives, as SQL.
    ///
    /// # Errors
    /// 54000 for too many.
    pub(crate) async fn advisory(&mut self, call: AdvisoryCall) -> Result<String, WireError> {
        let pid = self.seat.pid;
        let locks = self.seat.connections().advisory();
        let given = |truth: bool| if truth { "true" } else { "false" }.to_owned();
        match call.kind {
            Kind::Lock => loop {
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
            Kind::TryLock => {
                let taken = locks.try_lock(pid, &call)?;
                if call.transaction && !self.in_block() {
                    locks.end_transaction(pid);
                }
                Ok(given(taken))
            }
            Kind::Unlock => {
                let had = locks.unlock(pid, &call);
                if !had {
                    let kind = if call.shared { "ShareLock" } else { "ExclusiveLock" };
                    let message = format!("you don't own a lock of type {kind}");
                    self.notice(WireError::warning(sqlstate::WARNING, message));
                }
                Ok(given(had))
            }
            Kind::UnlockAll => {
                locks.release_session(pid);
                Ok("''".to_owned())
            }
        }
    }
}

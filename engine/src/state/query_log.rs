//! The last statements and what they read: the rows of `zxq.queries`.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use zxq_catalog::roles::RoleId;

/// Statements remembered.
const KEPT: usize = 1000;
/// Characters of a statement's text remembered.
const TEXT_CHARS: usize = 2000;

/// One statement.
#[derive(Debug, Clone, Default)]
pub(crate) struct QueryEntry {
    pub(crate) id: u64,
    pub(crate) sql: String,
    /// Whose statement it is.
    pub(crate) user: RoleId,
    /// Microseconds since the Unix epoch, UTC.
    pub(crate) started_us: i64,
    /// Microseconds from start to the last row; `None` while it runs.
    pub(crate) elapsed_us: Option<i64>,
    pub(crate) rows: u64,
    /// Epoch read; `None` where no table was.
    pub(crate) epoch: Option<u64>,
    /// Segments read per tier.
    pub(crate) segments: [u64; 3],
    /// Rows that a tier hint left out of the tables read.
    pub(crate) rows_left_out: u64,
    pub(crate) error: Option<String>,
}

/// The part of a text that is remembered.
pub(crate) fn shortened(sql: &str) -> &str {
    if sql.len() <= TEXT_CHARS {
        return sql;
    }
    sql.char_indices().nth(TEXT_CHARS).map_or(sql, |(end, _)| &sql[..end])
}

#[derive(Debug, Default)]
pub(crate) struct QueryLog {
    next: AtomicU64,
    entries: Mutex<VecDeque<Arc<Mutex<QueryEntry>>>>,
}

impl QueryLog {
    pub(crate) fn start(&self, sql: &str, user: RoleId, now_us: i64) -> Arc<Mutex<QueryEntry>> {
        let entry = Arc::new(Mutex::new(QueryEntry {
            id: self.next.fetch_add(1, Ordering::Relaxed) + 1,
            sql: shortened(sql).to_owned(),
            user,
            started_us: now_us,
            ..QueryEntry::default()
        }));
        let mut entries = self.entries.lock();
        if entries.len() == KEPT {
            entries.pop_front();
        }
        entries.push_back(Arc::clone(&entry));
        entry
    }

    /// Newest first.
    pub(crate) fn entries(&self) -> Vec<QueryEntry> {
        let entries: Vec<_> = self.entries.lock().iter().rev().cloned().collect();
        entries.iter().map(|entry| entry.lock().clone()).collect()
    }
}

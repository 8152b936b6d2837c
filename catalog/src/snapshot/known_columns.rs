//! Statistics of columns over all segments of a tier, gathered when they are first asked for.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::segment::{ColumnStats, Segment};

/// What has been gathered so far, by column. Snapshots share it as long as no segment comes or goes.
#[derive(Debug, Default)]
pub(super) struct KnownColumns(Mutex<BTreeMap<String, Option<Arc<ColumnStats>>>>);

impl KnownColumns {
    /// The statistics of a column; who asks meanwhile waits, rather than gathers them too.
    pub(super) fn of<'a>(
        &self,
        name: &str,
        segments: impl Iterator<Item = &'a Arc<Segment>>,
    ) -> Option<Arc<ColumnStats>> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(column) = known.get(name) {
            return column.clone();
        }
        let column = ColumnStats::over(name, segments).map(Arc::new);
        known.insert(name.to_owned(), column.clone());
        column
    }

    /// Forgets all of it, in this snapshot only.
    pub(super) fn forget(this: &mut Arc<Self>) {
        match Arc::get_mut(this) {
            Some(own) => own.0.get_mut().unwrap_or_else(PoisonError::into_inner).clear(),
            None => *this = Arc::default(),
        }
    }
}

/// What has been gathered says nothing that the segments do not.
impl PartialEq for KnownColumns {
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}

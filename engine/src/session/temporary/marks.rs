//! What the temporary tables of a session were when its transaction began, and at its savepoints: where it goes back to.

use std::collections::BTreeMap;

use super::table::Chunks;
use super::{AtCommit, Object, Temporaries};
use crate::session::EngineSession;

/// What they were at one moment.
#[derive(Debug, Clone)]
pub(super) struct Mark {
    /// The savepoint; `None` for the beginning.
    savepoint: Option<String>,
    objects: BTreeMap<String, (Object, Option<Chunks>)>,
}

impl Temporaries {
    fn marked(&self, savepoint: Option<String>) -> Mark {
        let with_rows = |object: &Object| match object {
            Object::Table(table) => (object.clone(), Some(table.chunks())),
            Object::View(_) => (object.clone(), None),
        };
        let objects = self.objects.lock();
        let objects = objects.iter().map(|(name, object)| (name.clone(), with_rows(object))).collect();
        Mark { savepoint, objects }
    }

    fn go_back_to(&self, mark: Mark) {
        let mut objects = self.objects.lock();
        objects.clear();
        for (name, (object, chunks)) in mark.objects {
            if let (Object::Table(table), Some(chunks)) = (&object, chunks) {
                table.put_back(chunks);
            }
            objects.insert(name, object);
        }
        self.changed();
    }

    /// A transaction begins.
    pub(crate) fn begin(&self) {
        let mark = self.marked(None);
        *self.marks.lock() = vec![mark];
    }

    /// A savepoint of the transaction.
    pub(crate) fn savepoint(&self, name: &str) {
        let mark = self.marked(Some(name.to_owned()));
        self.marks.lock().push(mark);
    }

    /// A savepoint and those after it are forgotten.
    pub(crate) fn release(&self, name: &str) {
        let mut marks = self.marks.lock();
        if let Some(at) = marks.iter().rposition(|mark| mark.savepoint.as_deref() == Some(name)) {
            marks.truncate(at);
        }
    }

    /// They are again what they were at a savepoint, which stays.
    pub(crate) fn roll_back_to(&self, name: &str) {
        let mark = {
            let mut marks = self.marks.lock();
            let Some(at) = marks.iter().rposition(|mark| mark.savepoint.as_deref() == Some(name)) else { return };
            marks.truncate(at + 1);
            marks.last().cloned()
        };
        if let Some(mark) = mark {
            self.go_back_to(mark);
        }
    }

    /// They are again what they were when the transaction began, if one has.
    pub(crate) fn roll_back(&self) {
        let first = std::mem::take(&mut *self.marks.lock()).into_iter().next();
        if let Some(mark) = first {
            self.go_back_to(mark);
        }
    }

    /// The transaction was committed: what ON COMMIT says is done.
    pub(crate) fn commit(&self) {
        self.marks.lock().clear();
        let mut objects = self.objects.lock();
        let before = objects.len();
        objects.retain(|_, object| match object {
            Object::Table(table) => {
                if table.at_commit() == AtCommit::DeleteRows {
                    table.put_back(Chunks::default());
                }
                table.at_commit() != AtCommit::Drop
            }
            Object::View(_) => true,
        });
        if objects.len() != before {
            self.changed();
        }
    }
}

impl EngineSession {
    /// Statements that were a transaction of their own are done: what ON COMMIT says of temporary tables is done too. Within a
    /// transaction its own end does that.
    pub fn commit_temporaries(&self) {
        if !self.in_transaction() {
            self.names.temporaries.commit();
        }
    }
}

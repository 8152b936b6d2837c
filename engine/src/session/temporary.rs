//! Temporary tables and views: of one session alone, in memory, without a log, gone at its end.

mod load;
mod marks;
mod table;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use datafusion::catalog::{SchemaProvider, TableProvider};
use datafusion::sql::sqlparser::ast::OnCommit;
use parking_lot::Mutex;
use zxq_catalog::{TableDef, TableId};

use crate::error::{EngineError, ErrorKind, Result};
use crate::session::EngineSession;
use marks::Mark;
pub(crate) use table::TemporaryTable;

/// The schema that a session's own tables are in.
pub(crate) const TEMPORARY: &str = "pg_temp";

/// Temporary tables and views that one session may have: what they are is counted nowhere else.
const MOST: usize = 1_000;

/// Identities of temporary tables, which no table of the catalog has.
static NEXT_ID: AtomicU64 = AtomicU64::new(1 << 62);

/// What becomes of a temporary table when the transaction that it is used in ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum AtCommit {
    /// It stays.
    #[default]
    Keep,
    /// Its rows go.
    DeleteRows,
    /// It goes.
    Drop,
}

impl AtCommit {
    /// What ON COMMIT says.
    pub(crate) fn of(said: Option<&OnCommit>) -> Self {
        match said {
            Some(OnCommit::DeleteRows) => AtCommit::DeleteRows,
            Some(OnCommit::Drop) => AtCommit::Drop,
            Some(OnCommit::PreserveRows) | None => AtCommit::Keep,
        }
    }
}

#[derive(Debug, Clone)]
enum Object {
    Table(Arc<TemporaryTable>),
    View(Arc<TableDef>),
}

/// The temporary tables and views of one session.
#[derive(Debug, Default)]
pub(crate) struct Temporaries {
    objects: Mutex<BTreeMap<String, Object>>,
    version: AtomicU64,
    /// Of the open transaction.
    marks: Mutex<Vec<Mark>>,
}

impl Temporaries {
    /// Another number whenever a table or view came or went.
    pub(crate) fn version(&self) -> u64 {
        self.version.load(Ordering::Relaxed)
    }

    /// The identity of a new one.
    pub(crate) fn next_id() -> TableId {
        NEXT_ID.fetch_add(1, Ordering::Relaxed)
    }

    fn changed(&self) {
        self.version.fetch_add(1, Ordering::Relaxed);
    }

    /// True for the name of a table or view.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.objects.lock().contains_key(name)
    }

    /// True for the name of a table.
    pub(crate) fn has_table(&self, name: &str) -> bool {
        matches!(self.objects.lock().get(name), Some(Object::Table(_)))
    }

    /// The table of that name.
    pub(crate) fn table(&self, name: &str) -> Option<Arc<TemporaryTable>> {
        match self.objects.lock().get(name) {
            Some(Object::Table(table)) => Some(Arc::clone(table)),
            _ => None,
        }
    }

    /// The view of that name.
    pub(crate) fn view(&self, name: &str) -> Option<Arc<TableDef>> {
        match self.objects.lock().get(name) {
            Some(Object::View(view)) => Some(Arc::clone(view)),
            _ => None,
        }
    }

    /// True while this view is one of the session's.
    pub(crate) fn is_view(&self, view: &Arc<TableDef>) -> bool {
        self.view(&view.name).is_some_and(|now| Arc::ptr_eq(&now, view))
    }

    /// The definitions of all of them, in the order of their names.
    pub(crate) fn definitions(&self) -> Vec<Arc<TableDef>> {
        let definition = |object: &Object| match object {
            Object::Table(table) => Arc::clone(table.definition()),
            Object::View(view) => Arc::clone(view),
        };
        self.objects.lock().values().map(definition).collect()
    }

    /// Adds a table.
    ///
    /// # Errors
    /// [`ErrorKind::DuplicateTable`]; [`ErrorKind::LimitExceeded`] where there are too many.
    pub(crate) fn add_table(&self, table: Arc<TemporaryTable>) -> Result<()> {
        let name = table.definition().name.clone();
        self.add(name, Object::Table(table), false)
    }

    /// Adds a view, or puts it in the place of one of that name.
    ///
    /// # Errors
    /// As [`Temporaries::add_table`].
    pub(crate) fn add_view(&self, view: Arc<TableDef>, replace: bool) -> Result<()> {
        self.add(view.name.clone(), Object::View(view), replace)
    }

    fn add(&self, name: String, object: Object, replace: bool) -> Result<()> {
        let mut objects = self.objects.lock();
        let replaces = replace && matches!(objects.get(&name), Some(Object::View(_)));
        if objects.contains_key(&name) && !replaces {
            let message = format!("relation \"{name}\" already exists");
            return Err(EngineError::new(ErrorKind::DuplicateTable, message));
        }
        if objects.len() >= MOST && !replaces {
            let message = format!("a session has at most {MOST} temporary tables and views");
            return Err(EngineError::new(ErrorKind::LimitExceeded, message).with_hint("DROP those that are not needed"));
        }
        objects.insert(name, object);
        self.changed();
        Ok(())
    }

    /// Takes one away.
    pub(crate) fn remove(&self, name: &str) {
        if self.objects.lock().remove(name).is_some() {
            self.changed();
        }
    }

    fn clear(&self) {
        self.objects.lock().clear();
        self.changed();
    }
}

impl EngineSession {
    /// Drops the session's temporary tables and views.
    pub fn discard_temporaries(&self) {
        self.names.temporaries.clear();
    }

    /// Its temporary tables and views.
    pub fn temporaries(&self) -> Vec<Arc<TableDef>> {
        self.names.temporaries.definitions()
    }
}

/// The schema of a session's temporary tables.
#[derive(Debug)]
pub(crate) struct TemporarySchema(pub(crate) Arc<Temporaries>);

#[async_trait]
impl SchemaProvider for TemporarySchema {
    fn table_names(&self) -> Vec<String> {
        self.0.definitions().iter().filter(|def| def.view().is_none()).map(|def| def.name.clone()).collect()
    }

    async fn table(&self, name: &str) -> datafusion::error::Result<Option<Arc<dyn TableProvider>>> {
        Ok(self.0.table(name).map(|table| table as Arc<dyn TableProvider>))
    }

    fn table_exist(&self, name: &str) -> bool {
        self.0.has_table(name)
    }
}

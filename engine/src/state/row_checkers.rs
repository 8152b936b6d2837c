//! Compiled row checkers by table version, so that an ingest does not compile constraints again.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use datafusion::execution::SessionState;
use datafusion::logical_expr::Expr;
use parking_lot::RwLock;
use zxq_catalog::{TableDef, TableId};

use crate::config::clock::Clock;
use crate::constraints::RowChecker;
use crate::error::Result;

/// A table's planned `DEFAULT`s by column name.
pub(crate) type Defaults = Arc<Vec<(String, Expr)>>;

pub(crate) struct RowCheckers {
    /// Plans the expressions.
    state: SessionState,
    clock: Arc<dyn Clock>,
    compiled: RwLock<HashMap<TableId, (Arc<RowChecker>, Defaults)>>,
}

impl fmt::Debug for RowCheckers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RowCheckers").field("tables", &self.compiled.read().len()).finish_non_exhaustive()
    }
}

impl RowCheckers {
    /// None yet. `state` knows functions and settings, and needs no tables.
    pub(crate) fn new(state: SessionState, clock: Arc<dyn Clock>) -> Self {
        RowCheckers { state, clock, compiled: RwLock::default() }
    }

    /// The checker of this version of the table.
    pub(crate) fn of(&self, def: &Arc<TableDef>) -> Result<Arc<RowChecker>> {
        Ok(self.entry(def)?.0)
    }

    pub(crate) fn defaults(&self, def: &Arc<TableDef>) -> Result<Defaults> {
        Ok(self.entry(def)?.1)
    }

    pub(crate) fn forget(&self, table: TableId) {
        self.compiled.write().remove(&table);
    }

    fn entry(&self, def: &Arc<TableDef>) -> Result<(Arc<RowChecker>, Defaults)> {
        if let Some((checker, defaults)) = self.compiled.read().get(&def.id)
            && (Arc::ptr_eq(checker.table(), def) || checker.table() == def)
        {
            return Ok((Arc::clone(checker), Arc::clone(defaults)));
        }
        let checker = Arc::new(RowChecker::new(Arc::clone(def), &self.state, Arc::clone(&self.clock))?);
        let defaults: Defaults = Arc::new(checker.default_exprs());
        let mut compiled = self.compiled.write();
        // Another may have compiled it meanwhile: a table's numbers are given out by one.
        if let Some((first, defaults)) = compiled.get(&def.id)
            && (Arc::ptr_eq(first.table(), def) || first.table() == def)
        {
            return Ok((Arc::clone(first), Arc::clone(defaults)));
        }
        compiled.insert(def.id, (Arc::clone(&checker), Arc::clone(&defaults)));
        Ok((checker, defaults))
    }
}

//! Compiled row checkers by table version, so that an ingest does not compile constraints again.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::logical_expr::Expr;
use parking_lot::RwLock;
use zxq_catalog::{TableDef, TableId};

use crate::constraints::RowChecker;
use crate::engine::Engine;
use crate::error::Result;

/// A table's planned `DEFAULT`s by column name.
pub(crate) type Defaults = Arc<Vec<(String, Expr)>>;

#[derive(Debug, Default)]
pub(crate) struct RowCheckers {
    compiled: RwLock<HashMap<TableId, (Arc<RowChecker>, Defaults)>>,
}

impl RowCheckers {
    /// The checker of this version of the table.
    pub(crate) fn of(&self, engine: &Engine, def: &Arc<TableDef>) -> Result<Arc<RowChecker>> {
        Ok(self.entry(engine, def)?.0)
    }

    pub(crate) fn defaults(&self, engine: &Engine, def: &Arc<TableDef>) -> Result<Defaults> {
        Ok(self.entry(engine, def)?.1)
    }

    pub(crate) fn forget(&self, table: TableId) {
        self.compiled.write().remove(&table);
    }

    fn entry(&self, engine: &Engine, def: &Arc<TableDef>) -> Result<(Arc<RowChecker>, Defaults)> {
        if let Some((checker, defaults)) = self.compiled.read().get(&def.id)
            && (Arc::ptr_eq(checker.table(), def) || checker.table() == def)
        {
            return Ok((Arc::clone(checker), Arc::clone(defaults)));
        }
        let state = crate::session::expression_state(engine);
        let checker = Arc::new(RowChecker::new(Arc::clone(def), &state, Arc::clone(&engine.config.clock))?);
        let defaults: Defaults = Arc::new(checker.default_exprs());
        self.compiled.write().insert(def.id, (Arc::clone(&checker), Arc::clone(&defaults)));
        Ok((checker, defaults))
    }
}

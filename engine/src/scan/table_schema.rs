//! The schemas `public` (every row of a table) and `hot`, `warm`, `cold` (one tier's rows).

use std::sync::{Arc, Weak};

use async_trait::async_trait;
use datafusion::catalog::{SchemaProvider, TableProvider};
use datafusion::error::Result;
use zxq_catalog::Tier;

use crate::roles::acting::Acting;
use crate::roles::rights::Rights;
use crate::scan::external_table::ExternalTable;
use crate::scan::tiered_table::TieredTable;
use crate::state::engine::Engine;

/// User tables, whole or one tier of them.
#[derive(Debug)]
pub(crate) struct TableSchema {
    engine: Weak<Engine>,
    only: Option<Tier>,
    /// Who looks.
    acting: Acting,
}

impl TableSchema {
    pub(crate) fn new(engine: Weak<Engine>, only: Option<Tier>, acting: Acting) -> Self {
        TableSchema { engine, only, acting }
    }
}

#[async_trait]
impl SchemaProvider for TableSchema {
    /// Those that who looks may know of; a table that is named is found all the same, and its use refused.
    fn table_names(&self) -> Vec<String> {
        let Some(engine) = self.engine.upgrade() else { return Vec::new() };
        let snapshot = engine.snapshot();
        let Ok(rights) = Rights::of(&snapshot, &self.acting.who()) else { return Vec::new() };
        let tables = snapshot.tables.values().filter(|table| table.def.view().is_none() && rights.sees(&table.def));
        let mut names: Vec<String> = tables.map(|table| table.def.name.clone()).collect();
        names.sort();
        names
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        let Some(engine) = self.engine.upgrade() else { return Ok(None) };
        let snapshot = engine.snapshot();
        let Some(state) = snapshot.table(name) else { return Ok(None) };
        // Names of views are replaced before a statement is planned.
        if state.def.view().is_some() {
            return Ok(None);
        }
        if state.def.external().is_some() {
            let external = || Arc::new(ExternalTable::new(Arc::clone(&state.def))) as Arc<dyn TableProvider>;
            return Ok(self.only.is_none().then(external));
        }
        let table = TieredTable::new(Weak::clone(&self.engine), Arc::clone(&state.def), self.only);
        let has_defaults = state.def.columns.iter().any(|c| c.default.is_some());
        if !has_defaults {
            return Ok(Some(Arc::new(table)));
        }
        let defaults = engine.checkers.defaults(&state.def)?;
        Ok(Some(Arc::new(table.with_defaults(defaults))))
    }

    fn table_exist(&self, name: &str) -> bool {
        self.engine
            .upgrade()
            .is_some_and(|engine| engine.snapshot().table(name).is_some_and(|t| t.def.view().is_none()))
    }
}

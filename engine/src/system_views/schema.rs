//! The schema `zxq`.

use std::sync::{Arc, Weak};

use async_trait::async_trait;
use datafusion::catalog::{SchemaProvider, TableProvider};
use datafusion::error::Result;

use crate::roles::acting::Acting;
use crate::state::engine::Engine;
use crate::system_views::{SystemTable, SystemView};

/// Views of the engine itself.
#[derive(Debug)]
pub(crate) struct SystemSchema {
    engine: Weak<Engine>,
    acting: Acting,
}

impl SystemSchema {
    pub(crate) fn new(engine: Weak<Engine>, acting: Acting) -> Self {
        SystemSchema { engine, acting }
    }
}

#[async_trait]
impl SchemaProvider for SystemSchema {
    fn table_names(&self) -> Vec<String> {
        SystemView::ALL.iter().map(|view| view.name().to_owned()).collect()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        Ok(SystemView::named(name)
            .map(|view| SystemTable::new(Weak::clone(&self.engine), view, self.acting.clone()))
            .map(|table| Arc::new(table) as Arc<dyn TableProvider>))
    }

    fn table_exist(&self, name: &str) -> bool {
        SystemView::named(name).is_some()
    }
}

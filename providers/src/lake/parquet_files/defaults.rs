//! Columns added after a file was written: the scan gives their constant default, or NULL.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr_adapter::{
    DefaultPhysicalExprAdapterFactory, PhysicalExprAdapter, PhysicalExprAdapterFactory, replace_columns_with_literals,
};
use zxq_catalog::{Segment, TableDef};

use crate::scalar::constant_default;

/// The adapter for files that lack a column with a default; `None` where NULLs will do, as DataFusion fills them.
///
/// # Errors
/// When a default is no constant, so that nobody knows what old rows hold.
pub(crate) fn adapter(
    table: &TableDef,
    segments: &[Arc<Segment>],
) -> crate::error::Result<Option<Arc<dyn PhysicalExprAdapterFactory>>> {
    let mut defaults = HashMap::new();
    for column in table.columns.iter().filter(|c| c.default.is_some()) {
        if segments.iter().any(|s| !s.stats.contains_key(&column.name)) {
            let value = constant_default(column)?;
            if !value.is_null() {
                defaults.insert(column.name.clone(), value);
            }
        }
    }
    if defaults.is_empty() {
        return Ok(None);
    }
    Ok(Some(Arc::new(DefaultsFactory { defaults })))
}

#[derive(Debug)]
struct DefaultsFactory {
    defaults: HashMap<String, ScalarValue>,
}

impl PhysicalExprAdapterFactory for DefaultsFactory {
    fn create(&self, logical: SchemaRef, physical: SchemaRef) -> Result<Arc<dyn PhysicalExprAdapter>> {
        let missing = self
            .defaults
            .iter()
            .filter(|(name, _)| physical.index_of(name).is_err())
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        let inner = DefaultPhysicalExprAdapterFactory.create(logical, physical)?;
        Ok(Arc::new(DefaultsAdapter { missing, inner }))
    }
}

#[derive(Debug)]
struct DefaultsAdapter {
    missing: HashMap<String, ScalarValue>,
    inner: Arc<dyn PhysicalExprAdapter>,
}

impl PhysicalExprAdapter for DefaultsAdapter {
    fn rewrite(&self, expr: Arc<dyn PhysicalExpr>) -> Result<Arc<dyn PhysicalExpr>> {
        self.inner.rewrite(replace_columns_with_literals(expr, &self.missing)?)
    }
}

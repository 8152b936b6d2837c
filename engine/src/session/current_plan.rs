//! Whether a prepared statement's plan is still one over the tables as they are.

use std::any::Any;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::datasource::source_as_provider;
use datafusion::logical_expr::{LogicalPlan, TableSource};
use zxq_catalog::TableDef;

use crate::error::{EngineError, ErrorKind, Result};
use crate::scan::external_table::ExternalTable;
use crate::scan::tiered_table::TieredTable;
use crate::state::engine::Engine;

/// True when every table of the plan is still there, with the definition that it was planned with.
pub(super) fn is_current(engine: &Engine, plan: &LogicalPlan) -> Result<bool> {
    let snapshot = engine.snapshot();
    let mut current = true;
    plan.apply_with_subqueries(|node| {
        let source = match node {
            LogicalPlan::TableScan(scan) => Some(&scan.source),
            LogicalPlan::Dml(change) => Some(&change.target),
            _ => None,
        };
        if let Some(planned) = source.and_then(definition) {
            let now = snapshot.table_by_id(planned.id).map(|table| &table.def);
            current &= now.is_some_and(|now| Arc::ptr_eq(now, &planned) || **now == *planned);
        }
        Ok(if current { TreeNodeRecursion::Continue } else { TreeNodeRecursion::Stop })
    })?;
    Ok(current)
}

pub(super) fn definition(source: &Arc<dyn TableSource>) -> Option<Arc<TableDef>> {
    let provider = source_as_provider(source).ok()?;
    let any: &dyn Any = provider.as_ref();
    let tiered = any.downcast_ref::<TieredTable>().map(|table| Arc::clone(table.definition()));
    tiered.or_else(|| any.downcast_ref::<ExternalTable>().map(|table| Arc::clone(table.definition())))
}

/// The columns that a client was told of must stay.
///
/// # Errors
/// [`ErrorKind::FeatureNotSupported`], as PostgreSQL has it.
pub(super) fn same_rows(planned: Option<&SchemaRef>, anew: Option<&SchemaRef>) -> Result<()> {
    let columns = |schema: Option<&SchemaRef>| -> Vec<_> {
        let fields = schema.into_iter().flat_map(|schema| schema.fields().iter());
        fields.map(|field| (field.name().clone(), field.data_type().clone())).collect()
    };
    match columns(planned) == columns(anew) {
        true => Ok(()),
        false => Err(EngineError::new(ErrorKind::FeatureNotSupported, "cached plan must not change result type")),
    }
}

//! Columns whose names differ in case only, for stores whose names ignore it.
//!
//! PostgreSQL has the columns `"A"` and `a` in one table; DuckDB, Delta Lake and most readers of Iceberg do not. There the
//! first of them keeps its name, and each later one gets a number behind it: `a_2`. Columns are added at the end only, so
//! what a column is called there never changes. Rows have their own names back above the scan.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use arrow::datatypes::Schema;
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::error::Result as DataFusionResult;
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::expressions::Column;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::{ExecutionPlan, PhysicalExpr};
use zxq_catalog::{Segment, TableDef};

use crate::error::Result;
use crate::tier_store::ScanRequest;

#[cfg(test)]
mod tests;

/// The names that such a store has for columns, by the names that they have in the table: those alone that differ.
type Kept = HashMap<String, String>;

fn kept_names(table: &TableDef) -> Kept {
    let mut taken = HashSet::with_capacity(table.columns.len());
    let mut kept = Kept::new();
    for column in &table.columns {
        let mut name = column.name.clone();
        let mut number = 1;
        while !taken.insert(name.to_lowercase()) {
            number += 1;
            name = format!("{}_{number}", column.name);
        }
        if name != column.name {
            kept.insert(column.name.clone(), name);
        }
    }
    kept
}

/// The table as such a store keeps it.
pub(crate) fn kept_table(table: &TableDef) -> Cow<'_, TableDef> {
    let kept = kept_names(table);
    if kept.is_empty() { Cow::Borrowed(table) } else { Cow::Owned(renamed_table(table, &kept)) }
}

fn renamed_table(table: &TableDef, kept: &Kept) -> TableDef {
    let mut table = table.clone();
    let rename = |name: &mut String| {
        if let Some(kept) = kept.get(name.as_str()) {
            name.clone_from(kept);
        }
    };
    table.columns.iter_mut().for_each(|column| rename(&mut column.name));
    table.partitioning.date_column.iter_mut().for_each(rename);
    table.partitioning.class_column.iter_mut().for_each(rename);
    table.time_column.iter_mut().for_each(rename);
    table.sort_by.iter_mut().for_each(rename);
    table.lookup.iter_mut().for_each(rename);
    table
}

/// Rows of the table as such a store keeps them.
///
/// # Errors
/// None for rows that fit their own schema.
pub(crate) fn kept_rows(table: &TableDef, rows: Vec<RecordBatch>) -> Result<Vec<RecordBatch>> {
    let kept = kept_names(table);
    if kept.is_empty() {
        return Ok(rows);
    }
    let renamed = |batch: RecordBatch| -> Result<RecordBatch> {
        let schema = batch.schema();
        let fields = schema.fields().iter().map(|field| match kept.get(field.name()) {
            Some(name) => Arc::new(field.as_ref().clone().with_name(name)),
            None => Arc::clone(field),
        });
        let schema = Schema::new_with_metadata(fields.collect::<Vec<_>>(), schema.metadata().clone());
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        Ok(RecordBatch::try_new_with_options(Arc::new(schema), batch.columns().to_vec(), &options)?)
    };
    rows.into_iter().map(renamed).collect()
}

/// What is known of segments of the table, by the names that such a store has.
pub(crate) fn kept_segments<'a>(table: &TableDef, segments: &'a [Segment]) -> Cow<'a, [Segment]> {
    let kept = kept_names(table);
    if kept.is_empty() {
        return Cow::Borrowed(segments);
    }
    Cow::Owned(segments.iter().map(|segment| renamed_segment(segment, &kept)).collect())
}

fn renamed_segment(segment: &Segment, kept: &Kept) -> Segment {
    let name = |name: &String| kept.get(name).unwrap_or(name).clone();
    let stats: BTreeMap<_, _> = segment.stats.iter().map(|(column, stats)| (name(column), stats.clone())).collect();
    Segment { stats, ..segment.clone() }
}

/// Plans a scan of such a store: `plan` is asked by the store's names, and the rows get those of the table.
///
/// # Errors
/// Those of `plan`.
pub(crate) fn scan(
    request: ScanRequest<'_>,
    plan: impl FnOnce(ScanRequest<'_>) -> Result<Arc<dyn ExecutionPlan>>,
) -> Result<Arc<dyn ExecutionPlan>> {
    let kept = kept_names(&request.table);
    if kept.is_empty() {
        return plan(request);
    }
    let table = Arc::clone(&request.table);
    let projection = request.projection.clone();
    let filters = request.filters.into_iter().map(|filter| renamed_filter(filter, &kept));
    let inner = plan(ScanRequest {
        table: Arc::new(renamed_table(&table, &kept)),
        segments: request.segments.iter().map(|segment| Arc::new(renamed_segment(segment, &kept))).collect(),
        filters: filters.collect::<DataFusionResult<_>>()?,
        ..request
    })?;
    let names: Vec<&String> =
        projection.iter().filter_map(|at| table.columns.get(*at)).map(|column| &column.name).collect();
    if names.iter().all(|name| !kept.contains_key(name.as_str())) {
        return Ok(inner);
    }
    let columns = names.into_iter().enumerate().map(|(place, name)| {
        let column: Arc<dyn PhysicalExpr> = Arc::new(Column::new(kept.get(name).unwrap_or(name), place));
        (column, name.clone())
    });
    Ok(Arc::new(ProjectionExec::try_new(columns.collect::<Vec<_>>(), inner)?))
}

fn renamed_filter(filter: Expr, kept: &Kept) -> DataFusionResult<Expr> {
    let renamed = filter.transform(|expr| match expr {
        Expr::Column(mut column) => match kept.get(&column.name) {
            Some(name) => {
                column.name.clone_from(name);
                Ok(Transformed::yes(Expr::Column(column)))
            }
            None => Ok(Transformed::no(Expr::Column(column))),
        },
        other => Ok(Transformed::no(other)),
    });
    renamed.map(|filter| filter.data)
}

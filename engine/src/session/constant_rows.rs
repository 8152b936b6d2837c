//! INSERT of constants: its rows are made at once, without the optimiser and the planner of queries, which take longer than all the
//! rest of a small INSERT.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::{Field, Schema};
use arrow::record_batch::RecordBatch;
use datafusion::catalog::Session;
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::datasource::source_as_provider;
use datafusion::error::Result;
use datafusion::logical_expr::logical_plan::Values;
use datafusion::logical_expr::{Expr, LogicalPlan, WriteOp};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::scalar::ScalarValue;

/// The physical plan of an INSERT whose rows are constants; `None` where anything has to be computed.
///
/// # Errors
/// Where the table takes no rows.
pub(super) async fn insert_plan(plan: &LogicalPlan, state: &dyn Session) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let LogicalPlan::Dml(dml) = plan else { return Ok(None) };
    let (WriteOp::Insert(op), Some(rows)) = (&dml.op, rows_of(&dml.input)?) else { return Ok(None) };
    let schema = rows.schema();
    let rows = MemorySourceConfig::try_new_exec(&[vec![rows]], schema, None)?;
    let target = source_as_provider(&dml.target)?;
    target.insert_into(state, rows, *op).await.map(Some)
}

/// The rows of a projection of `VALUES`, where all are constants.
fn rows_of(input: &LogicalPlan) -> Result<Option<RecordBatch>> {
    let LogicalPlan::Projection(projection) = input else { return Ok(None) };
    let LogicalPlan::Values(values) = projection.input.as_ref() else { return Ok(None) };
    let mut fields = Vec::with_capacity(projection.expr.len());
    let mut columns = Vec::with_capacity(projection.expr.len());
    for (expr, field) in projection.expr.iter().zip(projection.schema.fields()) {
        let Some(column) = column_of(expr, values)? else { return Ok(None) };
        fields.push(Field::new(field.name(), column.data_type().clone(), true));
        columns.push(column);
    }
    Ok(Some(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?))
}

/// What an expression over `VALUES` gives; `None` where it is neither one of their columns of constants nor a constant.
fn column_of(expr: &Expr, values: &Values) -> Result<Option<ArrayRef>> {
    let at = match expr {
        Expr::Alias(alias) => return column_of(&alias.expr, values),
        Expr::Literal(value, _) => return value.to_array_of_size(values.values.len()).map(Some),
        Expr::Column(column) => values.schema.maybe_index_of_column(column),
        _ => None,
    };
    let Some(at) = at else { return Ok(None) };
    let cells: Option<Vec<&ScalarValue>> = values.values.iter().map(|row| constant(row.get(at)?)).collect();
    let Some(cells) = cells else { return Ok(None) };
    let Some(first) = cells.first().map(|cell| cell.data_type()) else { return Ok(None) };
    if cells.iter().any(|cell| cell.data_type() != first) {
        return Ok(None);
    }
    ScalarValue::iter_to_array(cells.into_iter().cloned()).map(Some)
}

fn constant(cell: &Expr) -> Option<&ScalarValue> {
    match cell {
        Expr::Literal(value, _) => Some(value),
        Expr::Alias(alias) => constant(&alias.expr),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use arrow::array::AsArray;
    use arrow::datatypes::{DataType, Int64Type};
    use datafusion::logical_expr::{LogicalPlanBuilder, lit};
    use datafusion::prelude::col;

    use super::*;

    fn rows(rows: Vec<Vec<Expr>>, projection: Vec<Expr>) -> Option<RecordBatch> {
        let plan = LogicalPlanBuilder::values(rows).unwrap().project(projection).unwrap().build().unwrap();
        rows_of(&plan).unwrap()
    }

    #[test]
    fn constants_become_rows() {
        let batch = rows(
            vec![vec![lit(1_i64), lit("a")], vec![lit(2_i64), lit("b")]],
            vec![col("column2").alias("name"), Expr::Literal(ScalarValue::Null, None).alias("none"), col("column1")],
        )
        .unwrap();
        let names: Vec<String> = batch.schema().fields().iter().map(|field| field.name().clone()).collect();
        assert_eq!((batch.num_rows(), names.join(" ")), (2, "name none column1".to_owned()));
        assert_eq!(batch.column(1).data_type(), &DataType::Null);
        assert_eq!(batch.column(2).as_primitive::<Int64Type>().values(), &[1, 2]);
    }

    #[test]
    fn what_has_to_be_computed_is_not_made_here() {
        assert!(rows(vec![vec![lit(1_i64) + lit(2_i64)]], vec![col("column1").alias("id")]).is_none());
        assert!(rows(vec![vec![lit(1_i64)]], vec![(col("column1") + lit(1_i64)).alias("id")]).is_none());
    }
}

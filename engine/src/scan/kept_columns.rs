//! Columns that stores keep in another form, turned into what queries see: times of day, intervals, arrays.

use std::sync::Arc;

use arrow::datatypes::{DataType, FieldRef, SchemaRef};
use arrow::record_batch::RecordBatch;
use datafusion::common::Result;
use datafusion::config::ConfigOptions;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::expressions::Column;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::scalar::ScalarValue;
use zxq_catalog::TableDef;
use zxq_language::values::kept::from_kept;

/// True for an expression over a column that stores keep in another form: it can be evaluated above the scan only.
pub(crate) fn uses_kept_columns(table: &TableDef, expr: &Expr) -> bool {
    expr.column_refs().iter().any(|column| table.column(&column.name).is_some_and(|c| c.is_converted()))
}

/// The scan of these columns, with the values that queries see; the scan itself where stores keep those.
pub(crate) fn as_rows(
    table: &TableDef,
    projection: &[usize],
    scan: Arc<dyn ExecutionPlan>,
    config: &Arc<ConfigOptions>,
) -> Result<Arc<dyn ExecutionPlan>> {
    if !projection.iter().any(|at| table.columns.get(*at).is_some_and(|c| c.is_converted())) {
        return Ok(scan);
    }
    let rows = table.row_schema();
    let columns = projection.iter().enumerate().map(|(place, at)| {
        let field = rows.field(*at);
        let column: Arc<dyn PhysicalExpr> = Arc::new(Column::new(field.name(), place));
        if !table.columns.get(*at).is_some_and(|c| c.is_converted()) {
            return (column, field.name().clone());
        }
        let field: FieldRef = Arc::new(field.clone());
        let function = Arc::new(ScalarUDF::from(FromKept::new(field.data_type().clone())));
        let name = field.name().clone();
        let call = ScalarFunctionExpr::new("from_kept", function, vec![column], field, Arc::clone(config));
        (Arc::new(call) as Arc<dyn PhysicalExpr>, name)
    });
    Ok(Arc::new(ProjectionExec::try_new(columns.collect::<Vec<_>>(), scan)?))
}

/// Kept rows as queries see them, which is in this schema.
pub(crate) fn seen_rows(schema: &SchemaRef, kept: &RecordBatch) -> Result<RecordBatch> {
    let columns = kept.columns().iter().zip(schema.fields());
    let columns = columns.map(|(values, field)| from_kept(values, field.data_type())).collect::<Result<_, _>>()?;
    Ok(RecordBatch::try_new(Arc::clone(schema), columns)?)
}

/// A kept value as rows have it.
#[derive(Debug, PartialEq, Eq, Hash)]
struct FromKept {
    row_type: DataType,
    signature: Signature,
}

impl FromKept {
    fn new(row_type: DataType) -> Self {
        FromKept { row_type, signature: Signature::any(1, Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for FromKept {
    fn name(&self) -> &str {
        "from_kept"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.row_type.clone())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let Some(kept) = arrays.first() else { return Ok(ColumnarValue::Scalar(ScalarValue::Null)) };
        let rows = from_kept(kept, &self.row_type)?;
        let all_scalar = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        Ok(if all_scalar {
            ColumnarValue::Scalar(ScalarValue::try_from_array(&rows, 0)?)
        } else {
            ColumnarValue::Array(rows)
        })
    }
}

//! `nextval` in a query that reads rows: one number for each row of the result, in its order.
//!
//! What selects such numbers is planned with a placeholder for each, behind a table of its own: whoever reads that gets the rows as
//! they come, each with its numbers. So they are given behind ORDER BY and LIMIT, as PostgreSQL does, and no rule of the
//! planner computes one twice, or not at all.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, new_empty_array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema};
use datafusion::datasource::{TableType, provider_as_source};
use datafusion::error::{DataFusionError, Result as DfResult};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, Projection, lit};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::expressions::Column as PhysicalColumn;
use datafusion::physical_plan::projection::{ProjectionExec, ProjectionExpr};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties, execute_stream,
};
use futures::StreamExt;

use crate::error::{EngineError, ErrorKind, Result};
use crate::session::sequences::Asker;
use crate::sql::sequences::NUMBER_OF_ROW;

/// The column that an expression over one number reads.
const NUMBER: &str = "number";

/// The plan, with numbers where those of rows stand.
///
/// # Errors
/// [`ErrorKind::FeatureNotSupported`] where they stand elsewhere than among the columns that a query selects.
pub(super) fn number(plan: LogicalPlan, asker: &Arc<Asker>) -> Result<LogicalPlan> {
    let mut placed = Placed { asker, places: BTreeSet::new() };
    let plan = placed.place(plan)?;
    match has_some(&plan) {
        true => {
            Err(unsupported("nextval in a condition, an aggregate or a subquery of an expression is not supported"))
        }
        false => Ok(plan),
    }
}

/// True for a plan that has such numbers.
pub(super) fn has_some(plan: &LogicalPlan) -> bool {
    let mut found = false;
    let visited = plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            found |= is_numbered(expr);
            Ok(TreeNodeRecursion::Continue)
        })
    });
    found || visited.is_err()
}

fn unsupported(message: &str) -> EngineError {
    EngineError::new(ErrorKind::FeatureNotSupported, message)
        .with_hint("Number the rows in a query, or a table, of their own, and read that")
}

fn call(expr: &Expr) -> Option<&[Expr]> {
    match expr {
        Expr::ScalarFunction(function) if function.func.name() == NUMBER_OF_ROW => Some(function.args.as_slice()),
        _ => None,
    }
}

fn is_numbered(expr: &Expr) -> bool {
    // Looking cannot fail.
    expr.exists(|part| Ok(call(part).is_some())).unwrap_or(true)
}

fn text(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Literal(value, _) => value.try_as_str().flatten(),
        Expr::Cast(cast) => text(&cast.expr),
        _ => None,
    }
}

/// A column that is computed from a number.
#[derive(Debug, Clone)]
struct NumberColumn {
    at: usize,
    sequence: String,
    /// Over [`NUMBER`].
    expr: Expr,
}

struct Placed<'a> {
    asker: &'a Arc<Asker>,
    /// The calls that were placed.
    places: BTreeSet<String>,
}

impl Placed<'_> {
    fn place(&mut self, plan: LogicalPlan) -> DfResult<LogicalPlan> {
        let placed = plan.transform_down(|node| {
            let numbered = match selects(&node) {
                Some((above, projection)) => Some(self.numbered(&above, projection)?),
                None => None,
            };
            Ok(match numbered {
                Some(numbered) => Transformed::new(numbered, true, TreeNodeRecursion::Jump),
                None => Transformed::no(node),
            })
        })?;
        Ok(placed.data)
    }

    /// A scan of the numbered rows, under the names of the projection.
    fn numbered(&mut self, above: &[&LogicalPlan], projection: &Projection) -> DfResult<LogicalPlan> {
        let names: Vec<_> =
            projection.schema.iter().map(|(table, field)| (table.cloned(), Arc::clone(field))).collect();
        let mut columns = Vec::new();
        let mut inner = Vec::with_capacity(projection.expr.len());
        let mut fields = Vec::with_capacity(projection.expr.len());
        for (at, (expr, (table, field))) in projection.expr.iter().zip(&names).enumerate() {
            let is_numbered = is_numbered(expr);
            if is_numbered {
                columns.push(self.column(at, expr)?);
                inner.push(lit(0_i64).alias_qualified(table.clone(), field.name()));
            } else {
                inner.push(expr.clone());
            }
            let nullable = is_numbered || field.is_nullable();
            fields.push(Field::new(format!("c{at}"), field.data_type().clone(), nullable));
        }
        let rows = self.place(projection.input.as_ref().clone())?;
        let mut rows = LogicalPlan::Projection(Projection::try_new(inner, Arc::new(rows))?);
        for node in above.iter().rev() {
            rows = node.with_new_exprs(node.expressions(), vec![rows])?;
        }
        let schema = Arc::new(Schema::new(fields));
        let asker = Arc::clone(self.asker);
        let provider = NumberedRows { rows, columns, schema: Arc::clone(&schema), asker };
        let as_named = schema.fields().iter().zip(&names).map(|(field, (table, name))| {
            Expr::Column(Column::new_unqualified(field.name())).alias_qualified(table.clone(), name.name())
        });
        LogicalPlanBuilder::scan("numbered_rows", provider_as_source(Arc::new(provider)), None)?
            .project(as_named.collect::<Vec<_>>())?
            .build()
    }

    fn column(&mut self, at: usize, expr: &Expr) -> DfResult<NumberColumn> {
        let mut sequences = Vec::new();
        let refused = |message: &str| DataFusionError::from(unsupported(message));
        let over_number = expr.clone().unalias().transform_up(|part| match call(&part) {
            Some([sequence, place]) => {
                let (Some(sequence), Some(place)) = (text(sequence), text(place)) else {
                    return Err(refused("nextval of a sequence that is not named by a literal is not supported"));
                };
                if !self.places.insert(place.to_owned()) {
                    return Err(refused("nextval in a query that is read twice is not supported"));
                }
                sequences.push(sequence.to_owned());
                Ok(Transformed::yes(Expr::Column(Column::new_unqualified(NUMBER))))
            }
            _ => Ok(Transformed::no(part)),
        })?;
        let expr = over_number.data;
        match (sequences.as_slice(), expr.column_refs().len()) {
            ([sequence], 1) => Ok(NumberColumn { at, sequence: sequence.clone(), expr }),
            _ => {
                Err(refused("nextval beside columns, or another nextval, in one expression over rows is not supported"))
            }
        }
    }
}

/// The projection that has numbers among what it selects, and the sorting and limiting above it, outermost first.
fn selects(plan: &LogicalPlan) -> Option<(Vec<&LogicalPlan>, &Projection)> {
    let mut above = Vec::new();
    let mut node = plan;
    let projection = loop {
        match node {
            LogicalPlan::Sort(sort) => {
                above.push(node);
                node = &sort.input;
            }
            LogicalPlan::Limit(limit) => {
                above.push(node);
                node = &limit.input;
            }
            LogicalPlan::Projection(projection) if projection.expr.iter().any(is_numbered) => break projection,
            _ => return None,
        }
    };
    // What is sorted by its numbers has them before.
    let numbers: Vec<Column> = projection
        .schema
        .iter()
        .zip(&projection.expr)
        .filter(|(_, expr)| is_numbered(expr))
        .map(|((table, field), _)| Column::new(table.cloned(), field.name()))
        .collect();
    let by_number = above.iter().any(|node| {
        let sorts = node.expressions();
        sorts.iter().any(|expr| is_numbered(expr) || expr.column_refs().iter().any(|column| numbers.contains(column)))
    });
    (!by_number).then_some((above, projection))
}

/// Rows whose placeholders become numbers as they are read.
struct NumberedRows {
    rows: LogicalPlan,
    columns: Vec<NumberColumn>,
    schema: SchemaRef,
    asker: Arc<Asker>,
}

impl fmt::Debug for NumberedRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NumberedRows").field("columns", &self.columns).finish_non_exhaustive()
    }
}

#[async_trait]
impl TableProvider for NumberedRows {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Temporary
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        _limit: Option<usize>,
    ) -> DfResult<Arc<dyn ExecutionPlan>> {
        let one = Arc::new(Schema::new(vec![Field::new(NUMBER, DataType::Int64, false)]));
        let names = DFSchema::try_from(Arc::clone(&one))?;
        let value = |column: &NumberColumn| {
            let value = state.create_physical_expr(column.expr.clone(), &names)?;
            Ok(NumberValue { at: column.at, sequence: column.sequence.clone(), value })
        };
        let values = self.columns.iter().map(value).collect::<DfResult<Vec<_>>>()?;
        let numbering = Numbering { values, one, schema: Arc::clone(&self.schema), asker: Arc::clone(&self.asker) };
        let input = state.create_physical_plan(&self.rows).await?;
        let rows: Arc<dyn ExecutionPlan> = Arc::new(NumberedRowsExec::new(input, Arc::new(numbering)));
        let Some(projection) = projection else { return Ok(rows) };
        let wanted = projection.iter().map(|at| {
            let name = self.schema.field(*at).name();
            let expr: Arc<dyn PhysicalExpr> = Arc::new(PhysicalColumn::new(name, *at));
            ProjectionExpr { expr, alias: name.clone() }
        });
        Ok(Arc::new(ProjectionExec::try_new(wanted.collect::<Vec<_>>(), rows)?))
    }
}

#[derive(Debug)]
struct NumberValue {
    at: usize,
    sequence: String,
    value: Arc<dyn PhysicalExpr>,
}

/// How placeholders become numbers.
struct Numbering {
    values: Vec<NumberValue>,
    /// Of a batch of numbers.
    one: SchemaRef,
    schema: SchemaRef,
    asker: Arc<Asker>,
}

impl Numbering {
    async fn number(&self, rows: &RecordBatch) -> DfResult<RecordBatch> {
        let count = rows.num_rows();
        let mut columns: Vec<ArrayRef> = rows.columns().to_vec();
        let sequences: BTreeSet<&str> = self.values.iter().map(|value| value.sequence.as_str()).collect();
        for sequence in sequences {
            let of_it: Vec<&NumberValue> = self.values.iter().filter(|value| value.sequence == sequence).collect();
            let numbers = match count {
                0 => Vec::new(),
                count => self.asker.next(sequence, count * of_it.len()).await?,
            };
            // Each row gets its numbers before the next one does.
            for (nth, value) in of_it.iter().enumerate() {
                let own = numbers.iter().copied().skip(nth).step_by(of_it.len());
                let own = Arc::new(Int64Array::from_iter_values(own));
                columns[value.at] = match count {
                    0 => new_empty_array(self.schema.field(value.at).data_type()),
                    count => {
                        let numbers = RecordBatch::try_new(Arc::clone(&self.one), vec![own])?;
                        value.value.evaluate(&numbers)?.into_array(count)?
                    }
                };
            }
        }
        for (column, field) in columns.iter_mut().zip(self.schema.fields()) {
            if column.data_type() != field.data_type() {
                *column = cast(column, field.data_type())?;
            }
        }
        Ok(RecordBatch::try_new(Arc::clone(&self.schema), columns)?)
    }
}

/// Reads rows and numbers them in their order. What it reads is planned already: no rule looks into it.
struct NumberedRowsExec {
    input: Arc<dyn ExecutionPlan>,
    numbering: Arc<Numbering>,
    properties: Arc<PlanProperties>,
}

impl NumberedRowsExec {
    fn new(input: Arc<dyn ExecutionPlan>, numbering: Arc<Numbering>) -> Self {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&numbering.schema)),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        NumberedRowsExec { input, numbering, properties: Arc::new(properties) }
    }
}

impl fmt::Debug for NumberedRowsExec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NumberedRowsExec").field("values", &self.numbering.values).finish_non_exhaustive()
    }
}

impl DisplayAs for NumberedRowsExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sequences: Vec<&str> = self.numbering.values.iter().map(|value| value.sequence.as_str()).collect();
        write!(f, "NumberedRowsExec: sequences=[{}]", sequences.join(", "))
    }
}

impl ExecutionPlan for NumberedRowsExec {
    fn name(&self) -> &str {
        "NumberedRowsExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn with_new_children(self: Arc<Self>, _: Vec<Arc<dyn ExecutionPlan>>) -> DfResult<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn execute(&self, _: usize, context: Arc<TaskContext>) -> DfResult<SendableRecordBatchStream> {
        let numbering = Arc::clone(&self.numbering);
        let schema = Arc::clone(&numbering.schema);
        let numbered = execute_stream(Arc::clone(&self.input), context)?.then(move |rows| {
            let numbering = Arc::clone(&numbering);
            async move { numbering.number(&rows?).await }
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, numbered)))
    }
}

//! `INSERT … RETURNING`: a query over the rows that the statement inserts, as they are in the table. It is answered before the
//! rows are logged, so that an INSERT whose RETURNING fails inserts nothing.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use arrow::datatypes::{FieldRef, SchemaRef};
use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use datafusion::catalog::{MemTable, TableProvider};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::datasource::{provider_as_source, source_as_provider};
use datafusion::execution::{SessionState, TaskContext};
use datafusion::logical_expr::{LogicalPlan, TableScan};
use datafusion::physical_plan::collect;
use datafusion::scalar::ScalarValue;
use datafusion::sql::parser::Statement as DfStatement;
use datafusion::sql::sqlparser::ast::{SetExpr, Statement as Ast, TableObject};
use parking_lot::Mutex;
use zxq_catalog::TableDef;

use crate::error::{EngineError, ErrorKind, Result};
use crate::scan::kept_columns::seen_rows;
use crate::scan::tiered_table::TieredTable;
use crate::session::insert_statement::insert_of;
use crate::session::output_schema::named_as_in_postgres;
use crate::session::parameters::{Settled, settle_beside};
use crate::session::temporary::TemporaryTable;
use crate::session::{EngineSession, Outcome, planning, positional};
use crate::sql;
use crate::write::insert_sink::Onlooker;

/// A planned RETURNING.
#[derive(Debug, Clone)]
pub(crate) struct Returning {
    /// The query, which names the table that is written where the rows will be.
    pub(crate) plan: Arc<LogicalPlan>,
    /// The columns that clients get.
    pub(crate) schema: SchemaRef,
}

/// Takes RETURNING and the table's alias off an INSERT and gives the query that it stands for; `None` where there is none.
///
/// # Errors
/// Where the INSERT goes to no table.
pub(crate) fn take(statement: &mut DfStatement) -> Result<Option<DfStatement>> {
    let Some(insert) = insert_of(statement) else { return Ok(None) };
    // Nothing else of an INSERT may name it.
    let alias = insert.table_alias.take();
    let Some(items) = insert.returning.take() else { return Ok(None) };
    let TableObject::TableName(name) = &insert.table else {
        return Err(EngineError::new(ErrorKind::FeatureNotSupported, "RETURNING needs an INSERT into a table"));
    };
    let alias = alias.map_or_else(String::new, |alias| format!(" AS {}", alias.alias));
    let parsed = sql::parse(&format!("SELECT * FROM {name}{alias}"))?;
    let mut query = parsed
        .into_iter()
        .next()
        .map(sql::Statement::into_parsed)
        .ok_or_else(|| EngineError::internal("RETURNING made no query"))?;
    if let DfStatement::Statement(statement) = &mut query
        && let Ast::Query(query) = statement.as_mut()
        && let SetExpr::Select(select) = query.body.as_mut()
    {
        select.projection = items;
    }
    Ok(Some(query))
}

impl Returning {
    /// Plans the query. `parameters` are those of the INSERT; returned are those of both.
    ///
    /// # Errors
    /// What planning finds.
    pub(crate) async fn plan(
        session: &EngineSession,
        state: &SessionState,
        query: DfStatement,
        parameters: &[FieldRef],
    ) -> Result<(Self, Vec<FieldRef>)> {
        let named = query.clone();
        let plan = planning::plan_parsed(session, state, query, None).await?;
        let Settled { plan, fields } = settle_beside(plan, parameters)?;
        let plan = state.analyzer().execute_and_check(plan, state.config_options(), |_, _| {})?;
        let schema = named_as_in_postgres(&named, plan.schema().as_arrow());
        Ok((Returning { plan: Arc::new(plan), schema }, fields))
    }

    /// Ready to see the rows of one execution, with these parameters.
    ///
    /// # Errors
    /// Parameters that there are not.
    pub(crate) fn ask(&self, state: &SessionState, parameters: Vec<ScalarValue>) -> Result<Arc<Asked>> {
        let mut returning = self.clone();
        if !parameters.is_empty() {
            let plan = self.plan.as_ref().clone().replace_params_with_values(&positional(parameters))?;
            returning.plan = Arc::new(plan);
        }
        let mut state = state.clone();
        // In the order in which the rows came.
        state.config_mut().options_mut().execution.target_partitions = 1;
        Ok(Arc::new(Asked { returning, state, answer: Mutex::default() }))
    }
}

/// RETURNING of one execution: asked of the rows, it keeps the answer.
pub(crate) struct Asked {
    returning: Returning,
    state: SessionState,
    answer: Mutex<Vec<RecordBatch>>,
}

impl fmt::Debug for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asked").field("schema", &self.returning.schema).finish_non_exhaustive()
    }
}

impl Asked {
    /// What it answered.
    pub(crate) fn outcome(&self) -> Outcome {
        let rows = std::mem::take(&mut *self.answer.lock());
        Outcome::of_rows(Arc::clone(&self.returning.schema), rows)
    }
}

#[async_trait]
impl Onlooker for Asked {
    async fn see(&self, table: &Arc<TableDef>, rows: &[RecordBatch]) -> Result<()> {
        let schema = table.row_schema();
        let rows = rows.iter().map(|kept| seen_rows(&schema, kept)).collect::<datafusion::error::Result<Vec<_>>>()?;
        let inserted: Arc<dyn TableProvider> = Arc::new(MemTable::try_new(schema, vec![rows])?);
        // Subqueries are within expressions still, and read the table itself.
        let plan = self.returning.plan.as_ref().clone().transform_down(|node| {
            let LogicalPlan::TableScan(scan) = &node else { return Ok(Transformed::no(node)) };
            let provider = source_as_provider(&scan.source)?;
            let any: &dyn Any = provider.as_ref();
            if !any.is::<TieredTable>() && !any.is::<TemporaryTable>() {
                return Ok(Transformed::no(node));
            }
            let source = provider_as_source(Arc::clone(&inserted));
            Ok(Transformed::yes(LogicalPlan::TableScan(TableScan { source, ..scan.clone() })))
        })?;
        let physical = self.state.create_physical_plan(&plan.data).await?;
        let answer = collect(physical, Arc::new(TaskContext::from(&self.state))).await?;
        *self.answer.lock() = answer;
        Ok(())
    }
}

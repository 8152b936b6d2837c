//! `INSERT … ON CONFLICT`: of the rows that a statement inserts, those whose key is in the table already are left out, or what is there
//! is updated. Statements with that clause take turns on a table; others insert beside them, and nothing looks at their keys.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray};
use arrow::compute::{concat_batches, filter_record_batch};
use arrow::datatypes::{DataType, FieldRef};
use arrow::record_batch::RecordBatch;
use arrow::row::{RowConverter, SortField};
use async_trait::async_trait;
use datafusion::catalog::MemTable;
use datafusion::common::Column;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::datasource::provider_as_source;
use datafusion::execution::SessionState;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, TableScan};
use datafusion::physical_plan::execute_stream;
use datafusion::scalar::ScalarValue;
use datafusion::sql::parser::Statement as DfStatement;
use datafusion::sql::sqlparser::ast::Statement as Ast;
use parking_lot::Mutex;
use zxq_catalog::TableDef;

use crate::error::{EngineError, ErrorKind, Result};
use crate::scan::kept_columns::seen_rows;
use crate::session::correct::reading::scan_of;
use crate::session::correct::{Correcting, Planned};
use crate::session::insert_statement::insert_of;
use crate::session::parameters::with_values;
use crate::session::planning::plan_with_types;
use crate::session::prepared::execution::task_context;
use crate::session::privileges::Needs;
use crate::session::temporary::TEMPORARY;
use crate::session::{EngineSession, current_plan};
use crate::sql::Statement;
use crate::sql::insert_conflict::{EXCLUDED, InsertConflict};
use crate::sql::relations::parts;
use crate::supervisor::control::JobControl;
use crate::write::gathered::gather;
use crate::write::insert_sink::{ConflictResolver, Onlooker, Resolved};
use crate::write::transaction::Transaction;

/// Values of a key's column that are looked for one by one; of more only the least and the greatest count.
const MOST_VALUES: usize = 1_000;

/// A planned ON CONFLICT.
#[derive(Debug)]
pub(super) struct Conflicting {
    table: Arc<TableDef>,
    keys: Vec<Key>,
    /// What becomes of what is there; `None` for DO NOTHING.
    update: Option<Correcting>,
}

/// A key that rows may already be there by.
#[derive(Debug)]
struct Key {
    columns: Vec<usize>,
    /// The query of the keys that are there.
    existing: LogicalPlan,
}

/// Takes the clause off an INSERT, or off one that is explained; `None` where there is none.
pub(super) fn take(statement: &mut DfStatement) -> Result<Option<InsertConflict>> {
    if let DfStatement::Explain(explain) = statement {
        return take(&mut explain.statement);
    }
    let with = match &*statement {
        DfStatement::Statement(ast) => match ast.as_ref() {
            Ast::Query(query) => query.with.clone(),
            _ => None,
        },
        _ => None,
    };
    let Some(insert) = insert_of(statement) else { return Ok(None) };
    Ok(InsertConflict::take(insert, with.as_ref())?)
}

impl Conflicting {
    /// Plans the clause of an INSERT whose parameters have these types; returned are those of both, and what it needs.
    ///
    /// # Errors
    /// As [`InsertConflict::keys`] and [`Correcting::plan`]; [`ErrorKind::FeatureNotSupported`] for a temporary table.
    pub(super) async fn plan(
        session: &EngineSession,
        state: &SessionState,
        statement: &Statement,
        conflict: &InsertConflict,
        parameters: &[FieldRef],
    ) -> Result<(Self, Vec<FieldRef>, Needs)> {
        let full = session.full_name(&parts(&conflict.target))?;
        let name = match full.as_slice() {
            [schema, _] if schema == TEMPORARY => {
                let message = "ON CONFLICT is not supported for a temporary table";
                return Err(EngineError::new(ErrorKind::FeatureNotSupported, message));
            }
            [.., name] => name,
            [] => return Err(EngineError::internal("a table without a name")),
        };
        let table = Arc::clone(&session.engine.own_table(name)?.def);
        let mut needs = Needs::default();
        let mut keys = Vec::new();
        for columns in conflict.keys(&table)? {
            let query = statement.with_parsed(conflict.existing(&table, &columns)?);
            let (meant, names) = session.resolve(&query)?;
            let existing = plan_with_types(session, state, &meant, &[]).await?.plan;
            let existing = state.analyzer().execute_and_check(existing, state.config_options(), |_, _| {})?;
            needs.and(Needs::of_views(names.views()));
            needs.and(Needs::of(session, statement, &existing)?);
            keys.push(Key { columns, existing });
        }
        let mut fields = parameters.to_vec();
        let mut update = None;
        if let Some(key) = keys.first()
            && let Some(correction) = conflict.correction(&table, &key.columns)?
        {
            let hints: Vec<Option<DataType>> = parameters.iter().map(|field| Some(field.data_type().clone())).collect();
            let planned = Correcting::plan_of(session, statement, correction, &hints).await?;
            let Planned { correcting, param_fields, needs: of_update, .. } = planned;
            // Those of the INSERT have their types.
            fields.extend(param_fields.into_iter().skip(parameters.len()));
            needs.and(of_update);
            update = Some(correcting);
        }
        Ok((Conflicting { table, keys, update }, fields, needs))
    }

    /// True while the tables are as they were when it was planned.
    pub(super) fn is_current(&self, session: &EngineSession) -> Result<bool> {
        let plans = self.keys.iter().map(|key| &key.existing);
        let plans = plans.chain(self.update.iter().map(|update| update.plan.as_ref()));
        for plan in plans {
            if !current_plan::is_current(&session.engine, plan)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Ready for one execution of the INSERT, with these parameters.
    pub(super) fn resolver(self: &Arc<Self>, session: &EngineSession, params: &[ScalarValue]) -> Arc<Resolver> {
        Arc::new(Resolver { session: session.shared(), conflicting: Arc::clone(self), params: params.to_vec() })
    }
}

/// One execution.
pub(super) struct Resolver {
    session: EngineSession,
    conflicting: Arc<Conflicting>,
    params: Vec<ScalarValue>,
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver").field("conflicting", &self.conflicting).finish_non_exhaustive()
    }
}

#[async_trait]
impl ConflictResolver for Resolver {
    async fn resolve(
        &self,
        transaction: &Transaction,
        table: &Arc<TableDef>,
        checked: &[RecordBatch],
        control: &JobControl,
    ) -> Result<Resolved> {
        let engine = &self.session.engine;
        engine.hold_to_correct(transaction, table.id, control).await?;
        let now = engine.own_table_by_id(table.id);
        let resolved = match now.is_ok_and(|now| now.def.columns == self.conflicting.table.columns) {
            true => self.resolve_held(transaction, table, checked, control).await,
            false => {
                let text = format!("table \"{}\" was altered meanwhile: try again", table.name);
                Err(EngineError::new(ErrorKind::FenceLost, text))
            }
        };
        transaction.give_back(table.id, resolved.as_ref().is_ok_and(Resolved::writes));
        resolved
    }
}

impl Resolver {
    async fn resolve_held(
        &self,
        transaction: &Transaction,
        table: &Arc<TableDef>,
        checked: &[RecordBatch],
        control: &JobControl,
    ) -> Result<Resolved> {
        let rows = concat_batches(&table.schema(), checked)?;
        let seen = seen_rows(&table.row_schema(), &rows)?;
        let state = self.session.context().state();
        let mut keys = Vec::with_capacity(self.conflicting.keys.len());
        for key in &self.conflicting.keys {
            keys.push(self.known(key, table, &seen, &state, control).await?);
        }
        let updates = self.conflicting.update.as_ref();
        let mut taken: Vec<HashSet<&[u8]>> = vec![HashSet::new(); keys.len()];
        let (mut inserted, mut there) = (Vec::with_capacity(rows.num_rows()), Vec::new());
        for row in 0..rows.num_rows() {
            let values: Vec<Option<&[u8]>> = keys.iter().map(|key| key.rows[row].as_deref()).collect();
            let is_known = keys.iter().zip(&values).any(|(key, value)| value.is_some_and(|v| key.existing.contains(v)));
            let is_taken = taken.iter().zip(&values).any(|(taken, value)| value.is_some_and(|v| taken.contains(v)));
            if is_taken && updates.is_some() {
                return Err(EngineError::new(
                    ErrorKind::CardinalityViolation,
                    "ON CONFLICT DO UPDATE command cannot affect row a second time",
                )
                .with_hint(
                    "Ensure that no rows proposed for insertion within the same command have duplicate constrained values.",
                ));
            }
            inserted.push(!is_known && !is_taken);
            there.push(is_known);
            if updates.is_some() || !(is_known || is_taken) {
                for (taken, value) in taken.iter_mut().zip(&values) {
                    taken.extend(*value);
                }
            }
        }
        let insert = filter_record_batch(&rows, &BooleanArray::from(inserted))?;
        let mut updated = Vec::new();
        let there = filter_record_batch(&seen, &BooleanArray::from(there))?;
        if let (Some(update), true) = (updates, there.num_rows() > 0) {
            let plan = with_values(update.plan.as_ref().clone(), &self.params)?;
            let columns = self.conflicting.keys.first().map(|key| key.columns.as_slice()).unwrap_or_default();
            let plan = narrowed(with_rows(plan, table, &there)?, table, &there, columns)?;
            let collected = Collected::default();
            update.correct_stored(&self.session, transaction, &plan, Some(&collected), control).await?;
            updated = collected.0.into_inner();
        }
        Ok(Resolved { insert, updated })
    }

    /// The keys of these rows, and which of them are there.
    async fn known(
        &self,
        key: &Key,
        table: &Arc<TableDef>,
        rows: &RecordBatch,
        state: &SessionState,
        control: &JobControl,
    ) -> Result<Known> {
        let columns: Vec<ArrayRef> = key.columns.iter().map(|place| Arc::clone(rows.column(*place))).collect();
        let fields = columns.iter().map(|column| SortField::new(column.data_type().clone())).collect();
        let converter = RowConverter::new(fields)?;
        let encoded = converter.convert_columns(&columns)?;
        // NULL is in no conflict with anything.
        let has_null = |row: usize| columns.iter().any(|column| column.is_null(row));
        let of_rows: Vec<Option<Box<[u8]>>> = encoded
            .iter()
            .enumerate()
            .map(|(row, encoded)| (!has_null(row)).then(|| Box::from(encoded.as_ref())))
            .collect();
        let plan = narrowed(with_rows(key.existing.clone(), table, rows)?, table, rows, &key.columns)?;
        let physical = control.stoppable(state.create_physical_plan(&plan)).await?;
        self.session.scan_reports.take();
        let context = Arc::new(task_context(state, state.config().clone()));
        let pool = &state.runtime_env().memory_pool;
        let answer = control.stoppable(gather(execute_stream(physical, context)?, pool, "INSERT")).await?;
        let mut existing = HashSet::new();
        for batch in &answer.batches {
            let columns = batch.columns().iter().zip(&columns);
            let columns: Vec<ArrayRef> = columns
                .map(|(found, wanted)| arrow::compute::cast(found, wanted.data_type()))
                .collect::<Result<_, _>>()?;
            let encoded = converter.convert_columns(&columns)?;
            existing.extend(encoded.iter().map(|row| Box::<[u8]>::from(row.as_ref())));
        }
        Ok(Known { rows: of_rows, existing })
    }
}

/// The keys of rows, and those that are there.
struct Known {
    /// `None` where a part of it is NULL.
    rows: Vec<Option<Box<[u8]>>>,
    existing: HashSet<Box<[u8]>>,
}

/// Keeps the rows that it sees.
#[derive(Debug, Default)]
struct Collected(Mutex<Vec<RecordBatch>>);

#[async_trait]
impl Onlooker for Collected {
    async fn see(&self, _: &Arc<TableDef>, rows: &[RecordBatch]) -> Result<()> {
        *self.0.lock() = rows.to_vec();
        Ok(())
    }
}

/// The plan with these rows in the place of what stands for them.
fn with_rows(plan: LogicalPlan, table: &TableDef, rows: &RecordBatch) -> Result<LogicalPlan> {
    let provider = MemTable::try_new(table.row_schema(), vec![vec![rows.clone()]])?;
    let source = provider_as_source(Arc::new(provider));
    let replaced = plan.transform_down_with_subqueries(|node| match &node {
        LogicalPlan::SubqueryAlias(alias) if alias.alias.table() == EXCLUDED => {
            let within = node.transform_down(|node| match node {
                LogicalPlan::TableScan(scan) => {
                    let source = Arc::clone(&source);
                    Ok(Transformed::yes(LogicalPlan::TableScan(TableScan { source, ..scan })))
                }
                node => Ok(Transformed::no(node)),
            })?;
            Ok(Transformed::new(within.data, true, TreeNodeRecursion::Jump))
        }
        _ => Ok(Transformed::no(node)),
    })?;
    Ok(replaced.data)
}

/// The plan with the table read for these keys only, as far as that can be told: other partitions and segments are left alone.
fn narrowed(plan: LogicalPlan, table: &TableDef, rows: &RecordBatch, key: &[usize]) -> Result<LogicalPlan> {
    let narrowed = plan.transform_down(|node| {
        let Some((scan, _)) = scan_of(&node).filter(|(_, scanned)| scanned.definition().id == table.id) else {
            return Ok(Transformed::no(node));
        };
        let mut filters = Vec::with_capacity(key.len());
        for place in key {
            let name = &table.columns[*place].name;
            filters.extend(one_of(Column::new(Some(scan.table_name.clone()), name), rows.column(*place))?);
        }
        let mut builder = LogicalPlanBuilder::from(node);
        for filter in filters {
            builder = builder.filter(filter)?;
        }
        Ok(Transformed::new(builder.build()?, true, TreeNodeRecursion::Stop))
    })?;
    Ok(narrowed.data)
}

/// That a column has one of these values, or lies between the least and the greatest of them.
fn one_of(column: Column, values: &ArrayRef) -> datafusion::error::Result<Option<Expr>> {
    let mut distinct: HashSet<ScalarValue> = HashSet::new();
    let (mut least, mut greatest): (Option<ScalarValue>, Option<ScalarValue>) = (None, None);
    for row in (0..values.len()).filter(|row| values.is_valid(*row)) {
        let value = ScalarValue::try_from_array(values, row)?;
        if least.as_ref().is_none_or(|least| value < *least) {
            least = Some(value.clone());
        }
        if greatest.as_ref().is_none_or(|greatest| value > *greatest) {
            greatest = Some(value.clone());
        }
        if distinct.len() <= MOST_VALUES {
            distinct.insert(value);
        }
    }
    let literal = |value: ScalarValue| Expr::Literal(value, None);
    Ok(match (least, greatest) {
        _ if distinct.len() <= MOST_VALUES => {
            let list = distinct.into_iter().map(literal).collect();
            Some(Expr::Column(column).in_list(list, false))
        }
        (Some(least), Some(greatest)) => Some(Expr::Column(column).between(literal(least), literal(greatest))),
        _ => None,
    })
}

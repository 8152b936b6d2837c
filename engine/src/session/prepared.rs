//! Prepared statements: planned once, executed many times.

pub(super) mod execution;

use std::borrow::Cow;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, SchemaRef};
use datafusion::common::TableReference;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::{Expr, LogicalPlan, Volatility};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::scalar::ScalarValue;
use parking_lot::Mutex;

use crate::error::{EngineError, ErrorKind, Result};
use crate::scan::key_lookup::{KeyLookup, recognise};
use crate::semantics::type_names::is_bare_numeric;
use crate::semantics::{computed_numbers, quotients};
use crate::session::call::Procedure;
use crate::session::conflict::{self, Conflicting};
use crate::session::correct::{self, Correcting, Planned};
use crate::session::current_plan;
use crate::session::described;
use crate::session::explain::Explained;
use crate::session::names::Resolved;
use crate::session::origins::{self, Origin};
use crate::session::output_schema::named_as_in_postgres;
use crate::session::parameters::{Settled, from_text};
use crate::session::planning::plan_with_types;
use crate::session::privileges::Needs;
use crate::session::returning::{self, Returning};
use crate::session::{EngineSession, sequences};
use crate::sql::sequences::may_call;
use crate::sql::{Statement, StatementKind, without_secrets};
use crate::values::zone::Zone;

pub(super) use execution::task_context;

/// A planned statement.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// The statement as it was parsed.
    pub statement: Arc<Statement>,
    /// Types of `$1 …`, in order.
    pub param_types: Vec<DataType>,
    /// The same with what they are declared as.
    pub param_fields: Vec<FieldRef>,
    /// Schema of its rows; `None` when it returns none.
    pub schema: Option<SchemaRef>,
    /// Where its columns come from.
    origins: Vec<Option<Origin>>,
    work: PreparedWork,
    /// The text it is said to be, where that is another one.
    shows: Option<Arc<str>>,
    /// What the plan is where it only looks a key up.
    pub(super) lookup: Option<Arc<KeyLookup>>,
    /// What it needs.
    needs: Needs,
    /// The session's time zone when it was planned.
    time_zone: Option<String>,
    /// What its names meant then.
    names: Resolved,
    /// The same statement planned anew, once something had changed.
    anew: Arc<Mutex<Option<Arc<Prepared>>>>,
    /// Planning and executing it is hardly any work.
    pub(super) light: bool,
    /// It reads tables, and so waits where many do.
    pub(super) reads_tables: bool,
}

#[derive(Debug, Clone)]
enum PreparedWork {
    /// A plan; `optimised` says that it need not be optimised again, `changes` that it writes.
    Plan {
        plan: Arc<LogicalPlan>,
        optimised: bool,
        changes: bool,
        returning: Option<Returning>,
        conflict: Option<Arc<Conflicting>>,
    },
    /// A query or an INSERT that asks sequences for numbers; `gives` where it does more than look at those it was given.
    Numbered { inserts: bool, gives: bool },
    /// A `CALL`.
    Procedure(Procedure),
    /// An `UPDATE` or `DELETE`.
    Correction(Arc<Correcting>),
    /// DDL and settings, planned when executed.
    Command,
}

impl Prepared {
    pub(crate) async fn new(
        session: &EngineSession,
        statement: &Statement,
        hints: &[Option<DataType>],
        light: bool,
    ) -> Result<Prepared> {
        let bare = |work, schema| Prepared {
            statement: Arc::new(statement.clone()),
            param_types: Vec::new(),
            param_fields: Vec::new(),
            schema,
            origins: Vec::new(),
            work,
            shows: None,
            lookup: None,
            needs: Needs::default(),
            time_zone: None,
            names: Resolved::default(),
            anew: Arc::default(),
            light,
            reads_tables: false,
        };
        if statement.kind() == StatementKind::CreateExternalTable {
            session.check_makes_tables_of_files()?;
        }
        match statement.kind() {
            StatementKind::Query
            | StatementKind::Explain
            | StatementKind::Insert
            | StatementKind::Show
            | StatementKind::Describe => {}
            StatementKind::Call => {
                let procedure = Procedure::parse(statement)?;
                let schema = procedure.schema();
                return Ok(bare(PreparedWork::Procedure(procedure), Some(schema)));
            }
            StatementKind::Update | StatementKind::Delete => {
                let time_zone = session.context().state().config_options().execution.time_zone.clone();
                let Planned { correcting, param_fields, needs, names } =
                    Box::pin(Correcting::plan(session, statement, hints)).await?;
                let returning = correcting.returning.as_ref();
                let schema = returning.map(|returning| Arc::clone(&returning.schema));
                let origins = returning.map_or_else(Vec::new, |returning| origins::of(&returning.plan));
                let param_types = param_fields.iter().map(|field| field.data_type().clone()).collect();
                let work = PreparedWork::Correction(Arc::new(correcting));
                let bare = bare(work, schema);
                return Ok(Prepared {
                    origins,
                    param_types,
                    param_fields,
                    needs,
                    names,
                    time_zone,
                    reads_tables: true,
                    ..bare
                });
            }
            _ => return Ok(bare(PreparedWork::Command, None)),
        }
        if let Some(of_query) = correct::explained(session, statement)? {
            return Box::pin(Prepared::new(session, &of_query, hints, light)).await;
        }
        if let Some(numbered) = Box::pin(Prepared::numbered(session, statement, hints)).await? {
            return Ok(numbered);
        }
        let state = session.context().state();
        if let Some(zone) = &state.config_options().execution.time_zone
            && Zone::of_setting(zone).is_none()
        {
            let message = format!("time zone \"{zone}\" not recognized");
            return Err(EngineError::new(ErrorKind::InvalidParameter, message));
        }
        let (meant, names) = match described::as_query(session, statement)? {
            Some(query) => session.resolve(&query)?,
            None => session.resolve(statement)?,
        };
        let Settled { plan, fields: mut param_fields } = plan_with_types(session, &state, &meant, hints).await?;
        if contains(&plan, |node| matches!(node, LogicalPlan::Copy(_))) {
            session.check_writes_files()?;
        }
        let mut needs = Needs::of_views(names.views());
        needs.and(Needs::of(session, statement, &plan)?);
        let is_rows = statement.kind() != StatementKind::Insert;
        let conflict = match conflict::take(&mut statement.parsed().clone())? {
            Some(conflict) if !is_rows => {
                let (conflicting, fields, more) =
                    Box::pin(Conflicting::plan(session, &state, statement, &conflict, &param_fields)).await?;
                param_fields = fields;
                needs.and(more);
                Some(Arc::new(conflicting))
            }
            _ => None,
        };
        let returning = match is_rows {
            true => None,
            false => match returning::take(&mut meant.parsed().clone())? {
                Some(query) => {
                    let (returning, fields) = Returning::plan(session, &state, query, &param_fields).await?;
                    param_fields = fields;
                    // It reads the table that is written, and what its subqueries name.
                    needs.and(Needs::of(session, statement, &returning.plan)?);
                    Some(returning)
                }
                None => None,
            },
        };
        let param_types: Vec<DataType> = param_fields.iter().map(|field| field.data_type().clone()).collect();
        // Columns of views are those of the views, which the plan does not know any more.
        let origins = match (&returning, names.views().is_empty() && statement.kind() == StatementKind::Query) {
            (Some(returning), _) => origins::of(&returning.plan),
            (None, true) => origins::of(&plan),
            (None, false) => Vec::new(),
        };
        // Types are settled by the analyser.
        let is_query = statement.kind() == StatementKind::Query;
        let optimised = is_query && is_repeatable(&plan);
        let plan = if optimised {
            state.optimize(&plan)?
        } else if is_query {
            state.analyzer().execute_and_check(plan, state.config_options(), |_, _| {})?
        } else {
            plan
        };
        let schema = match (&returning, Explained::of(statement)) {
            (Some(returning), _) => Some(Arc::clone(&returning.schema)),
            (None, Some(explained)) => Some(explained.schema()),
            (None, None) => is_rows.then(|| {
                let named = named_as_in_postgres(statement.parsed(), plan.schema().as_arrow());
                if is_query { computed_numbers::mark(&plan, &quotients::mark(&plan, &named)) } else { named }
            }),
        };
        let changes = writes(&plan);
        let reads_tables = reads_tables(&plan);
        let lookup = if optimised { recognise(&plan, &param_types).map(Arc::new) } else { None };
        let work = PreparedWork::Plan { plan: Arc::new(plan), optimised, changes, returning, conflict };
        let time_zone = state.config_options().execution.time_zone.clone();
        let (statement, anew) = (Arc::new(statement.clone()), Arc::default());
        Ok(Prepared {
            statement,
            param_types,
            param_fields,
            schema,
            origins,
            work,
            shows: None,
            lookup,
            needs,
            time_zone,
            names,
            anew,
            light,
            reads_tables,
        })
    }

    /// True while the tables are as they were when it was planned, and names and times without a zone mean the same.
    ///
    /// # Errors
    /// None but bugs.
    pub(super) fn is_still_right(&self, session: &EngineSession) -> Result<bool> {
        let plan = match &self.work {
            PreparedWork::Plan { conflict: Some(conflict), .. } if !conflict.is_current(session)? => return Ok(false),
            PreparedWork::Plan { plan, .. } => plan,
            PreparedWork::Correction(correcting) => &correcting.plan,
            _ => return Ok(true),
        };
        let tables = match &self.lookup {
            Some(lookup) => lookup.is_current(&session.engine),
            None => current_plan::is_current(&session.engine, plan)?,
        };
        Ok(tables && session.is_in_zone(self.time_zone.as_deref()) && self.names.is_current(session))
    }

    /// True for a query whose plan can be kept for its text: nothing in it has a value of now.
    pub fn is_repeatable(&self) -> bool {
        matches!(&self.work, PreparedWork::Plan { optimised: true, .. })
    }

    /// True where the statement is planned already as it has to be now.
    pub fn is_current(&self, session: &EngineSession) -> bool {
        self.is_still_right(session).unwrap_or(false)
    }

    /// True for a query that looks one key up.
    pub fn looks_up(&self) -> bool {
        self.lookup.is_some()
    }

    /// The same statement, said to be another text wherever it is shown.
    #[must_use]
    pub fn showing(&self, text: &str) -> Prepared {
        Prepared { shows: Some(text.into()), ..self.clone() }
    }

    /// True for a query that looks one key up and means the same with any values of its parameters.
    pub fn looks_up_by_parameters(&self) -> bool {
        self.lookup.as_ref().is_some_and(|lookup| lookup.takes(self.param_types.len()))
    }

    /// Which columns of its rows are columns of a table, as they are, in order; empty where none is.
    pub fn origins(&self) -> &[Option<Origin>] {
        &self.origins
    }

    /// A query or an INSERT that asks sequences for numbers: planned as with any numbers, and anew for those that it gets.
    async fn numbered(
        session: &EngineSession,
        statement: &Statement,
        hints: &[Option<DataType>],
    ) -> Result<Option<Prepared>> {
        let inserts = statement.kind() == StatementKind::Insert;
        if !(inserts || statement.kind() == StatementKind::Query) || !may_call(statement.text()) {
            return Ok(None);
        }
        let Some(with_any) = sequences::with_any_numbers(statement.parsed())? else { return Ok(None) };
        let planned = Prepared::new(session, &statement.with_parsed(with_any), hints, false).await?;
        let schema = planned.schema.as_ref().map(|schema| named_as_in_postgres(statement.parsed(), schema));
        let mut param_fields = planned.param_fields.clone();
        let further = sequences::parameters(statement.parsed())?;
        for (number, data_type) in further.into_iter().filter(|(number, _)| *number > planned.param_fields.len()) {
            if number != param_fields.len() + 1 {
                let message = format!("could not determine data type of parameter ${}", param_fields.len() + 1);
                return Err(EngineError::new(ErrorKind::IndeterminateType, message));
            }
            param_fields.push(Arc::new(Field::new("", data_type, true)));
        }
        let gives = inserts || sequences::gives(statement.parsed())?;
        Ok(Some(Prepared {
            statement: Arc::new(statement.clone()),
            param_types: param_fields.iter().map(|field| field.data_type().clone()).collect(),
            param_fields,
            schema,
            work: PreparedWork::Numbered { inserts, gives },
            // It would look for the numbers that it was planned with.
            lookup: None,
            ..planned
        }))
    }

    /// True for a parameter, counted from 0, that is cast to `numeric` without digits: its value keeps its own.
    pub fn keeps_digits(&self, parameter: usize) -> bool {
        self.param_fields.get(parameter).is_some_and(|field| is_bare_numeric(field))
    }

    /// True where executing it changes something: rows, definitions, or where rows lie.
    pub fn changes(&self) -> bool {
        self.job_name().is_some()
    }

    /// Its text for those who look at what is run: without the passwords in it.
    pub(super) fn shown(&self) -> Cow<'_, str> {
        if let Some(shows) = &self.shows {
            return Cow::Borrowed(shows);
        }
        match self.statement.kind() {
            StatementKind::Role => without_secrets(self.statement.text()),
            _ => Cow::Borrowed(self.statement.text()),
        }
    }

    /// What the statement is called as a job; `None` for one that changes nothing.
    pub(crate) fn job_name(&self) -> Option<&'static str> {
        match &self.work {
            PreparedWork::Plan { changes: false, .. } => None,
            PreparedWork::Plan { .. } | PreparedWork::Numbered { inserts: true, .. } => Some("INSERT"),
            PreparedWork::Numbered { gives, .. } => gives.then_some("nextval"),
            PreparedWork::Correction(correcting) => Some(correcting.word()),
            PreparedWork::Procedure(_) => Some("CALL"),
            PreparedWork::Command => match self.statement.kind() {
                StatementKind::Set | StatementKind::Reset => None,
                _ => Some("DDL"),
            },
        }
    }

    /// The parameters in the types that it was planned with.
    ///
    /// # Errors
    /// For values that are none of their type.
    pub(super) fn typed(&self, params: &[ScalarValue]) -> Result<Vec<ScalarValue>> {
        let zone = self.time_zone.as_deref().and_then(Zone::of_setting).map_or(Zone::UTC, |(zone, _)| zone);
        let typed = params.iter().zip(&self.param_types).map(|(value, data_type)| match value.try_as_str() {
            _ if value.data_type() == *data_type => Ok(value.clone()),
            Some(Some(text)) => from_text(text, data_type, zone),
            _ => Ok(value.cast_to(data_type)?),
        });
        typed.collect()
    }

    /// That the session may do what it does.
    ///
    /// # Errors
    /// [`ErrorKind::InsufficientPrivilege`].
    pub(crate) fn check_needs(&self, session: &EngineSession) -> Result<()> {
        self.needs.check(session)
    }

    /// The physical plan of a query without parameters, for a statement that makes a table of its rows.
    ///
    /// # Errors
    /// What planning finds.
    pub(crate) async fn physical(&self, session: &EngineSession) -> Result<Arc<dyn ExecutionPlan>> {
        let (PreparedWork::Plan { plan, optimised, .. }, []) = (&self.work, self.param_types.as_slice()) else {
            return Err(EngineError::new(ErrorKind::UndefinedParameter, "there is no parameter $1"));
        };
        self.check_needs(session)?;
        let state = session.context().state();
        Ok(match optimised {
            true => state.query_planner().create_physical_plan(plan, &state).await?,
            false => state.create_physical_plan(plan).await?,
        })
    }
}

/// True for a plan that changes something when it is executed.
fn writes(plan: &LogicalPlan) -> bool {
    contains(plan, |node| matches!(node, LogicalPlan::Dml(_) | LogicalPlan::Ddl(_) | LogicalPlan::Copy(_)))
}

/// True for a plan that reads rows of tables, or of functions. What zxq says of itself is told however much goes on, and
/// `EXPLAIN` reads nothing.
fn reads_tables(plan: &LogicalPlan) -> bool {
    let of_the_system = |name: &TableReference| matches!(name.schema(), Some("zxq" | "information_schema"));
    !matches!(plan, LogicalPlan::Explain(_))
        && contains(plan, |node| matches!(node, LogicalPlan::TableScan(scan) if !of_the_system(&scan.table_name)))
}

/// True where a node of the plan, or of a subquery in it, is such a one.
fn contains(plan: &LogicalPlan, wanted: impl Fn(&LogicalPlan) -> bool) -> bool {
    let mut found = false;
    let visited = plan.apply_with_subqueries(|node| {
        found |= wanted(node);
        Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    });
    found || visited.is_err()
}

/// True when the optimised plan stays right: it calls nothing that the optimiser folds into today's value, as `now()`.
fn is_repeatable(plan: &LogicalPlan) -> bool {
    let mut repeatable = true;
    let visited = plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|e| {
                if let Expr::ScalarFunction(f) = e
                    && f.func.signature().volatility != Volatility::Immutable
                {
                    repeatable = false;
                    return Ok(TreeNodeRecursion::Stop);
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    });
    visited.is_ok() && repeatable
}

//! `UPDATE` and `DELETE`: segments that hold such rows are written anew, in the tier that they lie in, without the rows or with what
//! became of them; rows of hot go to warm. Which rows they are, and what becomes of them, a query says ([`crate::sql::RowCorrection`]).
//! What is written belongs to the transaction until COMMIT: `write/corrections.rs`.
//!
//! Reading order: this file (from text to plan, and the transaction around it), `places.rs` (which segments may hold such rows),
//! `work.rs` (which do, and what is written in their place), `reading.rs` (the query), `rewrite.rs` (the rows of a segment), `found.rs`
//! (which of them are meant).

mod found;
mod places;
pub(super) mod reading;
mod rewrite;
mod temporary;
mod work;

use std::sync::Arc;

use arrow::datatypes::{DataType, FieldRef};
use datafusion::logical_expr::LogicalPlan;
use datafusion::scalar::ScalarValue;
use datafusion::sql::parser::Statement as DfStatement;
use zxq_catalog::TableDef;
use zxq_catalog::roles::Privileges;

use crate::context::PUBLIC;
use crate::error::{EngineError, ErrorKind, Result};
use crate::session::names::Resolved;
use crate::session::parameters::{Settled, with_values};
use crate::session::planning::plan_with_types;
use crate::session::privileges::Needs;
use crate::session::returning::{Asked, Returning};
use crate::session::temporary::{TEMPORARY, TemporaryTable};
use crate::session::{EngineSession, Outcome, conflict, sequences};
use crate::sql::relations::parts;
use crate::sql::sequences::may_call;
use crate::sql::{Becomes, CorrectionQuery, RowCorrection, Statement, StatementKind};
use crate::supervisor::control::JobControl;
use crate::write::insert_sink::Onlooker;
use crate::write::transaction::Transaction;

/// The table whose rows are corrected.
#[derive(Debug, Clone)]
enum Target {
    Stored(Arc<TableDef>),
    /// One of the session's own.
    Temporary(Arc<TemporaryTable>),
}

impl Target {
    fn definition(&self) -> &Arc<TableDef> {
        match self {
            Target::Stored(table) => table,
            Target::Temporary(table) => table.definition(),
        }
    }
}

/// A planned `UPDATE` or `DELETE`.
#[derive(Debug, Clone)]
pub(super) struct Correcting {
    becomes: Becomes,
    target: Target,
    /// The columns that are assigned to, by their places; their values follow the table's columns in the plan's.
    assigned: Vec<usize>,
    /// Other tables stand beside the target: a row may be found several times.
    joins: bool,
    /// Every row is meant.
    is_of_all: bool,
    /// What finds the rows and computes what they become. The target is its first table.
    pub(super) plan: Arc<LogicalPlan>,
    pub(super) returning: Option<Returning>,
}

/// A planned one, and what a prepared statement knows of it.
pub(super) struct Planned {
    pub(super) correcting: Correcting,
    pub(super) param_fields: Vec<FieldRef>,
    pub(super) needs: Needs,
    pub(super) names: Resolved,
}

impl Correcting {
    /// Plans a statement.
    ///
    /// # Errors
    /// [`ErrorKind::WrongObjectType`] for what is no table; whatever planning finds.
    pub(super) async fn plan(
        session: &EngineSession,
        statement: &Statement,
        hints: &[Option<DataType>],
    ) -> Result<Planned> {
        let correction = correction_of(statement)?;
        Self::plan_of(session, statement, correction, hints).await
    }

    /// As [`Correcting::plan`], of a correction that is a part of the statement.
    ///
    /// # Errors
    /// As there.
    pub(super) async fn plan_of(
        session: &EngineSession,
        statement: &Statement,
        correction: RowCorrection,
        hints: &[Option<DataType>],
    ) -> Result<Planned> {
        let target = target(session, &correction)?;
        let CorrectionQuery { query, assigned } = correction.query(target.definition())?;
        let (meant, names) = session.resolve(&statement.with_parsed(query))?;
        let state = session.context().state();
        let Settled { plan, mut fields } = plan_with_types(session, &state, &meant, hints).await?;
        let plan = state.analyzer().execute_and_check(plan, state.config_options(), |_, _| {})?;
        let mut needs = Needs::of_views(names.views());
        let returning = match correction.returning()? {
            Some(mut query) => {
                session.resolve_parsed(&mut query)?;
                let (returning, all) = Returning::plan(session, &state, query, &fields).await?;
                fields = all;
                needs.and(Needs::of(session, statement, &returning.plan)?);
                Some(returning)
            }
            None => None,
        };
        let reads = !(correction.is_of_all() && correction.becomes == Becomes::Deleted);
        if reads {
            needs.and(Needs::of(session, statement, &plan)?);
        }
        if let Target::Stored(table) = &target {
            needs.and(Needs::on(table, privilege(correction.becomes)));
        }
        let correcting = Correcting {
            becomes: correction.becomes,
            target,
            assigned,
            joins: correction.joins(),
            is_of_all: correction.is_of_all(),
            plan: Arc::new(plan),
            returning,
        };
        Ok(Planned { correcting, param_fields: fields, needs, names })
    }

    /// The word that the statement begins with, and its tag.
    pub(super) fn word(&self) -> &'static str {
        match self.becomes {
            Becomes::Changed => "UPDATE",
            Becomes::Deleted => "DELETE",
        }
    }

    /// Carries it out: as a part of the session's transaction where one is open, else as one of its own.
    ///
    /// # Errors
    /// What its expressions say, and the checks of rows; nothing of it is left then. [`ErrorKind::FenceLost`] where others changed
    /// the rows since the transaction's snapshot.
    pub(super) async fn run(
        &self,
        session: &EngineSession,
        params: Vec<ScalarValue>,
        asked: Option<Arc<Asked>>,
        control: &JobControl,
    ) -> Result<Outcome> {
        let plan = with_values(self.plan.as_ref().clone(), &params)?;
        let onlooker = asked.as_deref().map(|asked| asked as &dyn Onlooker);
        let count = match &self.target {
            Target::Temporary(table) => self.correct_temporary(session, table, plan, onlooker, control).await?,
            Target::Stored(_) => match session.transaction() {
                Some(transaction) => self.correct_stored(session, &transaction, &plan, onlooker, control).await?,
                None => {
                    let engine = &session.engine;
                    let own = Transaction::begin(engine, true);
                    match self.correct_stored(session, &own, &plan, onlooker, control).await {
                        Ok(count) => {
                            engine.commit_transaction(&own, control).await?;
                            count
                        }
                        Err(error) => {
                            engine.roll_back(&own).await;
                            return Err(error);
                        }
                    }
                }
            },
        };
        let tag = format!("{} {count}", self.word());
        Ok(asked.map_or(Outcome::Command { tag }, |asked| asked.outcome()))
    }
}

/// `EXPLAIN` of such a statement, as one of the query that finds its rows; `None` for any other.
///
/// # Errors
/// [`ErrorKind::FeatureNotSupported`] for `EXPLAIN ANALYZE`, which would change rows; of an INSERT with ON CONFLICT too.
pub(super) fn explained(session: &EngineSession, statement: &Statement) -> Result<Option<Statement>> {
    let DfStatement::Explain(explain) = statement.parsed() else { return Ok(None) };
    let correction = RowCorrection::of(&explain.statement)?;
    if explain.analyze && (correction.is_some() || conflict::take(&mut explain.statement.as_ref().clone())?.is_some()) {
        let message = "EXPLAIN ANALYZE of UPDATE, DELETE and ON CONFLICT is not supported: it would change rows";
        return Err(EngineError::new(ErrorKind::FeatureNotSupported, message)
            .with_hint("EXPLAIN ANALYZE a SELECT with the same WHERE"));
    }
    let Some(correction) = correction else { return Ok(None) };
    let query = correction.query(target(session, &correction)?.definition())?.query;
    let mut explain = explain.clone();
    *explain.statement = query;
    Ok(Some(statement.with_parsed(DfStatement::Explain(explain))))
}

fn correction_of(statement: &Statement) -> Result<RowCorrection> {
    let refused = |what: &str| EngineError::new(ErrorKind::FeatureNotSupported, what.to_owned());
    if may_call(statement.text()) && sequences::with_any_numbers(statement.parsed())?.is_some() {
        return Err(refused("numbers of sequences cannot be taken in UPDATE and DELETE: take them in a SELECT before"));
    }
    let kinds = [StatementKind::Update, StatementKind::Delete];
    match RowCorrection::of(statement.parsed())? {
        Some(correction) if kinds.contains(&statement.kind()) => Ok(correction),
        _ => Err(refused("this form of UPDATE or DELETE is not supported")),
    }
}

fn privilege(becomes: Becomes) -> Privileges {
    match becomes {
        Becomes::Changed => Privileges::UPDATE,
        Becomes::Deleted => Privileges::DELETE,
    }
}

/// The table that a correction names.
fn target(session: &EngineSession, correction: &RowCorrection) -> Result<Target> {
    let verb = match correction.becomes {
        Becomes::Changed => "update",
        Becomes::Deleted => "delete from",
    };
    let parts = parts(&correction.target);
    session.check_relation(&parts)?;
    let refused = |text: String| Err(EngineError::new(ErrorKind::WrongObjectType, text));
    match session.full_name(&parts)?.as_slice() {
        [schema, name] if schema == TEMPORARY => match session.names.temporaries.table(name) {
            Some(table) => Ok(Target::Temporary(table)),
            None => refused(format!("cannot {verb} view \"{name}\"")),
        },
        [schema, name] if schema == PUBLIC => {
            let state = session.engine.table(name)?;
            if state.def.view().is_some() {
                return refused(format!("cannot {verb} view \"{name}\""));
            }
            Ok(Target::Stored(Arc::clone(&session.engine.own_table(name)?.def)))
        }
        [schema, name] => refused(format!("cannot {verb} {schema}.{name}: it is a part of a table, or zxq's own")),
        other => refused(format!("cannot {verb} {}", other.join("."))),
    }
}

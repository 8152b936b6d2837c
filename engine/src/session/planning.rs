//! From a parsed statement to its plan: in the forms that DataFusion takes, with the types of its parameters.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::SchemaError;
use datafusion::error::DataFusionError;
use datafusion::execution::SessionState;
use datafusion::logical_expr::{LogicalPlan, Statement as LogicalStatement};
use datafusion::sql::parser::Statement as DfStatement;
use datafusion::sql::sqlparser::ast::{Ident, Statement as Ast};

use crate::error::Result;
use crate::session::parameters::{Settled, contradict, is_misread, settle};
use crate::session::{EngineSession, conflict, insert_statement, returning};
use crate::sql::explain_options::ExplainFormat;
use crate::sql::{
    self, Statement, StatementKind, array_queries, budget, distinct_aggregates, expansion, function_tables,
    parameter_places, postgres_forms, query_forms, row_places, series, set_returning, told_apart, typed_texts,
    using_columns, whole_rows,
};

/// Plans a statement and settles the types of its parameters: what stands beside them says, or, where that says something of
/// another kind than the client declared, or nothing that can be planned, what the client declared.
pub(super) async fn plan_with_types(
    session: &EngineSession,
    state: &SessionState,
    statement: &Statement,
    hints: &[Option<DataType>],
) -> Result<Settled> {
    let settled = plan_statement(session, state, statement, None).await.and_then(|plan| settle(plan, hints));
    let declared: Option<Vec<DataType>> = hints.iter().cloned().collect();
    let Some(declared) = declared.filter(|declared| !declared.is_empty()) else { return settled };
    match &settled {
        Ok(settled) if !contradict(&settled.fields, &declared) && !is_misread(&settled.plan)? => {}
        _ => {
            let plan = plan_statement(session, state, statement, Some(&declared)).await?;
            if let LogicalPlan::Statement(LogicalStatement::Prepare(prepare)) = plan {
                return Ok(Settled { plan: Arc::unwrap_or_clone(prepare.input), fields: prepare.fields });
            }
        }
    }
    settled
}

/// Plans a statement, in the forms that DataFusion takes; with the types of all parameters, as a `PREPARE`.
async fn plan_statement(
    session: &EngineSession,
    state: &SessionState,
    statement: &Statement,
    declared: Option<&[DataType]>,
) -> Result<LogicalPlan> {
    let mut parsed = statement.parsed().clone();
    conflict::take(&mut parsed)?;
    if statement.kind() == StatementKind::Insert {
        returning::take(&mut parsed)?;
    }
    plan_parsed(session, state, parsed, declared).await
}

/// Plans what the parser gave, in the forms that DataFusion takes.
pub(super) async fn plan_parsed(
    session: &EngineSession,
    state: &SessionState,
    mut parsed: DfStatement,
    declared: Option<&[DataType]>,
) -> Result<LogicalPlan> {
    if let DfStatement::Explain(explain) = &mut parsed {
        explain.format = explain.format.take().filter(|format| ExplainFormat::of(Some(format.as_str())).is_none());
    }
    expansion::check(&parsed)?;
    budget::within(0, || {
        array_queries::rewrite(&mut parsed);
        distinct_aggregates::rewrite(&mut parsed);
        parameter_places::rewrite(&mut parsed);
        query_forms::rewrite(&mut parsed)?;
        using_columns::rewrite(&mut parsed);
        whole_rows::rewrite(&mut parsed);
        set_returning::rewrite(&mut parsed);
        series::rewrite(&mut parsed)?;
        function_tables::rewrite(&mut parsed);
        postgres_forms::rewrite(&mut parsed)?;
        row_places::rewrite(&mut parsed);
        Ok(())
    })?;
    insert_statement::spell_out(session, &mut parsed)?;
    let prepared = |parsed: DfStatement| match declared {
        Some(declared) => as_prepare(parsed, declared),
        None => Ok(parsed),
    };
    match plan_in_other_forms(state, &mut parsed, &prepared).await? {
        Err(error) if share_a_name(&error) => {}
        planned => return Ok(planned?),
    }
    postgres_forms::tell_columns_apart(&mut parsed)?;
    let error = match state.statement_to_plan(prepared(parsed.clone())?).await {
        Err(error) if share_a_name(&error) => error,
        planned => return Ok(planned?),
    };
    // Not columns of the result then, but what is computed on the way to them.
    told_apart::rewrite(&mut parsed);
    match state.statement_to_plan(prepared(parsed)?).await {
        Err(still) if share_a_name(&still) => Err(error.into()),
        planned => Ok(planned?),
    }
}

/// Plans a statement, in other forms where it cannot be planned as it is: names that no column has and a relation has are its rows, and
/// texts beside values of another type are of that type.
async fn plan_in_other_forms(
    state: &SessionState,
    parsed: &mut DfStatement,
    prepared: impl Fn(DfStatement) -> Result<DfStatement>,
) -> Result<datafusion::error::Result<LogicalPlan>> {
    let mut texts_are_typed = false;
    loop {
        let planned = state.statement_to_plan(prepared(parsed.clone())?).await;
        let Err(error) = &planned else { return Ok(planned) };
        let is_changed = match missing_column(error) {
            Some(name) => whole_rows::take_records(parsed, &name),
            None if !texts_are_typed && mixes_types(error) => {
                texts_are_typed = true;
                budget::within(0, || Ok(typed_texts::rewrite(parsed)))?
            }
            None => false,
        };
        if !is_changed {
            return Ok(planned);
        }
    }
}

/// True where a function has arguments of several types that should be of one.
fn mixes_types(error: &DataFusionError) -> bool {
    let text = error.to_string();
    typed_texts::OF_ONE_TYPE.iter().any(|function| text.contains(function))
}

/// The name alone that no column has.
fn missing_column(error: &DataFusionError) -> Option<String> {
    let DataFusionError::SchemaError(error, _) = error.find_root() else { return None };
    match error.as_ref() {
        SchemaError::FieldNotFound { field, .. } if field.relation.is_none() => Some(field.name.clone()),
        _ => None,
    }
}

/// True where two columns of one step of the plan would have the same name.
fn share_a_name(error: &DataFusionError) -> bool {
    match error.find_root() {
        DataFusionError::SchemaError(error, _) => matches!(
            **error,
            SchemaError::DuplicateUnqualifiedField { .. }
                | SchemaError::DuplicateQualifiedField { .. }
                | SchemaError::AmbiguousReference { .. }
        ),
        other => other.to_string().contains("unique expression names"),
    }
}

/// `PREPARE p (types) AS statement`, where it is one that can be prepared so.
fn as_prepare(parsed: DfStatement, declared: &[DataType]) -> Result<DfStatement> {
    let DfStatement::Statement(statement) = parsed else { return Ok(parsed) };
    let data_types = declared.iter().map(sql::type_in_sql).collect::<Result<Vec<_>, _>>()?;
    Ok(DfStatement::Statement(Box::new(Ast::Prepare { name: Ident::new("p"), data_types, statement })))
}

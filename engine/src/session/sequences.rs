//! The numbers that `nextval`, `currval`, `setval` and `lastval` give; sequences are made and changed in [`sequence_ddl`].
//!
//! A sequence is kept as a view of its state, which each number that it gives replaces in the catalog: a number is given once,
//! whatever becomes of who asked for it. The sequence of a column that is numbered is that column's (`constraints/numbers.rs`).
//!
//! [`sequence_ddl`]: crate::session::sequence_ddl

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::physical_plan::collect;
use datafusion::scalar::ScalarValue;
use datafusion::sql::parser::Statement as DfStatement;
use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Value, Visit, VisitMut, Visitor, VisitorMut,
};
use parking_lot::Mutex;
use zxq_catalog::roles::Privileges;
use zxq_catalog::{Change, ColumnDef, SEQUENCE, TableDef, TableState, VIEW_QUERY};

use crate::constraints::numbers::Numbers;
use crate::error::{EngineError, ErrorKind, LanguageError, Result};
use crate::roles::acting::Acting;
use crate::roles::rights::Rights;
use crate::session::{EngineSession, Prepared};
use crate::sql::sequence_def::SequenceDef;
use crate::sql::sequences::{self, Call, Number};
use crate::sql::{self, Statement, normalise};
use crate::state::commit::Record;
use crate::state::engine::Engine;
use crate::supervisor::control::JobControl;

/// The numbers that a session was given.
#[derive(Debug, Default)]
pub(crate) struct Given {
    /// The last one of each sequence.
    by_sequence: HashMap<String, i64>,
    /// The sequence that gave the last one.
    last: Option<String>,
}

impl Given {
    pub(crate) fn note(&mut self, sequence: &str, number: i64) {
        self.by_sequence.insert(sequence.to_owned(), number);
        self.last = Some(sequence.to_owned());
    }
}

/// Who asks for numbers while a statement runs, and as part of which job.
pub(crate) struct Asker {
    engine: Arc<Engine>,
    acting: Acting,
    given: Arc<Mutex<Given>>,
    control: Arc<JobControl>,
}

impl Asker {
    pub(crate) fn new(session: &EngineSession, control: &Arc<JobControl>) -> Self {
        Asker {
            engine: Arc::clone(&session.engine),
            acting: session.acting.clone(),
            given: Arc::clone(&session.given),
            control: Arc::clone(control),
        }
    }

    /// The next numbers of a sequence, that many.
    ///
    /// # Errors
    /// A sequence that there is not, or that gives no more; [`ErrorKind::InsufficientPrivilege`].
    pub(crate) async fn next(&self, sequence: &str, count: usize) -> Result<Vec<i64>> {
        let numbers = self.engine.next_numbers(&self.acting, sequence, count, &self.control).await?;
        if let Some(last) = numbers.last() {
            self.given.lock().note(sequence, *last);
        }
        Ok(numbers)
    }
}

/// The statement with numbers in the places of its calls.
///
/// # Errors
/// Sequences that there are not, or give no more.
pub(crate) async fn with_numbers(
    session: &EngineSession,
    statement: &Statement,
    parameters: &[ScalarValue],
    control: &JobControl,
) -> Result<Statement> {
    let mut parsed = statement.parsed().clone();
    let sequences::Calls { calls, over_rows } = sequences::calls(&parsed)?;
    let mut numbers = Vec::with_capacity(calls.len());
    for mut call in calls {
        call.arguments.iter_mut().for_each(|argument| write_parameters(argument, parameters));
        numbers.push(match over_rows {
            true => Number::OfRow(sequence_of(session, &call)?),
            false => Number::Given(number_of(session, &call, control).await?),
        });
    }
    sequences::replace(&mut parsed, numbers);
    Ok(statement.with_parsed(parsed))
}

/// The statement with any numbers in those places, to plan it with.
///
/// # Errors
/// As [`sequences::calls`].
pub(crate) fn with_any_numbers(parsed: &DfStatement) -> Result<Option<DfStatement>> {
    let calls = sequences::calls(parsed)?.calls.len();
    if calls == 0 {
        return Ok(None);
    }
    let mut parsed = parsed.clone();
    sequences::replace(&mut parsed, vec![Number::Given(0); calls]);
    Ok(Some(parsed))
}

/// True for a statement that takes or sets numbers, not only looks at those that the session was given.
///
/// # Errors
/// As [`sequences::calls`].
pub(crate) fn gives(parsed: &DfStatement) -> Result<bool> {
    Ok(sequences::calls(parsed)?.calls.iter().any(|call| matches!(call.function, "nextval" | "setval")))
}

/// The parameters in the arguments of a statement's calls, with their types.
///
/// # Errors
/// As [`sequences::calls`].
pub(crate) fn parameters(parsed: &DfStatement) -> Result<BTreeMap<usize, DataType>> {
    struct Found {
        numbers: Vec<usize>,
    }
    impl Visitor for Found {
        type Break = ();
        fn pre_visit_expr(&mut self, expr: &Expr) -> std::ops::ControlFlow<()> {
            if let Expr::Value(value) = expr
                && let Value::Placeholder(name) = &value.value
            {
                self.numbers.extend(name.strip_prefix('$').and_then(|number| number.parse::<usize>().ok()));
            }
            std::ops::ControlFlow::Continue(())
        }
    }
    let mut types = BTreeMap::new();
    for call in sequences::calls(parsed)?.calls {
        for (at, argument) in call.arguments.iter().enumerate() {
            let mut found = Found { numbers: Vec::new() };
            let _ = Visit::visit(argument, &mut found);
            let data_type = match at {
                0 => DataType::Utf8View,
                1 => DataType::Int64,
                _ => DataType::Boolean,
            };
            types.extend(found.numbers.into_iter().map(|number| (number, data_type.clone())));
        }
    }
    Ok(types)
}

fn write_parameters(expr: &mut Expr, parameters: &[ScalarValue]) {
    struct Written<'a>(&'a [ScalarValue]);
    impl VisitorMut for Written<'_> {
        type Break = ();
        fn pre_visit_expr(&mut self, expr: &mut Expr) -> std::ops::ControlFlow<()> {
            let Expr::Value(value) = expr else { return std::ops::ControlFlow::Continue(()) };
            let Value::Placeholder(name) = &value.value else { return std::ops::ControlFlow::Continue(()) };
            let number: Option<usize> = name.strip_prefix('$').and_then(|number| number.parse().ok());
            if let Some(given) = number.and_then(|number| self.0.get(number.checked_sub(1)?)) {
                value.value = match given.is_null() {
                    true => Value::Null,
                    false => Value::SingleQuotedString(given.to_string()),
                };
            }
            std::ops::ControlFlow::Continue(())
        }
    }
    let _ = VisitMut::visit(expr, &mut Written(parameters));
}

async fn number_of(session: &EngineSession, call: &Call, control: &JobControl) -> Result<i64> {
    let undefined = |name: &str| {
        let message = match name {
            "" => "lastval is not yet defined in this session".to_owned(),
            name => format!("currval of sequence \"{name}\" is not yet defined in this session"),
        };
        EngineError::new(ErrorKind::NotReady, message)
    };
    if call.function == "lastval" {
        let given = session.given.lock();
        let last = given.last.as_ref().and_then(|name| given.by_sequence.get(name).copied());
        return last.ok_or_else(|| undefined(""));
    }
    let name = sequence_of(session, call)?;
    match (call.function, call.arguments.get(1..).unwrap_or_default()) {
        ("nextval", []) => {
            let numbers = session.engine.next_numbers(&session.acting, &name, 1, control).await?;
            let number = numbers.first().copied().ok_or_else(|| EngineError::internal("a number was given"))?;
            session.given.lock().note(&name, number);
            Ok(number)
        }
        ("currval", []) => {
            session.engine.check_sequence(&name)?;
            session.given.lock().by_sequence.get(&name).copied().ok_or_else(|| undefined(&name))
        }
        ("setval", [number]) => set(session, &name, number, None, control).await,
        ("setval", [number, is_called]) => set(session, &name, number, Some(is_called), control).await,
        _ => Err(EngineError::no_function(call.function, "…")),
    }
}

/// The sequence that a call names, as it is kept.
fn sequence_of(session: &EngineSession, call: &Call) -> Result<String> {
    let name = match call.arguments.first() {
        Some(Expr::Function(function)) => of_column(session, function)?,
        Some(argument) => sequences::named(argument),
        None => None,
    };
    name.map(|name| session.kept_name(&name)).ok_or_else(|| {
        let message = format!("{} is supported with the name of a sequence as a literal", call.function);
        EngineError::new(ErrorKind::FeatureNotSupported, message)
    })
}

/// The sequence that `pg_get_serial_sequence('t', 'a')` names.
fn of_column(session: &EngineSession, function: &Function) -> Result<Option<String>> {
    let is_it = function
        .name
        .0
        .last()
        .and_then(|part| part.as_ident())
        .is_some_and(|name| normalise(name) == "pg_get_serial_sequence");
    let FunctionArguments::List(list) = &function.args else { return Ok(None) };
    let [FunctionArg::Unnamed(FunctionArgExpr::Expr(table)), FunctionArg::Unnamed(FunctionArgExpr::Expr(column))] =
        list.args.as_slice()
    else {
        return Ok(None);
    };
    let Expr::Value(column) = column else { return Ok(None) };
    let (true, Some(table), Value::SingleQuotedString(column)) = (is_it, sequences::named(table), &column.value) else {
        return Ok(None);
    };
    let def = Arc::clone(&session.engine.table(&table)?.def);
    Ok(def.column(column).and_then(|column| column.default.as_deref()).and_then(sequences::of_default))
}

async fn set(
    session: &EngineSession,
    name: &str,
    number: &Expr,
    is_called: Option<&Expr>,
    control: &JobControl,
) -> Result<i64> {
    let is_called = is_called.map_or_else(|| "true".to_owned(), Expr::to_string);
    let text = format!("SELECT CAST(({number}) AS BIGINT) AS number, CAST(({is_called}) AS BOOLEAN) AS is_called");
    let query = sql::parse(&text)?.pop().ok_or_else(|| EngineError::internal("a query was made"))?;
    let prepared = control.stoppable(Box::pin(Prepared::new(session, &query, &[], false))).await?;
    let physical = control.stoppable(prepared.physical(session)).await?;
    let rows = control.stoppable(collect(physical, session.context().task_ctx())).await?;
    let row = rows.iter().find(|batch| batch.num_rows() > 0);
    let row = row.ok_or_else(|| EngineError::internal("the arguments of setval gave no row"))?;
    let value = |at: usize| ScalarValue::try_from_array(row.column(at), 0);
    let (ScalarValue::Int64(Some(number)), ScalarValue::Boolean(Some(is_called))) = (value(0)?, value(1)?) else {
        return Err(EngineError::new(ErrorKind::NullNotAllowed, format!("setval of sequence \"{name}\" to NULL")));
    };
    session.engine.set_number(&session.acting, name, number, is_called, control).await?;
    if is_called {
        session.given.lock().by_sequence.insert(name.to_owned(), number);
    }
    Ok(number)
}

impl Engine {
    pub(super) fn check_sequence(&self, name: &str) -> Result<()> {
        let snapshot = self.snapshot();
        let is_sequence = snapshot.table(name).is_some_and(|state| state.def.sequence().is_some());
        if is_sequence || numbered_by(snapshot.tables.values(), name).is_some() {
            return Ok(());
        }
        Err(match snapshot.table(name) {
            Some(_) => EngineError::new(ErrorKind::WrongObjectType, format!("\"{name}\" is not a sequence")),
            None => EngineError::no_relation(name),
        })
    }

    /// The numbers of the column that takes them from this sequence, for a session that may do with them what `may` asks for.
    pub(super) fn column_numbers(
        &self,
        acting: &Acting,
        name: &str,
        may: impl FnOnce(&Rights, &TableDef) -> bool,
    ) -> Result<Option<Numbers>> {
        let snapshot = self.snapshot();
        let Some((state, column)) = numbered_by(snapshot.tables.values(), name) else { return Ok(None) };
        if !may(&Rights::of(&snapshot, &acting.who())?, &state.def) {
            let message = format!("permission denied for sequence {name}");
            return Err(EngineError::new(ErrorKind::InsufficientPrivilege, message));
        }
        Ok(self.numbering_checker(&state)?.numbers_of(&column))
    }

    async fn next_numbers(
        self: &Arc<Self>,
        acting: &Acting,
        name: &str,
        count: usize,
        control: &JobControl,
    ) -> Result<Vec<i64>> {
        // Who may put rows into the table is given its numbers by that, too.
        let may = |rights: &Rights, table: &TableDef| rights.on_table(table).has(Privileges::INSERT);
        if let Some(numbers) = self.column_numbers(acting, name, may)? {
            return (0..count).map(|_| numbers.next_one()).collect();
        }
        let may = [Privileges::USAGE, Privileges::UPDATE];
        self.check_may_count(acting, name, &may)?;
        self.change_sequence(name, |sequence| sequence.give_many(name, count), control).await
    }

    async fn set_number(
        self: &Arc<Self>,
        acting: &Acting,
        name: &str,
        number: i64,
        is_called: bool,
        control: &JobControl,
    ) -> Result<()> {
        if let Some(numbers) = self.column_numbers(acting, name, Rights::owns)? {
            numbers.set(if is_called { number } else { number.saturating_sub(1) });
            return Ok(());
        }
        self.check_may_count(acting, name, &[Privileges::UPDATE])?;
        self.change_sequence(name, |sequence| sequence.set(name, number, is_called), control).await
    }

    /// That there is such a sequence, and that one of these privileges on it is there, too.
    fn check_may_count(&self, acting: &Acting, name: &str, any_of: &[Privileges]) -> Result<()> {
        self.check_sequence(name)?;
        let snapshot = self.snapshot();
        let rights = Rights::of(&snapshot, &acting.who())?;
        match snapshot.table(name) {
            Some(state) => rights.check_sequence(&state.def, any_of),
            None => Ok(()),
        }
    }

    /// Changes what a sequence has come to, for everybody and for good.
    async fn change_sequence<T>(
        self: &Arc<Self>,
        name: &str,
        change: impl FnOnce(&mut SequenceDef) -> Result<T, LanguageError>,
        control: &JobControl,
    ) -> Result<T> {
        let change = |def: &mut TableDef| -> Result<T> {
            let sequence = def.sequence().and_then(SequenceDef::parse);
            let mut sequence =
                sequence.ok_or_else(|| EngineError::internal(format!("sequence {name} cannot be read")))?;
            let result = change(&mut sequence)?;
            def.options.extend(kept(&sequence));
            Ok(result)
        };
        self.change_sequence_def(name, change, control).await
    }

    /// Changes the definition of a sequence, from what those before have made of it.
    pub(super) async fn change_sequence_def<T>(
        self: &Arc<Self>,
        name: &str,
        change: impl FnOnce(&mut TableDef) -> Result<T>,
        control: &JobControl,
    ) -> Result<T> {
        self.check_write()?;
        let id = self.table(name)?.def.id;
        let _alone = control.wait(self.locks.change_table(id)).await?;
        let mut def = self.table(name)?.def.as_ref().clone();
        let result = change(&mut def)?;
        let _finishing = control.must_finish()?;
        self.commit(vec![Change::AlterTable(Box::new(def))], Record::default()).await?;
        Ok(result)
    }
}

/// What a definition keeps of a sequence.
pub(super) fn kept(sequence: &SequenceDef) -> BTreeMap<String, String> {
    let options = [(VIEW_QUERY, sequence.as_query()), (SEQUENCE, sequence.to_string())];
    BTreeMap::from(options.map(|(name, value)| (name.to_owned(), value)))
}

/// The column that takes its numbers from a sequence.
pub(super) fn numbered_by<'a>(
    mut tables: impl Iterator<Item = &'a Arc<TableState>>,
    sequence: &str,
) -> Option<(Arc<TableState>, String)> {
    tables.find_map(|state| {
        let is_it = |column: &&ColumnDef| {
            column.default.as_deref().and_then(sequences::of_default).is_some_and(|name| name == sequence)
        };
        state.def.columns.iter().find(is_it).map(|column| (Arc::clone(state), column.name.clone()))
    })
}

/// The sequences that an INSERT into a table takes numbers from by itself, with the places of their columns.
pub(crate) fn of_columns(def: &TableDef) -> Vec<(usize, String)> {
    let of = |(at, column): (usize, &ColumnDef)| Some((at, sequences::of_default(column.default.as_deref()?)?));
    def.columns.iter().enumerate().filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_session_was_given_is_remembered() {
        let mut given = Given::default();
        given.note("a", 1);
        given.note("b", 7);
        assert_eq!(given.last.as_ref().and_then(|name| given.by_sequence.get(name)), Some(&7));
        assert_eq!(given.by_sequence["a"], 1);
    }
}

//! CREATE SEQUENCE and DROP SEQUENCE, and the numbers that `nextval`, `currval`, `setval` and `lastval` give.
//!
//! A sequence is kept as a view of its state, which each number that it gives replaces in the catalog: a number is given once,
//! whatever becomes of who asked for it. The sequence of a column that is numbered is that column's (`constraints/numbers.rs`).

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::physical_plan::collect;
use datafusion::scalar::ScalarValue;
use datafusion::sql::parser::Statement as DfStatement;
use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, ObjectName, SequenceOptions, Value, Visit,
    VisitMut, Visitor, VisitorMut,
};
use zxq_catalog::{Change, ColumnDef, Partitioning, SEQUENCE, TableDef, TableState, VIEW_QUERY};

use crate::constraints::numbers::Numbers;
use crate::error::{EngineError, ErrorKind, Result};
use crate::session::ddl::check_owner;
use crate::session::{EngineSession, Prepared};
use crate::sql::sequences::{self, Call, SequenceDef};
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

/// Makes a sequence.
///
/// # Errors
/// Options that do not fit together; a name that is taken.
pub(crate) async fn create(
    session: &EngineSession,
    name: &ObjectName,
    options: (Option<&datafusion::sql::sqlparser::ast::DataType>, &[SequenceOptions]),
    if_not_exists: bool,
    control: &JobControl,
) -> Result<()> {
    let (name, _) = session.object(name, false)?;
    session.rights()?.check_create()?;
    let sequence = SequenceDef::of(options.0, options.1)?;
    let engine = &session.engine;
    if engine.snapshot().table(&name).is_some() {
        if if_not_exists {
            session.notice(format!("relation \"{name}\" already exists, skipping"));
            return Ok(());
        }
        return Err(EngineError::new(ErrorKind::DuplicateTable, format!("relation \"{name}\" already exists")));
    }
    let column = |name: &str, data_type: DataType, sql_type: &str| ColumnDef {
        name: name.to_owned(),
        data_type,
        sql_type: sql_type.to_owned(),
        nullable: false,
        default: None,
        generated: None,
        max_chars: None,
    };
    let def = TableDef {
        id: 0,
        name,
        renamed_from: None,
        owner: session.owner_of_new_tables(),
        columns: vec![
            column("last_value", DataType::Int64, "BIGINT"),
            column("log_cnt", DataType::Int64, "BIGINT"),
            column("is_called", DataType::Boolean, "BOOLEAN"),
        ],
        checks: Vec::new(),
        partitioning: Partitioning::none(),
        time_column: None,
        sort_by: Vec::new(),
        lookup: Vec::new(),
        options: kept(&sequence),
    };
    match session.transaction() {
        Some(transaction) => engine.create_table_within(&transaction, def, control).await.map(drop),
        None => engine.create_table(def, control).await.map(drop),
    }
}

fn kept(sequence: &SequenceDef) -> BTreeMap<String, String> {
    let options = [(VIEW_QUERY, sequence.as_query()), (SEQUENCE, sequence.to_string())];
    BTreeMap::from(options.map(|(name, value)| (name.to_owned(), value)))
}

/// Drops sequences.
///
/// # Errors
/// Those that there are not; relations that are none; [`ErrorKind::DependentObjects`] for those that columns take numbers from.
pub(crate) async fn drop_sequences(
    session: &EngineSession,
    names: &[ObjectName],
    if_exists: bool,
    control: &JobControl,
) -> Result<()> {
    for name in names {
        let (name, _) = session.object(name, false)?;
        let snapshot = session.engine.snapshot();
        if let Some((state, column)) = numbered_by(snapshot.tables.values(), &name) {
            let message =
                format!("cannot drop sequence {name} because column {column} of table {} needs it", state.def.name);
            return Err(EngineError::new(ErrorKind::DependentObjects, message));
        }
        match snapshot.table(&name) {
            Some(state) if state.def.sequence().is_some() => {
                check_owner(session, &name)?;
                let undone = match session.transaction() {
                    Some(transaction) => session.engine.drop_table_within(&transaction, &name, control).await?,
                    None => session.engine.drop_table(&name, control).await.map(|_| true)?,
                };
                if !undone {
                    session.note_lasting("DROP SEQUENCE");
                }
            }
            Some(_) => {
                return Err(EngineError::new(ErrorKind::WrongObjectType, format!("\"{name}\" is not a sequence")));
            }
            None if if_exists => session.notice(format!("sequence \"{name}\" does not exist, skipping")),
            None => {
                return Err(EngineError::new(ErrorKind::UndefinedTable, format!("sequence \"{name}\" does not exist")));
            }
        }
    }
    Ok(())
}

/// The column that takes its numbers from a sequence.
fn numbered_by<'a>(
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
    let mut numbers = Vec::new();
    for mut call in sequences::calls(&parsed)? {
        call.arguments.iter_mut().for_each(|argument| write_parameters(argument, parameters));
        numbers.push(number_of(session, &call, control).await?);
    }
    sequences::replace(&mut parsed, numbers);
    Ok(statement.with_parsed(parsed))
}

/// The statement with any numbers in those places, to plan it with.
///
/// # Errors
/// As [`sequences::calls`].
pub(crate) fn with_any_numbers(parsed: &DfStatement) -> Result<Option<DfStatement>> {
    let calls = sequences::calls(parsed)?.len();
    if calls == 0 {
        return Ok(None);
    }
    let mut parsed = parsed.clone();
    sequences::replace(&mut parsed, vec![0; calls]);
    Ok(Some(parsed))
}

/// True for a statement that takes or sets numbers, not only looks at those that the session was given.
///
/// # Errors
/// As [`sequences::calls`].
pub(crate) fn gives(parsed: &DfStatement) -> Result<bool> {
    Ok(sequences::calls(parsed)?.iter().any(|call| matches!(call.function, "nextval" | "setval")))
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
    for call in sequences::calls(parsed)? {
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
    let name = match call.arguments.first() {
        Some(Expr::Function(function)) => of_column(session, function)?,
        Some(argument) => sequences::named(argument),
        None => None,
    };
    let Some(name) = name.map(|name| session.kept_name(&name)) else {
        let message = format!("{} is supported with the name of a sequence as a literal", call.function);
        return Err(EngineError::new(ErrorKind::FeatureNotSupported, message));
    };
    match (call.function, call.arguments.get(1..).unwrap_or_default()) {
        ("nextval", []) => {
            let number = session.engine.next_number(session, &name, control).await?;
            session.given.lock().note(&name, number);
            Ok(number)
        }
        ("currval", []) => {
            session.engine.check_sequence(&name)?;
            session.given.lock().by_sequence.get(&name).copied().ok_or_else(|| undefined(&name))
        }
        ("setval", [number]) => set(session, &name, number, None, control).await,
        ("setval", [number, is_called]) => set(session, &name, number, Some(is_called), control).await,
        _ => {
            Err(EngineError::new(ErrorKind::UndefinedFunction, format!("function {}(…) does not exist", call.function)))
        }
    }
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
    session.engine.set_number(session, name, number, is_called, control).await?;
    if is_called {
        session.given.lock().by_sequence.insert(name.to_owned(), number);
    }
    Ok(number)
}

impl Engine {
    fn check_sequence(&self, name: &str) -> Result<()> {
        let snapshot = self.snapshot();
        let is_sequence = snapshot.table(name).is_some_and(|state| state.def.sequence().is_some());
        if is_sequence || numbered_by(snapshot.tables.values(), name).is_some() {
            return Ok(());
        }
        Err(match snapshot.table(name) {
            Some(_) => EngineError::new(ErrorKind::WrongObjectType, format!("\"{name}\" is not a sequence")),
            None => EngineError::new(ErrorKind::UndefinedTable, format!("relation \"{name}\" does not exist")),
        })
    }

    /// The numbers of the column that takes them from this sequence.
    fn column_numbers(&self, name: &str) -> Result<Option<Numbers>> {
        let snapshot = self.snapshot();
        let Some((state, column)) = numbered_by(snapshot.tables.values(), name) else { return Ok(None) };
        Ok(self.numbering_checker(&state)?.numbers_of(&column))
    }

    async fn next_number(self: &Arc<Self>, session: &EngineSession, name: &str, control: &JobControl) -> Result<i64> {
        if let Some(numbers) = self.column_numbers(name)? {
            return numbers.next_one();
        }
        self.check_sequence(name)?;
        self.change_sequence(session, name, |sequence| sequence.give(name), control).await
    }

    async fn set_number(
        self: &Arc<Self>,
        session: &EngineSession,
        name: &str,
        number: i64,
        is_called: bool,
        control: &JobControl,
    ) -> Result<()> {
        if let Some(numbers) = self.column_numbers(name)? {
            numbers.set(if is_called { number } else { number.saturating_sub(1) });
            return Ok(());
        }
        self.check_sequence(name)?;
        self.change_sequence(session, name, |sequence| sequence.set(name, number, is_called), control).await
    }

    /// Changes what a sequence has come to, for everybody and for good.
    async fn change_sequence<T>(
        self: &Arc<Self>,
        session: &EngineSession,
        name: &str,
        change: impl FnOnce(&mut SequenceDef) -> Result<T>,
        control: &JobControl,
    ) -> Result<T> {
        self.check_write()?;
        let def = Arc::clone(&self.table(name)?.def);
        check_owner(session, name)?;
        let _alone = control.wait(self.locks.change_table(def.id)).await?;
        // What those before have made of it.
        let mut def = self.table(name)?.def.as_ref().clone();
        let sequence = def.sequence().and_then(SequenceDef::parse);
        let mut sequence = sequence.ok_or_else(|| EngineError::internal(format!("sequence {name} cannot be read")))?;
        let result = change(&mut sequence)?;
        def.options.extend(kept(&sequence));
        let _finishing = control.must_finish()?;
        self.commit(vec![Change::AlterTable(Box::new(def))], Record::default()).await?;
        Ok(result)
    }
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

//! One statement, planned: who runs it, its parameters and its columns.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::scalar::ScalarValue;
use pgwire::api::Type;
use zxq_engine::{EngineError, EngineSession, Place, Prepared, StatementKind};

use super::copy::options::CopyCommand;
use super::decode;
use super::error::WireError;
use super::lexer::{Lexer, TokenKind};
use super::long_work::beside_others;
use super::mistake_place::place_of;
use super::session::Session;
use super::settings_commands;
use super::types::{self, Column, field_type, parameter_hint};
use super::utility::{self, Utility};
use crate::pg_catalog::CatalogStatement;

/// Who runs a statement.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "one lives per statement, never in a collection")]
pub(crate) enum Runner {
    /// Nobody: it is empty.
    Empty,
    /// The engine, which has prepared it.
    Engine(Prepared),
    /// The introspection tables.
    Catalog(CatalogStatement),
    /// The connection itself.
    Utility(Utility),
}

/// How `CommandComplete` counts rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RowTag {
    /// `SELECT n`.
    Select,
    /// `FETCH n`.
    Fetch,
    /// `INSERT 0 n`: of an INSERT that returns its rows.
    Insert,
    /// `UPDATE n`, `DELETE n`: of those that return their rows.
    Counted(&'static str),
    /// A word without a count.
    Word(&'static str),
}

impl RowTag {
    /// The tag for this many rows.
    pub(crate) fn text(self, rows: u64) -> String {
        match self {
            RowTag::Select => format!("SELECT {rows}"),
            RowTag::Fetch => format!("FETCH {rows}"),
            RowTag::Insert => format!("INSERT 0 {rows}"),
            RowTag::Counted(word) => format!("{word} {rows}"),
            RowTag::Word(word) => word.to_owned(),
        }
    }
}

/// A planned statement.
#[derive(Debug)]
pub(crate) struct Planned {
    /// The text it was planned from.
    pub(crate) text: String,
    /// Who runs it.
    pub(crate) work: Runner,
    /// OIDs of `$1 …` as the client is told.
    pub(crate) parameters: Vec<u32>,
    /// Its columns; `None` when it returns no rows.
    pub(crate) columns: Option<Vec<Column>>,
    /// How its rows are counted.
    pub(crate) tag: RowTag,
    /// The statement that it is about: a cursor's query.
    pub(crate) inner: Option<Arc<Planned>>,
}

impl Planned {
    /// Plans one statement. `oids` are the parameter types the client declared, 0 where it left them open.
    ///
    /// # Errors
    /// Whatever parsing and planning find.
    pub(crate) async fn new(session: &Session, text: &str, oids: &[u32]) -> Result<Planned, WireError> {
        let planned = |work, columns, tag| Planned {
            text: text.to_owned(),
            work,
            parameters: Vec::new(),
            columns,
            tag,
            inner: None,
        };
        if text.is_empty() {
            return Ok(planned(Runner::Empty, None, RowTag::Select));
        }
        if let Some(utility) = beside_others(text.len(), || utility::parse(text))? {
            if let Utility::Declare(declare) = &utility {
                let query = Box::pin(Planned::new(session, &declare.query, oids)).await;
                let query = query.map_err(|error| error.behind(declare.at))?;
                if !query.is_query() {
                    return Err(WireError::syntax("a cursor needs a query").at(declare.at));
                }
                let parameters = query.parameters.clone();
                let planned = planned(Runner::Utility(utility), None, RowTag::Select);
                return Ok(Planned { parameters, inner: Some(Arc::new(query)), ..planned });
            }
            let (columns, tag) = match &utility {
                Utility::Show(name) => (Some(settings_commands::show_columns(name)), RowTag::Word("SHOW")),
                Utility::Fetch { name, skip: false, .. } => (session.cursor_columns(name), RowTag::Fetch),
                Utility::Execute { name, .. } => (session.statement_columns(name), RowTag::Select),
                _ => (None, RowTag::Select),
            };
            return Ok(planned(Runner::Utility(utility), columns, tag));
        }
        if let Some(statement) = session.catalog.plan(&session.engine, || session.identity(text), text, oids).await? {
            let columns = statement.columns();
            let parameters = statement.parameter_oids().to_vec();
            let planned = planned(Runner::Catalog(statement), Some(columns), RowTag::Select);
            return Ok(Planned { parameters, ..planned });
        }
        Planned::for_engine(session, text, oids).await
    }

    /// Plans one statement that is neither the connection's own nor the catalog's.
    ///
    /// # Errors
    /// As [`Planned::new`].
    pub(super) async fn for_engine(session: &Session, text: &str, oids: &[u32]) -> Result<Planned, WireError> {
        let statements = session.engine.parse_apart(text).await.map_err(|error| located(error, text))?;
        let [statement] = statements.as_slice() else {
            return Err(WireError::syntax("cannot insert multiple commands into a prepared statement"));
        };
        let hints: Vec<_> = oids.iter().map(|oid| parameter_hint(*oid)).collect();
        let prepared = session.engine.prepare(statement, &hints).await.map_err(|error| located(error, text))?;
        let parameters = prepared
            .param_fields
            .iter()
            .enumerate()
            .map(|(at, inferred)| match oids.get(at) {
                Some(oid) if *oid != 0 && *oid != Type::UNKNOWN.oid() => *oid,
                _ => field_type(inferred).oid(),
            })
            .collect();
        let mut columns = prepared.schema.as_ref().map(|schema| types::columns(schema));
        for (column, origin) in columns.iter_mut().flatten().zip(session.catalog.origins(prepared.origins())) {
            column.origin = origin;
        }
        let tag = match statement.kind() {
            StatementKind::Explain => RowTag::Word("EXPLAIN"),
            StatementKind::Show | StatementKind::Describe => RowTag::Word("SHOW"),
            StatementKind::Call => RowTag::Word("CALL"),
            StatementKind::Insert => RowTag::Insert,
            StatementKind::Update => RowTag::Counted("UPDATE"),
            StatementKind::Delete => RowTag::Counted("DELETE"),
            _ => RowTag::Select,
        };
        Ok(Planned { text: text.to_owned(), work: Runner::Engine(prepared), parameters, columns, tag, inner: None })
    }

    /// True for a query, which changes nothing.
    pub(crate) fn is_query(&self) -> bool {
        match &self.work {
            Runner::Engine(prepared) => prepared.statement.kind() == StatementKind::Query,
            Runner::Catalog(_) => true,
            Runner::Empty | Runner::Utility(_) => false,
        }
    }

    /// True for a query that can be planned once for all: nothing in its plan is of now.
    pub(crate) fn is_repeatable(&self) -> bool {
        matches!(&self.work, Runner::Engine(prepared) if prepared.is_repeatable())
    }

    /// True where planning it now would give the same.
    pub(crate) fn is_current(&self, session: &EngineSession) -> bool {
        matches!(&self.work, Runner::Engine(prepared) if prepared.is_current(session))
    }

    /// True for a query that looks a key up.
    pub(crate) fn looks_up(&self) -> bool {
        matches!(&self.work, Runner::Engine(prepared) if prepared.looks_up())
    }

    /// True for one that means the same with any values of its parameters.
    pub(crate) fn looks_up_by_parameters(&self) -> bool {
        matches!(&self.work, Runner::Engine(prepared) if prepared.looks_up_by_parameters())
    }

    /// The same query, said to be this one: the text whose constants are its parameters.
    pub(crate) fn showing(&self, text: &str) -> Planned {
        let work = match &self.work {
            Runner::Engine(prepared) => Runner::Engine(prepared.showing(text)),
            _ => Runner::Empty,
        };
        let (parameters, columns) = (self.parameters.clone(), self.columns.clone());
        Planned { text: text.to_owned(), work, parameters, columns, tag: self.tag, inner: self.inner.clone() }
    }

    /// True for a statement that changes something.
    pub(crate) fn changes(&self) -> bool {
        match &self.work {
            Runner::Engine(prepared) => prepared.changes(),
            Runner::Utility(Utility::Copy(copy)) => matches!(**copy, CopyCommand::In { .. }),
            Runner::Catalog(_) | Runner::Empty | Runner::Utility(_) => false,
        }
    }

    /// What it is called: `INSERT`, `CREATE TABLE`.
    pub(crate) fn words(&self) -> String {
        let mut words = self.text.split_whitespace().map(str::to_uppercase);
        let first = words.next().unwrap_or_default();
        match first.as_str() {
            "CREATE" | "DROP" | "ALTER" => format!("{first} {}", words.next().unwrap_or_default()),
            "COPY" => "COPY FROM".to_owned(),
            _ => first,
        }
    }

    /// Checks that PREPARE may keep it: a statement of the connection itself, such as EXECUTE, it may not.
    ///
    /// # Errors
    /// 42601.
    pub(crate) fn can_be_prepared(&self) -> Result<(), WireError> {
        match &self.work {
            Runner::Engine(_) | Runner::Catalog(_) => Ok(()),
            Runner::Empty => Err(WireError::syntax("syntax error at end of input: expected a statement")),
            Runner::Utility(_) => {
                let word = self.text.split_whitespace().next().unwrap_or_default();
                Err(WireError::syntax(format!(
                    "syntax error at or near \"{word}\": PREPARE takes a query or an INSERT"
                )))
            }
        }
    }

    /// The type that a parameter was planned with, from 0.
    pub(crate) fn wanted(&self, at: usize) -> Option<&DataType> {
        match &self.work {
            Runner::Engine(prepared) => prepared.param_types.get(at),
            _ => self.inner.as_ref().and_then(|inner| inner.wanted(at)),
        }
    }

    /// The type that a value of a parameter is made before it is known whether the plan can take it: that which the parameter was
    /// planned with, but for a number that is shown with its own digits.
    pub(crate) fn taken_as(&self, at: usize) -> DataType {
        let own_digits = match &self.work {
            Runner::Engine(prepared) => self.is_query() && prepared.keeps_digits(at),
            _ => false,
        };
        self.wanted(at).filter(|_| !own_digits).cloned().unwrap_or(DataType::Null)
    }

    /// The statement for these values: itself, or, where a number has more digits than the type that it was planned with,
    /// planned anew with that number in its text.
    ///
    /// # Errors
    /// As [`Planned::new`].
    pub(crate) async fn for_values(
        self: Arc<Self>,
        session: &Session,
        values: &mut [ScalarValue],
    ) -> Result<Arc<Self>, WireError> {
        let literals: Vec<Option<String>> = values
            .iter()
            .enumerate()
            .map(|(at, value)| match self.wanted(at) {
                Some(wanted) if *wanted != DataType::Null && !decode::fits(value, wanted) => exact_literal(value),
                _ => None,
            })
            .collect();
        if literals.iter().all(Option::is_none) {
            return Ok(self);
        }
        for (value, literal) in values.iter_mut().zip(&literals) {
            if literal.is_some() {
                *value = ScalarValue::Utf8View(None);
            }
        }
        Ok(Arc::new(self.with_literals(session, &literals).await?))
    }

    /// The same statement with some parameters written into its text.
    async fn with_literals(&self, session: &Session, literals: &[Option<String>]) -> Result<Planned, WireError> {
        let mut text = String::with_capacity(self.text.len());
        let mut copied = 0;
        let mut lexer = Lexer::new(&self.text);
        while let Some(token) = lexer.next()? {
            let literal = (token.kind == TokenKind::Parameter)
                .then(|| token.raw[1..].parse::<usize>().ok()?.checked_sub(1))
                .flatten()
                .and_then(|at| literals.get(at)?.as_ref());
            if let Some(literal) = literal {
                text.push_str(&self.text[copied..token.start]);
                text.push_str(literal);
                copied = token.end();
            }
        }
        text.push_str(&self.text[copied..]);
        match self.inner {
            Some(_) => Planned::new(session, &text, &self.parameters).await,
            None => Planned::for_engine(session, &text, &self.parameters).await,
        }
    }
}

/// A number as an SQL literal of exactly its own digits and type.
fn exact_literal(value: &ScalarValue) -> Option<String> {
    match value {
        ScalarValue::Decimal128(Some(_), _, scale) => {
            Some(format!("CAST('{value_text}' AS DECIMAL(38,{scale}))", value_text = decimal_text(value)?))
        }
        ScalarValue::Int16(Some(number)) => Some(format!("CAST('{number}' AS SMALLINT)")),
        ScalarValue::Int32(Some(number)) => Some(format!("CAST('{number}' AS INTEGER)")),
        ScalarValue::Int64(Some(number)) => Some(format!("CAST('{number}' AS BIGINT)")),
        ScalarValue::Float32(Some(number)) => Some(format!("CAST('{number}' AS REAL)")),
        ScalarValue::Float64(Some(number)) => Some(format!("CAST('{number}' AS DOUBLE PRECISION)")),
        _ => None,
    }
}

fn decimal_text(value: &ScalarValue) -> Option<String> {
    let ScalarValue::Decimal128(Some(unscaled), _, scale) = value else { return None };
    let mut text = bytes::BytesMut::new();
    super::encode::text::write_decimal(&mut text, &unscaled.to_string(), *scale);
    String::from_utf8(text.to_vec()).ok()
}

/// The error with its place where clients point at it: in the text.
fn located(error: EngineError, text: &str) -> WireError {
    match error.place().and_then(|place| offset_of(text, place)) {
        Some(offset) => {
            let message = error.message().to_owned();
            WireError { message, ..WireError::from(error).at(offset) }
        }
        None => {
            let place = error.subject().and_then(|subject| place_of(subject, text));
            let error = WireError::from(error);
            match place {
                Some(offset) => error.at(offset),
                None => error,
            }
        }
    }
}

/// Byte offset of a place.
fn offset_of(text: &str, place: Place) -> Option<usize> {
    let (line, column) = (usize::try_from(place.line).ok()?, usize::try_from(place.column).ok()?);
    let start = match line.checked_sub(2) {
        None => 0,
        Some(breaks) => text.match_indices('\n').nth(breaks)?.0 + 1,
    };
    let rest = text.get(start..)?;
    let within = rest.char_indices().map(|(at, _)| at).chain([rest.len()]).nth(column.checked_sub(1)?)?;
    Some(start + within)
}

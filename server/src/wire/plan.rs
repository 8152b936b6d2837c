//! One statement, planned: who runs it, its parameters and its columns.

use datafusion::scalar::ScalarValue;
use pgwire::api::Type;
use zxq_engine::{EngineError, ErrorKind, Prepared, StatementKind};

use super::error::WireError;
use super::lexer::{Kind, Lexer};
use super::session::Session;
use super::settings_commands;
use super::types::{self, Column, parameter_hint, pg_type};
use super::utility::{self, Utility};
use crate::pg_catalog::CatalogStatement;

/// Who runs a statement.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "one lives per statement, never in a collection")]
pub(crate) enum Work {
    /// Nobody: it is empty.
    Empty,
    /// The engine.
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
    /// A word without a count.
    Word(&'static str),
}

impl RowTag {
    /// The tag for this many rows.
    pub(crate) fn text(self, rows: u64) -> String {
        match self {
            RowTag::Select => format!("SELECT {rows}"),
            RowTag::Fetch => format!("FETCH {rows}"),
            RowTag::Word(word) => word.to_owned(),
        }
    }
}

/// A planned statement.
#[derive(Debug)]
pub(crate) struct Planned {
    /// Its text.
    pub(crate) text: String,
    /// Who runs it.
    pub(crate) work: Work,
    /// OIDs of `$1 …` as the client is told.
    pub(crate) parameters: Vec<u32>,
    /// Its columns; `None` when it returns no rows.
    pub(crate) columns: Option<Vec<Column>>,
    /// How its rows are counted.
    pub(crate) tag: RowTag,
}

impl Planned {
    /// Plans one statement. `oids` are the parameter types the client declared, 0 where it left them open.
    ///
    /// # Errors
    /// Whatever parsing and planning find.
    pub(crate) async fn new(session: &Session, text: &str, oids: &[u32]) -> Result<Planned, WireError> {
        let planned =
            |work, columns, tag| Planned { text: text.to_owned(), work, parameters: Vec::new(), columns, tag };
        if text.is_empty() {
            return Ok(planned(Work::Empty, None, RowTag::Select));
        }
        if let Some(utility) = utility::parse(text)? {
            let (columns, tag) = match &utility {
                Utility::Show(name) => (Some(settings_commands::show_columns(name)), RowTag::Word("SHOW")),
                Utility::Fetch { name, skip: false, .. } => (session.cursor_columns(name), RowTag::Fetch),
                Utility::Execute { name, .. } => (session.statement_columns(name), RowTag::Select),
                _ => (None, RowTag::Select),
            };
            return Ok(planned(Work::Utility(utility), columns, tag));
        }
        if let Some(statement) = session.catalog.plan(&session.engine, || session.identity(), text, oids).await? {
            let columns = statement.columns();
            let parameters = statement.parameter_oids().to_vec();
            let planned = planned(Work::Catalog(statement), Some(columns), RowTag::Select);
            return Ok(Planned { parameters, ..planned });
        }
        Planned::for_engine(session, text, oids).await
    }

    async fn for_engine(session: &Session, text: &str, oids: &[u32]) -> Result<Planned, WireError> {
        let statements = session.engine.parse(text).map_err(|error| located(error, text))?;
        let [statement] = statements.as_slice() else {
            return Err(WireError::syntax("cannot insert multiple commands into a prepared statement"));
        };
        let hints: Vec<_> = oids.iter().map(|oid| parameter_hint(*oid)).collect();
        let prepared = session.engine.prepare(statement, &hints).await.map_err(|error| located(error, text))?;
        let parameters = prepared
            .param_types
            .iter()
            .enumerate()
            .map(|(at, inferred)| match oids.get(at) {
                Some(oid) if *oid != 0 && *oid != Type::UNKNOWN.oid() => *oid,
                _ => pg_type(inferred).oid(),
            })
            .collect();
        let columns = prepared.schema.as_ref().map(|schema| types::columns(schema));
        let tag = match statement.kind() {
            StatementKind::Explain => RowTag::Word("EXPLAIN"),
            StatementKind::Show | StatementKind::Describe => RowTag::Word("SHOW"),
            StatementKind::Call => RowTag::Word("CALL"),
            _ => RowTag::Select,
        };
        Ok(Planned { text: text.to_owned(), work: Work::Engine(prepared), parameters, columns, tag })
    }

    /// The same statement with some parameters written into its text: numerics with more digits than the plan's type.
    ///
    /// # Errors
    /// As [`Planned::new`].
    pub(crate) async fn with_literals(
        &self,
        session: &Session,
        literals: &[Option<String>],
    ) -> Result<Planned, WireError> {
        let mut text = String::with_capacity(self.text.len());
        let mut copied = 0;
        let mut lexer = Lexer::new(&self.text);
        while let Some(token) = lexer.next()? {
            let literal = (token.kind == Kind::Parameter)
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
        Planned::for_engine(session, &text, &self.parameters).await
    }
}

/// A numeric as an SQL literal of exactly its own digits.
pub(crate) fn exact_literal(value: &ScalarValue) -> Option<String> {
    match value {
        ScalarValue::Decimal128(Some(_), _, scale) => {
            Some(format!("CAST('{value_text}' AS DECIMAL(38,{scale}))", value_text = decimal_text(value)?))
        }
        _ => None,
    }
}

fn decimal_text(value: &ScalarValue) -> Option<String> {
    let ScalarValue::Decimal128(Some(unscaled), _, scale) = value else { return None };
    let mut text = bytes::BytesMut::new();
    super::encode::text::write_decimal(&mut text, &unscaled.to_string(), *scale);
    String::from_utf8(text.to_vec()).ok()
}

/// Moves the place a syntax error names in words, `(line 1, column 8)`, to where clients point at it.
fn located(error: EngineError, text: &str) -> WireError {
    let is_syntax = error.kind() == ErrorKind::Syntax;
    let mut error = WireError::from(error);
    if !is_syntax {
        return error;
    }
    let place = error.message.split_once(" (line ").and_then(|(before, rest)| {
        let (numbers, after) = rest.split_once(')')?;
        let (line, column) = numbers.split_once(", column ")?;
        Some((format!("{before}{after}"), line.parse::<usize>().ok()?, column.parse::<usize>().ok()?))
    });
    if let Some((message, line, column)) = place {
        error.message = message;
        error.offset = offset_of(text, line, column);
    }
    error
}

/// Byte offset of a line and column, both counted from 1, columns in characters.
fn offset_of(text: &str, line: usize, column: usize) -> Option<usize> {
    let start = match line.checked_sub(2) {
        None => 0,
        Some(breaks) => text.match_indices('\n').nth(breaks)?.0 + 1,
    };
    let rest = text.get(start..)?;
    let within = rest.char_indices().map(|(at, _)| at).chain([rest.len()]).nth(column.checked_sub(1)?)?;
    Some(start + within)
}

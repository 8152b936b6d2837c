//! The calls of `nextval` and its like in a statement, and the sequences that they name.

use std::ops::ControlFlow;

use datafusion::sql::parser::Statement as DfStatement;
use datafusion::sql::sqlparser::ast::{
    CastKind, DataType, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Query, SetExpr, Value, Visit,
    VisitMut, Visitor, VisitorMut,
};

use super::ident::normalise;
use super::postgres_operators::call;
use super::statement::parse_expression;
use crate::error::{EngineError, ErrorKind, Result};

/// The functions that ask or set a sequence.
const FUNCTIONS: [&str; 4] = ["nextval", "currval", "setval", "lastval"];

/// The sequence that a DEFAULT such as `nextval('t_a_seq'::regclass)` takes numbers from.
pub fn of_default(default: &str) -> Option<String> {
    let Ok(Expr::Function(function)) = parse_expression(default) else { return None };
    (function_of(&function) == Some("nextval")).then(|| named(arguments(&function).first()?)).flatten()
}

/// The name that a text or a cast of one is, as it is kept: with its schema, where that is not public.
pub fn named(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Cast { expr, .. } | Expr::Nested(expr) => named(expr),
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) => match parse_expression(text).ok()? {
                Expr::Identifier(name) => Some(normalise(&name)),
                Expr::CompoundIdentifier(parts) => {
                    let name = normalise(parts.last()?);
                    let schema = parts.iter().rev().nth(1).map(normalise).filter(|schema| schema != "public");
                    Some(schema.map_or(name.clone(), |schema| format!("{schema}.{name}")))
                }
                _ => None,
            },
            _ => None,
        },
        _ => None,
    }
}

/// One call.
#[derive(Debug, Clone)]
pub struct Call {
    /// Which function, in lower case.
    pub function: &'static str,
    /// What stands between its parentheses.
    pub arguments: Vec<Expr>,
}

fn function_of(function: &Function) -> Option<&'static str> {
    let name = normalise(function.name.0.last()?.as_ident()?);
    FUNCTIONS.into_iter().find(|known| *known == name)
}

fn arguments(function: &Function) -> Vec<Expr> {
    let FunctionArguments::List(list) = &function.args else { return Vec::new() };
    let argument = |argument: &FunctionArg| match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
        _ => None,
    };
    list.args.iter().filter_map(argument).collect()
}

/// True for a text that may call one of the functions.
pub fn may_call(text: &str) -> bool {
    let text = text.as_bytes();
    FUNCTIONS.iter().any(|name| text.windows(name.len()).any(|window| window.eq_ignore_ascii_case(name.as_bytes())))
}

/// The calls of a statement.
#[derive(Debug, Clone, Default)]
pub struct Calls {
    /// In the order in which they are computed.
    pub calls: Vec<Call>,
    /// A query that has a call reads rows: `nextval` is computed for each of them.
    pub over_rows: bool,
}

/// The calls of a statement.
///
/// # Errors
/// [`ErrorKind::FeatureNotSupported`] where a call that is not `nextval` would be computed for each row of a table, beside one
/// that is.
pub fn calls(statement: &DfStatement) -> Result<Calls> {
    let DfStatement::Statement(ast) = statement else { return Ok(Calls::default()) };
    let mut found = Finder::default();
    let _: ControlFlow<()> = Visit::visit(ast.as_ref(), &mut found);
    let Finder { calls, over_rows, .. } = found;
    let gives = |call: &Call| call.function == "nextval";
    let sets = calls.iter().any(|call| call.function == "setval");
    if over_rows && (sets || calls.iter().any(gives) && !calls.iter().all(gives)) {
        let message = "setval, and currval and lastval beside nextval, are not supported in queries that read rows";
        return Err(EngineError::new(ErrorKind::FeatureNotSupported, message)
            .with_hint("Columns that are SERIAL or have DEFAULT nextval(…) are numbered by the INSERT itself"));
    }
    let over_rows = over_rows && calls.iter().any(gives);
    Ok(Calls { calls, over_rows })
}

#[derive(Default)]
struct Finder {
    calls: Vec<Call>,
    /// A query that has a call reads from somewhere.
    over_rows: bool,
    /// Within the arguments of a call.
    inside: usize,
}

impl Visitor for Finder {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        if self.inside == 0
            && let SetExpr::Select(select) = query.body.as_ref()
            && !select.from.is_empty()
        {
            self.over_rows = true;
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        if let Expr::Function(function) = expr
            && let Some(name) = function_of(function)
        {
            if self.inside == 0 {
                self.calls.push(Call { function: name, arguments: arguments(function) });
            }
            self.inside += 1;
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        if matches!(expr, Expr::Function(function) if function_of(function).is_some()) {
            self.inside -= 1;
        }
        ControlFlow::Continue(())
    }
}

/// What stands in the place of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Number {
    /// This number.
    Given(i64),
    /// One of this sequence, for each row.
    OfRow(String),
}

/// The function that stands for a number of each row; it is taken out of the plan again before that runs.
pub const NUMBER_OF_ROW: &str = "zxq_number_of_row";

/// Puts numbers into the places of the calls, in the order of [`calls`].
pub fn replace(statement: &mut DfStatement, numbers: Vec<Number>) {
    if let DfStatement::Statement(ast) = statement {
        let mut numbers = Numbers { numbers: numbers.into_iter(), place: 0 };
        let _: ControlFlow<()> = VisitMut::visit(ast.as_mut(), &mut numbers);
    }
}

struct Numbers {
    numbers: std::vec::IntoIter<Number>,
    place: usize,
}

impl VisitorMut for Numbers {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if matches!(expr, Expr::Function(function) if function_of(function).is_some())
            && let Some(number) = self.numbers.next()
        {
            self.place += 1;
            let text = |text: &str| Expr::Value(Value::SingleQuotedString(text.to_owned()).into());
            *expr = match number {
                Number::Given(number) => Expr::Cast {
                    kind: CastKind::Cast,
                    expr: Box::new(text(&number.to_string())),
                    data_type: DataType::BigInt(None),
                    array: false,
                    format: None,
                },
                // Two calls are two numbers: their places make them differ.
                Number::OfRow(sequence) => call(NUMBER_OF_ROW, vec![text(&sequence), text(&self.place.to_string())]),
            };
        }
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn calls_are_found_and_replaced() {
        let parse = |text| crate::sql::parse(text).unwrap().pop().unwrap().into_parsed();
        let mut statement = parse("INSERT INTO t VALUES (nextval('s'), 'a'), (nextval('public.\"S\"'), 'b')");
        let found = calls(&statement).unwrap().calls;
        let names: Vec<_> = found.iter().map(|call| named(&call.arguments[0]).unwrap()).collect();
        assert_eq!(names, ["s", "S"]);
        replace(&mut statement, vec![Number::Given(7), Number::Given(8)]);
        assert!(statement.to_string().contains("CAST('8' AS BIGINT), 'b'"), "{statement}");
        assert_eq!(calls(&parse("SELECT setval('s', (SELECT max(id) FROM t))")).unwrap().calls.len(), 1);
        let mut of_rows = parse("SELECT nextval('s'), a FROM t");
        assert!(calls(&of_rows).unwrap().over_rows);
        replace(&mut of_rows, vec![Number::OfRow("s".to_owned())]);
        assert!(of_rows.to_string().contains("zxq_number_of_row('s', '1'), a"), "{of_rows}");
        assert!(!calls(&parse("SELECT currval('s'), a FROM t")).unwrap().over_rows);
        calls(&parse("SELECT setval('s', a) FROM t")).unwrap_err();
        calls(&parse("SELECT nextval('s'), currval('s') FROM t")).unwrap_err();
        assert_eq!(of_default("nextval('t_a_seq'::regclass)").as_deref(), Some("t_a_seq"));
    }
}

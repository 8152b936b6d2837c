//! Sequences: what CREATE SEQUENCE says, how that is kept, and the calls of `nextval` and its like in a statement.

use std::fmt;
use std::ops::ControlFlow;

use datafusion::sql::parser::Statement as DfStatement;
use datafusion::sql::sqlparser::ast::{
    CastKind, DataType, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Query, SequenceOptions,
    SetExpr, UnaryOperator, Value, Visit, VisitMut, Visitor, VisitorMut,
};

use super::ident::{normalise, quote_ident};
use super::statement::parse_expression;
use crate::error::{EngineError, ErrorKind, Result};

/// The functions.
const FUNCTIONS: [&str; 4] = ["nextval", "currval", "setval", "lastval"];

/// A sequence as its definition keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SequenceDef {
    pub(crate) increment: i64,
    pub(crate) least: i64,
    pub(crate) most: i64,
    pub(crate) start: i64,
    pub(crate) cycles: bool,
    /// The last number that was given, once one was.
    pub(crate) last: Option<i64>,
    /// The number that the next call gives, where it was set so.
    pub(crate) next: Option<i64>,
}

impl fmt::Display for SequenceDef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SequenceDef { increment, least, most, start, cycles, .. } = self;
        write!(f, "{increment} {least} {most} {start} {cycles}")?;
        for number in [self.last, self.next] {
            match number {
                Some(number) => write!(f, " {number}")?,
                None => write!(f, " -")?,
            }
        }
        Ok(())
    }
}

impl SequenceDef {
    /// From the text that [`fmt::Display`] makes.
    pub(crate) fn parse(text: &str) -> Option<SequenceDef> {
        let words: Vec<&str> = text.split(' ').collect();
        let [increment, least, most, start, cycles, last, next] = words.as_slice() else { return None };
        let number = |text: &&str| if *text == "-" { Some(None) } else { text.parse().ok().map(Some) };
        Some(SequenceDef {
            increment: increment.parse().ok()?,
            least: least.parse().ok()?,
            most: most.parse().ok()?,
            start: start.parse().ok()?,
            cycles: cycles.parse().ok()?,
            last: number(last)?,
            next: number(next)?,
        })
    }

    /// What CREATE SEQUENCE says.
    ///
    /// # Errors
    /// As PostgreSQL has them, [`ErrorKind::InvalidParameter`].
    pub(crate) fn of(data_type: Option<&DataType>, options: &[SequenceOptions]) -> Result<SequenceDef> {
        let (lowest, highest) = match data_type {
            None | Some(DataType::BigInt(_) | DataType::Int8(_)) => (i64::MIN, i64::MAX),
            Some(DataType::Int(_) | DataType::Integer(_) | DataType::Int4(_)) => {
                (i64::from(i32::MIN), i64::from(i32::MAX))
            }
            Some(DataType::SmallInt(_) | DataType::Int2(_)) => (i64::from(i16::MIN), i64::from(i16::MAX)),
            Some(_) => return Err(invalid("sequence type must be smallint, integer, or bigint")),
        };
        let (mut increment, mut least, mut most, mut start, mut cycles) = (1, None, None, None, false);
        for option in options {
            match option {
                SequenceOptions::IncrementBy(number, _) => increment = integer(number)?,
                SequenceOptions::MinValue(number) => least = number.as_ref().map(integer).transpose()?,
                SequenceOptions::MaxValue(number) => most = number.as_ref().map(integer).transpose()?,
                SequenceOptions::StartWith(number, _) => start = Some(integer(number)?),
                SequenceOptions::Cache(number) => {
                    if integer(number)? < 1 {
                        return Err(invalid(format!("CACHE ({number}) must be greater than zero")));
                    }
                }
                // The parser says true of NO CYCLE.
                SequenceOptions::Cycle(no) => cycles = !no,
            }
        }
        if increment == 0 {
            return Err(invalid("INCREMENT must not be zero"));
        }
        let up = increment > 0;
        let least = least.unwrap_or(if up { 1 } else { lowest });
        let most = most.unwrap_or(if up { highest } else { -1 });
        if least >= most {
            return Err(invalid(format!("MINVALUE ({least}) must be less than MAXVALUE ({most})")));
        }
        if least < lowest || most > highest {
            let (name, bound) = if least < lowest { ("MINVALUE", least) } else { ("MAXVALUE", most) };
            return Err(invalid(format!("{name} ({bound}) is out of range for the sequence's data type")));
        }
        let start = start.unwrap_or(if up { least } else { most });
        if start < least {
            return Err(invalid(format!("START value ({start}) cannot be less than MINVALUE ({least})")));
        }
        if start > most {
            return Err(invalid(format!("START value ({start}) cannot be greater than MAXVALUE ({most})")));
        }
        Ok(SequenceDef { increment, least, most, start, cycles, last: None, next: None })
    }

    /// Gives the next number.
    ///
    /// # Errors
    /// [`ErrorKind::SequenceExhausted`].
    pub(crate) fn give(&mut self, name: &str) -> Result<i64> {
        let number = match (self.next.take(), self.last) {
            (Some(next), _) => next,
            (None, None) => self.start,
            (None, Some(last)) => {
                let next = last.checked_add(self.increment).filter(|next| (self.least..=self.most).contains(next));
                let up = self.increment > 0;
                match next {
                    Some(next) => next,
                    None if self.cycles => {
                        if up {
                            self.least
                        } else {
                            self.most
                        }
                    }
                    None => {
                        let (word, bound) = if up { ("maximum", self.most) } else { ("minimum", self.least) };
                        return Err(EngineError::new(
                            ErrorKind::SequenceExhausted,
                            format!("nextval: reached {word} value of sequence \"{name}\" ({bound})"),
                        ));
                    }
                }
            }
        };
        self.last = Some(number);
        Ok(number)
    }

    /// Sets the last number that was given, or, where it was not yet, the one that the next call gives.
    ///
    /// # Errors
    /// [`ErrorKind::NumericOutOfRange`].
    pub(crate) fn set(&mut self, name: &str, number: i64, is_called: bool) -> Result<()> {
        if !(self.least..=self.most).contains(&number) {
            let (least, most) = (self.least, self.most);
            return Err(EngineError::new(
                ErrorKind::NumericOutOfRange,
                format!("setval: value {number} is out of bounds for sequence \"{name}\" ({least}..{most})"),
            ));
        }
        (self.last, self.next) = (Some(number), (!is_called).then_some(number));
        Ok(())
    }

    /// The statement that makes one like this.
    pub(crate) fn create(&self, name: &str) -> String {
        let SequenceDef { increment, least, most, start, cycles, .. } = self;
        let cycle = if *cycles { " CYCLE" } else { "" };
        format!(
            "CREATE SEQUENCE {} INCREMENT BY {increment} MINVALUE {least} MAXVALUE {most} START WITH {start}{cycle}",
            quote_ident(name)
        )
    }

    /// The query that `SELECT * FROM sequence` reads.
    pub(crate) fn as_query(&self) -> String {
        let shown = self.next.or(self.last).unwrap_or(self.start);
        let is_called = self.last.is_some() && self.next.is_none();
        format!(
            "SELECT CAST('{shown}' AS BIGINT) AS last_value, CAST(0 AS BIGINT) AS log_cnt, {is_called} AS is_called"
        )
    }
}

fn invalid(message: impl Into<String>) -> EngineError {
    EngineError::new(ErrorKind::InvalidParameter, message)
}

fn integer(expr: &Expr) -> Result<i64> {
    fn digits(expr: &Expr) -> Option<String> {
        match expr {
            Expr::Value(value) => match &value.value {
                Value::Number(digits, _) => Some(digits.clone()),
                _ => None,
            },
            Expr::UnaryOp { op: UnaryOperator::Minus, expr } => digits(expr).map(|digits| format!("-{digits}")),
            Expr::UnaryOp { op: UnaryOperator::Plus, expr } => digits(expr),
            _ => None,
        }
    }
    let number = digits(expr).and_then(|digits| digits.parse().ok());
    number.ok_or_else(|| EngineError::new(ErrorKind::Syntax, format!("an integer was expected, not {expr}")))
}

/// The sequence that a DEFAULT such as `nextval('t_a_seq'::regclass)` takes numbers from.
pub(crate) fn of_default(default: &str) -> Option<String> {
    let Ok(Expr::Function(function)) = parse_expression(default) else { return None };
    (function_of(&function) == Some("nextval")).then(|| named(arguments(&function).first()?)).flatten()
}

/// The name that a text or a cast of one is, as it is kept: with its schema, where that is not public.
pub(crate) fn named(expr: &Expr) -> Option<String> {
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
pub(crate) struct Call {
    /// Which function, in lower case.
    pub(crate) function: &'static str,
    pub(crate) arguments: Vec<Expr>,
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
pub(crate) fn may_call(text: &str) -> bool {
    let text = text.as_bytes();
    FUNCTIONS.iter().any(|name| text.windows(name.len()).any(|window| window.eq_ignore_ascii_case(name.as_bytes())))
}

/// The calls of a statement, in the order in which they are computed.
///
/// # Errors
/// [`ErrorKind::FeatureNotSupported`] where a call would be computed for each row of a table.
pub(crate) fn calls(statement: &DfStatement) -> Result<Vec<Call>> {
    let DfStatement::Statement(ast) = statement else { return Ok(Vec::new()) };
    let mut found = Calls::default();
    let _: ControlFlow<()> = Visit::visit(ast.as_ref(), &mut found);
    if !found.calls.is_empty() && found.over_rows {
        return Err(EngineError::new(
            ErrorKind::FeatureNotSupported,
            "nextval and its like are not supported in queries that read rows",
        )
        .with_hint("Columns that are SERIAL or have DEFAULT nextval(…) are numbered by the INSERT itself"));
    }
    Ok(found.calls)
}

#[derive(Default)]
struct Calls {
    calls: Vec<Call>,
    /// A query that has a call reads from somewhere.
    over_rows: bool,
    /// Within the arguments of a call.
    inside: usize,
}

impl Visitor for Calls {
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

/// Puts numbers into the places of the calls, in the order of [`calls`].
pub(crate) fn replace(statement: &mut DfStatement, numbers: Vec<i64>) {
    if let DfStatement::Statement(ast) = statement {
        let mut numbers = Numbers { numbers: numbers.into_iter() };
        let _: ControlFlow<()> = VisitMut::visit(ast.as_mut(), &mut numbers);
    }
}

struct Numbers {
    numbers: std::vec::IntoIter<i64>,
}

impl VisitorMut for Numbers {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if matches!(expr, Expr::Function(function) if function_of(function).is_some())
            && let Some(number) = self.numbers.next()
        {
            *expr = Expr::Cast {
                kind: CastKind::Cast,
                expr: Box::new(Expr::Value(Value::SingleQuotedString(number.to_string()).into())),
                data_type: DataType::BigInt(None),
                array: false,
                format: None,
            };
        }
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn sequence(text: &str) -> Result<SequenceDef> {
        let parsed = crate::sql::parse(text).unwrap().pop().unwrap().into_parsed();
        let DfStatement::Statement(ast) = parsed else { unreachable!() };
        match *ast {
            datafusion::sql::sqlparser::ast::Statement::CreateSequence { data_type, sequence_options, .. } => {
                SequenceDef::of(data_type.as_ref(), &sequence_options)
            }
            _ => unreachable!(),
        }
    }

    #[test]
    fn numbers_are_given_in_steps() {
        let mut by_five = sequence("CREATE SEQUENCE s INCREMENT BY 5 MAXVALUE 12").unwrap();
        assert_eq!([by_five.give("s").unwrap(), by_five.give("s").unwrap(), by_five.give("s").unwrap()], [1, 6, 11]);
        assert_eq!(by_five.give("s").unwrap_err().kind(), ErrorKind::SequenceExhausted);
        by_five.set("s", 3, false).unwrap();
        assert_eq!([by_five.give("s").unwrap(), by_five.give("s").unwrap()], [3, 8]);
        assert_eq!(SequenceDef::parse(&by_five.to_string()), Some(by_five.clone()));
        by_five.set("s", 13, true).unwrap_err();
        let mut down = sequence("CREATE SEQUENCE s INCREMENT -1 MINVALUE -2 CYCLE").unwrap();
        let given: Vec<i64> = (0..4).map(|_| down.give("s").unwrap()).collect();
        assert_eq!(given, [-1, -2, -1, -2]);
        sequence("CREATE SEQUENCE s START 5 MAXVALUE 3").unwrap_err();
        sequence("CREATE SEQUENCE s INCREMENT 0").unwrap_err();
    }

    #[test]
    fn calls_are_found_and_replaced() {
        let parse = |text| crate::sql::parse(text).unwrap().pop().unwrap().into_parsed();
        let mut statement = parse("INSERT INTO t VALUES (nextval('s'), 'a'), (nextval('public.\"S\"'), 'b')");
        let found = calls(&statement).unwrap();
        let names: Vec<_> = found.iter().map(|call| named(&call.arguments[0]).unwrap()).collect();
        assert_eq!(names, ["s", "S"]);
        replace(&mut statement, vec![7, 8]);
        assert!(statement.to_string().contains("CAST('8' AS BIGINT), 'b'"), "{statement}");
        assert_eq!(calls(&parse("SELECT setval('s', (SELECT max(id) FROM t))")).unwrap().len(), 1);
        calls(&parse("SELECT nextval('s') FROM t")).unwrap_err();
        assert_eq!(of_default("nextval('t_a_seq'::regclass)").as_deref(), Some("t_a_seq"));
    }
}

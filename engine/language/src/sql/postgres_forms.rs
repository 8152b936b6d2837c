//! PostgreSQL's forms that DataFusion's planner does not take, rewritten into forms that it does.

use std::collections::HashSet;
use std::ops::ControlFlow;

use datafusion::sql::parser::Statement as DfStatement;
use datafusion::sql::sqlparser::ast::{
    CastKind, DataType, ExactNumberInfo, Expr, Ident, Interval, LimitClause, ObjectName, Query, Select, SelectItem,
    SetExpr, TableAlias, TableAliasColumnDef, TableFactor, UnaryOperator, Value, VisitMut, VisitorMut,
};

use crate::error::{EngineError, ErrorKind};
use crate::sql::postgres_operators::{self, call};
use crate::sql::{balanced, budget, named_arguments, normalise, text_literals};
use crate::values::interval;

#[cfg(test)]
mod tests;

/// Digits a decimal literal can have, before and behind the point together and behind it alone.
const MAX_DIGITS: i64 = 38;

/// Rewrites, everywhere in a statement: `FETCH FIRST n ROWS ONLY` into `LIMIT n`, numbers with more digits than a
/// decimal holds (`1e-300`) into doubles, others with an exponent (`1e5`) into their digits, intervals with a time of day (`'1 day 02:30'`) into their parts,
/// `time AT TIME ZONE zone` into `timezone(zone, time)`, `FROM generate_series(1, 3) AS n` into `… AS n(n)`, and long chains
/// of AND and OR into trees.
///
/// # Errors
/// `FETCH … WITH TIES` and `FETCH … PERCENT`, which have no such form.
pub fn rewrite(statement: &mut DfStatement) -> Result<(), EngineError> {
    budget::within(0, || visit(statement, &mut Forms))
}

/// The same for an expression on its own, such as a constraint's.
///
/// # Errors
/// As [`rewrite`].
pub fn rewrite_expression(expr: &mut Expr) -> Result<(), EngineError> {
    budget::within(0, || match expr.visit(&mut Forms) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    })
}

/// Gives a name to columns that PostgreSQL lets share one: DataFusion wants every column of a SELECT to differ. What
/// the user is shown does not change, see [`crate::sql::output_names`].
///
/// # Errors
/// None that there are today: it goes through a statement as [`rewrite`] does, and refuses nothing.
pub fn tell_columns_apart(statement: &mut DfStatement) -> Result<(), EngineError> {
    let top = match statement {
        DfStatement::Statement(ast) => match ast.as_mut() {
            datafusion::sql::sqlparser::ast::Statement::Query(query) => select_of(query),
            _ => None,
        },
        _ => None,
    };
    if let Some(select) = top {
        // Behind a wildcard every name may be there already.
        let wildcard = select.projection.iter().any(|item| !matches!(item, SelectItem::UnnamedExpr(_)));
        name_repeated(select, wildcard);
    }
    visit(statement, &mut Repeated)
}

fn visit<V: VisitorMut<Break = EngineError>>(statement: &mut DfStatement, visitor: &mut V) -> Result<(), EngineError> {
    let flow = match statement {
        DfStatement::Statement(ast) => ast.visit(visitor),
        DfStatement::Explain(explain) => return visit(&mut explain.statement, visitor),
        _ => ControlFlow::Continue(()),
    };
    match flow {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

struct Forms;

impl VisitorMut for Forms {
    type Break = EngineError;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<EngineError> {
        let Some(fetch) = query.fetch.take() else { return ControlFlow::Continue(()) };
        if fetch.with_ties || fetch.percent {
            return ControlFlow::Break(EngineError::new(
                ErrorKind::FeatureNotSupported,
                "FETCH FIRST is supported as FETCH FIRST n ROWS ONLY: use rank() in a subquery instead",
            ));
        }
        let count = fetch.quantity.unwrap_or_else(|| number("1"));
        match &mut query.limit_clause {
            Some(LimitClause::LimitOffset { limit, .. }) => *limit = Some(count),
            Some(LimitClause::OffsetCommaLimit { limit, .. }) => *limit = count,
            none => {
                *none = Some(LimitClause::LimitOffset { limit: Some(count), offset: None, limit_by: Vec::new() });
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, table: &mut TableFactor) -> ControlFlow<EngineError> {
        let alias = match table {
            TableFactor::Table { name, args: Some(_), alias: Some(alias), .. }
            | TableFactor::Function { name, alias: Some(alias), .. }
                if is_series(name) =>
            {
                alias
            }
            TableFactor::UNNEST { alias, array_exprs, with_offset: false, with_ordinality: false, .. }
                if array_exprs.len() == 1 =>
            {
                let name = Ident::new("unnest");
                alias.get_or_insert(TableAlias { explicit: true, name, columns: Vec::new(), at: None })
            }
            _ => return ControlFlow::Continue(()),
        };
        if alias.columns.is_empty() {
            alias.columns.push(TableAliasColumnDef { name: alias.name.clone(), data_type: None });
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<EngineError> {
        balanced::rewrite(expr);
        if let Err(error) = text_literals::rewrite(expr).and_then(|()| postgres_operators::rewrite(expr)) {
            return ControlFlow::Break(error);
        }
        // The sign counts for all parts of an interval, not for the first.
        if let Expr::UnaryOp { op: UnaryOperator::Minus, expr: inner } = expr
            && matches!(inner.as_ref(), Expr::Interval(_))
        {
            **inner = Expr::Nested(Box::new(take(inner)));
        }
        if let Expr::Function(function) = expr
            && let Err(error) = named_arguments::order(function)
        {
            return ControlFlow::Break(error);
        }
        if let Expr::Value(value) = expr
            && let Value::Number(digits, _) = &mut value.value
            && fits_decimal(digits)
        {
            if let Some(plain) = without_exponent(digits) {
                *digits = plain;
            }
        } else if let Expr::Value(value) = expr
            && let Value::Number(digits, _) = &value.value
        {
            *expr = Expr::Cast {
                kind: CastKind::Cast,
                expr: Box::new(Expr::Value(Value::SingleQuotedString(digits.clone()).into())),
                data_type: DataType::Double(ExactNumberInfo::None),
                array: false,
                format: None,
            };
        } else if let Expr::AtTimeZone { timestamp, time_zone } = expr {
            let arguments = [time_zone, timestamp].map(|argument| take(argument.as_mut()));
            *expr = call("timezone", arguments);
        } else if let Some(parts) = interval_parts(expr) {
            *expr = Expr::Interval(Interval {
                value: Box::new(Expr::Value(Value::SingleQuotedString(parts).into())),
                leading_field: None,
                leading_precision: None,
                last_field: None,
                fractional_seconds_precision: None,
            });
        }
        ControlFlow::Continue(())
    }
}

/// True for the function whose rows have one column, which an alias names as well: `FROM generate_series(1, 3) AS n`.
fn is_series(name: &ObjectName) -> bool {
    let last = name.0.last().and_then(|part| part.as_ident());
    last.is_some_and(|ident| ident.value.eq_ignore_ascii_case("generate_series"))
}

fn take(expr: &mut Expr) -> Expr {
    std::mem::replace(expr, Expr::Value(Value::Null.into()))
}

/// The parts of `INTERVAL '…'` and `'…'::INTERVAL`, each with its unit. `None` for anything else, and for texts that the
/// planner understands.
fn interval_parts(expr: &Expr) -> Option<String> {
    let (value, unit) = match expr {
        Expr::Interval(Interval { value, leading_field, last_field, .. }) => {
            (value, last_field.as_ref().or(leading_field.as_ref()).map(|field| field.to_string().to_lowercase()))
        }
        Expr::Cast { expr, data_type: DataType::Interval { fields: None, precision: None }, .. } => (expr, None),
        _ => return None,
    };
    let Expr::Value(value) = value.as_ref() else { return None };
    let Value::SingleQuotedString(text) = &value.value else { return None };
    let parts = interval::read(text, Some(unit.as_deref().unwrap_or("second")))?;
    let spelled = format!("{} months {} days {} nanoseconds", parts.months, parts.days, parts.nanoseconds);
    // What is spelled out already stays.
    (spelled != *text).then_some(spelled)
}

fn number(digits: &str) -> Expr {
    Expr::Value(Value::Number(digits.to_owned(), false).into())
}

/// A number such as `1e5` with all its digits: DataFusion would make it a decimal with a negative scale, whose value as a
/// double is off (99999.99999999999). `None` where there is no exponent, or digits behind the point remain.
fn without_exponent(literal: &str) -> Option<String> {
    let (mantissa, exponent) = literal.split_once(['e', 'E'])?;
    let exponent: usize = exponent.parse().ok()?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let zeros = exponent.checked_sub(fraction.len())?;
    let digits = format!("{whole}{fraction}{}", "0".repeat(zeros));
    let digits = digits.trim_start_matches('0');
    // The point keeps it a decimal.
    Some(format!("{}.", if digits.is_empty() { "0" } else { digits }))
}

/// True for integers, which have a rule of their own, and decimals of at most 38 digits on each side.
fn fits_decimal(literal: &str) -> bool {
    let (mantissa, exponent) = match literal.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().unwrap_or(i64::MAX)),
        None if !literal.contains('.') => return true,
        None => (literal, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let whole = whole.trim_start_matches('0').len() as i64;
    let scale = (fraction.len() as i64).saturating_sub(exponent);
    let before_point = whole.saturating_add(exponent).max(0);
    scale <= MAX_DIGITS && before_point.saturating_add(scale.max(0)) <= MAX_DIGITS
}

struct Repeated;

impl VisitorMut for Repeated {
    type Break = EngineError;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<EngineError> {
        if let Some(select) = select_of(query) {
            name_repeated(select, false);
        }
        ControlFlow::Continue(())
    }
}

fn select_of(query: &mut Query) -> Option<&mut Select> {
    match query.body.as_mut() {
        SetExpr::Select(select) => Some(select),
        SetExpr::Query(inner) => select_of(inner),
        _ => None,
    }
}

/// Names every column but plain references, and of those and of aliases the second and later of the same name; `all` names
/// every one without an alias.
fn name_repeated(select: &mut Select, all: bool) {
    let mut seen = HashSet::new();
    for (position, item) in select.projection.iter_mut().enumerate() {
        let name = || Ident::with_quote('"', format!("column {}", position + 1));
        match item {
            SelectItem::UnnamedExpr(expr) => {
                // The same column may be written as `id`, `"id"` and `t.id`.
                let column = match expr {
                    Expr::Identifier(name) => Some(normalise(name)),
                    Expr::CompoundIdentifier(parts) => parts.last().map(normalise),
                    _ => None,
                };
                if all || column.is_none_or(|column| !seen.insert(column)) {
                    *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias: name() };
                }
            }
            SelectItem::ExprWithAlias { alias, .. } if !seen.insert(normalise(alias)) => *alias = name(),
            _ => {}
        }
    }
}

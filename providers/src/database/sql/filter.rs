//! Predicates as SQL: an allow-list of what databases evaluate exactly as DataFusion does.
//!
//! Everything that is not on the list stays with DataFusion. What agrees, and what does not:
//! - Text and bytes compare by their bytes in both. `LIKE` agrees for patterns of plain characters and `%`; DataFusion
//!   also takes `\` as an escape, and `_` is left out to be safe.
//! - DataFusion orders floats totally (`-NaN < -inf … -0.0 < 0.0 … < NaN`); databases put every NaN last and hold the
//!   two zeros equal. So floats are compared only where statistics show that no NaN is there, only with literals,
//!   and with zero only by `>` and `<=`, where both zeros give the same answer.
//! - NULL follows the same three-valued logic in both, also inside `IN` lists.
//! - Both sides of a comparison must have one type, so that no engine's rules of coercion come into play.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::expressions::{
    BinaryExpr, CastExpr, Column, InListExpr, IsNotNullExpr, IsNullExpr, LikeExpr, Literal, NotExpr,
};
use datafusion::physical_plan::PhysicalExpr;

use super::dialect::{quote, text_literal};
use super::facts::Facts;
use super::types::{is_float, is_text, same_kind};

/// A condition that the database evaluates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Predicate {
    /// A SQL expression of type BOOLEAN, safe to put between `AND`s.
    pub(crate) sql: String,
    /// Positions in the table of the columns it reads.
    pub(crate) columns: BTreeSet<usize>,
    /// True when it holds for exactly the rows for which the original holds; false when it may hold for more.
    pub(crate) exact: bool,
}

/// The predicate as SQL, or something weaker that holds at least wherever the predicate holds. `None` when nothing of it
/// can be said in SQL. Dynamic filters are read as they stand now.
pub(crate) fn translate(expr: &Arc<dyn PhysicalExpr>, facts: &Facts) -> Option<Predicate> {
    if let Some(binary) = expr.downcast_ref::<BinaryExpr>() {
        return match binary.op() {
            Operator::And => match (translate(binary.left(), facts), translate(binary.right(), facts)) {
                (Some(left), Some(right)) => Some(join("AND", left, right)),
                // Dropping a side of an AND keeps more rows, never fewer.
                (Some(one), None) | (None, Some(one)) => Some(Predicate { exact: false, ..one }),
                (None, None) => None,
            },
            Operator::Or => Some(join("OR", translate(binary.left(), facts)?, translate(binary.right(), facts)?)),
            op => comparison(binary.left(), *op, binary.right(), facts),
        };
    }
    if let Some(not) = expr.downcast_ref::<NotExpr>() {
        // The opposite of a weaker condition would keep too few rows.
        let inner = translate(not.arg(), facts).filter(|inner| inner.exact)?;
        return Some(Predicate { sql: format!("(NOT {})", inner.sql), ..inner });
    }
    if let Some(test) = expr.downcast_ref::<IsNullExpr>() {
        return Some(operand(test.arg(), facts)?.predicate(|sql| format!("({sql} IS NULL)")));
    }
    if let Some(test) = expr.downcast_ref::<IsNotNullExpr>() {
        return Some(operand(test.arg(), facts)?.predicate(|sql| format!("({sql} IS NOT NULL)")));
    }
    if let Some(list) = expr.downcast_ref::<InListExpr>() {
        return in_list(list, facts);
    }
    if let Some(like) = expr.downcast_ref::<LikeExpr>() {
        return like_pattern(like, facts);
    }
    if let Some(value) = expr.downcast_ref::<Literal>() {
        let sql = facts.dialect.literal(value.value(), &DataType::Boolean)?;
        return Some(Predicate { sql, columns: BTreeSet::new(), exact: true });
    }
    if expr.is::<Column>() {
        return operand(expr, facts).filter(|c| c.data_type == DataType::Boolean).map(|c| c.predicate(|sql| sql));
    }
    let now = expr.snapshot().ok().flatten()?;
    // What a dynamic filter says may change later, so it is never the exact filter.
    translate(&now, facts).map(|predicate| Predicate { exact: false, ..predicate })
}

fn join(word: &str, left: Predicate, right: Predicate) -> Predicate {
    Predicate {
        sql: format!("({} {word} {})", left.sql, right.sql),
        columns: left.columns.union(&right.columns).copied().collect(),
        exact: left.exact && right.exact,
    }
}

/// A column, seen through casts that do not change how it compares.
struct Operand {
    sql: String,
    position: usize,
    data_type: DataType,
    name: String,
}

impl Operand {
    fn predicate(self, sql: impl FnOnce(String) -> String) -> Predicate {
        Predicate { sql: sql(self.sql), columns: BTreeSet::from([self.position]), exact: true }
    }
}

fn operand(expr: &Arc<dyn PhysicalExpr>, facts: &Facts) -> Option<Operand> {
    if let Some(cast) = expr.downcast_ref::<CastExpr>() {
        let inner = operand(cast.expr(), facts)?;
        return (is_text(&inner.data_type) && is_text(cast.cast_type())).then_some(inner);
    }
    let column = expr.downcast_ref::<Column>()?;
    let (position, data_type) = facts.column(column.name())?;
    let sql = facts.dialect.ordered(quote(column.name()), data_type);
    Some(Operand { sql, position, data_type: data_type.clone(), name: column.name().to_owned() })
}

fn value(expr: &Arc<dyn PhysicalExpr>) -> Option<&ScalarValue> {
    expr.downcast_ref::<Literal>().map(Literal::value)
}

fn comparison(
    left: &Arc<dyn PhysicalExpr>,
    op: Operator,
    right: &Arc<dyn PhysicalExpr>,
    facts: &Facts,
) -> Option<Predicate> {
    let sign = match op {
        Operator::Eq => "=",
        Operator::NotEq => "<>",
        Operator::Lt => "<",
        Operator::LtEq => "<=",
        Operator::Gt => ">",
        Operator::GtEq => ">=",
        Operator::IsDistinctFrom => "IS DISTINCT FROM",
        Operator::IsNotDistinctFrom => "IS NOT DISTINCT FROM",
        _ => return None,
    };
    if let Some(constant) = value(right) {
        let column = operand(left, facts)?;
        let constant = comparable(&column, op, constant, facts)?;
        return Some(column.predicate(|sql| format!("({sql} {sign} {constant})")));
    }
    if value(left).is_some() {
        return comparison(right, op.swap()?, left, facts);
    }
    let (left, right) = (operand(left, facts)?, operand(right, facts)?);
    if is_float(&left.data_type) || !same_kind(&left.data_type, &right.data_type) {
        return None;
    }
    let columns = BTreeSet::from([left.position, right.position]);
    Some(Predicate { sql: format!("({} {sign} {})", left.sql, right.sql), columns, exact: true })
}

/// The constant as SQL, where comparing it with the column by `op` means the same in both engines.
fn comparable(column: &Operand, op: Operator, constant: &ScalarValue, facts: &Facts) -> Option<String> {
    let number = match constant {
        ScalarValue::Float32(Some(v)) => Some(f64::from(*v)),
        ScalarValue::Float64(Some(v)) => Some(*v),
        _ => None,
    };
    if is_float(&column.data_type)
        && let Some(number) = number
    {
        let positive_zero = number == 0.0 && number.is_sign_positive();
        let zero_is_safe = number != 0.0 || (positive_zero && matches!(op, Operator::Gt | Operator::LtEq));
        if number.is_nan() || !zero_is_safe || !facts.no_nan(&column.name) {
            return None;
        }
    }
    facts.dialect.literal(constant, &column.data_type)
}

fn in_list(list: &InListExpr, facts: &Facts) -> Option<Predicate> {
    let column = operand(list.expr(), facts)?;
    let values = list
        .list()
        .iter()
        .map(|item| comparable(&column, Operator::Eq, value(item)?, facts))
        .collect::<Option<Vec<String>>>()?;
    if values.is_empty() {
        return None;
    }
    let word = if list.negated() { "NOT IN" } else { "IN" };
    Some(column.predicate(|sql| format!("({sql} {word} ({}))", values.join(", "))))
}

fn like_pattern(like: &LikeExpr, facts: &Facts) -> Option<Predicate> {
    let pattern = match value(like.pattern())? {
        ScalarValue::Utf8(Some(p)) | ScalarValue::LargeUtf8(Some(p)) | ScalarValue::Utf8View(Some(p)) => p,
        _ => return None,
    };
    if like.case_insensitive() || pattern.contains(['_', '\\']) {
        return None;
    }
    let column = operand(like.expr(), facts).filter(|c| is_text(&c.data_type))?;
    let word = if like.negated() { "NOT LIKE" } else { "LIKE" };
    let pattern = text_literal(pattern)?;
    Some(column.predicate(|sql| format!("({sql} {word} {pattern})")))
}

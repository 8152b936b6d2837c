//! What a filter says about single columns: which values they may have. Used to narrow sorted rows to ranges.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::Schema;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::expressions::{BinaryExpr, CastExpr, Column, InListExpr, Literal};
use datafusion::physical_expr::utils::split_conjunction;
use datafusion::physical_plan::PhysicalExpr;
use zxq_catalog::Value;

use super::key::Bound;
use crate::scalar;

/// What the filter says about one column. Rows outside it cannot pass.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct ColumnBounds {
    /// The only values possible, ascending, without doubles.
    pub(crate) equals: Option<Vec<Value>>,
    pub(crate) lower: Option<Bound>,
    pub(crate) upper: Option<Bound>,
}

/// What a set of conjuncts says about columns, by name.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct KeyBounds {
    columns: BTreeMap<String, ColumnBounds>,
}

impl KeyBounds {
    /// Reads the conjuncts; whatever is not understood narrows nothing. Column positions are those of `schema`.
    pub(crate) fn of<'a>(predicates: impl IntoIterator<Item = &'a Arc<dyn PhysicalExpr>>, schema: &Schema) -> Self {
        let mut bounds = KeyBounds::default();
        for predicate in predicates {
            for conjunct in split_conjunction(predicate) {
                bounds.add(conjunct, schema);
            }
        }
        bounds
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.columns.is_empty()
    }

    pub(crate) fn column(&self, name: &str) -> Option<&ColumnBounds> {
        self.columns.get(name)
    }

    /// Columns whose only possible values are known.
    pub(crate) fn equalities(&self) -> impl Iterator<Item = (&str, &[Value])> {
        self.columns.iter().filter_map(|(name, bounds)| Some((name.as_str(), bounds.equals.as_deref()?)))
    }

    fn add(&mut self, conjunct: &Arc<dyn PhysicalExpr>, schema: &Schema) {
        if let Some((name, values)) = alternatives(conjunct, schema) {
            self.equal_to_one_of(name, values);
        } else if let Some(binary) = conjunct.downcast_ref::<BinaryExpr>() {
            let op = *binary.op();
            if let (Some(name), Some(value)) = (column_name(binary.left(), schema), literal(binary.right())) {
                self.compare(name, op, &value, schema);
            } else if let (Some(value), Some(name)) = (literal(binary.left()), column_name(binary.right(), schema))
                && let Some(op) = op.swap()
            {
                self.compare(name, op, &value, schema);
            }
        }
    }

    fn compare(&mut self, name: &str, op: Operator, value: &ScalarValue, schema: &Schema) {
        let Some(value) = typed(value, name, schema) else { return };
        match op {
            Operator::Gt => self.raise(name, Bound { value, inclusive: false }),
            Operator::GtEq => self.raise(name, Bound { value, inclusive: true }),
            Operator::Lt => self.cap(name, Bound { value, inclusive: false }),
            Operator::LtEq => self.cap(name, Bound { value, inclusive: true }),
            _ => {}
        }
    }

    fn equal_to_one_of(&mut self, name: &str, mut values: Vec<Value>) {
        let slot = &mut self.columns.entry(name.to_owned()).or_default().equals;
        values.sort_by(|a, b| a.compare(b).unwrap_or(Ordering::Equal));
        values.dedup();
        *slot = Some(match slot.take() {
            Some(known) => known.into_iter().filter(|v| values.contains(v)).collect(),
            None => values,
        });
    }

    fn raise(&mut self, name: &str, bound: Bound) {
        let slot = &mut self.columns.entry(name.to_owned()).or_default().lower;
        if slot.as_ref().is_none_or(|known| tighter(&bound, known, Ordering::Greater)) {
            *slot = Some(bound);
        }
    }

    fn cap(&mut self, name: &str, bound: Bound) {
        let slot = &mut self.columns.entry(name.to_owned()).or_default().upper;
        if slot.as_ref().is_none_or(|known| tighter(&bound, known, Ordering::Less)) {
            *slot = Some(bound);
        }
    }
}

fn tighter(new: &Bound, known: &Bound, direction: Ordering) -> bool {
    match new.value.compare(&known.value) {
        Some(Ordering::Equal) => known.inclusive && !new.inclusive,
        Some(order) => order == direction,
        None => false,
    }
}

/// The column and the only values it may have, for `c = 1`, `c IN (1, 2)`, and what the optimizer makes of a short list,
/// `c = 1 OR c = 2`.
fn alternatives<'a>(expr: &Arc<dyn PhysicalExpr>, schema: &'a Schema) -> Option<(&'a str, Vec<Value>)> {
    if let Some(list) = expr.downcast_ref::<InListExpr>() {
        let name = column_name(list.expr(), schema).filter(|_| !list.negated())?;
        let is_null = |item: &Arc<dyn PhysicalExpr>| literal(item).is_some_and(|value| value.is_null());
        // NULL in the list matches nothing.
        let items = list.list().iter().filter(|item| !is_null(item));
        let values: Option<Vec<Value>> = items.map(|item| typed(literal(item)?.as_ref(), name, schema)).collect();
        return Some((name, values?));
    }
    let binary = expr.downcast_ref::<BinaryExpr>()?;
    match binary.op() {
        Operator::Eq | Operator::IsNotDistinctFrom => {
            let sides = (binary.left(), binary.right());
            let (name, value) = match (column_name(sides.0, schema), column_name(sides.1, schema)) {
                (Some(name), None) => (name, literal(sides.1)?),
                (None, Some(name)) => (name, literal(sides.0)?),
                _ => return None,
            };
            Some((name, vec![typed(&value, name, schema)?]))
        }
        Operator::Or => {
            let (name, mut values) = alternatives(binary.left(), schema)?;
            let (other, more) = alternatives(binary.right(), schema)?;
            values.extend(more);
            (name == other).then_some((name, values))
        }
        _ => None,
    }
}

/// The name of a plain column (or one cast to the same type, or between text types), if it is where it claims to be.
fn column_name<'a>(expr: &Arc<dyn PhysicalExpr>, schema: &'a Schema) -> Option<&'a str> {
    if let Some(cast) = expr.downcast_ref::<CastExpr>() {
        let name = column_name(cast.expr(), schema)?;
        let (from, to) = (schema.field_with_name(name).ok()?.data_type(), cast.cast_type());
        // All encodings of text hold the same values and compare alike.
        return (from == to || (from.is_string() && to.is_string())).then_some(name);
    }
    let column = expr.downcast_ref::<Column>()?;
    let field = schema.fields().get(column.index())?;
    (field.name() == column.name()).then_some(field.name().as_str())
}

/// A constant. A cast of one is a constant too: type coercion turns `symbol = 'AAA'` into `symbol = CAST('AAA' AS
/// Utf8View)`, and nobody folds it when an expression is planned on its own.
fn literal(expr: &Arc<dyn PhysicalExpr>) -> Option<Cow<'_, ScalarValue>> {
    if let Some(cast) = expr.downcast_ref::<CastExpr>() {
        return literal(cast.expr())?.cast_to(cast.cast_type()).ok().map(Cow::Owned);
    }
    expr.downcast_ref::<Literal>().map(|literal| Cow::Borrowed(literal.value()))
}

/// The literal as a value of the column's own type; `None` when it is of another type (a comparison then coerces, and
/// must not be guessed at here), NULL, NaN, or a float zero, of which there are two.
fn typed(literal: &ScalarValue, name: &str, schema: &Schema) -> Option<Value> {
    let column = schema.field_with_name(name).ok()?.data_type();
    let same = *column == literal.data_type() || (column.is_string() && literal.data_type().is_string());
    if !same {
        return None;
    }
    scalar::from_scalar(literal).filter(|value| *value != Value::Float(0.0))
}

#[cfg(test)]
mod tests;

//! The nearest row: `… WHERE q.symbol = t.symbol AND q.ts <= t.ts ORDER BY q.ts DESC LIMIT 1`, in one pass over sorted rows.
//!
//! Joining all rows that lie before each one and keeping the last would be quadratic. Instead the rows and the values they are
//! looked up for are put in one order, and each value takes the last row that came before it.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, Result, ScalarValue};
use datafusion::logical_expr::expr::Sort as SortExpr;
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{
    BinaryExpr, Expr, ExprSchemable, Filter, Limit, LogicalPlan, LogicalPlanBuilder, Operator, Projection, Sort, Union,
    Window, lit,
};

use crate::functions::latest_row::latest_row;

/// How rows are looked up.
pub(super) struct Nearest<'a> {
    /// Where the rows come from; reads no outer column.
    rows: LogicalPlan,
    /// The columns of the subquery, over `rows`, in the order of the sort's input.
    columns: Vec<Expr>,
    /// Expressions over `rows` and the outer columns that they are equal to.
    equal: Vec<(Expr, Column)>,
    /// What the rows are ordered by, over `rows`, and the outer column that bounds it.
    at: (Expr, Column),
    /// Whether a row at the bound itself counts.
    inclusive: bool,
    /// Whether the rows before the bound are asked for, or those behind it.
    before: bool,
    /// Further keys among rows that are equally near, over the sort's input.
    ties: &'a [SortExpr],
    input: &'a LogicalPlan,
}

impl<'a> Nearest<'a> {
    /// Reads a limit as such a lookup; `None` where it is none. `is_outer` tells the outer columns.
    pub(super) fn read(limit: &'a Limit, reads_outer: &dyn Fn(&LogicalPlan) -> Result<bool>) -> Result<Option<Self>> {
        if !is_one(limit.fetch.as_deref()) || !limit.skip.as_deref().is_none_or(is_zero) {
            return Ok(None);
        }
        let LogicalPlan::Sort(Sort { expr: order, input, fetch: None }) = limit.input.as_ref() else { return Ok(None) };
        let Some((first, ties)) = order.split_first() else { return Ok(None) };
        let (projection, filter) = match input.as_ref() {
            LogicalPlan::Projection(projection) => match projection.input.as_ref() {
                LogicalPlan::Filter(filter) => (Some(projection), filter),
                _ => return Ok(None),
            },
            LogicalPlan::Filter(filter) => (None, filter),
            _ => return Ok(None),
        };
        if reads_outer(&filter.input)? || projection.is_some_and(|p| p.expr.iter().any(Expr::contains_outer)) {
            return Ok(None);
        }
        let columns: Vec<Expr> = match projection {
            Some(projection) => projection.expr.clone(),
            None => input.schema().iter().map(|field| Expr::Column(Column::from(field))).collect(),
        };
        let place = |column: &Column| input.schema().maybe_index_of_column(column);
        let Expr::Column(ordered_by) = &first.expr else { return Ok(None) };
        let Some(ordered_by) = place(ordered_by).and_then(|at| columns.get(at)) else { return Ok(None) };
        let ordered_by = ordered_by.clone().unalias();
        let (mut own, mut equal, mut at) = (Vec::new(), Vec::new(), None);
        for part in split_conjunction(&filter.predicate) {
            if !part.contains_outer() {
                own.push(part.clone());
                continue;
            }
            let Some((inner, op, outer)) = compared(part) else { return Ok(None) };
            match op {
                Operator::Eq => equal.push((inner.clone(), outer.clone())),
                Operator::Lt | Operator::LtEq | Operator::Gt | Operator::GtEq if at.is_none() => {
                    at = Some((inner.clone(), op, outer.clone()));
                }
                _ => return Ok(None),
            }
        }
        let Some((inner, op, outer)) = at else { return Ok(None) };
        let before = matches!(op, Operator::Lt | Operator::LtEq);
        // The last before, or the first behind: the other end is no neighbour.
        if inner != ordered_by || before == first.asc {
            return Ok(None);
        }
        let rows = match own.into_iter().reduce(Expr::and) {
            Some(own) => LogicalPlan::Filter(Filter::try_new(own, Arc::clone(&filter.input))?),
            None => filter.input.as_ref().clone(),
        };
        let inclusive = matches!(op, Operator::LtEq | Operator::GtEq);
        Ok(Some(Nearest { rows, columns, equal, at: (inner, outer), inclusive, before, ties, input }))
    }

    /// The plan, over the distinct values of the outer columns. `place` says which of them a column is.
    pub(super) fn plan(
        &self,
        (domain, keys): (LogicalPlan, Vec<Column>),
        place: &dyn Fn(&Column) -> Option<usize>,
        number: u64,
    ) -> Result<Option<LogicalPlan>> {
        let key = |outer: &Column| place(outer).and_then(|at| keys.get(at)).cloned();
        let Some(bound) = key(&self.at.1) else { return Ok(None) };
        let mut equal_keys = Vec::new();
        for (_, outer) in &self.equal {
            let Some(key) = key(outer) else { return Ok(None) };
            equal_keys.push(key);
        }
        let name = |what: &str, at: usize| format!("__near_{number}_{what}{at}");
        let column = |what: &str, at: usize| Expr::Column(Column::from_name(name(what, at)));
        let given = |at: usize| {
            let (what, place) = self.stands_for(at);
            column(what, place)
        };
        let rows_schema = self.rows.schema().as_ref();
        let domain_schema = domain.schema().as_ref();
        // Rows first: their columns, what they are equal in and ordered by; then values, with NULL for the others' columns.
        let (mut rows, mut values) = (Vec::new(), Vec::new());
        for (at, expr) in self.columns.iter().enumerate().filter(|(at, _)| self.stands_for(*at) == ("c", *at)) {
            let none = ScalarValue::try_from(&expr.get_type(rows_schema)?)?;
            rows.push(expr.clone().unalias().alias(name("c", at)));
            values.push(lit(none).alias(name("c", at)));
        }
        for (at, key) in keys.iter().enumerate() {
            let key = Expr::Column(key.clone());
            let none = ScalarValue::try_from(&key.get_type(domain_schema)?)?;
            rows.push(lit(none).alias(name("k", at)));
            values.push(key.alias(name("k", at)));
        }
        let mut known = vec![self.at.0.clone().is_not_null()];
        for (at, ((inner, _), key)) in self.equal.iter().zip(&equal_keys).enumerate() {
            let key = Expr::Column(key.clone());
            if inner.get_type(rows_schema)? != key.get_type(domain_schema)? {
                return Ok(None);
            }
            rows.push(inner.clone().alias(name("e", at)));
            values.push(key.alias(name("e", at)));
            known.push(inner.clone().is_not_null());
        }
        let bound = Expr::Column(bound);
        if self.at.0.get_type(rows_schema)? != bound.get_type(domain_schema)? {
            return Ok(None);
        }
        rows.push(self.at.0.clone().alias(name("at", 0)));
        values.push(bound.clone().alias(name("at", 0)));
        // In the order of the window a row that counts at the bound itself comes before the value.
        let (row_side, value_side) = if self.inclusive { (0_i64, 1_i64) } else { (1, 0) };
        rows.push(lit(row_side).alias(name("side", 0)));
        values.push(lit(value_side).alias(name("side", 0)));
        rows.push(lit(true).alias(name("row", 0)));
        values.push(lit(false).alias(name("row", 0)));
        let mut builder = LogicalPlanBuilder::from(self.rows.clone());
        if let Some(known) = known.into_iter().reduce(Expr::and) {
            builder = builder.filter(known)?;
        }
        let rows = builder.project(rows)?.build()?;
        let values = LogicalPlanBuilder::from(domain).filter(bound.is_not_null())?.project(values)?.build()?;
        let both = LogicalPlan::Union(Union::try_new(vec![Arc::new(rows), Arc::new(values)])?);

        let partition_by: Vec<Expr> = (0..self.equal.len()).map(|at| column("e", at)).collect();
        let mut order_by = vec![column("at", 0).sort(self.before, false), column("side", 0).sort(true, false)];
        for tie in self.ties {
            let expr = tie.expr.clone().transform_up(|e| match &e {
                Expr::Column(c) => match self.input.schema().maybe_index_of_column(c) {
                    Some(at) => Ok(Transformed::yes(given(at))),
                    None => Ok(Transformed::no(e)),
                },
                _ => Ok(Transformed::no(e)),
            })?;
            // The first of the subquery's order is to come last.
            order_by.push(expr.data.sort(!tie.asc, !tie.nulls_first));
        }
        let latest = |value: Expr, name: String| {
            let mut function = latest_row(column("row", 0), value);
            function.params.partition_by.clone_from(&partition_by);
            function.params.order_by.clone_from(&order_by);
            Expr::from(function).alias(name)
        };
        // Columns that are the same have one window: DataFusion would make one of two that are the same, and not expect it.
        let first = |at: usize| (0..at).find(|before| self.stands_for(*before) == self.stands_for(at)).unwrap_or(at);
        let distinct = (0..self.columns.len()).filter(|at| first(*at) == *at);
        let mut windows: Vec<Expr> = distinct.map(|at| latest(given(at), name("l", at))).collect();
        windows.push(latest(column("row", 0), name("found", 0)));
        let windowed = LogicalPlan::Window(Window::try_new(windows, Arc::new(both))?);
        let wanted = column("row", 0).is_false().and(column("found", 0).is_true());
        let found = LogicalPlan::Filter(Filter::try_new(wanted, Arc::new(windowed))?);
        let mut exprs = Vec::new();
        for at in 0..self.columns.len() {
            let (qualifier, field) = self.input.schema().qualified_field(at);
            exprs.push(column("l", first(at)).alias_qualified(qualifier.cloned(), field.name()));
        }
        for (at, key) in keys.iter().enumerate() {
            exprs.push(column("k", at).alias(key.name()));
        }
        Ok(Some(LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(found))?)))
    }
}

impl Nearest<'_> {
    /// What of the union a column is read from, and its number there. None stands in it twice: DataFusion would take from the
    /// rows that two columns are equal, which in the values they are not.
    fn stands_for(&self, at: usize) -> (&'static str, usize) {
        let own = |at: usize| self.columns.get(at).map(|expr| expr.clone().unalias());
        let expr = own(at);
        if expr.as_ref() == Some(&self.at.0) {
            return ("at", 0);
        }
        if let Some(place) = self.equal.iter().position(|(inner, _)| expr.as_ref() == Some(inner)) {
            return ("e", place);
        }
        ("c", (0..at).find(|before| own(*before) == expr).unwrap_or(at))
    }
}

fn number_of(expr: &Expr) -> Option<u64> {
    let Expr::Literal(value, _) = expr else { return None };
    match value.cast_to(&arrow::datatypes::DataType::UInt64) {
        Ok(ScalarValue::UInt64(number)) => number,
        _ => None,
    }
}

fn is_one(expr: Option<&Expr>) -> bool {
    expr.and_then(number_of) == Some(1)
}

fn is_zero(expr: &Expr) -> bool {
    number_of(expr) == Some(0)
}

/// `inner op outer`, whichever side they are on.
fn compared(part: &Expr) -> Option<(&Expr, Operator, &Column)> {
    let Expr::BinaryExpr(BinaryExpr { left, op, right }) = part else { return None };
    match (left.as_ref(), right.as_ref()) {
        (inner, Expr::OuterReferenceColumn(_, outer)) if !inner.contains_outer() => Some((inner, *op, outer)),
        (Expr::OuterReferenceColumn(_, outer), inner) if !inner.contains_outer() => Some((inner, op.swap()?, outer)),
        _ => None,
    }
}

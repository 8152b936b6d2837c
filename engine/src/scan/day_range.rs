//! Which partitions can hold rows of the days that conditions name: told by the keys of the partitions, which are in order, so
//! that the others are not looked at.

use std::sync::Arc;

use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{Between, BinaryExpr, Expr, Operator};
use datafusion::scalar::ScalarValue;
use zxq_catalog::{PartitionKey, PartitionState, TableDef, TableState, Value};
use zxq_providers::hot::find::{Comparison, Condition};

#[cfg(test)]
mod tests;

/// The days, since 1970-01-01, that rows which pass can have in the date column that their table is partitioned by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct DayRange {
    first: Option<i32>,
    last: Option<i32>,
}

impl DayRange {
    /// What filters leave, all of which have to hold.
    pub(super) fn of_filters(table: &TableDef, filters: &[Expr]) -> Self {
        let mut range = DayRange::default();
        let Some(date) = table.partitioning.date_column.as_deref() else { return range };
        for conjunct in filters.iter().flat_map(split_conjunction) {
            match conjunct {
                Expr::Between(Between { expr, negated: false, low, high }) => {
                    range.narrow_by(date, expr, Operator::GtEq, low);
                    range.narrow_by(date, expr, Operator::LtEq, high);
                }
                Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
                    range.narrow_by(date, left, *op, right);
                    if let Some(op) = op.swap() {
                        range.narrow_by(date, right, op, left);
                    }
                }
                _ => {}
            }
        }
        range
    }

    /// What conditions leave, all of which have to hold.
    pub(super) fn of_conditions(table: &TableDef, conditions: &[Condition]) -> Self {
        let mut range = DayRange::default();
        for condition in conditions {
            if let Value::Date(day) = condition.value
                && table.partitioning.date_column.as_ref() == Some(&condition.column)
            {
                range.narrow(condition.comparison, day);
            }
        }
        range
    }

    /// False where rows of any day, or without one, can pass.
    pub(super) fn is_bounded(self) -> bool {
        self.first.is_some() || self.last.is_some()
    }

    /// The table's partitions that can hold such rows, in the order of their keys.
    pub(super) fn partitions(self, state: &TableState) -> impl Iterator<Item = (&PartitionKey, &Arc<PartitionState>)> {
        let granularity = state.def.partitioning.granularity;
        // A partition is named by its first day. Those of rows without a date come before all others.
        let first_day = self.first.map_or(i32::MIN, |first| granularity.period_start(first));
        let start = PartitionKey { period: self.is_bounded().then_some(first_day), class: None };
        let is_within =
            move |period: Option<i32>| period.is_some_and(|first| self.last.is_none_or(|last| first <= last));
        state.partitions_from(&start).take_while(move |(key, _)| !self.is_bounded() || is_within(key.period))
    }

    fn narrow_by(&mut self, date: &str, column: &Expr, op: Operator, day: &Expr) {
        if let (Expr::Column(column), Expr::Literal(ScalarValue::Date32(Some(day)), _)) = (column, day)
            && column.name == date
            && let Some(comparison) = comparison(op)
        {
            self.narrow(comparison, *day);
        }
    }

    fn narrow(&mut self, comparison: Comparison, day: i32) {
        let (first, last) = match comparison {
            Comparison::Equal => (Some(day), Some(day)),
            Comparison::Less => (None, Some(day.saturating_sub(1))),
            Comparison::LessOrEqual => (None, Some(day)),
            Comparison::Greater => (Some(day.saturating_add(1)), None),
            Comparison::GreaterOrEqual => (Some(day), None),
        };
        self.first = self.first.max(first);
        self.last = [self.last, last].into_iter().flatten().min();
    }
}

/// The comparison that an operator is; `None` for other operators.
pub(super) fn comparison(op: Operator) -> Option<Comparison> {
    match op {
        Operator::Eq => Some(Comparison::Equal),
        Operator::Lt => Some(Comparison::Less),
        Operator::LtEq => Some(Comparison::LessOrEqual),
        Operator::Gt => Some(Comparison::Greater),
        Operator::GtEq => Some(Comparison::GreaterOrEqual),
        _ => None,
    }
}

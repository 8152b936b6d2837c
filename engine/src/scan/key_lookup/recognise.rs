//! Which optimised plans are look-ups. The plan is taken from its top: what a node does not understand makes it none.

use std::any::Any;
use std::sync::Arc;

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::Column;
use datafusion::datasource::source_as_provider;
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{Between, BinaryExpr, Expr, Limit, LogicalPlan, Operator, Sort, TableScan};
use datafusion::scalar::ScalarValue;
use zxq_catalog::TableDef;
use zxq_providers::hot::find::{Comparison, OrderColumn};
use zxq_providers::scalar::from_scalar;

use super::{Asked, Count, KeyLookup, Operand};
use crate::scan::day_range::comparison;
use crate::scan::tiered_table::TieredTable;

/// The look-up that a plan is; `None` where it is none. `types` are those of its parameters.
pub(crate) fn recognise(plan: &LogicalPlan, types: &[DataType]) -> Option<KeyLookup> {
    let mut above = Above { columns: (0..plan.schema().fields().len()).collect(), ..Above::default() };
    let mut node = plan;
    let scan = loop {
        node = match node {
            LogicalPlan::Projection(projection) => {
                let place = |at: usize| match unaliased(projection.expr.get(at)?) {
                    Expr::Column(column) => projection.input.schema().maybe_index_of_column(column),
                    _ => None,
                };
                above.look_through(place)?;
                &projection.input
            }
            LogicalPlan::SubqueryAlias(alias) => &alias.input,
            LogicalPlan::Filter(filter) => {
                let place = |column: &Column| filter.input.schema().maybe_index_of_column(column);
                for condition in split_conjunction(&filter.predicate) {
                    above.add_condition(condition, place, types)?;
                }
                &filter.input
            }
            LogicalPlan::Limit(limit) => above.add_limit(limit, types)?,
            LogicalPlan::Sort(sort) => above.add_sort(sort)?,
            LogicalPlan::TableScan(scan) => break scan,
            _ => return None,
        };
    };
    above.over(scan, types, plan)
}

/// What stands above a node, by the places of columns in that node's rows.
#[derive(Default)]
struct Above {
    /// The columns of the result.
    columns: Vec<usize>,
    conditions: Vec<Compared>,
    order: Option<Vec<(usize, bool, bool)>>,
    sorted: Option<usize>,
    limit: Option<(Option<Count>, Option<Count>)>,
}

#[derive(PartialEq)]
struct Compared {
    column: usize,
    comparison: Comparison,
    value: Operand,
    /// The type that the value has.
    data_type: DataType,
}

impl Above {
    /// Turns the places of columns above a node into those of its input.
    fn look_through(&mut self, place: impl Fn(usize) -> Option<usize>) -> Option<()> {
        let places = self.columns.iter_mut().chain(self.conditions.iter_mut().map(|condition| &mut condition.column));
        for at in places.chain(self.order.iter_mut().flatten().map(|(at, ..)| at)) {
            *at = place(*at)?;
        }
        Some(())
    }

    fn add_condition(
        &mut self,
        condition: &Expr,
        place: impl Fn(&Column) -> Option<usize>,
        types: &[DataType],
    ) -> Option<()> {
        let comparisons: Vec<(&Expr, Operator, &Expr)> = match condition {
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => vec![(left, *op, right)],
            Expr::Between(Between { expr, negated: false, low, high }) => {
                vec![(expr, Operator::GtEq, low), (expr, Operator::LtEq, high)]
            }
            _ => return None,
        };
        for (left, op, right) in comparisons {
            let (column, op, value) = match (compared_column(left), compared_column(right)) {
                (Some(column), None) => (column, op, right),
                (None, Some(column)) => (column, op.swap()?, left),
                _ => return None,
            };
            let (value, data_type) = operand(value, types)?;
            let compared = Compared { column: place(column)?, comparison: comparison(op)?, value, data_type };
            // A condition that a scan is told of is asked again above it.
            if !self.conditions.contains(&compared) {
                self.conditions.push(compared);
            }
        }
        Some(())
    }

    /// A limit stands above what is sorted and what is filtered; what is filtered after it, or sorted anew, is no look-up.
    fn add_limit<'a>(&mut self, limit: &'a Limit, types: &[DataType]) -> Option<&'a Arc<LogicalPlan>> {
        if self.limit.is_some() || self.order.is_some() || !self.conditions.is_empty() {
            return None;
        }
        let count = |expr: &Option<Box<Expr>>| match expr {
            Some(expr) => Some(Some(count(expr, types)?)),
            None => Some(None),
        };
        self.limit = Some((count(&limit.skip)?, count(&limit.fetch)?));
        Some(&limit.input)
    }

    fn add_sort<'a>(&mut self, sort: &'a Sort) -> Option<&'a Arc<LogicalPlan>> {
        if self.order.is_some() || !self.conditions.is_empty() {
            return None;
        }
        let by = sort.expr.iter().map(|by| match &by.expr {
            Expr::Column(column) => Some((sort.input.schema().maybe_index_of_column(column)?, !by.asc, by.nulls_first)),
            _ => None,
        });
        self.order = Some(by.collect::<Option<Vec<_>>>()?);
        self.sorted = sort.fetch;
        Some(&sort.input)
    }

    /// The look-up, where the scan is one of a table of ours.
    fn over(mut self, scan: &TableScan, types: &[DataType], plan: &LogicalPlan) -> Option<KeyLookup> {
        let provider = source_as_provider(&scan.source).ok()?;
        let any: &dyn Any = provider.as_ref();
        let table = Arc::clone(any.downcast_ref::<TieredTable>()?.whole()?);
        if scan.fetch.is_some() && self.limit.is_none() && self.sorted.is_none() {
            return None;
        }
        if let Some(projection) = &scan.projection {
            self.look_through(|at| projection.get(at).copied())?;
        }
        for filter in scan.filters.iter().flat_map(split_conjunction) {
            self.add_condition(filter, |column| table.column_index(&column.name), types)?;
        }
        let name = |at: usize| Some(table.columns.get(at)?.name.clone());
        let conditions = self.conditions.iter().map(|condition| {
            let column = table.columns.get(condition.column)?;
            let same = column.data_type == condition.data_type
                || (column.data_type.is_integer() && condition.data_type.is_integer())
                || (column.data_type == DataType::Utf8View && condition.data_type.is_string());
            let fits = same && !column.is_converted() && is_exact(&column.data_type);
            fits.then(|| Asked {
                column: column.name.clone(),
                comparison: condition.comparison,
                value: condition.value.clone(),
            })
        });
        let conditions = conditions.collect::<Option<Vec<Asked>>>()?;
        if !conditions.iter().any(|asked| asked.comparison == Comparison::Equal && is_key(&table, &asked.column)) {
            return None;
        }
        let by = self.order.unwrap_or_default();
        let mut projection: Vec<usize> = Vec::with_capacity(self.columns.len() + by.len());
        for at in self.columns.iter().chain(by.iter().map(|(at, ..)| at)) {
            if table.columns.get(*at)?.is_converted() {
                return None;
            }
            if !projection.contains(at) {
                projection.push(*at);
            }
        }
        let order = by.iter().map(|(at, descending, nulls_first)| {
            let sorts = is_exact(&table.columns.get(*at)?.data_type);
            let column = name(*at).filter(|_| sorts)?;
            Some(OrderColumn { column, descending: *descending, nulls_first: *nulls_first })
        });
        let order = order.collect::<Option<Vec<_>>>()?;
        let columns = self.columns.iter().map(|at| projection.iter().position(|read| read == at));
        let columns = columns.collect::<Option<Vec<_>>>()?;
        let read = Arc::new(table.schema().project(&projection).ok()?);
        let (skip, fetch) = self.limit.unwrap_or_default();
        let schema = Arc::new(plan.schema().as_arrow().clone());
        Some(KeyLookup {
            table,
            conditions,
            order,
            skip,
            fetch,
            sorted: self.sorted,
            projection,
            read,
            columns,
            schema,
        })
    }
}

/// True for a column by which hot finds rows without looking at all of them.
fn is_key(table: &TableDef, column: &str) -> bool {
    table.sort_by.first().is_some_and(|first| first == column) || table.lookup.iter().any(|lookup| lookup == column)
}

/// True for types whose values are equal only where they are the same, and that are compared in one way everywhere.
fn is_exact(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Utf8View
            | DataType::Int16
            | DataType::Int32
            | DataType::Int64
            | DataType::Date32
            | DataType::Decimal128(_, _)
            | DataType::Timestamp(TimeUnit::Microsecond, _)
    )
}

/// The column that is compared, perhaps as an integer of the widest type.
fn compared_column(expr: &Expr) -> Option<&Column> {
    match expr {
        Expr::Column(column) => Some(column),
        Expr::Cast(cast) if *cast.field.data_type() == DataType::Int64 => compared_column(&cast.expr),
        _ => None,
    }
}

fn unaliased(expr: &Expr) -> &Expr {
    match expr {
        Expr::Alias(alias) => unaliased(&alias.expr),
        other => other,
    }
}

/// A constant or a parameter, and its type.
fn operand(expr: &Expr, types: &[DataType]) -> Option<(Operand, DataType)> {
    match expr {
        Expr::Literal(value, _) => Some((Operand::Constant(from_scalar(value)?), value.data_type())),
        other => {
            let number = parameter(other, types)?;
            Some((Operand::Parameter(number), types.get(number)?.clone()))
        }
    }
}

fn count(expr: &Expr, types: &[DataType]) -> Option<Count> {
    match expr {
        Expr::Literal(ScalarValue::Int64(Some(count)), _) => usize::try_from(*count).ok().map(Count::Constant),
        other => {
            let number = parameter(other, types)?;
            (types.get(number)? == &DataType::Int64).then_some(Count::Parameter(number))
        }
    }
}

/// The number of a parameter, from 0, perhaps cast to the type that it has.
fn parameter(expr: &Expr, types: &[DataType]) -> Option<usize> {
    match expr {
        Expr::Placeholder(placeholder) => placeholder.id.strip_prefix('$')?.parse::<usize>().ok()?.checked_sub(1),
        Expr::Cast(cast) => {
            let number = parameter(&cast.expr, types)?;
            (types.get(number)? == cast.field.data_type()).then_some(number)
        }
        _ => None,
    }
}

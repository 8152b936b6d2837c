//! A subquery's plan made independent of the row it is for: for all values of its outer columns at once.
//!
//! The distinct values that the outer rows have are a relation, the domain. [`Dependent::push`] turns the plan of a subquery,
//! which means one set of rows for each of them, into one plan whose rows carry the values that they are for: where the plan
//! reads no outer column any more it is joined to the domain, and everything above keeps the values apart (groups and window
//! partitions have them as keys, a limit becomes a row number). After T. Neumann and A. Kemper, "Unnesting Arbitrary Queries".

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, JoinType, NullEquality, Result, ScalarValue};
use datafusion::functions_window::row_number::row_number;
use datafusion::logical_expr::expr::{Sort as SortExpr, WindowFunctionParams};
use datafusion::logical_expr::{
    Aggregate, BinaryExpr, Distinct, DistinctOn, Expr, Filter, Join, JoinConstraint, Limit, LogicalPlan,
    LogicalPlanBuilder, Operator, Projection, Sort, SubqueryAlias, Union, Values, Window, col, lit,
};

use super::nearest::Nearest;
use crate::error::{EngineError, ErrorKind};

/// A plan and the columns in which it carries the values that each row is for, in the order of [`Dependent::outer`].
pub(super) type Keyed = (LogicalPlan, Vec<Column>);

/// The outer columns that one subquery reads, and where their values come from.
pub(super) struct Dependent<'a> {
    outer: Vec<Column>,
    places: HashMap<Column, usize>,
    source: LogicalPlan,
    names: &'a mut u64,
}

impl<'a> Dependent<'a> {
    /// For outer columns of the rows of `source`. `names` counts the names given so far.
    pub(super) fn new(outer: Vec<Column>, source: LogicalPlan, names: &'a mut u64) -> Self {
        let places = outer.iter().cloned().enumerate().map(|(at, column)| (column, at)).collect();
        Dependent { outer, places, source, names }
    }

    /// The outer columns.
    pub(super) fn outer(&self) -> &[Column] {
        &self.outer
    }

    /// A name that nothing else has.
    fn fresh(&mut self) -> u64 {
        *self.names += 1;
        *self.names
    }

    /// The distinct values of the outer columns, under names of their own.
    fn domain(&mut self) -> Result<Keyed> {
        let number = self.fresh();
        let named: Vec<Expr> =
            self.outer.iter().enumerate().map(|(at, c)| Expr::Column(c.clone()).alias(key(number, at))).collect();
        let plan = LogicalPlanBuilder::from(self.source.clone()).project(named)?.distinct()?.build()?;
        let keys = (0..self.outer.len()).map(|at| Column::from_name(key(number, at))).collect();
        Ok((plan, keys))
    }

    /// The plan for all values at once. Its rows have the columns of `plan`, and the keys.
    pub(super) fn push(&mut self, plan: &LogicalPlan) -> Result<Keyed> {
        if !self.reads_outer(plan)? {
            let (domain, keys) = self.domain()?;
            let one_row = matches!(plan, LogicalPlan::EmptyRelation(empty) if empty.produce_one_row);
            let plan = match one_row {
                true => domain,
                false => LogicalPlanBuilder::from(domain).cross_join(plan.clone())?.build()?,
            };
            return Ok((plan, keys));
        }
        match plan {
            LogicalPlan::Subquery(inner) => self.push(&inner.subquery),
            LogicalPlan::SubqueryAlias(alias) => self.alias(alias),
            LogicalPlan::Projection(projection) => self.projection(plan, projection),
            LogicalPlan::Filter(filter) => {
                let (input, keys) = self.push(&filter.input)?;
                let predicate = self.bind(filter.predicate.clone(), &keys)?;
                Ok((LogicalPlan::Filter(Filter::try_new(predicate, Arc::new(input))?), keys))
            }
            LogicalPlan::Sort(sort) => self.sort(plan, sort),
            LogicalPlan::Limit(limit) => self.limit(plan, limit),
            LogicalPlan::Distinct(Distinct::All(input)) => {
                let (input, keys) = self.push(input)?;
                Ok((LogicalPlan::Distinct(Distinct::All(Arc::new(input))), keys))
            }
            LogicalPlan::Distinct(Distinct::On(distinct)) => self.distinct_on(plan, distinct),
            LogicalPlan::Aggregate(aggregate) => self.aggregate(plan, aggregate),
            LogicalPlan::Window(window) => self.window(plan, window),
            LogicalPlan::Union(union) => self.union(plan, union),
            LogicalPlan::Values(values) => self.values(values),
            LogicalPlan::Join(join) => self.join(join),
            LogicalPlan::Unnest(unnest) => {
                let (input, keys) = self.push(&unnest.input)?;
                let plan = LogicalPlanBuilder::from(input)
                    .unnest_columns_with_options(unnest.exec_columns.clone(), unnest.options.clone())?
                    .build()?;
                Ok((plan, keys))
            }
            _ => Err(unsupported()),
        }
    }

    fn alias(&mut self, alias: &SubqueryAlias) -> Result<Keyed> {
        let (input, keys) = self.push(&alias.input)?;
        let plan = LogicalPlan::SubqueryAlias(SubqueryAlias::try_new(Arc::new(input), alias.alias.clone())?);
        Ok((plan, keys.into_iter().map(|key| Column::new(Some(alias.alias.clone()), key.name)).collect()))
    }

    fn projection(&mut self, plan: &LogicalPlan, projection: &Projection) -> Result<Keyed> {
        let (input, keys) = self.push(&projection.input)?;
        let mut exprs = self.bind_named(&projection.expr, plan, 0, &keys)?;
        exprs.extend(keys.iter().cloned().map(Expr::Column));
        Ok((LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(input))?), keys))
    }

    fn sort(&mut self, plan: &LogicalPlan, sort: &Sort) -> Result<Keyed> {
        if let Some(fetch) = sort.fetch {
            let limit = (None, Some(lit(fetch as u64)));
            return self.first_rows(plan, &sort.input, &sort.expr, limit);
        }
        let (input, keys) = self.push(&sort.input)?;
        let expr = self.bind_sort(&sort.expr, &keys)?;
        Ok((LogicalPlan::Sort(Sort { expr, input: Arc::new(input), fetch: None }), keys))
    }

    /// A limit counts the rows of each value on their own.
    fn limit(&mut self, plan: &LogicalPlan, limit: &Limit) -> Result<Keyed> {
        let above = |input: &Arc<LogicalPlan>| LogicalPlan::Limit(Limit { input: Arc::clone(input), ..limit.clone() });
        match limit.input.as_ref() {
            // The sort may lie below what only names its columns.
            LogicalPlan::Projection(projection) => {
                let input = above(&projection.input);
                let moved = Projection::try_new(projection.expr.clone(), Arc::new(input))?;
                self.push(&LogicalPlan::Projection(moved))
            }
            LogicalPlan::SubqueryAlias(alias) => {
                let moved = SubqueryAlias::try_new(Arc::new(above(&alias.input)), alias.alias.clone())?;
                self.push(&LogicalPlan::SubqueryAlias(moved))
            }
            input => {
                if let Some(nearest) = Nearest::read(limit, &|plan| self.reads_outer(plan))? {
                    let (domain, keys) = self.domain()?;
                    let number = self.fresh();
                    let place = |column: &Column| self.places.get(column).copied();
                    if let Some(plan) = nearest.plan((domain, keys.clone()), &place, number)? {
                        return Ok((plan, keys));
                    }
                }
                let bounds = (limit.skip.as_deref().cloned(), limit.fetch.as_deref().cloned());
                match input {
                    LogicalPlan::Sort(Sort { expr, input, fetch: None }) => self.first_rows(plan, input, expr, bounds),
                    input => self.first_rows(plan, input, &[], bounds),
                }
            }
        }
    }

    fn first_rows(
        &mut self,
        plan: &LogicalPlan,
        input: &LogicalPlan,
        order: &[SortExpr],
        (skip, fetch): (Option<Expr>, Option<Expr>),
    ) -> Result<Keyed> {
        let (input, keys) = self.push(input)?;
        let order_by = self.bind_sort(order, &keys)?;
        let name = format!("__row_{}", self.fresh());
        let partition_by = keys.iter().cloned().map(Expr::Column).collect();
        let mut number = row_number();
        if let Expr::WindowFunction(function) = &mut number {
            function.params = WindowFunctionParams { partition_by, order_by, ..function.params.clone() };
        }
        let number = number.alias(&name);
        let skip = skip.map(count_of);
        let mut keep = skip.clone().map(|skip| col(&name).gt(skip));
        if let Some(fetch) = fetch {
            let unlimited = fetch.clone().is_null();
            let fetch = count_of(fetch);
            let last = match (&fetch, skip) {
                (
                    Expr::Literal(ScalarValue::UInt64(Some(f)), _),
                    Some(Expr::Literal(ScalarValue::UInt64(Some(s)), _)),
                ) => lit(f.saturating_add(s)),
                (_, Some(skip)) => fetch + skip,
                (_, None) => fetch,
            };
            let below = unlimited.or(col(&name).lt_eq(last));
            keep = Some(match keep {
                Some(above) => above.and(below),
                None => below,
            });
        }
        let mut builder = LogicalPlanBuilder::from(input);
        if let Some(keep) = keep {
            builder = LogicalPlanBuilder::from(LogicalPlan::Window(Window::try_new(
                vec![number],
                Arc::new(builder.build()?),
            )?))
            .filter(keep)?;
        }
        let columns = columns_of(plan).into_iter().chain(keys.iter().cloned()).map(Expr::Column);
        Ok((builder.project(columns.collect::<Vec<_>>())?.build()?, keys))
    }

    fn distinct_on(&mut self, plan: &LogicalPlan, distinct: &DistinctOn) -> Result<Keyed> {
        let (input, keys) = self.push(&distinct.input)?;
        let named: Vec<Expr> = keys.iter().cloned().map(Expr::Column).collect();
        let mut on = named.clone();
        for expr in &distinct.on_expr {
            on.push(self.bind(expr.clone(), &keys)?);
        }
        let mut select = self.bind_named(&distinct.select_expr, plan, 0, &keys)?;
        select.extend(named.clone());
        let order = match &distinct.sort_expr {
            Some(sort) => {
                let mut order: Vec<SortExpr> = named.into_iter().map(|key| key.sort(true, false)).collect();
                order.extend(self.bind_sort(sort, &keys)?);
                Some(order)
            }
            None => None,
        };
        let on = DistinctOn::try_new(on, select, order, Arc::new(input))?;
        Ok((LogicalPlan::Distinct(Distinct::On(on)), keys))
    }

    fn aggregate(&mut self, plan: &LogicalPlan, aggregate: &Aggregate) -> Result<Keyed> {
        if aggregate.group_expr.iter().any(|e| matches!(e, Expr::GroupingSet(_))) {
            return Err(unsupported());
        }
        let (input, keys) = self.push(&aggregate.input)?;
        let groups = aggregate.group_expr.len();
        let mut group = self.bind_named(&aggregate.group_expr, plan, 0, &keys)?;
        group.extend(keys.iter().cloned().map(Expr::Column));
        let aggregates = self.bind_named(&aggregate.aggr_expr, plan, groups, &keys)?;
        let grouped = LogicalPlan::Aggregate(Aggregate::try_new(Arc::new(input), group, aggregates)?);
        if groups > 0 {
            return Ok((grouped, keys));
        }
        // Over no rows there is one row as well: NULL, or 0 for a count.
        let (domain, all_keys) = self.domain()?;
        let joined = join_on_keys(domain, JoinType::Left, grouped, &all_keys, &keys)?;
        let mut exprs = Vec::new();
        for (at, expr) in aggregate.aggr_expr.iter().enumerate() {
            let (qualifier, field) = plan.schema().qualified_field(at);
            let column = Column::new(qualifier.cloned(), field.name());
            let default = match expr.clone().unalias() {
                Expr::AggregateFunction(function) => function.func.default_value(field.data_type())?,
                _ => return Err(unsupported()),
            };
            exprs.push(match default.is_null() {
                true => Expr::Column(column),
                false => datafusion::prelude::coalesce(vec![Expr::Column(column), lit(default)])
                    .alias_qualified(qualifier.cloned(), field.name()),
            });
        }
        exprs.extend(all_keys.iter().cloned().map(Expr::Column));
        Ok((LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(joined))?), all_keys))
    }

    fn window(&mut self, plan: &LogicalPlan, window: &Window) -> Result<Keyed> {
        let (input, keys) = self.push(&window.input)?;
        let first = window.input.schema().fields().len();
        let mut exprs = Vec::new();
        for (at, expr) in window.window_expr.iter().enumerate() {
            let bound = self.bind(expr.clone(), &keys)?;
            let partitioned = bound.transform_down(|mut e| {
                let Expr::WindowFunction(function) = &mut e else { return Ok(Transformed::no(e)) };
                function.params.partition_by.extend(keys.iter().cloned().map(Expr::Column));
                Ok(Transformed::new(e, true, TreeNodeRecursion::Jump))
            })?;
            let (qualifier, field) = plan.schema().qualified_field(first + at);
            exprs.push(partitioned.data.unalias().alias_qualified(qualifier.cloned(), field.name()));
        }
        Ok((LogicalPlan::Window(Window::try_new(exprs, Arc::new(input))?), keys))
    }

    fn union(&mut self, plan: &LogicalPlan, union: &Union) -> Result<Keyed> {
        let mut inputs = Vec::new();
        for input in &union.inputs {
            inputs.push(self.push(input).and_then(|(pushed, keys)| last_keys(pushed, &columns_of(input), &keys))?);
        }
        self.union_of(inputs, plan.schema().fields().len())
    }

    /// One SELECT for each row.
    fn values(&mut self, values: &Values) -> Result<Keyed> {
        let mut inputs = Vec::new();
        for row in &values.values {
            let (domain, keys) = self.domain()?;
            let mut exprs = Vec::new();
            for (at, expr) in row.iter().enumerate() {
                let (qualifier, field) = values.schema.qualified_field(at);
                let bound = self.bind(expr.clone(), &keys)?;
                let cast = datafusion::logical_expr::cast(bound, field.data_type().clone());
                exprs.push(cast.alias_qualified(qualifier.cloned(), field.name()));
            }
            exprs.extend(keys.iter().cloned().map(Expr::Column));
            inputs.push(LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(domain))?));
        }
        self.union_of(inputs, values.schema.fields().len())
    }

    fn union_of(&mut self, inputs: Vec<LogicalPlan>, columns: usize) -> Result<Keyed> {
        let number = self.fresh();
        // The same names in every input, so that the keys have one whatever the first input calls them.
        let mut renamed = Vec::new();
        for input in inputs {
            let exprs: Vec<Expr> = columns_of(&input)
                .into_iter()
                .enumerate()
                .map(|(at, column)| match at.checked_sub(columns) {
                    Some(at) => Expr::Column(column).alias(key(number, at)),
                    None => Expr::Column(column),
                })
                .collect();
            renamed.push(Arc::new(LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(input))?)));
        }
        let plan = match renamed.len() {
            1 => renamed.remove(0).as_ref().clone(),
            _ => LogicalPlan::Union(Union::try_new(renamed)?),
        };
        Ok((plan, (0..self.outer.len()).map(|at| Column::from_name(key(number, at))).collect()))
    }

    fn join(&mut self, join: &Join) -> Result<Keyed> {
        let (left_reads, right_reads) = (self.reads_outer(&join.left)?, self.reads_outer(&join.right)?);
        // The side whose rows all come out has to have one set for each value.
        let (left, right) = match join.join_type {
            JoinType::Inner => (left_reads || !right_reads, right_reads),
            JoinType::Left | JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark => (true, right_reads),
            JoinType::Right | JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark => (left_reads, true),
            JoinType::Full => (true, true),
        };
        if join.null_aware && right {
            return Err(unsupported());
        }
        let (left_plan, left_keys) = self.side(&join.left, left)?;
        let (right_plan, right_keys) = self.side(&join.right, right)?;
        let keys = match (join.join_type, left_keys.is_empty()) {
            (JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark | JoinType::Right, _) | (_, true) => {
                right_keys.clone()
            }
            _ => left_keys.clone(),
        };
        if join.join_type == JoinType::Full {
            // Rows of the right side alone have their keys in its columns only.
            return Err(unsupported());
        }
        let mut on = Vec::new();
        for (l, r) in &join.on {
            on.push((self.bind(l.clone(), &left_keys)?, self.bind(r.clone(), &right_keys)?));
        }
        let mut filter = match &join.filter {
            Some(filter) => Some(self.bind(filter.clone(), &keys)?),
            None => None,
        };
        if left && right {
            let same = same_keys(&left_keys, &right_keys);
            filter = filter.into_iter().chain(same).reduce(Expr::and);
        }
        let joined = Join::try_new(
            Arc::new(left_plan),
            Arc::new(right_plan),
            on,
            filter,
            join.join_type,
            JoinConstraint::On,
            join.null_equality,
            join.null_aware,
        )?;
        Ok((LogicalPlan::Join(joined), keys))
    }

    fn side(&mut self, plan: &LogicalPlan, dependent: bool) -> Result<Keyed> {
        match dependent {
            true => self.push(plan),
            false => Ok((plan.clone(), Vec::new())),
        }
    }

    /// Whether the plan reads one of the outer columns, at any depth.
    fn reads_outer(&self, plan: &LogicalPlan) -> Result<bool> {
        let mut reads = false;
        plan.apply_with_subqueries(|node| {
            node.apply_expressions(|expr| {
                expr.apply(|e| {
                    reads |= matches!(e, Expr::OuterReferenceColumn(_, column) if self.places.contains_key(column));
                    Ok(if reads { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
                })
            })
        })?;
        Ok(reads)
    }

    /// The expression over the keys in place of the outer columns.
    fn bind(&self, expr: Expr, keys: &[Column]) -> Result<Expr> {
        let bound = expr.transform_up(|e| match &e {
            Expr::OuterReferenceColumn(_, column) => match self.places.get(column).and_then(|at| keys.get(*at)) {
                Some(key) => Ok(Transformed::yes(Expr::Column(key.clone()))),
                None if self.places.contains_key(column) => Err(unsupported()),
                None => Ok(Transformed::no(e)),
            },
            Expr::ScalarSubquery(inner) if self.reads_outer(&inner.subquery)? => Err(unsupported()),
            Expr::Exists(inner) if self.reads_outer(&inner.subquery.subquery)? => Err(unsupported()),
            Expr::InSubquery(inner) if self.reads_outer(&inner.subquery.subquery)? => Err(unsupported()),
            _ => Ok(Transformed::no(e)),
        })?;
        Ok(bound.data)
    }

    /// The expressions over the keys, under the names they have in the plan's schema from `first` on.
    fn bind_named(&self, exprs: &[Expr], plan: &LogicalPlan, first: usize, keys: &[Column]) -> Result<Vec<Expr>> {
        let mut bound = Vec::with_capacity(exprs.len());
        for (at, expr) in exprs.iter().enumerate() {
            let (qualifier, field) = plan.schema().qualified_field(first + at);
            bound.push(match self.bind(expr.clone(), keys)? {
                same if same == *expr => same,
                other => other.unalias().alias_qualified(qualifier.cloned(), field.name()),
            });
        }
        Ok(bound)
    }

    fn bind_sort(&self, sort: &[SortExpr], keys: &[Column]) -> Result<Vec<SortExpr>> {
        sort.iter().map(|s| Ok(SortExpr { expr: self.bind(s.expr.clone(), keys)?, ..s.clone() })).collect()
    }
}

/// The number of rows in a LIMIT or an OFFSET; NULL counts none, and limits nothing.
fn count_of(expr: Expr) -> Expr {
    if let Expr::Literal(value, _) = &expr
        && let Ok(ScalarValue::UInt64(count)) = value.cast_to(&DataType::UInt64)
    {
        return lit(count.unwrap_or(0));
    }
    datafusion::prelude::coalesce(vec![datafusion::logical_expr::cast(expr, DataType::UInt64), lit(0_u64)])
}

fn key(number: u64, at: usize) -> String {
    format!("__outer_{number}_{at}")
}

/// The columns of a plan's rows.
pub(super) fn columns_of(plan: &LogicalPlan) -> Vec<Column> {
    plan.schema().iter().map(Column::from).collect()
}

fn last_keys(plan: LogicalPlan, columns: &[Column], keys: &[Column]) -> Result<LogicalPlan> {
    let exprs: Vec<Expr> = columns.iter().chain(keys).cloned().map(Expr::Column).collect();
    Ok(LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(plan))?))
}

fn same_keys(left: &[Column], right: &[Column]) -> Option<Expr> {
    let same = |(l, r): (&Column, &Column)| {
        let (l, r) = (Expr::Column(l.clone()), Expr::Column(r.clone()));
        Expr::BinaryExpr(BinaryExpr::new(Box::new(l), Operator::IsNotDistinctFrom, Box::new(r)))
    };
    left.iter().zip(right).map(same).reduce(Expr::and)
}

/// Joins where the keys are equal, NULL to NULL.
pub(super) fn join_on_keys(
    left: LogicalPlan,
    join_type: JoinType,
    right: LogicalPlan,
    left_keys: &[Column],
    right_keys: &[Column],
) -> Result<LogicalPlan> {
    let on = left_keys.iter().zip(right_keys).map(|(l, r)| (Expr::Column(l.clone()), Expr::Column(r.clone())));
    Ok(LogicalPlan::Join(Join::try_new(
        Arc::new(left),
        Arc::new(right),
        on.collect(),
        None,
        join_type,
        JoinConstraint::On,
        NullEquality::NullEqualsNull,
        false,
    )?))
}

/// What cannot be planned.
pub(super) fn unsupported() -> datafusion::error::DataFusionError {
    EngineError::new(
        ErrorKind::FeatureNotSupported,
        "a subquery of this form cannot read columns of the query around it: write it as a join",
    )
    .into()
}

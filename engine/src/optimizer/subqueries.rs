//! Subqueries that read columns of the query around them, of every form: DataFusion has joins for a few.
//!
//! A subquery in an expression becomes a left join to the values it has for each row, a lateral one in FROM a join
//! ([`dependent`] says how). What DataFusion plans well itself is left to it: EXISTS and IN as conditions of WHERE, aggregates
//! over rows that are found by equality, laterals that are no more than a filter. A scalar subquery that gives more than one
//! row fails, as in PostgreSQL.

use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, JoinType, Result};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{
    Aggregate, Expr, Filter, Join, LogicalPlan, LogicalPlanBuilder, Operator, Projection, Subquery, SubqueryAlias,
};
use datafusion::optimizer::AnalyzerRule;
use zxq_language::functions::single_value::single_value;

mod comparisons;
mod dependent;
mod early_conditions;
mod nearest;

use dependent::{Dependent, columns_of, join_on_keys, unsupported};

/// Plans subqueries, see the module.
#[derive(Debug, Default)]
pub(super) struct Subqueries;

impl AnalyzerRule for Subqueries {
    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        let mut names = 0;
        let plan = plan.transform_down_with_subqueries(early_conditions::ask_early)?.data;
        Ok(plan.transform_up_with_subqueries(|node| rewrite(node, &mut names))?.data)
    }

    fn name(&self) -> &str {
        "zxq_subqueries"
    }
}

fn rewrite(plan: LogicalPlan, names: &mut u64) -> Result<Transformed<LogicalPlan>> {
    if let LogicalPlan::Join(join) = &plan
        && let Some((subquery, alias)) = lateral(&join.right)
    {
        return match is_filter_only(&subquery.subquery)? && matches!(join.join_type, JoinType::Inner | JoinType::Left) {
            true => Ok(Transformed::no(plan)),
            false => join_lateral(join, subquery, alias, names).map(Transformed::yes),
        };
    }
    let mut found = false;
    plan.apply_expressions(|expr| {
        found |= expr.exists(|e| Ok(is_subquery(e)))?;
        Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    match found {
        true => in_expressions(plan, names),
        false => Ok(Transformed::no(plan)),
    }
}

fn is_subquery(expr: &Expr) -> bool {
    matches!(expr, Expr::ScalarSubquery(_) | Expr::Exists(_) | Expr::InSubquery(_) | Expr::SetComparison(_))
}

/// The lateral subquery that a join's right side is, with its alias.
fn lateral(plan: &LogicalPlan) -> Option<(&Subquery, Option<&SubqueryAlias>)> {
    match plan {
        LogicalPlan::Subquery(subquery) => Some((subquery, None)),
        LogicalPlan::SubqueryAlias(alias) => match alias.input.as_ref() {
            LogicalPlan::Subquery(subquery) => Some((subquery, Some(alias))),
            _ => None,
        },
        _ => None,
    }
}

/// True for plans whose outer columns stand in filters alone, below nothing that counts rows.
fn is_filter_only(plan: &LogicalPlan) -> Result<bool> {
    let mut simple = true;
    plan.apply_with_subqueries(|node| {
        simple &= match node {
            LogicalPlan::Filter(_) | LogicalPlan::SubqueryAlias(_) | LogicalPlan::TableScan(_) => true,
            LogicalPlan::Projection(_) => !node.contains_outer_reference(),
            _ => false,
        };
        Ok(if simple { TreeNodeRecursion::Continue } else { TreeNodeRecursion::Stop })
    })?;
    Ok(simple)
}

fn join_lateral(
    join: &Join,
    subquery: &Subquery,
    alias: Option<&SubqueryAlias>,
    names: &mut u64,
) -> Result<LogicalPlan> {
    if !matches!(join.join_type, JoinType::Inner | JoinType::Left) {
        return Err(unsupported());
    }
    let outer = outer_columns(&subquery.subquery, join.left.schema())?;
    if outer.is_empty() {
        // What it reads is of a query further out.
        return Ok(LogicalPlan::Join(join.clone()));
    }
    let source = without_limits(&join.left)?;
    let mut dependent = Dependent::new(outer, source, names);
    let (mut right, mut keys) = dependent.push(&subquery.subquery)?;
    if let Some(alias) = alias {
        right = LogicalPlan::SubqueryAlias(SubqueryAlias::try_new(Arc::new(right), alias.alias.clone())?);
        keys = keys.into_iter().map(|key| Column::new(Some(alias.alias.clone()), key.name)).collect();
    }
    let columns: Vec<Expr> = join.schema.iter().map(|field| Expr::Column(Column::from(field))).collect();
    let joined = join_on_keys(join.left.as_ref().clone(), join.join_type, right, dependent.outer(), &keys)?;
    let LogicalPlan::Join(mut joined) = joined else { return Err(unsupported()) };
    let equal = join.on.iter().map(|(l, r)| l.clone().eq(r.clone()));
    joined.filter = join.filter.clone().into_iter().chain(equal).reduce(Expr::and);
    let joined = Arc::new(LogicalPlan::Join(joined));
    Ok(LogicalPlan::Projection(Projection::try_new(columns, joined)?))
}

/// The columns of rows of this schema that a subquery reads.
fn outer_columns(plan: &LogicalPlan, schema: &DFSchema) -> Result<Vec<Column>> {
    let mut outer: Vec<Column> = Vec::new();
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|e| {
                if let Expr::OuterReferenceColumn(_, column) = e
                    && schema.has_column(column)
                    && !outer.contains(column)
                {
                    outer.push(column.clone());
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(outer)
}

/// The plan's rows and perhaps more: a limit read twice might give other rows the second time. Values that no row has do
/// not matter.
fn without_limits(plan: &LogicalPlan) -> Result<LogicalPlan> {
    if !has_limit(plan)? {
        return Ok(plan.clone());
    }
    match plan {
        LogicalPlan::Limit(limit) => return without_limits(&limit.input),
        LogicalPlan::Sort(sort) => return without_limits(&sort.input),
        LogicalPlan::Projection(_) | LogicalPlan::Filter(_) | LogicalPlan::SubqueryAlias(_) => {}
        LogicalPlan::Join(join) => match join.join_type {
            JoinType::Inner | JoinType::LeftSemi => {}
            // More rows on the right would be fewer that have none.
            JoinType::Left if !has_limit(&join.right)? => {}
            _ => return Err(unsupported()),
        },
        _ => return Err(unsupported()),
    }
    let inputs = plan.inputs().into_iter().map(without_limits).collect::<Result<Vec<_>>>()?;
    plan.with_new_exprs(plan.expressions(), inputs)
}

fn has_limit(plan: &LogicalPlan) -> Result<bool> {
    let limits = |node: &LogicalPlan| match node {
        LogicalPlan::Limit(_) => true,
        LogicalPlan::Sort(sort) => sort.fetch.is_some(),
        _ => false,
    };
    plan.exists(|node| Ok(limits(node)))
}

/// Subqueries within the expressions of a node.
fn in_expressions(plan: LogicalPlan, names: &mut u64) -> Result<Transformed<LogicalPlan>> {
    let input = match &plan {
        LogicalPlan::Filter(filter) => Arc::clone(&filter.input),
        LogicalPlan::Projection(projection) => Arc::clone(&projection.input),
        LogicalPlan::Aggregate(aggregate) => Arc::clone(&aggregate.input),
        LogicalPlan::Window(window) => Arc::clone(&window.input),
        LogicalPlan::Sort(sort) => Arc::clone(&sort.input),
        _ => return Ok(Transformed::no(plan)),
    };
    let by_datafusion = matches!(plan, LogicalPlan::Filter(_) | LogicalPlan::Projection(_));
    let outer = Arc::clone(input.schema());
    let mut attached = Attached { input: input.as_ref().clone(), outer, names, changed: false, by_datafusion };
    if let LogicalPlan::Filter(filter) = &plan {
        let mut kept = Vec::new();
        for part in split_conjunction(&filter.predicate) {
            kept.push(match is_condition_of_datafusion(part)? {
                true => part.clone(),
                false => attached.rewrite(part.clone())?,
            });
        }
        let Some(predicate) = kept.into_iter().reduce(Expr::and) else { return Ok(Transformed::no(plan)) };
        let columns: Vec<Expr> = columns_of(&plan).into_iter().map(Expr::Column).collect();
        let joined = attached.input.schema().fields().len() > columns.len();
        let filtered = LogicalPlan::Filter(Filter::try_new(predicate, Arc::new(attached.input))?);
        return Ok(Transformed::yes(match joined {
            true => LogicalPlan::Projection(Projection::try_new(columns, Arc::new(filtered))?),
            false => filtered,
        }));
    }
    let preserver = NamePreserver::new(&plan);
    let columns: Vec<Expr> = columns_of(&plan).into_iter().map(Expr::Column).collect();
    let rewritten = plan.map_expressions(|expr| {
        if !expr.exists(|e| Ok(is_subquery(e)))? {
            return Ok(Transformed::no(expr));
        }
        let name = preserver.save(&expr);
        let expr = attached.rewrite(expr)?;
        Ok(Transformed::yes(name.restore(expr)))
    })?;
    if !attached.changed {
        return Ok(rewritten);
    }
    let exprs = rewritten.data.expressions();
    let keeps_columns = matches!(rewritten.data, LogicalPlan::Window(_) | LogicalPlan::Sort(_));
    let plan = match rewritten.data {
        LogicalPlan::Projection(_) => LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(attached.input))?),
        LogicalPlan::Aggregate(aggregate) => LogicalPlan::Aggregate(Aggregate::try_new(
            Arc::new(attached.input),
            aggregate.group_expr,
            aggregate.aggr_expr,
        )?),
        other => other.with_new_exprs(exprs, vec![attached.input])?,
    };
    Ok(Transformed::yes(match keeps_columns {
        true => LogicalPlan::Projection(Projection::try_new(columns, Arc::new(plan))?),
        false => plan,
    }))
}

/// A node's input, to which the values of subqueries are joined one after the other.
struct Attached<'a> {
    input: LogicalPlan,
    outer: Arc<DFSchema>,
    names: &'a mut u64,
    changed: bool,
    /// Whether DataFusion joins scalar subqueries of this node itself, where it can.
    by_datafusion: bool,
}

impl Attached<'_> {
    fn rewrite(&mut self, expr: Expr) -> Result<Expr> {
        // From above, so that what a comparison becomes is looked at next.
        let rewritten = expr.transform_down(|e| match &e {
            Expr::Exists(exists) => Ok(Transformed::yes(comparisons::exists(exists)?)),
            Expr::InSubquery(within) => Ok(Transformed::yes(comparisons::in_subquery(within, &self.outer)?)),
            Expr::SetComparison(set) => Ok(Transformed::yes(comparisons::set_comparison(set, &self.outer)?)),
            _ => Ok(Transformed::no(e)),
        })?;
        Ok(rewritten
            .data
            .transform_up(|e| match e {
                Expr::ScalarSubquery(subquery) => self.scalar(subquery).map(Transformed::yes),
                e => Ok(Transformed::no(e)),
            })?
            .data)
    }

    /// The value of a scalar subquery: a column that is joined to the input, or the subquery where DataFusion joins it.
    fn scalar(&mut self, subquery: Subquery) -> Result<Expr> {
        let outer = outer_columns(&subquery.subquery, &self.outer)?;
        let one_row = subquery.subquery.max_rows().is_some_and(|rows| rows <= 1);
        if outer.is_empty() {
            if self.by_datafusion && one_row || !subquery.outer_ref_columns.is_empty() {
                return Ok(Expr::ScalarSubquery(subquery));
            }
            let value = Expr::Column(Column::from(subquery.subquery.schema().qualified_field(0)));
            *self.names += 1;
            let name = format!("__value_{}", self.names);
            let plan = LogicalPlanBuilder::from(subquery.subquery.as_ref().clone())
                .aggregate(Vec::<Expr>::new(), vec![single_value(value).alias(&name)])?
                .build()?;
            if self.by_datafusion {
                return Ok(Expr::ScalarSubquery(Subquery { subquery: Arc::new(plan), ..subquery }));
            }
            self.input = LogicalPlanBuilder::from(self.input.clone()).cross_join(plan)?.build()?;
            self.changed = true;
            return Ok(Expr::Column(Column::from_name(name)));
        }
        if self.by_datafusion && is_aggregate_by_equality(&subquery.subquery)? {
            return Ok(Expr::ScalarSubquery(subquery));
        }
        let source = without_limits(&self.input)?;
        let mut dependent = Dependent::new(outer, source, self.names);
        let (plan, keys) = dependent.push(&subquery.subquery)?;
        let outer = dependent.outer().to_vec();
        let value = Expr::Column(Column::from(subquery.subquery.schema().qualified_field(0)));
        *self.names += 1;
        let number = *self.names;
        let name = |part: String| format!("__value_{number}{part}");
        let named: Vec<Expr> =
            keys.iter().enumerate().map(|(at, k)| Expr::Column(k.clone()).alias(name(format!("_{at}")))).collect();
        let builder = LogicalPlanBuilder::from(plan);
        let plan = match one_row {
            true => builder.project(named.into_iter().chain([value.alias(name(String::new()))]))?.build()?,
            false => builder.aggregate(named, vec![single_value(value).alias(name(String::new()))])?.build()?,
        };
        let keys: Vec<Column> = (0..keys.len()).map(|at| Column::from_name(name(format!("_{at}")))).collect();
        self.input = join_on_keys(self.input.clone(), JoinType::Left, plan, &outer, &keys)?;
        self.changed = true;
        Ok(Expr::Column(Column::from_name(name(String::new()))))
    }
}

/// True for conditions of WHERE that DataFusion makes joins of, rightly.
fn is_condition_of_datafusion(condition: &Expr) -> Result<bool> {
    let bare = match condition {
        Expr::Not(inner) => inner.as_ref(),
        other => other,
    };
    match bare {
        Expr::Exists(exists) => is_filter_only(&exists.subquery.subquery),
        Expr::InSubquery(within) => {
            let correlated = !within.subquery.outer_ref_columns.is_empty();
            let negated = within.negated != matches!(condition, Expr::Not(_));
            let plain = !within.expr.exists(|e| Ok(is_subquery(e)))?;
            Ok(plain && (!correlated || (!negated && is_filter_only(&within.subquery.subquery)?)))
        }
        other => Ok(!other.exists(|e| Ok(is_subquery(e)))?),
    }
}

/// An aggregate over rows that are found by comparing their columns with outer ones for equality, and nothing else.
fn is_aggregate_by_equality(plan: &LogicalPlan) -> Result<bool> {
    let mut node = plan;
    loop {
        node = match node {
            LogicalPlan::SubqueryAlias(alias) => &alias.input,
            LogicalPlan::Projection(p) if !node.contains_outer_reference() => &p.input,
            _ => break,
        };
    }
    let LogicalPlan::Aggregate(aggregate) = node else { return Ok(false) };
    if !aggregate.group_expr.is_empty() || node.contains_outer_reference() {
        return Ok(false);
    }
    let mut simple = true;
    aggregate.input.apply_with_subqueries(|node| {
        simple &= match node {
            LogicalPlan::Filter(filter) => split_conjunction(&filter.predicate)
                .into_iter()
                .all(|part| !part.contains_outer() || is_equality(part, filter.input.schema())),
            LogicalPlan::SubqueryAlias(_) | LogicalPlan::TableScan(_) => true,
            LogicalPlan::Projection(_) => !node.contains_outer_reference(),
            _ => false,
        };
        Ok(if simple { TreeNodeRecursion::Continue } else { TreeNodeRecursion::Stop })
    })?;
    Ok(simple)
}

/// With a column of the same name on both sides DataFusion would compare it with itself.
fn is_equality(part: &Expr, own: &DFSchema) -> bool {
    let Expr::BinaryExpr(binary) = part else { return false };
    if binary.op != Operator::Eq {
        return false;
    }
    match (binary.left.as_ref(), binary.right.as_ref()) {
        (Expr::Column(_), Expr::OuterReferenceColumn(_, outer))
        | (Expr::OuterReferenceColumn(_, outer), Expr::Column(_)) => !own.has_column(outer),
        _ => false,
    }
}

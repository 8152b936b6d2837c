//! Intervals compare by their length, with months of 30 days and days of 24 hours: `1 day` equals `24 hours`.
//!
//! Arrow compares field by field. So comparisons, orders and joins take `key` in the interval's place, and groups are made
//! by it, each shown by one of its own intervals.

use std::sync::Arc;

use arrow::array::{ArrayRef, Decimal128Array};
use arrow::datatypes::DataType;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, Result};
use datafusion::config::ConfigOptions;
use datafusion::functions_aggregate::first_last::first_value_udaf;
use datafusion::logical_expr::expr::{AggregateFunction, ScalarFunction};
use datafusion::logical_expr::{
    Aggregate, Distinct, Expr, ExprSchemable, Join, LogicalPlan, LogicalPlanBuilder, Projection, ScalarUDF, Sort,
    SortExpr,
};
use datafusion::optimizer::AnalyzerRule;

use super::parts;
use super::simple::{INTERVAL, all_given, function, intervals};

/// What an interval is compared by.
pub(crate) fn key(interval: Expr) -> Expr {
    Expr::ScalarFunction(ScalarFunction::new_udf(Arc::new(key_function()), vec![interval]))
}

fn key_function() -> ScalarUDF {
    function(
        "interval_length",
        |_| Ok(vec![INTERVAL]),
        |_| DataType::Decimal128(38, 0),
        |arrays| -> Result<ArrayRef> {
            let lengths: Vec<i128> = intervals(&arrays[0]).iter().map(|value| parts::length(*value)).collect();
            let lengths = Decimal128Array::new(lengths.into(), all_given(arrays));
            Ok(Arc::new(lengths.with_precision_and_scale(38, 0)?))
        },
    )
}

/// Orders, groups and joins by intervals.
#[derive(Debug)]
pub struct IntervalsByLength;

impl AnalyzerRule for IntervalsByLength {
    fn name(&self) -> &str {
        "intervals_by_length"
    }

    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        Ok(plan.transform_up_with_subqueries(node)?.data)
    }
}

fn is_interval(expr: &Expr, schema: &DFSchema) -> bool {
    matches!(expr.get_type(schema), Ok(DataType::Interval(_)))
}

fn node(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    match plan {
        LogicalPlan::Sort(Sort { expr, input, fetch }) if expr.iter().any(|e| is_interval(&e.expr, input.schema())) => {
            let by = |sort: SortExpr| {
                if is_interval(&sort.expr, input.schema()) { SortExpr { expr: key(sort.expr), ..sort } } else { sort }
            };
            let expr = expr.into_iter().map(by).collect();
            Ok(Transformed::yes(LogicalPlan::Sort(Sort { expr, input, fetch })))
        }
        LogicalPlan::Distinct(Distinct::All(input))
            if input.schema().fields().iter().any(|f| matches!(f.data_type(), DataType::Interval(_))) =>
        {
            let all: Vec<Expr> = input.schema().columns().into_iter().map(Expr::Column).collect();
            grouped(Aggregate::try_new(input, all, Vec::new())?)
        }
        LogicalPlan::Aggregate(aggregate)
            if aggregate.group_expr.iter().any(|e| is_interval(e, aggregate.input.schema())) =>
        {
            grouped(aggregate)
        }
        LogicalPlan::Join(join) if join.on.iter().any(|(l, _)| is_interval(l, join.left.schema())) => {
            let Join { left, right, on, .. } = &join;
            let on = on.iter().map(|(l, r)| {
                let both = is_interval(l, left.schema()) && is_interval(r, right.schema());
                if both { (key(l.clone()), key(r.clone())) } else { (l.clone(), r.clone()) }
            });
            let on = on.collect();
            Ok(Transformed::yes(LogicalPlan::Join(Join { on, ..join })))
        }
        other => Ok(Transformed::no(other)),
    }
}

/// Groups by length, each shown by the first of its intervals.
fn grouped(aggregate: Aggregate) -> Result<Transformed<LogicalPlan>> {
    let Aggregate { input, group_expr, aggr_expr, schema, .. } = aggregate.clone();
    if group_expr.iter().any(|e| matches!(e, Expr::GroupingSet(_))) {
        return Ok(Transformed::no(LogicalPlan::Aggregate(aggregate)));
    }
    let (mut groups, mut aggregates, mut shown) = (Vec::new(), Vec::new(), Vec::new());
    for (position, group) in group_expr.into_iter().enumerate() {
        let (qualifier, field) = schema.qualified_field(position);
        if is_interval(&group, input.schema()) {
            let first = Expr::AggregateFunction(AggregateFunction::new_udf(
                first_value_udaf(),
                vec![group.clone()],
                false,
                None,
                Vec::new(),
                None,
            ));
            let name = format!("interval of group {position}");
            aggregates.push(first.alias(&name));
            shown.push(datafusion::logical_expr::ident(&name).alias_qualified(qualifier.cloned(), field.name()));
            groups.push(key(group));
        } else {
            shown.push(Expr::from((qualifier, field)));
            groups.push(group);
        }
    }
    let behind = schema.fields().len() - aggr_expr.len();
    for position in behind..schema.fields().len() {
        shown.push(Expr::from(schema.qualified_field(position)));
    }
    aggregates.extend(aggr_expr);
    let plan = LogicalPlan::Aggregate(Aggregate::try_new(input, groups, aggregates)?);
    let projection = Projection::try_new(shown, Arc::new(plan))?;
    Ok(Transformed::yes(LogicalPlanBuilder::from(LogicalPlan::Projection(projection)).build()?))
}

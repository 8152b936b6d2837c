//! Which columns of a result are numbers with digits that nobody declared: sums and other aggregates of decimals, and what operators
//! make of them. They have a type with digits here; PostgreSQL says `numeric` of them, and so are clients told.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::logical_expr::{Distinct, Expr, LogicalPlan};
use zxq_catalog::declared::PG_TYPE;

use super::arithmetic::Arithmetic;

/// The schema with those columns marked. `plan` is what gives the rows, after its types are settled.
pub fn mark(plan: &LogicalPlan, schema: &SchemaRef) -> SchemaRef {
    let is_computed = |(at, field): (usize, &Arc<Field>)| {
        matches!(field.data_type(), DataType::Decimal128(..)) && column(plan, at).unwrap_or(false)
    };
    let computed: Vec<bool> = schema.fields().iter().enumerate().map(is_computed).collect();
    if !computed.contains(&true) {
        return Arc::clone(schema);
    }
    let fields = schema.fields().iter().zip(computed).map(|(field, computed)| {
        if !computed {
            return Arc::clone(field);
        }
        let mut metadata = field.metadata().clone();
        metadata.insert(PG_TYPE.to_owned(), "numeric".to_owned());
        Arc::new(Field::clone(field).with_metadata(metadata))
    });
    Arc::new(Schema::new_with_metadata(fields.collect::<Vec<_>>(), schema.metadata().clone()))
}

fn column(plan: &LogicalPlan, at: usize) -> Option<bool> {
    match plan {
        LogicalPlan::Projection(node) => expression(node.expr.get(at)?, &node.input),
        LogicalPlan::Aggregate(node) => match (node.group_expr.get(at), at.checked_sub(node.group_expr.len())) {
            (Some(group), _) => expression(group, &node.input),
            (None, Some(at)) => expression(node.aggr_expr.get(at)?, &node.input),
            (None, None) => None,
        },
        LogicalPlan::Window(node) => match at.checked_sub(node.input.schema().fields().len()) {
            None => column(&node.input, at),
            Some(at) => expression(node.window_expr.get(at)?, &node.input),
        },
        LogicalPlan::Filter(node) => column(&node.input, at),
        LogicalPlan::Sort(node) => column(&node.input, at),
        LogicalPlan::Limit(node) => column(&node.input, at),
        LogicalPlan::SubqueryAlias(node) => column(&node.input, at),
        LogicalPlan::Repartition(node) => column(&node.input, at),
        LogicalPlan::Distinct(Distinct::All(input)) => column(input, at),
        LogicalPlan::Union(node) => node.inputs.iter().map(|input| column(input, at)).find(|one| *one == Some(true))?,
        _ => None,
    }
}

fn expression(expr: &Expr, input: &LogicalPlan) -> Option<bool> {
    match expr {
        Expr::Alias(alias) => expression(&alias.expr, input),
        Expr::Column(name) => column(input, input.schema().index_of_column(name).ok()?),
        Expr::AggregateFunction(_) | Expr::WindowFunction(_) => Some(true),
        Expr::ScalarFunction(call) => Some(call.func.inner().as_ref().downcast_ref::<Arithmetic>().is_some()),
        _ => None,
    }
}

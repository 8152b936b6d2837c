//! Which columns of a result are quotients and averages of decimals: PostgreSQL shows as many digits of each value as make 16
//! that count, where a column here has one number of digits for all.
//!
//! It is found in the plan, and clients are told by the metadata of the result's columns; the values are not touched.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::DFSchema;
use datafusion::logical_expr::{
    Aggregate, Distinct, Expr, ExprSchemable, LogicalPlan, Window, WindowFunctionDefinition,
};

use super::arithmetic::Arithmetic;

/// Key of a column's metadata: the digits behind the point that its values show at least.
pub const QUOTIENT_DIGITS: &str = "zxq.quotient_digits";

/// Digits of a decimal that count, and digits of a group in which PostgreSQL counts them.
const SIGNIFICANT: i32 = 16;
const GROUP: i32 = 4;

/// Aggregates that divide.
const AVERAGES: [&str; 7] = ["avg", "variance", "var_samp", "var_pop", "stddev", "stddev_samp", "stddev_pop"];

/// The schema with those columns marked. `plan` is what gives the rows, after its types are settled.
pub(crate) fn mark(plan: &LogicalPlan, schema: &SchemaRef) -> SchemaRef {
    let digits: Vec<Option<i8>> = (0..schema.fields().len()).map(|at| column(plan, at)).collect();
    if digits.iter().all(Option::is_none) {
        return Arc::clone(schema);
    }
    let fields = schema.fields().iter().zip(digits).map(|(field, digits)| match digits {
        Some(digits) => {
            let mut metadata: HashMap<String, String> = field.metadata().clone();
            metadata.insert(QUOTIENT_DIGITS.to_owned(), digits.to_string());
            Arc::new(Field::clone(field).with_metadata(metadata))
        }
        None => Arc::clone(field),
    });
    Arc::new(Schema::new_with_metadata(fields.collect::<Vec<_>>(), schema.metadata().clone()))
}

/// The digits behind the point of a decimal that stands for a quotient, as PostgreSQL has them (`select_div_scale`), as far
/// as the quotient alone tells: of 1, 10000 and their like it takes operands that begin alike.
pub fn digits_of_quotient(unscaled: i128, scale: i8, least: i8) -> i8 {
    let size = unscaled.unsigned_abs();
    let weight = match size.checked_ilog10() {
        Some(top) => {
            let weight = (top as i32 - i32::from(scale)).div_euclid(GROUP);
            let one =
                u32::try_from(weight * GROUP + i32::from(scale)).ok().and_then(|power| 10_u128.checked_pow(power));
            weight - i32::from(one == Some(size))
        }
        None => -1,
    };
    let digits = (SIGNIFICANT - weight * GROUP).max(i32::from(least)).max(0);
    i8::try_from(digits).unwrap_or(i8::MAX).min(scale)
}

fn column(plan: &LogicalPlan, at: usize) -> Option<i8> {
    match plan {
        LogicalPlan::Projection(node) => expression(node.expr.get(at)?, &node.input),
        LogicalPlan::Aggregate(node) => aggregated(node, at),
        LogicalPlan::Window(node) => windowed(node, at),
        LogicalPlan::Filter(node) => column(&node.input, at),
        LogicalPlan::Sort(node) => column(&node.input, at),
        LogicalPlan::Limit(node) => column(&node.input, at),
        LogicalPlan::SubqueryAlias(node) => column(&node.input, at),
        LogicalPlan::Repartition(node) => column(&node.input, at),
        LogicalPlan::Distinct(Distinct::All(input)) => column(input, at),
        LogicalPlan::Union(node) => {
            let all: Option<Vec<i8>> = node.inputs.iter().map(|input| column(input, at)).collect();
            all?.into_iter().max()
        }
        _ => None,
    }
}

fn aggregated(node: &Aggregate, at: usize) -> Option<i8> {
    let groups = node.group_expr.len();
    match node.group_expr.get(at) {
        Some(Expr::GroupingSet(_)) => None,
        Some(group) => expression(group, &node.input),
        None => expression(node.aggr_expr.get(at.checked_sub(groups)?)?, &node.input),
    }
}

fn windowed(node: &Window, at: usize) -> Option<i8> {
    let columns = node.input.schema().fields().len();
    match at.checked_sub(columns) {
        None => column(&node.input, at),
        Some(at) => expression(node.window_expr.get(at)?, &node.input),
    }
}

fn expression(expr: &Expr, input: &LogicalPlan) -> Option<i8> {
    let schema = input.schema();
    match expr {
        Expr::Alias(alias) => expression(&alias.expr, input),
        Expr::Column(name) => column(input, schema.index_of_column(name).ok()?),
        Expr::ScalarFunction(call) => {
            let arithmetic = call.func.inner().as_ref().downcast_ref::<Arithmetic>()?;
            // A quotient of constants has its own digits.
            if call.args.iter().all(|arg| matches!(arg, Expr::Literal(_, _))) {
                return None;
            }
            let operands = call.args.iter().map(|arg| scale(arg, schema));
            arithmetic.gives_quotients().then(|| operands.collect::<Option<Vec<i8>>>()).flatten()?.into_iter().max()
        }
        Expr::AggregateFunction(call) => match (call.func.name(), call.params.args.as_slice()) {
            (name, [arg]) if AVERAGES.contains(&name) => scale(arg, schema),
            ("min" | "max", [arg]) => expression(arg, input),
            _ => None,
        },
        Expr::WindowFunction(call) => match (&call.fun, call.params.args.as_slice()) {
            (WindowFunctionDefinition::AggregateUDF(func), [arg]) if AVERAGES.contains(&func.name()) => {
                scale(arg, schema)
            }
            _ => None,
        },
        _ => None,
    }
}

/// Digits behind the point of a number that is exact.
fn scale(expr: &Expr, schema: &DFSchema) -> Option<i8> {
    match expr.get_type(schema).ok()? {
        DataType::Decimal128(_, scale) => Some(scale),
        integer if integer.is_integer() => Some(0),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sixteen_digits_count() {
        let digits = |unscaled: i128| digits_of_quotient(unscaled, 20, 2);
        let one = 10_i128.pow(20);
        assert_eq!(digits(one / 3), 20, "0.33333333333333333333");
        assert_eq!(digits(one * 10 / 6), 16, "1.6666666666666667");
        assert_eq!(digits(-one * 20_000 / 3), 16, "6666.6666666666666667");
        assert_eq!(digits(one * 1_000_000 / 7), 12, "142857.142857142857");
        assert_eq!(digits(0), 20);
        assert_eq!(digits(one), 20, "7/7");
        assert_eq!(digits(one * 10_000), 16);
        assert_eq!(digits_of_quotient(12_345 * 10_i128.pow(18), 10, 6), 6, "a least scale is kept");
    }
}

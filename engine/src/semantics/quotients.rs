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

/// Key of a column's metadata: a [`QuotientDigits`].
pub const QUOTIENT_DIGITS: &str = "zxq.quotient_digits";

/// Digits of a decimal that count, and digits of a group in which PostgreSQL counts them.
const SIGNIFICANT: i32 = 16;
const GROUP: i32 = 4;

/// Aggregates that divide.
const AVERAGES: [&str; 8] = ["avg", "variance", "var", "var_samp", "var_pop", "stddev", "stddev_samp", "stddev_pop"];

/// What a column of decimals is computed by, and so how many digits its values show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuotientDigits {
    /// Digits behind the point that values have at least.
    pub least: i8,
    /// What the values are.
    pub by: QuotientKind,
}

/// How a quotient comes about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuotientKind {
    /// By division; an average is one.
    Division,
    /// A variance, which is a bare zero where all values are alike.
    Variance,
    /// The root of a variance, with as many digits as that has.
    Root,
}

impl std::fmt::Display for QuotientDigits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = match self.by {
            QuotientKind::Division => "",
            QuotientKind::Variance => "v",
            QuotientKind::Root => "r",
        };
        write!(f, "{kind}{}", self.least)
    }
}

impl QuotientDigits {
    /// From the metadata of a column.
    pub fn parse(text: &str) -> Option<QuotientDigits> {
        let (by, digits) = match (text.strip_prefix('v'), text.strip_prefix('r')) {
            (Some(digits), _) => (QuotientKind::Variance, digits),
            (None, Some(digits)) => (QuotientKind::Root, digits),
            (None, None) => (QuotientKind::Division, text),
        };
        Some(QuotientDigits { least: digits.parse().ok()?, by })
    }

    /// The digits behind the point that a value shows, as PostgreSQL has them (`select_div_scale`), as far as the value alone
    /// tells. Where a group of digits begins with a one, the operands decide; those values have been rounded to what they
    /// said, so that digits behind the sixteenth say that there are more.
    pub fn of(self, unscaled: i128, scale: i8) -> i8 {
        if unscaled == 0 && self.by != QuotientKind::Division {
            return 0;
        }
        let size = unscaled.unsigned_abs();
        // A root has half the digits before its point that its square has.
        let group = if self.by == QuotientKind::Root { GROUP / 2 } else { GROUP };
        let weight = match size.checked_ilog10() {
            Some(top) => (top as i32 - i32::from(scale)).div_euclid(group),
            None => -1,
        };
        let digits = |weight: i32| (SIGNIFICANT - weight * GROUP).max(i32::from(self.least)).max(0);
        let power = |power: i32| u32::try_from(power).ok().and_then(|power| 10_u128.checked_pow(power));
        let start = power(weight * group + i32::from(scale));
        let begins_with_one = start.is_some_and(|start| size >= start && size < 2 * start);
        let surplus = power(i32::from(scale) - digits(weight)).filter(|surplus| *surplus > 1);
        let has_more = begins_with_one && surplus.is_some_and(|surplus| !size.is_multiple_of(surplus));
        let more = has_more || start == Some(size);
        i8::try_from(digits(weight - i32::from(more))).unwrap_or(i8::MAX).min(scale)
    }
}

/// The schema with those columns marked. `plan` is what gives the rows, after its types are settled.
pub(crate) fn mark(plan: &LogicalPlan, schema: &SchemaRef) -> SchemaRef {
    let digits: Vec<Option<QuotientDigits>> = (0..schema.fields().len()).map(|at| column(plan, at)).collect();
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

fn column(plan: &LogicalPlan, at: usize) -> Option<QuotientDigits> {
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
            let all: Option<Vec<QuotientDigits>> = node.inputs.iter().map(|input| column(input, at)).collect();
            all?.into_iter().max_by_key(|digits| digits.least)
        }
        _ => None,
    }
}

fn aggregated(node: &Aggregate, at: usize) -> Option<QuotientDigits> {
    let groups = node.group_expr.len();
    match node.group_expr.get(at) {
        Some(Expr::GroupingSet(_)) => None,
        Some(group) => expression(group, &node.input),
        None => expression(node.aggr_expr.get(at.checked_sub(groups)?)?, &node.input),
    }
}

fn windowed(node: &Window, at: usize) -> Option<QuotientDigits> {
    let columns = node.input.schema().fields().len();
    match at.checked_sub(columns) {
        None => column(&node.input, at),
        Some(at) => expression(node.window_expr.get(at)?, &node.input),
    }
}

fn expression(expr: &Expr, input: &LogicalPlan) -> Option<QuotientDigits> {
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
            let least = arithmetic.gives_quotients().then(|| operands.collect::<Option<Vec<i8>>>()).flatten()?;
            Some(QuotientDigits { least: least.into_iter().max()?, by: QuotientKind::Division })
        }
        Expr::AggregateFunction(call) => match (call.func.name(), call.params.args.as_slice()) {
            (name, [arg]) if AVERAGES.contains(&name) => averaged(name, scale(arg, schema)?),
            ("min" | "max", [arg]) => expression(arg, input),
            _ => None,
        },
        Expr::WindowFunction(call) => match (&call.fun, call.params.args.as_slice()) {
            (WindowFunctionDefinition::AggregateUDF(func), [arg]) if AVERAGES.contains(&func.name()) => {
                averaged(func.name(), scale(arg, schema)?)
            }
            _ => None,
        },
        _ => None,
    }
}

/// The digits of an aggregate over values with this scale.
fn averaged(name: &str, scale: i8) -> Option<QuotientDigits> {
    Some(match name {
        "avg" => QuotientDigits { least: scale, by: QuotientKind::Division },
        // Squares have twice the digits behind the point.
        root if root.starts_with("stddev") => QuotientDigits { least: scale.checked_mul(2)?, by: QuotientKind::Root },
        _ => QuotientDigits { least: scale.checked_mul(2)?, by: QuotientKind::Variance },
    })
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
        let quotient = |least| QuotientDigits { least, by: QuotientKind::Division };
        let digits = |unscaled: i128| quotient(2).of(unscaled, 20);
        let one = 10_i128.pow(20);
        assert_eq!(digits(one / 3), 20, "0.33333333333333333333");
        assert_eq!(digits(166_666_666_666_666_670_000), 16, "1.6666666666666667");
        assert_eq!(digits(100_081_037_277_147_487_844), 20, "185.25 / 185.10");
        assert_eq!(digits(one * 8 / 3), 16, "2.6666666666666667");
        assert_eq!(digits(-one * 20_000 / 3), 16, "6666.6666666666666667");
        assert_eq!(digits(one * 1_000_000 / 7), 12, "142857.142857142857");
        assert_eq!(digits(0), 20);
        assert_eq!(digits(one), 20, "7/7");
        assert_eq!(digits(one * 10_000), 16);
        assert_eq!(quotient(6).of(12_345 * 10_i128.pow(18), 10), 6, "a least scale is kept");
    }

    #[test]
    fn roots_have_the_digits_of_their_squares() {
        let one = 10_i128.pow(20);
        let digits = |by, unscaled| QuotientDigits { least: 0, by }.of(unscaled, 20);
        assert_eq!(digits(QuotientKind::Root, 57_735_026_918_962_576_451), 20, "of a third");
        assert_eq!(digits(QuotientKind::Root, one * 141), 12, "of 19881");
        assert_eq!(digits(QuotientKind::Root, one * 99), 16, "of 9801");
        assert_eq!(digits(QuotientKind::Root, 0), 0);
        assert_eq!(digits(QuotientKind::Variance, 0), 0);
        assert_eq!(digits(QuotientKind::Variance, one / 3), 20);
    }

    #[test]
    fn what_is_noted_is_read_again() {
        for by in [QuotientKind::Division, QuotientKind::Variance, QuotientKind::Root] {
            let digits = QuotientDigits { least: 6, by };
            assert_eq!(QuotientDigits::parse(&digits.to_string()), Some(digits));
        }
        assert_eq!(QuotientDigits::parse("x"), None);
    }
}

//! Which columns of a result are quotients and averages of decimals: PostgreSQL shows as many digits of each value as make 16
//! that count, where a column here has one number of digits for all.
//!
//! It is found in the plan, and clients are told by the metadata of the result's columns; the values are not touched.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::logical_expr::{
    Aggregate, Distinct, Expr, ExprSchemable, LogicalPlan, Window, WindowFunctionDefinition,
};

use super::arithmetic::{Arithmetic, power_of_ten, rounded};
use crate::values::quotient_digits::{base_10000, quotient_digits};

/// Key of a column's metadata: a [`QuotientDigits`].
pub const QUOTIENT_DIGITS: &str = "zxq.quotient_digits";

/// Digits of a decimal that count, and digits of a group in which PostgreSQL counts them.
const SIGNIFICANT: i32 = 16;
const GROUP: i32 = 4;

/// Aggregates that divide.
const AVERAGES: [&str; 8] = ["avg", "variance", "var", "var_samp", "var_pop", "stddev", "stddev_samp", "stddev_pop"];

/// What a column of decimals is computed by, and so how many digits its values show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct QuotientDigits {
    /// Digits behind the point that values have at least.
    pub least: i8,
    /// What the values are.
    pub by: QuotientKind,
    /// What all are divided by, where that is one number: its digits without the point, and how many stand behind it.
    pub divisor: Option<(i128, i8)>,
    /// The whole number that all are multiplied by once they have their digits.
    pub factor: Option<i128>,
}

/// How a quotient comes about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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
        write!(f, "{kind}{}", self.least)?;
        if let Some((value, scale)) = self.divisor {
            write!(f, "/{value}/{scale}")?;
        }
        match self.factor {
            Some(factor) => write!(f, "*{factor}"),
            None => Ok(()),
        }
    }
}

impl QuotientDigits {
    /// From the metadata of a column.
    pub fn parse(text: &str) -> Option<QuotientDigits> {
        let (text, factor) = match text.split_once('*') {
            Some((text, factor)) => (text, Some(factor.parse().ok()?)),
            None => (text, None),
        };
        let (by, digits) = match (text.strip_prefix('v'), text.strip_prefix('r')) {
            (Some(digits), _) => (QuotientKind::Variance, digits),
            (None, Some(digits)) => (QuotientKind::Root, digits),
            (None, None) => (QuotientKind::Division, text),
        };
        let (digits, divisor) = match digits.split_once('/') {
            Some((digits, divisor)) => {
                let (value, scale) = divisor.split_once('/')?;
                (digits, Some((value.parse().ok()?, scale.parse().ok()?)))
            }
            None => (digits, None),
        };
        Some(QuotientDigits { least: digits.parse().ok()?, by, divisor, factor })
    }

    /// A value with the digits behind the point that are shown of it, rounded half away from zero, and how many those are.
    pub fn shown(self, unscaled: i128, scale: i8) -> (i128, i8) {
        if let Some(factor) = self.factor.filter(|factor| *factor != 0) {
            let (value, digits) = QuotientDigits { factor: None, ..self }.shown(unscaled / factor, scale);
            let whole = unscaled % factor == 0;
            return value.checked_mul(factor).filter(|_| whole).map_or((unscaled, scale), |value| (value, digits));
        }
        let digits = self.of(unscaled, scale);
        match power_of_ten(scale.saturating_sub(digits)) {
            Some(by) if by > 1 => (rounded(unscaled, by), digits),
            _ => (unscaled, scale),
        }
    }

    /// The digits behind the point that a value shows, as PostgreSQL has them (`select_div_scale`), as far as the value and the
    /// divisor tell. Where a group of digits begins with a one, the operands decide; those values have been rounded to what
    /// they said, so that digits behind the sixteenth say that there are more.
    fn of(self, unscaled: i128, scale: i8) -> i8 {
        if unscaled == 0 && self.by != QuotientKind::Division {
            return 0;
        }
        if let (0, Some(divisor)) = (unscaled, self.divisor) {
            let digits = quotient_digits((0, 0), divisor).max(i32::from(self.least));
            return i8::try_from(digits).unwrap_or(i8::MAX).min(scale);
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
        let more = has_more || start == Some(size) || begins_with_one && self.divides_alike(unscaled, scale);
        i8::try_from(digits(weight - i32::from(more))).unwrap_or(i8::MAX).min(scale)
    }
}

impl QuotientDigits {
    /// True where the dividend of an exact quotient begins with the same group of digits as the divisor: then PostgreSQL
    /// computes a group more.
    fn divides_alike(self, unscaled: i128, scale: i8) -> bool {
        let Some((divisor, of_divisor)) = self.divisor else { return false };
        let (mut exact, mut behind) = (unscaled, scale);
        while exact % 10 == 0 && behind > 0 {
            (exact, behind) = (exact / 10, behind - 1);
        }
        let dividend = exact.checked_mul(divisor).zip(behind.checked_add(of_divisor));
        dividend.is_some_and(|(dividend, scale)| base_10000(dividend, scale).1 == base_10000(divisor, of_divisor).1)
    }
}

/// The schema with those columns marked. `plan` is what gives the rows, after its types are settled.
pub fn mark(plan: &LogicalPlan, schema: &SchemaRef) -> SchemaRef {
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
            let most = all?.into_iter().max_by_key(|digits| digits.least)?;
            Some(QuotientDigits { divisor: None, ..most })
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

pub(super) fn expression(expr: &Expr, input: &LogicalPlan) -> Option<QuotientDigits> {
    let schema = input.schema();
    match expr {
        Expr::Alias(alias) => expression(&alias.expr, input),
        Expr::Column(name) => column(input, schema.index_of_column(name).ok()?),
        Expr::Case(case) => {
            let results = case.when_then_expr.iter().map(|(_, then)| then.as_ref());
            any_of(results.chain(case.else_expr.as_deref()), input)
        }
        Expr::ScalarFunction(call) if matches!(call.func.name(), "coalesce" | "greatest" | "least") => {
            any_of(call.args.iter(), input)
        }
        Expr::ScalarFunction(call) if matches!(call.func.name(), "abs" | "nullif") => {
            Some(QuotientDigits { divisor: None, ..expression(call.args.first()?, input)? })
        }
        Expr::ScalarFunction(call) => {
            let arithmetic = call.func.inner().as_ref().downcast_ref::<Arithmetic>()?;
            // A quotient of constants has its own digits.
            if call.args.iter().all(|arg| matches!(arg, Expr::Literal(_, _))) {
                return None;
            }
            if let (true, [left, right]) = (arithmetic.multiplies(), call.args.as_slice()) {
                let (quotient, by) = if is_constant(left) { (right, left) } else { (left, right) };
                let factor = constant(by).filter(|(_, scale)| *scale == 0).map(|(value, _)| value);
                let digits = expression(quotient, input).filter(|digits| digits.factor.is_none());
                return digits.zip(factor).map(|(digits, factor)| QuotientDigits { factor: Some(factor), ..digits });
            }
            let operands = call.args.iter().map(|arg| scale(arg, schema));
            let least = arithmetic.gives_quotients().then(|| operands.collect::<Option<Vec<i8>>>()).flatten()?;
            let divisor = call.args.get(1).and_then(constant);
            Some(QuotientDigits { least: least.into_iter().max()?, by: QuotientKind::Division, divisor, factor: None })
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

/// The digits of one of several: quotients all of them, but for constants.
fn any_of<'a>(exprs: impl Iterator<Item = &'a Expr>, input: &LogicalPlan) -> Option<QuotientDigits> {
    let computed = exprs.filter(|expr| !is_constant(expr));
    let all: Option<Vec<QuotientDigits>> = computed.map(|expr| expression(expr, input)).collect();
    let all = all?;
    let same = all.iter().all(|digits| Some(digits) == all.first());
    let most = all.into_iter().max_by_key(|digits| digits.least)?;
    Some(if same { most } else { QuotientDigits { divisor: None, ..most } })
}

fn is_constant(expr: &Expr) -> bool {
    match expr {
        Expr::Literal(_, _) => true,
        Expr::Cast(cast) => is_constant(&cast.expr),
        _ => false,
    }
}

/// The digits of an aggregate over values with this scale.
fn averaged(name: &str, scale: i8) -> Option<QuotientDigits> {
    Some(match name {
        "avg" => QuotientDigits { least: scale, by: QuotientKind::Division, divisor: None, factor: None },
        // Squares have twice the digits behind the point.
        root if root.starts_with("stddev") => {
            QuotientDigits { least: scale.checked_mul(2)?, by: QuotientKind::Root, divisor: None, factor: None }
        }
        _ => QuotientDigits { least: scale.checked_mul(2)?, by: QuotientKind::Variance, divisor: None, factor: None },
    })
}

/// An exact number that is the same for all rows.
fn constant(expr: &Expr) -> Option<(i128, i8)> {
    match expr {
        Expr::Literal(ScalarValue::Decimal128(Some(value), _, scale), _) if *scale >= 0 => Some((*value, *scale)),
        Expr::Literal(ScalarValue::Int16(Some(value)), _) => Some((i128::from(*value), 0)),
        Expr::Literal(ScalarValue::Int32(Some(value)), _) => Some((i128::from(*value), 0)),
        Expr::Literal(ScalarValue::Int64(Some(value)), _) => Some((i128::from(*value), 0)),
        Expr::Cast(cast) if cast.field.data_type().is_decimal() => constant(&cast.expr),
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
        let quotient = |least| QuotientDigits { least, by: QuotientKind::Division, divisor: None, factor: None };
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
    fn a_divisor_tells_what_an_exact_quotient_does_not() {
        let by =
            |divisor| QuotientDigits { least: 1, by: QuotientKind::Division, divisor: Some(divisor), factor: None };
        let one_and_a_half = 15 * 10_i128.pow(19);
        assert_eq!(by((1, 0)).shown(one_and_a_half, 20), (one_and_a_half, 20), "1.5 / 1");
        assert_eq!(by((2, 0)).shown(one_and_a_half, 20), (15 * 10_i128.pow(15), 16), "3 / 2");
        assert_eq!(by((-100, 2)).of(-one_and_a_half, 20), 20, "1.50 / -1.00");
        assert_eq!(by((40_000, 0)).of(125 * 10_i128.pow(18), 20), 16, "50000 / 40000");
        assert_eq!(by((400, 0)).of(10_025 * 10_i128.pow(16), 20), 16, "401 / 400");
        assert_eq!(by((4000, 0)).of(100_002 * 10_i128.pow(15), 20), 20, "4000.08 / 4000");
        assert_eq!(by((1, 0)).of(2 * one_and_a_half, 20), 16, "3 / 1");
        assert_eq!(by((-5, 1)).of(0, 20), 16, "0 / -0.5");
        assert_eq!(by((3, 0)).of(0, 20), 20, "0 / 3");
    }

    #[test]
    fn a_multiple_has_the_digits_of_its_quotient() {
        let digits = QuotientDigits { least: 0, by: QuotientKind::Division, divisor: None, factor: Some(100) };
        let quotient = 16_666_666_666_666_667 * 10_i128.pow(4);
        assert_eq!(digits.shown(100 * quotient, 20), (1_666_666_666_666_666_700, 16), "5 / 3.0 * 100");
        let third = 33_333_333_333_333_333_333_i128;
        assert_eq!(digits.shown(100 * third, 20), (100 * third, 20), "1 / 3.0 * 100, of which each digit counts");
        assert_eq!(digits.shown(100 * third + 1, 20), (100 * third + 1, 20), "no multiple");
    }

    #[test]
    fn roots_have_the_digits_of_their_squares() {
        let one = 10_i128.pow(20);
        let digits = |by, unscaled| QuotientDigits { least: 0, by, divisor: None, factor: None }.of(unscaled, 20);
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
            for (divisor, factor) in [(None, None), (Some((-25, 1)), None), (Some((3, 0)), Some(-100)), (None, Some(2))]
            {
                let digits = QuotientDigits { least: 6, by, divisor, factor };
                assert_eq!(QuotientDigits::parse(&digits.to_string()), Some(digits));
            }
        }
        assert_eq!(QuotientDigits::parse("x"), None);
        assert_eq!(QuotientDigits::parse("6/x/1"), None);
    }
}

//! What expressions over times mean: casts, comparisons and functions are put so that DataFusion's own evaluation, which
//! knows UTC and nanoseconds only, answers as PostgreSQL does in the session's zone.
//!
//! Types of expressions never change here; operators whose type DataFusion has wrong are planned in [`super::operators`].

use std::sync::Arc;

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema, Result, ScalarValue};
use datafusion::config::ConfigOptions;
use datafusion::logical_expr::expr::{AggregateFunction, Cast, InSubquery, ScalarFunction, WindowFunction};
use datafusion::logical_expr::expr_rewriter::FunctionRewrite;
use datafusion::logical_expr::{
    BinaryExpr, Expr, ExprSchemable, LogicalPlanBuilder, Operator, ScalarUDF, WindowFunctionDefinition, lit,
};

use super::arithmetic::ZonedPlus;
use super::convert::{RoundTime, TextToTime, TimeToText};
use super::simple::{TIMESTAMP, is_text, timestamptz};
use super::{interval_aggregates, interval_order, session_zone, zone_name};
use crate::functions::text_beside_times::value_in;
use crate::functions::timezone::Timezone;
use crate::sql::depth;
use crate::values::zone::Zone;

mod unions;

pub(crate) use unions::union;

/// Rewrites expressions over times.
#[derive(Debug)]
pub(crate) struct Times;

impl FunctionRewrite for Times {
    fn name(&self) -> &str {
        "times"
    }

    fn rewrite(&self, expr: Expr, schema: &DFSchema, config: &ConfigOptions) -> Result<Transformed<Expr>> {
        Rewriter { schema, zone: session_zone(config), zone_name: zone_name(config) }.one(expr)
    }
}

/// The same for an expression that is not part of a plan; its zone is UTC.
pub fn rewrite(expr: Expr, schema: &DFSchema) -> Result<Expr> {
    let rewriter = Rewriter { schema, zone: Zone::UTC, zone_name: "UTC" };
    Ok(expr.transform_up(|e| rewriter.one(e))?.data)
}

struct Rewriter<'a> {
    schema: &'a DFSchema,
    zone: Zone,
    zone_name: &'a str,
}

impl Rewriter<'_> {
    fn type_of(&self, expr: &Expr) -> Option<DataType> {
        // The types of outer columns, for one, are not known here; then DataFusion decides.
        expr.get_type(self.schema).ok()
    }

    fn one(&self, expr: Expr) -> Result<Transformed<Expr>> {
        use Operator::{Eq, Gt, GtEq, IsDistinctFrom, IsNotDistinctFrom, Lt, LtEq, Minus, NotEq, Plus, StringConcat};
        match expr {
            Expr::Cast(cast) => self.cast(cast),
            Expr::BinaryExpr(BinaryExpr { left, op: StringConcat, right }) => {
                let (left, right) = (self.shown(*left)?, self.shown(*right)?);
                Ok(Transformed::yes(Expr::BinaryExpr(BinaryExpr::new(Box::new(left), StringConcat, Box::new(right)))))
            }
            Expr::BinaryExpr(BinaryExpr {
                left,
                op: op @ (Eq | NotEq | Lt | LtEq | Gt | GtEq | IsDistinctFrom | IsNotDistinctFrom),
                right,
            }) => {
                let mut sides = self.alike(vec![*left, *right])?.data;
                let (Some(right), Some(left)) = (sides.pop(), sides.pop()) else {
                    return datafusion::common::internal_err!("a comparison has two sides");
                };
                let (left, right) = (self.comparable(left), self.comparable(right));
                Ok(Transformed::yes(Expr::BinaryExpr(BinaryExpr::new(Box::new(left), op, Box::new(right)))))
            }
            Expr::BinaryExpr(BinaryExpr { left, op: op @ (Plus | Minus), right }) if !self.zone.is_utc() => {
                let zoned = |t: Option<DataType>| matches!(t, Some(DataType::Timestamp(_, Some(_))));
                let interval = |t: Option<DataType>| matches!(t, Some(DataType::Interval(_)));
                let (moment, length) = if zoned(self.type_of(&left)) && interval(self.type_of(&right)) {
                    (left, right)
                } else if op == Plus && interval(self.type_of(&left)) && zoned(self.type_of(&right)) {
                    (right, left)
                } else {
                    return Ok(Transformed::no(Expr::BinaryExpr(BinaryExpr::new(left, op, right))));
                };
                let plus = ZonedPlus::new(self.zone, op == Minus);
                let operands = vec![*moment, *length];
                depth::check_calls(&operands)?;
                Ok(Transformed::yes(call(plus.into(), operands)))
            }
            Expr::Between(_) | Expr::InList(_) => self.set(expr),
            Expr::InSubquery(among) => self.among_rows(among),
            Expr::Case(_) => self.choices(expr),
            Expr::ScalarFunction(function) => self.function(function),
            Expr::AggregateFunction(AggregateFunction { func, mut params }) => {
                for sort in &mut params.order_by {
                    sort.expr = self.comparable(std::mem::take(&mut sort.expr));
                }
                if func.name() == "count" && params.distinct {
                    params.args = params.args.into_iter().map(|arg| self.comparable(arg)).collect();
                }
                if func.name() == "string_agg" {
                    params.args = params.args.into_iter().map(|arg| self.shown(arg)).collect::<Result<_>>()?;
                }
                let takes_interval =
                    matches!(params.args.first().map(|arg| self.type_of(arg)), Some(Some(DataType::Interval(_))));
                let func = interval_aggregates::without_intervals(func, takes_interval);
                Ok(Transformed::yes(Expr::AggregateFunction(AggregateFunction { func, params })))
            }
            Expr::WindowFunction(window) => {
                let WindowFunction { fun, mut params } = *window;
                for sort in &mut params.order_by {
                    sort.expr = self.comparable(std::mem::take(&mut sort.expr));
                }
                params.partition_by = params.partition_by.into_iter().map(|expr| self.comparable(expr)).collect();
                // What stands in for a missing row is of the value's type.
                if matches!(fun.name(), "lead" | "lag")
                    && let [value, _, default] = params.args.as_mut_slice()
                    && let Some(of_value) = self.type_of(value).filter(|of_value| of_value.is_temporal())
                {
                    *default = self.converted(std::mem::take(default), &of_value)?;
                }
                let fun = match fun {
                    WindowFunctionDefinition::AggregateUDF(function) => {
                        let first = params.args.first().map(|arg| self.type_of(arg));
                        let takes_interval = matches!(first, Some(Some(DataType::Interval(_))));
                        let function = interval_aggregates::without_intervals(function, takes_interval);
                        WindowFunctionDefinition::AggregateUDF(function)
                    }
                    other => other,
                };
                Ok(Transformed::yes(Expr::WindowFunction(Box::new(WindowFunction { fun, params }))))
            }
            other => Ok(Transformed::no(other)),
        }
    }

    /// Intervals by their length.
    fn comparable(&self, expr: Expr) -> Expr {
        match self.type_of(&expr) {
            Some(DataType::Interval(_)) => interval_order::key(expr),
            _ => expr,
        }
    }

    fn set(&self, expr: Expr) -> Result<Transformed<Expr>> {
        let intervals = std::cell::Cell::new(false);
        let mut children = Vec::new();
        let rest = expr.map_children(|child| {
            children.push(child);
            Ok(Transformed::yes(Expr::Literal(ScalarValue::Null, None)))
        })?;
        let children: Vec<Expr> = self.alike(children)?.data;
        intervals.set(children.iter().any(|child| matches!(self.type_of(child), Some(DataType::Interval(_)))));
        let mut children = children.into_iter();
        rest.data.map_children(|child| {
            let next = children.next().unwrap_or(child);
            Ok(Transformed::yes(if intervals.get() { self.comparable(next) } else { next }))
        })
    }

    /// `time IN (SELECT …)`: both in one type.
    fn among_rows(&self, among: InSubquery) -> Result<Transformed<Expr>> {
        let InSubquery { expr, subquery, negated } = among;
        let of_rows = subquery.subquery.schema().fields().first().map(|field| field.data_type().clone());
        let common = match (self.type_of(&expr), &of_rows) {
            (Some(of_expr), Some(of_rows)) if of_expr != *of_rows => in_common(of_expr, of_rows.clone()),
            _ => None,
        };
        let (Some(common), Some(of_rows)) = (common, of_rows) else {
            return Ok(Transformed::no(Expr::InSubquery(InSubquery { expr, subquery, negated })));
        };
        let expr = Box::new(self.converted(*expr, &common)?);
        if of_rows == common {
            return Ok(Transformed::yes(Expr::InSubquery(InSubquery { expr, subquery, negated })));
        }
        let schema = subquery.subquery.schema();
        let column = Expr::Column(Column::from(schema.qualified_field(0)));
        let within = Rewriter { schema, zone: self.zone, zone_name: self.zone_name };
        let converted = within.converted(column, &common)?;
        let rows = LogicalPlanBuilder::from(subquery.subquery.as_ref().clone()).project([converted])?.build()?;
        let subquery = subquery.with_plan(Arc::new(rows));
        Ok(Transformed::yes(Expr::InSubquery(InSubquery { expr, subquery, negated })))
    }

    /// The results of a `CASE`, not its conditions.
    fn choices(&self, expr: Expr) -> Result<Transformed<Expr>> {
        let Expr::Case(mut case) = expr else { return Ok(Transformed::no(expr)) };
        if let Some(compared) = case.expr.take() {
            let mut sides = vec![*compared];
            sides.extend(case.when_then_expr.iter_mut().map(|(when, _)| std::mem::take(when.as_mut())));
            let mut sides = self.alike(sides)?.data.into_iter().map(|side| self.comparable(side));
            case.expr = sides.next().map(Box::new);
            for ((when, _), side) in case.when_then_expr.iter_mut().zip(sides) {
                **when = side;
            }
        }
        let mut results: Vec<Expr> =
            case.when_then_expr.iter_mut().map(|(_, then)| std::mem::take(then.as_mut())).collect();
        results.extend(case.else_expr.take().map(|otherwise| *otherwise));
        let mut results = self.alike(results)?.data.into_iter();
        for (_, then) in &mut case.when_then_expr {
            **then = results.next().unwrap_or_default();
        }
        case.else_expr = results.next().map(Box::new);
        Ok(Transformed::yes(Expr::Case(case)))
    }

    fn function(&self, ScalarFunction { func, args }: ScalarFunction) -> Result<Transformed<Expr>> {
        let args = match func.name() {
            "coalesce" | "nullif" | "greatest" | "least" => self.alike(args)?.data,
            "concat" | "concat_ws" | "format" => args.into_iter().map(|arg| self.shown(arg)).collect::<Result<_>>()?,
            "date_trunc" | "to_char" if args.len() == 2 && !self.zone.is_utc() => {
                let [first, second] = [self.type_of(&args[0]), self.type_of(&args[1])];
                let time = if func.name() == "to_char" { first } else { second };
                let mut args = args;
                if matches!(time, Some(DataType::Timestamp(_, Some(_)) | DataType::Date32)) {
                    let date = func.name() == "date_trunc" && matches!(time, Some(DataType::Date32));
                    if date && let Some(last) = args.pop() {
                        args.push(self.converted(last, &timestamptz())?);
                    }
                    args.push(lit(self.zone_name));
                }
                args
            }
            "date_part" | "extract" if args.len() == 2 && !self.zone.is_utc() => {
                let mut args = args;
                if matches!(self.type_of(&args[1]), Some(DataType::Timestamp(_, Some(_)))) {
                    args.push(lit(self.zone_name));
                }
                args
            }
            "age" | "timestamp_difference" | "to_timestamp" | "make_timestamptz" if !self.zone.is_utc() => {
                return self.in_zone(ScalarFunction { func, args });
            }
            // The time, and where its buckets begin.
            "date_bin" if args.len() == 3 && matches!(self.type_of(&args[1]), Some(DataType::Timestamp(..))) => {
                let mut args = args;
                let times = args.split_off(1);
                args.extend(self.alike(times)?.data);
                args
            }
            _ => return Ok(Transformed::no(Expr::ScalarFunction(ScalarFunction { func, args }))),
        };
        Ok(Transformed::yes(Expr::ScalarFunction(ScalarFunction { func, args })))
    }

    /// Functions that reckon in local time.
    fn in_zone(&self, ScalarFunction { func, mut args }: ScalarFunction) -> Result<Transformed<Expr>> {
        let zoned = |t: Option<DataType>| matches!(t, Some(DataType::Timestamp(_, Some(_))));
        let any_zoned = args.iter().any(|arg| zoned(self.type_of(arg)));
        match func.name() {
            "age" if any_zoned => {
                args = args.into_iter().map(|arg| self.converted(arg, &TIMESTAMP)).collect::<Result<_>>()?;
            }
            // A difference of moments is one of lengths, so both are moments.
            "timestamp_difference" if any_zoned => {
                args = args.into_iter().map(|arg| self.converted(arg, &timestamptz())).collect::<Result<_>>()?;
            }
            "make_timestamptz" if args.len() == 6 => args.push(lit(self.zone_name)),
            "to_timestamp" if args.len() == 2 => args.push(lit(self.zone_name)),
            _ => return Ok(Transformed::no(Expr::ScalarFunction(ScalarFunction { func, args }))),
        }
        Ok(Transformed::yes(Expr::ScalarFunction(ScalarFunction { func, args })))
    }

    fn cast(&self, cast: Cast) -> Result<Transformed<Expr>> {
        let target = cast.field.data_type().clone();
        let digits = cast.field.metadata().get(super::type_names::DIGITS).and_then(|digits| digits.parse().ok());
        let changed = self.changed(*cast.expr, &target)?;
        let expr = match changed {
            Transformed { data, transformed: true, .. } => data,
            Transformed { data, .. } => match digits {
                Some(_) => Expr::Cast(Cast::new(Box::new(data), target)),
                None => return Ok(Transformed::no(Expr::Cast(Cast::new_from_field(Box::new(data), cast.field)))),
            },
        };
        Ok(Transformed::yes(match digits {
            Some(digits) => call(RoundTime::new(digits).into(), vec![expr]),
            None => expr,
        }))
    }

    /// The expression as that type, where PostgreSQL's cast is not DataFusion's.
    fn changed(&self, expr: Expr, target: &DataType) -> Result<Transformed<Expr>> {
        let is_time = matches!(
            target,
            DataType::Timestamp(TimeUnit::Microsecond, _)
                | DataType::Date32
                | DataType::Time64(TimeUnit::Microsecond)
                | DataType::Interval(_)
        );
        if let Expr::Literal(value, _) = &expr
            && is_time
            && let Some(Some(text)) = value.try_as_str()
        {
            return Ok(Transformed::yes(Expr::Literal(value_in(text, target, self.zone)?, None)));
        }
        let Some(from) = self.type_of(&expr) else { return Ok(Transformed::no(expr)) };
        if is_time && is_text(&from) {
            return Ok(Transformed::yes(call(TextToTime::new(target.clone(), self.zone).into(), vec![expr])));
        }
        if is_text(target) && is_shown_by_us(&from) {
            return Ok(Transformed::yes(call(TimeToText::new(self.zone).into(), vec![expr])));
        }
        if self.zone.is_utc() {
            return Ok(Transformed::no(expr));
        }
        match (&from, target) {
            (DataType::Timestamp(_, Some(_)), DataType::Timestamp(_, None)) => Ok(Transformed::yes(self.moved(expr))),
            (DataType::Timestamp(_, Some(_)), DataType::Date32 | DataType::Time64(_)) => {
                Ok(Transformed::yes(Expr::Cast(Cast::new(Box::new(self.moved(expr)), target.clone()))))
            }
            (DataType::Timestamp(_, None), DataType::Timestamp(_, Some(_))) => Ok(Transformed::yes(self.moved(expr))),
            (DataType::Date32, DataType::Timestamp(_, Some(_))) => {
                let midnight = Expr::Cast(Cast::new(Box::new(expr), TIMESTAMP));
                Ok(Transformed::yes(self.moved(midnight)))
            }
            _ => Ok(Transformed::no(expr)),
        }
    }

    /// A cast, ours or DataFusion's.
    fn converted(&self, expr: Expr, target: &DataType) -> Result<Expr> {
        if self.type_of(&expr).as_ref() == Some(target) {
            return Ok(expr);
        }
        Ok(match self.changed(expr, target)? {
            Transformed { data, transformed: true, .. } => data,
            Transformed { data: Expr::Literal(value, metadata), .. } => match value.cast_to(target) {
                Ok(value) => Expr::Literal(value, metadata),
                Err(_) => Expr::Cast(Cast::new(Box::new(Expr::Literal(value, metadata)), target.clone())),
            },
            Transformed { data, .. } => Expr::Cast(Cast::new(Box::new(data), target.clone())),
        })
    }

    /// A moment in the session's local time, and the other way round.
    fn moved(&self, expr: Expr) -> Expr {
        call(Timezone::default().into(), vec![lit(self.zone_name), expr])
    }

    /// A time as the text that PostgreSQL makes of it.
    fn shown(&self, expr: Expr) -> Result<Expr> {
        Ok(match self.type_of(&expr) {
            Some(from) if is_shown_by_us(&from) => call(TimeToText::new(self.zone).into(), vec![expr]),
            _ => expr,
        })
    }

    /// Expressions that are compared or chosen among, in the one type that PostgreSQL gives them.
    fn alike(&self, exprs: Vec<Expr>) -> Result<Transformed<Vec<Expr>>> {
        let mut common: Option<DataType> = None;
        for expr in &exprs {
            let data_type = match self.type_of(expr) {
                Some(DataType::Timestamp(TimeUnit::Microsecond, zone)) => {
                    DataType::Timestamp(TimeUnit::Microsecond, zone)
                }
                Some(other @ (DataType::Date32 | DataType::Interval(_) | DataType::Time64(_))) => other,
                // Other precisions come from other engines' functions, and are DataFusion's business.
                Some(DataType::Timestamp(_, _)) => return Ok(Transformed::no(exprs)),
                _ => continue,
            };
            common = match common {
                None => Some(data_type),
                Some(common) => match in_common(common, data_type) {
                    Some(common) => Some(common),
                    None => return Ok(Transformed::no(exprs)),
                },
            };
        }
        let Some(common) = common else { return Ok(Transformed::no(exprs)) };
        let converted = exprs.into_iter().map(|expr| match &expr {
            Expr::Literal(value, _) if matches!(value.try_as_str(), Some(Some(_))) => self.converted(expr, &common),
            _ => match self.type_of(&expr) {
                Some(DataType::Timestamp(_, _) | DataType::Date32) => self.converted(expr, &common),
                _ => Ok(expr),
            },
        });
        Ok(Transformed::yes(converted.collect::<Result<_>>()?))
    }
}

/// The type in which PostgreSQL compares times of two types, if it does.
fn in_common(a: DataType, b: DataType) -> Option<DataType> {
    match (a, b) {
        (a, b) if a == b => Some(a),
        (DataType::Timestamp(unit, a), DataType::Timestamp(_, b)) => Some(DataType::Timestamp(unit, a.or(b))),
        (time @ DataType::Timestamp(_, _), DataType::Date32) | (DataType::Date32, time @ DataType::Timestamp(_, _)) => {
            Some(time)
        }
        _ => None,
    }
}

fn is_shown_by_us(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Timestamp(_, _)
            | DataType::Date32
            | DataType::Time64(_)
            | DataType::Time32(_)
            | DataType::Interval(_)
            | DataType::Duration(_)
    )
}

fn call(function: ScalarUDF, args: Vec<Expr>) -> Expr {
    Expr::ScalarFunction(ScalarFunction::new_udf(Arc::new(function), args))
}

//! Dates and times written as text in PostgreSQL's forms: `ts >= '2024-01-02 09:30'`, `TIMESTAMPTZ '2024-01-02 09:30+01'`.
//!
//! DataFusion reads texts beside times too, but wants seconds and a certain form of zones.

use arrow::datatypes::{DataType, IntervalUnit};
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::config::ConfigOptions;
use datafusion::logical_expr::expr_rewriter::FunctionRewrite;
use datafusion::logical_expr::{Expr, ExprSchemable, Operator};

use super::interval_text::parse_interval;
use crate::constraints::{parse_date, parse_timestamp};

/// Reads texts as the dates and times that they are compared with or cast to, where DataFusion cannot.
#[derive(Debug)]
pub(crate) struct TextBesideTimes;

impl FunctionRewrite for TextBesideTimes {
    fn name(&self) -> &str {
        "text_beside_times"
    }

    fn rewrite(&self, expr: Expr, schema: &DFSchema, _config: &ConfigOptions) -> Result<Transformed<Expr>> {
        rewrite_one(expr, schema)
    }
}

/// The same for an expression that is not part of a plan.
pub(crate) fn rewrite(expr: Expr, schema: &DFSchema) -> Result<Expr> {
    Ok(expr.transform_up(|e| rewrite_one(e, schema))?.data)
}

/// The value of this type that a text stands for: DataFusion's reading, else PostgreSQL's. `None` where it stands for none.
pub fn value_of(text: &str, data_type: &DataType) -> Option<ScalarValue> {
    let usual = ScalarValue::Utf8(Some(text.to_owned())).cast_to(data_type).ok().filter(|value| !value.is_null());
    usual.or_else(|| in_postgres_form(text, data_type))
}

fn in_postgres_form(text: &str, data_type: &DataType) -> Option<ScalarValue> {
    match data_type {
        DataType::Date32 => parse_date(text).map(|days| ScalarValue::Date32(Some(days))),
        DataType::Timestamp(_, zone) => {
            let micros = parse_timestamp(text, zone.is_some())?;
            ScalarValue::TimestampMicrosecond(Some(micros), zone.clone()).cast_to(data_type).ok()
        }
        DataType::Interval(IntervalUnit::MonthDayNano) => {
            parse_interval(text).map(|interval| ScalarValue::IntervalMonthDayNano(Some(interval)))
        }
        _ => None,
    }
}

fn rewrite_one(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    use Operator::{Eq, Gt, GtEq, IsDistinctFrom, IsNotDistinctFrom, Lt, LtEq, NotEq};
    match &expr {
        Expr::Cast(cast) => {
            return Ok(match literal(&cast.expr, cast.field.data_type()) {
                Some(value) => Transformed::yes(Expr::Literal(value, None)),
                None => Transformed::no(expr),
            });
        }
        Expr::BinaryExpr(binary)
            if matches!(binary.op, Eq | NotEq | Lt | LtEq | Gt | GtEq | IsDistinctFrom | IsNotDistinctFrom) => {}
        Expr::Between(_) | Expr::InList(_) => {}
        _ => return Ok(Transformed::no(expr)),
    }
    let mut time = None;
    expr.apply_children(|child| {
        // The types of outer columns, for one, are not known here; then DataFusion decides.
        if let Ok(found @ (DataType::Timestamp(_, _) | DataType::Date32)) = child.get_type(schema) {
            time = Some(found);
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    let Some(time) = time else { return Ok(Transformed::no(expr)) };
    expr.map_children(|child| {
        Ok(match literal(&child, &time) {
            Some(value) => Transformed::yes(Expr::Literal(value, None)),
            None => Transformed::no(child),
        })
    })
}

/// The value of a text that DataFusion would not read itself.
fn literal(expr: &Expr, data_type: &DataType) -> Option<ScalarValue> {
    let Expr::Literal(value, _) = expr else { return None };
    let text = value.try_as_str()??;
    if !matches!(data_type, DataType::Timestamp(_, _) | DataType::Date32 | DataType::Interval(_))
        || value.cast_to(data_type).is_ok()
    {
        return None;
    }
    in_postgres_form(text, data_type)
}

#[cfg(test)]
mod tests {
    //! Texts that become times, and those that are left alone.
    #![allow(clippy::unwrap_used)]

    use arrow::datatypes::{Field, Schema, TimeUnit};
    use datafusion::logical_expr::{cast, col, lit};

    use super::*;

    #[test]
    fn only_texts_that_datafusion_cannot_read_change() {
        let zoned = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        let schema = DFSchema::try_from(Schema::new(vec![
            Field::new("ts", zoned.clone(), true),
            Field::new("day", DataType::Date32, true),
            Field::new("name", DataType::Utf8, true),
        ]))
        .unwrap();
        let changed = |expr: Expr| rewrite(expr.clone(), &schema).unwrap() != expr;
        let noon = |zone: Option<&str>| {
            lit(ScalarValue::TimestampMicrosecond(Some(1_704_196_800_000_000), zone.map(Into::into)))
        };
        let rewritten = |expr: Expr| rewrite(expr, &schema).unwrap();
        assert_eq!(rewritten(col("ts").gt(lit("2024-01-02 12:00"))), col("ts").gt(noon(Some("UTC"))));
        assert_eq!(rewritten(lit("2024-01-02 13:00+01").lt(col("ts"))), noon(Some("UTC")).lt(col("ts")));
        let plain = DataType::Timestamp(TimeUnit::Microsecond, None);
        assert_eq!(rewritten(cast(lit("2024-01-02 12:00+05"), plain)), noon(None));
        assert!(changed(col("day").in_list(vec![lit("2024-01-02"), lit("2024-01-02 09:30")], false)));
        assert!(changed(col("ts").between(lit("2024-01-02 09:30"), lit("2024-01-02"))));
        for same in [
            col("ts").gt(lit("2024-01-02 12:00:00")),
            col("ts").gt(lit("noon")),
            col("name").gt(lit("2024-01-02 12:00")),
            cast(lit("2024-01-02"), DataType::Date32),
            cast(lit("12:00"), DataType::Utf8View),
        ] {
            assert!(!changed(same.clone()), "{same}");
        }
    }

    #[test]
    fn a_text_has_the_value_that_either_reading_gives() {
        let zoned = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        assert_eq!(value_of("2024-01-02 12:00", &zoned), value_of("2024-01-02T12:00:00Z", &zoned));
        assert_eq!(
            value_of("1 day 02:00", &DataType::Interval(IntervalUnit::MonthDayNano)).unwrap().to_string(),
            value_of("1 day 2 hours", &DataType::Interval(IntervalUnit::MonthDayNano)).unwrap().to_string()
        );
        assert_eq!(value_of("x", &zoned), None);
    }
}

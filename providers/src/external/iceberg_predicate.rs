//! Filters in Iceberg's terms, for leaving out files. What cannot be said is left to the scan of the files and to the caller,
//! who evaluates all filters again.

use ::iceberg::expr::{Predicate, Reference};
use ::iceberg::spec::Datum;
use arrow::datatypes::{DataType, Schema, TimeUnit};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};

/// All of the filters that can be said of columns of `schema`, `None` when that is nothing.
pub(super) fn predicate(filters: &[Expr], schema: &Schema) -> Option<Predicate> {
    filters.iter().filter_map(|filter| one(filter, schema)).reduce(Predicate::and)
}

fn one(filter: &Expr, schema: &Schema) -> Option<Predicate> {
    let Expr::BinaryExpr(BinaryExpr { left, op, right }) = filter else { return None };
    match (left.as_ref(), op, right.as_ref()) {
        (_, Operator::And, _) => match (one(left, schema), one(right, schema)) {
            (Some(left), Some(right)) => Some(left.and(right)),
            (left, right) => left.or(right),
        },
        (_, Operator::Or, _) => Some(one(left, schema)?.or(one(right, schema)?)),
        (Expr::Column(column), op, Expr::Literal(value, _)) => comparison(&column.name, *op, value, schema),
        (Expr::Literal(value, _), op, Expr::Column(column)) => comparison(&column.name, op.swap()?, value, schema),
        _ => None,
    }
}

fn comparison(column: &str, op: Operator, value: &ScalarValue, schema: &Schema) -> Option<Predicate> {
    let datum = datum(value, schema.field_with_name(column).ok()?.data_type())?;
    let reference = Reference::new(column);
    Some(match op {
        Operator::Eq => reference.equal_to(datum),
        Operator::Lt => reference.less_than(datum),
        Operator::LtEq => reference.less_than_or_equal_to(datum),
        Operator::Gt => reference.greater_than(datum),
        Operator::GtEq => reference.greater_than_or_equal_to(datum),
        _ => return None,
    })
}

/// A literal of the column's own type. Floats are left out: Iceberg and SQL order NaN differently.
fn datum(value: &ScalarValue, column: &DataType) -> Option<Datum> {
    Some(match (value, column) {
        (ScalarValue::Boolean(Some(v)), DataType::Boolean) => Datum::bool(*v),
        (ScalarValue::Int32(Some(v)), DataType::Int32) => Datum::int(*v),
        (ScalarValue::Int64(Some(v)), DataType::Int64) => Datum::long(*v),
        (ScalarValue::Date32(Some(v)), DataType::Date32) => Datum::date(*v),
        (
            ScalarValue::Utf8View(Some(v)) | ScalarValue::Utf8(Some(v)) | ScalarValue::LargeUtf8(Some(v)),
            DataType::Utf8,
        ) => Datum::string(v),
        (ScalarValue::TimestampMicrosecond(Some(v), None), DataType::Timestamp(TimeUnit::Microsecond, None)) => {
            Datum::timestamp_micros(*v)
        }
        (ScalarValue::TimestampMicrosecond(Some(v), Some(_)), DataType::Timestamp(TimeUnit::Microsecond, Some(_))) => {
            Datum::timestamptz_micros(*v)
        }
        _ => return None,
    })
}

//! Casts to numbers and to texts of limited length: rounded, cut and refused as in PostgreSQL.

mod convert;

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::metadata::FieldMetadata;
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::functions::unicode::left;
use datafusion::logical_expr::expr::{Cast, ScalarFunction};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ExprSchemable, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility, lit,
};

use zxq_catalog::declared::PG_TYPE;

use super::number_types::Class;
use super::operators::{converted, exact_decimal, narrow, whole_decimal};
use super::type_names::{is_bare_numeric, most_characters};
use crate::functions;
use crate::values::text;

/// What `numeric` alone is for texts and doubles in columns, whose digits differ from row to row.
const WIDE: DataType = DataType::Decimal128(38, 20);

/// The cast in the form that answers as PostgreSQL does.
pub(crate) fn cast(cast: Cast, schema: &DFSchema) -> Result<Expr> {
    let Cast { expr, field } = cast;
    let of_double = matches!(expr.get_type(schema), Ok(from) if from.is_floating());
    let to_text = field.data_type().is_string();
    // DataFusion shows doubles in a way of its own.
    let expr = if of_double && to_text { Box::new(as_text(*expr)) } else { expr };
    if let Some(length) = most_characters(&field) {
        let text = Expr::Cast(Cast::new(expr, field.data_type().clone()));
        return Ok(Expr::ScalarFunction(ScalarFunction::new_udf(left(), vec![text, lit(length)])));
    }
    let from = expr.get_type(schema);
    if is_bare_numeric(&field) {
        return bare_numeric(*expr, from.ok());
    }
    let to = field.data_type().clone();
    if to == DataType::Float64 && matches!(expr.as_ref(), Expr::Literal(ScalarValue::Decimal128(Some(_), ..), _)) {
        return converted(*expr, &to, schema);
    }
    match from {
        Ok(from) if is_ours(&from, &to) => Ok(function(*expr, to)),
        _ => Ok(Expr::Cast(Cast::new_from_field(Box::new(narrow_constant(*expr, &to)), field))),
    }
}

/// `9223372036854775808::numeric(20,0)`: such a constant is a decimal.
fn narrow_constant(expr: Expr, to: &DataType) -> Expr {
    if to.is_decimal() && matches!(expr, Expr::Literal(ScalarValue::UInt64(_), _)) { narrow(expr) } else { expr }
}

/// Keeps the digits of what is cast.
fn bare_numeric(expr: Expr, from: Option<DataType>) -> Result<Expr> {
    if let Expr::Literal(ScalarValue::Utf8(Some(text)) | ScalarValue::Utf8View(Some(text)), metadata) = &expr
        && let Some(value) = exact_decimal(text)
    {
        return Ok(Expr::Literal(value, metadata.clone()));
    }
    // Of what no decimal holds, a double has the order and the text that PostgreSQL gives it.
    if let Expr::Literal(ScalarValue::Utf8(Some(written)) | ScalarValue::Utf8View(Some(written)), _) = &expr
        && let Ok(value) = text::double(written)
        && !value.is_finite()
        && written.bytes().any(|byte| byte.is_ascii_alphabetic())
    {
        let numeric = BTreeMap::from([(PG_TYPE.to_owned(), "numeric".to_owned())]);
        return Ok(Expr::Literal(ScalarValue::Float64(Some(value)), Some(FieldMetadata::from(numeric))));
    }
    // With the digits that it has, not those that its type can have: they decide how many a quotient shows.
    if let Expr::Literal(ScalarValue::Int64(Some(value)), metadata) = &expr {
        return Ok(Expr::Literal(whole_decimal(*value), metadata.clone()));
    }
    let from = match from {
        Some(DataType::Null) | None => return Ok(Expr::Cast(Cast::new(Box::new(expr), WIDE))),
        Some(from) => from,
    };
    Ok(match Class::of(&from) {
        Some(Class::Decimal(_, _)) => expr,
        Some(class @ Class::Integer(_)) => match (class.as_decimal(), &from) {
            (_, DataType::UInt64) => Expr::Cast(Cast::new(Box::new(expr), DataType::Decimal128(20, 0))),
            (Some((precision, scale)), _) => {
                Expr::Cast(Cast::new(Box::new(expr), DataType::Decimal128(precision, scale)))
            }
            (None, _) => expr,
        },
        _ if is_ours(&from, &WIDE) => function(expr, WIDE),
        _ => Expr::Cast(Cast::new(Box::new(expr), WIDE)),
    })
}

fn as_text(expr: Expr) -> Expr {
    Expr::ScalarFunction(ScalarFunction::new_udf(Arc::new(functions::as_text()), vec![expr]))
}

fn function(expr: Expr, to: DataType) -> Expr {
    let function = Arc::new(ScalarUDF::from(NumberCast::new(to)));
    Expr::ScalarFunction(ScalarFunction::new_udf(function, vec![expr]))
}

/// True for casts that DataFusion rounds otherwise, or whose failures are told apart by their code.
fn is_ours(from: &DataType, to: &DataType) -> bool {
    let Some(target) = Class::of(to) else { return false };
    if from.is_string() {
        return matches!(
            to,
            DataType::Int16
                | DataType::Int32
                | DataType::Int64
                | DataType::Float32
                | DataType::Float64
                | DataType::Decimal128(_, _)
        );
    }
    match (Class::of(from), target) {
        (Some(Class::Integer(from)), Class::Integer(to)) => from > to,
        (Some(Class::Decimal(_, _) | Class::Real | Class::Double), Class::Integer(_)) => true,
        (Some(Class::Real | Class::Double), Class::Decimal(_, _)) => true,
        (Some(Class::Double), Class::Real) => true,
        (Some(exact), Class::Decimal(precision, scale)) => exact.as_decimal().is_some_and(|(p, s)| {
            let more = i32::from(scale < s);
            i32::from(precision) - i32::from(scale) < i32::from(p) - i32::from(s) + more
        }),
        _ => false,
    }
}

/// A cast to a type of number.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct NumberCast {
    to: DataType,
    signature: Signature,
}

impl NumberCast {
    fn new(to: DataType) -> Self {
        NumberCast { to, signature: Signature::any(1, Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for NumberCast {
    fn name(&self) -> &str {
        sql_name(&self.to)
    }

    /// As DataFusion names casts: after what is cast.
    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        Ok(args.first().map(|arg| arg.schema_name().to_string()).unwrap_or_default())
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _given: &[DataType]) -> Result<DataType> {
        Ok(self.to.clone())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        Ok(match &args.args[0] {
            ColumnarValue::Array(values) => ColumnarValue::Array(convert::convert(values, &self.to)?),
            ColumnarValue::Scalar(value) => {
                let converted = convert::convert(&value.to_array()?, &self.to)?;
                ColumnarValue::Scalar(ScalarValue::try_from_array(&converted, 0)?)
            }
        })
    }
}

/// The name of a type of number as PostgreSQL's messages have it.
pub(crate) fn sql_name(data_type: &DataType) -> &'static str {
    match data_type {
        DataType::Int8 | DataType::Int16 => "smallint",
        DataType::Int32 => "integer",
        DataType::Int64 => "bigint",
        DataType::Float32 => "real",
        DataType::Float64 => "double precision",
        _ => "numeric",
    }
}

//! Values of types that Arrow has no name for: UUIDs and JSON are texts with a note in the metadata of their field, bytes and
//! arrays are read from text in PostgreSQL's forms.
//!
//! A cast to one of them, and a text beside one, becomes a call of a function that reads it.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BinaryViewBuilder, Int64Array, StringViewBuilder};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, DataFusionError, Result, ScalarValue};
use datafusion::config::ConfigOptions;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::expr_rewriter::FunctionRewrite;
use datafusion::logical_expr::{
    Cast, ColumnarValue, Expr, ExprSchemable, Operator, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature, Volatility,
};
use zxq_catalog::declared::{annotated, declared};

use crate::error::{EngineError, ErrorKind, type_names};
use crate::values::{array_text, bytea, json, uuid_text};

#[cfg(test)]
mod tests;

/// Longest name of anything, bytes.
const LONGEST_NAME: usize = 63;

/// Rewrites casts and comparisons that concern declared types.
#[derive(Debug)]
pub(crate) struct DeclaredValues;

impl FunctionRewrite for DeclaredValues {
    fn name(&self) -> &str {
        "declared_values"
    }

    fn rewrite(&self, expr: Expr, schema: &DFSchema, _config: &ConfigOptions) -> Result<Transformed<Expr>> {
        rewrite_one(expr, schema)
    }
}

/// The same for an expression that is not part of a plan.
pub fn rewrite(expr: Expr, schema: &DFSchema) -> Result<Expr> {
    Ok(expr.transform_up(|e| rewrite_one(e, schema))?.data)
}

/// What a text is read as, or a value written as.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Reading {
    Uuid,
    Json,
    Jsonb,
    Bytea,
    /// Whole numbers of 32 bits without a sign.
    Oid,
    /// Texts of at most 63 bytes.
    Name,
    /// Blanks behind a `CHAR(n)` do not count.
    Char,
    /// A list of this type.
    Array(DataType),
    /// A list, bytes or a text of a declared type, as text.
    Text,
}

impl Reading {
    /// How a text becomes a value of the field's type; `None` where that needs nothing of ours.
    fn of(field: &Field) -> Option<Reading> {
        match (declared(field), field.data_type()) {
            (Some("uuid"), _) => Some(Reading::Uuid),
            (Some("json"), _) => Some(Reading::Json),
            (Some("jsonb"), _) => Some(Reading::Jsonb),
            (Some("bpchar"), _) => Some(Reading::Char),
            (Some("oid"), _) => Some(Reading::Oid),
            (Some("name"), _) => Some(Reading::Name),
            (_, DataType::Binary | DataType::LargeBinary | DataType::BinaryView) => Some(Reading::Bytea),
            (_, list @ DataType::List(_)) => Some(Reading::Array(list.clone())),
            _ => None,
        }
    }

    fn type_name(&self) -> &'static str {
        match self {
            Reading::Uuid => "uuid",
            Reading::Json => "json",
            Reading::Jsonb => "jsonb",
            Reading::Bytea => "bytea",
            Reading::Oid => "oid",
            Reading::Name => "name",
            Reading::Char => "character",
            Reading::Array(_) => "array",
            Reading::Text => "text",
        }
    }

    fn call(self, argument: Expr) -> Expr {
        let function =
            Arc::new(ScalarUDF::from(Read { reading: self, signature: Signature::any(1, Volatility::Immutable) }));
        Expr::ScalarFunction(ScalarFunction::new_udf(function, vec![argument]))
    }
}

/// A text as an array of this type.
pub(crate) fn read_array(text: Expr, list: DataType) -> Expr {
    Reading::Array(list).call(text)
}

fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

fn field_of(expr: &Expr, schema: &DFSchema) -> Option<FieldRef> {
    // The types of outer columns, for one, are not known here.
    expr.to_field(schema).ok().map(|(_, field)| field)
}

fn rewrite_one(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    use Operator::{Eq, Gt, GtEq, IsDistinctFrom, IsNotDistinctFrom, Lt, LtEq, NotEq};
    match expr {
        Expr::Cast(cast) => rewrite_cast(cast, schema),
        Expr::BinaryExpr(ref binary)
            if matches!(binary.op, Eq | NotEq | Lt | LtEq | Gt | GtEq | IsDistinctFrom | IsNotDistinctFrom) =>
        {
            rewrite_texts_beside(expr, schema)
        }
        Expr::Between(_) | Expr::InList(_) => rewrite_texts_beside(expr, schema),
        Expr::ScalarFunction(ref call) if matches!(call.func.name(), "array_has" | "array_position") => {
            rewrite_member(expr, schema)
        }
        other => Ok(Transformed::no(other)),
    }
}

fn rewrite_cast(cast: Cast, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let Some(from) = field_of(&cast.expr, schema) else { return Ok(Transformed::no(Expr::Cast(cast))) };
    let reading = Reading::of(&cast.field).filter(|reading| *reading != Reading::Char);
    let unchanged = declared(&from).is_some() && declared(&from) == declared(&cast.field);
    match reading {
        Some(_) if unchanged => Ok(Transformed::yes(*cast.expr)),
        Some(reading @ Reading::Oid) if from.data_type().is_integer() => Ok(Transformed::yes(reading.call(*cast.expr))),
        Some(reading) if is_text(from.data_type()) || from.data_type().is_null() => {
            Ok(Transformed::yes(reading.call(*cast.expr)))
        }
        Some(reading @ (Reading::Uuid | Reading::Json | Reading::Jsonb)) => Err(failed(
            ErrorKind::CannotCast,
            format!("cannot cast type {} to {}", type_names::of(from.data_type()), reading.type_name()),
        )),
        None if is_text(cast.field.data_type()) && cast.field.metadata().is_empty() => {
            let of_declared = matches!(declared(&from), Some("uuid" | "json" | "jsonb"));
            match from.data_type() {
                DataType::List(_) | DataType::Binary | DataType::LargeBinary | DataType::BinaryView => {
                    Ok(Transformed::yes(Reading::Text.call(*cast.expr)))
                }
                _ if of_declared => Ok(Transformed::yes(Reading::Text.call(*cast.expr))),
                _ => Ok(Transformed::no(Expr::Cast(cast))),
            }
        }
        _ => Ok(Transformed::no(Expr::Cast(cast))),
    }
}

/// A text literal beside a value of a declared type is one of that type.
fn rewrite_texts_beside(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let mut reading = None;
    expr.apply_children(|child| {
        if !matches!(child, Expr::Literal(_, _))
            && let Some(found) = field_of(child, schema).and_then(|field| Reading::of(&field))
        {
            reading.get_or_insert(found);
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    let Some(reading) = reading else { return Ok(Transformed::no(expr)) };
    if reading == Reading::Json {
        return Err(EngineError::no_operator("json = unknown").into());
    }
    expr.map_children(|child| {
        Ok(match &child {
            Expr::Literal(value, None) if is_text(&value.data_type()) && !value.is_null() => {
                Transformed::yes(reading.clone().call(child))
            }
            _ => Transformed::no(child),
        })
    })
}

/// `value = ANY (array)`: both in one type.
fn rewrite_member(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let Expr::ScalarFunction(call) = &expr else { return Ok(Transformed::no(expr)) };
    let [array, value] = call.args.as_slice() else { return Ok(Transformed::no(expr)) };
    let (Some(array_field), Some(value_field)) = (field_of(array, schema), field_of(value, schema)) else {
        return Ok(Transformed::no(expr));
    };
    let DataType::List(item) = array_field.data_type() else { return Ok(Transformed::no(expr)) };
    let common = match (item.data_type(), value_field.data_type()) {
        (a, b) if is_text(a) && is_text(b) => DataType::Utf8,
        (a, b) if a == b => return Ok(Transformed::no(expr)),
        (a, b) => match datafusion::logical_expr::type_coercion::binary::comparison_coercion(a, b) {
            Some(common) => common,
            None => return Ok(Transformed::no(expr)),
        },
    };
    let to = |expr: &Expr, from: &DataType, to: DataType| {
        if *from == to { expr.clone() } else { Expr::Cast(Cast::new(Box::new(expr.clone()), to)) }
    };
    let list = DataType::List(Arc::new(Field::new(item.name(), common.clone(), true)));
    let args = vec![to(array, array_field.data_type(), list), to(value, value_field.data_type(), common)];
    if args == call.args {
        return Ok(Transformed::no(expr));
    }
    Ok(Transformed::yes(Expr::ScalarFunction(ScalarFunction::new_udf(Arc::clone(&call.func), args))))
}

pub(super) fn failed(kind: ErrorKind, message: String) -> DataFusionError {
    DataFusionError::External(Box::new(EngineError::new(kind, message)))
}

/// Reads texts as values of one type, or writes values as text.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Read {
    reading: Reading,
    signature: Signature,
}

impl ScalarUDFImpl for Read {
    fn name(&self) -> &str {
        match self.reading {
            Reading::Uuid => "uuid_of_text",
            Reading::Json => "json_of_text",
            Reading::Jsonb => "jsonb_of_text",
            Reading::Bytea => "bytea_of_text",
            Reading::Oid => "oid_of_text",
            Reading::Name => "name_of_text",
            Reading::Char => "char_of_text",
            Reading::Array(_) => "array_of_text",
            Reading::Text => "text_of_value",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(match &self.reading {
            Reading::Bytea => DataType::BinaryView,
            Reading::Oid => DataType::Int64,
            Reading::Array(list) => list.clone(),
            _ => DataType::Utf8View,
        })
    }

    fn return_field_from_args(&self, _: ReturnFieldArgs) -> Result<FieldRef> {
        let data_type = self.return_type(&[])?;
        Ok(match self.reading {
            Reading::Uuid | Reading::Json | Reading::Jsonb | Reading::Oid | Reading::Name => {
                let field = annotated(data_type, self.reading.type_name());
                Arc::new(field.as_ref().clone().with_name(self.name()))
            }
            _ => Arc::new(Field::new(self.name(), data_type, true)),
        })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let all_scalar = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let Some(values) = arrays.first() else { return Ok(ColumnarValue::Scalar(ScalarValue::Null)) };
        let read = self.read(values)?;
        Ok(if all_scalar {
            ColumnarValue::Scalar(ScalarValue::try_from_array(&read, 0)?)
        } else {
            ColumnarValue::Array(read)
        })
    }
}

impl Read {
    fn read(&self, values: &ArrayRef) -> Result<ArrayRef> {
        if self.reading == Reading::Text {
            return as_text(values);
        }
        let values = cast(values, &DataType::Utf8View)?;
        let texts = values.as_string_view();
        let invalid = |text: &str| -> DataFusionError {
            match self.reading {
                Reading::Array(_) => {
                    let message = format!("malformed array literal: \"{text}\"");
                    EngineError::new(ErrorKind::InvalidText, message).about_value(text).into()
                }
                _ => EngineError::no_value(ErrorKind::InvalidText, self.reading.type_name(), text).into(),
            }
        };
        let each = |read: &dyn Fn(&str) -> Option<String>| -> Result<ArrayRef> {
            let mut out = StringViewBuilder::with_capacity(texts.len());
            for text in texts {
                match text {
                    None => out.append_null(),
                    Some(text) => out.append_value(read(text).ok_or_else(|| invalid(text))?),
                }
            }
            Ok(Arc::new(out.finish()))
        };
        match &self.reading {
            Reading::Uuid => each(&uuid_text::canonical),
            Reading::Jsonb => each(&json::normalise),
            Reading::Name => each(&|text| {
                let end = (0..=LONGEST_NAME.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
                Some(text[..end.unwrap_or(0)].to_owned())
            }),
            Reading::Oid => {
                let oids = texts.iter().map(|text| text.map(oid).transpose());
                Ok(Arc::new(oids.collect::<Result<Int64Array>>()?))
            }
            Reading::Char => each(&|text| Some(text.trim_end_matches(' ').to_owned())),
            Reading::Json => match texts.iter().flatten().find(|text| !json::is_valid(text)) {
                Some(text) => Err(invalid(text)),
                None => Ok(values),
            },
            Reading::Bytea => {
                let mut out = BinaryViewBuilder::with_capacity(texts.len());
                for text in texts {
                    match text {
                        None => out.append_null(),
                        Some(text) => out.append_value(bytea::parse(text).ok_or_else(|| invalid(text))?),
                    }
                }
                Ok(Arc::new(out.finish()))
            }
            Reading::Array(list) => {
                let DataType::List(item) = list else { return Ok(values) };
                let (lists, bad) = array_text::lists(&values, item)?;
                match bad.first() {
                    Some(row) => Err(invalid(texts.value(*row))),
                    None => Ok(lists),
                }
            }
            Reading::Text => Ok(values),
        }
    }
}

fn oid(text: &str) -> Result<i64> {
    match text.trim().parse::<i64>() {
        Ok(oid) if u32::try_from(oid).is_ok() => Ok(oid),
        Ok(_) => Err(failed(ErrorKind::NumericOutOfRange, "OID out of range".to_owned())),
        Err(_) => Err(EngineError::no_value(ErrorKind::InvalidText, "oid", text).into()),
    }
}

/// Lists and bytes as PostgreSQL writes them, texts as they are.
fn as_text(values: &ArrayRef) -> Result<ArrayRef> {
    Ok(match values.data_type() {
        DataType::List(_) => array_text::texts(values)?,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => {
            let values = cast(values, &DataType::BinaryView)?;
            let mut out = StringViewBuilder::with_capacity(values.len());
            for bytes in values.as_binary_view() {
                out.append_option(bytes.map(bytea::text));
            }
            Arc::new(out.finish())
        }
        _ => cast(values, &DataType::Utf8View)?,
    })
}

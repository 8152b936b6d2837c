//! JSON made of values: `json_build_object`, `json_build_array`, `to_json`, `row_to_json`, each for `jsonb` too.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringViewBuilder};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef};
use arrow::util::display::array_value_to_string;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use zxq_catalog::declared::{annotated, declared};

use crate::error::ErrorKind;
use crate::functions::declared::failed;
use crate::values::json;

/// The functions.
pub(super) fn functions() -> Vec<ScalarUDF> {
    [
        ("json_build_object", Shape::Object, false),
        ("jsonb_build_object", Shape::Object, true),
        ("json_build_array", Shape::Array, false),
        ("jsonb_build_array", Shape::Array, true),
        ("to_json", Shape::Value, false),
        ("to_jsonb", Shape::Value, true),
        ("row_to_json", Shape::Value, false),
    ]
    .map(|(name, shape, binary)| ScalarUDF::from(Build::new(name, shape, binary)))
    .into()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Shape {
    /// Names and values in turn.
    Object,
    Array,
    /// One value.
    Value,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Build {
    name: &'static str,
    shape: Shape,
    binary: bool,
    signature: Signature,
}

impl Build {
    fn new(name: &'static str, shape: Shape, binary: bool) -> Self {
        let signature = match shape {
            Shape::Value => Signature::any(1, Volatility::Stable),
            _ => Signature::one_of(
                vec![
                    datafusion::logical_expr::TypeSignature::Nullary,
                    datafusion::logical_expr::TypeSignature::VariadicAny,
                ],
                Volatility::Stable,
            ),
        };
        Build { name, shape, binary, signature }
    }
}

impl ScalarUDFImpl for Build {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8View)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        if self.shape == Shape::Object && args.arg_fields.len() % 2 == 1 {
            return Err(failed(
                ErrorKind::InvalidParameter,
                format!("argument list of {}() must have even number of elements", self.name),
            ));
        }
        let declared = if self.binary { "jsonb" } else { "json" };
        Ok(Arc::new(annotated(DataType::Utf8View, declared).as_ref().clone().with_name(self.name)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let all_scalar = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let rows = if all_scalar { 1 } else { args.number_rows };
        let values = args.args.iter().map(|arg| arg.clone().into_array(rows)).collect::<Result<Vec<ArrayRef>>>()?;
        let mut out = StringViewBuilder::with_capacity(rows);
        let mut text = String::new();
        for row in 0..rows {
            text.clear();
            let is_value = self.write(&values, &args.arg_fields, row, &mut text)?;
            match (is_value, self.binary) {
                (false, _) => out.append_null(),
                (true, false) => out.append_value(&text),
                (true, true) => out.append_option(json::normalise(&text)),
            }
        }
        let built: ArrayRef = Arc::new(out.finish());
        Ok(match all_scalar {
            true => ColumnarValue::Scalar(ScalarValue::try_from_array(&built, 0)?),
            false => ColumnarValue::Array(built),
        })
    }
}

impl Build {
    /// Writes one row's value; false for NULL.
    fn write(&self, values: &[ArrayRef], fields: &[FieldRef], row: usize, out: &mut String) -> Result<bool> {
        match self.shape {
            Shape::Value => {
                let (Some(value), Some(field)) = (values.first(), fields.first()) else { return Ok(false) };
                if value.data_type().is_null() || value.is_null(row) {
                    return Ok(false);
                }
                write_value(value, field, row, out)?;
            }
            Shape::Array => {
                out.push('[');
                for (place, (value, field)) in values.iter().zip(fields).enumerate() {
                    if place > 0 {
                        out.push_str(", ");
                    }
                    write_value(value, field, row, out)?;
                }
                out.push(']');
            }
            Shape::Object => {
                out.push('{');
                for (place, (pair, fields)) in values.chunks_exact(2).zip(fields.chunks_exact(2)).enumerate() {
                    if place > 0 {
                        out.push_str(", ");
                    }
                    if pair[0].data_type().is_null() || pair[0].is_null(row) {
                        return Err(failed(ErrorKind::InvalidParameter, "argument 1: key must not be null".to_owned()));
                    }
                    json::write_string(&array_value_to_string(&pair[0], row)?, out);
                    out.push_str(" : ");
                    write_value(&pair[1], &fields[1], row, out)?;
                }
                out.push('}');
            }
        }
        Ok(true)
    }
}

/// One value as JSON.
pub(super) fn write_value(values: &ArrayRef, field: &Field, row: usize, out: &mut String) -> Result<()> {
    // An array of the type Null says that no row is NULL.
    if values.data_type().is_null() || values.is_null(row) {
        out.push_str("null");
        return Ok(());
    }
    match values.data_type() {
        DataType::Boolean => out.push_str(if values.as_boolean().value(row) { "true" } else { "false" }),
        number if number.is_numeric() => {
            let text = array_value_to_string(values, row)?;
            match text.parse::<f64>() {
                Ok(number) if !number.is_finite() => json::write_string(special(number), out),
                _ => {
                    out.push_str(text.strip_suffix(".0").filter(|_| values.data_type().is_floating()).unwrap_or(&text))
                }
            }
        }
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
            let text = cast(&values.slice(row, 1), &DataType::Utf8View)?;
            let text = text.as_string_view().value(0);
            match declared(field) {
                Some("json" | "jsonb") => out.push_str(text),
                _ => json::write_string(text, out),
            }
        }
        DataType::List(item) => {
            let items = values.as_list::<i32>().value(row);
            out.push('[');
            for at in 0..items.len() {
                if at > 0 {
                    out.push(',');
                }
                write_value(&items, item, at, out)?;
            }
            out.push(']');
        }
        DataType::Struct(fields) => {
            let members = values.as_struct();
            out.push('{');
            for (place, field) in fields.iter().enumerate() {
                if place > 0 {
                    out.push(',');
                }
                json::write_string(field.name(), out);
                out.push(':');
                write_value(members.column(place), field, row, out)?;
            }
            out.push('}');
        }
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => {
            let bytes = cast(&values.slice(row, 1), &DataType::BinaryView)?;
            json::write_string(&crate::values::bytea::text(bytes.as_binary_view().value(0)), out);
        }
        DataType::Timestamp(_, zone) => {
            // As ISO 8601, with the zone's offset.
            let text = array_value_to_string(values, row)?;
            let text = text.strip_suffix('Z').filter(|_| zone.is_some()).map_or(text.clone(), |t| format!("{t}+00:00"));
            json::write_string(&text, out);
        }
        _ => json::write_string(&array_value_to_string(values, row)?, out),
    }
    Ok(())
}

fn special(number: f64) -> &'static str {
    if number.is_nan() {
        "NaN"
    } else if number > 0.0 {
        "Infinity"
    } else {
        "-Infinity"
    }
}

//! JSON made of values: `json_build_object`, `json_build_array`, `to_json`, each for `jsonb` too, `row_to_json`,
//! `array_to_json`.

use std::sync::Arc;

use arrow::array::{ArrayRef, StringViewBuilder};
use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use zxq_catalog::declared::annotated;

use super::whole_rows;
use super::write::Column;
use crate::error::ErrorKind;
use crate::functions::declared::failed;
use crate::functions::overloads::no_such_function;
use crate::values::json;

/// The functions that make JSON of values.
pub(super) fn functions() -> Vec<ScalarUDF> {
    [
        ("json_build_object", Shape::Object, false),
        ("jsonb_build_object", Shape::Object, true),
        ("json_build_array", Shape::Array, false),
        ("jsonb_build_array", Shape::Array, true),
        ("to_json", Shape::Value, false),
        ("to_jsonb", Shape::Value, true),
        ("row_to_json", Shape::Row, false),
        ("array_to_json", Shape::Row, false),
    ]
    .map(|(name, shape, binary)| ScalarUDF::from(Build::new(name, shape, binary)))
    .into()
}

/// `to_json`.
pub(super) fn to_json() -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::from(Build::new("to_json", Shape::Value, false)))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Shape {
    /// Names and values in turn.
    Object,
    Array,
    /// One value.
    Value,
    /// One value with members, and whether each gets a line of its own.
    Row,
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
            Shape::Row => Signature::one_of(
                vec![datafusion::logical_expr::TypeSignature::Any(1), datafusion::logical_expr::TypeSignature::Any(2)],
                Volatility::Stable,
            ),
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
        if let (Shape::Row, Some(value)) = (self.shape, args.arg_fields.first()) {
            self.takes(value)?;
        }
        let declared = if self.binary { "jsonb" } else { "json" };
        Ok(Arc::new(annotated(DataType::Utf8View, declared).as_ref().clone().with_name(self.name)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let all_scalar = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let rows = if all_scalar { 1 } else { args.number_rows };
        let zone = args.config_options.execution.time_zone.as_deref();
        let columns = args.args.iter().zip(&args.arg_fields);
        let columns = columns.map(|(arg, field)| Column::new(&arg.to_array(rows)?, field, zone));
        let columns = columns.collect::<Result<Vec<_>>>()?;
        let mut out = StringViewBuilder::with_capacity(rows);
        let mut text = String::new();
        for row in 0..rows {
            text.clear();
            let is_value = self.write(&columns, row, &mut text)?;
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
    /// That `row_to_json` is given a row and `array_to_json` an array.
    fn takes(&self, value: &FieldRef) -> Result<()> {
        let fits = match self.name {
            "array_to_json" => matches!(value.data_type(), DataType::List(_) | DataType::Null),
            _ => whole_rows::is_row(value) || matches!(value.data_type(), DataType::Struct(_) | DataType::Null),
        };
        match fits {
            true => Ok(()),
            false => Err(no_such_function(self.name, std::slice::from_ref(value.data_type())).into()),
        }
    }

    /// Writes one row's value; false for NULL.
    fn write(&self, columns: &[Column], row: usize, out: &mut String) -> Result<bool> {
        match self.shape {
            Shape::Value => {
                let Some(value) = columns.first().filter(|value| !value.is_null(row)) else { return Ok(false) };
                value.write(row, out);
            }
            Shape::Row => {
                let Some(value) = columns.first().filter(|value| !value.is_null(row)) else { return Ok(false) };
                let mut lines = String::new();
                if let Some(wanted) = columns.get(1) {
                    if wanted.is_null(row) {
                        return Ok(false);
                    }
                    wanted.write(row, &mut lines);
                }
                value.write(row, out);
                if lines == "true" {
                    *out = in_lines(out);
                }
            }
            Shape::Array => {
                out.push('[');
                for (place, value) in columns.iter().enumerate() {
                    if place > 0 {
                        out.push_str(", ");
                    }
                    value.write(row, out);
                }
                out.push(']');
            }
            Shape::Object => {
                out.push('{');
                for (place, pair) in columns.chunks_exact(2).enumerate() {
                    if place > 0 {
                        out.push_str(", ");
                    }
                    if pair[0].is_null(row) {
                        let message = format!("argument {}: key must not be null", 2 * place + 1);
                        return Err(failed(ErrorKind::InvalidParameter, message));
                    }
                    pair[0].write_name(row, out);
                    out.push_str(" : ");
                    pair[1].write(row, out);
                }
                out.push('}');
            }
        }
        Ok(true)
    }
}

/// The members of an object, or the elements of an array, each on a line.
fn in_lines(text: &str) -> String {
    if let Some(members) = json::members(text) {
        let members = members.iter().map(|(name, value)| {
            let mut member = String::new();
            json::write_string(name, &mut member);
            format!("{member}:{value}")
        });
        return format!("{{{}}}", members.collect::<Vec<_>>().join(",\n "));
    }
    match json::elements(text) {
        Some(elements) => format!("[{}]", elements.join(",\n ")),
        None => text.to_owned(),
    }
}

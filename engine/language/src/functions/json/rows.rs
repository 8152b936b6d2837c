//! The members and elements of JSON as arrays, which `unnest` makes rows of: what `json_each`, `json_array_elements`,
//! `json_object_keys` and their like are in a plan. [`Declared`] says again that such a row is JSON, which `unnest` forgets.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, ListBuilder, StringViewBuilder};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use zxq_catalog::declared::annotated;

use super::is_json;
use crate::error::ErrorKind;
use crate::functions::declared::failed;
use crate::functions::overloads::no_such_function;
use crate::values::json::{self, JsonKind};

/// All of them.
pub(super) fn functions() -> Vec<ScalarUDF> {
    let parts = [
        ("json_member_names", Parts::Names),
        ("json_member_values", Parts::Values),
        ("json_member_texts", Parts::Texts),
        ("json_members", Parts::Records),
        ("json_member_texts_in_rows", Parts::TextRecords),
        ("json_element_values", Parts::Elements),
        ("json_element_texts", Parts::ElementTexts),
    ];
    let signature = || Signature::any(1, Volatility::Immutable);
    let parts = parts.map(|(name, parts)| ScalarUDF::from(JsonParts { name, parts, signature: signature() }));
    let declared = [("json_as_it_is", "json"), ("jsonb_as_it_is", "jsonb")];
    let declared = declared.map(|(name, as_type)| ScalarUDF::from(Declared { name, as_type, signature: signature() }));
    parts.into_iter().chain(declared).collect()
}

/// Which parts of JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Parts {
    Names,
    Values,
    Texts,
    /// Names and values as the text of a row: `(a,1)`.
    Records,
    TextRecords,
    Elements,
    ElementTexts,
}

/// Parts of JSON as an array of texts.
#[derive(Debug, PartialEq, Eq, Hash)]
struct JsonParts {
    name: &'static str,
    parts: Parts,
    signature: Signature,
}

impl ScalarUDFImpl for JsonParts {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::List(Arc::new(Field::new_list_field(DataType::Utf8View, true))))
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        match args.arg_fields.first() {
            Some(argument) if is_json(argument) => Ok(Arc::new(Field::new(self.name, self.return_type(&[])?, true))),
            Some(other) => Err(no_such_function(self.name, std::slice::from_ref(other.data_type())).into()),
            None => plan_err!("{} takes JSON", self.name),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [argument] = args.args.as_slice() else { return plan_err!("{} takes JSON", self.name) };
        let is_scalar = matches!(argument, ColumnarValue::Scalar(_));
        let texts = cast(&argument.to_array(if is_scalar { 1 } else { args.number_rows })?, &DataType::Utf8View)?;
        let mut lists = ListBuilder::new(StringViewBuilder::new());
        for text in texts.as_string_view() {
            if let Some(text) = text {
                self.append(text, lists.values())?;
            }
            lists.append(text.is_some());
        }
        let lists: ArrayRef = Arc::new(lists.finish());
        Ok(match is_scalar {
            true => ColumnarValue::Scalar(ScalarValue::try_from_array(&lists, 0)?),
            false => ColumnarValue::Array(lists),
        })
    }
}

impl JsonParts {
    fn append(&self, text: &str, out: &mut StringViewBuilder) -> Result<()> {
        if let Parts::Elements | Parts::ElementTexts = self.parts {
            for element in json::elements(text.trim()).ok_or_else(|| self.is_other(text))? {
                match self.parts {
                    Parts::Elements => out.append_value(element),
                    _ => out.append_option(json::as_text(element)),
                }
            }
            return Ok(());
        }
        for (name, value) in json::members(text.trim()).ok_or_else(|| self.is_other(text))? {
            match self.parts {
                Parts::Values => out.append_value(value),
                Parts::Texts => out.append_option(json::as_text(value)),
                Parts::Records => out.append_value(record(&name, Some(value))),
                Parts::TextRecords => out.append_value(record(&name, json::as_text(value).as_deref())),
                _ => out.append_value(name),
            }
        }
        Ok(())
    }

    /// What is neither an object nor an array, or is the other of them.
    fn is_other(&self, text: &str) -> datafusion::error::DataFusionError {
        let wanted = match self.parts {
            Parts::Elements | Parts::ElementTexts => "the elements of",
            _ => "the members of",
        };
        let what = match json::kind(text) {
            JsonKind::Object => "an object",
            JsonKind::Array => "an array",
            _ => "a scalar",
        };
        failed(ErrorKind::InvalidParameter, format!("cannot take {wanted} {what}"))
    }
}

/// Two columns as the text of a row.
fn record(name: &str, value: Option<&str>) -> String {
    let mut out = String::from("(");
    push_column(name, &mut out);
    out.push(',');
    if let Some(value) = value {
        push_column(value, &mut out);
    }
    out.push(')');
    out
}

fn push_column(text: &str, out: &mut String) {
    let special = |c: char| matches!(c, '(' | ')' | ',' | '"' | '\\') || c.is_whitespace();
    if !text.is_empty() && !text.contains(special) {
        out.push_str(text);
        return;
    }
    out.push('"');
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            out.push(c);
        }
        out.push(c);
    }
    out.push('"');
}

/// A text that is JSON.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Declared {
    name: &'static str,
    as_type: &'static str,
    signature: Signature,
}

impl ScalarUDFImpl for Declared {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8View)
    }

    fn return_field_from_args(&self, _: ReturnFieldArgs) -> Result<FieldRef> {
        Ok(Arc::new(annotated(DataType::Utf8View, self.as_type).as_ref().clone().with_name(self.name)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [argument] = args.args.as_slice() else { return plan_err!("{} takes one text", self.name) };
        argument.cast_to(&DataType::Utf8View, None)
    }
}

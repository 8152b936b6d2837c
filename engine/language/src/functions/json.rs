//! Functions and operators of JSON, which is text here: [`operators`] plans `->` and its like, [`build`] makes JSON of values,
//! [`aggregates`] of many rows, [`whole_rows`] of rows of a table, [`changes`] of other JSON; [`rows`] makes rows of its parts.

pub(crate) mod aggregates;
mod build;
mod changes;
mod operators;
mod rows;
mod whole_rows;
mod write;

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanBuilder, Int32Builder, StringViewArray, StringViewBuilder};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, Int64Type};
use datafusion::common::{Result, ScalarValue, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use zxq_catalog::declared::{annotated, declared};

use crate::error::ErrorKind;
use crate::functions::declared::failed;
use crate::values::json::{self, JsonKind};

pub(crate) use operators::JsonOperators;
pub(crate) use whole_rows::WholeRows;

/// Functions of JSON.
pub(super) fn functions() -> Vec<ScalarUDF> {
    let of = |name, what, binary| ScalarUDF::from(JsonFunction::new(name, what, binary));
    let mut all = Vec::new();
    for (binary, names) in [
        (false, ["json_typeof", "json_array_length", "json_extract_path", "json_extract_path_text"]),
        (true, ["jsonb_typeof", "jsonb_array_length", "jsonb_extract_path", "jsonb_extract_path_text"]),
    ] {
        let [kind, length, path, path_text] = names;
        all.push(of(kind, What::Kind, binary));
        all.push(of(length, What::Length, binary));
        all.push(of(path, What::Path, binary));
        all.push(of(path_text, What::PathText, binary));
    }
    all.push(of("jsonb_contains", What::Contains, true));
    all.push(of("jsonb_exists", What::Exists, true));
    all.extend(build::functions());
    all.extend(changes::functions());
    all.extend(rows::functions());
    all.extend(whole_rows::functions());
    all
}

/// What a function does with JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum What {
    /// `->`: a member by its name, or an element by its place.
    Get,
    /// `->>`: the same as text.
    GetText,
    /// `#>`: what lies at an array of names.
    AtArray,
    /// `#>>`: the same as text.
    AtArrayText,
    /// What lies at names given as arguments.
    Path,
    /// The same as text.
    PathText,
    Kind,
    Length,
    /// `@>`.
    Contains,
    /// `?`.
    Exists,
}

/// One function.
#[derive(Debug, PartialEq, Eq, Hash)]
struct JsonFunction {
    name: &'static str,
    what: What,
    /// Its result is `JSONB`.
    binary: bool,
    signature: Signature,
}

impl JsonFunction {
    fn new(name: &'static str, what: What, binary: bool) -> Self {
        let signature = match what {
            What::Path | What::PathText => Signature::variadic_any(Volatility::Immutable),
            What::Kind | What::Length => Signature::any(1, Volatility::Immutable),
            _ => Signature::any(2, Volatility::Immutable),
        };
        JsonFunction { name, what, binary, signature }
    }
}

impl ScalarUDFImpl for JsonFunction {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(match self.what {
            What::Length => DataType::Int32,
            What::Contains | What::Exists => DataType::Boolean,
            _ => DataType::Utf8View,
        })
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        if let Some(first) = args.arg_fields.first()
            && !is_json(first)
        {
            return Err(failed(
                ErrorKind::UndefinedFunction,
                format!("function {} takes JSON: cast the text to json", self.name),
            ));
        }
        let data_type = self.return_type(&[])?;
        Ok(match self.what {
            What::Get | What::AtArray | What::Path => {
                let name = if self.binary { "jsonb" } else { "json" };
                Arc::new(annotated(data_type, name).as_ref().clone().with_name(self.name))
            }
            _ => Arc::new(Field::new(self.name, data_type, true)),
        })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let all_scalar = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let [json, rest @ ..] = arrays.as_slice() else { return plan_err!("{} takes JSON", self.name) };
        let json = cast(json, &DataType::Utf8View)?;
        let result = self.evaluate(json.as_string_view(), rest)?;
        Ok(if all_scalar {
            ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?)
        } else {
            ColumnarValue::Array(result)
        })
    }
}

/// True for a field that is JSON, or that may still become it: casts are texts until they are rewritten.
fn is_json(field: &Field) -> bool {
    matches!(declared(field), Some("json" | "jsonb")) || field.data_type().is_null() || field.data_type().is_string()
}

impl JsonFunction {
    fn evaluate(&self, json: &StringViewArray, rest: &[ArrayRef]) -> Result<ArrayRef> {
        let rows = json.len();
        match self.what {
            What::Kind => Ok(texts(rows, |row| valid(json, row).map(|json| Cow::Borrowed(json::kind(json).name())))),
            What::Length => {
                let mut lengths = Int32Builder::with_capacity(rows);
                for row in 0..rows {
                    lengths.append_option(valid(json, row).map(array_length).transpose()?);
                }
                Ok(Arc::new(lengths.finish()))
            }
            What::Get | What::GetText => match rest {
                [places] if places.data_type().is_integer() => {
                    let places = cast(places, &DataType::Int64)?;
                    let places = places.as_primitive::<Int64Type>();
                    let get = |row| json::element(valid(json, row)?, places.is_valid(row).then(|| places.value(row))?);
                    Ok(self.parts(rows, get))
                }
                [names] => {
                    let names = cast(names, &DataType::Utf8View)?;
                    let names = names.as_string_view();
                    Ok(self.parts(rows, |row| json::member(valid(json, row)?, valid(names, row)?)))
                }
                _ => plan_err!("{} takes JSON and a name or a place", self.name),
            },
            What::AtArray | What::AtArrayText => {
                let [paths] = rest else { return plan_err!("{} takes JSON and an array of names", self.name) };
                let paths = path_lists(paths)?;
                let paths = paths.as_list::<i32>();
                let names = paths.values().as_string_view();
                Ok(self.parts(rows, |row| {
                    let steps =
                        paths.is_valid(row).then(|| paths.value_offsets()[row]..paths.value_offsets()[row + 1])?;
                    let steps = steps.map(|at| valid(names, at as usize)).collect::<Option<Vec<_>>>()?;
                    json::at_path(valid(json, row)?, steps)
                }))
            }
            What::Path | What::PathText => {
                let steps = rest.iter().map(|step| cast(step, &DataType::Utf8View)).collect::<Result<Vec<_>, _>>()?;
                Ok(self.parts(rows, |row| {
                    let path =
                        steps.iter().map(|step| valid(step.as_string_view(), row)).collect::<Option<Vec<_>>>()?;
                    json::at_path(valid(json, row)?, path)
                }))
            }
            What::Contains => {
                let [inner] = rest else { return plan_err!("{} takes two values", self.name) };
                let inner = cast(inner, &DataType::Utf8View)?;
                let inner = inner.as_string_view();
                Ok(flags(rows, |row| {
                    let (outer, inner) = (json::parse(valid(json, row)?)?, json::parse(valid(inner, row)?)?);
                    Some(json::contains(&outer, &inner))
                }))
            }
            What::Exists => {
                let [names] = rest else { return plan_err!("{} takes JSON and a name", self.name) };
                let names = cast(names, &DataType::Utf8View)?;
                let names = names.as_string_view();
                Ok(flags(rows, |row| Some(has(valid(json, row)?, valid(names, row)?))))
            }
        }
    }

    /// Parts of values, as JSON or as text.
    fn parts<'a>(&self, rows: usize, part: impl Fn(usize) -> Option<&'a str>) -> ArrayRef {
        match self.what {
            What::GetText | What::AtArrayText | What::PathText => texts(rows, |row| json::as_text(part(row)?)),
            _ => texts(rows, |row| part(row).map(Cow::Borrowed)),
        }
    }
}

fn valid(array: &StringViewArray, row: usize) -> Option<&str> {
    array.is_valid(row).then(|| array.value(row))
}

fn texts<'a>(rows: usize, text: impl Fn(usize) -> Option<Cow<'a, str>>) -> ArrayRef {
    let mut out = StringViewBuilder::with_capacity(rows);
    for row in 0..rows {
        out.append_option(text(row));
    }
    Arc::new(out.finish())
}

fn flags(rows: usize, flag: impl Fn(usize) -> Option<bool>) -> ArrayRef {
    let mut out = BooleanBuilder::with_capacity(rows);
    for row in 0..rows {
        out.append_option(flag(row));
    }
    Arc::new(out.finish())
}

fn array_length(json: &str) -> Result<i32> {
    match json::elements(json) {
        Some(elements) => Ok(elements.len() as i32),
        None if json::kind(json) == JsonKind::Object => {
            Err(failed(ErrorKind::InvalidParameter, "cannot get array length of a non-array".to_owned()))
        }
        None => Err(failed(ErrorKind::InvalidParameter, "cannot get array length of a scalar".to_owned())),
    }
}

/// `?`: a member of that name, or that text among the elements, or the text itself.
fn has(json: &str, name: &str) -> bool {
    let is_name =
        |value: &str| json::kind(value) == JsonKind::String && json::as_text(value).is_some_and(|text| text == name);
    match json::kind(json) {
        JsonKind::Object => json::member(json, name).is_some(),
        JsonKind::Array => json::elements(json).unwrap_or_default().into_iter().any(is_name),
        _ => is_name(json),
    }
}

/// Paths as lists of texts; a text is `{a,b}`.
fn path_lists(paths: &ArrayRef) -> Result<ArrayRef> {
    let item: FieldRef = Arc::new(Field::new("item", DataType::Utf8View, true));
    match paths.data_type() {
        DataType::List(_) => Ok(cast(paths, &DataType::List(item))?),
        _ => {
            let (lists, bad) = crate::values::array_text::lists(paths, &item)?;
            match bad.is_empty() {
                true => Ok(lists),
                false => {
                    Err(failed(ErrorKind::InvalidText, "malformed array literal: a path is {name,place}".to_owned()))
                }
            }
        }
    }
}

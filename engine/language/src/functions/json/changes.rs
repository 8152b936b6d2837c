//! `||`, `-`, `#-`, `?|` and `?&` of `jsonb`; `jsonb_set`, `jsonb_insert`, `jsonb_pretty`, `json_strip_nulls`, `json_object`.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, StringViewArray, StringViewBuilder};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, Int64Type};
use datafusion::common::{Result, ScalarValue, plan_err};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature, Volatility,
};
use zxq_catalog::declared::annotated;

use super::{has, is_json, path_lists, valid};
use crate::error::{EngineError, ErrorKind};
use crate::functions::declared::failed;
use crate::functions::overloads::no_such_function;
use crate::values::json::changes::{self, Put};
use crate::values::json::{self, Json};

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Change {
    /// `||`.
    Concat,
    /// `-` with a name, a place or an array of names.
    Without,
    /// `#-`.
    WithoutPath,
    /// `?|`.
    HasAny,
    /// `?&`.
    HasAll,
    Set,
    Insert,
    Pretty,
    StripNulls,
    /// `json_object` of names and texts.
    Object,
}

/// The functions that are called by name.
pub(super) fn functions() -> Vec<ScalarUDF> {
    [
        ("jsonb_concat", Change::Concat, true),
        ("jsonb_delete", Change::Without, true),
        ("jsonb_delete_path", Change::WithoutPath, true),
        ("jsonb_exists_any", Change::HasAny, true),
        ("jsonb_exists_all", Change::HasAll, true),
        ("jsonb_set", Change::Set, true),
        ("jsonb_insert", Change::Insert, true),
        ("jsonb_pretty", Change::Pretty, true),
        ("json_strip_nulls", Change::StripNulls, false),
        ("jsonb_strip_nulls", Change::StripNulls, true),
        ("json_object", Change::Object, false),
        ("jsonb_object", Change::Object, true),
    ]
    .map(|(name, change, binary)| ScalarUDF::from(JsonChange::new(name, change, binary)))
    .into()
}

/// One of them.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct JsonChange {
    name: &'static str,
    change: Change,
    binary: bool,
    signature: Signature,
}

impl JsonChange {
    pub(super) fn new(name: &'static str, change: Change, binary: bool) -> JsonChange {
        let count = match change {
            Change::Concat | Change::Without | Change::WithoutPath | Change::HasAny | Change::HasAll => [2, 2],
            Change::Set | Change::Insert => [3, 4],
            Change::Pretty | Change::StripNulls => [1, 1],
            Change::Object => [1, 2],
        };
        let signature = Signature::one_of(count.map(TypeSignature::Any).into(), Volatility::Immutable);
        JsonChange { name, change, binary, signature }
    }
}

impl ScalarUDFImpl for JsonChange {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(match self.change {
            Change::HasAny | Change::HasAll => DataType::Boolean,
            _ => DataType::Utf8View,
        })
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let given = args.arg_fields;
        let json = match self.change {
            Change::Object => 0,
            Change::Concat => 2,
            _ => 1,
        };
        if given.iter().take(json).any(|field| !is_json(field)) {
            let types: Vec<DataType> = given.iter().map(|field| field.data_type().clone()).collect();
            return Err(no_such_function(self.name, &types).into());
        }
        let data_type = self.return_type(&[])?;
        Ok(match self.change {
            Change::HasAny | Change::HasAll | Change::Pretty => Arc::new(Field::new(self.name, data_type, true)),
            _ => {
                let declared = if self.binary { "jsonb" } else { "json" };
                Arc::new(annotated(data_type, declared).as_ref().clone().with_name(self.name))
            }
        })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let all_scalar = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let rows = if all_scalar { 1 } else { args.number_rows };
        let arrays = args.args.iter().map(|arg| arg.to_array(rows)).collect::<Result<Vec<_>>>()?;
        let result = self.evaluate(&arrays, rows)?;
        Ok(match all_scalar {
            true => ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?),
            false => ColumnarValue::Array(result),
        })
    }
}

impl JsonChange {
    fn evaluate(&self, arrays: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
        let (Some(first), rest) = (arrays.first(), arrays.get(1..).unwrap_or_default()) else {
            return plan_err!("{} takes JSON", self.name);
        };
        if self.change == Change::Object {
            return self.objects(first, rest.first(), rows);
        }
        let texts = cast(first, &DataType::Utf8View)?;
        let texts = texts.as_string_view();
        match (self.change, rest) {
            (Change::HasAny | Change::HasAll, [names]) => {
                let names = Paths::new(names)?;
                let all = self.change == Change::HasAll;
                let flags = (0..rows).map(|row| {
                    let (text, names) = (valid(texts, row)?, names.at(row)?);
                    let mut names = names.into_iter().flatten();
                    Some(if all { names.all(|name| has(text, name)) } else { names.any(|name| has(text, name)) })
                });
                Ok(Arc::new(flags.collect::<BooleanArray>()))
            }
            (Change::Pretty, []) => each(rows, |row| {
                let Some(value) = parsed(texts, row)? else { return Ok(None) };
                let mut out = String::new();
                changes::write_lines(&value, 0, &mut out);
                Ok(Some(out))
            }),
            (Change::StripNulls, []) => each(rows, |row| {
                let Some(value) = parsed(texts, row)?.map(changes::without_nulls) else { return Ok(None) };
                if self.binary {
                    return kept(value).map(Some);
                }
                let mut out = String::new();
                changes::write_close(&value, &mut out);
                Ok(Some(out))
            }),
            (Change::Concat, [other]) => {
                let others = cast(other, &DataType::Utf8View)?;
                each(rows, |row| match (parsed(texts, row)?, parsed(others.as_string_view(), row)?) {
                    (Some(a), Some(b)) => kept(changes::concat(a, b)).map(Some),
                    _ => Ok(None),
                })
            }
            (Change::Without, [gone]) => without(texts, gone, rows),
            (Change::WithoutPath, [path]) => {
                let paths = Paths::new(path)?;
                each(rows, |row| {
                    let (Some(value), Some(path)) = (parsed(texts, row)?, paths.at(row)) else { return Ok(None) };
                    let path = no_nulls(path)?;
                    changes::without_path(value, &path).map_err(refused).and_then(kept).map(Some)
                })
            }
            (Change::Set | Change::Insert, [path, new, flag @ ..]) => {
                let (paths, new) = (Paths::new(path)?, cast(new, &DataType::Utf8View)?);
                let flags = flag.first().map(|flag| cast(flag, &DataType::Boolean)).transpose()?;
                each(rows, |row| {
                    let flag = match &flags {
                        Some(flags) if flags.is_null(row) => return Ok(None),
                        Some(flags) => Some(flags.as_boolean().value(row)),
                        None => None,
                    };
                    let how = match (self.change, flag) {
                        (Change::Set, Some(false)) => Put::Replace,
                        (Change::Set, _) => Put::Set,
                        (_, Some(true)) => Put::Behind,
                        _ => Put::Before,
                    };
                    let (value, new, path) = (parsed(texts, row)?, parsed(new.as_string_view(), row)?, paths.at(row));
                    let (Some(value), Some(new), Some(path)) = (value, new, path) else { return Ok(None) };
                    let path = no_nulls(path)?;
                    changes::put(value, &path, &new, how).map_err(refused).and_then(kept).map(Some)
                })
            }
            _ => plan_err!("{} takes other arguments", self.name),
        }
    }

    /// Objects of names and texts that stand in turn, or in two arrays.
    fn objects(&self, names: &ArrayRef, values: Option<&ArrayRef>, rows: usize) -> Result<ArrayRef> {
        let names = Paths::new(names)?;
        let values = values.map(Paths::new).transpose()?;
        each(rows, |row| {
            let Some(names) = names.at(row) else { return Ok(None) };
            let pairs: Vec<(Option<&str>, Option<&str>)> = match &values {
                None if names.len() % 2 == 1 => {
                    let message = "array must have even number of elements".to_owned();
                    return Err(failed(ErrorKind::ArraySubscript, message));
                }
                None => names.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect(),
                Some(values) => match values.at(row) {
                    None => return Ok(None),
                    Some(values) if values.len() != names.len() => {
                        return Err(failed(ErrorKind::ArraySubscript, "mismatched array dimensions".to_owned()));
                    }
                    Some(values) => names.into_iter().zip(values).collect(),
                },
            };
            let mut out = String::from("{");
            for (at, (name, value)) in pairs.into_iter().enumerate() {
                if at > 0 {
                    out.push_str(", ");
                }
                let Some(name) = name else {
                    return Err(failed(ErrorKind::NullNotAllowed, "null value not allowed for object key".to_owned()));
                };
                json::write_string(name, &mut out);
                out.push_str(" : ");
                match value {
                    Some(value) => json::write_string(value, &mut out),
                    None => out.push_str("null"),
                }
            }
            out.push('}');
            Ok(if self.binary { json::normalise(&out) } else { Some(out) })
        })
    }
}

/// `value - …`: names are texts, places are integers.
fn without(texts: &StringViewArray, gone: &ArrayRef, rows: usize) -> Result<ArrayRef> {
    match gone.data_type() {
        integer if integer.is_integer() => {
            let places = cast(gone, &DataType::Int64)?;
            let places = places.as_primitive::<Int64Type>();
            each(rows, |row| match parsed(texts, row)? {
                Some(value) if places.is_valid(row) => {
                    changes::without_place(value, places.value(row)).map_err(refused).and_then(kept).map(Some)
                }
                _ => Ok(None),
            })
        }
        DataType::List(_) => {
            let names = Paths::new(gone)?;
            each(rows, |row| {
                let (Some(mut value), Some(names)) = (parsed(texts, row)?, names.at(row)) else { return Ok(None) };
                for name in names.into_iter().flatten() {
                    value = changes::without_name(value, name).map_err(refused)?;
                }
                kept(value).map(Some)
            })
        }
        _ => {
            let names = cast(gone, &DataType::Utf8View)?;
            each(rows, |row| match (parsed(texts, row)?, valid(names.as_string_view(), row)) {
                (Some(value), Some(name)) => {
                    changes::without_name(value, name).map_err(refused).and_then(kept).map(Some)
                }
                _ => Ok(None),
            })
        }
    }
}

/// Arrays of texts.
struct Paths {
    lists: ArrayRef,
}

impl Paths {
    fn new(paths: &ArrayRef) -> Result<Paths> {
        Ok(Paths { lists: path_lists(paths)? })
    }

    fn at(&self, row: usize) -> Option<Vec<Option<&str>>> {
        let lists = self.lists.as_list::<i32>();
        let steps = lists.values().as_string_view();
        let steps = |at: i32| valid(steps, at as usize);
        lists.is_valid(row).then(|| (lists.value_offsets()[row]..lists.value_offsets()[row + 1]).map(steps).collect())
    }
}

fn no_nulls(path: Vec<Option<&str>>) -> Result<Vec<&str>> {
    let steps: Option<Vec<&str>> = path.into_iter().collect();
    steps.ok_or_else(|| failed(ErrorKind::NullNotAllowed, "a step of the path is null".to_owned()))
}

fn parsed(texts: &StringViewArray, row: usize) -> Result<Option<Json<'_>>> {
    let Some(text) = valid(texts, row) else { return Ok(None) };
    let invalid = || DataFusionError::from(EngineError::no_value(ErrorKind::InvalidText, "json", text));
    json::parse(text).map(Some).ok_or_else(invalid)
}

fn refused(why: changes::Refusal) -> DataFusionError {
    failed(ErrorKind::InvalidParameter, why.to_owned())
}

fn kept(value: Json<'_>) -> Result<String> {
    let too_long = || failed(ErrorKind::NumericOutOfRange, "a number in JSON has too many digits".to_owned());
    changes::normal(value).ok_or_else(too_long)
}

fn each(rows: usize, text: impl Fn(usize) -> Result<Option<String>>) -> Result<ArrayRef> {
    let mut out = StringViewBuilder::with_capacity(rows);
    for row in 0..rows {
        out.append_option(text(row)?);
    }
    Ok(Arc::new(out.finish()))
}

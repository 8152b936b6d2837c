//! Texts as their declared type keeps them: UUIDs in one form, JSON that is JSON, `CHAR(n)` without the blanks behind.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryViewBuilder, ListArray, StringArrayType, StringViewArray, StringViewBuilder,
};
use arrow::datatypes::{DataType, FieldRef};
use zxq_catalog::ColumnDef;
use zxq_language::values::{CastProblem, array_text, bytea, json, uuid_text};

use crate::constraints::cast::{Casted, cast_column};
use crate::error::Result;

/// The texts of a column as its type keeps them; what is no value of the type is reported.
pub(super) fn in_form(casted: Casted, column: &ColumnDef) -> Casted {
    let form: fn(&str) -> Option<Cow<'_, str>> = match column.sql_type.as_str() {
        "UUID" => uuid_form,
        "JSON" => json_form,
        "JSONB" => jsonb_form,
        name if name.starts_with("CHAR(") => char_form,
        _ => return casted,
    };
    let Casted { values, mut bad } = casted;
    let Some(texts) = values.as_string_view_opt() else { return Casted { values, bad } };
    let (kept, wrong) = each(texts, form);
    if !wrong.is_empty() {
        bad.extend(wrong.into_iter().map(|row| (row, CastProblem::Invalid)));
        bad.sort_unstable_by_key(|(row, _)| *row);
    }
    Casted { values: kept.unwrap_or(values), bad }
}

/// Every text in its form, and the rows that have none; `None` where all are in it already.
fn each(texts: &StringViewArray, form: impl Fn(&str) -> Option<Cow<'_, str>>) -> (Option<ArrayRef>, Vec<usize>) {
    let mut wrong = Vec::new();
    let changed = (0..texts.len()).find(|row| {
        texts.is_valid(*row)
            && !form(texts.value(*row))
                .is_some_and(|kept| kept.len() == texts.value(*row).len() && kept == texts.value(*row))
    });
    if changed.is_none() {
        return (None, wrong);
    }
    let mut kept = StringViewBuilder::with_capacity(texts.len());
    for (row, text) in texts.iter().enumerate() {
        match text.map(&form) {
            None => kept.append_null(),
            Some(Some(text)) => kept.append_value(text),
            Some(None) => {
                wrong.push(row);
                kept.append_null();
            }
        }
    }
    (Some(Arc::new(kept.finish())), wrong)
}

fn uuid_form(text: &str) -> Option<Cow<'_, str>> {
    if uuid_text::is_canonical(text) { Some(Cow::Borrowed(text)) } else { uuid_text::canonical(text).map(Cow::Owned) }
}

fn json_form(text: &str) -> Option<Cow<'_, str>> {
    json::is_valid(text).then_some(Cow::Borrowed(text))
}

fn jsonb_form(text: &str) -> Option<Cow<'_, str>> {
    json::normalise(text).map(Cow::Owned)
}

fn char_form(text: &str) -> Option<Cow<'_, str>> {
    Some(Cow::Borrowed(text.trim_end_matches(' ')))
}

/// Texts as bytes.
pub(super) fn bytes<'a, S: StringArrayType<'a>>(texts: S) -> Casted {
    let mut bad = Vec::new();
    let mut values = BinaryViewBuilder::with_capacity(texts.len());
    for row in 0..texts.len() {
        let parsed = if texts.is_null(row) { None } else { bytea::parse(texts.value(row)) };
        if parsed.is_none() && texts.is_valid(row) {
            bad.push((row, CastProblem::Invalid));
        }
        values.append_option(parsed);
    }
    Casted { values: Arc::new(values.finish()), bad }
}

/// Texts as arrays.
pub(super) fn arrays(texts: &ArrayRef, item: &FieldRef) -> Result<Casted> {
    let (values, bad) = array_text::lists(texts, item)?;
    Ok(Casted { values, bad: bad.into_iter().map(|row| (row, CastProblem::Invalid)).collect() })
}

/// Lists of other elements as arrays of these.
pub(super) fn lists(values: &ArrayRef, column: &ColumnDef, item: &FieldRef) -> Result<Casted> {
    let plain = match values.data_type() {
        DataType::List(_) => Arc::clone(values),
        DataType::LargeList(from) | DataType::FixedSizeList(from, _) => {
            arrow::compute::cast(values, &DataType::List(Arc::clone(from)))?
        }
        _ => Arc::clone(values),
    };
    let lists = plain.as_list::<i32>();
    let element = ColumnDef {
        data_type: item.data_type().clone(),
        sql_type: column.sql_type.trim_end_matches("[]").to_owned(),
        ..column.clone()
    };
    let items = cast_column(lists.values(), &element)?;
    let mut bad: Vec<(usize, CastProblem)> = Vec::new();
    let offsets = lists.value_offsets();
    for (at, problem) in items.bad {
        let row = offsets.partition_point(|offset| *offset as usize <= at).saturating_sub(1);
        if lists.is_valid(row) && bad.last().is_none_or(|(last, _)| *last != row) {
            bad.push((row, problem));
        }
    }
    let values = ListArray::try_new(Arc::clone(item), lists.offsets().clone(), items.values, lists.nulls().cloned())?;
    Ok(Casted { values: Arc::new(values), bad })
}

//! What matches: `regexp_match`, `regexp_count`, `regexp_instr`, `regexp_substr`, `regexp_split_to_array`, and
//! `regexp_matches_all`, whose rows `regexp_matches` gives one by one.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int32Array, ListBuilder, StringBuilder};
use arrow::datatypes::{DataType, Field, Int64Type};
use datafusion::common::Result;
use datafusion::logical_expr::ScalarUDF;

use super::Options;
use super::matching::options_of;
use super::pattern::{Found, Matches, Pattern, Patterns};
use crate::error::EngineError;
use crate::functions::overloads::{Form, Overloaded, Takes, integer, invalid_parameter, text, texts};

/// Every match of `regexp_matches`, as one array of arrays.
pub(crate) const ALL_MATCHES: &str = "regexp_matches_all";

/// The functions that say where, what and how often.
pub(in crate::functions) fn functions() -> Vec<ScalarUDF> {
    use Takes::{Integer, Text};
    const FLAGGED: [&[Takes]; 2] = [&[Text, Text], &[Text, Text, Text]];
    const MATCH: &[Form] = &[Form::new(FLAGGED[0], texts, regexp_match), Form::new(FLAGGED[1], texts, regexp_match)];
    const ALL: &[Form] =
        &[Form::new(FLAGGED[0], lists_of_texts, all_matches), Form::new(FLAGGED[1], lists_of_texts, all_matches)];
    const SPLIT: &[Form] = &[Form::new(FLAGGED[0], texts, split), Form::new(FLAGGED[1], texts, split)];
    const COUNT: &[Form] = &[
        Form::new(&[Text, Text], integer, count),
        Form::new(&[Text, Text, Integer], integer, count),
        Form::new(&[Text, Text, Integer, Text], integer, count),
    ];
    const INSTR: &[Form] = &[
        Form::new(&[Text, Text], integer, instr),
        Form::new(&[Text, Text, Integer], integer, instr),
        Form::new(&[Text, Text, Integer, Integer], integer, instr),
        Form::new(&[Text, Text, Integer, Integer, Integer], integer, instr),
        Form::new(&[Text, Text, Integer, Integer, Integer, Text], integer, instr),
        Form::new(&[Text, Text, Integer, Integer, Integer, Text, Integer], integer, instr),
    ];
    const SUBSTR: &[Form] = &[
        Form::new(&[Text, Text], text, substr),
        Form::new(&[Text, Text, Integer], text, substr),
        Form::new(&[Text, Text, Integer, Integer], text, substr),
        Form::new(&[Text, Text, Integer, Integer, Text], text, substr),
        Form::new(&[Text, Text, Integer, Integer, Text, Integer], text, substr),
    ];
    vec![
        Overloaded::new("regexp_match", MATCH).into(),
        Overloaded::new(ALL_MATCHES, ALL).into(),
        Overloaded::new("regexp_split_to_array", SPLIT).into(),
        Overloaded::new("regexp_count", COUNT).into(),
        Overloaded::new("regexp_instr", INSTR).into(),
        Overloaded::new("regexp_substr", SUBSTR).into(),
    ]
}

fn lists_of_texts(given: &[DataType]) -> DataType {
    DataType::List(Arc::new(Field::new_list_field(texts(given), true)))
}

/// A parameter that counts from `least`.
pub(super) fn positive(name: &str, value: i64, least: i64) -> Result<usize, EngineError> {
    usize::try_from(value)
        .ok()
        .filter(|_| value >= least)
        .ok_or_else(|| invalid_parameter(format!("invalid value for parameter \"{name}\": {value}")))
}

/// The byte at which a character begins, counted from one; `None` beyond the end.
pub(super) fn byte_of(text: &str, character: usize) -> Option<usize> {
    let mut starts = text.char_indices().map(|(at, _)| at).chain([text.len()]);
    starts.nth(character.checked_sub(1)?)
}

/// The integers of an argument, or the same for all where it is not given.
fn number(args: &[ArrayRef], place: usize, row: usize, usual: i64) -> Option<i64> {
    match args.get(place) {
        None => Some(usual),
        Some(values) => {
            let values = values.as_primitive::<Int64Type>();
            values.is_valid(row).then(|| values.value(row))
        }
    }
}

/// Calls `act` with every row's text, pattern and options; with nothing for rows that have a NULL.
fn each_row(
    args: &[ArrayRef],
    rows: usize,
    flags: usize,
    (refuses_global, hint): (&str, Option<&str>),
    mut act: impl FnMut(usize, Option<(&str, &Pattern, Options)>) -> Result<(), EngineError>,
) -> Result<()> {
    let (texts, patterns) = (args[0].as_string_view(), args[1].as_string_view());
    let flags = args.get(flags).map(|flags| flags.as_string_view());
    let mut known = Patterns::default();
    for row in 0..rows {
        let null = args.iter().any(|arg| arg.is_null(row));
        match if null { None } else { options_of(flags, row, refuses_global, hint)? } {
            None => act(row, None)?,
            Some(options) => {
                let pattern = known.get(patterns.value(row), options)?;
                act(row, Some((texts.value(row), &pattern, options)))?;
            }
        }
    }
    Ok(())
}

type Lists = ListBuilder<StringBuilder>;

/// What the groups of a match hold, or the match itself where there are no groups.
fn append_groups(results: &mut Lists, text: &str, found: &Found) {
    let values = results.values();
    let groups = if found.len() > 1 { &found[1..] } else { &found[..] };
    for group in groups {
        values.append_option(group.map(|(start, end)| &text[start..end]));
    }
    results.append(true);
}

fn regexp_match(args: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    let mut results = Lists::new(StringBuilder::new());
    let refuses = ("regexp_match()", Some("Use the regexp_matches function instead."));
    each_row(args, rows, 2, refuses, |_, row| {
        let found = match row {
            Some((text, pattern, _)) => Matches::new(pattern, text).next_from(0)?.map(|found| (text, found)),
            None => None,
        };
        match found {
            Some((text, found)) => append_groups(&mut results, text, &found),
            None => results.append(false),
        }
        Ok(())
    })?;
    Ok(Arc::new(results.finish()))
}

fn all_matches(args: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    let mut results = ListBuilder::new(Lists::new(StringBuilder::new()));
    each_row(args, rows, 2, ("", None), |_, row| {
        if let Some((text, pattern, options)) = row {
            Matches::new(pattern, text).each(0, |found| {
                append_groups(results.values(), text, found);
                Ok(options.global)
            })?;
        }
        results.append(row.is_some());
        Ok(())
    })?;
    Ok(Arc::new(results.finish()))
}

fn split(args: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    let mut results = Lists::new(StringBuilder::new());
    each_row(args, rows, 2, ("regexp_split_to_array()", None), |_, row| {
        if let Some((text, pattern, _)) = row {
            let mut copied = 0;
            Matches::new(pattern, text).each(0, |found| {
                // An empty match at an end, or right behind the one before, splits nothing.
                if let Some(Some((start, end))) = found.first().copied()
                    && start < text.len()
                    && end > copied
                {
                    results.values().append_value(&text[copied..start]);
                    copied = end;
                }
                Ok(true)
            })?;
            results.values().append_value(&text[copied..]);
        }
        results.append(row.is_some());
        Ok(())
    })?;
    Ok(Arc::new(results.finish()))
}

fn count(args: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    let mut results = Int32Array::builder(rows);
    each_row(args, rows, 3, ("regexp_count()", None), |row, given| {
        let (Some((text, pattern, _)), Some(start)) = (given, number(args, 2, row, 1)) else {
            results.append_null();
            return Ok(());
        };
        let mut found = 0;
        if let Some(from) = byte_of(text, positive("start", start, 1)?) {
            Matches::new(pattern, text).each(from, |_| {
                found += 1;
                Ok(true)
            })?;
        }
        results.append_value(found);
        Ok(())
    })?;
    Ok(Arc::new(results.finish()))
}

/// The match of this number from `start` on.
fn nth(text: &str, pattern: &Pattern, start: usize, n: usize) -> Result<Option<Found>, EngineError> {
    let mut number = 0;
    let mut result = None;
    if let Some(from) = byte_of(text, start) {
        Matches::new(pattern, text).each(from, |found| {
            number += 1;
            if number == n {
                result = Some(found.clone());
            }
            Ok(number < n)
        })?;
    }
    Ok(result)
}

/// Where a group of a match lies: the match itself for 0.
fn group_of(pattern: &Pattern, found: Option<Found>, group: usize) -> Option<(usize, usize)> {
    if group > pattern.groups() {
        return None;
    }
    found?.get(group).copied().flatten()
}

/// `regexp_instr(text, pattern [, start [, n [, endoption [, flags [, subexpression]]]]])`
fn instr(args: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    let mut results = Int32Array::builder(rows);
    each_row(args, rows, 5, ("regexp_instr()", None), |row, given| {
        let numbers =
            (number(args, 2, row, 1), number(args, 3, row, 1), number(args, 4, row, 0), number(args, 6, row, 0));
        let (Some((text, pattern, _)), (Some(start), Some(n), Some(after), Some(group))) = (given, numbers) else {
            results.append_null();
            return Ok(());
        };
        let (start, n) = (positive("start", start, 1)?, positive("n", n, 1)?);
        if !(0..=1).contains(&after) {
            return Err(invalid_parameter(format!("invalid value for parameter \"endoption\": {after}")));
        }
        let group = positive("subexpr", group, 0)?;
        let span = group_of(pattern, nth(text, pattern, start, n)?, group);
        results.append_value(span.map_or(0, |(start, end)| {
            let byte = if after == 1 { end } else { start };
            i32::try_from(text[..byte].chars().count() + 1).unwrap_or(i32::MAX)
        }));
        Ok(())
    })?;
    Ok(Arc::new(results.finish()))
}

/// `regexp_substr(text, pattern [, start [, n [, flags [, subexpression]]]])`
fn substr(args: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    let mut results = StringBuilder::new();
    each_row(args, rows, 4, ("regexp_substr()", None), |row, given| {
        let numbers = (number(args, 2, row, 1), number(args, 3, row, 1), number(args, 5, row, 0));
        let (Some((text, pattern, _)), (Some(start), Some(n), Some(group))) = (given, numbers) else {
            results.append_null();
            return Ok(());
        };
        let (start, n) = (positive("start", start, 1)?, positive("n", n, 1)?);
        let group = positive("subexpr", group, 0)?;
        let span = group_of(pattern, nth(text, pattern, start, n)?, group);
        results.append_option(span.map(|(start, end)| &text[start..end]));
        Ok(())
    })?;
    Ok(Arc::new(results.finish()))
}

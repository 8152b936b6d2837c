//! `format(template, any, …)`: `%s`, `%I`, `%L` and `%%`, with positions (`%2$s`) and widths (`%-10s`, `%*s`).

use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use datafusion::common::Result;
use datafusion::logical_expr::ScalarUDF;

use super::quoting::literal;
use super::shown;
use crate::error::{EngineError, ErrorKind};
use crate::functions::made_texts::{MOST_BYTES, MadeTexts};
use crate::functions::overloads::{Form, Overloaded, Takes, invalid_parameter, text};
use crate::sql::quote_ident_as_postgres;

pub(super) fn functions() -> Vec<ScalarUDF> {
    const FORMS: &[Form] =
        &[Form::new(&[Takes::Text], text, format), Form::new(&[Takes::Text, Takes::Any], text, format).and_more()];
    vec![Overloaded::new("format", FORMS).into()]
}

fn format(args: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    let templates = args[0].as_string_view();
    let values = args[1..].iter().map(shown::texts).collect::<Result<Vec<StringArray>>>()?;
    let mut results = MadeTexts::default();
    let mut out = String::new();
    for row in 0..rows {
        if templates.is_null(row) {
            results.push_null();
            continue;
        }
        out.clear();
        Writer { rest: templates.value(row), values: &values, row, next: 0 }.write(&mut out)?;
        results.push(&out)?;
    }
    Ok(results.finish())
}

struct Writer<'a> {
    rest: &'a str,
    values: &'a [StringArray],
    row: usize,
    /// The argument that a specifier without a position takes.
    next: usize,
}

impl Writer<'_> {
    fn write(&mut self, out: &mut String) -> Result<(), EngineError> {
        while let Some(at) = self.rest.find('%') {
            out.push_str(&self.rest[..at]);
            self.rest = &self.rest[at + 1..];
            if let Some(rest) = self.rest.strip_prefix('%') {
                out.push('%');
                self.rest = rest;
            } else {
                self.specifier(out)?;
            }
        }
        out.push_str(self.rest);
        Ok(())
    }

    fn specifier(&mut self, out: &mut String) -> Result<(), EngineError> {
        let mut position = None;
        let before = self.rest;
        if let Some(number) = self.number()? {
            match self.rest.strip_prefix('$') {
                Some(rest) => {
                    position = Some(checked(number)?);
                    self.rest = rest;
                }
                None => self.rest = before,
            }
        }
        let mut left = false;
        while let Some(rest) = self.rest.strip_prefix('-') {
            left = true;
            self.rest = rest;
        }
        let mut width = 0;
        if let Some(rest) = self.rest.strip_prefix('*') {
            self.rest = rest;
            let mut from = None;
            if let Some(number) = self.number()? {
                let Some(rest) = self.rest.strip_prefix('$') else {
                    return Err(invalid_parameter("width argument position must be ended by \"$\""));
                };
                from = Some(checked(number)?);
                self.rest = rest;
            }
            let given = self.argument(from)?.map(|text| text.parse::<i64>());
            width = match given {
                None => 0,
                Some(Ok(width)) => width,
                Some(Err(_)) => return Err(invalid_parameter("the width of format() must be an integer")),
            };
            left |= width < 0;
            width = width.saturating_abs();
        } else if let Some(number) = self.number()? {
            width = number as i64;
        }
        let Some(kind) = self.rest.chars().next() else {
            return Err(hinted("unterminated format() type specifier"));
        };
        self.rest = &self.rest[kind.len_utf8()..];
        if !matches!(kind, 's' | 'I' | 'L') {
            return Err(hinted(&format!("unrecognized format() type specifier \"{kind}\"")));
        }
        let value = self.argument(position)?;
        let text = match (kind, value) {
            ('s', value) => value.unwrap_or_default().to_owned(),
            ('I', Some(value)) => quote_ident_as_postgres(value),
            ('I', None) => {
                return Err(EngineError::new(
                    ErrorKind::NullNotAllowed,
                    "null values cannot be formatted as an SQL identifier",
                ));
            }
            (_, Some(value)) => literal(value),
            (_, None) => "NULL".to_owned(),
        };
        pad(&text, usize::try_from(width).unwrap_or(0), left, out)
    }

    fn number(&mut self) -> Result<Option<usize>, EngineError> {
        let digits = self.rest.len() - self.rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        if digits == 0 {
            return Ok(None);
        }
        let number = self.rest[..digits].parse::<i32>().ok().and_then(|number| usize::try_from(number).ok());
        self.rest = &self.rest[digits..];
        match number {
            Some(number) => Ok(Some(number)),
            None => Err(EngineError::new(ErrorKind::NumericOutOfRange, "number is out of range")),
        }
    }

    /// The value of the argument with this number, or of the next one.
    fn argument(&mut self, position: Option<usize>) -> Result<Option<&str>, EngineError> {
        let at = position.unwrap_or(self.next + 1);
        self.next = at;
        match self.values.get(at - 1) {
            Some(values) => Ok(values.is_valid(self.row).then(|| values.value(self.row))),
            None => Err(invalid_parameter("too few arguments for format()")),
        }
    }
}

fn checked(position: usize) -> Result<usize, EngineError> {
    match position {
        0 => Err(invalid_parameter("format specifies argument 0, but arguments are numbered from 1")),
        position => Ok(position),
    }
}

fn hinted(message: &str) -> EngineError {
    invalid_parameter(message).with_hint("For a single \"%\" use \"%%\".")
}

fn pad(text: &str, width: usize, left: bool, out: &mut String) -> Result<(), EngineError> {
    // Many of them make a text that is too long, too, and more than that before the whole is looked at.
    if out.len().saturating_add(width.max(text.len())) > MOST_BYTES {
        return Err(EngineError::new(ErrorKind::LimitExceeded, "requested length too large"));
    }
    let missing = width.saturating_sub(text.chars().count());
    if left {
        out.push_str(text);
    }
    out.extend(std::iter::repeat_n(' ', missing));
    if !left {
        out.push_str(text);
    }
    Ok(())
}

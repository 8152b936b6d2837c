//! `upper`, `lower`, `length`, `octet_length`, `bit_length`, `chr`.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int32Array, StringBuilder};
use arrow::datatypes::Int64Type;
use datafusion::common::Result;
use datafusion::logical_expr::ScalarUDF;

use crate::error::{EngineError, ErrorKind};
use crate::functions::overloads::{Form, Overloaded, Takes, integer, invalid_parameter, text};

pub(super) fn functions() -> Vec<ScalarUDF> {
    const UPPER: &[Form] = &[Form::new(&[Takes::Text], text, upper)];
    const LOWER: &[Form] = &[Form::new(&[Takes::Text], text, lower)];
    const LENGTH: &[Form] =
        &[Form::new(&[Takes::Text], integer, characters), Form::new(&[Takes::Bytes], integer, bytes)];
    const OCTETS: &[Form] = &[Form::new(&[Takes::Text], integer, octets), Form::new(&[Takes::Bytes], integer, bytes)];
    const BITS: &[Form] =
        &[Form::new(&[Takes::Text], integer, bits), Form::new(&[Takes::Bytes], integer, bits_of_bytes)];
    const CHR: &[Form] = &[Form::new(&[Takes::Integer], text, chr)];
    vec![
        Overloaded::new("upper", UPPER).into(),
        Overloaded::new("lower", LOWER).into(),
        Overloaded::new("character_length", LENGTH).also("char_length").also("length").into(),
        Overloaded::new("octet_length", OCTETS).into(),
        Overloaded::new("bit_length", BITS).into(),
        Overloaded::new("chr", CHR).into(),
    ]
}

/// Each letter by itself, where its other case is one letter: PostgreSQL leaves the ß as it is.
fn change_case(args: &[ArrayRef], rows: usize, ascii: fn(&str) -> String, other: fn(char) -> char) -> Result<ArrayRef> {
    let texts = args[0].as_string_view();
    let mut results = StringBuilder::new();
    for row in 0..rows {
        if texts.is_null(row) {
            results.append_null();
            continue;
        }
        let text = texts.value(row);
        match text.is_ascii() {
            true => results.append_value(ascii(text)),
            false => results.append_value(text.chars().map(other).collect::<String>()),
        }
    }
    Ok(Arc::new(results.finish()))
}

fn upper(args: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    change_case(args, rows, str::to_ascii_uppercase, |c| only(c.to_uppercase(), c))
}

fn lower(args: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    change_case(args, rows, str::to_ascii_lowercase, |c| only(c.to_lowercase(), c))
}

fn only(mut chars: impl Iterator<Item = char>, otherwise: char) -> char {
    match (chars.next(), chars.next()) {
        (Some(only), None) => only,
        _ => otherwise,
    }
}

fn counted(args: &[ArrayRef], rows: usize, count: fn(&str) -> usize) -> Result<ArrayRef> {
    let texts = args[0].as_string_view();
    let counts =
        (0..rows).map(|row| texts.is_valid(row).then(|| i32::try_from(count(texts.value(row))).unwrap_or(i32::MAX)));
    Ok(Arc::new(counts.collect::<Int32Array>()))
}

fn characters(args: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    counted(args, rows, |text| if text.is_ascii() { text.len() } else { text.chars().count() })
}

fn octets(args: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    counted(args, rows, str::len)
}

fn bits(args: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    counted(args, rows, |text| text.len() * 8)
}

fn bytes(args: &[ArrayRef], _rows: usize) -> Result<ArrayRef> {
    let bytes = args[0].as_binary::<i32>();
    let counts = bytes.iter().map(|bytes| bytes.map(|bytes| i32::try_from(bytes.len()).unwrap_or(i32::MAX)));
    Ok(Arc::new(counts.collect::<Int32Array>()))
}

fn bits_of_bytes(args: &[ArrayRef], _rows: usize) -> Result<ArrayRef> {
    let bytes = args[0].as_binary::<i32>();
    let counts = bytes.iter().map(|bytes| bytes.map(|bytes| i32::try_from(bytes.len() * 8).unwrap_or(i32::MAX)));
    Ok(Arc::new(counts.collect::<Int32Array>()))
}

fn chr(args: &[ArrayRef], _rows: usize) -> Result<ArrayRef> {
    let codes = args[0].as_primitive::<Int64Type>();
    let limit = |message: String| EngineError::new(ErrorKind::LimitExceeded, message);
    let mut results = StringBuilder::new();
    for code in codes {
        let Some(code) = code else {
            results.append_null();
            continue;
        };
        let c = match code {
            0 => return Err(limit("null character not permitted".to_owned()).into()),
            ..0 => return Err(invalid_parameter("character number must be positive").into()),
            0x11_0000.. => {
                return Err(limit(format!("requested character too large for encoding: {code}")).into());
            }
            code => u32::try_from(code)
                .ok()
                .and_then(char::from_u32)
                .ok_or_else(|| limit(format!("requested character not valid for encoding: {code}")))?,
        };
        results.append_value(c.encode_utf8(&mut [0; 4]));
    }
    Ok(Arc::new(results.finish()))
}

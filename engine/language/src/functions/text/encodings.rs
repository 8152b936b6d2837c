//! `encode(bytes, format)` and `decode(text, format)`: hex, base64 and escape.

use std::fmt::Write;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BinaryBuilder, StringBuilder};
use arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::logical_expr::ScalarUDF;

use crate::error::{EngineError, ErrorKind};
use crate::functions::overloads::{Form, Overloaded, Takes, invalid_parameter, text};
use crate::values::bytea;

/// Characters in a line of base64.
const LINE: usize = 76;
const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

pub(super) fn functions() -> Vec<ScalarUDF> {
    const ENCODE: &[Form] = &[
        Form::new(&[Takes::Bytes, Takes::Text], text, encode),
        Form::new(&[Takes::Text, Takes::Text], text, encode_literal),
    ];
    const DECODE: &[Form] = &[Form::new(&[Takes::Text, Takes::Text], binary, decode)];
    vec![Overloaded::new("encode", ENCODE).into(), Overloaded::new("decode", DECODE).into()]
}

fn binary(_: &[DataType]) -> DataType {
    DataType::Binary
}

fn encode(args: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    let bytes = args[0].as_binary::<i32>();
    encode_each(args, rows, |row| Ok(bytes.value(row).to_vec()))
}

/// Of a text, which is read as bytes first: `'\x41'`.
fn encode_literal(args: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    let texts = args[0].as_string_view();
    encode_each(args, rows, |row| {
        let text = texts.value(row);
        bytea::parse(text)
            .map(|bytes| bytes.to_vec())
            .ok_or_else(|| EngineError::new(ErrorKind::InvalidText, "invalid input syntax for type bytea"))
    })
}

fn encode_each(
    args: &[ArrayRef],
    rows: usize,
    bytes: impl Fn(usize) -> Result<Vec<u8>, EngineError>,
) -> Result<ArrayRef> {
    let formats = args[1].as_string_view();
    let mut results = StringBuilder::new();
    for row in 0..rows {
        if args[0].is_null(row) || formats.is_null(row) {
            results.append_null();
            continue;
        }
        let bytes = bytes(row)?;
        results.append_value(match Format::of(formats.value(row))? {
            Format::Hex => hex(&bytes),
            Format::Base64 => base64(&bytes),
            Format::Escape => escaped(&bytes),
        });
    }
    Ok(Arc::new(results.finish()))
}

fn decode(args: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    let (texts, formats) = (args[0].as_string_view(), args[1].as_string_view());
    let mut results = BinaryBuilder::new();
    for row in 0..rows {
        if texts.is_null(row) || formats.is_null(row) {
            results.append_null();
            continue;
        }
        let text = texts.value(row);
        results.append_value(match Format::of(formats.value(row))? {
            Format::Hex => from_hex(text)?,
            Format::Base64 => from_base64(text)?,
            Format::Escape => from_escaped(text)?,
        });
    }
    Ok(Arc::new(results.finish()))
}

enum Format {
    Hex,
    Base64,
    Escape,
}

impl Format {
    fn of(name: &str) -> Result<Format, EngineError> {
        match name.to_ascii_lowercase().as_str() {
            "hex" => Ok(Format::Hex),
            "base64" => Ok(Format::Base64),
            "escape" => Ok(Format::Escape),
            _ => Err(invalid_parameter(format!("unrecognized encoding: \"{name}\""))),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _ = write!(out, "{byte:02x}");
    }
    out
}

fn from_hex(text: &str) -> Result<Vec<u8>, EngineError> {
    let mut digits = Vec::with_capacity(text.len());
    for c in text.chars().filter(|c| !matches!(c, ' ' | '\n' | '\t' | '\r')) {
        let digit = c.to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        digits.push(digit.ok_or_else(|| invalid_parameter(format!("invalid hexadecimal digit: \"{c}\"")))?);
    }
    if digits.len() % 2 == 1 {
        return Err(invalid_parameter("invalid hexadecimal data: odd number of digits"));
    }
    Ok(digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

fn base64(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() * 4 / 3 + 4);
    let mut line = 0;
    for chunk in bytes.chunks(3) {
        if line == LINE {
            out.push('\n');
            line = 0;
        }
        let of = |place: usize| u32::from(chunk.get(place).copied().unwrap_or(0));
        let bits = of(0) << 16 | of(1) << 8 | of(2);
        for place in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * place) & 63) as usize];
            out.push(if place <= chunk.len() { char::from(digit) } else { '=' });
        }
        line += 4;
    }
    out
}

fn from_base64(text: &str) -> Result<Vec<u8>, EngineError> {
    let mut out = Vec::with_capacity(text.len() * 3 / 4);
    let (mut bits, mut count, mut padding) = (0_u32, 0_u32, 0);
    for c in text.chars().filter(|c| !c.is_ascii_whitespace()) {
        if c == '=' && count >= 2 && count + padding < 4 {
            padding += 1;
            continue;
        }
        let digit = u8::try_from(c).ok().and_then(|byte| DIGITS.iter().position(|digit| *digit == byte));
        let Some(digit) = digit.filter(|_| padding == 0) else {
            let what = if c == '=' { "unexpected \"=\"" } else { "invalid symbol" };
            return Err(invalid_parameter(match what {
                "invalid symbol" => format!("invalid symbol \"{c}\" found while decoding base64 sequence"),
                _ => "unexpected \"=\" while decoding base64 sequence".to_owned(),
            }));
        };
        bits = bits << 6 | digit as u32;
        count += 1;
        if count == 4 {
            out.extend_from_slice(&bits.to_be_bytes()[1..]);
            (bits, count) = (0, 0);
        }
    }
    match (count, padding) {
        (0, 0) => {}
        (2, 2) => out.push((bits >> 4) as u8),
        (3, 1) => out.extend_from_slice(&[(bits >> 10) as u8, (bits >> 2) as u8]),
        _ => {
            return Err(invalid_parameter("invalid base64 end sequence")
                .with_hint("Input data is missing padding, is truncated, or is otherwise corrupted."));
        }
    }
    Ok(out)
}

fn escaped(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for byte in bytes {
        match byte {
            0 | 0x80.. => {
                let _ = write!(out, "\\{byte:03o}");
            }
            b'\\' => out.push_str("\\\\"),
            byte => out.push(char::from(*byte)),
        }
    }
    out
}

fn from_escaped(text: &str) -> Result<Vec<u8>, EngineError> {
    let invalid = || EngineError::new(ErrorKind::InvalidText, "invalid input syntax for type bytea");
    let mut out = Vec::with_capacity(text.len());
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        if *byte != b'\\' {
            out.push(*byte);
            at += 1;
        } else if bytes.get(at + 1) == Some(&b'\\') {
            out.push(b'\\');
            at += 2;
        } else {
            let digits = text.get(at + 1..at + 4).ok_or_else(invalid)?;
            out.push(u8::from_str_radix(digits, 8).map_err(|_| invalid())?);
            at += 4;
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn bytes_come_back() {
        let bytes: Vec<u8> = (0..=255).collect();
        assert_eq!(from_hex(&hex(&bytes)).unwrap(), bytes);
        assert_eq!(from_base64(&base64(&bytes)).unwrap(), bytes);
        assert_eq!(from_escaped(&escaped(&bytes)).unwrap(), bytes);
        for length in 0..5 {
            assert_eq!(from_base64(&base64(&bytes[..length])).unwrap(), &bytes[..length]);
        }
        assert_eq!(base64(b"abc"), "YWJj");
        assert_eq!(base64(b"a"), "YQ==");
        assert!(base64(&bytes).contains('\n'));
        assert!(from_base64("Y*Jj").is_err() && from_base64("YWJ").is_err() && from_hex("abc").is_err());
    }
}

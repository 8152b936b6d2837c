//! Single bytes and bits of `bytea`, and texts as bytes: `get_byte`, `set_byte`, `get_bit`, `set_bit`, `bit_count`,
//! `convert_to`, `convert_from`.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BinaryBuilder, Int32Array, Int64Array, StringBuilder};
use arrow::datatypes::{DataType, Int64Type};
use datafusion::common::Result;
use datafusion::logical_expr::ScalarUDF;

use crate::error::{EngineError, ErrorKind};
use crate::functions::overloads::{Form, Overloaded, Takes, integer, invalid_parameter, text};

pub(super) fn functions() -> Vec<ScalarUDF> {
    const GET_BYTE: &[Form] = &[Form::new(&[Takes::Bytes, Takes::Integer], integer, get_byte)];
    const GET_BIT: &[Form] = &[Form::new(&[Takes::Bytes, Takes::Integer], integer, get_bit)];
    const SET_BYTE: &[Form] = &[Form::new(&[Takes::Bytes, Takes::Integer, Takes::Integer], binary, set_byte)];
    const SET_BIT: &[Form] = &[Form::new(&[Takes::Bytes, Takes::Integer, Takes::Integer], binary, set_bit)];
    const BIT_COUNT: &[Form] = &[Form::new(&[Takes::Bytes], bigint, bit_count)];
    const CONVERT_TO: &[Form] = &[Form::new(&[Takes::Text, Takes::Text], binary, convert_to)];
    const CONVERT_FROM: &[Form] = &[Form::new(&[Takes::Bytes, Takes::Text], text, convert_from)];
    vec![
        Overloaded::new("get_byte", GET_BYTE).into(),
        Overloaded::new("get_bit", GET_BIT).into(),
        Overloaded::new("set_byte", SET_BYTE).into(),
        Overloaded::new("set_bit", SET_BIT).into(),
        Overloaded::new("bit_count", BIT_COUNT).into(),
        Overloaded::new("convert_to", CONVERT_TO).into(),
        Overloaded::new("convert_from", CONVERT_FROM).into(),
    ]
}

fn binary(_: &[DataType]) -> DataType {
    DataType::Binary
}

fn bigint(_: &[DataType]) -> DataType {
    DataType::Int64
}

/// The place of a byte, or of a bit, of so many.
fn place(index: i64, count: usize) -> Result<usize, EngineError> {
    usize::try_from(index).ok().filter(|place| *place < count).ok_or_else(|| {
        let last = count as i64 - 1;
        EngineError::new(ErrorKind::ArraySubscript, format!("index {index} out of valid range, 0..{last}"))
    })
}

fn get_each(args: &[ArrayRef], rows: usize, one: impl Fn(&[u8], i64) -> Result<i32, EngineError>) -> Result<ArrayRef> {
    let (bytes, indexes) = (args[0].as_binary::<i32>(), args[1].as_primitive::<Int64Type>());
    let values = (0..rows).map(|row| match bytes.is_null(row) || indexes.is_null(row) {
        true => Ok(None),
        false => one(bytes.value(row), indexes.value(row)).map(Some),
    });
    Ok(Arc::new(values.collect::<Result<Int32Array, EngineError>>()?))
}

fn get_byte(args: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    get_each(args, rows, |bytes, index| Ok(i32::from(bytes[place(index, bytes.len())?])))
}

/// Bits are counted from the lowest of each byte.
fn get_bit(args: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    get_each(args, rows, |bytes, index| {
        let bit = place(index, bytes.len() * 8)?;
        Ok(i32::from(bytes[bit / 8] >> (bit % 8) & 1))
    })
}

fn set_each(
    args: &[ArrayRef],
    rows: usize,
    one: impl Fn(&mut [u8], i64, i64) -> Result<(), EngineError>,
) -> Result<ArrayRef> {
    let (bytes, indexes) = (args[0].as_binary::<i32>(), args[1].as_primitive::<Int64Type>());
    let values = args[2].as_primitive::<Int64Type>();
    let mut results = BinaryBuilder::new();
    for row in 0..rows {
        if args.iter().any(|arg| arg.is_null(row)) {
            results.append_null();
            continue;
        }
        let mut changed = bytes.value(row).to_vec();
        one(&mut changed, indexes.value(row), values.value(row))?;
        results.append_value(changed);
    }
    Ok(Arc::new(results.finish()))
}

/// Of the new value the lowest eight bits count, as in PostgreSQL.
fn set_byte(args: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    set_each(args, rows, |bytes, index, value| {
        let at = place(index, bytes.len())?;
        bytes[at] = value.to_le_bytes()[0];
        Ok(())
    })
}

fn set_bit(args: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    set_each(args, rows, |bytes, index, value| {
        let bit = place(index, bytes.len() * 8)?;
        let mask = 1 << (bit % 8);
        match value {
            0 => bytes[bit / 8] &= !mask,
            1 => bytes[bit / 8] |= mask,
            _ => return Err(invalid_parameter("new bit must be 0 or 1")),
        }
        Ok(())
    })
}

fn bit_count(args: &[ArrayRef], _rows: usize) -> Result<ArrayRef> {
    let count = |bytes: &[u8]| bytes.iter().map(|byte| i64::from(byte.count_ones())).sum::<i64>();
    let counts: Int64Array = args[0].as_binary::<i32>().iter().map(|bytes| bytes.map(count)).collect();
    Ok(Arc::new(counts))
}

/// How the names of PostgreSQL's other encodings begin, without marks between.
const OTHERS: [&str; 13] =
    ["sqlascii", "latin", "iso8859", "win", "koi8", "euc", "sjis", "shiftjis", "big5", "gb", "uhc", "johab", "mule"];

/// Refuses encodings that zxq has no tables of.
fn check_encoding(name: &str, what: &str) -> Result<(), EngineError> {
    let plain = name.replace(|c: char| !c.is_ascii_alphanumeric(), "").to_ascii_lowercase();
    if matches!(plain.as_str(), "utf8" | "unicode") {
        return Ok(());
    }
    Err(match OTHERS.iter().any(|other| plain.starts_with(other)) {
        true => {
            EngineError::new(ErrorKind::FeatureNotSupported, format!("encoding \"{name}\" is not supported: UTF8 is"))
        }
        false => invalid_parameter(format!("invalid {what} encoding name \"{name}\"")),
    })
}

fn convert_to(args: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    let (texts, encodings) = (args[0].as_string_view(), args[1].as_string_view());
    let mut results = BinaryBuilder::new();
    for row in 0..rows {
        if texts.is_null(row) || encodings.is_null(row) {
            results.append_null();
            continue;
        }
        check_encoding(encodings.value(row), "destination")?;
        results.append_value(texts.value(row));
    }
    Ok(Arc::new(results.finish()))
}

fn convert_from(args: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    let (bytes, encodings) = (args[0].as_binary::<i32>(), args[1].as_string_view());
    let mut results = StringBuilder::new();
    for row in 0..rows {
        if bytes.is_null(row) || encodings.is_null(row) {
            results.append_null();
            continue;
        }
        check_encoding(encodings.value(row), "source")?;
        let invalid = |_| EngineError::new(ErrorKind::InvalidEncoding, "invalid byte sequence for encoding \"UTF8\"");
        results.append_value(std::str::from_utf8(bytes.value(row)).map_err(invalid)?);
    }
    Ok(Arc::new(results.finish()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use arrow::array::{BinaryArray, StringViewArray};
    use arrow::datatypes::Int32Type;

    use super::*;

    fn of(bytes: &[u8], numbers: &[i64]) -> Vec<ArrayRef> {
        let bytes: ArrayRef = Arc::new(BinaryArray::from_vec(vec![bytes]));
        let numbers = numbers.iter().map(|number| Arc::new(Int64Array::from(vec![*number])) as ArrayRef);
        std::iter::once(bytes).chain(numbers).collect()
    }

    #[test]
    fn bytes_and_bits_have_places() {
        let number = |result: Result<ArrayRef>| result.unwrap().as_primitive::<Int32Type>().value(0);
        let bytes = |result: Result<ArrayRef>| result.unwrap().as_binary::<i32>().value(0).to_vec();
        assert_eq!(number(get_byte(&of(&[1, 0x80], &[1]), 1)), 128);
        assert_eq!(number(get_bit(&of(&[1, 0x80], &[15]), 1)), 1);
        assert_eq!(number(get_bit(&of(&[1, 0x80], &[1]), 1)), 0);
        assert_eq!(bytes(set_byte(&of(&[1, 2], &[0, 257]), 1)), [1, 2]);
        assert_eq!(bytes(set_bit(&of(&[1, 2], &[9, 0]), 1)), [1, 0]);
        assert!(get_byte(&of(&[1], &[1]), 1).is_err() && get_bit(&of(&[1], &[-1]), 1).is_err());
        assert!(set_bit(&of(&[1], &[0, 2]), 1).is_err());
    }

    #[test]
    fn texts_are_utf8() {
        let encoding = |name: &str| Arc::new(StringViewArray::from(vec![name])) as ArrayRef;
        let broken: ArrayRef = Arc::new(BinaryArray::from_vec(vec![&[0xff_u8]]));
        assert!(convert_from(&[Arc::clone(&broken), encoding("UTF-8")], 1).is_err());
        assert!(convert_to(&[encoding("ä"), encoding("nosuch")], 1).is_err());
        assert_eq!(
            convert_to(&[encoding("ä"), encoding("utf8")], 1).unwrap().as_binary::<i32>().value(0),
            [0xc3, 0xa4]
        );
    }
}

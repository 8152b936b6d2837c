//! Values of any type as the texts that PostgreSQL shows: `t`, `1e+20`, `{1,NULL}`, `2024-01-02 03:04:05`.

use std::fmt::Write;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringArray, StringBuilder};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Date32Type, Float32Type, Float64Type, IntervalMonthDayNanoType, IntervalUnit, Time64MicrosecondType,
    TimeUnit, TimestampMicrosecondType,
};
use datafusion::common::Result;
use datafusion::logical_expr::ScalarUDF;

use crate::functions::overloads::{Form, Overloaded, Takes, text};
use crate::values::zone::Zone;
use crate::values::{array_text, bytea, shown};

/// From this exponent on doubles are shown as `1e+15`; for reals it is 6.
const LARGE_DOUBLE: i32 = 15;
const LARGE_REAL: i32 = 6;
/// Below this one as `1e-05`.
const SMALL: i32 = -4;

/// The function behind casts of doubles to text.
pub(in crate::functions) fn function() -> ScalarUDF {
    const FORMS: &[Form] = &[Form::new(&[Takes::Any], text, |args, _| Ok(Arc::new(texts(&args[0])?)))];
    Overloaded::new("text", FORMS).into()
}

/// The texts of an array.
pub(in crate::functions) fn texts(values: &ArrayRef) -> Result<StringArray> {
    let micros = |zone: Option<Arc<str>>| DataType::Timestamp(TimeUnit::Microsecond, zone);
    Ok(match values.data_type() {
        DataType::Boolean => {
            values.as_boolean().iter().map(|flag| flag.map(|flag| if flag { "t" } else { "f" })).collect()
        }
        DataType::Float64 => each(values, |row, out| double(values.as_primitive::<Float64Type>().value(row), out)),
        DataType::Float32 => each(values, |row, out| real(values.as_primitive::<Float32Type>().value(row), out)),
        DataType::Float16 => return texts(&cast(values, &DataType::Float32)?),
        DataType::Date32 => each(values, |row, out| shown::date(out, values.as_primitive::<Date32Type>().value(row))),
        DataType::Time64(TimeUnit::Microsecond) => {
            each(values, |row, out| shown::time(out, values.as_primitive::<Time64MicrosecondType>().value(row)))
        }
        DataType::Timestamp(TimeUnit::Microsecond, zone) => {
            let zone = zone.as_ref().map(|zone| Zone::parse(zone).unwrap_or(Zone::UTC));
            let values = values.as_primitive::<TimestampMicrosecondType>();
            each(values, |row, out| shown::timestamp(out, values.value(row), zone))
        }
        DataType::Timestamp(_, zone) => return texts(&cast(values, &micros(zone.clone()))?),
        DataType::Interval(IntervalUnit::MonthDayNano) => {
            let values = values.as_primitive::<IntervalMonthDayNanoType>();
            each(values, |row, out| shown::interval(out, values.value(row)))
        }
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => {
            let values = cast(values, &DataType::BinaryView)?;
            values.as_binary_view().iter().map(|bytes| bytes.map(bytea::text)).collect()
        }
        DataType::List(_) => lists(values)?,
        _ => cast(values, &DataType::Utf8)?.as_string::<i32>().clone(),
    })
}

/// Arrays, whose elements are in quotes where they would be read otherwise without.
fn lists(values: &ArrayRef) -> Result<StringArray> {
    let lists = values.as_list::<i32>();
    let nested = matches!(lists.value_type(), DataType::List(_));
    let items = texts(lists.values())?;
    let offsets = lists.value_offsets();
    Ok(each(lists, |row, out| {
        out.push('{');
        for (place, at) in (offsets[row] as usize..offsets[row + 1] as usize).enumerate() {
            if place > 0 {
                out.push(',');
            }
            match items.is_valid(at) {
                true if nested => out.push_str(items.value(at)),
                true => array_text::push_element(items.value(at), out),
                false => out.push_str("NULL"),
            }
        }
        out.push('}');
    }))
}

fn each(values: &dyn Array, write: impl Fn(usize, &mut String)) -> StringArray {
    let mut results = StringBuilder::new();
    let mut text = String::new();
    for row in 0..values.len() {
        if values.is_null(row) {
            results.append_null();
            continue;
        }
        text.clear();
        write(row, &mut text);
        results.append_value(&text);
    }
    results.finish()
}

/// A double in the fewest digits that stand for it alone.
pub(in crate::functions) fn double(value: f64, out: &mut String) {
    if !special(value, out) {
        shortest(&format!("{value:e}"), LARGE_DOUBLE, out);
    }
}

fn real(value: f32, out: &mut String) {
    if !special(f64::from(value), out) {
        shortest(&format!("{value:e}"), LARGE_REAL, out);
    }
}

fn special(value: f64, out: &mut String) -> bool {
    let text = match value {
        _ if value.is_nan() => "NaN",
        f64::INFINITY => "Infinity",
        f64::NEG_INFINITY => "-Infinity",
        _ => return false,
    };
    out.push_str(text);
    true
}

/// From Rust's `-1.25e-7`.
fn shortest(scientific: &str, large: i32, out: &mut String) {
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", mantissa),
    };
    out.push_str(sign);
    if !(SMALL..large).contains(&exponent) {
        let _ = write!(out, "{mantissa}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs());
        return;
    }
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    if exponent < 0 {
        let _ = write!(out, "0.{}{digits}", "0".repeat(exponent.unsigned_abs() as usize - 1));
        return;
    }
    let whole = exponent as usize + 1;
    match digits.len() <= whole {
        true => {
            let _ = write!(out, "{digits}{}", "0".repeat(whole - digits.len()));
        }
        false => {
            let _ = write!(out, "{}.{}", &digits[..whole], &digits[whole..]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_have_the_fewest_digits() {
        for (value, text) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.5, "1.5"),
            (100.0, "100"),
            (1e14, "100000000000000"),
            (1e15, "1e+15"),
            (1.25e20, "1.25e+20"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (-123456.789, "-123456.789"),
            (1e300, "1e+300"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Infinity"),
        ] {
            let mut out = String::new();
            double(value, &mut out);
            assert_eq!(out, text);
        }
        let mut out = String::new();
        real(1e6, &mut out);
        assert_eq!(out, "1e+06");
    }
}

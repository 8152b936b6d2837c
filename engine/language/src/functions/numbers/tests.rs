//! Templates, with what PostgreSQL 15 shows.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Decimal128Array, Float64Array, StringViewArray};

use super::to_char::FORMS;
use crate::error::{EngineError, ErrorKind};

fn templates(template: &str) -> ArrayRef {
    Arc::new(StringViewArray::from(vec![template]))
}

fn decimal(value: i128, scale: i8, template: &str) -> String {
    let number = Decimal128Array::from(vec![value]).with_precision_and_scale(38, scale).unwrap();
    let shown = (FORMS[1].body)(&[Arc::new(number), templates(template)], 1).unwrap();
    shown.as_string::<i32>().value(0).to_owned()
}

fn double(value: f64, template: &str) -> String {
    let shown = (FORMS[2].body)(&[Arc::new(Float64Array::from(vec![value])), templates(template)], 1).unwrap();
    shown.as_string::<i32>().value(0).to_owned()
}

#[test]
fn decimals_are_shown_by_their_templates() {
    for (value, scale, template, shown) in [
        (1485, 1, "999D99", " 148.50"),
        (-1485, 1, "FM999.9", "-148.5"),
        (1, 1, "9.9", "  .1"),
        (1, 1, "0.9", " 0.1"),
        (-1, 1, "99.99", "  -.10"),
        (12, 0, "9990999.9", "    0012.0"),
        (12, 0, "FM9990999.9", "0012."),
        (1485, 0, "9,999", " 1,485"),
        (485, 0, "9,999", "   485"),
        (-485, 0, "999S", "485-"),
        (-485, 0, "999MI", "485-"),
        (485, 0, "FM999MI", "485"),
        (485, 0, "PL999", "+ 485"),
        (-485, 0, "9SG99", "4-85"),
        (-485, 0, "999PR", "<485>"),
        (485, 0, "999PR", " 485 "),
        (482, 0, "999th", " 482nd"),
        (485, 0, "RN", "        CDLXXXV"),
        (52, 1, "FMRN", "V"),
        (4000, 0, "FMRN", "###############"),
        (1245, 2, "99V9", " 125"),
        (1234, 0, "999", " ###"),
        (999, 2, "9.9", " #.#"),
        (4859, 7, "9.99EEEE", " 4.86e-04"),
        (485, 0, "\"no. \"999", "no.  485"),
        (123_456_789, 2, "999G999G999D9", "   1,234,567.9"),
    ] {
        assert_eq!(decimal(value, scale, template), shown, "{value} {template}");
    }
}

#[test]
fn doubles_have_fifteen_digits() {
    assert_eq!(double(1.5, "9.99999999999999999"), " 1.50000000000000");
    assert_eq!(double(1e20, "999"), " ###");
    assert_eq!(double(f64::NAN, "999"), " NaN");
    assert_eq!(double(-12345.678, "9.9EEEE"), "-1.2e+04");
}

#[test]
fn parts_that_do_not_go_together_are_refused() {
    for template in ["9.9.9", "SS9", "S9MI", "9PR9", "9.9V9", "FM9EEEE"] {
        let number = Decimal128Array::from(vec![1]).with_precision_and_scale(38, 0).unwrap();
        let error = (FORMS[1].body)(&[Arc::new(number), templates(template)], 1).unwrap_err();
        assert_eq!(EngineError::from(error).kind(), ErrorKind::Syntax, "{template}");
    }
}

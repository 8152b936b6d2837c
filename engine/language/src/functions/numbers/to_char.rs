//! `to_char(number, template)`, as PostgreSQL's `NUM_processor` writes it.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringBuilder};
use arrow::datatypes::{Decimal128Type, Float64Type, Int64Type};
use datafusion::common::Result;

use super::template::{Anchor, Part, Template};
use crate::error::EngineError;
use crate::functions::overloads::{Form, Takes, text};

/// Digits that a double is good for.
const DOUBLE_DIGITS: usize = 15;

/// The forms of `to_char` for numbers.
pub(in crate::functions) const FORMS: &[Form] = &[
    Form::new(&[Takes::Integer, Takes::Text], text, of_integers),
    Form::new(&[Takes::Number, Takes::Text], text, of_decimals),
    Form::new(&[Takes::Double, Takes::Text], text, of_doubles),
];

fn of_integers(args: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    let numbers = args[0].as_primitive::<Int64Type>();
    each(args, rows, |template, row| {
        let number = numbers.value(row);
        // As PostgreSQL, powers of ten of integers are those of doubles.
        Ok(if template.scientific { double(template, number as f64) } else { decimal(template, i128::from(number), 0) })
    })
}

fn of_decimals(args: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    let numbers = args[0].as_primitive::<Decimal128Type>();
    let scale = u32::try_from(numbers.scale()).unwrap_or(0);
    each(args, rows, |template, row| Ok(decimal(template, numbers.value(row), scale)))
}

fn of_doubles(args: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    let numbers = args[0].as_primitive::<Float64Type>();
    each(args, rows, |template, row| Ok(double(template, numbers.value(row))))
}

fn each(
    args: &[ArrayRef],
    rows: usize,
    write: impl Fn(&Template, usize) -> Result<String, EngineError>,
) -> Result<ArrayRef> {
    let templates = args[1].as_string_view();
    let mut results = StringBuilder::new();
    let mut last: Option<(&str, Template)> = None;
    for row in 0..rows {
        if args[0].is_null(row) || templates.is_null(row) || templates.value(row).is_empty() {
            match args[0].is_null(row) || templates.is_null(row) {
                true => results.append_null(),
                false => results.append_value(""),
            }
            continue;
        }
        let text = templates.value(row);
        let template = match last.take() {
            Some((known, template)) if known == text => template,
            _ => Template::parse(text)?,
        };
        results.append_value(write(&template, row)?);
        last = Some((text, template));
    }
    Ok(Arc::new(results.finish()))
}

/// A number as its digits, with a point, and whether it is negative.
struct Digits {
    text: String,
    negative: bool,
}

/// A decimal, rounded half away from zero.
fn decimal(template: &Template, value: i128, scale: u32) -> String {
    let negative = value < 0;
    let digits = value.unsigned_abs();
    if template.roman {
        return roman_of(
            template,
            rounded(digits, scale as usize, 0, 0).parse().ok().filter(|_| !negative).unwrap_or(0),
        );
    }
    if template.scientific {
        return scientific(&digits.to_string(), scale, negative, template.behind);
    }
    let shift = if template.shifted { template.shift } else { 0 };
    let text = rounded(digits, scale as usize, shift, template.behind);
    fit(template, Digits { text, negative })
}

/// `digits` behind which `scale` digits are a fraction, times ten to the `shift`, with `behind` digits behind the point.
fn rounded(digits: u128, scale: usize, shift: usize, behind: usize) -> String {
    let mut text = digits.to_string();
    text.push_str(&"0".repeat(shift + behind));
    // Digits that are too many, and the first of them.
    let cut = scale;
    if text.len() <= cut {
        text = format!("{}{text}", "0".repeat(cut + 1 - text.len()));
    }
    let (kept, dropped) = text.split_at(text.len() - cut);
    let up = dropped.starts_with(|c| c >= '5');
    let mut kept = if up { plus_one(kept) } else { kept.to_owned() };
    if kept.len() <= behind {
        kept = format!("{}{kept}", "0".repeat(behind + 1 - kept.len()));
    }
    let (whole, fraction) = kept.split_at(kept.len() - behind);
    let whole = match whole.trim_start_matches('0') {
        "" => "0",
        whole => whole,
    };
    if behind == 0 { whole.to_owned() } else { format!("{whole}.{fraction}") }
}

fn plus_one(digits: &str) -> String {
    let mut digits: Vec<u8> = digits.bytes().collect();
    for digit in digits.iter_mut().rev() {
        if *digit < b'9' {
            *digit += 1;
            return String::from_utf8_lossy(&digits).into_owned();
        }
        *digit = b'0';
    }
    format!("1{}", String::from_utf8_lossy(&digits))
}

fn scientific(digits: &str, scale: u32, negative: bool, behind: usize) -> String {
    let significant = digits.trim_start_matches('0');
    let sign = if negative { '-' } else { ' ' };
    if significant.is_empty() {
        return format!("{sign}{}e+00", rounded(0, 0, 0, behind));
    }
    let mut exponent = significant.len() as i64 - 1 - i64::from(scale);
    let kept = behind + 1;
    let mut mantissa: String = significant.chars().chain(std::iter::repeat('0')).take(kept).collect();
    if significant.as_bytes().get(kept).is_some_and(|next| *next >= b'5') {
        mantissa = plus_one(&mantissa);
        if mantissa.len() > kept {
            mantissa.pop();
            exponent += 1;
        }
    }
    let point = if behind > 0 { "." } else { "" };
    let mark = if exponent < 0 { '-' } else { '+' };
    format!("{sign}{}{point}{}e{mark}{:02}", &mantissa[..1], &mantissa[1..], exponent.abs())
}

fn double(template: &Template, value: f64) -> String {
    if template.roman {
        return roman_of(template, value.round_ties_even() as i64);
    }
    if template.scientific {
        if !value.is_finite() {
            let hashes = |count| "#".repeat(count);
            return format!(" {}.{}", hashes(template.before), hashes(template.behind + 4));
        }
        let text = format!("{:.*e}", template.behind, value.abs());
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let exponent: i32 = exponent.parse().unwrap_or(0);
        let mark = if exponent < 0 { '-' } else { '+' };
        let sign = if value.is_sign_negative() { '-' } else { ' ' };
        return format!("{sign}{mantissa}e{mark}{:02}", exponent.abs());
    }
    let value = if template.shifted { value * 10_f64.powi(template.shift as i32) } else { value };
    let shown = |value: f64, behind: usize| match value {
        _ if value.is_nan() => "NaN".to_owned(),
        _ if value.is_infinite() => "Infinity".to_owned(),
        _ => format!("{value:.behind$}"),
    };
    let whole = shown(value.abs(), 0).len();
    let behind = template.behind.min(DOUBLE_DIGITS.saturating_sub(whole));
    let text = shown(value.abs(), behind);
    // A zero of either sign is positive once it is rounded to none.
    let negative = value.is_sign_negative() && !value.is_nan();
    fit(template, Digits { text, negative })
}

/// Puts the digits into the template; hashes where they are too many.
fn fit(template: &Template, digits: Digits) -> String {
    let before = template.before + if template.shifted { template.shift } else { 0 };
    let whole = digits.text.find('.').unwrap_or(digits.text.len());
    let mut text = digits.text;
    let mut spaces = 0;
    if whole < before {
        spaces = before - whole;
    } else if whole > before {
        text = "#".repeat(before);
        if template.behind > 0 || template.point {
            text.push('.');
            text.push_str(&"#".repeat(template.behind));
        }
    }
    Writer::new(template, text.into_bytes(), digits.negative, spaces, before).write()
}

struct Writer<'a> {
    template: &'a Template,
    number: Vec<u8>,
    /// The next digit.
    at: usize,
    negative: bool,
    /// Blanks before the first digit.
    spaces: usize,
    /// Digits that the template has, less one.
    count: usize,
    /// How many of its parts were written.
    written: usize,
    last_relevant: Option<usize>,
    sign_written: bool,
    bracket: bool,
    in_number: bool,
    out: String,
}

impl<'a> Writer<'a> {
    fn new(template: &'a Template, number: Vec<u8>, negative: bool, spaces: usize, before: usize) -> Self {
        let mut bracket = template.bracket;
        let sign_written = if template.plus || template.minus {
            !template.plus || template.minus
        } else {
            bracket &= negative || !template.fill;
            !negative && template.fill && !template.anchored
        };
        let mut last_relevant = None;
        if template.fill
            && template.point
            && let Some(point) = number.iter().position(|c| *c == b'.')
        {
            let digit = number.iter().rposition(|c| *c != b'0' && *c != b'.').filter(|digit| *digit > point);
            let mut last = digit.unwrap_or(point);
            if template.zero_end > spaces {
                last = last.max((number.len() - 1).min(template.zero_end - spaces));
            }
            last_relevant = Some(last);
        }
        let mut count = (template.behind + before).saturating_sub(1);
        if !sign_written && spaces == 0 {
            count += 1;
        }
        Writer {
            template,
            number,
            at: 0,
            negative,
            spaces,
            count,
            written: 0,
            last_relevant,
            sign_written,
            bracket,
            in_number: false,
            out: String::new(),
        }
    }

    fn write(mut self) -> String {
        for part in &self.template.parts {
            match part {
                Part::Nine | Part::Zero | Part::Point => self.digit(*part),
                Part::Comma if self.in_number => self.out.push(','),
                Part::Comma if self.template.fill => {}
                Part::Comma | Part::Currency => self.out.push(' '),
                Part::Minus if self.negative => self.out.push('-'),
                Part::Plus if !self.negative => self.out.push('+'),
                Part::Minus | Part::Plus if self.template.fill => {}
                Part::Minus | Part::Plus => self.out.push(' '),
                Part::Sign => self.out.push(if self.negative { '-' } else { '+' }),
                Part::Ordinal { upper } => {
                    if !self.negative && !self.template.point && self.number.first() != Some(&b'#') {
                        let ending = ordinal(&self.number);
                        match upper {
                            true => self.out.push_str(&ending.to_uppercase()),
                            false => self.out.push_str(ending),
                        }
                    }
                }
                Part::Other(c) => self.out.push(*c),
                Part::Roman { .. } | Part::Silent => {}
            }
        }
        // Where a double had fewer digits than asked for, nothing comes after the last.
        if let Some(end) = self.out.find('\0') {
            self.out.truncate(end);
        }
        self.out
    }

    fn is_point(&self, at: Option<usize>) -> bool {
        at.is_some_and(|at| self.number.get(at) == Some(&b'.'))
    }

    /// A zero before the point that the template has no place for: `9.9` shows 0.1 as ` .1`.
    fn leading_zero(&self) -> bool {
        !self.template.zero && self.at == 0 && self.number.first() == Some(&b'0') && self.template.behind != 0
    }

    fn push_sign(&mut self) {
        self.out.push(if self.negative { '-' } else { '+' });
    }

    fn digit(&mut self, part: Part) {
        let template = self.template;
        let curr = self.written;
        self.in_number = false;
        let begins = curr >= self.spaces || (template.zero && template.zero_start == curr);
        if !self.sign_written && begins && (!self.leading_zero() || self.is_point(self.last_relevant)) {
            if template.anchored {
                if template.anchor == Anchor::Before {
                    self.push_sign();
                    self.sign_written = true;
                }
            } else {
                match (self.bracket, self.negative) {
                    (true, true) => self.out.push('<'),
                    (false, true) => self.out.push('-'),
                    (true, false) => self.out.push(' '),
                    (false, false) if !template.fill => self.out.push(' '),
                    (false, false) => {}
                }
                self.sign_written = true;
            }
        }
        if curr < self.spaces && (!template.zero || template.zero_start > curr) {
            if !template.fill {
                self.out.push(' ');
            }
        } else if template.zero && curr < self.spaces {
            self.out.push('0');
            self.in_number = true;
        } else {
            let next = self.number.get(self.at).copied();
            if next == Some(b'.') {
                self.out.push('.');
            } else if self.last_relevant.is_some_and(|last| self.at > last) && part != Part::Zero {
            } else if self.leading_zero() {
                if !template.fill {
                    self.out.push(' ');
                } else if self.is_point(self.last_relevant) {
                    self.out.push('0');
                }
            } else {
                self.out.push(char::from(next.unwrap_or(0)));
                self.in_number = true;
            }
            if next.is_some() {
                self.at += 1;
            }
        }
        let mut end = self.count + usize::from(self.spaces > 0) + usize::from(template.point);
        if self.last_relevant == Some(self.at) {
            end = curr;
        }
        if curr + 1 == end {
            if self.sign_written && self.bracket {
                self.out.push(if self.negative { '>' } else { ' ' });
            } else if template.anchored && template.anchor == Anchor::Behind {
                self.push_sign();
            }
        }
        self.written += 1;
    }
}

/// `st`, `nd`, `rd` or `th`.
fn ordinal(number: &[u8]) -> &'static str {
    let last = number.last().copied().unwrap_or(b'0');
    let teen = number.len() > 1 && number[number.len() - 2] == b'1';
    match last {
        _ if teen => "th",
        b'1' => "st",
        b'2' => "nd",
        b'3' => "rd",
        _ => "th",
    }
}

fn roman_of(template: &Template, number: i64) -> String {
    const PARTS: [(i64, &str); 13] = [
        (1000, "M"),
        (900, "CM"),
        (500, "D"),
        (400, "CD"),
        (100, "C"),
        (90, "XC"),
        (50, "L"),
        (40, "XL"),
        (10, "X"),
        (9, "IX"),
        (5, "V"),
        (4, "IV"),
        (1, "I"),
    ];
    let mut text = String::new();
    match number {
        1..=3999 => {
            let mut rest = number;
            for (value, letters) in PARTS {
                while rest >= value {
                    text.push_str(letters);
                    rest -= value;
                }
            }
        }
        _ => text = "#".repeat(15),
    }
    let mut out = String::new();
    for part in &template.parts {
        match part {
            Part::Roman { upper } => {
                let text = if *upper { text.clone() } else { text.to_lowercase() };
                match template.fill {
                    true => out.push_str(&text),
                    false => out.push_str(&format!("{text:>15}")),
                }
            }
            Part::Other(c) => out.push(*c),
            Part::Comma | Part::Currency if !template.fill => out.push(' '),
            _ => {}
        }
    }
    out
}

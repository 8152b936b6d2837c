//! `to_number(text, template)`.

use std::sync::Arc;

use arrow::array::{Array, AsArray, Decimal128Array};
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};

use super::template::{Anchor, Part, Template};
use crate::error::{EngineError, ErrorKind};
use crate::functions::overloads::no_such_function;

/// Digits that a decimal holds.
const PRECISION: u8 = 38;
/// Digits behind the point where the template is not known beforehand.
const UNKNOWN_SCALE: i8 = 10;

/// `to_number`
#[derive(Debug, PartialEq, Eq, Hash)]
pub(in crate::functions) struct ToNumber {
    signature: Signature,
}

impl Default for ToNumber {
    fn default() -> Self {
        ToNumber { signature: Signature::user_defined(Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for ToNumber {
    fn name(&self) -> &str {
        "to_number"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        let text = |data_type: &DataType| {
            matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null)
        };
        match given {
            [a, b] if text(a) && text(b) => Ok(vec![DataType::Utf8View, DataType::Utf8View]),
            _ => Err(no_such_function("to_number", given).into()),
        }
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        internal_err!("to_number has a type that depends on its template")
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let text_of = |place: usize| {
            args.scalar_arguments.get(place).copied().flatten().and_then(ScalarValue::try_as_str).flatten()
        };
        let scale = match (text_of(0), text_of(1)) {
            // Both known: so many digits as the text has.
            (Some(text), Some(template)) => Template::parse(template)
                .ok()
                .and_then(|template| read(text, &template).ok().flatten())
                .map_or(0, |(_, scale)| scale as i8),
            (None, Some(template)) => {
                let template = Template::parse(template)?;
                (template.behind + if template.shifted { template.shift } else { 0 }) as i8
            }
            _ => UNKNOWN_SCALE,
        };
        Ok(Arc::new(Field::new(self.name(), DataType::Decimal128(PRECISION, scale.min(PRECISION as i8)), true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let DataType::Decimal128(_, scale) = args.return_field.data_type() else {
            return internal_err!("to_number gives a decimal");
        };
        let all_scalar = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let rows = if all_scalar { 1 } else { args.number_rows };
        let arrays = args.args.iter().map(|arg| arg.to_array(rows)).collect::<Result<Vec<_>>>()?;
        let (texts, templates) = (arrays[0].as_string_view(), arrays[1].as_string_view());
        let mut results = Decimal128Array::builder(rows);
        for row in 0..rows {
            if texts.is_null(row) || templates.is_null(row) {
                results.append_null();
                continue;
            }
            let found = read(texts.value(row), &Template::parse(templates.value(row))?)?;
            results.append_option(found.map(|(value, digits)| rescale(value, digits, *scale)).transpose()?);
        }
        let results = results.finish().with_precision_and_scale(PRECISION, *scale)?;
        Ok(match all_scalar {
            true => ColumnarValue::Scalar(ScalarValue::try_from_array(&results, 0)?),
            false => ColumnarValue::Array(Arc::new(results)),
        })
    }
}

fn rescale(value: i128, digits: usize, scale: i8) -> Result<i128, EngineError> {
    let wanted = usize::try_from(scale).unwrap_or(0);
    let out_of_range = || EngineError::new(ErrorKind::NumericOutOfRange, "numeric value out of range");
    let power = |by: usize| u32::try_from(by).ok().and_then(|by| 10_i128.checked_pow(by)).ok_or_else(out_of_range);
    match digits <= wanted {
        true => value.checked_mul(power(wanted - digits)?).ok_or_else(out_of_range),
        false => Ok(value / power(digits - wanted)?),
    }
}

/// The number in a text, and how many digits of it are behind the point. `None` for an empty template.
fn read(text: &str, template: &Template) -> Result<Option<(i128, usize)>, EngineError> {
    if template.parts.is_empty() {
        return Ok(None);
    }
    if template.scientific || template.roman {
        let what = if template.roman { "\"RN\"" } else { "\"EEEE\"" };
        return Err(EngineError::new(ErrorKind::FeatureNotSupported, format!("{what} not supported for input")));
    }
    let mut reader = Reader {
        template,
        text: text.chars().collect(),
        at: 0,
        sign: ' ',
        digits: String::new(),
        point: false,
        behind: 0,
    };
    reader.read();
    let digits = reader.digits.trim_end_matches('.').replace('.', "");
    if digits.is_empty() {
        let shown = format!("{}{}", reader.sign, reader.digits);
        return Err(EngineError::new(
            ErrorKind::InvalidText,
            format!("invalid input syntax for type numeric: \"{shown}\""),
        ));
    }
    let value: i128 =
        digits.parse().map_err(|_| EngineError::new(ErrorKind::NumericOutOfRange, "numeric value out of range"))?;
    let room = template.before + if template.shifted { template.shift } else { 0 } + reader.behind;
    if digits.trim_start_matches('0').len() > room {
        return Err(EngineError::new(ErrorKind::NumericOutOfRange, "numeric field overflow"));
    }
    let value = if reader.sign == '-' { -value } else { value };
    Ok(Some((value, reader.behind + if template.shifted { template.shift } else { 0 })))
}

struct Reader<'a> {
    template: &'a Template,
    text: Vec<char>,
    at: usize,
    sign: char,
    digits: String,
    point: bool,
    behind: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<char> {
        self.text.get(self.at).copied()
    }

    fn read(&mut self) {
        for part in &self.template.parts {
            let Some(next) = self.peek() else { return };
            match part {
                Part::Nine | Part::Zero | Part::Point => {
                    self.digit(*part);
                    self.at += 1;
                }
                Part::Comma => {
                    if !self.template.fill && next == ',' {
                        self.at += 1;
                    }
                }
                Part::Currency => self.skip(1),
                Part::Ordinal { .. } => self.skip(2),
                Part::Minus if next == '-' => self.take_sign(next),
                Part::Plus if next == '+' => self.take_sign(next),
                Part::Sign if matches!(next, '-' | '+') => self.take_sign(next),
                Part::Minus | Part::Plus | Part::Sign => self.skip(1),
                Part::Other(_) => self.at += 1,
                Part::Silent | Part::Roman { .. } => {}
            }
        }
    }

    fn take_sign(&mut self, sign: char) {
        self.sign = sign;
        self.at += 1;
    }

    /// Leaves out what cannot be part of a number.
    fn skip(&mut self, most: usize) {
        for _ in 0..most {
            match self.peek() {
                Some(c) if !"0123456789.,+-".contains(c) => self.at += 1,
                _ => return,
            }
        }
    }

    fn digit(&mut self, part: Part) {
        if self.peek() == Some(' ') {
            self.at += 1;
        }
        if self.sign == ' ' && part != Part::Point && self.digits.is_empty() {
            match self.peek() {
                Some('-') => self.take_sign('-'),
                Some('+') => self.take_sign('+'),
                Some('<') if self.template.bracket => self.take_sign('-'),
                _ => {}
            }
        }
        let Some(next) = self.peek() else { return };
        let mut read = false;
        if next.is_ascii_digit() {
            if self.point && self.behind == self.template.behind {
                return;
            }
            self.digits.push(next);
            self.behind += usize::from(self.point);
            read = true;
        } else if self.template.point && !self.point && next == '.' {
            self.digits.push('.');
            self.point = true;
            read = true;
        }
        if self.sign != ' ' || self.digits.is_empty() {
            return;
        }
        if self.template.anchored && read {
            // The sign may be right behind the last digit.
            if let Some(sign @ ('-' | '+')) = self.text.get(self.at + 1).copied()
                && self.template.anchor != Anchor::None
            {
                self.sign = sign;
                self.at += 1;
            }
        } else if !read
            && !self.template.anchored
            && (self.template.plus || self.template.minus)
            && matches!(next, '-' | '+')
        {
            self.sign = next;
        }
    }
}

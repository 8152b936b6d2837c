//! `to_char(time, template)` with PostgreSQL's templates (`YYYY-MM-DD HH24:MI`).
//!
//! DataFusion's own takes `strftime`'s (`%Y-%m-%d`), and would give back a template of PostgreSQL's as it is. A template with
//! a percent sign is left to it.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringArray, StringBuilder};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type, IntervalMonthDayNanoType, TimeUnit};
use chrono::{DateTime, NaiveDateTime};
use datafusion::common::{Result, ScalarValue, plan_err};
use datafusion::functions::datetime::to_char::ToCharFunc;
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};

use crate::error::{EngineError, ErrorKind};
use crate::values::zone::Zone;

/// Longest template, in bytes.
pub(super) const LONGEST_TEMPLATE: usize = 16 << 10;
use template::{Shown, Template};

mod template;

/// Implements `to_char`.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct ToChar {
    general: ToCharFunc,
    signature: Signature,
}

impl Default for ToChar {
    fn default() -> Self {
        ToChar { general: ToCharFunc::default(), signature: Signature::user_defined(Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for ToChar {
    fn name(&self) -> &str {
        self.general.name()
    }

    fn aliases(&self) -> &[String] {
        self.general.aliases()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        let [time, template, zone @ ..] = given else { return plan_err!("to_char takes a time and a template") };
        let is_text =
            |t: &DataType| t.is_null() || matches!(t, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
        if !is_text(template) || zone.len() > 1 || !zone.iter().all(is_text) {
            return plan_err!("to_char takes a time and a template");
        }
        let time = match time {
            DataType::Timestamp(_, zone) => DataType::Timestamp(TimeUnit::Microsecond, zone.clone()),
            DataType::Date64 => DataType::Date32,
            DataType::Date32 | DataType::Time32(_) | DataType::Time64(_) => time.clone(),
            DataType::Interval(_) => DataType::Interval(arrow::datatypes::IntervalUnit::MonthDayNano),
            DataType::Duration(_) => time.clone(),
            other if is_text(other) => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            other => return plan_err!("to_char cannot take values of type {other}"),
        };
        let mut types = vec![time, DataType::Utf8];
        types.extend(zone.iter().map(|_| DataType::Utf8));
        Ok(types)
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [times, template, zone @ ..] = args.args.as_slice() else { return self.general.invoke_with_args(args) };
        let zone = match zone {
            [ColumnarValue::Scalar(name)] => {
                name.try_as_str().flatten().and_then(Zone::of_setting).map(|(zone, _)| zone)
            }
            _ => None,
        };
        let zone = zone.unwrap_or(Zone::UTC);
        if matches!(times.data_type(), DataType::Duration(_)) {
            return self.general.invoke_with_args(args);
        }
        check_length(template)?;
        match template {
            ColumnarValue::Scalar(text) => match text.try_as_str().flatten() {
                Some(text) if !text.contains('%') => {
                    let template = Template::parse(text);
                    let shown = show(&times.to_array(1)?, zone, |_| Some(&template))?;
                    Ok(match times {
                        ColumnarValue::Scalar(_) => ColumnarValue::Scalar(ScalarValue::try_from_array(&shown, 0)?),
                        ColumnarValue::Array(_) => ColumnarValue::Array(Arc::new(shown)),
                    })
                }
                _ => self.general.invoke_with_args(args),
            },
            ColumnarValue::Array(texts) => {
                let texts = texts.as_string::<i32>();
                if texts.iter().flatten().any(|text| text.contains('%')) {
                    return self.general.invoke_with_args(args);
                }
                let templates: Vec<Option<Template>> = texts.iter().map(|text| text.map(Template::parse)).collect();
                let times = times.to_array(templates.len())?;
                let shown = show(&times, zone, |row| templates.get(row).and_then(Option::as_ref))?;
                Ok(ColumnarValue::Array(Arc::new(shown)))
            }
        }
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.general.documentation()
    }
}

/// Refuses templates that are longer than anybody writes: each row is as long as its template.
fn check_length(templates: &ColumnarValue) -> Result<()> {
    let longest = match templates {
        ColumnarValue::Scalar(text) => text.try_as_str().flatten().map_or(0, str::len),
        ColumnarValue::Array(texts) => texts.as_string::<i32>().iter().flatten().map(str::len).max().unwrap_or(0),
    };
    match longest > LONGEST_TEMPLATE {
        true => Err(EngineError::new(ErrorKind::LimitExceeded, "the template of to_char is too long").into()),
        false => Ok(()),
    }
}

/// Dates, times, timestamps (moments in the zone's local time) and intervals by each row's template.
fn show<'a>(times: &ArrayRef, zone: Zone, template: impl Fn(usize) -> Option<&'a Template>) -> Result<StringArray> {
    let mut shown = StringBuilder::with_capacity(times.len(), times.len() * 24);
    if let Some(values) = times.as_primitive_opt::<IntervalMonthDayNanoType>() {
        for row in 0..values.len() {
            match template(row) {
                Some(template) if values.is_valid(row) => {
                    template.write(&Shown::Interval(values.value(row)), &mut shown)?;
                    shown.append_value("");
                }
                _ => shown.append_null(),
            }
        }
        return Ok(shown.finish());
    }
    let zoned = matches!(times.data_type(), DataType::Timestamp(_, Some(_)));
    let micros = match times.data_type() {
        // A time of day is that of the first day there is.
        DataType::Time32(_) | DataType::Time64(_) => cast(times, &DataType::Time64(TimeUnit::Microsecond))?,
        DataType::Timestamp(_, zone) => cast(times, &DataType::Timestamp(TimeUnit::Microsecond, zone.clone()))?,
        _ => cast(times, &DataType::Timestamp(TimeUnit::Microsecond, None))?,
    };
    let micros = cast(&micros, &DataType::Int64)?;
    let micros = micros.as_primitive::<Int64Type>();
    for row in 0..micros.len() {
        match template(row) {
            Some(template) if micros.is_valid(row) => {
                let value = micros.value(row);
                let local = if zoned { zone.to_local(value) } else { Some(value) };
                let at = moment(local.ok_or_else(|| super::out_of_range("timestamp"))?)?;
                let zone =
                    zoned.then(|| (zone.short_name(value), (at.and_utc().timestamp_micros() - value) / 1_000_000));
                template.write(&Shown::At { at, zone }, &mut shown)?;
                shown.append_value("");
            }
            _ => shown.append_null(),
        }
    }
    Ok(shown.finish())
}

fn moment(micros: i64) -> Result<NaiveDateTime> {
    DateTime::from_timestamp_micros(micros)
        .map(|moment| moment.naive_utc())
        .ok_or_else(|| super::out_of_range("timestamp"))
}

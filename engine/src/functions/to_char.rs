//! `to_char(time, template)` with PostgreSQL's templates (`YYYY-MM-DD HH24:MI`).
//!
//! DataFusion's own takes `strftime`'s (`%Y-%m-%d`), and would give back a template of PostgreSQL's as it is. A template with
//! a percent sign is left to it.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringArray, StringBuilder};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type, TimeUnit};
use chrono::{DateTime, NaiveDateTime};
use datafusion::common::{Result, ScalarValue};
use datafusion::functions::datetime::to_char::ToCharFunc;
use datafusion::logical_expr::{ColumnarValue, Documentation, ScalarFunctionArgs, ScalarUDFImpl, Signature};

use template::Template;

mod template;

/// Implements `to_char`.
#[derive(Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct ToChar {
    general: ToCharFunc,
}

impl ScalarUDFImpl for ToChar {
    fn name(&self) -> &str {
        self.general.name()
    }

    fn aliases(&self) -> &[String] {
        self.general.aliases()
    }

    fn signature(&self) -> &Signature {
        self.general.signature()
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        self.general.return_type(arg_types)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [times, template] = args.args.as_slice() else { return self.general.invoke_with_args(args) };
        if matches!(times.data_type(), DataType::Duration(_)) {
            return self.general.invoke_with_args(args);
        }
        match template {
            ColumnarValue::Scalar(text) => match text.try_as_str().flatten() {
                Some(text) if !text.contains('%') => {
                    let template = Template::parse(text);
                    let shown = show(&times.to_array(1)?, |_| Some(&template))?;
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
                let shown = show(&times, |row| templates.get(row).and_then(Option::as_ref))?;
                Ok(ColumnarValue::Array(Arc::new(shown)))
            }
        }
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.general.documentation()
    }
}

/// Dates, times and timestamps (in UTC, as everywhere) by each row's template.
fn show<'a>(times: &ArrayRef, template: impl Fn(usize) -> Option<&'a Template>) -> Result<StringArray> {
    let zoned = matches!(times.data_type(), DataType::Timestamp(_, Some(_)));
    let micros = match times.data_type() {
        // A time of day is that of the first day there is.
        DataType::Time32(_) | DataType::Time64(_) => cast(times, &DataType::Time64(TimeUnit::Microsecond))?,
        DataType::Timestamp(_, zone) => cast(times, &DataType::Timestamp(TimeUnit::Microsecond, zone.clone()))?,
        _ => cast(times, &DataType::Timestamp(TimeUnit::Microsecond, None))?,
    };
    let micros = cast(&micros, &DataType::Int64)?;
    let micros = micros.as_primitive::<Int64Type>();
    let mut shown = StringBuilder::with_capacity(micros.len(), micros.len() * 24);
    for row in 0..micros.len() {
        match template(row) {
            Some(template) if micros.is_valid(row) => {
                template.write(moment(micros.value(row))?, zoned, &mut shown)?;
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

//! Texts to times and back, as PostgreSQL reads and writes them, and times to fewer digits of a second.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Date32Array, IntervalMonthDayNanoArray, StringViewArray, StringViewBuilder,
    Time64MicrosecondArray, TimestampMicrosecondArray,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, IntervalMonthDayNano, IntervalUnit, Time64MicrosecondType, TimeUnit};
use datafusion::common::{Result, ScalarValue, plan_err};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};

use super::simple::{TIME, answer, days, failed, intervals, is_text, micros};
use crate::error::ErrorKind;
use crate::functions::{out_of_range, text_beside_times};
use crate::values::shown;
use crate::values::zone::Zone;

/// Reads texts as values of one type; those without a zone are local to one.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct TextToTime {
    target: DataType,
    zone: Zone,
    signature: Signature,
}

impl TextToTime {
    pub(super) fn new(target: DataType, zone: Zone) -> Self {
        TextToTime { target, zone, signature: Signature::user_defined(Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for TextToTime {
    fn name(&self) -> &str {
        match self.target {
            DataType::Date32 => "date_of_text",
            DataType::Time64(_) => "time_of_text",
            DataType::Interval(_) => "interval_of_text",
            DataType::Timestamp(_, None) => "timestamp_of_text",
            _ => "timestamptz_of_text",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        match given {
            [text] if is_text(text) || text.is_null() => Ok(vec![DataType::Utf8View]),
            _ => plan_err!("{} takes a text", self.name()),
        }
    }

    fn return_type(&self, _given: &[DataType]) -> Result<DataType> {
        Ok(self.target.clone())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        answer(&args.args, args.number_rows, |arrays| self.read(arrays[0].as_string_view()))
    }
}

impl TextToTime {
    fn read(&self, texts: &StringViewArray) -> Result<ArrayRef> {
        let value = |text: &str| text_beside_times::value_in(text, &self.target, self.zone);
        macro_rules! read {
            ($array:ty, $variant:pat => $value:expr) => {{
                let values = texts.iter().map(|text| {
                    let Some(text) = text else { return Ok(None) };
                    Ok(match value(text)? {
                        $variant => $value,
                        _ => None,
                    })
                });
                values.collect::<Result<$array>>()?
            }};
        }
        Ok(match &self.target {
            DataType::Date32 => Arc::new(read!(Date32Array, ScalarValue::Date32(value) => value)),
            DataType::Time64(_) => {
                Arc::new(read!(Time64MicrosecondArray, ScalarValue::Time64Microsecond(value) => value))
            }
            DataType::Interval(_) => {
                Arc::new(read!(IntervalMonthDayNanoArray, ScalarValue::IntervalMonthDayNano(value) => value))
            }
            _ => {
                let values = read!(TimestampMicrosecondArray, ScalarValue::TimestampMicrosecond(value, _) => value);
                let DataType::Timestamp(_, zone) = &self.target else { return plan_err!("no type of a time") };
                Arc::new(values.with_timezone_opt(zone.clone()))
            }
        })
    }
}

/// Writes dates, times and intervals; moments are local to a zone.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct TimeToText {
    zone: Zone,
    signature: Signature,
}

impl TimeToText {
    pub(super) fn new(zone: Zone) -> Self {
        TimeToText { zone, signature: Signature::user_defined(Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for TimeToText {
    fn name(&self) -> &str {
        "text_of_time"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        match given {
            [DataType::Timestamp(_, zone)] => Ok(vec![DataType::Timestamp(TimeUnit::Microsecond, zone.clone())]),
            [DataType::Date32 | DataType::Date64] => Ok(vec![DataType::Date32]),
            [DataType::Time32(_) | DataType::Time64(_)] => Ok(vec![TIME]),
            [DataType::Interval(_)] => Ok(vec![DataType::Interval(IntervalUnit::MonthDayNano)]),
            [DataType::Duration(_)] => Ok(vec![DataType::Duration(TimeUnit::Microsecond)]),
            _ => plan_err!("{} takes a date, a time or an interval", self.name()),
        }
    }

    fn return_type(&self, _given: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8View)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        answer(&args.args, args.number_rows, |arrays| self.write(&arrays[0]))
    }
}

impl TimeToText {
    fn write(&self, times: &ArrayRef) -> Result<ArrayRef> {
        let mut out = StringViewBuilder::with_capacity(times.len());
        let mut text = String::new();
        let mut each = |write: &dyn Fn(&mut String, usize)| {
            for row in 0..times.len() {
                if times.is_null(row) {
                    out.append_null();
                } else {
                    text.clear();
                    write(&mut text, row);
                    out.append_value(&text);
                }
            }
        };
        match times.data_type() {
            DataType::Date32 => {
                let values = days(times);
                each(&|text, row| shown::date(text, values[row]));
            }
            DataType::Time64(_) => {
                let values = times.as_primitive::<Time64MicrosecondType>().values();
                each(&|text, row| shown::time(text, values[row]));
            }
            DataType::Interval(_) => {
                let values = intervals(times);
                each(&|text, row| shown::interval(text, values[row]));
            }
            DataType::Duration(_) => {
                let values = cast(times, &DataType::Int64)?;
                let values = super::simple::integers(&values).to_vec();
                each(&|text, row| {
                    let value = values[row];
                    let rest = value % 86_400_000_000 * 1_000;
                    shown::interval(text, IntervalMonthDayNano::new(0, (value / 86_400_000_000) as i32, rest));
                });
            }
            DataType::Timestamp(_, zone) => {
                let values = micros(times);
                let zone = zone.is_some().then_some(self.zone);
                each(&|text, row| shown::timestamp(text, values[row], zone));
            }
            other => return plan_err!("{other} is no type of a time"),
        }
        Ok(Arc::new(out.finish()))
    }
}

/// Rounds times and intervals to so many digits of a second, as `TIMESTAMP(3)` does.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct RoundTime {
    unit: i64,
    signature: Signature,
}

impl RoundTime {
    pub(super) fn new(digits: u32) -> Self {
        RoundTime {
            unit: 10_i64.pow(6_u32.saturating_sub(digits)),
            signature: Signature::user_defined(Volatility::Immutable),
        }
    }

    /// Half away from zero, counted as PostgreSQL counts: from 2000 on.
    fn round(&self, micros: i64, origin: i64) -> Option<i64> {
        let (from, half) = (micros.checked_sub(origin)?, self.unit / 2);
        let rounded =
            if from >= 0 { (from.checked_add(half)?) / self.unit } else { (from.checked_sub(half)?) / self.unit };
        rounded.checked_mul(self.unit)?.checked_add(origin)
    }
}

impl ScalarUDFImpl for RoundTime {
    fn name(&self) -> &str {
        "round_time"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        Ok(given.to_vec())
    }

    fn return_type(&self, given: &[DataType]) -> Result<DataType> {
        Ok(given[0].clone())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        const Y2000: i64 = 946_684_800_000_000;
        let too_far = || out_of_range("timestamp");
        answer(&args.args, args.number_rows, |arrays| {
            let times = &arrays[0];
            Ok(match times.data_type() {
                DataType::Timestamp(_, zone) => {
                    let values = times.as_primitive::<arrow::datatypes::TimestampMicrosecondType>();
                    let rounded: TimestampMicrosecondArray =
                        values.try_unary(|micros| self.round(micros, Y2000).ok_or_else(too_far))?;
                    Arc::new(rounded.with_timezone_opt(zone.clone()))
                }
                DataType::Time64(_) => {
                    let values = times.as_primitive::<Time64MicrosecondType>();
                    let rounded: Time64MicrosecondArray =
                        values.try_unary(|micros| self.round(micros, 0).ok_or_else(too_far))?;
                    Arc::new(rounded)
                }
                DataType::Interval(_) => {
                    let values = times.as_primitive::<arrow::datatypes::IntervalMonthDayNanoType>();
                    let rounded: IntervalMonthDayNanoArray = values.try_unary(|value| {
                        let micros = self.round(value.nanoseconds / 1_000, 0).ok_or_else(too_far)?;
                        Ok::<_, datafusion::error::DataFusionError>(IntervalMonthDayNano::new(
                            value.months,
                            value.days,
                            micros * 1_000,
                        ))
                    })?;
                    Arc::new(rounded)
                }
                other => return Err(failed(ErrorKind::DatatypeMismatch, format!("{other} is no type of a time"))),
            })
        })
    }
}

//! `date_trunc(field, time [, zone])`: PostgreSQL's fields of timestamps, in a zone's local time, and of intervals.
//!
//! Fields of a fixed or calendar length are buckets, whose bounds neighbouring rows share.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, IntervalMonthDayNano, IntervalMonthDayNanoType, TimeUnit, TimestampMicrosecondType};
use datafusion::common::{Result, ScalarValue, plan_err};
use datafusion::logical_expr::sort_properties::{ExprProperties, SortProperties};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};

use super::time_bucket::{Width, bucket_all};
use super::times::failed;
use crate::error::ErrorKind;
use crate::values::counted::counted;
use crate::values::zone::Zone;

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;
/// 0001-01-01, where decades, centuries and millennia are counted from.
const YEAR_ONE: i64 = -62_135_596_800_000_000;
/// 0000-01-01, where decades begin.
const YEAR_ZERO: i64 = YEAR_ONE - 366 * DAY;

/// Implements `date_trunc`.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct DateTrunc {
    aliases: Vec<String>,
    signature: Signature,
}

impl Default for DateTrunc {
    fn default() -> Self {
        DateTrunc { aliases: vec!["datetrunc".to_owned()], signature: Signature::user_defined(Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for DateTrunc {
    fn name(&self) -> &str {
        "date_trunc"
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        let is_text = |t: &DataType| matches!(t, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
        let [field, time, zone @ ..] = given else {
            return plan_err!("date_trunc takes a field and a time, not {}", counted(given.len() as u64, "argument"));
        };
        if !(is_text(field) || field.is_null()) || zone.len() > 1 || !zone.iter().all(|t| is_text(t) || t.is_null()) {
            return plan_err!("date_trunc takes the name of a field, a time and perhaps a time zone");
        }
        let moment = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        let time = match time {
            DataType::Timestamp(_, None) if zone.is_empty() => DataType::Timestamp(TimeUnit::Microsecond, None),
            DataType::Timestamp(_, _) | DataType::Date32 | DataType::Date64 => moment,
            DataType::Interval(_) | DataType::Duration(_) => {
                DataType::Interval(arrow::datatypes::IntervalUnit::MonthDayNano)
            }
            DataType::Null => moment,
            text if is_text(text) => moment,
            other => return plan_err!("date_trunc cannot take values of type {other}"),
        };
        let mut types = vec![DataType::Utf8, time];
        types.extend(zone.iter().map(|_| DataType::Utf8));
        Ok(types)
    }

    fn return_type(&self, given: &[DataType]) -> Result<DataType> {
        Ok(given[1].clone())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let nothing = || Ok(ColumnarValue::Scalar(ScalarValue::try_new_null(args.return_type())?));
        let Some(field) = constant(&args.args[0])? else { return nothing() };
        let zone = match args.args.get(2) {
            None => Zone::UTC,
            Some(zone) => {
                let Some(name) = constant(zone)? else { return nothing() };
                // A session's own zone comes as it is shown, which AT TIME ZONE reads the same way.
                Zone::parse(&name).or_else(|| Zone::of_setting(&name).map(|(zone, _)| zone)).ok_or_else(|| {
                    failed(ErrorKind::InvalidParameter, format!("time zone \"{name}\" not recognized"))
                })?
            }
        };
        let truncate = |times: &ArrayRef| truncated(times, &field, zone);
        match &args.args[1] {
            ColumnarValue::Array(times) => Ok(ColumnarValue::Array(truncate(times)?)),
            ColumnarValue::Scalar(time) => {
                let start = truncate(&time.to_array()?)?;
                Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&start, 0)?))
            }
        }
    }

    fn output_ordering(&self, input: &[ExprProperties]) -> Result<SortProperties> {
        // Where clocks go back, local hours come twice.
        Ok(match input {
            [field, time] if field.sort_properties == SortProperties::Singleton => time.sort_properties,
            _ => SortProperties::Unordered,
        })
    }
}

/// The text of a constant; `None` for NULL.
fn constant(argument: &ColumnarValue) -> Result<Option<String>> {
    let value = match argument {
        ColumnarValue::Scalar(value) => value.clone(),
        ColumnarValue::Array(values) if values.len() == 1 => ScalarValue::try_from_array(values, 0)?,
        ColumnarValue::Array(_) => return plan_err!("date_trunc: field and time zone must be constants"),
    };
    Ok(value.try_as_str().flatten().map(str::to_owned))
}

fn truncated(times: &ArrayRef, field: &str, zone: Zone) -> Result<ArrayRef> {
    let name = match times.data_type() {
        DataType::Timestamp(_, None) => "timestamp without time zone",
        DataType::Timestamp(_, Some(_)) => "timestamp with time zone",
        _ => "interval",
    };
    let unknown = || {
        let message = format!("unit \"{}\" not recognized for type {name}", field.to_lowercase());
        failed(ErrorKind::InvalidParameter, message)
    };
    if let Some(values) = times.as_primitive_opt::<IntervalMonthDayNanoType>() {
        if field.to_ascii_lowercase().starts_with("week") {
            let message = "unit \"week\" not supported for type interval: months usually have fractional weeks";
            return Err(failed(ErrorKind::FeatureNotSupported, message));
        }
        let unit = interval_unit(field).ok_or_else(unknown)?;
        return Ok(Arc::new(values.unary::<_, IntervalMonthDayNanoType>(|value| interval_start(value, unit))));
    }
    let (width, origin) = width_of(field).ok_or_else(unknown)?;
    let micros = times.as_primitive::<TimestampMicrosecondType>();
    let starts = if zone.is_utc() {
        bucket_all(micros, &width, origin, |micros| micros, |micros| micros)?
    } else {
        let too_far = || super::out_of_range("timestamp");
        let whole_days = !matches!(width, Width::Micros(width) if width < DAY);
        let local =
            micros.try_unary::<_, TimestampMicrosecondType, _>(|micros| zone.to_local(micros).ok_or_else(too_far))?;
        let starts = bucket_all(&local, &width, origin, |micros| micros, |micros| micros)?;
        let back = |row: usize| -> Result<i64> {
            // Within a day the clock does not change back: the hour that comes twice stays two.
            let start = starts.value(row);
            let moment = match whole_days {
                true => zone.from_local(start),
                false => start.checked_sub(local.value(row) - micros.value(row)),
            };
            moment.ok_or_else(too_far)
        };
        let moments = (0..starts.len()).map(|row| if starts.is_null(row) { Ok(0) } else { back(row) });
        let moments = moments.collect::<Result<Vec<i64>>>()?;
        arrow::array::TimestampMicrosecondArray::new(moments.into(), starts.nulls().cloned())
    };
    Ok(Arc::new(starts.with_data_type(times.data_type().clone())))
}

fn width_of(field: &str) -> Option<(Width, i64)> {
    let counted = |width: Width| {
        let origin = width.default_origin();
        (width, origin)
    };
    Some(match field.to_ascii_lowercase().as_str() {
        "microsecond" | "microseconds" | "us" => counted(Width::Micros(1)),
        "millisecond" | "milliseconds" | "ms" => counted(Width::Micros(SECOND / 1_000)),
        "second" | "seconds" | "s" | "sec" => counted(Width::Micros(SECOND)),
        "minute" | "minutes" | "m" | "min" => counted(Width::Micros(60 * SECOND)),
        "hour" | "hours" | "h" => counted(Width::Micros(3_600 * SECOND)),
        "day" | "days" | "d" => counted(Width::Micros(DAY)),
        // Weeks start on Monday and months on their first, as buckets do by default.
        "week" | "weeks" | "w" => counted(Width::Micros(7 * DAY)),
        "month" | "months" | "mon" => counted(Width::Months(1)),
        "quarter" | "qtr" => counted(Width::Months(3)),
        "year" | "years" | "y" => counted(Width::Months(12)),
        "decade" | "decades" => (Width::Months(120), YEAR_ZERO),
        "century" | "centuries" => (Width::Months(1_200), YEAR_ONE),
        "millennium" | "millennia" => (Width::Months(12_000), YEAR_ONE),
        _ => return None,
    })
}

/// The unit of an interval: months, or microseconds of a day's part, with one month or day as 0.
#[derive(Clone, Copy)]
enum Unit {
    Months(i32),
    Days,
    Micros(i64),
}

fn interval_unit(field: &str) -> Option<Unit> {
    Some(match width_of(field)?.0 {
        Width::Months(months) => Unit::Months(months),
        Width::Micros(DAY) => Unit::Days,
        Width::Micros(micros) => Unit::Micros(micros),
    })
}

fn interval_start(value: IntervalMonthDayNano, unit: Unit) -> IntervalMonthDayNano {
    match unit {
        Unit::Months(months) => IntervalMonthDayNano::new(value.months / months * months, 0, 0),
        Unit::Days => IntervalMonthDayNano::new(value.months, value.days, 0),
        Unit::Micros(micros) => {
            let nanos = micros * 1_000;
            IntervalMonthDayNano::new(value.months, value.days, value.nanoseconds / nanos * nanos)
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use datafusion::arrow::util::pretty::pretty_format_batches;
    use datafusion::execution::context::SessionContext;

    use super::*;

    async fn answer(ours: bool, sql: &str) -> String {
        let context = SessionContext::new();
        if ours {
            crate::functions::register(&context);
        }
        let batches = context.sql(sql).await.unwrap().collect().await.unwrap();
        pretty_format_batches(&batches).unwrap().to_string()
    }

    #[tokio::test]
    async fn truncates_as_datafusion_does() {
        for field in ["microsecond", "second", "Minute", "hour", "DAY", "week", "month", "quarter", "year"] {
            for zone in ["None", "Some(\"UTC\")"] {
                // Some 200 years around the epoch, with a NULL now and then.
                let sql = format!(
                    "SELECT value, date_trunc('{field}', arrow_cast(CASE WHEN value % 97 <> 0 THEN value * 987654321987 \
                     END, 'Timestamp(Microsecond, {zone})')) FROM generate_series(-3200, 3200) ORDER BY value"
                );
                assert_eq!(answer(true, &sql).await, answer(false, &sql).await, "{field} {zone}");
            }
        }
    }

    #[test]
    fn days_of_a_zone_follow_its_clock() {
        let zone = Zone::parse("America/New_York").unwrap();
        // 2024-03-10 12:00 UTC; the day began at 05:00 UTC.
        let times: ArrayRef =
            Arc::new(arrow::array::TimestampMicrosecondArray::from(vec![1_710_072_000_000_000]).with_timezone("UTC"));
        let day = truncated(&times, "day", zone).unwrap();
        assert_eq!(day.as_primitive::<TimestampMicrosecondType>().value(0), 1_710_046_800_000_000);
        assert!(truncated(&times, "fortnight", zone).is_err());
    }
}

//! `timezone(zone, time)`, which `time AT TIME ZONE zone` means, as in PostgreSQL: a moment becomes the zone's local time, a
//! local time without a zone becomes the moment that it is in the zone.
//!
//! DataFusion's own `AT TIME ZONE` only notes the zone beside the same moment.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, StringArray, TimestampMicrosecondArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type, IntervalMonthDayNano, IntervalMonthDayNanoType, IntervalUnit, TimeUnit};
use datafusion::common::{Result, ScalarValue, plan_err};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};

use crate::error::{EngineError, ErrorKind};
use crate::values::counted::counted;
use crate::values::interval::NANOS_PER_SECOND;
use crate::values::parse_timestamp;
use crate::values::zone::Zone;

/// Implements `timezone`.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Timezone {
    signature: Signature,
}

impl Default for Timezone {
    fn default() -> Self {
        Timezone { signature: Signature::user_defined(Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for Timezone {
    fn name(&self) -> &str {
        "timezone"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        let [zone, time] = given else {
            return plan_err!("timezone takes a zone and a time, not {}", counted(given.len() as u64, "argument"));
        };
        let is_text = |t: &DataType| matches!(t, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
        let zone = match zone {
            DataType::Interval(_) => DataType::Interval(IntervalUnit::MonthDayNano),
            DataType::Null => DataType::Utf8,
            text if is_text(text) => DataType::Utf8,
            other => return plan_err!("AT TIME ZONE: the zone must be its name or an interval, not {other}"),
        };
        let time = match time {
            DataType::Timestamp(unit, None) => DataType::Timestamp(*unit, None),
            DataType::Timestamp(unit, Some(_)) => DataType::Timestamp(*unit, utc()),
            DataType::Date32 | DataType::Date64 | DataType::Null => DataType::Timestamp(TimeUnit::Microsecond, utc()),
            text if is_text(text) => DataType::Utf8,
            other => return plan_err!("AT TIME ZONE: {other} is no timestamp"),
        };
        Ok(vec![zone, time])
    }

    fn return_type(&self, given: &[DataType]) -> Result<DataType> {
        match given {
            [_, DataType::Timestamp(unit, zone)] => {
                Ok(DataType::Timestamp(*unit, if zone.is_some() { None } else { utc() }))
            }
            [_, DataType::Utf8] => Ok(DataType::Timestamp(TimeUnit::Microsecond, None)),
            _ => plan_err!("timezone takes a zone and a timestamp"),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let all_scalar = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let given = ColumnarValue::values_to_arrays(&args.args)?;
        let times = match given[1].data_type() {
            DataType::Utf8 => moments(given[1].as_string::<i32>())?,
            _ => Arc::clone(&given[1]),
        };
        let converted = convert(&given[0], &times, args.return_type())?;
        Ok(match all_scalar {
            true => ColumnarValue::Scalar(ScalarValue::try_from_array(&converted, 0)?),
            false => ColumnarValue::Array(converted),
        })
    }
}

fn utc() -> Option<Arc<str>> {
    Some("UTC".into())
}

/// Texts are moments, as for PostgreSQL.
fn moments(texts: &StringArray) -> Result<ArrayRef> {
    let moments = texts.iter().map(|text| {
        let Some(text) = text else { return Ok(None) };
        match parse_timestamp(text, true) {
            Some(micros) => Ok(Some(micros)),
            None => {
                let error = EngineError::no_value(ErrorKind::InvalidText, "timestamp with time zone", text);
                Err(DataFusionError::from(error))
            }
        }
    });
    let moments = moments.collect::<Result<TimestampMicrosecondArray>>()?;
    Ok(Arc::new(moments.with_timezone_opt(utc())))
}

fn convert(zones: &ArrayRef, times: &ArrayRef, into: &DataType) -> Result<ArrayRef> {
    let DataType::Timestamp(unit, _) = into else { return plan_err!("timezone makes timestamps") };
    let per_second: i64 = match unit {
        TimeUnit::Second => 1,
        TimeUnit::Millisecond => 1_000,
        TimeUnit::Microsecond => 1_000_000,
        TimeUnit::Nanosecond => NANOS_PER_SECOND,
    };
    let to_local = matches!(times.data_type(), DataType::Timestamp(_, Some(_)));
    let values = cast(times, &DataType::Int64)?;
    let values = values.as_primitive::<Int64Type>();
    let mut last: Option<(usize, Zone)> = None;
    let converted = (0..values.len()).map(|row| {
        if values.is_null(row) || zones.is_null(row) {
            return Ok(None);
        }
        let zone = match &last {
            // Nearly always one zone for all rows.
            Some((known, zone)) if same(zones, *known, row) => zone,
            _ => &last.insert((row, read(zones, row)?)).1,
        };
        let value = values.value(row);
        let seconds = value.div_euclid(per_second);
        let east = if to_local { zone.east_at(seconds) } else { zone.east_of_local(seconds).map(|east| -east) };
        let moved = east.and_then(|east| value.checked_add(i64::from(east) * per_second));
        moved.map(Some).ok_or_else(|| super::out_of_range("timestamp"))
    });
    let converted = converted.collect::<Result<Int64Array>>()?;
    Ok(cast(&converted, into)?)
}

/// True when two rows name their zone alike.
fn same(zones: &ArrayRef, a: usize, b: usize) -> bool {
    match zones.data_type() {
        DataType::Utf8 => {
            let names = zones.as_string::<i32>();
            names.value(a) == names.value(b)
        }
        _ => {
            let intervals = zones.as_primitive::<IntervalMonthDayNanoType>();
            intervals.value(a) == intervals.value(b)
        }
    }
}

fn read(zones: &ArrayRef, row: usize) -> Result<Zone> {
    match zones.data_type() {
        DataType::Utf8 => {
            let name = zones.as_string::<i32>().value(row);
            // Numbers alone count west of Greenwich in PostgreSQL, here and only here: nobody means that.
            let bare = name.trim().starts_with(['+', '-']);
            Zone::parse(name).filter(|_| !bare).ok_or_else(|| {
                invalid(format!(
                    "time zone \"{name}\" not recognized: write a name such as America/New_York, or INTERVAL '-05:00'"
                ))
            })
        }
        _ => of_interval(zones.as_primitive::<IntervalMonthDayNanoType>().value(row)),
    }
}

fn of_interval(interval: IntervalMonthDayNano) -> Result<Zone> {
    let refused = || invalid("interval time zone must not include months or days, nor be a day or longer".to_owned());
    if interval.months != 0 || interval.days != 0 {
        return Err(refused());
    }
    let seconds = i32::try_from(interval.nanoseconds / NANOS_PER_SECOND).map_err(|_| refused())?;
    if seconds.abs() < 86_400 { Ok(Zone::Fixed(seconds)) } else { Err(refused()) }
}

fn invalid(message: String) -> DataFusionError {
    DataFusionError::External(Box::new(EngineError::new(ErrorKind::InvalidParameter, message)))
}

//! `date_trunc(field, time)`, fast.
//!
//! DataFusion truncates a time with a zone through the calendar, row by row. Every time with a zone is UTC here, where
//! fields of a fixed or calendar length are buckets; what is none of those (`decade`, other zones, times of day) is left
//! to DataFusion's own function.

use std::sync::Arc;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{DataType, FieldRef, TimeUnit, TimestampMicrosecondType};
use datafusion::common::Result;
use datafusion::functions::datetime::date_trunc::DateTruncFunc;
use datafusion::logical_expr::sort_properties::{ExprProperties, SortProperties};
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature,
};
use datafusion::scalar::ScalarValue;

use super::time_bucket::{Width, bucket_all};

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;

/// Implements `date_trunc`.
#[derive(Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct DateTrunc {
    general: DateTruncFunc,
}

impl ScalarUDFImpl for DateTrunc {
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

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        self.general.return_field_from_args(args)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        if let [ColumnarValue::Scalar(field), ColumnarValue::Array(times)] = args.args.as_slice()
            && let DataType::Timestamp(TimeUnit::Microsecond, zone) = times.data_type()
            && zone.as_deref().is_none_or(|zone| zone == "UTC")
            && let Some(width) = width_of(field)
        {
            // Weeks start on Monday and months on their first, as buckets do by default.
            let origin = width.default_origin();
            let micros = times.as_primitive::<TimestampMicrosecondType>();
            let starts = bucket_all(micros, &width, origin, |micros| micros, |micros| micros)?;
            return Ok(ColumnarValue::Array(Arc::new(starts.with_timezone_opt(zone.clone()))));
        }
        self.general.invoke_with_args(args)
    }

    fn output_ordering(&self, input: &[ExprProperties]) -> Result<SortProperties> {
        self.general.output_ordering(input)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.general.documentation()
    }
}

fn width_of(field: &ScalarValue) -> Option<Width> {
    let name = field.try_as_str()??.to_ascii_lowercase();
    Some(match name.as_str() {
        "second" => Width::Micros(SECOND),
        "minute" => Width::Micros(60 * SECOND),
        "hour" => Width::Micros(3_600 * SECOND),
        "day" => Width::Micros(DAY),
        "week" => Width::Micros(7 * DAY),
        "month" => Width::Months(1),
        "quarter" => Width::Months(3),
        "year" => Width::Months(12),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    //! Equal to DataFusion's own function on the same times.
    #![allow(clippy::unwrap_used)]

    use datafusion::arrow::util::pretty::pretty_format_batches;
    use datafusion::execution::context::SessionContext;

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
            for zone in ["None", "Some(\"UTC\")", "Some(\"Europe/Berlin\")"] {
                // Some 200 years around the epoch, with a NULL now and then.
                let sql = format!(
                    "SELECT value, date_trunc('{field}', arrow_cast(CASE WHEN value % 97 <> 0 THEN value * 987654321987 \
                     END, 'Timestamp(Microsecond, {zone})')) FROM generate_series(-3200, 3200) ORDER BY value"
                );
                assert_eq!(answer(true, &sql).await, answer(false, &sql).await, "{field} {zone}");
            }
        }
    }
}

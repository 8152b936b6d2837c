//! SQL's names of the types of times: microseconds, as in PostgreSQL, where DataFusion would count nanoseconds and so reach
//! from 1677 to 2262 only.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, IntervalUnit, TimeUnit};
use datafusion::common::{Result, plan_err};
use datafusion::logical_expr::planner::TypePlanner;
use datafusion::sql::sqlparser::ast::{DataType as SqlType, TimezoneInfo};

/// In a cast's field: to how many digits of a second it rounds.
pub(super) const DIGITS: &str = "zxq.time_digits";

/// Types of times.
#[derive(Debug)]
pub(crate) struct TimeTypes;

impl TypePlanner for TimeTypes {
    fn plan_type_field(&self, sql_type: &SqlType) -> Result<Option<FieldRef>> {
        let zoned = |zone: &TimezoneInfo| matches!(zone, TimezoneInfo::WithTimeZone | TimezoneInfo::Tz);
        let (data_type, digits) = match sql_type {
            SqlType::Timestamp(digits, zone) => {
                let label: Option<Arc<str>> = zoned(zone).then(|| "UTC".into());
                (DataType::Timestamp(TimeUnit::Microsecond, label), *digits)
            }
            SqlType::Datetime(digits) => (DataType::Timestamp(TimeUnit::Microsecond, None), *digits),
            SqlType::Time(digits, zone) if !zoned(zone) => (DataType::Time64(TimeUnit::Microsecond), *digits),
            SqlType::Interval { precision: digits, .. } => (DataType::Interval(IntervalUnit::MonthDayNano), *digits),
            _ => return Ok(None),
        };
        let mut field = Field::new("", data_type, true);
        match digits {
            Some(digits) if digits > 6 => {
                return plan_err!("{sql_type}: times have at most 6 digits behind the second");
            }
            Some(digits) if digits < 6 => {
                field.set_metadata(HashMap::from([(DIGITS.to_owned(), digits.to_string())]));
            }
            _ => {}
        }
        Ok(Some(Arc::new(field)))
    }
}

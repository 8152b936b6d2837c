//! SQL functions that traders expect and DataFusion lacks.
//!
//! - `time_bucket(width, time [, origin])`: the start of the bucket a time falls into, as in TimescaleDB.
//! - `date_trunc(field, time)`: DataFusion's, faster for times in UTC.
//! - `timezone(zone, time)`: `time AT TIME ZONE zone`.
//! - `to_char(time, template)`: PostgreSQL's templates, and DataFusion's.
//! - `first(value, time)`, `last(value, time)`: the value at the earliest and latest time.
//! - `vwap(price, size)`: the volume-weighted average price.
//! - `2 * INTERVAL '1 day'`, `INTERVAL '1 day' / 2`: operators that DataFusion plans for other types only.
//! - `version()`: PostgreSQL's, which clients parse, with zxq's own.

mod date_trunc;
pub(crate) mod decimals_beside_doubles;
mod first_last;
pub mod interval_text;
mod interval_times;
pub mod text_beside_times;
mod time_bucket;
mod timezone;
mod to_char;
mod version;
mod vwap;

use std::sync::Arc;

use datafusion::error::DataFusionError;
use datafusion::execution::FunctionRegistry;
use datafusion::execution::context::SessionContext;
use datafusion::logical_expr::expr_rewriter::FunctionRewrite;
use datafusion::logical_expr::{AggregateUDF, ScalarUDF};

use crate::error::{EngineError, ErrorKind};

pub use version::{POSTGRES_VERSION, version_text};

#[cfg(test)]
mod tests;

/// Adds zxq's functions to a session.
pub fn register(context: &SessionContext) {
    for function in scalar_functions() {
        context.register_udf(function);
    }
    for function in aggregate_functions() {
        context.register_udaf(function);
    }
    let rewrites: [Arc<dyn FunctionRewrite + Send + Sync>; 2] =
        [Arc::new(decimals_beside_doubles::DecimalsBesideDoubles), Arc::new(text_beside_times::TextBesideTimes)];
    for rewrite in rewrites {
        if let Err(error) = context.state_ref().write().register_function_rewrite(rewrite) {
            tracing::error!(%error, "a rewrite of expressions could not be registered");
        }
    }
    let planner = Arc::new(interval_times::IntervalTimesPlanner);
    if let Err(error) = context.state_ref().write().register_expr_planner(planner) {
        tracing::error!(%error, "intervals times numbers could not be registered");
    }
}

/// A value of this type cannot hold a function's result.
fn out_of_range(sql_type: &str) -> DataFusionError {
    let error = EngineError::new(ErrorKind::DatetimeOutOfRange, format!("{sql_type} out of range"));
    DataFusionError::External(Box::new(error))
}

/// zxq's scalar functions.
pub fn scalar_functions() -> Vec<ScalarUDF> {
    vec![
        date_trunc::DateTrunc::default().into(),
        time_bucket::TimeBucket::default().into(),
        timezone::Timezone::default().into(),
        to_char::ToChar::default().into(),
        version::Version::default().into(),
    ]
}

/// zxq's aggregate functions.
pub fn aggregate_functions() -> Vec<AggregateUDF> {
    vec![first_last::ValueAtTime::first().into(), first_last::ValueAtTime::last().into(), vwap::Vwap::default().into()]
}

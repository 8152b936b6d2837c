//! Times as PostgreSQL has them: to the microsecond, local in the session's zone, with intervals of months, days and time.
//!
//! `rewrite` puts expressions so that they mean what they mean there, `operators` plans `+` and `-`, `type_names` the
//! names of types; the others are functions.

mod age;
mod arithmetic;
mod build;
mod clock;
mod convert;
mod fields;
mod interval_aggregates;
pub mod interval_order;
mod operators;
mod parts;
mod read_template;
mod rewrite;
mod simple;
pub(crate) mod type_names;

use datafusion::config::ConfigOptions;
use datafusion::execution::context::SessionContext;
use datafusion::logical_expr::ScalarUDF;

use crate::values::zone::Zone;

pub(crate) use operators::TimesOperators;
pub(crate) use rewrite::Times;
pub use rewrite::rewrite;
pub(crate) use rewrite::union;
pub(crate) use simple::failed;

/// Adds aggregates of intervals to a session, beside those that it has for other types.
pub(crate) fn register_aggregates(context: &SessionContext) {
    interval_aggregates::register(context);
}

/// The zone of a session, which texts without one are in.
pub fn session_zone(config: &ConfigOptions) -> Zone {
    match zone_name(config) {
        "UTC" => Zone::UTC,
        name => Zone::of_setting(name).map_or(Zone::UTC, |(zone, _)| zone),
    }
}

/// Its name, as `SHOW TimeZone` has it.
pub(crate) fn zone_name(config: &ConfigOptions) -> &str {
    config.execution.time_zone.as_deref().unwrap_or("UTC")
}

/// Functions of times.
pub(crate) fn functions() -> Vec<ScalarUDF> {
    let mut all = clock::functions();
    all.extend(age::functions());
    all.extend(build::functions());
    all.extend(fields::functions());
    all.extend(read_template::functions());
    all.push(arithmetic::date_bin());
    all
}

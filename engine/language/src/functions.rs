//! SQL functions that traders expect and DataFusion lacks.
//!
//! - `time_bucket(width, time [, origin])`: the start of the bucket a time falls into, as in TimescaleDB.
//! - `date_trunc(field, time)`: DataFusion's, faster for times in UTC.
//! - `timezone(zone, time)`: `time AT TIME ZONE zone`.
//! - `to_char(time, template)`: PostgreSQL's templates, and DataFusion's.
//! - `first(value, time)`, `last(value, time)`: the value at the earliest and latest time.
//! - `vwap(price, size)`: the volume-weighted average price.
//! - `json -> 'name'`, `json_build_object` and others of JSON; values of types that Arrow does not name ([`declared`]).
//! - `2 * INTERVAL '1 day'`, `INTERVAL '1 day' / 2`: operators that DataFusion plans for other types only.
//! - `version()`: PostgreSQL's, which clients parse, with zxq's own.
//!
//! Families with a folder each: `regex` (regular expressions), `text`, `numbers`, `arrays`, `aggregates`. Most are
//! written as `overloads`: forms chosen by the types of their arguments. `text_forms` puts them in the place of DataFusion's
//! functions and operators.

pub(crate) mod aggregate_front;
mod aggregates;
mod arrays;
mod date_trunc;
pub(crate) mod decimals_beside_doubles;
pub mod declared;
mod first_last;
mod interval_times;
pub(crate) mod json;
pub mod latest_row;
mod lead_lag;
mod like;
pub(crate) mod made_texts;
mod number_of_row;
mod numbers;
mod overloads;
mod pg_sleep;
mod pg_typeof;
pub(crate) mod queue_sum;
mod random_uuid;
mod regex;
mod series;
pub mod single_value;
mod text;
mod text_as;
pub mod text_beside_times;
pub mod text_forms;
mod time_bucket;
pub mod times;
mod timezone;
mod to_char;
mod to_char_of_any;
pub(crate) mod told_apart;
mod type_planner;
mod version;
mod vwap;

use std::sync::Arc;

use arrow::datatypes::FieldRef;
use datafusion::error::DataFusionError;
use datafusion::execution::FunctionRegistry;
use datafusion::execution::context::SessionContext;
use datafusion::logical_expr::expr_rewriter::FunctionRewrite;
use datafusion::logical_expr::planner::{ExprPlanner, TypePlanner};
use datafusion::logical_expr::{AggregateUDF, ScalarUDF};
use datafusion::sql::sqlparser::ast::DataType as SqlType;

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
    times::register_aggregates(context);
    for function in lead_lag::functions() {
        context.register_udwf(function);
    }
    context.register_udf(series::SeriesArray::with_its_end().into());
    context.register_udf(series::SeriesArray::before_its_end().into());
    context.register_udf(number_of_row::NumberOfRow::default().into());
    context.register_udf(text_as::TextAs::default().into());
    let rewrites: [Arc<dyn FunctionRewrite + Send + Sync>; 5] = [
        Arc::new(text_as::TextsAs),
        Arc::new(json::WholeRows),
        Arc::new(text_forms::TextForms::new(&own_functions())),
        Arc::new(times::Times),
        Arc::new(declared::DeclaredValues),
    ];
    for rewrite in rewrites {
        if let Err(error) = context.state_ref().write().register_function_rewrite(rewrite) {
            tracing::error!(%error, "a rewrite of expressions could not be registered");
        }
    }
    for planner in expr_planners() {
        if let Err(error) = context.state_ref().write().register_expr_planner(planner) {
            tracing::error!(%error, "operators between times could not be registered");
        }
    }
}

/// What plans operators and `EXTRACT`; before DataFusion's own, where a context is built.
pub(crate) fn expr_planners() -> Vec<Arc<dyn ExprPlanner>> {
    vec![
        Arc::new(text_forms::TextOperators::default()),
        Arc::new(times::TimesOperators),
        Arc::new(interval_times::IntervalTimesPlanner),
        Arc::new(json::JsonOperators),
    ]
}

/// Which types SQL's names in casts stand for.
pub(crate) fn type_planner() -> Arc<dyn TypePlanner> {
    Arc::new(TypePlanners(vec![Arc::new(type_planner::DeclaredTypes), Arc::new(times::type_names::TimeTypes)]))
}

/// Planners of types, of which the first that knows a name plans it.
#[derive(Debug)]
struct TypePlanners(Vec<Arc<dyn TypePlanner>>);

impl TypePlanner for TypePlanners {
    fn plan_type_field(&self, sql_type: &SqlType) -> datafusion::common::Result<Option<FieldRef>> {
        for planner in &self.0 {
            if let Some(field) = planner.plan_type_field(sql_type)? {
                return Ok(Some(field));
            }
        }
        Ok(None)
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
        to_char_of_any::ToCharOfAny::new(to_char::ToChar::default()).into(),
        told_apart::ToldApart::default().into(),
        version::Version::default().into(),
    ]
    .into_iter()
    .chain(times::functions())
    .chain(own_functions())
    .chain(json::functions())
    .collect()
}

/// Functions that take the place of DataFusion's of the same names, and those that DataFusion lacks.
fn own_functions() -> Vec<ScalarUDF> {
    let families = [
        arrays::functions(),
        like::functions(),
        numbers::functions(),
        regex::finding::functions(),
        regex::matching::functions(),
        regex::replacing::functions(),
        text::functions(),
        vec![pg_sleep::function(), pg_typeof::PgTypeof::default().into(), random_uuid::RandomUuid::default().into()],
    ];
    families.into_iter().flatten().collect()
}

/// A value as the text that PostgreSQL shows.
pub(crate) fn as_text() -> ScalarUDF {
    text::shown::function()
}

/// zxq's aggregate functions.
pub fn aggregate_functions() -> Vec<AggregateUDF> {
    let mut functions = aggregates::functions();
    functions.push(first_last::ValueAtTime::first().into());
    functions.push(first_last::ValueAtTime::last().into());
    functions.push(vwap::Vwap::default().into());
    functions.extend(json::aggregates::functions());
    functions
}

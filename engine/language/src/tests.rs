//! Sessions that speak the language over no tables, for the tests of functions as SQL calls them.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use arrow::util::display::array_value_to_string;
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::prelude::{SessionConfig, SessionContext};

use crate::functions::times::interval_order::IntervalsByLength;
use crate::{functions, semantics};

fn session() -> SessionContext {
    let mut config = SessionConfig::new().with_target_partitions(1);
    let options = config.options_mut();
    options.execution.time_zone = Some("UTC".to_owned());
    options.sql_parser.dialect = datafusion::config::Dialect::PostgreSQL;
    options.sql_parser.map_string_types_to_utf8view = true;
    options.sql_parser.parse_float_as_decimal = true;
    let state = SessionStateBuilder::new()
        .with_config(config)
        .with_expr_planners(semantics::expr_planners())
        .with_type_planner(semantics::type_names::planner())
        .with_analyzer_rules(semantics::analyzer::rules())
        .with_analyzer_rule(Arc::new(IntervalsByLength))
        .with_default_features()
        .build();
    let session = SessionContext::new_with_state(state);
    functions::register(&session);
    session
}

/// The values of the first row, between bars.
pub(crate) async fn answer(sql: &str) -> Result<String, String> {
    let rows = session().sql(sql).await.map_err(|e| e.to_string())?.collect().await.map_err(|e| e.to_string())?;
    let values = rows[0].columns().iter().map(|column| array_value_to_string(column, 0).unwrap());
    Ok(values.collect::<Vec<_>>().join("|"))
}

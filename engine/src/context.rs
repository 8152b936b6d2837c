//! The DataFusion context over the engine's tables: settings, rules, functions and schemas. Sessions add the system views.

use std::sync::{Arc, Weak};

use datafusion::catalog::{CatalogProvider, MemoryCatalogProvider};
use datafusion::execution::SessionState;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::prelude::{SessionConfig, SessionContext};
use zxq_catalog::Tier;
use zxq_language::semantics;

use crate::optimizer::with_rules;
use crate::roles::acting::Acting;
use crate::scan::query_planner::PinningPlanner;
use crate::scan::session_options::ZxqOptions;
use crate::scan::table_schema::TableSchema;
use crate::state::engine::Engine;

/// Name of the one catalog ("database").
pub const CATALOG: &str = "zxq";
/// Schema of user tables.
pub const PUBLIC: &str = "public";

/// Functions and settings for planning constraints, defaults and generated columns; no tables.
pub(crate) fn expression_state(target_partitions: usize, runtime: &Arc<RuntimeEnv>) -> SessionState {
    let state = SessionStateBuilder::new()
        .with_config(config(target_partitions))
        .with_runtime_env(Arc::clone(runtime))
        .with_expr_planners(semantics::expr_planners())
        .with_type_planner(semantics::type_names::planner())
        .with_analyzer_rules(semantics::analyzer::rules())
        .with_analyzer_rule(Arc::new(zxq_language::functions::times::interval_order::IntervalsByLength))
        .with_default_features()
        .build();
    let context = SessionContext::new_with_state(state);
    zxq_language::functions::register(&context);
    context.state()
}

/// A context over the tables, for what the engine itself reads.
pub(crate) fn internal(engine: &Arc<Engine>) -> SessionContext {
    over_tables(engine, config(engine.config.target_partitions), Arc::clone(&engine.runtime), &Acting::default()).0
}

/// The settings that every session starts with.
pub(crate) fn config(target_partitions: usize) -> SessionConfig {
    let mut config = SessionConfig::new()
        .with_default_catalog_and_schema(CATALOG, PUBLIC)
        .with_create_default_catalog_and_schema(false)
        .with_information_schema(true)
        .with_target_partitions(target_partitions)
        .with_batch_size(8192)
        .with_option_extension(ZxqOptions::default());
    let options = config.options_mut();
    options.execution.time_zone = Some("UTC".to_owned());
    options.optimizer.prefer_existing_sort = true;
    // As joins: the physical form is evaluated while filters are pushed into scans, before it has a value.
    options.optimizer.enable_physical_uncorrelated_scalar_subquery = false;
    // Where one of several min() and max() has met only NULLs, DataFusion leaves it out of the filter that it hands to
    // scans, and rows that count for it are lost (apache/datafusion#25147).
    options.optimizer.enable_aggregate_dynamic_filter_pushdown = false;
    // The Postgres a client knows: text literals and VARCHAR columns are one type, numbers with a point are decimals.
    options.sql_parser.dialect = datafusion::config::Dialect::PostgreSQL;
    options.sql_parser.map_string_types_to_utf8view = true;
    options.sql_parser.parse_float_as_decimal = true;
    options.execution.parquet.pushdown_filters = false;
    options.execution.collect_statistics = false;
    options.explain.physical_plan_only = true;
    options.explain.show_statistics = false;
    config
}

/// A context over the tables with these settings and what they run with, and the catalog that its schemas are in.
pub(crate) fn over_tables(
    engine: &Arc<Engine>,
    config: SessionConfig,
    runtime: Arc<RuntimeEnv>,
    acting: &Acting,
) -> (SessionContext, Arc<MemoryCatalogProvider>) {
    let weak: Weak<Engine> = Arc::downgrade(engine);
    let builder = SessionStateBuilder::new()
        .with_config(config)
        .with_runtime_env(runtime)
        .with_expr_planners(semantics::expr_planners())
        .with_type_planner(semantics::type_names::planner())
        .with_analyzer_rules(semantics::analyzer::rules())
        .with_analyzer_rule(Arc::new(zxq_language::functions::times::interval_order::IntervalsByLength))
        .with_optimizer_rule(Arc::new(semantics::guards::Guards))
        .with_optimizer_rule(Arc::new(semantics::columns_first::ColumnsFirst))
        .with_optimizer_rule(Arc::new(semantics::day_ranges::DayRanges))
        .with_default_features()
        .with_query_planner(Arc::new(PinningPlanner::new(Weak::clone(&weak))));
    let context = SessionContext::new_with_state(with_rules(builder, engine.store(Tier::Warm)).build());
    let catalog = Arc::new(MemoryCatalogProvider::new());
    let schemas: [(&str, Option<Tier>); 4] =
        [(PUBLIC, None), ("hot", Some(Tier::Hot)), ("warm", Some(Tier::Warm)), ("cold", Some(Tier::Cold))];
    for (name, only) in schemas {
        let schema = Arc::new(TableSchema::new(Weak::clone(&weak), only, acting.clone()));
        if let Err(error) = catalog.register_schema(name, schema) {
            tracing::error!(%error, "schema {name} could not be registered");
        }
    }
    context.register_catalog(CATALOG, Arc::clone(&catalog) as Arc<dyn CatalogProvider>);
    zxq_language::functions::register(&context);
    (context, catalog)
}

//! Sessions: one connection's settings, and the road of a statement from text to rows.

use std::sync::{Arc, Weak};

use arrow::datatypes::{DataType, SchemaRef};
use arrow::record_batch::RecordBatch;
use datafusion::catalog::{CatalogProvider, MemoryCatalogProvider};
use datafusion::common::ParamValues;
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::execution::{SendableRecordBatchStream, SessionState};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion::scalar::ScalarValue;
use futures::TryStreamExt;
use parking_lot::Mutex;

use crate::engine::Engine;
use crate::error::{EngineError, Result};
use crate::file_order::KeepFileOrder;
use crate::null_matching_joins::physical_rules;
use crate::partial_aggregates::PartialAggregates;
use crate::partition_count::PartitionCounts;
use crate::prepared::Prepared;
use crate::query_planner::PinningPlanner;
use crate::repeated_rows::SkipRepeatedRows;
use crate::schema_provider::{SystemSchema, TableSchema};
use crate::session_options::ZxqOptions;
use crate::sql::Statement;
use crate::tier_scan_exec::ScanReports;
use zxq_catalog::Tier;

/// Name of the one catalog ("database").
pub const CATALOG: &str = "zxq";
/// Schema of user tables.
pub const PUBLIC: &str = "public";

/// One connection's view of the database. Dropping it ends it.
pub struct EngineSession {
    pub(crate) engine: Arc<Engine>,
    context: SessionContext,
    pub(crate) scan_reports: Arc<ScanReports>,
    notices: Arc<Mutex<Vec<String>>>,
}

impl std::fmt::Debug for EngineSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EngineSession").field("id", &self.context.session_id()).finish_non_exhaustive()
    }
}

/// What a statement gave.
pub enum Outcome {
    /// Rows, streamed: dropping the stream cancels the statement.
    Rows {
        /// The rows' schema.
        schema: SchemaRef,
        /// The rows.
        stream: SendableRecordBatchStream,
    },
    /// No rows.
    Command {
        /// PostgreSQL's command tag: `CREATE TABLE`, `INSERT 0 5`, `SET`.
        tag: String,
    },
}

impl Outcome {
    /// The rows of a batch that is there already.
    pub(crate) fn from_batch(batch: RecordBatch) -> Self {
        let schema = batch.schema();
        let stream = RecordBatchStreamAdapter::new(Arc::clone(&schema), futures::stream::iter([Ok(batch)]));
        Outcome::Rows { schema, stream: Box::pin(stream) }
    }

    /// Gathers the rows; empty for a command.
    ///
    /// # Errors
    /// What fails while the rows are computed.
    pub async fn collect(self) -> Result<Vec<RecordBatch>> {
        match self {
            Outcome::Rows { stream, .. } => Ok(stream.try_collect().await?),
            Outcome::Command { .. } => Ok(Vec::new()),
        }
    }
}

impl EngineSession {
    pub(crate) fn new(engine: &Arc<Engine>) -> Self {
        let scan_reports = Arc::new(ScanReports::default());
        let config = config(engine).with_extension(Arc::clone(&scan_reports));
        let context = context_with(engine, config);
        EngineSession { engine: Arc::clone(engine), context, scan_reports, notices: Arc::default() }
    }

    /// Splits text into statements.
    ///
    /// # Errors
    /// [`crate::error::ErrorKind::Syntax`] with line and column.
    pub fn parse(&self, sql: &str) -> Result<Vec<Statement>> {
        crate::sql::parse(sql)
    }

    /// Plans a statement that may have parameters `$1 …`, to be executed any number of times. `hints` are the types a
    /// client declared; the planner's own inference goes first.
    ///
    /// # Errors
    /// Whatever planning finds: unknown tables and columns, types that do not fit.
    pub async fn prepare(&self, statement: &Statement, hints: &[Option<DataType>]) -> Result<Prepared> {
        Prepared::new(self, statement, hints).await
    }

    /// Executes a prepared statement. Parameters come in order, `$1` first.
    ///
    /// # Errors
    /// What planning or starting finds; what fails later comes out of the stream.
    pub async fn execute(&self, prepared: &Prepared, params: Vec<ScalarValue>) -> Result<Outcome> {
        prepared.execute(self, params).await
    }

    /// Parses, plans and executes one statement.
    ///
    /// # Errors
    /// As [`EngineSession::prepare`] and [`EngineSession::execute`]; also when the text is not exactly one statement.
    pub async fn run(&self, sql: &str) -> Result<Outcome> {
        let statements = self.parse(sql)?;
        match statements.as_slice() {
            [one] => self.run_statement(one).await,
            [] => Ok(Outcome::Command { tag: String::new() }),
            more => Err(EngineError::new(
                crate::error::ErrorKind::Syntax,
                format!("one statement was expected, not {}", more.len()),
            )),
        }
    }

    /// Plans and executes one parsed statement.
    ///
    /// # Errors
    /// As [`EngineSession::prepare`] and [`EngineSession::execute`].
    pub async fn run_statement(&self, statement: &Statement) -> Result<Outcome> {
        let prepared = self.prepare(statement, &[]).await?;
        self.execute(&prepared, Vec::new()).await
    }

    /// The session's DataFusion context.
    pub fn context(&self) -> &SessionContext {
        &self.context
    }

    /// The engine the session belongs to.
    pub fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// Messages for the user since the last call: what a tier hint left out, what was ignored.
    pub fn take_notices(&self) -> Vec<String> {
        std::mem::take(&mut self.notices.lock())
    }

    pub(crate) fn notice(&self, text: impl Into<String>) {
        self.notices.lock().push(text.into());
    }

    /// The tiers this session's statements read.
    pub fn tiers(&self) -> Vec<Tier> {
        ZxqOptions::of(&self.context.copied_config()).tiers()
    }
}

/// Parameters as DataFusion takes them.
pub(crate) fn positional(params: Vec<ScalarValue>) -> ParamValues {
    ParamValues::from(params)
}

/// Functions and settings for planning constraints, defaults and generated columns; no tables.
pub(crate) fn expression_state(engine: &Engine) -> SessionState {
    let state = SessionStateBuilder::new()
        .with_config(config(engine))
        .with_runtime_env(Arc::clone(&engine.runtime))
        .with_default_features()
        .build();
    let context = SessionContext::new_with_state(state);
    crate::functions::register(&context);
    context.state()
}

fn config(engine: &Engine) -> SessionConfig {
    let mut config = SessionConfig::new()
        .with_default_catalog_and_schema(CATALOG, PUBLIC)
        .with_create_default_catalog_and_schema(false)
        .with_information_schema(true)
        .with_target_partitions(engine.config.target_partitions)
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

/// A DataFusion context over the engine's tables.
pub(crate) fn new_context(engine: &Arc<Engine>) -> SessionContext {
    context_with(engine, config(engine))
}

fn context_with(engine: &Arc<Engine>, config: SessionConfig) -> SessionContext {
    let weak: Weak<Engine> = Arc::downgrade(engine);
    let state = SessionStateBuilder::new()
        .with_config(config)
        .with_runtime_env(Arc::clone(&engine.runtime))
        .with_default_features()
        .with_query_planner(Arc::new(PinningPlanner::new(Weak::clone(&weak))))
        .with_physical_optimizer_rules(physical_rules())
        .with_physical_optimizer_rule(Arc::new(PartitionCounts))
        .with_physical_optimizer_rule(Arc::new(PartialAggregates::new(Arc::clone(engine.store(Tier::Warm)))))
        .with_physical_optimizer_rule(Arc::new(SkipRepeatedRows))
        .with_physical_optimizer_rule(Arc::new(KeepFileOrder))
        .build();
    let context = SessionContext::new_with_state(state);
    let catalog = MemoryCatalogProvider::new();
    let schemas: [(&str, Option<Tier>); 4] =
        [(PUBLIC, None), ("hot", Some(Tier::Hot)), ("warm", Some(Tier::Warm)), ("cold", Some(Tier::Cold))];
    for (name, only) in schemas {
        let schema = Arc::new(TableSchema::new(Weak::clone(&weak), only));
        if let Err(error) = catalog.register_schema(name, schema) {
            tracing::error!(%error, "schema {name} could not be registered");
        }
    }
    if let Err(error) = catalog.register_schema("zxq", Arc::new(SystemSchema::new(weak))) {
        tracing::error!(%error, "schema zxq could not be registered");
    }
    context.register_catalog(CATALOG, Arc::new(catalog));
    crate::functions::register(&context);
    context
}

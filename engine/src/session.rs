//! Sessions: one connection's settings, and the road of a statement from text to rows.

use std::path::PathBuf;
use std::sync::Arc;

use arrow::datatypes::{DataType, SchemaRef};
use arrow::record_batch::RecordBatch;
use datafusion::catalog::CatalogProvider;
use datafusion::common::ParamValues;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion::scalar::ScalarValue;
use futures::TryStreamExt;
use parking_lot::Mutex;
use tokio::runtime::Handle;
use zxq_catalog::Tier;

use crate::context;
use crate::error::{EngineError, Result};
use crate::roles::acting::Acting;
use crate::scan::session_options::ZxqOptions;
use crate::scan::tier_scan_exec::ScanReports;
use crate::sql::Statement;
use crate::sql::light::is_light;
use crate::state::engine::Engine;
use crate::state::memory_share::MemoryShare;
use crate::state::statement_queue::{QueuedStatements, Turn};
use crate::supervisor::RunningJob;
use crate::system_views::SystemSchema;
use crate::write::transaction::CurrentTransaction;

mod audited;
mod call;
mod conflict;
mod constant_rows;
mod correct;
mod current_plan;
mod ddl;
mod described;
mod explain;
mod exported;
mod external_ddl;
mod files;
mod get;
mod insert_statement;
mod looked_up;
mod names;
mod noted;
mod numbers_seen;
mod object_ddl;
mod origins;
mod output_schema;
mod parameters;
mod plan_costs;
mod planning;
mod prepared;
mod privileges;
mod returning;
mod role_statements;
mod row_numbers;
mod schemas;
mod sequence_ddl;
mod sequences;
mod temporary;
mod threads;
mod transaction;
mod transaction_statements;
mod user;
mod view_ddl;

pub use exported::FileBytes;
pub use origins::Origin;
pub use parameters::MOST_PARAMETERS;
pub use prepared::Prepared;

/// Length from which text is long to read, in bytes.
const LONG_TEXT: usize = 16 * 1024;

/// One connection's view of the database. Dropping it ends it.
pub struct EngineSession {
    pub(crate) engine: Arc<Engine>,
    context: SessionContext,
    pub(crate) scan_reports: Arc<ScanReports>,
    notices: Arc<Mutex<Vec<String>>>,
    running: RunningJob,
    queued: QueuedStatements,
    /// Also in the configuration of the context, where those who plan, read and write find it.
    transaction: Arc<CurrentTransaction>,
    names: Arc<names::Names>,
    /// The folders whose files statements may read, and none write; `None` where they may do with files what this process may.
    folders: Option<Arc<[PathBuf]>>,
    /// Whose session it is.
    acting: Acting,
    /// The numbers of sequences that it was given.
    given: Arc<Mutex<sequences::Given>>,
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
        /// The rows, read as they are asked for.
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
        Outcome::of_rows(batch.schema(), vec![batch])
    }

    /// Rows that are there already; clients know the columns by this schema.
    pub(crate) fn of_rows(schema: SchemaRef, rows: Vec<RecordBatch>) -> Self {
        let planned = rows.first().map_or_else(|| Arc::clone(&schema), RecordBatch::schema);
        let stream = RecordBatchStreamAdapter::new(planned, futures::stream::iter(rows.into_iter().map(Ok)));
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
    pub(crate) fn new(engine: &Arc<Engine>, runtime: Arc<RuntimeEnv>) -> Self {
        let scan_reports = Arc::new(ScanReports::default());
        let transaction = Arc::new(CurrentTransaction::default());
        let config = context::config(engine.config.target_partitions)
            .with_extension(Arc::clone(&scan_reports))
            .with_extension(Arc::clone(&transaction));
        let acting = Acting::default();
        let context = context_with(engine, config, runtime, &acting);
        let names: Arc<names::Names> = Arc::default();
        let own = temporary::TemporarySchema(Arc::clone(&names.temporaries));
        let catalog = context.catalog(context::CATALOG);
        if let Some(Err(error)) = catalog.map(|catalog| catalog.register_schema(temporary::TEMPORARY, Arc::new(own))) {
            tracing::error!(%error, "the schema of temporary tables could not be registered");
        }
        EngineSession {
            engine: Arc::clone(engine),
            context,
            scan_reports,
            notices: Arc::default(),
            running: RunningJob::default(),
            queued: QueuedStatements::default(),
            transaction,
            names,
            folders: None,
            acting,
            given: Arc::default(),
        }
    }

    /// From here on statements read no files of this machine but those in these folders, write none, and make no tables of
    /// files: what a client of a server may. `None` takes that back.
    pub fn limit_files(&mut self, folders: Option<Arc<[PathBuf]>>) {
        self.folders = folders;
    }

    /// The same session, for a job that may outlive the statement's future.
    fn shared(&self) -> EngineSession {
        EngineSession {
            engine: Arc::clone(&self.engine),
            context: self.context.clone(),
            scan_reports: Arc::clone(&self.scan_reports),
            notices: Arc::clone(&self.notices),
            running: self.running.clone(),
            queued: self.queued.clone(),
            transaction: Arc::clone(&self.transaction),
            names: Arc::clone(&self.names),
            folders: self.folders.clone(),
            acting: self.acting.clone(),
            given: Arc::clone(&self.given),
        }
    }

    /// Splits text into statements.
    ///
    /// # Errors
    /// [`crate::error::ErrorKind::Syntax`] with line and column.
    pub fn parse(&self, sql: &str) -> Result<Vec<Statement>> {
        Ok(crate::sql::parse(sql)?)
    }

    /// As [`EngineSession::parse`]; a long text is read on the threads of statements.
    ///
    /// # Errors
    /// As [`EngineSession::parse`].
    pub async fn parse_apart(&self, sql: &str) -> Result<Vec<Statement>> {
        if sql.len() <= LONG_TEXT {
            return self.parse(sql);
        }
        let sql = sql.to_owned();
        threads::run(self.threads(false), async move { Ok(crate::sql::parse(&sql)?) }).await
    }

    /// Plans a statement that may have parameters `$1 …`, to be executed any number of times. `hints` are the types a
    /// client declared; the planner's own inference goes first.
    ///
    /// # Errors
    /// Whatever planning finds: unknown tables and columns, types that do not fit.
    pub async fn prepare(&self, statement: &Statement, hints: &[Option<DataType>]) -> Result<Prepared> {
        let prepared = self.plan(statement, hints).await;
        prepared.inspect_err(|error| audited::note_refusal(self, statement, error))
    }

    async fn plan(&self, statement: &Statement, hints: &[Option<DataType>]) -> Result<Prepared> {
        let light = is_light(statement);
        let Some(threads) = self.threads(light) else { return Prepared::new(self, statement, hints, light).await };
        let (session, statement, hints) = (self.shared(), statement.clone(), hints.to_vec());
        let planning = async move { Prepared::new(&session, &statement, &hints, light).await };
        threads::run(Some(threads), planning).await
    }

    /// Executes a prepared statement. Parameters come in order, `$1` first.
    ///
    /// A statement that changes something runs as a job of its own. Dropping this future asks it to stop: it then leaves
    /// nothing, or is done as a whole. Who wants to know which asks [`EngineSession::running`] to stop and goes on waiting.
    ///
    /// # Errors
    /// What planning or starting finds; what fails later comes out of the stream. [`crate::ErrorKind::Cancelled`] when it was
    /// asked to stop in time.
    pub async fn execute(&self, prepared: &Prepared, params: Vec<ScalarValue>) -> Result<Outcome> {
        if let Some(done) = transaction_statements::run(self, &prepared.statement).await {
            return done;
        }
        let Some(name) = prepared.job_name() else {
            return self.execute_apart(prepared, params).await;
        };
        let (session, prepared) = (self.shared(), prepared.clone());
        let job = self.engine.supervisor.start(name, move |control| async move {
            let _turn = control.wait(session.turn_for(&prepared)).await?;
            prepared.execute(&session, params, &control).await
        });
        let _running = self.running.set(job.control());
        job.await
    }

    /// The threads of statements, where there are any: `None` too for a light statement, which is worked on at once.
    fn threads(&self, light: bool) -> Option<&Handle> {
        self.engine.config.threads.as_ref().filter(|_| !light)
    }

    /// Executes a statement that changes nothing.
    async fn execute_apart(&self, prepared: &Prepared, params: Vec<ScalarValue>) -> Result<Outcome> {
        if let Some(answered) = prepared.answer_at_once(self, &params) {
            return Ok(answered);
        }
        let turn = self.turn_for(prepared).await;
        let threads = self.threads(prepared.light);
        let outcome = match threads {
            None => prepared.execute(self, params, &Arc::default()).await?,
            Some(threads) => {
                let (session, prepared) = (self.shared(), prepared.clone());
                let starting = async move { prepared.execute(&session, params, &Arc::default()).await };
                threads::run(Some(threads), starting).await?
            }
        };
        Ok(match outcome {
            Outcome::Rows { schema, stream } => {
                Outcome::Rows { schema, stream: threads::stream(threads, stream, turn) }
            }
            command => command,
        })
    }

    /// Waits until the statement may read tables, where it does.
    async fn turn_for(&self, prepared: &Prepared) -> Turn {
        match prepared.reads_tables {
            true => self.engine.statements.enter(&self.queued).await,
            false => Turn::default(),
        }
    }

    /// Whether statements of this session wait until others have read their tables.
    pub fn queued(&self) -> &QueuedStatements {
        &self.queued
    }

    /// The job that the statement under way runs as, for those who may have to stop it.
    pub fn running(&self) -> &RunningJob {
        &self.running
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

    /// The time zone of this session: of times without one that it reads, and of those it shows. The caller knows that
    /// there is such a zone.
    pub fn set_time_zone(&self, zone: &str) {
        self.context.state_ref().write().config_mut().options_mut().execution.time_zone = Some(zone.to_owned());
    }

    /// True where that is the session's time zone.
    pub(crate) fn is_in_zone(&self, zone: Option<&str>) -> bool {
        self.context.state_ref().read().config_options().execution.time_zone.as_deref() == zone
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

impl Engine {
    /// A session: its own settings and its own `SessionContext`, over the shared database. One per connection.
    pub fn session(self: &Arc<Self>) -> EngineSession {
        EngineSession::new(self, Arc::clone(&self.runtime))
    }

    /// The session of a client: its statements have a share of the memory of all, and one of what this user's sessions have
    /// together ([`crate::EngineConfig::session_memory_bytes`], [`crate::EngineConfig::user_memory_bytes`]).
    pub fn session_of(self: &Arc<Self>, user: &str) -> EngineSession {
        let mut pool = Arc::clone(&self.runtime.memory_pool);
        if let Some(bytes) = self.config.user_memory_bytes {
            pool = self.user_shares.of(&pool, user, bytes);
        }
        let bytes = self.config.session_memory_bytes.unwrap_or(self.config.query_memory_bytes / 4 * 3);
        pool = MemoryShare::of(&pool, "this connection (session_memory_limit)".to_owned(), bytes);
        EngineSession::new(self, Arc::new(RuntimeEnv { memory_pool: pool, ..self.runtime.as_ref().clone() }))
    }

    /// A DataFusion context over this database, for embedding programs. Every statement it runs reads one snapshot.
    pub fn session_context(self: &Arc<Self>) -> SessionContext {
        context_with(
            self,
            context::config(self.config.target_partitions),
            Arc::clone(&self.runtime),
            &Acting::default(),
        )
    }

    /// Runs SQL (one statement or several) and gathers the rows of the last one.
    ///
    /// # Errors
    /// The first failing statement's error; statements before it stay done.
    pub async fn sql(self: &Arc<Self>, sql: &str) -> Result<Vec<RecordBatch>> {
        let session = self.session();
        let mut last = Vec::new();
        for statement in session.parse(sql)? {
            last = session.run_statement(&statement).await?.collect().await?;
        }
        Ok(last)
    }
}

/// A context with the tables and the system views.
fn context_with(
    engine: &Arc<Engine>,
    config: SessionConfig,
    runtime: Arc<RuntimeEnv>,
    acting: &Acting,
) -> SessionContext {
    let (context, catalog) = context::over_tables(engine, config, runtime, acting);
    if let Err(error) =
        catalog.register_schema("zxq", Arc::new(SystemSchema::new(Arc::downgrade(engine), acting.clone())))
    {
        tracing::error!(%error, "schema zxq could not be registered");
    }
    context
}

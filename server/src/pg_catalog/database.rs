//! The DuckDB that answers for the catalog.

use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::compute::concat_batches;
use duckdb::{Config, Connection, InterruptHandle};
use parking_lot::Mutex;

use super::detect::DEFINITIONS;
use super::{allowed, facts};
use crate::sqlstate;
use crate::wire::error::WireError;

/// Memory for all catalog queries together.
const MEMORY: &str = "256MB";

/// Most bytes of rows that one query gives.
const MOST_BYTES: usize = 64 << 20;

/// A DuckDB in memory that holds the catalog. It reaches no files and no network.
pub(super) struct CatalogDatabase {
    inner: Mutex<Inner>,
}

struct Inner {
    connection: Connection,
    /// Epoch of the facts.
    epoch: Option<u64>,
}

/// Stops a query that nobody waits for any more.
#[derive(Default)]
pub(super) struct Interrupt(Mutex<QueryState>);

#[derive(Default)]
enum QueryState {
    #[default]
    NotStarted,
    Running(Arc<InterruptHandle>),
    Stopped,
}

impl Interrupt {
    /// Stops the query, now or as soon as it starts.
    pub(super) fn stop(&self) {
        let mut state = self.0.lock();
        if let QueryState::Running(handle) = &*state {
            handle.interrupt();
        }
        *state = QueryState::Stopped;
    }

    /// Notes that the query starts; false when it was stopped before.
    fn start(&self, handle: Arc<InterruptHandle>) -> bool {
        let mut state = self.0.lock();
        if matches!(*state, QueryState::Stopped) {
            return false;
        }
        *state = QueryState::Running(handle);
        true
    }
}

impl CatalogDatabase {
    /// Opens it and defines the catalog.
    ///
    /// # Errors
    /// XX000: the definitions are part of the program.
    pub(super) fn open() -> Result<Self, WireError> {
        let connection = open().map_err(|error| internal(&error))?;
        Ok(CatalogDatabase { inner: Mutex::new(Inner { connection, epoch: None }) })
    }

    /// A connection whose facts are of this epoch. `facts` is called when they have to be written anew.
    fn connection(&self, epoch: u64, facts: impl FnOnce() -> String) -> Result<Connection, WireError> {
        let mut inner = self.inner.lock();
        if inner.epoch != Some(epoch) {
            inner.epoch = None;
            inner.connection.execute_batch(&format!("BEGIN;{}COMMIT;", facts())).map_err(|error| {
                // A transaction that failed half way; there may be none.
                let _ = inner.connection.execute_batch("ROLLBACK");
                internal(&error)
            })?;
            inner.epoch = Some(epoch);
        }
        inner.connection.try_clone().map_err(|error| internal(&error))
    }

    /// Runs a query, after the statements that set its variables.
    ///
    /// # Errors
    /// What DuckDB says about the query.
    pub(super) fn query(
        &self,
        epoch: u64,
        facts: impl FnOnce() -> String,
        variables: &str,
        sql: &str,
        interrupt: &Interrupt,
    ) -> Result<RecordBatch, WireError> {
        let connection = self.connection(epoch, facts)?;
        connection.execute_batch(variables).map_err(|error| internal(&error))?;
        if !interrupt.start(connection.interrupt_handle()) {
            return Err(WireError::new(sqlstate::QUERY_CANCELED, "canceling statement due to user request"));
        }
        let rows = read(&connection, sql);
        if let Err(Fault::Fatal(_)) = &rows {
            self.reopen()?;
        }
        rows.map_err(Fault::into_error)
    }

    /// Begins anew, after an error that DuckDB does not get over.
    fn reopen(&self) -> Result<(), WireError> {
        let mut inner = self.inner.lock();
        *inner = Inner { connection: open().map_err(|error| internal(&error))?, epoch: None };
        Ok(())
    }
}

/// What went wrong with a query.
enum Fault {
    /// The query alone.
    Query(WireError),
    /// The whole database, for good.
    Fatal(WireError),
}

impl Fault {
    fn of(error: &duckdb::Error) -> Self {
        let text = error.to_string();
        let fatal = text.starts_with("FATAL") || text.contains("database has been invalidated");
        let error = failed(error);
        if fatal { Fault::Fatal(error) } else { Fault::Query(error) }
    }

    fn into_error(self) -> WireError {
        match self {
            Fault::Query(error) | Fault::Fatal(error) => error,
        }
    }
}

/// Runs a query that may be run, and gathers its rows, as many as a client has a use for.
fn read(connection: &Connection, sql: &str) -> Result<RecordBatch, Fault> {
    allowed::check(connection, sql).map_err(Fault::Query)?;
    let mut statement = connection.prepare(sql).map_err(|error| Fault::of(&error))?;
    // Started only: its iterator would panic where a step fails.
    statement.stream_arrow([]).map(drop).map_err(|error| Fault::of(&error))?;
    let schema = statement.schema();
    let (mut batches, mut bytes) = (Vec::new(), 0);
    while let Some(rows) = statement.step().map_err(|error| Fault::of(&error))? {
        let batch = RecordBatch::from(&rows);
        bytes += batch.get_array_memory_size();
        if bytes > MOST_BYTES {
            let message = format!("a query of the catalog gives at most {} MiB of rows", MOST_BYTES >> 20);
            return Err(Fault::Query(WireError::too_many(message)));
        }
        batches.push(batch);
    }
    concat_batches(&schema, &batches).map_err(|error| Fault::Query(error.into()))
}

fn open() -> duckdb::Result<Connection> {
    let config = Config::default()
        .threads(1)?
        .max_memory(MEMORY)?
        .enable_external_access(false)?
        // The quotient of two integers is one, as in PostgreSQL.
        .with("integer_division", "true")?
        .enable_autoload_extension(false)?;
    let connection = Connection::open_in_memory_with_flags(config)?;
    for definitions in DEFINITIONS {
        connection.execute_batch(definitions)?;
    }
    connection.execute_batch(&facts::fixed())?;
    // Queries of clients cannot change what was set here.
    connection.execute_batch("SET lock_configuration = true")?;
    Ok(connection)
}

fn internal(error: &duckdb::Error) -> WireError {
    WireError::internal(format!("the catalog could not be read: {error}"))
}

/// What DuckDB says about a query, with the SQLSTATE PostgreSQL would give.
fn failed(error: &duckdb::Error) -> WireError {
    let full = error.to_string();
    // The first line says it; the rest quotes the rewritten statement.
    let text = full.lines().next().unwrap_or_default();
    let (kind, message) = text.split_once(" Error: ").unwrap_or(("", text));
    if let Some(column) = missing_column(message) {
        let message = format!("column {column} does not exist");
        return WireError::new(sqlstate::of(zxq_engine::ErrorKind::UndefinedColumn), message);
    }
    let is_missing = message.contains("does not exist");
    let code = if message.starts_with("permission denied") {
        sqlstate::INSUFFICIENT_PRIVILEGE
    } else if message.starts_with("unrecognized privilege type") {
        sqlstate::INVALID_PARAMETER_VALUE
    } else if message.starts_with("relation ") && is_missing || message.starts_with("Table with name") {
        sqlstate::of(zxq_engine::ErrorKind::UndefinedTable)
    } else if message.starts_with("unrecognized configuration parameter")
        || message.starts_with("type ") && is_missing
        || message.starts_with("schema ") && is_missing
        || message.starts_with("role ") && is_missing
    {
        sqlstate::UNDEFINED_OBJECT
    } else if message.contains("Function with name") {
        sqlstate::of(zxq_engine::ErrorKind::UndefinedFunction)
    } else {
        match kind {
            "Parser" => sqlstate::SYNTAX_ERROR,
            "INTERRUPT" => sqlstate::QUERY_CANCELED,
            "Conversion" => sqlstate::INVALID_TEXT_REPRESENTATION,
            "Binder" => sqlstate::of(zxq_engine::ErrorKind::DatatypeMismatch),
            _ => sqlstate::FEATURE_NOT_SUPPORTED,
        }
    };
    WireError::new(code, message.to_owned())
}

/// The column that there is not, as PostgreSQL writes it: `c.relhasoids`, `"relhasoids"`.
fn missing_column(message: &str) -> Option<String> {
    let quoted: Vec<&str> = message.split('"').skip(1).step_by(2).collect();
    match quoted.as_slice() {
        [table, column, ..] if message.contains("does not have a column named") => Some(format!("{table}.{column}")),
        [column, ..] if message.starts_with("Referenced column") => Some(format!("\"{column}\"")),
        _ => None,
    }
}

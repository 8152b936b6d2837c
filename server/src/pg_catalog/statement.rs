//! One statement about the catalog, from its text to its rows.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, ListArray, RecordBatch};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::scalar::ScalarValue;
use parking_lot::Mutex;
use pgwire::api::Type;
use tokio::sync::OnceCell;
use zxq_engine::catalog::{TableDef, TableId};
use zxq_engine::functions::version_text;
use zxq_engine::roles::RoleId;
use zxq_engine::sql::quoted_text;
use zxq_engine::{CATALOG, Engine, EngineSession, MOST_PARAMETERS, Origin};

use super::database::{CatalogDatabase, Interrupt};
use super::effects::{self, Effect};
use super::facts::{self, SystemView};
use super::names::postgres_name;
use super::rewrite::Rewriter;
use super::{detect, scan};
use crate::sqlstate;
use crate::wire::error::WireError;
use crate::wire::lexer::TokenKind;
use crate::wire::types::{self, Column, PG_TYPE_KEY};

/// Schema of the engine's own views.
const SYSTEM_SCHEMA: &str = "zxq";

/// Who asks: what `current_user`, `current_setting` and the like answer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Identity {
    /// User name: as whom it acts.
    pub(crate) user: String,
    /// Whose session it is.
    pub(crate) session_user: String,
    /// OID of the user's role; 10 where nobody logged in.
    pub(crate) role: RoleId,
    /// May do everything.
    pub(crate) superuser: bool,
    /// May know of every table.
    pub(crate) sees_all: bool,
    /// Database name.
    pub(crate) database: String,
    /// Process id.
    pub(crate) pid: i32,
    /// Settings with their values, those that differ from the defaults.
    pub(crate) settings: Vec<(String, String)>,
    /// Of those that are measured the numbers, without units.
    pub(crate) numbers: Vec<(String, String)>,
    /// The schemas that names are looked up in.
    pub(crate) schemas: Vec<String>,
    /// The session's own tables and views.
    pub(crate) temporaries: Vec<Arc<TableDef>>,
    /// Cursors, each as a struct in DuckDB's SQL.
    pub(crate) cursors: Vec<String>,
    /// Prepared statements, likewise.
    pub(crate) statements: Vec<String>,
    /// All sessions, likewise.
    pub(crate) activity: Vec<String>,
}

/// Answers statements about the catalog, for all connections of a server.
pub(crate) struct Introspection {
    engine: Arc<Engine>,
    port: u16,
    /// Seconds since the Unix epoch when the server started.
    started: i64,
    database: OnceCell<Arc<CatalogDatabase>>,
    views: OnceCell<Arc<Vec<SystemView>>>,
    /// The OIDs of the tables that there were when somebody last asked.
    table_oids: Mutex<BTreeMap<TableId, u32>>,
}

/// A statement about the catalog, ready to run.
#[derive(Debug)]
pub(crate) struct CatalogStatement {
    text: String,
    parameters: Vec<u32>,
    columns: Vec<Column>,
    /// The rows that planning found, and what they depend on: a statement that runs at once need not run again.
    found: Mutex<Option<(Basis, RecordBatch)>>,
}

/// What the rows of a statement depend on.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Basis {
    epoch: u64,
    variables: String,
    sql: String,
}

impl CatalogStatement {
    /// The columns that it returns, as clients are told.
    pub(crate) fn columns(&self) -> Vec<Column> {
        self.columns.clone()
    }

    /// Its text.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// OIDs of its parameters.
    pub(crate) fn parameter_oids(&self) -> &[u32] {
        &self.parameters
    }

    /// What it does besides answering.
    ///
    /// # Errors
    /// 0A000 when that cannot be told.
    pub(crate) fn effects(&self, parameters: &[ScalarValue]) -> Result<Vec<Effect>, WireError> {
        let tokens = scan::scan(&self.text)?;
        let literals: Vec<String> = parameters.iter().map(literal).collect();
        let rewriter = Rewriter::new(&self.text, &tokens, &literals);
        Ok(effects::find(&tokens, rewriter.pieces())?.into_iter().map(|call| call.effect).collect())
    }
}

/// Stops the query when the statement is dropped before its end.
struct StopOnDrop(Arc<Interrupt>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.stop();
    }
}

impl Introspection {
    /// An introspection of the engine, for a server on this port.
    pub(crate) fn new(engine: Arc<Engine>, port: u16) -> Self {
        let started = engine.config().clock.now_us() / 1_000_000;
        let table_oids = Mutex::default();
        Introspection { engine, port, started, database: OnceCell::new(), views: OnceCell::new(), table_oids }
    }

    /// The OIDs of the tables that these columns are of, each with its number there; zeros for others.
    pub(crate) fn origins(&self, origins: &[Option<Origin>]) -> Vec<(u32, i16)> {
        if origins.iter().all(Option::is_none) {
            return vec![(0, 0); origins.len()];
        }
        let snapshot = self.engine.snapshot();
        let mut known = self.table_oids.lock();
        if !known.keys().eq(snapshot.tables.keys()) {
            *known = snapshot.tables.keys().copied().zip(facts::table_oids(snapshot.tables.keys())).collect();
        }
        let place = |origin: &Origin| known.get(&origin.table).map(|oid| (*oid, origin.column));
        origins.iter().map(|origin| origin.as_ref().and_then(place).unwrap_or((0, 0))).collect()
    }

    /// Plans a statement; `None` when it is not about the catalog. `oids` are the parameter types the client declared.
    ///
    /// # Errors
    /// What is wrong with a statement that is about the catalog.
    pub(crate) async fn plan(
        &self,
        session: &EngineSession,
        identity: impl FnOnce() -> Identity,
        text: &str,
        oids: &[u32],
    ) -> Result<Option<CatalogStatement>, WireError> {
        if !detect::may_be_catalog(text) {
            return Ok(None);
        }
        let tokens = scan::scan(text)?;
        if !detect::is_catalog(&tokens) {
            return Ok(None);
        }
        let parameters = parameter_oids(&tokens, oids)?;
        let nulls = vec![ScalarValue::Null; parameters.len()];
        let (basis, rows) = self.query(session, &identity(), text, &nulls, &[]).await?;
        let columns = types::columns(rows.schema_ref());
        let found = Mutex::new(parameters.is_empty().then_some((basis, rows)));
        Ok(Some(CatalogStatement { text: text.to_owned(), parameters, columns, found }))
    }

    /// Runs a statement. `results` are what its calls with an effect have given, where that was not known before.
    ///
    /// # Errors
    /// What the query says.
    pub(crate) async fn run(
        &self,
        session: &EngineSession,
        identity: &Identity,
        statement: &CatalogStatement,
        parameters: &[ScalarValue],
        results: &[Option<String>],
    ) -> Result<RecordBatch, WireError> {
        let found = statement.found.lock().take();
        if let Some((basis, rows)) = found
            && results.is_empty()
            && basis.epoch == self.engine.snapshot().epoch
            && basis.variables == self.variables(identity)
        {
            return Ok(rows);
        }
        let (_, rows) = self.query(session, identity, &statement.text, parameters, results).await?;
        Ok(rows)
    }

    async fn query(
        &self,
        session: &EngineSession,
        identity: &Identity,
        text: &str,
        parameters: &[ScalarValue],
        results: &[Option<String>],
    ) -> Result<(Basis, RecordBatch), WireError> {
        let sql = {
            let tokens = scan::scan(text)?;
            let literals: Vec<String> = parameters.iter().map(literal).collect();
            let rewriter = Rewriter::new(text, &tokens, &literals);
            // With NULL for every parameter there is nothing to do yet, and nothing to find out about it.
            let is_known = parameters.iter().all(|value| !value.is_null());
            let mut calls = if is_known { effects::find(&tokens, rewriter.pieces())? } else { Vec::new() };
            for (call, result) in calls.iter_mut().zip(results) {
                if let Some(result) = result {
                    call.result.clone_from(result);
                }
            }
            rewriter.rewrite(&calls)?
        };
        let database = self.database.get_or_try_init(open).await?;
        let views = self.views.get_or_try_init(|| system_views(session)).await?;
        let (database, views) = (Arc::clone(database), Arc::clone(views));
        let snapshot = self.engine.snapshot();
        let basis = Basis { epoch: snapshot.epoch, variables: self.variables(identity), sql };
        let interrupt = Arc::new(Interrupt::default());
        let _stop = StopOnDrop(Arc::clone(&interrupt));
        let question = basis.clone();
        let rows = blocking(move || {
            let facts = || facts::current(&snapshot, &views);
            database.query(question.epoch, facts, &question.variables, &question.sql, &interrupt)
        })
        .await?;
        Ok((basis, for_client(&rows)?))
    }

    fn variables(&self, identity: &Identity) -> String {
        variables(identity, self.port, self.started)
    }
}

/// The statements that set what belongs to one session.
pub(super) fn variables(identity: &Identity, port: u16, started: i64) -> String {
    let text = quoted_text;
    let map = |pairs: &[(String, String)]| {
        let pairs: Vec<String> =
            pairs.iter().map(|(name, value)| format!("{}: {}", text(&name.to_lowercase()), text(value))).collect();
        format!("MAP {{{}}}", pairs.join(", "))
    };
    let (relations, columns) = facts::of_session(&identity.temporaries);
    let schemas: Vec<String> = identity.schemas.iter().map(|schema| text(schema)).collect();
    format!(
        "SET VARIABLE zxq_version = {}; SET VARIABLE zxq_user = {}; SET VARIABLE zxq_session_user = {}; \
         SET VARIABLE zxq_role = {}; SET VARIABLE zxq_superuser = {}; SET VARIABLE zxq_sees_all = {}; \
         SET VARIABLE zxq_database = {}; SET VARIABLE zxq_pid = {}; \
         SET VARIABLE zxq_port = {port}; SET VARIABLE zxq_started = make_timestamp({}); SET VARIABLE zxq_settings = {}; \
         SET VARIABLE zxq_numbers = {}; SET VARIABLE zxq_path = [{}]; SET VARIABLE zxq_cursors = [{}]; \
         SET VARIABLE zxq_statements = [{}]; SET VARIABLE zxq_activity = [{}]; SET VARIABLE zxq_relations = [{}]; \
         SET VARIABLE zxq_columns = [{}];",
        text(&version_text()),
        text(&identity.user),
        text(&identity.session_user),
        identity.role,
        identity.superuser,
        identity.sees_all,
        text(&identity.database),
        identity.pid,
        started.saturating_mul(1_000_000),
        map(&identity.settings),
        map(&identity.numbers),
        schemas.join(", "),
        identity.cursors.join(", "),
        identity.statements.join(", "),
        identity.activity.join(", "),
        relations.join(", "),
        columns.join(", "),
    )
}

async fn open() -> Result<Arc<CatalogDatabase>, WireError> {
    blocking(|| CatalogDatabase::open().map(Arc::new)).await
}

/// Runs work that blocks on a thread where it may.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, WireError> + Send + 'static,
) -> Result<T, WireError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| WireError::internal(format!("reading the catalog stopped: {error}")))?
}

/// The engine's own views with their columns: they are the same for all sessions.
async fn system_views(session: &EngineSession) -> Result<Arc<Vec<SystemView>>, WireError> {
    let schema = session.context().catalog(CATALOG).and_then(|catalog| catalog.schema(SYSTEM_SCHEMA));
    let mut views = Vec::new();
    if let Some(schema) = schema {
        let mut names = schema.table_names();
        names.sort();
        for name in names {
            if let Some(table) = schema.table(&name).await? {
                views.push(SystemView { name, schema: table.schema() });
            }
        }
    }
    Ok(Arc::new(views))
}

/// A parameter as SQL.
fn literal(value: &ScalarValue) -> String {
    if value.is_null() {
        return "NULL".to_owned();
    }
    match value {
        ScalarValue::Boolean(_)
        | ScalarValue::Int16(_)
        | ScalarValue::Int32(_)
        | ScalarValue::Int64(_)
        | ScalarValue::Float32(_)
        | ScalarValue::Float64(_) => value.to_string(),
        ScalarValue::List(list) => {
            let elements: Vec<String> = (0..list.value(0).len())
                .map(|at| ScalarValue::try_from_array(&list.value(0), at).map_or("NULL".to_owned(), |v| literal(&v)))
                .collect();
            format!("[{}]", elements.join(", "))
        }
        ScalarValue::Utf8(Some(text)) | ScalarValue::Utf8View(Some(text)) | ScalarValue::LargeUtf8(Some(text)) => {
            quoted_text(text)
        }
        other => quoted_text(&other.to_string()),
    }
}

/// OIDs of the parameters a statement has: what the client declared, else `text`, or `oid` where one is compared.
///
/// # Errors
/// 42P02 for a number that no parameter can have.
fn parameter_oids(tokens: &[scan::Scanned<'_>], declared: &[u32]) -> Result<Vec<u32>, WireError> {
    let mut oids = declared.to_vec();
    for (at, token) in tokens.iter().enumerate().map(|(at, scanned)| (at, scanned.token)) {
        if token.kind != TokenKind::Parameter {
            continue;
        }
        let number = token.raw[1..].parse::<usize>().ok().filter(|number| (1..=MOST_PARAMETERS).contains(number));
        let Some(number) = number else {
            let message = format!("there is no parameter {}", token.raw);
            return Err(WireError::new(sqlstate::UNDEFINED_PARAMETER, message).at(token.start));
        };
        if oids.len() < number {
            oids.resize(number, 0);
        }
        if oids[number - 1] == 0 {
            oids[number - 1] = guess(tokens, at).oid();
        }
    }
    for oid in &mut oids {
        if *oid == 0 {
            *oid = Type::TEXT.oid();
        }
    }
    Ok(oids)
}

fn guess(tokens: &[scan::Scanned<'_>], at: usize) -> Type {
    let token = |at: Option<usize>| at.and_then(|at| tokens.get(at)).map(|scanned| scanned.token);
    if token(Some(at + 1)).is_some_and(|next| next.is_symbol(":")) {
        let mut name = at + 3;
        if token(Some(name)).is_some_and(|t| t.is("pg_catalog")) {
            name += 2;
        }
        let is_array = token(Some(name + 1)).is_some_and(|next| next.is_symbol("["));
        let found = token(Some(name)).map(|t| t.value().into_owned()).unwrap_or_default();
        return match (found.as_str(), is_array) {
            ("oid", false) => Type::OID,
            ("oid", true) => Type::OID_ARRAY,
            ("int" | "int4" | "integer", false) => Type::INT4,
            ("int8" | "bigint", false) => Type::INT8,
            ("bool" | "boolean", false) => Type::BOOL,
            (_, true) => Type::TEXT_ARRAY,
            _ => Type::TEXT,
        };
    }
    let before = token(at.checked_sub(1));
    let column = token(at.checked_sub(2)).map(|t| t.value().into_owned()).unwrap_or_default();
    let is_oid = column == "oid" || column.ends_with("relid") || column.ends_with("namespace");
    if before.is_some_and(|t| t.is_symbol("=")) && is_oid { Type::OID } else { Type::TEXT }
}

/// The rows with PostgreSQL's names, and with `oid` where DuckDB says UINTEGER, also in arrays: clients that meet an array of
/// another type than they expect ask what that is, with this very query.
fn for_client(rows: &RecordBatch) -> Result<RecordBatch, WireError> {
    let (fields, columns): (Vec<Field>, Vec<ArrayRef>) = rows
        .schema()
        .fields()
        .iter()
        .zip(rows.columns())
        .map(|(field, column)| {
            let named = field.as_ref().clone().with_name(postgres_name(field.name()));
            match (field.data_type(), column.as_list_opt::<i32>()) {
                (DataType::UInt32, _) => (as_oid(named), Arc::clone(column)),
                (DataType::List(item), Some(lists)) if *item.data_type() == DataType::UInt32 => {
                    let (_, offsets, values, nulls) = lists.clone().into_parts();
                    let item = Arc::new(as_oid(item.as_ref().clone()));
                    let named = named.with_data_type(DataType::List(Arc::clone(&item)));
                    (named, Arc::new(ListArray::new(item, offsets, values, nulls)) as ArrayRef)
                }
                _ => (named, Arc::clone(column)),
            }
        })
        .unzip();
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
}

fn as_oid(field: Field) -> Field {
    field.with_metadata([(PG_TYPE_KEY.to_owned(), "oid".to_owned())].into())
}

//! One statement about the catalog, from its text to its rows.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, ListArray, RecordBatch};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::scalar::ScalarValue;
use parking_lot::Mutex;
use tokio::sync::OnceCell;
use zxq_engine::catalog::{TableDef, TableId};
use zxq_engine::functions::version_text;
use zxq_engine::roles::RoleId;
use zxq_engine::sql::output_names::{lay_over, output_names};
use zxq_engine::sql::quoted_text;
use zxq_engine::{CATALOG, Engine, EngineSession, Origin};

use super::database::{CatalogDatabase, Interrupt};
use super::effects::{self, Effect};
use super::facts::{self, SystemView};
use super::names::postgres_name;
use super::parameters::parameter_oids;
use super::rewrite::Rewriter;
use super::{allowed, detect, scan};
use crate::wire::error::WireError;
use crate::wire::long_work::beside_others;
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

    /// The statement as the client wrote it.
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

/// What a statement does for each of its rows.
#[derive(Debug, Default)]
pub(crate) struct ForRows {
    /// In the order in which it is done.
    pub(crate) effects: Vec<Effect>,
    /// The statement's rows, as they were before.
    pub(crate) rows: Option<RecordBatch>,
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
        let about_the_catalog = beside_others(text.len(), || {
            let may_be = detect::may_be_catalog(text).then(|| scan::scan(text)).transpose()?;
            Ok::<_, WireError>(may_be.filter(|tokens| detect::is_catalog(tokens)))
        });
        let Some(tokens) = about_the_catalog? else { return Ok(None) };
        allowed::check_length(text)?;
        let parameters = parameter_oids(&tokens, oids)?;
        let nulls = vec![ScalarValue::Null; parameters.len()];
        let (basis, rows) = self.query(session, &identity(), text, &nulls, &[]).await?;
        let mut columns = types::columns(rows.schema_ref());
        name_as_postgres(&mut columns, text);
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

    /// What a statement does for each of its rows; with the rows, where there is something to do.
    ///
    /// # Errors
    /// What the query says.
    pub(crate) async fn for_rows(
        &self,
        session: &EngineSession,
        identity: &Identity,
        statement: &CatalogStatement,
        parameters: &[ScalarValue],
    ) -> Result<ForRows, WireError> {
        let question = {
            let tokens = scan::scan(&statement.text)?;
            let calls = effects::computed(&tokens)?;
            if calls.is_empty() {
                return Ok(ForRows::default());
            }
            effects::question(&statement.text, &tokens, &calls)
        };
        let (_, answer) = self.query(session, identity, &question, parameters, &[]).await?;
        let (_, rows) = self.query(session, identity, &statement.text, parameters, &[]).await?;
        let columns: Vec<ArrayRef> =
            answer.columns().iter().map(|column| cast(column, &DataType::Utf8)).collect::<Result<_, _>>()?;
        let value = |column: usize, row: usize| {
            let texts = columns.get(column)?.as_string_opt::<i32>()?;
            texts.is_valid(row).then(|| texts.value(row))
        };
        let mut effects = Vec::new();
        for row in 0..answer.num_rows() {
            for first in (0..columns.len()).step_by(3) {
                effects.push(effects::computed_set(value(first, row), value(first + 1, row), value(first + 2, row))?);
            }
        }
        Ok(ForRows { effects, rows: Some(rows) })
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

/// Gives the columns the names that PostgreSQL gives them, which DuckDB does not; they stay where the statement is read by DuckDB alone.
fn name_as_postgres(columns: &mut [Column], text: &str) {
    let Ok(statements) = zxq_engine::sql::parse(text) else { return };
    let [statement] = statements.as_slice() else { return };
    let planned: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
    let names = output_names(statement.parsed()).and_then(|names| lay_over(&names, &planned));
    for (column, name) in columns.iter_mut().zip(names.into_iter().flatten()) {
        column.name = name;
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
        other => match other.cast_to(&DataType::Utf8) {
            Ok(ScalarValue::Utf8(Some(text))) => quoted_text(&text),
            _ => quoted_text(&other.to_string()),
        },
    }
}

/// Columns of numbers that PostgreSQL writes without brackets.
const VECTORS: [(&str, &str); 8] = [
    ("indkey", "int2vector"),
    ("indoption", "int2vector"),
    ("tgattr", "int2vector"),
    ("stxkeys", "int2vector"),
    ("partattrs", "int2vector"),
    ("indclass", "oidvector"),
    ("indcollation", "oidvector"),
    ("proargtypes", "oidvector"),
];

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
            let vector = VECTORS.iter().find(|(name, _)| name == field.name() && field.data_type().is_list());
            if let Some((_, declared)) = vector {
                return (as_type(named, declared), Arc::clone(column));
            }
            match (field.data_type(), column.as_list_opt::<i32>()) {
                (DataType::UInt32, _) => (as_type(named, "oid"), Arc::clone(column)),
                (DataType::List(item), Some(lists)) if *item.data_type() == DataType::UInt32 => {
                    let (_, offsets, values, nulls) = lists.clone().into_parts();
                    let item = Arc::new(as_type(item.as_ref().clone(), "oid"));
                    let named = named.with_data_type(DataType::List(Arc::clone(&item)));
                    (named, Arc::new(ListArray::new(item, offsets, values, nulls)) as ArrayRef)
                }
                _ => (named, Arc::clone(column)),
            }
        })
        .unzip();
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
}

fn as_type(field: Field, declared: &str) -> Field {
    field.with_metadata([(PG_TYPE_KEY.to_owned(), declared.to_owned())].into())
}

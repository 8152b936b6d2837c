//! Starts one planned statement. What it gives goes to the client by [`super::answer`].

use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::scalar::ScalarValue;
use futures::TryStreamExt;
use pgwire::messages::response::TransactionStatus;
use zxq_engine::Outcome;
use zxq_engine::sql::quoted;

use super::copy::from_stdin::CopyIn;
use super::copy::options::{CopyCommand, CopyOptions};
use super::cursor::{CursorRows, Movement, Scroll};
use super::decode;
use super::error::WireError;
use super::plan::{Planned, RowTag, Runner};
use super::portal::{Declared, Portal, PortalState};
use super::session::Session;
use super::session_zone::in_zone;
use super::type_names::type_named;
use super::types::{self, Column};
use super::utility::{DISCARD_ALL, Declare, SESSION_AUTHORIZATION, Utility};
use crate::pg_catalog::Effect;
use crate::sqlstate;

/// What a statement gives, before any of it is sent.
pub(crate) enum Reply {
    /// Nothing: the text was empty.
    Empty,
    /// A command tag.
    Command(String),
    /// Rows.
    Rows { columns: Vec<Column>, stream: SendableRecordBatchStream, tag: RowTag },
    /// Rows of a cursor.
    Fetch { name: String, movement: Movement, skip: bool },
    /// Data from the client.
    CopyIn(CopyIn),
    /// Data for the client.
    CopyOut { columns: Vec<Column>, stream: SendableRecordBatchStream, options: CopyOptions },
}

impl Session {
    /// Refuses statements in a failed transaction block, but for those that end it.
    ///
    /// # Errors
    /// 25P02.
    pub(crate) fn check_block(&self, work: &Runner) -> Result<(), WireError> {
        let accepted = match work {
            Runner::Empty => true,
            Runner::Utility(utility) => utility.ends_failed_block(),
            Runner::Engine(_) | Runner::Catalog(_) => false,
        };
        if accepted { Ok(()) } else { self.check_failed() }
    }

    /// Refuses anything in a failed transaction block.
    ///
    /// # Errors
    /// 25P02.
    pub(crate) fn check_failed(&self) -> Result<(), WireError> {
        if self.status != TransactionStatus::Error {
            return Ok(());
        }
        Err(WireError::new(
            sqlstate::IN_FAILED_SQL_TRANSACTION,
            "current transaction is aborted, commands ignored until end of transaction block",
        ))
    }

    /// Starts a statement.
    ///
    /// # Errors
    /// What planning, starting, or the connection itself finds wrong.
    pub(crate) async fn start(&mut self, planned: &Planned, parameters: Vec<ScalarValue>) -> Result<Reply, WireError> {
        self.check_block(&planned.work)?;
        if planned.changes() {
            self.check_may_change(&planned.words())?;
        }
        self.prepare_transaction(planned)?;
        if matches!(planned.work, Runner::Engine(_) | Runner::Catalog(_)) && planned.columns.is_some() {
            self.engine.take_snapshot();
        }
        match &planned.work {
            Runner::Empty => Ok(Reply::Empty),
            Runner::Engine(prepared) => match self.engine.execute(prepared, parameters).await? {
                Outcome::Rows { schema, stream } => {
                    let columns = planned.columns.clone().unwrap_or_else(|| types::columns(&schema));
                    let stream = in_zone(stream, self.settings.value("TimeZone"));
                    Ok(Reply::Rows { columns, stream, tag: planned.tag })
                }
                Outcome::Command { tag } => Ok(Reply::Command(tag)),
            },
            Runner::Catalog(statement) => {
                let mut results = Vec::new();
                for effect in statement.effects(&parameters)? {
                    results.push(self.take_effect(effect).await?);
                }
                let identity = self.identity(statement.text());
                let done = self.catalog.for_rows(&self.engine, &identity, statement, &parameters).await?;
                for effect in done.effects {
                    self.take_effect(effect).await?;
                }
                let rows = match done.rows {
                    Some(rows) => rows,
                    None => self.catalog.run(&self.engine, &identity, statement, &parameters, &results).await?,
                };
                Ok(Reply::Rows { columns: statement.columns(), stream: one_batch(rows), tag: planned.tag })
            }
            Runner::Utility(Utility::Declare(declare)) => {
                self.declare(declare, planned, parameters).await?;
                Ok(Reply::Command("DECLARE CURSOR".to_owned()))
            }
            Runner::Utility(utility) => self.start_utility(utility).await,
        }
    }

    /// What a function of the catalog does: `set_config` and its like.
    ///
    /// Returns what the function gives, as SQL, where only now it is known.
    async fn take_effect(&mut self, effect: Effect) -> Result<Option<String>, WireError> {
        match effect {
            Effect::Set { name, value, local } => self.set(&name, value.as_deref(), local).await?,
            Effect::Notify { channel, payload } => self.notify(&channel, &payload)?,
            Effect::Lock(lock) => return self.advisory(lock).await.map(Some),
            Effect::Cancel(pid) => {
                self.check_may_signal(pid, "query is being canceled")?;
                if !self.seat.connections().cancel(pid) {
                    self.notice(no_such_process(pid));
                }
            }
            Effect::Terminate(pid) => {
                self.check_may_signal(pid, "process is being terminated")?;
                if !self.seat.connections().terminate(pid) {
                    self.notice(no_such_process(pid));
                }
            }
        }
        Ok(None)
    }

    /// Refuses names of tables that there are not.
    fn check_tables(&self, tables: &[Vec<String>]) -> Result<(), WireError> {
        tables.iter().try_for_each(|name| Ok(self.engine.check_relation(name)?))
    }

    async fn start_utility(&mut self, utility: &Utility) -> Result<Reply, WireError> {
        let tag = match utility {
            Utility::Begin { modes, tag } => {
                self.begin(*modes)?;
                tag
            }
            Utility::Commit { chain } => self.end(true, *chain).await?,
            Utility::Rollback { chain } => self.end(false, *chain).await?,
            Utility::Savepoint(name) => {
                self.savepoint(name)?;
                "SAVEPOINT"
            }
            Utility::Release(name) => {
                self.end_savepoint(name, false).await?;
                "RELEASE"
            }
            Utility::RollbackTo(name) => {
                self.end_savepoint(name, true).await?;
                "ROLLBACK"
            }
            Utility::Set { name, value, local } => {
                self.set(name, value.as_deref(), *local).await?;
                "SET"
            }
            Utility::SetTransaction { modes, session } => {
                self.set_modes(*modes, *session)?;
                "SET"
            }
            Utility::Show(name) => {
                let rows = self.show(name)?;
                let columns = types::columns(rows.schema_ref());
                return Ok(Reply::Rows { columns, stream: one_batch(rows), tag: RowTag::Word("SHOW") });
            }
            Utility::Reset(name) => {
                self.reset(name).await?;
                "RESET"
            }
            Utility::Discard(tag) => {
                match *tag {
                    DISCARD_ALL => self.discard_all().await?,
                    "DISCARD TEMP" => self.engine.discard_temporaries(),
                    _ => {}
                }
                tag
            }
            Utility::Deallocate(Some(name)) => {
                self.statement(name)?;
                self.forget_statement(name);
                "DEALLOCATE"
            }
            Utility::Deallocate(None) => {
                self.forget_statements();
                "DEALLOCATE ALL"
            }
            Utility::Prepare { name, types, statement } => {
                let oids = types.iter().map(|name| type_oid(name)).collect::<Result<Vec<_>, _>>()?;
                let planned = Planned::new(self, statement, &oids).await?;
                planned.can_be_prepared()?;
                self.keep_statement(name.clone(), Arc::new(planned))?;
                "PREPARE"
            }
            Utility::Execute { name, values } => return self.execute_named(name, values).await,
            Utility::Declare(_) => return Err(WireError::internal("a cursor without its query")),
            Utility::Fetch { name, movement, skip } => {
                self.portal(name)?;
                return Ok(Reply::Fetch { name: name.clone(), movement: *movement, skip: *skip });
            }
            Utility::Close(Some(name)) => {
                self.portal(name)?;
                self.close_portal(name);
                "CLOSE CURSOR"
            }
            Utility::Close(None) => {
                self.close_portals();
                "CLOSE CURSOR ALL"
            }
            Utility::Listen(channel) => {
                self.listen(channel)?;
                "LISTEN"
            }
            Utility::Unlisten(channel) => {
                self.unlisten(channel.as_deref());
                "UNLISTEN"
            }
            Utility::Notify { channel, payload } => {
                self.notify(channel, payload)?;
                "NOTIFY"
            }
            Utility::Lock(tables) => {
                if !self.in_block() {
                    let message = "LOCK TABLE can only be used in transaction blocks";
                    return Err(WireError::new(sqlstate::NO_ACTIVE_SQL_TRANSACTION, message));
                }
                self.check_tables(tables)?;
                "LOCK TABLE"
            }
            Utility::Housekeeping { tag, tables } => {
                if *tag == "VACUUM" && self.in_block() {
                    let message = "VACUUM cannot run inside a transaction block";
                    return Err(WireError::new(sqlstate::ACTIVE_SQL_TRANSACTION, message));
                }
                self.check_tables(tables)?;
                tag
            }
            Utility::Copy(copy) => return self.start_copy(copy).await,
        };
        Ok(Reply::Command(tag.to_owned()))
    }

    async fn start_copy(&mut self, copy: &CopyCommand) -> Result<Reply, WireError> {
        match copy {
            CopyCommand::In { table, columns, options } => {
                let table = self.engine.kept_name(table);
                self.engine.check_may_copy(&table, options.create)?;
                let owner = self.engine.owner_of_new_tables();
                let copy = CopyIn { table, columns: columns.clone(), options: options.clone(), owner };
                Ok(Reply::CopyIn(copy))
            }
            CopyCommand::Out { query, whole, options } => {
                let query = &self.without_generated(query, whole.as_deref());
                let planned = Planned::new(self, query, &[]).await?;
                if !planned.is_query() {
                    return Err(WireError::syntax("COPY (statement) TO STDOUT takes a query"));
                }
                if !planned.parameters.is_empty() {
                    return Err(WireError::new(sqlstate::UNDEFINED_PARAMETER, "there is no parameter $1"));
                }
                let names: Vec<String> = planned.columns.iter().flatten().map(|column| column.name.clone()).collect();
                options.check_columns("", &names, &names)?;
                match Box::pin(self.start(&planned, Vec::new())).await? {
                    Reply::Rows { columns, stream, .. } => {
                        Ok(Reply::CopyOut { columns, stream, options: options.clone() })
                    }
                    _ => Err(WireError::internal("a query gave no rows")),
                }
            }
        }
    }

    /// The query of all columns of a table as one of those that COPY takes in again.
    fn without_generated(&self, query: &str, whole: Option<&str>) -> String {
        let snapshot = self.engine.engine().snapshot();
        let Some(table) = whole.and_then(|name| snapshot.table(name)) else { return query.to_owned() };
        let columns = &table.def.columns;
        let given: Vec<String> =
            columns.iter().filter(|column| column.generated.is_none()).map(|column| quoted(&column.name)).collect();
        if given.len() == columns.len() {
            return query.to_owned();
        }
        query.replacen('*', &given.join(", "), 1)
    }

    async fn discard_all(&mut self) -> Result<(), WireError> {
        if self.in_block() {
            let message = "DISCARD ALL cannot run inside a transaction block";
            return Err(WireError::new(sqlstate::ACTIVE_SQL_TRANSACTION, message));
        }
        self.close_portals();
        self.forget_statements();
        self.set_user(SESSION_AUTHORIZATION, None)?;
        self.unlisten(None);
        self.seat.connections().advisory().release_session(self.seat.pid);
        self.engine.discard_temporaries();
        self.reset("all").await
    }

    /// Opens a cursor: it reads what is there now.
    async fn declare(
        &mut self,
        declare: &Declare,
        planned: &Planned,
        parameters: Vec<ScalarValue>,
    ) -> Result<(), WireError> {
        if !self.in_block() && !declare.hold {
            let message = "DECLARE CURSOR can only be used in transaction blocks";
            return Err(WireError::new(sqlstate::NO_ACTIVE_SQL_TRANSACTION, message));
        }
        self.check_cursor_name(&declare.name)?;
        let query = planned.inner.clone().ok_or_else(|| WireError::internal("a cursor without its query"))?;
        let Reply::Rows { stream, .. } = Box::pin(self.start(&query, parameters)).await? else {
            return Err(WireError::internal("a query gave no rows"));
        };
        let pool = Arc::clone(&self.engine.context().runtime_env().memory_pool);
        let declared = Declared {
            statement: planned.text.clone(),
            binary: declare.binary,
            scroll: declare.scroll == Scroll::Yes,
            at: self.engine.engine().config().clock.now_us(),
        };
        let portal = Portal {
            bytes: declare.name.len() + planned.text.len() + query.text.len(),
            statement: query,
            parameters: Vec::new(),
            formats: Vec::new(),
            hold: declare.hold,
            savepoints: self.savepoint_count(),
            declared: Some(declared),
            state: PortalState::Cursor(Box::new(CursorRows::new(stream, declare.scroll, &pool))),
        };
        self.keep_portal(declare.name.clone(), portal)
    }

    /// `EXECUTE name(values)`: the values are evaluated as SQL, then the statement runs with them.
    async fn execute_named(&mut self, name: &str, values: &[String]) -> Result<Reply, WireError> {
        let planned = self.statement(name)?;
        if values.len() != planned.parameters.len() {
            return Err(WireError::syntax(format!(
                "wrong number of parameters for prepared statement \"{name}\": it takes {}, {} were given",
                planned.parameters.len(),
                values.len()
            )));
        }
        let mut parameters = Vec::new();
        if !values.is_empty() {
            // In brackets, so that each is a value and nothing else.
            let values: Vec<String> = values.iter().map(|value| format!("({value})")).collect();
            let query = Planned::for_engine(self, &format!("SELECT {}", values.join(", ")), &[]).await?;
            let Reply::Rows { mut stream, .. } = Box::pin(self.start(&query, Vec::new())).await? else {
                return Err(WireError::syntax("EXECUTE takes values"));
            };
            let row = stream.try_next().await?.filter(|batch| batch.num_rows() > 0);
            let row = row.ok_or_else(|| WireError::internal("the values gave no row"))?;
            for (at, column) in row.columns().iter().enumerate() {
                let value = ScalarValue::try_from_array(column, 0)?;
                parameters.push(match planned.wanted(at) {
                    Some(wanted) => decode::cast(value, wanted)?,
                    None => value,
                });
            }
        }
        let planned = planned.for_values(self, &mut parameters).await?;
        Box::pin(self.start(&planned, parameters)).await
    }
}

/// The OID of a type as `PREPARE name(type)` writes it.
fn type_oid(name: &str) -> Result<u32, WireError> {
    type_named(name)
        .map(|known| known.oid())
        .ok_or_else(|| WireError::new(sqlstate::UNDEFINED_OBJECT, format!("type \"{}\" does not exist", name.trim())))
}

fn no_such_process(pid: i32) -> WireError {
    WireError::warning(sqlstate::WARNING, format!("PID {pid} is not a server process"))
}

/// A stream of one batch.
pub(crate) fn one_batch(batch: RecordBatch) -> SendableRecordBatchStream {
    let schema = batch.schema();
    Box::pin(RecordBatchStreamAdapter::new(schema, futures::stream::iter([Ok(batch)])))
}

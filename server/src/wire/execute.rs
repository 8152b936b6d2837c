//! Starts one planned statement. What it gives goes to the client by [`super::answer`].

use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::scalar::ScalarValue;
use pgwire::messages::response::TransactionStatus;
use zxq_engine::Outcome;

use super::copy::from_stdin::CopyIn;
use super::copy::options::{CopyCommand, CopyOptions};
use super::decode;
use super::error::WireError;
use super::plan::{Planned, RowTag, Runner};
use super::portal::{Portal, PortalState};
use super::rows::RowCursor;
use super::session::Session;
use super::session_zone::in_zone;
use super::types::{self, Column};
use super::utility::{DISCARD_ALL, SESSION_AUTHORIZATION, Utility};
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
    Fetch { name: String, count: Option<u64>, skip: bool },
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
                for effect in statement.effects(&parameters)? {
                    self.take_effect(effect).await?;
                }
                let rows = self.catalog.run(&self.engine, &self.identity(), statement, &parameters).await?;
                Ok(Reply::Rows { columns: statement.columns(), stream: one_batch(rows), tag: planned.tag })
            }
            Runner::Utility(utility) => self.start_utility(utility).await,
        }
    }

    /// What a function of the catalog does: `set_config` and its like.
    async fn take_effect(&mut self, effect: Effect) -> Result<(), WireError> {
        match effect {
            Effect::Set { name, value } => self.set(&name, Some(&value), false).await?,
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
        Ok(())
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
                if *tag == DISCARD_ALL {
                    self.discard_all().await?;
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
            Utility::Declare { name, hold, query } => {
                self.declare(name, *hold, query).await?;
                "DECLARE CURSOR"
            }
            Utility::Fetch { name, count, skip } => {
                self.portal(name)?;
                return Ok(Reply::Fetch { name: name.clone(), count: *count, skip: *skip });
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
            Utility::Nothing(tag) => tag,
            Utility::Copy(copy) => return self.start_copy(copy).await,
        };
        Ok(Reply::Command(tag.to_owned()))
    }

    async fn start_copy(&mut self, copy: &CopyCommand) -> Result<Reply, WireError> {
        match copy {
            CopyCommand::In { table, columns, options } => {
                self.engine.check_may_load(table, options.create)?;
                let owner = self.engine.owner_of_new_tables();
                let copy = CopyIn { table: table.clone(), columns: columns.clone(), options: options.clone(), owner };
                Ok(Reply::CopyIn(copy))
            }
            CopyCommand::Out { query, options } => {
                let planned = Planned::new(self, query, &[]).await?;
                if !planned.is_query() {
                    return Err(WireError::syntax("COPY (statement) TO STDOUT takes a query"));
                }
                match Box::pin(self.start(&planned, Vec::new())).await? {
                    Reply::Rows { columns, stream, .. } => {
                        Ok(Reply::CopyOut { columns, stream, options: options.clone() })
                    }
                    _ => Err(WireError::internal("a query gave no rows")),
                }
            }
        }
    }

    async fn discard_all(&mut self) -> Result<(), WireError> {
        if self.in_block() {
            let message = "DISCARD ALL cannot run inside a transaction block";
            return Err(WireError::new(sqlstate::ACTIVE_SQL_TRANSACTION, message));
        }
        self.close_portals();
        self.forget_statements();
        self.set_user(SESSION_AUTHORIZATION, None)?;
        self.reset("all").await
    }

    async fn declare(&mut self, name: &str, hold: bool, query: &str) -> Result<(), WireError> {
        if !self.in_block() && !hold {
            let message = "DECLARE CURSOR can only be used in transaction blocks";
            return Err(WireError::new(sqlstate::NO_ACTIVE_SQL_TRANSACTION, message));
        }
        let statement = Arc::new(Planned::new(self, query, &[]).await?);
        if !statement.is_query() {
            return Err(WireError::syntax("a cursor needs a query"));
        }
        // It reads the snapshot of now, however late its rows are fetched.
        let state = match Box::pin(self.start(&statement, Vec::new())).await? {
            Reply::Rows { stream, .. } => PortalState::Rows(RowCursor::new(stream)),
            _ => PortalState::Done,
        };
        let portal = Portal { statement, parameters: Vec::new(), formats: Vec::new(), hold, state };
        self.keep_portal(name.to_owned(), portal)
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
            let rows = self.engine.run(&format!("SELECT {}", values.join(", "))).await?.collect().await?;
            let row = rows.iter().find(|batch| batch.num_rows() > 0);
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
    use pgwire::api::Type;
    let bare = name.split('(').next().unwrap_or(name).trim().to_ascii_lowercase();
    let known = match bare.as_str() {
        "boolean" | "bool" => Type::BOOL,
        "smallint" | "int2" => Type::INT2,
        "integer" | "int" | "int4" => Type::INT4,
        "bigint" | "int8" => Type::INT8,
        "real" | "float4" => Type::FLOAT4,
        "double precision" | "float8" | "float" => Type::FLOAT8,
        "numeric" | "decimal" => Type::NUMERIC,
        "text" | "varchar" | "character varying" | "char" | "character" | "name" => Type::TEXT,
        "bytea" => Type::BYTEA,
        "date" => Type::DATE,
        "timestamp" | "timestamp without time zone" => Type::TIMESTAMP,
        "timestamptz" | "timestamp with time zone" => Type::TIMESTAMPTZ,
        "time" | "time without time zone" => Type::TIME,
        "interval" => Type::INTERVAL,
        "unknown" => Type::UNKNOWN,
        _ => {
            let message = format!("type \"{name}\" does not exist");
            return Err(WireError::new(sqlstate::UNDEFINED_OBJECT, message));
        }
    };
    Ok(known.oid())
}

fn no_such_process(pid: i32) -> WireError {
    WireError::warning(sqlstate::WARNING, format!("PID {pid} is not a server process"))
}

/// A stream of one batch.
pub(crate) fn one_batch(batch: RecordBatch) -> SendableRecordBatchStream {
    let schema = batch.schema();
    Box::pin(RecordBatchStreamAdapter::new(schema, futures::stream::iter([Ok(batch)])))
}

//! Statements that change definitions or settings.

use std::sync::Arc;

use arrow::datatypes::Schema;
use arrow::record_batch::RecordBatch;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::execute_stream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::sql::parser::{ResetStatement, Statement as DfStatement};
use datafusion::sql::sqlparser::ast::{
    AlterTableOperation, CreateTable, ObjectName, ObjectType, Query, RenameTableNameKind, Statement as Ast,
};
use futures::StreamExt;
use zxq_catalog::{Snapshot, TableDef};

use crate::error::{EngineError, ErrorKind, Result};
use crate::scan::session_options::ZxqOptions;
use crate::session::names::beside;
use crate::session::temporary::{AtCommit, Temporaries, TemporaryTable};
use crate::session::{
    EngineSession, Outcome, Prepared, external_ddl, object_ddl, role_statements, schemas, sequence_ddl, view_ddl,
};
use crate::sql::{self, Statement, StatementKind, relations};
use crate::supervisor::control::JobControl;
use crate::write::bulk_load::QueryRows;
use crate::write::gathered::{Beginning, gather, gather_up_to};

/// Runs a statement that is neither a query, an insert nor a call.
pub(crate) async fn run(session: &EngineSession, statement: &Statement, control: &JobControl) -> Result<Outcome> {
    let engine = &session.engine;
    let command = |tag: &str| Ok(Outcome::Command { tag: tag.to_owned() });
    match (statement.kind(), statement.ast()) {
        (StatementKind::CreateTable, Some(Ast::CreateTable(create))) => create_table(session, create, control).await,
        (StatementKind::CreateView, Some(Ast::CreateView(create))) => {
            view_ddl::create(session, create, control).await?;
            command("CREATE VIEW")
        }
        (StatementKind::DropView, Some(Ast::Drop { object_type: ObjectType::View, names, if_exists, cascade, .. })) => {
            view_ddl::drop_views(session, names, *if_exists, *cascade, control).await?;
            command("DROP VIEW")
        }
        (StatementKind::CreateExternalTable, _) => {
            let DfStatement::CreateExternalTable(create) = statement.parsed() else {
                return Err(not_supported(statement.kind(), statement));
            };
            external_ddl::create(session, create, control).await?;
            session.note_lasting("CREATE EXTERNAL TABLE");
            command("CREATE EXTERNAL TABLE")
        }
        (
            StatementKind::DropTable,
            Some(Ast::Drop { object_type: ObjectType::Table, names, if_exists, cascade, .. }),
        ) => {
            for name in names {
                drop_table(session, name, *if_exists, *cascade, control).await?;
            }
            command("DROP TABLE")
        }
        (StatementKind::AlterTable, Some(Ast::AlterTable(alter))) => {
            let (name, temporary) = session.existing(&alter.name)?;
            if temporary {
                let message = "ALTER TABLE of a temporary table is not supported: drop it and create it again";
                return Err(EngineError::new(ErrorKind::FeatureNotSupported, message));
            }
            if engine.snapshot().table(&name).is_none() && alter.if_exists {
                session.notice(format!("relation \"{name}\" does not exist, skipping"));
                return command("ALTER TABLE");
            }
            session.check_is_there(&name)?;
            if let Some(owner) = role_statements::new_owner(&alter.operations)? {
                engine.change_owner(&session.acting, &name, &owner, control).await?;
                session.note_lasting("ALTER TABLE");
                return command("ALTER TABLE");
            }
            check_owner(session, &name)?;
            let operations = within_schema(&engine.snapshot(), &name, &alter.operations);
            if operations.iter().any(|one| matches!(one, AlterTableOperation::RenameTable { .. })) {
                session.check_create(&name)?;
            }
            if alter.operations.iter().any(renames) {
                view_ddl::check_no_readers(engine, &name, "alter")?;
            }
            engine.alter_table(&name, &operations, control).await?;
            session.note_lasting("ALTER TABLE");
            command("ALTER TABLE")
        }
        (StatementKind::AlterSequence, _) => match statement.alter_sequence() {
            Some(alter) => {
                sequence_ddl::alter(session, alter, control).await?;
                command("ALTER SEQUENCE")
            }
            None => Err(EngineError::internal("not an ALTER SEQUENCE")),
        },
        (StatementKind::SetSchema, _) => match statement.set_schema() {
            Some(set) => {
                schemas::move_into(session, set, control).await?;
                command(set.moved.tag())
            }
            None => Err(EngineError::internal("not a SET SCHEMA")),
        },
        (StatementKind::Role, _) => match statement.role() {
            Some(role) => {
                let done = role_statements::run(session, role, control).await?;
                session.note_lasting("A change of roles or privileges");
                Ok(done)
            }
            None => Err(EngineError::internal("not a statement about roles")),
        },
        (StatementKind::Set, Some(Ast::Set(set))) if role_statements::set(session, set)? => command("SET"),
        (StatementKind::Reset, _) if names_tiers(statement) => {
            let default = ZxqOptions::default().tiers_text();
            session.context().sql(&format!("SET zxq.tiers = '{default}'")).await?;
            command("RESET")
        }
        (StatementKind::Set | StatementKind::Reset, _) => {
            let plan = session.context().state().statement_to_plan(statement.parsed().clone()).await?;
            session.context().execute_logical_plan(plan).await?;
            command(if statement.kind() == StatementKind::Set { "SET" } else { "RESET" })
        }
        (kind, ast) => {
            if let Some(ast) = ast
                && let Some(tag) = object_ddl::run(session, ast, control).await?
            {
                return command(tag);
            }
            Err(not_supported(kind, statement))
        }
    }
}

/// That a table, if it is there, belongs to the session's user, and is not one that the open transaction keeps as it is.
pub(super) fn check_owner(session: &EngineSession, name: &str) -> Result<()> {
    match session.engine.snapshot().table(name) {
        Some(table) => {
            session.rights()?.check_owner(&table.def)?;
            check_not_corrected(session, &table.def)
        }
        None => Ok(()),
    }
}

/// That the open transaction has not corrected the table's rows: whoever changes the table waits for those who do, and would wait for itself.
///
/// # Errors
/// [`ErrorKind::ObjectInUse`].
pub(super) fn check_not_corrected(session: &EngineSession, table: &TableDef) -> Result<()> {
    if !session.transaction().is_some_and(|transaction| transaction.holds(table.id)) {
        return Ok(());
    }
    let text =
        format!("table \"{}\" cannot be changed by the transaction that has updated or deleted rows of it", table.name);
    Err(EngineError::new(ErrorKind::ObjectInUse, text).with_hint("COMMIT first"))
}

/// `RESET zxq.tiers`: DataFusion resets only its own settings.
fn names_tiers(statement: &Statement) -> bool {
    matches!(
        statement.parsed(),
        DfStatement::Reset(ResetStatement::Variable(name)) if name.to_string().eq_ignore_ascii_case("zxq.tiers")
    )
}

/// The operations with a new name of the table in the schema that it is in.
fn within_schema(snapshot: &Snapshot, table: &str, operations: &[AlterTableOperation]) -> Vec<AlterTableOperation> {
    let within = |operation: &AlterTableOperation| match operation {
        AlterTableOperation::RenameTable { table_name: RenameTableNameKind::To(name) } if name.0.len() == 1 => {
            let new = relations::parts(name).pop().unwrap_or_default();
            let new = relations::object_name(vec![beside(snapshot, table, &new)]);
            AlterTableOperation::RenameTable { table_name: RenameTableNameKind::To(new) }
        }
        other => other.clone(),
    };
    operations.iter().map(within).collect()
}

fn renames(operation: &AlterTableOperation) -> bool {
    matches!(
        operation,
        AlterTableOperation::RenameTable { .. }
            | AlterTableOperation::RenameColumn { .. }
            | AlterTableOperation::DropColumn { .. }
    )
}

async fn create_table(session: &EngineSession, create: &CreateTable, control: &JobControl) -> Result<Outcome> {
    let engine = &session.engine;
    let (name, temporary) = session.object(&create.name, create.temporary)?;
    if create.on_commit.is_some() && !temporary {
        let message = "ON COMMIT can only be used on temporary tables";
        return Err(EngineError::new(ErrorKind::InvalidDefinition, message));
    }
    // In the words that the definition is made from, whatever schema and database were written.
    let create = &CreateTable { name: relations::object_name(vec![name.clone()]), ..create.clone() };
    if !temporary {
        session.check_create(&name)?;
    }
    let exists = match temporary {
        true => session.names.temporaries.has(&name),
        false => engine.is_taken(&name).await,
    };
    let tag = if create.query.is_some() { "CREATE TABLE AS" } else { "CREATE TABLE" };
    if exists && create.if_not_exists {
        session.notice(format!("relation \"{name}\" already exists, skipping"));
        return Ok(Outcome::Command { tag: tag.to_owned() });
    }
    if exists {
        let message = format!("relation \"{name}\" already exists");
        return Err(EngineError::new(ErrorKind::DuplicateTable, message));
    }
    if let Some(query) = &create.query {
        return create_table_as(session, create, query, temporary, control).await;
    }
    let def = TableDef { owner: session.owner_of_new_tables(), ..sql::create_table(create)? };
    for key in def.keys() {
        session.notice(format!("constraint \"{}\" is recorded; that its values are unique is not enforced", key.name));
    }
    match session.transaction() {
        _ if temporary => session.names.temporaries.add_table(Arc::new(temporary_table(session, create, def)?))?,
        Some(transaction) => drop(engine.create_table_within(&transaction, def, control).await?),
        None => drop(engine.create_table(def, control).await?),
    }
    Ok(Outcome::Command { tag: tag.to_owned() })
}

/// A temporary table of that definition, without rows.
fn temporary_table(session: &EngineSession, create: &CreateTable, mut def: TableDef) -> Result<TemporaryTable> {
    let engine = &session.engine;
    def.id = Temporaries::next_id();
    let def = Arc::new(def);
    let checker = engine.checkers.of(&def)?;
    engine.checkers.forget(def.id);
    let at_commit = AtCommit::of(create.on_commit.as_ref());
    Ok(TemporaryTable::new(checker, at_commit, Arc::clone(&session.context().runtime_env().memory_pool)))
}

async fn create_table_as(
    session: &EngineSession,
    create: &CreateTable,
    query: &Query,
    temporary: bool,
    control: &JobControl,
) -> Result<Outcome> {
    let engine = &session.engine;
    let prepared = control.stoppable(Prepared::new(session, &Statement::of_query(query), &[], false)).await?;
    let Some(schema) = &prepared.schema else { return Err(EngineError::internal("a query without columns")) };
    let def = TableDef { owner: session.owner_of_new_tables(), ..sql::create_table_as(create, schema)? };
    let _turn = control.wait(session.turn_for(&prepared)).await?;
    let physical = control.stoppable(prepared.physical(session)).await?;
    let stream = execute_stream(physical, session.context().task_ctx())?;
    let stream = under_names(stream, &def);
    if temporary {
        let table = temporary_table(session, create, def)?;
        let rows = control.stoppable(table.append(stream, None)).await?;
        session.names.temporaries.add_table(Arc::new(table))?;
        return Ok(Outcome::Command { tag: format!("SELECT {rows}") });
    }
    let table = engine.prepare_table(def).await?;
    let (pool, what) = (&session.context().runtime_env().memory_pool, "CREATE TABLE AS");
    let report = match session.transaction() {
        Some(transaction) => {
            let rows = control.stoppable(gather(stream, pool, what)).await?;
            engine.create_with_rows_within(&transaction, &table, &rows.batches, control).await?
        }
        None => match control.stoppable(gather_up_to(engine.most_gathered(), stream, pool, what)).await? {
            Beginning::All(mut rows) => {
                let batches = std::mem::take(&mut rows.batches);
                engine.create_with_rows(&table, batches, control).await?
            }
            Beginning::Some(rows, rest) => {
                engine.load_query(&table, true, QueryRows::new(rows, Some(rest), None), control).await?
            }
        },
    };
    Ok(Outcome::Command { tag: format!("SELECT {}", report.rows) })
}

/// The rows with the table's names for their columns.
fn under_names(stream: SendableRecordBatchStream, def: &TableDef) -> SendableRecordBatchStream {
    let named = |schema: &Schema| {
        let fields = schema.fields().iter().zip(&def.columns);
        let fields: Vec<_> =
            fields.map(|(field, column)| field.as_ref().clone().with_name(&column.name).with_nullable(true)).collect();
        Arc::new(Schema::new(fields))
    };
    let schema = named(&stream.schema());
    let rows_schema = Arc::clone(&schema);
    let stream = stream.map(move |batch| {
        let batch = batch?;
        let fields = rows_schema.fields().iter().zip(batch.columns());
        let fields: Vec<_> =
            fields.map(|(field, values)| field.as_ref().clone().with_data_type(values.data_type().clone())).collect();
        Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), batch.columns().to_vec())?)
    });
    Box::pin(RecordBatchStreamAdapter::new(schema, stream))
}

async fn drop_table(
    session: &EngineSession,
    name: &ObjectName,
    if_exists: bool,
    cascade: bool,
    control: &JobControl,
) -> Result<()> {
    let (name, temporary) = session.existing(name)?;
    let is_view = || {
        EngineError::new(ErrorKind::WrongObjectType, format!("\"{name}\" is not a table"))
            .with_hint("Use DROP VIEW to remove a view.")
    };
    if temporary {
        return match session.names.temporaries.has_table(&name) {
            true => {
                session.names.temporaries.remove(&name);
                Ok(())
            }
            false => Err(is_view()),
        };
    }
    check_owner(session, &name)?;
    match session.engine.snapshot().table(&name) {
        Some(state) if state.def.view().is_some() => Err(is_view()),
        None if if_exists => {
            session.notice(format!("table \"{name}\" does not exist, skipping"));
            Ok(())
        }
        _ => {
            session.check_is_there(&name)?;
            view_ddl::drop_with_readers(session, &name, cascade, control).await
        }
    }
}

fn not_supported(kind: StatementKind, statement: &Statement) -> EngineError {
    let first_words: String = statement.text().split_whitespace().take(2).collect::<Vec<_>>().join(" ");
    let advice = match kind {
        StatementKind::Merge => "use UPDATE … FROM, DELETE … USING and INSERT",
        _ => "see the README for what there is",
    };
    EngineError::new(ErrorKind::FeatureNotSupported, format!("{first_words} is not supported: {advice}"))
}

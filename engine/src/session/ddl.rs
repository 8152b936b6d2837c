//! Statements that change definitions or settings.

use datafusion::physical_plan::execute_stream;
use datafusion::sql::parser::{ResetStatement, Statement as DfStatement};
use datafusion::sql::sqlparser::ast::{AlterTableOperation, ObjectType, Statement as Ast};
use zxq_catalog::TableDef;

use crate::error::{EngineError, ErrorKind, Result};
use crate::scan::session_options::ZxqOptions;
use crate::session::privileges::Needs;
use crate::session::{EngineSession, Outcome, external_ddl, role_statements};
use crate::sql::{self, Statement, StatementKind};
use crate::supervisor::control::JobControl;
use crate::write::gathered::gather;

/// Runs a statement that is neither a query, an insert nor a call.
pub(crate) async fn run(session: &EngineSession, statement: &Statement, control: &JobControl) -> Result<Outcome> {
    let engine = &session.engine;
    let command = |tag: &str| Ok(Outcome::Command { tag: tag.to_owned() });
    match (statement.kind(), statement.ast()) {
        (StatementKind::CreateTable, Some(Ast::CreateTable(create))) => {
            if create.query.is_some() {
                return create_table_as(session, statement, control).await;
            }
            let rights = session.rights()?;
            rights.check_create()?;
            let def = TableDef { owner: rights.owner_of_new_tables(), ..sql::create_table(create)? };
            if engine.snapshot().table(&def.name).is_some() && create.if_not_exists {
                session.notice(format!("relation \"{}\" already exists, skipping", def.name));
                return command("CREATE TABLE");
            }
            match session.transaction() {
                Some(transaction) => engine.create_table_within(&transaction, def, control).await?,
                None => engine.create_table(def, control).await?,
            };
            command("CREATE TABLE")
        }
        (StatementKind::CreateExternalTable, _) => {
            let DfStatement::CreateExternalTable(create) = statement.parsed() else {
                return Err(not_supported(statement.kind(), statement));
            };
            external_ddl::create(session, create, control).await?;
            session.note_lasting("CREATE EXTERNAL TABLE");
            command("CREATE EXTERNAL TABLE")
        }
        (StatementKind::DropTable, Some(Ast::Drop { object_type: ObjectType::Table, names, if_exists, .. })) => {
            for name in names {
                let name = sql::table_name(name)?;
                check_owner(session, &name)?;
                if engine.snapshot().table(&name).is_none() && *if_exists {
                    session.notice(format!("table \"{name}\" does not exist, skipping"));
                    continue;
                }
                session.check_is_there(&name)?;
                let undone = match session.transaction() {
                    Some(transaction) => engine.drop_table_within(&transaction, &name, control).await?,
                    None => {
                        engine.drop_table(&name, control).await?;
                        true
                    }
                };
                if !undone {
                    session.note_lasting("DROP TABLE");
                }
            }
            command("DROP TABLE")
        }
        (StatementKind::AlterTable, Some(Ast::AlterTable(alter))) => {
            let name = sql::table_name(&alter.name)?;
            if engine.snapshot().table(&name).is_none() && alter.if_exists {
                session.notice(format!("table \"{name}\" does not exist, skipping"));
                return command("ALTER TABLE");
            }
            session.check_is_there(&name)?;
            if let Some(owner) = role_statements::new_owner(&alter.operations)? {
                engine.change_owner(&session.acting, &name, &owner, control).await?;
                session.note_lasting("ALTER TABLE");
                return command("ALTER TABLE");
            }
            check_owner(session, &name)?;
            if alter.operations.iter().any(|one| matches!(one, AlterTableOperation::RenameTable { .. })) {
                session.rights()?.check_create()?;
            }
            engine.alter_table(&name, &alter.operations, control).await?;
            session.note_lasting("ALTER TABLE");
            command("ALTER TABLE")
        }
        (StatementKind::Role, _) => match statement.role() {
            Some(role) => role_statements::run(session, role, control).await,
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
        (kind, _) => Err(not_supported(kind, statement)),
    }
}

/// That a table, if it is there, belongs to the session's user.
fn check_owner(session: &EngineSession, name: &str) -> Result<()> {
    match session.engine.snapshot().table(name) {
        Some(table) => session.rights()?.check_owner(&table.def),
        None => Ok(()),
    }
}

/// `RESET zxq.tiers`: DataFusion resets only its own settings.
fn names_tiers(statement: &Statement) -> bool {
    matches!(
        statement.parsed(),
        DfStatement::Reset(ResetStatement::Variable(name)) if name.to_string().eq_ignore_ascii_case("zxq.tiers")
    )
}

async fn create_table_as(session: &EngineSession, statement: &Statement, control: &JobControl) -> Result<Outcome> {
    let engine = &session.engine;
    let Some(Ast::CreateTable(create)) = statement.ast() else {
        return Err(EngineError::internal("not a CREATE TABLE"));
    };
    let Some(query) = &create.query else { return Err(EngineError::internal("not a CREATE TABLE AS")) };
    let rights = session.rights()?;
    rights.check_create()?;
    let state = session.context().state();
    let parsed = DfStatement::Statement(Box::new(Ast::Query(query.clone())));
    let plan = control.stoppable(state.statement_to_plan(parsed)).await?;
    Needs::of(session, statement, &plan)?.check(session)?;
    let def = sql::create_table_as(create, plan.schema().as_arrow())?;
    let def = TableDef { owner: rights.owner_of_new_tables(), ..def };
    if engine.snapshot().table(&def.name).is_some() && create.if_not_exists {
        session.notice(format!("relation \"{}\" already exists, skipping", def.name));
        return Ok(Outcome::Command { tag: "CREATE TABLE AS".to_owned() });
    }
    let table = engine.prepare_table(def).await?;
    let physical = control.stoppable(state.create_physical_plan(&plan)).await?;
    let stream = execute_stream(physical, session.context().task_ctx())?;
    let mut rows =
        control.stoppable(gather(stream, &session.context().runtime_env().memory_pool, "CREATE TABLE AS")).await?;
    let batches = std::mem::take(&mut rows.batches);
    let report = match session.transaction() {
        Some(transaction) => engine.create_with_rows_within(&transaction, &table, &batches, control).await?,
        None => engine.create_with_rows(&table, batches, control).await?,
    };
    Ok(Outcome::Command { tag: format!("SELECT {}", report.rows) })
}

fn not_supported(kind: StatementKind, statement: &Statement) -> EngineError {
    let first_words: String = statement.text().split_whitespace().take(2).collect::<Vec<_>>().join(" ");
    let advice = match kind {
        StatementKind::Update | StatementKind::Delete | StatementKind::Merge | StatementKind::Truncate => {
            "rows are appended, moved between tiers and dropped with their table, not changed"
        }
        StatementKind::CreateIndex | StatementKind::DropIndex => {
            "name the columns in CREATE TABLE … WITH (sort_by = …, lookup = …) instead"
        }
        StatementKind::CreateView | StatementKind::DropView => "use WITH … AS (…) in the query instead",
        _ => "see the README for what there is",
    };
    EngineError::new(ErrorKind::FeatureNotSupported, format!("{first_words} is not supported: {advice}"))
}

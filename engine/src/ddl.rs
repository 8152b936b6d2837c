//! Statements that change definitions or settings.

use std::sync::Arc;

use zxq_catalog::{Change, TableDef};

use crate::commit::Record;
use crate::engine::Engine;
use crate::error::{EngineError, ErrorKind, Result};
use crate::external_table;
use crate::session::{EngineSession, Outcome};
use crate::session_options::ZxqOptions;
use crate::sql::{self, Statement, StatementKind};
use datafusion::sql::parser::{ResetStatement, Statement as DfStatement};
use datafusion::sql::sqlparser::ast::{ObjectType, Statement as Ast};

/// Runs a statement that is neither a query, an insert nor a call.
pub(crate) async fn run(session: &EngineSession, statement: &Statement) -> Result<Outcome> {
    let engine = &session.engine;
    let command = |tag: &str| Ok(Outcome::Command { tag: tag.to_owned() });
    match (statement.kind(), statement.ast()) {
        (StatementKind::CreateTable, Some(Ast::CreateTable(create))) => {
            if create.query.is_some() {
                return create_table_as(session, statement).await;
            }
            let def = sql::create_table(create)?;
            if engine.snapshot().table(&def.name).is_some() && create.if_not_exists {
                session.notice(format!("relation \"{}\" already exists, skipping", def.name));
                return command("CREATE TABLE");
            }
            engine.create_table(def).await?;
            command("CREATE TABLE")
        }
        (StatementKind::CreateExternalTable, _) => {
            let DfStatement::CreateExternalTable(create) = statement.parsed() else {
                return Err(not_supported(statement.kind(), statement));
            };
            external_table::create(session, create).await?;
            command("CREATE EXTERNAL TABLE")
        }
        (StatementKind::DropTable, Some(Ast::Drop { object_type: ObjectType::Table, names, if_exists, .. })) => {
            for name in names {
                let name = sql::table_name(name)?;
                if engine.snapshot().table(&name).is_none() && *if_exists {
                    session.notice(format!("table \"{name}\" does not exist, skipping"));
                    continue;
                }
                engine.drop_table(&name).await?;
            }
            command("DROP TABLE")
        }
        (StatementKind::AlterTable, Some(Ast::AlterTable(alter))) => {
            let name = sql::table_name(&alter.name)?;
            if engine.snapshot().table(&name).is_none() && alter.if_exists {
                session.notice(format!("table \"{name}\" does not exist, skipping"));
                return command("ALTER TABLE");
            }
            let state = engine.table(&name)?;
            let def = sql::alter_table(&state.def, &alter.operations, state.row_count() > 0)?;
            if def.columns != state.def.columns || def.options != state.def.options {
                engine.own_table(&name)?;
            }
            engine.alter_table(def).await?;
            command("ALTER TABLE")
        }
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

/// `RESET zxq.tiers`: DataFusion resets only its own settings.
fn names_tiers(statement: &Statement) -> bool {
    matches!(
        statement.parsed(),
        DfStatement::Reset(ResetStatement::Variable(name)) if name.to_string().eq_ignore_ascii_case("zxq.tiers")
    )
}

async fn create_table_as(session: &EngineSession, statement: &Statement) -> Result<Outcome> {
    let engine = &session.engine;
    let Some(Ast::CreateTable(create)) = statement.ast() else {
        return Err(EngineError::internal("not a CREATE TABLE"));
    };
    let Some(query) = &create.query else { return Err(EngineError::internal("not a CREATE TABLE AS")) };
    let state = session.context().state();
    let parsed = DfStatement::Statement(Box::new(Ast::Query(query.clone())));
    let plan = state.statement_to_plan(parsed).await?;
    let def = sql::create_table_as(create, plan.schema().as_arrow())?;
    if engine.snapshot().table(&def.name).is_some() && create.if_not_exists {
        session.notice(format!("relation \"{}\" already exists, skipping", def.name));
        return Ok(Outcome::Command { tag: "CREATE TABLE AS".to_owned() });
    }
    let physical = state.create_physical_plan(&plan).await?;
    let rows = datafusion::physical_plan::collect(physical, session.context().task_ctx()).await?;
    let name = def.name.clone();
    engine.create_table(def).await?;
    match engine.ingest_checked(&name, rows, "create table as").await {
        Ok(report) => Ok(Outcome::Command { tag: format!("SELECT {}", report.rows) }),
        Err(error) => {
            engine.drop_table(&name).await?;
            Err(error)
        }
    }
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

impl Engine {
    /// Creates a table from its definition (its id is assigned here).
    ///
    /// # Errors
    /// [`ErrorKind::DuplicateTable`]; what a store says about types it cannot hold.
    pub async fn create_table(self: &Arc<Self>, mut def: TableDef) -> Result<Arc<TableDef>> {
        self.check_write()?;
        if self.snapshot().table(&def.name).is_some() {
            return Err(zxq_catalog::CatalogError::TableExists(def.name).into());
        }
        self.config.cold.format.record(&mut def);
        def.id = self.catalog.reserve_table_id().await?;
        // Compiling the constraints now finds a wrong CHECK or DEFAULT before there is a table.
        self.checkers.of(self, &Arc::new(def.clone()))?;
        if def.external().is_none() {
            for store in &self.stores {
                store.create_table(&def).await?;
            }
        }
        self.commit(vec![Change::CreateTable(Box::new(def.clone()))], Record::default()).await?;
        Ok(Arc::new(def))
    }

    /// Drops a table. Statements that already read it finish.
    ///
    /// # Errors
    /// [`ErrorKind::UndefinedTable`].
    pub async fn drop_table(self: &Arc<Self>, name: &str) -> Result<()> {
        self.check_write()?;
        let _no_move = self.moving.lock().await;
        let id = self.table(name)?.def.id;
        self.commit(vec![Change::DropTable(id)], Record::default()).await?;
        self.checkers.forget(id);
        self.collect().await?;
        Ok(())
    }

    async fn alter_table(self: &Arc<Self>, def: TableDef) -> Result<()> {
        self.check_write()?;
        let _no_move = self.moving.lock().await;
        let _no_ingest = self.ingest_gate.write().await;
        self.checkers.forget(def.id);
        self.checkers.of(self, &Arc::new(def.clone()))?;
        // A store that knows a column too many is harmless after a crash here; one that lacks one is not.
        for store in &self.stores {
            store.alter_table(&def).await?;
        }
        self.commit(vec![Change::AlterTable(Box::new(def))], Record::default()).await?;
        Ok(())
    }
}

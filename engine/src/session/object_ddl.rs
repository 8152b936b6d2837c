//! `COMMENT ON`, `TRUNCATE`, `CREATE INDEX` and `DROP INDEX`; schemas are in [`schemas`], sequences in [`sequence_ddl`].

use std::sync::Arc;

use datafusion::sql::sqlparser::ast::{CommentObject, CreateIndex, ObjectName, ObjectType, Statement as Ast};
use zxq_catalog::roles::Privileges;
use zxq_catalog::{Change, KeyDef, KeyKind, TableDef};

use crate::error::{EngineError, ErrorKind, Result};
use crate::session::EngineSession;
use crate::session::ddl::{check_not_corrected, check_owner};
use crate::session::sequence_ddl::NewSequence;
use crate::session::{schemas, sequence_ddl};
use crate::sql::{self, keys, relations};
use crate::state::commit::Record;
use crate::state::engine::Engine;
use crate::supervisor::control::JobControl;
use crate::write::transaction::Transaction;

/// Longest comment, in bytes: every process on the catalog has all of them in memory.
const LONGEST_COMMENT: usize = 64 << 10;

/// Runs one of these statements and returns its tag; `None` for any other.
///
/// # Errors
/// Objects that there are not, or not of that kind, or already; [`ErrorKind::FeatureNotSupported`] for what there cannot be.
pub(crate) async fn run(session: &EngineSession, ast: &Ast, control: &JobControl) -> Result<Option<&'static str>> {
    match ast {
        Ast::Comment { object_type, object_name, comment, if_exists } => {
            set_comment(session, object_type, object_name, comment.clone(), *if_exists, control).await?;
            Ok(Some("COMMENT"))
        }
        Ast::Truncate(truncate) => {
            let names: Vec<&ObjectName> = truncate.table_names.iter().map(|table| &table.name).collect();
            truncate_tables(session, &names, control).await?;
            Ok(Some("TRUNCATE TABLE"))
        }
        Ast::CreateIndex(create) => {
            create_index(session, create, control).await?;
            Ok(Some("CREATE INDEX"))
        }
        Ast::Drop { object_type: ObjectType::Index, names, if_exists, .. } => {
            for name in names {
                drop_index(session, name, *if_exists, control).await?;
            }
            Ok(Some("DROP INDEX"))
        }
        Ast::CreateSequence { temporary: true, .. } => {
            Err(unsupported("CREATE TEMPORARY SEQUENCE is not supported".to_owned()))
        }
        Ast::CreateSequence { if_not_exists, name, data_type, sequence_options, owned_by, .. } => {
            let new =
                NewSequence { data_type: data_type.as_ref(), options: sequence_options, owned_by: owned_by.as_ref() };
            sequence_ddl::create(session, name, new, *if_not_exists, control).await?;
            Ok(Some("CREATE SEQUENCE"))
        }
        Ast::Drop { object_type: ObjectType::Sequence, names, if_exists, .. } => {
            sequence_ddl::drop_sequences(session, names, *if_exists, control).await?;
            Ok(Some("DROP SEQUENCE"))
        }
        Ast::CreateSchema { schema_name, if_not_exists, .. } => {
            schemas::create(session, schema_name, *if_not_exists, control).await?;
            Ok(Some("CREATE SCHEMA"))
        }
        Ast::Drop { object_type: ObjectType::Schema, names, if_exists, cascade, .. } => {
            for name in names {
                schemas::drop_schema(session, name, *if_exists, *cascade, control).await?;
            }
            Ok(Some("DROP SCHEMA"))
        }
        _ => Ok(None),
    }
}

fn unsupported(message: String) -> EngineError {
    EngineError::new(ErrorKind::FeatureNotSupported, message)
}

async fn set_comment(
    session: &EngineSession,
    kind: &CommentObject,
    name: &ObjectName,
    comment: Option<String>,
    if_exists: bool,
    control: &JobControl,
) -> Result<()> {
    let (relation, column) = match kind {
        CommentObject::Table | CommentObject::View => (name.clone(), None),
        CommentObject::Column => {
            let mut parts = relations::parts(name);
            let Some(column) = parts.pop().filter(|_| !parts.is_empty()) else {
                return Err(EngineError::new(ErrorKind::Syntax, "column name must be qualified"));
            };
            (relations::object_name(parts), Some(column))
        }
        other => {
            return Err(unsupported(format!(
                "COMMENT ON {other} is not supported: tables, views and columns have comments"
            )));
        }
    };
    let (table, temporary) = session.existing(&relation)?;
    if temporary {
        return Err(unsupported("COMMENT ON a temporary table is not supported".to_owned()));
    }
    let engine = &session.engine;
    if engine.snapshot().table(&table).is_none() && if_exists {
        session.notice(format!("relation \"{table}\" does not exist, skipping"));
        return Ok(());
    }
    session.check_is_there(&table)?;
    let is_view = engine.table(&table)?.def.view().is_some();
    check_owner(session, &table)?;
    if column.is_none() && is_view != matches!(kind, CommentObject::View) {
        let wanted = if is_view { "table" } else { "view" };
        return Err(EngineError::new(ErrorKind::WrongObjectType, format!("\"{table}\" is not a {wanted}")));
    }
    let comment = comment.filter(|comment| !comment.is_empty());
    if comment.as_ref().is_some_and(|comment| comment.len() > LONGEST_COMMENT) {
        let message = format!("a comment has at most {} kB", LONGEST_COMMENT >> 10);
        return Err(EngineError::new(ErrorKind::LimitExceeded, message));
    }
    let change = |def: &mut TableDef| {
        if let Some(column) = &column
            && def.column(column).is_none()
        {
            let message = format!("column \"{column}\" of relation \"{table}\" does not exist");
            return Err(EngineError::new(ErrorKind::UndefinedColumn, message));
        }
        def.set_comment(column.as_deref(), comment.clone());
        Ok(())
    };
    engine.change_notes(&table, change, control).await?;
    session.note_lasting("COMMENT");
    Ok(())
}

async fn truncate_tables(session: &EngineSession, names: &[&ObjectName], control: &JobControl) -> Result<()> {
    let mut tables = Vec::new();
    for name in names {
        let (name, temporary) = session.existing(name)?;
        if temporary {
            let table =
                session.names.temporaries.table(&name).ok_or_else(|| {
                    EngineError::new(ErrorKind::WrongObjectType, format!("\"{name}\" is not a table"))
                })?;
            table.truncate();
        } else if !tables.contains(&name) {
            // Whether all are there is seen before the first one is emptied.
            session.check_is_there(&name)?;
            let table = session.engine.own_table(&name)?;
            session.rights()?.check_table(&table.def, Privileges::TRUNCATE)?;
            check_not_corrected(session, &table.def)?;
            tables.push(name);
        }
    }
    for name in tables {
        let undone = session.engine.truncate_table(session.transaction().as_deref(), &name, control).await?;
        if !undone {
            session.note_lasting("TRUNCATE TABLE");
        }
    }
    Ok(())
}

async fn create_index(session: &EngineSession, create: &CreateIndex, control: &JobControl) -> Result<()> {
    let engine = &session.engine;
    let (table, temporary) = session.existing(&create.table_name)?;
    if temporary {
        session.notice("an index on a temporary table has no effect: it is in memory".to_owned());
        return Ok(());
    }
    if create.predicate.is_some() {
        return Err(unsupported("an index on some rows (WHERE) is not supported: leave the condition out".to_owned()));
    }
    session.check_is_there(&table)?;
    let def = Arc::clone(&engine.own_table(&table)?.def);
    check_owner(session, &table)?;
    let columns = keys::plain_columns(&create.columns)?;
    keys::check_columns(&def, &columns)?;
    let kind = if create.unique { KeyKind::UniqueIndex } else { KeyKind::Index };
    let name = match &create.name {
        Some(name) => relations::parts(name).pop().unwrap_or_default(),
        None => keys::free_name(&def, &columns, kind),
    };
    let snapshot = engine.snapshot();
    if snapshot.table(&name).is_some() || index_of(session, &name).is_some() {
        if create.if_not_exists {
            session.notice(format!("relation \"{name}\" already exists, skipping"));
            return Ok(());
        }
        return Err(EngineError::new(ErrorKind::DuplicateTable, format!("relation \"{name}\" already exists")));
    }
    if create.unique {
        session.notice(format!("index \"{name}\" is recorded; that its values are unique is not enforced"));
    }
    let key = KeyDef { name: name.clone(), kind, columns: columns.clone() };
    let looked_up: Vec<String> = columns.iter().filter(|column| sql::can_look_up(&def, column)).cloned().collect();
    if looked_up.len() < columns.len() {
        session.notice(format!(
            "index \"{name}\" is recorded; rows are looked up by columns of texts, integers and dates only"
        ));
    }
    let change = |def: &mut TableDef| {
        def.add_key(&key);
        for column in &looked_up {
            if !def.lookup.contains(column) {
                def.lookup.push(column.clone());
            }
        }
        Ok(())
    };
    engine.change_notes(&table, change, control).await?;
    session.note_lasting("CREATE INDEX");
    Ok(())
}

/// The table that has an index of that name.
fn index_of(session: &EngineSession, name: &str) -> Option<Arc<TableDef>> {
    let snapshot = session.engine.snapshot();
    let mut tables = snapshot.tables.values();
    tables.find(|state| state.def.keys().iter().any(|key| key.name == name)).map(|state| Arc::clone(&state.def))
}

async fn drop_index(session: &EngineSession, name: &ObjectName, if_exists: bool, control: &JobControl) -> Result<()> {
    let name = relations::parts(name).pop().unwrap_or_default();
    let Some(def) = index_of(session, &name) else {
        if if_exists {
            session.notice(format!("index \"{name}\" does not exist, skipping"));
            return Ok(());
        }
        return Err(EngineError::new(ErrorKind::UndefinedObject, format!("index \"{name}\" does not exist")));
    };
    check_owner(session, &def.name)?;
    if def.keys().iter().any(|key| key.name == name && key.kind.is_constraint()) {
        let message = format!(
            "cannot drop index {name} because constraint {name} on table {} requires it",
            sql::quote_ident(&def.name)
        );
        return Err(EngineError::new(ErrorKind::DependentObjects, message));
    }
    let change = |def: &mut TableDef| {
        def.remove_key(&name);
        Ok(())
    };
    session.engine.change_notes(&def.name, change, control).await?;
    session.note_lasting("DROP INDEX");
    Ok(())
}

impl Engine {
    /// Changes what a definition says beside its columns: comments, keys, what is looked up.
    async fn change_notes(
        self: &Arc<Self>,
        name: &str,
        change: impl Fn(&mut TableDef) -> Result<()>,
        control: &JobControl,
    ) -> Result<()> {
        self.check_write()?;
        let id = self.table(name)?.def.id;
        let _alone = control.wait(self.locks.change_table(id)).await?;
        let no_ingest = control.wait(self.ingest_gate.write()).await?;
        let state = self.table(name)?;
        let mut def = state.def.as_ref().clone();
        change(&mut def)?;
        let _finishing = control.must_finish()?;
        self.commit(vec![Change::AlterTable(Box::new(def.clone()))], Record::default()).await?;
        drop(no_ingest);
        if def.is_stored() && def.lookup != state.def.lookup {
            for store in &self.stores {
                if let Err(error) = store.alter_table(&def).await {
                    tracing::warn!(%error, table = %def.name, "a store could not follow the table's change yet");
                }
            }
        }
        Ok(())
    }

    /// Puts a table without rows in the place of one, in one commit. True where that leaves nothing for a ROLLBACK to undo:
    /// outside of a transaction, and of a table that the transaction has made itself.
    async fn truncate_table(
        self: &Arc<Self>,
        transaction: Option<&Transaction>,
        name: &str,
        control: &JobControl,
    ) -> Result<bool> {
        self.check_write()?;
        let id = self.own_table(name)?.def.id;
        let _alone = control.wait(self.locks.change_table(id)).await?;
        let own = transaction.filter(|transaction| transaction.has_created(id));
        let fresh = {
            let _no_ingest = control.wait(self.ingest_gate.write()).await?;
            let snapshot = self.snapshot();
            let state = self.own_table(name)?;
            let mut fresh = state.def.as_ref().clone();
            fresh.id = self.catalog.reserve_table_id().await?;
            let _finishing = control.must_finish()?;
            if let Some(own) = own {
                self.catalog.put_job(&own.note_created(&fresh)?).await?;
            }
            let mut changes = vec![Change::DropTable(state.def.id), Change::CreateTable(Box::new(fresh.clone()))];
            // It is another table to the catalog, to people the same: what was granted on it stays.
            let grants = snapshot.roles.grants(state.def.id).to_vec();
            changes.extend(sequence_ddl::owned_anew(&snapshot, state.def.id, fresh.id));
            if !grants.is_empty() {
                changes.push(Change::SetGrants { on: fresh.id, grants });
            }
            self.commit(changes, Record::default()).await?;
            self.checkers.forget(state.def.id);
            fresh
        };
        for store in &self.stores {
            if let Err(error) = store.create_table(&fresh).await {
                tracing::warn!(%error, table = %fresh.name, "a store could not prepare for the table yet");
            }
        }
        if let Some(transaction) = transaction {
            self.forget_dropped(transaction, id).await;
        }
        self.collect().await;
        Ok(transaction.is_none() || own.is_some())
    }
}

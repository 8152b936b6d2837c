//! `CREATE VIEW` and `DROP VIEW`. A view is kept as its query, whose names say where they are, and the columns that it has.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};
use datafusion::sql::sqlparser::ast::{
    CreateTableOptions, CreateView, Expr, Ident, ObjectName, Query, SelectItem, SetExpr, Statement as Ast,
};
use zxq_catalog::{Change, ColumnDef, Snapshot, TableDef, VIEW_QUERY};

use crate::error::{EngineError, ErrorKind, Result};
use crate::session::names::query_of;
use crate::session::sequence_ddl::owned_by_table;
use crate::session::sequences::numbered_by;
use crate::session::temporary::Temporaries;
use crate::session::{EngineSession, Prepared};
use crate::sql::relations::{self, Meaning};
use crate::sql::{self, Statement, normalise};
use crate::state::commit::Record;
use crate::state::engine::Engine;
use crate::supervisor::control::JobControl;

/// Longest query of a view, in bytes: every process on the catalog has all of them in memory.
const LONGEST_VIEW: usize = 1 << 20;

/// Makes a view, or puts it in the place of one.
///
/// # Errors
/// What planning its query finds; [`ErrorKind::DuplicateTable`]; [`ErrorKind::InvalidDefinition`] where it were to replace one
/// with other columns.
pub(crate) async fn create(session: &EngineSession, create: &CreateView, control: &JobControl) -> Result<()> {
    check_clauses(create)?;
    let mut query = create.query.as_ref().clone();
    let reads_temporaries = qualify(session, &mut query)?;
    let (name, temporary) = session.object(&create.name, create.temporary || reads_temporaries)?;
    if temporary && !create.temporary {
        session.notice(format!("view \"{name}\" will be a temporary view"));
    }
    let columns = columns_of(session, &name, &mut query, create, control).await?;
    let text = query.to_string();
    if text.len() > LONGEST_VIEW {
        let message = format!("the query of a view has at most {} MiB of text", LONGEST_VIEW >> 20);
        return Err(EngineError::new(ErrorKind::LimitExceeded, message));
    }
    // What is read back later has to be what is planned now.
    query_of(&text)?;
    let mut def = TableDef {
        owner: session.owner_of_new_tables(),
        options: BTreeMap::from([(VIEW_QUERY.to_owned(), text)]),
        ..TableDef::new(0, name.clone(), columns)
    };
    if temporary {
        def.id = Temporaries::next_id();
        if create.or_replace
            && let Some(before) = session.names.temporaries.view(&name)
        {
            check_replacement(&before, &def)?;
        }
        return session.names.temporaries.add_view(Arc::new(def), create.or_replace);
    }
    session.check_create(&name)?;
    let engine = &session.engine;
    let before = engine.snapshot().table(&name).map(|state| Arc::clone(&state.def));
    match before {
        Some(before) if create.or_replace => {
            if before.view().is_none() {
                return Err(EngineError::new(ErrorKind::WrongObjectType, format!("\"{name}\" is not a view")));
            }
            session.rights()?.check_owner(&before)?;
            check_replacement(&before, &def)?;
            check_recursion(&engine.snapshot(), &name, &def)?;
            (def.id, def.owner) = (before.id, before.owner);
            engine.replace_view(def, control).await?;
            session.note_lasting("CREATE OR REPLACE VIEW");
            Ok(())
        }
        Some(_) if create.if_not_exists => {
            session.notice(format!("relation \"{name}\" already exists, skipping"));
            Ok(())
        }
        _ => match session.transaction() {
            Some(transaction) => engine.create_table_within(&transaction, def, control).await.map(drop),
            None => engine.create_table(def, control).await.map(drop),
        },
    }
}

/// Drops views, and with CASCADE those that read them.
///
/// # Errors
/// [`ErrorKind::UndefinedTable`]; [`ErrorKind::WrongObjectType`] for tables; [`ErrorKind::DependentObjects`].
pub(crate) async fn drop_views(
    session: &EngineSession,
    names: &[ObjectName],
    if_exists: bool,
    cascade: bool,
    control: &JobControl,
) -> Result<()> {
    for name in names {
        let (name, temporary) = session.existing(name)?;
        let snapshot = session.engine.snapshot();
        let wrong = |is_table: bool| {
            if is_table {
                EngineError::new(ErrorKind::WrongObjectType, format!("\"{name}\" is not a view"))
                    .with_hint("Use DROP TABLE to remove a table.")
            } else {
                EngineError::new(ErrorKind::UndefinedTable, format!("view \"{name}\" does not exist"))
            }
        };
        if temporary {
            match session.names.temporaries.view(&name) {
                Some(_) => session.names.temporaries.remove(&name),
                None => return Err(wrong(session.names.temporaries.has_table(&name))),
            }
            continue;
        }
        match snapshot.table(&name) {
            Some(state) if state.def.view().is_some() && state.def.sequence().is_none() && !state.def.is_schema() => {
                session.rights()?.check_owner(&state.def)?;
                drop_with_readers(session, &name, cascade, control).await?;
            }
            None if if_exists => session.notice(format!("view \"{name}\" does not exist, skipping")),
            found => return Err(wrong(found.is_some())),
        }
    }
    Ok(())
}

/// Drops a table or view of the catalog, and the views that read it where that is wanted.
///
/// # Errors
/// [`ErrorKind::DependentObjects`] where views read it and are to stay.
pub(crate) async fn drop_with_readers(
    session: &EngineSession,
    name: &str,
    cascade: bool,
    control: &JobControl,
) -> Result<()> {
    let engine = &session.engine;
    let readers = readers_of(&engine.snapshot(), name);
    if !cascade {
        check_no_readers(engine, name, "drop")?;
    }
    for reader in readers {
        session.notice(format!("drop cascades to view {}", sql::quote_ident(&reader)));
        if engine.snapshot().table(&reader).is_some() {
            drop_one(session, &reader, "DROP VIEW", control).await?;
        }
    }
    let snapshot = engine.snapshot();
    let state = snapshot.table(name);
    let is_view = state.is_some_and(|state| state.def.view().is_some());
    let owned = state.map(|state| owned_by_table(&snapshot, state.def.id)).unwrap_or_default();
    drop_one(session, name, if is_view { "DROP VIEW" } else { "DROP TABLE" }, control).await?;
    for sequence in owned {
        // Unless a column of another table takes its numbers from it.
        if numbered_by(engine.snapshot().tables.values(), &sequence).is_none() {
            drop_one(session, &sequence, "DROP SEQUENCE", control).await?;
        }
    }
    Ok(())
}

/// Drops a table or view, and says where a ROLLBACK would not bring it back.
async fn drop_one(session: &EngineSession, name: &str, what: &str, control: &JobControl) -> Result<()> {
    let undone = match session.transaction() {
        Some(transaction) => session.engine.drop_table_within(&transaction, name, control).await?,
        None => {
            session.engine.drop_table(name, control).await?;
            true
        }
    };
    if !undone {
        session.note_lasting(what);
    }
    Ok(())
}

/// Refuses to change what views read.
///
/// # Errors
/// [`ErrorKind::DependentObjects`], naming them.
pub(crate) fn check_no_readers(engine: &Engine, name: &str, what: &str) -> Result<()> {
    let snapshot = engine.snapshot();
    let readers = readers_of(&snapshot, name);
    if readers.is_empty() {
        return Ok(());
    }
    let kind = if snapshot.table(name).is_some_and(|state| state.def.view().is_some()) { "view" } else { "table" };
    let message = format!("cannot {what} {kind} {name} because other objects depend on it");
    let views = readers.iter().map(|reader| format!("view {reader}")).collect::<Vec<_>>().join(", ");
    let hint = format!("Use DROP ... CASCADE to drop the dependent objects too: {views}.");
    Err(EngineError::new(ErrorKind::DependentObjects, message).with_hint(hint))
}

/// The views that read a relation, those first that nothing reads: in this order they can be dropped.
fn readers_of(snapshot: &Snapshot, name: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut looked_for = vec![name.to_owned()];
    while let Some(name) = looked_for.pop() {
        for state in snapshot.tables.values() {
            let view = &state.def.name;
            if !found.contains(view) && reads(&state.def, &name) {
                found.push(view.clone());
                looked_for.push(view.clone());
            }
        }
    }
    found.reverse();
    found
}

/// True for a view that reads the relation.
fn reads(def: &TableDef, name: &str) -> bool {
    let names = def.view().and_then(|text| query_of(text).ok()).map(|query| relations::named(&query));
    names.unwrap_or_default().iter().any(|read| matches!(read.as_slice(), [_, table] if table == name))
}

/// A view that replaces another may have more columns, not fewer or other ones.
fn check_replacement(before: &TableDef, after: &TableDef) -> Result<()> {
    let wrong = |message: String| Err(EngineError::new(ErrorKind::InvalidDefinition, message));
    if after.columns.len() < before.columns.len() {
        return wrong("cannot drop columns from view".to_owned());
    }
    for (old, new) in before.columns.iter().zip(&after.columns) {
        if old.name != new.name {
            return wrong(format!("cannot change name of view column \"{}\" to \"{}\"", old.name, new.name));
        }
        // How many digits the numbers of an expression have is nothing that anybody declared.
        let numbers = [old, new].iter().all(|column| matches!(column.data_type, DataType::Decimal128(..)));
        if old.sql_type != new.sql_type && !numbers {
            return wrong(format!(
                "cannot change data type of view column \"{}\" from {} to {}",
                old.name, old.sql_type, new.sql_type
            ));
        }
    }
    Ok(())
}

/// Refuses a view that reads itself, through others or not.
fn check_recursion(snapshot: &Snapshot, name: &str, def: &TableDef) -> Result<()> {
    let readers = readers_of(snapshot, name);
    if reads(def, name) || readers.iter().any(|reader| reads(def, reader)) {
        let message = format!("infinite recursion detected in rules for relation \"{name}\"");
        return Err(EngineError::new(ErrorKind::InvalidObjectDefinition, message));
    }
    Ok(())
}

fn check_clauses(create: &CreateView) -> Result<()> {
    let has_options = match &create.options {
        CreateTableOptions::None => false,
        // A view is read with the privileges of whoever reads it, which is what `security_invoker` asks for.
        CreateTableOptions::With(options) => !options.iter().all(|option| option.to_string().starts_with("security_")),
        _ => true,
    };
    let problems = [
        (create.materialized, "CREATE MATERIALIZED VIEW", "use CREATE TABLE … AS, or CREATE VIEW"),
        (has_options, "WITH (…) of a view", "leave it out"),
        (create.or_alter || create.secure || create.copy_grants || create.to.is_some(), "this form", "see CREATE VIEW"),
        (!create.cluster_by.is_empty(), "CLUSTER BY", "leave it out"),
    ];
    match problems.into_iter().find(|(there, _, _)| *there) {
        Some((_, what, instead)) => {
            Err(EngineError::new(ErrorKind::FeatureNotSupported, format!("{what} is not supported: {instead}")))
        }
        None => Ok(()),
    }
}

/// Writes the schema before every name, so that it means the same in every session. True where one is temporary.
fn qualify(session: &EngineSession, query: &mut Query) -> Result<bool> {
    let mut temporary = false;
    let mut ast = Ast::Query(Box::new(query.clone()));
    let mut meaning = |name: &[String]| -> Result<Meaning> {
        let full = session.full_name(name)?;
        temporary |= full.first().is_some_and(|schema| schema == crate::session::temporary::TEMPORARY);
        Ok(Meaning::Relation(full))
    };
    relations::resolve_ast(&mut ast, &mut meaning)?;
    if let Ast::Query(qualified) = ast {
        *query = *qualified;
    }
    Ok(temporary)
}

/// The columns of the view. `*` becomes the columns that there are now.
async fn columns_of(
    session: &EngineSession,
    name: &str,
    query: &mut Query,
    create: &CreateView,
    control: &JobControl,
) -> Result<Vec<ColumnDef>> {
    let prepared = control.stoppable(Prepared::new(session, &Statement::of_query(query), &[], false)).await?;
    // Its columns are told to everybody who may see the view.
    prepared.check_needs(session)?;
    if !prepared.param_types.is_empty() {
        return Err(EngineError::new(ErrorKind::UndefinedParameter, "there is no parameter $1"));
    }
    let Some(schema) = &prepared.schema else { return Err(EngineError::internal("a query without columns")) };
    let mut fields: Vec<Field> = schema
        .fields()
        .iter()
        .map(|field| match field.data_type() {
            DataType::Null => field.as_ref().clone().with_data_type(DataType::Utf8View).with_nullable(true),
            _ => field.as_ref().clone().with_nullable(true),
        })
        .collect();
    spell_out_wildcard(query, &fields);
    if create.columns.len() > fields.len() {
        return Err(EngineError::new(ErrorKind::Syntax, "CREATE VIEW specifies more column names than columns"));
    }
    for (field, column) in fields.iter_mut().zip(&create.columns) {
        *field = field.clone().with_name(normalise(&column.name));
    }
    for (at, field) in fields.iter().enumerate() {
        if fields[..at].iter().any(|earlier| earlier.name() == field.name()) {
            let message = format!("column \"{}\" specified more than once", field.name());
            return Err(EngineError::new(ErrorKind::DuplicateColumn, message));
        }
    }
    Ok(sql::table_for_load(name, &Schema::new(fields), &BTreeMap::new(), None)?.columns)
}

/// `SELECT *` of one relation as its columns: a column that is added to the relation later is none of the view's.
fn spell_out_wildcard(query: &mut Query, fields: &[Field]) {
    let SetExpr::Select(select) = query.body.as_mut() else { return };
    let of_one = matches!(select.from.as_slice(), [from] if from.joins.is_empty());
    if of_one && matches!(select.projection.as_slice(), [SelectItem::Wildcard(_)]) {
        let item = |field: &Field| SelectItem::UnnamedExpr(Expr::Identifier(Ident::with_quote('"', field.name())));
        select.projection = fields.iter().map(item).collect();
    }
}

impl Engine {
    /// Puts a view's definition in the place of the one that it has.
    async fn replace_view(self: &Arc<Self>, def: TableDef, control: &JobControl) -> Result<()> {
        self.check_write()?;
        let _alone = control.wait(self.locks.change_table(def.id)).await?;
        let _finishing = control.must_finish()?;
        self.commit(vec![Change::AlterTable(Box::new(def))], Record::default()).await?;
        Ok(())
    }
}

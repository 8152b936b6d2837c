//! CREATE SCHEMA and DROP SCHEMA. A schema is a name in the catalog that ends with a point; what is in it has that name before
//! its own. The tables of all schemas are in one list, and in one schema of the query engine.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::sql::sqlparser::ast::{AlterTableOperation, ObjectName, RenameTableNameKind, SchemaName};
use zxq_catalog::{ColumnDef, SCHEMA_OF_ITS_OWN, TableDef, VIEW_QUERY};

use crate::context::PUBLIC;
use crate::error::{EngineError, ErrorKind, Result};
use crate::session::EngineSession;
use crate::session::ddl::check_owner;
use crate::session::names::{is_own_schema, is_schema, name_in};
use crate::session::sequences::numbered_by;
use crate::session::view_ddl::{check_no_readers, drop_with_readers};
use crate::sql::set_schema::{Moved, SetSchema};
use crate::sql::{self, relations};
use crate::supervisor::control::JobControl;

/// Makes a schema.
///
/// # Errors
/// One that there is; a name that only built-in ones have.
pub(crate) async fn create(
    session: &EngineSession,
    name: &SchemaName,
    if_not_exists: bool,
    control: &JobControl,
) -> Result<()> {
    let name = match name {
        SchemaName::Simple(name) | SchemaName::NamedAuthorization(name, _) => relations::parts(name).pop(),
        SchemaName::UnnamedAuthorization(user) => Some(sql::normalise(user)),
    };
    let name = name.unwrap_or_default();
    if session.is_schema(&name) {
        if if_not_exists {
            session.notice(format!("schema \"{name}\" already exists, skipping"));
            return Ok(());
        }
        return Err(EngineError::new(ErrorKind::DuplicateSchema, format!("schema \"{name}\" already exists")));
    }
    if name.starts_with("pg_") {
        return Err(EngineError::new(ErrorKind::ReservedName, format!("unacceptable schema name \"{name}\""))
            .with_hint("The prefix \"pg_\" is reserved for system schemas."));
    }
    if name.is_empty() || name.contains('.') {
        let message = format!("the name of a schema has no points in it: \"{name}\"");
        return Err(EngineError::new(ErrorKind::FeatureNotSupported, message));
    }
    session.rights()?.check_create(None)?;
    let engine = &session.engine;
    let inside = name_in(&name, "");
    if engine.snapshot().tables.values().any(|state| state.def.name.starts_with(&inside)) {
        let message = format!("there are tables of the schema public whose names begin with \"{inside}\"");
        return Err(EngineError::new(ErrorKind::FeatureNotSupported, message));
    }
    let options = [(VIEW_QUERY, "SELECT true AS is_schema"), (SCHEMA_OF_ITS_OWN, "true")];
    let column = ColumnDef::new("is_schema", DataType::Boolean, "BOOLEAN");
    let def = TableDef {
        owner: session.owner_of_new_tables(),
        options: options
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into_iter()
            .collect::<BTreeMap<_, _>>(),
        ..TableDef::new(0, inside, vec![column])
    };
    match session.transaction() {
        Some(transaction) => engine.create_table_within(&transaction, def, control).await.map(drop),
        None => engine.create_table(def, control).await.map(drop),
    }
}

/// `ALTER … SET SCHEMA`.
///
/// # Errors
/// What there is not, or is of another kind; a schema that there is not, or that has something of that name;
/// [`ErrorKind::DependentObjects`] where views read it.
pub(crate) async fn move_into(session: &EngineSession, set: &SetSchema, control: &JobControl) -> Result<()> {
    let (name, temporary) = session.existing(&set.name)?;
    let engine = &session.engine;
    let refused = |message: &str| Err(EngineError::new(ErrorKind::FeatureNotSupported, message));
    if temporary {
        return refused("cannot move objects into or out of temporary schemas");
    }
    if engine.snapshot().table(&name).is_none() && set.if_exists {
        session.notice(format!("relation \"{name}\" does not exist, skipping"));
        return Ok(());
    }
    session.check_is_there(&name)?;
    let def = Arc::clone(&engine.table(&name)?.def);
    check_owner(session, &name)?;
    let is_it = match set.moved {
        Moved::Table => def.view().is_none(),
        Moved::View => def.view().is_some() && def.sequence().is_none() && !def.is_schema(),
        Moved::Sequence => def.sequence().is_some(),
    };
    if !is_it {
        let kind = set.moved.tag().trim_start_matches("ALTER ").to_lowercase();
        return Err(EngineError::new(ErrorKind::WrongObjectType, format!("\"{name}\" is not a {kind}")));
    }
    let snapshot = engine.snapshot();
    let own_name = match snapshot.schema_of(&name) {
        Some(schema) => name.strip_prefix(schema.def.name.as_str()).unwrap_or(name.as_str()),
        None => name.as_str(),
    };
    let to = match set.schema.as_str() {
        PUBLIC => own_name.to_owned(),
        schema if is_own_schema(&snapshot, schema) => name_in(schema, own_name),
        schema if is_schema(schema) => {
            return refused("tables are made and kept in public and in schemas that were made");
        }
        schema => {
            let message = format!("schema \"{schema}\" does not exist");
            return Err(EngineError::new(ErrorKind::UndefinedSchema, message));
        }
    };
    if to == name {
        return Ok(());
    }
    session.check_create(&to)?;
    if snapshot.table(&to).is_some() {
        let message = format!("relation \"{own_name}\" already exists in schema \"{}\"", set.schema);
        return Err(EngineError::new(ErrorKind::DuplicateTable, message));
    }
    check_no_readers(engine, &name, "alter")?;
    if numbered_by(snapshot.tables.values(), &name).is_some() {
        return refused("a sequence that a column takes numbers from stays in its schema");
    }
    let to = relations::object_name(vec![to]);
    let rename = AlterTableOperation::RenameTable { table_name: RenameTableNameKind::To(to) };
    engine.alter_table(&name, &[rename], control).await?;
    session.note_lasting(set.moved.tag());
    Ok(())
}

/// Drops a schema, and with CASCADE what is in it.
///
/// # Errors
/// One that there is not, or that the system needs; [`ErrorKind::DependentObjects`] where something is in it.
pub(crate) async fn drop_schema(
    session: &EngineSession,
    name: &ObjectName,
    if_exists: bool,
    cascade: bool,
    control: &JobControl,
) -> Result<()> {
    let name = relations::parts(name).pop().unwrap_or_default();
    if is_schema(&name) {
        let message = format!("cannot drop schema {name} because it is required by the database system");
        return Err(EngineError::new(ErrorKind::DependentObjects, message));
    }
    let engine = Arc::clone(&session.engine);
    if !is_own_schema(&engine.snapshot(), &name) {
        if if_exists {
            session.notice(format!("schema \"{name}\" does not exist, skipping"));
            return Ok(());
        }
        return Err(EngineError::new(ErrorKind::UndefinedSchema, format!("schema \"{name}\" does not exist")));
    }
    let itself = name_in(&name, "");
    check_owner(session, &itself)?;
    let inside: Vec<String> = {
        let snapshot = engine.snapshot();
        let names = snapshot.tables.values().map(|state| state.def.name.clone());
        names.filter(|name| name.starts_with(&itself) && *name != itself).collect()
    };
    if !inside.is_empty() && !cascade {
        let message = format!("cannot drop schema {name} because other objects depend on it");
        let hint = format!("Use DROP ... CASCADE to drop the dependent objects too: {}.", inside.join(", "));
        return Err(EngineError::new(ErrorKind::DependentObjects, message).with_hint(hint));
    }
    for relation in inside {
        // Views go with what they read.
        if engine.snapshot().table(&relation).is_some() {
            check_owner(session, &relation)?;
            session.notice(format!("drop cascades to {relation}"));
            drop_with_readers(session, &relation, true, control).await?;
        }
    }
    drop_with_readers(session, &itself, true, control).await
}

//! CREATE SCHEMA and DROP SCHEMA. A schema is a name in the catalog that ends with a point; what is in it has that name before
//! its own. The tables of all schemas are in one list, and in one schema of the query engine.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::sql::sqlparser::ast::{ObjectName, SchemaName};
use zxq_catalog::{ColumnDef, Partitioning, SCHEMA_OF_ITS_OWN, TableDef, VIEW_QUERY};

use crate::error::{EngineError, ErrorKind, Result};
use crate::session::EngineSession;
use crate::session::ddl::check_owner;
use crate::session::names::{is_own_schema, is_schema, name_in};
use crate::session::view_ddl::drop_with_readers;
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
    session.rights()?.check_create()?;
    let engine = &session.engine;
    let inside = name_in(&name, "");
    if engine.snapshot().tables.values().any(|state| state.def.name.starts_with(&inside)) {
        let message = format!("there are tables of the schema public whose names begin with \"{inside}\"");
        return Err(EngineError::new(ErrorKind::FeatureNotSupported, message));
    }
    let options = [(VIEW_QUERY, "SELECT true AS is_schema"), (SCHEMA_OF_ITS_OWN, "true")];
    let def = TableDef {
        id: 0,
        name: inside,
        renamed_from: None,
        owner: session.owner_of_new_tables(),
        columns: vec![ColumnDef {
            name: "is_schema".to_owned(),
            data_type: DataType::Boolean,
            sql_type: "BOOLEAN".to_owned(),
            nullable: true,
            default: None,
            generated: None,
            max_chars: None,
        }],
        checks: Vec::new(),
        partitioning: Partitioning::none(),
        time_column: None,
        sort_by: Vec::new(),
        lookup: Vec::new(),
        options: options
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into_iter()
            .collect::<BTreeMap<_, _>>(),
    };
    match session.transaction() {
        Some(transaction) => engine.create_table_within(&transaction, def, control).await.map(drop),
        None => engine.create_table(def, control).await.map(drop),
    }
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

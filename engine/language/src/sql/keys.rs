//! Keys and indexes as SQL declares them: they are kept, and nothing makes them hold.

use std::collections::BTreeSet;

use datafusion::sql::sqlparser::ast::{ColumnDef, ColumnOption, Expr, Ident, IndexColumn, TableConstraint};
use zxq_catalog::{KeyDef, KeyKind, TableDef};

use super::ident::normalise;
use crate::error::{EngineError, ErrorKind, Result};

/// Adds the keys that columns and constraints declare to a definition.
///
/// # Errors
/// [`ErrorKind::UndefinedColumn`], [`ErrorKind::InvalidDefinition`] for a second primary key.
pub(super) fn declare(def: &mut TableDef, columns: &[ColumnDef], constraints: &[TableConstraint]) -> Result<()> {
    for column in columns {
        for option in &column.options {
            let kind = match &option.option {
                ColumnOption::PrimaryKey(_) => KeyKind::Primary,
                ColumnOption::Unique(_) => KeyKind::Unique,
                _ => continue,
            };
            add(def, kind, option.name.as_ref(), vec![normalise(&column.name)])?;
        }
    }
    constraints.iter().try_for_each(|constraint| declare_constraint(def, constraint).map(drop))
}

/// Adds the key that a table constraint declares; false where it declares none.
///
/// # Errors
/// As [`declare`].
pub(super) fn declare_constraint(def: &mut TableDef, constraint: &TableConstraint) -> Result<bool> {
    match constraint {
        TableConstraint::PrimaryKey(key) => {
            add(def, KeyKind::Primary, key.name.as_ref(), plain_columns(&key.columns)?)?;
        }
        TableConstraint::Unique(key) => add(def, KeyKind::Unique, key.name.as_ref(), plain_columns(&key.columns)?)?,
        _ => return Ok(false),
    }
    Ok(true)
}

fn add(def: &mut TableDef, kind: KeyKind, name: Option<&Ident>, columns: Vec<String>) -> Result<()> {
    if kind == KeyKind::Primary && def.keys().iter().any(|key| key.kind == KeyKind::Primary) {
        let message = format!("multiple primary keys for table \"{}\" are not allowed", def.name);
        return Err(EngineError::new(ErrorKind::InvalidDefinition, message));
    }
    check_columns(def, &columns)?;
    if kind == KeyKind::Primary {
        for column in def.columns.iter_mut().filter(|column| columns.contains(&column.name)) {
            column.nullable = false;
        }
    }
    let name = match name {
        Some(name) => normalise(name),
        None => free_name(def, &columns, kind),
    };
    if def.keys().iter().any(|key| key.name == name) || def.checks.iter().any(|check| check.name == name) {
        let message = format!("constraint \"{name}\" for relation \"{}\" already exists", def.name);
        return Err(EngineError::new(ErrorKind::DuplicateObject, message));
    }
    def.add_key(&KeyDef { name, kind, columns });
    Ok(())
}

/// The name that PostgreSQL gives to a key without one.
pub fn free_name(def: &TableDef, columns: &[String], kind: KeyKind) -> String {
    let base = match kind {
        KeyKind::Primary => format!("{}_pkey", def.name),
        KeyKind::Unique => format!("{}_{}_key", def.name, columns.join("_")),
        KeyKind::Index | KeyKind::UniqueIndex => format!("{}_{}_idx", def.name, columns.join("_")),
    };
    let taken: BTreeSet<String> = def.keys().into_iter().map(|key| key.name).collect();
    let numbered = (1..).map(|number| format!("{base}{number}"));
    std::iter::once(base.clone()).chain(numbered).find(|name| !taken.contains(name)).unwrap_or(base)
}

/// Refuses columns that the table does not have.
pub fn check_columns(def: &TableDef, columns: &[String]) -> Result<()> {
    match columns.iter().find(|column| def.column(column).is_none()) {
        None => Ok(()),
        Some(column) => {
            let message = format!("column \"{column}\" named in key does not exist");
            Err(EngineError::new(ErrorKind::UndefinedColumn, message))
        }
    }
}

/// The columns of a key or index.
///
/// # Errors
/// [`ErrorKind::FeatureNotSupported`] for expressions.
pub fn plain_columns(columns: &[IndexColumn]) -> Result<Vec<String>> {
    let name = |column: &IndexColumn| match &column.column.expr {
        Expr::Identifier(ident) => Ok(normalise(ident)),
        other => Err(EngineError::new(
            ErrorKind::FeatureNotSupported,
            format!("an index on the expression {other} is not supported: name a column"),
        )),
    };
    columns.iter().map(name).collect()
}

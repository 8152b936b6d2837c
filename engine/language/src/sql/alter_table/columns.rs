//! `RENAME COLUMN` and `DROP COLUMN`, of a table that holds no rows.

use zxq_catalog::TableDef;

use crate::error::{EngineError, ErrorKind, Result};
use crate::sql::create_table::{check_columns, columns_read};

/// Gives a column another name.
pub(super) fn rename(def: &mut TableDef, from: &str, to: &str) -> Result<()> {
    check_unneeded(def, from, "renamed")?;
    let Some(at) = def.column_index(from) else { return Err(missing(def, from)) };
    if def.column(to).is_some() {
        let message = format!("column \"{to}\" of relation \"{}\" already exists", def.name);
        return Err(EngineError::new(ErrorKind::DuplicateColumn, message));
    }
    def.columns[at].name = to.to_owned();
    check_columns(&def.name, &def.columns)?;
    let renamed = |name: &mut String| {
        if name == from {
            to.clone_into(name);
        }
    };
    def.time_column.iter_mut().for_each(renamed);
    def.sort_by.iter_mut().for_each(renamed);
    def.lookup.iter_mut().for_each(renamed);
    let comment = def.comment(Some(from)).map(str::to_owned);
    def.set_comment(Some(from), None);
    def.set_comment(Some(to), comment);
    for mut key in def.keys() {
        key.columns.iter_mut().for_each(renamed);
        def.add_key(&key);
    }
    Ok(())
}

/// Takes a column away, and what is about it alone.
pub(super) fn remove(def: &mut TableDef, name: &str, if_exists: bool) -> Result<()> {
    let Some(at) = def.column_index(name) else {
        return if if_exists { Ok(()) } else { Err(missing(def, name)) };
    };
    check_unneeded(def, name, "dropped")?;
    def.columns.remove(at);
    check_columns(&def.name, &def.columns)?;
    def.time_column.take_if(|column| column == name);
    def.sort_by.retain(|column| column != name);
    def.lookup.retain(|column| column != name);
    def.set_comment(Some(name), None);
    for key in def.keys() {
        if key.columns.iter().any(|column| column == name) {
            def.remove_key(&key.name);
        }
    }
    Ok(())
}

/// Refuses a column that expressions or partitions are made of.
fn check_unneeded(def: &TableDef, name: &str, what: &str) -> Result<()> {
    let mentions = |text: &str| columns_read(text).contains(name);
    let user = if def.partitioning.columns().any(|column| column == name) {
        Some("the table is partitioned by it".to_owned())
    } else if let Some(check) = def.checks.iter().find(|check| mentions(&check.expression)) {
        Some(format!("constraint \"{}\" reads it", check.name))
    } else {
        let reads = |text: &Option<String>| text.as_deref().is_some_and(mentions);
        let column = def.columns.iter().find(|column| column.name != name && reads(&column.generated));
        column.map(|column| format!("column \"{}\" is generated from it", column.name))
    };
    match user {
        None => Ok(()),
        Some(user) => Err(EngineError::new(
            ErrorKind::DependentObjects,
            format!("column \"{name}\" of table \"{}\" cannot be {what}: {user}", def.name),
        )),
    }
}

fn missing(def: &TableDef, name: &str) -> EngineError {
    let message = format!("column \"{name}\" of relation \"{}\" does not exist", def.name);
    EngineError::new(ErrorKind::UndefinedColumn, message)
}

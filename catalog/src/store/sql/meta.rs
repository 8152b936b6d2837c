//! The `meta` table: the catalog's numbers by name.

use super::super::database::{SqlDatabase, execute, query};
use super::stored::from_db;
use crate::error::{CatalogError, Result};

/// One number of the `meta` table.
pub(in super::super) async fn meta<D: SqlDatabase>(db: &mut D, key: &'static str) -> Result<u64> {
    let context = || format!("reading {key}");
    let rows = query(db, "SELECT value FROM meta WHERE key = $1", vec![key.into()], context, |row| row.int(0, key));
    match rows.await?.first() {
        Some(value) => from_db(*value, key),
        None => Err(CatalogError::Corrupt(format!("the meta table has no {key}"))),
    }
}

/// Sets one number of the `meta` table.
pub(in super::super) async fn set_meta<D: SqlDatabase>(db: &mut D, key: &'static str, value: i64) -> Result<()> {
    let params = vec![value.into(), key.into()];
    let done = execute(db, "UPDATE meta SET value = $1 WHERE key = $2", params, || format!("setting {key}")).await?;
    if done == 1 { Ok(()) } else { Err(CatalogError::Corrupt(format!("the meta table has no {key}"))) }
}

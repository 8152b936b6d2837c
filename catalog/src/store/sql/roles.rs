//! Roles and grants in the catalog's database.

use super::super::database::{Row, SqlDatabase, execute, query};
use super::stored::{decode, encode, from_db, to_db};
use crate::error::{CatalogError, Result};
use crate::roles::{Grant, Role, RoleId, Roles};
use crate::table::TableId;

/// All of them.
pub(super) async fn read<D: SqlDatabase>(db: &mut D) -> Result<Roles> {
    let context = || "reading roles".to_owned();
    let role = |row: &Row| {
        let id = from_db(row.int(0, "a role")?, "a role id")?;
        let role: Role = decode(&row.text(1, "a role")?, || format!("role {id}"))?;
        if role.id != id || role.is_built_in() {
            return Err(CatalogError::Corrupt(format!("role {id} says that it is role {}", role.id)));
        }
        Ok(role)
    };
    let roles = query(db, "SELECT id, body FROM roles ORDER BY id", Vec::new(), context, role).await?;
    let grant = |row: &Row| {
        let on = from_db(row.int(0, "grants")?, "a table id")?;
        let grants: Vec<Grant> = decode(&row.text(1, "grants")?, || format!("what is granted on table {on}"))?;
        Ok((on, grants))
    };
    let grants = query(db, "SELECT table_id, body FROM grants ORDER BY table_id", Vec::new(), context, grant).await?;
    Ok(Roles::stored(roles, grants))
}

/// Inserts or replaces a role.
pub(super) async fn put<D: SqlDatabase>(db: &mut D, role: &Role) -> Result<()> {
    let context = || format!("recording role \"{}\"", role.name);
    let id = to_db(role.id, "role id")?;
    let sql = "SELECT id FROM roles WHERE name = $1 AND id <> $2";
    let taken = query(db, sql, vec![role.name.as_str().into(), id.into()], context, |row| row.int(0, "a role"));
    if !taken.await?.is_empty() {
        return Err(CatalogError::Conflict(format!("role \"{}\" already exists", role.name)));
    }
    let sql = "INSERT INTO roles (id, name, body) VALUES ($1, $2, $3)
         ON CONFLICT (id) DO UPDATE SET name = excluded.name, body = excluded.body";
    let body = encode(role, || format!("role \"{}\"", role.name))?;
    execute(db, sql, vec![id.into(), role.name.as_str().into(), body.into()], context).await.map(|_| ())
}

/// Removes a role.
pub(super) async fn remove<D: SqlDatabase>(db: &mut D, id: RoleId) -> Result<()> {
    let params = vec![to_db(id, "role id")?.into()];
    match execute(db, "DELETE FROM roles WHERE id = $1", params, || format!("dropping role {id}")).await? {
        0 => Err(CatalogError::Conflict(format!("no role with id {id} to drop"))),
        _ => Ok(()),
    }
}

/// Replaces what is granted on a table.
pub(super) async fn set_grants<D: SqlDatabase>(db: &mut D, on: TableId, grants: &[Grant]) -> Result<()> {
    let context = || format!("recording what is granted on table {on}");
    let id = to_db(on, "table id")?;
    if grants.is_empty() {
        return execute(db, "DELETE FROM grants WHERE table_id = $1", vec![id.into()], context).await.map(|_| ());
    }
    let sql = "INSERT INTO grants (table_id, body) VALUES ($1, $2)
         ON CONFLICT (table_id) DO UPDATE SET body = excluded.body";
    let body = encode(&grants, context)?;
    execute(db, sql, vec![id.into(), body.into()], context).await.map(|_| ())
}

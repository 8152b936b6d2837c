//! [`MetadataPointers`] in the catalog's database.

use async_trait::async_trait;

use super::super::database::{Param, SqlDatabase, TransactionAccess, end, execute, query};
use super::SqlBacked;
use crate::error::Result;
use crate::iceberg_pointers::{ADD_NAMESPACE, CATALOG, CREATE, DROP, GET, LIST, MetadataPointers, NAMESPACE, SWAP};

/// Parameters of a statement about one table; `more` are those after the name.
fn about(table: &str, more: &[&str]) -> Vec<Param> {
    [CATALOG, NAMESPACE, table].iter().chain(more).map(|text| Param::from(*text)).collect()
}

/// Runs a statement about one table and tells how many rows it changed.
async fn run<D: SqlDatabase>(db: &mut D, sql: &str, table: &str, more: &[&str]) -> Result<u64> {
    execute(db, sql, about(table, more), || format!("changing the Iceberg table {table}")).await
}

async fn location<D: SqlDatabase>(db: &mut D, table: &str) -> Result<Option<String>> {
    let context = || format!("looking for the Iceberg table {table}");
    let found = query(db, GET, about(table, &[]), context, |row| row.text(0, "an Iceberg table"));
    Ok(found.await?.pop())
}

async fn create<D: SqlDatabase>(db: &mut D, table: &str, location: &str) -> Result<u64> {
    let context = || "making the Iceberg namespace".to_owned();
    execute(db, ADD_NAMESPACE, vec![CATALOG.into(), NAMESPACE.into()], context).await?;
    run(db, CREATE, table, &[location]).await
}

async fn list<D: SqlDatabase>(db: &mut D) -> Result<Vec<String>> {
    let context = || "listing the Iceberg tables".to_owned();
    query(db, LIST, vec![CATALOG.into(), NAMESPACE.into()], context, |row| row.text(0, "an Iceberg table")).await
}

#[async_trait]
impl<T: SqlBacked> MetadataPointers for T {
    async fn metadata_location(&self, table: &str) -> Result<Option<String>> {
        transaction!(self, TransactionAccess::Read, location, table)
    }

    async fn create_pointer(&self, table: &str, location: &str) -> Result<bool> {
        Ok(transaction!(self, TransactionAccess::Write, create, table, location)? == 1)
    }

    async fn swap_pointer(&self, table: &str, from: &str, to: &str) -> Result<bool> {
        Ok(transaction!(self, TransactionAccess::Write, run, SWAP, table, &[from, to])? == 1)
    }

    async fn drop_pointer(&self, table: &str) -> Result<()> {
        transaction!(self, TransactionAccess::Write, run, DROP, table, &[]).map(|_| ())
    }

    async fn tables_with_pointers(&self) -> Result<Vec<String>> {
        transaction!(self, TransactionAccess::Read, list)
    }
}

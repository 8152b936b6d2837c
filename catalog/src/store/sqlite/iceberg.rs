//! [`MetadataPointers`] in the catalog's file.

use async_trait::async_trait;
use sqlx::{Row, SqliteConnection};

use super::SqliteStore;
use super::stored::failed;
use crate::error::Result;
use crate::iceberg_pointers::{ADD_NAMESPACE, CATALOG, CREATE, DROP, GET, LIST, MetadataPointers, NAMESPACE, SWAP};

/// Runs a statement about one table; `more` are its parameters after the name. Returns the rows it changed.
async fn run(connection: &mut SqliteConnection, sql: &str, table: &str, more: &[&str]) -> Result<u64> {
    let query = sqlx::query(sql).bind(CATALOG).bind(NAMESPACE).bind(table);
    let query = more.iter().fold(query, |query, text| query.bind(*text));
    let done = query.execute(connection).await;
    Ok(done.map_err(|e| failed(format!("changing the Iceberg table {table}"), e))?.rows_affected())
}

#[async_trait]
impl MetadataPointers for SqliteStore {
    async fn metadata_location(&self, table: &str) -> Result<Option<String>> {
        let context = || format!("looking for the Iceberg table {table}");
        let query = sqlx::query(GET).bind(CATALOG).bind(NAMESPACE).bind(table);
        let row = query.fetch_optional(&mut self.inner.lock().await.connection).await;
        match row.map_err(|e| failed(context(), e))? {
            Some(row) => row.try_get(0).map_err(|e| failed(context(), e)),
            None => Ok(None),
        }
    }

    async fn create_pointer(&self, table: &str, location: &str) -> Result<bool> {
        let connection = &mut self.inner.lock().await.connection;
        // A namespace without tables harms nobody, so the two need no common transaction.
        sqlx::query(ADD_NAMESPACE)
            .bind(CATALOG)
            .bind(NAMESPACE)
            .execute(&mut *connection)
            .await
            .map_err(|e| failed("making the Iceberg namespace", e))?;
        Ok(run(connection, CREATE, table, &[location]).await? == 1)
    }

    async fn swap_pointer(&self, table: &str, from: &str, to: &str) -> Result<bool> {
        Ok(run(&mut self.inner.lock().await.connection, SWAP, table, &[from, to]).await? == 1)
    }

    async fn drop_pointer(&self, table: &str) -> Result<()> {
        run(&mut self.inner.lock().await.connection, DROP, table, &[]).await.map(|_| ())
    }

    async fn tables_with_pointers(&self) -> Result<Vec<String>> {
        let context = "listing the Iceberg tables";
        let query = sqlx::query(LIST).bind(CATALOG).bind(NAMESPACE);
        let rows = query.fetch_all(&mut self.inner.lock().await.connection).await.map_err(|e| failed(context, e))?;
        rows.iter().map(|row| row.try_get(0).map_err(|e| failed(context, e))).collect()
    }
}

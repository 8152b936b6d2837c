//! Writing a DuckDB table: made, filled and counted in one transaction.

use ::duckdb::Connection;
use arrow::record_batch::RecordBatch;
use zxq_catalog::TableDef;

use super::database::DuckDbFile;
use super::{NAME, types};
use crate::adapt::adapt_batch;
use crate::database::sql::quote;
use crate::error::{ProviderError, Result};

/// Fails when DuckDB cannot hold this table, saying why.
pub(super) fn check_table(table: &TableDef) -> Result<()> {
    columns_sql(table).map(drop)
}

/// The columns of a table as `CREATE TABLE` names them.
///
/// # Errors
/// [`ProviderError::Unsupported`] for a type that DuckDB cannot hold.
pub(super) fn columns_sql(table: &TableDef) -> Result<Vec<String>> {
    let column = |name: &str, sql_type: String| format!("{} {sql_type}", quote(name));
    table.columns.iter().map(|c| Ok(column(&c.name, types::column_sql_type(&c.name, &c.data_type)?))).collect()
}

/// A segment's rows as DuckDB's appender takes them.
pub(super) struct StoredRows {
    pub(super) batches: Vec<RecordBatch>,
    pub(super) rows: usize,
    /// About how many bytes they are.
    pub(super) bytes: u64,
}

impl StoredRows {
    /// # Errors
    /// Where there are no rows, or they are not of this table.
    pub(super) fn new(table: &TableDef, segment: &str, rows: &[RecordBatch]) -> Result<StoredRows> {
        let target = table.schema();
        let mut stored = StoredRows { batches: Vec::with_capacity(rows.len()), rows: 0, bytes: 0 };
        for batch in rows {
            let batch = types::to_storage(&adapt_batch(batch, &target)?)?;
            stored.rows += batch.num_rows();
            stored.bytes += types::plain_bytes(&batch);
            stored.batches.push(batch);
        }
        match stored.rows {
            0 => Err(ProviderError::Unsupported { store: NAME, what: format!("write segment {segment} without rows") }),
            _ => Ok(stored),
        }
    }
}

/// A table to be made.
pub(super) struct NewTable<'a> {
    pub(super) schema: &'a str,
    pub(super) name: &'a str,
    /// As `CREATE TABLE` names them.
    pub(super) columns: &'a [String],
}

impl NewTable<'_> {
    /// Makes the table with these rows, about so many bytes, durably when it returns. Nothing is left when it fails. A table of the same
    /// name, from an earlier attempt, is replaced.
    pub(super) fn write(
        &self,
        database: &DuckDbFile,
        connection: &Connection,
        rows: Vec<RecordBatch>,
        bytes: u64,
    ) -> Result<()> {
        database.ensure_schema(connection, self.schema)?;
        let context = || format!("writing segment {}.{}", self.schema, self.name);
        connection.execute_batch("BEGIN TRANSACTION").map_err(|e| database.error(context(), e))?;
        let filled = self.fill(database, connection, rows);
        let done = filled.and_then(|()| connection.execute_batch("COMMIT").map_err(|e| database.error(context(), e)));
        if let Err(failed) = done {
            // A failed COMMIT has rolled back already: then this fails too, and there is nothing more to undo.
            if let Err(e) = connection.execute_batch("ROLLBACK") {
                tracing::debug!(error = %e, "no transaction left to roll back");
            }
            return Err(failed);
        }
        database.table_written(connection, self.columns.len(), bytes);
        database.sync_folder()
    }

    fn fill(&self, database: &DuckDbFile, connection: &Connection, rows: Vec<RecordBatch>) -> Result<()> {
        let (schema, name) = (self.schema, self.name);
        let error = |e| database.error(format!("writing segment {schema}.{name}"), e);
        let place = format!("{}.{}", quote(schema), quote(name));
        let make = format!("CREATE OR REPLACE TABLE {place} ({})", self.columns.join(", "));
        connection.execute_batch(&make).map_err(error)?;
        let expected: usize = rows.iter().map(RecordBatch::num_rows).sum();
        let mut appender = connection.appender_to_db(name, schema).map_err(error)?;
        for batch in rows {
            appender.append_record_batch(batch).map_err(error)?;
        }
        appender.flush().map_err(error)?;
        drop(appender);
        let count = format!("SELECT count(*) FROM {place}");
        let found: i64 = connection.query_row(&count, [], |row| row.get(0)).map_err(error)?;
        if usize::try_from(found) != Ok(expected) {
            return Err(ProviderError::Corrupt {
                store: NAME,
                what: format!("segment {schema}.{name}"),
                reason: format!("rows that were appended: {expected}, rows that are there: {found}"),
            });
        }
        Ok(())
    }
}

/// Drops tables, all or none; those already gone are skipped.
pub(super) fn drop_tables(database: &DuckDbFile, connection: &Connection, places: &[String]) -> Result<()> {
    if places.is_empty() {
        return Ok(());
    }
    let drops: Vec<String> = places.iter().map(|place| format!("DROP TABLE IF EXISTS {place};")).collect();
    let error = |e| database.error("dropping segments", e);
    connection.execute_batch(&format!("BEGIN TRANSACTION; {} COMMIT;", drops.concat())).map_err(error)
}

/// SQL names of a schema's tables whose names end like this.
pub(super) fn tables_ending_with(
    database: &DuckDbFile,
    connection: &Connection,
    schema: &str,
    suffix: &str,
) -> Result<Vec<String>> {
    let error = |e| database.error("listing tables", e);
    let sql = "SELECT table_name FROM duckdb_tables() WHERE schema_name = ? AND suffix(table_name, ?)";
    let mut statement = connection.prepare(sql).map_err(error)?;
    let names = statement.query_map([schema, suffix], |row| row.get::<_, String>(0)).map_err(error)?;
    names.map(|name| Ok(format!("{}.{}", quote(schema), quote(&name.map_err(error)?)))).collect()
}

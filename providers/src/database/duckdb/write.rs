//! Writing one segment: a DuckDB table made, filled and counted in one transaction.

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
    table.columns.iter().try_for_each(|column| types::column_sql_type(&column.name, &column.data_type).map(drop))
}

/// Writes the rows to `schema.name`, durably when it returns, and returns about how many bytes they are. Nothing is left
/// when it fails. Rows of an earlier attempt under the same name are replaced.
pub(super) fn write_segment(
    database: &DuckDbFile,
    connection: &Connection,
    table: &TableDef,
    schema: &str,
    name: &str,
    rows: &[RecordBatch],
) -> Result<u64> {
    check_table(table)?;
    let expected: usize = rows.iter().map(RecordBatch::num_rows).sum();
    if expected == 0 {
        return Err(ProviderError::Unsupported { store: NAME, what: format!("write segment {name} without rows") });
    }
    let context = || format!("writing segment {schema}.{name}");
    database.ensure_schema(connection, schema)?;
    connection.execute_batch("BEGIN TRANSACTION").map_err(|e| database.error(context(), e))?;
    let filled = fill(database, connection, table, schema, name, rows, expected);
    let done = filled.and_then(|bytes| {
        connection.execute_batch("COMMIT").map_err(|e| database.error(context(), e))?;
        Ok(bytes)
    });
    match done {
        Ok(bytes) => {
            database.table_written(connection, table.columns.len(), bytes);
            database.sync_folder().map(|()| bytes)
        }
        Err(failed) => {
            // A failed COMMIT has rolled back already: then this fails too, and there is nothing more to undo.
            if let Err(e) = connection.execute_batch("ROLLBACK") {
                tracing::debug!(error = %e, "no transaction left to roll back");
            }
            Err(failed)
        }
    }
}

fn fill(
    database: &DuckDbFile,
    connection: &Connection,
    table: &TableDef,
    schema: &str,
    name: &str,
    rows: &[RecordBatch],
    expected: usize,
) -> Result<u64> {
    let context = || format!("writing segment {schema}.{name}");
    let columns = table
        .columns
        .iter()
        .map(|c| Ok(format!("{} {}", quote(&c.name), types::column_sql_type(&c.name, &c.data_type)?)))
        .collect::<Result<Vec<String>>>()?;
    let place = format!("{}.{}", quote(schema), quote(name));
    connection
        .execute_batch(&format!("CREATE OR REPLACE TABLE {place} ({})", columns.join(", ")))
        .map_err(|e| database.error(context(), e))?;
    let target = table.schema();
    let mut appender = connection.appender_to_db(name, schema).map_err(|e| database.error(context(), e))?;
    let mut bytes = 0;
    for batch in rows {
        let batch = types::to_storage(&adapt_batch(batch, &target)?)?;
        bytes += types::plain_bytes(&batch);
        appender.append_record_batch(batch).map_err(|e| database.error(context(), e))?;
    }
    appender.flush().map_err(|e| database.error(context(), e))?;
    drop(appender);
    let found: i64 = connection
        .query_row(&format!("SELECT count(*) FROM {place}"), [], |row| row.get(0))
        .map_err(|e| database.error(context(), e))?;
    if usize::try_from(found) != Ok(expected) {
        return Err(ProviderError::Corrupt {
            store: NAME,
            what: format!("segment {schema}.{name}"),
            reason: format!("rows that were appended: {expected}, rows that are there: {found}"),
        });
    }
    Ok(bytes)
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

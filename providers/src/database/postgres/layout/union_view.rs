//! The view that people query where segments are hypertables, which PostgreSQL cannot attach to a partitioned table.

use tokio_postgres::Transaction;
use zxq_catalog::TableDef;

use super::{add_columns, check_columns, columns_of, text_collation, visible_table};
use crate::database::postgres::NAME;
use crate::database::postgres::errors::Context;
use crate::database::postgres::names::{SEGMENT_COLUMN, place, segments_schema};
use crate::database::postgres::types;
use crate::database::sql::quote;
use crate::error::{ProviderError, Result};

/// A view in its place: name and type of its columns.
type Columns = Vec<(String, String)>;

/// Makes the view, or adds the columns that it does not have yet; the segments it shows get them too.
pub(super) async fn ensure(
    transaction: &Transaction<'_>,
    schema: &str,
    name: &str,
    table: &TableDef,
    found: Option<Columns>,
) -> Result<()> {
    let mut columns = found.unwrap_or_default();
    let before = columns.len();
    for column in table.columns.iter().filter(|c| !columns.iter().any(|(name, _)| *name == c.name)).collect::<Vec<_>>()
    {
        columns.push((column.name.clone(), types::column_sql_type(&column.name, &column.data_type)?));
    }
    if before == 0 {
        columns.push((SEGMENT_COLUMN.to_owned(), "bigint".to_owned()));
    } else if columns.len() == before {
        return Ok(());
    }
    for (child, _) in wanted(transaction, schema, name).await? {
        prepare_segment(transaction, schema, &child, table, "10s").await?;
    }
    transaction.batch_execute("SET LOCAL lock_timeout = '10s'").await.context(|| format!("locking {schema}.{name}"))?;
    define(transaction, schema, name, &columns).await
}

/// Makes the view show the segments that are recorded as visible.
pub(super) async fn show(
    transaction: &Transaction<'_>,
    schema: &str,
    name: &str,
    table: &TableDef,
    columns: &Columns,
) -> Result<()> {
    let shown = shown(transaction, schema, name).await?;
    let mut wanted: Vec<String> =
        wanted(transaction, schema, name).await?.into_iter().map(|(child, _)| child).collect();
    wanted.sort();
    if shown == wanted {
        return Ok(());
    }
    for child in wanted.iter().filter(|child| !shown.contains(child)) {
        prepare_segment(transaction, schema, child, table, "2s").await?;
    }
    define(transaction, schema, name, columns).await
}

/// Takes segments that are no longer recorded as visible out of the view, so that they can be dropped.
pub(super) async fn forget(transaction: &Transaction<'_>, schema: &str, name: &str, gone: &[&str]) -> Result<()> {
    if shown(transaction, schema, name).await?.iter().any(|child| gone.contains(&child.as_str())) {
        let columns = columns_of(transaction, schema, name).await?.unwrap_or_default();
        define(transaction, schema, name, &columns).await?;
    }
    Ok(())
}

/// Checks a segment, and gives it the columns that are younger than it.
async fn prepare_segment(
    transaction: &Transaction<'_>,
    schema: &str,
    child: &str,
    table: &TableDef,
    wait: &str,
) -> Result<()> {
    let segments = segments_schema(schema);
    let found = columns_of(transaction, &segments, child).await?.unwrap_or_default();
    check_columns(&format!("segment {segments}.{child}"), table, &found, false)?;
    add_columns(transaction, &place(&segments, child), table, &found, wait).await
}

/// The segments that the view should show, with their ids.
async fn wanted(transaction: &Transaction<'_>, schema: &str, name: &str) -> Result<Vec<(String, i64)>> {
    let sql = format!(
        "SELECT v.name, v.segment FROM {} v WHERE v.parent = $1 AND v.visible \
         AND to_regclass(quote_ident($2) || '.' || quote_ident(v.name)) IS NOT NULL ORDER BY v.segment",
        visible_table(schema)
    );
    let rows = transaction.query(&sql, &[&name, &segments_schema(schema)]).await;
    let rows = rows.context(|| format!("reading the segments of {schema}.{name}"))?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// The segments that the view shows.
async fn shown(transaction: &Transaction<'_>, schema: &str, name: &str) -> Result<Vec<String>> {
    let sql = "SELECT DISTINCT c.relname::text FROM pg_depend d JOIN pg_rewrite r ON r.oid = d.objid \
               JOIN pg_class c ON c.oid = d.refobjid JOIN pg_namespace n ON n.oid = c.relnamespace \
               WHERE r.ev_class = to_regclass($1) AND d.classid = 'pg_rewrite'::regclass \
               AND d.refclassid = 'pg_class'::regclass AND n.nspname = $2 ORDER BY 1";
    let rows = transaction.query(sql, &[&place(schema, name), &segments_schema(schema)]).await;
    let rows = rows.context(|| format!("reading the view {schema}.{name}"))?;
    let mut names: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    names.sort();
    Ok(names)
}

async fn define(transaction: &Transaction<'_>, schema: &str, name: &str, columns: &Columns) -> Result<()> {
    // The first branch has no rows: it gives the view its types whichever segments there are.
    let empty: Vec<String> = columns
        .iter()
        .map(|(name, sql_type)| format!("CAST(NULL AS {sql_type}){} AS {}", text_collation(sql_type), quote(name)))
        .collect();
    let mut branches = vec![format!("SELECT {} WHERE false", empty.join(", "))];
    for (child, id) in wanted(transaction, schema, name).await? {
        let values: Vec<String> = columns
            .iter()
            .map(|(name, _)| if name == SEGMENT_COLUMN { format!("CAST({id} AS bigint)") } else { quote(name) })
            .collect();
        branches.push(format!("SELECT {} FROM {}", values.join(", "), place(&segments_schema(schema), &child)));
    }
    let sql = format!("CREATE OR REPLACE VIEW {} AS {}", place(schema, name), branches.join(" UNION ALL "));
    transaction.batch_execute(&sql).await.context(|| format!("showing segments in {schema}.{name}"))
}

/// Puts the view in the place of a partitioned table, whose segments it shows from then on.
pub(super) async fn replace_partitioned(
    transaction: &Transaction<'_>,
    schema: &str,
    name: &str,
    table: &TableDef,
) -> Result<()> {
    let target = place(schema, name);
    let doing = || format!("making a view of {schema}.{name}");
    let Some(columns) = columns_of(transaction, schema, name).await? else {
        return Err(ProviderError::Missing { store: NAME, what: format!("table {schema}.{name}") });
    };
    transaction.batch_execute("SET LOCAL lock_timeout = '10s'").await.context(doing)?;
    let sql = "SELECT format('%I.%I', n.nspname, c.relname) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid \
               JOIN pg_namespace n ON n.oid = c.relnamespace WHERE i.inhparent = to_regclass($1)";
    for row in transaction.query(sql, &[&target]).await.context(doing)? {
        let detach = format!("ALTER TABLE {target} DETACH PARTITION {}", row.get::<_, String>(0));
        transaction.batch_execute(&detach).await.context(doing)?;
    }
    transaction.batch_execute(&format!("DROP TABLE {target}")).await.context(doing)?;
    define(transaction, schema, name, &columns).await?;
    super::comment(transaction, "VIEW", &target, table).await
}

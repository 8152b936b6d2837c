//! The tables that people query, and which segments they see there.
//!
//! A zxq table is one PostgreSQL table, partitioned BY LIST of the hidden column `zxq_segment`: several segments share one
//! zxq partition, so neither dates nor classes could bound its children. A segment is attached under its own id when it is
//! published and detached when it is replaced; both in one transaction, so people see each row once at any time. zxq itself
//! never reads through that table.
//!
//! Attaching and detaching need locks that long readers hold. Nobody waits for them: what should be visible is recorded
//! first, and brought about by the next publication when it cannot be now.

use std::sync::Arc;

use tokio_postgres::{GenericClient, Transaction};
use zxq_catalog::{Segment, TableDef};

use super::errors::Context;
use super::names::{SEGMENT_COLUMN, parent, parts, pattern, place, segments_schema};
use super::pool::{Connection, Pool};
use super::{NAME, hypertable, types};
use crate::database::sql::dialect::text_literal;
use crate::database::sql::quote;
use crate::error::{ProviderError, Result};
use crate::scalar::constant_default;

mod union_view;

/// Oldest server: `date_bin`, and `extract` with all digits.
const OLDEST_VERSION: i32 = 140_000;

/// Tables dropped in one transaction: each takes several locks, of which a server has a fixed number.
const DROPS_AT_ONCE: usize = 50;

/// Segments as SQL names of schema and table.
pub(super) fn places(segments: &[Segment]) -> Result<Vec<(String, String)>> {
    segments.iter().map(|s| parts(&s.location).map(|(schema, table)| (schema.to_owned(), table.to_owned()))).collect()
}

/// Checks the server and makes the two schemas.
pub(super) async fn prepare(
    connection: &mut Connection,
    schema: &str,
    server: &str,
    owner: Option<&str>,
) -> Result<()> {
    let doing = || format!("preparing schema \"{schema}\" in {server}");
    let refused = |reason: String| ProviderError::Refused { store: NAME, what: doing(), reason };
    let transaction = connection.client_mut()?.transaction().await.context(doing)?;
    let facts = "SELECT current_setting('server_version_num')::int, current_setting('server_version'), \
                 current_setting('transaction_read_only') = 'on', pg_is_in_recovery(), current_user::text";
    let row = transaction.query_one(facts, &[]).await.context(doing)?;
    if row.get::<_, i32>(0) < OLDEST_VERSION {
        return Err(refused(format!("the server is PostgreSQL {}; 14 or newer is needed", row.get::<_, String>(1))));
    }
    if row.get::<_, bool>(3) {
        return Err(refused("the server is a standby, which cannot be written to: name the primary".to_owned()));
    }
    if row.get::<_, bool>(2) {
        return Err(refused(format!("the role \"{}\" is read-only", row.get::<_, String>(4))));
    }
    lock(&transaction, schema, "").await?;
    for name in [schema.to_owned(), segments_schema(schema)] {
        let there = "SELECT has_schema_privilege(oid, 'CREATE') FROM pg_namespace WHERE nspname = $1";
        match transaction.query_opt(there, &[&name]).await.context(doing)? {
            None => {
                transaction.batch_execute(&format!("CREATE SCHEMA {}", quote(&name))).await.context(doing)?;
            }
            Some(row) if !row.get::<_, bool>(0) => {
                return Err(refused(format!("the role may not create tables in schema \"{name}\"")));
            }
            Some(_) => {}
        }
    }
    let visible = format!(
        "CREATE TABLE IF NOT EXISTS {} (name text COLLATE \"C\" PRIMARY KEY, parent text COLLATE \"C\" NOT NULL, \
         segment bigint NOT NULL, visible boolean NOT NULL)",
        visible_table(schema)
    );
    transaction.batch_execute(&visible).await.context(doing)?;
    if let Some(owner) = owner {
        claim(&transaction, schema, owner).await?.map_err(refused)?;
    }
    transaction.commit().await.context(doing)
}

/// Notes whose schema it is. The inner error says that it is somebody else's: names of tables and segments would clash.
async fn claim(transaction: &Transaction<'_>, schema: &str, owner: &str) -> Result<std::result::Result<(), String>> {
    let table = place(&segments_schema(schema), "owner");
    let doing = || format!("looking whose schema \"{schema}\" is");
    let create = format!("CREATE TABLE IF NOT EXISTS {table} (catalog text COLLATE \"C\" PRIMARY KEY)");
    transaction.batch_execute(&create).await.context(doing)?;
    let found = transaction.query_opt(&format!("SELECT catalog FROM {table}"), &[]).await.context(doing)?;
    match found.map(|row| row.get::<_, String>(0)) {
        None => {
            transaction.execute(&format!("INSERT INTO {table} VALUES ($1)"), &[&owner]).await.context(doing)?;
            Ok(Ok(()))
        }
        Some(found) if found == owner => Ok(Ok(())),
        Some(_) => Ok(Err(format!(
            "it holds the rows of another data directory: set warm.schema to another name, or, if that directory is gone \
             for good, DROP SCHEMA {} CASCADE and DROP SCHEMA {} CASCADE",
            quote(schema),
            quote(&segments_schema(schema))
        ))),
    }
}

/// Checks the server, and that the segments can be read there.
pub(super) async fn check_readable(connection: &mut Connection, schema: &str, server: &str) -> Result<()> {
    let doing = || format!("looking for schema \"{schema}\" in {server}");
    let refused = |reason: String| Err(ProviderError::Refused { store: NAME, what: doing(), reason });
    let sql = "SELECT current_setting('server_version_num')::int, \
               (SELECT has_schema_privilege(oid, 'USAGE') FROM pg_namespace WHERE nspname = $1)";
    let segments = segments_schema(schema);
    let row = connection.client()?.query_one(sql, &[&segments]).await.context(doing)?;
    if row.get::<_, i32>(0) < OLDEST_VERSION {
        return refused("PostgreSQL 14 or newer is needed".to_owned());
    }
    match row.get::<_, Option<bool>>(1) {
        None => refused(format!("there is no schema \"{segments}\": start the writer first")),
        Some(false) => refused(format!("the role may not use schema \"{segments}\": GRANT USAGE ON SCHEMA {segments}")),
        Some(true) => Ok(()),
    }
}

fn visible_table(schema: &str) -> String {
    place(&segments_schema(schema), "visible")
}

/// Lets one transaction at a time change a table's layout.
async fn lock(transaction: &Transaction<'_>, schema: &str, table: &str) -> Result<()> {
    let sql = "SELECT pg_advisory_xact_lock(hashtextextended('zxq ' || $1, 0))";
    let name = format!("{schema}.{table}");
    transaction.execute(sql, &[&name]).await.context(|| format!("locking {name}"))?;
    Ok(())
}

fn columns_sql(table: &TableDef) -> Result<Vec<String>> {
    let columns = table.columns.iter().map(|c| {
        let sql_type = types::column_sql_type(&c.name, &c.data_type)?;
        Ok(format!("{} {sql_type}{}", quote(&c.name), text_collation(&sql_type)))
    });
    columns.collect()
}

/// Text is in the order of its bytes, as in every tier.
fn text_collation(sql_type: &str) -> &'static str {
    if sql_type == "text" { " COLLATE \"C\"" } else { "" }
}

/// What the thing is that people query: `p` for a partitioned table, `v` for a view; `None` where nothing is there.
async fn kind_of(client: &impl GenericClient, schema: &str, name: &str) -> Result<Option<String>> {
    let sql = "SELECT relkind::text FROM pg_class WHERE oid = to_regclass($1)";
    let row = client.query_opt(sql, &[&place(schema, name)]).await.context(|| format!("reading {schema}.{name}"))?;
    Ok(row.map(|row| row.get(0)))
}

/// True where people query a view: then the segments of a table that asks for hypertables are some.
pub(super) async fn is_view(client: &impl GenericClient, schema: &str, table: &TableDef) -> Result<bool> {
    Ok(kind_of(client, schema, &parent(&table.storage_name())).await?.as_deref() == Some("v"))
}

/// True where people see segments there, or are to.
async fn shows_segments(client: &impl GenericClient, schema: &str, name: &str) -> Result<bool> {
    let sql = format!(
        "SELECT EXISTS (SELECT FROM pg_inherits WHERE inhparent = to_regclass($1)) \
         OR EXISTS (SELECT FROM {} WHERE parent = $2 AND visible)",
        visible_table(schema)
    );
    let row = client.query_one(&sql, &[&place(schema, name), &name]).await;
    Ok(row.context(|| format!("reading {schema}.{name}"))?.get(0))
}

/// Tells people whose the thing is.
async fn comment(transaction: &Transaction<'_>, what: &str, target: &str, table: &TableDef) -> Result<()> {
    let text = text_literal(&format!("zxq table {}: managed by zxq, do not change", table.name));
    let sql = format!("COMMENT ON {what} {target} IS {}", text.as_deref().unwrap_or("NULL"));
    transaction.batch_execute(&sql).await.context(|| format!("commenting on {target}"))
}

/// The columns of a segment, as `CREATE TABLE` names them.
pub(super) fn segment_columns(table: &TableDef) -> Result<String> {
    Ok(columns_sql(table)?.join(", "))
}

/// Makes the table that people query, or checks it and adds columns that are new.
pub(super) async fn ensure_parent(pool: &Arc<Pool>, table: &TableDef) -> Result<()> {
    super::write::check_table(table)?;
    let schema = pool.options().schema.clone();
    let name = parent(&table.storage_name());
    let target = place(&schema, &name);
    let doing = || format!("making table {schema}.{name}");
    let mut connection = pool.get().await?;
    let transaction = connection.client_mut()?.transaction().await.context(doing)?;
    lock(&transaction, &schema, &name).await?;
    let wants_view = hypertable::is_asked_for(table) && {
        let is_there = hypertable::functions(&transaction).await?.is_some();
        if !is_there {
            hypertable::say_that_it_is_missing(table, &pool.options().server());
        }
        is_there
    };
    let mut found = columns_of(&transaction, &schema, &name).await?;
    let mut kind = kind_of(&transaction, &schema, &name).await?;
    if let Some(columns) = &found
        && let Err(changed) = check_columns(&format!("table {schema}.{name}"), table, columns, true)
    {
        // Columns of a table without rows are renamed and dropped.
        if shows_segments(&transaction, &schema, &name).await? {
            return Err(changed);
        }
        let what = if kind.as_deref() == Some("v") { "VIEW" } else { "TABLE" };
        transaction.batch_execute(&format!("DROP {what} {target}")).await.context(doing)?;
        (found, kind) = (None, None);
    }
    match (kind.as_deref(), found) {
        (None, _) if wants_view => {
            union_view::ensure(&transaction, &schema, &name, table, None).await?;
            comment(&transaction, "VIEW", &target, table).await?;
        }
        (None, _) => {
            let mut columns = columns_sql(table)?;
            columns.push(format!("{SEGMENT_COLUMN} bigint NOT NULL"));
            let sql = format!("CREATE TABLE {target} ({}) PARTITION BY LIST ({SEGMENT_COLUMN})", columns.join(", "));
            transaction.batch_execute(&sql).await.context(doing)?;
            comment(&transaction, "TABLE", &target, table).await?;
        }
        (Some("v"), found) => union_view::ensure(&transaction, &schema, &name, table, found).await?,
        (Some(_), found) => {
            add_columns(&transaction, &target, table, &found.unwrap_or_default(), "10s").await?;
            if wants_view {
                union_view::replace_partitioned(&transaction, &schema, &name, table).await?;
            }
        }
    }
    transaction.commit().await.context(doing)?;
    connection.give_back();
    Ok(())
}

/// Adds the columns that a table or a segment does not have yet, with their constant defaults.
async fn add_columns(
    transaction: &Transaction<'_>,
    target: &str,
    table: &TableDef,
    found: &[(String, String)],
    wait: &str,
) -> Result<()> {
    let mut clauses = Vec::new();
    for (column, sql) in table.columns.iter().zip(columns_sql(table)?) {
        if found.iter().any(|(name, _)| *name == column.name) {
            continue;
        }
        let default = constant_default(column).ok().filter(|value| !value.is_null());
        let default = default.and_then(|value| types::literal(&value, &column.data_type));
        let default = default.map_or_else(String::new, |value| format!(" DEFAULT ({value})"));
        clauses.push(format!("ADD COLUMN IF NOT EXISTS {sql}{default}"));
    }
    if clauses.is_empty() {
        return Ok(());
    }
    let sql = format!("SET LOCAL lock_timeout = '{wait}'; ALTER TABLE {target} {}", clauses.join(", "));
    transaction.batch_execute(&sql).await.context(|| format!("adding columns to {target}"))
}

/// Names and types of a table's columns; `None` when there is no such table.
pub(super) async fn columns_of(
    client: &impl GenericClient,
    schema: &str,
    table: &str,
) -> Result<Option<Vec<(String, String)>>> {
    let sql = "SELECT a.attname::text, format_type(a.atttypid, a.atttypmod) FROM pg_attribute a \
               JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
               WHERE n.nspname = $1 AND c.relname = $2 AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum";
    let rows = client.query(sql, &[&schema, &table]).await.context(|| format!("reading {schema}.{table}"))?;
    Ok((!rows.is_empty()).then(|| rows.iter().map(|row| (row.get(0), row.get(1))).collect()))
}

/// Fails, naming the column, when what is there is not what zxq made. Columns that are younger than a segment may be missing.
fn check_columns(what: &str, table: &TableDef, found: &[(String, String)], whole: bool) -> Result<()> {
    let changed = |reason: String| Err(ProviderError::Changed { store: NAME, what: what.to_owned(), reason });
    for (name, sql_type) in found {
        if name == SEGMENT_COLUMN {
            continue;
        }
        let Some(column) = table.column(name) else { return changed(format!("it has a column \"{name}\" more")) };
        let wanted = types::column_sql_type(name, &column.data_type)?;
        if *sql_type != wanted {
            return changed(format!("column \"{name}\" is {sql_type} where zxq made it {wanted}"));
        }
    }
    if whole && !found.iter().any(|(name, _)| name == SEGMENT_COLUMN) {
        return changed(format!("its column \"{SEGMENT_COLUMN}\" is missing"));
    }
    let last = table.columns.iter().rposition(|c| found.iter().any(|(name, _)| *name == c.name));
    let known = table.columns.get(..last.map_or(0, |last| last + 1)).unwrap_or_default();
    match known.iter().find(|c| !found.iter().any(|(name, _)| *name == c.name)) {
        Some(column) => changed(format!("column \"{}\" is missing", column.name)),
        None => Ok(()),
    }
}

/// Shows `added` to people in place of `removed`.
pub(super) async fn publish(pool: &Arc<Pool>, table: &TableDef, added: &[Segment], removed: &[Segment]) -> Result<()> {
    let schema = pool.options().schema.clone();
    let name = parent(&table.storage_name());
    let doing = || format!("publishing segments of {schema}.{name}");
    let mut connection = pool.get().await?;
    if kind_of(connection.client()?, &schema, &name).await?.is_none() {
        // The server was away when the table was created.
        ensure_parent(pool, table).await?;
    }
    let transaction = connection.client_mut()?.transaction().await.context(doing)?;
    let record = format!(
        "INSERT INTO {} AS v (name, parent, segment, visible) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (name) DO UPDATE SET visible = excluded.visible",
        visible_table(&schema)
    );
    let record = transaction.prepare(&record).await.context(doing)?;
    for (segments, visible) in [(removed, false), (added, true)] {
        for segment in segments {
            let (_, child) = parts(&segment.location)?;
            let id = i64::try_from(segment.id).unwrap_or(i64::MAX);
            transaction.execute(&record, &[&child, &name, &id, &visible]).await.context(doing)?;
        }
    }
    transaction.commit().await.context(doing)?;
    match attach(&mut connection, &schema, &name, table).await {
        Err(ProviderError::Busy { reason, .. }) => {
            tracing::warn!(table = %name, %reason, "readers are in the way: people see the new segments of this table later");
            // The transaction has been rolled back by the client library; such a connection is not used again.
            Ok(())
        }
        Err(error) => Err(error),
        Ok(()) => {
            connection.give_back();
            Ok(())
        }
    }
}

/// Makes the table's children those that are recorded as visible.
async fn attach(connection: &mut Connection, schema: &str, name: &str, table: &TableDef) -> Result<()> {
    let doing = || format!("showing segments in {schema}.{name}");
    let transaction = connection.client_mut()?.transaction().await.context(doing)?;
    lock(&transaction, schema, name).await?;
    let Some(found) = columns_of(&transaction, schema, name).await? else {
        return Err(ProviderError::Missing { store: NAME, what: format!("table {schema}.{name}") });
    };
    check_columns(&format!("table {schema}.{name}"), table, &found, true)?;
    transaction.batch_execute("SET LOCAL lock_timeout = '2s'").await.context(doing)?;
    let target = place(schema, name);
    if is_view(&transaction, schema, table).await? {
        union_view::show(&transaction, schema, name, table, &found).await?;
        return transaction.commit().await.context(doing);
    }
    let segments = segments_schema(schema);
    let differing = format!(
        "WITH attached AS (SELECT c.relname::text AS name FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid \
         WHERE i.inhparent = to_regclass($1)), \
         wanted AS (SELECT v.name, v.segment FROM {} v WHERE v.parent = $2 AND v.visible \
         AND to_regclass(quote_ident($3) || '.' || quote_ident(v.name)) IS NOT NULL) \
         SELECT coalesce(a.name, w.name), w.segment FROM attached a FULL JOIN wanted w USING (name) \
         WHERE a.name IS NULL OR w.name IS NULL ORDER BY w.name IS NOT NULL, 1",
        visible_table(schema)
    );
    // Where the server was away when the table was altered.
    add_columns(&transaction, &target, table, &found, "2s").await?;
    let rows = transaction.query(&differing, &[&target, &name, &segments]).await.context(doing)?;
    for row in rows {
        let (child, segment): (String, Option<i64>) = (row.get(0), row.get(1));
        let place = place(&segments, &child);
        match segment {
            None => {
                let sql = format!("ALTER TABLE {target} DETACH PARTITION {place}");
                transaction.batch_execute(&sql).await.context(doing)?;
            }
            Some(id) => {
                let what = format!("segment {segments}.{child}");
                let found = columns_of(&transaction, &segments, &child).await?.unwrap_or_default();
                check_columns(&what, table, &found, true)?;
                add_columns(&transaction, &place, table, &found, "2s").await?;
                let sql = format!("ALTER TABLE {target} ATTACH PARTITION {place} FOR VALUES IN ({id})");
                transaction.batch_execute(&sql).await.context(doing)?;
            }
        }
    }
    transaction.commit().await.context(doing)
}

/// Drops segments by name; those already gone are skipped.
pub(super) async fn drop_segments(pool: &Arc<Pool>, storage_name: &str, places: &[(String, String)]) -> Result<()> {
    let schema = pool.options().schema.clone();
    let name = parent(storage_name);
    let doing = || format!("dropping segments of {schema}.{name}");
    let mut connection = pool.get().await?;
    for some in places.chunks(DROPS_AT_ONCE) {
        let transaction = connection.client_mut()?.transaction().await.context(doing)?;
        lock(&transaction, &schema, &name).await?;
        transaction.batch_execute("SET LOCAL lock_timeout = '10s'").await.context(doing)?;
        let names: Vec<&str> = some.iter().map(|(_, table)| table.as_str()).collect();
        let forget = format!("DELETE FROM {} WHERE name = ANY($1)", visible_table(&schema));
        transaction.execute(&forget, &[&names]).await.context(doing)?;
        if kind_of(&transaction, &schema, &name).await?.as_deref() == Some("v") {
            union_view::forget(&transaction, &schema, &name, &names).await?;
        }
        let drops: Vec<String> =
            some.iter().map(|(schema, table)| format!("DROP TABLE IF EXISTS {};", place(schema, table))).collect();
        transaction.batch_execute(&drops.concat()).await.context(doing)?;
        transaction.commit().await.context(doing)?;
    }
    connection.give_back();
    Ok(())
}

/// The segments of a table whose names match; see [`pattern`].
pub(super) async fn segments_like(
    pool: &Arc<Pool>,
    storage_name: &str,
    job: Option<&zxq_catalog::JobId>,
) -> Result<Vec<(String, String)>> {
    let segments = segments_schema(&pool.options().schema);
    let sql = "SELECT c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
               WHERE n.nspname = $1 AND c.relkind = 'r' AND c.relname ~ $2";
    let connection = pool.get().await?;
    let rows = connection.client()?.query(sql, &[&segments, &pattern(storage_name, job)]).await;
    let rows = rows.context(|| format!("listing segments of {storage_name}"))?;
    connection.give_back();
    Ok(rows.iter().map(|row| (segments.clone(), row.get(0))).collect())
}

/// Drops the table or view that people query.
pub(super) async fn drop_parent(pool: &Arc<Pool>, storage_name: &str) -> Result<()> {
    let schema = pool.options().schema.clone();
    let name = parent(storage_name);
    let connection = pool.get().await?;
    let what = match kind_of(connection.client()?, &schema, &name).await?.as_deref() {
        Some("v") => "VIEW",
        _ => "TABLE",
    };
    let sql =
        format!("SET lock_timeout = '10s'; DROP {what} IF EXISTS {}; SET lock_timeout = 0", place(&schema, &name));
    connection.client()?.batch_execute(&sql).await.context(|| format!("dropping table {schema}.{name}"))?;
    connection.give_back();
    Ok(())
}

/// Bytes of all segments with their indexes.
pub(super) async fn bytes_used(pool: &Arc<Pool>) -> Result<u64> {
    // A hypertable holds no rows itself: its chunks do, elsewhere.
    let plain = "SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint FROM pg_class c \
                 JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relkind = 'r' \
                 AND NOT c.relhassubclass";
    let connection = pool.get().await?;
    let segments = segments_schema(&pool.options().schema);
    let doing = || "measuring the segments".to_owned();
    let mut statements = vec![plain.to_owned()];
    statements.extend(hypertable::functions(connection.client()?).await?.map(|schema| hypertable::sizes_sql(&schema)));
    let mut bytes = 0;
    for sql in statements {
        let row = connection.client()?.query_one(&sql, &[&segments]).await.context(doing)?;
        bytes += u64::try_from(row.get::<_, i64>(0)).unwrap_or(0);
    }
    connection.give_back();
    Ok(bytes)
}

//! The catalog's schema in the server, and how an older one is brought up to date.

use std::collections::BTreeMap;

use sqlx::{Executor, PgConnection, Row};

use super::errors::failed;
use super::options::PostgresCatalogOptions;
use crate::error::{CatalogError, Result};
use crate::iceberg_pointers::CREATE_TABLES;
use crate::quoting::quoted;

/// Oldest server that is tested against.
const OLDEST_VERSION: i32 = 140_000;

/// Step n brings a schema from version n to n + 1. Steps are never edited once released, only added.
const STEPS: &[&str] = &[VERSION_1, CREATE_TABLES, DROPPED_TABLES, ROLES];

/// As SQLite's (see there).
const DROPPED_TABLES: &str = "
    CREATE TABLE dropped_tables (
        table_id bigint PRIMARY KEY, storage_name text NOT NULL, dropped_epoch bigint NOT NULL
    );
    INSERT INTO dropped_tables (table_id, storage_name, dropped_epoch)
        SELECT table_id, max(storage_name), (SELECT value FROM meta WHERE key = 'epoch') FROM retired
        WHERE table_id NOT IN (SELECT id FROM tables) GROUP BY table_id;
";

/// As SQLite's (see there).
const ROLES: &str = "
    INSERT INTO meta (key, value) VALUES ('next_role_id', 16385);
    CREATE TABLE roles (id bigint PRIMARY KEY, name text NOT NULL UNIQUE, body text NOT NULL);
    CREATE TABLE grants (table_id bigint PRIMARY KEY, body text NOT NULL);
";

/// As SQLite's (see there), and who writes and who reads.
const VERSION_1: &str = "
    CREATE TABLE meta (key text PRIMARY KEY, value bigint NOT NULL);
    INSERT INTO meta (key, value) VALUES ('schema_version', 0), ('epoch', 0), ('next_table_id', 1),
        ('next_segment_id', 1), ('next_fence', 1), ('last_commit', 0);
    CREATE TABLE tables (
        id bigint PRIMARY KEY, name text NOT NULL UNIQUE, storage_name text NOT NULL, body text NOT NULL
    );
    CREATE TABLE segments (
        id bigint PRIMARY KEY, table_id bigint NOT NULL REFERENCES tables (id), tier text NOT NULL,
        role text NOT NULL, partition text NOT NULL, location text NOT NULL, rows bigint NOT NULL,
        bytes bigint NOT NULL, created_epoch bigint NOT NULL, body text NOT NULL
    );
    CREATE INDEX segments_by_table ON segments (table_id);
    CREATE TABLE replicas (
        owner bigint NOT NULL REFERENCES segments (id) ON DELETE CASCADE,
        replica bigint NOT NULL REFERENCES segments (id) ON DELETE CASCADE,
        PRIMARY KEY (owner, replica)
    );
    CREATE INDEX replicas_by_replica ON replicas (replica);
    CREATE TABLE retired (
        id bigint PRIMARY KEY, table_id bigint NOT NULL, storage_name text NOT NULL, retired_epoch bigint NOT NULL,
        body text NOT NULL
    );
    CREATE TABLE wal_covered (
        table_id bigint NOT NULL REFERENCES tables (id) ON DELETE CASCADE, partition text NOT NULL,
        lsn bigint NOT NULL, PRIMARY KEY (table_id, partition)
    );
    CREATE TABLE leases (
        table_id bigint NOT NULL REFERENCES tables (id) ON DELETE CASCADE, partition text NOT NULL,
        fence bigint NOT NULL, PRIMARY KEY (table_id, partition)
    );
    CREATE TABLE jobs (
        seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, id text NOT NULL UNIQUE, table_id bigint NOT NULL,
        finished bigint NOT NULL, started_us bigint NOT NULL, body text NOT NULL
    );
    CREATE INDEX jobs_by_start ON jobs (started_us, seq);
    CREATE INDEX jobs_unfinished ON jobs (seq) WHERE finished = 0;
    CREATE TABLE lineage (
        segment bigint PRIMARY KEY, table_id bigint NOT NULL, at_us bigint NOT NULL, body text NOT NULL
    );
    CREATE INDEX lineage_by_table ON lineage (table_id, at_us, segment);

    -- One row: who may write. `settled`: the last writer's log holds no row that lies nowhere else.
    CREATE TABLE writer (
        id bigint PRIMARY KEY CHECK (id = 1), catalog text NOT NULL, fence bigint NOT NULL, holder text NOT NULL,
        directory text NOT NULL, host text NOT NULL, place text NOT NULL, pid bigint NOT NULL, address text NOT NULL,
        expires timestamptz NOT NULL, settled bigint NOT NULL, hot text NOT NULL
    );
    INSERT INTO writer VALUES (1, gen_random_uuid()::text, 0, '', '', '', '', 0, '', 'epoch', 1, '{}');

    -- Who reads, and the oldest epoch each may still be reading.
    CREATE TABLE readers (
        id text PRIMARY KEY, host text NOT NULL, pid bigint NOT NULL, epoch bigint NOT NULL,
        expires timestamptz NOT NULL
    );
";

/// Columns of the tables, with their types: what a check finds must be at least these.
const COLUMNS: [(&str, &str); 16] = [
    ("meta", "key text, value bigint"),
    ("tables", "id bigint, name text, storage_name text, body text"),
    (
        "segments",
        "id bigint, table_id bigint, tier text, role text, partition text, location text, rows bigint, bytes bigint, \
         created_epoch bigint, body text",
    ),
    ("replicas", "owner bigint, replica bigint"),
    ("retired", "id bigint, table_id bigint, storage_name text, retired_epoch bigint, body text"),
    ("dropped_tables", "table_id bigint, storage_name text, dropped_epoch bigint"),
    ("roles", "id bigint, name text, body text"),
    ("grants", "table_id bigint, body text"),
    ("wal_covered", "table_id bigint, partition text, lsn bigint"),
    ("leases", "table_id bigint, partition text, fence bigint"),
    ("jobs", "seq bigint, id text, table_id bigint, finished bigint, started_us bigint, body text"),
    ("lineage", "segment bigint, table_id bigint, at_us bigint, body text"),
    (
        "writer",
        "id bigint, catalog text, fence bigint, holder text, directory text, host text, place text, pid bigint, \
         address text, expires timestamp with time zone, settled bigint, hot text",
    ),
    (
        "iceberg_tables",
        "catalog_name character varying(255), table_namespace character varying(255), \
         table_name character varying(255), metadata_location character varying(1000), \
         previous_metadata_location character varying(1000)",
    ),
    (
        "iceberg_namespace_properties",
        "catalog_name character varying(255), namespace character varying(255), property_key character varying(255), \
         property_value character varying(1000)",
    ),
    ("readers", "id text, host text, pid bigint, epoch bigint, expires timestamp with time zone"),
];

/// Checks the server and brings the schema to the newest version; a reader (`may_write` false) only checks.
pub(super) async fn prepare(
    connection: &mut PgConnection,
    options: &PostgresCatalogOptions,
    may_write: bool,
) -> Result<()> {
    let doing = || format!("preparing schema \"{}\" in {}", options.schema, options.server());
    check_server(connection, options, may_write).await?;
    let known = STEPS.len() as u64;
    let mut found = version(connection, options).await?;
    if found < known && may_write {
        run(connection, "BEGIN", &doing).await?;
        match upgrade(connection, options).await {
            Ok(()) => run(connection, "COMMIT", &doing).await?,
            Err(error) => {
                // The connection is given up with the error.
                return Err(error);
            }
        }
        found = version(connection, options).await?;
    }
    if found > known {
        return Err(CatalogError::NewerSchema { found, known });
    }
    if found < known {
        return Err(CatalogError::Refused {
            what: doing(),
            reason: format!(
                "there is no catalog of this version (it has {found}, {known} is needed), and a reader makes none: start \
                 the writer first"
            ),
        });
    }
    check_columns(connection, options).await
}

async fn check_server(connection: &mut PgConnection, options: &PostgresCatalogOptions, may_write: bool) -> Result<()> {
    let doing = || format!("checking {}", options.server());
    let facts = "SELECT current_setting('server_version_num')::int, current_setting('server_version'), \
         current_setting('transaction_read_only') = 'on', pg_is_in_recovery(), current_user::text, \
         current_setting('synchronous_commit'), current_setting('fsync')";
    let row = connection.fetch_one(facts).await.map_err(|e| failed(doing(), e))?;
    let read = |e| failed(doing(), e);
    let refused = |reason: String| Err(CatalogError::Refused { what: doing(), reason });
    let number: i32 = row.try_get(0).map_err(read)?;
    let (name, user): (String, String) = (row.try_get(1).map_err(read)?, row.try_get(4).map_err(read)?);
    if number < OLDEST_VERSION {
        return refused(format!("the server is PostgreSQL {name}; 14 or newer is needed"));
    }
    if row.try_get::<bool, _>(3).map_err(read)? {
        return refused("the server is a standby, which cannot be written to: name the primary".to_owned());
    }
    if row.try_get::<bool, _>(2).map_err(read)? {
        let whom = if may_write { "a writer" } else { "a reader, which has to say which snapshot it reads," };
        return refused(format!("the role \"{user}\" is read-only, and {whom} cannot be: use another role"));
    }
    let synchronous: String = row.try_get(5).map_err(read)?;
    if synchronous == "off" || synchronous == "local" {
        return refused(format!("synchronous_commit is {synchronous} although it was set to on: commits may be lost"));
    }
    if row.try_get::<String, _>(6).map_err(read)? == "off" {
        tracing::warn!(server = %options.server(), "the catalog's server runs with fsync off: a power cut may lose commits");
    }
    Ok(())
}

/// The schema version there; 0 where there is no catalog.
async fn version(connection: &mut PgConnection, options: &PostgresCatalogOptions) -> Result<u64> {
    let doing = || format!("reading the schema version in {}", options.server());
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname = $1 AND c.relkind IN ('r', 'p', 'v', 'm', 'f')",
    )
    .bind(&options.schema)
    .fetch_all(&mut *connection)
    .await
    .map_err(|e| failed(doing(), e))?;
    if tables.is_empty() {
        return Ok(0);
    }
    if !tables.iter().any(|name| name == "meta") || !tables.iter().any(|name| name == "writer") {
        return Err(CatalogError::Refused {
            what: doing(),
            reason: format!(
                "schema \"{}\" holds other tables and no catalog: name another schema (catalog.schema)",
                options.schema
            ),
        });
    }
    let found: Option<i64> = sqlx::query_scalar("SELECT value FROM meta WHERE key = 'schema_version'")
        .fetch_optional(connection)
        .await
        .map_err(|e| failed(doing(), e))?;
    match found.map(u64::try_from) {
        Some(Ok(found)) => Ok(found),
        _ => Err(CatalogError::Corrupt(format!("{}: the meta table has no schema_version", doing()))),
    }
}

/// Makes what is missing, inside a transaction that only one process runs at a time.
async fn upgrade(connection: &mut PgConnection, options: &PostgresCatalogOptions) -> Result<()> {
    let doing = || format!("making the catalog in schema \"{}\" of {}", options.schema, options.server());
    sqlx::query("SELECT pg_advisory_xact_lock(hashtextextended('zxq catalog ' || $1, 0))")
        .bind(&options.schema)
        .execute(&mut *connection)
        .await
        .map_err(|e| failed(doing(), e))?;
    let there: bool = sqlx::query_scalar("SELECT count(*) > 0 FROM pg_namespace WHERE nspname = $1")
        .bind(&options.schema)
        .fetch_one(&mut *connection)
        .await
        .map_err(|e| failed(doing(), e))?;
    if !there {
        run(connection, &format!("CREATE SCHEMA {}", quoted(&options.schema)), &doing).await?;
    }
    let found = version(connection, options).await?;
    for (step, sql) in STEPS.iter().enumerate().skip(found as usize) {
        run(connection, sql, &doing).await?;
        let set = format!("UPDATE meta SET value = {} WHERE key = 'schema_version'", step + 1);
        run(connection, &set, &doing).await?;
    }
    Ok(())
}

async fn run(connection: &mut PgConnection, sql: &str, doing: &impl Fn() -> String) -> Result<()> {
    sqlx::raw_sql(sql).execute(connection).await.map(|_| ()).map_err(|e| failed(doing(), e))
}

/// Fails, naming the column, when the tables are not those that zxq made. Nothing is put right by overwriting.
async fn check_columns(connection: &mut PgConnection, options: &PostgresCatalogOptions) -> Result<()> {
    let doing = || format!("checking the catalog's tables in {}", options.server());
    let rows: Vec<(String, String, String)> = sqlx::query_as(
        "SELECT c.relname::text, a.attname::text, format_type(a.atttypid, a.atttypmod)
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid
         WHERE n.nspname = $1 AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped",
    )
    .bind(&options.schema)
    .fetch_all(connection)
    .await
    .map_err(|e| failed(doing(), e))?;
    let found: BTreeMap<(&str, &str), &str> =
        rows.iter().map(|(table, column, kind)| ((table.as_str(), column.as_str()), kind.as_str())).collect();
    for (table, columns) in COLUMNS {
        for column in columns.split(", ") {
            let (name, wanted) = column.split_once(' ').unwrap_or((column, ""));
            let place = || format!("{}.{table}.{name} in {}", options.schema, options.server());
            let changed = match found.get(&(table, name)) {
                None => "is missing".to_owned(),
                Some(kind) if *kind != wanted => format!("is {kind} where zxq made it {wanted}"),
                Some(_) => continue,
            };
            return Err(CatalogError::Corrupt(format!("{} {changed}: it was changed from outside", place())));
        }
    }
    Ok(())
}

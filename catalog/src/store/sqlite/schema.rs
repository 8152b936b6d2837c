//! The file's tables, and how an older file is brought up to date.

use super::super::database::{SqlDatabase, TransactionAccess, end, query};
use super::super::sql::meta::{meta, set_meta};
use super::Sqlite;
use crate::error::{CatalogError, Result};
use crate::iceberg_pointers::CREATE_TABLES;

/// Step n brings a file from schema version n to n + 1. Steps are never edited once released, only added.
const STEPS: &[&str] = &[VERSION_1, CREATE_TABLES, IDENTITY, DROPPED_TABLES, ROLES];

/// A number that no other catalog has.
const IDENTITY: &str = "INSERT INTO meta (key, value) VALUES ('identity', random() & 0x7fffffffffffffff);";

/// Tables that are gone and whose storage waits to be dropped. Of those dropped before this step, the ones are known whose
/// segments still wait; they were dropped at the current epoch or before.
const DROPPED_TABLES: &str = "
    CREATE TABLE dropped_tables (
        table_id      INTEGER PRIMARY KEY,
        storage_name  TEXT NOT NULL,
        dropped_epoch INTEGER NOT NULL
    ) STRICT;
    INSERT INTO dropped_tables (table_id, storage_name, dropped_epoch)
        SELECT table_id, max(storage_name), (SELECT value FROM meta WHERE key = 'epoch') FROM retired
        WHERE table_id NOT IN (SELECT id FROM tables) GROUP BY table_id;
";

/// Who there is, and what they may do. Grants on table 0 are those on the schema.
const ROLES: &str = "
    INSERT INTO meta (key, value) VALUES ('next_role_id', 16385);
    CREATE TABLE roles (
        id   INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        body TEXT NOT NULL
    ) STRICT;
    CREATE TABLE grants (
        table_id INTEGER PRIMARY KEY,
        body     TEXT NOT NULL
    ) STRICT;
";

/// Columns beside `body` repeat what the JSON says, for indexes and for people with a `sqlite3` shell.
const VERSION_1: &str = "
    CREATE TABLE meta (
        key   TEXT PRIMARY KEY,
        value INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    INSERT INTO meta (key, value) VALUES
        ('schema_version', 0), ('epoch', 0), ('next_table_id', 1), ('next_segment_id', 1), ('next_fence', 1);

    CREATE TABLE tables (
        id           INTEGER PRIMARY KEY,
        name         TEXT NOT NULL UNIQUE,
        storage_name TEXT NOT NULL,
        body         TEXT NOT NULL
    ) STRICT;

    -- Visible segments outside hot.
    CREATE TABLE segments (
        id            INTEGER PRIMARY KEY,
        table_id      INTEGER NOT NULL REFERENCES tables (id),
        tier          TEXT NOT NULL,
        role          TEXT NOT NULL,
        partition     TEXT NOT NULL,
        location      TEXT NOT NULL,
        rows          INTEGER NOT NULL,
        bytes         INTEGER NOT NULL,
        created_epoch INTEGER NOT NULL,
        body          TEXT NOT NULL
    ) STRICT;
    CREATE INDEX segments_by_table ON segments (table_id);

    -- Which owners a replica stands for: it goes when one of them goes.
    CREATE TABLE replicas (
        owner   INTEGER NOT NULL REFERENCES segments (id) ON DELETE CASCADE,
        replica INTEGER NOT NULL REFERENCES segments (id) ON DELETE CASCADE,
        PRIMARY KEY (owner, replica)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX replicas_by_replica ON replicas (replica);

    -- Segments that are not visible any more and whose data waits to be dropped.
    CREATE TABLE retired (
        id            INTEGER PRIMARY KEY,
        table_id      INTEGER NOT NULL,
        storage_name  TEXT NOT NULL,
        retired_epoch INTEGER NOT NULL,
        body          TEXT NOT NULL
    ) STRICT;

    CREATE TABLE wal_covered (
        table_id  INTEGER NOT NULL REFERENCES tables (id) ON DELETE CASCADE,
        partition TEXT NOT NULL,
        lsn       INTEGER NOT NULL,
        PRIMARY KEY (table_id, partition)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE leases (
        table_id  INTEGER NOT NULL REFERENCES tables (id) ON DELETE CASCADE,
        partition TEXT NOT NULL,
        fence     INTEGER NOT NULL,
        PRIMARY KEY (table_id, partition)
    ) STRICT, WITHOUT ROWID;

    -- History: outlives the table.
    CREATE TABLE jobs (
        seq        INTEGER PRIMARY KEY,
        id         TEXT NOT NULL UNIQUE,
        table_id   INTEGER NOT NULL,
        finished   INTEGER NOT NULL,
        started_us INTEGER NOT NULL,
        body       TEXT NOT NULL
    ) STRICT;
    CREATE INDEX jobs_by_start ON jobs (started_us, seq);
    CREATE INDEX jobs_unfinished ON jobs (seq) WHERE finished = 0;

    CREATE TABLE lineage (
        segment  INTEGER PRIMARY KEY,
        table_id INTEGER NOT NULL,
        at_us    INTEGER NOT NULL,
        body     TEXT NOT NULL
    ) STRICT;
    CREATE INDEX lineage_by_table ON lineage (table_id, at_us, segment);
";

/// Brings the file to the newest schema, each step in one transaction.
pub(super) async fn migrate(db: &mut Sqlite, file: &str) -> Result<()> {
    let known = STEPS.len() as u64;
    let found = version(db, file).await?;
    if found > known {
        return Err(CatalogError::NewerSchema { found, known });
    }
    for (step, sql) in STEPS.iter().enumerate().skip(found as usize) {
        db.begin(TransactionAccess::Write).await?;
        let outcome = run_step(db, file, sql, step as i64 + 1).await;
        end(db, outcome).await?;
    }
    Ok(())
}

async fn run_step(db: &mut Sqlite, file: &str, sql: &str, version: i64) -> Result<()> {
    let context = || format!("{file}: upgrading to schema version {version}");
    sqlx::raw_sql(sql).execute(&mut db.connection).await.map_err(|e| Sqlite::failed(context(), e))?;
    set_meta(db, "schema_version", version).await
}

/// The schema version of the file; 0 for an empty one.
async fn version(db: &mut Sqlite, file: &str) -> Result<u64> {
    let context = || format!("{file}: reading the schema version");
    let sql = "SELECT name FROM sqlite_schema WHERE type = 'table'";
    let tables = query(db, sql, Vec::new(), context, |row| row.text(0, "a table of the file")).await?;
    if tables.is_empty() {
        return Ok(0);
    }
    if !tables.iter().any(|name| name == "meta") {
        return Err(CatalogError::Corrupt(format!(
            "{file} is a SQLite database, but not a catalog: it has no meta table"
        )));
    }
    meta(db, "schema_version").await
}

//! tokio-postgres, feature by feature, as the scripts of `clients/` try the others.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use futures::{SinkExt, TryStreamExt};
use serde_json::json;
use tokio_postgres::binary_copy::{BinaryCopyInWriter, BinaryCopyOutStream};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Error};

use super::target::Target;

type Trial = fn(Client, Client) -> Pin<Box<dyn Future<Output = ()> + Send>>;

/// Each feature, with two connections to try it on.
const FEATURES: [(&str, Trial); 10] = [
    ("connect", |a, b| Box::pin(connects(a, b))),
    ("rows", |a, _| Box::pin(typed_rows(a))),
    ("params", |a, _| Box::pin(parameters(a))),
    ("transactions", |a, b| Box::pin(transactions(a, b))),
    ("copy out", |a, _| Box::pin(copy_out(a))),
    ("copy in", |a, _| Box::pin(copy_in(a))),
    ("binary copy", |a, _| Box::pin(binary_copy(a))),
    ("cursor", |a, _| Box::pin(portals(a))),
    ("errors", |a, _| Box::pin(errors(a))),
    ("bulk", |a, _| Box::pin(pipelined(a))),
];

/// Tries all features, and gives the line that `clients/run.py` reads.
pub fn run(target: &Target) -> String {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let begun = Instant::now();
    let mut results = serde_json::Map::new();
    for (feature, trial) in FEATURES {
        let (a, b) = runtime.block_on(async { (target.connect().await, target.connect().await) });
        // A panic is how one fails; it ends its own task.
        let task = runtime.spawn(async move { tokio::time::timeout(Duration::from_secs(25), trial(a, b)).await });
        let why = match runtime.block_on(task) {
            Ok(Ok(())) => None,
            Ok(Err(_)) => Some("no answer in 25 s".to_owned()),
            Err(failed) => Some(words_of(failed)),
        };
        results.insert(feature.to_owned(), json!(why));
    }
    let features: Vec<&str> = FEATURES.iter().map(|(feature, _)| *feature).collect();
    let about = json!({
        "client": "tokio-postgres",
        "version": version(),
        "call": "tokio_postgres::connect({dsn}).await?",
        "plain": "\"host={host} port={port} dbname={database} user={user}\", NoTls",
        "tls": "\"host={host} port={port} dbname={database} user={user} password={password} sslmode=require \
                channel_binding=require\", MakeRustlsConnect::new(config)",
        "features": features,
    });
    let seconds = begun.elapsed().as_secs_f64();
    let line = json!({
        "name": "tokio_postgres", "mode": target.mode, "about": about, "results": results, "seconds": seconds,
    });
    format!("{line}\n")
}

/// What a task that failed has said.
fn words_of(failed: tokio::task::JoinError) -> String {
    match failed.try_into_panic() {
        Ok(panic) => match panic.downcast::<String>() {
            Ok(words) => *words,
            Err(other) => {
                other.downcast::<&str>().map_or_else(|_| "it panicked".to_owned(), |words| (*words).to_owned())
            }
        },
        Err(other) => other.to_string(),
    }
}

/// The version that Cargo has chosen.
fn version() -> String {
    let lock = std::fs::read_to_string(zxq_test_support::project().join("Cargo.lock")).unwrap();
    let entry = lock.split("[[package]]").find(|entry| entry.contains("name = \"tokio-postgres\"\n")).unwrap();
    entry.split("version = \"").nth(1).unwrap().split('"').next().unwrap().to_owned()
}

fn code(error: &Error) -> String {
    error.code().map_or_else(|| error.to_string(), |code| code.code().to_owned())
}

async fn must(client: &Client, sql: &str) {
    client.batch_execute(sql).await.unwrap_or_else(|e| panic!("{sql}: {e}: {:?}", e.as_db_error()));
}

async fn count(client: &Client, table: &str) -> i64 {
    client.query_one(&format!("SELECT count(*) FROM {table}"), &[]).await.unwrap().get(0)
}

async fn small(client: &Client, table: &str, rows: u32) {
    must(
        client,
        &format!(
            "DROP TABLE IF EXISTS {table}; CREATE TABLE {table} (id BIGINT NOT NULL CHECK (id > 0), name TEXT); \
             INSERT INTO {table} SELECT g, 'name ' || g FROM generate_series(1, {rows}) AS s(g)"
        ),
    )
    .await;
}

/// The columns that it has Rust types for.
const TYPED: &str = "id BIGINT NOT NULL, n INTEGER, name VARCHAR(20), note TEXT, f DOUBLE PRECISION, ok BOOLEAN, \
                     day DATE, seen TIMESTAMP, ts TIMESTAMPTZ, raw BYTEA, tags TEXT[]";

async fn typed(client: &Client, table: &str) {
    must(client, &format!("DROP TABLE IF EXISTS {table}; CREATE TABLE {table} ({TYPED})")).await;
}

type Row = (i64, i32, String, f64, bool, NaiveDate, NaiveDateTime, DateTime<Utc>, Vec<u8>, Vec<Option<String>>);

fn a_row() -> Row {
    let day = NaiveDate::from_ymd_opt(2024, 2, 29).unwrap();
    let seen = day.and_hms_micro_opt(12, 30, 0, 250_000).unwrap();
    (1, 10, "O'Neil".into(), 0.5, true, day, seen, seen.and_utc(), vec![0, 255, 39], vec![Some("a b".into()), None])
}

async fn check_row(client: &Client, table: &str) {
    let sql = format!("SELECT id, n, name, f, ok, day, seen, ts, raw, tags, note FROM {table} ORDER BY id");
    let rows = client.query(&sql, &[]).await.unwrap();
    let row = &rows[0];
    let got: Row = (
        row.get(0),
        row.get(1),
        row.get(2),
        row.get(3),
        row.get(4),
        row.get(5),
        row.get(6),
        row.get(7),
        row.get(8),
        row.get(9),
    );
    assert_eq!((rows.len(), got, row.get::<_, Option<String>>(10)), (1, a_row(), None));
}

async fn insert_row(client: &Client, table: &str) {
    let (id, n, name, f, ok, day, seen, ts, raw, tags) = a_row();
    let sql = format!(
        "INSERT INTO {table} (id, n, name, f, ok, day, seen, ts, raw, tags) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"
    );
    let values: [&(dyn ToSql + Sync); 10] = [&id, &n, &name, &f, &ok, &day, &seen, &ts, &raw, &tags];
    assert_eq!(client.execute(&sql, &values).await.unwrap(), 1);
}

async fn connects(a: Client, b: Client) {
    for client in [a, b] {
        let row = client.query_one("SELECT current_database()::text, 40 + $1::bigint", &[&2_i64]).await.unwrap();
        assert_eq!((row.get::<_, &str>(0), row.get::<_, i64>(1)), ("zxq", 42));
    }
}

async fn typed_rows(client: Client) {
    typed(&client, "c_tokio_rows").await;
    insert_row(&client, "c_tokio_rows").await;
    check_row(&client, "c_tokio_rows").await;
    let statement = client.prepare("SELECT * FROM c_tokio_rows").await.unwrap();
    let types: Vec<&str> = statement.columns().iter().map(|column| column.type_().name()).collect();
    let expected = "int8 int4 varchar text float8 bool date timestamp timestamptz bytea _text";
    assert_eq!(types.join(" "), expected);
}

async fn parameters(client: Client) {
    typed(&client, "c_tokio_params").await;
    insert_row(&client, "c_tokio_params").await;
    let (id, n, name, f, ok, day, seen, ts, raw, _) = a_row();
    let values: [(&str, &(dyn ToSql + Sync)); 9] = [
        ("id", &id),
        ("n", &n),
        ("name", &name),
        ("f", &f),
        ("ok", &ok),
        ("day", &day),
        ("seen", &seen),
        ("ts", &ts),
        ("raw", &raw),
    ];
    for (column, value) in values {
        let statement = client.prepare(&format!("SELECT id FROM c_tokio_params WHERE {column} = $1")).await.unwrap();
        for _ in 0..3 {
            assert_eq!(client.query(&statement, &[value]).await.unwrap().len(), 1, "{column}");
        }
    }
    let listed = "SELECT id FROM c_tokio_params WHERE id = ANY($1) LIMIT $2";
    assert_eq!(client.query(listed, &[&vec![1_i64, 7], &5_i64]).await.unwrap().len(), 1);
    let statement = client.prepare_typed("SELECT $1 IS NULL, $2 || 'x'", &[Type::INT4, Type::TEXT]).await.unwrap();
    let row = client.query_one(&statement, &[&None::<i32>, &"it's"]).await.unwrap();
    assert_eq!((row.get::<_, bool>(0), row.get::<_, &str>(1)), (true, "it'sx"));
}

async fn transactions(mut client: Client, beside: Client) {
    let table = "c_tokio_transactions";
    small(&client, table, 0).await;
    let transaction = client.transaction().await.unwrap();
    transaction.execute(&format!("INSERT INTO {table} VALUES ($1, 'gone')"), &[&1_i64]).await.unwrap();
    let inside: i64 = transaction.query_one(&format!("SELECT count(*) FROM {table}"), &[]).await.unwrap().get(0);
    assert_eq!((inside, count(&beside, table).await), (1, 0));
    transaction.rollback().await.unwrap();
    assert_eq!(count(&client, table).await, 0);

    let mut transaction = client.transaction().await.unwrap();
    transaction.execute(&format!("INSERT INTO {table} VALUES (2, 'kept')"), &[]).await.unwrap();
    let savepoint = transaction.savepoint("s").await.unwrap();
    savepoint.execute(&format!("INSERT INTO {table} VALUES (3, 'undone')"), &[]).await.unwrap();
    assert_eq!(code(&savepoint.batch_execute("SELECT 1/0").await.unwrap_err()), "22012");
    assert_eq!(code(&savepoint.query("SELECT 1", &[]).await.unwrap_err()), "25P02");
    savepoint.rollback().await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(count(&beside, table).await, 1);

    let read_only = client.build_transaction().read_only(true).start().await.unwrap();
    let refused = read_only.execute(&format!("INSERT INTO {table} VALUES (4, 'no')"), &[]).await.unwrap_err();
    assert_eq!(code(&refused), "25006");
}

async fn copy_out(client: Client) {
    small(&client, "c_tokio_out", 3).await;
    let sql = "COPY (SELECT * FROM c_tokio_out ORDER BY id) TO STDOUT (FORMAT csv, HEADER)";
    let pieces: Vec<Bytes> = client.copy_out(sql).await.unwrap().try_collect().await.unwrap();
    assert_eq!(pieces.concat(), b"id,name\n1,name 1\n2,name 2\n3,name 3\n");
}

async fn send(client: &Client, sql: &str, text: &'static str) -> Result<u64, Error> {
    let mut sink = pin!(client.copy_in::<_, Bytes>(sql).await?);
    sink.send(Bytes::from_static(text.as_bytes())).await?;
    sink.finish().await
}

async fn copy_in(client: Client) {
    small(&client, "c_tokio_in", 0).await;
    assert_eq!(send(&client, "COPY c_tokio_in FROM STDIN", "1\ta\\tb\n2\t\\N\n").await.unwrap(), 2);
    assert_eq!(code(&send(&client, "COPY c_tokio_in FROM STDIN", "x\ty\n").await.unwrap_err()), "22P02");
    let rows = client.query("SELECT name FROM c_tokio_in ORDER BY id", &[]).await.unwrap();
    let names: Vec<Option<&str>> = rows.iter().map(|row| row.get(0)).collect();
    assert_eq!(names, [Some("a\tb"), None]);
}

async fn binary_copy(client: Client) {
    typed(&client, "c_tokio_binary").await;
    let (id, n, name, f, ok, day, seen, ts, raw, tags) = a_row();
    let types = [
        Type::INT8,
        Type::INT4,
        Type::VARCHAR,
        Type::FLOAT8,
        Type::BOOL,
        Type::DATE,
        Type::TIMESTAMP,
        Type::TIMESTAMPTZ,
        Type::BYTEA,
        Type::TEXT_ARRAY,
    ];
    let columns = "id, n, name, f, ok, day, seen, ts, raw, tags";
    let sink = client.copy_in(&format!("COPY c_tokio_binary ({columns}) FROM STDIN (FORMAT binary)")).await.unwrap();
    let mut writer = pin!(BinaryCopyInWriter::new(sink, &types));
    writer.as_mut().write(&[&id, &n, &name, &f, &ok, &day, &seen, &ts, &raw, &tags]).await.unwrap();
    assert_eq!(writer.finish().await.unwrap(), 1);
    check_row(&client, "c_tokio_binary").await;
    let stream = client.copy_out(&format!("COPY c_tokio_binary ({columns}) TO STDOUT (FORMAT binary)")).await.unwrap();
    let rows: Vec<_> = BinaryCopyOutStream::new(stream, &types).try_collect().await.unwrap();
    assert_eq!((rows.len(), rows[0].get::<Vec<Option<String>>>(9), rows[0].get::<DateTime<Utc>>(7)), (1, tags, ts));
}

async fn portals(mut client: Client) {
    small(&client, "c_tokio_cursor", 5000).await;
    let transaction = client.transaction().await.unwrap();
    let portal = transaction.bind("SELECT id FROM c_tokio_cursor WHERE id > $1 ORDER BY id", &[&10_i64]).await.unwrap();
    let (mut sum, mut parts) = (0, 0);
    loop {
        let rows = transaction.query_portal(&portal, 700).await.unwrap();
        if rows.is_empty() {
            break;
        }
        sum += rows.iter().map(|row| row.get::<_, i64>(0)).sum::<i64>();
        parts += 1;
    }
    assert_eq!((sum, parts), (12_502_500 - 55, 8));
}

async fn errors(client: Client) {
    small(&client, "c_tokio_errors", 1).await;
    for (expected, sql) in [
        ("42P01", "SELECT * FROM no_such_table"),
        ("42703", "SELECT no_such_column FROM c_tokio_errors"),
        ("42601", "SELEC 1"),
        ("42883", "SELECT no_such_function(1)"),
        ("22012", "SELECT 1 / (id - id) FROM c_tokio_errors"),
        ("22P02", "SELECT 'abc'::integer"),
        ("22003", "SELECT 2147483647 + 1"),
        ("23502", "INSERT INTO c_tokio_errors (name) VALUES ('no id')"),
        ("23514", "INSERT INTO c_tokio_errors (id) VALUES (-1)"),
    ] {
        assert_eq!(code(&client.batch_execute(sql).await.unwrap_err()), expected, "{sql}");
        assert_eq!(code(&client.query(sql, &[]).await.unwrap_err()), expected, "{sql}, prepared");
    }
    must(&client, "SET statement_timeout = '300ms'").await;
    assert_eq!(code(&client.batch_execute("SELECT pg_sleep(20)").await.unwrap_err()), "57014");
    must(&client, "RESET statement_timeout").await;
    assert_eq!(count(&client, "c_tokio_errors").await, 1);
}

/// Inserts that are sent without waiting for each other's answers.
async fn pipelined(client: Client) {
    small(&client, "c_tokio_bulk", 0).await;
    let client = Arc::new(client);
    let statement = client.prepare("INSERT INTO c_tokio_bulk VALUES ($1, $2)").await.unwrap();
    let inserts = (1..=300_i64).map(|id| {
        let (client, statement) = (Arc::clone(&client), statement.clone());
        async move { client.execute(&statement, &[&id, &format!("n{id}")]).await }
    });
    let counts = futures::future::try_join_all(inserts).await.unwrap();
    assert_eq!((counts.iter().sum::<u64>(), count(&client, "c_tokio_bulk").await), (300, 300));
}

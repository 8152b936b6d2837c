//! `SHOW CREATE TABLE` and `DESCRIBE`: what is shown makes the same again.

use tokio_postgres::{Client, SimpleQueryMessage};
use zxq_tests::test_server::{TestServer, error_text};

async fn must(client: &Client, sql: &str) {
    client.batch_execute(sql).await.unwrap_or_else(|e| panic!("{sql}: {}", error_text(&e)));
}

/// The rows of a statement, NULL as `NULL`.
async fn rows(client: &Client, sql: &str) -> Vec<Vec<String>> {
    let messages = client.simple_query(sql).await.unwrap_or_else(|e| panic!("{sql}: {}", error_text(&e)));
    let row = |message: &SimpleQueryMessage| match message {
        SimpleQueryMessage::Row(row) => {
            Some((0..row.len()).map(|at| row.get(at).unwrap_or("NULL").to_owned()).collect())
        }
        _ => None,
    };
    messages.iter().filter_map(row).collect()
}

async fn shown(client: &Client, name: &str) -> String {
    rows(client, &format!("SHOW CREATE TABLE {name}")).await[0][1].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_shown_makes_the_same_again() {
    let server = TestServer::start().await;
    let client = server.connect().await;
    must(&client, "CREATE SCHEMA mine; CREATE TABLE base (id INTEGER, \"Odd name\" TEXT)").await;
    let file = server.dir().join("base.parquet");
    let pieces = client.copy_out("COPY (SELECT 1 AS id, 'a' AS t) TO STDOUT (FORMAT parquet)").await.unwrap();
    let pieces: Vec<bytes::Bytes> = futures::TryStreamExt::try_collect(pieces).await.unwrap();
    std::fs::write(&file, pieces.concat()).unwrap();
    let external = |name: &str| format!("CREATE EXTERNAL TABLE {name} STORED AS parquet LOCATION '{}'", file.display());
    let made = [
        ("t", "CREATE TABLE t (a INTEGER)".to_owned()),
        (
            "ticks",
            "CREATE TABLE ticks (ts TIMESTAMPTZ NOT NULL, symbol VARCHAR(20) NOT NULL DEFAULT 'it''s', \
             price DECIMAL(20,8) CHECK (price > 0), twice DECIMAL(21,8) GENERATED ALWAYS AS (price * 2) STORED, day DATE NOT NULL, \
             class CHAR(3), tags TEXT[], PRIMARY KEY (symbol, ts), UNIQUE (price)) \
             WITH (time_column = 'ts', partition_by = 'day, class', granularity = 'month', sort_by = 'symbol, ts', \
             lookup = 'symbol', hot_to_warm_age = '7 days', retention = '10 years')"
                .to_owned(),
        ),
        ("numbered", "CREATE TABLE numbered (id BIGSERIAL PRIMARY KEY, name TEXT)".to_owned()),
        ("\"Odd \"\"name\"", "CREATE TABLE \"Odd \"\"name\" (\"order\" INTEGER, \"Mixed\" TEXT)".to_owned()),
        ("mine.t", "CREATE TABLE mine.t (a INTEGER, b TEXT)".to_owned()),
        ("v", "CREATE VIEW v AS SELECT id, \"Odd name\" AS odd FROM base WHERE id > 1".to_owned()),
        ("mine.v", "CREATE VIEW mine.v (x) AS SELECT id FROM base".to_owned()),
        ("e", external("e")),
        ("mine.e", external("mine.e")),
        ("own", "CREATE TEMPORARY TABLE own (a INTEGER NOT NULL)".to_owned()),
        ("own_view", "CREATE TEMPORARY VIEW own_view AS SELECT 1 AS one".to_owned()),
    ];
    for (name, create) in made {
        must(&client, &create).await;
        let first = shown(&client, name).await;
        let described = rows(&client, &format!("DESCRIBE {name}")).await;
        assert!(!described.is_empty(), "{name}");
        let kind = if create.contains("VIEW") { "VIEW" } else { "TABLE" };
        must(&client, &format!("DROP {kind} {name}")).await;
        client.batch_execute(&first).await.unwrap_or_else(|e| panic!("{first}: {}", error_text(&e)));
        assert_eq!(shown(&client, name).await, first);
        assert_eq!(rows(&client, &format!("DESCRIBE {name}")).await, described, "{first}");
        assert_eq!(first.starts_with("CREATE TEMPORARY "), create.contains("TEMPORARY"), "{first}");
    }
    // Views by their own words, and in what psql's users would call the table's definition.
    assert_eq!(rows(&client, "SHOW CREATE VIEW v").await[0][1], shown(&client, "v").await);
    let defined = "SELECT definition FROM zxq.tables WHERE table_name = 'mine.t'";
    assert_eq!(rows(&client, defined).await[0][0], shown(&client, "mine.t").await);
    let columns = rows(&client, "DESCRIBE ticks").await;
    assert_eq!(columns[0], ["ts", "TIMESTAMPTZ", "NO", "NULL"]);
    assert_eq!(columns[1], ["symbol", "VARCHAR(20)", "NO", "'it''s'"]);
    for sql in ["SHOW CREATE TABLE nosuch", "DESCRIBE nosuch", "SHOW CREATE TABLE mine.nosuch"] {
        let error = client.simple_query(sql).await.expect_err(sql);
        assert_eq!(error.code().map(tokio_postgres::error::SqlState::code), Some("42P01"), "{sql}");
    }
    server.stop().await;
}

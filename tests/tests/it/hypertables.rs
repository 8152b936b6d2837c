//! Warm rows in TimescaleDB hypertables: compressed when they come of age, exact at every moment, whatever dies.

use std::time::Duration;

use zxq_engine::PostgresOptions;
use zxq_test_support::postgres_server::{self, PostgresServer};
use zxq_tests::placement::verify;
use zxq_tests::test_server::{TestServer, connect};

const ROWS: i64 = 24_000;

async fn direct(url: &str) -> tokio_postgres::Client {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

async fn number(client: &tokio_postgres::Client, sql: &str) -> i64 {
    client.query_one(sql, &[]).await.unwrap_or_else(|e| panic!("{sql}: {e:?}")).get(0)
}

async fn facts(client: &tokio_postgres::Client, from: &str) -> (i64, i64, i64) {
    let sql = format!("SELECT count(*), sum(n)::bigint, count(DISTINCT n) FROM {from}");
    let row = client.query_one(&sql, &[]).await.unwrap_or_else(|e| panic!("{sql}: {e:?}"));
    (row.get(0), row.get(1), row.get(2))
}

/// A server whose warm tier has the extension, with a table of twelve days up to today, all of them in warm.
async fn loaded(url: &str) -> (TestServer, tokio_postgres::Client, String) {
    let mut options = PostgresOptions::parse(url).unwrap();
    // How long to wait for a server that is down.
    options.pool.pool_timeout = Duration::from_secs(5);
    let server = TestServer::start_with(|config| config.warm.postgres = Some(options)).await;
    let client = connect(server.address).await;
    client
        .batch_execute(
            "CREATE TABLE ticks (ts TIMESTAMPTZ NOT NULL, symbol VARCHAR, n BIGINT, day DATE) WITH (time_column = 'ts', \
             partition_by = 'day', sort_by = 'symbol, ts', lookup = 'symbol', hypertable = true, \
             chunk_time_interval = '6 hours', hot_to_warm_age = '0', warm_to_cold_age = 'never')",
        )
        .await
        .unwrap();
    let today = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs() / 86_400 * 86_400;
    let insert = format!(
        "INSERT INTO ticks SELECT ts, 'S' || (value % 5), value, ts::date FROM (SELECT value, \
         to_timestamp({today} - (value % 12) * 86400 + (value % 1440) * 60) AS ts \
         FROM generate_series(1, {ROWS}) AS s(value)) AS x"
    );
    client.batch_execute(&insert).await.unwrap();
    client.batch_execute("CALL zxq.migrate('ticks', 'warm')").await.unwrap();
    let row = client.query_one("SELECT storage_name FROM zxq.tables WHERE table_name = 'ticks'", &[]).await.unwrap();
    let people = format!("zxq.{}", row.get::<_, String>(0));
    (server, client, people)
}

const CHUNKS: &str = "SELECT count(*) FROM timescaledb_information.chunks";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_are_compressed_when_they_come_of_age_and_stay_exact() {
    if postgres_server::shared().is_none() {
        return;
    }
    let postgres = PostgresServer::start_another().unwrap();
    let Some(url) = postgres.make_timescale() else { return };
    let (server, client, people) = loaded(&url).await;
    let warm = direct(&url).await;
    let exact = (ROWS, ROWS * (ROWS + 1) / 2, ROWS);
    assert!(number(&warm, CHUNKS).await > 12);
    assert_eq!(number(&warm, &format!("{CHUNKS} WHERE is_compressed")).await, 0);
    assert_eq!(facts(&warm, &people).await, exact);

    // Somebody reads all the while.
    let reader = connect(server.address).await;
    let reading = tokio::spawn(async move {
        let mut times = 0;
        loop {
            assert_eq!(facts(&reader, "ticks").await, exact);
            times += 1;
            if number(&reader, "SELECT count(*) FROM zxq.moves WHERE kind = 'rewrite' AND phase = 'done'").await >= 8 {
                break times;
            }
        }
    });
    client.batch_execute("ALTER TABLE ticks SET (compress_after = '3 days')").await.unwrap();
    client.batch_execute("CALL zxq.maintain()").await.unwrap();
    assert!(reading.await.unwrap() > 0);
    assert!(number(&warm, &format!("{CHUNKS} WHERE is_compressed")).await >= 8);
    assert!(number(&warm, &format!("{CHUNKS} WHERE NOT is_compressed")).await > 0, "the last days stay as they are");
    let planned = client.query("CALL zxq.maintain(dry_run => true)", &[]).await.unwrap();
    assert!(planned.is_empty(), "what is compressed is done: {planned:?}");
    assert_eq!(facts(&client, "ticks").await, exact);
    assert_eq!(facts(&warm, &people).await, exact);
    let by_symbol = "SELECT count(*) FROM (SELECT symbol, sum(n) FROM ticks WHERE ts < now() GROUP BY symbol) AS x";
    assert_eq!(number(&client, by_symbol).await, 5);
    verify(&server.engine).await;
    client.batch_execute("CALL zxq.migrate('ticks', 'cold')").await.unwrap();
    assert_eq!(facts(&client, "ticks").await, exact);
    assert_eq!(number(&warm, CHUNKS).await, 0);
    assert_eq!(number(&warm, &format!("SELECT count(*) FROM {people}")).await, 0);
    verify(&server.engine).await;
    drop(client);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rewrite_in_a_server_that_dies_ends_exact_when_repeated() {
    if postgres_server::shared().is_none() {
        return;
    }
    let postgres = PostgresServer::start_another().unwrap();
    let Some(url) = postgres.make_timescale() else { return };
    let (server, client, people) = loaded(&url).await;
    let exact = (ROWS, ROWS * (ROWS + 1) / 2, ROWS);
    client.batch_execute("ALTER TABLE ticks SET (compress_after = '1 day')").await.unwrap();
    let mut failed = 0;
    for delay in [0, 15, 60, 200] {
        let maintaining = connect(server.address).await;
        let running = tokio::spawn(async move { maintaining.batch_execute("CALL zxq.maintain()").await });
        tokio::time::sleep(Duration::from_millis(delay)).await;
        postgres.crash();
        failed += u32::from(running.await.unwrap().is_err());
        postgres.start_again();
        assert_eq!(facts(&client, "ticks").await, exact, "after {delay} ms");
        verify(&server.engine).await;
    }
    assert!(failed > 0, "no rewrite met the crash");
    client.batch_execute("CALL zxq.maintain()").await.unwrap();
    let warm = direct(&url).await;
    assert_eq!(facts(&warm, &people).await, exact);
    assert!(number(&warm, &format!("{CHUNKS} WHERE is_compressed")).await >= 10);
    verify(&server.engine).await;
    drop(client);
    server.stop().await;
}

//! The warm PostgreSQL server dies while rows are on their way to it: the statement fails, the next one works, and no row
//! is lost or doubled.

use std::time::Duration;

use zxq_engine::PostgresOptions;
use zxq_tests::placement::verify;
use zxq_tests::postgres_server::{self, PostgresServer};
use zxq_tests::test_server::TestServer;

const ROWS: i64 = 60_000;

/// How long the move runs before the server dies: from before its first statement to after its last.
const DELAYS_MS: [u64; 6] = [0, 20, 60, 150, 400, 1_000];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_move_into_a_server_that_dies_ends_exact_when_repeated() {
    if postgres_server::shared().is_none() {
        return;
    }
    let postgres = PostgresServer::start_another().unwrap();
    let mut options = PostgresOptions::parse(&postgres.superuser_url()).unwrap();
    // How long to wait for a server that is down.
    options.pool.pool_timeout = Duration::from_secs(5);
    let server = TestServer::start_with(|config| config.warm.postgres = Some(options)).await;
    let client = zxq_tests::test_server::connect(server.address).await;
    client
        .batch_execute(
            "CREATE TABLE t (day DATE, symbol VARCHAR, n BIGINT) WITH (partition_by = 'day', sort_by = 'symbol, n')",
        )
        .await
        .unwrap();
    let insert = format!(
        "INSERT INTO t SELECT DATE '2024-01-01' + (value % 12)::int, 'S' || (value % 5), value \
         FROM generate_series(1, {ROWS}) AS s(value)"
    );
    client.batch_execute(&insert).await.unwrap();

    let (mut failed, sum) = (0, ROWS * (ROWS + 1) / 2);
    for delay in DELAYS_MS {
        let moving = zxq_tests::test_server::connect(server.address).await;
        let running = tokio::spawn(async move { moving.batch_execute("CALL zxq.migrate('t', 'warm')").await });
        tokio::time::sleep(Duration::from_millis(delay)).await;
        postgres.crash();
        if let Err(error) = running.await.unwrap() {
            failed += 1;
            let error = error.as_db_error().expect("an error of zxq, not of the connection");
            assert_eq!(error.code().code(), "HV00N", "{error:?}");
        }
        postgres.start_again();
        // Opens a connection that waits until the server is there.
        let row = client.query_one("SELECT count(*), sum(n)::bigint, count(DISTINCT n) FROM t", &[]).await.unwrap();
        let (count, total, distinct): (i64, i64, i64) = (row.get(0), row.get(1), row.get(2));
        assert_eq!((count, total, distinct), (ROWS, sum, ROWS), "after {delay} ms");
        verify(&server.engine).await;
    }
    assert!(failed > 0, "no move met the crash");
    client.batch_execute("CALL zxq.migrate('t', 'warm')").await.unwrap();
    let row = client.query_one("SELECT rows, warm_rows FROM zxq.tables WHERE table_name = 't'", &[]).await.unwrap();
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (ROWS, ROWS));
    verify(&server.engine).await;

    // What people see there is the same.
    let storage = client.query_one("SELECT storage_name FROM zxq.tables WHERE table_name = 't'", &[]).await.unwrap();
    let url = postgres.superuser_url();
    let (direct, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    let sql = format!("SELECT count(*), sum(n)::bigint FROM zxq.{}", storage.get::<_, String>(0));
    let row = direct.query_one(&sql, &[]).await.unwrap();
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (ROWS, sum));
    drop(client);
    server.stop().await;
}

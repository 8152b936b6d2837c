//! The warm PostgreSQL server dies while rows are on their way to it: the statement fails, the next one works, and no row
//! is lost or doubled.

use std::time::Duration;

use zxq_engine::PostgresOptions;
use zxq_test_support::postgres_server::{self, PostgresServer};
use zxq_tests::placement::verify;
use zxq_tests::test_server::TestServer;

const ROWS: i64 = 60_000;

/// How long the move runs before the server dies: from before its first statement to after its last.
const DELAYS_MS: [u64; 6] = [0, 20, 60, 150, 400, 1_000];

/// A server of its own, and zxq with an empty table `t` and its warm tier there.
async fn table_beside_a_server() -> (PostgresServer, TestServer, tokio_postgres::Client) {
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
    (postgres, server, client)
}

async fn connect_directly(postgres: &PostgresServer) -> tokio_postgres::Client {
    let (direct, connection) = tokio_postgres::connect(&postgres.superuser_url(), tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    direct
}

/// The table that people query.
async fn people_table(client: &tokio_postgres::Client) -> String {
    let row = client.query_one("SELECT storage_name FROM zxq.tables WHERE table_name = 't'", &[]).await.unwrap();
    format!("zxq.{}", row.get::<_, String>(0))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_move_into_a_server_that_dies_ends_exact_when_repeated() {
    if postgres_server::shared().is_none() {
        return;
    }
    let (postgres, server, client) = table_beside_a_server().await;
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
    let direct = connect_directly(&postgres).await;
    let sql = format!("SELECT count(*), sum(n)::bigint FROM {}", people_table(&client).await);
    let row = direct.query_one(&sql, &[]).await.unwrap();
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (ROWS, sum));
    drop(client);
    server.stop().await;
}

/// The segments of a move that failed while they were shown to people are shown no longer once the server answers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_failed_move_has_shown_to_people_is_swept() {
    if postgres_server::shared().is_none() {
        return;
    }
    let (postgres, server, client) = table_beside_a_server().await;
    client.batch_execute("INSERT INTO t VALUES ('2024-01-01', 'A', 1), ('2024-01-01', 'B', 2)").await.unwrap();
    let people = people_table(&client).await;
    let count = format!("SELECT count(*) FROM {people}");

    // What is to be visible is recorded; attaching it waits for this reader until the server dies.
    let mut reader = connect_directly(&postgres).await;
    let locked = reader.transaction().await.unwrap();
    locked.batch_execute(&format!("LOCK TABLE {people} IN ACCESS EXCLUSIVE MODE")).await.unwrap();
    let moving = zxq_tests::test_server::connect(server.address).await;
    let running = tokio::spawn(async move { moving.batch_execute("CALL zxq.migrate('t', 'warm')").await });
    let watcher = connect_directly(&postgres).await;
    let recorded = "SELECT count(*) FROM zxq_segments.visible WHERE visible";
    while watcher.query_one(recorded, &[]).await.unwrap().get::<_, i64>(0) == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    postgres.crash();
    running.await.unwrap().expect_err("the server is gone");

    postgres.start_again();
    // Nothing lies in cold: no row moves, and the litter goes all the same.
    client.batch_execute("CALL zxq.migrate('t', 'hot', 'cold')").await.unwrap();
    let direct = connect_directly(&postgres).await;
    assert_eq!(direct.query_one(recorded, &[]).await.unwrap().get::<_, i64>(0), 0);
    let tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'zxq_segments' AND tablename ~ '^t[0-9]+_s'";
    assert_eq!(direct.query_one(tables, &[]).await.unwrap().get::<_, i64>(0), 0);
    client.batch_execute("CALL zxq.migrate('t', 'warm')").await.unwrap();
    assert_eq!(direct.query_one(&count, &[]).await.unwrap().get::<_, i64>(0), 2);
    let failed = "SELECT count(*) FROM zxq.moves WHERE phase = 'failed'";
    assert_eq!(client.query_one(failed, &[]).await.unwrap().get::<_, i64>(0), 1);
    verify(&server.engine).await;
    drop(client);
    server.stop().await;
}

//! Statements beyond `max_running_statements` wait: for their turn, for whoever cancels them, until they time out; others see
//! that they wait, and what reads no tables does not.

use std::time::Duration;

use tokio_postgres::{Client, NoTls};
use zxq_tests::test_server::{TestServer, connect_held, must, one_text};

/// The SQLSTATE of what must fail.
async fn code(client: &Client, sql: &str) -> String {
    match client.batch_execute(sql).await {
        Ok(()) => panic!("it succeeds: {sql}"),
        Err(error) => error.code().map_or_else(|| error.to_string(), |code| code.code().to_owned()),
    }
}

/// Returns when so many statements wait for their turn.
async fn until_queued(client: &Client, count: &str) {
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'IPC' AND wait_event = 'StatementQueue' \
                   AND state = 'active'";
    let in_time = async {
        while one_text(client, waiting).await != count {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), in_time)
        .await
        .unwrap_or_else(|_| panic!("{count} statements never wait"));
}

/// A statement that reads a table for longer than any test lasts.
const ENDLESS: &str = "SELECT sum(t.n + s.n) FROM t, generate_series(1, 1000000000000) s(n)";

/// A server on which one statement at a time reads tables, and one that does.
async fn busy() -> (TestServer, Endless) {
    let server = TestServer::start_with(|config| config.most_statements = Some(1)).await;
    let reader = server.connect().await;
    must(&reader, "CREATE TABLE t (n BIGINT)").await;
    must(&reader, "INSERT INTO t VALUES (1), (2), (3)").await;
    let cancel = reader.cancel_token();
    let statement = tokio::spawn(async move { code(&reader, ENDLESS).await });
    // Another that reads waits as soon as that one has its turn.
    let other = server.connect().await;
    must(&other, "SET statement_timeout = '50ms'").await;
    while other.batch_execute("SELECT n FROM t").await.is_ok() {}
    (server, Endless { cancel, statement })
}

struct Endless {
    cancel: tokio_postgres::CancelToken,
    statement: tokio::task::JoinHandle<String>,
}

impl Endless {
    async fn end(self) {
        self.cancel.cancel_query(NoTls).await.unwrap();
        assert_eq!(self.statement.await.unwrap(), "57014");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_can_be_seen_cancelled_and_timed_out() {
    let (server, endless) = busy().await;
    let other = server.connect().await;
    let reads = ["SELECT sum(n) FROM t", "INSERT INTO t SELECT n + 10 FROM t", "CREATE TABLE u AS SELECT n FROM t"];
    for sql in reads {
        must(&other, "SET statement_timeout = '50ms'").await;
        assert_eq!(code(&other, sql).await, "57014", "{sql}");
        must(&other, "SET statement_timeout = 0").await;
        let cancel = other.cancel_token();
        let cancelling = async {
            let watch = server.connect().await;
            until_queued(&watch, "1").await;
            cancel.cancel_query(NoTls).await.unwrap();
            until_queued(&watch, "0").await;
        };
        let (code, ()) = tokio::join!(code(&other, sql), cancelling);
        assert_eq!(code, "57014", "{sql}");
    }
    // What is not about rows of tables goes on.
    for sql in ["SELECT 1", "INSERT INTO t VALUES (4)", "SELECT count(*) FROM zxq.tables", "EXPLAIN SELECT n FROM t"] {
        must(&other, sql).await;
    }
    endless.end().await;
    assert_eq!(one_text(&other, "SELECT sum(n) FROM t").await, "10", "nothing came of what was cancelled");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_get_their_turn() {
    let (server, endless) = busy().await;
    let watch = server.connect().await;
    let mut waiting = Vec::new();
    for (at, sql) in
        ["SELECT sum(n) FROM t", "INSERT INTO t SELECT n + 10 FROM t", "SELECT count(*) FROM t"].into_iter().enumerate()
    {
        let client = server.connect().await;
        waiting.push(tokio::spawn(async move { must(&client, sql).await }));
        until_queued(&watch, &(at + 1).to_string()).await;
    }
    // Who goes away leaves the queue.
    let (gone, socket) = connect_held(server.address).await;
    let leaving = tokio::spawn(async move { gone.batch_execute("SELECT max(n) FROM t").await });
    until_queued(&watch, "4").await;
    socket.abort();
    until_queued(&watch, "3").await;
    assert!(leaving.await.unwrap().is_err(), "nobody is there to answer");
    endless.end().await;
    for statement in waiting {
        statement.await.unwrap();
    }
    assert_eq!(one_text(&watch, "SELECT count(*) FROM t").await, "6");
    server.stop().await;
}

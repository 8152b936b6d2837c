//! Transactions of a session in this process.

use zxq_engine::{EngineSession, ErrorKind, Outcome};
use zxq_tests::test_server::TestEngine;

async fn run(session: &EngineSession, sql: &str) -> String {
    match session.run(sql).await.unwrap_or_else(|e| panic!("{sql}: {e}")) {
        Outcome::Command { tag } => tag,
        Outcome::Rows { .. } => panic!("{sql} gave rows"),
    }
}

async fn count(session: &EngineSession) -> usize {
    let rows = session.run("SELECT * FROM t").await.unwrap().collect().await.unwrap();
    rows.iter().map(|batch| batch.num_rows()).sum()
}

#[tokio::test]
async fn statements_begin_and_end_them() {
    let test = TestEngine::open(|_| {}).await;
    let (a, b) = (test.engine.session(), test.engine.session());
    run(&a, "CREATE TABLE t (id INTEGER)").await;
    assert_eq!(run(&a, "BEGIN").await, "BEGIN");
    assert_eq!(a.run("BEGIN").await.err().unwrap().kind(), ErrorKind::ActiveTransaction);
    run(&a, "INSERT INTO t VALUES (1)").await;
    assert_eq!(run(&a, "SAVEPOINT s").await, "SAVEPOINT");
    run(&a, "INSERT INTO t VALUES (2)").await;
    assert_eq!((count(&a).await, count(&b).await), (2, 0));
    assert_eq!(run(&a, "ROLLBACK TO SAVEPOINT s").await, "ROLLBACK");
    assert_eq!(run(&a, "RELEASE SAVEPOINT s").await, "RELEASE");
    assert_eq!(a.run("RELEASE SAVEPOINT s").await.err().unwrap().kind(), ErrorKind::UndefinedObject);
    assert_eq!(run(&a, "COMMIT").await, "COMMIT");
    assert_eq!((count(&a).await, count(&b).await), (1, 1));
    run(&a, "START TRANSACTION ISOLATION LEVEL REPEATABLE READ").await;
    assert_eq!(count(&a).await, 1);
    run(&b, "INSERT INTO t VALUES (3)").await;
    run(&a, "INSERT INTO t VALUES (4)").await;
    assert_eq!((count(&a).await, count(&b).await), (2, 2));
    assert_eq!(run(&a, "ROLLBACK").await, "ROLLBACK");
    assert_eq!((count(&a).await, count(&b).await), (2, 2));
    // A session that is dropped in the middle of one.
    let used = test.engine.sql("SELECT store_bytes FROM zxq.tiers WHERE tier = 'hot'").await.unwrap();
    run(&a, "BEGIN").await;
    run(&a, "INSERT INTO t SELECT value FROM generate_series(1, 1000) AS s(value)").await;
    drop(a);
    assert_eq!(test.engine.sql("SELECT store_bytes FROM zxq.tiers WHERE tier = 'hot'").await.unwrap(), used);
    assert_eq!(count(&b).await, 2);
    drop(b);
    test.close().await;
}

//! `INSERT … SELECT` and `CREATE TABLE AS` of more rows than a statement gathers: they go where their age puts them, within
//! the memory that there is, all of them or none.

use std::sync::Arc;

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use zxq_engine::{Engine, EngineConfig, ErrorKind, Outcome, Tier};
use zxq_tests::placement::verify;
use zxq_tests::test_server::TestEngine;

/// More than a few rows are many.
fn gather_little(config: &mut EngineConfig) {
    config.hot.gathered_bytes = 64 * 1024;
}

const TABLE: &str = "CREATE TABLE t (id BIGINT NOT NULL, day DATE NOT NULL, name TEXT, CONSTRAINT few CHECK (id < 20001)) \
     WITH (partition_by = 'day', sort_by = 'id')";

/// So many rows, over days that are so many days old when the newest is the first of March.
fn rows(count: u32, ages: [u32; 3]) -> String {
    let [a, b, c] = ages;
    format!(
        "SELECT value AS id, DATE '2024-03-01' + (CASE value % 3 WHEN 0 THEN -{a} WHEN 1 THEN -{b} ELSE -{c} END)::int AS day, \
         repeat('n', 100) AS name FROM generate_series(1, {count}) AS s(value)"
    )
}

/// Rows of a table by the tier that owns them.
fn per_tier(engine: &Engine, table: &str) -> [u64; 3] {
    let state = engine.table(table).unwrap();
    Tier::ALL.map(|tier| state.tier(tier).iter().map(|segment| segment.rows).sum())
}

async fn tag(engine: &Arc<Engine>, sql: &str) -> String {
    match engine.session().run(sql).await.unwrap_or_else(|e| panic!("{sql}: {e}")) {
        Outcome::Command { tag } => tag,
        Outcome::Rows { .. } => panic!("{sql} gave rows"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn they_go_where_their_age_puts_them() {
    let test = TestEngine::open(gather_little).await;
    let engine = &test.engine;
    engine.sql(TABLE).await.unwrap();
    // Of rows that go to several tiers none is owned by hot.
    assert_eq!(tag(engine, &format!("INSERT INTO t {}", rows(6000, [0, 20, 400]))).await, "INSERT 0 6000");
    assert_eq!(per_tier(engine, "t"), [0, 4000, 2000]);
    // Those that are young stay in hot.
    engine.sql(&format!("INSERT INTO t {}", rows(6000, [0, 0, 1]))).await.unwrap();
    assert_eq!(per_tier(engine, "t"), [6000, 4000, 2000]);
    // From the table that they go to, as it was.
    assert_eq!(tag(engine, "INSERT INTO t SELECT * FROM t").await, "INSERT 0 12000");
    let count = engine.sql("SELECT count(*), count(DISTINCT id) FROM t").await.unwrap();
    let value = |at: usize| count[0].column(at).as_primitive::<Int64Type>().value(0);
    assert_eq!((value(0), value(1)), (24_000, 6_000));
    verify(engine).await;
    let dir = test.close().await;
    let engine = Engine::open(zxq_tests::test_server::test_config(dir.path())).await.unwrap();
    let again = engine.sql("SELECT count(*), count(DISTINCT id) FROM t").await.unwrap();
    assert_eq!(again, count);
    engine.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_is_made_of_many_rows() {
    let test = TestEngine::open(gather_little).await;
    let engine = &test.engine;
    let made = format!("CREATE TABLE made AS {}", rows(6000, [0, 20, 400]));
    assert_eq!(tag(engine, &made).await, "SELECT 6000");
    let sql = "SELECT count(*) FROM made WHERE day = DATE '2024-02-10' AND name = repeat('n', 100)";
    let count = engine.sql(sql).await.unwrap();
    assert_eq!(count[0].column(0).as_primitive::<Int64Type>().value(0), 2000);
    assert_eq!(engine.sql(&made).await.unwrap_err().kind(), ErrorKind::DuplicateTable);
    verify(engine).await;
    test.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_bad_row_among_them_leaves_nothing() {
    let test = TestEngine::open(|config| {
        gather_little(config);
        // Some are written before the bad one comes.
        config.policy.segment_rows = 1000;
    })
    .await;
    let engine = &test.engine;
    engine.sql(TABLE).await.unwrap();
    let error = engine.sql(&format!("INSERT INTO t {}", rows(20_001, [0, 20, 400]))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::CheckViolation, "{error}");
    assert_eq!(per_tier(engine, "t"), [0, 0, 0]);
    // One that the query itself fails at.
    let broken =
        "SELECT 1 / (value - 20000) AS one, repeat('n', 100) AS name FROM generate_series(1, 20000) AS s(value)";
    assert!(engine.sql(&format!("CREATE TABLE made AS {broken}")).await.is_err());
    assert_eq!(engine.table("made").unwrap_err().kind(), ErrorKind::UndefinedTable);
    assert!(
        engine.sql(&format!("INSERT INTO t SELECT one, DATE '2024-01-01', name FROM ({broken}) AS b")).await.is_err()
    );
    assert_eq!(per_tier(engine, "t"), [0, 0, 0]);
    verify(engine).await;
    // It can be done right afterwards.
    engine.sql(&format!("INSERT INTO t {}", rows(20_000, [0, 20, 400]))).await.unwrap();
    assert_eq!(per_tier(engine, "t").iter().sum::<u64>(), 20_000);
    verify(engine).await;
    test.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn they_need_no_more_memory_than_there_is() {
    let test = TestEngine::open(|config| config.query_memory_bytes = 32 * zxq_engine::MIB).await;
    let engine = &test.engine;
    // Some fifty megabytes.
    let query = "SELECT value AS id, repeat('n', 100) AS name FROM generate_series(1, 400000) AS s(value)";
    engine.sql("CREATE TABLE t (id BIGINT, name TEXT)").await.unwrap();
    assert_eq!(tag(engine, &format!("INSERT INTO t {query}")).await, "INSERT 0 400000");
    assert_eq!(tag(engine, &format!("CREATE TABLE made AS {query}")).await, "SELECT 400000");
    // In a block they stay in memory.
    let session = engine.session();
    session.run("BEGIN").await.unwrap();
    let error = session.run(&format!("INSERT INTO t {query}")).await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::OutOfMemory, "{error}");
    session.run("ROLLBACK").await.unwrap();
    drop(session);
    for table in ["t", "made"] {
        assert_eq!(per_tier(engine, table).iter().sum::<u64>(), 400_000);
    }
    verify(engine).await;
    test.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_asked_of_the_rows_is_answered_with_all_of_them() {
    let test = TestEngine::open(gather_little).await;
    let engine = &test.engine;
    engine.sql(TABLE).await.unwrap();
    let returned = engine.sql(&format!("INSERT INTO t {} RETURNING id", rows(6000, [0, 20, 400]))).await.unwrap();
    assert_eq!(returned.iter().map(|batch| batch.num_rows()).sum::<usize>(), 6000);
    // A block sees its own, and nobody else does before its end.
    let session = engine.session();
    session.run("BEGIN").await.unwrap();
    session.run(&format!("INSERT INTO t {}", rows(6000, [0, 20, 400]))).await.unwrap();
    session.run(&format!("CREATE TABLE made AS {}", rows(6000, [0, 20, 400]))).await.unwrap();
    let own = session.run("SELECT id FROM t UNION ALL SELECT id FROM made").await.unwrap().collect().await.unwrap();
    assert_eq!(own.iter().map(|batch| batch.num_rows()).sum::<usize>(), 18_000);
    assert_eq!(per_tier(engine, "t").iter().sum::<u64>(), 6000);
    session.run("ROLLBACK").await.unwrap();
    assert_eq!(per_tier(engine, "t").iter().sum::<u64>(), 6000);
    assert!(engine.table("made").is_err());
    // Numbers that a column takes by itself.
    session.run("CREATE TABLE numbered (id SERIAL, name TEXT)").await.unwrap();
    let insert = "INSERT INTO numbered (name) SELECT repeat('n', 100) FROM generate_series(1, 6000) AS s(value)";
    session.run(insert).await.unwrap();
    for sql in ["SELECT lastval()", "SELECT count(DISTINCT id) FROM numbered WHERE id BETWEEN 1 AND 6000"] {
        let rows = session.run(sql).await.unwrap().collect().await.unwrap();
        assert_eq!(rows[0].column(0).as_primitive::<Int64Type>().value(0), 6000, "{sql}");
    }
    verify(engine).await;
    drop(session);
    test.close().await;
}

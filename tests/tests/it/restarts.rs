//! What a start does with what the log holds.

use std::path::Path;
use std::sync::Arc;

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use zxq_engine::{Engine, MIB, Tier};
use zxq_tests::placement::verify;
use zxq_tests::test_server::{TestEngine, close, test_config};

async fn number(engine: &Arc<Engine>, sql: &str) -> i64 {
    let batches = engine.sql(sql).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
    batches[0].column(0).as_primitive::<Int64Type>().value(0)
}

/// Too few records of each partition to be merged.
const PARTITIONS: i64 = 40;
const RECORDS: i64 = 7 * PARTITIONS;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_records_come_back_in_one_snapshot() {
    let test = TestEngine::open(|_| {}).await;
    let create = "CREATE TABLE t (id BIGINT NOT NULL, day DATE NOT NULL) WITH (partition_by = 'day', sort_by = 'id')";
    test.engine.sql(create).await.unwrap();
    let created = test.engine.snapshot().epoch;
    for id in 0..RECORDS {
        let insert = format!("INSERT INTO t VALUES ({id}, DATE '2024-01-01' + {})", id % PARTITIONS);
        test.engine.sql(&insert).await.unwrap();
    }
    let dir = test.close().await;
    let engine = Engine::open(test_config(dir.path())).await.unwrap();
    let snapshot = engine.snapshot();
    assert_eq!(snapshot.table("t").unwrap().tier(Tier::Hot).len() as i64, RECORDS);
    assert!(snapshot.epoch <= created + 2, "{} snapshots were made of {RECORDS} records", snapshot.epoch - created);
    assert_eq!(number(&engine, "SELECT sum(id)::bigint FROM t").await, RECORDS * (RECORDS - 1) / 2);
    verify(&engine).await;
    close(engine).await;
}

/// Bytes of the log's files in a data directory.
fn log_bytes(dir: &Path) -> u64 {
    let entries = std::fs::read_dir(dir.join("wal")).unwrap().map(|entry| entry.unwrap());
    let logs = entries.filter(|entry| entry.path().extension().is_some_and(|e| e == "log"));
    logs.map(|entry| entry.metadata().unwrap().len()).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_stay_in_hot_hold_no_log_of_others_back() {
    const ROUNDS: i64 = 8;
    const ROWS: i64 = 6_000;
    let test = TestEngine::open(|config| config.hot.wal_segment_bytes = MIB).await;
    let create = "CREATE TABLE t (id BIGINT NOT NULL, name TEXT, day DATE NOT NULL) \
                  WITH (partition_by = 'day', sort_by = 'id')";
    for sql in ["CREATE TABLE stays (id BIGINT NOT NULL)", create] {
        test.engine.sql(sql).await.unwrap();
    }
    let mut written = 0;
    for round in 0..ROUNDS {
        let before = log_bytes(test.dir());
        test.engine.sql(&format!("INSERT INTO stays VALUES ({round})")).await.unwrap();
        // More than one file takes.
        let insert =
            format!("INSERT INTO t SELECT value, repeat('x', 200), DATE '2024-01-02' FROM generate_series(1, {ROWS})");
        test.engine.sql(&insert).await.unwrap();
        written += log_bytes(test.dir()) - before;
        test.engine.sql("CALL zxq.migrate('t', 'warm')").await.unwrap();
    }
    assert!(written > ROUNDS as u64 * MIB);
    let left = log_bytes(test.dir());
    assert!(left < written / 3, "{left} bytes of {written} are left");
    let dir = test.close().await;
    let engine = Engine::open(test_config(dir.path())).await.unwrap();
    assert_eq!(number(&engine, "SELECT count(*) FROM stays").await, ROUNDS);
    assert_eq!(number(&engine, "SELECT sum(id)::bigint FROM stays").await, ROUNDS * (ROUNDS - 1) / 2);
    assert_eq!(number(&engine, "SELECT count(name) FROM t").await, ROUNDS * ROWS);
    assert_eq!(engine.table("t").unwrap().tier(Tier::Hot).len(), 0, "what lies in warm did not come back");
    verify(&engine).await;
    close(engine).await;
}

//! What a start does with what the log holds.

use std::sync::Arc;

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use zxq_engine::{Engine, Tier};
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

//! Many small segments: they are merged whatever columns they were written with, whoever reads and whoever else inserts; rows of
//! many partitions that come together count for what they need.

use std::io::Cursor;
use std::sync::Arc;

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use zxq_engine::{Engine, FileFormat, LoadProgress, LoadRequest, LoadSource, MIB, Tier};
use zxq_tests::placement::verify;
use zxq_tests::test_server::{TestEngine, test_config};

async fn number(engine: &Arc<Engine>, sql: &str) -> i64 {
    let batches = engine.sql(sql).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
    batches[0].column(0).as_primitive::<Int64Type>().value(0)
}

async fn hot_bytes(engine: &Arc<Engine>) -> i64 {
    number(engine, "SELECT bytes FROM zxq.tiers WHERE tier = 'hot'").await
}

fn segments(engine: &Engine, table: &str, tier: Tier) -> usize {
    engine.table(table).unwrap().tier(tier).len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn they_merge_across_a_column_that_was_added() {
    let test = TestEngine::open(|_| {}).await;
    let engine = &test.engine;
    engine.sql("CREATE TABLE t (id BIGINT NOT NULL)").await.unwrap();
    for id in 0..3 {
        engine.sql(&format!("INSERT INTO t VALUES ({id})")).await.unwrap();
    }
    engine.sql("ALTER TABLE t ADD COLUMN note TEXT DEFAULT 'none'").await.unwrap();
    engine.sql("ALTER TABLE t ADD COLUMN size BIGINT").await.unwrap();
    for id in 3..64 {
        engine.sql(&format!("INSERT INTO t VALUES ({id}, 'own', {id})")).await.unwrap();
    }
    assert_eq!(segments(engine, "t", Tier::Hot), 1);
    let checks = [
        ("SELECT count(DISTINCT id) FROM t", 64),
        ("SELECT count(*) FROM t WHERE note = 'none' AND size IS NULL AND id < 3", 3),
        ("SELECT count(*) FROM t WHERE note = 'own' AND size = id", 61),
    ];
    for (sql, expected) in checks {
        assert_eq!(number(engine, sql).await, expected, "{sql}");
    }
    verify(engine).await;
    let dir = test.close().await;
    let engine = Engine::open(test_config(dir.path())).await.unwrap();
    for tier in ["hot", "warm", "cold"] {
        if tier != "hot" {
            engine.sql(&format!("CALL zxq.migrate('t', '{tier}')")).await.unwrap();
        }
        for (sql, expected) in checks {
            assert_eq!(number(&engine, sql).await, expected, "{sql} in {tier}");
        }
        verify(&engine).await;
    }
    engine.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_merged_since_a_reader_began_is_not_kept_for_it() {
    let test = TestEngine::open(|_| {}).await;
    let engine = &test.engine;
    let insert = async |table: &str, ids: std::ops::Range<i32>| {
        for id in ids {
            engine.sql(&format!("INSERT INTO {table} VALUES ({id}, repeat('n', 100))")).await.unwrap();
        }
    };
    for table in ["t", "u"] {
        engine.sql(&format!("CREATE TABLE {table} (id BIGINT NOT NULL, name TEXT)")).await.unwrap();
        insert(table, 0..1).await;
    }
    let before = hot_bytes(engine).await;
    insert("t", 1..512).await;
    let without = hot_bytes(engine).await - before;
    let reader = engine.session();
    reader.run("START TRANSACTION ISOLATION LEVEL REPEATABLE READ").await.unwrap();
    let read = async || {
        let batches = reader.run("SELECT id FROM u").await.unwrap().collect().await.unwrap();
        batches.iter().map(|batch| batch.num_rows()).sum::<usize>()
    };
    assert_eq!(read().await, 1);
    insert("u", 1..512).await;
    let with = hot_bytes(engine).await - before - without;
    assert_eq!((segments(engine, "t", Tier::Hot), segments(engine, "u", Tier::Hot)), (1, 1));
    assert!(with < 2 * without, "{with} bytes beside a reader, {without} without");
    // It still reads what it began with.
    assert_eq!(read().await, 1);
    verify(engine).await;
    drop(reader);
    test.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn they_merge_while_many_insert() {
    let test = TestEngine::open(|_| {}).await;
    let engine = &test.engine;
    engine.sql("CREATE TABLE t (id BIGINT NOT NULL)").await.unwrap();
    let clients: Vec<_> = (0..16)
        .map(|client| {
            let engine = Arc::clone(engine);
            tokio::spawn(async move {
                for turn in 0..32 {
                    engine.sql(&format!("INSERT INTO t VALUES ({})", client * 32 + turn)).await.unwrap();
                }
            })
        })
        .collect();
    for client in clients {
        client.await.unwrap();
    }
    assert_eq!(number(engine, "SELECT count(DISTINCT id) FROM t").await, 512);
    // Whoever inserts next mends what was left while others merged.
    engine.sql("INSERT INTO t VALUES (512)").await.unwrap();
    let left = segments(engine, "t", Tier::Hot);
    assert!(left < 32, "{left} segments");
    verify(engine).await;
    test.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_of_many_days_count_once() {
    let test = TestEngine::open(|config| config.hot.memory_limit_bytes = 16 * MIB).await;
    let engine = &test.engine;
    engine
        .sql("CREATE TABLE t (id BIGINT NOT NULL, day DATE NOT NULL, name TEXT) WITH (partition_by = 'day', sort_by = 'id')")
        .await
        .unwrap();
    let query = "SELECT value AS id, DATE '2024-01-01' + (value % 60)::int AS day, lpad(value::text, 150, '0') AS name \
                 FROM generate_series(1, 30000) AS s(value)";
    let batches = engine.sql(query).await.unwrap();
    engine.ingest("t", batches).await.unwrap();
    assert_eq!(segments(engine, "t", Tier::Hot), 60);
    let bytes = hot_bytes(engine).await;
    // Of each row 8, 4, 16 and 150 bytes.
    assert!((5_300_000..7_000_000).contains(&bytes), "{bytes} bytes");
    verify(engine).await;
    test.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_of_interleaved_days_makes_one_segment_of_each() {
    let test = TestEngine::open(|_| {}).await;
    let engine = &test.engine;
    engine
        .sql("CREATE TABLE t (id BIGINT NOT NULL, day DATE NOT NULL, name TEXT) WITH (partition_by = 'day', sort_by = 'id')")
        .await
        .unwrap();
    let mut text = "id,day,name\n".to_owned();
    for id in 0..120_000 {
        let day = id % 60;
        text.push_str(&format!("{id},2024-0{}-{:02},{id:0>130}\n", 1 + day / 28, 1 + day % 28));
    }
    let request = LoadRequest { tier: Some(Tier::Warm), ..LoadRequest::into_table("t") };
    let source = LoadSource::Stream {
        name: "stream".to_owned(),
        format: Some(FileFormat::Csv),
        reader: Box::new(Cursor::new(text.into_bytes())),
    };
    let report = engine.load(request, source, &|_: LoadProgress| {}).await.unwrap();
    assert_eq!((report.rows, report.segments), (120_000, 60));
    assert_eq!(segments(engine, "t", Tier::Warm), 60);
    test.close().await;
}

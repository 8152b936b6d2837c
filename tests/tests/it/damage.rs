//! Damaged files: a clear error that names the file, never a wrong answer.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::AsArray;
use zxq_engine::{Engine, ErrorKind};
use zxq_tests::test_server::{TestEngine, close, test_config};

async fn filled(engine: &Arc<Engine>) {
    engine
        .sql("CREATE TABLE t (id BIGINT NOT NULL, name TEXT, day DATE NOT NULL) WITH (partition_by = 'day', sort_by = 'id')")
        .await
        .unwrap();
    engine
        .sql("INSERT INTO t SELECT value, 'name ' || value, CAST('2024-01-0' || (value % 2 + 1) AS DATE) FROM generate_series(1, 5000)")
        .await
        .unwrap();
}

fn files(folder: &Path, extension: &str, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, extension, found);
        } else if path.extension().is_some_and(|e| e == extension)
            && !path.components().any(|c| c.as_os_str() == "_delta_log")
        {
            found.push(path);
        }
    }
}

/// The problems that verify reports.
async fn problems(engine: &Arc<Engine>) -> Vec<String> {
    let batches = engine.sql("CALL zxq.verify('t')").await.unwrap();
    batches
        .iter()
        .flat_map(|b| {
            b.column_by_name("problem")
                .unwrap()
                .as_string_view()
                .iter()
                .flatten()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_parquet_file_is_named() {
    let test = TestEngine::open(|_| {}).await;
    let engine = &test.engine;
    filled(engine).await;
    engine.sql("CALL zxq.migrate('t', 'cold')").await.unwrap();
    assert!(problems(engine).await.is_empty());
    let mut found = Vec::new();
    files(test.dir(), "parquet", &mut found);
    found.sort();
    assert_eq!(found.len(), 2, "{found:?}");
    let name = found[0].file_name().unwrap().to_str().unwrap().to_owned();
    let whole = std::fs::read(&found[0]).unwrap();
    let folder = test.close().await;
    let dir = folder.path();
    let reopen = || async { Engine::open(test_config(dir)).await.unwrap() };

    // Bytes of a data page.
    let mut flipped = whole.clone();
    for byte in &mut flipped[64..96] {
        *byte ^= 0xff;
    }
    // The footer; the end; everything.
    let mut footless = whole.clone();
    let end = footless.len();
    footless[end - 200..].fill(0);
    let damaged: [(&str, Option<Vec<u8>>); 4] = [
        ("flipped", Some(flipped)),
        ("no footer", Some(footless)),
        ("cut", Some(whole[..whole.len() / 2].to_vec())),
        ("missing", None),
    ];
    for (what, bytes) in damaged {
        match bytes {
            Some(bytes) => std::fs::write(&found[0], bytes).unwrap(),
            None => std::fs::remove_file(&found[0]).unwrap(),
        }
        let engine = reopen().await;
        let error = engine.sql("SELECT sum(id), max(length(name)) FROM t").await.expect_err(what);
        assert!(error.to_string().contains(&name), "{what}: the error does not name {name}: {error}");
        assert_eq!(error.kind(), ErrorKind::DataCorrupted, "{what}: {error}");
        let problems = problems(&engine).await;
        assert!(problems.iter().any(|p| p.contains(&name)), "{what}: verify says {problems:?}");
        // The other partition is as good as ever.
        let good: Vec<i64> = {
            let mut counts = Vec::new();
            for day in ["2024-01-01", "2024-01-02"] {
                if let Ok(batches) =
                    engine.sql(&format!("SELECT count(name) FROM t WHERE day = DATE '{day}' AND id > 0")).await
                {
                    counts.push(batches[0].column(0).as_primitive::<arrow::datatypes::Int64Type>().value(0));
                }
            }
            counts
        };
        assert!(good.contains(&2_500), "{what}: {good:?}");
        // It is not moved on, and so not lost.
        assert!(engine.sql("CALL zxq.migrate('t', 'warm')").await.is_err(), "{what}: damaged rows were moved");
        close(engine).await;
    }
    std::fs::write(&found[0], whole).unwrap();
    let engine = reopen().await;
    assert!(problems(&engine).await.is_empty());
    engine.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_has_one_owner() {
    let test = TestEngine::open(|_| {}).await;
    let error = Engine::open(test_config(test.dir())).await.expect_err("a second engine");
    assert_eq!(error.kind(), ErrorKind::DirectoryInUse);
    assert!(error.to_string().contains(test.dir().to_str().unwrap()), "{error}");
    test.engine.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hot_refuses_what_does_not_fit() {
    let test = TestEngine::open(|config| config.hot.memory_limit_bytes = 4 * zxq_engine::MIB).await;
    let engine = &test.engine;
    engine
        .sql("CREATE TABLE t (id BIGINT NOT NULL, name TEXT, day DATE NOT NULL) WITH (partition_by = 'day')")
        .await
        .unwrap();
    let count = async || {
        let count = engine.sql("SELECT count(name) FROM t").await.unwrap();
        count[0].column(0).as_primitive::<arrow::datatypes::Int64Type>().value(0)
    };
    let insert = |rows: u32| {
        format!("INSERT INTO t SELECT value, repeat('x', 200), DATE '2024-01-01' FROM generate_series(1, {rows})")
    };
    let batch = engine
        .sql(
            "SELECT value AS id, repeat('x', 200) AS name, DATE '2024-01-01' AS day FROM \
                            generate_series(1, 100000) AS s(value)",
        )
        .await
        .unwrap();
    let error = engine.ingest("t", batch).await.expect_err("20 MB into 4 MiB");
    assert_eq!(error.kind(), ErrorKind::OutOfMemory, "{error}");
    assert_eq!(count().await, 0);
    // Rows of a statement go on to warm, since there are more of them than hot has room for.
    engine.sql(&insert(100_000)).await.unwrap();
    assert_eq!(count().await, 100_000);
    // Smaller pieces go in. Nothing moves by itself here: what is full refuses them in the end, and says why; none is lost.
    let mut rows = 100_000;
    for _ in 0..40 {
        match engine.sql(&insert(1_000)).await {
            Ok(_) => rows += 1_000,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::OutOfMemory, "{error}");
                assert!(error.to_string().contains("maintenance_interval is 0"), "{error}");
            }
        }
    }
    assert!(rows > 105_000, "only {rows} rows went in");
    assert_eq!(count().await, rows);
    zxq_tests::placement::verify(engine).await;
    engine.shutdown().await.unwrap();
}

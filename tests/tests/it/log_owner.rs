//! The write-ahead log knows the catalog it was written for: with another one, or with an older copy, the data directory
//! does not open, nothing in it is lost, and with the right one all is as it was. And what one table's place does wrong, no
//! other table feels.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use zxq_engine::{Engine, ErrorKind};
use zxq_tests::placement::verify;
use zxq_tests::test_server::{close, test_config};

use crate::two_connections::{files, ids, must, nothing_is_left_over, rows};

const TABLE: &str =
    "CREATE TABLE t (id BIGINT NOT NULL, day DATE NOT NULL) WITH (partition_by = 'day', sort_by = 'id')";

const CATALOG: [&str; 3] = ["catalog.sqlite", "catalog.sqlite-wal", "catalog.sqlite-shm"];

/// A copy of a catalog's files.
type Catalog = Vec<(&'static str, Vec<u8>)>;

/// Waits until SQLite has folded its own log back into the file. It does so on a thread of its own, which may end a little
/// after the engine, and what it does then it does by the file's name.
async fn folded(folder: &Path) {
    for _ in 0..1000 {
        if !folder.join("catalog.sqlite-wal").exists() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("SQLite never closed the catalog");
}

/// Opens the directory, runs statements that have to work, closes it, and copies its catalog.
async fn session(folder: &Path, statements: &[&str]) -> Catalog {
    let engine = Engine::open(test_config(folder)).await.unwrap();
    must(&engine, statements.iter().map(|sql| (*sql).to_owned())).await;
    close(engine).await;
    folded(folder).await;
    let read = |name| std::fs::read(folder.join(name)).ok().map(|bytes| (name, bytes));
    CATALOG.into_iter().filter_map(read).collect()
}

fn delete_catalog(folder: &Path) {
    for name in CATALOG {
        let path = folder.join(name);
        if path.exists() {
            std::fs::remove_file(path).unwrap();
        }
    }
}

fn put_back(folder: &Path, catalog: &Catalog) {
    delete_catalog(folder);
    for (name, bytes) in catalog {
        std::fs::write(folder.join(name), bytes).unwrap();
    }
}

/// Everything that holds rows: log files with anything in them, the warm database, cold's files.
fn rows_on_disk(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = files(&folder.join("wal"));
    found.extend(files(&folder.join("cold")));
    found.push(folder.join("warm.duckdb"));
    let read = |path: PathBuf| {
        let bytes = std::fs::read(&path).unwrap();
        // A start makes a log file of its own, and takes away one that was never used.
        (path.extension().is_none_or(|e| e != "log") || bytes.len() > 100).then_some((path, bytes))
    };
    found.into_iter().filter_map(read).collect()
}

/// The directory does not open, twice, and says all this; nothing of its rows is changed.
async fn is_refused(folder: &Path, words: &[&str]) {
    let before = rows_on_disk(folder);
    for _ in 0..2 {
        let error = Engine::open(test_config(folder)).await.expect_err("it is not the log's catalog");
        assert_eq!(error.kind(), ErrorKind::DataCorrupted, "{error}");
        let text = error.to_string();
        for word in words.iter().chain(&["Nothing was deleted", "aside"]) {
            assert!(text.contains(word), "{text}: does not say {word:?}");
        }
        folded(folder).await;
        assert!(rows_on_disk(folder) == before, "files were changed by a start that was refused");
    }
}

/// The directory opens, and its table has these ids.
async fn holds(folder: &Path, expected: &[i64]) {
    let engine = Engine::open(test_config(folder)).await.unwrap();
    assert_eq!(ids(&engine, "t").await, expected);
    verify(&engine).await;
    close(engine).await;
    folded(folder).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_its_catalog_a_log_is_not_thrown_away() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let right = session(
        folder,
        &[
            TABLE,
            "INSERT INTO t VALUES (1, '2024-01-01')",
            "CALL zxq.migrate('t', 'warm')",
            "INSERT INTO t VALUES (2, '2024-01-01'), (3, '2024-01-02')",
        ],
    )
    .await;
    delete_catalog(folder);
    let log = folder.join("wal").display().to_string();
    is_refused(folder, &["was deleted and made anew", "Put catalog", &log]).await;
    put_back(folder, &right);
    holds(folder, &[1, 2, 3]).await;
    // It is as good as before: rows come, move and stay.
    session(folder, &["INSERT INTO t VALUES (4, '2024-01-03')", "CALL zxq.migrate('t', 'cold')"]).await;
    holds(folder, &[1, 2, 3, 4]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_another_directorys_catalog_a_log_is_not_read() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (one, other) = (one.path(), other.path());
    let right = session(one, &[TABLE, "INSERT INTO t VALUES (1, '2024-01-01'), (2, '2024-01-02')"]).await;
    // Its tables have the same numbers, and its epochs are newer.
    let wrong = session(
        other,
        &[
            TABLE,
            "CREATE TABLE u (id BIGINT)",
            "DROP TABLE u",
            "INSERT INTO t VALUES (7, '2024-01-01')",
            "CALL zxq.migrate('t', 'warm')",
        ],
    )
    .await;
    put_back(one, &wrong);
    is_refused(one, &["catalog.sqlite was replaced", "Put catalog"]).await;
    put_back(one, &right);
    holds(one, &[1, 2]).await;
    holds(other, &[7]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_copy_of_the_catalog_is_not_opened() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let file = folder.join("rows.csv");
    std::fs::write(&file, "id,day\n4,2024-01-01\n5,2024-01-02\n").unwrap();
    let load = format!("CALL zxq.load('t', '{}', 'cold')", file.display());
    let older = ["older copy", "newest state"];

    let before_table = session(folder, &[]).await;
    let before_move =
        session(folder, &[TABLE, "INSERT INTO t VALUES (1, '2024-01-01'), (2, '2024-01-02'), (3, '2024-01-02')"]).await;
    put_back(folder, &before_table);
    is_refused(folder, &older).await;
    put_back(folder, &before_move);
    holds(folder, &[1, 2, 3]).await;

    // The move cuts the log: where the rows are now only the newer catalog knows.
    let before_load = session(folder, &["CALL zxq.migrate('t', 'warm')"]).await;
    for copy in [&before_table, &before_move] {
        put_back(folder, copy);
        is_refused(folder, &older).await;
    }
    put_back(folder, &before_load);
    holds(folder, &[1, 2, 3]).await;

    let newest = session(folder, &[&load]).await;
    for copy in [&before_table, &before_move, &before_load] {
        put_back(folder, copy);
        is_refused(folder, &older).await;
    }
    put_back(folder, &newest);
    holds(folder, &[1, 2, 3, 4, 5]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_the_log_aside_an_older_copy_opens_with_what_it_knows() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let file = folder.join("rows.csv");
    std::fs::write(&file, "id,day\n4,2024-01-01\n5,2024-01-02\n").unwrap();
    let older = session(
        folder,
        &[
            TABLE,
            "INSERT INTO t VALUES (1, '2024-01-01'), (2, '2024-01-02')",
            "CALL zxq.migrate('t', 'warm')",
            "INSERT INTO t VALUES (3, '2024-01-02')",
        ],
    )
    .await;
    let load = format!("CALL zxq.load('t', '{}', 'warm')", file.display());
    let newest = session(folder, &[&load]).await;
    put_back(folder, &older);
    is_refused(folder, &["older copy"]).await;
    // Row 3 is in the log only, rows 4 and 5 are in the newer catalog only: both are given up, as the message says.
    std::fs::rename(folder.join("wal"), folder.join("wal.aside")).unwrap();
    holds(folder, &[1, 2]).await;
    // Nothing was deleted meanwhile: with log and newest catalog put back, all of it is there.
    std::fs::remove_dir_all(folder.join("wal")).unwrap();
    std::fs::rename(folder.join("wal.aside"), folder.join("wal")).unwrap();
    put_back(folder, &newest);
    holds(folder, &[1, 2, 3, 4, 5]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_its_log_aside_a_directory_works_on() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let older = session(
        folder,
        &[TABLE, "INSERT INTO t VALUES (1, '2024-01-01'), (2, '2024-01-02')", "CALL zxq.migrate('t', 'cold')"],
    )
    .await;
    session(folder, &["CREATE TABLE u (id BIGINT NOT NULL)", "INSERT INTO u VALUES (1)"]).await;
    put_back(folder, &older);
    is_refused(folder, &["older copy"]).await;
    std::fs::rename(folder.join("wal"), folder.join("wal.aside")).unwrap();
    session(
        folder,
        &["CREATE TABLE u (id BIGINT NOT NULL)", "INSERT INTO u VALUES (2)", "INSERT INTO t VALUES (3, '2024-01-01')"],
    )
    .await;
    holds(folder, &[1, 2, 3]).await;
    let engine = Engine::open(test_config(folder)).await.unwrap();
    assert_eq!(ids(&engine, "u").await, [2]);
    must(&engine, ["CALL zxq.migrate('t', 'warm')".to_owned(), "CALL zxq.migrate('u', 'cold')".to_owned()]).await;
    assert_eq!((ids(&engine, "t").await, ids(&engine, "u").await), (vec![1, 2, 3], vec![2]));
    verify(&engine).await;
    close(engine).await;
}

fn log_files(folder: &Path) -> usize {
    files(&folder.join("wal")).iter().filter(|path| path.extension().is_some_and(|e| e == "log")).count()
}

async fn in_tiers(engine: &Arc<Engine>, table: &str) -> Vec<Vec<String>> {
    rows(engine, &format!("SELECT hot_rows, warm_rows, cold_rows FROM zxq.tables WHERE table_name = '{table}'")).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_place_that_cannot_be_used_stops_its_own_table_only() {
    let folder = tempfile::tempdir().unwrap();
    let config = || {
        let mut config = test_config(folder.path());
        // Each INSERT has a log file of its own, so that it shows which of them went.
        config.hot.wal_segment_bytes = 1;
        config
    };
    let engine = Engine::open(config()).await.unwrap();
    for table in ["bad", "good"] {
        must(
            &engine,
            [
                format!(
                    "CREATE TABLE {table} (id BIGINT NOT NULL, day DATE NOT NULL) WITH (partition_by = 'day', \
                     sort_by = 'id', hot_to_warm_age = '0', warm_to_cold_age = '0')"
                ),
                format!("INSERT INTO {table} VALUES (1, '2024-01-01')"),
            ],
        )
        .await;
    }
    for id in 2..=4 {
        must(&engine, [format!("INSERT INTO good VALUES ({id}, '2024-01-02')")]).await;
    }
    // A file where the table's folder is to be.
    let place = folder.path().join("cold").join(engine.table("bad").unwrap().def.storage_name());
    std::fs::create_dir_all(folder.path().join("cold")).unwrap();
    std::fs::write(&place, "in the way").unwrap();
    let logged = log_files(folder.path());
    assert!(logged >= 5, "{logged} log files");

    // The bad one comes first, and holds up none of the others.
    let error = engine.sql("CALL zxq.maintain()").await.expect_err("one move cannot be");
    let text = error.to_string();
    assert!(text.contains("1 of 3 moves failed") && text.contains("moving bad"), "{text}");
    assert_eq!(in_tiers(&engine, "good").await, [["0", "0", "4"]]);
    assert_eq!(in_tiers(&engine, "bad").await, [["1", "0", "0"]]);
    assert!(log_files(folder.path()) < logged, "the log was not cut: {:?}", files(&folder.path().join("wal")));
    let said = "SELECT count(*) FROM zxq.moves WHERE table_name = 'bad' AND error IS NOT NULL AND error <> ''";
    assert_eq!(rows(&engine, said).await, [["1"]]);
    assert_eq!((ids(&engine, "bad").await, ids(&engine, "good").await), (vec![1], vec![1, 2, 3, 4]));

    // Meanwhile all goes on, for the bad one too, as far as it needs no cold.
    must(&engine, [2, 3].map(|id| format!("INSERT INTO bad VALUES ({id}, '2024-01-01')"))).await;
    must(&engine, ["INSERT INTO good VALUES (5, '2024-01-03')".to_owned()]).await;
    let error = engine.sql("CALL zxq.maintain()").await.expect_err("it cannot be yet");
    assert!(error.to_string().contains("1 of 2 moves failed"), "{error}");
    assert_eq!(in_tiers(&engine, "good").await, [["0", "0", "5"]]);
    close(engine).await;

    // A restart is no cure, and no harm.
    let engine = Engine::open(config()).await.unwrap();
    assert_eq!((ids(&engine, "bad").await, ids(&engine, "good").await), (vec![1, 2, 3], vec![1, 2, 3, 4, 5]));
    let error = engine.sql("CALL zxq.maintain()").await.expect_err("it cannot be yet");
    assert!(error.to_string().contains("moving bad"), "{error}");

    std::fs::remove_file(&place).unwrap();
    must(&engine, ["CALL zxq.maintain()".to_owned()]).await;
    assert_eq!(in_tiers(&engine, "bad").await, [["0", "0", "3"]]);
    assert_eq!((ids(&engine, "bad").await, ids(&engine, "good").await), (vec![1, 2, 3], vec![1, 2, 3, 4, 5]));
    close(engine).await;
    let engine = Engine::open(config()).await.unwrap();
    assert_eq!((ids(&engine, "bad").await, ids(&engine, "good").await), (vec![1, 2, 3], vec![1, 2, 3, 4, 5]));
    verify(&engine).await;
    nothing_is_left_over(&engine, folder.path()).await;
    close(engine).await;
}

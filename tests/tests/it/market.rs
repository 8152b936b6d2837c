//! All of the recorded market data in the five shipped tables, at four placements and over every pair of stores: DuckDB's
//! answers over the raw files.
//!
//! Needs `ZXQ_REAL_DATA`, the folder of the recorded data; the queries lie beside it in `queries/market20.sql`.

mod compare;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use zxq_engine::{Engine, LoadRequest, LoadSource, MIB, Tier};
use zxq_tests::backends::Backends;
use zxq_tests::placement::verify;
use zxq_tests::test_server::TestEngine;

/// Tables and the rows that their files hold.
const TABLES: [(&str, u64); 5] = [
    ("instrument_definitions", 242),
    ("ohlcv_data", 533_619),
    ("statistics_data", 15_730),
    ("tbbo_data", 1_605_730),
    ("trades_data", 1_112_938),
];
const MOST_COLD_FILES: usize = 400;

struct Query {
    name: String,
    sql: String,
    expected: Vec<RecordBatch>,
}

fn data_files(data: &Path, table: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(data.join(table))
        .unwrap_or_else(|e| panic!("{}: {e}", data.join(table).display()))
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "parquet"))
        .collect();
    files.sort();
    files
}

/// `-- name: q01 | …` lines, each followed by one statement.
fn read_queries(data: &Path) -> Vec<(String, String)> {
    let path = data.parent().unwrap().join("queries/market20.sql");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let mut queries: Vec<(String, String)> = Vec::new();
    for line in text.lines() {
        if let Some(title) = line.strip_prefix("-- name:") {
            queries.push((title.split('|').next().unwrap().trim().to_owned(), String::new()));
        } else if !line.starts_with("--")
            && let Some((_, sql)) = queries.last_mut()
        {
            sql.push_str(line);
            sql.push('\n');
        }
    }
    assert_eq!(queries.len(), 20, "{}", path.display());
    queries.into_iter().map(|(name, sql)| (name, sql.trim().trim_end_matches(';').to_owned())).collect()
}

/// DuckDB's answers over the raw files. It has no time zones here: timestamps are read as UTC without a zone.
fn answers(data: &Path) -> Vec<Query> {
    let duck = duckdb::Connection::open_in_memory().unwrap();
    for (table, rows) in TABLES {
        let files: Vec<String> = data_files(data, table).iter().map(|f| format!("'{}'", f.display())).collect();
        let zoned: Vec<&str> = match table {
            "instrument_definitions" => vec![],
            "statistics_data" => vec!["timestamp", "ts_ref"],
            _ => vec!["timestamp"],
        };
        let casts: Vec<String> = zoned.iter().map(|c| format!("{c}::TIMESTAMP AS {c}")).collect();
        let replace = if casts.is_empty() { String::new() } else { format!(" REPLACE ({})", casts.join(", ")) };
        let sql = format!("CREATE VIEW {table} AS SELECT *{replace} FROM read_parquet([{}])", files.join(", "));
        duck.execute_batch(&sql).unwrap_or_else(|e| panic!("{sql}: {e}"));
        let count: u64 = duck.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap();
        assert_eq!(count, rows, "the files of {table} are not those this suite knows");
    }
    read_queries(data)
        .into_iter()
        .map(|(name, sql)| {
            let mut statement = duck.prepare(&sql).unwrap_or_else(|e| panic!("{name} in DuckDB: {e}"));
            let expected = statement.query_arrow([]).unwrap_or_else(|e| panic!("{name} in DuckDB: {e}")).collect();
            Query { name, sql, expected }
        })
        .collect()
}

/// The shipped tables, with this format of cold.
async fn create_tables(engine: &Arc<Engine>, format: &str) {
    let folder = zxq_test_support::project().join("sql/schema");
    for (table, _) in TABLES {
        let sql = std::fs::read_to_string(folder.join(format!("{table}.sql"))).unwrap();
        assert!(sql.contains("cold_format = 'delta'"), "{table}");
        let sql = sql.replace("cold_format = 'delta'", &format!("cold_format = '{format}'"));
        engine.sql(&sql).await.unwrap_or_else(|e| panic!("{table}: {e}"));
    }
}

async fn load(engine: &Arc<Engine>, data: &Path, tier: Tier) {
    for (table, rows) in TABLES {
        let request = LoadRequest { tier: Some(tier), ..LoadRequest::into_table(table) };
        let files = LoadSource::Files(data_files(data, table));
        let report = engine.load(request, files, &|_| {}).await.unwrap_or_else(|e| panic!("load {table}: {e}"));
        assert_eq!((report.rows, report.rejected), (rows, 0), "{table}");
        assert_eq!(report.per_tier[tier.index()], rows, "{table} went to {:?}", report.per_tier);
    }
}

/// Runs all queries and tells which answers differ.
async fn ask(engine: &Arc<Engine>, placement: &str, queries: &[Query]) -> Vec<String> {
    let mut wrong = Vec::new();
    for query in queries {
        let outcome = match engine.sql(&query.sql).await {
            Ok(actual) => compare::compare(&query.expected, &actual),
            Err(error) => Err(error.to_string()),
        };
        if let Err(difference) = outcome {
            wrong.push(format!("{placement}: {}: {difference}", query.name));
        }
    }
    let state: BTreeMap<&str, [u64; 3]> = TABLES
        .iter()
        .map(|(table, _)| {
            let state = engine.table(table).unwrap();
            let rows = |tier| state.tier(tier).iter().filter(|s| s.is_owner()).map(|s| s.rows).sum();
            (*table, Tier::ALL.map(rows))
        })
        .collect();
    eprintln!(
        "market: {placement}: {} of {} queries right; rows hot, warm, cold: {state:?}",
        queries.len() - wrong.len(),
        queries.len()
    );
    wrong
}

/// The oldest third of each table's partitions to cold, the middle third to warm; the newest stays hot.
async fn split_by_date(engine: &Arc<Engine>) {
    move_by_date(engine, |position, all| match position {
        p if p < all / 3 => Some("cold"),
        p if p < 2 * (all / 3) => Some("warm"),
        _ => None,
    })
    .await;
}

/// Moves each partition where its position among all of its table's, the oldest first, says.
async fn move_by_date(engine: &Arc<Engine>, to: impl Fn(usize, usize) -> Option<&'static str>) {
    for (table, _) in TABLES {
        let state = engine.table(table).unwrap();
        let mut partitions: Vec<String> = state.owners().map(|s| s.partition.text(&state.def.partitioning)).collect();
        partitions.sort();
        partitions.dedup();
        for (position, partition) in partitions.iter().enumerate() {
            let Some(to) = to(position, partitions.len()) else { continue };
            let sql = format!("CALL zxq.migrate('{table}', '{to}', partition => '{partition}')");
            engine.sql(&sql).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
        }
    }
}

async fn migrate_all(engine: &Arc<Engine>, to: Tier) {
    for (table, _) in TABLES {
        let sql = format!("CALL zxq.migrate('{table}', '{to}')");
        engine.sql(&sql).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
    }
}

fn room(config: &mut zxq_engine::EngineConfig) {
    config.hot.memory_limit_bytes = 4096 * MIB;
    config.hot.wal_segment_bytes = 64 * MIB;
    config.warm.memory_limit_bytes = 512 * MIB;
    config.query_memory_bytes = 1024 * MIB;
}

fn real_data() -> Option<PathBuf> {
    let data = std::env::var_os("ZXQ_REAL_DATA").map(PathBuf::from);
    if data.is_none() {
        zxq_test_support::say_skipped("market data", "set ZXQ_REAL_DATA to the folder of the recorded data");
    }
    data
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_queries_over_real_data_give_duckdbs_answers() {
    let Some(data) = real_data() else { return };
    let queries = answers(&data);
    let mut wrong = Vec::new();
    {
        let test = TestEngine::open(room).await;
        create_tables(&test.engine, "delta").await;
        load(&test.engine, &data, Tier::Cold).await;
        wrong.extend(ask(&test.engine, "all cold", &queries).await);
        let files = test.engine.table("ohlcv_data").unwrap().tier(Tier::Cold).len();
        assert!(
            files <= MOST_COLD_FILES,
            "ohlcv_data lies in {files} cold files, at most {MOST_COLD_FILES} are wanted"
        );
        verify(&test.engine).await;
        test.engine.shutdown().await.unwrap();
    }
    let test = TestEngine::open(room).await;
    create_tables(&test.engine, "delta").await;
    load(&test.engine, &data, Tier::Hot).await;
    wrong.extend(ask(&test.engine, "all hot", &queries).await);
    split_by_date(&test.engine).await;
    wrong.extend(ask(&test.engine, "split by date", &queries).await);
    migrate_all(&test.engine, Tier::Warm).await;
    wrong.extend(ask(&test.engine, "all warm", &queries).await);
    verify(&test.engine).await;
    test.engine.shutdown().await.unwrap();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The other stores: split over the tiers, then all in cold, after all of it has been through warm.
async fn other_stores(name: &str) {
    let Some(data) = real_data() else { return };
    let backends = Backends::named(name);
    if backends.postgres && !zxq_test_support::postgres_server::is_installed() {
        return;
    }
    let queries = answers(&data);
    let test = TestEngine::open(|config| {
        room(config);
        backends.apply(config);
    })
    .await;
    create_tables(&test.engine, if backends.iceberg { "iceberg" } else { "delta" }).await;
    load(&test.engine, &data, Tier::Warm).await;
    let mut wrong = ask(&test.engine, &format!("{name}: all warm"), &queries).await;
    move_by_date(&test.engine, |position, all| (position < all / 2).then_some("cold")).await;
    wrong.extend(ask(&test.engine, &format!("{name}: split by date"), &queries).await);
    migrate_all(&test.engine, Tier::Cold).await;
    wrong.extend(ask(&test.engine, &format!("{name}: all cold"), &queries).await);
    verify(&test.engine).await;
    test.engine.shutdown().await.unwrap();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_queries_over_postgresql_and_delta() {
    other_stores("pg").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_queries_over_postgresql_and_iceberg() {
    other_stores("pg_iceberg").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_queries_over_duckdb_and_iceberg_in_a_bucket() {
    other_stores("iceberg_s3").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_queries_over_duckdb_and_delta_in_a_bucket() {
    other_stores("s3").await;
}

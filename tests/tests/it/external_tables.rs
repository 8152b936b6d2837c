//! Tables that others wrote (PyArrow, delta-rs, PyIceberg), registered with `CREATE EXTERNAL TABLE` and read; and those that
//! must be refused.
//!
//! Needs `pip install deltalake pyarrow "pyiceberg[sql-sqlite,pyarrow,pyiceberg-core]"` for the Python named by `ZXQ_PYTHON`.

use std::path::Path;

use arrow::array::AsArray;
use serde_json::Value as Json;
use zxq_engine::{Engine, ErrorKind};
use zxq_test_support::s3_server;
use zxq_tests::test_server::TestEngine;

/// What the tables' maker prints rows as.
const AS_TEXT: &str = "SELECT concat_ws('|', id::text, coalesce(symbol, 'NULL'), to_char(ts, '%Y-%m-%d %H:%M:%S%.6f'), \
                       coalesce(price::text, 'NULL'), trade_date::text)";

/// The tables, or `None` where Python or a library of it is missing.
fn make_tables(folder: &Path, bucket: &[&str]) -> Option<Json> {
    let imports = "import deltalake, pyarrow, pyiceberg.catalog.sql, pyiceberg_core";
    let python = zxq_test_support::python::python_with("external tables", imports)?;
    let script = include_str!("external_tables.py");
    let output = zxq_test_support::python::script(&python, script).arg(folder).args(bucket).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

async fn texts(engine: &std::sync::Arc<Engine>, sql: &str) -> Vec<String> {
    let batches = engine.sql(sql).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
    let column = |batch: &arrow::record_batch::RecordBatch| {
        let text = arrow::compute::cast(batch.column(0), &arrow::datatypes::DataType::Utf8).unwrap();
        text.as_string::<i32>().iter().map(|v| v.unwrap_or("NULL").to_owned()).collect::<Vec<_>>()
    };
    batches.iter().flat_map(column).collect()
}

async fn refusal(engine: &std::sync::Arc<Engine>, sql: &str) -> zxq_engine::EngineError {
    match engine.sql(sql).await {
        Ok(_) => panic!("{sql} should be refused"),
        Err(error) => error,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_that_others_wrote_are_read_exactly() {
    let folder = tempfile::tempdir().unwrap();
    let s3 = s3_server::shared();
    let bucket = [s3.endpoint(), s3_server::KEY.to_owned(), s3_server::SECRET.to_owned(), s3_server::BUCKET.to_owned()];
    let Some(tables) = make_tables(folder.path(), &bucket.each_ref().map(String::as_str)) else { return };
    let in_bucket = |config: &mut zxq_engine::EngineConfig| config.cold.s3 = Some(s3.options("external"));
    let test = TestEngine::open(in_bucket).await;
    let engine = &test.engine;
    for (name, table) in tables.as_object().unwrap() {
        let (format, location) = (table["format"].as_str().unwrap(), table["location"].as_str().unwrap());
        let create = format!("CREATE EXTERNAL TABLE {name} STORED AS {format} LOCATION '{location}'");
        engine.sql(&create).await.unwrap_or_else(|e| panic!("{create}: {e}"));
        let expected: Vec<&str> = table["rows"].as_array().unwrap().iter().map(|row| row.as_str().unwrap()).collect();
        assert_eq!(texts(engine, &format!("{AS_TEXT} FROM {name} ORDER BY id")).await, expected, "{name}");

        let count = format!("SELECT count(*) FROM {name}");
        assert_eq!(texts(engine, &count).await, [expected.len().to_string()], "{name}");
        // Each filter prunes by something else: rows and files, partitions, text, time.
        type Keep = fn(&[&str]) -> bool;
        let filters: [(&str, Keep); 7] = [
            ("id >= 40 AND id < 55", |row| (40..55).contains(&row[0].parse::<i64>().unwrap())),
            ("symbol = 'S3'", |row| row[1] == "S3"),
            ("symbol = 'BRK/B %2F=1'", |row| row[1] == "BRK/B %2F=1"),
            ("symbol IS NULL", |row| row[1] == "NULL"),
            ("trade_date = DATE '2024-02-05'", |row| row[4] == "2024-02-05"),
            ("ts < TIMESTAMPTZ '2024-02-08 00:00:00Z'", |row| row[2] < "2024-02-08"),
            ("price < 0", |row| row[3].starts_with('-')),
        ];
        for (filter, keep) in filters {
            let sql = format!("{AS_TEXT} FROM {name} WHERE {filter} ORDER BY id");
            let kept: Vec<&str> =
                expected.iter().copied().filter(|row| keep(&row.split('|').collect::<Vec<_>>())).collect();
            assert_eq!(texts(engine, &sql).await, kept, "{name}: {filter}");
        }
        // Beside zxq's own tables, in one statement.
        let sql = format!("SELECT count(*) FROM {name} a JOIN {name} b ON a.id = b.id AND a.ts = b.ts");
        assert_eq!(texts(engine, &sql).await, [expected.len().to_string()], "{name}");

        for write in [
            format!("INSERT INTO {name} (id) VALUES (1)"),
            format!("CALL zxq.migrate('{name}', 'cold')"),
            format!("ALTER TABLE {name} ADD COLUMN more INT"),
        ] {
            assert_eq!(refusal(engine, &write).await.kind(), ErrorKind::FeatureNotSupported, "{write}");
        }
        let definition = texts(engine, &format!("SELECT definition FROM zxq.tables WHERE table_name = '{name}'")).await;
        assert_eq!(definition, [create], "{name}");
    }

    // They are known again after a restart, and dropping one leaves what it named.
    let dir = test.close().await;
    let mut config = zxq_tests::test_server::test_config(dir.path());
    in_bucket(&mut config);
    let engine = Engine::open(config).await.unwrap();
    let files = tables["delta_parts"]["rows"].as_array().unwrap().len();
    assert_eq!(texts(&engine, "SELECT count(*) FROM delta_parts").await, [files.to_string()]);
    engine.sql("DROP TABLE delta_parts").await.unwrap();
    engine.sql("CALL zxq.maintain()").await.unwrap();
    assert!(folder.path().join("delta/_delta_log").exists());
    let again = format!("CREATE EXTERNAL TABLE d STORED AS delta LOCATION '{}/delta'", folder.path().display());
    engine.sql(&again).await.unwrap();
    assert_eq!(texts(&engine, "SELECT count(*) FROM d").await, [files.to_string()]);
    zxq_tests::test_server::close(engine).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_read_exactly_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let Some(tables) = make_tables(folder.path(), &[]) else { return };
    let test = TestEngine::open(|_| {}).await;
    let engine = &test.engine;
    let create =
        |format: &str, location: &str| format!("CREATE EXTERNAL TABLE t STORED AS {format} LOCATION '{location}'");
    let at = |name: &str| folder.path().join(name).display().to_string();

    for (format, location, words) in [
        ("delta", at("nowhere"), "there is no delta table at"),
        ("parquet", at("nowhere/"), "there is no parquet table at"),
        ("iceberg", at("nowhere.metadata.json"), "there is no iceberg table at"),
        ("iceberg", at("warehouse/market/trades"), "version-hint"),
        ("delta", "s3://elsewhere/trades".to_owned(), "no access to s3://elsewhere"),
        ("parquet", "s3://elsewhere/trades/".to_owned(), "no access to s3://elsewhere"),
        ("iceberg", "s3://elsewhere/metadata/v1.metadata.json".to_owned(), "no access to s3://elsewhere"),
        ("iceberg", "https://elsewhere/metadata/v1.metadata.json".to_owned(), "from local disk and from s3://"),
        ("csv", at("one.parquet"), "parquet, delta or iceberg"),
        ("parquet", at("iceberg.db"), "iceberg.db"),
    ] {
        let error = refusal(engine, &create(format, &location)).await.to_string();
        assert!(error.contains(words), "{format} {location}: {error}");
    }

    // A deletion vector and a column mapping, written as other writers do.
    let log = folder.path().join("delta/_delta_log");
    let newest = std::fs::read_dir(&log).unwrap().filter_map(|e| e.unwrap().file_name().into_string().ok());
    let next = newest.filter_map(|name| name.strip_suffix(".json")?.parse::<u64>().ok()).max().unwrap() + 1;
    let version = |number: u64| log.join(format!("{number:020}.json"));
    let first = std::fs::read_to_string(version(0)).unwrap();
    let action = |kind: &str| -> Json {
        let line = first.lines().find(|line| line.starts_with(&format!("{{\"{kind}\""))).unwrap();
        serde_json::from_str(line).unwrap()
    };
    let protocol = |feature: &str| {
        serde_json::json!({"protocol": {"minReaderVersion": 3, "minWriterVersion": 7,
            "readerFeatures": [feature], "writerFeatures": [feature]}})
    };
    let write = |lines: &[Json]| {
        let text: Vec<String> = lines.iter().map(Json::to_string).collect();
        std::fs::write(version(next), text.join("\n")).unwrap();
    };

    let mut add = action("add");
    add["add"]["deletionVector"] = serde_json::json!(
        {"storageType": "u", "pathOrInlineDv": "ab^-aqEH.-t@S}K{vb[*k^", "offset": 4, "sizeInBytes": 40, "cardinality": 1});
    write(&[protocol("deletionVectors"), add]);
    let error = refusal(engine, &create("delta", &at("delta"))).await.to_string();
    assert!(error.contains("deletion vector"), "{error}");

    let mut metadata = action("metaData");
    metadata["metaData"]["configuration"] = serde_json::json!(
        {"delta.columnMapping.mode": "name", "delta.columnMapping.maxColumnId": "5"});
    let mapped: Json = {
        let schema = metadata["metaData"]["schemaString"].as_str().unwrap();
        let mut schema: Json = serde_json::from_str(schema).unwrap();
        for (id, field) in schema["fields"].as_array_mut().unwrap().iter_mut().enumerate() {
            let name = field["name"].clone();
            field["metadata"] = serde_json::json!(
                {"delta.columnMapping.id": id + 1, "delta.columnMapping.physicalName": name});
        }
        schema
    };
    metadata["metaData"]["schemaString"] = Json::String(mapped.to_string());
    write(&[protocol("columnMapping"), metadata]);
    let error = refusal(engine, &create("delta", &at("delta"))).await.to_string();
    assert!(error.contains("columnMapping") || error.contains("mapped"), "{error}");

    // A page that is not what its checksum was made of: one bit within the numbers of the first column.
    let mut bytes = std::fs::read(folder.path().join("checksums.parquet")).unwrap();
    bytes[300] ^= 1;
    std::fs::write(folder.path().join("damaged.parquet"), bytes).unwrap();
    engine.sql(&create("parquet", &at("damaged.parquet")).replacen(" t ", " damaged ", 1)).await.unwrap();
    let error = refusal(engine, "SELECT sum(id) FROM damaged").await.to_string();
    assert!(error.contains("checksum"), "{error}");

    // A table whose columns change after it was registered.
    let place = tables["parquet_file"]["location"].as_str().unwrap();
    engine.sql(&create("parquet", place)).await.unwrap();
    let other = folder.path().join("hive");
    let part = walk(&other).into_iter().next().unwrap();
    std::fs::copy(part, place).unwrap();
    let error = refusal(engine, "SELECT count(*) FROM t").await.to_string();
    assert!(error.contains("create it again"), "{error}");
    std::fs::remove_file(place).unwrap();
    let error = refusal(engine, "SELECT count(*) FROM t").await.to_string();
    assert!(error.contains("is missing"), "{error}");
}

fn walk(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(walk(&path)) } else { found.push(path) }
    }
    found
}

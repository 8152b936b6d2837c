//! Folders of Parquet files that others keep: what is in them is seen as it is, whatever their writers did; and damaged Iceberg
//! metadata.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{
    ArrayRef, AsArray, Decimal128Array, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampMillisecondArray, TimestampNanosecondArray,
};
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::file::properties::WriterProperties;
use zxq_engine::{ColdFormat, Engine, ErrorKind};
use zxq_test_support::s3_server;
use zxq_tests::test_server::TestEngine;

fn write(path: &Path, columns: Vec<(&str, ArrayRef)>) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(2)).set_bloom_filter_enabled(true);
    let file = std::fs::File::create(path).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties.build())).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

fn ids(values: &[i64]) -> ArrayRef {
    Arc::new(Int64Array::from(values.to_vec()))
}

async fn texts(engine: &Arc<Engine>, sql: &str) -> Vec<String> {
    let batches = engine.sql(sql).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
    let column = |batch: &RecordBatch| {
        let text = arrow::compute::cast(batch.column(0), &arrow::datatypes::DataType::Utf8).unwrap();
        text.as_string::<i32>().iter().map(|v| v.unwrap_or("NULL").to_owned()).collect::<Vec<_>>()
    };
    batches.iter().flat_map(column).collect()
}

async fn refusal(engine: &Arc<Engine>, sql: &str) -> zxq_engine::EngineError {
    match engine.sql(sql).await {
        Ok(_) => panic!("{sql} should be refused"),
        Err(error) => error,
    }
}

async fn create(engine: &Arc<Engine>, name: &str, location: &Path) {
    let sql = format!("CREATE EXTERNAL TABLE {name} STORED AS parquet LOCATION '{}'", location.display());
    engine.sql(&sql).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_in_the_bucket_of_cold_are_seen_as_they_are() {
    // What is kept of cold's own files, which never change, must not answer for those of others in the same bucket.
    let s3 = s3_server::shared();
    let test = TestEngine::open(|config| config.cold.s3 = Some(s3.options("beside_others"))).await;
    let engine = &test.engine;
    let put = |name: &str, values: &[i64]| write(&s3.place(&format!("changing/{name}")), vec![("id", ids(values))]);
    put("a.parquet", &[1, 2]);
    put("b.parquet", &[10]);
    let location = format!("s3://{}/changing/", s3_server::BUCKET);
    create(engine, "others", Path::new(&location)).await;
    assert_eq!(texts(engine, "SELECT id FROM others ORDER BY id").await, ["1", "2", "10"]);
    put("a.parquet", &[3, 4]);
    assert_eq!(texts(engine, "SELECT id FROM others ORDER BY id").await, ["3", "4", "10"]);
    put("c.parquet", &[7]);
    std::fs::remove_file(s3.place("changing/b.parquet")).unwrap();
    assert_eq!(texts(engine, "SELECT id FROM others ORDER BY id").await, ["3", "4", "7"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_statement_sees_the_files_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let bars = folder.path().join("bars");
    write(&bars.join("a.parquet"), vec![("id", ids(&[1, 2]))]);
    // What tools leave beside data.
    for hidden in ["_temporary/0/part.parquet", ".staging/part.parquet", "_part.parquet", ".part.parquet"] {
        write(&bars.join(hidden), vec![("id", ids(&[1000]))]);
    }
    let test = TestEngine::open(|_| {}).await;
    let engine = &test.engine;
    create(engine, "bars", &bars).await;
    assert_eq!(texts(engine, "SELECT id FROM bars ORDER BY id").await, ["1", "2"]);
    write(&bars.join("b.parquet"), vec![("id", ids(&[5]))]);
    assert_eq!(texts(engine, "SELECT id FROM bars ORDER BY id").await, ["1", "2", "5"]);
    // Another file of the same size in the place of one.
    let size = std::fs::metadata(bars.join("a.parquet")).unwrap().len();
    write(&folder.path().join("new.parquet"), vec![("id", ids(&[3, 4]))]);
    std::fs::rename(folder.path().join("new.parquet"), bars.join("a.parquet")).unwrap();
    assert_eq!(std::fs::metadata(bars.join("a.parquet")).unwrap().len(), size);
    assert_eq!(texts(engine, "SELECT id FROM bars WHERE id < 5 ORDER BY id").await, ["3", "4"]);
    assert_eq!(texts(engine, "SELECT sum(id) FROM bars").await, ["12"]);
    std::fs::remove_file(bars.join("b.parquet")).unwrap();
    assert_eq!(texts(engine, "SELECT count(*) FROM bars").await, ["2"]);
    // A file that a writer has begun and not ended.
    std::fs::write(bars.join("c.parquet"), b"").unwrap();
    assert!(refusal(engine, "SELECT count(*) FROM bars").await.to_string().contains("c.parquet is empty"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_are_no_patterns() {
    let folder = tempfile::tempdir().unwrap();
    let names = ["st*r.parquet", "star.parquet", "q?x.parquet", "qux.parquet", "br[ab]ck.parquet", "brack.parquet"];
    for (number, name) in (0..).zip(names) {
        write(&folder.path().join(name), vec![("id", ids(&[number]))]);
    }
    let test = TestEngine::open(|_| {}).await;
    let engine = &test.engine;
    for (number, name) in names.iter().enumerate() {
        create(engine, &format!("t{number}"), &folder.path().join(name)).await;
        assert_eq!(texts(engine, &format!("SELECT id FROM t{number}")).await, [number.to_string()], "{name}");
    }
    let all = format!("CREATE EXTERNAL TABLE t STORED AS parquet LOCATION '{}/*.parquet'", folder.path().display());
    assert!(refusal(engine, &all).await.to_string().contains("*.parquet"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn columns_of_several_types_get_one_that_holds_all_values() {
    let folder = tempfile::tempdir().unwrap();
    let decimal = |values: Vec<i128>, precision, scale| -> ArrayRef {
        Arc::new(Decimal128Array::from(values).with_precision_and_scale(precision, scale).unwrap())
    };
    let wide = folder.path().join("wide");
    let narrow: ArrayRef = Arc::new(Int32Array::from(vec![1, 2]));
    write(&wide.join("a.parquet"), vec![("id", narrow), ("px", decimal(vec![125, 250], 10, 2))]);
    write(&wide.join("b.parquet"), vec![("id", ids(&[1 << 40])), ("px", decimal(vec![12_345], 12, 4))]);
    let test = TestEngine::open(|_| {}).await;
    let engine = &test.engine;
    create(engine, "wide", &wide).await;
    assert_eq!(texts(engine, "SELECT id FROM wide WHERE id >= 2 ORDER BY id").await, ["2", "1099511627776"]);
    assert_eq!(texts(engine, "SELECT px::text FROM wide ORDER BY px").await, ["1.2345", "1.2500", "2.5000"]);
    assert_eq!(texts(engine, "SELECT id FROM wide WHERE px = 1.2345").await, ["1099511627776"]);

    let mixed = folder.path().join("mixed");
    write(&mixed.join("a.parquet"), vec![("px", Arc::new(Float64Array::from(vec![1.5])))]);
    write(&mixed.join("b.parquet"), vec![("px", Arc::new(StringArray::from(vec!["1.5"])))]);
    let sql = format!("CREATE EXTERNAL TABLE mixed STORED AS parquet LOCATION '{}'", mixed.display());
    let error = refusal(engine, &sql).await.to_string();
    assert!(error.contains("\"px\"") && error.contains("a.parquet") && error.contains("b.parquet"), "{error}");

    // One column that somebody wrote otherwise, or two.
    let drifted = folder.path().join("drifted");
    write(&drifted.join("a.parquet"), vec![("id", ids(&[1])), ("px", ids(&[10]))]);
    write(&drifted.join("b.parquet"), vec![("id", ids(&[2])), ("Px", ids(&[20]))]);
    let sql = format!("CREATE EXTERNAL TABLE drifted STORED AS parquet LOCATION '{}'", drifted.display());
    let error = refusal(engine, &sql).await.to_string();
    assert!(error.contains("\"px\"") && error.contains("\"Px\"") && error.contains("b.parquet"), "{error}");
    let apart = folder.path().join("apart");
    write(&apart.join("a.parquet"), vec![("px", ids(&[1])), ("Px", ids(&[10]))]);
    create(engine, "apart", &apart).await;
    assert_eq!(texts(engine, "SELECT \"Px\" - px FROM apart").await, ["9"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_row_is_missed_by_what_files_say_of_themselves() {
    let folder = tempfile::tempdir().unwrap();
    let nan = f64::NAN;
    let millis = vec![-1, 0, 999, 1_000, 2_000, 3_000];
    let nanos = vec![-1, -1_001, 0, 1, 1_999, 2_000];
    let cents = Decimal128Array::from(vec![5, 25, 41, 100, 105, 110]).with_precision_and_scale(19, 2).unwrap();
    let place = folder.path().join("t.parquet");
    write(
        &place,
        vec![
            ("id", ids(&[1, 2, 3, 4, 5, 6])),
            ("v", Arc::new(Float64Array::from(vec![1.0, nan, 3.0, -0.0, nan, nan]))),
            ("ms", Arc::new(TimestampMillisecondArray::from(millis))),
            ("ns", Arc::new(TimestampNanosecondArray::from(nanos))),
            ("px", Arc::new(cents)),
        ],
    );
    let test = TestEngine::open(|_| {}).await;
    let engine = &test.engine;
    create(engine, "t", &place).await;
    for (filter, expected) in [
        ("v > 2", vec!["2", "3", "5", "6"]),
        ("v = 'NaN'", vec!["2", "5", "6"]),
        ("v <> 3", vec!["1", "2", "4", "5", "6"]),
        ("v < 3", vec!["1", "4"]),
        ("px = 0.25", vec!["2"]),
        ("px = 1.10", vec!["6"]),
        ("ms < TIMESTAMP '1970-01-01 00:00:00.000500'", vec!["1", "2"]),
        ("ms > TIMESTAMP '1970-01-01 00:00:02.999500'", vec!["6"]),
        ("ns < TIMESTAMP '1970-01-01'", vec!["1", "2"]),
        ("ns = TIMESTAMP '1970-01-01 00:00:00.000001'", vec!["5"]),
    ] {
        let sql = format!("SELECT id FROM t WHERE {filter} ORDER BY id");
        assert_eq!(texts(engine, &sql).await, expected, "{filter}");
    }
}

fn all_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(all_files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

/// A simple generator: the same bytes are damaged in each run.
struct Draw(u64);

impl Draw {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % limit
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damaged_iceberg_metadata_is_an_error_and_nothing_panics() {
    let test = TestEngine::open(|config| config.cold.format = ColdFormat::Iceberg).await;
    let engine = &test.engine;
    engine
        .sql("CREATE TABLE t (id BIGINT NOT NULL, s TEXT, day DATE NOT NULL) WITH (partition_by = 'day')")
        .await
        .unwrap();
    engine
        .sql("INSERT INTO t SELECT value, 'text', CAST('2024-01-0' || (value % 2 + 1) AS DATE) FROM generate_series(1, 100)")
        .await
        .unwrap();
    engine.sql("CALL zxq.migrate('t', 'cold')").await.unwrap();
    let files = all_files(test.dir());
    let is = |path: &&PathBuf, ending: &str| path.to_string_lossy().ends_with(ending);
    let newest = files.iter().rfind(|path| is(path, ".metadata.json")).unwrap();
    let sql = format!("CREATE EXTERNAL TABLE x STORED AS iceberg LOCATION '{}'", newest.display());
    engine.sql(&sql).await.unwrap();
    assert_eq!(texts(engine, "SELECT count(*) FROM x").await, ["100"]);
    let mut draw = Draw(11);
    let mut refused = 0;
    for damaged in files.iter().filter(|path| *path == newest || is(path, ".avro")) {
        let sound = std::fs::read(damaged).unwrap();
        for number in 0..25 {
            let mut bytes = sound.clone();
            if number % 5 == 0 {
                bytes.truncate(draw.below(sound.len()));
            } else {
                let place = draw.below(sound.len());
                bytes[place] ^= 1 << draw.below(8);
            }
            std::fs::write(damaged, bytes).unwrap();
            if let Err(error) = engine.sql("SELECT count(*), sum(id) FROM x").await {
                refused += 1;
                assert_ne!(error.kind(), ErrorKind::Internal, "{error}");
                assert!(!error.to_string().contains("panicked"), "{error}");
            }
        }
        std::fs::write(damaged, sound).unwrap();
    }
    assert!(refused > 20, "{refused}");
    assert_eq!(texts(engine, "SELECT count(*) FROM x").await, ["100"]);
}

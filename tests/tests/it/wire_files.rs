//! `COPY … TO STDOUT` as a Parquet file or an Arrow stream: what other programs read, however it ends.

use std::io::Cursor;
use std::time::Duration;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{DataType, Date32Type, Decimal128Type, Int32Type, Schema, TimeUnit, TimestampMicrosecondType};
use arrow::ipc::reader::StreamReader;
use bytes::Bytes;
use futures::TryStreamExt;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::Compression;
use tokio_postgres::{Client, NoTls};
use zxq_engine::MIB;
use zxq_tests::test_server::{TestServer, error_text, one_text};

async fn must(client: &Client, sql: &str) {
    client.batch_execute(sql).await.unwrap_or_else(|e| panic!("{sql}: {}", error_text(&e)));
}

async fn read(client: &Client, sql: &str) -> Result<Bytes, tokio_postgres::Error> {
    let pieces: Vec<Bytes> = client.copy_out(sql).await?.try_collect().await?;
    Ok(pieces.concat().into())
}

async fn file(client: &Client, sql: &str) -> Bytes {
    read(client, sql).await.unwrap_or_else(|e| panic!("{sql}: {}", error_text(&e)))
}

/// The code of what went wrong.
async fn code(client: &Client, sql: &str) -> String {
    let error = read(client, sql).await.expect_err(sql);
    error.as_db_error().unwrap_or_else(|| panic!("{sql}: {error}")).code().code().to_owned()
}

fn parquet(bytes: Bytes) -> (ParquetRecordBatchReaderBuilder<Bytes>, Vec<RecordBatch>) {
    let open = || ParquetRecordBatchReaderBuilder::try_new(bytes.clone()).unwrap();
    (open(), open().build().unwrap().collect::<Result<_, _>>().unwrap())
}

fn types(schema: &Schema) -> Vec<(String, DataType)> {
    schema.fields().iter().map(|field| (field.name().clone(), field.data_type().clone())).collect()
}

const TYPES: &str = "CREATE TABLE k (id INTEGER NOT NULL, price DECIMAL(20,8), big DECIMAL(38,0), at TIMESTAMPTZ, \
    local TIMESTAMP, day DATE, clock TIME, code VARCHAR(5), short CHAR(3), u UUID, j JSONB, raw BYTEA, ratio DOUBLE PRECISION, \
    ok BOOLEAN, span INTERVAL, numbers INTEGER[], part DATE) WITH (partition_by = 'part')";

const ROWS: &str = "INSERT INTO k VALUES \
    (1, 150.00000001, 99999999999999999999999999999999999999, '2024-06-03 14:30:00.123456+02', \
     '2024-06-03 14:30:00.123456', '2024-02-29', '23:59:59.999999', 'ab', 'x', '6f1c3b0a-7c9e-4a51-9d0f-0123456789ab', \
     '{\"a\": 1}', '\\x00ff', 'NaN', true, '1 mon 2 days 03:00:00', '{1,NULL,3}', '2024-06-03'), \
    (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '2024-06-04')";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parquet_files_hold_every_type_exactly() {
    let server = TestServer::start().await;
    let client = server.connect().await;
    must(&client, TYPES).await;
    must(&client, ROWS).await;
    must(&client, "CALL zxq.migrate('k', 'cold', partition => '2024-06-03')").await;
    must(&client, "SET TimeZone = 'Europe/Berlin'").await;
    let bytes = file(&client, "COPY (SELECT * FROM k ORDER BY id) TO STDOUT (FORMAT parquet)").await;
    let (reader, batches) = parquet(bytes.clone());
    let moments = |zone: Option<&str>| DataType::Timestamp(TimeUnit::Microsecond, zone.map(Into::into));
    let found = types(reader.schema());
    let expected = [
        ("id", DataType::Int32),
        ("price", DataType::Decimal128(20, 8)),
        ("big", DataType::Decimal128(38, 0)),
        ("at", moments(Some("UTC"))),
        ("local", moments(None)),
        ("day", DataType::Date32),
        ("clock", DataType::Time64(TimeUnit::Microsecond)),
        ("code", DataType::Utf8),
        ("short", DataType::Utf8),
        ("u", DataType::Utf8),
        ("j", DataType::Utf8),
        ("raw", DataType::Binary),
        ("ratio", DataType::Float64),
        ("ok", DataType::Boolean),
        ("span", DataType::Utf8),
    ];
    for ((name, data_type), (wanted, wanted_type)) in found.iter().zip(expected) {
        assert_eq!((name.as_str(), data_type), (wanted, &wanted_type));
    }
    assert!(
        matches!(&found[15], (name, DataType::List(item)) if name == "numbers" && item.data_type() == &DataType::Int32)
    );
    let rows = arrow::compute::concat_batches(&batches[0].schema(), &batches).unwrap();
    assert_eq!(rows.num_rows(), 2);
    assert_eq!(rows.column(1).as_primitive::<Decimal128Type>().value(0), 15_000_000_001);
    assert_eq!(rows.column(2).as_primitive::<Decimal128Type>().value(0), 10_i128.pow(38) - 1);
    let at = 1_717_417_800_123_456;
    assert_eq!(rows.column(3).as_primitive::<TimestampMicrosecondType>().value(0), at, "12:30 in UTC");
    assert_eq!(rows.column(4).as_primitive::<TimestampMicrosecondType>().value(0), at + 2 * 3_600_000_000);
    assert_eq!(rows.column(5).as_primitive::<Date32Type>().value(0), 19_782);
    assert_eq!(rows.column(9).as_string::<i32>().value(0), "6f1c3b0a-7c9e-4a51-9d0f-0123456789ab");
    assert_eq!(rows.column(11).as_binary::<i32>().value(0), [0, 255]);
    assert_eq!(rows.column(14).as_string::<i32>().value(0), "1 mons 2 days 03:00:00.000000");
    let numbers = rows.column(15).as_list::<i32>().value(0);
    assert_eq!(numbers.as_primitive::<Int32Type>().iter().collect::<Vec<_>>(), [Some(1), None, Some(3)]);
    assert!(rows.columns()[1..16].iter().all(|column| column.is_null(1)));

    // The same to a reader that shares nothing with zxq.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("k.parquet");
    std::fs::write(&path, &bytes).unwrap();
    let duck = duckdb::Connection::open_in_memory().unwrap();
    let sql = format!(
        "SELECT concat_ws('|', price, big, epoch_us(\"at\"), local, day, clock, u, raw, isnan(ratio), ok, numbers, typeof(price)) \
         FROM read_parquet('{}') WHERE id = 1",
        path.display()
    );
    let read: String = duck.query_row(&sql, [], |row| row.get(0)).unwrap();
    let wanted = format!(
        "150.00000001|99999999999999999999999999999999999999|{at}|2024-06-03 14:30:00.123456|2024-02-29|23:59:59.999999|\
         6f1c3b0a-7c9e-4a51-9d0f-0123456789ab|\\x00\\xFF|true|true|[1, NULL, 3]|DECIMAL(20,8)"
    );
    assert_eq!(read, wanted);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_are_compressed_as_asked_and_streams_are_arrow() {
    let server = TestServer::start().await;
    let client = server.connect().await;
    let query = "(SELECT value::bigint AS n, value::text AS t FROM generate_series(1, 300000) AS s(value))";
    let compression = |bytes: Bytes| parquet(bytes).0.metadata().row_group(0).column(0).compression();
    for (option, wanted) in [
        ("", Compression::ZSTD(Default::default())),
        (", COMPRESSION 'snappy'", Compression::SNAPPY),
        (", COMPRESSION none", Compression::UNCOMPRESSED),
    ] {
        let bytes = file(&client, &format!("COPY {query} TO STDOUT (FORMAT parquet{option})")).await;
        // Only which one it is: levels are not in the file.
        assert_eq!(std::mem::discriminant(&compression(bytes)), std::mem::discriminant(&wanted), "{option}");
    }
    let (reader, batches) = parquet(file(&client, &format!("COPY {query} TO STDOUT WITH (FORMAT 'parquet')")).await);
    assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 300_000);
    assert!(reader.metadata().num_row_groups() > 1, "groups are written as rows come");
    for option in ["", ", COMPRESSION zstd", ", COMPRESSION lz4"] {
        let bytes = file(&client, &format!("COPY {query} TO STDOUT (FORMAT arrow{option})")).await;
        let batches: Vec<RecordBatch> =
            StreamReader::try_new(Cursor::new(bytes), None).unwrap().collect::<Result<_, _>>().unwrap();
        let found = types(&batches[0].schema());
        assert_eq!(found, [("n".to_owned(), DataType::Int64), ("t".to_owned(), DataType::Utf8)], "{option}");
        assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 300_000, "{option}");
    }
    // No rows are a whole file, too; and so are those of the catalogs.
    must(&client, "CREATE TABLE t (a INTEGER, b INTEGER GENERATED ALWAYS AS (a + 1) STORED)").await;
    let (reader, batches) = parquet(file(&client, "COPY t TO STDOUT (FORMAT parquet)").await);
    assert_eq!((types(reader.schema()), batches.len()), (vec![("a".to_owned(), DataType::Int32)], 0));
    let empty = file(&client, "COPY (SELECT 1 AS one WHERE false) TO STDOUT (FORMAT arrow)").await;
    assert_eq!(StreamReader::try_new(Cursor::new(empty), None).unwrap().count(), 0);
    let (_, batches) = parquet(file(&client, "COPY (SELECT relname FROM pg_class) TO STDOUT (FORMAT parquet)").await);
    assert!(batches[0].num_rows() > 1);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_has_no_form_in_a_file_is_refused_first() {
    let server = TestServer::start().await;
    let client = server.connect().await;
    for (sql, wanted) in [
        ("COPY (SELECT 1 AS a, 2 AS a) TO STDOUT (FORMAT parquet)", "42701"),
        ("COPY (SELECT 1) TO STDOUT (FORMAT parquet, DELIMITER ';')", "42601"),
        ("COPY (SELECT 1) TO STDOUT (FORMAT arrow, HEADER)", "0A000"),
        ("COPY (SELECT 1) TO STDOUT (FORMAT parquet, ESCAPE 'x')", "0A000"),
        ("COPY (SELECT 1) TO STDOUT (FORMAT parquet, COMPRESSION 'rar')", "22023"),
        ("COPY (SELECT 1) TO STDOUT (FORMAT csv, COMPRESSION 'zstd')", "0A000"),
        ("COPY (SELECT 1) TO STDOUT (FORMAT parquet, TIER 'hot')", "0A000"),
        ("COPY (SELECT 1) TO STDOUT (FORMAT orc)", "22023"),
        ("COPY (SELECT nosuch) TO STDOUT (FORMAT parquet)", "42703"),
    ] {
        assert_eq!(code(&client, sql).await, wanted, "{sql}");
        assert_eq!(one_text(&client, "SELECT 1").await, "1");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_fails_has_no_end_and_the_connection_lives_on() {
    let server = TestServer::start().await;
    let client = server.connect().await;
    let numbers = |count: u64| format!("generate_series(1, {count}) AS s(n)");
    for format in ["parquet", "arrow"] {
        let divides =
            format!("COPY (SELECT 1 / (n - 900000) AS q FROM {}) TO STDOUT (FORMAT {format})", numbers(1_000_000));
        assert_eq!(code(&client, &divides).await, "22012", "{format}");
        let endless =
            format!("COPY (SELECT n, md5(n::text) FROM {}) TO STDOUT (FORMAT {format})", numbers(900_000_000));
        must(&client, "SET statement_timeout = '500ms'").await;
        assert_eq!(code(&client, &endless).await, "57014", "{format}");
        must(&client, "RESET statement_timeout").await;

        // Nobody reads: the server waits, and can be told to stop.
        let cancel = client.cancel_token();
        let mut pieces = Box::pin(client.copy_out(&endless).await.unwrap());
        assert!(pieces.try_next().await.unwrap().is_some(), "{format}");
        tokio::time::sleep(Duration::from_millis(200)).await;
        cancel.cancel_query(NoTls).await.unwrap();
        let error = loop {
            match pieces.try_next().await {
                Ok(Some(_)) => {}
                Ok(None) => panic!("it came to an end"),
                Err(error) => break error,
            }
        };
        assert_eq!(error.code().map(tokio_postgres::error::SqlState::code), Some("57014"), "{format}");
        drop(pieces);
        assert_eq!(one_text(&client, "SELECT 1").await, "1");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_files_take_little_memory() {
    let server = TestServer::start_with(|config| config.session_memory_bytes = Some(24 * MIB)).await;
    let client = server.connect().await;
    let copy = "COPY (SELECT n, md5(n::text) AS a, md5((n + 1)::text) AS b FROM generate_series(1, 1000000) AS s(n)) \
                TO STDOUT (FORMAT parquet, COMPRESSION none)";
    let bytes = file(&client, copy).await;
    assert!(bytes.len() > 60_000_000, "{}", bytes.len());
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap();
    assert_eq!(reader.metadata().file_metadata().num_rows(), 1_000_000);
    server.stop().await;
}

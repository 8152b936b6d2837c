//! COPY as drivers use it: the binary format both ways, PostgreSQL's options, and what is said of bad data.

use std::pin::pin;

use bytes::Bytes;
use chrono::{DateTime, NaiveDate, NaiveDateTime, TimeZone, Utc};
use futures::{SinkExt, TryStreamExt};
use tokio_postgres::Client;
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::{ToSql, Type};
use zxq_tests::test_server::{TestServer, error_text, must, one_text};

/// What binary data begins with.
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// Sends data in small pieces; the rows that were loaded.
async fn send(client: &Client, sql: &str, data: &[u8]) -> Result<u64, tokio_postgres::Error> {
    let sink = client.copy_in::<_, Bytes>(sql).await?;
    let mut sink = pin!(sink);
    for piece in data.chunks(5) {
        sink.send(Bytes::copy_from_slice(piece)).await?;
    }
    sink.finish().await
}

async fn read(client: &Client, sql: &str) -> Vec<u8> {
    let stream = client.copy_out(sql).await.unwrap_or_else(|e| panic!("{sql}: {}", error_text(&e)));
    let pieces: Vec<Bytes> = stream.try_collect().await.unwrap();
    pieces.concat()
}

async fn read_text(client: &Client, sql: &str) -> String {
    String::from_utf8(read(client, sql).await).unwrap()
}

/// The code of what went wrong, and what was being done.
async fn refused(client: &Client, sql: &str, data: &[u8]) -> (String, String) {
    let error = send(client, sql, data).await.expect_err(sql);
    let error = error.as_db_error().unwrap_or_else(|| panic!("{sql}: {error}"));
    (error.code().code().to_owned(), error.where_().unwrap_or_default().to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn binary_rows_go_in_and_come_out() {
    let server = TestServer::start().await;
    let client = server.connect().await;
    let columns = "(id BIGINT NOT NULL, a SMALLINT, b INTEGER, c REAL, d DOUBLE PRECISION, e BOOLEAN, f TEXT, \
                   g VARCHAR(9), h DATE, i TIMESTAMP, j TIMESTAMPTZ, k BYTEA, l INTEGER[], m TEXT[], n DECIMAL(10,2), \
                   o UUID, p JSONB, q INTERVAL, r TIME)";
    must(&client, &format!("CREATE TABLE b {columns}")).await;
    must(&client, &format!("CREATE TABLE again {columns}")).await;
    let day = NaiveDate::from_ymd_opt(2024, 2, 29).unwrap();
    let local: NaiveDateTime = day.and_hms_micro_opt(12, 34, 56, 789_012).unwrap();
    let moment: DateTime<Utc> = Utc.from_utc_datetime(&local);
    let types = [
        Type::INT8,
        Type::INT2,
        Type::INT4,
        Type::FLOAT4,
        Type::FLOAT8,
        Type::BOOL,
        Type::TEXT,
        Type::VARCHAR,
        Type::DATE,
        Type::TIMESTAMP,
        Type::TIMESTAMPTZ,
        Type::BYTEA,
        Type::INT4_ARRAY,
        Type::TEXT_ARRAY,
    ];
    let names = "(id, a, b, c, d, e, f, g, h, i, j, k, l, m)";
    let sink = client.copy_in::<_, Bytes>(&format!("COPY b {names} FROM STDIN (FORMAT binary)")).await.unwrap();
    let mut writer = pin!(BinaryCopyInWriter::new(sink, &types));
    let whole: [&(dyn ToSql + Sync); 14] = [
        &1_i64,
        &-7_i16,
        &i32::MIN,
        &1.5_f32,
        &f64::NEG_INFINITY,
        &true,
        &"Ω\t\\N",
        &"nine",
        &day,
        &local,
        &moment,
        &&b"\x00\xff"[..],
        &vec![Some(1), None, Some(3)],
        &vec!["a,b", "", "NULL"],
    ];
    let nothing: [&(dyn ToSql + Sync); 14] = [
        &2_i64,
        &None::<i16>,
        &None::<i32>,
        &None::<f32>,
        &None::<f64>,
        &None::<bool>,
        &None::<&str>,
        &None::<&str>,
        &None::<NaiveDate>,
        &None::<NaiveDateTime>,
        &None::<DateTime<Utc>>,
        &None::<&[u8]>,
        &None::<Vec<i32>>,
        &None::<Vec<&str>>,
    ];
    writer.as_mut().write(&whole).await.unwrap();
    writer.as_mut().write(&nothing).await.unwrap();
    assert_eq!(writer.finish().await.unwrap(), 2);
    must(
        &client,
        "INSERT INTO b (id, n, o, p, q, r) VALUES (3, -12345.60, 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', \
         '{\"b\": [1, null]}', '1 mon -2 days 03:00:00.5', '23:59:59.25')",
    )
    .await;
    assert_eq!(
        read_text(
            &client,
            "COPY (SELECT id, a, b, c, d, e, f, g, h, i, j, k, l, m FROM b ORDER BY id LIMIT 1) TO STDOUT"
        )
        .await,
        "1\t-7\t-2147483648\t1.5\t-Infinity\tt\tΩ\\t\\\\N\tnine\t2024-02-29\t2024-02-29 12:34:56.789012\t\
         2024-02-29 12:34:56.789012+00\t\\\\x00ff\t{1,NULL,3}\t{\"a,b\",\"\",\"NULL\"}\n"
    );

    // What comes out goes in again, and is the same.
    let all = read(&client, "COPY (SELECT * FROM b ORDER BY id) TO STDOUT (FORMAT binary)").await;
    assert_eq!(send(&client, "COPY again FROM STDIN WITH BINARY", &all).await.unwrap(), 3);
    let text = |table: &str| format!("COPY (SELECT * FROM {table} ORDER BY id) TO STDOUT");
    assert_eq!(read_text(&client, &text("again")).await, read_text(&client, &text("b")).await);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_binary_data_is_refused_as_a_whole() {
    let server = TestServer::start().await;
    let client = server.connect().await;
    must(&client, "CREATE TABLE t (a INTEGER, b TEXT NOT NULL)").await;
    let data = |rest: &[u8]| [HEADER, rest].concat();
    let good: &[u8] = &[0, 2, 0, 0, 0, 4, 0, 0, 0, 1, 0, 0, 0, 1, b'x'];
    let end: &[u8] = &[0xff, 0xff];
    let copy = "COPY t FROM STDIN (FORMAT binary)";
    for (what, bytes, code, context) in [
        ("text", b"1\tx\n".to_vec(), "22P04", ""),
        ("nothing", Vec::new(), "22P04", ""),
        ("rows with OIDs", [&HEADER[..11], &[0, 1, 0, 0, 0, 0, 0, 0]].concat(), "22P04", ""),
        ("a header that goes on", [&HEADER[..11], &[0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff]].concat(), "22P04", ""),
        ("one field", data(&[0, 1, 0, 0, 0, 4, 0, 0, 0, 1]), "22P04", "COPY t, line 1"),
        ("a short value", data(&[0, 2, 0, 0, 0, 2, 0, 1]), "08P01", "COPY t, line 1, column a"),
        (
            "a long value",
            data(&[good, &[0, 2, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 1]].concat()),
            "22P03",
            "COPY t, line 2, column a",
        ),
        ("an end within a value", data(&[0, 2, 0, 0, 0, 4, 0]), "22P04", "COPY t, line 1, column a"),
        ("a length below zero", data(&[0, 2, 0xff, 0xff, 0xff, 0xfe]), "22P04", "COPY t, line 1, column a"),
        ("an enormous length", data(&[0, 2, 0x7f, 0xff, 0xff, 0xff]), "54000", "COPY t, line 1, column a"),
        ("no text", data(&[0, 2, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 1, 0xff]), "22021", "COPY t, line 1, column b"),
        ("more behind the end", data(&[good, end, &[0]].concat()), "22P04", "COPY t, line 2"),
        (
            "NULL in a NOT NULL column",
            data(&[good, &[0, 2, 0, 0, 0, 4, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff], end].concat()),
            "23502",
            "COPY t, line 2",
        ),
    ] {
        assert_eq!(refused(&client, copy, &bytes).await, (code.to_owned(), context.to_owned()), "{what}");
    }
    assert_eq!(one_text(&client, "SELECT count(*) FROM t").await, "0");
    // Without the mark of its end it is data all the same.
    assert_eq!(send(&client, copy, &data(good)).await.unwrap(), 1);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_text_says_where_it_is() {
    let server = TestServer::start().await;
    let client = server.connect().await;
    must(&client, "CREATE TABLE t (a INTEGER, b TEXT NOT NULL, c DATE, d INTEGER GENERATED ALWAYS AS (a + 1) STORED)")
        .await;
    for (sql, data, code, context) in [
        ("COPY t FROM STDIN", "1\tx\t\\N\nabc\tx\t\\N\n", "22P02", "COPY t, line 2, column a: \"abc\""),
        ("COPY t FROM STDIN", "1\tx\t2024-13-01\n", "22008", "COPY t, line 1, column c: \"2024-13-01\""),
        ("COPY t FROM STDIN", "1\tx\tsoon\n", "22007", "COPY t, line 1, column c: \"soon\""),
        ("COPY t FROM STDIN", "99999999999\tx\t\\N\n", "22003", "COPY t, line 1, column a: \"99999999999\""),
        ("COPY t FROM STDIN", "1\tx\n", "22P04", "COPY t, line 1: \"1\tx\""),
        ("COPY t FROM STDIN", "1\tx\t\\N\tz\n", "22P04", "COPY t, line 1: \"1\tx\t\\N\tz\""),
        ("COPY t FROM STDIN", "1\t\\N\t\\N\n", "23502", "COPY t, line 1"),
        ("COPY t (b, a) FROM STDIN CSV", "\"two\nlines\",1\nx,y\n", "22P02", "COPY t, line 3, column a: \"y\""),
        ("COPY t FROM STDIN (FORMAT csv, HEADER)", "a,b,c\n1,x,\nz,x,\n", "22P02", "COPY t, line 3, column a: \"z\""),
        ("COPY t FROM STDIN (HEADER match)", "a\tb\n", "22P04", "COPY t, line 1: \"a\tb\""),
        ("COPY t (d) FROM STDIN", "", "42P10", ""),
        ("COPY t (a, a) FROM STDIN", "", "42701", ""),
        ("COPY t (e) FROM STDIN", "", "42703", ""),
        ("COPY t (a) FROM STDIN (FORMAT csv, FORCE_NULL (b))", "", "42P10", ""),
    ] {
        // On a connection of its own: after a refused COPY this client sends one Sync more than it waits for.
        let client = server.connect().await;
        let found = refused(&client, sql, data.as_bytes()).await;
        assert_eq!(found, (code.to_owned(), context.to_owned()), "{sql}: {data:?}");
    }
    assert_eq!(one_text(&client, "SELECT count(*) FROM t").await, "0");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn options_as_postgres_has_them() {
    let server = TestServer::start().await;
    let client = server.connect().await;
    must(&client, "CREATE TABLE t (a INTEGER, b TEXT)").await;
    must(&client, "CREATE TABLE one (b TEXT)").await;
    let copies: [(&str, &str); 6] = [
        ("COPY t FROM STDIN (FORMAT csv, HEADER match, FREEZE)", "a,b\n1,x\n"),
        ("COPY t FROM STDIN (FORMAT csv, NULL 'n', FORCE_NULL (a), FORCE_NOT_NULL (b), ENCODING 'utf-8')", "\"n\",n\n"),
        ("COPY t FROM STDIN CSV FORCE NOT NULL b", "2,\n"),
        ("COPY t FROM STDIN (DELIMITER '|', NULL '')", "3|\r\n4|y\\|z\r\n"),
        ("COPY t FROM STDIN", "5\t\\u\\101\n6\tend\\.\nnot data"),
        ("COPY one FROM STDIN", "\\N\n\nx\n"),
    ];
    for (sql, data) in copies {
        send(&client, sql, data.as_bytes()).await.unwrap_or_else(|e| panic!("{sql}: {}", error_text(&e)));
    }
    let read = async |sql: &str| read_text(&client, sql).await;
    assert_eq!(
        read("COPY (SELECT a, b FROM t ORDER BY a NULLS FIRST) TO STDOUT").await,
        "\\N\tn\n1\tx\n2\t\n3\t\\N\n4\ty|z\n5\tuA\n6\tend\n"
    );
    assert_eq!(read("COPY (SELECT b FROM one ORDER BY b NULLS FIRST) TO STDOUT").await, "\\N\n\nx\n");
    let quoted = "COPY (SELECT a, b FROM t WHERE a IN (1, 3) ORDER BY a) TO STDOUT";
    assert_eq!(read(&format!("{quoted} (FORMAT csv, FORCE_QUOTE (b), HEADER)")).await, "a,b\n1,\"x\"\n3,\n");
    assert_eq!(read(&format!("{quoted} (FORMAT csv, FORCE_QUOTE *)")).await, "\"1\",\"x\"\n\"3\",\n");
    assert_eq!(read(&format!("{quoted} (HEADER)")).await, "a\tb\n1\tx\n3\t\\N\n");
    // What fails at its first row is told before any data.
    for format in ["binary", "text", "csv, HEADER"] {
        let failing = format!("COPY (SELECT 1 / (a - a) AS x FROM t) TO STDOUT (FORMAT {format})");
        let error = client.copy_out(failing.as_str()).await.map(drop).expect_err(format);
        assert_eq!(error.code().map(|code| code.code().to_owned()).as_deref(), Some("22012"), "{format}");
    }
    let error = client.copy_out("COPY t TO STDOUT (FORMAT csv, FORCE_QUOTE (z))").await.map(drop).unwrap_err();
    assert_eq!(error.code().map(|code| code.code()), Some("42703"), "{}", error_text(&error));

    // What is generated does not go out, and so all goes in again.
    must(&client, "CREATE TABLE g (a INTEGER, b INTEGER GENERATED ALWAYS AS (a * 2) STORED, c TEXT)").await;
    send(&client, "COPY g FROM STDIN", b"1\tx\n").await.unwrap();
    assert_eq!(read("COPY g TO STDOUT (FORMAT csv, HEADER)").await, "a,c\n1,x\n");
    assert_eq!(read("COPY (SELECT * FROM g) TO STDOUT").await, "1\t2\tx\n");

    // Times without a zone are local to the session.
    must(&client, "CREATE TABLE moments (at TIMESTAMPTZ); SET TimeZone = 'Asia/Tokyo'").await;
    send(&client, "COPY moments FROM STDIN", b"2024-01-01 09:00:00\n2024-01-01 09:00:00Z\n").await.unwrap();
    must(&client, "SET TimeZone = 'UTC'").await;
    assert_eq!(
        read("COPY (SELECT at FROM moments ORDER BY at) TO STDOUT").await,
        "2024-01-01 00:00:00+00\n2024-01-01 09:00:00+00\n"
    );
    server.stop().await;
}

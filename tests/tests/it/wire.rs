//! The wire as drivers use it: prepared statements, binary results, streams, cancellation, COPY.

use std::pin::pin;
use std::time::Duration;

use chrono::{DateTime, NaiveDate, NaiveDateTime, TimeZone, Utc};
use futures::{SinkExt, StreamExt, TryStreamExt};
use tokio_postgres::NoTls;
use tokio_postgres::error::{ErrorPosition, SqlState};
use tokio_postgres::types::{ToSql, Type};
use zxq_tests::binary_text::AnyText;
use zxq_tests::test_server::{TestServer, error_text, must, one_text};

fn code(error: &tokio_postgres::Error) -> String {
    error.code().map_or_else(|| format!("no code: {error}"), |code| code.code().to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prepared_statements_take_parameters_of_every_type() {
    let server = TestServer::start().await;
    let client = server.connect().await;
    must(
        &client,
        "CREATE TABLE p (a SMALLINT, b INTEGER, c BIGINT, d REAL, e DOUBLE PRECISION, f BOOLEAN, g TEXT, h VARCHAR(9), \
         i DATE, j TIMESTAMP, k TIMESTAMPTZ, l BIGINT)",
    )
    .await;
    let day = NaiveDate::from_ymd_opt(2024, 2, 29).unwrap();
    let local: NaiveDateTime = day.and_hms_micro_opt(12, 34, 56, 789_012).unwrap();
    let moment: DateTime<Utc> = Utc.from_utc_datetime(&local);
    let insert =
        client.prepare("INSERT INTO p VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)").await.unwrap();
    let types = [
        Type::INT2,
        Type::INT4,
        Type::INT8,
        Type::FLOAT4,
        Type::FLOAT8,
        Type::BOOL,
        Type::TEXT,
        Type::VARCHAR,
        Type::DATE,
        Type::TIMESTAMP,
        Type::TIMESTAMPTZ,
        Type::INT8,
    ];
    assert_eq!(insert.params(), types);
    let values: [&(dyn ToSql + Sync); 12] =
        [&1i16, &2i32, &3i64, &1.5f32, &-2.25f64, &true, &"text Ω", &"nine", &day, &local, &moment, &12i64];
    assert_eq!(client.execute(&insert, &values).await.unwrap(), 1);
    let nulls: [&(dyn ToSql + Sync); 12] = [
        &None::<i16>,
        &None::<i32>,
        &None::<i64>,
        &None::<f32>,
        &None::<f64>,
        &None::<bool>,
        &None::<&str>,
        &None::<&str>,
        &None::<NaiveDate>,
        &None::<NaiveDateTime>,
        &None::<DateTime<Utc>>,
        &13i64,
    ];
    assert_eq!(client.execute(&insert, &nulls).await.unwrap(), 1);

    let select = client
        .prepare(
            "SELECT * FROM p WHERE a = $1 AND b = $2 AND c = $3 AND d = $4 AND e = $5 AND f = $6 AND g = $7 AND h = $8 \
             AND i = $9 AND j = $10 AND k = $11 AND l = $12",
        )
        .await
        .unwrap();
    let row = client.query_one(&select, &values).await.unwrap();
    assert_eq!(row.get::<_, i16>(0), 1);
    assert_eq!(row.get::<_, i32>(1), 2);
    assert_eq!(row.get::<_, i64>(2), 3);
    assert_eq!(row.get::<_, f32>(3), 1.5);
    assert_eq!(row.get::<_, f64>(4), -2.25);
    assert!(row.get::<_, bool>(5));
    assert_eq!(row.get::<_, &str>(6), "text Ω");
    assert_eq!(row.get::<_, &str>(7), "nine");
    assert_eq!(row.get::<_, NaiveDate>(8), day);
    assert_eq!(row.get::<_, NaiveDateTime>(9), local);
    assert_eq!(row.get::<_, DateTime<Utc>>(10), moment);
    let row = client.query_one("SELECT * FROM p WHERE l = $1", &[&13i64]).await.unwrap();
    for column in 0..11 {
        assert!(row.get::<_, AnyText>(column).0.is_none(), "column {column}");
    }
    // The same plan, again and again, sees new rows.
    let count = client.prepare("SELECT count(*) FROM p WHERE l >= $1").await.unwrap();
    for n in 0..20i64 {
        assert_eq!(client.query_one(&count, &[&12i64]).await.unwrap().get::<_, i64>(0), 2 + n);
        client.execute("INSERT INTO p (l) VALUES ($1)", &[&(100 + n)]).await.unwrap();
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn decimals_are_exact_in_binary() {
    let server = TestServer::start().await;
    let client = server.connect().await;
    must(&client, "CREATE TABLE d (id INTEGER NOT NULL, x DECIMAL(20,8), y DECIMAL(38,0), z DECIMAL(38,38))").await;
    let values = [
        ("1", "61556.05000000", "99999999999999999999999999999999999999", "0.00000000000000000000000000000000000001"),
        ("2", "-0.00000001", "-10000", "-0.99990000000000000000000000000000000000"),
        ("3", "10000.00010000", "100000000", "0.00000001000000000000000000000000000000"),
        ("4", "0.00000000", "0", "0.00000000000000000000000000000000000000"),
        ("5", "999999999999.99999999", "12345678901234567890", "0.12345678901234567890123456789012345678"),
    ];
    for (id, x, y, z) in values {
        must(&client, &format!("INSERT INTO d VALUES ({id}, {x}, {y}, {z})")).await;
    }
    let rows = client.query("SELECT id, x, y, z FROM d ORDER BY id", &[]).await.unwrap();
    assert_eq!(rows[0].columns()[1].type_(), &Type::NUMERIC);
    for (row, (id, x, y, z)) in rows.iter().zip(values) {
        let cells: Vec<String> = (0..4).map(|i| row.get::<_, AnyText>(i).0.unwrap()).collect();
        assert_eq!(cells, [id, x, y, z]);
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_ends_the_statement_not_the_connection() {
    let server = TestServer::start().await;
    let client = server.connect().await;
    must(&client, "CREATE TABLE t (a INTEGER NOT NULL)").await;
    let error = client.query("SELECT nosuch FROM t", &[]).await.unwrap_err();
    assert_eq!(error.code(), Some(&SqlState::UNDEFINED_COLUMN));
    let error = client.execute("INSERT INTO t VALUES ($1)", &[&None::<i32>]).await.unwrap_err();
    assert_eq!(error.code(), Some(&SqlState::NOT_NULL_VIOLATION));
    // One bad value ends the stream in its middle.
    let sql = "SELECT 1000 / (value - 90000) FROM generate_series(1, 100000)";
    let error = client.query(sql, &[]).await.unwrap_err();
    assert_eq!(error.code(), Some(&SqlState::DIVISION_BY_ZERO));
    // Statements after the failing one of a batch are not run.
    let error =
        client.batch_execute("INSERT INTO t VALUES (1); SELECT nosuch; INSERT INTO t VALUES (2)").await.unwrap_err();
    assert_eq!(error.code(), Some(&SqlState::UNDEFINED_COLUMN), "{}", error_text(&error));
    assert_eq!(one_text(&client, "SELECT count(*) FROM t WHERE a = 2").await, "0");
    assert_eq!(one_text(&client, "SELECT 'still here'").await, "still here");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_big_result_streams_and_can_be_cancelled() {
    let server = TestServer::start().await;
    let client = server.connect().await;
    // 20 GB if it were all made at once.
    let sql = "SELECT value, repeat('x', 1000) FROM generate_series(1, 20000000)";
    let rows = client.query_raw(sql, std::iter::empty::<i32>()).await.unwrap();
    let mut rows = pin!(rows);
    let mut seen = 0i64;
    while let Some(row) = rows.next().await {
        seen += 1;
        assert_eq!(row.unwrap().get::<_, i64>(0), seen);
        if seen == 200_000 {
            break;
        }
    }
    client.cancel_token().cancel_query(NoTls).await.unwrap();
    let rest: Result<Vec<_>, _> = rows.try_collect().await;
    let error = rest.expect_err("the statement was cancelled");
    assert_eq!(error.code(), Some(&SqlState::QUERY_CANCELED), "{}", error_text(&error));
    assert_eq!(one_text(&client, "SELECT 1").await, "1");
    // Also one that has not given a row yet.
    let token = client.cancel_token();
    let cancel = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(300)).await;
        token.cancel_query(NoTls).await.unwrap();
    });
    let slow =
        "SELECT count(*) FROM generate_series(1, 100000) a(x) JOIN generate_series(1, 100000) b(y) ON x < y * 0.5";
    let error = client.query(slow, &[]).await.expect_err("the statement was cancelled");
    assert_eq!(error.code(), Some(&SqlState::QUERY_CANCELED), "{}", error_text(&error));
    cancel.await.unwrap();
    assert_eq!(one_text(&client, "SELECT 2").await, "2");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copy_brings_rows_in_and_out() {
    let server = TestServer::start().await;
    let client = server.connect().await;
    must(
        &client,
        "CREATE TABLE c (id INTEGER NOT NULL, name VARCHAR(10), price DECIMAL(10,4), ts TIMESTAMPTZ, ok BOOLEAN, \
         CONSTRAINT positive CHECK (price >= 0))",
    )
    .await;
    let send = async |sql: &str, data: &str| {
        let sink = client.copy_in::<_, bytes::Bytes>(sql).await?;
        let mut sink = pin!(sink);
        for piece in data.as_bytes().chunks(7) {
            sink.send(bytes::Bytes::copy_from_slice(piece)).await?;
        }
        sink.finish().await
    };
    let csv = "id,name,price,ts,ok\n1,one,1.5,2024-01-02 03:04:05+00,true\n2,\"a,\"\"b\"\"\",0.0001,,f\n3,,,2024-01-02T00:00:00Z,\n";
    assert_eq!(send("COPY c FROM STDIN WITH (FORMAT csv, HEADER true)", csv).await.unwrap(), 3);
    let tabs = "4\tfour\t4.25\t2024-01-04 00:00:00+00\tt\n5\t\\N\t\\N\t\\N\t\\N\n6\ttab\\there\t0\t\\N\tfalse\n";
    assert_eq!(send("COPY c (id, name, price, ts, ok) FROM STDIN", tabs).await.unwrap(), 3);

    // Bad rows: nothing of the copy goes in, and the line is named.
    let error = send("COPY c FROM STDIN WITH (FORMAT csv)", "7,x,1,,t\n8,x,not a price,,t\n").await.unwrap_err();
    assert!(error_text(&error).contains("not a price"), "{}", error_text(&error));
    let error = send("COPY c FROM STDIN WITH (FORMAT csv)", "7,x,1,,t\n8,x,-1,,t\n").await.unwrap_err();
    assert_eq!(code(&error), "23514", "{}", error_text(&error));
    let error = send("COPY c FROM STDIN WITH (FORMAT csv)", "7,x,1,,t\n8,x\n").await.unwrap_err();
    assert_eq!(code(&error), "22P04", "{}", error_text(&error));
    // On a connection of its own: after a refused COPY this client sends one Sync more than it waits for.
    let other = server.connect().await;
    let error = other.copy_in::<_, bytes::Bytes>("COPY nosuch FROM STDIN").await.map(drop).unwrap_err();
    assert_eq!(code(&error), "42P01", "{}", error_text(&error));
    assert_eq!(one_text(&client, "SELECT count(*) FROM c").await, "6");

    let read = async |sql: &str| {
        let stream = client.copy_out(sql).await.unwrap_or_else(|e| panic!("{sql}: {}", error_text(&e)));
        let pieces: Vec<bytes::Bytes> = stream.try_collect().await.unwrap();
        String::from_utf8(pieces.concat()).unwrap()
    };
    assert_eq!(
        read("COPY (SELECT * FROM c ORDER BY id) TO STDOUT").await,
        "1\tone\t1.5000\t2024-01-02 03:04:05+00\tt\n2\ta,\"b\"\t0.0001\t\\N\tf\n3\t\\N\t\\N\t2024-01-02 00:00:00+00\t\\N\n\
         4\tfour\t4.2500\t2024-01-04 00:00:00+00\tt\n5\t\\N\t\\N\t\\N\t\\N\n6\ttab\\there\t0.0000\t\\N\tf\n"
    );
    assert_eq!(
        read("COPY (SELECT id, name FROM c WHERE id < 4 ORDER BY id) TO STDOUT WITH (FORMAT csv, HEADER)").await,
        "id,name\n1,one\n2,\"a,\"\"b\"\"\"\n3,\n"
    );
    // Out and in again is the same table.
    must(
        &client,
        "CREATE TABLE c2 (id INTEGER NOT NULL, name VARCHAR(10), price DECIMAL(10,4), ts TIMESTAMPTZ, ok BOOLEAN)",
    )
    .await;
    let all = read("COPY c TO STDOUT").await;
    assert_eq!(send("COPY c2 FROM STDIN", &all).await.unwrap(), 6);
    let difference = "SELECT count(*) FROM ((SELECT * FROM c EXCEPT SELECT * FROM c2) UNION ALL (SELECT * FROM c2 EXCEPT SELECT * FROM c)) x";
    assert_eq!(one_text(&client, difference).await, "0");
    // A client that gives up in the middle.
    {
        let sink = client.copy_in::<_, bytes::Bytes>("COPY c2 FROM STDIN").await.unwrap();
        let mut sink = pin!(sink);
        sink.send(bytes::Bytes::from_static(b"100\tx\t1\t\\N\tt\n")).await.unwrap();
    }
    assert_eq!(one_text(&client, "SELECT count(*) FROM c2").await, "6");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_do_not_disturb_each_other() {
    let server = TestServer::start().await;
    let client = server.connect().await;
    must(&client, "CREATE TABLE t (id BIGINT NOT NULL)").await;
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..16i64 {
        let address = server.address;
        tasks.spawn(async move {
            let client = zxq_tests::test_server::connect(address).await;
            let statement = client.prepare("INSERT INTO t VALUES ($1)").await.unwrap();
            for i in 0..10 {
                client.execute(&statement, &[&(n * 10 + i)]).await.unwrap();
            }
            client.batch_execute("SET zxq.tiers = 'cold'").await.unwrap();
            assert_eq!(one_text(&client, "SELECT count(*) FROM t").await, "0");
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended.unwrap();
    }
    let row = client.query_one("SELECT count(*), count(DISTINCT id), sum(id)::bigint FROM t", &[]).await.unwrap();
    assert_eq!(row.get::<_, i64>(0), 160);
    assert_eq!(row.get::<_, i64>(1), 160);
    assert_eq!(row.get::<_, i64>(2), 159 * 160 / 2);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mistakes_are_pointed_at() {
    let server = TestServer::start().await;
    let client = server.connect().await;
    must(&client, "CREATE TABLE t (id INT, name TEXT, day DATE)").await;
    for (sql, word) in [
        ("SELECT id, nope FROM t", "nope"),
        ("SELECT t.nope FROM t", "t.nope"),
        ("SELECT 'missing' FROM missing", "missing;"),
        ("SELECT 1 FROM t a JOIN t b ON id = 1", "id = 1"),
        ("SELECT 1, nofunc(id) FROM t", "nofunc"),
        ("SELECT name, id, count(*) FROM t GROUP BY name", "id,"),
        ("SELECT * FROM t WHERE id = 'abc'", "'abc'"),
        ("SELECT * FROM t WHERE day = 'not a day'", "'not"),
        ("SELEC 1", "SELEC"),
    ] {
        let error = client.simple_query(sql).await.expect_err(sql);
        let position = error.as_db_error().and_then(|error| error.position());
        let expected = format!("{sql};").rfind(word).unwrap() as u32 + 1;
        assert_eq!(position, Some(&ErrorPosition::Original(expected)), "{sql}: {}", error_text(&error));
    }
    server.stop().await;
}

//! What clients sent that once ended, stopped or robbed a server: it ends the statement alone.

mod gathered;
mod nested;

use std::time::{Duration, Instant};

use tokio_postgres::{Client, NoTls};

use crate::support::{Place, Server};

/// Far more than any answer needs, on however busy a machine.
const SOON: Duration = Duration::from_secs(20);
/// Forty thousand million pairs: nobody waits for their end.
const ENDLESS: &str =
    "SELECT count(*) FROM generate_series(1, 200000) a(x) JOIN generate_series(1, 200000) b(y) ON a.x < b.y";

async fn connect(server: &Server) -> Client {
    let (host, port) = server.address.rsplit_once(':').unwrap();
    let (client, connection) =
        tokio_postgres::connect(&format!("host={host} port={port} user=zxq dbname=zxq"), NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// The SQLSTATE of a statement that fails.
async fn code(client: &Client, sql: &str) -> String {
    let shown: String = sql.chars().take(100).collect();
    match client.simple_query(sql).await {
        Ok(_) => panic!("it succeeds: {shown}"),
        Err(error) => match error.as_db_error() {
            Some(error) => error.code().code().to_owned(),
            None => panic!("the connection is gone: {shown}: {error}"),
        },
    }
}

fn chain(link: &str) -> String {
    format!("SELECT 1{}", link.repeat(300_000))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_ends_the_statement_alone() {
    let place = Place::new();
    let server = Server::start(&["serve", "--data", &place.data(), "--listen", "127.0.0.1:0"]);
    let client = connect(&server).await;
    let file = place.path("evil.csv").to_str().unwrap().to_owned();
    let statements = [
        ("SELECT $100000000000".to_owned(), "42P02"),
        ("SELECT version(), $100000000000".to_owned(), "42P02"),
        ("SELECT $70000 + 1".to_owned(), "42P02"),
        ("PREPARE a AS EXECUTE a".to_owned(), "42601"),
        ("PREPARE a AS PREPARE b AS SELECT 1".to_owned(), "42601"),
        (format!("{}SELECT 1{}", "COPY (".repeat(20_000), ") TO STDOUT".repeat(20_000)), "42601"),
        ("COPY (DROP TABLE IF EXISTS t) TO STDOUT".to_owned(), "42601"),
        (chain("+1"), "54000"),
        (chain(" OR true"), "54000"),
        (chain(" UNION ALL SELECT 1"), "54000"),
        (chain("::int"), "54000"),
        (format!("SELECT {}1{}", "(".repeat(100_000), ")".repeat(100_000)), "54000"),
        (format!("SELECT {}1", "- ".repeat(100_000)), "54000"),
        (format!("SELECT {}1", "NOT ".repeat(100_000)), "54000"),
        ("SELECT array_repeat(1, 100000000000)".to_owned(), "54000"),
        ("SELECT array_resize(ARRAY[1], 100000000000)".to_owned(), "54000"),
        ("SELECT range(0, 100000000000)".to_owned(), "54000"),
        ("SELECT repeat('a', 2000000000)".to_owned(), "54000"),
        ("SELECT length(replace(repeat('a', 1000000), 'a', repeat('b', 1000000)))".to_owned(), "54000"),
        ("SELECT length(regexp_replace(repeat('a', 1000000), 'a', repeat('b', 1000000), 'g'))".to_owned(), "54000"),
        ("SELECT lpad('a', 2000000000)".to_owned(), "54000"),
        (
            format!(
                "SELECT length(a) FROM {}(SELECT 'ab' AS a) AS s{}",
                "(SELECT a || a AS a FROM ".repeat(40),
                ") AS s".repeat(40)
            ),
            "54000",
        ),
        ("SELECT length(format(repeat('%1$200000000s', 100), 'x'))".to_owned(), "54000"),
        (
            format!("SELECT length(concat(a{})) FROM (SELECT repeat('x', 90000000) AS a) AS s", ", a".repeat(100)),
            "54000",
        ),
        ("SELECT length(array_to_string(array_fill(1, ARRAY[100000]), repeat('x', 100000)))".to_owned(), "54000"),
        (format!("SELECT string_agg(x::text, '{}') FROM generate_series(1, 9) AS g(x)", "x".repeat(100_000)), "54000"),
        ("SELECT to_char(now(), repeat('YYYY', 10000))".to_owned(), "54000"),
        ("SELECT to_char(x, repeat('9', 100000)) FROM generate_series(1, 9) AS g(x)".to_owned(), "54000"),
        ("SET datafusion.execution.batch_size = 1000000000000".to_owned(), "22023"),
        ("SET datafusion.execution.target_partitions = 1000000".to_owned(), "22023"),
        (format!("EXPLAIN ANALYZE COPY (SELECT 'evil') TO '{file}' STORED AS CSV"), "42501"),
        (format!("COPY (SELECT 'evil') TO '{file}' STORED AS CSV"), "42501"),
        ("CREATE EXTERNAL TABLE e STORED AS CSV LOCATION '/etc/passwd'".to_owned(), "42501"),
        ("CREATE --\rEXTERNAL TABLE e STORED AS CSV LOCATION '/etc/passwd'".to_owned(), "42501"),
        ("CALL zxq.load('e', '/proc/self/environ', create => true)".to_owned(), "42501"),
        ("CALL zxq.load('e', '/no/such/file.csv', create => true)".to_owned(), "42501"),
        ("CREATE /* */ UNBOUNDED EXTERNAL TABLE e STORED AS CSV LOCATION '/etc/passwd'".to_owned(), "42501"),
    ];
    for (sql, expected) in &statements {
        let shown: String = sql.chars().take(100).collect();
        assert_eq!(&code(&client, sql).await, expected, "{shown}");
        assert!(client.simple_query("SELECT 1").await.is_ok(), "after {shown}");
    }
    assert!(!place.path("evil.csv").exists());
    // What is long and within the limits is answered, or refused, and ends nothing.
    let long = [("+1", 60), (" OR 1 = 2", 1_000), ("::int", 400), (" UNION ALL SELECT 1", 500), ("||'a'", 1_000)];
    for (link, times) in long {
        let _ = client.simple_query(&format!("SELECT 1{}", link.repeat(times))).await;
        assert!(client.simple_query("SELECT 1").await.is_ok(), "after {link}");
    }
    assert_eq!(server.end_with("TERM").code(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn long_chains_are_answered() {
    let place = Place::new();
    let server = Server::start(&["serve", "--data", &place.data(), "--listen", "127.0.0.1:0"]);
    let client = connect(&server).await;
    let rows = "(VALUES (1, 10), (2, 20), (20000, 30)) AS t(a, b)";

    let sums = format!("SELECT a{} FROM {rows} ORDER BY 1", " + a".repeat(1_000));
    let sums: Vec<i32> = client.query(&sums, &[]).await.unwrap().iter().map(|row| row.get(0)).collect();
    assert_eq!(sums, [1_001, 2_002, 20_020_000]);

    // They differ far inside, where their names leave out what they are made of.
    let (head, tail) = (" + a".repeat(400), " + b".repeat(400));
    let two = format!("SELECT max(a - b{head}{tail}), max(b - a{head}{tail}) FROM {rows} WHERE a = 1");
    let two = client.query_one(&two, &[]).await.unwrap();
    assert_eq!((two.get::<_, i32>(0), two.get::<_, i32>(1)), (4_391, 4_409));

    let keys: Vec<String> = (0..10_000).map(|key| format!("a = {key}")).collect();
    let either = format!("SELECT count(*) FROM {rows} WHERE {}", keys.join(" OR "));
    assert_eq!(client.query_one(&either, &[]).await.unwrap().get::<_, i64>(0), 2);
    let none = format!("SELECT count(*) FROM {rows} WHERE {}", keys.join(" AND ").replace('=', "<>"));
    assert_eq!(client.query_one(&none, &[]).await.unwrap().get::<_, i64>(0), 1);

    let keys: Vec<String> = (0..20_000).map(|key| key.to_string()).collect();
    let listed = format!("SELECT count(*) FROM {rows} WHERE a IN ({})", keys.join(", "));
    assert_eq!(client.query_one(&listed, &[]).await.unwrap().get::<_, i64>(0), 2);

    for (link, times) in [("::text", 200), (" + 1", 300)] {
        let of_a_day = format!("SELECT count(d{}) FROM (SELECT DATE '2024-01-02' AS d) AS s", link.repeat(times));
        assert_eq!(client.query_one(&of_a_day, &[]).await.unwrap().get::<_, i64>(0), 1, "{link}");
    }
    let days = format!("SELECT d{} FROM (SELECT DATE '2024-01-02' AS d) AS s", " + 1".repeat(400));
    assert_eq!(code(&client, &days).await, "54000");
    assert_eq!(server.end_with("TERM").code(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statements_that_compute_for_ever_keep_nobody_waiting() {
    let place = Place::new();
    let server = Server::start(&["serve", "--data", &place.data(), "--listen", "127.0.0.1:0"]);
    let busy: Vec<_> = futures::future::join_all((0..4).map(|_| connect(&server))).await;
    let cancels: Vec<_> = busy.iter().map(Client::cancel_token).collect();
    let running: Vec<_> =
        busy.into_iter().map(|client| tokio::spawn(async move { code(&client, ENDLESS).await })).collect();
    tokio::time::sleep(Duration::from_secs(1)).await;

    let started = Instant::now();
    let client = connect(&server).await;
    client.simple_query("SELECT 1").await.unwrap();
    client.simple_query("SET statement_timeout = '300ms'").await.unwrap();
    assert_eq!(code(&client, ENDLESS).await, "57014");
    assert!(started.elapsed() < SOON, "{:?}", started.elapsed());

    let started = Instant::now();
    for cancel in &cancels[..3] {
        cancel.cancel_query(NoTls).await.unwrap();
    }
    let mut running = running.into_iter();
    for cancelled in running.by_ref().take(3) {
        assert_eq!(cancelled.await.unwrap(), "57014");
    }
    assert!(started.elapsed() < SOON, "{:?}", started.elapsed());

    // One still runs: the end does not wait for it for long.
    let started = Instant::now();
    assert_eq!(server.end_with("TERM").code(), Some(0));
    assert!(started.elapsed() < SOON, "{:?}", started.elapsed());
    assert_eq!(running.next().unwrap().await.unwrap(), "57P01");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_connection_and_no_user_takes_all_memory() {
    let place = Place::new();
    let config = "memory_limit: 256MiB\nsession_memory_limit: 32MiB\nuser_memory_limit: 40MiB\n";
    let config = place.file("storage.yaml", config);
    let server = Server::start(&["serve", "--data", &place.data(), "--listen", "127.0.0.1:0", "--config", &config]);
    let (one, two) = (connect(&server).await, connect(&server).await);
    // In a block the rows stay in memory until it ends.
    let copy = |name: &str, rows: u64| {
        format!("BEGIN; CREATE TABLE {name} AS SELECT x FROM generate_series(1, {rows}) g(x); COMMIT")
    };
    // Eight bytes a row: more than one connection has.
    let error = one.simple_query(&copy("a", 6_000_000)).await.unwrap_err();
    one.simple_query("ROLLBACK").await.unwrap();
    let error = error.as_db_error().unwrap();
    assert_eq!(error.code().code(), "53200", "{error}");
    assert!(error.message().contains("session_memory_limit"), "{error}");
    one.simple_query(&copy("b", 1_000_000)).await.unwrap();

    // Two of one user at once are within their own limits, and above that of the user.
    let (first, second) = (copy("c", 3_200_000), copy("d", 3_200_000));
    let both = tokio::join!(one.simple_query(&first), two.simple_query(&second));
    for error in [both.0.err(), both.1.err()].into_iter().flatten() {
        let error = error.as_db_error().unwrap();
        assert_eq!(error.code().code(), "53200", "{error}");
        assert!(error.message().contains("user_memory_limit"), "{error}");
    }
    for connection in [&one, &two] {
        connection.simple_query("ROLLBACK").await.unwrap();
    }
    // Outside of one they are written out as they come.
    one.simple_query("CREATE TABLE f AS SELECT x FROM generate_series(1, 6000000) g(x)").await.unwrap();
    // What failed gave its memory back.
    one.simple_query(&copy("e", 3_200_000)).await.unwrap();
    assert_eq!(server.end_with("TERM").code(), Some(0));
}

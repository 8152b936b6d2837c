//! What belongs to one connection: cursors, settings, notifications, advisory locks, temporary tables.

use std::time::Duration;

use futures::StreamExt;
use tokio_postgres::{AsyncMessage, Client, SimpleQueryMessage};
use zxq_tests::test_server::{TestServer, must};

/// The first column of the rows, or the SQLSTATE.
async fn column(client: &Client, sql: &str) -> Result<Vec<String>, String> {
    let messages = client
        .simple_query(sql)
        .await
        .map_err(|error| error.code().map_or_else(|| format!("{sql}: {error}"), |code| code.code().to_owned()))?;
    let rows = messages.into_iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or("NULL").to_owned()),
        _ => None,
    });
    Ok(rows.collect())
}

async fn table_of_numbers(client: &Client, rows: i64) {
    must(client, "CREATE TABLE numbers (n BIGINT)").await;
    must(client, &format!("INSERT INTO numbers SELECT * FROM generate_series(1, {rows})")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cursor_goes_with_the_savepoint_that_it_was_declared_after() {
    let server = TestServer::start().await;
    let client = server.connect().await;
    must(&client, "BEGIN; DECLARE before CURSOR FOR SELECT 1; SAVEPOINT a; DECLARE c CURSOR FOR SELECT 2").await;
    must(&client, "ROLLBACK TO a; DECLARE c CURSOR FOR SELECT 3").await;
    assert_eq!(column(&client, "FETCH c").await.unwrap(), ["3"]);
    must(&client, "RELEASE a; SAVEPOINT b; ROLLBACK TO b").await;
    assert_eq!(column(&client, "FETCH before").await.unwrap(), ["1"]);
    assert!(column(&client, "FETCH c").await.unwrap().is_empty(), "it is open still, at its end");
    must(&client, "ROLLBACK").await;
}

/// A record is sent as PostgreSQL writes one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_are_records() {
    let server = TestServer::start().await;
    let client = server.connect().await;
    must(&client, "CREATE TABLE named (id INT, name TEXT)").await;
    must(&client, "INSERT INTO named VALUES (1, 'a b'), (2, NULL)").await;
    assert_eq!(column(&client, "SELECT named FROM named ORDER BY id").await.unwrap(), ["(1,\"a b\")", "(2,)"]);
    assert_eq!(column(&client, "SELECT ROW(1, '', 'x') FROM named WHERE id = 1").await.unwrap(), ["(1,\"\",x)"]);
    assert_eq!(
        column(&client, "SELECT u FROM named t LEFT JOIN named u ON u.id = t.id + 1 ORDER BY t.id").await.unwrap(),
        ["(2,)", "NULL"]
    );
}

/// The catalog's columns are called as PostgreSQL calls them, and its integers divided as there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_catalog_speaks_postgres() {
    let server = TestServer::start().await;
    let client = server.connect().await;
    let sql = "SELECT count(*), relkind AS KIND, 7 / 2, true, relname::text FROM pg_class WHERE relname = 'pg_class' GROUP BY 2, 5";
    let statement = client.prepare(sql).await.unwrap();
    let names: Vec<&str> = statement.columns().iter().map(|column| column.name()).collect();
    assert_eq!(names, ["count", "kind", "?column?", "?column?", "relname"]);
    assert_eq!(column(&client, "SELECT 7 / 2 FROM pg_class LIMIT 1").await.unwrap(), ["3"]);
    assert_eq!(column(&client, "SELECT user").await.unwrap(), column(&client, "SELECT current_user").await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cursor_goes_in_every_direction() {
    let server = TestServer::start().await;
    let client = server.connect().await;
    table_of_numbers(&client, 9).await;
    must(&client, "BEGIN; DECLARE c SCROLL CURSOR FOR SELECT n FROM numbers ORDER BY n").await;
    for (how, wanted) in [
        ("NEXT FROM c", "1"),
        ("3 FROM c", "2 3 4"),
        ("0 FROM c", "4"),
        ("BACKWARD 2 IN c", "3 2"),
        ("PRIOR FROM c", "1"),
        ("PRIOR FROM c", ""),
        ("c", "1"),
        ("LAST FROM c", "9"),
        ("NEXT FROM c", ""),
        ("PRIOR FROM c", "9"),
        ("ABSOLUTE 5 FROM c", "5"),
        ("RELATIVE 2 FROM c", "7"),
        ("RELATIVE -3 FROM c", "4"),
        ("RELATIVE 0 FROM c", "4"),
        ("FORWARD ALL FROM c", "5 6 7 8 9"),
        ("BACKWARD ALL FROM c", "9 8 7 6 5 4 3 2 1"),
        ("ABSOLUTE -2 FROM c", "8"),
        ("ABSOLUTE 0 FROM c", ""),
        ("NEXT FROM c", "1"),
        ("ABSOLUTE 99 FROM c", ""),
        ("PRIOR FROM c", "9"),
        ("ABSOLUTE -99 FROM c", ""),
        ("FIRST FROM c", "1"),
    ] {
        let rows = column(&client, &format!("FETCH {how}")).await.unwrap().join(" ");
        assert_eq!(rows, wanted, "FETCH {how}");
    }
    must(&client, "MOVE FORWARD 3 FROM c").await;
    assert_eq!(column(&client, "FETCH c").await.unwrap(), ["5"]);
    must(&client, "CLOSE c").await;
    assert_eq!(column(&client, "FETCH c").await.unwrap_err(), "34000");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cursors_end_when_they_should_and_see_what_was_there() {
    let server = TestServer::start().await;
    let client = server.connect().await;
    table_of_numbers(&client, 4).await;
    assert_eq!(column(&client, "DECLARE c CURSOR FOR SELECT 1").await.unwrap_err(), "25P01");
    must(&client, "BEGIN; DECLARE c NO SCROLL CURSOR FOR SELECT n FROM numbers ORDER BY n").await;
    // It was opened before.
    must(&client, "INSERT INTO numbers VALUES (5)").await;
    assert_eq!(column(&client, "FETCH 2 FROM c").await.unwrap(), ["1", "2"]);
    assert_eq!(column(&client, "SELECT name FROM pg_cursors").await.unwrap(), ["c"]);
    assert_eq!(column(&client, "FETCH ABSOLUTE 4 FROM c").await.unwrap(), ["4"]);
    assert_eq!(column(&client, "FETCH BACKWARD 1 FROM c").await.unwrap_err(), "55000");
    must(&client, "ROLLBACK; BEGIN").await;
    assert_eq!(column(&client, "FETCH 1 FROM c").await.unwrap_err(), "34000");
    must(&client, "ROLLBACK").await;
    must(&client, "BEGIN; DECLARE h CURSOR WITH HOLD FOR SELECT n FROM numbers ORDER BY n; COMMIT").await;
    assert_eq!(column(&client, "FETCH ALL FROM h").await.unwrap(), ["1", "2", "3", "4"]);
    must(&client, "CLOSE ALL").await;
    assert_eq!(column(&client, "FETCH 1 FROM h").await.unwrap_err(), "34000");
    must(&client, "BEGIN").await;
    let twice = "DECLARE c CURSOR FOR SELECT 1; DECLARE c CURSOR FOR SELECT 1";
    assert_eq!(column(&client, twice).await.unwrap_err(), "42P03");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cursor_takes_parameters() {
    let server = TestServer::start().await;
    let client = server.connect().await;
    table_of_numbers(&client, 6).await;
    must(&client, "BEGIN").await;
    let declare = "DECLARE c CURSOR FOR SELECT n FROM numbers WHERE n > $1 ORDER BY n";
    client.execute(declare, &[&3i64]).await.unwrap();
    let rows = client.query("FETCH ALL FROM c", &[]).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.get::<_, i64>(0)).collect::<Vec<_>>(), [4, 5, 6]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn notifications_reach_those_who_listen_once_they_are_committed() {
    let server = TestServer::start().await;
    let sender = server.connect().await;
    let (host, port) = (server.address.ip(), server.address.port());
    let config = format!("host={host} port={port} user=zxq dbname=zxq");
    let (listener, mut connection) = tokio_postgres::connect(&config, tokio_postgres::NoTls).await.unwrap();
    let (heard, mut notifications) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        let mut messages = futures::stream::poll_fn(move |context| connection.poll_message(context));
        while let Some(Ok(message)) = messages.next().await {
            if let AsyncMessage::Notification(notification) = message {
                let _ = heard.send((notification.channel().to_owned(), notification.payload().to_owned()));
            }
        }
    });
    must(&listener, "LISTEN news").await;
    must(&sender, "NOTIFY other, 'x'; NOTIFY news, 'first'").await;
    must(&sender, "BEGIN; NOTIFY news, 'lost'; ROLLBACK").await;
    must(&sender, "BEGIN; NOTIFY news, 'second'; NOTIFY news, 'second'; SELECT pg_notify('news', 'third'); COMMIT")
        .await;
    for wanted in ["first", "second", "third"] {
        let next = tokio::time::timeout(Duration::from_secs(30), notifications.recv()).await.unwrap().unwrap();
        assert_eq!(next, ("news".to_owned(), wanted.to_owned()));
    }
    must(&listener, "UNLISTEN *").await;
    must(&sender, "NOTIFY news, 'unheard'").await;
    must(&listener, "LISTEN news; NOTIFY news, 'own'").await;
    let next = tokio::time::timeout(Duration::from_secs(30), notifications.recv()).await.unwrap().unwrap();
    assert_eq!(next.1, "own");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn advisory_locks_exclude_each_other_until_they_are_given_back() {
    let server = TestServer::start().await;
    let (one, other) = (server.connect().await, server.connect().await);
    assert_eq!(column(&one, "SELECT pg_try_advisory_lock(7)").await.unwrap(), ["t"]);
    assert_eq!(column(&one, "SELECT pg_try_advisory_lock(7)").await.unwrap(), ["t"]);
    assert_eq!(column(&other, "SELECT pg_try_advisory_lock(7)").await.unwrap(), ["f"]);
    assert_eq!(column(&other, "SELECT pg_try_advisory_lock(-7)").await.unwrap(), ["t"]);
    assert_eq!(column(&one, "SELECT pg_advisory_unlock(7)").await.unwrap(), ["t"]);
    assert_eq!(column(&other, "SELECT pg_try_advisory_lock(7)").await.unwrap(), ["f"]);
    let waiting = tokio::spawn(async move {
        let taken = column(&other, "SELECT pg_advisory_lock(7)").await.map(|_| ());
        (taken, other)
    });
    assert_eq!(column(&one, "SELECT pg_advisory_unlock(7)").await.unwrap(), ["t"]);
    assert_eq!(column(&one, "SELECT pg_advisory_unlock(7)").await.unwrap(), ["f"]);
    let (taken, other) = tokio::time::timeout(Duration::from_secs(30), waiting).await.unwrap().unwrap();
    taken.unwrap();
    assert_eq!(column(&one, "SELECT pg_try_advisory_lock_shared(7)").await.unwrap(), ["f"]);
    must(&other, "SELECT pg_advisory_unlock_all()").await;
    assert_eq!(column(&one, "SELECT pg_try_advisory_lock_shared(7)").await.unwrap(), ["t"]);
    assert_eq!(column(&other, "SELECT pg_try_advisory_lock_shared(7)").await.unwrap(), ["t"]);
    must(&one, "BEGIN; SELECT pg_advisory_xact_lock(8)").await;
    assert_eq!(column(&other, "SELECT pg_try_advisory_lock(8)").await.unwrap(), ["f"]);
    must(&one, "COMMIT").await;
    assert_eq!(column(&other, "SELECT pg_try_advisory_lock(8)").await.unwrap(), ["t"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_end_with_their_transaction() {
    let server = TestServer::start().await;
    let client = server.connect().await;
    must(
        &client,
        "SET app.user = 'a'; SET work_mem = '8MB'; BEGIN; SET LOCAL app.user = 'b'; SET LOCAL work_mem = '16MB'",
    )
    .await;
    assert_eq!(column(&client, "SHOW app.user").await.unwrap(), ["b"]);
    assert_eq!(column(&client, "SELECT setting FROM pg_settings WHERE name = 'work_mem'").await.unwrap(), ["16384"]);
    must(&client, "COMMIT").await;
    assert_eq!(column(&client, "SELECT current_setting('app.user')").await.unwrap(), ["a"]);
    assert_eq!(column(&client, "SHOW work_mem").await.unwrap(), ["8MB"]);
    must(&client, "BEGIN; SET app.user = 'c'; SELECT set_config('work_mem', '32MB', false); ROLLBACK").await;
    assert_eq!(column(&client, "SHOW app.user").await.unwrap(), ["a"]);
    assert_eq!(column(&client, "SHOW work_mem").await.unwrap(), ["8MB"]);
    must(&client, "DISCARD ALL").await;
    assert_eq!(column(&client, "SHOW work_mem").await.unwrap(), ["4MB"]);
    assert_eq!(column(&client, "SHOW no.such").await.unwrap_err(), "42704");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn temporary_tables_are_of_one_session() {
    let server = TestServer::start().await;
    let (one, other) = (server.connect().await, server.connect().await);
    must(&one, "CREATE TEMP TABLE mine (a INTEGER); INSERT INTO mine VALUES (1)").await;
    assert_eq!(column(&one, "SELECT a FROM mine").await.unwrap(), ["1"]);
    assert_eq!(column(&other, "SELECT a FROM mine").await.unwrap_err(), "42P01");
    must(&other, "CREATE TEMP TABLE mine (a INTEGER)").await;
    assert_eq!(column(&other, "SELECT count(*) FROM mine").await.unwrap(), ["0"]);
    must(&one, "BEGIN; INSERT INTO mine VALUES (2); DROP TABLE mine; ROLLBACK").await;
    assert_eq!(column(&one, "SELECT a FROM mine").await.unwrap(), ["1"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_are_seen_at_work() {
    let server = TestServer::start().await;
    let (one, other) = (server.connect().await, server.connect().await);
    must(&other, "SET application_name = 'the other'; BEGIN; SELECT 1").await;
    let states = "SELECT state || ': ' || query FROM pg_stat_activity WHERE application_name = 'the other'";
    assert_eq!(column(&one, states).await.unwrap(), ["idle in transaction: SELECT 1"]);
    let own = "SELECT state FROM pg_stat_activity WHERE pid = pg_backend_pid()";
    assert_eq!(column(&one, own).await.unwrap(), ["active"]);
}

/// An error says which rule of which table a row breaks, in fields that programs read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_rule_that_a_row_breaks_is_named() {
    let server = TestServer::start().await;
    let client = server.connect().await;
    must(&client, "CREATE SCHEMA desk; CREATE TABLE desk.bids (a INT NOT NULL, b INT, CONSTRAINT low CHECK (b > 0))")
        .await;
    for (sql, column, constraint) in [
        ("INSERT INTO desk.bids VALUES (NULL, 1)", Some("a"), None),
        ("INSERT INTO desk.bids SELECT 1, -1", None, Some("low")),
        ("UPDATE desk.bids SET b = 0", None, Some("low")),
    ] {
        must(&client, "TRUNCATE desk.bids; INSERT INTO desk.bids VALUES (7, 7)").await;
        let error = client.simple_query(sql).await.expect_err(sql);
        let error = error.as_db_error().expect(sql);
        assert_eq!((error.schema(), error.table()), (Some("desk"), Some("bids")), "{sql}");
        assert_eq!((error.column(), error.constraint()), (column, constraint), "{sql}");
    }
    let error = client.simple_query("SELECT 1 / 0").await.expect_err("a quotient by zero");
    assert_eq!(error.as_db_error().map(|error| error.table()), Some(None));
}

/// Outside of a transaction, what the next one will be like is shown.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_transaction_is_shown_as_it_will_be() {
    let server = TestServer::start().await;
    let client = server.connect().await;
    must(&client, "SET default_transaction_isolation = 'repeatable read'; SET default_transaction_read_only = on")
        .await;
    for (setting, value) in [("transaction_isolation", "repeatable read"), ("transaction_read_only", "on")] {
        assert_eq!(column(&client, &format!("SHOW {setting}")).await.unwrap(), [value]);
    }
    must(&client, "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE").await;
    assert_eq!(column(&client, "SHOW transaction_isolation").await.unwrap(), ["read committed"]);
    assert_eq!(column(&client, "SHOW transaction_read_only").await.unwrap(), ["off"]);
    must(&client, "COMMIT").await;
    assert_eq!(column(&client, "SHOW transaction_isolation").await.unwrap(), ["repeatable read"]);
}

/// Moments in arrays and records are shown in the session's zone as others are.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn moments_in_arrays_and_records_are_local() {
    let server = TestServer::start().await;
    let client = server.connect().await;
    must(&client, "SET TimeZone = 'America/New_York'; CREATE TABLE moments (id INT, ts TIMESTAMPTZ)").await;
    must(&client, "INSERT INTO moments VALUES (1, '2024-03-10 06:30:00Z'), (2, '2024-03-10 07:30:00Z')").await;
    assert_eq!(
        column(&client, "SELECT array_agg(ts ORDER BY id) FROM moments").await.unwrap(),
        ["{\"2024-03-10 01:30:00-05\",\"2024-03-10 03:30:00-04\"}"]
    );
    assert_eq!(
        column(&client, "SELECT m FROM moments m ORDER BY id LIMIT 1").await.unwrap(),
        ["(1,\"2024-03-10 01:30:00-05\")"]
    );
}

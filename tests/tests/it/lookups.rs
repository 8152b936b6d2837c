//! Queries that look a key up, and plans that are kept: whatever happens to the table between two executions, they give what a
//! plan made now would. Each with the threads of statements, where such a query is answered without them, and without.

use tokio::runtime::Handle;
use tokio_postgres::{Client, SimpleQueryMessage};
use zxq_engine::{EngineConfig, EngineSession, Outcome};
use zxq_tests::test_server::{TestEngine, TestServer, error_text, must, one_text};

const TABLE: &str = "CREATE TABLE quotes (symbol TEXT NOT NULL, ts TIMESTAMPTZ NOT NULL, day DATE NOT NULL, id INTEGER, \
     price DECIMAL(12,4)) WITH (time_column = 'ts', partition_by = 'day', sort_by = 'symbol, ts', lookup = 'symbol, id')";

async fn refused(client: &Client, sql: &str) -> String {
    error_text(&client.simple_query(sql).await.expect_err(sql))
}

/// The rows of a text, by the simple protocol.
async fn rows(client: &Client, sql: &str) -> Vec<String> {
    let messages = client.simple_query(sql).await.unwrap_or_else(|e| panic!("{sql}: {}", error_text(&e)));
    let row = |message: &SimpleQueryMessage| match message {
        SimpleQueryMessage::Row(row) => {
            let cells: Vec<&str> = (0..row.len()).map(|at| row.get(at).unwrap_or("NULL")).collect();
            Some(cells.join("|"))
        }
        _ => None,
    };
    messages.iter().filter_map(row).collect()
}

/// Three times: planned, seen again, with a plan that is kept.
async fn thrice(client: &Client, sql: &str) -> Vec<String> {
    let first = rows(client, sql).await;
    for time in ["second", "third"] {
        assert_eq!(rows(client, sql).await, first, "{sql}, the {time} time");
    }
    first
}

fn with_threads(config: &mut EngineConfig) {
    config.threads = Some(Handle::current());
}

async fn servers() -> [TestServer; 2] {
    [TestServer::start().await, TestServer::start_with(with_threads).await]
}

/// What the prepared look-ups must give, of which the planner does not see that they look a key up.
const PAIRS: [(&str, &str); 6] = [
    (
        "SELECT id, price FROM quotes WHERE symbol = $1 ORDER BY ts DESC LIMIT 1",
        "SELECT id, price FROM quotes WHERE symbol || '' = $1 ORDER BY ts DESC LIMIT 1",
    ),
    (
        "SELECT ts, id FROM quotes WHERE symbol = $1 ORDER BY ts LIMIT 3 OFFSET 1",
        "SELECT ts, id FROM quotes WHERE symbol || '' = $1 ORDER BY ts LIMIT 3 OFFSET 1",
    ),
    (
        "SELECT id, day, symbol FROM quotes WHERE symbol = $1 AND day = '2024-01-02' ORDER BY ts",
        "SELECT id, day, symbol FROM quotes WHERE symbol || '' = $1 AND day = '2024-01-02' ORDER BY ts",
    ),
    (
        "SELECT q.id AS number, ts FROM quotes q WHERE $1 = q.symbol AND ts >= '2024-01-02 01:00:00+00' \
         AND ts < '2024-01-03' ORDER BY 1 DESC",
        "SELECT q.id AS number, ts FROM quotes q WHERE q.symbol || '' = $1 AND ts >= '2024-01-02 01:00:00+00' \
         AND ts < '2024-01-03' ORDER BY 1 DESC",
    ),
    (
        "SELECT price, ts, id FROM quotes WHERE symbol = $1 ORDER BY price DESC, id LIMIT 2",
        "SELECT price, ts, id FROM quotes WHERE symbol || '' = $1 ORDER BY price DESC, id LIMIT 2",
    ),
    (
        "SELECT id FROM (SELECT * FROM quotes WHERE symbol = $1) s ORDER BY ts DESC LIMIT 4",
        "SELECT id FROM (SELECT * FROM quotes WHERE symbol || '' = $1) s ORDER BY ts DESC LIMIT 4",
    ),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_rows_are_found_wherever_the_others_lie() {
    for server in servers().await {
        let (client, other) = (server.connect().await, server.connect().await);
        must(&other, TABLE).await;
        let mut prepared = Vec::new();
        for (lookup, plain) in PAIRS {
            prepared.push((client.prepare(lookup).await.unwrap(), client.prepare(plain).await.unwrap()));
        }
        let mut id = 0;
        let steps = [
            "",
            "CALL zxq.migrate('quotes', 'warm', partition => '2024-01-01')",
            "",
            "CALL zxq.migrate('quotes', 'cold', partition => '2024-01-02')",
            "CALL zxq.migrate('quotes', 'warm')",
            "CALL zxq.migrate('quotes', 'hot', partition => '2024-01-02')",
            "CALL zxq.migrate('quotes', 'cold')",
            "ALTER TABLE quotes ADD COLUMN venue TEXT DEFAULT 'none'",
            "",
        ];
        for step in steps {
            if !step.is_empty() {
                must(&other, step).await;
            }
            for round in 0..2 {
                for (at, (lookup, plain)) in prepared.iter().enumerate() {
                    for symbol in ["A", "B", "none of them"] {
                        let found = client.query(lookup, &[&symbol]).await;
                        let found = found.unwrap_or_else(|e| panic!("{}: {}", PAIRS[at].0, error_text(&e)));
                        let expected = client.query(plain, &[&symbol]).await.unwrap();
                        let shown = |rows: &[tokio_postgres::Row]| -> Vec<String> {
                            rows.iter().map(|row| format!("{:?}", cells(row))).collect()
                        };
                        assert_eq!(shown(&found), shown(&expected), "{} of {symbol} after {step:?}", PAIRS[at].0);
                    }
                }
                if round == 0 {
                    let mut values = Vec::new();
                    for day in 1..=3 {
                        for symbol in ["A", "B"] {
                            id += 1;
                            let hour = id * 7 % 24;
                            // No two rows of a symbol are of one time, nor of one price.
                            values.push(format!(
                                "('{symbol}', '2024-01-0{day} {hour:02}:{:02}:{:02}+00', '2024-01-0{day}', {id}, {}.{id})",
                                id / 60,
                                id % 60,
                                id * 31 % 17
                            ));
                        }
                    }
                    must(
                        &other,
                        &format!("INSERT INTO quotes (symbol, ts, day, id, price) VALUES {}", values.join(", ")),
                    )
                    .await;
                }
            }
        }
        server.stop().await;
    }
}

fn cells(row: &tokio_postgres::Row) -> Vec<String> {
    (0..row.len())
        .map(|at| match row.columns()[at].type_().name() {
            "int4" => format!("{:?}", row.get::<_, Option<i32>>(at)),
            "text" => format!("{:?}", row.get::<_, Option<String>>(at)),
            "date" => format!("{:?}", row.get::<_, Option<chrono::NaiveDate>>(at)),
            "timestamptz" => format!("{:?}", row.get::<_, Option<chrono::DateTime<chrono::Utc>>>(at)),
            "numeric" => format!("{:?}", row.get::<_, Option<Digits>>(at).map(|digits| digits.0)),
            other => panic!("{other}"),
        })
        .collect()
}

/// A number as it came.
struct Digits(Vec<u8>);

impl<'a> tokio_postgres::types::FromSql<'a> for Digits {
    fn from_sql(
        _: &tokio_postgres::types::Type,
        raw: &'a [u8],
    ) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Digits(raw.to_vec()))
    }

    fn accepts(_: &tokio_postgres::types::Type) -> bool {
        true
    }
}

const ROWS: &str = "INSERT INTO quotes VALUES ('A', '2024-01-01 10:00:00+00', '2024-01-01', 1, 1.5), \
     ('A', '2024-01-02 10:00:00+00', '2024-01-02', 2, 2.5), ('B', '2024-01-02 11:00:00+00', '2024-01-02', 3, 3.5)";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_tiers_are_read_that_may_hold_rows_of_the_answer() {
    for server in servers().await {
        let client = server.connect().await;
        must(&client, TABLE).await;
        must(&client, ROWS).await;
        must(&client, "CALL zxq.migrate('quotes', 'cold', partition => '2024-01-01')").await;
        let read = "SELECT hot_segments, warm_segments + cold_segments, rows FROM zxq.queries WHERE sql = ";
        let last = "SELECT id FROM quotes WHERE symbol = 'A' ORDER BY ts DESC LIMIT 1";
        assert_eq!(thrice(&client, last).await, ["2"]);
        let quoted = last.replace('\'', "''");
        assert_eq!(rows(&client, &format!("{read}'{quoted}'")).await, ["1|0|1"; 3]);
        let first = "SELECT id FROM quotes WHERE symbol = 'A' ORDER BY ts LIMIT 1";
        assert_eq!(thrice(&client, first).await, ["1"]);
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kept_plan_is_of_the_table_that_is_there() {
    for server in servers().await {
        let (client, other) = (server.connect().await, server.connect().await);
        must(&other, TABLE).await;
        must(&other, ROWS).await;
        let every = "SELECT * FROM quotes WHERE symbol = 'B'";
        assert_eq!(thrice(&client, every).await, ["B|2024-01-02 11:00:00+00|2024-01-02|3|3.5000"]);
        let all = client.prepare("SELECT * FROM quotes WHERE symbol = $1").await.unwrap();
        let one = client.prepare("SELECT id FROM quotes WHERE symbol = $1").await.unwrap();
        assert_eq!(client.query(&one, &[&"B"]).await.unwrap().len(), 1);
        must(&other, "ALTER TABLE quotes ADD COLUMN venue TEXT DEFAULT 'XNYS'").await;
        // A text is planned anew; of a prepared statement the client knows the columns.
        assert_eq!(thrice(&client, every).await, ["B|2024-01-02 11:00:00+00|2024-01-02|3|3.5000|XNYS"]);
        for _ in 0..2 {
            let error = client.query(&all, &[&"B"]).await.unwrap_err();
            assert!(error_text(&error).starts_with("0A000"), "{}", error_text(&error));
            assert_eq!(client.query(&one, &[&"B"]).await.unwrap()[0].get::<_, i32>(0), 3);
        }
        must(&other, "ALTER TABLE quotes RENAME TO gone").await;
        assert!(refused(&client, every).await.starts_with("42P01"));
        must(&other, "ALTER TABLE gone RENAME TO quotes").await;
        assert_eq!(thrice(&client, every).await.len(), 1);
        must(&other, "DROP TABLE quotes").await;
        assert!(refused(&client, every).await.starts_with("42P01"));
        let error = client.query(&one, &[&"B"]).await.unwrap_err();
        assert!(error_text(&error).starts_with("42P01"), "{}", error_text(&error));
        must(&other, "CREATE TABLE quotes (symbol TEXT, id INTEGER) WITH (sort_by = 'id', lookup = 'symbol')").await;
        must(&other, "INSERT INTO quotes VALUES ('B', 77)").await;
        assert_eq!(thrice(&client, every).await, ["B|77"]);
        assert_eq!(client.query(&one, &[&"B"]).await.unwrap()[0].get::<_, i32>(0), 77);
        must(&other, "INSERT INTO quotes VALUES ('B', 78)").await;
        assert_eq!(client.query(&one, &[&"B"]).await.unwrap().len(), 2);
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kept_plan_is_for_those_who_may() {
    for server in servers().await {
        let (owner, ada) = (server.connect().await, server.connect().await);
        must(&owner, TABLE).await;
        must(&owner, ROWS).await;
        must(&owner, "CREATE ROLE ada; GRANT SELECT ON quotes TO ada").await;
        must(&ada, "SET ROLE ada").await;
        let text = "SELECT id FROM quotes WHERE symbol = 'B'";
        let prepared = ada.prepare("SELECT id FROM quotes WHERE symbol = $1").await.unwrap();
        for _ in 0..2 {
            assert_eq!(thrice(&ada, text).await, ["3"]);
            assert_eq!(ada.query(&prepared, &[&"B"]).await.unwrap().len(), 1);
            must(&owner, "REVOKE SELECT ON quotes FROM ada").await;
            let denied = "42501: permission denied for table quotes";
            assert_eq!(refused(&ada, text).await, denied);
            assert_eq!(error_text(&ada.query(&prepared, &[&"B"]).await.unwrap_err()), denied);
            must(&owner, "GRANT SELECT ON quotes TO ada").await;
        }
        must(&owner, "REVOKE SELECT ON quotes FROM ada").await;
        must(&ada, "RESET ROLE").await;
        assert_eq!(thrice(&ada, text).await, ["3"]);
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kept_plan_means_what_the_settings_say() {
    for server in servers().await {
        let client = server.connect().await;
        must(&client, TABLE).await;
        must(&client, ROWS).await;
        let noon = "SELECT ts, id FROM quotes WHERE symbol = 'A' AND ts >= '2024-01-02 10:30:00' ORDER BY ts";
        assert_eq!(thrice(&client, noon).await, [""; 0]);
        let by_time = client.prepare("SELECT id FROM quotes WHERE symbol = $1 AND ts >= '2024-01-02 10:30:00'").await;
        let by_time = by_time.unwrap();
        assert_eq!(client.query(&by_time, &[&"A"]).await.unwrap().len(), 0);
        must(&client, "SET TimeZone = 'Europe/Berlin'").await;
        assert_eq!(thrice(&client, noon).await, ["2024-01-02 11:00:00+01|2"]);
        assert_eq!(client.query(&by_time, &[&"A"]).await.unwrap().len(), 1);
        must(&client, "RESET TimeZone").await;
        assert_eq!(thrice(&client, noon).await, [""; 0]);

        let last = "SELECT id FROM quotes WHERE symbol = 'A' ORDER BY ts DESC LIMIT 1";
        assert_eq!(thrice(&client, last).await, ["2"]);
        must(&client, "CALL zxq.migrate('quotes', 'cold', partition => '2024-01-01')").await;
        must(&client, "SET search_path = cold").await;
        assert_eq!(thrice(&client, last).await, ["1"]);
        must(&client, "RESET search_path; SET zxq.tiers = 'cold'").await;
        assert_eq!(thrice(&client, last).await, ["1"]);
        must(&client, "RESET zxq.tiers").await;
        assert_eq!(thrice(&client, last).await, ["2"]);

        must(&client, "CREATE TEMP TABLE quotes (symbol TEXT, ts TIMESTAMPTZ, id INTEGER)").await;
        must(&client, "INSERT INTO quotes VALUES ('A', '2024-01-09', 99)").await;
        assert_eq!(thrice(&client, last).await, ["99"]);
        must(&client, "DROP TABLE pg_temp.quotes").await;
        assert_eq!(thrice(&client, last).await, ["2"]);
        must(&client, "CREATE VIEW newest AS SELECT * FROM quotes WHERE day > '2024-01-01'").await;
        let seen = "SELECT id FROM newest WHERE symbol = 'A'";
        assert_eq!(thrice(&client, seen).await, ["2"]);
        must(&client, "CREATE OR REPLACE VIEW newest AS SELECT * FROM quotes WHERE day > '2024-01-02'").await;
        assert_eq!(thrice(&client, seen).await, [""; 0]);
        must(&client, "DISCARD ALL").await;
        assert_eq!(thrice(&client, last).await, ["2"]);
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_finds_its_own_rows_and_those_of_its_snapshot() {
    for server in servers().await {
        let (client, other) = (server.connect().await, server.connect().await);
        must(&client, TABLE).await;
        must(&client, ROWS).await;
        let last = "SELECT id FROM quotes WHERE symbol = 'A' ORDER BY ts DESC LIMIT 1";
        let insert =
            |id: i32| format!("INSERT INTO quotes VALUES ('A', '2024-02-01 00:00:{id}+00', '2024-02-01', {id}, 1)");
        let prepared =
            client.prepare("SELECT id FROM quotes WHERE symbol = $1 ORDER BY ts DESC LIMIT 1").await.unwrap();
        assert_eq!(thrice(&client, last).await, ["2"]);
        must(&client, "BEGIN").await;
        must(&client, &insert(10)).await;
        assert_eq!(thrice(&client, last).await, ["10"]);
        assert_eq!(client.query(&prepared, &[&"A"]).await.unwrap()[0].get::<_, i32>(0), 10);
        assert_eq!(thrice(&other, last).await, ["2"]);
        must(&client, "SAVEPOINT s").await;
        must(&client, &insert(11)).await;
        assert_eq!(thrice(&client, last).await, ["11"]);
        must(&client, "ROLLBACK TO s").await;
        assert_eq!(thrice(&client, last).await, ["10"]);
        must(&client, "ROLLBACK").await;
        assert_eq!(thrice(&client, last).await, ["2"]);
        must(&client, "BEGIN ISOLATION LEVEL REPEATABLE READ").await;
        assert_eq!(thrice(&client, last).await, ["2"]);
        must(&other, &insert(20)).await;
        assert_eq!(thrice(&client, last).await, ["2"]);
        assert_eq!(client.query(&prepared, &[&"A"]).await.unwrap()[0].get::<_, i32>(0), 2);
        must(&client, "COMMIT").await;
        assert_eq!(thrice(&client, last).await, ["20"]);
        must(&client, "BEGIN; SELECT 1").await;
        must(&other, &insert(30)).await;
        assert_eq!(thrice(&client, last).await, ["30"], "a snapshot per statement");
        assert!(refused(&client, "SELECT 1 / 0").await.starts_with("22012"));
        assert!(refused(&client, last).await.starts_with("25P02"));
        must(&client, "ROLLBACK").await;
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn constants_mean_what_they_say() {
    for server in servers().await {
        let client = server.connect().await;
        must(&client, TABLE).await;
        must(&client, ROWS).await;
        // Other constants, and of other types, after the form of the text is known.
        for (constant, expected) in
            [("1", "1"), ("2", "2"), ("3", "3"), ("'2'", "2"), ("2.0", "2"), ("2.5", ""), ("-1", "")]
        {
            let found = thrice(&client, &format!("SELECT id FROM quotes WHERE id = {constant}")).await;
            assert_eq!(found.join(","), expected, "{constant}");
        }
        assert_eq!(thrice(&client, "SELECT id FROM quotes WHERE id = 5000000000").await, [""; 0]);
        assert_eq!(thrice(&client, "SELECT id FROM quotes WHERE id = NULL").await, [""; 0]);
        assert!(refused(&client, "SELECT id FROM quotes WHERE id = 'x'").await.starts_with("22P02"));
        assert!(refused(&client, "SELECT id FROM quotes WHERE day = '2024-13-01' AND id = 1").await.starts_with("22"));
        for (limit, expected) in [("1", 1), ("2", 2), ("0", 0), ("ALL", 2), ("3", 2)] {
            let found = thrice(&client, &format!("SELECT id FROM quotes WHERE symbol = 'A' LIMIT {limit}")).await;
            assert_eq!(found.len(), expected, "{limit}");
        }
        for (offset, expected) in [("0", "1,2"), ("1", "2"), ("2", "")] {
            let sql = format!("SELECT id FROM quotes WHERE symbol = 'A' ORDER BY ts LIMIT 5 OFFSET {offset}");
            assert_eq!(thrice(&client, &sql).await.join(","), expected, "{offset}");
        }
        for (name, count) in [("A", 2), ("A ", 0), ("a", 0), ("B", 1), ("it''s", 0), ("", 0)] {
            let found = thrice(&client, &format!("SELECT id, symbol FROM quotes WHERE symbol = '{name}'")).await;
            assert_eq!(found.len(), count, "{name:?}");
        }
        let prepared = client.prepare("SELECT id FROM quotes WHERE symbol = $1 ORDER BY ts LIMIT $2").await.unwrap();
        for (limit, count) in [(Some(1_i64), 1), (Some(0), 0), (None, 2), (Some(9), 2)] {
            assert_eq!(client.query(&prepared, &[&"A", &limit]).await.unwrap().len(), count, "{limit:?}");
        }
        assert!(client.query(&prepared, &[&"A", &-1_i64]).await.is_err());
        assert_eq!(client.query(&prepared, &[&None::<&str>, &1_i64]).await.unwrap().len(), 0);
        // A plan of a text with a time of now in it is made each time.
        let today = "SELECT count(*) FROM quotes WHERE symbol = 'A' AND ts < 'now'";
        assert_eq!(thrice(&client, today).await, ["2"]);
        assert_eq!(one_text(&client, "SELECT count(DISTINCT id) FROM quotes WHERE symbol = 'A'").await, "2");
        server.stop().await;
    }
}

/// Whether a statement is one that looks a key up.
async fn looks_up(session: &EngineSession, sql: &str) -> bool {
    let statements = session.parse(sql).unwrap();
    session.prepare(&statements[0], &[]).await.unwrap_or_else(|e| panic!("{sql}: {e}")).looks_up()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_a_look_up() {
    let test = TestEngine::open(|_| {}).await;
    test.engine.sql(TABLE).await.unwrap();
    let session = test.engine.session();
    for sql in [
        "SELECT id FROM quotes WHERE symbol = 'A'",
        "SELECT * FROM quotes WHERE symbol = $1",
        "SELECT id AS x, id AS y FROM public.quotes AS q WHERE q.id = $1 AND day = $2",
        "SELECT price FROM quotes WHERE symbol = $1 AND ts BETWEEN $2 AND $3 ORDER BY ts DESC LIMIT $4 OFFSET 2",
        "SELECT price FROM quotes WHERE symbol = $1 AND day = DATE '2024-01-02' ORDER BY ts DESC LIMIT 1",
        "SELECT price FROM quotes WHERE ts >= '2024-01-02' AND 5 = id",
        "SELECT a FROM (SELECT price AS a, ts FROM quotes WHERE symbol = 'A') s ORDER BY ts LIMIT 3",
    ] {
        assert!(looks_up(&session, sql).await, "{sql}");
    }
    for sql in [
        "SELECT id FROM quotes",
        "SELECT id FROM quotes WHERE day = '2024-01-02'",
        "SELECT id FROM quotes WHERE symbol > 'A'",
        "SELECT id FROM quotes WHERE symbol = 'A' OR id = 5",
        "SELECT id + 1 FROM quotes WHERE symbol = 'A'",
        "SELECT count(*) FROM quotes WHERE symbol = 'A'",
        "SELECT DISTINCT id FROM quotes WHERE symbol = 'A'",
        "SELECT id FROM quotes WHERE symbol = 'A' AND price > random()",
        "SELECT id FROM quotes WHERE symbol = 'A' AND ts < now()",
        "SELECT id FROM hot.quotes WHERE symbol = 'A'",
        "SELECT q.id FROM quotes q JOIN quotes r USING (id) WHERE q.symbol = 'A'",
        "SELECT id FROM (SELECT * FROM quotes ORDER BY ts LIMIT 5) s WHERE symbol = 'A'",
        "SELECT id FROM quotes WHERE symbol = 'A' UNION ALL SELECT id FROM quotes WHERE symbol = 'B'",
        "SELECT id FROM quotes WHERE symbol = (SELECT max(symbol) FROM quotes)",
    ] {
        assert!(!looks_up(&session, sql).await, "{sql}");
    }
    drop(session);
    test.close().await;
}

/// A key that many rows have, and one in many segments: more than is looked at one by one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_of_many_rows_are_read_by_a_plan() {
    let test = TestEngine::open(with_threads).await;
    test.engine.sql(TABLE).await.unwrap();
    let many = "INSERT INTO quotes SELECT CASE WHEN n % 3 = 0 THEN 'A' ELSE 'B' END, \
                TIMESTAMPTZ '2024-01-01' + n * INTERVAL '1 second', '2024-01-01', n, n FROM generate_series(1, 30000) AS s(n)";
    test.engine.sql(many).await.unwrap();
    let session = test.engine.session();
    for (sql, expected) in [
        ("SELECT id FROM quotes WHERE symbol = 'A'", 10_000),
        ("SELECT id FROM quotes WHERE symbol = 'A' ORDER BY ts DESC LIMIT 3", 3),
        ("SELECT id FROM quotes WHERE symbol = 'A' ORDER BY id DESC LIMIT 3", 3),
        ("SELECT id FROM quotes WHERE id = 29999", 1),
        ("SELECT id FROM quotes WHERE symbol = 'B' AND ts < '2024-01-01 00:00:08+00'", 5),
    ] {
        for _ in 0..2 {
            let found = match session.run(sql).await.unwrap() {
                outcome @ Outcome::Rows { .. } => outcome.collect().await.unwrap(),
                Outcome::Command { tag } => panic!("{tag}"),
            };
            assert_eq!(found.iter().map(|rows| rows.num_rows()).sum::<usize>(), expected, "{sql}");
        }
    }
    drop(session);
    test.close().await;
}

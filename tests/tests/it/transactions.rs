//! Transactions over the wire: who sees which rows when, and what is left of them when they come to nothing.

use std::pin::pin;

use futures::SinkExt;
use tokio_postgres::{Client, SimpleQueryMessage};
use zxq_tests::placement::verify;
use zxq_tests::test_server::{TestServer, error_text, must, one_text};

async fn refused(client: &Client, sql: &str) -> String {
    let error = client.batch_execute(sql).await.expect_err(sql);
    error.code().map_or_else(|| error.to_string(), |code| code.code().to_owned())
}

async fn count(client: &Client, what: &str) -> i64 {
    one_text(client, &format!("SELECT count(*) FROM {what}")).await.parse().unwrap()
}

/// Memory of rows that somebody knows of.
async fn hot_bytes(client: &Client) -> i64 {
    one_text(client, "SELECT store_bytes FROM zxq.tiers WHERE tier = 'hot'").await.parse().unwrap()
}

async fn copy(client: &Client, sql: &str, data: &str) -> Result<u64, tokio_postgres::Error> {
    let sink = client.copy_in::<_, bytes::Bytes>(sql).await?;
    let mut sink = pin!(sink);
    sink.send(bytes::Bytes::copy_from_slice(data.as_bytes())).await?;
    sink.finish().await
}

const TABLES: &str = "CREATE TABLE t (id BIGINT NOT NULL, day DATE NOT NULL, name TEXT DEFAULT 'none', \
     twice BIGINT GENERATED ALWAYS AS (id * 2) STORED, CONSTRAINT positive CHECK (id > 0)) \
     WITH (partition_by = 'day', sort_by = 'id', lookup = 'name'); \
     CREATE TABLE u (id BIGINT NOT NULL, note TEXT)";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn own_rows_are_seen_and_those_of_others_after_their_commit() {
    let server = TestServer::start().await;
    let (a, b) = (server.connect().await, server.connect().await);
    must(&a, TABLES).await;
    must(&a, "INSERT INTO t (id, day) VALUES (1, '2024-01-01'), (2, '2024-01-02')").await;
    must(&a, "CALL zxq.migrate('t', 'cold', partition => '2024-01-01')").await;
    must(&a, "BEGIN").await;
    must(&a, "INSERT INTO t (id, day, name) VALUES (3, '2024-01-01', 'x'), (4, '2024-01-03', 'x')").await;
    must(&a, "INSERT INTO t (id, day, name) SELECT id + 10, day, 'copy' FROM t").await;
    assert_eq!(copy(&a, "COPY u FROM STDIN", "1\tone\n3\tthree\n").await.unwrap(), 2);
    // Counts that the catalog knows, groups, joins, look-ups, generated columns, defaults, one tier.
    assert_eq!(count(&a, "t").await, 8);
    assert_eq!(count(&a, "t WHERE day = '2024-01-01'").await, 4);
    assert_eq!(one_text(&a, "SELECT max(twice) FROM t").await, "28");
    assert_eq!(one_text(&a, "SELECT string_agg(n || '*' || c::text, ' ' ORDER BY n) FROM (SELECT name AS n, count(*) AS c FROM t GROUP BY name) s").await, "copy*4 none*2 x*2");
    assert_eq!(one_text(&a, "SELECT note FROM t JOIN u USING (id) WHERE name = 'x'").await, "three");
    assert_eq!(one_text(&a, "SELECT id FROM t WHERE name = 'x' ORDER BY id DESC LIMIT 1").await, "4");
    assert_eq!(count(&a, "hot.t").await, 7);
    must(&a, "SET zxq.tiers = 'cold'").await;
    assert_eq!(count(&a, "t").await, 1);
    must(&a, "RESET zxq.tiers").await;
    assert_eq!((count(&b, "t").await, count(&b, "u").await), (2, 0));
    // Whatever moves meanwhile moves without them.
    must(&b, "CALL zxq.migrate('t', 'warm', 'hot')").await;
    assert_eq!((count(&a, "t").await, count(&a, "warm.t").await, count(&a, "hot.t").await), (8, 1, 6));
    must(&a, "COMMIT").await;
    assert_eq!((count(&b, "t").await, count(&b, "u").await), (8, 2));
    must(&a, "BEGIN; INSERT INTO t (id, day) VALUES (90, '2024-01-09')").await;
    assert_eq!((count(&a, "t").await, count(&b, "t").await), (9, 8));
    must(&a, "ROLLBACK").await;
    assert_eq!((count(&a, "t").await, count(&b, "t").await), (8, 8));
    verify(&server.engine).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_to_nothing_leaves_nothing() {
    let server = TestServer::start().await;
    let (a, b) = (server.connect().await, server.connect().await);
    must(&a, TABLES).await;
    let empty = hot_bytes(&b).await;
    // An error takes the block with it, also what came before.
    must(&a, "BEGIN; INSERT INTO t (id, day) SELECT g, DATE '2024-01-01' FROM generate_series(1, 1000) AS s(g)").await;
    assert!(hot_bytes(&b).await > empty);
    assert_eq!(refused(&a, "INSERT INTO t (id, day) VALUES (-1, '2024-01-01')").await, "23514");
    assert_eq!(hot_bytes(&b).await, empty, "a block that has failed keeps no rows");
    assert_eq!(refused(&a, "SELECT 1").await, "25P02");
    must(&a, "COMMIT").await;
    assert_eq!(count(&b, "t").await, 0);
    // A client that goes away.
    {
        let gone = server.connect().await;
        must(&gone, "BEGIN; INSERT INTO t (id, day) VALUES (1, '2024-01-01'); CREATE TABLE of_gone (id INTEGER)").await;
    }
    for _ in 0..500 {
        if hot_bytes(&b).await == empty && server.engine.snapshot().table("of_gone").is_none() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert_eq!(hot_bytes(&b).await, empty);
    assert!(server.engine.snapshot().table("of_gone").is_none());
    // More than a transaction may keep in memory.
    must(&a, "BEGIN").await;
    let large = "INSERT INTO u SELECT g, repeat('x', 1000) || g FROM generate_series(1, 20000) AS s(g)";
    let mut told = String::new();
    for _ in 0..5 {
        if let Err(error) = a.batch_execute(large).await {
            told = error_text(&error);
            break;
        }
    }
    assert!(told.starts_with("53200") && told.contains("COMMIT"), "{told:?}");
    must(&a, "ROLLBACK").await;
    assert_eq!((count(&a, "t").await, count(&a, "u").await), (0, 0));
    assert_eq!(hot_bytes(&b).await, empty);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn savepoints_are_gone_back_to() {
    let server = TestServer::start().await;
    let (a, b) = (server.connect().await, server.connect().await);
    must(&a, TABLES).await;
    must(&a, "BEGIN; INSERT INTO u VALUES (1, 'a'); SAVEPOINT s; INSERT INTO u VALUES (2, 'b'); SAVEPOINT s2").await;
    // Enough to be merged, which must not cross a savepoint.
    for id in 10..30 {
        must(&a, &format!("INSERT INTO u VALUES ({id}, 'many')")).await;
    }
    must(&a, "CREATE TABLE since (id INTEGER); INSERT INTO since VALUES (1)").await;
    assert_eq!(refused(&a, "SELECT 1/0").await, "22012");
    must(&a, "ROLLBACK TO s2").await;
    assert_eq!(count(&a, "u").await, 2);
    assert_eq!(refused(&a, "SELECT count(*) FROM since").await, "42P01");
    must(&a, "ROLLBACK TO s2; INSERT INTO u VALUES (3, 'c'); RELEASE s2; ROLLBACK TO SAVEPOINT s").await;
    assert_eq!(count(&a, "u").await, 1);
    must(&a, "INSERT INTO u VALUES (4, 'd'); RELEASE s").await;
    assert_eq!(refused(&a, "ROLLBACK TO s").await, "3B001");
    must(&a, "ROLLBACK; BEGIN; INSERT INTO u VALUES (5, 'e'); SAVEPOINT q; INSERT INTO u VALUES (6, 'f')").await;
    must(&a, "ROLLBACK TO q; COMMIT").await;
    assert_eq!(one_text(&b, "SELECT string_agg(note, ',') FROM u").await, "e");
    assert_eq!(refused(&a, "SAVEPOINT outside").await, "25P01");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_reads_one_snapshot_where_it_asks_for_that() {
    let server = TestServer::start().await;
    let (a, b) = (server.connect().await, server.connect().await);
    must(&a, TABLES).await;
    must(&a, "INSERT INTO u VALUES (1, 'a')").await;
    must(&a, "BEGIN ISOLATION LEVEL REPEATABLE READ").await;
    // It is taken by the first statement, not by BEGIN.
    must(&b, "INSERT INTO u VALUES (2, 'b')").await;
    assert_eq!(count(&a, "u").await, 2);
    must(&b, "INSERT INTO u VALUES (3, 'c'); CREATE TABLE later (id INTEGER); INSERT INTO later VALUES (1)").await;
    must(&b, "ALTER TABLE u ADD COLUMN more TEXT DEFAULT 'm'; CALL zxq.migrate('u', 'warm')").await;
    must(&a, "INSERT INTO u (id, note) VALUES (4, 'd')").await;
    assert_eq!(count(&a, "u").await, 3);
    assert_eq!(one_text(&a, "SELECT string_agg(note || more, ',' ORDER BY id) FROM u").await, "am,bm,dm");
    assert_eq!(count(&a, "later").await, 0);
    assert_eq!(refused(&a, "SET TRANSACTION ISOLATION LEVEL READ COMMITTED").await, "25001");
    must(&a, "ROLLBACK; BEGIN").await;
    assert_eq!(count(&a, "u").await, 3);
    must(&b, "INSERT INTO u (id) VALUES (5)").await;
    assert_eq!(count(&a, "u").await, 4);
    // A cursor reads what there was when it was declared.
    must(&a, "DECLARE c CURSOR FOR SELECT id FROM u; INSERT INTO u (id) VALUES (6)").await;
    let fetched = a.simple_query("FETCH ALL FROM c").await.unwrap();
    assert_eq!(fetched.iter().filter(|m| matches!(m, SimpleQueryMessage::Row(_))).count(), 4);
    must(&a, "COMMIT").await;
    assert_eq!(count(&b, "u").await, 5);
    // So it is by a query that reads no table.
    for first in ["SELECT 1", "SELECT current_setting('transaction_isolation')"] {
        must(&a, &format!("BEGIN ISOLATION LEVEL REPEATABLE READ; {first}")).await;
        let before = count(&b, "u").await;
        must(&b, "INSERT INTO u (id) VALUES (6)").await;
        assert_eq!((count(&a, "u").await, count(&b, "u").await), (before, before + 1), "{first}");
        must(&a, "COMMIT").await;
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_that_change_meanwhile_are_not_taken_for_the_old_ones() {
    let server = TestServer::start().await;
    let (a, b) = (server.connect().await, server.connect().await);
    must(&a, TABLES).await;
    // A column more: the rows get its default, and what is generated.
    must(&a, "BEGIN; INSERT INTO t (id, day) VALUES (1, '2024-01-01'), (2, '2024-01-02')").await;
    must(&b, "ALTER TABLE t ADD COLUMN more TEXT DEFAULT 'm'").await;
    must(&a, "INSERT INTO t (id, day, more) VALUES (3, '2024-01-01', 'own'); COMMIT").await;
    let rows = "SELECT string_agg(id::text || more || twice::text || name, ',' ORDER BY id) FROM t";
    assert_eq!(one_text(&b, rows).await, "1m2none,2m4none,3own6none");
    // A table that is gone: nothing of the transaction is there.
    must(&a, "BEGIN; INSERT INTO u VALUES (1, 'a'); INSERT INTO t (id, day) VALUES (4, '2024-01-01')").await;
    must(&b, "DROP TABLE u").await;
    assert_eq!(refused(&a, "COMMIT").await, "40001");
    assert_eq!((count(&a, "t").await, one_text(&a, "SHOW transaction_isolation").await), (3, "read committed".into()));
    must(&a, "INSERT INTO t (id, day) VALUES (5, '2024-01-01')").await;
    assert_eq!(count(&b, "t").await, 4);
    verify(&server.engine).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_made_within_go_with_a_rollback() {
    let server = TestServer::start().await;
    let (a, b) = (server.connect().await, server.connect().await);
    must(&a, TABLES).await;
    must(&a, "BEGIN; CREATE TABLE made (id INTEGER); INSERT INTO made VALUES (1); INSERT INTO u VALUES (1, 'a')").await;
    must(&a, "CREATE TABLE copied AS SELECT id, note FROM u; DROP TABLE made; CREATE TABLE made (x TEXT)").await;
    assert_eq!((count(&a, "copied").await, count(&b, "copied").await, count(&a, "made").await), (1, 0, 0));
    must(&a, "ROLLBACK").await;
    for table in ["made", "copied"] {
        assert_eq!(refused(&b, &format!("SELECT count(*) FROM {table}")).await, "42P01");
    }
    must(&a, "BEGIN; CREATE TABLE made (id INTEGER); INSERT INTO made VALUES (1); COMMIT").await;
    must(&a, "BEGIN; CREATE TABLE bare (id INTEGER); COMMIT").await;
    assert_eq!((count(&b, "made").await, count(&b, "bare").await), (1, 0));
    // What cannot be undone is refused, or stays.
    for sql in ["CALL zxq.migrate('made', 'warm')", "CALL zxq.maintain()", "CALL zxq.load('made', '/nowhere')"] {
        must(&a, "BEGIN").await;
        assert_eq!(refused(&a, sql).await, "25001", "{sql}");
        must(&a, "ROLLBACK").await;
    }
    must(&a, "BEGIN; CALL zxq.migrate('made', 'warm', true); DROP TABLE bare; ROLLBACK").await;
    assert_eq!(refused(&a, "SELECT count(*) FROM bare").await, "42P01");
    let open = "SELECT count(*) FROM zxq.moves WHERE phase NOT IN ('done', 'failed')";
    assert_eq!(one_text(&a, open).await, "0");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statements_of_one_message_stand_or_fall_together() {
    let server = TestServer::start().await;
    let (a, b) = (server.connect().await, server.connect().await);
    must(&a, TABLES).await;
    assert_eq!(refused(&a, "INSERT INTO u VALUES (1, 'a'); INSERT INTO u VALUES (2, 'b'); SELECT 1/0").await, "22012");
    assert_eq!(refused(&a, "INSERT INTO u VALUES (1, 'a'); SELEC 1").await, "42601");
    assert_eq!(
        refused(&a, "CREATE TABLE w (id INTEGER); INSERT INTO w VALUES (1); INSERT INTO nosuch VALUES (1)").await,
        "42P01"
    );
    assert_eq!((count(&b, "u").await, refused(&b, "SELECT * FROM w").await), (0, "42P01".to_owned()));
    must(&a, "INSERT INTO u VALUES (1, 'a'); INSERT INTO t (id, day) SELECT id, DATE '2024-01-01' FROM u").await;
    assert_eq!((count(&b, "u").await, count(&b, "t").await), (1, 1));
    // A block of its own within it, and after it again together.
    let mixed = "BEGIN; INSERT INTO u VALUES (2, 'b'); COMMIT; INSERT INTO u VALUES (3, 'c'); SELECT 1/0";
    assert_eq!(refused(&a, mixed).await, "22012");
    assert_eq!(one_text(&b, "SELECT string_agg(note, ',' ORDER BY id) FROM u").await, "a,b");
    // Rows written before BEGIN belong to the block.
    must(&a, "INSERT INTO u VALUES (4, 'd'); BEGIN; INSERT INTO u VALUES (5, 'e')").await;
    assert_eq!(count(&b, "u").await, 2);
    must(&a, "ROLLBACK").await;
    assert_eq!(count(&b, "u").await, 2);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn inserts_return_their_rows() {
    let server = TestServer::start().await;
    let client = server.connect().await;
    must(&client, TABLES).await;
    let insert = client
        .prepare(
            "INSERT INTO t (id, day) VALUES ($1, '2024-01-02'), ($2, '2024-01-01') RETURNING id, twice + 1, name AS n",
        )
        .await
        .unwrap();
    let names: Vec<&str> = insert.columns().iter().map(|column| column.name()).collect();
    assert_eq!(names, ["id", "?column?", "n"]);
    let rows = client.query(&insert, &[&7_i64, &5_i64]).await.unwrap();
    let found: Vec<(i64, i64, &str)> = rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect();
    assert_eq!(found, [(7, 15, "none"), (5, 11, "none")], "in the order in which they were given");
    let all = client.simple_query("INSERT INTO u VALUES (1, 'a') RETURNING *").await.unwrap();
    let Some(SimpleQueryMessage::Row(row)) = all.iter().find(|m| matches!(m, SimpleQueryMessage::Row(_))) else {
        panic!("no row");
    };
    assert_eq!((row.get(0), row.get(1)), (Some("1"), Some("a")));
    // Where it fails nothing is inserted.
    assert_eq!(refused(&client, "INSERT INTO u VALUES (2, 'b') RETURNING 1 / (id - 2)").await, "22012");
    assert_eq!(refused(&client, "INSERT INTO u VALUES (2, 'b') RETURNING nosuch").await, "42703");
    assert_eq!(count(&client, "u").await, 1);
    must(&client, "BEGIN").await;
    assert_eq!(one_text(&client, "INSERT INTO u AS x SELECT id + 10, note FROM u RETURNING x.id").await, "11");
    assert_eq!(count(&client, "u").await, 2);
    must(&client, "ROLLBACK").await;
    assert_eq!(count(&client, "u").await, 1);
    server.stop().await;
}

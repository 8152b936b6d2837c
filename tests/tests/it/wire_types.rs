//! Types as drivers are told them, and values in the formats that they ask for.

use tokio_postgres::types::{FromSql, Type};
use tokio_postgres::{Client, NoTls};
use zxq_tests::test_server::{TestServer, error_text, one_text};

/// The bytes of a value as they came.
struct Raw(Vec<u8>);

impl<'a> FromSql<'a> for Raw {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Raw(raw.to_vec()))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

async fn described(client: &Client, sql: &str) -> Vec<(String, Type)> {
    let statement = client.prepare(sql).await.unwrap_or_else(|e| panic!("{sql}: {}", error_text(&e)));
    statement.columns().iter().map(|column| (column.name().to_owned(), column.type_().clone())).collect()
}

async fn bytes(client: &Client, expression: &str) -> Vec<u8> {
    let sql = format!("SELECT {expression}");
    let row = client.query_one(&sql, &[]).await.unwrap_or_else(|e| panic!("{sql}: {}", error_text(&e)));
    row.get::<_, Raw>(0).0
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn columns_have_the_types_of_postgres() {
    let server = TestServer::start().await;
    let client = server.connect().await;
    client.batch_execute("CREATE TABLE t (id BIGINT NOT NULL, price DECIMAL(10,2))").await.unwrap();
    for (expression, wanted) in [
        ("1", Type::INT4),
        ("-1", Type::INT4),
        ("3000000000", Type::INT8),
        ("1::bigint", Type::INT8),
        ("1 + 1", Type::INT4),
        ("23::oid", Type::OID),
        ("'x'::name", Type::NAME),
        ("ARRAY[1, NULL, 3]", Type::INT4_ARRAY),
        ("ARRAY[[1, 2], [3, 4]]", Type::INT4_ARRAY),
        ("'NaN'::numeric", Type::NUMERIC),
        ("'abcdef'::varchar(3)", Type::VARCHAR),
        ("'abc'::text", Type::TEXT),
        ("price / 3", Type::NUMERIC),
    ] {
        let sql = format!("SELECT {expression} AS x FROM t");
        assert_eq!(described(&client, &sql).await, [("x".to_owned(), wanted)], "{sql}");
    }
    let values = described(&client, "SELECT a, b FROM (VALUES (1, 1::bigint), (2, 2)) v(a, b)").await;
    assert_eq!(values, [("a".to_owned(), Type::INT4), ("b".to_owned(), Type::INT8)]);
    // asyncpg asks what other arrays than these are with a query that has such columns itself.
    let oids = described(&client, "SELECT array_agg(oid) AS x, array_agg(typname::text) AS y FROM pg_type").await;
    assert_eq!(oids, [("x".to_owned(), Type::OID_ARRAY), ("y".to_owned(), Type::TEXT_ARRAY)]);
    for explain in ["EXPLAIN SELECT id FROM t", "EXPLAIN (ANALYZE, COSTS off) SELECT id FROM t"] {
        assert_eq!(described(&client, explain).await, [("QUERY PLAN".to_owned(), Type::TEXT)]);
        let first = one_text(&client, explain).await;
        assert!(first.contains("Exec"), "{explain}");
        // As postgres_fdw reads it.
        let cost = first.rsplit_once(" (cost=0.00..").map(|(_, cost)| cost.to_owned());
        assert_eq!(cost.is_some_and(|cost| cost.contains(" rows=")), !explain.contains("COSTS"), "{first}");
    }
    let json = "EXPLAIN (FORMAT json) SELECT id FROM t";
    assert_eq!(described(&client, json).await, [("QUERY PLAN".to_owned(), Type::JSON)]);
    let told = one_text(&client, json).await;
    let keys = ["Node Type", "Startup Cost", "Total Cost", "Plan Rows", "Plan Width"];
    assert!(keys.iter().all(|key| told.contains(&format!("\"{key}\""))), "{told}");
    let without = one_text(&client, "EXPLAIN (FORMAT json, COSTS false) SELECT id FROM t").await;
    assert!(without.contains("\"Node Type\"") && !without.contains("Cost"), "{without}");
    // A query that reads its own rows keeps the type that it begins with.
    let repeated = "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 4) SELECT sum(n) FROM r";
    assert_eq!(one_text(&client, repeated).await, "10");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn binary_values_are_those_of_postgres() {
    let server = TestServer::start().await;
    let client = server.connect().await;
    let words = |words: &[i32]| words.iter().flat_map(|word| word.to_be_bytes()).collect::<Vec<u8>>();
    assert_eq!(bytes(&client, "23::oid").await, words(&[23]));
    assert_eq!(bytes(&client, "'NaN'::numeric").await, [0, 0, 0, 0, 0xc0, 0, 0, 0]);
    assert_eq!(bytes(&client, "'-Infinity'::numeric").await, [0, 0, 0, 0, 0xf0, 0, 0, 0]);
    assert_eq!(bytes(&client, "ARRAY[1, NULL]").await, words(&[1, 1, 23, 2, 1, 4, 1, -1]));
    assert_eq!(bytes(&client, "ARRAY[[1, 2], [3, 4]]").await, words(&[2, 0, 23, 2, 1, 2, 1, 4, 1, 4, 2, 4, 3, 4, 4]));
    assert_eq!(one_text(&client, "SELECT ARRAY[[1, 2], [3, 4]]").await, "{{1,2},{3,4}}");
    assert_eq!(bytes(&client, "'{}'::int[]").await, words(&[0, 0, 23]));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn quotients_show_the_digits_of_postgres() {
    let server = TestServer::start().await;
    let client = server.connect().await;
    client
        .batch_execute(
            "CREATE TABLE q (id INTEGER, i INTEGER, d DECIMAL(18,3), p DECIMAL(12,2)); \
             INSERT INTO q VALUES (1, 1, 7, 0.10), (2, 2, 2, 0.20), (3, 2, 2, 0.30)",
        )
        .await
        .unwrap();
    for (expression, shown) in [
        ("avg(i)", "1.6666666666666667"),
        ("avg(d)", "3.6666666666666667"),
        ("avg(p)", "0.20000000000000000000"),
        ("max(p / 3)", "0.10000000000000000000"),
        ("sum(p) / sum(d)", "0.05454545454545454545"),
        ("100.0 * sum(p) / 7", "8.5714285714285714"),
        ("sum(p) / count(*)", "0.20000000000000000000"),
        ("variance(d)", "8.3333333333333333"),
        ("stddev(i)", "0.57735026918962576451"),
        ("stddev(d)", "2.8867513459481288"),
        ("var_pop(p)", "0.00666666666666666667"),
        ("stddev_pop(p)", "0.08164965809277260329"),
        ("variance(i * 0)", "0"),
        ("(max(p) + 0.85) / (max(p) + 0.82)", "1.02678571428571428571"),
        ("round(avg(i), 2)", "1.67"),
    ] {
        assert_eq!(one_text(&client, &format!("SELECT {expression} FROM q")).await, shown, "{expression}");
    }
    assert_eq!(one_text(&client, "SELECT d / 9 AS x FROM q WHERE id = 1").await, "0.77777777777777777778");
    let nested = "SELECT x FROM (SELECT id, avg(d) AS x FROM q GROUP BY id) s WHERE id = 1 ORDER BY x LIMIT 1";
    assert_eq!(one_text(&client, nested).await, "7.0000000000000000");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn there_is_one_database() {
    let server = TestServer::start().await;
    let connect = async |user: &str, database: &str| {
        let address = server.address;
        let config = format!("host={} port={} user={user} dbname={database}", address.ip(), address.port());
        tokio_postgres::connect(&config, NoTls).await.map(drop)
    };
    for (user, database) in [("ann", "zxq"), ("ann", "postgres"), ("ann", "ann")] {
        connect(user, database).await.unwrap_or_else(|e| panic!("{database}: {}", error_text(&e)));
    }
    let error = connect("ann", "no_such_database").await.unwrap_err();
    assert_eq!(error.code().map(|code| code.code()), Some("3D000"), "{}", error_text(&error));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn columns_of_tables_say_whose_they_are() {
    let server = TestServer::start().await;
    let client = server.connect().await;
    client
        .batch_execute(
            "CREATE TABLE a (id INTEGER, name TEXT); CREATE TABLE b (id INTEGER, px DOUBLE PRECISION); \
             CREATE VIEW v AS SELECT id FROM a",
        )
        .await
        .unwrap();
    let oid = async |table: &str| one_text(&client, &format!("SELECT '{table}'::regclass::oid")).await.parse().unwrap();
    let (a, b): (u32, u32) = (oid("a").await, oid("b").await);
    for (sql, origins) in [
        ("SELECT name, id AS other, id + 1 FROM a", vec![Some((a, 2)), Some((a, 1)), None]),
        ("SELECT * FROM a x LEFT JOIN b USING (id)", vec![Some((a, 1)), Some((a, 2)), Some((b, 2))]),
        ("SELECT px, count(*) FROM b GROUP BY px ORDER BY px LIMIT 1", vec![Some((b, 2)), None]),
        ("SELECT s.n FROM (SELECT name AS n FROM a) s WHERE n > $1", vec![Some((a, 2))]),
        ("SELECT id FROM a UNION ALL SELECT id FROM b", vec![None]),
        ("INSERT INTO b VALUES ($1, 1) RETURNING px, id", vec![Some((b, 2)), Some((b, 1))]),
        ("SELECT id FROM v", vec![None]),
    ] {
        let statement = client.prepare(sql).await.unwrap();
        let found: Vec<_> =
            statement.columns().iter().map(|column| column.table_oid().zip(column.column_id())).collect();
        assert_eq!(found, origins, "{sql}");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn returning_takes_parameters() {
    let server = TestServer::start().await;
    let client = server.connect().await;
    client.batch_execute("CREATE TABLE r (id INTEGER, name TEXT)").await.unwrap();
    let insert = "INSERT INTO r VALUES ($1, $2) RETURNING id + $1, name || $3::text";
    let row = client.query_one(insert, &[&7_i32, &"seven", &"!"]).await.unwrap();
    assert_eq!((row.get::<_, i32>(0), row.get::<_, &str>(1)), (14, "seven!"));
    let row = client.query_one(insert, &[&8_i32, &"eight", &"?"]).await.unwrap();
    assert_eq!((row.get::<_, i32>(0), row.get::<_, &str>(1)), (16, "eight?"));
    assert_eq!(one_text(&client, "SELECT count(*) FROM r").await, "2");
    server.stop().await;
}

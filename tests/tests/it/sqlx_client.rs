//! sqlx against a server in this process: values and parameters, transactions, errors, rows in steps, and what its migrations
//! send.

use futures::TryStreamExt;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions, PgSslMode};
use sqlx::{Acquire, Executor, Row};
use zxq_tests::test_server::TestServer;

async fn pool(server: &TestServer) -> PgPool {
    let options = PgConnectOptions::new_without_pgpass()
        .host("127.0.0.1")
        .port(server.address.port())
        .username("zxq")
        .database("zxq")
        .ssl_mode(PgSslMode::Disable);
    PgPoolOptions::new().max_connections(3).connect_with(options).await.unwrap()
}

fn code(error: &sqlx::Error) -> String {
    error.as_database_error().and_then(|error| error.code()).map(|code| code.into_owned()).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queries_transactions_and_errors() {
    let server = TestServer::start().await;
    let pool = pool(&server).await;
    pool.execute(
        "CREATE TABLE t (id BIGINT NOT NULL, name TEXT, f DOUBLE PRECISION, ok BOOLEAN, raw BYTEA, n INTEGER)",
    )
    .await
    .unwrap();
    let inserted = sqlx::query("INSERT INTO t VALUES ($1, $2, $3, $4, $5, $6)")
        .bind(1_i64)
        .bind("O'Neil")
        .bind(0.5_f64)
        .bind(true)
        .bind(vec![0_u8, 255])
        .bind(None::<i32>)
        .execute(&pool)
        .await
        .unwrap();
    assert_eq!(inserted.rows_affected(), 1);
    let row = sqlx::query("SELECT * FROM t WHERE id = $1 AND name LIKE $2").bind(1_i64).bind("O%").fetch_one(&pool);
    let row = row.await.unwrap();
    assert_eq!((row.get::<i64, _>("id"), row.get::<&str, _>("name"), row.get::<f64, _>("f")), (1, "O'Neil", 0.5));
    assert_eq!((row.get::<bool, _>("ok"), row.get::<Vec<u8>, _>("raw")), (true, vec![0, 255]));
    assert_eq!(row.get::<Option<i32>, _>("n"), None);
    let ids = sqlx::query_scalar::<_, i64>("SELECT id FROM t WHERE id = ANY($1)").bind(vec![1_i64, 2]);
    assert_eq!(ids.fetch_all(&pool).await.unwrap(), [1]);

    // A transaction that ends without a commit leaves nothing; one within it does not take the rest with it.
    let mut outer = pool.begin().await.unwrap();
    sqlx::query("INSERT INTO t (id) VALUES (2)").execute(&mut *outer).await.unwrap();
    let mut inner = outer.begin().await.unwrap();
    sqlx::query("INSERT INTO t (id) VALUES (3)").execute(&mut *inner).await.unwrap();
    inner.rollback().await.unwrap();
    let seen = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM t").fetch_one(&mut *outer).await.unwrap();
    assert_eq!(seen, 2);
    drop(outer);
    let seen = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM t").fetch_one(&pool).await.unwrap();
    assert_eq!(seen, 1);

    for (sql, wanted) in [
        ("SELECT * FROM nosuch", "42P01"),
        ("SELECT nosuch FROM t", "42703"),
        ("SELEC 1", "42601"),
        ("SELECT 1 / (id - id) FROM t", "22012"),
        ("INSERT INTO t (name) VALUES ('no id')", "23502"),
    ] {
        assert_eq!(code(&sqlx::query(sql).fetch_all(&pool).await.unwrap_err()), wanted, "{sql}");
    }
    let mut rows = sqlx::query_scalar::<_, i64>("SELECT g::bigint FROM generate_series(1, 20000) AS s(g)").fetch(&pool);
    let mut sum = 0;
    while let Some(number) = rows.try_next().await.unwrap() {
        sum += number;
    }
    drop(rows);
    assert_eq!(sum, 200_010_000);
    pool.close().await;
    server.stop().await;
}

/// The statements of its migrator, but for the last one, which notes how long it took.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_migration_is_applied_once() {
    let server = TestServer::start().await;
    let pool = pool(&server).await;
    for applied in [0, 1] {
        let mut connection = pool.acquire().await.unwrap();
        let database = sqlx::query_scalar::<_, String>("SELECT current_database()").fetch_one(&mut *connection);
        let key = 0x3d32_ad9e * i64::try_from(database.await.unwrap().len()).unwrap();
        sqlx::query("SELECT pg_advisory_lock($1)").bind(key).execute(&mut *connection).await.unwrap();
        let made = "CREATE TABLE IF NOT EXISTS _sqlx_migrations (version BIGINT PRIMARY KEY, description TEXT NOT NULL, \
                    installed_on TIMESTAMPTZ NOT NULL DEFAULT now(), success BOOLEAN NOT NULL, checksum BYTEA NOT NULL, \
                    execution_time BIGINT NOT NULL);";
        connection.execute(made).await.unwrap();
        let dirty = "SELECT version FROM _sqlx_migrations WHERE success = false ORDER BY version LIMIT 1";
        let dirty = sqlx::query_as::<_, (i64,)>(dirty).fetch_optional(&mut *connection).await.unwrap();
        assert_eq!(dirty, None);
        let known = "SELECT version, checksum FROM _sqlx_migrations ORDER BY version";
        let known = sqlx::query_as::<_, (i64, Vec<u8>)>(known).fetch_all(&mut *connection).await.unwrap();
        assert_eq!(known.len(), applied);
        if known.is_empty() {
            let mut transaction = connection.begin().await.unwrap();
            let script = "CREATE TABLE trades (id BIGINT NOT NULL);\n-- and a row\nINSERT INTO trades VALUES (1);";
            transaction.execute(script).await.unwrap();
            let noted = "INSERT INTO _sqlx_migrations ( version, description, success, checksum, execution_time ) \
                         VALUES ( $1, $2, TRUE, $3, -1 )";
            let noted = sqlx::query(noted).bind(20_240_101_i64).bind("trades").bind(vec![1_u8, 2, 3]);
            noted.execute(&mut *transaction).await.unwrap();
            transaction.commit().await.unwrap();
        }
        sqlx::query("SELECT pg_advisory_unlock($1)").bind(key).execute(&mut *connection).await.unwrap();
    }
    let rows = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM trades").fetch_one(&pool).await.unwrap();
    assert_eq!(rows, 1);
    pool.close().await;
    server.stop().await;
}

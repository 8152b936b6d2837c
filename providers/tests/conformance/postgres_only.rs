//! What only a PostgreSQL store has: what people see with psql, a server that goes away, roles, and foreign hands.

use std::sync::Arc;
use std::time::Duration;

use arrow::record_batch::RecordBatch;
use datafusion::physical_plan::{collect, displayable};
use futures::StreamExt;
use tempfile::TempDir;
use zxq_catalog::{JobId, Segment, TableDef};
use zxq_providers::database::postgres::{PostgresOptions, PostgresStore};
use zxq_providers::{ProviderError, TierStore};

use crate::data::{Rows, all_types, column, day, plain};
use crate::harness::Harness;
use crate::stores::Postgres;
use zxq_test_support::postgres_server::{self, PASSWORD, PostgresServer};

/// A harness and a plain connection beside it, with the harness's schema; `None` without a server.
async fn beside() -> Option<(Harness, tokio_postgres::Client, String)> {
    let server = postgres_server::shared()?;
    let store = Harness::new(Postgres).await;
    let schema = Postgres::options(store.folder()).schema;
    Some((store, client(&server.superuser_url()).await, schema))
}

async fn client(url: &str) -> tokio_postgres::Client {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

async fn number(client: &tokio_postgres::Client, sql: &str) -> i64 {
    client.query_one(sql, &[]).await.unwrap_or_else(|e| panic!("{sql}: {e:?}")).get(0)
}

async fn many_rows(store: &Harness, segments: usize, rows: usize) -> (TableDef, Vec<Segment>, Vec<RecordBatch>) {
    let table = plain(5, "big");
    let mut made = Rows::new(90);
    let key = zxq_catalog::PartitionKey::default();
    let parts: Vec<_> = (0..segments).map(|_| (key.clone(), made.batch(&table, &key, rows))).collect();
    let segments = store.load(&table, &parts).await;
    (table, segments, parts.into_iter().map(|(_, rows)| rows).collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_see_each_published_row_once() {
    let Some((store, client, schema)) = beside().await else { return };
    let table = all_types(7, "trades");
    let count = format!("SELECT count(*) FROM {schema}.trades_7");
    store.store.create_table(&table).await.unwrap();
    let mut rows = Rows::new(80);
    let batches = [rows.batch(&table, &day(0, "FX"), 40), rows.batch(&table, &day(0, "FX"), 20)];
    let job = JobId::new();
    let mut old = Vec::new();
    for batch in &batches {
        old.push(store.write(&table, &job, &day(0, "FX"), batch).await);
    }
    assert_eq!(number(&client, &count).await, 0, "written is not yet visible");
    store.publish(&table, &job, &old, &[]).await;
    assert_eq!(number(&client, &count).await, 60);
    let exact =
        format!("SELECT count(*) FROM {schema}.trades_7 WHERE price IS NOT NULL AND symbol COLLATE \"C\" >= 'A'");
    assert!(number(&client, &exact).await > 0);

    // A reader that holds locks on the old segments does not make a publication wait for ever, nor people see rows twice.
    let merged = zxq_providers::sort::merge_sorted(&batches, &table.sort_by).unwrap();
    let (job, later) = (JobId::new(), JobId::new());
    let new = store.write(&table, &job, &day(0, "FX"), &merged).await;
    client.batch_execute(&format!("BEGIN; {count}")).await.unwrap();
    store.publish(&table, &job, std::slice::from_ref(&new), &old).await;
    assert_eq!(number(&client, &count).await, 60);
    client.batch_execute("COMMIT").await.unwrap();
    store.publish(&table, &later, &[], &[]).await;
    assert_eq!(number(&client, &count).await, 60);
    let children = format!("SELECT count(*) FROM pg_inherits WHERE inhparent = '{schema}.trades_7'::regclass");
    assert_eq!(number(&client, &children).await, 1, "the merged segment took the place of the two");
    store.store.drop_segments(&table.storage_name(), &old).await.unwrap();

    let mut wider = table.clone();
    wider.columns.push(column("venue", arrow::datatypes::DataType::Utf8View, "TEXT"));
    store.store.alter_table(&wider).await.unwrap();
    let job = JobId::new();
    let late = store.write(&wider, &job, &day(1, "FX"), &rows.batch(&wider, &day(1, "FX"), 30)).await;
    store.publish(&wider, &job, &[late], &[]).await;
    assert_eq!(
        number(&client, &format!("SELECT count(*) FROM {schema}.trades_7 WHERE venue IS NULL OR true")).await,
        90
    );
    store.store.drop_table(&table.storage_name()).await.unwrap();
    let left = format!(
        "SELECT count(*) FROM pg_class WHERE relnamespace = '{schema}_segments'::regnamespace AND relkind = 'r'"
    );
    assert_eq!(number(&client, &left).await, 1, "only the list of visible segments is left");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn columns_of_a_table_without_rows_get_other_names() {
    let Some((store, client, schema)) = beside().await else { return };
    let mut table = all_types(7, "trades");
    store.store.create_table(&table).await.unwrap();
    table.columns.retain(|column| column.name != "tiny");
    let price = table.column_index("price").unwrap();
    table.columns[price].name = "Price".to_owned();
    store.store.alter_table(&table).await.unwrap();
    let columns = format!(
        "SELECT count(*) FROM pg_attribute WHERE attrelid = '{schema}.trades_7'::regclass AND attname IN ('tiny', 'price', 'Price')"
    );
    assert_eq!(number(&client, &columns).await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn foreign_changes_are_named_and_not_overwritten() {
    let Some((store, client, schema)) = beside().await else { return };
    let table = all_types(7, "trades");
    let rows = Rows::new(81).batch(&table, &day(0, "FX"), 20);
    let segments = store.load(&table, &[(day(0, "FX"), rows)]).await;
    let (place, child) = segments[0].location.split_once('.').unwrap();
    client
        .batch_execute(&format!(
            "ALTER TABLE {schema}.trades_7 DETACH PARTITION {place}.{child}; \
             ALTER TABLE {place}.{child} ALTER COLUMN size TYPE double precision; \
             ALTER TABLE {schema}.trades_7 ALTER COLUMN tiny TYPE integer"
        ))
        .await
        .unwrap();
    let at = table.column_index("size").unwrap();
    let error = store.try_scan(&table, &segments, &[at]).await.unwrap_err().to_string();
    assert!(error.contains("\"size\"") && error.contains("changed from outside"), "{error}");
    let error = store.store.create_table(&table).await.unwrap_err();
    assert!(matches!(error, ProviderError::Changed { .. }), "{error:?}");
    assert!(error.to_string().contains("column \"tiny\" is integer where zxq made it smallint"), "{error}");
    client.batch_execute(&format!("ALTER TABLE {place}.{child} DROP COLUMN price")).await.unwrap();
    let at = table.column_index("price").unwrap();
    let error = store.try_scan(&table, &segments, &[at]).await.unwrap_err().to_string();
    assert!(error.contains("price"), "{error}");
    client.batch_execute(&format!("DROP TABLE {schema}.trades_7")).await.unwrap();
    let publication =
        zxq_providers::Publication { job: &JobId::new(), added: &segments, removed: &[], data_change: true };
    // The parent is made again, and what its child was changed to does not fit it.
    let error = store.store.publish(&table, &publication).await.unwrap_err();
    assert!(matches!(error, ProviderError::Changed { .. }) && error.to_string().contains(child), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_shows_when_the_store_is_opened() {
    let Some(server) = postgres_server::shared() else { return };
    let admin = client(&server.superuser_url()).await;
    admin
        .batch_execute(
            "CREATE ROLE reader LOGIN PASSWORD 'r34d0nly'; ALTER ROLE reader SET default_transaction_read_only = on; \
             CREATE ROLE stranger LOGIN PASSWORD 'str4nger'; REVOKE CREATE ON DATABASE postgres FROM PUBLIC",
        )
        .await
        .unwrap();
    let port = server.port();
    for (url, reason) in [
        (server.url("postgres", "wr0ngpass", "postgres"), "password authentication failed"),
        (server.url("postgres", PASSWORD, "nowhere"), "database \"nowhere\" does not exist"),
        (server.url("reader", "r34d0nly", "postgres"), "\"reader\" is read-only"),
        (server.url("stranger", "str4nger", "postgres"), "permission denied"),
        (format!("postgres://a:wr0ngpass@no-such-host.invalid:{port}/d"), "no-such-host.invalid"),
        ("postgres://a:wr0ngpass@127.0.0.1:1/d".to_owned(), "Connection refused"),
        (format!("{}?sslmode=require", server.superuser_url()), "TLS"),
    ] {
        let options = PostgresOptions::parse(&url).unwrap();
        let begun = std::time::Instant::now();
        let error = PostgresStore::open(options).await.unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(text.contains(reason), "{url}: {text}");
        assert!(begun.elapsed() < Duration::from_secs(20), "{text}");
        for secret in ["wr0ng", "r34d0nly", "str4nger", "s3cret"] {
            assert!(!text.contains(secret), "{text}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_restarts_fails_one_statement_only() {
    if postgres_server::shared().is_none() {
        return;
    }
    let server = PostgresServer::start_another().unwrap();
    let store = Arc::new(PostgresStore::open(PostgresOptions::parse(&server.superuser_url()).unwrap()).await.unwrap());
    let store = Harness::over(store);
    let (table, segments, rows) = many_rows(&store, 2, 200_000).await;
    let all: Vec<usize> = (0..table.columns.len()).collect();
    let plan = store.plan(&table, &segments, &all, vec![], None).await.unwrap();
    let expected = {
        let whole = plan.execute(0, store.context.task_ctx()).unwrap();
        whole.map(|batch| batch.unwrap().num_rows()).collect::<Vec<_>>().await.iter().sum::<usize>()
    };
    let mut stream = plan.execute(0, store.context.task_ctx()).unwrap();
    let mut read = stream.next().await.unwrap().unwrap().num_rows();
    server.crash();
    let mut error = None;
    while let Some(batch) = stream.next().await {
        match batch {
            Ok(batch) => read += batch.num_rows(),
            Err(failed) => error = Some(failed.to_string()),
        }
    }
    match error {
        Some(error) => assert!(error.contains("reading rows"), "{error}"),
        // Everything was on its way already; what must not be is an end that looks like one and is none.
        None => assert_eq!(read, expected, "rows are missing, and nothing was said"),
    }
    server.start_again();
    store.assert_rows(&table, &segments, &rows).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_scans_run_in_parallel_and_can_be_dropped() {
    let Some((store, client, _)) = beside().await else { return };
    let (table, segments, rows) = many_rows(&store, 4, 60_000).await;
    let all: Vec<usize> = (0..table.columns.len()).collect();
    let plan = store.plan(&table, &segments, &all, vec![], None).await.unwrap();
    let text = displayable(plan.as_ref()).indent(false).to_string();
    assert!(text.contains("statements=2") && text.contains("sql=[SELECT \"ts\""), "{text}");
    for _ in 0..2 {
        // Without a reset in between: each run has connections of its own.
        let found = collect(Arc::clone(&plan), store.context.task_ctx()).await.unwrap();
        crate::harness::assert_same_rows(&found, &rows, || text.clone());
    }
    for _ in 0..40 {
        let mut stream = plan.execute(1, store.context.task_ctx()).unwrap();
        assert!(stream.next().await.unwrap().is_ok());
    }
    store.assert_rows(&table, &segments, &rows).await;
    let running = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'zxq' AND state = 'active' \
                   AND query LIKE 'COPY%t5_s%'";
    for _ in 0..100 {
        if number(&client, running).await == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("dropped scans still run in the server");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waiting_for_a_connection_ends() {
    if postgres_server::shared().is_none() {
        return;
    }
    let folder = TempDir::new().unwrap();
    let mut options = Postgres::options(folder.path());
    options.pool.pool_size = 1;
    options.pool.max_overflow = 0;
    options.pool.pool_timeout = Duration::from_millis(300);
    options.pool.pool_recycle = Some(Duration::ZERO);
    let store = Harness::over(Arc::new(PostgresStore::open(options).await.unwrap()));
    let (table, segments, rows) = many_rows(&store, 3, 60_000).await;
    let all: Vec<usize> = (0..table.columns.len()).collect();
    let plan = store.plan(&table, &segments, &all, vec![], None).await.unwrap();
    let mut stream = plan.execute(0, store.context.task_ctx()).unwrap();
    assert!(stream.next().await.unwrap().is_ok());
    let error = store.try_scan(&table, &segments, &[0]).await.unwrap_err().to_string();
    assert!(error.contains("pool_size (1)") && error.contains("max_overflow (0)"), "{error}");
    drop(stream);
    store.assert_rows(&table, &segments, &rows).await;
}

/// Every `sslmode` does what it says, against a server with a certificate of an authority that nobody knows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_is_as_sslmode_says() {
    let openssl = std::process::Command::new("openssl").arg("version").output().is_ok_and(|o| o.status.success());
    if postgres_server::shared().is_none() || !openssl {
        eprintln!("SKIPPED: TLS to PostgreSQL needs a server and openssl");
        return;
    }
    let server = PostgresServer::start_another().unwrap();
    let certificate = server.make_certificate("localhost");
    server.crash();
    server.set("ssl = on\nssl_cert_file = 'server.crt'\nssl_key_file = 'server.key'");
    server.start_again();
    let by_name = server.superuser_url().replace("127.0.0.1", "localhost");
    let root = certificate.display().to_string();
    let open = async |url: String| {
        let mut options = PostgresOptions::parse(&url).unwrap();
        options.pool.pool_timeout = Duration::from_secs(10);
        // The server may still be starting.
        for _ in 0..100 {
            match PostgresStore::open(options.clone()).await {
                Err(ProviderError::Unreachable { reason, .. })
                    if reason.contains("refused") || reason.contains("reset") =>
                {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                other => return other,
            }
        }
        panic!("the server does not come back");
    };
    let encrypted =
        "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE ssl AND application_name = 'zxq'";
    for (mode, wanted) in [("disable", 0), ("allow", 0), ("prefer", 1), ("require", 1)] {
        let store = open(format!("{by_name}?sslmode={mode}")).await.unwrap();
        let watcher = client(&server.superuser_url()).await;
        assert_eq!(number(&watcher, encrypted).await.min(1), wanted, "{mode}");
        store.close().await.unwrap();
        for _ in 0..100 {
            if number(&watcher, encrypted).await == 0 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    let other_address = server.superuser_url();
    open(format!("{by_name}?sslmode=verify-full&sslrootcert={root}")).await.unwrap();
    open(format!("{other_address}?sslmode=verify-ca&sslrootcert={root}")).await.unwrap();
    open(format!("{other_address}?sslmode=require&sslrootcert={root}")).await.unwrap();
    let error = open(format!("{by_name}?sslmode=verify-ca")).await.unwrap_err().to_string();
    assert!(error.contains("certificate"), "an unknown authority: {error}");
    let error = open(format!("{by_name}?sslmode=verify-full")).await.unwrap_err().to_string();
    assert!(error.contains("certificate"), "an unknown authority: {error}");
    let error = open(format!("{other_address}?sslmode=verify-full&sslrootcert={root}")).await.unwrap_err().to_string();
    assert!(error.contains("certificate"), "another name: {error}");

    server.crash();
    server.refuse_plain();
    server.start_again();
    let error = open(format!("{by_name}?sslmode=disable")).await.unwrap_err().to_string();
    assert!(error.contains("no encryption"), "{error}");
    open(format!("{by_name}?sslmode=allow")).await.unwrap();
}

//! What only tables of hypertables have: chunks, their compression, and the view that people query.

use std::time::Duration;

use arrow::datatypes::DataType;
use zxq_catalog::hypertable::{CHUNK_TIME_INTERVAL, COMPRESS_AFTER, HYPERTABLE};
use zxq_catalog::{JobId, TableDef};
use zxq_providers::database::postgres::PostgresStore;

use crate::data::{NEW_YEAR_2024, Rows, all_types, column, day, plain};
use crate::harness::{Harness, StoreKind};
use crate::stores::{Postgres, Timescale};

/// A store, a plain connection beside it, and the store's schema; `None` without TimescaleDB.
async fn beside() -> Option<(Harness, tokio_postgres::Client, String)> {
    if !Timescale::is_available(&Timescale { compressed: false }) {
        return None;
    }
    let folder = tempfile::TempDir::new().unwrap();
    let options = Timescale::options(folder.path());
    let schema = options.schema.clone();
    let harness = Harness::over(std::sync::Arc::new(PostgresStore::open(options).await.unwrap()));
    let url = zxq_test_support::postgres_server::timescale_url().unwrap();
    let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    Some((harness, client, schema))
}

fn asking(mut table: TableDef, options: &[(&str, &str)]) -> TableDef {
    table.options.insert(HYPERTABLE.to_owned(), "true".to_owned());
    table.options.extend(options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    table
}

/// Rows of small values, times of a few years among them.
fn small(seed: u64) -> Rows {
    let mut rows = Rows::new(seed);
    rows.extremes = false;
    rows
}

async fn number(client: &tokio_postgres::Client, sql: &str) -> i64 {
    client.query_one(sql, &[]).await.unwrap_or_else(|e| panic!("{sql}: {e:?}")).get(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn segments_have_the_chunks_and_the_compression_asked_for() {
    let Some((store, client, schema)) = beside().await else { return };
    // One table by days, whose date is a DATE; old enough from the start for one segment, never for the other.
    let mut table = asking(all_types(7, "trades"), &[(CHUNK_TIME_INTERVAL, "86400")]);
    table.time_column = None;
    for column in &mut table.columns {
        column.nullable &= column.name != "trade_date";
    }
    let mut rows = Rows::new(70);
    store.store.create_table(&table).await.unwrap();
    let job = JobId::new();
    let batches = [rows.batch(&table, &day(0, "FX"), 300), rows.batch(&table, &day(1, "FX"), 200)];
    let young = store.write(&table, &job, &day(0, "FX"), &batches[0]).await;
    let chunks =
        format!("SELECT count(*) FROM timescaledb_information.chunks WHERE hypertable_schema = '{schema}_segments'");
    assert_eq!(number(&client, &chunks).await, 1);
    let interval = "SELECT count(*) FROM timescaledb_information.dimensions WHERE time_interval = interval '1 day' \
                    AND column_name = 'trade_date' AND hypertable_schema = ";
    assert_eq!(number(&client, &format!("{interval} '{schema}_segments'")).await, 1);
    let week = Duration::from_secs(7 * 86_400);
    assert!(!store.store.is_due(&table, &young, week), "the table asks for no compression");
    table.options.insert(COMPRESS_AFTER.to_owned(), "604800".to_owned());
    assert!(store.store.is_due(&table, &young, week) && !store.store.is_due(&table, &young, week / 2));
    let old = store.write(&table, &job, &day(1, "FX"), &batches[1]).await;
    assert!(!store.store.is_due(&table, &old, week), "it is compressed already");
    assert_eq!(number(&client, &format!("{chunks} AND is_compressed")).await, 1);
    let later = small(71).batch(&table, &day(36_500, "FX"), 5);
    let future = store.write(&table, &job, &day(36_500, "FX"), &later).await;
    assert_eq!(number(&client, &format!("{chunks} AND is_compressed")).await, 1, "days to come are not old");
    let settings = format!(
        "SELECT count(*) FROM timescaledb_information.hypertable_compression_settings \
         WHERE hypertable::text LIKE '{schema}_segments.%' AND segmentby = 'symbol' AND orderby LIKE 'trade_date%'"
    );
    assert_eq!(number(&client, &settings).await, 1);

    assert!(store.store.bytes_used().await.unwrap() >= young.bytes + old.bytes);
    let segments = [young, old, future];
    let all = [batches[0].clone(), batches[1].clone(), later];
    store.assert_rows(&table, &segments, &all).await;
    store.publish(&table, &job, &segments, &[]).await;
    assert_eq!(number(&client, &format!("SELECT count(*) FROM {schema}.trades_7")).await, 505);
    store.store.drop_table(&table.storage_name()).await.unwrap();
    assert_eq!(number(&client, &chunks).await, 0);
    assert_eq!(
        number(
            &client,
            &format!(
                "SELECT count(*) FROM pg_class WHERE relname = 'trades_7' AND relnamespace = '{schema}'::regnamespace"
            )
        )
        .await,
        0
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_see_each_published_row_once_in_the_view() {
    let Some((store, client, schema)) = beside().await else { return };
    let table = asking(plain(8, "quotes"), &[(CHUNK_TIME_INTERVAL, "315360000"), (COMPRESS_AFTER, "0")]);
    let key = zxq_catalog::PartitionKey::default();
    let mut rows = small(72);
    let count = format!("SELECT count(*) FROM {schema}.quotes_8");
    store.store.create_table(&table).await.unwrap();
    let job = JobId::new();
    let batches = [rows.batch(&table, &key, 40), rows.batch(&table, &key, 20)];
    let mut old = Vec::new();
    for batch in &batches {
        old.push(store.write(&table, &job, &key, batch).await);
    }
    assert_eq!(number(&client, &count).await, 0, "written is not yet visible");
    store.publish(&table, &job, &old, &[]).await;
    assert_eq!(number(&client, &count).await, 60);
    client.batch_execute(&format!("CREATE VIEW {schema}.mine AS SELECT price FROM {schema}.quotes_8")).await.unwrap();

    // Two become one while somebody reads: the new view comes with the next publication.
    let merged = zxq_providers::sort::merge_sorted(&batches, &table.sort_by).unwrap();
    let (job, later) = (JobId::new(), JobId::new());
    let new = store.write(&table, &job, &key, &merged).await;
    client.batch_execute(&format!("BEGIN; {count}")).await.unwrap();
    store.publish(&table, &job, std::slice::from_ref(&new), &old).await;
    assert_eq!(number(&client, &count).await, 60);
    client.batch_execute("COMMIT").await.unwrap();
    store.publish(&table, &later, &[], &[]).await;
    assert_eq!(number(&client, &count).await, 60);
    let ids = format!("SELECT count(DISTINCT zxq_segment) FROM {schema}.quotes_8");
    assert_eq!(number(&client, &ids).await, 1, "the merged segment took the place of the two");
    store.store.drop_segments(&table.storage_name(), &old).await.unwrap();

    // A column more, with a default: for the rows there are, compressed as they lie, and for those that come.
    let mut wider = table.clone();
    let mut venue = column("venue", DataType::Utf8View, "TEXT");
    venue.default = Some("'XNAS'".to_owned());
    wider.columns.push(venue);
    store.store.alter_table(&wider).await.unwrap();
    let job = JobId::new();
    let late = store.write(&wider, &job, &key, &rows.batch(&wider, &key, 30)).await;
    store.publish(&wider, &job, std::slice::from_ref(&late), &[]).await;
    assert_eq!(number(&client, &count).await, 90);
    assert!(number(&client, &format!("{count} WHERE venue = 'XNAS'")).await >= 60);
    assert_eq!(number(&client, &format!("SELECT count(*) FROM {schema}.mine")).await, 90, "what builds on it stays");

    // Rows that somebody still shows can be dropped: they leave the view first.
    store.store.drop_segments(&table.storage_name(), &[late]).await.unwrap();
    assert_eq!(number(&client, &count).await, 60);
    store.assert_rows(&table, &[new], &[merged]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_asks_for_hypertables_when_it_has_rows() {
    let Some((store, client, schema)) = beside().await else { return };
    let table = all_types(9, "trades");
    let mut rows = small(73);
    let first = rows.batch(&table, &day(0, "FX"), 50);
    let segments = store.load(&table, &[(day(0, "FX"), first.clone())]).await;
    let asking = asking(table, &[(COMPRESS_AFTER, "0")]);
    store.store.alter_table(&asking).await.unwrap();
    let second = rows.batch(&asking, &day(1, "FX"), 30);
    let job = JobId::new();
    let chunked = store.write(&asking, &job, &day(1, "FX"), &second).await;
    store.publish(&asking, &job, std::slice::from_ref(&chunked), &[]).await;
    assert_eq!(number(&client, &format!("SELECT count(*) FROM {schema}.trades_9")).await, 80);
    assert!(!store.store.is_due(&asking, &segments[0], Duration::MAX), "a plain table stays as it is");
    let both = [segments[0].clone(), chunked];
    store.assert_rows(&asking, &both, &[first, second]).await;
    let dates =
        format!("SELECT count(*) FROM {schema}.trades_9 WHERE trade_date = date '1970-01-01' + {NEW_YEAR_2024}");
    assert_eq!(number(&client, &dates).await, 50);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_extension_there_are_partitions() {
    if !Postgres::is_available(&Postgres) {
        return;
    }
    let store = Harness::new(Postgres).await;
    let table = asking(all_types(10, "trades"), &[(COMPRESS_AFTER, "0")]);
    let rows = Rows::new(74).batch(&table, &day(0, "FX"), 50);
    let segments = store.load(&table, &[(day(0, "FX"), rows.clone())]).await;
    assert!(!store.store.is_due(&table, &segments[0], Duration::MAX));
    store.assert_rows(&table, &segments, &[rows]).await;
}

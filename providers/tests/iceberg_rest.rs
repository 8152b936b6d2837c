//! Iceberg tables in a REST catalog: tokens, races, answers that never come. (What every store must do, the conformance
//! suite runs on a REST catalog too.)

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/reader_tables.rs"]
#[allow(dead_code, reason = "shared with tests that use all of it")]
mod reader_tables;

use std::path::Path;
use std::sync::Arc;

use reader_tables::{publish, table};
use serde_json::{Value as Json, json};
use zxq_catalog::{Granularity, JobId, PartitionKey, Segment, TableDef};
use zxq_providers::lake::iceberg::{IcebergCatalog, IcebergOptions, IcebergStore, RestAuth, RestOptions};
use zxq_providers::{ProviderError, Publication, TierStore};
use zxq_test_support::iceberg_rest_server;

fn rest(namespace: &str, auth: RestAuth) -> RestOptions {
    let uri = iceberg_rest_server::shared().uri.clone();
    RestOptions { namespace: namespace.to_owned(), auth, ..RestOptions::at(uri) }
}

fn credentials(secret: &str) -> RestAuth {
    RestAuth::ClientCredentials {
        client_id: "zxq".to_owned(),
        client_secret: secret.to_owned(),
        token_uri: None,
        scope: "catalog".to_owned(),
    }
}

fn open(folder: &Path, rest: RestOptions) -> IcebergStore {
    IcebergStore::open(IcebergOptions::at(folder.join("cold"), IcebergCatalog::Rest(rest))).unwrap()
}

/// The table's metadata as the server shows it.
async fn shown(namespace: &str, table: &TableDef) -> Json {
    let uri = &iceberg_rest_server::shared().uri;
    let address = format!("{uri}/v1/some/where/namespaces/{namespace}/tables/{}", table.storage_name());
    let answer = reqwest::Client::new().get(address).bearer_auth("static").send().await.unwrap();
    answer.error_for_status().unwrap().json::<Json>().await.unwrap()["metadata"].take()
}

fn total(metadata: &Json) -> (usize, String) {
    let current = metadata["current-snapshot-id"].as_i64();
    let snapshots = metadata["snapshots"].as_array().unwrap();
    let snapshot = snapshots.iter().find(|s| s["snapshot-id"].as_i64() == current).unwrap();
    (snapshots.len(), snapshot["summary"]["total-records"].as_str().unwrap().to_owned())
}

fn fx(day: i32) -> PartitionKey {
    PartitionKey { period: Some(day), class: Some("FX".to_owned()) }
}

fn rows(table: &TableDef, first: i64, day: i32) -> arrow::array::RecordBatch {
    reader_tables::rows(table, first, Some(day), Some("FX"), 5)
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_given_fetched_and_refused() {
    if !iceberg_rest_server::is_installed() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut definition = table(1, Granularity::Day);
    for (number, auth) in [RestAuth::Token("static".to_owned()), credentials("secret")].into_iter().enumerate() {
        definition.id = number as u64 + 1;
        let store = open(folder.path(), rest("tokens", auth));
        publish(&store, &definition, &fx(1), &rows(&definition, 0, 1), &[]).await;
        assert_eq!(total(&shown("tokens", &definition).await).1, "5");
    }
    for auth in [RestAuth::None, RestAuth::Token("wrong-token".to_owned()), credentials("wrong-secret")] {
        let store = open(folder.path(), rest("tokens", auth));
        let error = store.is_published(&definition, &JobId::new()).await.unwrap_err();
        let text = format!("{error} {error:?} {store:?}");
        assert!(matches!(error, ProviderError::Refused { .. }), "{text}");
        assert!(!text.contains("wrong-"), "a secret is shown: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_that_race_lose_no_file() {
    if !iceberg_rest_server::is_installed() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let definition = Arc::new(table(1, Granularity::Month));
    let mut writers = Vec::new();
    for writer in 0..4 {
        let store = open(folder.path(), rest("races", RestAuth::Token("static".to_owned())));
        let definition = Arc::clone(&definition);
        writers.push(tokio::spawn(async move {
            for turn in 0..3 {
                let day = 366 + writer;
                let key = fx(definition.partitioning.granularity.period_start(day));
                publish(&store, &definition, &key, &rows(&definition, i64::from(writer * 100 + turn * 10), day), &[])
                    .await;
            }
        }));
    }
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(total(&shown("races", &definition).await), (12, "60".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_answer_is_lost_is_made_once() {
    if !iceberg_rest_server::is_installed() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut definition = table(1, Granularity::Year);
    let store = open(folder.path(), rest("lost", RestAuth::Token("static".to_owned())));
    let key = fx(365);
    let first = publish(&store, &definition, &key, &rows(&definition, 0, 400), &[]).await;
    let fail = async |commits: u32| {
        let address = format!("{}/test/fail", iceberg_rest_server::shared().uri);
        reqwest::Client::new().post(address).json(&json!({ "commits": commits })).send().await.unwrap();
    };
    fail(1).await;
    let second = publish(&store, &definition, &key, &rows(&definition, 10, 400), &[]).await;
    assert_eq!(total(&shown("lost", &definition).await), (2, "10".to_owned()));
    assert!(store.is_published(&definition, &second.job).await.unwrap());
    fail(1).await;
    publish(&store, &definition, &key, &rows(&definition, 0, 400), std::slice::from_ref(&first)).await;
    fail(1).await;
    store.drop_segments(&definition.storage_name(), std::slice::from_ref(&first)).await.unwrap();
    assert_eq!(total(&shown("lost", &definition).await), (1, "10".to_owned()));
    fail(1).await;
    let mut added = definition.columns[0].clone();
    (added.name, added.nullable) = ("added".to_owned(), true);
    definition.columns.push(added);
    store.alter_table(&definition).await.unwrap();
    let metadata = shown("lost", &definition).await;
    let current = metadata["schemas"].as_array().unwrap().last().unwrap();
    assert_eq!(current["fields"].as_array().unwrap().last().unwrap()["name"], "added");

    // The same job again, and a replacement that would change rows: nothing happens.
    let again: [Segment; 1] = [second.clone()];
    let publication = Publication { job: &second.job, added: &again, removed: &[], data_change: true };
    store.publish(&definition, &publication).await.unwrap();
    let fewer = [Segment { rows: 4, ..second.clone() }];
    let publication = Publication { job: &JobId::new(), added: &fewer, removed: &again, data_change: false };
    let error = store.publish(&definition, &publication).await.unwrap_err();
    assert!(matches!(error, ProviderError::Corrupt { .. }), "{error}");
    assert_eq!(total(&shown("lost", &definition).await), (1, "10".to_owned()));
    store.drop_table(&definition.storage_name()).await.unwrap();
    store.drop_table(&definition.storage_name()).await.unwrap();
    assert!(!store.is_published(&definition, &second.job).await.unwrap());
}

//! The same store over another implementation of S3, moto's: written, published, read, read back after a restart, dropped.

use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use object_store::{ObjectStoreExt, PutMode, PutOptions};
use zxq_catalog::JobId;
use zxq_providers::TierStore;
use zxq_providers::lake::delta::{DeltaOptions, DeltaStore};
use zxq_providers::lake::objects::StorageRoot;
use zxq_providers::lake::objects::s3::{self, S3Credentials, S3Options};

use crate::data::{Rows, all_types, day};
use crate::harness::Harness;
use zxq_test_support::moto_server::MotoServer;

fn options(server: &MotoServer) -> S3Options {
    let mut options = S3Options::parse("s3://market/zxq").unwrap();
    options.endpoint = Some(server.endpoint().parse().unwrap());
    options.credentials = S3Credentials::Keys {
        access_key_id: "test".to_owned(),
        secret_access_key: "test".to_owned(),
        session_token: None,
    };
    options.part_size = 5 << 20;
    options
}

async fn open(server: &MotoServer) -> Harness {
    let root = s3::connect(&options(server)).await.unwrap();
    let options = DeltaOptions { root, compression: "uncompressed".to_owned(), ..DeltaOptions::at("unused") };
    Harness::over(Arc::new(DeltaStore::open(options).unwrap()) as Arc<dyn TierStore>)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_s3_agrees() {
    let Some(server) = MotoServer::start() else { return };
    let error = s3::connect(&options(&server)).await.unwrap_err().to_string();
    assert!(error.contains("no such bucket"), "{error}");
    let create = "import boto3, sys\nboto3.client('s3', endpoint_url=sys.argv[1]).create_bucket(Bucket='market')\n";
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("create.py");
    std::fs::write(&script, create).unwrap();
    server.run(&script, &[]);

    // Of two conditional puts one wins.
    let StorageRoot::ObjectStore { store, .. } = s3::connect(&options(&server)).await.unwrap() else { panic!() };
    let path = object_store::path::Path::from("probe");
    let create = || PutOptions::from(PutMode::Create);
    store.put_opts(&path, "one".into(), create()).await.unwrap();
    let error = store.put_opts(&path, "two".into(), create()).await.unwrap_err();
    assert!(matches!(error, object_store::Error::AlreadyExists { .. }), "{error:?}");
    assert_eq!(store.get(&path).await.unwrap().bytes().await.unwrap(), "one");

    let harness = open(&server).await;
    let table = all_types(7, "trades");
    let mut rows = Rows::new(9);
    let odd = day(1, "a/b c=%2F+é#?&'\"");
    // The second is larger than a part.
    let parts =
        [(odd.clone(), rows.batch(&table, &odd, 40)), (day(2, "FX"), rows.batch(&table, &day(2, "FX"), 200_000))];
    let segments = harness.load(&table, &parts).await;
    assert!(segments[1].bytes > 5 << 20, "{} bytes", segments[1].bytes);
    let all: Vec<RecordBatch> = parts.iter().map(|(_, rows)| rows.clone()).collect();
    harness.assert_rows(&table, &segments, &all).await;
    let litter = JobId::new();
    harness.write(&table, &litter, &odd, &all[0]).await;

    let harness = open(&server).await;
    harness.assert_rows(&table, &segments, &all).await;
    let before = harness.store.bytes_used().await.unwrap();
    harness.store.sweep_job(&table.storage_name(), &litter).await.unwrap();
    assert!(harness.store.bytes_used().await.unwrap() < before);
    harness.publish(&table, &JobId::new(), &[], &segments[..1]).await;
    harness.store.drop_segments(&table.storage_name(), &segments[..1]).await.unwrap();
    harness.assert_rows(&table, &segments[1..], &all[1..]).await;
    harness.assert_missing(&table, &segments[0]).await;
    harness.store.drop_table(&table.storage_name()).await.unwrap();
    assert_eq!(harness.store.bytes_used().await.unwrap(), 0);
}

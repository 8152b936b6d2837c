//! What only a store in a bucket has: refusals at the door, throttling, time-outs, cut connections, lost answers, uploads in
//! parts, and what is read over the network.

use std::sync::Arc;
use std::time::Duration;

use arrow::record_batch::RecordBatch;
use bytes::Bytes;
use datafusion::error::DataFusionError;
use datafusion::physical_plan::collect;
use datafusion::prelude::{col, lit};
use parquet::file::reader::{FileReader, SerializedFileReader};
use zxq_catalog::{JobId, Segment, TableDef};
use zxq_providers::lake::delta::{DeltaOptions, DeltaStore};
use zxq_providers::lake::objects::range_cache::{DiskCacheOptions, RangeCacheOptions};
use zxq_providers::lake::objects::s3::{self, S3Credentials, S3Encryption, S3Options};
use zxq_providers::{ProviderError, Publication};

use crate::data::{Rows, all_types, day};
use crate::harness::Harness;
use zxq_test_support::s3_server::{BUCKET, Break, KEY, RequestKind, S3Server, SECRET};
use zxq_test_support::segments;

async fn open(options: &S3Options) -> Arc<DeltaStore> {
    let options = DeltaOptions {
        root: s3::connect(options).await.unwrap(),
        row_group_rows: 20_000,
        compression: "uncompressed".to_owned(),
        ..DeltaOptions::at("unused")
    };
    Arc::new(DeltaStore::open(options).unwrap())
}

async fn harness(options: &S3Options) -> Harness {
    Harness::over(open(options).await)
}

/// Nothing is kept in memory, so that every read is a request.
fn uncached(server: &S3Server, prefix: &str) -> S3Options {
    let mut options = server.options(prefix);
    options.cache = RangeCacheOptions { memory_bytes: 0, disk: None };
    options
}

fn data_files(server: &S3Server, prefix: &str) -> Vec<String> {
    let keys = server.keys(prefix).into_iter();
    keys.filter(|key| key.ends_with(".parquet") && !key.contains("_delta_log")).collect()
}

/// Versions in a table's log.
fn versions(server: &S3Server, prefix: &str) -> usize {
    server.keys(prefix).iter().filter(|key| key.contains("_delta_log") && key.ends_with(".json")).count()
}

fn ours(error: &DataFusionError) -> &ProviderError {
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<ProviderError>() {
            return found;
        }
        next = error.source();
    }
    panic!("no error of the store: {error:?}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_opened_says_why() {
    let server = S3Server::start();
    let refused = |adjust: &dyn Fn(&mut S3Options)| {
        let mut options = server.options("p");
        adjust(&mut options);
        async move { s3::connect(&options).await.expect_err("cannot be opened") }
    };
    let mut bucket = S3Options::parse("s3://nobody-has-this/p").unwrap();
    bucket.endpoint = Some(server.endpoint().parse().unwrap());
    bucket.credentials = server.options("p").credentials;
    let error = s3::connect(&bucket).await.unwrap_err();
    assert!(matches!(error, ProviderError::Refused { .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("no such bucket") && text.contains("nobody-has-this"), "{text}");

    let keys = |id: &str, secret: &str| S3Credentials::Keys {
        access_key_id: id.to_owned(),
        secret_access_key: secret.to_owned(),
        session_token: None,
    };
    for (credentials, code) in [(keys("WRONG", SECRET), "403"), (keys(KEY, "wrong secret"), "SignatureDoesNotMatch")] {
        let error = refused(&|o| o.credentials = credentials.clone()).await;
        let text = error.to_string();
        assert!(matches!(error, ProviderError::Refused { .. }), "{error:?}");
        assert!(text.contains(code) || text.contains("InvalidAccessKeyId") || text.contains("NotSignedUp"), "{text}");
        assert!(!text.contains(SECRET) && !text.contains("wrong secret"), "{text}");
    }
    server.break_next(1, RequestKind::List, "", Break::Deny);
    let error = refused(&|_| {}).await;
    assert!(matches!(error, ProviderError::Refused { .. }), "{error:?}");
    assert!(error.to_string().contains("AccessDenied"), "{error}");
    // A closed port, and a name nobody has.
    for endpoint in ["http://127.0.0.1:1", "http://no-such-host.invalid:9000"] {
        let error = refused(&|o| o.endpoint = Some(endpoint.parse().unwrap())).await;
        assert!(matches!(error, ProviderError::Unreachable { .. }), "{error:?}");
        assert!(error.to_string().contains(endpoint), "{error}");
    }
    server.break_next(1, RequestKind::List, "", Break::Delay(Duration::from_secs(3)));
    let error = refused(&|o| {
        o.timeout = Duration::from_millis(200);
        o.retry.max_retries = 0;
    })
    .await;
    assert!(error.to_string().contains("no answer in time"), "{error}");
    server.heal();
    server.take_seen();
    s3::connect(&server.options("p")).await.unwrap();
    assert_eq!(server.take_seen().len(), 1, "requests to open");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn throttling_time_outs_and_cut_connections_are_outlived() {
    let server = S3Server::start();
    let kinds = [RequestKind::Get, RequestKind::List, RequestKind::Put, RequestKind::PutNew, RequestKind::Delete];
    let breaks = [
        (2, Break::SlowDown),
        (1, Break::CutUpload),
        (1, Break::LoseAnswer),
        (1, Break::CutAnswer),
        (1, Break::Delay(Duration::from_millis(1_200))),
    ];
    for (number, (times, action)) in breaks.into_iter().enumerate() {
        let prefix = format!("break{number}/");
        let mut options = uncached(&server, &prefix);
        options.timeout = Duration::from_millis(600);
        let store = harness(&options).await;
        for kind in kinds {
            // Deleting many at once is no request that may be sent twice unasked; collection asks again.
            if kind != RequestKind::Delete || action == Break::SlowDown {
                server.break_next(times, kind, BUCKET, action);
            }
        }
        let table = all_types(7, "trades");
        let mut rows = Rows::new(5);
        let parts: Vec<_> = ["FX", "EQ"].map(|class| (day(0, class), rows.batch(&table, &day(0, class), 30))).into();
        let segments = store.load(&table, &parts).await;
        let all: Vec<RecordBatch> = parts.iter().map(|(_, rows)| rows.clone()).collect();
        store.assert_rows(&table, &segments, &all).await;
        assert_eq!(data_files(&server, &prefix).len(), 2, "{action:?}");
        // The table's beginning and one commit, whatever was sent twice.
        assert_eq!(versions(&server, &prefix), 2, "{action:?}");
        store.store.drop_segments(&table.storage_name(), &segments[..1]).await.unwrap();
        assert_eq!(data_files(&server, &prefix).len(), 1, "{action:?}");
        store.assert_rows(&table, &segments[1..], &all[1..]).await;
        server.heal();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_fails_for_good_leaves_nothing() {
    let server = S3Server::start();
    let store = harness(&uncached(&server, "p")).await;
    let table = all_types(7, "trades");
    let rows = Rows::new(5).batch(&table, &day(0, "FX"), 30);
    store.store.create_table(&table).await.unwrap();
    let job = JobId::new();
    let key = day(0, "FX");
    let write = |id: u64| store.store.write_segment(&table, &job, id, &key, vec![rows.clone()]);
    for (action, is_right) in [
        (Break::SlowDown, (|e| matches!(e, ProviderError::Busy { .. })) as fn(&ProviderError) -> bool),
        (Break::Deny, |e| matches!(e, ProviderError::Refused { .. })),
        (Break::CutUpload, |e| matches!(e, ProviderError::Unreachable { .. })),
    ] {
        server.break_next(100, RequestKind::Put, ".parquet", action);
        let error = write(1).await.unwrap_err();
        assert!(is_right(&error), "{action:?}: {error:?}");
        assert!(error.to_string().contains(".parquet"), "{error}");
        assert_eq!(data_files(&server, "p"), Vec::<String>::new(), "{action:?}");
        server.heal();
    }
    // The file is there, and the log cannot be written.
    let segment = store.write(&table, &job, &day(0, "FX"), &rows).await;
    let added = [segment.clone()];
    let publication = Publication { job: &job, added: &added, removed: &[], data_change: true };
    for action in [Break::SlowDown, Break::Deny, Break::CutUpload] {
        server.break_next(100, RequestKind::PutNew, "_delta_log", action);
        let error = store.store.publish(&table, &publication).await.unwrap_err();
        assert!(!matches!(error, ProviderError::Corrupt { .. }), "{error:?}");
        assert!(!matches!(error, ProviderError::Store { .. }), "{error:?}");
        server.heal();
        assert!(!store.store.is_published(&table, &job).await.unwrap(), "{action:?}");
    }
    assert!(versions(&server, "p") <= 1);
    store.store.sweep_job(&table.storage_name(), &job).await.unwrap();
    assert_eq!(data_files(&server, "p"), Vec::<String>::new());
    // And again, now that it works.
    let segment = store.write(&table, &job, &day(0, "FX"), &rows).await;
    store.publish(&table, &job, std::slice::from_ref(&segment), &[]).await;
    store.assert_rows(&table, &[segment], &[rows]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_whose_answer_is_lost_is_not_made_twice() {
    let server = S3Server::start();
    // Without repetitions by the client too: then the commit itself looks whether it is there.
    for (number, retries) in [0, 4].into_iter().enumerate() {
        let prefix = format!("lost{number}/");
        let mut options = uncached(&server, &prefix);
        options.retry.max_retries = retries;
        let store = harness(&options).await;
        let table = all_types(7, "trades");
        let mut rows = Rows::new(5);
        let first = (day(0, "FX"), rows.batch(&table, &day(0, "FX"), 30));
        let mut segments = store.load(&table, std::slice::from_ref(&first)).await;
        let before = versions(&server, &prefix);
        let second = rows.batch(&table, &day(0, "FX"), 20);
        let job = JobId::new();
        let segment = store.write(&table, &job, &day(0, "FX"), &second).await;
        server.break_next(1, RequestKind::PutNew, "_delta_log", Break::LoseAnswer);
        store.publish(&table, &job, std::slice::from_ref(&segment), &[]).await;
        assert_eq!(versions(&server, &prefix), before + 1, "{retries} retries");
        assert!(store.store.is_published(&table, &job).await.unwrap());
        // The whole publication again, as after a crash.
        store.publish(&table, &job, std::slice::from_ref(&segment), &[]).await;
        assert_eq!(versions(&server, &prefix), before + 1);
        segments.push(segment);
        store.assert_rows(&table, &segments, &[first.1, second]).await;
    }
}

/// Rows of a file that is larger than the smallest part.
const LARGE: usize = 200_000;

/// A segment of some megabytes in one file.
async fn large(store: &Harness, table: &TableDef, job: &JobId) -> (Result<Segment, ProviderError>, RecordBatch) {
    let rows = Rows::new(6).batch(table, &day(0, "FX"), LARGE);
    let written = store.store.write_segment(table, job, 1, &day(0, "FX"), vec![rows.clone()]).await;
    let segment = written
        .map(|written| segments::written(table, job, 1, &day(0, "FX"), (written.location, written.bytes), &rows));
    (segment, rows)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_files_go_up_in_parts_or_not_at_all() {
    let server = S3Server::start();
    let mut options = uncached(&server, "p");
    options.part_size = 5 << 20;
    let store = harness(&options).await;
    let table = all_types(7, "trades");
    store.store.create_table(&table).await.unwrap();
    let job = JobId::new();
    for (kind, action) in [
        (RequestKind::CreateUpload, Break::Deny),
        (RequestKind::UploadPart, Break::SlowDown),
        (RequestKind::UploadPart, Break::CutUpload),
        (RequestKind::CompleteUpload, Break::Deny),
    ] {
        server.break_next(100, kind, ".parquet", action);
        let (written, _) = large(&store, &table, &job).await;
        let error = written.expect_err("a part cannot be written");
        assert!(!matches!(error, ProviderError::Store { .. }), "{kind:?} {action:?}: {error:?}");
        assert_eq!(data_files(&server, "p"), Vec::<String>::new());
        server.heal();
        for _ in 0..200 {
            // Giving up goes on behind the error.
            if server.open_uploads() == 0 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(server.open_uploads(), 0, "{kind:?} {action:?}: parts stay");
    }
    server.take_seen();
    server.break_next(1, RequestKind::UploadPart, ".parquet", Break::CutUpload);
    server.break_next(1, RequestKind::UploadPart, ".parquet", Break::LoseAnswer);
    server.break_next(1, RequestKind::CompleteUpload, ".parquet", Break::LoseAnswer);
    let (segment, rows) = large(&store, &table, &job).await;
    let segment = segment.unwrap();
    let seen = server.take_seen();
    let count = |kind: RequestKind| seen.iter().filter(|s| s.kind == kind).count();
    assert_eq!((count(RequestKind::Put), count(RequestKind::CreateUpload)), (0, 1), "{seen:?}");
    let parts = usize::try_from(segment.bytes.div_ceil(5 << 20)).unwrap();
    assert!(parts >= 2 && count(RequestKind::UploadPart) == parts + 2, "{parts} parts: {seen:?}");
    assert_eq!(server.open_uploads(), 0);
    store.publish(&table, &job, std::slice::from_ref(&segment), &[]).await;
    store.assert_rows(&table, &[segment], &[rows]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failing_network_is_no_damaged_file() {
    let server = S3Server::start();
    let store = harness(&uncached(&server, "p")).await;
    let table = all_types(7, "trades");
    let rows = Rows::new(5).batch(&table, &day(0, "FX"), 30);
    let segments = store.load(&table, &[(day(0, "FX"), rows.clone())]).await;
    let all: Vec<usize> = (0..table.columns.len()).collect();
    for (action, is_right) in [
        (Break::SlowDown, (|e| matches!(e, ProviderError::Busy { .. })) as fn(&ProviderError) -> bool),
        (Break::Deny, |e| matches!(e, ProviderError::Refused { .. })),
        (Break::LoseAnswer, |e| matches!(e, ProviderError::Unreachable { .. })),
    ] {
        server.break_next(100, RequestKind::Get, ".parquet", action);
        let error = store.try_scan(&table, &segments, &all).await.unwrap_err();
        assert!(is_right(ours(&error)), "{action:?}: {error:?}");
        assert!(error.to_string().contains(&segments[0].location), "{error}");
        server.heal();
    }
    store.assert_rows(&table, &segments, &[rows]).await;
    server.die_after(0, false);
    let error = store.try_scan(&table, &segments, &all).await.unwrap_err();
    assert!(server.is_dead() && matches!(ours(&error), ProviderError::Unreachable { .. }), "{error:?}");
    server.heal();
    // A file that is cut short is damaged, over a network too.
    let short = Segment { bytes: segments[0].bytes + 1_000, ..segments[0].clone() };
    let store = harness(&uncached(&server, "p")).await;
    let error = store.try_scan(&table, &[short], &all).await.unwrap_err();
    assert!(matches!(ours(&error), ProviderError::Corrupt { .. }), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_write_asks_for_the_encryption() {
    for (encryption, header) in [
        (S3Encryption::AsTheBucketSays, None),
        (S3Encryption::S3, Some("AES256")),
        (S3Encryption::Kms { key: Some("arn:aws:kms:x:1:key/k".to_owned()) }, Some("aws:kms arn:aws:kms:x:1:key/k")),
        (S3Encryption::Kms { key: None }, Some("aws:kms")),
    ] {
        let server = S3Server::start();
        let mut options = uncached(&server, "p");
        options.encryption = encryption;
        options.part_size = 5 << 20;
        let store = harness(&options).await;
        let table = all_types(7, "trades");
        store.store.create_table(&table).await.unwrap();
        let job = JobId::new();
        let (segment, _) = large(&store, &table, &job).await;
        store.publish(&table, &job, &[segment.unwrap()], &[]).await;
        let rows = Rows::new(5).batch(&table, &day(1, "FX"), 5);
        store.write(&table, &job, &day(1, "FX"), &rows).await;
        let seen = server.take_seen();
        for kind in [RequestKind::Put, RequestKind::PutNew, RequestKind::CreateUpload] {
            let asked: Vec<_> = seen.iter().filter(|s| s.kind == kind).map(|s| s.encryption.as_deref()).collect();
            assert!(!asked.is_empty() && asked.iter().all(|asked| *asked == header), "{kind:?}: {asked:?}");
        }
    }
}

/// GETs, and the bytes they were answered with.
fn read(server: &S3Server) -> (usize, u64) {
    let gets: Vec<_> = server.take_seen().into_iter().filter(|s| s.kind == RequestKind::Get).collect();
    assert!(gets.iter().all(|s| !s.path.contains("_delta_log")), "a query reads the log: {gets:?}");
    (gets.len(), gets.iter().map(|s| s.answered as u64).sum())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_point_query_reads_the_footer_and_the_columns_it_needs() {
    let server = S3Server::start();
    let folder = tempfile::tempdir().unwrap();
    let mut options = server.options("p");
    options.cache.disk = Some(DiskCacheOptions { folder: folder.path().to_owned(), bytes: 64 << 20 });
    let store = harness(&options).await;
    let table = all_types(7, "trades");
    store.store.create_table(&table).await.unwrap();
    let job = JobId::new();
    let (segment, rows) = large(&store, &table, &job).await;
    let segment = segment.unwrap();
    let position = |name: &str| table.columns.iter().position(|c| c.name == name).unwrap();
    let wanted = [position("price"), position("seq")];

    // What it may read, by the file's own footer.
    let file = SerializedFileReader::new(Bytes::from(server.object(&data_files(&server, "p")[0]))).unwrap();
    let (mut allowed, mut chunks) = (64 * 1024, 0);
    for group in file.metadata().row_groups() {
        for column in group.columns() {
            allowed +=
                column.column_index_length().unwrap_or(0) as u64 + column.offset_index_length().unwrap_or(0) as u64;
            let name = column.column_path().string();
            if name == "symbol" {
                allowed += column.bloom_filter_length().unwrap_or(0) as u64;
            }
            if ["symbol", "price", "seq"].contains(&name.as_str()) {
                chunks += column.compressed_size() as u64;
            }
        }
    }
    allowed += chunks;
    assert!(allowed < segment.bytes / 2, "{allowed} of {} bytes: the test would show nothing", segment.bytes);

    let run = async |store: &Harness| {
        let filter = vec![col("symbol").eq(lit("ESH24"))];
        let plan = store.plan(&table, std::slice::from_ref(&segment), &wanted, filter, None).await.unwrap();
        let found = collect(plan, store.context.task_ctx()).await.unwrap();
        let symbols = arrow::array::AsArray::as_string_view(rows.column(position("symbol")).as_ref());
        let matching = symbols.iter().filter(|s| *s == Some("ESH24")).count();
        let count: usize = found.iter().map(RecordBatch::num_rows).sum();
        assert!(matching > 0 && count >= matching, "{count} of {matching} rows");
    };
    server.take_seen();
    run(&store).await;
    let (gets, bytes) = read(&server);
    println!("cold point query: {gets} GETs, {bytes} of {} bytes; allowed {allowed}", segment.bytes);
    assert!(bytes <= allowed, "{bytes} bytes in {gets} GETs, {allowed} are needed at most");
    assert!(bytes > 0 && gets <= 40, "{gets} GETs");
    run(&store).await;
    assert_eq!(read(&server), (0, 0), "the second run");
    // A new process finds the ranges on disk, the footer's among them.
    let again = harness(&options).await;
    server.take_seen();
    run(&again).await;
    assert_eq!(read(&server), (0, 0), "after a restart");
    // Without any cache, the footer of a file is one request, and its neighbours are read together.
    let bare = harness(&uncached(&server, "p")).await;
    server.take_seen();
    bare.assert_rows(&table, std::slice::from_ref(&segment), std::slice::from_ref(&rows)).await;
    let (gets, bytes) = read(&server);
    println!("full scan: {gets} GETs, {bytes} of {} bytes", segment.bytes);
    let groups = LARGE / 20_000;
    assert!(gets <= 1 + 2 * groups, "one for the footer and few for each of {groups} row groups, not {gets}");
    assert!(bytes < segment.bytes + segment.bytes / 10, "{bytes} of {}", segment.bytes);
}

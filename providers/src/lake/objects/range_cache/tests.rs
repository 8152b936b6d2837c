//! What is kept, what is fetched, and what is forgotten.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::single_range_in_vec_init)]

use futures::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStoreExt, PutMultipartOptions,
    PutOptions, PutPayload, PutResult,
};
use parking_lot::Mutex;

use super::*;

/// Notes the ranges that are asked of it.
#[derive(Debug, Default)]
struct Noting {
    inner: InMemory,
    asked: Mutex<Vec<Range<u64>>>,
}

impl Display for Noting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("noting")
    }
}

#[async_trait]
impl ObjectStore for Noting {
    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.asked.lock().extend(ranges.iter().cloned());
        self.inner.get_ranges(location, ranges).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.inner.get_opts(location, options).await
    }

    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.inner.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(&self, at: &Path, options: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(at, options).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

fn content() -> Vec<u8> {
    (0..100_000u32).map(|i| (i * 7 % 251) as u8).collect()
}

async fn cached(options: RangeCacheOptions) -> (Arc<Noting>, Arc<dyn ObjectStore>, Path) {
    let noting = Arc::new(Noting::default());
    let path = Path::from("t/a.parquet");
    noting.put(&path, content().into()).await.unwrap();
    let store = CachedRanges::over(Arc::clone(&noting) as Arc<dyn ObjectStore>, "s3://b/", &options).unwrap();
    (noting, store, path)
}

async fn check(store: &Arc<dyn ObjectStore>, path: &Path, ranges: &[Range<u64>]) {
    let found = store.get_ranges(path, ranges).await.unwrap();
    assert_eq!(found.len(), ranges.len());
    for (bytes, range) in found.iter().zip(ranges) {
        assert_eq!(bytes.as_ref(), &content()[range.start as usize..range.end as usize], "{range:?}");
    }
}

#[tokio::test]
async fn what_was_read_is_not_fetched_again() {
    let (noting, store, path) = cached(RangeCacheOptions { memory_bytes: 1 << 20, disk: None }).await;
    check(&store, &path, &[0..100, 5_000..9_000]).await;
    assert_eq!(std::mem::take(&mut *noting.asked.lock()), [0..100, 5_000..9_000]);
    check(&store, &path, &[5_000..9_000, 10..20, 6_000..6_001]).await;
    assert_eq!(*noting.asked.lock(), [], "both are kept, and parts of them too");
    check(&store, &path, &[90..110, 0..100, 8_999..9_001]).await;
    assert_eq!(std::mem::take(&mut *noting.asked.lock()), [90..110, 8_999..9_001]);
    // The log's own Parquet files, and all that is no Parquet, pass through.
    for name in ["t/_delta_log/1.checkpoint.parquet", "t/a.json"] {
        let other = Path::from(name);
        noting.put(&other, content().into()).await.unwrap();
        check(&store, &other, &[0..10]).await;
        check(&store, &other, &[0..10]).await;
        assert_eq!(std::mem::take(&mut *noting.asked.lock()), [0..10, 0..10], "{name}");
    }
}

#[tokio::test]
async fn files_written_again_or_deleted_are_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Some(DiskCacheOptions { folder: folder.path().to_owned(), bytes: 1 << 20 });
    let (noting, store, path) = cached(RangeCacheOptions { memory_bytes: 1 << 20, disk }).await;
    check(&store, &path, &[0..1_000]).await;
    store.put(&path, vec![1u8; 2_000].into()).await.unwrap();
    assert_eq!(store.get_ranges(&path, &[0..1_000]).await.unwrap()[0].as_ref(), [1u8; 1_000]);
    assert_eq!(noting.asked.lock().len(), 2);
    store.delete(&path).await.unwrap();
    let error = store.get_ranges(&path, &[0..1_000]).await.unwrap_err();
    assert!(matches!(error, object_store::Error::NotFound { .. }), "{error}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "the file's ranges stay on disk");
}

#[tokio::test]
async fn limits_hold_in_memory_and_on_disk() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Some(DiskCacheOptions { folder: folder.path().to_owned(), bytes: 64 * 1024 });
    let (_, store, path) = cached(RangeCacheOptions { memory_bytes: 10_000, disk }).await;
    for at in 0..90 {
        check(&store, &path, std::slice::from_ref(&(at * 1_000..at * 1_000 + 900))).await;
    }
    let files: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap()).collect();
    assert!(!files.is_empty() && files.len() <= 16, "{} files of one block each in 16 blocks", files.len());
    // What is too large to be kept is read all the same.
    check(&store, &path, std::slice::from_ref(&(0..90_000))).await;
}

#[tokio::test]
async fn ranges_on_disk_outlive_the_process_and_damage() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("somebody's.txt"), "x").unwrap();
    std::fs::write(folder.path().join("17.range"), "left by a crash").unwrap();
    let disk = Some(DiskCacheOptions { folder: folder.path().to_owned(), bytes: 1 << 20 });
    let options = RangeCacheOptions { memory_bytes: 0, disk };
    let (noting, store, path) = cached(options.clone()).await;
    check(&store, &path, &[0..100, 5_000..9_000]).await;
    drop(store);
    let store = CachedRanges::over(Arc::clone(&noting) as Arc<dyn ObjectStore>, "s3://b/", &options).unwrap();
    noting.asked.lock().clear();
    check(&store, &path, &[5_100..6_000, 0..100]).await;
    assert_eq!(*noting.asked.lock(), []);
    assert!(folder.path().join("somebody's.txt").exists() && !folder.path().join("17.range").exists());
    // Another store's file of the same name is another file.
    let other = CachedRanges::over(Arc::clone(&noting) as Arc<dyn ObjectStore>, "s3://c/", &options).unwrap();
    check(&other, &path, std::slice::from_ref(&(0..100))).await;
    assert_eq!(std::mem::take(&mut *noting.asked.lock()).len(), 1);
    // Flipped bytes are noticed.
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let file = entry.unwrap().path();
        if file.extension().is_some_and(|e| e == "range") {
            let mut bytes = std::fs::read(&file).unwrap();
            *bytes.last_mut().unwrap() ^= 1;
            std::fs::write(&file, bytes).unwrap();
        }
    }
    check(&store, &path, &[5_100..6_000, 0..100]).await;
    assert_eq!(noting.asked.lock().len(), 2, "damaged ranges are fetched again");
}

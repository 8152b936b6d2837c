//! Files of a store, for the Iceberg library: it reads through zxq's own client, which knows the credentials of a bucket, and
//! which files of a disk may be read.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use ::iceberg::io::{
    FileIO, FileIOBuilder, FileMetadata, FileRead, FileWrite, InputFile, OutputFile, Storage, StorageConfig,
    StorageFactory,
};
use ::iceberg::{Error, ErrorKind, Result};
use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use serde::{Deserialize, Serialize};

/// Files whose addresses begin with `s3://bucket/`, or of this machine's disk, read and never written. The library wants to be able to write such
/// things down; what comes back from that has no client, and says so when it is used.
#[derive(Clone, Serialize, Deserialize)]
struct BucketFiles {
    /// `None` for the disk.
    bucket: Option<String>,
    #[serde(skip)]
    store: Option<Arc<dyn ObjectStore>>,
}

impl fmt::Debug for BucketFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BucketFiles").field("bucket", &self.bucket).finish_non_exhaustive()
    }
}

/// The files of a bucket.
pub(super) fn bucket_files(bucket: &str, store: Arc<dyn ObjectStore>) -> FileIO {
    let files = BucketFiles { bucket: Some(bucket.to_owned()), store: Some(store) };
    FileIOBuilder::new(Arc::new(files)).build()
}

/// The files of this machine's disk that a store gives out.
pub(super) fn disk_files(store: Arc<dyn ObjectStore>) -> FileIO {
    FileIOBuilder::new(Arc::new(BucketFiles { bucket: None, store: Some(store) })).build()
}

fn failed(address: &str, error: object_store::Error) -> Error {
    Error::new(ErrorKind::Unexpected, format!("reading {address}")).with_source(error)
}

fn read_only<T>() -> Result<T> {
    Err(Error::new(ErrorKind::FeatureUnsupported, "tables of others are read only"))
}

impl BucketFiles {
    /// The object at an address, with a client to read it.
    fn object(&self, address: &str) -> Result<(&Arc<dyn ObjectStore>, Path)> {
        let wrong = |why: &str| Error::new(ErrorKind::DataInvalid, format!("{address}: {why}"));
        let key = match &self.bucket {
            Some(bucket) => key_in_bucket(bucket, address),
            None => on_disk(address),
        };
        let key = key.map_err(|why| wrong(&why))?;
        let store = self.store.as_ref().ok_or_else(|| wrong("there is no client for it"))?;
        Ok((store, key))
    }
}

/// The key of an address in a bucket. Hadoop's names of the scheme mean the same; names are taken as they stand: percent
/// signs in them are part of the key.
pub(super) fn key_in_bucket(bucket: &str, address: &str) -> std::result::Result<Path, String> {
    let rest = ["s3://", "s3a://", "s3n://"].iter().find_map(|scheme| address.strip_prefix(scheme));
    let (found, key) = rest.and_then(|rest| rest.split_once('/')).ok_or("it is no address in a bucket")?;
    if found != bucket {
        return Err(format!("it lies in another bucket than {bucket}"));
    }
    Path::parse(key).map_err(|e| e.to_string())
}

/// `/path`, `file:/path` and `file:///path`.
pub(super) fn on_disk(address: &str) -> std::result::Result<Path, String> {
    let path = match address.strip_prefix("file:") {
        Some(rest) => format!("/{}", rest.trim_start_matches('/')),
        None if address.contains("://") => return Err("it does not lie on this machine's disk".to_owned()),
        None => address.to_owned(),
    };
    let path = std::path::absolute(path).map_err(|e| e.to_string())?;
    Path::from_absolute_path(path).map_err(|e| e.to_string())
}

#[typetag::serde(name = "zxq_bucket")]
impl StorageFactory for BucketFiles {
    fn build(&self, _config: &StorageConfig) -> Result<Arc<dyn Storage>> {
        Ok(Arc::new(self.clone()))
    }
}

#[async_trait]
#[typetag::serde(name = "zxq_bucket")]
impl Storage for BucketFiles {
    async fn exists(&self, address: &str) -> Result<bool> {
        let (store, path) = self.object(address)?;
        match store.head(&path).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(failed(address, error)),
        }
    }

    async fn metadata(&self, address: &str) -> Result<FileMetadata> {
        let (store, path) = self.object(address)?;
        let meta = store.head(&path).await.map_err(|e| failed(address, e))?;
        Ok(FileMetadata { size: meta.size })
    }

    async fn read(&self, address: &str) -> Result<Bytes> {
        let (store, path) = self.object(address)?;
        let found = store.get(&path).await.map_err(|e| failed(address, e))?;
        found.bytes().await.map_err(|e| failed(address, e))
    }

    async fn reader(&self, address: &str) -> Result<Box<dyn FileRead>> {
        let (store, path) = self.object(address)?;
        Ok(Box::new(Ranges { store: Arc::clone(store), path }))
    }

    async fn write(&self, _address: &str, _bytes: Bytes) -> Result<()> {
        read_only()
    }

    async fn writer(&self, _address: &str) -> Result<Box<dyn FileWrite>> {
        read_only()
    }

    async fn delete(&self, _address: &str) -> Result<()> {
        read_only()
    }

    async fn delete_prefix(&self, _address: &str) -> Result<()> {
        read_only()
    }

    async fn delete_stream(&self, _addresses: BoxStream<'static, String>) -> Result<()> {
        read_only()
    }

    fn new_input(&self, address: &str) -> Result<InputFile> {
        Ok(InputFile::new(Arc::new(self.clone()), address.to_owned()))
    }

    fn new_output(&self, _address: &str) -> Result<OutputFile> {
        read_only()
    }
}

/// One object, read in parts.
struct Ranges {
    store: Arc<dyn ObjectStore>,
    path: Path,
}

#[async_trait]
impl FileRead for Ranges {
    async fn read(&self, range: Range<u64>) -> Result<Bytes> {
        self.store.get_range(&self.path, range).await.map_err(|e| failed(self.path.as_ref(), e))
    }
}

//! One object, written as its bytes come: it is there once it is whole, and nothing of it where it fails before.

use std::fmt;
use std::sync::Arc;

use bytes::BytesMut;
use object_store::path::Path;
use object_store::{MultipartUpload, ObjectStore, ObjectStoreExt, PutMode, PutPayload};
use tokio::task::JoinSet;

use super::STORE;
use super::connect::connect;
use super::options::S3Options;
use crate::error::{ProviderError, Result};
use crate::lake::objects::faults::failed;
use crate::lake::objects::{StorageRoot, object_path};

/// Parts under way at once.
const PARTS_AT_ONCE: usize = 3;
/// After so many parts they get twice as large: S3 takes no more than 10,000 of one object.
const PARTS_OF_ONE_SIZE: usize = 2_000;

/// An object that is being written.
pub struct ObjectUpload {
    store: Arc<dyn ObjectStore>,
    path: Path,
    /// Its address, for messages.
    address: String,
    part_size: usize,
    /// Bytes that make no part yet.
    rest: BytesMut,
    /// `None` until there is more than one part.
    upload: Option<Box<dyn MultipartUpload>>,
    parts: JoinSet<object_store::Result<()>>,
    begun: usize,
}

impl fmt::Debug for ObjectUpload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectUpload").field("address", &self.address).finish_non_exhaustive()
    }
}

impl ObjectUpload {
    /// Connects to the bucket; `name` is the object's within the options' address. Nothing is written yet.
    ///
    /// # Errors
    /// As [`connect`].
    pub async fn open(options: &S3Options, name: &str) -> Result<ObjectUpload> {
        let address = format!("{}{name}", options.url());
        let StorageRoot::ObjectStore { uncached, url, .. } = connect(options).await? else {
            return Err(ProviderError::Unsupported { store: STORE, what: format!("write {address}") });
        };
        let folder = Path::from_url_path(url.path());
        let folder = folder.map_err(|e| failed(STORE, &format!("write {address}"), Box::new(e)))?;
        Ok(ObjectUpload {
            store: uncached,
            path: object_path(&folder, name)?,
            address,
            part_size: usize::try_from(options.part_size).unwrap_or(usize::MAX),
            rest: BytesMut::new(),
            upload: None,
            parts: JoinSet::new(),
            begun: 0,
        })
    }

    /// True where such an object is there already.
    ///
    /// # Errors
    /// What the bucket's server says.
    pub async fn exists(&self) -> Result<bool> {
        match self.store.head(&self.path).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(self.failed("look at", error)),
        }
    }

    /// Takes bytes in. Waits while parts are under way.
    ///
    /// # Errors
    /// What the bucket's server says; the object is then not written.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.rest.extend_from_slice(bytes);
        loop {
            let size = self.part_size << (self.begun / PARTS_OF_ONE_SIZE).min(8);
            if self.rest.len() <= size {
                return Ok(());
            }
            let part = self.rest.split_to(size);
            self.send(part).await?;
        }
    }

    async fn send(&mut self, part: BytesMut) -> Result<()> {
        let mut upload = match self.upload.take() {
            Some(upload) => upload,
            None => self.store.put_multipart(&self.path).await.map_err(|e| self.failed("write", e))?,
        };
        let sending = upload.put_part(PutPayload::from(part.freeze()));
        self.upload = Some(upload);
        while self.parts.len() >= PARTS_AT_ONCE {
            self.wait_for_part().await?;
        }
        self.parts.spawn(sending);
        self.begun += 1;
        Ok(())
    }

    /// Waits until one of the parts is there; at once where none is under way.
    async fn wait_for_part(&mut self) -> Result<()> {
        match self.parts.join_next().await {
            None | Some(Ok(Ok(()))) => Ok(()),
            Some(Ok(Err(error))) => Err(self.failed("write", error)),
            Some(Err(error)) => Err(ProviderError::store(STORE, format!("write {}", self.address), error)),
        }
    }

    /// Makes the object of the bytes. False where one came to be there meanwhile that is not to be replaced.
    ///
    /// # Errors
    /// What the bucket's server says; the object is then not written.
    pub async fn finish(mut self, replaces: bool) -> Result<bool> {
        if self.upload.is_none() {
            let mode = if replaces { PutMode::Overwrite } else { PutMode::Create };
            let payload = PutPayload::from(self.rest.split().freeze());
            return match self.store.put_opts(&self.path, payload, mode.into()).await {
                Ok(_) => Ok(true),
                Err(object_store::Error::AlreadyExists { .. }) => Ok(false),
                Err(error) => Err(self.failed("write", error)),
            };
        }
        if !self.rest.is_empty() {
            let part = self.rest.split();
            self.send(part).await?;
        }
        while !self.parts.is_empty() {
            self.wait_for_part().await?;
        }
        if !replaces && self.exists().await? {
            self.give_up().await?;
            return Ok(false);
        }
        if let Some(mut upload) = self.upload.take() {
            upload.complete().await.map_err(|e| self.failed("write", e))?;
        }
        Ok(true)
    }

    /// Takes back what was sent.
    ///
    /// # Errors
    /// What the bucket's server says: parts may then stay there, where no listing shows them.
    pub async fn give_up(&mut self) -> Result<()> {
        self.parts.shutdown().await;
        match self.upload.take() {
            Some(mut upload) => upload.abort().await.map_err(|e| self.failed("give up", e)),
            None => Ok(()),
        }
    }

    fn failed(&self, doing: &str, error: object_store::Error) -> ProviderError {
        failed(STORE, &format!("{doing} {}", self.address), Box::new(error))
    }
}

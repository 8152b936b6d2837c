//! The bucket as an object store: large objects in parts, of which nothing stays when they fail.

use std::fmt::{self, Display};
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures::{StreamExt, TryStreamExt};
use object_store::aws::AmazonS3;
use object_store::path::Path;
use object_store::{
    Error, MultipartUpload, ObjectStore, ObjectStoreExt, PutMode, PutMultipartOptions, PutOptions, PutPayload,
    PutResult, Result, UploadPart, coalesce_ranges,
};

use crate::lake::objects::over::{Front, Over};

/// Parts of one object under way at once.
const PARTS_AT_ONCE: usize = 4;
/// S3's most parts of one object.
const MOST_PARTS: usize = 10_000;

/// Ranges with at most this many bytes between them are read by one request.
///
/// A request costs 10 to 30 ms before its first byte, and money; 64 KiB take less than one. A larger gap would save requests
/// that run side by side anyway, and read what nobody needs: a merged pair reads at most this much too much.
const LARGEST_GAP: u64 = 64 * 1024;

/// [`AmazonS3`], with what it leaves to its callers.
#[derive(Debug)]
pub(super) struct S3Store {
    inner: Arc<AmazonS3>,
    part_size: usize,
}

impl S3Store {
    /// Objects larger than `part_size` bytes go up in parts.
    pub(super) fn over(inner: AmazonS3, part_size: usize) -> Over<Self> {
        Over::new(S3Store { inner: Arc::new(inner), part_size })
    }

    async fn put_in_parts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let part_size = self.part_size.max(payload.content_length().div_ceil(MOST_PARTS));
        let PutOptions { tags, attributes, extensions, .. } = options;
        let mut upload =
            self.put_multipart_opts(location, PutMultipartOptions { tags, attributes, extensions }).await?;
        let parts: Vec<UploadPart> =
            cut(&payload, part_size).into_iter().map(|part| upload.put_part(PutPayload::from(part))).collect();
        futures::stream::iter(parts).buffer_unordered(PARTS_AT_ONCE).try_collect::<Vec<()>>().await?;
        upload.complete().await
    }
}

/// The payload in pieces of `size` bytes; the last one may be shorter.
fn cut(payload: &PutPayload, size: usize) -> Vec<Bytes> {
    let mut parts = Vec::with_capacity(payload.content_length().div_ceil(size.max(1)));
    let mut rest = BytesMut::new();
    for chunk in payload {
        let mut chunk = chunk.clone();
        while rest.len() + chunk.len() >= size {
            let piece = chunk.split_to(size - rest.len());
            // Without a rest, the piece is a view of the payload: nothing is copied.
            parts.push(if rest.is_empty() {
                piece
            } else {
                rest.extend_from_slice(&piece);
                rest.split().freeze()
            });
        }
        rest.extend_from_slice(&chunk);
    }
    if !rest.is_empty() {
        parts.push(rest.freeze());
    }
    parts
}

impl Display for S3Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Display::fmt(&self.inner, f)
    }
}

#[async_trait]
impl Front for S3Store {
    type Inner = AmazonS3;

    fn inner(&self) -> &AmazonS3 {
        &self.inner
    }

    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        if matches!(options.mode, PutMode::Overwrite) && payload.content_length() > self.part_size {
            return self.put_in_parts(location, payload, options).await;
        }
        self.inner.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let inner = self.inner.put_multipart_opts(location, options).await?;
        Ok(Box::new(S3Upload {
            inner: Some(inner),
            store: Arc::clone(&self.inner),
            location: location.clone(),
            size: 0,
        }))
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        coalesce_ranges(ranges, |range| self.inner.get_range(location, range), LARGEST_GAP).await
    }
}

/// An upload in parts that is given up unless it is completed: S3 keeps, and bills, the parts of one that is just left.
#[derive(Debug)]
struct S3Upload {
    /// `None` once it is complete or given up.
    inner: Option<Box<dyn MultipartUpload>>,
    store: Arc<AmazonS3>,
    location: Path,
    size: u64,
}

impl S3Upload {
    fn over(&self) -> Error {
        Error::Generic { store: super::STORE, source: format!("the upload of {} is over", self.location).into() }
    }
}

/// True when an upload is there, whole, although completing it failed: the answer to an attempt that worked was lost, and the
/// next attempt found no such upload. Segments are named by their job, so an object of this name and size is this one.
async fn is_there(store: &AmazonS3, location: &Path, size: u64, error: &Error) -> bool {
    let answered = matches!(error, Error::NotFound { .. } | Error::PermissionDenied { .. });
    answered && store.head(location).await.is_ok_and(|found| found.size == size)
}

#[async_trait]
impl MultipartUpload for S3Upload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        self.size += data.content_length() as u64;
        match &mut self.inner {
            Some(inner) => inner.put_part(data),
            None => {
                let error = self.over();
                Box::pin(async move { Err(error) })
            }
        }
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let Some(mut inner) = self.inner.take() else { return Err(self.over()) };
        let error = match inner.complete().await {
            Ok(done) => return Ok(done),
            Err(error) => error,
        };
        let (store, location, size) = (Arc::clone(&self.store), self.location.clone(), self.size);
        if is_there(&store, &location, size, &error).await {
            return Ok(PutResult { e_tag: None, version: None });
        }
        if let Err(abort) = inner.abort().await {
            tracing::warn!(%location, error = %abort, "parts of a failed upload stay in the bucket");
        }
        Err(error)
    }

    async fn abort(&mut self) -> Result<()> {
        match self.inner.take() {
            Some(mut inner) => inner.abort().await,
            None => Ok(()),
        }
    }
}

impl Drop for S3Upload {
    /// A part failed, or whoever uploaded was cancelled.
    fn drop(&mut self) {
        let Some(mut inner) = self.inner.take() else { return };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let location = self.location.clone();
        runtime.spawn(async move {
            if let Err(error) = inner.abort().await {
                tracing::warn!(%location, %error, "parts of a failed upload stay in the bucket");
            }
        });
    }
}

//! A store in front of another one: it says what is different, and the rest passes through.

use std::fmt::{self, Debug, Display};
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMultipartOptions,
    PutOptions, PutPayload, PutResult, RenameOptions, Result,
};

/// What is different in a store that stands in front of another one; each method is that of [`ObjectStore`].
#[async_trait]
pub(crate) trait Front: Debug + Display + Send + Sync + 'static {
    /// The store behind.
    type Inner: ObjectStore + ?Sized;

    /// The store behind.
    fn inner(&self) -> &Self::Inner;

    /// Told before the object at this place is written, replaced or removed.
    fn changes(&self, _location: &Path) {}

    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.inner().put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner().put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.inner().get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.inner().get_ranges(location, ranges).await
    }
}

/// The store that a [`Front`] makes of the one behind it.
#[derive(Debug)]
pub(crate) struct Over<F>(Arc<F>);

impl<F> Over<F> {
    pub(crate) fn new(front: F) -> Self {
        Over(Arc::new(front))
    }
}

impl<F: Front> Display for Over<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Display::fmt(&self.0, f)
    }
}

// A method with a default that is not passed on would be the default here, whatever the store behind does.
#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl<F: Front> ObjectStore for Over<F> {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.0.changes(location);
        self.0.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.0.changes(location);
        self.0.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.0.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.0.get_ranges(location, ranges).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let front = Arc::clone(&self.0);
        let seen = move |location: &Result<Path>| {
            if let Ok(path) = location {
                front.changes(path);
            }
        };
        self.0.inner().delete_stream(locations.inspect(seen).boxed())
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.0.inner().list(prefix)
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        self.0.inner().list_with_offset(prefix, offset)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.0.inner().list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.0.changes(to);
        self.0.inner().copy_opts(from, to, options).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.0.changes(from);
        self.0.changes(to);
        self.0.inner().rename_opts(from, to, options).await
    }
}

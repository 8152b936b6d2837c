//! Local disk as an object store whose puts survive a power cut.
//!
//! The stock local store returns from a put before the bytes, or the name, are on the disk. The Delta log and the catalog
//! name files as soon as a put returns, so here a put syncs the file before it gets its name, and the folder after.

use std::fmt::{self, Display};
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path as FsPath, PathBuf};

use async_trait::async_trait;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    Error, MultipartUpload, ObjectStore, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
    UploadPart,
};

use crate::lake::objects::over::{Front, Over};

const NAME: &str = "durable local disk";

/// [`LocalFileSystem`] with durable, atomic puts.
#[derive(Debug)]
pub(crate) struct DurableLocalStore {
    inner: LocalFileSystem,
}

impl DurableLocalStore {
    /// A store whose `/` is the root of the file system. Folders that become empty by a delete go away.
    pub(crate) fn open() -> Over<Self> {
        Over::new(DurableLocalStore { inner: LocalFileSystem::new().with_automatic_cleanup(true) })
    }
}

impl Display for DurableLocalStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(NAME)
    }
}

fn generic(path: &FsPath, error: io::Error) -> Error {
    let path = path.display();
    let error = io::Error::new(error.kind(), format!("{path}: {error}"));
    Error::Generic { store: NAME, source: Box::new(error) }
}

/// Makes the folders above `path` and syncs the ones above each new folder, so that the new names last.
fn make_parents(path: &FsPath) -> io::Result<()> {
    let Some(parent) = path.parent() else { return Ok(()) };
    let missing: Vec<&FsPath> = parent.ancestors().take_while(|folder| !folder.exists()).collect();
    fs::create_dir_all(parent)?;
    for folder in missing {
        sync_parent(folder)?;
    }
    Ok(())
}

/// Syncs the folder that holds `path`.
fn sync_parent(path: &FsPath) -> io::Result<()> {
    match path.parent() {
        Some(parent) => File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}

/// A new file beside `path`. Its folder may be deleted, as empty, between making it and using it: then try again.
fn open_staged(path: &FsPath) -> io::Result<(File, PathBuf)> {
    // `name#digits` is how the stock store names its staged files, which no listing shows.
    let mut staged = path.as_os_str().to_owned();
    staged.push(format!("#{}", uuid::Uuid::new_v4().as_u128()));
    let staged = PathBuf::from(staged);
    let mut tries = 0;
    loop {
        make_parents(path)?;
        match OpenOptions::new().write(true).create_new(true).open(&staged) {
            Err(error) if error.kind() == ErrorKind::NotFound && tries < 20 => tries += 1,
            other => return other.map(|file| (file, staged)),
        }
    }
}

fn put_durably(path: &FsPath, payload: &PutPayload, create: bool) -> Result<()> {
    let (mut file, staged) = open_staged(path).map_err(|e| generic(path, e))?;
    let written = payload.iter().try_for_each(|chunk| file.write_all(chunk)).and_then(|()| file.sync_all());
    drop(file);
    let named = written.and_then(|()| if create { fs::hard_link(&staged, path) } else { fs::rename(&staged, path) });
    if create || named.is_err() {
        // The staged name is of no use any more; if it cannot be removed it is litter that no listing shows.
        if let Err(error) = fs::remove_file(&staged) {
            tracing::debug!(path = %staged.display(), %error, "could not remove a staged file");
        }
    }
    match named {
        Ok(()) => sync_parent(path).map_err(|e| generic(path, e)),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            Err(Error::AlreadyExists { path: path.display().to_string(), source: Box::new(error) })
        }
        Err(error) => Err(generic(path, error)),
    }
}

async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(Error::Generic { store: NAME, source: Box::new(error) }),
    }
}

#[async_trait]
impl Front for DurableLocalStore {
    type Inner = LocalFileSystem;

    fn inner(&self) -> &LocalFileSystem {
        &self.inner
    }

    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let create = match options.mode {
            PutMode::Create => true,
            PutMode::Overwrite => false,
            PutMode::Update(_) => return self.inner.put_opts(location, payload, options).await,
        };
        let path = self.inner.path_to_filesystem(location)?;
        off_thread(move || put_durably(&path, &payload, create)).await?;
        Ok(PutResult { e_tag: None, version: None })
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let path = self.inner.path_to_filesystem(location)?;
        let inner = self.inner.put_multipart_opts(location, options).await?;
        Ok(Box::new(DurableUpload { inner, path }))
    }
}

/// A large upload (a big checkpoint): synced once it has its name.
#[derive(Debug)]
struct DurableUpload {
    inner: Box<dyn MultipartUpload>,
    path: PathBuf,
}

#[async_trait]
impl MultipartUpload for DurableUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        self.inner.put_part(data)
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let result = self.inner.complete().await?;
        let path = self.path.clone();
        off_thread(move || {
            File::open(&path)
                .and_then(|f| f.sync_all())
                .and_then(|()| sync_parent(&path))
                .map_err(|e| generic(&path, e))
        })
        .await?;
        Ok(result)
    }

    async fn abort(&mut self) -> Result<()> {
        self.inner.abort().await
    }
}

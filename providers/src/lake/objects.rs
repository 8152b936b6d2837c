//! Where the cold tier's objects lie: a folder on this machine, or a bucket.

use std::path::PathBuf;
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore};
use url::Url;

use crate::error::{ProviderError, Result};
use crate::lake::objects::durable_local::DurableLocalStore;
use crate::lake::objects::faults::failed;
use crate::lake::parquet_files::errors;

pub(crate) mod durable_local;
pub(crate) mod faults;
pub(crate) mod over;
pub mod owner;
pub mod range_cache;
pub mod s3;

/// The name of this layer in messages.
pub(crate) const STORE: &str = "object storage";

/// Where the tables of a store lie.
#[derive(Debug, Clone)]
pub enum StorageRoot {
    /// A folder on this machine; made when it is not there.
    Folder(PathBuf),
    /// A folder in an object store. The store must answer conditional puts, and its puts must be durable when they return.
    ObjectStore {
        /// The store; its `/` is the root of the storage system (of the bucket), not of the folder.
        store: Arc<dyn ObjectStore>,
        /// The same without anything kept of its files: for those of others, which may change or go.
        uncached: Arc<dyn ObjectStore>,
        /// The folder, with a scheme that the lakehouse libraries know.
        url: Url,
    },
}

impl StorageRoot {
    /// A folder inside this one.
    ///
    /// # Errors
    /// [`ProviderError::Store`] for a name that makes no URL.
    pub fn inner(self, folder: &str) -> Result<StorageRoot> {
        Ok(match self {
            StorageRoot::Folder(outer) => StorageRoot::Folder(outer.join(folder)),
            StorageRoot::ObjectStore { store, uncached, mut url } => {
                if !url.path().ends_with('/') {
                    url.set_path(&format!("{}/", url.path()));
                }
                let inner = url.join(&format!("{folder}/"));
                let url = inner.map_err(|e| ProviderError::store(STORE, format!("open {folder} in {url}"), e))?;
                StorageRoot::ObjectStore { store, uncached, url }
            }
        })
    }
}

/// A [`StorageRoot`] that is open: what a store reads and writes through.
#[derive(Debug, Clone)]
pub(crate) struct Objects {
    /// Its `/` is the root of the storage system.
    pub(crate) store: Arc<dyn ObjectStore>,
    /// The folder's address; ends in `/`.
    pub(crate) url: Url,
    /// The folder in `store` that locations are relative to.
    pub(crate) root: Path,
}

impl Objects {
    /// Opens the root; a local folder is made when it is not there.
    ///
    /// # Errors
    /// [`ProviderError::Unsupported`] for a folder whose name makes no URL, [`ProviderError::Store`] when it cannot be made.
    pub(crate) fn open(root: StorageRoot) -> Result<Objects> {
        let (store, url): (Arc<dyn ObjectStore>, Url) = match root {
            StorageRoot::Folder(folder) => {
                let name = folder.display().to_string();
                std::fs::create_dir_all(&folder).map_err(|e| errors::writing(&name, e))?;
                let folder = folder.canonicalize().map_err(|e| errors::writing(&name, e))?;
                let url = Url::from_directory_path(&folder).map_err(|()| ProviderError::Unsupported {
                    store: STORE,
                    what: format!("keep tables in folder {name}: its name makes no URL"),
                })?;
                (Arc::new(DurableLocalStore::open()), url)
            }
            StorageRoot::ObjectStore { store, mut url, .. } => {
                if !url.path().ends_with('/') {
                    url.set_path(&format!("{}/", url.path()));
                }
                (store, url)
            }
        };
        let root =
            Path::from_url_path(url.path()).map_err(|e| ProviderError::store(STORE, format!("open {url}"), e))?;
        Ok(Objects { store, url, root })
    }

    /// True for a folder of this machine, where a request costs next to nothing.
    pub(crate) fn is_local(&self) -> bool {
        self.url.scheme() == "file"
    }

    /// The object at a location relative to the root. Locations keep their percent signs: they are names, not URLs.
    pub(crate) fn path(&self, location: &str) -> Result<Path> {
        object_path(&self.root, location)
    }

    /// Every object under a folder of the root, or under the root.
    pub(crate) async fn list(&self, folder: Option<&str>) -> Result<Vec<ObjectMeta>> {
        let prefix = match folder {
            Some(name) => self.path(name)?,
            None => self.root.clone(),
        };
        match self.store.list(Some(&prefix)).try_collect().await {
            Ok(objects) => Ok(objects),
            Err(object_store::Error::NotFound { .. }) => Ok(Vec::new()),
            Err(error) => Err(failed(STORE, &format!("list {prefix}"), Box::new(error))),
        }
    }

    /// Deletes objects; those that are gone already are skipped.
    pub(crate) async fn delete(&self, paths: Vec<Path>) -> Result<()> {
        let mut deleted = self.store.delete_stream(futures::stream::iter(paths.into_iter().map(Ok)).boxed());
        while let Some(result) = deleted.next().await {
            match result {
                Ok(_) | Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(failed(STORE, "delete files", Box::new(error))),
            }
        }
        Ok(())
    }
}

/// As [`Objects::path`], for those that know the root only.
pub(crate) fn object_path(root: &Path, location: &str) -> Result<Path> {
    let full = if root.as_ref().is_empty() { location.to_owned() } else { format!("{root}/{location}") };
    Path::parse(&full).map_err(|e| ProviderError::store(STORE, format!("use the location {location}"), e))
}

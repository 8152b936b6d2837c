//! This machine's disk with one folder to read from: whatever a link, a log or metadata names, nothing outside of it is read.

use std::fmt::{self, Display};
use std::io;
use std::ops::Range;
use std::path::{Path as FsPath, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use object_store::path::Path;
use object_store::{Error, GetOptions, GetResult, ObjectStore, Result};

use crate::lake::objects::over::{Front, Over};

const NAME: &str = "one folder of the local disk";

/// The store with that one folder, whose name holds no links.
pub(super) fn within(inner: Arc<dyn ObjectStore>, folder: &FsPath) -> Arc<dyn ObjectStore> {
    Arc::new(Over::new(Confined { inner, folder: folder.to_owned() }))
}

#[derive(Debug)]
struct Confined {
    inner: Arc<dyn ObjectStore>,
    folder: PathBuf,
}

impl Display for Confined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(NAME)
    }
}

impl Confined {
    /// The file without links in its name.
    fn real(&self, location: &Path) -> Result<Path> {
        let named = FsPath::new("/").join(location.as_ref());
        let real = match named.canonicalize() {
            Ok(real) => real,
            // That there is none may be said of what may be read.
            Err(source) if source.kind() == io::ErrorKind::NotFound && named.starts_with(&self.folder) => {
                return Err(Error::NotFound { path: location.to_string(), source: Box::new(source) });
            }
            Err(_) => named,
        };
        if !real.starts_with(&self.folder) {
            let outside = format!("it lies outside of {}, the folder of this table", self.folder.display());
            let source = Box::new(io::Error::new(io::ErrorKind::PermissionDenied, outside));
            return Err(Error::PermissionDenied { path: location.to_string(), source });
        }
        Ok(Path::from_absolute_path(real)?)
    }
}

#[async_trait]
impl Front for Confined {
    type Inner = dyn ObjectStore;

    fn inner(&self) -> &dyn ObjectStore {
        self.inner.as_ref()
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.inner.get_opts(&self.real(location)?, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.inner.get_ranges(&self.real(location)?, ranges).await
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use object_store::ObjectStoreExt;
    use object_store::local::LocalFileSystem;

    use super::*;

    #[tokio::test]
    async fn links_lead_nowhere_else() {
        let place = tempfile::tempdir().unwrap();
        let root = place.path().canonicalize().unwrap();
        let (inside, outside) = (root.join("inside"), root.join("outside"));
        for folder in [&inside, &outside] {
            std::fs::create_dir(folder).unwrap();
            std::fs::write(folder.join("a b%.parquet"), "bytes").unwrap();
        }
        std::os::unix::fs::symlink(&outside, inside.join("link")).unwrap();
        std::os::unix::fs::symlink(inside.join("a b%.parquet"), inside.join("same")).unwrap();
        let store = within(Arc::new(LocalFileSystem::new()), &inside);
        let at = |path: PathBuf| Path::parse(path.to_str().unwrap()).unwrap();
        for readable in ["a b%.parquet", "same"] {
            let named = at(inside.join(readable));
            assert_eq!(store.get(&named).await.unwrap().bytes().await.unwrap(), "bytes", "{readable}");
            assert_eq!(store.get_range(&named, 1..3).await.unwrap(), "yt", "{readable}");
        }
        for denied in [inside.join("link/a b%.parquet"), outside.join("a b%.parquet"), outside.join("nothing")] {
            let named = at(denied);
            let refused = store.get(&named).await.unwrap_err();
            assert!(matches!(refused, Error::PermissionDenied { .. }), "{refused}");
            assert!(matches!(store.get_range(&named, 0..1).await, Err(Error::PermissionDenied { .. })));
        }
        assert!(matches!(store.head(&at(inside.join("nothing"))).await, Err(Error::NotFound { .. })));
    }
}

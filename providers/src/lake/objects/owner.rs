//! Whose a folder of tables is: two catalogs in one folder would call different tables the same, and each would sweep the
//! other's files.

use bytes::Bytes;
use object_store::path::Path;
use object_store::{Error, ObjectStoreExt, PutMode};

use super::faults::failed;
use super::{Objects, STORE, StorageRoot};
use crate::error::Result;

/// The object in the folder whose text names the owner.
pub const OWNER_OBJECT: &str = "zxq-owner";

/// The catalog that owns the folder; `None` while no one does.
///
/// # Errors
/// When the folder cannot be read.
pub async fn owner(root: &StorageRoot) -> Result<Option<String>> {
    let objects = Objects::open(root.clone())?;
    read(&objects, &objects.path(OWNER_OBJECT)?).await
}

/// Makes `catalog` the owner unless there is one. Returns the owner.
///
/// # Errors
/// When the folder cannot be read or written.
pub async fn claim(root: &StorageRoot, catalog: &str) -> Result<String> {
    let objects = Objects::open(root.clone())?;
    let path = objects.path(OWNER_OBJECT)?;
    if let Some(owner) = read(&objects, &path).await? {
        return Ok(owner);
    }
    let text = Bytes::from(format!("{catalog}\n"));
    match objects.store.put_opts(&path, text.into(), PutMode::Create.into()).await {
        Ok(_) => Ok(catalog.to_owned()),
        // Somebody was faster, or an attempt of our own whose answer was lost.
        Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => {
            Ok(read(&objects, &path).await?.unwrap_or_default())
        }
        Err(error) => Err(failed(STORE, &format!("write {path}"), Box::new(error))),
    }
}

async fn read(objects: &Objects, path: &Path) -> Result<Option<String>> {
    let doing = || format!("read {path}");
    let found = match objects.store.get(path).await {
        Ok(found) => found,
        Err(Error::NotFound { .. }) => return Ok(None),
        Err(error) => return Err(failed(STORE, &doing(), Box::new(error))),
    };
    let text = found.bytes().await.map_err(|e| failed(STORE, &doing(), Box::new(e)))?;
    Ok(Some(String::from_utf8_lossy(&text).trim().to_owned()))
}

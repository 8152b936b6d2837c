//! Where the cold tier's files lie, and whose that place is.
//!
//! The catalog names files relative to the place. A data directory notes it (`cold-place`). A place outside of the data
//! directory notes its catalog in turn (`zxq-owner`), so that two catalogs do not mix their files there, and so that nodes
//! that share a catalog find out that they were given another place.

use std::path::Path;

use zxq_catalog::{CatalogStore, Snapshot, Tier};
use zxq_language::sql::cold_format::ColdFormat;
use zxq_providers::lake::objects::{StorageRoot, owner};

use crate::config::EngineConfig;
use crate::durable_file;
use crate::error::{EngineError, ErrorKind, Result};

/// Name of the file in the data directory. Its text is the place.
const FILE: &str = "cold-place";
/// The usual place: the folder of this name in the data directory.
const INSIDE: &str = "cold";

/// Compares the place that the configuration names with the one that was used before, and notes it. Where cold holds no rows
/// the place may change; Iceberg tables begin anew in the new one.
///
/// # Errors
/// [`ErrorKind::InvalidParameter`] where rows lie in the former place, saying how to bring them over.
pub(crate) async fn check(
    config: &EngineConfig,
    root: &StorageRoot,
    snapshot: &Snapshot,
    catalog: &dyn CatalogStore,
) -> Result<()> {
    let place = name_of(config, root);
    let file = config.data_dir.join(FILE);
    let former = read(&file)?;
    if former.as_ref() == Some(&place) {
        return Ok(());
    }
    if let Some(former) = former {
        let refuse = |what: String| Err(EngineError::new(ErrorKind::InvalidParameter, what));
        if let Some(name) = with_cold_rows(snapshot) {
            return refuse(format!(
                "cold rows of table {name} lie in {former:?}, and the configuration names {place:?}: start with the former \
                 setting of cold, move them out (CALL zxq.migrate('{name}', 'warm', from => 'cold')), change it and move \
                 them back"
            ));
        }
        let mut tables = snapshot.tables.values().filter(|state| state.def.is_stored());
        if config.cold.iceberg.rest.is_some()
            && let Some(state) = tables.find(|state| ColdFormat::of(&state.def) == ColdFormat::Iceberg)
        {
            return refuse(format!(
                "table {} lies in {former:?}, as the REST catalog says, and the configuration names {place:?}: a table \
                 stays where its catalog has it; make a new one and INSERT INTO it SELECT from this one",
                state.def.name
            ));
        }
        for table in catalog.tables_with_pointers().await? {
            catalog.drop_pointer(&table).await?;
        }
    }
    durable_file::write(&file, &format!("{place}\n"))
}

/// Makes the catalog the owner of a place outside of the data directory. One of several nodes that share the catalog claims no
/// place anew while rows lie in cold.
///
/// # Errors
/// [`ErrorKind::InvalidParameter`] for a place of another catalog, or where the rows are not; what the place's storage says.
pub(crate) async fn claim(
    config: &EngineConfig,
    root: &StorageRoot,
    snapshot: &Snapshot,
    catalog: &str,
    access: CatalogUse,
) -> Result<()> {
    let place = name_of(config, root);
    if place == INSIDE {
        return Ok(());
    }
    let filled = match access {
        CatalogUse::Alone => None,
        CatalogUse::SharedWriter | CatalogUse::SharedReader => with_cold_rows(snapshot),
    };
    let found = match access {
        CatalogUse::Alone => Some(owner::claim(root, catalog).await?),
        CatalogUse::SharedWriter if filled.is_none() => Some(owner::claim(root, catalog).await?),
        CatalogUse::SharedWriter | CatalogUse::SharedReader => owner::owner(root).await?,
    };
    let refuse = |what: String| Err(EngineError::new(ErrorKind::InvalidParameter, what));
    match (found, filled) {
        (Some(found), _) if found == catalog => Ok(()),
        (Some(_), _) => refuse(format!(
            "{place:?} holds the cold rows of another catalog: give cold a folder or a bucket's prefix of its own, or empty \
             that place if its catalog is gone for good"
        )),
        (None, Some(name)) => refuse(format!(
            "cold rows of table {name} are not in {place:?}: name the place where they lie, as the other nodes do"
        )),
        (None, None) => Ok(()),
    }
}

/// How this process uses the catalog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CatalogUse {
    /// No other process can use it.
    Alone,
    /// It writes, others may read.
    SharedWriter,
    /// It reads what another one writes.
    SharedReader,
}

/// The place as people name it.
fn name_of(config: &EngineConfig, root: &StorageRoot) -> String {
    match root {
        // A data directory may be moved with what is in it.
        StorageRoot::Folder(folder) if *folder == config.data_dir.join("cold") => INSIDE.to_owned(),
        StorageRoot::Folder(folder) => folder.display().to_string(),
        StorageRoot::ObjectStore { url, .. } => url.as_str().trim_end_matches('/').to_owned(),
    }
}

/// A table with rows in cold.
fn with_cold_rows(snapshot: &Snapshot) -> Option<&str> {
    let mut tables = snapshot.tables.values().filter(|state| state.def.is_stored());
    tables.find(|state| !state.tier(Tier::Cold).is_empty()).map(|state| state.def.name.as_str())
}

fn read(file: &Path) -> Result<Option<String>> {
    match std::fs::read_to_string(file) {
        Ok(text) => Ok(Some(text.trim_end().to_owned())),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(EngineError::io(format!("cannot read {}", file.display()), e)),
    }
}

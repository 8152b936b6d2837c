//! Where the cold tier's files lie, noted in the data directory: the catalog names files relative to that place. (A catalog
//! that several directories share is not looked after here: another of them may have moved on.)

use std::path::Path;

use zxq_catalog::{CatalogStore, Snapshot, Tier};
use zxq_providers::objects::StorageRoot;

use crate::cold_format::ColdFormat;
use crate::config::EngineConfig;
use crate::durable_file;
use crate::error::{EngineError, ErrorKind, Result};

/// Name of the file in the data directory. Its text is the place.
const FILE: &str = "cold-place";

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
    let own = config.data_dir.join("cold");
    let place = match root {
        // A data directory may be moved with what is in it.
        StorageRoot::Folder(folder) if *folder == own => "cold".to_owned(),
        StorageRoot::Folder(folder) => folder.display().to_string(),
        StorageRoot::ObjectStore { url, .. } => url.as_str().trim_end_matches('/').to_owned(),
    };
    let file = config.data_dir.join(FILE);
    let former = read(&file)?;
    if former.as_ref() == Some(&place) {
        return Ok(());
    }
    if let Some(former) = former {
        let refuse = |what: String| Err(EngineError::new(ErrorKind::InvalidParameter, what));
        let tables = || snapshot.tables.values().filter(|state| state.def.external().is_none());
        if let Some(state) = tables().find(|state| !state.tier(Tier::Cold).is_empty()) {
            let name = &state.def.name;
            return refuse(format!(
                "cold rows of table {name} lie in {former:?}, and the configuration names {place:?}: start with the former \
                 setting of cold, move them out (CALL zxq.migrate('{name}', 'warm', from => 'cold')), change it and move \
                 them back"
            ));
        }
        if config.cold.iceberg.rest.is_some()
            && let Some(state) = tables().find(|state| ColdFormat::of(&state.def) == ColdFormat::Iceberg)
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

fn read(file: &Path) -> Result<Option<String>> {
    match std::fs::read_to_string(file) {
        Ok(text) => Ok(Some(text.trim_end().to_owned())),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(EngineError::io(format!("cannot read {}", file.display()), e)),
    }
}

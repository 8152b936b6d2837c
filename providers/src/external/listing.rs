//! The Parquet files of a place, as they are now, and what their folders say.

use std::sync::Arc;

use datafusion::datasource::listing::ListingTableUrl;
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};
use percent_encoding::percent_decode_str;

use super::{ExternalFormat, failed, missing, refused};
use crate::error::Result;

const FORMAT: ExternalFormat = ExternalFormat::Parquet;

/// How Hive, Spark, Arrow and DuckDB name the folder of rows without a value.
const NULL_FOLDER: &str = "__HIVE_DEFAULT_PARTITION__";

/// What data files of a folder are called.
const EXTENSION: &str = ".parquet";

/// A file, with the values that folders named `column=value` give its rows; `None` is NULL.
#[derive(Debug)]
pub(super) struct Listed {
    pub(super) meta: ObjectMeta,
    pub(super) values: Vec<Option<String>>,
}

/// The files of a place.
#[derive(Debug)]
pub(super) struct Listing {
    /// In the order of their names.
    pub(super) files: Vec<Listed>,
    /// Columns that folders give, outermost first.
    pub(super) folder_columns: Vec<String>,
}

/// Lists a place: one file by its name, or all data files of a folder and of the folders in it.
pub(super) async fn list(location: &str, url: &ListingTableUrl, store: &Arc<dyn ObjectStore>) -> Result<Listing> {
    let place = url.prefix();
    if !url.is_collection() {
        match store.head(place).await {
            Ok(meta) => {
                refuse_empty(location, &meta)?;
                let files = vec![Listed { meta, values: Vec::new() }];
                return Ok(Listing { files, folder_columns: Vec::new() });
            }
            // In a bucket a folder need not be named with a slash at its end.
            Err(object_store::Error::NotFound { .. }) => {}
            Err(error) => return Err(failed(FORMAT, "look at", location, error)),
        }
    }
    let listed: Vec<ObjectMeta> =
        store.list(Some(place)).try_collect().await.map_err(|e| failed(FORMAT, "list", location, e))?;
    let mut files = Vec::with_capacity(listed.len());
    let mut folder_columns: Option<Vec<String>> = None;
    for meta in listed {
        let Some((parts, name)) = inside(&meta.location, place) else { continue };
        if parts.iter().any(|part| is_hidden(part)) || is_hidden(&name) || !name.ends_with(EXTENSION) {
            continue;
        }
        refuse_empty(location, &meta)?;
        let (names, values): (Vec<String>, Vec<Option<String>>) = parts
            .iter()
            .filter_map(|part| part.split_once('='))
            .map(|(name, value)| (name.to_owned(), folder_value(value)))
            .unzip();
        match &folder_columns {
            None => folder_columns = Some(names),
            Some(known) if *known == names => {}
            Some(_) => {
                let what = format!("file {} does not lie in folders like the others", meta.location);
                return Err(refused(FORMAT, location, &what));
            }
        }
        files.push(Listed { meta, values });
    }
    if files.is_empty() {
        return Err(missing(FORMAT, location));
    }
    files.sort_by(|one, other| one.meta.location.cmp(&other.meta.location));
    Ok(Listing { files, folder_columns: folder_columns.unwrap_or_default() })
}

/// The folders below the place that a file lies in, and its own name.
fn inside(file: &Path, place: &Path) -> Option<(Vec<String>, String)> {
    let mut parts: Vec<String> = file.prefix_match(place)?.map(|part| part.as_ref().to_owned()).collect();
    let name = parts.pop()?;
    Some((parts, name))
}

/// Files and folders that tools put beside data: `_SUCCESS`, `_temporary`, `_delta_log`, `.part-0.crc`. A folder that gives
/// a column its values is data, whatever the column is called.
fn is_hidden(name: &str) -> bool {
    name.starts_with('.') || (name.starts_with('_') && !name.contains('='))
}

/// What the name of a folder says of its rows, escapes undone.
fn folder_value(text: &str) -> Option<String> {
    (text != NULL_FOLDER).then(|| percent_decode_str(text).decode_utf8_lossy().into_owned())
}

fn refuse_empty(location: &str, meta: &ObjectMeta) -> Result<()> {
    match meta.size {
        0 => Err(refused(FORMAT, location, &format!("file {} is empty, so it is no Parquet file", meta.location))),
        _ => Ok(()),
    }
}

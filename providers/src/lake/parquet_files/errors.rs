//! Turns errors of the libraries below into ones that name the file and say what can be done.

use std::error::Error;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use arrow::error::ArrowError;
use datafusion::error::DataFusionError;
use parquet::errors::ParquetError;

use crate::error::{Cause, ProviderError, Result};
use crate::lake::objects::STORE as OBJECTS;
use crate::lake::objects::faults::{Fault, failed, fault};
use crate::lake::parquet_files::STORE;

/// The first error in the chain of causes, `error` included, of type `T`.
fn cause<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(current) = next {
        if let Some(found) = current.downcast_ref::<T>() {
            return Some(found);
        }
        next = current.source();
    }
    None
}

fn is_disk_full(error: &(dyn Error + 'static)) -> bool {
    cause::<std::io::Error>(error).is_some_and(|e| {
        matches!(e.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge)
    })
}

fn is_not_found(error: &(dyn Error + 'static)) -> bool {
    matches!(cause::<object_store::Error>(error), Some(object_store::Error::NotFound { .. }))
        || cause::<std::io::Error>(error).is_some_and(|e| e.kind() == ErrorKind::NotFound)
}

/// The file of an object store's path, which has no slash in front.
fn on_disk(path: &str) -> PathBuf {
    Path::new("/").join(path)
}

/// An error met while writing `path`.
pub(crate) fn writing(path: &str, source: impl Into<Cause>) -> ProviderError {
    let source = source.into();
    if is_disk_full(source.as_ref()) {
        return ProviderError::DiskFull { path: on_disk(path) };
    }
    match fault(source.as_ref()) {
        Some(_) => failed(OBJECTS, &format!("write {path}"), source),
        None => ProviderError::store(STORE, format!("write {path}"), source),
    }
}

/// An error met while working on the log of the table in `folder`.
pub(crate) fn in_log(folder: &str, doing: &str, source: impl Into<Cause>) -> ProviderError {
    let source = source.into();
    if is_disk_full(source.as_ref()) {
        return ProviderError::DiskFull { path: on_disk(&format!("{folder}/_delta_log")) };
    }
    let doing = format!("{doing} of table folder {folder}");
    match fault(source.as_ref()) {
        Some(_) => failed(OBJECTS, &doing, source),
        None => ProviderError::store(STORE, doing, source),
    }
}

/// True where a remote store did not say whether it did what it was asked, or may do it the next time.
pub(crate) fn is_passing(error: &(dyn Error + 'static)) -> bool {
    matches!(fault(error), Some(Fault::Unreachable(_) | Fault::Throttled(_)))
}

/// An error met while reading or decoding the Parquet file at `path`, whose bytes are immutable: a file that is not there
/// was removed from outside, and one that does not decode was changed. What a server or the way to it did is neither.
fn reading(path: &str, source: Cause) -> ProviderError {
    if is_not_found(source.as_ref()) {
        return ProviderError::Missing { store: STORE, what: format!("file {path}") };
    }
    match fault(source.as_ref()) {
        Some(Fault::NoObject) => return ProviderError::Missing { store: STORE, what: format!("file {path}") },
        Some(Fault::TooShort) | None => {}
        Some(_) => return failed(OBJECTS, &format!("read {path}"), source),
    }
    let io = cause::<std::io::Error>(source.as_ref()).is_some_and(|e| e.kind() != ErrorKind::UnexpectedEof);
    if io {
        return ProviderError::store(STORE, format!("read {path}"), source);
    }
    ProviderError::Corrupt { store: STORE, what: format!("file {path}"), reason: source.to_string() }
}

/// As [`reading`], for the Parquet reader; an error that names its file already stays as it is.
pub(crate) fn reading_parquet(path: &str, error: ParquetError) -> ParquetError {
    match error {
        ParquetError::External(source) if source.is::<ProviderError>() => ParquetError::External(source),
        other => ParquetError::External(Box::new(reading(path, Box::new(other)))),
    }
}

/// As [`reading`], for DataFusion's scan: only errors of the Parquet decoder are about the file; others (a cast, memory)
/// pass unchanged.
pub(crate) fn scanning(path: &str, error: DataFusionError) -> DataFusionError {
    let source: Cause = match error {
        DataFusionError::ParquetError(inner) => match *inner {
            ParquetError::External(source) => match source.downcast::<ProviderError>() {
                Ok(ours) => return DataFusionError::External(ours),
                Err(source) => source,
            },
            other => Box::new(other),
        },
        DataFusionError::ArrowError(inner, context) => match *inner {
            ArrowError::ParquetError(text) => text.into(),
            ArrowError::ExternalError(source) => match source.downcast::<ProviderError>() {
                Ok(ours) => return DataFusionError::External(ours),
                Err(source) if source.is::<ParquetError>() => source,
                Err(source) => {
                    return DataFusionError::ArrowError(Box::new(ArrowError::ExternalError(source)), context);
                }
            },
            other => return DataFusionError::ArrowError(Box::new(other), context),
        },
        DataFusionError::ObjectStore(inner) => inner,
        DataFusionError::Context(text, inner) => {
            return match scanning(path, *inner) {
                DataFusionError::External(ours) => DataFusionError::External(ours),
                other => DataFusionError::Context(text, Box::new(other)),
            };
        }
        other => return other,
    };
    DataFusionError::External(Box::new(reading(path, source)))
}

/// Runs CPU-bound work off the async threads.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(ProviderError::store(STORE, "background work stopped", error)),
    }
}

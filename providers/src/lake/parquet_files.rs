//! One Parquet file per segment: how it is written, where it lies, how it is scanned.
//!
//! Shared by the stores that list these files in a lakehouse's log. Two halves that meet only in the file: writing makes it
//! (`encoding`, `writer`); reading takes paths, sizes and statistics from the catalog's segments and never looks at a log
//! (`scan`, with `files`, `reader`, `footer`, `source` and `defaults`). `layout` is what both agree on, `segments` what a store needs of
//! them.

pub(crate) mod compression;
mod defaults;
mod encoding;
pub(crate) mod errors;
mod files;
pub(crate) mod footer;
pub(crate) mod layout;
pub(crate) mod reader;
pub(crate) mod scan;
pub(crate) mod segments;
pub(crate) mod source;
pub(crate) mod writer;

/// The name of this layer in messages.
pub(crate) const STORE: &str = "parquet";

//! What tables say whose warm segments are to be TimescaleDB hypertables.

use crate::table::{ColumnDef, TableDef};

/// Table option: `true` asks for hypertables.
pub const HYPERTABLE: &str = "hypertable";
/// Table option: seconds that a chunk spans.
pub const CHUNK_TIME_INTERVAL: &str = "chunk_time_interval";
/// Table option: age in seconds at which chunks are compressed, or `never`.
pub const COMPRESS_AFTER: &str = "compress_after";

/// The column that chunks are made by: the time column, else the date that partitions the table.
pub fn hypertable_column(table: &TableDef) -> Option<&ColumnDef> {
    table.column(table.time_column.as_deref().or(table.partitioning.date_column.as_deref())?)
}

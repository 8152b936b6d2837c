//! The hot tier: sorted Arrow batches in memory, and the write-ahead log that makes them durable.
//!
//! Reading order: [`HotSegment`] (one segment and how rows are found in it; those of one key by [`find`]), [`HotStore`] (segments by id within a memory
//! limit), [`HotScanExec`] (reading them in a query plan), [`wal`] (durability).

mod bounds;
pub mod find;
mod index;
mod key;
mod layout;
mod memory;
mod project;
mod scan_exec;
mod segment;
mod store;
mod stream;
#[cfg(test)]
mod testing;
pub mod wal;

pub use memory::{HotReservation, allocated_bytes, compact};
pub use scan_exec::HotScanExec;
pub use segment::{HotSegment, RowSet};
pub use store::{HotOptions, HotStore};

//! The hot tier's memory: what is in use, what is promised, and waiting for space.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::MutableArrayData;
use arrow::array::{Array, ArrayData, ArrayRef, AsArray, make_array};
use arrow::datatypes::DataType;
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use crate::error::{ProviderError, Result};

/// Counts bytes against a limit. Shared by the store, its segments and its reservations.
#[derive(Debug)]
pub(crate) struct HotMemory {
    limit: u64,
    used: Mutex<u64>,
    freed: Notify,
}

impl HotMemory {
    pub(crate) fn new(limit: u64) -> Arc<Self> {
        Arc::new(HotMemory { limit, used: Mutex::new(0), freed: Notify::new() })
    }

    pub(crate) fn used(&self) -> u64 {
        *self.used.lock()
    }

    pub(crate) fn limit(&self) -> u64 {
        self.limit
    }

    /// Promises `bytes` if they fit under the limit.
    pub(crate) fn try_reserve(self: &Arc<Self>, bytes: u64) -> Result<HotReservation> {
        let mut used = self.used.lock();
        if used.saturating_add(bytes) > self.limit {
            return Err(ProviderError::OutOfMemory { used: *used, limit: self.limit, wanted: bytes });
        }
        *used += bytes;
        Ok(HotReservation { memory: Arc::clone(self), bytes })
    }

    /// Takes `bytes` whether they fit or not: for rows that are durable already and must become visible.
    pub(crate) fn reserve_always(self: &Arc<Self>, bytes: u64) -> HotReservation {
        *self.used.lock() += bytes;
        HotReservation { memory: Arc::clone(self), bytes }
    }

    /// Done when bytes are given back after this was first polled, or enabled.
    pub(crate) fn freed(&self) -> Notified<'_> {
        self.freed.notified()
    }

    fn release(&self, bytes: u64) {
        if bytes > 0 {
            {
                let mut used = self.used.lock();
                *used = used.saturating_sub(bytes);
            }
            self.freed.notify_waiters();
        }
    }
}

/// Bytes of the hot tier's memory that are promised to one use; given back when dropped.
#[derive(Debug)]
pub struct HotReservation {
    memory: Arc<HotMemory>,
    bytes: u64,
}

impl HotReservation {
    /// Bytes held.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Makes it hold exactly `bytes`, beyond the limit if need be.
    pub(crate) fn resize(&mut self, bytes: u64) {
        if bytes > self.bytes {
            *self.memory.used.lock() += bytes - self.bytes;
        } else {
            self.memory.release(self.bytes - bytes);
        }
        self.bytes = bytes;
    }

    /// Takes some of it out, for another use; at most all of it.
    #[must_use]
    pub fn split(&mut self, bytes: u64) -> HotReservation {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        HotReservation { memory: Arc::clone(&self.memory), bytes }
    }

    pub(crate) fn memory(&self) -> &Arc<HotMemory> {
        &self.memory
    }

    /// Takes over another reservation of the same memory.
    pub(crate) fn absorb(&mut self, mut other: HotReservation) {
        self.bytes += std::mem::take(&mut other.bytes);
    }
}

impl Drop for HotReservation {
    fn drop(&mut self) {
        self.memory.release(self.bytes);
    }
}

/// Memory the batches keep alive: every allocation once, however many columns and batches share it.
pub fn allocated_bytes(batches: &[RecordBatch]) -> u64 {
    let mut seen = HashSet::new();
    let mut total = 0;
    for column in batches.iter().flat_map(|b| b.columns()) {
        add_allocations(&column.to_data(), &mut seen, &mut total);
    }
    total
}

fn add_allocations(data: &ArrayData, seen: &mut HashSet<usize>, total: &mut u64) {
    let nulls = data.nulls().map(|n| n.buffer());
    for buffer in data.buffers().iter().chain(nulls) {
        if seen.insert(buffer.data_ptr().as_ptr() as usize) {
            *total += buffer.capacity() as u64;
        }
    }
    data.child_data().iter().for_each(|child| add_allocations(child, seen, total));
}

/// Bytes the batch's rows need by themselves.
fn needed_bytes(batch: &RecordBatch) -> u64 {
    let mut total = 0;
    for column in batch.columns() {
        total += match column.data_type() {
            DataType::Utf8View => {
                let array = column.as_string_view();
                let long = if array.data_buffers().is_empty() { 0 } else { array.total_buffer_bytes_used() };
                16 * array.len() + long
            }
            DataType::BinaryView => 16 * column.len() + column.as_binary_view().total_buffer_bytes_used(),
            _ => column.to_data().get_slice_memory_size().unwrap_or_else(|_| column.get_array_memory_size()),
        };
    }
    total as u64
}

/// The same rows in memory of their own, where the batch keeps much more alive than its rows need (a slice of a bigger
/// batch, texts of rows that are elsewhere); else the batch itself.
///
/// # Errors
/// When Arrow cannot rebuild the batch.
pub fn compact(batch: &RecordBatch) -> Result<RecordBatch> {
    let kept = allocated_bytes(std::slice::from_ref(batch));
    let needed = needed_bytes(batch);
    if kept <= needed + needed / 4 + 4096 {
        return Ok(batch.clone());
    }
    let columns: Vec<ArrayRef> = batch.columns().iter().map(own_copy).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(batch.schema(), columns, &options)?)
}

fn own_copy(array: &ArrayRef) -> ArrayRef {
    // `gc` rewrites the texts but keeps the NULL bitmap, the copy below does the reverse.
    let array: ArrayRef = match array.data_type() {
        DataType::Utf8View => Arc::new(array.as_string_view().gc()),
        DataType::BinaryView => Arc::new(array.as_binary_view().gc()),
        _ => Arc::clone(array),
    };
    let data = array.to_data();
    let mut copy = MutableArrayData::new(vec![&data], false, data.len());
    copy.extend(0, 0, data.len());
    make_array(copy.freeze())
}

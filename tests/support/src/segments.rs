//! Segments as the engine describes them, for the tests of stores.

use arrow::record_batch::RecordBatch;
use zxq_catalog::{JobId, PartitionKey, Role, Segment, SegmentId, TableDef, Tier};
use zxq_providers::{row_hash, stats};

/// The owner of sorted rows in cold, which a store has written at a location, where they take a number of bytes.
///
/// # Panics
/// For rows of types that tables do not have.
pub fn written(
    table: &TableDef,
    job: &JobId,
    id: SegmentId,
    partition: &PartitionKey,
    (location, bytes): (String, u64),
    rows: &RecordBatch,
) -> Segment {
    Segment {
        id,
        table: table.id,
        partition: partition.clone(),
        tier: Tier::Cold,
        role: Role::Owner,
        location,
        rows: rows.num_rows() as u64,
        bytes,
        hash: row_hash::hash_batch(rows).unwrap(),
        stats: stats::column_stats(std::slice::from_ref(rows)).unwrap(),
        sorted: true,
        job: job.clone(),
        created_epoch: 1,
    }
}

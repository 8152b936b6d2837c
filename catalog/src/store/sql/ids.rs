//! Ids and fence tokens that are handed out once, for ever.

use super::super::database::{SqlDatabase, TransactionAccess, end};
use super::meta::{meta, set_meta};
use super::stored::to_db;
use crate::error::{CatalogError, Result};
use crate::segment::SegmentId;

/// Meta keys: the smallest number that was never handed out.
pub(super) const NEXT_TABLE_ID: &str = "next_table_id";
pub(super) const NEXT_SEGMENT_ID: &str = "next_segment_id";
pub(super) const NEXT_ROLE_ID: &str = "next_role_id";
pub(super) const NEXT_FENCE: &str = "next_fence";

/// Segment ids made durable ahead of use. Ingest asks for one id per sealed segment; without this each would cost a
/// disk flush. A crash loses what is left of a block, which is harmless: ids need not be dense.
const BLOCK: u64 = 4096;

/// The rest of the durable block of segment ids.
#[derive(Debug, Default)]
pub(super) struct SegmentIdBlock {
    next: SegmentId,
    end: SegmentId,
}

impl SegmentIdBlock {
    /// Hands out `count` consecutive ids, returning the first.
    pub(super) async fn take<D: SqlDatabase>(&mut self, db: &mut D, count: u64) -> Result<SegmentId> {
        let count = count.max(1);
        if self.end - self.next < count {
            let size = count
                .checked_add(BLOCK)
                .ok_or_else(|| CatalogError::Conflict(format!("{count} segment ids are more than there are")))?;
            db.begin(TransactionAccess::Write).await?;
            let outcome = advance(db, NEXT_SEGMENT_ID, size).await;
            self.next = end(db, outcome).await?;
            self.end = self.next + size;
        }
        let first = self.next;
        self.next += count;
        Ok(first)
    }
}

/// Reserves `count` consecutive numbers of a meta counter, inside the caller's transaction.
pub(super) async fn advance<D: SqlDatabase>(db: &mut D, key: &'static str, count: u64) -> Result<u64> {
    let first = meta(db, key).await?;
    set_meta(db, key, to_db(first.saturating_add(count), key)?).await?;
    Ok(first)
}

/// The newest number of a meta counter that was reserved; 0 for none.
pub(super) async fn newest<D: SqlDatabase>(db: &mut D, key: &'static str) -> Result<u64> {
    Ok(meta(db, key).await?.saturating_sub(1))
}

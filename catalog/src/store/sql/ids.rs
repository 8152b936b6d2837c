//! Ids and fence tokens that are handed out once, for ever.

use super::super::database::SqlDatabase;
use super::meta::{meta, set_meta};
use super::stored::to_db;
use crate::error::Result;

/// Meta keys: the smallest number that was never handed out.
pub(super) const NEXT_TABLE_ID: &str = "next_table_id";
pub(super) const NEXT_SEGMENT_ID: &str = "next_segment_id";
pub(super) const NEXT_ROLE_ID: &str = "next_role_id";
pub(super) const NEXT_FENCE: &str = "next_fence";

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

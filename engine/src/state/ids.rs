//! Segment ids, reserved from the catalog in blocks so that ingest does not wait for it. What is left of a block at the end
//! is not used any more: ids need not be dense.

use std::sync::Arc;

use tokio::sync::Mutex;
use zxq_catalog::{CatalogStore, SegmentId};

use crate::error::Result;

/// How many ids one trip to the catalog reserves.
const BLOCK: u64 = 4096;

#[derive(Debug)]
pub(crate) struct SegmentIds {
    catalog: Arc<dyn CatalogStore>,
    block: Mutex<std::ops::Range<u64>>,
}

impl SegmentIds {
    pub(crate) fn new(catalog: Arc<dyn CatalogStore>) -> Self {
        SegmentIds { catalog, block: Mutex::new(0..0) }
    }

    /// The next unused id.
    pub(crate) async fn next(&self) -> Result<SegmentId> {
        let mut block = self.block.lock().await;
        match block.next() {
            Some(id) => Ok(id),
            None => {
                let first = self.catalog.reserve_segment_ids(BLOCK).await?;
                *block = first + 1..first + BLOCK;
                Ok(first)
            }
        }
    }
}

//! The rows of a statement that are needed together: gathered as long as the memory of statements has room for them.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::ArrayData;
use arrow::record_batch::RecordBatch;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, MemoryReservation};
use futures::TryStreamExt;

use crate::error::Result;

/// Rows, and the memory that is counted for them until they are dropped.
pub(crate) struct Gathered {
    pub(crate) batches: Vec<RecordBatch>,
    _memory: MemoryReservation,
}

/// Reads all rows.
///
/// # Errors
/// What the stream says; [`crate::ErrorKind::OutOfMemory`] where the rows take more memory than statements may have.
pub(crate) async fn gather(
    mut rows: SendableRecordBatchStream,
    pool: &Arc<dyn MemoryPool>,
    what: &str,
) -> Result<Gathered> {
    let memory = MemoryConsumer::new(format!("rows of {what}")).register(pool);
    let mut seen = HashSet::new();
    let mut batches = Vec::new();
    while let Some(batch) = rows.try_next().await? {
        let bytes = batch.columns().iter().map(|column| new_bytes(&column.to_data(), &mut seen)).sum();
        memory.try_grow(bytes)?;
        batches.push(batch);
    }
    Ok(Gathered { batches, _memory: memory })
}

/// Bytes of the buffers that were not seen before: batches are often parts of the same larger ones.
fn new_bytes(data: &ArrayData, seen: &mut HashSet<usize>) -> usize {
    let nulls = data.nulls().map(|nulls| nulls.buffer());
    let own: usize = data
        .buffers()
        .iter()
        .chain(nulls)
        .filter(|buffer| seen.insert(buffer.data_ptr().as_ptr() as usize))
        .map(|buffer| buffer.capacity())
        .sum();
    own + data.child_data().iter().map(|child| new_bytes(child, seen)).sum::<usize>()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use arrow::array::{Array, Int64Array};
    use arrow::datatypes::{DataType, Field, Schema};
    use datafusion::execution::memory_pool::GreedyMemoryPool;
    use datafusion::physical_plan::stream::RecordBatchStreamAdapter;

    use super::*;
    use crate::error::{EngineError, ErrorKind};

    fn stream(batches: Vec<RecordBatch>) -> SendableRecordBatchStream {
        let rows = futures::stream::iter(batches.clone().into_iter().map(Ok));
        Box::pin(RecordBatchStreamAdapter::new(batches[0].schema(), rows))
    }

    fn batch(rows: usize) -> RecordBatch {
        let schema = Arc::new(Schema::new(vec![Field::new("x", DataType::Int64, false)]));
        RecordBatch::try_new(schema, vec![Arc::new(Int64Array::from(vec![1; rows])) as Arc<dyn Array>]).unwrap()
    }

    #[tokio::test]
    async fn rows_are_counted_once_and_given_back() {
        let pool: Arc<dyn MemoryPool> = Arc::new(GreedyMemoryPool::new(100_000));
        let one = batch(10_000);
        let slices: Vec<_> = (0..100).map(|at| one.slice(at * 100, 100)).collect();
        let gathered = gather(stream(slices), &pool, "INSERT").await.unwrap();
        assert_eq!(gathered.batches.len(), 100);
        assert!((80_000..100_000).contains(&pool.reserved()), "{}", pool.reserved());
        drop(gathered);
        assert_eq!(pool.reserved(), 0);
        let error: EngineError =
            gather(stream(vec![batch(10_000), batch(10_000)]), &pool, "INSERT").await.err().unwrap();
        assert_eq!(error.kind(), ErrorKind::OutOfMemory);
        assert_eq!(pool.reserved(), 0);
    }
}

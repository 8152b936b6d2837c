//! The rows of a statement that are needed together: gathered as long as the memory of statements has room for them.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::ArrayData;
use arrow::record_batch::RecordBatch;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, MemoryReservation};
use futures::TryStreamExt;

use crate::error::Result;

/// Rows, and the memory that is counted for them until it is dropped.
pub(crate) struct Gathered {
    pub(crate) batches: Vec<RecordBatch>,
    pub(crate) memory: MemoryReservation,
}

/// The rows of a statement, or as many of them as are gathered.
pub(crate) enum Beginning {
    All(Gathered),
    /// There may be more.
    Some(Gathered, SendableRecordBatchStream),
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
    let mut gathering = Gathering::new(pool, what);
    while let Some(batch) = rows.try_next().await? {
        gathering.add(batch)?;
    }
    Ok(gathering.gathered)
}

/// Reads rows until they take `most` bytes, or more than statements may have.
///
/// # Errors
/// What the stream says.
pub(crate) async fn gather_up_to(
    most: usize,
    mut rows: SendableRecordBatchStream,
    pool: &Arc<dyn MemoryPool>,
    what: &str,
) -> Result<Beginning> {
    let mut gathering = Gathering::new(pool, what);
    while let Some(batch) = rows.try_next().await? {
        if gathering.add(batch).is_err() || gathering.gathered.memory.size() > most {
            return Ok(Beginning::Some(gathering.gathered, rows));
        }
    }
    Ok(Beginning::All(gathering.gathered))
}

struct Gathering {
    gathered: Gathered,
    seen: HashSet<usize>,
}

impl Gathering {
    fn new(pool: &Arc<dyn MemoryPool>, what: &str) -> Self {
        let memory = MemoryConsumer::new(format!("rows of {what}")).register(pool);
        Gathering { gathered: Gathered { batches: Vec::new(), memory }, seen: HashSet::new() }
    }

    /// Takes rows in; an error says that they could not be counted any more.
    fn add(&mut self, batch: RecordBatch) -> datafusion::error::Result<()> {
        let bytes = batch.columns().iter().map(|column| new_bytes(&column.to_data(), &mut self.seen)).sum();
        self.gathered.batches.push(batch);
        self.gathered.memory.try_grow(bytes)
    }
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
    #![allow(clippy::unwrap_used, clippy::panic)]

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

    #[tokio::test]
    async fn what_is_more_is_left_in_the_stream() {
        let pool: Arc<dyn MemoryPool> = Arc::new(GreedyMemoryPool::new(100_000));
        let three = vec![batch(1_000), batch(1_000), batch(1_000)];
        let all = gather_up_to(50_000, stream(three.clone()), &pool, "INSERT").await.unwrap();
        assert!(matches!(all, Beginning::All(gathered) if gathered.batches.len() == 3));
        // At the limit of the statement, and at that of all.
        let eleven = vec![batch(10_000), batch(10_000), batch(1)];
        for (most, rows, taken) in [(10_000, three, 2), (1_000_000, eleven, 2)] {
            let Beginning::Some(gathered, rest) = gather_up_to(most, stream(rows), &pool, "INSERT").await.unwrap()
            else {
                panic!("all of it is gathered");
            };
            assert_eq!(gathered.batches.len(), taken, "none is lost");
            assert_eq!(rest.try_collect::<Vec<_>>().await.unwrap().len(), 1);
            drop(gathered);
            assert_eq!(pool.reserved(), 0);
        }
    }
}

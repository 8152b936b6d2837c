#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod columns;
mod damage;
mod deletes;
mod trust;

use std::sync::Arc;

use arrow::array::RecordBatch;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;

/// A Parquet file's bytes.
fn parquet_bytes(batches: &[RecordBatch], properties: WriterProperties) -> Vec<u8> {
    let mut writer = ArrowWriter::try_new(Vec::new(), batches[0].schema(), Some(properties)).unwrap();
    for batch in batches {
        writer.write(batch).unwrap();
        writer.flush().unwrap();
    }
    writer.into_inner().unwrap()
}

/// Files of a store in memory, one of them with these bytes.
async fn file(bytes: Vec<u8>, by_number: bool) -> (super::files::Files, ObjectMeta) {
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let path = Path::from("some.parquet");
    store.put(&path, bytes.into()).await.unwrap();
    let meta = store.head(&path).await.unwrap();
    (super::files::Files::listed("memory://", store, by_number), meta)
}

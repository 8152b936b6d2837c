//! Entries and their payloads: rows as one Arrow IPC record batch, schemas, commits.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::buffer::Buffer;
use arrow::datatypes::SchemaRef;
use arrow::ipc::reader::read_record_batch;
use arrow::ipc::writer::{CompressionContext, DictionaryTracker, IpcDataGenerator, IpcWriteOptions};
use arrow::record_batch::RecordBatch;
use parking_lot::Mutex;
use xxhash_rust::xxh3::xxh3_64;
use zxq_catalog::{PartitionKey, TableId};

use super::frame::{Reader, put_partition};
use crate::error::{ProviderError, Result};
use crate::hot::memory::{allocated_bytes, compact};

/// Rows of a larger entry are split over several frames of about this size, bytes.
const MAX_FRAME_BYTES: u64 = 32 << 20;

/// Schemas remembered in their encoded form.
const MAX_CACHED_SCHEMAS: usize = 256;

/// Rows to be logged: all of one partition of one table.
#[derive(Debug, Clone)]
pub struct WalEntry {
    /// The table that the rows belong to.
    pub table: TableId,
    /// The partition that all the rows belong to.
    pub partition: PartitionKey,
    /// The rows, of all columns of the table.
    pub batch: RecordBatch,
}

/// A table's partition.
pub(super) type Key = (TableId, PartitionKey);

/// A payload in two parts, with its checksum, ready to be framed.
#[derive(Debug)]
pub(super) struct EncodedRows {
    pub(super) key: Key,
    pub(super) schema: Arc<EncodedSchema>,
    pub(super) head: Vec<u8>,
    pub(super) body: Vec<u8>,
    pub(super) crc: u32,
}

impl EncodedRows {
    pub(super) fn len(&self) -> usize {
        self.head.len() + self.body.len()
    }
}

/// A schema as IPC bytes, named by their hash.
#[derive(Debug)]
pub(super) struct EncodedSchema {
    pub(super) id: u64,
    pub(super) payload: Vec<u8>,
}

/// Turns entries into payloads.
#[derive(Debug, Default)]
pub(super) struct Encoder {
    schemas: Mutex<Vec<(SchemaRef, Arc<EncodedSchema>)>>,
}

impl Encoder {
    /// The entry's rows for transaction `txn`, in one or more payloads.
    pub(super) fn encode(&self, txn: u64, entry: &WalEntry) -> Result<Vec<EncodedRows>> {
        let batch = compact(&entry.batch)?;
        let schema = self.schema(&batch.schema())?;
        let rows = batch.num_rows();
        let frames = allocated_bytes(std::slice::from_ref(&batch)).div_ceil(MAX_FRAME_BYTES).max(1) as usize;
        let per_frame = rows.div_ceil(frames).max(1);
        let mut encoded = Vec::with_capacity(frames);
        let mut start = 0;
        while start < rows {
            let part = if per_frame >= rows {
                batch.clone()
            } else {
                compact(&batch.slice(start, per_frame.min(rows - start)))?
            };
            start += part.num_rows();
            encoded.push(encode_rows(txn, entry, &part, &schema)?);
        }
        Ok(encoded)
    }

    fn schema(&self, schema: &SchemaRef) -> Result<Arc<EncodedSchema>> {
        let mut known = self.schemas.lock();
        if let Some((_, encoded)) = known.iter().find(|(s, _)| Arc::ptr_eq(s, schema) || s == schema) {
            return Ok(Arc::clone(encoded));
        }
        let mut tracker = DictionaryTracker::new(true);
        let bytes = IpcDataGenerator::default()
            .schema_to_bytes_with_dictionary_tracker(schema, &mut tracker, &IpcWriteOptions::default())
            .ipc_message;
        let id = xxh3_64(&bytes);
        let mut payload = id.to_le_bytes().to_vec();
        payload.extend_from_slice(&bytes);
        let encoded = Arc::new(EncodedSchema { id, payload });
        if known.len() >= MAX_CACHED_SCHEMAS {
            known.clear();
        }
        known.push((Arc::clone(schema), Arc::clone(&encoded)));
        Ok(encoded)
    }
}

fn encode_rows(txn: u64, entry: &WalEntry, batch: &RecordBatch, schema: &Arc<EncodedSchema>) -> Result<EncodedRows> {
    let mut tracker = DictionaryTracker::new(true);
    let mut compression = CompressionContext::default();
    let (dictionaries, data) =
        IpcDataGenerator::default().encode(batch, &mut tracker, &IpcWriteOptions::default(), &mut compression)?;
    if !dictionaries.is_empty() {
        return Err(ProviderError::Unsupported {
            store: "wal",
            what: format!("log dictionary-encoded columns of table {}; cast them to their value type", entry.table),
        });
    }
    let too_big = || ProviderError::Unsupported {
        store: "wal",
        what: format!("log {} rows of table {} in one frame: they take more than 4 GiB", batch.num_rows(), entry.table),
    };
    let meta_len = u32::try_from(data.ipc_message.len()).map_err(|_| too_big())?;
    let mut head = Vec::with_capacity(64 + data.ipc_message.len());
    head.extend_from_slice(&txn.to_le_bytes());
    head.extend_from_slice(&entry.table.to_le_bytes());
    head.extend_from_slice(&schema.id.to_le_bytes());
    put_partition(&mut head, &entry.partition);
    head.extend_from_slice(&meta_len.to_le_bytes());
    head.extend_from_slice(&data.ipc_message);
    u32::try_from(head.len() + data.arrow_data.len()).map_err(|_| too_big())?;
    let crc = crc32c::crc32c_append(crc32c::crc32c(&head), &data.arrow_data);
    Ok(EncodedRows {
        key: (entry.table, entry.partition.clone()),
        schema: Arc::clone(schema),
        head,
        body: data.arrow_data,
        crc,
    })
}

/// What a rows payload says before its rows.
#[derive(Debug)]
pub(super) struct RowsHead {
    pub(super) txn: u64,
    pub(super) key: Key,
    pub(super) schema: u64,
    /// Where the IPC message and the body are in the payload.
    message: std::ops::Range<usize>,
    body: usize,
}

impl RowsHead {
    pub(super) fn parse(payload: &[u8]) -> Option<Self> {
        let mut reader = Reader(payload);
        let txn = reader.u64()?;
        let table = reader.u64()?;
        let schema = reader.u64()?;
        let partition = reader.partition()?;
        let meta_len = reader.u32()? as usize;
        let start = payload.len() - reader.0.len();
        reader.take(meta_len)?;
        let body = start + meta_len;
        Some(RowsHead { txn, key: (table, partition), schema, message: start..body, body })
    }

    /// The rows, whose memory is one copy of the payload's body.
    pub(super) fn decode(&self, payload: &[u8], schemas: &HashMap<u64, SchemaRef>) -> Result<RecordBatch, String> {
        let schema = schemas.get(&self.schema).ok_or("its schema is not in the file")?;
        let message = payload.get(self.message.clone()).ok_or("it is short")?;
        let message = arrow::ipc::root_as_message(message).map_err(|e| e.to_string())?;
        let header = message.header_as_record_batch().ok_or("it is not an Arrow record batch")?;
        let body = Buffer::from(payload.get(self.body..).ok_or("it is short")?);
        read_record_batch(&body, header, Arc::clone(schema), &HashMap::new(), None, &message.version())
            .map_err(|e| e.to_string())
    }
}

/// The id of a schema payload's schema.
pub(super) fn schema_id(payload: &[u8]) -> Option<u64> {
    Reader(payload).u64()
}

/// The id and the schema of a schema payload.
pub(super) fn parse_schema(payload: &[u8]) -> Result<(u64, SchemaRef), String> {
    let mut reader = Reader(payload);
    let id = reader.u64().ok_or("it is short")?;
    let message = arrow::ipc::root_as_message(reader.0).map_err(|e| e.to_string())?;
    let schema = message.header_as_schema().ok_or("it is not an Arrow schema")?;
    Ok((id, Arc::new(arrow::ipc::convert::fb_to_schema(schema))))
}

/// The payload of a commit: the transaction, and how many frames of each partition belong to it.
pub(super) fn encode_commit(txn: u64, frames: &HashMap<Key, u32>) -> Vec<u8> {
    let mut payload = txn.to_le_bytes().to_vec();
    payload.extend_from_slice(&(frames.len() as u32).to_le_bytes());
    for ((table, partition), count) in frames {
        payload.extend_from_slice(&table.to_le_bytes());
        put_partition(&mut payload, partition);
        payload.extend_from_slice(&count.to_le_bytes());
    }
    payload
}

pub(super) fn parse_commit(payload: &[u8]) -> Option<(u64, HashMap<Key, u32>)> {
    let mut reader = Reader(payload);
    let txn = reader.u64()?;
    let count = reader.u32()?;
    let mut frames = HashMap::new();
    for _ in 0..count {
        let table = reader.u64()?;
        let partition = reader.partition()?;
        frames.insert((table, partition), reader.u32()?);
    }
    Some((txn, frames))
}

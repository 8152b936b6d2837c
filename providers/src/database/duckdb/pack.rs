//! Packs: small segments that are written together share one DuckDB table, because a table takes a block of the file for itself
//! however few rows it has.
//!
//! A column says which segment a row belongs to, by its position in the pack. A pack is written once, by one job; a segment that
//! is dropped takes its rows with it, and the last one the table.

use std::collections::BTreeMap;
use std::sync::Arc;

use ::duckdb::Connection;
use arrow::array::{ArrayRef, Int32Array};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Schema};
use arrow::record_batch::RecordBatch;
use zxq_catalog::{JobId, Segment, TableDef};

use super::database::DuckDbFile;
use super::names::{self, Parts};
use super::write::{NewTable, StoredRows, columns_sql, drop_tables};
use crate::database::sql::select::among;
use crate::database::sql::{POSITION_COLUMN, quote};
use crate::error::Result;
use crate::tier_store::{SegmentRows, WrittenSegment};

/// Segments of more bytes than this have a table of their own: DuckDB's block.
const MOST_BYTES: u64 = 256 * 1024;
/// Most segments of one pack.
const MOST_SEGMENTS: usize = 4096;
/// Rows that are appended at once.
const ROWS_AT_ONCE: usize = 8192;

/// Writes segments of one table, the small ones among them in packs. Each table that it makes is durable when it is done; where it
/// fails, those before it stay until the job is swept.
pub(super) fn write_segments(
    database: &DuckDbFile,
    connection: &Connection,
    table: &TableDef,
    job: &JobId,
    segments: &[SegmentRows],
) -> Result<Vec<WrittenSegment>> {
    let columns = columns_sql(table)?;
    let schema = table.storage_name();
    // The table's own column of that name would be another one.
    let can_pack = segments.len() > 1 && table.columns.iter().all(|c| !c.name.eq_ignore_ascii_case(POSITION_COLUMN));
    let mut written: Vec<Option<WrittenSegment>> = segments.iter().map(|_| None).collect();
    let mut small = Vec::new();
    for (segment, written) in segments.iter().zip(&mut written) {
        let name = names::segment_table(segment.id, job);
        let stored = StoredRows::new(table, &name, &segment.rows)?;
        if can_pack && stored.bytes <= MOST_BYTES {
            small.push((segment.id, stored, written));
            continue;
        }
        let bytes = stored.bytes;
        NewTable { schema: &schema, name: &name, columns: &columns }.write(
            database,
            connection,
            stored.batches,
            bytes,
        )?;
        *written = Some(WrittenSegment { location: names::location(&schema, &name), bytes });
    }
    let mut columns = columns;
    columns.push(format!("{} INTEGER", quote(POSITION_COLUMN)));
    for pack in small.chunks_mut(MOST_SEGMENTS) {
        let Some((first, _, _)) = pack.first() else { continue };
        let name = names::pack_table(*first, job);
        let rows = with_positions(pack.iter().map(|(_, stored, _)| stored))?;
        let bytes = pack.iter().map(|(_, stored, _)| stored.bytes).sum();
        NewTable { schema: &schema, name: &name, columns: &columns }.write(database, connection, rows, bytes)?;
        for (position, (_, stored, written)) in (0..).zip(pack) {
            let location = names::packed_location(&schema, &name, position);
            **written = Some(WrittenSegment { location, bytes: stored.bytes });
        }
    }
    Ok(written.into_iter().flatten().collect())
}

/// The rows of all segments, each with its segment's position.
fn with_positions<'a>(segments: impl Iterator<Item = &'a StoredRows>) -> Result<Vec<RecordBatch>> {
    let (mut gathered, mut pending) = (Vec::new(), Vec::new());
    let mut rows = 0;
    for (position, segment) in (0..).zip(segments) {
        for batch in &segment.batches {
            rows += batch.num_rows();
            pending.push(with_position(batch, position)?);
        }
        if rows >= ROWS_AT_ONCE {
            gathered.extend(one_batch(&pending)?);
            pending.clear();
            rows = 0;
        }
    }
    gathered.extend(one_batch(&pending)?);
    Ok(gathered)
}

fn with_position(batch: &RecordBatch, position: i32) -> Result<RecordBatch> {
    let mut fields = batch.schema().fields().to_vec();
    fields.push(Arc::new(Field::new(POSITION_COLUMN, DataType::Int32, true)));
    let mut columns = batch.columns().to_vec();
    columns.push(Arc::new(Int32Array::from_value(position, batch.num_rows())) as ArrayRef);
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
}

fn one_batch(batches: &[RecordBatch]) -> Result<Option<RecordBatch>> {
    Ok(match batches.first() {
        Some(first) => Some(concat_batches(&first.schema(), batches)?),
        None => None,
    })
}

/// Drops segments, all or none; those already gone are skipped.
pub(super) fn drop_segments(database: &DuckDbFile, connection: &Connection, segments: &[Segment]) -> Result<()> {
    let mut tables = Vec::new();
    let mut packed: BTreeMap<Parts<'_>, Vec<u32>> = BTreeMap::new();
    for segment in segments {
        let parts = names::parts(&segment.location)?;
        match parts.position {
            None => tables.push(parts.table_sql()),
            Some(position) => packed.entry(Parts { position: None, ..parts }).or_default().push(position),
        }
    }
    if packed.is_empty() {
        return drop_tables(database, connection, &tables);
    }
    let error = |e| database.error("dropping segments", e);
    connection.execute_batch("BEGIN TRANSACTION").map_err(error)?;
    for (pack, positions) in packed {
        let there = "SELECT count(*) FROM duckdb_tables() WHERE schema_name = ? AND table_name = ?";
        let found: i64 = connection.query_row(there, [pack.schema, pack.table], |row| row.get(0)).map_err(error)?;
        if found == 0 {
            continue;
        }
        let place = pack.table_sql();
        let left = format!("SELECT count(*) FROM {place} WHERE NOT ({})", among(positions.clone()));
        let left: i64 = connection.query_row(&left, [], |row| row.get(0)).map_err(error)?;
        if left == 0 {
            tables.push(place);
        } else {
            let delete = format!("DELETE FROM {place} WHERE {}", among(positions));
            connection.execute_batch(&delete).map_err(error)?;
        }
    }
    let drops: Vec<String> = tables.iter().map(|place| format!("DROP TABLE IF EXISTS {place};")).collect();
    connection.execute_batch(&format!("{} COMMIT;", drops.concat())).map_err(error)
}

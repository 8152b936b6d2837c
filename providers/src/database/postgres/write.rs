//! Writing one segment: a table made, filled, indexed, analysed and counted in one transaction.

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::Arc;

use arrow::array::{Array, AsArray};
use arrow::datatypes::DataType;
use arrow::record_batch::RecordBatch;
use bytes::{Bytes, BytesMut};
use futures::SinkExt;
use tokio_postgres::Transaction;
use zxq_catalog::{JobId, SegmentId, TableDef};

use super::encode::{Encoder, HEADER};
use super::errors::Context;
use super::hypertable::{self, SegmentForm};
use super::names::{LONGEST, SEGMENT_COLUMN, location, place, segment_table, segments_schema};
use super::pool::Pool;
use super::{NAME, layout, types};
use crate::adapt::adapt_batch;
use crate::database::sql::quote;
use crate::error::{ProviderError, Result};
use crate::tier_store::WrittenSegment;

/// Bytes sent at once.
const CHUNK: usize = 256 * 1024;

/// An index holds keys of at most about 2,700 bytes; columns with longer texts than this are left out of indexes.
const LONGEST_KEY: u32 = 600;

/// Bounds of the statistics target; the server's own, where it is lower, holds.
const LEAST_STATISTICS_TARGET: usize = 10;
const MOST_STATISTICS_TARGET: usize = 10_000;

/// Names that every PostgreSQL table has already.
const TAKEN: [&str; 7] = ["ctid", "xmin", "xmax", "cmin", "cmax", "tableoid", SEGMENT_COLUMN];

/// Fails when PostgreSQL cannot hold this table, saying why.
pub(super) fn check_table(table: &TableDef) -> Result<()> {
    for column in &table.columns {
        types::column_sql_type(&column.name, &column.data_type)?;
        let reason = if TAKEN.contains(&column.name.as_str()) {
            "the name is taken"
        } else if column.name.len() > LONGEST {
            "names have at most 63 bytes"
        } else if column.name.contains('\0') || column.name.is_empty() {
            "it is no name"
        } else {
            continue;
        };
        return Err(ProviderError::Unsupported {
            store: NAME,
            what: format!("hold column \"{}\" of table \"{}\": {reason}; rename it", column.name, table.name),
        });
    }
    Ok(())
}

/// Writes the rows to a table of their own, durably when it returns. Nothing is left when it fails. Rows of an earlier
/// attempt by the same job are replaced.
pub(super) async fn write_segment(
    pool: &Arc<Pool>,
    table: &TableDef,
    job: &JobId,
    id: SegmentId,
    rows: &[RecordBatch],
) -> Result<WrittenSegment> {
    check_table(table)?;
    let (people, schema) = (&pool.options().schema, segments_schema(&pool.options().schema));
    let name_of = |kind| segment_table(&table.storage_name(), id, job, kind);
    let doing = || format!("writing segment {schema}.{}", name_of(SegmentForm::Plain));
    let expected: usize = rows.iter().map(RecordBatch::num_rows).sum();
    if expected == 0 {
        let what = format!("write segment {} without rows", name_of(SegmentForm::Plain));
        return Err(ProviderError::Unsupported { store: NAME, what });
    }
    let target = table.schema();
    let rows = rows.iter().map(|batch| adapt_batch(batch, &target)).collect::<Result<Vec<RecordBatch>>>()?;
    let mut connection = pool.get().await?;
    let transaction = connection.client_mut()?.transaction().await.context(doing)?;
    // Asked of each table once it is there: only the segments of a view may be hypertables.
    let timescale = match hypertable::is_asked_for(table) && layout::is_view(&transaction, people, table).await? {
        true => hypertable::functions(&transaction).await?,
        false => None,
    };
    let kind = if timescale.is_some() { hypertable::kind_for(table, &rows) } else { SegmentForm::Plain };
    let name = name_of(kind);
    let at = place(&schema, &name);
    let mut start: Vec<String> = SegmentForm::ALL
        .iter()
        .map(|kind| format!("DROP TABLE IF EXISTS {}", place(&schema, &name_of(*kind))))
        .collect();
    start.push(format!("CREATE TABLE {at} ({})", layout::segment_columns(table)?));
    transaction.batch_execute(&start.join("; ")).await.context(doing)?;
    if let Some(functions) = &timescale {
        hypertable::make(&transaction, functions, &at, table).await?;
    }
    // A table made in this transaction: its rows need no second writing to be seen as old. (Chunks are made by the rows.)
    let freeze = if timescale.is_some() { "" } else { ", FREEZE" };
    let found = copy_in(&transaction, &format!("COPY {at} FROM STDIN (FORMAT binary{freeze})"), &rows, doing).await?;
    if usize::try_from(found) != Ok(expected) {
        return Err(ProviderError::Corrupt {
            store: NAME,
            what: format!("segment {schema}.{name}"),
            reason: format!("rows that were sent: {expected}, rows that are there: {found}"),
        });
    }
    let mut finish = Vec::new();
    if timescale.is_none() {
        // Added after the rows, the hidden column takes no space in them; the check lets the segment be attached unread.
        finish.push(format!(
            "ALTER TABLE {at} ADD COLUMN {SEGMENT_COLUMN} bigint NOT NULL DEFAULT {id}, ADD CHECK ({SEGMENT_COLUMN} = {id})"
        ));
    }
    for keys in indexes(table, &rows) {
        finish.push(format!("CREATE INDEX ON {at} ({})", keys.join(", ")));
    }
    transaction.batch_execute(&finish.join("; ")).await.context(doing)?;
    if let Some(functions) = timescale.as_ref().filter(|_| kind == SegmentForm::Compressed) {
        hypertable::compress(&transaction, functions, &at, table).await?;
    }
    transaction.batch_execute(&analyze(&at, expected)).await.context(doing)?;
    transaction.commit().await.context(doing)?;
    let size = match &timescale {
        Some(functions) => hypertable::size_sql(functions, &at),
        None => format!("SELECT pg_total_relation_size('{at}'::regclass)"),
    };
    let row = connection.client()?.query_one(&size, &[]).await.context(doing)?;
    connection.give_back();
    let bytes = u64::try_from(row.get::<_, i64>(0)).unwrap_or(0);
    Ok(WrittenSegment { location: location(&schema, &name), bytes })
}

/// Gathers statistics within the transaction. The server looks at 300 rows for each step of its statistics target, which
/// would be half of a small segment: a tenth of the rows does.
fn analyze(at: &str, rows: usize) -> String {
    let target = (rows / 10 / 300).clamp(LEAST_STATISTICS_TARGET, MOST_STATISTICS_TARGET);
    format!(
        "SELECT set_config('default_statistics_target', \
         least(current_setting('default_statistics_target')::int, {target})::text, true); ANALYZE {at}"
    )
}

async fn copy_in(
    transaction: &Transaction<'_>,
    copy: &str,
    rows: &[RecordBatch],
    doing: impl Fn() -> String,
) -> Result<u64> {
    let mut sink = pin!(transaction.copy_in::<_, Bytes>(copy).await.context(&doing)?);
    let mut out = BytesMut::with_capacity(CHUNK + 4096);
    out.extend_from_slice(HEADER);
    for batch in rows {
        let encoder = Encoder::new(batch)?;
        for row in 0..batch.num_rows() {
            encoder.row(row, &mut out)?;
            if out.len() >= CHUNK {
                sink.send(out.split().freeze()).await.context(&doing)?;
            }
        }
    }
    out.extend_from_slice(&(-1_i16).to_be_bytes());
    sink.send(out.freeze()).await.context(&doing)?;
    sink.finish().await.context(&doing)
}

/// The keys of each index: the sort key, and each lookup column that does not begin it.
fn indexes(table: &TableDef, rows: &[RecordBatch]) -> Vec<Vec<String>> {
    let fits = |name: &String| table.column_index(name).is_some_and(|position| short(rows, position));
    let mut lists: Vec<Vec<&String>> = vec![table.sort_by.iter().take_while(|name| fits(name)).take(4).collect()];
    for column in table.lookup.iter().filter(|name| fits(name)) {
        if table.sort_by.first() != Some(column) {
            lists.push(vec![column]);
        }
    }
    let lists: BTreeSet<Vec<&String>> = lists.into_iter().filter(|keys| !keys.is_empty()).collect();
    lists.into_iter().map(|keys| keys.into_iter().map(|key| format!("{} NULLS FIRST", quote(key))).collect()).collect()
}

/// True when no value of the column is too long for an index.
fn short(rows: &[RecordBatch], position: usize) -> bool {
    rows.iter().filter_map(|batch| batch.columns().get(position)).all(|array| match array.data_type() {
        DataType::Utf8View => array.as_string_view().lengths().all(|length| length <= LONGEST_KEY),
        DataType::BinaryView => array.as_binary_view().lengths().all(|length| length <= LONGEST_KEY),
        _ => true,
    })
}

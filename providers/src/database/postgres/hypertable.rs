//! Segments as TimescaleDB hypertables, for tables that ask for them on servers that have the extension.
//!
//! Each segment is a hypertable of its own, so that it is still written, moved and dropped as a whole: chunks of a shared
//! one could be dropped by time alone. Its chunks are compressed by the transaction that writes it, when all its rows are
//! old enough, and otherwise not at all: a server that compresses a table while it is read takes rows out of the sight of
//! statements that began before. A segment whose rows come of age later is written anew, as a move within the tier.

use std::sync::Once;
use std::time::{Duration, SystemTime};

use arrow::array::AsArray;
use arrow::compute::max;
use arrow::datatypes::{DataType, Date32Type, TimeUnit, TimestampMicrosecondType};
use arrow::record_batch::RecordBatch;
use tokio_postgres::{GenericClient, Transaction};
use zxq_catalog::hypertable::{CHUNK_TIME_INTERVAL, COMPRESS_AFTER, HYPERTABLE, hypertable_column};
use zxq_catalog::{Segment, TableDef};

use super::errors::Context;
use crate::database::sql::dialect::text_literal;
use crate::database::sql::quote;
use crate::error::{ProviderError, Result};

/// What a chunk spans where the table does not say: TimescaleDB's own default.
const USUAL_CHUNK_SECONDS: u64 = 7 * 86_400;

const DAY_US: i64 = 86_400_000_000;

/// What a segment's table is, as the end of its name says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SegmentForm {
    /// A table as PostgreSQL has it.
    Plain,
    /// A hypertable, its chunks as they were written.
    Chunked,
    /// A hypertable whose chunks are compressed.
    Compressed,
}

impl SegmentForm {
    pub(super) const ALL: [SegmentForm; 3] = [SegmentForm::Plain, SegmentForm::Chunked, SegmentForm::Compressed];

    pub(super) const fn suffix(self) -> &'static str {
        match self {
            SegmentForm::Plain => "",
            SegmentForm::Chunked => "_h",
            SegmentForm::Compressed => "_c",
        }
    }
}

/// True where the table asks for hypertables.
pub(super) fn is_asked_for(table: &TableDef) -> bool {
    table.options.get(HYPERTABLE).is_some_and(|value| value == "true")
}

fn compress_after(table: &TableDef) -> Option<Duration> {
    let seconds = table.options.get(COMPRESS_AFTER)?.parse().ok()?;
    is_asked_for(table).then(|| Duration::from_secs(seconds))
}

/// True for a segment that lies uncompressed though its rows are old enough.
pub(super) fn is_due(table: &TableDef, segment: &Segment, age: Duration) -> bool {
    segment.location.ends_with(SegmentForm::Chunked.suffix()) && compress_after(table).is_some_and(|limit| age >= limit)
}

/// The kind that a hypertable of these rows is.
pub(super) fn kind_for(table: &TableDef, rows: &[RecordBatch]) -> SegmentForm {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let age = newest_us(table, rows).map(|newest| {
        let newest = Duration::from_micros(u64::try_from(newest).unwrap_or(0));
        now.saturating_sub(newest)
    });
    match (age, compress_after(table)) {
        (Some(age), Some(limit)) if age >= limit => SegmentForm::Compressed,
        _ => SegmentForm::Chunked,
    }
}

/// The newest moment that the rows know, as the policies measure it: the start of their newest day, else their newest time.
fn newest_us(table: &TableDef, rows: &[RecordBatch]) -> Option<i64> {
    let column = table.partitioning.date_column.as_deref().or(table.time_column.as_deref())?;
    let newest = rows.iter().filter_map(|batch| {
        let array = batch.column_by_name(column)?;
        match array.data_type() {
            DataType::Date32 => max(array.as_primitive::<Date32Type>()).map(|day| i64::from(day) * DAY_US),
            DataType::Timestamp(TimeUnit::Microsecond, _) => max(array.as_primitive::<TimestampMicrosecondType>()),
            _ => None,
        }
    });
    newest.max()
}

/// The schema of TimescaleDB's functions, quoted; `None` where the database does not have the extension.
pub(super) async fn functions(client: &impl GenericClient) -> Result<Option<String>> {
    let sql = "SELECT n.nspname::text FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace \
               WHERE e.extname = 'timescaledb'";
    let row = client.query_opt(sql, &[]).await.context(|| "looking for TimescaleDB".to_owned())?;
    Ok(row.map(|row| quote(&row.get::<_, String>(0))))
}

/// Says, once, that a table's wish for hypertables cannot be met.
pub(super) fn say_that_it_is_missing(table: &TableDef, server: &str) {
    static SAID: Once = Once::new();
    SAID.call_once(|| {
        tracing::warn!(
            table = %table.name,
            "{server} does not have the extension timescaledb: tables that ask for hypertables get partitions of PostgreSQL"
        );
    });
}

/// Makes the empty table at `at` a hypertable.
pub(super) async fn make(transaction: &Transaction<'_>, functions: &str, at: &str, table: &TableDef) -> Result<()> {
    let Some(column) = hypertable_column(table) else {
        return Err(ProviderError::Unsupported {
            store: super::NAME,
            what: format!("make table \"{}\" a hypertable: it has neither time column nor date", table.name),
        });
    };
    let chunk = table.options.get(CHUNK_TIME_INTERVAL).and_then(|text| text.parse().ok());
    let sql = format!(
        "SELECT {functions}.create_hypertable('{at}'::regclass, {}, chunk_time_interval => interval '{} seconds', \
         create_default_indexes => false)",
        text_literal(&column.name).unwrap_or_default(),
        chunk.unwrap_or(USUAL_CHUNK_SECONDS)
    );
    transaction.batch_execute(&sql).await.context(|| format!("making {at} a hypertable"))
}

/// Compresses all chunks: values of the first lookup column together, in order of time.
pub(super) async fn compress(transaction: &Transaction<'_>, functions: &str, at: &str, table: &TableDef) -> Result<()> {
    let time = hypertable_column(table).map(|column| column.name.as_str()).unwrap_or_default();
    let together = table.lookup.iter().find(|name| name.as_str() != time);
    let literal = |name: &str| text_literal(&quote(name)).unwrap_or_default();
    let together =
        together.map_or_else(String::new, |name| format!(", timescaledb.compress_segmentby = {}", literal(name)));
    let sql = format!(
        "ALTER TABLE {at} SET (timescaledb.compress, timescaledb.compress_orderby = {}{together}); \
         SELECT {functions}.compress_chunk(chunk) FROM {functions}.show_chunks('{at}'::regclass) AS chunk",
        literal(time)
    );
    transaction.batch_execute(&sql).await.context(|| format!("compressing {at}"))
}

/// Bytes of one hypertable with its indexes.
pub(super) fn size_sql(functions: &str, at: &str) -> String {
    format!("SELECT {functions}.hypertable_size('{at}'::regclass)")
}

/// Bytes of all hypertables in a schema, which is the parameter.
pub(super) fn sizes_sql(functions: &str) -> String {
    format!(
        "SELECT coalesce(sum({functions}.hypertable_size(\
         format('%I.%I', hypertable_schema, hypertable_name)::regclass)), 0)::bigint \
         FROM timescaledb_information.hypertables WHERE hypertable_schema = $1"
    )
}

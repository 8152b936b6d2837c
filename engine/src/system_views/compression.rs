//! `zxq.compression`: what each table takes in each tier, beside the same rows as CSV.
//!
//! The size as CSV is estimated from a few thousand rows, read when the view is read: exact would mean reading everything.

use std::io::{self, Write};
use std::sync::Arc;

use arrow::csv::WriterBuilder;
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use datafusion::physical_plan::execute_stream;
use futures::StreamExt;
use zxq_catalog::{Segments, TableDef, Tier};
use zxq_providers::ScanRequest;

use super::ColumnKind;
use super::columns::{number, share, text};
use crate::error::Result;
use crate::state::engine::Engine;

/// Segments of one table and tier that are looked into.
const SAMPLED_SEGMENTS: usize = 4;

/// Rows looked at in each of them.
const SAMPLED_ROWS: usize = 2_000;

pub(super) const COMPRESSION: &[(&str, ColumnKind)] = &[
    ("table_name", ColumnKind::Text),
    ("tier", ColumnKind::Text),
    ("rows", ColumnKind::Number),
    ("bytes", ColumnKind::Number),
    ("csv_bytes", ColumnKind::Number),
    ("csv_ratio", ColumnKind::Share),
];

pub(super) async fn compression(engine: &Arc<Engine>, schema: SchemaRef) -> Result<RecordBatch> {
    let pin = engine.pin();
    let mut lines = Vec::new();
    for state in pin.snapshot().tables.values() {
        for tier in Tier::ALL {
            let segments = state.tier(tier);
            if segments.is_empty() {
                continue;
            }
            let totals = segments.totals();
            let (rows, bytes) = (totals.owned_rows + totals.replica_rows, totals.bytes);
            let csv = (csv_row_bytes(engine, &state.def, tier, segments).await? * rows as f64).round();
            lines.push((&state.def.name, tier, rows, bytes, csv));
        }
    }
    lines.sort_by_key(|(name, tier, ..)| (*name, tier.index()));
    Ok(RecordBatch::try_new(
        schema,
        vec![
            text(lines.iter().map(|line| Some(line.0))),
            text(lines.iter().map(|line| Some(line.1.name()))),
            number(lines.iter().map(|line| Some(line.2))),
            number(lines.iter().map(|line| Some(line.3))),
            number(lines.iter().map(|line| Some(line.4 as u64))),
            share(lines.iter().map(|line| (line.3 > 0).then(|| line.4 / line.3 as f64))),
        ],
    )?)
}

/// Bytes of one row as CSV, on average over the rows that are looked at.
async fn csv_row_bytes(engine: &Arc<Engine>, table: &Arc<TableDef>, tier: Tier, segments: &Segments) -> Result<f64> {
    let context = crate::context::internal(engine);
    let state = context.state();
    let step = segments.len().div_ceil(SAMPLED_SEGMENTS);
    let (mut rows, mut csv) = (0, WriterBuilder::new().with_header(false).build(Counter::default()));
    for segment in segments.iter().step_by(step) {
        let request = ScanRequest {
            state: &state,
            table: Arc::clone(table),
            segments: vec![Arc::clone(segment)],
            projection: (0..table.columns.len()).collect(),
            filters: Vec::new(),
            limit: Some(SAMPLED_ROWS),
        };
        let mut stream = execute_stream(engine.store(tier).scan(request).await?, context.task_ctx())?;
        let mut left = SAMPLED_ROWS;
        while left > 0
            && let Some(batch) = stream.next().await
        {
            let batch = batch?;
            let batch = batch.slice(0, batch.num_rows().min(left));
            csv.write(&batch)?;
            rows += batch.num_rows();
            left -= batch.num_rows();
        }
    }
    Ok(csv.into_inner().0 as f64 / rows.max(1) as f64)
}

/// Counts what is written to it.
#[derive(Debug, Default)]
struct Counter(u64);

impl Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

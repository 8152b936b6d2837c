//! `zxq.queries`: the last statements and what they read.

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;

use super::Kind;
use super::columns::{number, text, time};
use crate::engine::Engine;
use crate::error::Result;

pub(super) const QUERIES: &[(&str, Kind)] = &[
    ("query_id", Kind::Number),
    ("sql", Kind::Text),
    ("started", Kind::Time),
    ("elapsed_us", Kind::Number),
    ("rows", Kind::Number),
    ("epoch", Kind::Number),
    ("hot_segments", Kind::Number),
    ("warm_segments", Kind::Number),
    ("cold_segments", Kind::Number),
    ("rows_left_out", Kind::Number),
    ("error", Kind::Text),
];

pub(super) fn queries(engine: &Engine, schema: SchemaRef) -> Result<RecordBatch> {
    let entries = engine.queries.entries();
    let read = |tier: usize| entries.iter().map(move |e| Some(e.segments[tier]));
    Ok(RecordBatch::try_new(
        schema,
        vec![
            number(entries.iter().map(|e| Some(e.id))),
            text(entries.iter().map(|e| Some(&e.sql))),
            time(entries.iter().map(|e| Some(e.started_us))),
            number(entries.iter().map(|e| e.elapsed_us.and_then(|us| u64::try_from(us).ok()))),
            number(entries.iter().map(|e| Some(e.rows))),
            number(entries.iter().map(|e| e.epoch)),
            number(read(0)),
            number(read(1)),
            number(read(2)),
            number(entries.iter().map(|e| Some(e.rows_left_out))),
            text(entries.iter().map(|e| e.error.as_ref())),
        ],
    )?)
}

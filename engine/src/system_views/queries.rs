//! `zxq.queries`: the last statements and what they read.

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use zxq_catalog::roles::ZXQ;

use super::ColumnKind;
use super::columns::{number, text, time};
use crate::error::Result;
use crate::roles::rights::Rights;
use crate::state::engine::Engine;

pub(super) const QUERIES: &[(&str, ColumnKind)] = &[
    ("query_id", ColumnKind::Number),
    ("sql", ColumnKind::Text),
    ("started", ColumnKind::Time),
    ("elapsed_us", ColumnKind::Number),
    ("rows", ColumnKind::Number),
    ("epoch", ColumnKind::Number),
    ("hot_segments", ColumnKind::Number),
    ("warm_segments", ColumnKind::Number),
    ("cold_segments", ColumnKind::Number),
    ("rows_left_out", ColumnKind::Number),
    ("error", ColumnKind::Text),
    ("user_name", ColumnKind::Text),
];

/// One's own statements; operators see those of all. `user_name` is NULL where nobody had logged in.
pub(super) fn queries(engine: &Engine, schema: SchemaRef, rights: &Rights) -> Result<RecordBatch> {
    let mut entries = engine.queries.entries();
    if !rights.operates() {
        entries.retain(|entry| rights.has_those_of(entry.user));
    }
    let user = |id| rights.roles().by_id(id).filter(|role| role.id != ZXQ).map(|role| role.name.as_str());
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
            text(entries.iter().map(|e| user(e.user))),
        ],
    )?)
}

//! `zxq.moves` (loads and moves) and `zxq.lineage` (which of them made each segment, from what).

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use zxq_catalog::{JobKind, JobPhase};

use super::ColumnKind;
use super::columns::{number, text, time};
use crate::error::Result;
use crate::state::engine::Engine;

/// Jobs shown.
const SHOWN: usize = 10_000;

pub(super) const MOVES: &[(&str, ColumnKind)] = &[
    ("job", ColumnKind::Text),
    ("kind", ColumnKind::Text),
    ("table_name", ColumnKind::Text),
    ("partition", ColumnKind::Text),
    ("from_tier", ColumnKind::Text),
    ("to_tier", ColumnKind::Text),
    ("phase", ColumnKind::Text),
    ("rows", ColumnKind::Number),
    ("started", ColumnKind::Time),
    ("ended", ColumnKind::Time),
    ("error", ColumnKind::Text),
    ("reason", ColumnKind::Text),
];

pub(super) async fn moves(engine: &Engine, schema: SchemaRef) -> Result<RecordBatch> {
    let jobs = engine.catalog.jobs(SHOWN).await?;
    let snapshot = engine.snapshot();
    let name =
        |id: u64| snapshot.table_by_id(id).map_or_else(|| format!("(dropped table {id})"), |t| t.def.name.clone());
    let partition = |job: &zxq_catalog::Job| {
        let key = job.leased().next()?;
        let text = match snapshot.table_by_id(job.table) {
            Some(state) => key.text(&state.def.partitioning),
            None => key.to_string(),
        };
        let others = job.leased().count() - 1;
        Some(if others == 0 { text } else { format!("{text} and {others} more") })
    };
    let kind = |kind: JobKind| match kind {
        JobKind::Load => "load",
        JobKind::Move => "move",
        JobKind::Promote => "promote",
        JobKind::Rewrite => "rewrite",
        JobKind::Delete => "delete",
        JobKind::Correct => "correct",
    };
    let phase = |phase: JobPhase| match phase {
        JobPhase::Copying => "copying",
        JobPhase::Durable => "durable",
        JobPhase::Done => "done",
        JobPhase::Failed => "failed",
    };
    Ok(RecordBatch::try_new(
        schema,
        vec![
            text(jobs.iter().map(|j| Some(&j.id.0))),
            text(jobs.iter().map(|j| Some(kind(j.kind)))),
            text(jobs.iter().map(|j| Some(name(j.table)))),
            text(jobs.iter().map(partition)),
            text(jobs.iter().map(|j| j.from.map(|t| t.name()))),
            text(jobs.iter().map(|j| Some(j.to.name()))),
            text(jobs.iter().map(|j| Some(phase(j.phase)))),
            number(jobs.iter().map(|j| Some(j.rows))),
            time(jobs.iter().map(|j| Some(j.started_us))),
            time(jobs.iter().map(|j| j.ended_us)),
            text(jobs.iter().map(|j| j.error.as_ref())),
            text(jobs.iter().map(|j| j.reason.as_ref())),
        ],
    )?)
}

pub(super) const LINEAGE: &[(&str, ColumnKind)] = &[
    ("segment_id", ColumnKind::Number),
    ("table_name", ColumnKind::Text),
    ("job", ColumnKind::Text),
    ("from_segments", ColumnKind::Text),
    ("from_files", ColumnKind::Text),
    ("at", ColumnKind::Time),
];

pub(super) async fn lineage(engine: &Engine, schema: SchemaRef) -> Result<RecordBatch> {
    let snapshot = engine.snapshot();
    let mut rows = Vec::new();
    for state in snapshot.tables.values() {
        for entry in engine.catalog.lineage(state.def.id).await? {
            rows.push((state.def.name.clone(), entry));
        }
    }
    let ids = |ids: &[u64]| ids.iter().map(u64::to_string).collect::<Vec<_>>().join(",");
    Ok(RecordBatch::try_new(
        schema,
        vec![
            number(rows.iter().map(|(_, e)| Some(e.segment))),
            text(rows.iter().map(|(name, _)| Some(name))),
            text(rows.iter().map(|(_, e)| Some(&e.job.0))),
            text(rows.iter().map(|(_, e)| (!e.from_segments.is_empty()).then(|| ids(&e.from_segments)))),
            text(rows.iter().map(|(_, e)| (!e.from_files.is_empty()).then(|| e.from_files.join(",")))),
            time(rows.iter().map(|(_, e)| Some(e.at_us))),
        ],
    )?)
}

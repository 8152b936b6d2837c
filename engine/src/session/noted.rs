//! What a statement did, for the query log and for the user.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::StreamExt;
use parking_lot::Mutex;

use crate::scan::tier_scan_exec::ScanReport;
use crate::session::EngineSession;
use crate::state::engine::Engine;
use crate::state::query_log::{QueryEntry, shortened};
use crate::values::counted::counted;

fn lie(rows: u64) -> &'static str {
    if rows == 1 { "lies" } else { "lie" }
}

/// Tells the query log, and where a tier hint leaves rows out also the user, what a statement reads.
pub(super) fn note_scans(session: &EngineSession, reports: Vec<ScanReport>, entry: &mut QueryEntry) {
    for report in reports {
        entry.epoch = Some(report.epoch);
        for (total, (kept, _)) in entry.segments.iter_mut().zip(report.segments) {
            *total += kept as u64;
        }
        entry.rows_left_out += report.rows_left_out;
        if report.rows_left_out > 0 {
            let rows = counted(report.rows_left_out, "row");
            let lie = lie(report.rows_left_out);
            session.notice(format!("{rows} of {} {lie} in tiers that this statement does not read", report.table));
        }
        let elsewhere = session.engine.node.as_ref().and_then(|node| node.hot_elsewhere(report.table_id));
        if let Some((rows, writer)) = elsewhere {
            entry.rows_left_out += rows;
            let (count, lie) = (counted(rows, "row"), lie(rows));
            session.notice(format!("about {count} of {} {lie} in the memory of {writer} only", report.table));
        }
    }
}

/// The stream, with its rows counted and its end noted in the query log; dropped early counts as an end too.
pub(super) fn logged(
    stream: SendableRecordBatchStream,
    engine: Arc<Engine>,
    entry: Arc<Mutex<QueryEntry>>,
) -> SendableRecordBatchStream {
    let schema = stream.schema();
    let mut guard = FinishOnDrop { engine, entry, done: AtomicBool::new(false) };
    let counted = stream.map(move |batch| {
        let guard = &mut guard;
        match &batch {
            Ok(batch) => guard.entry.lock().rows += batch.num_rows() as u64,
            Err(error) => {
                guard.done.store(true, Ordering::Relaxed);
                finish(&guard.entry, &guard.engine, Some(error.to_string()));
            }
        }
        batch
    });
    Box::pin(RecordBatchStreamAdapter::new(schema, counted))
}

struct FinishOnDrop {
    engine: Arc<Engine>,
    entry: Arc<Mutex<QueryEntry>>,
    done: AtomicBool,
}

impl Drop for FinishOnDrop {
    fn drop(&mut self) {
        if !self.done.load(Ordering::Relaxed) {
            finish(&self.entry, &self.engine, None);
        }
    }
}

/// Notes that it has ended.
pub(super) fn finish(entry: &Mutex<QueryEntry>, engine: &Engine, error: Option<String>) {
    let mut entry = entry.lock();
    entry.elapsed_us = Some(engine.now_us().saturating_sub(entry.started_us));
    entry.error = error.map(|error| shortened(&error).to_owned());
}

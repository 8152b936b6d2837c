//! Statements that look a key up, answered without a query plan where the rows are at hand; see `scan/key_lookup.rs`.

use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use datafusion::scalar::ScalarValue;

use crate::error::Result;
use crate::scan::key_lookup::{Answer, Effort, Started};
use crate::scan::session_options::ZxqOptions;
use crate::session::noted::{finish, note_scans};
use crate::session::prepared::task_context;
use crate::session::{EngineSession, Outcome, Prepared};
use crate::state::pins::Pin;

impl Prepared {
    /// The answer, where it takes no longer than handing the statement to the threads of statements. `None` for all others, also
    /// for what is wrong with it: that is said, and noted, where statements are executed.
    pub(super) fn answer_at_once(&self, session: &EngineSession, params: &[ScalarValue]) -> Option<Outcome> {
        self.lookup.as_ref()?;
        let engine = &session.engine;
        if !self.is_current(session) {
            let anew = self.anew(session)?;
            return anew.answer_at_once(session, params);
        }
        let counts = params.len() == self.param_types.len();
        if !counts || engine.is_closed() || self.check_needs(session).is_err() {
            return None;
        }
        let params = self.typed(params).ok()?;
        let started = engine.now_us();
        let answer = self.start_look_up(session, &params, Effort::AtOnce).ok()??.finish().ok()?;
        let entry = engine.queries.start(&self.shown(), session.who().session, started);
        {
            let mut entry = entry.lock();
            note_scans(session, vec![answer.report], &mut entry);
            entry.rows = answer.rows.num_rows() as u64;
        }
        finish(&entry, engine, None);
        Some(self.outcome(answer.rows))
    }

    /// What looking the key up gives; `None` where there is none to look up, or a query plan has to read the rows.
    ///
    /// # Errors
    /// As of a scan.
    pub(super) async fn look_up(&self, session: &EngineSession, params: &[ScalarValue]) -> Result<Option<Answer>> {
        let Some(started) = self.start_look_up(session, params, Effort::Thorough)? else { return Ok(None) };
        if started.is_complete() {
            return started.finish().map(Some);
        }
        let state = session.context().state();
        let task = Arc::new(task_context(&state, state.config().clone()));
        started.read_elsewhere(&state, &task).await
    }

    fn start_look_up<'a>(
        &'a self,
        session: &'a EngineSession,
        params: &[ScalarValue],
        effort: Effort,
    ) -> Result<Option<Started<'a>>> {
        let Some(lookup) = &self.lookup else { return Ok(None) };
        // What a hint leaves out is said where tables are scanned.
        if !ZxqOptions::reads_all(session.context().state_ref().read().config()) {
            return Ok(None);
        }
        lookup.start(&session.engine, pin_for(session)?, params, effort)
    }

    /// Rows that are there.
    pub(super) fn outcome(&self, rows: RecordBatch) -> Outcome {
        let schema = self.schema.clone().unwrap_or_else(|| rows.schema());
        Outcome::of_rows(schema, vec![rows])
    }
}

/// The snapshot that a statement reads which begins now, with what its transaction has written.
fn pin_for(session: &EngineSession) -> Result<Arc<Pin>> {
    let Some(own) = session.transaction() else {
        let pin = session.engine.pin();
        pin.check()?;
        return Ok(pin);
    };
    let pin = own.pin();
    pin.check()?;
    Ok(own.over(&pin))
}

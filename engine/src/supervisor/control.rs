//! Whether a job may still be stopped: asked by its callers, answered by the job.

use std::future::Future;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::error::{EngineError, ErrorKind, Result};

/// What a job and its callers share.
///
/// A job is *stoppable* until it enters a section that must be finished, and again after it. Stopping and entering such a
/// section exclude each other, so of a job that was asked to stop outside of one it is certain that nothing more becomes
/// visible.
#[derive(Debug, Default)]
pub(crate) struct JobControl {
    state: Mutex<JobState>,
    asked: CancellationToken,
}

#[derive(Debug, Default)]
struct JobState {
    stop_asked: bool,
    /// Sections under way that must be finished.
    finishing: usize,
}

/// A section that runs to its end whatever is asked; it ends when dropped.
pub(crate) struct Finishing<'a>(&'a JobControl);

impl Drop for Finishing<'_> {
    fn drop(&mut self) {
        self.0.state.lock().finishing -= 1;
    }
}

impl JobControl {
    /// Asks the job to stop as soon as it can.
    pub(crate) fn ask_to_stop(&self) {
        self.state.lock().stop_asked = true;
        self.asked.cancel();
    }

    /// True when nothing that the job has not made visible yet becomes visible.
    pub(crate) fn is_stopped(&self) -> bool {
        let state = self.state.lock();
        state.stop_asked && state.finishing == 0
    }

    /// Fails when the job was asked to stop.
    ///
    /// # Errors
    /// [`ErrorKind::Cancelled`].
    pub(crate) fn check(&self) -> Result<()> {
        if self.asked.is_cancelled() { Err(cancelled()) } else { Ok(()) }
    }

    /// Does something that may be dropped at any await, unless the job is asked to stop before it is done.
    ///
    /// # Errors
    /// [`ErrorKind::Cancelled`], or the work's own.
    pub(crate) async fn stoppable<T, E: Into<EngineError>>(
        &self,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T> {
        tokio::select! {
            biased;
            () = self.asked.cancelled() => Err(cancelled()),
            done = work => done.map_err(Into::into),
        }
    }

    /// As [`JobControl::stoppable`], for waiting that cannot fail.
    ///
    /// # Errors
    /// [`ErrorKind::Cancelled`].
    pub(crate) async fn wait<T>(&self, work: impl Future<Output = T>) -> Result<T> {
        self.stoppable(async { Ok::<T, EngineError>(work.await) }).await
    }

    /// Enters a section that must be finished: from here on the job's effect may be durable. Within one, another may be
    /// entered always.
    ///
    /// # Errors
    /// [`ErrorKind::Cancelled`] when the job was asked to stop before.
    pub(crate) fn must_finish(&self) -> Result<Finishing<'_>> {
        let mut state = self.state.lock();
        if state.stop_asked && state.finishing == 0 {
            return Err(cancelled());
        }
        state.finishing += 1;
        Ok(Finishing(self))
    }
}

fn cancelled() -> EngineError {
    EngineError::new(ErrorKind::Cancelled, "the statement was cancelled; nothing of it became visible")
}

/// The job that a session's statement runs as, for those who may have to stop it.
#[derive(Debug, Clone, Default)]
pub struct RunningJob(Arc<Mutex<Current>>);

#[derive(Debug, Default)]
struct Current {
    job: Option<Arc<JobControl>>,
    /// The statement ran as a job, whether or not it has ended.
    was_job: bool,
}

impl RunningJob {
    /// A job that somebody holds.
    pub(crate) fn of(job: &Arc<JobControl>) -> Self {
        RunningJob(Arc::new(Mutex::new(Current { job: Some(Arc::clone(job)), was_job: true })))
    }

    /// A statement begins: what was said of the one before is forgotten.
    pub fn begin(&self) {
        *self.0.lock() = Current::default();
    }

    /// True when the statement ran as a job: then what it did stays done.
    pub fn was_job(&self) -> bool {
        self.0.lock().was_job
    }

    /// Asks it to stop. False when the statement is no job (a query, say): then dropping its future stops it.
    pub fn ask_to_stop(&self) -> bool {
        let job = self.0.lock().job.clone();
        job.inspect(|job| job.ask_to_stop()).is_some()
    }

    /// True when it was asked to stop in time: what is not visible by now never will be.
    pub fn is_stopped(&self) -> bool {
        self.0.lock().job.as_ref().is_none_or(|job| job.is_stopped())
    }

    /// Names the job until the returned guard is dropped.
    pub(crate) fn set(&self, job: &Arc<JobControl>) -> RunningGuard {
        *self.0.lock() = Current { job: Some(Arc::clone(job)), was_job: true };
        RunningGuard(self.clone())
    }
}

/// Forgets the job when dropped.
pub(crate) struct RunningGuard(RunningJob);

impl Drop for RunningGuard {
    fn drop(&mut self) {
        self.0.0.lock().job = None;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[tokio::test]
    async fn who_asks_in_time_stops_it_and_who_asks_late_does_not() {
        let early = JobControl::default();
        early.ask_to_stop();
        assert!(early.is_stopped());
        assert_eq!(early.must_finish().err().unwrap().kind(), ErrorKind::Cancelled);
        assert_eq!(early.wait(std::future::pending::<()>()).await.unwrap_err().kind(), ErrorKind::Cancelled);

        let late = JobControl::default();
        let section = late.must_finish().unwrap();
        late.ask_to_stop();
        assert!(!late.is_stopped(), "it may become visible yet");
        let within = late.must_finish().unwrap();
        drop(within);
        drop(section);
        assert!(late.is_stopped());
        assert!(late.must_finish().is_err(), "nothing more is begun");
    }
}

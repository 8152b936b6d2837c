//! A window for tests into running jobs: it sees every moment at which a job waits, and can stop it or break the catalog
//! there. Without one (as ever outside tests) nothing is watched.

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::control::JobControl;

/// What watches jobs, see [`crate::EngineConfig::probe`].
pub trait Probe: Debug + Send + Sync {
    /// A job waits for the `nth` time, counted from 1; the first is before its first step. `job` says what it does: `INSERT`, `CALL`, `load`, `maintenance`.
    /// Tests of crashes end the process here.
    fn suspended(&self, job: &'static str, nth: u64) -> Verdict;

    /// The catalog is about to be written to; an error, in words, makes that fail and changes nothing.
    ///
    /// # Errors
    /// What the write is to fail with.
    fn catalog_write(&self) -> Result<(), String> {
        Ok(())
    }
}

/// What becomes of a job that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on.
    GoOn,
    /// It is asked to stop, as if its caller had gone away.
    Stop,
}

/// A job's future, watched.
pub(super) struct Watched<F> {
    work: Pin<Box<F>>,
    name: &'static str,
    suspensions: u64,
    control: Arc<JobControl>,
    probe: Arc<dyn Probe>,
}

impl<F> Watched<F> {
    pub(super) fn new(name: &'static str, work: F, control: Arc<JobControl>, probe: Arc<dyn Probe>) -> Self {
        Watched { work: Box::pin(work), name, suspensions: 0, control, probe }
    }

    fn tell_probe(&mut self) {
        self.suspensions += 1;
        if self.probe.suspended(self.name, self.suspensions) == Verdict::Stop {
            self.control.ask_to_stop();
        }
    }
}

impl<F: Future> Future for Watched<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        if self.suspensions == 0 {
            self.tell_probe();
        }
        let done = self.work.as_mut().poll(context);
        if done.is_pending() {
            self.tell_probe();
        }
        done
    }
}

//! The supervisor: owns every running job, so that none depends on its caller's future being polled.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio_util::task::TaskTracker;

use super::control::{JobControl, RunningJob};
use super::probe::{Probe, Watched};
use crate::error::{EngineError, ErrorKind, Result};

/// The running jobs.
#[derive(Debug, Default)]
pub(crate) struct Supervisor {
    running: Arc<Mutex<Running>>,
    tasks: TaskTracker,
    /// Where the jobs run; `None` for the caller's own threads.
    threads: Option<Handle>,
    probe: Option<Arc<dyn Probe>>,
}

#[derive(Debug, Default)]
struct Running {
    closed: bool,
    last: u64,
    jobs: BTreeMap<u64, (&'static str, Arc<JobControl>)>,
}

/// A job that somebody waits for. Dropped before it has ended, it asks the job to stop; the job sweeps itself.
#[derive(Debug)]
#[must_use = "dropping it asks the job to stop"]
pub struct JobHandle<T> {
    control: Arc<JobControl>,
    outcome: oneshot::Receiver<Result<T>>,
}

impl<T> JobHandle<T> {
    /// Asks the job to stop. Waiting for it then tells what happened: [`ErrorKind::Cancelled`], or, where it was too late,
    /// its outcome.
    pub fn ask_to_stop(&self) {
        self.control.ask_to_stop();
    }

    /// The job, for those who stop it while it is waited for.
    pub fn running(&self) -> RunningJob {
        RunningJob::of(&self.control)
    }

    pub(crate) fn control(&self) -> &Arc<JobControl> {
        &self.control
    }
}

impl<T> Future for JobHandle<T> {
    type Output = Result<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<T>> {
        Pin::new(&mut self.outcome).poll(context).map(|outcome| match outcome {
            Ok(outcome) => outcome,
            Err(_) => Err(EngineError::internal("the job ended without an outcome: it met a bug, which the log names")),
        })
    }
}

impl<T> Drop for JobHandle<T> {
    fn drop(&mut self) {
        // Of a job that has ended nobody minds.
        self.control.ask_to_stop();
    }
}

/// Takes a job off the list, however it ends.
struct Listed {
    running: Arc<Mutex<Running>>,
    number: u64,
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.running.lock().jobs.remove(&self.number);
    }
}

impl Supervisor {
    pub(crate) fn new(threads: Option<Handle>, probe: Option<Arc<dyn Probe>>) -> Self {
        Supervisor { threads, probe, ..Supervisor::default() }
    }

    /// Starts a job. `name` says what it is: for the log, and for tests.
    pub(crate) fn start<T, F>(&self, name: &'static str, work: impl FnOnce(Arc<JobControl>) -> F) -> JobHandle<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        let control = Arc::new(JobControl::default());
        let (sender, outcome) = oneshot::channel();
        let handle = JobHandle { control: Arc::clone(&control), outcome };
        let listed = {
            let mut running = self.running.lock();
            if running.closed {
                let _ = sender.send(Err(EngineError::new(ErrorKind::ShuttingDown, "the engine is shutting down")));
                return handle;
            }
            running.last += 1;
            let number = running.last;
            running.jobs.insert(number, (name, Arc::clone(&control)));
            Listed { running: Arc::clone(&self.running), number }
        };
        let work = work(Arc::clone(&control));
        let probe = self.probe.clone();
        let job = async move {
            let _listed = listed;
            let outcome = match probe {
                Some(probe) => Watched::new(name, work, control, probe).await,
                None => work.await,
            };
            // Nobody may be waiting any more.
            let _ = sender.send(outcome);
        };
        match &self.threads {
            Some(threads) => self.tasks.spawn_on(job, threads),
            None => self.tasks.spawn(job),
        };
        handle
    }

    /// Takes no more jobs, asks those that run to stop, and waits for them. What is still running after `patience` is left to
    /// the next start to judge; returns what that is.
    pub(crate) async fn close(&self, patience: Duration) -> Vec<&'static str> {
        {
            let mut running = self.running.lock();
            running.closed = true;
            running.jobs.values().for_each(|(_, control)| control.ask_to_stop());
        }
        self.tasks.close();
        if tokio::time::timeout(patience, self.tasks.wait()).await.is_ok() {
            return Vec::new();
        }
        self.running.lock().jobs.values().map(|(name, _)| *name).collect()
    }
}

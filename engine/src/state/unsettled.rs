//! Jobs that have failed, or are done, and are not at their end yet.

use zxq_catalog::{Job, JobPhase};

/// What is left to do for a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Left {
    /// It failed: the catalog is to be told that it is given up.
    Record,
    /// That is recorded: what it wrote is to be swept.
    Sweep,
    /// It is done: its end is to be noted.
    Note,
}

/// A job that is not at its end yet.
#[derive(Debug, Clone)]
pub(crate) struct Unsettled {
    pub(crate) job: Job,
    pub(crate) left: Left,
    /// An earlier process ran it: where it has written is not known.
    pub(crate) interrupted: bool,
}

impl Unsettled {
    /// A job that is given up for a reason.
    pub(crate) fn given_up(job: &Job, reason: String) -> Self {
        let job = Job { phase: JobPhase::Copying, error: Some(reason), ..job.clone() };
        Unsettled { job, left: Left::Record, interrupted: false }
    }

    /// A job of an earlier process that is given up for a reason.
    pub(crate) fn interrupted(job: &Job, reason: String) -> Self {
        Unsettled { interrupted: true, ..Unsettled::given_up(job, reason) }
    }

    /// A job that is done.
    pub(crate) fn done(job: &Job) -> Self {
        Unsettled { job: job.clone(), left: Left::Note, interrupted: false }
    }
}

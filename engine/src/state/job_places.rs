//! Where jobs of this process have begun to write: what a failed job is swept from, and nothing else.

use std::collections::{BTreeSet, HashMap};

use parking_lot::Mutex;
use zxq_catalog::{JobId, TableId, Tier};

/// The tables and tiers that each running job has begun to write to.
#[derive(Debug, Default)]
pub(crate) struct JobPlaces {
    by_job: Mutex<HashMap<JobId, BTreeSet<(TableId, Tier)>>>,
}

impl JobPlaces {
    /// To be called before a job writes there.
    pub(crate) fn note(&self, job: &JobId, table: TableId, tier: Tier) {
        self.by_job.lock().entry(job.clone()).or_default().insert((table, tier));
    }

    /// True where the job has begun to write.
    pub(crate) fn has(&self, job: &JobId, table: TableId, tier: Tier) -> bool {
        self.by_job.lock().get(job).is_some_and(|places| places.contains(&(table, tier)))
    }

    /// The job is at its end: it is done, or swept.
    pub(crate) fn forget(&self, job: &JobId) {
        self.by_job.lock().remove(job);
    }
}

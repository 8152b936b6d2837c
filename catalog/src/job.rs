//! Jobs and lineage: which load or move made each segment, from what, and when.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::change::Change;
use crate::partition::PartitionKey;
use crate::segment::SegmentId;
use crate::table::{TableDef, TableId};
use crate::tier::Tier;

/// Names one load, move or correction; part of the name of everything it writes, so that litter can be swept. A UUID in text.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct JobId(pub String);

impl JobId {
    /// A fresh, globally unique id.
    pub fn new() -> Self {
        JobId(uuid::Uuid::new_v4().simple().to_string())
    }
}

impl Default for JobId {
    fn default() -> Self {
        JobId::new()
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a job does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobKind {
    /// Rows arrive from outside.
    Load,
    /// Ownership moves to another tier (flush, archive, or back).
    Move,
    /// A replica is added in a faster tier.
    Promote,
    /// Rows are written anew in the same tier. (Catalogs call it by an earlier name.)
    #[serde(rename = "compact")]
    Rewrite,
    /// Rows older than the table's retention are deleted.
    Delete,
    /// Rows are changed or deleted by a transaction: segments are written anew without them, or with what became of them.
    Correct,
}

/// How far a job has come. See the move protocol in ARCHITECTURE.md.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobPhase {
    /// Copying, or given up and not yet cleaned up; nothing is visible. A crash leaves litter under the job's id.
    Copying,
    /// The copy is written; the store's own log may or may not show it yet, and [`Job::pending`] holds the flip. After
    /// a crash: complete the flip if the store says the job is published, else sweep.
    Durable,
    /// Flipped: the catalog shows the result.
    Done,
    /// Given up; its litter has been or will be swept.
    Failed,
}

/// One load or move, as the catalog records it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// Identity.
    pub id: JobId,
    /// What it does.
    pub kind: JobKind,
    /// Table it works on.
    pub table: TableId,
    /// Partition it moves; `None` for a load, which may touch many, and for a move of several.
    pub partition: Option<PartitionKey>,
    /// Partitions that are moved together, by one job under one fence; none where there is one at most.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub partitions: Vec<PartitionKey>,
    /// Tier it reads from; `None` for a load.
    pub from: Option<Tier>,
    /// Tier it writes to.
    pub to: Tier,
    /// How far it has come.
    pub phase: JobPhase,
    /// Fence token of the lease it runs under: a commit with an older fence than the partition's is refused.
    pub fence: u64,
    /// Rows copied, once known.
    pub rows: u64,
    /// When it started, microseconds since the Unix epoch, UTC.
    pub started_us: i64,
    /// When it ended, likewise.
    pub ended_us: Option<i64>,
    /// Why it failed, if it did.
    pub error: Option<String>,
    /// Why it was begun; `None` for a job of a user's statement about whose reason there is nothing to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// In phase [`JobPhase::Durable`]: the changes that the flip will commit, so that a restart can complete it.
    #[serde(default)]
    pub pending: Vec<Change>,
    /// Tables that come to be with this job and with its end only: given up, it takes them and their storage with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub created: Vec<TableDef>,
}

impl Job {
    /// A job that begins now, under no lease; what it works on beyond the table is for the caller to say.
    pub fn begin(kind: JobKind, table: TableId, to: Tier, started_us: i64) -> Job {
        Job {
            id: JobId::new(),
            kind,
            table,
            partition: None,
            partitions: Vec::new(),
            from: None,
            to,
            phase: JobPhase::Copying,
            fence: 0,
            rows: 0,
            started_us,
            ended_us: None,
            error: None,
            reason: None,
            pending: Vec::new(),
            created: Vec::new(),
        }
    }

    /// The partitions that it holds leases on: all under [`Job::fence`].
    pub fn leased(&self) -> impl Iterator<Item = &PartitionKey> {
        self.partition.iter().chain(&self.partitions)
    }
}

/// Where one segment came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineageEntry {
    /// The segment that was made.
    pub segment: SegmentId,
    /// The job that made it.
    pub job: JobId,
    /// Source segments, for a move.
    pub from_segments: Vec<SegmentId>,
    /// Source files or `insert`, for a load.
    pub from_files: Vec<String>,
    /// When, microseconds since the Unix epoch, UTC.
    pub at_us: i64,
}

//! The server as a source of SQL plan nodes.

use std::fmt::{self, Debug};
use std::sync::{Arc, Weak};

use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::metrics::BaselineMetrics;
use parking_lot::Mutex;

use super::dialect::POSTGRES;
use super::pool::Pool;
use super::snapshot::Group;
use super::stream::stream;
use crate::database::sql::Dialect;
use crate::database::sql::source::{RowQuery, SqlRun, SqlSource};

/// Below this many rows a second output partition costs more than it gains.
const ROWS_PER_PARTITION: u64 = 100_000;

/// More connections than this for one scan leave too little for others.
const MAX_PARTITIONS: usize = 8;

impl SqlSource for Pool {
    fn dialect(&self) -> &'static dyn Dialect {
        &POSTGRES
    }

    fn scan_name(&self) -> &'static str {
        "PostgresScanExec"
    }

    fn aggregate_name(&self) -> &'static str {
        "PostgresAggregateExec"
    }

    fn max_partitions(&self) -> usize {
        MAX_PARTITIONS.min(self.fair_share())
    }

    fn rows_per_partition(&self) -> u64 {
        ROWS_PER_PARTITION
    }

    fn begin(self: Arc<Self>, together: usize) -> Arc<dyn SqlRun> {
        Arc::new(PostgresRun { pool: self, partitions: together, group: Mutex::default() })
    }
}

/// The output partitions of one plan node: those that are read together see one snapshot.
struct PostgresRun {
    pool: Arc<Pool>,
    partitions: usize,
    /// The connections of the run that is under way.
    group: Mutex<Weak<Group>>,
}

impl PostgresRun {
    /// The connections that this output partition belongs to: those of the run under way, unless it has had its part in them.
    fn join(&self, partition: usize) -> Arc<Group> {
        let mut current = self.group.lock();
        match current.upgrade().filter(|group| group.claim(partition)) {
            Some(group) => group,
            None => {
                let group = Arc::new(Group::new(Arc::clone(&self.pool), self.partitions));
                group.claim(partition);
                *current = Arc::downgrade(&group);
                group
            }
        }
    }
}

impl SqlRun for PostgresRun {
    fn stream(&self, partition: usize, work: RowQuery, metrics: BaselineMetrics) -> SendableRecordBatchStream {
        stream(self.join(partition), partition, work, metrics)
    }
}

impl Debug for PostgresRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresRun").field("partitions", &self.partitions).finish_non_exhaustive()
    }
}

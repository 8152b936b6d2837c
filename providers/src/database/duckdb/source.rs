//! The file as a source of SQL plan nodes.

use std::sync::Arc;

use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::metrics::BaselineMetrics;

use super::database::DuckDbFile;
use super::dialect::DUCKDB;
use super::stream::DuckDbStream;
use crate::database::sql::Dialect;
use crate::database::sql::source::{RowQuery, SqlRun, SqlSource};

/// Below this many rows a second output partition costs more than it gains.
const ROWS_PER_PARTITION: u64 = 500_000;

/// More output partitions than this only compete: DuckDB runs each statement on all its threads already. Two let one
/// statement's rows be converted while the other's are computed.
const MAX_PARTITIONS: usize = 2;

impl SqlSource for DuckDbFile {
    fn dialect(&self) -> &'static dyn Dialect {
        &DUCKDB
    }

    fn scan_name(&self) -> &'static str {
        "DuckDbScanExec"
    }

    fn aggregate_name(&self) -> &'static str {
        "DuckDbAggregateExec"
    }

    fn max_partitions(&self) -> usize {
        MAX_PARTITIONS
    }

    fn rows_per_partition(&self) -> u64 {
        ROWS_PER_PARTITION
    }

    fn begin(self: Arc<Self>, _together: usize) -> Arc<dyn SqlRun> {
        Arc::new(DuckDbRun(self))
    }
}

/// Each output partition takes a connection of its own when it starts.
#[derive(Debug)]
struct DuckDbRun(Arc<DuckDbFile>);

impl SqlRun for DuckDbRun {
    fn stream(&self, _partition: usize, work: RowQuery, metrics: BaselineMetrics) -> SendableRecordBatchStream {
        Box::pin(DuckDbStream::new(Arc::clone(&self.0), work, metrics))
    }
}

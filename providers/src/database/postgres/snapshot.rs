//! The connections of one scan, all of which see one snapshot of the database.

use std::sync::Arc;

use parking_lot::Mutex;
use zxq_catalog::quoting::quoted_text;

use super::errors::Context;
use super::pool::{Connection, Pool};
use crate::error::Result;

const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// One connection for each output partition of a running scan.
///
/// Segments never change, so no answer depends on the shared snapshot; it makes sure that a scan sees either all that
/// somebody did from outside, or nothing of it.
pub(super) struct Group {
    pool: Arc<Pool>,
    claimed: Mutex<Vec<bool>>,
    connections: tokio::sync::Mutex<Vec<Option<Connection>>>,
}

impl Group {
    /// A group for so many output partitions; connects when the first of them is read.
    pub(super) fn new(pool: Arc<Pool>, partitions: usize) -> Group {
        Group { pool, claimed: Mutex::new(vec![false; partitions]), connections: tokio::sync::Mutex::default() }
    }

    /// Sets a partition's connection aside; false when it has been used before, by an earlier run of the plan.
    pub(super) fn claim(&self, partition: usize) -> bool {
        match self.claimed.lock().get_mut(partition) {
            Some(claimed) => !std::mem::replace(claimed, true),
            None => false,
        }
    }

    /// True where its connections are in a transaction each.
    pub(super) fn shares_a_snapshot(&self) -> bool {
        self.claimed.lock().len() > 1
    }

    /// The connection of a partition. In a transaction where there are several.
    pub(super) async fn take(&self, partition: usize) -> Result<Connection> {
        let partitions = self.claimed.lock().len();
        if partitions <= 1 {
            return self.pool.get().await;
        }
        let mut connections = self.connections.lock().await;
        if connections.is_empty() {
            *connections = self.open(partitions).await?.into_iter().map(Some).collect();
        }
        match connections.get_mut(partition).and_then(Option::take) {
            Some(connection) => Ok(connection),
            None => self.pool.get().await,
        }
    }

    async fn open(&self, partitions: usize) -> Result<Vec<Connection>> {
        let doing = || "sharing a snapshot".to_owned();
        let connections = self.pool.get_many(partitions).await?;
        let Some((first, rest)) = connections.split_first() else { return Ok(connections) };
        first.client()?.batch_execute(BEGIN).await.context(doing)?;
        let row = first.client()?.query_one("SELECT pg_export_snapshot()", &[]).await.context(doing)?;
        let id: String = row.get(0);
        for other in rest {
            let begin = format!("{BEGIN}; SET TRANSACTION SNAPSHOT {}", quoted_text(&id));
            other.client()?.batch_execute(&begin).await.context(doing)?;
        }
        Ok(connections)
    }
}

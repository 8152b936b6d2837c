//! The writer's lease: one process writes, and the catalog says which.
//!
//! The lease is one row with a fence that grows with every taking. It is renewed by a heartbeat and free when its time (by
//! the server's clock) has passed. Every commit locks the row and compares the fence, so a writer that stalled past its
//! lease and was replaced is refused by the server itself, whatever its own clock says.
//!
//! Rows in hot live in the write-ahead log of the writer's data directory, which no other process reads. The row says so
//! (`settled = 0`) until that writer has ended with nothing in its log that does not lie elsewhere too. While it says so,
//! another directory does not get the lease, unless somebody decides to do without those rows.

use std::collections::BTreeMap;
use std::time::Duration;

use sqlx::postgres::PgRow;
use sqlx::{Connection, Row};

use super::PostgresCatalog;
use crate::error::{CatalogError, Result};
use crate::table::TableId;

/// The columns that [`read`] takes, in its order.
pub(super) const COLUMNS: &str = "fence, directory, host, place, pid, address, \
     (expires > clock_timestamp())::int::bigint, settled, hot, holder";

/// The writer as the catalog knows it; the last one when nobody is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Writer {
    /// Its fence; 0 when there never was one.
    pub fence: u64,
    /// Identity of its data directory.
    pub directory: String,
    /// Host it runs on.
    pub host: String,
    /// Path of its data directory there.
    pub place: String,
    /// Its process id.
    pub pid: i64,
    /// Where it serves; empty until it does.
    pub address: String,
    /// True while its lease runs.
    pub alive: bool,
    /// False while its log may hold rows that lie nowhere else.
    pub settled: bool,
    /// Rows in its memory alone, by table, as of its last commit or heartbeat.
    pub hot: BTreeMap<TableId, u64>,
    holder: String,
}

impl Writer {
    /// The process in words: `process 7 on host, serving on 127.0.0.1:5454`.
    pub fn name(&self) -> String {
        let at = if self.address.is_empty() { String::new() } else { format!(", serving on {}", self.address) };
        format!("process {} on {}{at}", self.pid, self.host)
    }
}

/// Who wants the lease.
#[derive(Debug, Clone)]
pub struct Claim {
    /// Identity of the data directory.
    pub directory: String,
    /// This host.
    pub host: String,
    /// Path of the data directory.
    pub place: String,
    /// How long the lease runs without a heartbeat.
    pub lease: Duration,
    /// Take the lease also where rows in hot of another directory are left behind.
    pub take_over: bool,
}

/// What became of a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claimed {
    /// This process writes from now on. Holds the writer before it.
    Taken(Writer),
    /// Another process does.
    Held(Writer),
    /// Nobody does, but the last writer's directory holds rows in hot.
    HotElsewhere(Writer),
}

/// Reads [`COLUMNS`] from the given position on.
pub(super) fn read(row: &PgRow, at: usize) -> Result<Result<Writer>, sqlx::Error> {
    let hot: String = row.try_get(at + 8)?;
    let number = |value: i64| u64::try_from(value).unwrap_or(0);
    let Ok(hot) = serde_json::from_str(&hot) else {
        return Ok(Err(CatalogError::Corrupt("the writer's rows in hot are no JSON: changed from outside".to_owned())));
    };
    Ok(Ok(Writer {
        fence: number(row.try_get(at)?),
        directory: row.try_get(at + 1)?,
        host: row.try_get(at + 2)?,
        place: row.try_get(at + 3)?,
        pid: row.try_get(at + 4)?,
        address: row.try_get(at + 5)?,
        alive: row.try_get::<i64, _>(at + 6)? == 1,
        settled: row.try_get::<i64, _>(at + 7)? == 1,
        hot,
        holder: row.try_get(at + 9)?,
    }))
}

/// Rows in hot as [`read`] reads them.
pub(super) fn hot_text(hot: &BTreeMap<TableId, u64>) -> Result<String> {
    let failed = |e: serde_json::Error| CatalogError::Store {
        context: "writing down the rows in the writer's memory".to_owned(),
        source: Box::new(e),
    };
    serde_json::to_string(hot).map_err(failed)
}

/// A length of time as the server takes it.
pub(super) fn seconds(time: Duration) -> f64 {
    time.as_secs_f64()
}

impl PostgresCatalog {
    /// Takes the lease, where it is free and no rows in hot would be left behind.
    ///
    /// The same directory on the same host gets it at once: its lock file says that the former process has gone.
    ///
    /// # Errors
    /// [`CatalogError::Refused`] for a role that may not write, [`CatalogError::Unreachable`].
    pub async fn claim(&self, claim: &Claim) -> Result<Claimed> {
        let doing = || "taking the writer's lease".to_owned();
        let mut side = self.side().await?;
        side.run(doing, async |connection| {
            let mut tx = connection.begin().await?;
            let sql = format!("SELECT {COLUMNS} FROM writer WHERE id = 1 FOR UPDATE");
            let row = sqlx::query(&sql).fetch_one(&mut *tx).await?;
            // Every way out ends the transaction: the row's lock holds all writing up.
            let former = match read(&row, 0)? {
                Ok(former) => former,
                Err(corrupt) => return tx.rollback().await.map(|()| Err(corrupt)),
            };
            let same_directory = former.directory == claim.directory;
            let ours = former.holder == self.process || same_directory && former.host == claim.host;
            if former.alive && !ours {
                return tx.rollback().await.map(|()| Ok(Claimed::Held(former)));
            }
            if former.fence > 0 && !former.settled && !same_directory && !claim.take_over {
                return tx.rollback().await.map(|()| Ok(Claimed::HotElsewhere(former)));
            }
            let fence: i64 = sqlx::query_scalar(
                "UPDATE writer SET fence = fence + 1, holder = $1, directory = $2, host = $3, place = $4, pid = $5,
                         address = '', expires = clock_timestamp() + make_interval(secs => $6), settled = 0, hot = '{}'
                     WHERE id = 1 RETURNING fence",
            )
            .bind(&self.process)
            .bind(&claim.directory)
            .bind(&claim.host)
            .bind(&claim.place)
            .bind(i64::from(std::process::id()))
            .bind(seconds(claim.lease))
            .fetch_one(&mut *tx)
            .await?;
            tx.commit().await?;
            self.fence.set(u64::try_from(fence).unwrap_or(0));
            Ok(Ok(Claimed::Taken(former)))
        })
        .await?
    }

    /// The heartbeat: keeps the lease, and publishes where this process serves and how many rows only it has.
    ///
    /// A lease whose time had passed is renewed too, as long as nobody took it.
    ///
    /// # Errors
    /// [`CatalogError::NotWriter`] when another process took the lease.
    pub async fn renew(&self, lease: Duration, address: Option<&str>, hot: &BTreeMap<TableId, u64>) -> Result<()> {
        let doing = || "renewing the writer's lease".to_owned();
        let hot = hot_text(hot)?;
        let fence = i64::try_from(self.fence.get()).unwrap_or(0);
        let mut side = self.side().await?;
        let done = side
            .run(doing, async |connection| {
                sqlx::query(
                    "UPDATE writer SET expires = clock_timestamp() + make_interval(secs => $1),
                         address = coalesce($2, address), hot = $3
                     WHERE id = 1 AND fence = $4 AND holder = $5",
                )
                .bind(seconds(lease))
                .bind(address)
                .bind(hot)
                .bind(fence)
                .bind(&self.process)
                .execute(connection)
                .await
            })
            .await?;
        drop(side);
        if done.rows_affected() == 1 {
            return Ok(());
        }
        let writer = self.state().await?.writer;
        Err(CatalogError::NotWriter { held: self.fence.get(), current: writer.fence, holder: writer.name() })
    }

    /// Gives the lease back at the end. `settled`: this process's log holds no row that lies nowhere else, so that any
    /// directory may go on.
    ///
    /// # Errors
    /// [`CatalogError::Unreachable`]; then the lease ends by its time.
    pub async fn release(&self, settled: bool) -> Result<()> {
        let doing = || "giving the writer's lease back".to_owned();
        let fence = i64::try_from(self.fence.get()).unwrap_or(0);
        let mut side = self.side().await?;
        side.run(doing, async |connection| {
            sqlx::query(
                "UPDATE writer SET expires = clock_timestamp(), settled = $1, address = '',
                     hot = CASE WHEN $1 = 1 THEN '{}' ELSE hot END
                 WHERE id = 1 AND fence = $2 AND holder = $3",
            )
            .bind(i64::from(settled))
            .bind(fence)
            .bind(&self.process)
            .execute(connection)
            .await
        })
        .await?;
        self.fence.set(0);
        Ok(())
    }

    /// The fence this process writes under; 0 when it does not.
    pub fn fence(&self) -> u64 {
        self.fence.get()
    }
}

//! Readers: which snapshots other processes hold, so that the writer drops nothing under them.
//!
//! A reader's row carries the oldest epoch it may still be reading and runs out when its heartbeat stops. The writer
//! collects nothing that a live row holds. A reader that stalled past its row's time has lost its snapshots; it is told so
//! when it next renews, and registers anew.

use std::time::Duration;

use super::PostgresCatalog;
use super::writer::seconds;
use crate::error::{CatalogError, Result};

impl PostgresCatalog {
    /// Registers this process as a reader that may be reading any epoch. A row of an earlier registration is replaced.
    ///
    /// # Errors
    /// [`CatalogError::Refused`], with the grant that is missing, for a role that may not write the readers' table.
    pub async fn register_reader(&self, host: &str, time: Duration) -> Result<()> {
        let doing = || "registering as a reader".to_owned();
        let mut side = self.side().await?;
        let done = side
            .run(doing, async |connection| {
                sqlx::query(
                    "INSERT INTO readers (id, host, pid, epoch, expires)
                     VALUES ($1, $2, $3, 0, clock_timestamp() + make_interval(secs => $4))
                     ON CONFLICT (id) DO UPDATE SET epoch = 0, expires = excluded.expires",
                )
                .bind(&self.process)
                .bind(host)
                .bind(i64::from(std::process::id()))
                .bind(seconds(time))
                .execute(connection)
                .await
            })
            .await;
        match done {
            Ok(_) => Ok(()),
            Err(CatalogError::Refused { what, reason }) => Err(CatalogError::Refused {
                what,
                reason: format!(
                    "{reason}; a reader needs GRANT SELECT, INSERT, UPDATE, DELETE ON {}.readers",
                    self.options.schema
                ),
            }),
            Err(error) => Err(error),
        }
    }

    /// The reader's heartbeat: no epoch before `oldest` is read here any more. False when the row had run out, and with
    /// it every snapshot that this process held.
    ///
    /// # Errors
    /// [`CatalogError::Unreachable`].
    pub async fn renew_reader(&self, oldest: u64, time: Duration) -> Result<bool> {
        let doing = || "renewing the reader's registration".to_owned();
        let oldest = i64::try_from(oldest).unwrap_or(i64::MAX);
        let mut side = self.side().await?;
        let done = side
            .run(doing, async |connection| {
                sqlx::query(
                    "UPDATE readers SET epoch = $1, expires = clock_timestamp() + make_interval(secs => $2)
                     WHERE id = $3 AND expires > clock_timestamp()",
                )
                .bind(oldest)
                .bind(seconds(time))
                .bind(&self.process)
                .execute(connection)
                .await
            })
            .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Ends the registration.
    ///
    /// # Errors
    /// [`CatalogError::Unreachable`]; then the row runs out by itself.
    pub async fn unregister_reader(&self) -> Result<()> {
        let doing = || "ending the reader's registration".to_owned();
        let mut side = self.side().await?;
        side.run(doing, async |connection| {
            sqlx::query("DELETE FROM readers WHERE id = $1").bind(&self.process).execute(connection).await
        })
        .await
        .map(|_| ())
    }

    /// The oldest epoch that a live reader may be reading; `None` without readers. Rows that ran out are removed, so that
    /// their owners find them gone.
    ///
    /// # Errors
    /// [`CatalogError::Unreachable`].
    pub async fn oldest_reader(&self) -> Result<Option<u64>> {
        let doing = || "asking what other processes read".to_owned();
        let mut side = self.side().await?;
        let oldest: Option<i64> = side
            .run(doing, async |connection| {
                sqlx::query("DELETE FROM readers WHERE expires <= clock_timestamp()").execute(&mut *connection).await?;
                sqlx::query_scalar("SELECT min(epoch) FROM readers").fetch_one(connection).await
            })
            .await?;
        Ok(oldest.map(|epoch| u64::try_from(epoch).unwrap_or(0)))
    }
}

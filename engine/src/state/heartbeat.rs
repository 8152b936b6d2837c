//! What a node does all the time: a writer renews its lease; a reader follows commits and says what it still reads.

use std::sync::Arc;
use std::time::{Duration, Instant};

use zxq_catalog::{CatalogError, CatalogStore};

use crate::error::Result;
use crate::nodes::{Node, NodeRole, hot_rows};
use crate::state::engine::Engine;

/// How often a reader looks for a newer epoch.
const FOLLOW: Duration = Duration::from_millis(250);
/// Heartbeats per lease.
const BEATS: u32 = 8;
/// Longest time between two heartbeats.
const LONGEST: Duration = Duration::from_secs(1);

/// Starts the node's task. It ends with the engine.
pub(crate) fn start(engine: &Arc<Engine>) {
    let Some(node) = engine.node.clone() else { return };
    let beat = (node.lease / BEATS).min(LONGEST);
    let pause = if node.role == NodeRole::Reader { beat.min(FOLLOW) } else { beat };
    let (weak, stop) = (Arc::downgrade(engine), engine.stop.clone());
    tokio::spawn(async move {
        let mut last_beat: Option<Instant> = None;
        let mut failing = false;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
                () = node.hot_changed.notified() => {}
            }
            let Some(engine) = weak.upgrade() else { return };
            if node.is_lost() {
                return;
            }
            let due = last_beat.is_none_or(|last| last.elapsed() >= beat);
            let outcome = match node.role {
                NodeRole::Writer => node.renew(&engine).await,
                NodeRole::Reader => node.follow(&engine, due).await,
            };
            match outcome {
                Ok(()) if due => last_beat = Some(Instant::now()),
                Ok(()) => {}
                Err(ref error) if failing => tracing::debug!(%error, "the catalog is still away"),
                Err(ref error) => tracing::warn!(%error, "the catalog does not answer; it will be asked again"),
            }
            failing = outcome.is_err();
        }
    });
}

impl Node {
    async fn renew(&self, engine: &Engine) -> Result<()> {
        let begun = Instant::now();
        let address = self.state.lock().address.map(|address| address.to_string());
        match self.catalog.renew(self.lease, address.as_deref(), &hot_rows(&engine.snapshot())).await {
            Ok(()) => {
                self.renewed(begun);
                Ok(())
            }
            Err(error @ CatalogError::NotWriter { .. }) => {
                self.lose(&error);
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Takes over the newest snapshot and, when it is time, says which is the oldest one still read here.
    async fn follow(&self, engine: &Engine, due: bool) -> Result<()> {
        let state = self.catalog.state().await?;
        if state.epoch > engine.snapshot().epoch {
            engine.pins.publish(Arc::new(self.catalog.load().await?));
        }
        // Afterwards: that rows are in the writer's memory is better said twice than left out.
        self.heard_of(state.writer);
        if due {
            let begun = Instant::now();
            if self.catalog.renew_reader(engine.pins.oldest(), self.lease).await? {
                self.renewed(begun);
            } else {
                self.register_again(engine).await?;
            }
        }
        Ok(())
    }

    /// After a stall: what was pinned is lost, and new statements read what there is now.
    async fn register_again(&self, engine: &Engine) -> Result<()> {
        tracing::warn!("this reader was silent for too long: statements that were running fail, new ones go on");
        self.lose_pins();
        let begun = Instant::now();
        self.catalog.register_reader(&self.host, self.lease).await?;
        engine.pins.publish(Arc::new(self.catalog.load().await?));
        self.lose_pins();
        self.renewed(begun);
        Ok(())
    }
}

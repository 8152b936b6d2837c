//! Room in hot for rows to come: what does not fit waits while room is made, and is refused only where none can be.

use std::future::pending;
use std::pin::pin;

use tokio::time::{Instant, sleep_until};
use zxq_catalog::Tier;
use zxq_providers::hot::HotReservation;

use crate::error::{EngineError, Result};
use crate::state::engine::Engine;

const ADVICE: &str =
    "flush hot with CALL zxq.migrate(table, 'warm'), raise hot.memory_limit, or load with --tier warm or cold";

/// Why nothing can be moved, and until when that may change.
struct Stuck {
    reason: String,
    /// `None` for further off than time can tell.
    until: Option<Instant>,
}

impl Engine {
    /// Promises memory for rows to come, as soon as it is there. While rows are moved out of hot it waits for that; where none
    /// can be, for [`crate::config::HotConfig::full_wait`], in which readers and transactions may end that keep them.
    ///
    /// # Errors
    /// [`crate::ErrorKind::OutOfMemory`], saying why no room can be made; at once for more than hot can ever hold.
    pub(crate) async fn make_room(&self, wanted: u64) -> Result<HotReservation> {
        let reservation = self.room_for(wanted).await?;
        self.room.note_progress();
        if self.hot.used() > self.hot_threshold() {
            self.room.mention();
        }
        Ok(reservation)
    }

    /// Bytes above which rows leave hot whatever their age.
    pub(crate) fn hot_threshold(&self) -> u64 {
        (self.hot.limit() as f64 * self.config.policy.hot_usage_threshold) as u64
    }

    async fn room_for(&self, wanted: u64) -> Result<HotReservation> {
        if wanted > self.hot.limit()
            && let Err(never) = self.hot.reserve(wanted)
        {
            return Err(EngineError::from(never).with_hint(ADVICE));
        }
        let came = Instant::now();
        let turn = self.room.turn().await;
        self.collect_hot().await;
        if let Ok(reservation) = self.hot.reserve(wanted) {
            return Ok(reservation);
        }
        let mut asked = None;
        let mut stuck: Option<Stuck> = None;
        loop {
            // Listen before looking, so that nothing that happens in between is missed.
            let mut freed = pin!(self.hot.freed());
            let mut ended = pin!(self.pins.ended());
            freed.as_mut().enable();
            ended.as_mut().enable();
            self.collect_hot().await;
            let full = match self.hot.reserve(wanted) {
                Ok(reservation) => return Ok(reservation),
                Err(full) => full,
            };
            if let Some(Stuck { reason, until }) = &stuck {
                tokio::select! {
                    biased;
                    // What was moved meanwhile, or was never seen: there may be more of it.
                    () = freed => {
                        self.room.note_progress();
                        stuck = None;
                    }
                    // Nothing more can be moved than before, but what was moved may be free now.
                    () = ended => {}
                    () = at(*until) => {
                        let text = format!("no room can be made in hot: {reason}");
                        return Err(EngineError::from(full).context(text).with_hint(ADVICE));
                    }
                }
                continue;
            }
            // Asked once until there is an answer: other things happen all the time.
            let wish = *asked.get_or_insert_with(|| self.room.ask(&turn, wanted));
            tokio::select! {
                biased;
                () = freed => self.room.note_progress(),
                () = ended => {}
                problem = self.room.answer_to(wish) => {
                    asked = None;
                    match problem {
                        None => self.room.note_progress(),
                        Some(reason) => {
                            // Those that have waited for their turn meanwhile have waited.
                            let since = self.room.note_stuck().max(came);
                            stuck = Some(Stuck { reason, until: since.checked_add(self.config.hot.full_wait) });
                        }
                    }
                }
            }
        }
    }

    /// Bytes of hot that a snapshot to come still shows, owners and replicas.
    pub(crate) fn visible_hot_bytes(&self) -> u64 {
        let snapshot = self.snapshot();
        snapshot.tables.values().map(|state| state.tier(Tier::Hot).totals().bytes).sum()
    }
}

/// Done at that moment; never, where there is none.
async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => pending().await,
    }
}

//! Whatever changes something, interrupted at every point at which it can be, over and over: each time it has happened as a
//! whole or not at all, nothing of it lies about, and it can simply be done again.
//!
//! [`kinds`] says what there is to interrupt, [`bench`] holds the engine that it is tried on, [`probes`] interrupts, [`state`]
//! and [`checks`] say what must hold, [`drive`] goes through it all. Four ways to interrupt: the job is asked to stop
//! ([`stopped`]), whoever asked for it goes away ([`abandoned`]), the catalog refuses to be written to ([`refused`]), the
//! process is killed ([`kills`]).
//!
//! A job waits a few times up to about a hundred times. Not all of them are tried, but the first and some of the others, so
//! that the suite takes minutes; with `ZXQ_CANCELLED_AT_EVERY=1` it is every one. Nearly all of the time goes into syncing
//! small files: with `TMPDIR` in memory it is a fraction.

mod abandoned;
mod bench;
mod checks;
mod drive;
mod kills;
mod kinds;
mod probes;
mod refused;
mod state;
mod stopped;

/// Which of the points at which a job can be interrupted are tried.
#[derive(Debug, Clone, Copy)]
pub struct Steps {
    /// Each up to this one,
    pub all_up_to: u64,
    /// and from there on one in so many.
    pub then_every: u64,
}

impl Steps {
    /// Each one.
    pub const EVERY: Steps = Steps { all_up_to: u64::MAX, then_every: 1 };

    /// The point after `n`.
    pub fn after(self, n: u64) -> u64 {
        let every_one = std::env::var_os("ZXQ_CANCELLED_AT_EVERY").is_some();
        if every_one || n < self.all_up_to { n + 1 } else { n + self.then_every }
    }
}

//! Who owns what runs: whatever changes something runs as a job of the engine and not of whoever asked for it.
//!
//! A caller holds a [`JobHandle`]: it waits for the outcome, or asks the job to stop, or goes away, which asks too. The job
//! stops where nothing of it is visible and sweeps what it has written; once it has passed the point from which its effect
//! is durable it goes on to the end, and says what happened. So who is told "cancelled" never finds the work done later, and
//! no client, however it ends, leaves a job half done.
//!
//! [`control`] is what a job and its callers agree on; [`owner`] owns the running jobs; [`table_locks`] says which of
//! them exclude each other; [`backoff`] lets what fails again and again wait; [`probe`] lets tests look in and break things.
//! What jobs do is in `jobs`, `write` and `moves`.

pub(crate) mod backoff;
pub(crate) mod control;
pub(crate) mod owner;
pub(crate) mod probe;
pub(crate) mod table_locks;

pub use control::RunningJob;
pub use owner::JobHandle;
pub use probe::{Probe, Verdict};

//! What an open engine is made of, and the one way it changes.
//!
//! Read [`engine`] first (the fields that everything above works with), then [`commit`] (catalog first, then the swap) and
//! [`pins`] (which snapshots readers hold). The rest is one small thing each.

pub(crate) mod access;
pub(crate) mod commit;
pub(crate) mod engine;
pub(crate) mod heartbeat;
pub(crate) mod ids;
pub(crate) mod job_places;
pub mod lock;
pub(crate) mod log_owner;
pub(crate) mod memory_share;
pub(crate) mod pins;
pub(crate) mod query_log;
pub(crate) mod room;
pub(crate) mod row_checkers;
pub(crate) mod statement_queue;
pub(crate) mod unsettled;

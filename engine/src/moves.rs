//! Moves: rows change tier without one being lost or doubled. The protocol is in ARCHITECTURE.md.
//!
//! [`plan`] decides what should move (pure), [`copy`] writes the destination's segments, [`run`] carries one move
//! through lease, seal, copy, durable, flip, [`together`] hundreds of small ones as one; [`retention`] says what may be deleted; [`maintenance`] does all of it by
//! itself, [`pressure`] at once where hot is full; [`verify`] re-reads everything and compares it with the catalog. What moves share with loads, and what becomes
//! of those that fail, is in `jobs`.

mod copy;
pub(crate) mod maintenance;
pub(crate) mod plan;
pub(crate) mod pressure;
mod retention;
mod run;
pub(crate) mod together;
pub(crate) mod verify;

//! Moves: rows change tier without one being lost or doubled. The protocol is in ARCHITECTURE.md.
//!
//! [`plan`] decides what should move (pure), [`copy`] writes the destination's segments, [`run`] carries one move
//! through lease, seal, copy, durable, flip, [`give_up`] sweeps after those that fail; [`verify`] re-reads everything and
//! compares it with the catalog.

pub(crate) mod copy;
pub(crate) mod give_up;
pub(crate) mod plan;
pub(crate) mod run;
pub(crate) mod verify;

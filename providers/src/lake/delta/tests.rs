//! Tests of the cold store.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod fixture;
mod log;
mod scan;
mod text;
mod write;

//! The real program, killed at any moment: what it acknowledged is there once, what it did not is there wholly or not at
//! all, and what it finds damaged it says. Also several of them on one catalog.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod cancelled;
mod commits;
mod directory;
mod full_disk;
mod kills;
mod log_damage;
mod nodes;
mod server;

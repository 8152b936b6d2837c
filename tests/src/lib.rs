//! What the test suites share: a server in this process, placements of rows over tiers, and readers of results.
//!
//! Everything here may panic: a panic is how a test fails.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod backends;
pub mod binary_text;
pub mod fuzz_targets;
pub mod placement;
pub mod slt_db;
pub mod test_server;

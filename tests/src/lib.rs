//! What the test suites share: a server in this process, placements of rows over tiers, and readers of results.
//!
//! Everything here may panic: a panic is how a test fails.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod backends;
pub mod binary_text;
#[path = "../../providers/tests/support/moto_server.rs"]
pub mod moto_server;
pub mod placement;
#[path = "../../providers/tests/support/postgres_server.rs"]
pub mod postgres_server;
#[path = "../../providers/tests/support/s3_server.rs"]
pub mod s3_server;
pub mod slt_db;
pub mod test_server;

/// Says aloud that a suite does not run, and what would make it run.
pub fn say_skipped(suite: &str, why: &str) {
    eprintln!("\n*** SKIPPED: {suite}: {why} ***\n");
}

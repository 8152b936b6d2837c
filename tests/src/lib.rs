//! What the test suites share: a server in this process, placements of rows over tiers, and readers of results.
//!
//! Everything here may panic: a panic is how a test fails.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::process::Command;

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

/// The Python that can run these imports: the one that `ZXQ_PYTHON` names, or `python3`. `None`, said aloud, where it cannot.
///
/// # Panics
/// Where it cannot and `ZXQ_REQUIRE_PYTHON` is `1`.
pub fn python_with(suite: &str, imports: &str) -> Option<String> {
    let python = std::env::var("ZXQ_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    if Command::new(&python).args(["-c", imports]).status().is_ok_and(|status| status.success()) {
        return Some(python);
    }
    let required = std::env::var("ZXQ_REQUIRE_PYTHON").is_ok_and(|v| v == "1");
    assert!(!required, "ZXQ_REQUIRE_PYTHON is set and {python} cannot run `{imports}`");
    say_skipped(suite, &format!("{python} cannot run `{imports}`"));
    None
}

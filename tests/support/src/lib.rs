//! Servers that the tests of several crates need: PostgreSQL, S3, an Iceberg REST catalog; and the Python that checks what
//! zxq wrote. Each is private to the test's process, and ends with it. Besides, segments for the tests of stores.
//!
//! Everything here may panic: a panic is how a test fails. What is not installed is skipped aloud, or fails where a variable
//! (`ZXQ_REQUIRE_POSTGRES`, `ZXQ_REQUIRE_PYTHON`, `ZXQ_REQUIRE_TIMESCALE`) says that it must be there.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod iceberg_rest_server;
pub mod moto_server;
pub mod postgres_server;
pub mod python;
pub mod s3_server;
pub mod segments;

use std::path::PathBuf;

/// The project's folder. Found when the test runs, since programs may be built in another checkout than they run in.
///
/// # Panics
/// Outside of the project.
pub fn project() -> PathBuf {
    let start = std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| std::env::current_dir().unwrap(), PathBuf::from);
    let found = start.ancestors().find(|folder| folder.join("Cargo.lock").is_file());
    found.unwrap_or_else(|| panic!("{} is not in the project", start.display())).to_owned()
}

/// Says aloud that a suite does not run, and what would make it run.
pub fn say_skipped(suite: &str, why: &str) {
    eprintln!("\n*** SKIPPED: {suite}: {why} ***\n");
}

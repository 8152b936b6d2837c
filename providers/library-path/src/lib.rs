//! For build scripts of crates with programs: tells a program where DuckDB's library lies.
//!
//! Cargo hands link arguments to no crate but the one whose script says them, so each such crate has a script that calls
//! [`link`].

use std::env;

/// The program looks beside itself, in `deps` beside itself, and where the build found the library.
///
/// The crate must name `zxq-engine`, which hands on what the build script of `zxq-providers` has found.
pub fn link() {
    println!("cargo::rerun-if-env-changed=DEP_ZXQ_ENGINE_FOLDER");
    let Some(folder) = env::var_os("DEP_ZXQ_ENGINE_FOLDER") else { return };
    let origin = if env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("macos") { "@executable_path" } else { "$ORIGIN" };
    for place in [origin.to_owned(), format!("{origin}/deps"), folder.to_string_lossy().into_owned()] {
        println!("cargo::rustc-link-arg=-Wl,-rpath,{place}");
    }
}

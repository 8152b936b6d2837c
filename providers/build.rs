//! Brings DuckDB's library to the linker, and puts it where `cargo run`, `cargo test` and what they build look for it.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, io};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-env-changed=DUCKDB_LIB_DIR");
    println!("cargo::rerun-if-changed=../duckdb.sh");
    // With this feature the crate `duckdb` builds and links its own.
    if env::var_os("CARGO_FEATURE_BUNDLED_DUCKDB").is_some() {
        return Ok(());
    }
    let folder = match env::var_os("DUCKDB_LIB_DIR") {
        Some(folder) => PathBuf::from(folder),
        None => fetched()?,
    };
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("no OUT_DIR")?);
    let library = library(&folder)?;
    // Cargo runs programs with the library folders below `target/` in their search path, and with no others.
    place(&library, &out)?;
    // `<profile>/build/<package>/out`: programs find it in `<profile>/deps` when they are run without cargo.
    if let Some(profile) = out.ancestors().nth(3) {
        place(&library, &profile.join("deps"))?;
    }
    println!("cargo::rustc-link-search=native={}", out.display());
    println!("cargo::metadata=folder={}", folder.display());
    println!("cargo::rerun-if-changed={}", library.display());
    Ok(())
}

/// The folder of the library that the script fetched or built.
fn fetched() -> Result<PathBuf, Box<dyn Error>> {
    let crate_folder = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").ok_or("no CARGO_MANIFEST_DIR")?);
    let script = crate_folder.join("../duckdb.sh");
    let output = Command::new("bash").arg(&script).stderr(std::process::Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err(format!(
            "{} found no DuckDB: set DUCKDB_LIB_DIR to the folder of its library, or build with --features bundled-duckdb",
            script.display()
        )
        .into());
    }
    Ok(PathBuf::from(String::from_utf8(output.stdout)?.trim()))
}

fn library(folder: &Path) -> Result<PathBuf, Box<dyn Error>> {
    ["libduckdb.so", "libduckdb.dylib", "duckdb.lib"]
        .iter()
        .map(|name| folder.join(name))
        .find(|path| path.is_file())
        .ok_or_else(|| format!("there is no DuckDB library in {}", folder.display()).into())
}

/// Replaces the library in one step: another build may be linking with it.
fn place(library: &Path, folder: &Path) -> io::Result<()> {
    let Some(name) = library.file_name() else { return Ok(()) };
    fs::create_dir_all(folder)?;
    let new = folder.join(format!(".duckdb.{}", std::process::id()));
    fs::copy(library, &new)?;
    fs::rename(&new, folder.join(name))
}

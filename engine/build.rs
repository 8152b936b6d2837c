//! Hands on to programs where DuckDB's library lies, as the build script of `zxq-providers` says.

fn main() {
    println!("cargo::rerun-if-env-changed=DEP_DUCKDB_LIBRARY_FOLDER");
    if let Ok(folder) = std::env::var("DEP_DUCKDB_LIBRARY_FOLDER") {
        println!("cargo::metadata=folder={folder}");
    }
}

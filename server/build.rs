//! Tells the programs where DuckDB's library lies.

fn main() {
    zxq_library_path::link();
}

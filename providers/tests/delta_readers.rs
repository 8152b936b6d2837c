//! Delta tables written here are read by others: delta-rs (its Python package) and DuckDB's delta extension.
//!
//! Needs `pip install deltalake pyarrow duckdb duckdb-extension-delta` for the Python named by `ZXQ_PYTHON` (default
//! `python3`). Without them the test says loudly that it is skipped; `ZXQ_REQUIRE_PYTHON=1` makes that a failure.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/reader_tables.rs"]
mod reader_tables;

use reader_tables::{expected, fill, table};
use serde_json::json;
use zxq_catalog::Granularity;
use zxq_providers::lake::delta::{DeltaOptions, DeltaStore};
use zxq_test_support::python;

#[tokio::test(flavor = "multi_thread")]
async fn others_read_the_same_rows() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = DeltaOptions::at(folder.path().join("with space & more"));
    options.checkpoint_interval = 4;
    let store = DeltaStore::open(options).unwrap();
    let root = folder.path().canonicalize().unwrap().join("with space & more");
    let mut tables = Vec::new();
    for (id, granularity) in [(1, Granularity::Day), (2, Granularity::Month), (3, Granularity::Year)] {
        let mut table = table(id, granularity);
        let written = fill(&store, &mut table, &mut |_, _| {}).await;
        let path = root.join(table.storage_name());
        tables.push(expected(path.to_str().unwrap(), &table, &written));
    }
    let manifest = folder.path().join("manifest.json");
    std::fs::write(&manifest, json!({ "tables": tables }).to_string()).unwrap();

    let imports = "import deltalake, duckdb, duckdb_extension_delta, pyarrow";
    let Some(python) = python::python_with("other readers of Delta tables", imports) else { return };
    let output = python::script(&python, include_str!("delta_readers.py")).arg(&manifest).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}\n{err}");
    assert_eq!(out.matches("rows agree").count(), 3, "{out}\n{err}");
}

//! Iceberg tables written here are read by others, after every commit: PyIceberg, by name through the catalog database and
//! by the metadata file, and DuckDB's iceberg extension.
//!
//! Needs `pip install pyiceberg[sql-sqlite] pyarrow duckdb duckdb-extension-avro duckdb-extension-iceberg` for the Python
//! named by `ZXQ_PYTHON` (default `python3`). Without them the test says loudly that it is skipped; `ZXQ_REQUIRE_PYTHON=1`
//! makes that a failure.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/reader_tables.rs"]
mod reader_tables;

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::sync::Arc;

use reader_tables::{expected, fill, table};
use serde_json::{Value as Json, json};
use zxq_catalog::{Granularity, MetadataPointers, SqliteStore};
use zxq_providers::lake::iceberg::{IcebergCatalog, IcebergOptions, IcebergStore};
use zxq_test_support::python;

/// The Python process that compares what it reads with what it is told.
struct Readers {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    agreed: usize,
}

impl Readers {
    fn start() -> Option<Readers> {
        let imports = "import duckdb, duckdb_extension_avro, duckdb_extension_iceberg, pyarrow, pyiceberg, sqlalchemy";
        let python = python::python_with("other readers of Iceberg tables", imports)?;
        let mut command = python::script(&python, include_str!("iceberg_readers.py"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (to, from) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Some(Readers { child, to, from, agreed: 0 })
    }

    fn check(&mut self, table: &Json) {
        writeln!(self.to, "{table}").unwrap();
        let mut answer = String::new();
        self.from.read_line(&mut answer).unwrap();
        assert_eq!(answer.trim(), "rows agree", "after {} looks; see the standard error", self.agreed);
        self.agreed += 1;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn others_read_the_same_rows_after_every_commit() {
    let Some(mut readers) = Readers::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("catalog.sqlite");
    let pointers = Arc::new(SqliteStore::open(&database).await.unwrap());
    let options = IcebergOptions {
        snapshots_kept: 4,
        metadata_files_kept: 4,
        merge_manifests_above: 4,
        row_group_rows: 4,
        ..IcebergOptions::at(folder.path().join("with space & more"), IcebergCatalog::Sql(pointers.clone()))
    };
    let store = IcebergStore::open(options).unwrap();
    for (id, granularity) in [(1, Granularity::Day), (2, Granularity::Month), (3, Granularity::Year)] {
        let mut table = table(id, granularity);
        let mut look = |table: &zxq_catalog::TableDef, written: &[arrow::array::RecordBatch]| {
            let name = table.storage_name();
            let location = tokio::task::block_in_place(|| {
                tokio::runtime::Handle::current().block_on(pointers.metadata_location(&name)).unwrap().unwrap()
            });
            let mut looked = expected(&location, table, written);
            looked["name"] = json!(name);
            looked["database"] = json!(database.to_str().unwrap());
            readers.check(&looked);
        };
        fill(&store, &mut table, &mut look).await;
    }
    assert_eq!(readers.agreed, 3 * 13, "commits looked at");
    drop(readers.to);
    assert!(readers.child.wait().unwrap().success());
}

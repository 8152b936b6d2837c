//! Iceberg tables whose catalog is zxq's own in PostgreSQL: PyIceberg opens them there by name and reads the same rows.
//!
//! Needs `pip install "pyiceberg[sql-postgres,pyarrow]"` for the Python named by `ZXQ_PYTHON`.

use std::process::Command;

use zxq_test_support::postgres_server;
use zxq_tests::backends::Backends;
use zxq_tests::test_server::{TestServer, connect, one_text};

/// Prints the rows of `zxq.TABLE` as `id:price` text, ordered.
const READ: &str = r#"
import sys
from pyiceberg.catalog.sql import SqlCatalog
catalog = SqlCatalog("zxq", uri=sys.argv[1])
rows = catalog.load_table(("zxq", sys.argv[2])).scan().to_arrow().to_pylist()
print(",".join(sorted(f"{row['id']}:{row['price']}" for row in rows)))
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pyiceberg_reads_every_commit_by_name() {
    let imports = "import pyarrow, psycopg2, pyiceberg.catalog.sql";
    let Some(python) = zxq_test_support::python::python_with("Iceberg tables in a PostgreSQL catalog", imports) else {
        return;
    };
    let Some(postgres) = postgres_server::shared() else { return };
    let mut schema = String::new();
    let server = TestServer::start_with(|config| {
        Backends::named("catalog_iceberg").apply(config);
        schema = config.catalog.postgres.as_ref().unwrap().schema().to_owned();
    })
    .await;
    let client = connect(server.address).await;
    client
        .batch_execute("CREATE TABLE p (id BIGINT NOT NULL, price DECIMAL(10,2), day DATE) WITH (partition_by = 'day')")
        .await
        .unwrap();
    let name = one_text(&client, "SELECT storage_name FROM zxq.tables WHERE table_name = 'p'").await;
    let address = postgres.superuser_url().replacen("postgres://", "postgresql+psycopg2://", 1);
    let uri = format!("{address}?options=-csearch_path%3D{schema}");
    for (statement, rows) in [
        ("INSERT INTO p VALUES (1, 1.50, '2024-01-01'), (2, NULL, '2024-01-02')", "1:1.50,2:None"),
        ("INSERT INTO p VALUES (3, -3.25, '2024-01-02'), (4, 4.00, NULL)", "1:1.50,2:None,3:-3.25,4:4.00"),
    ] {
        client.batch_execute(statement).await.unwrap();
        client.batch_execute("CALL zxq.migrate('p', 'cold')").await.unwrap();
        let read = Command::new(&python).args(["-c", READ, &uri, &name]).output().unwrap();
        assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
        assert_eq!(String::from_utf8_lossy(&read.stdout).trim(), rows, "after {statement}");
    }
    drop(client);
    server.stop().await;
}

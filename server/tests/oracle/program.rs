//! The program under test, with its tables: the same rows in each tier, and apart in all three.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use tempfile::TempDir;
use tokio_postgres::{Client, NoTls};

use crate::values::{COLUMNS, ROWS};

/// The tables, by where their rows lie.
pub(crate) const PLACES: [&str; 4] = ["v_hot", "v_warm", "v_cold", "v_split"];
const START: Duration = Duration::from_secs(60);

/// A running server, killed when dropped, and the address of its oracle.
pub(crate) struct Program {
    child: Child,
    address: String,
    postgres: String,
    _folder: TempDir,
}

impl Program {
    /// Starts the server and makes the tables in both systems.
    pub(crate) async fn start(postgres: &str) -> Program {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let mut child = Command::new(env!("CARGO_BIN_EXE_zxq"))
            .args(["serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(&data)
            .env_remove("ZXQ_CONFIG")
            .env_remove("ZXQ_DATA")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let (ready, wait) = mpsc::channel();
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                if let Some(rest) = line.strip_prefix("zxq is ready on ") {
                    let _ = ready.send(rest.split_whitespace().next().unwrap_or_default().to_owned());
                }
            }
        });
        let address = wait.recv_timeout(START).expect("the server starts");
        let program = Program { child, address, postgres: postgres.to_owned(), _folder: folder };
        program.make_tables().await;
        program
    }

    async fn make_tables(&self) {
        let right = self.postgres().await;
        let columns = COLUMNS;
        let made = format!(
            "DROP SCHEMA IF EXISTS oracle CASCADE; CREATE SCHEMA oracle; CREATE TABLE oracle.v ({columns}); INSERT INTO oracle.v VALUES {ROWS}"
        );
        right.batch_execute(&made).await.unwrap();
        let ours = self.zxq().await;
        for table in PLACES {
            let made = format!("CREATE TABLE {table} ({columns}) WITH (partition_by = 'day', sort_by = 'id')");
            ours.batch_execute(&made).await.unwrap();
            ours.batch_execute(&format!("INSERT INTO {table} VALUES {ROWS}")).await.unwrap();
        }
        let moves = "CALL zxq.migrate('v_warm', 'warm'); CALL zxq.migrate('v_cold', 'cold'); \
             CALL zxq.migrate('v_split', 'warm', partition => '2024-01-02'); \
             CALL zxq.migrate('v_split', 'cold', partition => '2024-01-03')";
        for one in moves.split(';') {
            ours.batch_execute(one).await.unwrap_or_else(|e| panic!("{one}: {e:?}"));
        }
    }

    /// A new connection to PostgreSQL.
    pub(crate) async fn postgres(&self) -> Client {
        connect(&format!("{}?options=-c%20timezone%3DUTC%20-c%20statement_timeout%3D30000", self.postgres)).await
    }

    /// A new connection to zxq.
    pub(crate) async fn zxq(&self) -> Client {
        connect(&format!("postgres://zxq@{}/zxq", self.address)).await
    }
}

async fn connect(address: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(address, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

//! A server process of its own, and questions to it.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

/// How long a start, with all its recovery, may take.
const START: Duration = Duration::from_secs(60);

/// `zxq` with arguments, without this machine's settings.
pub(crate) fn zxq(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_zxq"));
    command.args(args).stdin(Stdio::null());
    for variable in ["ZXQ_DATA", "ZXQ_CONFIG", "ZXQ_LOG"] {
        command.env_remove(variable);
    }
    command
}

/// A running server; killed when dropped.
pub(crate) struct Server {
    child: Child,
    /// Where it serves.
    pub(crate) address: String,
    /// What its ready line says: where it serves, over which data, as what.
    pub(crate) ready: String,
    /// Settings of a client that may load any file.
    pub(crate) options: String,
    errors: std::thread::JoinHandle<String>,
}

impl Server {
    /// Starts a server and waits for its ready line.
    pub(crate) fn start(data: &Path, config: &Path) -> Server {
        let args = [
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--data",
            data.to_str().unwrap(),
            "--config",
            config.to_str().unwrap(),
        ];
        let mut child = zxq(&args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stderr = child.stderr.take().unwrap();
        let errors = std::thread::spawn(move || {
            let mut text = String::new();
            // Killed in the middle of a line it may not be UTF-8; what was read until then stays.
            let _ = stderr.read_to_string(&mut text);
            text
        });
        let out = BufReader::new(child.stdout.take().unwrap());
        let (ready, wait) = mpsc::channel();
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                if let Some(rest) = line.strip_prefix("zxq is ready on ") {
                    let _ = ready.send(rest.to_owned());
                }
            }
        });
        match wait.recv_timeout(START) {
            Ok(ready) => {
                let address = ready.split_whitespace().next().unwrap_or_default().to_owned();
                Server { child, address, ready, options: secret_option(data), errors }
            }
            Err(_) => {
                let _ = child.kill();
                let _ = child.wait();
                panic!("the server did not start: {}", errors.join().unwrap());
            }
        }
    }

    pub(crate) async fn connect(&self) -> Client {
        let (host, port) = self.address.rsplit_once(':').unwrap();
        let options = &self.options;
        let address = format!("host={host} port={port} user=zxq dbname=zxq options='{options}'");
        let (client, connection) = tokio_postgres::connect(&address, NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }

    /// Asks it to end, which it must do well.
    pub(crate) fn stop(mut self) {
        self.signal("TERM");
        let deadline = std::time::Instant::now() + START;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                assert!(status.success(), "ended with {status}");
                return;
            }
            assert!(std::time::Instant::now() < deadline, "did not end");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// SIGKILL, without a word. Gives what it had written to standard error.
    pub(crate) fn kill(mut self) -> String {
        let ended = self.child.try_wait().unwrap().map_or_else(String::new, |status| format!("[ended: {status}] "));
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        ended + &std::mem::replace(&mut self.errors, std::thread::spawn(String::new)).join().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The option with the secret of a data directory's lock file.
fn secret_option(data: &Path) -> String {
    let text = std::fs::read_to_string(data.join("zxq.lock")).unwrap();
    let lock: serde_json::Value = serde_json::from_str(&text).unwrap();
    format!("-c zxq.local={}", lock["secret"].as_str().unwrap())
}

/// Runs a command to its end.
pub(crate) fn run(command: &mut Command) -> Output {
    command.output().unwrap()
}

/// Rows of a query as text.
pub(crate) async fn rows(client: &Client, sql: &str) -> Vec<Vec<String>> {
    let messages = client.simple_query(sql).await.unwrap_or_else(|e| panic!("{sql}: {e:?}"));
    messages
        .into_iter()
        .filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => {
                Some((0..row.len()).map(|i| row.get(i).unwrap_or("NULL").to_owned()).collect())
            }
            _ => None,
        })
        .collect()
}

/// The one number a query gives.
pub(crate) async fn number(client: &Client, sql: &str) -> i64 {
    let rows = rows(client, sql).await;
    rows[0][0].parse().unwrap_or_else(|_| panic!("{sql}: {rows:?}"))
}

/// Re-reads everything; damage fails the test.
pub(crate) async fn verify(client: &Client) {
    for row in rows(client, "CALL zxq.verify()").await {
        assert_eq!(row[4], "t", "verify: {row:?}");
    }
}

/// By batch: rows, distinct ids and the sum of ids.
pub(crate) async fn batches(client: &Client, table: &str) -> BTreeMap<i64, [i64; 3]> {
    let sql = format!("SELECT batch, count(name), count(DISTINCT id), sum(id) FROM {table} GROUP BY batch");
    rows(client, &sql)
        .await
        .into_iter()
        .map(|row| {
            let numbers: Vec<i64> = row.iter().map(|n| n.parse().unwrap()).collect();
            (numbers[0], [numbers[1], numbers[2], numbers[3]])
        })
        .collect()
}

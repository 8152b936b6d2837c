//! An engine in a temporary folder with the wire server in front of it, in this process.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_postgres::{Client, NoTls};
use tokio_util::sync::CancellationToken;
use zxq_engine::{Engine, EngineConfig, MIB};
use zxq_server::serve::{ServeOptions, ServerError, serve};

/// A configuration for tests: little memory, no scheduler, no waiting for the disk.
pub fn test_config(dir: &std::path::Path) -> EngineConfig {
    let mut config = EngineConfig::at(dir);
    config.hot.memory_limit_bytes = 128 * MIB;
    config.hot.wal_segment_bytes = MIB;
    config.hot.wal_sync = false;
    config.hot.full_wait = Duration::from_millis(200);
    config.warm.memory_limit_bytes = 128 * MIB;
    config.warm.threads = 2;
    config.cold.metadata_cache_bytes = 16 * MIB;
    config.policy.maintenance_interval = Duration::ZERO;
    config.query_memory_bytes = 256 * MIB;
    config.target_partitions = 2;
    config
}

/// An open engine that goes away with its folder.
pub struct TestEngine {
    /// The engine.
    pub engine: Arc<Engine>,
    dir: TempDir,
}

impl TestEngine {
    /// Opens an engine in a new folder; `adjust` may change its configuration.
    pub async fn open(adjust: impl FnOnce(&mut EngineConfig)) -> TestEngine {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let mut config = test_config(dir.path());
        adjust(&mut config);
        let engine = Engine::open(config).await.expect("the engine opens");
        TestEngine { engine, dir }
    }

    /// The data directory.
    pub fn dir(&self) -> &std::path::Path {
        self.dir.path()
    }

    /// Closes the engine, and keeps its folder.
    pub async fn close(self) -> TempDir {
        close(self.engine).await;
        self.dir
    }
}

/// Closes an engine and waits until nothing holds its folder any more.
pub async fn close(engine: Arc<Engine>) {
    engine.shutdown().await.expect("the engine closes");
    let still = Arc::downgrade(&engine);
    drop(engine);
    for _ in 0..1000 {
        if still.strong_count() == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("something still holds the engine");
}

/// A server on a free port of this machine.
pub struct TestServer {
    /// The engine behind it.
    pub engine: Arc<Engine>,
    /// Where it listens.
    pub address: SocketAddr,
    stop: CancellationToken,
    serving: JoinHandle<Result<(), ServerError>>,
    dir: TempDir,
}

impl TestServer {
    /// Starts a server over a new engine.
    pub async fn start() -> TestServer {
        TestServer::start_with(|_| {}).await
    }

    /// Starts a server over a new engine whose configuration `adjust` may change.
    pub async fn start_with(adjust: impl FnOnce(&mut EngineConfig)) -> TestServer {
        let TestEngine { engine, dir } = TestEngine::open(adjust).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("its address");
        let stop = CancellationToken::new();
        let asked = stop.clone().cancelled_owned();
        // Tests load files of their own.
        let options = ServeOptions { load_roots: vec!["/".into()], ..ServeOptions::default() };
        let serving = tokio::spawn(serve(listener, Arc::clone(&engine), options, asked));
        TestServer { engine, address, stop, serving, dir }
    }

    /// A new connection.
    pub async fn connect(&self) -> Client {
        connect(self.address).await
    }

    /// The data directory.
    pub fn dir(&self) -> &std::path::Path {
        self.dir.path()
    }

    /// Stops serving and closes the engine.
    pub async fn stop(self) {
        self.stop.cancel();
        self.serving.await.expect("the server task ends").expect("the server ends well");
        self.engine.shutdown().await.expect("the engine closes");
    }
}

/// Connects to a server; the connection runs until the client is dropped and all it had asked is answered.
pub async fn connect(address: SocketAddr) -> Client {
    connect_held(address).await.0
}

/// Connects to a server; who aborts the task closes the socket without a word, whatever the client waits for.
pub async fn connect_held(address: SocketAddr) -> (Client, JoinHandle<Result<(), tokio_postgres::Error>>) {
    let config = format!("host={} port={} user=zxq dbname=zxq", address.ip(), address.port());
    let (client, connection) = tokio_postgres::connect(&config, NoTls).await.expect("the server accepts a connection");
    (client, tokio::spawn(connection))
}

/// The first column of the first row of a query, as text.
pub async fn one_text(client: &Client, sql: &str) -> String {
    let messages = client.simple_query(sql).await.unwrap_or_else(|e| panic!("{sql}: {}", error_text(&e)));
    messages
        .iter()
        .find_map(|m| match m {
            tokio_postgres::SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or("NULL").to_owned()),
            _ => None,
        })
        .unwrap_or_else(|| panic!("{sql}: no row"))
}

/// Runs statements that must not fail.
pub async fn must(client: &Client, sql: &str) {
    client.batch_execute(sql).await.unwrap_or_else(|e| panic!("{sql}: {}", error_text(&e)));
}

/// An error as `SQLSTATE: message`, or what the client says when the server did not.
pub fn error_text(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(db) => format!("{}: {}", db.code().code(), db.message()),
        None => format!("client: {error}: {:?}", std::error::Error::source(error)),
    }
}

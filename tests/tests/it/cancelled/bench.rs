//! The engine that things are tried on, in a folder of its own, and the stores that it uses.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use arrow::record_batch::RecordBatch;
use tempfile::TempDir;
use tokio_postgres::{Client, NoTls};
use zxq_engine::{ColdFormat, Engine, EngineConfig, PostgresOptions, Probe};
use zxq_test_support::postgres_server;
use zxq_test_support::s3_server::S3Server;
use zxq_tests::test_server::{close, test_config};

use super::checks;
use super::probes::Watch;

/// By age nothing moves, but for tables whose options say so.
const NEVER: Duration = Duration::from_secs(100 * 365 * 86_400);

/// Which stores are warm and cold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stores {
    /// A DuckDB file, and Delta tables in a folder.
    Usual,
    /// PostgreSQL, and Iceberg tables in a folder.
    Postgres,
    /// A DuckDB file, and Delta tables in a bucket.
    Bucket,
}

/// Places of its own in those stores.
pub struct Place {
    pub stores: Stores,
    /// Schema or prefix.
    pub name: String,
    /// The PostgreSQL server's address.
    pub url: Option<String>,
    /// The bucket's server.
    pub bucket: Option<S3Server>,
}

impl Place {
    /// `None`, said aloud, where there is no PostgreSQL server and one is wanted.
    pub fn new(stores: Stores) -> Option<Place> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let url = match stores {
            Stores::Postgres => Some(postgres_server::shared()?.superuser_url()),
            Stores::Usual | Stores::Bucket => None,
        };
        let name = format!("cancelled_{}", COUNT.fetch_add(1, Ordering::Relaxed));
        Some(Place { stores, name, url, bucket: (stores == Stores::Bucket).then(S3Server::start) })
    }

    /// The configuration of an engine in this folder that uses them.
    pub fn config(&self, dir: &Path, probe: &Arc<Watch>) -> EngineConfig {
        let mut config = test_config(dir);
        // A partition of a dozen rows is several segments.
        config.policy.segment_rows = 8;
        // Some thousand rows are more than a statement gathers.
        config.hot.gathered_bytes = 256 * 1024;
        config.policy.hot_to_warm_age = NEVER;
        config.policy.warm_to_cold_age = NEVER;
        config.probe = Some(Arc::clone(probe) as Arc<dyn Probe>);
        if let Some(url) = &self.url {
            let mut options = PostgresOptions::parse(url).unwrap();
            options.schema.clone_from(&self.name);
            config.warm.postgres = Some(options);
            config.cold.format = ColdFormat::Iceberg;
        }
        if let Some(bucket) = &self.bucket {
            config.cold.s3 = Some(bucket.options(&self.name));
        }
        config
    }

    /// Names of all files in cold, relative to its place, in order. Files that have no name yet (`name#digits`) are left out,
    /// as every listing does.
    pub fn cold_files(&self, dir: &Path) -> Vec<String> {
        let mut found: Vec<String> = match &self.bucket {
            Some(bucket) => {
                let prefix = format!("{}/", self.name);
                let keys = bucket.keys(&prefix).into_iter();
                keys.filter_map(|key| key.strip_prefix(&prefix).map(str::to_owned)).collect()
            }
            None => {
                let (root, mut found) = (dir.join("cold"), Vec::new());
                files(&root, &root, &mut found);
                found
            }
        };
        found.retain(|name| !name.contains('#'));
        found.sort();
        found
    }

    /// A file of cold.
    pub fn cold_file(&self, dir: &Path, name: &str) -> Vec<u8> {
        match &self.bucket {
            Some(bucket) => bucket.object(&format!("{}/{name}", self.name)),
            None => std::fs::read(dir.join("cold").join(name)).unwrap_or_else(|e| panic!("{name}: {e}")),
        }
    }
}

fn files(root: &Path, folder: &Path, found: &mut Vec<String>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(root, &path, found);
        } else {
            found.push(path.strip_prefix(root).unwrap().display().to_string());
        }
    }
}

/// An engine over these stores, which can be closed and opened again.
pub struct Bench {
    pub place: Place,
    pub probe: Arc<Watch>,
    dir: TempDir,
    engine: Option<Arc<Engine>>,
    /// A connection to the PostgreSQL server, past the engine.
    direct: Option<Client>,
    names: u32,
}

impl Bench {
    /// `None`, said aloud, where the stores are not there.
    pub async fn open(stores: Stores) -> Option<Bench> {
        let place = Place::new(stores)?;
        let direct = match &place.url {
            Some(url) => {
                let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
                tokio::spawn(connection);
                Some(client)
            }
            None => None,
        };
        let dir = tempfile::tempdir().unwrap();
        let mut bench = Bench { place, probe: Arc::default(), dir, engine: None, direct, names: 0 };
        bench.reopen().await;
        Some(bench)
    }

    pub fn engine(&self) -> &Arc<Engine> {
        self.engine.as_ref().expect("the engine is open")
    }

    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub fn direct(&self) -> Option<&Client> {
        self.direct.as_ref()
    }

    /// A name for a table and the start of the names of others, which nothing else has and no row holds.
    pub fn new_name(&mut self) -> String {
        self.names += 1;
        format!("r{:04}x", self.names)
    }

    /// Closes the engine. With `tidy`, nothing may lie in the warm file that the catalog does not name.
    pub async fn close(&mut self, tidy: bool) {
        if tidy {
            // What is retired and was kept for a reader goes first.
            self.collect().await;
        }
        let engine = self.engine.take().expect("the engine is open");
        let warm = checks::locations(&engine, zxq_engine::Tier::Warm);
        close(engine).await;
        if tidy && self.place.stores != Stores::Postgres {
            checks::only_these_in_duckdb(self.dir(), &warm);
        }
    }

    pub async fn reopen(&mut self) {
        let config = self.place.config(self.dir(), &self.probe);
        let opened = Engine::open(config).await;
        self.engine = Some(opened.unwrap_or_else(|e| panic!("{:?} does not open again: {e}", self.place.stores)));
    }

    pub async fn restart(&mut self, tidy: bool) {
        self.close(tidy).await;
        self.reopen().await;
    }

    /// The last close.
    pub async fn end(mut self) {
        self.close(true).await;
    }

    /// Runs SQL that has to work.
    pub async fn sql(&self, sql: &str) -> Vec<RecordBatch> {
        self.engine().sql(sql).await.unwrap_or_else(|e| panic!("{sql}: {e}"))
    }

    /// Has what is retired dropped. A table that is dropped does so, and moves nothing.
    pub async fn collect(&self) {
        self.sql("CREATE TABLE collected (id BIGINT); DROP TABLE collected").await;
    }

    /// How many hold the probe. Each job that runs does, beside those that always do.
    pub fn watching(&self) -> usize {
        Arc::strong_count(&self.probe)
    }

    /// Waits for all jobs to end; `watching` is what it was when none ran.
    pub async fn wait_for_jobs(&self, watching: usize) {
        let started = Instant::now();
        while self.watching() > watching {
            assert!(started.elapsed() < Duration::from_secs(60), "a job that was asked to stop does not end");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

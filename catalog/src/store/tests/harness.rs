//! A catalog of one test, in either store.

use std::str::FromStr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use sqlx::{ConnectOptions, Connection};
use tempfile::TempDir;

use crate::fixtures::table;
use crate::store::postgres::writer::{Claim, Claimed};
use zxq_test_support::postgres_server;

use crate::store::{CatalogStore, Commit, PostgresCatalog, PostgresCatalogOptions, SqliteStore};
use crate::{CatalogError, Change, SegmentId};

/// Which store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum StoreKind {
    Sqlite,
    Postgres,
}

/// Where a catalog lies: it stays when the store is dropped.
enum Home {
    Folder(TempDir),
    Schema(String),
}

/// A catalog of one test.
pub(in super::super) struct Catalog {
    home: Home,
    pub(in super::super) store: Box<dyn CatalogStore>,
}

/// Options for a schema of its own in the shared server.
pub(in super::super) fn options(schema: &str) -> PostgresCatalogOptions {
    let server = postgres_server::shared().expect("the suite asked whether there is a server");
    PostgresCatalogOptions::parse(&server.superuser_url()).unwrap().with_schema(schema).unwrap()
}

/// A name that no other test uses.
pub(in super::super) fn fresh_schema() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("catalog_{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

/// A claim by the data directory of this name.
pub(in super::super) fn claim(directory: &str) -> Claim {
    Claim {
        directory: directory.to_owned(),
        host: "here".to_owned(),
        place: format!("/data/{directory}"),
        lease: Duration::from_secs(60),
        take_over: false,
    }
}

/// The catalog of a schema, opened as its writer.
pub(in super::super) async fn open_writer(schema: &str) -> PostgresCatalog {
    let catalog = PostgresCatalog::open(options(schema), true).await.unwrap();
    let claimed = catalog.claim(&claim("a")).await.unwrap();
    assert!(matches!(claimed, Claimed::Taken(_)), "{claimed:?}");
    catalog
}

impl Catalog {
    pub(in super::super) async fn empty(kind: StoreKind) -> Catalog {
        let home = match kind {
            StoreKind::Sqlite => Home::Folder(TempDir::new().unwrap()),
            StoreKind::Postgres => Home::Schema(fresh_schema()),
        };
        Catalog { store: Catalog::open(&home).await, home }
    }

    async fn open(home: &Home) -> Box<dyn CatalogStore> {
        match home {
            Home::Folder(folder) => Box::new(SqliteStore::open(&folder.path().join("catalog.db")).await.unwrap()),
            Home::Schema(schema) => Box::new(open_writer(schema).await),
        }
    }

    /// With table 1, `trades`, at epoch 1.
    pub(in super::super) async fn with_table(kind: StoreKind) -> Catalog {
        let catalog = Catalog::empty(kind).await;
        catalog.commit(0, vec![Change::CreateTable(Box::new(table(1, "trades")))]).await.unwrap();
        catalog
    }

    pub(in super::super) async fn commit(&self, base: u64, changes: Vec<Change>) -> Result<(), CatalogError> {
        self.store.commit(&Commit { base_epoch: base, epoch: base + 1, changes, ..Commit::default() }).await
    }

    /// Drops the store without closing it, as a crash does, and opens it again.
    pub(in super::super) async fn reopen(self) -> Catalog {
        let Catalog { home, store } = self;
        drop(store);
        Catalog { store: Catalog::open(&home).await, home }
    }

    pub(in super::super) async fn ids(&self) -> Vec<SegmentId> {
        let snapshot = self.store.load().await.unwrap();
        snapshot.table("trades").map(|t| t.all().map(|s| s.id).collect()).unwrap_or_default()
    }

    pub(in super::super) async fn retired_ids(&self) -> Vec<SegmentId> {
        self.store.retired().await.unwrap().iter().map(|r| r.segment.id).collect()
    }

    /// Changes the database behind the store's back.
    pub(in super::super) async fn raw(&self, sql: &str) {
        match &self.home {
            Home::Folder(folder) => {
                let file = folder.path().join("catalog.db");
                let options = sqlx::sqlite::SqliteConnectOptions::new().filename(file).foreign_keys(false);
                let mut connection = options.connect().await.unwrap();
                sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
                connection.close().await.unwrap();
            }
            Home::Schema(schema) => raw_in_schema(schema, sql).await,
        }
    }

    pub(in super::super) async fn open_again(&self) -> Result<(), CatalogError> {
        match &self.home {
            Home::Folder(folder) => SqliteStore::open(&folder.path().join("catalog.db")).await.map(|_| ()),
            Home::Schema(schema) => PostgresCatalog::open(options(schema), true).await.map(|_| ()),
        }
    }
}

/// Runs SQL in a schema of the shared server, without foreign keys getting in the way.
pub(in super::super) async fn raw_in_schema(schema: &str, sql: &str) {
    let url = postgres_server::shared().unwrap().superuser_url();
    let mut connection = sqlx::postgres::PgConnectOptions::from_str(&url).unwrap().connect().await.unwrap();
    let sql = format!("SET session_replication_role = replica; SET search_path = \"{schema}\"; {sql}");
    sqlx::raw_sql(&sql).execute(&mut connection).await.unwrap();
}

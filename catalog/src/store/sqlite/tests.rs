//! What only the SQLite store has: a file, and a disk that fills up.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use sqlx::{ConnectOptions, Connection};
use tempfile::TempDir;

use super::SqliteStore;
use crate::fixtures::{partition, segment, table};
use crate::store::{CatalogStore, Commit};
use crate::{CatalogError, Change, Tier};

/// A file with table 1, `trades`, at epoch 1.
async fn with_table() -> (TempDir, SqliteStore) {
    let folder = TempDir::new().unwrap();
    let store = SqliteStore::open(&folder.path().join("catalog.db")).await.unwrap();
    commit(&store, 0, vec![Change::CreateTable(Box::new(table(1, "trades")))]).await.unwrap();
    (folder, store)
}

async fn commit(store: &SqliteStore, base: u64, changes: Vec<Change>) -> Result<(), CatalogError> {
    store.commit(&Commit { base_epoch: base, epoch: base + 1, changes, ..Commit::default() }).await
}

#[tokio::test]
async fn closing_leaves_one_file_that_opens_again() {
    let (folder, store) = with_table().await;
    store.close().await.unwrap();
    let files: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|f| f.unwrap().file_name()).collect();
    assert_eq!(files, ["catalog.db"]);
    let store = SqliteStore::open(&folder.path().join("catalog.db")).await.unwrap();
    assert!(store.load().await.unwrap().table("trades").is_some());
}

#[tokio::test]
async fn files_that_are_no_catalog_are_told_apart() {
    let folder = TempDir::new().unwrap();
    let open = async |name: &str| SqliteStore::open(&folder.path().join(name)).await.unwrap_err();

    std::fs::write(folder.path().join("text.db"), vec![b'x'; 4096]).unwrap();
    assert!(matches!(open("text.db").await, CatalogError::Corrupt(_)));

    let other =
        sqlx::sqlite::SqliteConnectOptions::new().filename(folder.path().join("other.db")).create_if_missing(true);
    let mut connection = other.connect().await.unwrap();
    sqlx::raw_sql("CREATE TABLE prices (x)").execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    let error = open("other.db").await;
    assert!(matches!(&error, CatalogError::Corrupt(m) if m.contains("other.db")), "{error}");

    let error = open("no/such/folder.db").await;
    assert!(matches!(&error, CatalogError::Store { context, .. } if context.contains("folder.db")), "{error}");
}

#[tokio::test]
async fn a_full_disk_refuses_the_commit_and_says_so() {
    let (_folder, store) = with_table().await;
    {
        // SQLite's own page limit gives the same error as a full disk.
        let db = &mut *store.sql.db.lock().await;
        sqlx::raw_sql("PRAGMA max_page_count = 60").execute(&mut db.connection).await.unwrap();
    }
    let added = (1..=3000).map(|id| Change::AddSegment(Box::new(segment(id, 1, Tier::Cold)))).collect();
    let error = commit(&store, 1, added).await.unwrap_err();
    assert!(matches!(&error, CatalogError::Store { context, .. } if context.contains("no space left")), "{error}");
    assert_eq!(store.load().await.unwrap().table("trades").unwrap().all().count(), 0);
    commit(&store, 1, vec![Change::CoverWal { table: 1, partition: partition("FX"), lsn: 1 }]).await.unwrap();
}

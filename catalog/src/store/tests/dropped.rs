//! Tables that are gone and whose storage waits to be dropped.

use super::{Catalog, StoreKind, add, retire};
use crate::fixtures::{partition, segment, table};
use crate::store::DroppedTable;
use crate::{CatalogError, Change, TableDef, TableId, Tier};

fn create(id: TableId, name: &str) -> Change {
    Change::CreateTable(Box::new(table(id, name)))
}

fn dropped(table: TableId, storage_name: &str, dropped_epoch: u64) -> DroppedTable {
    DroppedTable { table, storage_name: storage_name.to_owned(), dropped_epoch }
}

pub(super) async fn dropped_tables_wait_until_they_are_forgotten(kind: StoreKind) {
    let catalog = Catalog::with_table(kind).await;
    // A renamed table keeps its storage, and a new one may have its name at once.
    let renamed = TableDef { renamed_from: Some("trades".to_owned()), ..table(1, "prices") };
    let changes = vec![Change::AlterTable(Box::new(renamed)), create(2, "quotes"), create(3, "it's")];
    catalog.commit(1, changes).await.unwrap();
    catalog.commit(2, vec![Change::DropTable(3)]).await.unwrap();
    catalog.commit(3, vec![Change::DropTable(1), create(4, "prices")]).await.unwrap();
    let expected = [dropped(3, "it_s_3", 3), dropped(1, "trades_1", 4)];

    let catalog = catalog.reopen().await;
    assert_eq!(catalog.store.dropped_tables().await.unwrap(), expected);
    // What was refused dropped nothing.
    assert!(catalog.commit(4, vec![Change::DropTable(2), Change::DropTable(9)]).await.is_err());
    assert_eq!(catalog.store.dropped_tables().await.unwrap(), expected);
    // A table of that id would lose its storage with the one that is gone.
    let error = catalog.commit(4, vec![create(3, "orders")]).await.unwrap_err();
    assert!(matches!(&error, CatalogError::Conflict(text) if text.contains("not fresh")), "{error}");

    catalog.store.forget_dropped(&[3, 999]).await.unwrap();
    catalog.store.forget_dropped(&[]).await.unwrap();
    assert_eq!(catalog.store.dropped_tables().await.unwrap(), [dropped(1, "trades_1", 4)]);
    catalog.store.forget_dropped(&[1]).await.unwrap();
    let catalog = catalog.reopen().await;
    assert!(catalog.store.dropped_tables().await.unwrap().is_empty());
    assert!(catalog.store.load().await.unwrap().table("prices").is_some());
}

/// A catalog from before dropped tables were kept finds those whose segments wait to be collected.
pub(super) async fn an_older_catalog_learns_which_tables_it_had_dropped(kind: StoreKind) {
    let catalog = Catalog::with_table(kind).await;
    let changes = vec![
        create(2, "quotes"),
        create(3, "orders"),
        add(segment(10, 1, Tier::Cold)),
        add(segment(20, 2, Tier::Cold)),
        add(segment(21, 2, Tier::Warm)),
        add(segment(30, 3, Tier::Cold)),
    ];
    catalog.commit(1, changes).await.unwrap();
    catalog.commit(2, vec![retire(10), Change::DropTable(2)]).await.unwrap();
    catalog.commit(3, vec![Change::CoverWal { table: 1, partition: partition("FX"), lsn: 1 }]).await.unwrap();
    let version = match kind {
        StoreKind::Sqlite => 3,
        StoreKind::Postgres => 2,
    };
    let sql = format!(
        "DROP TABLE dropped_tables; DROP TABLE roles; DROP TABLE grants; DELETE FROM meta WHERE key = 'next_role_id'; UPDATE meta SET value = {version} WHERE key = 'schema_version'"
    );
    catalog.raw(&sql).await;

    let catalog = catalog.reopen().await;
    assert_eq!(catalog.store.dropped_tables().await.unwrap(), [dropped(2, "quotes_2", 4)]);
    assert_eq!(catalog.retired_ids().await, [10, 20, 21]);
    catalog.commit(4, vec![Change::DropTable(3)]).await.unwrap();
    let expected = [dropped(2, "quotes_2", 4), dropped(3, "orders_3", 5)];
    assert_eq!(catalog.store.dropped_tables().await.unwrap(), expected);
}

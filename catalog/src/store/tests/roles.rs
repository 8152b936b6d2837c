//! Roles and grants.

use super::{Catalog, StoreKind};
use crate::fixtures::table;
use crate::roles::{FIRST_ROLE, Grant, Membership, OPERATE, Privileges, Role, RoleId, Roles, SCHEMA, ZXQ};
use crate::{Change, Snapshot, TableDef};

const ADA: RoleId = FIRST_ROLE;
const DESK: RoleId = FIRST_ROLE + 1;

fn put(role: Role) -> Change {
    Change::PutRole(Box::new(role))
}

fn ada() -> Role {
    let membership = Membership { grantor: ZXQ, admin: true };
    Role {
        login: true,
        connection_limit: Some(3),
        valid_until: Some(-5),
        verifier: Some("SCRAM-SHA-256$4096:a$b:c".to_owned()),
        member_of: [(DESK, membership), (OPERATE, membership)].into(),
        ..Role::new(ADA, "Ada \"ü\"")
    }
}

fn grants() -> Vec<Grant> {
    let grant = Grant { to: Some(DESK), by: ADA, privileges: Privileges::SELECT, grantable: Privileges::SELECT };
    vec![grant, Grant { to: None, grantable: Privileges::NONE, ..grant }]
}

pub(super) async fn roles_and_grants_are_back_after_reopening(kind: StoreKind) {
    let catalog = Catalog::with_table(kind).await;
    assert_eq!(catalog.store.reserve_role_id().await.unwrap(), ADA);
    assert_eq!(catalog.store.reserve_role_id().await.unwrap(), DESK);
    let changes = vec![
        put(Role { superuser: true, inherit: false, create_role: true, ..Role::new(DESK, "desk") }),
        put(ada()),
        Change::AlterTable(Box::new(TableDef { owner: Some(ADA), ..table(1, "trades") })),
        Change::CreateTable(Box::new(TableDef { owner: Some(DESK), ..table(2, "quotes") })),
        Change::SetGrants { on: 1, grants: grants() },
        Change::SetGrants { on: 2, grants: grants() },
        Change::SetGrants { on: SCHEMA, grants: grants() },
    ];
    let before = Snapshot { epoch: 1, ..catalog.store.load().await.unwrap() };
    let expected = before.apply(&changes).unwrap();
    catalog.commit(1, changes).await.unwrap();
    let catalog = catalog.reopen().await;
    assert_eq!(catalog.store.load().await.unwrap(), expected);
    // Not handed out again.
    assert_eq!(catalog.store.reserve_role_id().await.unwrap(), DESK + 1);

    // A role under another name, grants that change, and a table that takes its grants with it.
    let changes = vec![
        put(Role { name: "ada".to_owned(), verifier: None, ..ada() }),
        Change::SetGrants { on: 1, grants: grants()[..1].to_vec() },
        Change::SetGrants { on: SCHEMA, grants: Vec::new() },
        Change::DropTable(2),
    ];
    let expected = expected.apply(&changes).unwrap();
    catalog.commit(2, changes).await.unwrap();
    let catalog = catalog.reopen().await;
    let loaded = catalog.store.load().await.unwrap();
    assert_eq!(loaded, expected);
    assert_eq!(loaded.roles.granted_on().collect::<Vec<_>>(), [1]);
    assert!(loaded.roles.role("Ada \"ü\"").is_none());

    let changes = vec![
        Change::AlterTable(Box::new(table(1, "trades"))),
        Change::SetGrants { on: 1, grants: Vec::new() },
        Change::DropRole(ADA),
        Change::DropRole(DESK),
    ];
    catalog.commit(3, changes).await.unwrap();
    let catalog = catalog.reopen().await;
    assert_eq!(*catalog.store.load().await.unwrap().roles, Roles::default());
}

pub(super) async fn roles_that_do_not_fit_leave_nothing_behind(kind: StoreKind) {
    let catalog = Catalog::with_table(kind).await;
    let owned = TableDef { owner: Some(DESK), ..table(1, "trades") };
    let changes = vec![put(Role::new(DESK, "desk")), put(ada()), Change::AlterTable(Box::new(owned))];
    catalog.commit(1, changes).await.unwrap();
    let before = catalog.store.load().await.unwrap();
    let one = Change::SetGrants { on: 1, grants: grants() };
    for misfit in [
        put(Role::new(FIRST_ROLE + 7, "desk")),
        Change::DropRole(FIRST_ROLE + 7),
        Change::SetGrants { on: 9, grants: grants() },
    ] {
        assert!(before.apply(&[one.clone(), misfit.clone()]).is_err(), "{misfit:?}");
        assert!(catalog.commit(2, vec![one.clone(), misfit.clone()]).await.is_err(), "{misfit:?}");
        assert_eq!(catalog.store.load().await.unwrap(), before, "{misfit:?}");
    }
    // What only the snapshot knows.
    for misfit in [
        Change::DropRole(DESK),
        Change::CreateTable(Box::new(TableDef { owner: Some(FIRST_ROLE + 7), ..table(3, "orders") })),
        put(Role { member_of: ada().member_of, ..Role::new(DESK, "desk") }),
    ] {
        assert!(before.apply(std::slice::from_ref(&misfit)).is_err(), "{misfit:?}");
    }
}

pub(super) async fn an_older_catalog_has_no_roles(kind: StoreKind) {
    let catalog = Catalog::with_table(kind).await;
    let version = match kind {
        StoreKind::Sqlite => 4,
        StoreKind::Postgres => 3,
    };
    catalog
        .raw(&format!(
            "DROP TABLE roles; DROP TABLE grants; DELETE FROM meta WHERE key = 'next_role_id'; \
             UPDATE meta SET value = {version} WHERE key = 'schema_version'"
        ))
        .await;
    let catalog = catalog.reopen().await;
    let loaded = catalog.store.load().await.unwrap();
    assert_eq!(*loaded.roles, Roles::default());
    assert_eq!(loaded.table("trades").unwrap().def.owner, None);
    assert_eq!(catalog.store.reserve_role_id().await.unwrap(), FIRST_ROLE);
}

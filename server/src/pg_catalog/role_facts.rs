//! Who there is and what is granted, as rows for the tables of facts.

use zxq_engine::catalog::{Snapshot, TableDef};
use zxq_engine::roles::{Grant, Privileges, Role, Roles, SCHEMA, ZXQ};
use zxq_engine::sql::{quote_ident, quoted_text};

use super::facts::{Inserts, PUBLIC_OID, text};

/// The grantee of what is granted to everybody.
const EVERYBODY: u64 = 0;

/// All roles. Before somebody made one there is the session's user alone, as the owner of everything.
pub(super) fn insert(rows: &mut Inserts, snapshot: &Snapshot) {
    let roles = &snapshot.roles;
    let there_are = roles.made().next().is_some();
    for role in roles.all().filter(|role| there_are || role.id == ZXQ) {
        insert_role(rows, role, there_are);
        for (of, membership) in &role.member_of {
            let ids = [*of, role.id, membership.grantor].map(|id| id.to_string());
            rows.add("memberships", &[ids.as_slice(), &[membership.admin.to_string()]].concat());
        }
        rows.add("acts_as", &[role.id.to_string(), EVERYBODY.to_string()]);
        for of in roles.acts_as(role.id) {
            rows.add("acts_as", &[role.id.to_string(), of.to_string()]);
        }
        for of in roles.belongs_to(role.id) {
            rows.add("belongs_to", &[role.id.to_string(), of.to_string()]);
        }
    }
    rows.add("acts_as", &[EVERYBODY, EVERYBODY].map(|id| id.to_string()));
    insert_grants(rows, PUBLIC_OID, roles.grants(SCHEMA));
}

fn insert_role(rows: &mut Inserts, role: &Role, there_are: bool) {
    // As it looks without users: one who may log in.
    let alone = role.id == ZXQ && !there_are;
    let until = match role.valid_until {
        None => "NULL".to_owned(),
        Some(i64::MIN) => "'-infinity'::TIMESTAMP".to_owned(),
        Some(micros) => format!("make_timestamp({micros})"),
    };
    rows.add(
        "roles",
        &[
            role.id.to_string(),
            text(&role.name),
            (role.superuser && !alone).to_string(),
            role.inherit.to_string(),
            (role.create_role || role.superuser && !alone).to_string(),
            (role.superuser || alone).to_string(),
            (role.login || alone).to_string(),
            role.connection_limit.map_or_else(|| "-1".to_owned(), |limit| limit.to_string()),
            until,
            role.verifier.is_some().to_string(),
        ],
    );
}

/// What is granted on one thing, one row for each privilege.
pub(super) fn insert_grants(rows: &mut Inserts, oid: u32, grants: &[Grant]) {
    for grant in grants {
        for privilege in grant.privileges.iter() {
            let name = privilege.names().next().unwrap_or_default();
            rows.add(
                "grants",
                &[
                    oid.to_string(),
                    grant.to.unwrap_or(EVERYBODY).to_string(),
                    grant.by.to_string(),
                    quoted_text(name),
                    grant.grantable.has(privilege).to_string(),
                ],
            );
        }
    }
}

/// `relacl`: NULL where nothing was granted, else the owner's privileges and then all grants.
pub(super) fn acl(roles: &Roles, table: &TableDef) -> String {
    let grants = roles.grants(table.id);
    if grants.is_empty() {
        return "NULL".to_owned();
    }
    let owner = table.owner.unwrap_or(ZXQ);
    let name = |id| roles.by_id(id).map_or_else(|| id.to_string(), |role| quote_ident(&role.name));
    let all = if table.sequence().is_some() {
        Privileges::ON_SEQUENCE
    } else if table.is_schema() {
        Privileges::ON_SCHEMA
    } else {
        Privileges::ON_TABLE
    };
    let all = all.letters(Privileges::NONE);
    let mut items = vec![format!("{0}={all}/{0}", name(owner))];
    items.extend(grants.iter().map(|grant| {
        let to = grant.to.map_or_else(String::new, name);
        format!("{to}={}/{}", grant.privileges.letters(grant.grantable), name(grant.by))
    }));
    let items: Vec<String> = items.iter().map(|item| quoted_text(item)).collect();
    format!("[{}]", items.join(", "))
}

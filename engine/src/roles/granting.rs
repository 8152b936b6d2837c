//! `GRANT` and `REVOKE` of privileges on tables and on the schema.

use zxq_catalog::roles::{Privileges, RoleId, SCHEMA, ZXQ};
use zxq_catalog::{Change, Snapshot, TableDef, TableId};

use crate::error::{EngineError, ErrorKind, Result};
use crate::roles::grants::Grants;
use crate::roles::rights::Rights;
use crate::roles::{Changed, denied, named};
use crate::sql::role_statement::{GrantTarget, NamedPrivileges, RoleName};

/// How privileges are taken back.
#[derive(Debug, Clone, Copy)]
pub(super) struct Revoking {
    pub(super) option_only: bool,
    pub(super) cascade: bool,
}

/// Something that privileges are about.
struct Thing {
    id: TableId,
    owner: RoleId,
    possible: Privileges,
    /// `table t`, for messages.
    name: String,
}

impl Thing {
    fn table(table: &TableDef) -> Thing {
        Thing {
            id: table.id,
            owner: table.owner.unwrap_or(ZXQ),
            possible: Privileges::ON_TABLE,
            name: format!("table {}", table.name),
        }
    }

    fn schema() -> Thing {
        Thing { id: SCHEMA, owner: ZXQ, possible: Privileges::ON_SCHEMA, name: "schema public".to_owned() }
    }
}

fn things(snapshot: &Snapshot, on: &GrantTarget) -> Result<Vec<Thing>> {
    match on {
        GrantTarget::Tables(names) => names
            .iter()
            .map(|name| match snapshot.table(name) {
                Some(table) => Ok(Thing::table(&table.def)),
                None => {
                    let message = format!("relation \"{name}\" does not exist");
                    Err(EngineError::new(ErrorKind::UndefinedTable, message))
                }
            })
            .collect(),
        GrantTarget::AllTables => Ok(snapshot.tables.values().map(|table| Thing::table(&table.def)).collect()),
        GrantTarget::Schema => Ok(vec![Thing::schema()]),
        GrantTarget::Database | GrantTarget::NoThings => Ok(Vec::new()),
    }
}

fn ids(rights: &Rights, names: &[Option<RoleName>]) -> Result<Vec<Option<RoleId>>> {
    names.iter().map(|name| name.as_ref().map(|name| named(rights, name).map(|role| role.id)).transpose()).collect()
}

/// Who grants: the owner where it acts as that one, else the role that it acts as with most of the options. With what of
/// them it has.
fn grantor(rights: &Rights, thing: &Thing, grants: &Grants, wanted: Privileges) -> Result<(RoleId, Privileges)> {
    if rights.has_those_of(thing.owner) {
        return Ok((thing.owner, wanted));
    }
    let held = |id: &RoleId| grants.grantable_by(*id).common(wanted);
    let best = rights
        .roles()
        .acts_as(rights.user())
        .into_iter()
        .max_by_key(|id| (held(id).iter().count(), *id == rights.user()));
    let by = best.unwrap_or_else(|| rights.user());
    let options = held(&by);
    if options.is_empty() && rights.granted_on(thing.id, |grant| grant.privileges).is_empty() {
        return Err(denied(format!("permission denied for {}", thing.name)));
    }
    Ok((by, options))
}

fn told(wanted: Privileges, options: Privileges, thing: &Thing, done: &str) -> Option<String> {
    let name = thing.name.split_once(' ').map_or(thing.name.as_str(), |(_, name)| name);
    match (options.is_empty(), options.has(wanted)) {
        (true, _) => Some(format!("no privileges {done} for \"{name}\"")),
        (_, false) => Some(format!("not all privileges {done} for \"{name}\"")),
        _ => None,
    }
}

/// Changes the grants on each thing by `each`, which gets the thing, its grants, who grants, and what of the privileges that
/// one may.
fn change(
    rights: &Rights,
    things: Vec<Thing>,
    privileges: NamedPrivileges,
    done: &str,
    each: impl Fn(&Thing, &mut Grants, RoleId, Privileges) -> Result<()>,
) -> Result<Changed> {
    let mut changed = Changed::default();
    for thing in things {
        let before = rights.roles().grants(thing.id);
        let mut grants = Grants::new(thing.owner, before);
        let wanted = wanted(privileges, &thing);
        let (by, options) = grantor(rights, &thing, &grants, wanted)?;
        // With ALL, what can be granted is what was meant.
        if privileges != NamedPrivileges::All || options.is_empty() {
            changed.notices.extend(told(wanted, options, &thing, done));
        }
        each(&thing, &mut grants, by, options)?;
        changed.record(&thing, before, grants);
    }
    Ok(changed)
}

/// `GRANT privileges ON things TO roles`.
pub(super) fn grant(
    rights: &Rights,
    snapshot: &Snapshot,
    privileges: NamedPrivileges,
    on: &GrantTarget,
    to: &[Option<RoleName>],
    grantable: bool,
) -> Result<Changed> {
    let to = ids(rights, to)?;
    change(rights, things(snapshot, on)?, privileges, "were granted", |_, grants, by, options| {
        to.iter().try_for_each(|to| grants.add(*to, by, options, grantable))
    })
}

/// `REVOKE privileges ON things FROM roles`.
pub(super) fn revoke(
    rights: &Rights,
    snapshot: &Snapshot,
    privileges: NamedPrivileges,
    on: &GrantTarget,
    from: &[Option<RoleName>],
    how: Revoking,
) -> Result<Changed> {
    check_revocable(privileges, on)?;
    let from = ids(rights, from)?;
    change(rights, things(snapshot, on)?, privileges, "could be revoked", |thing, grants, by, options| {
        for from in &from {
            if *from == Some(thing.owner) {
                let message = format!("the owner of {} keeps all privileges on it", thing.name);
                return Err(EngineError::new(ErrorKind::FeatureNotSupported, message));
            }
            grants.remove(*from, by, options, how.option_only, how.cascade)?;
        }
        Ok(())
    })
}

/// What everybody has cannot be taken from anybody.
fn check_revocable(privileges: NamedPrivileges, on: &GrantTarget) -> Result<()> {
    let refused = |what: &str| {
        let message = format!("REVOKE {what} is not supported: every role that may log in has it");
        Err(EngineError::new(ErrorKind::FeatureNotSupported, message))
    };
    match (privileges, on) {
        (NamedPrivileges::These { of_everybody: true, .. }, GrantTarget::Database) => {
            refused("CONNECT or TEMPORARY ON DATABASE")
        }
        (NamedPrivileges::These { privileges, .. }, GrantTarget::Schema) if privileges.has(Privileges::USAGE) => {
            refused("USAGE ON SCHEMA")
        }
        _ => Ok(()),
    }
}

/// What a statement means for one thing. What everybody has is granted to nobody.
fn wanted(privileges: NamedPrivileges, thing: &Thing) -> Privileges {
    let named = match privileges {
        NamedPrivileges::All => thing.possible,
        NamedPrivileges::These { privileges, .. } => privileges,
    };
    named.without(Privileges::USAGE)
}

impl Changed {
    fn record(&mut self, thing: &Thing, before: &[zxq_catalog::roles::Grant], after: Grants) {
        let grants = after.into_vec();
        if grants != before {
            self.changes.push(Change::SetGrants { on: thing.id, grants });
        }
    }
}

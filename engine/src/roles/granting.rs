//! `GRANT` and `REVOKE` of privileges on tables, sequences and schemas.

use zxq_catalog::roles::{Privileges, RoleId, SCHEMA, ZXQ};
use zxq_catalog::{Change, Snapshot, TableDef, TableId};

use crate::error::{EngineError, ErrorKind, Result};
use crate::roles::grants::Grants;
use crate::roles::rights::Rights;
use crate::roles::{Changed, denied, named};
use crate::sql::role_statement::{GrantTarget, NamedPrivileges, NamedTable, RoleName};
use crate::sql::sequences;

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
        Thing::of(table, Privileges::ON_TABLE, format!("table {}", table.name))
    }

    fn sequence(sequence: &TableDef) -> Thing {
        Thing::of(sequence, Privileges::ON_SEQUENCE, format!("sequence {}", sequence.name))
    }

    fn schema(snapshot: &Snapshot, name: &str) -> Result<Thing> {
        match there(snapshot, name)? {
            Some(schema) => Ok(Thing::of(schema, Privileges::ON_SCHEMA, format!("schema {name}"))),
            None => {
                Ok(Thing { id: SCHEMA, owner: ZXQ, possible: Privileges::ON_SCHEMA, name: "schema public".to_owned() })
            }
        }
    }

    fn of(def: &TableDef, possible: Privileges, name: String) -> Thing {
        Thing { id: def.id, owner: def.owner.unwrap_or(ZXQ), possible, name }
    }

    fn is_schema(&self) -> bool {
        self.possible == Privileges::ON_SCHEMA
    }
}

/// What stands for a schema that there is; `None` for `public`.
fn there<'a>(snapshot: &'a Snapshot, schema: &str) -> Result<Option<&'a TableDef>> {
    if schema == "public" {
        return Ok(None);
    }
    match snapshot.schema(schema) {
        Some(state) => Ok(Some(state.def.as_ref())),
        None => {
            let message = format!("schema \"{schema}\" does not exist");
            Err(EngineError::new(ErrorKind::UndefinedSchema, message))
        }
    }
}

/// All that is in these schemas.
fn inside<'a>(snapshot: &'a Snapshot, schemas: &[String]) -> Result<Vec<&'a TableDef>> {
    let schemas = schemas.iter().map(|schema| there(snapshot, schema)).collect::<Result<Vec<_>>>()?;
    let is_in = |def: &TableDef| {
        let own = snapshot.schema_of(&def.name).map(|schema| schema.def.id);
        !def.is_schema() && schemas.iter().any(|schema| schema.map(|schema| schema.id) == own)
    };
    Ok(snapshot.tables.values().map(|state| state.def.as_ref()).filter(|def| is_in(def)).collect())
}

/// True where a column has numbers of a sequence of this name that is nothing by itself: they come with its table.
fn is_of_column(snapshot: &Snapshot, name: &str) -> bool {
    let numbered = |default: &str| sequences::of_default(default).is_some_and(|sequence| sequence == name);
    let mut columns = snapshot.tables.values().flat_map(|state| state.def.columns.iter());
    columns.any(|column| column.default.as_deref().is_some_and(numbered))
}

fn things(snapshot: &Snapshot, on: &GrantTarget) -> Result<Vec<Thing>> {
    match on {
        GrantTarget::Tables(names) => names
            .iter()
            .map(|named| {
                let name = named.kept_name();
                match snapshot.table(&name) {
                    // What stands for a schema is no table to anybody.
                    Some(table) if !table.def.is_schema() => Ok(Thing::table(&table.def)),
                    _ => Err(EngineError::no_relation(&name)),
                }
            })
            .collect(),
        GrantTarget::Sequences(names) => {
            let mut things = Vec::with_capacity(names.len());
            for name in names.iter().map(NamedTable::kept_name) {
                match snapshot.table(&name) {
                    Some(state) if state.def.sequence().is_some() => things.push(Thing::sequence(&state.def)),
                    Some(_) => {
                        let message = format!("\"{name}\" is not a sequence");
                        return Err(EngineError::new(ErrorKind::WrongObjectType, message));
                    }
                    None if is_of_column(snapshot, &name) => {}
                    None => return Err(EngineError::no_relation(&name)),
                }
            }
            Ok(things)
        }
        GrantTarget::AllTables(schemas) => {
            let tables = inside(snapshot, schemas)?.into_iter().filter(|def| def.sequence().is_none());
            Ok(tables.map(Thing::table).collect())
        }
        GrantTarget::AllSequences(schemas) => {
            let sequences = inside(snapshot, schemas)?.into_iter().filter(|def| def.sequence().is_some());
            Ok(sequences.map(Thing::sequence).collect())
        }
        GrantTarget::Schemas(names) => names.iter().map(|name| Thing::schema(snapshot, name)).collect(),
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
        (NamedPrivileges::These { privileges, .. }, GrantTarget::Schemas(_)) if privileges.has(Privileges::USAGE) => {
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
    if thing.is_schema() { named.without(Privileges::USAGE) } else { named }
}

impl Changed {
    fn record(&mut self, thing: &Thing, before: &[zxq_catalog::roles::Grant], after: Grants) {
        let grants = after.into_vec();
        if grants != before {
            self.changes.push(Change::SetGrants { on: thing.id, grants });
        }
    }
}

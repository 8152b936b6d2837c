//! `CREATE`, `ALTER` and `DROP ROLE`.

use std::collections::BTreeMap;

use zxq_catalog::roles::{FIRST_ROLE, Membership, Role, RoleId, SCHEMA, ZXQ};
use zxq_catalog::{Change, Snapshot};
use zxq_language::sql::role_statement::{Password, RoleName, RoleOptions};
use zxq_language::values::text;
use zxq_language::values::zone::Zone;

use crate::error::{EngineError, ErrorKind, Result};
use crate::roles::rights::Rights;
use crate::roles::scram::Verifier;
use crate::roles::{Changed, changeable, denied, membership, named, no_role};

/// That somebody may make such a role, and that there is none yet.
pub(super) fn check_may_create(rights: &Rights, name: &str, options: &RoleOptions) -> Result<()> {
    if !rights.may_change_roles() {
        return Err(denied("permission denied to create role"));
    }
    if options.superuser == Some(true) && !rights.is_superuser() {
        return Err(denied("must be superuser to create superusers"));
    }
    if rights.roles().role(name).is_some() {
        return Err(EngineError::new(ErrorKind::DuplicateObject, format!("role \"{name}\" already exists")));
    }
    Ok(())
}

/// `CREATE ROLE`.
pub(super) fn create(rights: &Rights, id: RoleId, name: &str, options: &RoleOptions, zone: Zone) -> Result<Changed> {
    let mut changed = Changed::default();
    let mut role = Role::new(id, name);
    apply(&mut role, options, zone, &mut changed.notices)?;
    for of in &options.in_roles {
        let of = named(rights, of)?;
        membership::check_may_grant(rights, of)?;
        role.member_of.insert(of.id, Membership { grantor: rights.user(), admin: false });
    }
    changed.changes.push(Change::PutRole(Box::new(role)));
    let mut members = BTreeMap::new();
    for (names, admin) in [(&options.members, false), (&options.admins, true)] {
        for member in names {
            let member = changeable(rights, member)?;
            members.insert(member.id, (member, admin));
        }
    }
    for (member, admin) in members.into_values() {
        // A role that the new one is in cannot be in it.
        if options.in_roles.iter().any(|of| named(rights, of).is_ok_and(|of| in_role(rights, of.id, member.id))) {
            return Err(membership::circle(name, &member.name));
        }
        let mut member = member.clone();
        member.member_of.insert(id, Membership { grantor: rights.user(), admin });
        changed.changes.push(Change::PutRole(Box::new(member)));
    }
    Ok(changed)
}

fn in_role(rights: &Rights, role: RoleId, of: RoleId) -> bool {
    rights.roles().belongs_to(role).contains(&of)
}

/// `ALTER ROLE`.
pub(super) fn alter(rights: &Rights, name: &RoleName, options: &RoleOptions, zone: Zone) -> Result<Changed> {
    let role = changeable(rights, name)?;
    if !rights.is_superuser() && (role.superuser || options.superuser.is_some()) {
        return Err(denied("must be superuser to alter superuser roles or change superuser attribute"));
    }
    if !rights.may_change_roles() {
        // One's own password, and nothing else.
        let password = RoleOptions { password: options.password.clone(), ..RoleOptions::default() };
        if role.id != rights.user() || *options != password {
            return Err(denied("permission denied"));
        }
    }
    let mut changed = Changed::default();
    let mut role = role.clone();
    apply(&mut role, options, zone, &mut changed.notices)?;
    changed.changes.push(Change::PutRole(Box::new(role)));
    Ok(changed)
}

fn apply(role: &mut Role, options: &RoleOptions, zone: Zone, notices: &mut Vec<String>) -> Result<()> {
    role.superuser = options.superuser.unwrap_or(role.superuser);
    role.login = options.login.unwrap_or(role.login);
    role.inherit = options.inherit.unwrap_or(role.inherit);
    role.create_role = options.create_role.unwrap_or(role.create_role);
    role.connection_limit = options.connection_limit.unwrap_or(role.connection_limit);
    if let Some(until) = &options.valid_until {
        role.valid_until = moment(until, zone)?;
    }
    match &options.password {
        None => {}
        Some(None) => role.verifier = None,
        Some(Some(Password(password))) => role.verifier = verifier(password, notices)?,
    }
    Ok(())
}

/// When a password ends; `None` for never.
fn moment(text: &str, zone: Zone) -> Result<Option<i64>> {
    match text.trim().to_ascii_lowercase().as_str() {
        "infinity" | "+infinity" => Ok(None),
        "-infinity" => Ok(Some(i64::MIN)),
        _ => text::timestamp_in(text, true, zone).map(Some).map_err(|_| {
            let message = format!("invalid input syntax for type timestamp with time zone: \"{text}\"");
            EngineError::new(ErrorKind::InvalidDatetime, message)
        }),
    }
}

/// What is kept of a password: a verifier as it is, of anything else one that is made of it.
fn verifier(password: &str, notices: &mut Vec<String>) -> Result<Option<String>> {
    if password.is_empty() {
        notices.push("empty string is not a valid password, clearing password".to_owned());
        return Ok(None);
    }
    if let Some(verifier) = Verifier::parse(password) {
        return Ok(Some(verifier.to_string()));
    }
    if is_md5(password) {
        return Err(EngineError::new(ErrorKind::FeatureNotSupported, "passwords in MD5 are not supported")
            .with_hint("Give the password itself, or its SCRAM-SHA-256 verifier"));
    }
    Ok(Some(Verifier::of(password).to_string()))
}

/// `md5` and 32 hexadecimal digits: what PostgreSQL takes for one.
fn is_md5(password: &str) -> bool {
    let digits = password.strip_prefix("md5").unwrap_or_default();
    digits.len() == 32 && digits.bytes().all(|b| b.is_ascii_hexdigit())
}

/// `ALTER ROLE … RENAME TO`.
pub(super) fn rename(rights: &Rights, name: &str, to: &str) -> Result<Changed> {
    let role = changeable(rights, &RoleName::Named(name.to_owned()))?;
    for (id, what) in [(rights.session(), "session"), (rights.user(), "current")] {
        if role.id == id {
            return Err(EngineError::new(ErrorKind::FeatureNotSupported, format!("{what} user cannot be renamed")));
        }
    }
    if role.superuser && !rights.is_superuser() {
        return Err(denied("must be superuser to rename superusers"));
    }
    if !rights.may_change_roles() {
        return Err(denied("permission denied to rename role"));
    }
    if rights.roles().role(to).is_some() {
        return Err(EngineError::new(ErrorKind::DuplicateObject, format!("role \"{to}\" already exists")));
    }
    let renamed = Role { name: to.to_owned(), ..role.clone() };
    Ok(Changed { changes: vec![Change::PutRole(Box::new(renamed))], notices: Vec::new() })
}

/// `DROP ROLE`.
pub(super) fn drop(rights: &Rights, snapshot: &Snapshot, names: &[RoleName], if_exists: bool) -> Result<Changed> {
    if !rights.may_change_roles() {
        return Err(denied("permission denied to drop role"));
    }
    let mut changed = Changed::default();
    let mut going: BTreeMap<RoleId, &Role> = BTreeMap::new();
    for name in names {
        if let RoleName::Named(text) = name
            && rights.roles().role(text).is_none()
        {
            if !if_exists {
                return Err(no_role(text));
            }
            changed.notices.push(format!("role \"{text}\" does not exist, skipping"));
            continue;
        }
        let role = changeable(rights, name)?;
        check_may_go(rights, snapshot, role)?;
        going.insert(role.id, role);
    }
    // Those who are in one, or were put somewhere by one, are that no longer.
    for other in rights.roles().made().filter(|role| !going.contains_key(&role.id)) {
        let mut left = other.clone();
        left.member_of.retain(|of, _| !going.contains_key(of));
        for membership in left.member_of.values_mut().filter(|m| going.contains_key(&m.grantor)) {
            membership.grantor = ZXQ;
        }
        if left != *other {
            changed.changes.push(Change::PutRole(Box::new(left)));
        }
    }
    for role in going.values() {
        let alone = Role { member_of: BTreeMap::new(), ..(*role).clone() };
        changed.changes.push(Change::PutRole(Box::new(alone)));
    }
    changed.changes.extend(going.into_keys().map(Change::DropRole));
    Ok(changed)
}

fn check_may_go(rights: &Rights, snapshot: &Snapshot, role: &Role) -> Result<()> {
    for (id, what) in [(rights.user(), "current"), (rights.session(), "session")] {
        if role.id == id && id >= FIRST_ROLE {
            return Err(EngineError::new(ErrorKind::ObjectInUse, format!("{what} user cannot be dropped")));
        }
    }
    if role.superuser && !rights.is_superuser() {
        return Err(denied("must be superuser to drop superusers"));
    }
    let mut depending: Vec<String> = snapshot
        .tables
        .values()
        .filter(|table| table.def.owner == Some(role.id))
        .map(|table| format!("owner of table {}", table.def.name))
        .collect();
    for on in rights.roles().granted_on() {
        if rights.roles().grants(on).iter().any(|grant| grant.to == Some(role.id) || grant.by == role.id) {
            let table = snapshot.table_by_id(on).map(|table| format!("table {}", table.def.name));
            let thing = table.filter(|_| on != SCHEMA).unwrap_or_else(|| "schema public".to_owned());
            depending.push(format!("privileges for {thing}"));
        }
    }
    if depending.is_empty() {
        return Ok(());
    }
    let message = format!("role \"{}\" cannot be dropped because some objects depend on it", role.name);
    Err(EngineError::new(ErrorKind::DependentObjects, message).with_hint(depending.join("; ")))
}

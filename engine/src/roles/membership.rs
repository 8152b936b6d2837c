//! Roles in roles: `GRANT role TO role` and `REVOKE role FROM role`.

use std::collections::BTreeMap;

use zxq_catalog::Change;
use zxq_catalog::roles::{Membership, Role, RoleId};
use zxq_language::sql::role_statement::RoleName;

use crate::error::{EngineError, ErrorKind, Result};
use crate::roles::rights::Rights;
use crate::roles::{Changed, changeable, denied, named};

/// That somebody may put others into a role, and take them out.
///
/// # Errors
/// [`ErrorKind::InsufficientPrivilege`]. As in PostgreSQL, who may make roles may do so with all but superusers; the built-in
/// roles are for superusers to give, and for those whom they gave that option.
pub(super) fn check_may_grant(rights: &Rights, role: &Role) -> Result<()> {
    if rights.is_superuser() {
        return Ok(());
    }
    if role.superuser {
        return Err(denied("must be superuser"));
    }
    let all = rights.roles();
    let has_option = all.acts_as(rights.user()).into_iter().filter_map(|id| all.by_id(id));
    let has_option = has_option.filter_map(|of| of.member_of.get(&role.id)).any(|membership| membership.admin);
    if has_option || rights.may_change_roles() && !role.is_built_in() {
        return Ok(());
    }
    Err(denied(format!("must have admin option on role \"{}\"", role.name)))
}

/// Roles whose memberships change, by id.
struct Members(BTreeMap<RoleId, Role>);

impl Members {
    fn get(&mut self, role: &Role) -> &mut Role {
        self.0.entry(role.id).or_insert_with(|| role.clone())
    }

    fn finish(self, rights: &Rights, notices: Vec<String>) -> Changed {
        let changed = self.0.into_values().filter(|role| rights.roles().by_id(role.id) != Some(role));
        Changed { changes: changed.map(|role| Change::PutRole(Box::new(role))).collect(), notices }
    }
}

/// `GRANT roles TO members`.
pub(super) fn grant(rights: &Rights, roles: &[RoleName], to: &[RoleName], admin: bool) -> Result<Changed> {
    let (mut members, mut notices) = (Members(BTreeMap::new()), Vec::new());
    for role in roles {
        let role = named(rights, role)?;
        check_may_grant(rights, role)?;
        for member in to {
            let member = changeable(rights, member)?;
            if rights.roles().belongs_to(role.id).contains(&member.id) || among(&members, role.id, member.id) {
                return Err(circle(&role.name, &member.name));
            }
            let grantor = rights.user();
            let of = &mut members.get(member).member_of;
            match of.get(&role.id).copied() {
                Some(had) if had.admin || !admin => {
                    let text = format!("role \"{}\" is already a member of role \"{}\"", member.name, role.name);
                    notices.push(text);
                }
                _ => _ = of.insert(role.id, Membership { grantor, admin }),
            }
        }
    }
    Ok(members.finish(rights, notices))
}

/// True where a role would be in another by what this statement itself grants.
fn among(members: &Members, role: RoleId, of: RoleId) -> bool {
    let mut open = vec![role];
    let mut seen = Vec::new();
    while let Some(id) = open.pop() {
        if id == of {
            return true;
        }
        if !seen.contains(&id) {
            seen.push(id);
            open.extend(members.0.get(&id).into_iter().flat_map(|role| role.member_of.keys().copied()));
        }
    }
    false
}

/// The error for a role that would be in itself.
pub(super) fn circle(role: &str, member: &str) -> EngineError {
    EngineError::new(ErrorKind::InvalidGrant, format!("role \"{role}\" is a member of role \"{member}\""))
}

/// `REVOKE roles FROM members`.
pub(super) fn revoke(rights: &Rights, roles: &[RoleName], from: &[RoleName], admin_only: bool) -> Result<Changed> {
    let (mut members, mut notices) = (Members(BTreeMap::new()), Vec::new());
    for role in roles {
        let role = named(rights, role)?;
        check_may_grant(rights, role)?;
        for member in from {
            let member = changeable(rights, member)?;
            let of = &mut members.get(member).member_of;
            match of.get_mut(&role.id) {
                None => notices.push(format!("role \"{}\" is not a member of role \"{}\"", member.name, role.name)),
                Some(membership) if admin_only => membership.admin = false,
                Some(_) => _ = of.remove(&role.id),
            }
        }
    }
    Ok(members.finish(rights, notices))
}

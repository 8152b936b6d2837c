//! Roles: who may log in, who belongs to whom, and who may do what with which table.
//!
//! [`Roles`] is one part of a [`Snapshot`](crate::Snapshot): it changes by [`Change`](crate::Change)s, in the same commits
//! as everything else, and every process that shares a catalog sees it. [`privileges`] has the privileges and grants.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::error::{CatalogError, Result};
use crate::table::TableId;

pub mod privileges;
#[cfg(test)]
mod tests;

pub use privileges::{Grant, Privileges};

/// Names a role for ever; never reused, also not after `DROP ROLE`. Clients see it as the role's OID.
pub type RoleId = u64;

/// The first id that a role gets which somebody makes.
pub const FIRST_ROLE: RoleId = 16_385;

/// The superuser that is always there: the engine's own, and the owner of what was made before there were roles.
pub const ZXQ: RoleId = 10;
/// `zxq_read_all`: its members may read every table.
pub const READ_ALL: RoleId = 9_001;
/// `zxq_operate`: its members may move rows, run maintenance, verify, and see what others run.
pub const OPERATE: RoleId = 9_002;
/// `zxq_files`: its members may load files of the server, from the folders that the configuration names.
pub const FILES: RoleId = 9_003;

/// Roles that are always there, and that nobody logs in as.
const BUILT_IN: [(RoleId, &str); 4] =
    [(ZXQ, "zxq"), (READ_ALL, "zxq_read_all"), (OPERATE, "zxq_operate"), (FILES, "zxq_files")];

/// What privileges on the schema `public` are kept under; no table has this id.
pub const SCHEMA: TableId = 0;

/// A role: a user, or a group of them.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Role {
    /// What grants and owners name it by: a rename keeps it, and no later role gets it.
    pub id: RoleId,
    /// Its name, unique among roles.
    pub name: String,
    /// May do everything.
    pub superuser: bool,
    /// May log in.
    pub login: bool,
    /// Has the privileges of the roles that it is in.
    pub inherit: bool,
    /// May make, change and drop roles.
    pub create_role: bool,
    /// Most connections at once.
    pub connection_limit: Option<u32>,
    /// When its password ends, in microseconds since 1970 (UTC).
    pub valid_until: Option<i64>,
    /// What is kept of its password: a SCRAM verifier.
    pub verifier: Option<String>,
    /// The roles that it is in.
    pub member_of: BTreeMap<RoleId, Membership>,
}

/// That a role is in another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    /// Who put it there.
    pub grantor: RoleId,
    /// May put others there (`WITH ADMIN OPTION`).
    pub admin: bool,
}

/// The verifier is not shown.
impl fmt::Debug for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Role").field("id", &self.id).field("name", &self.name).finish_non_exhaustive()
    }
}

impl Role {
    /// A role as `CREATE ROLE name` makes it.
    pub fn new(id: RoleId, name: impl Into<String>) -> Role {
        Role {
            id,
            name: name.into(),
            superuser: false,
            login: false,
            inherit: true,
            create_role: false,
            connection_limit: None,
            valid_until: None,
            verifier: None,
            member_of: BTreeMap::new(),
        }
    }

    /// True for a role that is always there.
    pub fn is_built_in(&self) -> bool {
        self.id < FIRST_ROLE
    }
}

/// All roles and all grants, as they are at one epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roles {
    roles: BTreeMap<RoleId, Arc<Role>>,
    grants: BTreeMap<TableId, Arc<Vec<Grant>>>,
}

impl Default for Roles {
    fn default() -> Self {
        let built_in = |(id, name)| (id, Arc::new(Role { superuser: id == ZXQ, ..Role::new(id, name) }));
        Roles { roles: BUILT_IN.into_iter().map(built_in).collect(), grants: BTreeMap::new() }
    }
}

impl Roles {
    /// The role of that name.
    pub fn role(&self, name: &str) -> Option<&Role> {
        self.all().find(|role| role.name == name)
    }

    /// The role with that id.
    pub fn by_id(&self, id: RoleId) -> Option<&Role> {
        self.roles.get(&id).map(Arc::as_ref)
    }

    /// All of them, those that are always there first.
    pub fn all(&self) -> impl Iterator<Item = &Role> {
        self.roles.values().map(Arc::as_ref)
    }

    /// The roles that somebody made.
    pub fn made(&self) -> impl Iterator<Item = &Role> {
        self.all().filter(|role| !role.is_built_in())
    }

    /// The grants on a table, or on [`SCHEMA`].
    pub fn grants(&self, on: TableId) -> &[Grant] {
        self.grants.get(&on).map_or(&[], |grants| grants.as_slice())
    }

    /// The tables, and [`SCHEMA`], on which something is granted.
    pub fn granted_on(&self) -> impl Iterator<Item = TableId> {
        self.grants.keys().copied()
    }

    /// The roles whose privileges a role has: its own, and those that it inherits.
    pub fn acts_as(&self, id: RoleId) -> BTreeSet<RoleId> {
        self.reached(id, |role| role.inherit)
    }

    /// The roles that a role is in, whether or not it inherits their privileges, and itself.
    pub fn belongs_to(&self, id: RoleId) -> BTreeSet<RoleId> {
        self.reached(id, |_| true)
    }

    fn reached(&self, id: RoleId, passes: impl Fn(&Role) -> bool) -> BTreeSet<RoleId> {
        let mut reached = BTreeSet::from([id]);
        let mut open = vec![id];
        while let Some(role) = open.pop().and_then(|id| self.by_id(id)) {
            if passes(role) {
                open.extend(role.member_of.keys().filter(|of| reached.insert(**of)));
            }
        }
        reached
    }

    /// The direct members of a role.
    pub fn members(&self, of: RoleId) -> impl Iterator<Item = &Role> {
        self.all().filter(move |role| role.member_of.contains_key(&of))
    }

    /// True where some grant is to the role, or by it.
    pub fn is_in_grants(&self, id: RoleId) -> bool {
        self.grants.values().flat_map(|grants| grants.iter()).any(|grant| grant.to == Some(id) || grant.by == id)
    }

    /// A role comes, or is another one from now on.
    ///
    /// # Errors
    /// [`CatalogError::Conflict`] for a role that cannot be among these.
    pub(crate) fn put(&mut self, role: &Role) -> Result<()> {
        let conflict = |why: &str| Err(CatalogError::Conflict(format!("role \"{}\" {why}", role.name)));
        if role.is_built_in() {
            return conflict("is built in");
        }
        if self.role(&role.name).is_some_and(|other| other.id != role.id) {
            return conflict("already exists");
        }
        if role.member_of.keys().any(|of| self.by_id(*of).is_none()) {
            return conflict("is a member of a role that does not exist");
        }
        if role.member_of.keys().any(|of| self.belongs_to(*of).contains(&role.id)) {
            return conflict("would be a member of itself");
        }
        self.roles.insert(role.id, Arc::new(role.clone()));
        Ok(())
    }

    /// A role goes, of which nothing may be left.
    ///
    /// # Errors
    /// [`CatalogError::Conflict`] where it is not there, has members, or is in grants.
    pub(crate) fn remove(&mut self, id: RoleId) -> Result<()> {
        if id < FIRST_ROLE || !self.roles.contains_key(&id) {
            return Err(CatalogError::Conflict(format!("no role with id {id} to drop")));
        }
        if self.is_in_grants(id) || self.members(id).next().is_some() {
            return Err(CatalogError::Conflict(format!("role {id} is still used")));
        }
        self.roles.remove(&id);
        Ok(())
    }

    /// All grants on a table, or on [`SCHEMA`], from now on.
    ///
    /// # Errors
    /// [`CatalogError::Conflict`] where one names a role that is not there.
    pub(crate) fn set_grants(&mut self, on: TableId, grants: &[Grant]) -> Result<()> {
        if grants.iter().any(|grant| grant.to.into_iter().chain([grant.by]).any(|id| self.by_id(id).is_none())) {
            return Err(CatalogError::Conflict("a grant names a role that does not exist".to_owned()));
        }
        if grants.is_empty() {
            self.forget(on);
        } else {
            self.grants.insert(on, Arc::new(grants.to_vec()));
        }
        Ok(())
    }

    /// The table is gone, and with it what was granted on it.
    pub(crate) fn forget(&mut self, table: TableId) {
        self.grants.remove(&table);
    }

    /// Those that a catalog holds.
    pub(crate) fn stored(roles: Vec<Role>, grants: Vec<(TableId, Vec<Grant>)>) -> Roles {
        let mut all = Roles::default();
        all.roles.extend(roles.into_iter().map(|role| (role.id, Arc::new(role))));
        all.grants.extend(grants.into_iter().map(|(on, grants)| (on, Arc::new(grants))));
        all
    }
}

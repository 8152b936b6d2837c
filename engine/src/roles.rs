//! Who may log in, and as what.

pub mod scram;

use std::collections::BTreeMap;
use std::fmt;

/// A role: a user, or a group of them.
#[derive(Clone, PartialEq, Eq)]
pub struct Role {
    /// Its name.
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
    /// What is kept of its password, as [`scram::Verifier`] writes it.
    pub verifier: Option<String>,
}

/// The verifier is not shown.
impl fmt::Debug for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Role").field("name", &self.name).finish_non_exhaustive()
    }
}

/// All roles, as they are at one moment.
#[derive(Debug, Clone, Default)]
pub struct Roles {
    roles: BTreeMap<String, Role>,
}

impl Roles {
    /// The role of that name.
    pub fn role(&self, name: &str) -> Option<&Role> {
        self.roles.get(name)
    }

    /// All of them, by name.
    pub fn all(&self) -> impl Iterator<Item = &Role> {
        self.roles.values()
    }
}

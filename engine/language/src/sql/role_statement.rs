//! Statements about roles and privileges: `CREATE ROLE`, `GRANT` and their like, as PostgreSQL has them.
//!
//! The library's parser knows other databases' forms of them and loses what this one needs, so they are read here, from the
//! same tokens as every other statement: `parse` says which they are.

use std::fmt;

use zxq_catalog::roles::Privileges;

mod parse;
mod privileges;
mod secrets;
#[cfg(test)]
mod tests;
mod tokens;

pub(super) use parse::parse;
pub use secrets::without_secrets;

/// A role as a statement names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoleName {
    /// By its name.
    Named(String),
    /// `CURRENT_USER`, `CURRENT_ROLE`.
    Current,
    /// `SESSION_USER`.
    Session,
}

/// A password as it was written.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(pub String);

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(***)")
    }
}

/// What `CREATE ROLE` and `ALTER ROLE` say about a role; `None` where they say nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RoleOptions {
    /// `SUPERUSER`.
    pub superuser: Option<bool>,
    /// `LOGIN`.
    pub login: Option<bool>,
    /// `INHERIT`.
    pub inherit: Option<bool>,
    /// `CREATEROLE`.
    pub create_role: Option<bool>,
    /// `Some(None)` is no limit.
    pub connection_limit: Option<Option<u32>>,
    /// The text of a timestamp.
    pub valid_until: Option<String>,
    /// `Some(None)` is `NULL`.
    pub password: Option<Option<Password>>,
    /// `IN ROLE`.
    pub in_roles: Vec<RoleName>,
    /// `ROLE`.
    pub members: Vec<RoleName>,
    /// `ADMIN`.
    pub admins: Vec<RoleName>,
}

/// A table or a sequence as a statement names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedTable {
    /// The schema that is written before it.
    pub schema: Option<String>,
    /// Its name within the schema.
    pub table: String,
}

impl NamedTable {
    /// The name under which it is kept: with its schema, where that is not public.
    pub fn kept_name(&self) -> String {
        match &self.schema {
            Some(schema) if schema != "public" => format!("{schema}.{}", self.table),
            _ => self.table.clone(),
        }
    }
}

/// What privileges are granted on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GrantTarget {
    /// These tables.
    Tables(Vec<NamedTable>),
    /// These sequences.
    Sequences(Vec<NamedTable>),
    /// `ALL TABLES IN SCHEMA …`, of these schemas.
    AllTables(Vec<String>),
    /// `ALL SEQUENCES IN SCHEMA …`.
    AllSequences(Vec<String>),
    /// `SCHEMA …`.
    Schemas(Vec<String>),
    /// `DATABASE …`, of which there is one.
    Database,
    /// `ALL FUNCTIONS IN SCHEMA public` and its like: kinds of things of which there are none.
    NoThings,
}

/// The privileges that a statement names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NamedPrivileges {
    /// `ALL`.
    All,
    /// These, and whether `CONNECT` or `TEMPORARY`, which everybody has, are among them.
    These {
        /// Those that are kept.
        privileges: Privileges,
        /// `CONNECT` or `TEMPORARY` is named too.
        of_everybody: bool,
    },
}

/// One statement about roles or privileges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoleStatement {
    /// `CREATE ROLE`, `CREATE USER`, `CREATE GROUP`.
    Create {
        /// What it is called.
        name: String,
        /// What is said of it.
        options: RoleOptions,
    },
    /// `ALTER ROLE name options`.
    Alter {
        /// Whom it is about.
        role: RoleName,
        /// What is to change.
        options: RoleOptions,
    },
    /// `ALTER ROLE name RENAME TO name`.
    Rename {
        /// The name until now.
        role: String,
        /// The new one.
        to: String,
    },
    /// `DROP ROLE`.
    Drop {
        /// Those that go.
        roles: Vec<RoleName>,
        /// `IF EXISTS`.
        if_exists: bool,
    },
    /// `GRANT privileges ON things TO roles`; no role is `PUBLIC`.
    Grant {
        /// What they may do.
        privileges: NamedPrivileges,
        /// With what.
        on: GrantTarget,
        /// Who.
        to: Vec<Option<RoleName>>,
        /// `WITH GRANT OPTION`.
        grantable: bool,
    },
    /// `REVOKE privileges ON things FROM roles`.
    Revoke {
        /// What they may do no more.
        privileges: NamedPrivileges,
        /// With what.
        on: GrantTarget,
        /// Who.
        from: Vec<Option<RoleName>>,
        /// `GRANT OPTION FOR`: that alone.
        option_only: bool,
        /// `CASCADE`: also what these have granted to others.
        cascade: bool,
    },
    /// `GRANT role TO role`.
    GrantRole {
        /// What they become members of.
        roles: Vec<RoleName>,
        /// Who.
        to: Vec<RoleName>,
        /// `WITH ADMIN OPTION`.
        admin: bool,
    },
    /// `REVOKE role FROM role`.
    RevokeRole {
        /// What they are members of no more.
        roles: Vec<RoleName>,
        /// Who.
        from: Vec<RoleName>,
        /// `ADMIN OPTION FOR`: that alone.
        admin_only: bool,
    },
}

impl RoleStatement {
    /// PostgreSQL's tag for it.
    pub fn tag(&self) -> &'static str {
        match self {
            RoleStatement::Create { .. } => "CREATE ROLE",
            RoleStatement::Alter { .. } | RoleStatement::Rename { .. } => "ALTER ROLE",
            RoleStatement::Drop { .. } => "DROP ROLE",
            RoleStatement::Grant { .. } => "GRANT",
            RoleStatement::Revoke { .. } => "REVOKE",
            RoleStatement::GrantRole { .. } => "GRANT ROLE",
            RoleStatement::RevokeRole { .. } => "REVOKE ROLE",
        }
    }
}

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
pub(crate) enum RoleName {
    /// By its name.
    Named(String),
    /// `CURRENT_USER`, `CURRENT_ROLE`.
    Current,
    /// `SESSION_USER`.
    Session,
}

/// A password as it was written.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Password(pub(crate) String);

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(***)")
    }
}

/// What `CREATE ROLE` and `ALTER ROLE` say about a role; `None` where they say nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct RoleOptions {
    pub(crate) superuser: Option<bool>,
    pub(crate) login: Option<bool>,
    pub(crate) inherit: Option<bool>,
    pub(crate) create_role: Option<bool>,
    /// `Some(None)` is no limit.
    pub(crate) connection_limit: Option<Option<u32>>,
    /// The text of a timestamp.
    pub(crate) valid_until: Option<String>,
    /// `Some(None)` is `NULL`.
    pub(crate) password: Option<Option<Password>>,
    /// `IN ROLE`.
    pub(crate) in_roles: Vec<RoleName>,
    /// `ROLE`.
    pub(crate) members: Vec<RoleName>,
    /// `ADMIN`.
    pub(crate) admins: Vec<RoleName>,
}

/// A table or a sequence as a statement names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NamedTable {
    /// The schema that is written before it.
    pub(crate) schema: Option<String>,
    pub(crate) table: String,
}

impl NamedTable {
    /// The name under which it is kept: with its schema, where that is not public.
    pub(crate) fn kept_name(&self) -> String {
        match &self.schema {
            Some(schema) if schema != "public" => format!("{schema}.{}", self.table),
            _ => self.table.clone(),
        }
    }
}

/// What privileges are granted on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum GrantTarget {
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
pub(crate) enum NamedPrivileges {
    /// `ALL`.
    All,
    /// These, and whether `CONNECT` or `TEMPORARY`, which everybody has, are among them.
    These { privileges: Privileges, of_everybody: bool },
}

/// One statement about roles or privileges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RoleStatement {
    /// `CREATE ROLE`, `CREATE USER`, `CREATE GROUP`.
    Create { name: String, options: RoleOptions },
    /// `ALTER ROLE name options`.
    Alter { role: RoleName, options: RoleOptions },
    /// `ALTER ROLE name RENAME TO name`.
    Rename { role: String, to: String },
    /// `DROP ROLE`.
    Drop { roles: Vec<RoleName>, if_exists: bool },
    /// `GRANT privileges ON things TO roles`; no role is `PUBLIC`.
    Grant { privileges: NamedPrivileges, on: GrantTarget, to: Vec<Option<RoleName>>, grantable: bool },
    /// `REVOKE privileges ON things FROM roles`.
    Revoke {
        privileges: NamedPrivileges,
        on: GrantTarget,
        from: Vec<Option<RoleName>>,
        /// `GRANT OPTION FOR`: that alone.
        option_only: bool,
        cascade: bool,
    },
    /// `GRANT role TO role`.
    GrantRole { roles: Vec<RoleName>, to: Vec<RoleName>, admin: bool },
    /// `REVOKE role FROM role`.
    RevokeRole { roles: Vec<RoleName>, from: Vec<RoleName>, admin_only: bool },
}

impl RoleStatement {
    /// PostgreSQL's tag for it.
    pub(crate) fn tag(&self) -> &'static str {
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

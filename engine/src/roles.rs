//! Who there is, what they may do, and the statements that change it.
//!
//! Roles and grants are part of the catalog's snapshot (`zxq_catalog::roles`): a change is a commit like any other, durable
//! before it is answered, and seen by every process.
//!
//! Reading order: `acting` (who a session is), `rights` (what that one may do), `change` (`CREATE`, `ALTER` and `DROP ROLE`),
//! `membership` (roles in roles), `granting` (privileges on tables, with `grants`, which computes), `ownership`, `audit` (the
//! log lines), [`scram`] (passwords).

use std::sync::Arc;

use zxq_catalog::Change;
use zxq_language::sql::role_statement::{RoleName, RoleStatement};
use zxq_language::values::zone::Zone;

use crate::error::{EngineError, ErrorKind, Result};
use crate::roles::acting::Acting;
use crate::roles::rights::Rights;
use crate::roles::scram::Verifier;
use crate::state::commit::Record;
use crate::state::engine::Engine;
use crate::supervisor::control::JobControl;

pub(crate) mod acting;
pub(crate) mod audit;
mod change;
mod granting;
mod grants;
mod membership;
mod ownership;
pub(crate) mod rights;
pub mod scram;

pub use zxq_catalog::roles::{FILES, Grant, OPERATE, Privileges, READ_ALL, Role, RoleId, Roles, SCHEMA, ZXQ};

/// What a statement about roles changes, and what its user is told.
#[derive(Debug, Default)]
struct Changed {
    changes: Vec<Change>,
    notices: Vec<String>,
}

impl Engine {
    /// All roles, and what they may do, as of the newest commit that this process has seen.
    pub fn roles(&self) -> Arc<Roles> {
        Arc::clone(&self.snapshot().roles)
    }

    /// What stands in for the verifier of a role that does not exist or has no password: who logs in as nobody goes the way
    /// of who has a wrong password. Every process on the catalog has the same.
    pub fn verifier_of_nobody(&self, name: &str) -> Verifier {
        Verifier::of_nobody(self.catalog.identity().as_bytes(), name)
    }

    /// Executes a statement about roles or privileges; returns what its user is told. It is durable then.
    ///
    /// # Errors
    /// [`ErrorKind::InsufficientPrivilege`]; what is wrong with the statement.
    pub(crate) async fn change_roles(
        self: &Arc<Self>,
        acting: &Acting,
        statement: &RoleStatement,
        zone: Zone,
        control: &JobControl,
    ) -> Result<Vec<String>> {
        self.check_write()?;
        // Changes are computed from what is, so that they come one by one.
        let _alone = control.wait(self.role_changes.lock()).await?;
        let snapshot = self.snapshot();
        let rights = Rights::of(&snapshot, &acting.who())?;
        let Changed { changes, notices } = match statement {
            RoleStatement::Create { name, options } => {
                change::check_may_create(&rights, name, options)?;
                let id = self.catalog.reserve_role_id().await?;
                change::create(&rights, id, name, options, zone)?
            }
            RoleStatement::Alter { role, options } => change::alter(&rights, role, options, zone)?,
            RoleStatement::Rename { role, to } => change::rename(&rights, role, to)?,
            RoleStatement::Drop { roles, if_exists } => change::drop(&rights, &snapshot, roles, *if_exists)?,
            RoleStatement::GrantRole { roles, to, admin } => membership::grant(&rights, roles, to, *admin)?,
            RoleStatement::RevokeRole { roles, from, admin_only } => {
                membership::revoke(&rights, roles, from, *admin_only)?
            }
            RoleStatement::Grant { privileges, on, to, grantable } => {
                granting::grant(&rights, &snapshot, *privileges, on, to, *grantable)?
            }
            RoleStatement::Revoke { privileges, on, from, option_only, cascade } => {
                let how = granting::Revoking { option_only: *option_only, cascade: *cascade };
                granting::revoke(&rights, &snapshot, *privileges, on, from, how)?
            }
        };
        if !changes.is_empty() {
            let _finishing = control.must_finish()?;
            self.commit(changes, Record::default()).await?;
        }
        Ok(notices)
    }
}

/// The role that a statement names.
///
/// # Errors
/// [`ErrorKind::UndefinedObject`].
fn named<'r>(rights: &'r Rights, name: &RoleName) -> Result<&'r Role> {
    let role = match name {
        RoleName::Named(name) => return rights.roles().role(name).ok_or_else(|| no_role(name)),
        RoleName::Current => rights.roles().by_id(rights.user()),
        RoleName::Session => rights.roles().by_id(rights.session()),
    };
    role.ok_or_else(|| EngineError::internal("a role acts that does not exist"))
}

/// As [`named`], for a role that can be changed.
///
/// # Errors
/// [`ErrorKind::ReservedName`] for a role that is built in.
fn changeable<'r>(rights: &'r Rights, name: &RoleName) -> Result<&'r Role> {
    let role = named(rights, name)?;
    if role.is_built_in() {
        let message = format!("role name \"{}\" is reserved", role.name);
        return Err(EngineError::new(ErrorKind::ReservedName, message).with_hint("built-in roles cannot be changed"));
    }
    Ok(role)
}

fn no_role(name: &str) -> EngineError {
    EngineError::new(ErrorKind::UndefinedObject, format!("role \"{name}\" does not exist"))
}

fn denied(message: impl Into<String>) -> EngineError {
    EngineError::new(ErrorKind::InsufficientPrivilege, message)
}

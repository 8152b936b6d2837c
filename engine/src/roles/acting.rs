//! Who a session is: who logged in, and as whom it acts now.

use std::sync::Arc;

use parking_lot::RwLock;
use zxq_catalog::roles::{RoleId, Roles, ZXQ};

use crate::error::{EngineError, ErrorKind, Result};
use crate::roles::denied;

/// The id of nobody: what a session acts as whose role was not there when it logged in.
const NOBODY: RoleId = RoleId::MAX;

/// Who a session is. Clones are the same session.
///
/// A session that never logged in is [`ZXQ`], the superuser: the embedded engine, the command line on the data directory, and
/// the clients of a server that has no users.
#[derive(Debug, Clone, Default)]
pub(crate) struct Acting(Arc<RwLock<Who>>);

/// As [`Acting`], at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Who {
    /// Who logged in.
    pub(crate) login: RoleId,
    /// `session_user`.
    pub(crate) session: RoleId,
    /// `current_user`.
    pub(crate) current: RoleId,
    /// Where the client is, for the log.
    pub(crate) origin: Option<Arc<str>>,
}

impl Default for Who {
    fn default() -> Self {
        Who { login: ZXQ, session: ZXQ, current: ZXQ, origin: None }
    }
}

impl Acting {
    pub(crate) fn who(&self) -> Who {
        self.0.read().clone()
    }

    /// From here on the session is that role's.
    pub(crate) fn log_in(&self, roles: &Roles, name: &str) {
        let id = roles.role(name).map_or(NOBODY, |role| role.id);
        let mut who = self.0.write();
        (who.login, who.session, who.current) = (id, id, id);
    }

    /// Says where the client is.
    pub(crate) fn comes_from(&self, origin: &str) {
        self.0.write().origin = Some(origin.into());
    }

    /// `SET ROLE`; `None` is `NONE`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidParameter`] for a role that is not there, [`ErrorKind::InsufficientPrivilege`] for one that the
    /// session's user is not in.
    pub(crate) fn set_role(&self, roles: &Roles, name: Option<&str>) -> Result<()> {
        let mut who = self.0.write();
        let Some(name) = name else {
            who.current = who.session;
            return Ok(());
        };
        let role = roles.role(name).ok_or_else(|| not_there(name))?;
        let may = roles.by_id(who.session).is_some_and(|user| user.superuser);
        if !may && !roles.belongs_to(who.session).contains(&role.id) {
            return Err(denied(format!("permission denied to set role \"{name}\"")));
        }
        who.current = role.id;
        Ok(())
    }

    /// `SET SESSION AUTHORIZATION`; `None` is `DEFAULT`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidParameter`] for a role that is not there, [`ErrorKind::InsufficientPrivilege`] where who logged in
    /// is no superuser.
    pub(crate) fn set_session(&self, roles: &Roles, name: Option<&str>) -> Result<()> {
        let mut who = self.0.write();
        let id = match name {
            None => who.login,
            Some(name) => roles.role(name).ok_or_else(|| not_there(name))?.id,
        };
        let may = roles.by_id(who.login).is_some_and(|user| user.superuser);
        if !may && id != who.login {
            return Err(denied("permission denied to set session authorization"));
        }
        (who.session, who.current) = (id, id);
        Ok(())
    }
}

fn not_there(name: &str) -> EngineError {
    EngineError::new(ErrorKind::InvalidParameter, format!("role \"{name}\" does not exist"))
}

//! As whom a session acts: `SET ROLE`, `SET SESSION AUTHORIZATION`, and what clients are told of it.

use zxq_engine::roles::ZXQ;

use super::error::WireError;
use super::session::Session;
use super::utility::{ROLE, SESSION_AUTHORIZATION};
use crate::pg_catalog::user_queries;
use crate::sqlstate;

/// The setting that says whether the session may do everything.
const IS_SUPERUSER: &str = "is_superuser";

impl Session {
    /// Notes in the settings who logged in.
    pub(super) fn note_login(&mut self) {
        self.settings.keep(SESSION_AUTHORIZATION, &self.user);
        self.note_superuser();
    }

    /// Sets one of the two settings that say as whom the session acts; `None` is the default.
    ///
    /// # Errors
    /// 22023 for a role that is not there, 42501 for one that the session must not be.
    pub(super) fn set_user(&mut self, name: &'static str, value: Option<&str>) -> Result<(), WireError> {
        let value = value.filter(|value| name != ROLE || *value != "none");
        if name == ROLE {
            self.engine.set_role(value)?;
        } else {
            self.engine.set_session_authorization(value)?;
            self.settings.keep(ROLE, "none");
        }
        let default = if name == ROLE { "none" } else { self.user.as_str() };
        let shown = value.unwrap_or(default).to_owned();
        self.settings.keep(name, &shown);
        self.tell_user();
        Ok(())
    }

    /// Acts as the settings say, after they went back to what they were. A role that the session may not be any more it is
    /// not: then it is its user.
    pub(super) fn follow_user_settings(&mut self) {
        let owner = self.settings.value(SESSION_AUTHORIZATION).to_owned();
        let owner = Some(owner).filter(|owner| *owner != self.user);
        let role = Some(self.settings.value(ROLE).to_owned()).filter(|role| role != "none");
        let as_before = self.engine.set_session_authorization(owner.as_deref()).is_ok();
        if !as_before || self.engine.set_role(role.as_deref()).is_err() {
            // Neither can fail: this is who logged in.
            let _ = self.engine.set_session_authorization(None);
            let _ = self.engine.set_role(None);
            self.settings.keep(SESSION_AUTHORIZATION, &self.user);
            self.settings.keep(ROLE, "none");
        }
        self.tell_user();
    }

    /// That the session may stop what another connection does: one's own, as an operator others', as a superuser all.
    ///
    /// # Errors
    /// 42501.
    pub(super) fn check_may_signal(&self, pid: i32, what: &str) -> Result<(), WireError> {
        let denied = |message: String| Err(WireError::new(sqlstate::INSUFFICIENT_PRIVILEGE, message));
        let Some(role) = self.seat.connections().role_of(pid) else { return Ok(()) };
        if self.engine.is_superuser() {
            return Ok(());
        }
        let roles = self.engine.engine().roles();
        match role.and_then(|name| roles.role(&name)) {
            Some(role) if !role.superuser => {
                if self.engine.may_operate() || roles.belongs_to(self.engine.current_role()).contains(&role.id) {
                    return Ok(());
                }
                denied(format!("must be a member of the role whose {what}, or member of zxq_operate"))
            }
            _ => denied(format!("must be a superuser where it is a superuser whose {what}")),
        }
    }

    fn note_superuser(&mut self) {
        // Without users it is as it ever was.
        let superuser = self.engine.session_role() != ZXQ && self.engine.is_superuser();
        self.settings.keep(IS_SUPERUSER, if superuser { "on" } else { "off" });
    }

    fn tell_user(&mut self) {
        self.note_superuser();
        let shown = self.shown_settings();
        user_queries::register(self.engine.context(), &self.identity(""), shown);
    }
}

//! Whose session it is.

use std::sync::Arc;

use zxq_catalog::roles::{RoleId, ZXQ};

use crate::error::{EngineError, Result};
use crate::roles::acting::Who;
use crate::roles::rights::Rights;
use crate::session::EngineSession;

impl EngineSession {
    /// From here on the session acts as that role. One that never logs in may do everything: that is the embedded engine, the
    /// command line on the data directory, and a server without users.
    ///
    /// Of a role that is not there, as of one that is dropped later, every statement is refused.
    pub fn log_in(&mut self, role: &str) {
        self.acting.log_in(&self.engine.roles(), role);
    }

    /// Says where the client is, for the lines that the log gets.
    pub fn comes_from(&self, origin: &str) {
        self.acting.comes_from(origin);
    }

    /// `SET ROLE`; `None` is `NONE`.
    ///
    /// # Errors
    /// [`crate::ErrorKind::InvalidParameter`] for a role that is not there, [`crate::ErrorKind::InsufficientPrivilege`] for one
    /// that the session's user is not in.
    pub fn set_role(&self, role: Option<&str>) -> Result<()> {
        self.acting.set_role(&self.engine.roles(), role)
    }

    /// `SET SESSION AUTHORIZATION`; `None` is `DEFAULT`.
    ///
    /// # Errors
    /// [`crate::ErrorKind::InvalidParameter`] for a role that is not there, [`crate::ErrorKind::InsufficientPrivilege`] where
    /// who logged in is no superuser.
    pub fn set_session_authorization(&self, role: Option<&str>) -> Result<()> {
        self.acting.set_session(&self.engine.roles(), role)
    }

    /// The role that the session acts as: `current_user`. [`ZXQ`] for one that never logged in.
    pub fn current_role(&self) -> RoleId {
        self.acting.who().current
    }

    /// The role whose session it is: `session_user`. [`ZXQ`] for one that never logged in.
    pub fn session_role(&self) -> RoleId {
        self.acting.who().session
    }

    /// The name of `current_user`; `None` for a session that never logged in, or whose role was dropped.
    pub fn current_user(&self) -> Option<String> {
        self.name_of(self.current_role())
    }

    /// The name of `session_user`, as [`EngineSession::current_user`].
    pub fn session_user(&self) -> Option<String> {
        self.name_of(self.session_role())
    }

    fn name_of(&self, role: RoleId) -> Option<String> {
        if role == ZXQ {
            return None;
        }
        self.engine.roles().by_id(role).map(|role| role.name.clone())
    }

    /// True where the session may do everything.
    pub fn is_superuser(&self) -> bool {
        self.rights().is_ok_and(|rights| rights.is_superuser())
    }

    /// True where the session may see and stop what others run: members of `zxq_operate`, and superusers.
    pub fn may_operate(&self) -> bool {
        self.rights().is_ok_and(|rights| rights.operates())
    }

    /// True where the session may know of every table: members of `zxq_read_all` and `zxq_operate`, and superusers.
    pub fn sees_all_tables(&self) -> bool {
        self.rights().is_ok_and(|rights| rights.sees_all())
    }

    /// The role that owns the tables that this session makes.
    pub fn owner_of_new_tables(&self) -> Option<RoleId> {
        Some(self.current_role()).filter(|role| *role != ZXQ)
    }

    /// That the session may put rows into a table, or, where it is not there and `create` says so, make it.
    ///
    /// # Errors
    /// [`crate::ErrorKind::InsufficientPrivilege`].
    pub fn check_may_load(&self, table: &str, create: bool) -> Result<()> {
        let snapshot = self.engine.snapshot();
        let rights = Rights::of(&snapshot, &self.who())?;
        match snapshot.table(table) {
            Some(state) => rights.check_table(&state.def, zxq_catalog::roles::Privileges::INSERT),
            None if create => rights.check_create(snapshot.schema_of(table).map(|schema| schema.def.as_ref())),
            None => self.check_is_there(table),
        }
    }

    /// That the session may make something of that name, as it will be kept.
    ///
    /// # Errors
    /// [`crate::ErrorKind::InsufficientPrivilege`].
    pub(crate) fn check_create(&self, name: &str) -> Result<()> {
        let snapshot = self.engine.snapshot();
        let rights = Rights::of(&snapshot, &self.who())?;
        rights.check_create(snapshot.schema_of(name).map(|schema| schema.def.as_ref()))
    }

    /// As [`EngineSession::check_may_load`], of COPY: a table of the session's own is its own.
    ///
    /// # Errors
    /// [`crate::ErrorKind::InsufficientPrivilege`].
    pub fn check_may_copy(&self, table: &str, create: bool) -> Result<()> {
        match self.names.temporaries.has_table(table) {
            true => Ok(()),
            false => self.check_may_load(table, create),
        }
    }

    /// That there is a table of that name, for those who must not learn from the error which ones there are. Others are told
    /// where it is looked for.
    ///
    /// # Errors
    /// [`crate::ErrorKind::UndefinedTable`].
    pub(crate) fn check_is_there(&self, table: &str) -> Result<()> {
        if self.engine.snapshot().table(table).is_some() || self.rights()?.sees_all() {
            return Ok(());
        }
        Err(EngineError::no_relation(table))
    }

    pub(crate) fn who(&self) -> Who {
        self.acting.who()
    }

    /// What the session may do now.
    pub(crate) fn rights(&self) -> Result<Rights> {
        let snapshot: Arc<_> = self.engine.snapshot();
        Rights::of(&snapshot, &self.who())
    }
}

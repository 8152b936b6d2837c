//! What somebody may do.

use std::collections::BTreeSet;
use std::sync::Arc;

use zxq_catalog::roles::{FILES, OPERATE, Privileges, READ_ALL, RoleId, Roles, SCHEMA, ZXQ};
use zxq_catalog::{Snapshot, TableDef};

use crate::error::Result;
use crate::roles::acting::Who;
use crate::roles::denied;

/// What a role may do, as of one snapshot.
#[derive(Debug, Clone)]
pub(crate) struct Rights {
    roles: Arc<Roles>,
    user: RoleId,
    session: RoleId,
    superuser: bool,
    create_role: bool,
    /// The roles whose privileges it has; not looked at for a superuser.
    acts_as: BTreeSet<RoleId>,
}

impl Rights {
    /// What a session may do now.
    ///
    /// # Errors
    /// [`crate::ErrorKind::InsufficientPrivilege`] where a role that it is was dropped.
    pub(crate) fn of(snapshot: &Snapshot, who: &Who) -> Result<Rights> {
        let roles = &snapshot.roles;
        let user = roles.by_id(who.current).filter(|_| {
            // Who logged in, and as whom, has to be there still as well.
            [who.login, who.session].iter().all(|id| roles.by_id(*id).is_some())
        });
        let Some(user) = user else {
            return Err(
                denied("permission denied: the role of this session was dropped").with_hint("Connect as another one")
            );
        };
        let acts_as = if user.superuser { BTreeSet::new() } else { roles.acts_as(user.id) };
        Ok(Rights {
            roles: Arc::clone(roles),
            user: user.id,
            session: who.session,
            superuser: user.superuser,
            create_role: user.create_role,
            acts_as,
        })
    }

    pub(crate) fn roles(&self) -> &Roles {
        &self.roles
    }

    /// `current_user`.
    pub(crate) fn user(&self) -> RoleId {
        self.user
    }

    /// `session_user`.
    pub(crate) fn session(&self) -> RoleId {
        self.session
    }

    pub(crate) fn is_superuser(&self) -> bool {
        self.superuser
    }

    /// True for one who may make, change and drop roles.
    pub(crate) fn may_change_roles(&self) -> bool {
        self.superuser || self.create_role
    }

    /// True for one who has what that role has.
    pub(crate) fn has_those_of(&self, role: RoleId) -> bool {
        self.superuser || self.acts_as.contains(&role)
    }

    /// Who owns the tables that this one makes; `None` for the engine's own superuser.
    pub(crate) fn owner_of_new_tables(&self) -> Option<RoleId> {
        (self.user != ZXQ).then_some(self.user)
    }

    pub(crate) fn owns(&self, table: &TableDef) -> bool {
        self.has_those_of(table.owner.unwrap_or(ZXQ))
    }

    /// What it may do with a table.
    pub(crate) fn on_table(&self, table: &TableDef) -> Privileges {
        if self.owns(table) {
            return Privileges::ON_TABLE;
        }
        let granted = self.granted_on(table.id, |grant| grant.privileges);
        if self.has_those_of(READ_ALL) { granted.with(Privileges::SELECT) } else { granted }
    }

    /// What of it may be granted on, by grants alone.
    pub(crate) fn granted_on(&self, on: u64, which: impl Fn(&zxq_catalog::roles::Grant) -> Privileges) -> Privileges {
        self.roles
            .grants(on)
            .iter()
            .filter(|grant| grant.to.is_none_or(|to| self.acts_as.contains(&to)))
            .fold(Privileges::NONE, |all, grant| all.with(which(grant)))
    }

    /// True where it may know of a table.
    pub(crate) fn sees(&self, table: &TableDef) -> bool {
        self.sees_all() || !self.on_table(table).is_empty()
    }

    /// True for one who may know of every table.
    pub(crate) fn sees_all(&self) -> bool {
        self.has_those_of(OPERATE) || self.has_those_of(READ_ALL)
    }

    /// True for one who sees what others run.
    pub(crate) fn operates(&self) -> bool {
        self.has_those_of(OPERATE)
    }

    /// # Errors
    /// [`crate::ErrorKind::InsufficientPrivilege`], as all of these.
    pub(crate) fn check_table(&self, table: &TableDef, needed: Privileges) -> Result<()> {
        match self.on_table(table).has(needed) {
            true => Ok(()),
            false => Err(denied(format!("permission denied for {} {}", kind(table), table.name))),
        }
    }

    pub(crate) fn check_sees(&self, table: &TableDef) -> Result<()> {
        match self.sees(table) {
            true => Ok(()),
            false => Err(denied(format!("permission denied for {} {}", kind(table), table.name))),
        }
    }

    pub(crate) fn check_owner(&self, table: &TableDef) -> Result<()> {
        match self.owns(table) {
            true => Ok(()),
            false => Err(denied(format!("must be owner of {} {}", kind(table), table.name))),
        }
    }

    /// That it may make tables in a schema; `None` is `public`.
    pub(crate) fn check_create(&self, schema: Option<&TableDef>) -> Result<()> {
        let on = schema.map_or(SCHEMA, |schema| schema.id);
        let granted = || self.granted_on(on, |grant| grant.privileges).has(Privileges::CREATE);
        if self.superuser || schema.is_some_and(|schema| self.owns(schema)) || granted() {
            return Ok(());
        }
        let name = schema.map_or("public", |schema| schema.name.trim_end_matches('.'));
        Err(denied(format!("permission denied for schema {name}"))
            .with_hint(format!("GRANT CREATE ON SCHEMA {name} TO the role")))
    }

    /// That it has one of these privileges on a sequence.
    pub(crate) fn check_sequence(&self, sequence: &TableDef, any_of: &[Privileges]) -> Result<()> {
        let granted = self.granted_on(sequence.id, |grant| grant.privileges);
        match self.owns(sequence) || any_of.iter().any(|privilege| granted.has(*privilege)) {
            true => Ok(()),
            false => Err(denied(format!("permission denied for sequence {}", sequence.name))),
        }
    }

    /// That it may move and verify rows: of one table as its owner, of any as an operator.
    pub(crate) fn check_operates(&self, procedure: &str, table: Option<&TableDef>) -> Result<()> {
        match self.operates() || table.is_some_and(|table| self.owns(table)) {
            true => Ok(()),
            false => Err(denied(format!("permission denied for procedure {procedure}"))
                .with_hint("Members of zxq_operate may call it, and for one table its owner")),
        }
    }

    /// That it may name files of the server.
    pub(crate) fn check_files(&self) -> Result<()> {
        match self.has_those_of(FILES) {
            true => Ok(()),
            false => Err(denied("permission denied to read files of the server")
                .with_hint("Members of zxq_files may; COPY … FROM STDIN sends rows from the client")),
        }
    }
}

fn kind(table: &TableDef) -> &'static str {
    if table.sequence().is_some() {
        "sequence"
    } else if table.is_schema() {
        "schema"
    } else if table.view().is_some() {
        "view"
    } else {
        "table"
    }
}

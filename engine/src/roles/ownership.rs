//! `ALTER TABLE … OWNER TO`.

use std::sync::Arc;

use zxq_catalog::roles::{Privileges, Role, SCHEMA, ZXQ};
use zxq_catalog::{Change, TableDef};
use zxq_language::sql::role_statement::RoleName;

use crate::error::Result;
use crate::roles::acting::Acting;
use crate::roles::grants::Grants;
use crate::roles::rights::Rights;
use crate::roles::{denied, named};
use crate::state::commit::Record;
use crate::state::engine::Engine;
use crate::supervisor::control::JobControl;

impl Engine {
    /// Gives a table to another role.
    ///
    /// # Errors
    /// [`crate::ErrorKind::InsufficientPrivilege`] for one who may not; [`crate::ErrorKind::UndefinedObject`] for a role that is
    /// not there.
    pub(crate) async fn change_owner(
        self: &Arc<Self>,
        acting: &Acting,
        name: &str,
        to: &RoleName,
        control: &JobControl,
    ) -> Result<()> {
        self.check_write()?;
        let id = self.table(name)?.def.id;
        let _alone = control.wait(self.locks.change_table(id)).await?;
        let _roles = control.wait(self.role_changes.lock()).await?;
        let _no_ingest = control.wait(self.ingest_gate.write()).await?;
        let snapshot = self.snapshot();
        let rights = Rights::of(&snapshot, &acting.who())?;
        let state = self.table(name)?;
        let role = named(&rights, to)?;
        check(&rights, &state.def, role)?;
        let grants = Grants::new(state.def.owner.unwrap_or(ZXQ), rights.roles().grants(state.def.id));
        let def = TableDef { owner: (role.id != ZXQ).then_some(role.id), ..state.def.as_ref().clone() };
        let changes = vec![
            Change::SetGrants { on: def.id, grants: grants.owned_by(role.id).into_vec() },
            Change::AlterTable(Box::new(def)),
        ];
        let _finishing = control.must_finish()?;
        self.commit(changes, Record::default()).await?;
        Ok(())
    }
}

/// One's own table, to a role that one is in and that may make tables.
fn check(rights: &Rights, table: &TableDef, to: &Role) -> Result<()> {
    rights.check_owner(table)?;
    if rights.is_superuser() {
        return Ok(());
    }
    if !rights.roles().belongs_to(rights.user()).contains(&to.id) {
        return Err(denied(format!("must be member of role \"{}\"", to.name)));
    }
    let acts_as = rights.roles().acts_as(to.id);
    let may_create = to.superuser
        || rights.roles().grants(SCHEMA).iter().any(|grant| {
            grant.privileges.has(Privileges::CREATE) && grant.to.is_none_or(|role| acts_as.contains(&role))
        });
    if may_create { Ok(()) } else { Err(denied("permission denied for schema public")) }
}

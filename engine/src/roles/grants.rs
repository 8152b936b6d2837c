//! The grants on one thing, and how they change. Pure: nothing is read or written here.

use zxq_catalog::roles::{Grant, Privileges, RoleId};

use crate::error::{EngineError, ErrorKind, Result};

#[cfg(test)]
mod tests;

/// The grants on one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Grants {
    owner: RoleId,
    all: Vec<Grant>,
}

impl Grants {
    pub(super) fn new(owner: RoleId, all: &[Grant]) -> Self {
        Grants { owner, all: all.to_vec() }
    }

    pub(super) fn into_vec(self) -> Vec<Grant> {
        self.all
    }

    /// What a role may grant on, by itself.
    pub(super) fn grantable_by(&self, role: RoleId) -> Privileges {
        if role == self.owner {
            return Privileges::ON_TABLE.with(Privileges::ON_SCHEMA);
        }
        let to = self.all.iter().filter(|grant| grant.to == Some(role));
        to.fold(Privileges::NONE, |all, grant| all.with(grant.grantable))
    }

    /// Adds a grant. The owner has everything without one.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidGrant`] for an option that goes in a circle, or to everybody.
    pub(super) fn add(&mut self, to: Option<RoleId>, by: RoleId, privileges: Privileges, option: bool) -> Result<()> {
        let grantable = if option { privileges } else { Privileges::NONE };
        if to == Some(self.owner) || privileges.is_empty() {
            return Ok(());
        }
        match to {
            None if option => return Err(invalid("grant options can only be granted to roles")),
            Some(to) if option && by != self.owner => self.check_circle(to, by, privileges)?,
            _ => {}
        }
        match self.all.iter_mut().find(|grant| grant.to == to && grant.by == by) {
            Some(grant) => {
                grant.privileges = grant.privileges.with(privileges);
                grant.grantable = grant.grantable.with(grantable);
            }
            None => self.all.push(Grant { to, by, privileges, grantable }),
        }
        Ok(())
    }

    /// An option must not go back to one that it came from: taken away from there, it would hold itself.
    fn check_circle(&self, to: RoleId, by: RoleId, privileges: Privileges) -> Result<()> {
        let mut without = self.clone();
        for grantor in self.all.iter().filter(|grant| grant.to == Some(to)).map(|grant| grant.by) {
            without.remove(Some(to), grantor, privileges, true, true)?;
        }
        match to != by && without.grantable_by(by).has(privileges) {
            true => Ok(()),
            false => Err(invalid("grant options cannot be granted back to your own grantor")),
        }
    }

    /// Takes a grant back, or its option alone; with `cascade` also what depends on the option.
    ///
    /// # Errors
    /// [`ErrorKind::DependentObjects`] where something depends and `cascade` was not asked for.
    pub(super) fn remove(
        &mut self,
        from: Option<RoleId>,
        by: RoleId,
        privileges: Privileges,
        option_only: bool,
        cascade: bool,
    ) -> Result<()> {
        let Some(grant) = self.all.iter_mut().find(|grant| grant.to == from && grant.by == by) else { return Ok(()) };
        let had = grant.grantable.common(privileges);
        grant.grantable = grant.grantable.without(privileges);
        if !option_only {
            grant.privileges = grant.privileges.without(privileges);
        }
        self.all.retain(|grant| !grant.privileges.is_empty());
        let Some(role) = from else { return Ok(()) };
        let lost = had.without(self.grantable_by(role));
        if lost.is_empty() {
            return Ok(());
        }
        let depending: Vec<Option<RoleId>> = self
            .all
            .iter()
            .filter(|grant| grant.by == role && !grant.privileges.common(lost).is_empty())
            .map(|grant| grant.to)
            .collect();
        if !depending.is_empty() && !cascade {
            return Err(EngineError::new(ErrorKind::DependentObjects, "dependent privileges exist")
                .with_hint("Use CASCADE to revoke them too."));
        }
        depending.into_iter().try_for_each(|to| self.remove(to, role, lost, false, true))
    }

    /// The same under another owner, who takes the place of the one before.
    #[must_use]
    pub(super) fn owned_by(&self, owner: RoleId) -> Grants {
        let mut after = Grants { owner, all: Vec::new() };
        let place = |id: RoleId| if id == self.owner { owner } else { id };
        for grant in &self.all {
            let (to, by) = (grant.to.map(place), place(grant.by));
            if to == Some(owner) {
                continue;
            }
            match after.all.iter_mut().find(|other| other.to == to && other.by == by) {
                Some(other) => {
                    other.privileges = other.privileges.with(grant.privileges);
                    other.grantable = other.grantable.with(grant.grantable);
                }
                None => after.all.push(Grant { to, by, ..*grant }),
            }
        }
        after
    }
}

fn invalid(message: &str) -> EngineError {
    EngineError::new(ErrorKind::InvalidGrant, message)
}

//! What a session has by name: its cursors and its prepared statements.

use std::collections::BTreeSet;
use std::sync::Arc;

use zxq_engine::sql::quoted_text;

use super::Session;
use crate::sqlstate;
use crate::wire::error::WireError;
use crate::wire::plan::Planned;
use crate::wire::portal::Portal;

impl Session {
    /// Refuses a name that a cursor has. The unnamed one may be replaced.
    ///
    /// # Errors
    /// 42P03.
    pub(crate) fn check_cursor_name(&self, name: &str) -> Result<(), WireError> {
        if !name.is_empty() && self.portals.contains_key(name) {
            return Err(WireError::new(sqlstate::DUPLICATE_CURSOR, format!("cursor \"{name}\" already exists")));
        }
        Ok(())
    }

    /// The portals that have a name, in its order.
    pub(crate) fn named_portals(&self) -> Vec<(&str, &Portal)> {
        let mut named: Vec<_> = self.portals.iter().map(|(name, portal)| (name.as_str(), portal)).collect();
        named.retain(|(name, _)| !name.is_empty());
        named.sort_by_key(|(name, _)| *name);
        named
    }

    /// The prepared statements that have a name, in its order.
    pub(crate) fn named_statements(&self) -> Vec<(&str, &Arc<Planned>)> {
        let mut named: Vec<_> = self.statements.iter().map(|(name, planned)| (name.as_str(), planned)).collect();
        named.retain(|(name, _)| !name.is_empty());
        named.sort_by_key(|(name, _)| *name);
        named
    }

    /// Its cursors, each as a struct in DuckDB's SQL.
    pub(super) fn cursors(&self) -> Vec<String> {
        let cursor = |(name, portal): (&str, &Portal)| {
            let declared = portal.declared.as_ref();
            let statement = declared.map_or(portal.statement.text.as_str(), |declared| declared.statement.as_str());
            format!(
                "{{name: {}, statement: {}, is_holdable: {}, is_binary: {}, is_scrollable: {}, creation_time: make_timestamp({})}}",
                quoted_text(name),
                quoted_text(statement),
                portal.hold,
                declared.is_some_and(|declared| declared.binary),
                declared.is_some_and(|declared| declared.scroll),
                declared.map_or(0, |declared| declared.at),
            )
        };
        self.named_portals().into_iter().map(cursor).collect()
    }

    /// Its prepared statements, likewise.
    pub(super) fn prepared_statements(&self) -> Vec<String> {
        let statement = |(name, planned): (&str, &Arc<Planned>)| {
            let types: Vec<String> = planned.parameters.iter().map(|oid| format!("{oid}::UINTEGER")).collect();
            format!(
                "{{name: {}, statement: {}, prepare_time: NULL, parameter_types: [{}], from_sql: false, generic_plans: 0, \
                 custom_plans: 0}}",
                quoted_text(name),
                quoted_text(&planned.text),
                types.join(", ")
            )
        };
        self.named_statements().into_iter().map(statement).collect()
    }

    /// What all sessions do, likewise.
    pub(super) fn activities(&self) -> Vec<String> {
        // Without users everybody may see everything, as an operator may; others what is done as roles that they have the privileges of.
        let sees_all = self.engine.may_operate();
        let roles = self.engine.engine().roles();
        let mine = if sees_all { BTreeSet::new() } else { roles.acts_as(self.engine.current_role()) };
        let may_see = |role: Option<&str>| {
            sees_all || role.and_then(|name| roles.role(name)).is_some_and(|role| mine.contains(&role.id))
        };
        self.seat.connections().activities(may_see).iter().map(|(pid, activity)| activity.sql(*pid)).collect()
    }
}

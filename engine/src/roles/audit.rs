//! What is worth a line in the log: who changed what there is or who may do what, and who was refused. Passwords are never in
//! one.
//!
//! The lines have the target `zxq_audit` and always the same fields, so that a filter finds them all.

use zxq_catalog::roles::Roles;
use zxq_language::sql::without_secrets;

use crate::roles::acting::Who;

/// Most characters of a statement that a line has.
const TEXT_CHARS: usize = 1_000;

/// A statement that changed roles, privileges, definitions, or where rows lie.
pub(crate) fn done(roles: &Roles, who: &Who, what: &str, sql: &str) {
    let (user, session_user) = names(roles, who);
    let (from, sql) = (from(who), shown(sql));
    tracing::info!(target: "zxq_audit", event = what, user, session_user, from, sql, "done");
}

/// A statement that was refused for want of a privilege.
pub(crate) fn refused(roles: &Roles, who: &Who, why: &str, sql: &str) {
    let (user, session_user) = names(roles, who);
    let (from, sql) = (from(who), shown(sql));
    tracing::warn!(target: "zxq_audit", event = "refused", user, session_user, from, why, sql, "refused");
}

fn names<'r>(roles: &'r Roles, who: &Who) -> (&'r str, &'r str) {
    let name = |id| roles.by_id(id).map_or("(dropped)", |role| role.name.as_str());
    (name(who.current), name(who.session))
}

fn from(who: &Who) -> &str {
    who.origin.as_deref().unwrap_or("local")
}

fn shown(sql: &str) -> String {
    without_secrets(sql).chars().take(TEXT_CHARS).collect()
}

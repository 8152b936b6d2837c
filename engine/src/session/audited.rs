//! Which statements get a line in the log: those that change roles, privileges, definitions or where rows lie, and those that
//! are refused for want of a privilege.

use zxq_language::sql::{Statement, StatementKind};

use crate::error::{EngineError, ErrorKind};
use crate::roles::acting::Who;
use crate::roles::audit;
use crate::session::{EngineSession, Outcome, Prepared};
use crate::state::engine::Engine;

/// Notes what became of a statement.
pub(super) fn note(engine: &Engine, who: &Who, prepared: &Prepared, outcome: Result<&Outcome, &EngineError>) {
    let sql = prepared.statement.text();
    match (outcome, prepared.job_name()) {
        (Err(error), _) if error.kind() == ErrorKind::InsufficientPrivilege => {
            audit::refused(&engine.roles(), who, error.message(), sql);
        }
        (Ok(_), Some("CALL")) => audit::done(&engine.roles(), who, "call", sql),
        (Ok(_), Some("DDL")) => {
            let event = if prepared.statement.kind() == StatementKind::Role { "roles" } else { "ddl" };
            audit::done(&engine.roles(), who, event, sql);
        }
        _ => {}
    }
}

/// Notes that a statement was refused before it could run.
pub(super) fn note_refusal(session: &EngineSession, statement: &Statement, error: &EngineError) {
    if error.kind() == ErrorKind::InsufficientPrivilege {
        audit::refused(&session.engine.roles(), &session.who(), error.message(), statement.text());
    }
}

//! `BEGIN`, `COMMIT` and savepoints as statements of a session in this process. Over the wire the connection does them by
//! itself, since there they also concern its settings and cursors.

use datafusion::sql::sqlparser::ast::{
    Statement as Ast, TransactionAccessMode, TransactionIsolationLevel, TransactionMode,
};
use zxq_language::sql::{Statement, StatementKind, normalise};
use zxq_language::values::counted::counted;

use crate::error::{EngineError, ErrorKind, Result};
use crate::session::{EngineSession, Outcome};

/// Runs the statement, where it is one of those.
pub(super) async fn run(session: &EngineSession, statement: &Statement) -> Option<Result<Outcome>> {
    if statement.kind() != StatementKind::Other {
        return None;
    }
    let tag = match statement.ast()? {
        Ast::StartTransaction { modes, statements, .. } if statements.is_empty() => {
            begin(session, modes).map(|()| "BEGIN")
        }
        Ast::Commit { chain: false, .. } => session.commit().await.map(|()| "COMMIT"),
        Ast::Rollback { chain: false, savepoint: None } => {
            let lasting = session.rollback().await;
            Ok(warn(session, lasting))
        }
        Ast::Rollback { savepoint: Some(name), .. } => match session.rollback_to(&normalise(name)).await {
            Ok(Some(lasting)) => Ok(warn(session, lasting)),
            Ok(None) => Err(no_savepoint(&normalise(name))),
            Err(error) => Err(error),
        },
        Ast::Savepoint { name } if session.in_transaction() => {
            session.savepoint(&normalise(name));
            Ok("SAVEPOINT")
        }
        Ast::ReleaseSavepoint { name } => match session.release(&normalise(name)) {
            true => Ok("RELEASE"),
            false => Err(no_savepoint(&normalise(name))),
        },
        _ => return None,
    };
    Some(tag.map(|tag| Outcome::Command { tag: tag.to_owned() }))
}

fn begin(session: &EngineSession, modes: &[TransactionMode]) -> Result<()> {
    let is_read_only =
        |mode: &TransactionMode| matches!(mode, TransactionMode::AccessMode(TransactionAccessMode::ReadOnly));
    if modes.iter().any(is_read_only) {
        let text = "READ ONLY is not supported here: a server keeps to it, for its connections";
        return Err(EngineError::new(ErrorKind::FeatureNotSupported, text));
    }
    session.begin(false)?;
    session.keep_snapshot(modes.iter().any(|mode| {
        matches!(
            mode,
            TransactionMode::IsolationLevel(
                TransactionIsolationLevel::RepeatableRead
                    | TransactionIsolationLevel::Serializable
                    | TransactionIsolationLevel::Snapshot
            )
        )
    }));
    Ok(())
}

fn warn(session: &EngineSession, lasting: usize) -> &'static str {
    if lasting > 0 {
        session.notice(format!(
            "{} of this transaction took effect at once and stay",
            counted(lasting as u64, "statement")
        ));
    }
    "ROLLBACK"
}

fn no_savepoint(name: &str) -> EngineError {
    EngineError::new(ErrorKind::UndefinedObject, format!("savepoint \"{name}\" does not exist"))
}

//! Statements about roles, privileges and owners, on their way to `crate::roles`.

use datafusion::sql::sqlparser::ast::{AlterTableOperation, Owner, Set};

use crate::error::{EngineError, ErrorKind, Result};
use crate::functions::times::session_zone;
use crate::session::{EngineSession, Outcome};
use crate::sql;
use crate::sql::role_statement::{GrantTarget, RoleName, RoleStatement};
use crate::supervisor::control::JobControl;

/// Executes a statement about roles or privileges.
pub(super) async fn run(session: &EngineSession, statement: &RoleStatement, control: &JobControl) -> Result<Outcome> {
    let zone = session_zone(session.context().state().config_options());
    let mut statement = statement.clone();
    if let RoleStatement::Grant { on, .. } | RoleStatement::Revoke { on, .. } = &mut statement {
        look_up(session, on);
    }
    for notice in session.engine.change_roles(&session.acting, &statement, zone, control).await? {
        session.notice(notice);
    }
    Ok(Outcome::Command { tag: statement.tag().to_owned() })
}

/// Tables and sequences that are named without a schema are looked for along the search path.
fn look_up(session: &EngineSession, on: &mut GrantTarget) {
    let (GrantTarget::Tables(names) | GrantTarget::Sequences(names)) = on else { return };
    for named in names.iter_mut().filter(|named| named.schema.is_none()) {
        named.table = session.kept_name(&named.table);
    }
}

/// The role that `ALTER TABLE … OWNER TO` names; `None` where the statement does something else.
///
/// # Errors
/// [`ErrorKind::FeatureNotSupported`] for that and something else at once.
pub(super) fn new_owner(operations: &[AlterTableOperation]) -> Result<Option<RoleName>> {
    match operations {
        [AlterTableOperation::OwnerTo { new_owner }] => Ok(Some(match new_owner {
            Owner::Ident(ident) => RoleName::Named(sql::normalise(ident)),
            Owner::CurrentRole | Owner::CurrentUser => RoleName::Current,
            Owner::SessionUser => RoleName::Session,
        })),
        several if several.iter().any(|one| matches!(one, AlterTableOperation::OwnerTo { .. })) => {
            let message = "ALTER TABLE … OWNER TO together with another change is not supported: use two statements";
            Err(EngineError::new(ErrorKind::FeatureNotSupported, message))
        }
        _ => Ok(None),
    }
}

/// `SET ROLE` and `SET SESSION AUTHORIZATION`; false for another SET.
pub(super) fn set(session: &EngineSession, set: &Set) -> Result<bool> {
    use datafusion::sql::sqlparser::ast::SetSessionAuthorizationParamKind as Authorization;
    match set {
        Set::SetRole { role_name, .. } => {
            session.set_role(role_name.as_ref().map(sql::normalise).as_deref())?;
            Ok(true)
        }
        Set::SetSessionAuthorization(param) => {
            let name = match &param.kind {
                Authorization::Default => None,
                Authorization::User(name) => Some(sql::normalise(name)),
            };
            session.set_session_authorization(name.as_deref())?;
            Ok(true)
        }
        _ => Ok(false),
    }
}

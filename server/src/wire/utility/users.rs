//! `SET ROLE` and `SET SESSION AUTHORIZATION`, which are settings with a syntax of their own.

use super::{Cursor, Utility};
use crate::wire::error::WireError;
use crate::wire::lexer::TokenKind;

/// The setting that says as whom the session acts.
pub(crate) const ROLE: &str = "role";
/// The setting that says whose session it is.
pub(crate) const SESSION_AUTHORIZATION: &str = "session_authorization";

/// `ROLE name` and `SESSION AUTHORIZATION name`, behind SET; `None` where something else is set. `session` says that SESSION
/// was taken.
pub(super) fn set(cursor: &mut Cursor<'_>, session: bool, local: bool) -> Result<Option<Utility>, WireError> {
    let is_session = session || local && cursor.take("SESSION")?;
    let name = if is_session && cursor.take("AUTHORIZATION")? {
        SESSION_AUTHORIZATION
    } else if cursor.take("ROLE")? {
        ROLE
    } else {
        return Ok(None);
    };
    let _ = cursor.take_symbol("=")? || cursor.take("TO")?;
    let value = if cursor.take("DEFAULT")? || name == ROLE && cursor.take("NONE")? {
        None
    } else if cursor.peek().is_some_and(|token| token.kind == TokenKind::Text) {
        Some(cursor.text()?)
    } else {
        Some(cursor.name()?)
    };
    cursor.end()?;
    Ok(Some(Utility::Set { name: name.to_owned(), value, local }))
}

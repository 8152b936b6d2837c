//! What transactions are begun with: `READ ONLY`, `ISOLATION LEVEL …`.

use super::Cursor;
use crate::wire::error::WireError;

/// What a transaction is begun with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Modes {
    /// Whether it only reads, where that is said.
    pub(crate) read_only: Option<bool>,
    /// The isolation level by its name, where it is said.
    pub(crate) isolation: Option<&'static str>,
}

/// What follows BEGIN.
pub(super) fn transaction_modes(cursor: &mut Cursor<'_>) -> Result<Modes, WireError> {
    let mut modes = Modes::default();
    while cursor.peek().is_some() {
        if cursor.take("ISOLATION")? {
            modes.isolation = Some(isolation_level(cursor)?);
        } else if cursor.take("READ")? {
            let only = cursor.take("ONLY")?;
            if !only && !cursor.take("WRITE")? {
                return Err(cursor.unexpected("ONLY or WRITE"));
            }
            modes.read_only = Some(only);
        } else {
            cursor.take("NOT")?;
            if !cursor.take("DEFERRABLE")? {
                return Err(cursor.unexpected("a transaction mode"));
            }
        }
        cursor.take_symbol(",")?;
    }
    Ok(modes)
}

fn isolation_level(cursor: &mut Cursor<'_>) -> Result<&'static str, WireError> {
    if cursor.take("LEVEL")? {
        if cursor.take("SERIALIZABLE")? {
            return Ok("serializable");
        }
        if cursor.take("REPEATABLE")? && cursor.take("READ")? {
            return Ok("repeatable read");
        }
        if cursor.take("READ")? {
            if cursor.take("COMMITTED")? {
                return Ok("read committed");
            }
            if cursor.take("UNCOMMITTED")? {
                return Ok("read uncommitted");
            }
        }
    }
    Err(cursor.unexpected("an isolation level"))
}

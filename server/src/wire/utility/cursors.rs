//! `DECLARE`, `FETCH` and `MOVE`.

use super::{Cursor, Utility};
use crate::sqlstate;
use crate::wire::cursor::{Movement, Scroll};
use crate::wire::error::WireError;
use crate::wire::lexer::TokenKind;

/// What a cursor is declared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Declare {
    /// What FETCH and CLOSE call it.
    pub(crate) name: String,
    /// Its rows come in binary.
    pub(crate) binary: bool,
    /// Whether it can go back.
    pub(crate) scroll: Scroll,
    /// It outlives its transaction block.
    pub(crate) hold: bool,
    /// The text of the query whose rows it gives.
    pub(crate) query: String,
    /// Where the query begins in the statement, in bytes.
    pub(crate) at: usize,
}

/// What follows DECLARE.
pub(super) fn declare(cursor: &mut Cursor<'_>) -> Result<Utility, WireError> {
    let name = cursor.name()?;
    let (mut binary, mut scroll, mut no_scroll, mut insensitive, mut asensitive) = (false, false, false, false, false);
    loop {
        if cursor.take("BINARY")? {
            binary = true;
        } else if cursor.take("SCROLL")? {
            scroll = true;
        } else if cursor.take("INSENSITIVE")? {
            insensitive = true;
        } else if cursor.take("ASENSITIVE")? {
            asensitive = true;
        } else if cursor.take("NO")? {
            if !cursor.take("SCROLL")? {
                return Err(cursor.unexpected("SCROLL"));
            }
            no_scroll = true;
        } else {
            break;
        }
    }
    for (both, what) in
        [(scroll && no_scroll, "SCROLL and NO SCROLL"), (insensitive && asensitive, "INSENSITIVE and ASENSITIVE")]
    {
        if both {
            let message = format!("cannot specify both {what}");
            return Err(WireError::new(sqlstate::INVALID_CURSOR_DEFINITION, message));
        }
    }
    if !cursor.take("CURSOR")? {
        return Err(cursor.unexpected("CURSOR"));
    }
    let hold = cursor.take("WITH")?;
    if (hold || cursor.take("WITHOUT")?) && !cursor.take("HOLD")? {
        return Err(cursor.unexpected("HOLD"));
    }
    if !cursor.take("FOR")? {
        return Err(cursor.unexpected("FOR"));
    }
    let scroll = match (scroll, no_scroll) {
        (true, _) => Scroll::Yes,
        (_, true) => Scroll::No,
        _ => Scroll::WhileFew,
    };
    let at = cursor.peek().map_or(0, |token| token.start);
    Ok(Utility::Declare(Declare { name, binary, scroll, hold, query: cursor.rest().to_owned(), at }))
}

/// What follows FETCH, or MOVE, which only skips.
pub(super) fn fetch(cursor: &mut Cursor<'_>, skip: bool) -> Result<Utility, WireError> {
    let movement = movement(cursor)?;
    let _ = cursor.take("FROM")? || cursor.take("IN")?;
    let name = cursor.name()?;
    cursor.end()?;
    Ok(Utility::Fetch { name, movement, skip })
}

fn movement(cursor: &mut Cursor<'_>) -> Result<Movement, WireError> {
    if cursor.take("NEXT")? {
        Ok(Movement::Forward(1))
    } else if cursor.take("PRIOR")? {
        Ok(Movement::Forward(-1))
    } else if cursor.take("FIRST")? {
        Ok(Movement::Absolute(1))
    } else if cursor.take("LAST")? {
        Ok(Movement::Absolute(-1))
    } else if cursor.take("ABSOLUTE")? {
        count(cursor)?.map(Movement::Absolute).ok_or_else(|| cursor.unexpected("the number of a row"))
    } else if cursor.take("RELATIVE")? {
        count(cursor)?.map(Movement::Relative).ok_or_else(|| cursor.unexpected("a number of rows"))
    } else if cursor.take("ALL")? {
        Ok(Movement::ForwardAll)
    } else if cursor.take("BACKWARD")? {
        if cursor.take("ALL")? {
            return Ok(Movement::BackwardAll);
        }
        Ok(Movement::Forward(-count(cursor)?.unwrap_or(1)))
    } else {
        if cursor.take("FORWARD")? && cursor.take("ALL")? {
            return Ok(Movement::ForwardAll);
        }
        Ok(Movement::Forward(count(cursor)?.unwrap_or(1)))
    }
}

/// A number of rows with its sign, of 32 bits as in PostgreSQL.
fn count(cursor: &mut Cursor<'_>) -> Result<Option<i64>, WireError> {
    let negative = cursor.take_symbol("-")?;
    let signed = negative || cursor.take_symbol("+")?;
    match cursor.peek() {
        Some(token) if token.kind == TokenKind::Number => {
            let number = token.raw.parse::<i32>();
            let number = number
                .map_err(|_| WireError::syntax(format!("syntax error at or near \"{}\"", token.raw)).at(token.start))?;
            cursor.next()?;
            Ok(Some(if negative { -i64::from(number) } else { i64::from(number) }))
        }
        _ if signed => Err(cursor.unexpected("a number of rows")),
        _ => Ok(None),
    }
}

//! Where in a statement a mistake is that the engine has found in its plan, which knows names and values, not places: at the
//! first of its words that is the name or the value of the message.

use zxq_engine::ErrorKind;

use super::lexer::{Lexer, Token, TokenKind};

/// The byte at which clients are to point.
pub(super) fn place_of(kind: ErrorKind, message: &str, text: &str) -> Option<usize> {
    use ErrorKind as K;
    match kind {
        K::UndefinedColumn | K::AmbiguousColumn | K::Grouping | K::UndefinedTable | K::UndefinedObject => {
            let named = quoted(message).or_else(|| unquoted(message))?;
            named_at(text, &named)
        }
        K::UndefinedFunction => named_at(text, function(message)?),
        // Texts that are no values of the type that they have to have.
        K::InvalidText | K::InvalidDatetime | K::DatetimeOutOfRange | K::NumericOutOfRange => {
            let value = quoted(message)?;
            find(text, |token| token.kind == TokenKind::Text && token.value() == value.as_str()).map(|(at, _)| at)
        }
        _ => None,
    }
}

/// What stands in the first double quotes.
fn quoted(message: &str) -> Option<String> {
    let rest = &message[message.find('"')? + 1..];
    let rest = &rest[..rest.find('"')?];
    (!rest.is_empty()).then(|| rest.to_owned())
}

/// `column t.a does not exist`
fn unquoted(message: &str) -> Option<String> {
    let name = message.strip_prefix("column ")?.split(' ').next()?;
    (!name.is_empty()).then(|| name.to_owned())
}

/// `function upper(integer, integer) does not exist`
fn function(message: &str) -> Option<&str> {
    message.strip_prefix("function ")?.split('(').next().filter(|name| !name.is_empty())
}

/// Where a name begins, with the names before it that qualify it.
fn named_at(text: &str, name: &str) -> Option<usize> {
    let parts: Vec<&str> = name.split('.').collect();
    let is_name = |token: &Token<'_>, name: &str| {
        matches!(token.kind, TokenKind::Word | TokenKind::Quoted) && token.value() == name
    };
    // A quoted name may hold points itself.
    let whole = find(text, |token| is_name(token, name));
    let last = parts.last().copied().unwrap_or(name);
    whole.or_else(|| find(text, |token| is_name(token, last))).map(|(_, qualified_from)| qualified_from)
}

/// The first token that fits: where it begins, and where the names that qualify it begin.
fn find(text: &str, fits: impl Fn(&Token<'_>) -> bool) -> Option<(usize, usize)> {
    let mut lexer = Lexer::new(text);
    let mut begins = None;
    let mut after_point = false;
    while let Ok(Some(token)) = lexer.next() {
        if !after_point && !token.is_symbol(".") {
            begins = Some(token.start);
        }
        after_point = token.is_symbol(".");
        if fits(&token) {
            return Some((token.start, begins.unwrap_or(token.start)));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_are_pointed_at() {
        for (kind, message, text, word) in [
            (ErrorKind::UndefinedColumn, "column \"nope\" does not exist", "SELECT 'nope', nope FROM t", "nope FROM"),
            (ErrorKind::UndefinedColumn, "column x.id does not exist", "SELECT x.id FROM t x", "x.id"),
            (ErrorKind::UndefinedColumn, "column \"Two Words\" does not exist", "SELECT \"Two Words\"", "\"Two"),
            (
                ErrorKind::UndefinedTable,
                "relation \"missing\" does not exist",
                "SELECT * FROM public.missing m",
                "public.missing",
            ),
            (ErrorKind::UndefinedFunction, "function nofunc(integer) does not exist", "SELECT 1, nofunc(1)", "nofunc"),
            (ErrorKind::AmbiguousColumn, "column reference \"id\" is ambiguous", "SELECT id FROM a, b", "id FROM"),
            (
                ErrorKind::InvalidText,
                "invalid input syntax for type integer: \"abc\"",
                "SELECT abc, 'abc'::int",
                "'abc'",
            ),
        ] {
            let place = place_of(kind, message, text);
            assert!(place.is_some_and(|at| text[at..].starts_with(word)), "{message}: {place:?}");
        }
        assert_eq!(
            place_of(ErrorKind::InvalidText, "invalid input syntax for type integer: \"abc\"", "SELECT a::int FROM t"),
            None
        );
        assert_eq!(place_of(ErrorKind::Internal, "column \"a\"", "SELECT a"), None);
        assert_eq!(place_of(ErrorKind::UndefinedColumn, "column \"", "SELECT a"), None);
    }
}

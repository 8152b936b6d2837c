//! Where in a statement a mistake is that the engine has found in its plan, which knows names and values, not places: at the
//! first of its words that is the name or the value that the mistake is about.

use zxq_engine::Subject;

use super::lexer::{Lexer, Token, TokenKind};

/// The byte at which clients are to point.
pub(super) fn place_of(subject: &Subject, text: &str) -> Option<usize> {
    match subject {
        Subject::Name(name) => named_at(text, name),
        // Texts that are no values of the type that they have to have.
        Subject::Value(value) => {
            find(text, |token| token.kind == TokenKind::Text && token.value() == value.as_str()).map(|(at, _)| at)
        }
    }
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
        let name = |name: &str| Subject::Name(name.to_owned());
        let value = |value: &str| Subject::Value(value.to_owned());
        for (subject, text, word) in [
            (name("nope"), "SELECT 'nope', nope FROM t", "nope FROM"),
            (name("x.id"), "SELECT x.id FROM t x", "x.id"),
            (name("Two Words"), "SELECT \"Two Words\"", "\"Two"),
            (name("missing"), "SELECT * FROM public.missing m", "public.missing"),
            (name("nofunc"), "SELECT 1, nofunc(1)", "nofunc"),
            (name("id"), "SELECT id FROM a, b", "id FROM"),
            (value("abc"), "SELECT abc, 'abc'::int", "'abc'"),
        ] {
            let place = place_of(&subject, text);
            assert!(place.is_some_and(|at| text[at..].starts_with(word)), "{subject:?}: {place:?}");
        }
        assert_eq!(place_of(&value("abc"), "SELECT a::int FROM t"), None);
        assert_eq!(place_of(&name("b"), "SELECT a"), None);
        assert_eq!(place_of(&name(""), "SELECT a"), None);
    }
}

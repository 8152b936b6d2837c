//! The options of CREATE SEQUENCE, which may come in any order, in the one in which the parser takes them.

use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

/// Puts the options of a CREATE SEQUENCE in order; other statements stay as they are.
pub(super) fn order(tokens: &mut Vec<TokenWithSpan>) {
    let keywords: Vec<Option<Keyword>> = tokens.iter().map(keyword).collect();
    let is_sequence = matches!(
        keywords.as_slice(),
        [Some(Keyword::CREATE), Some(Keyword::SEQUENCE), ..]
            | [Some(Keyword::CREATE), Some(Keyword::TEMPORARY | Keyword::TEMP), Some(Keyword::SEQUENCE), ..]
    );
    if !is_sequence {
        return;
    }
    let begins = |at: usize| place(keywords.get(at).copied().flatten(), keywords.get(at + 1).copied().flatten());
    let is_part = |at: usize| at > 0 && keywords[at - 1] == Some(Keyword::NO);
    let starts: Vec<usize> = (3..tokens.len()).filter(|at| begins(*at).is_some() && !is_part(*at)).collect();
    let Some(first) = starts.first().copied() else { return };
    let mut options: Vec<(u8, Vec<TokenWithSpan>)> = Vec::new();
    let mut rest = tokens.split_off(first);
    for at in starts.iter().rev() {
        let option = rest.split_off(at - first);
        options.push((begins(*at).unwrap_or(u8::MAX), option));
    }
    options.reverse();
    options.sort_by_key(|(place, _)| *place);
    tokens.extend(options.into_iter().flat_map(|(_, option)| option));
}

fn keyword(token: &TokenWithSpan) -> Option<Keyword> {
    match &token.token {
        Token::Word(word) if word.quote_style.is_none() => Some(word.keyword),
        _ => None,
    }
}

/// Where an option stands that begins with these words.
fn place(word: Option<Keyword>, next: Option<Keyword>) -> Option<u8> {
    Some(match (word?, next) {
        (Keyword::AS, _) => 0,
        (Keyword::INCREMENT, _) => 1,
        (Keyword::MINVALUE, _) | (Keyword::NO, Some(Keyword::MINVALUE)) => 2,
        (Keyword::MAXVALUE, _) | (Keyword::NO, Some(Keyword::MAXVALUE)) => 3,
        (Keyword::START, _) => 4,
        (Keyword::CACHE, _) => 5,
        (Keyword::CYCLE, _) | (Keyword::NO, Some(Keyword::CYCLE)) => 6,
        (Keyword::OWNED, _) => 7,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    #[test]
    fn options_may_come_in_any_order() {
        for (text, read) in [
            (
                "CREATE SEQUENCE s START WITH 5 INCREMENT BY 2 NO MAXVALUE NO MINVALUE CACHE 1",
                "CREATE SEQUENCE s INCREMENT BY 2 NO MINVALUE NO MAXVALUE START WITH 5 CACHE 1",
            ),
            ("CREATE SEQUENCE s CYCLE MAXVALUE 3 AS integer", "CREATE SEQUENCE s AS INTEGER MAXVALUE 3 CYCLE"),
        ] {
            let parsed = |text: &str| crate::sql::parse(text).unwrap().pop().unwrap().parsed().to_string();
            assert_eq!(parsed(text), parsed(read), "{text}");
        }
        assert!(crate::sql::parse("CREATE SEQUENCE s START 1 START 2").is_err());
    }
}

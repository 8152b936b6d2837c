//! `TABLE name`, PostgreSQL's short form of `SELECT * FROM name`.

use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Word};

/// Spells `TABLE name` out wherever a query can begin. The parser knows the form, but takes one token too many.
pub(super) fn unfold(tokens: &mut Vec<TokenWithSpan>) {
    let mut place = 0;
    while place < tokens.len() {
        let named = matches!(tokens.get(place + 1).map(|t| &t.token), Some(Token::Word(_)));
        if keyword(&tokens[place]) == Some(Keyword::TABLE) && named && begins_query(tokens, place) {
            let span = tokens[place].span;
            let word = |text: &str, keyword| Token::Word(Word { value: text.to_owned(), quote_style: None, keyword });
            let spelled = [word("SELECT", Keyword::SELECT), Token::Mul, word("FROM", Keyword::FROM)];
            tokens.splice(place..=place, spelled.map(|token| TokenWithSpan { token, span }));
            place += 2;
        }
        place += 1;
    }
}

fn keyword(token: &TokenWithSpan) -> Option<Keyword> {
    match &token.token {
        Token::Word(word) if word.quote_style.is_none() => Some(word.keyword),
        _ => None,
    }
}

fn begins_query(tokens: &[TokenWithSpan], place: usize) -> bool {
    let Some(before) = place.checked_sub(1).and_then(|before| tokens.get(before)) else { return true };
    match before.token {
        Token::LParen => true,
        // WITH x AS (…) TABLE x
        Token::RParen => tokens.first().and_then(keyword) == Some(Keyword::WITH),
        _ => {
            matches!(
                keyword(before),
                Some(
                    Keyword::UNION
                        | Keyword::ALL
                        | Keyword::DISTINCT
                        | Keyword::EXCEPT
                        | Keyword::INTERSECT
                        | Keyword::AS
                )
            ) || matches!(keyword(before), Some(Keyword::EXPLAIN | Keyword::ANALYZE | Keyword::VERBOSE))
        }
    }
}

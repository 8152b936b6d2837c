//! `CREATE TABLE t (a, b) AS SELECT …`: names of columns alone, which the parser wants types behind. The query has the types.

use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Word};

/// Puts a type behind each column that has none; nothing reads it, since there are such lists before queries only.
pub(super) fn unfold(tokens: &mut Vec<TokenWithSpan>) {
    let Some(open) = list_of_names(tokens) else { return };
    let mut place = open + 1;
    while let Some(Token::Comma | Token::RParen) = tokens.get(place + 1).map(|t| &t.token) {
        let last = tokens[place + 1].token == Token::RParen;
        let word = Word { value: "TEXT".to_owned(), quote_style: None, keyword: Keyword::TEXT };
        tokens.insert(place + 1, TokenWithSpan { token: Token::Word(word), span: tokens[place].span });
        if last {
            return;
        }
        place += 3;
    }
}

/// Where the list of a `CREATE TABLE` begins that has nothing but names, and a query behind it.
fn list_of_names(tokens: &[TokenWithSpan]) -> Option<usize> {
    let is = |at: usize, wanted: Keyword| matches!(tokens.get(at).map(|t| &t.token), Some(Token::Word(w)) if w.quote_style.is_none() && w.keyword == wanted);
    if !is(0, Keyword::CREATE) {
        return None;
    }
    // LOCAL TEMPORARY at most.
    let table = (1..4).find(|at| is(*at, Keyword::TABLE))?;
    let open = tokens.iter().position(|t| t.token == Token::LParen).filter(|open| *open > table)?;
    // What is in brackets further on is the query's: `CREATE TABLE t AS SELECT max(a) AS b …`.
    if (table..open).any(|at| is(at, Keyword::AS)) {
        return None;
    }
    let close = open + tokens[open..].iter().position(|t| t.token == Token::RParen)?;
    let names = tokens[open + 1..close].chunks(2).all(|pair| {
        let comma = pair.get(1).is_none_or(|t| t.token == Token::Comma);
        matches!(pair[0].token, Token::Word(_)) && comma
    });
    let queries = [Keyword::AS, Keyword::WITH, Keyword::ON].iter().any(|word| is(close + 1, *word));
    (names && close > open + 1 && queries).then_some(open)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use crate::sql::parse;

    #[test]
    fn names_alone_stand_before_a_query_only() {
        for sql in [
            "CREATE TABLE t (a, \"B c\") AS SELECT 1, 2",
            "CREATE TEMP TABLE IF NOT EXISTS s.t (a) ON COMMIT DROP AS VALUES (1)",
            "CREATE TABLE t AS SELECT max(a) AS b FROM u",
        ] {
            assert_eq!(parse(sql).unwrap().len(), 1, "{sql}");
        }
        for sql in ["CREATE TABLE t (a, b)", "CREATE TABLE t (a INT, b) AS SELECT 1, 2"] {
            assert!(parse(sql).is_err(), "{sql}");
        }
    }
}

//! How long a chain of operators may be. Each link nests one level deeper in what the parser makes of it, and what walks,
//! copies or drops that nests as deeply: a chain that is too long would end the process, not the statement.

use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use crate::error::{EngineError, ErrorKind, Result};

/// Most operators of one chain.
const MOST_OPERATORS: usize = 2_000;
/// Most `+ - * / %` of one chain: planning takes time by the third power of them. DataFusion asks each link for its type, which
/// asks all that are within it, and names each of them on the way.
const MOST_CALCULATIONS: usize = 300;
/// Most conditions that AND and OR put together: what long lists of keys become in some programs.
const MOST_CONDITIONS: usize = 10_000;
/// Most queries of a UNION, and tables joined.
const MOST_QUERIES: usize = 500;

/// Links of the chains that stand within one pair of brackets.
#[derive(Default)]
struct Links {
    /// Operators since the last comma, clause or condition.
    operators: usize,
    /// Of those, the ones that compute.
    calculations: usize,
    /// AND and OR since the last comma or clause.
    conditions: usize,
    /// Queries put together, and tables joined.
    queries: usize,
}

impl Links {
    fn operator(&mut self) {
        self.operators += 1;
    }

    fn condition(&mut self) {
        *self = Links { conditions: self.conditions + 1, queries: self.queries, ..Links::default() };
    }

    fn clause(&mut self) {
        *self = Links { queries: self.queries, ..Links::default() };
    }

    fn query(&mut self) {
        *self = Links { queries: self.queries + 1, ..Links::default() };
    }

    fn are_too_many(&self) -> bool {
        self.operators > MOST_OPERATORS
            || self.calculations > MOST_CALCULATIONS
            || self.conditions > MOST_CONDITIONS
            || self.queries > MOST_QUERIES
    }
}

/// Checks the tokens of a statement.
///
/// # Errors
/// [`ErrorKind::LimitExceeded`].
pub(super) fn check(tokens: &[TokenWithSpan]) -> Result<()> {
    let mut outer: Vec<Links> = Vec::new();
    let mut links = Links::default();
    for token in tokens {
        match &token.token {
            Token::LParen | Token::LBracket | Token::LBrace => {
                // A subscript, a call: one link of the chain it stands in.
                links.operator();
                outer.push(std::mem::take(&mut links));
            }
            Token::RParen | Token::RBracket | Token::RBrace => links = outer.pop().unwrap_or_default(),
            Token::Comma => links.clause(),
            Token::Word(word) => match word.keyword {
                Keyword::UNION | Keyword::EXCEPT | Keyword::INTERSECT | Keyword::JOIN => links.query(),
                Keyword::SELECT | Keyword::FROM | Keyword::WHERE | Keyword::HAVING | Keyword::VALUES => links.clause(),
                Keyword::AND | Keyword::OR => links.condition(),
                Keyword::NOT | Keyword::IS | Keyword::AT | Keyword::COLLATE => links.operator(),
                _ => {}
            },
            Token::Number(..) | Token::SingleQuotedString(_) | Token::Placeholder(_) | Token::Period => {}
            Token::Plus | Token::Minus | Token::Mul | Token::Div | Token::Mod => {
                links.operator();
                links.calculations += 1;
            }
            _ => links.operator(),
        }
        if links.are_too_many() {
            let message = "the statement is too complex: too many operators in one chain";
            let hint = "Put many values into one list: x = ANY ($1), or x IN (1, 2, 3)";
            return Err(EngineError::new(ErrorKind::LimitExceeded, message).with_hint(hint));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::sql::parse;

    #[test]
    fn chains_that_are_too_long_are_refused_and_lists_are_not() {
        let chain = |link: &str, times: usize| format!("SELECT 1{}", link.repeat(times));
        for link in ["+1", " OR true", "::int", "[1]", " UNION ALL SELECT 1", " IS NULL", "||'a'", "->'a'"] {
            let error = parse(&chain(link, 300_000)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::LimitExceeded, "{link}");
        }
        for (link, times) in [("+1", 300), (" OR a = 1", 10_000), ("::int", 2_000), (" UNION SELECT 1", 500)] {
            assert!(parse(&chain(link, times)).is_ok(), "{link}");
        }
        assert!(parse(&chain(", -1", 20_000)).is_ok());
        assert!(parse(&format!("INSERT INTO t VALUES (0){}", ", (1 + 2)".repeat(20_000))).is_ok());
        assert!(parse(&format!("SELECT 1 WHERE 1 IN (0{})", ", 1".repeat(20_000))).is_ok());
    }
}

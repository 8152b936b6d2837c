//! How long a chain of operators may be. Each link nests one level deeper in what the parser makes of it, and what walks,
//! copies or drops that nests as deeply: a chain that is too long would end the process, not the statement.

use datafusion::logical_expr::Expr;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use crate::error::{EngineError, ErrorKind, Result};

/// Most operators of one chain.
const MOST_OPERATORS: usize = 2_000;
/// Most `+ - * / %` of one chain: planning takes time by their square. DataFusion asks each link for its type, which asks all
/// that are within it.
const MOST_CALCULATIONS: usize = 1_000;
/// Most casts, steps into JSON and arrays, powers and changes of the zone of one chain: each becomes a call that names all
/// calls within it whenever it is asked for its type, and planning takes time by the third power of them.
const MOST_STEPS: usize = 200;
/// Most calls within each other that `+` and `-` of times become; as for steps, with names that are shorter.
const MOST_CALLS: usize = 300;
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
    /// And those that become calls.
    steps: usize,
    /// AND and OR since the last comma or clause.
    conditions: usize,
    /// Queries put together, and tables joined.
    queries: usize,
}

impl Links {
    fn operator(&mut self) {
        self.operators += 1;
    }

    fn step(&mut self) {
        self.operators += 1;
        self.steps += 1;
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
            || self.steps > MOST_STEPS
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
                links.steps += usize::from(token.token == Token::LBracket);
                outer.push(std::mem::take(&mut links));
            }
            Token::RParen | Token::RBracket | Token::RBrace => links = outer.pop().unwrap_or_default(),
            Token::Comma => links.clause(),
            Token::Word(word) => match word.keyword {
                Keyword::UNION | Keyword::EXCEPT | Keyword::INTERSECT | Keyword::JOIN => links.query(),
                Keyword::SELECT | Keyword::FROM | Keyword::WHERE | Keyword::HAVING | Keyword::VALUES => links.clause(),
                Keyword::AND | Keyword::OR => links.condition(),
                Keyword::AT => links.step(),
                Keyword::NOT | Keyword::IS | Keyword::COLLATE => links.operator(),
                _ => {}
            },
            Token::Number(..) | Token::SingleQuotedString(_) | Token::Placeholder(_) | Token::Period => {}
            Token::Plus | Token::Minus | Token::Mul | Token::Div | Token::Mod => {
                links.operator();
                links.calculations += 1;
            }
            Token::DoubleColon
            | Token::Caret
            | Token::Arrow
            | Token::LongArrow
            | Token::HashArrow
            | Token::HashLongArrow => links.step(),
            _ => links.operator(),
        }
        if links.are_too_many() {
            return Err(too_many());
        }
    }
    Ok(())
}

/// Checks what an operator of times becomes a call of: the tokens do not say that it is one of times.
///
/// # Errors
/// [`ErrorKind::LimitExceeded`].
pub(crate) fn check_calls(operands: &[Expr]) -> Result<()> {
    for operand in operands {
        let mut calls = 0;
        let mut inner = Some(operand);
        while let Some(Expr::ScalarFunction(call)) = inner {
            calls += 1;
            inner = call.args.first();
        }
        if calls >= MOST_CALLS {
            return Err(too_many());
        }
    }
    Ok(())
}

fn too_many() -> EngineError {
    let message = "the statement is too complex: too many operators in one chain";
    let hint = "Put many values into one list: x = ANY ($1), or x IN (1, 2, 3)";
    EngineError::new(ErrorKind::LimitExceeded, message).with_hint(hint)
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
        let most = [("+1", 1_000), (" OR a = 1", 10_000), ("||'a'", 2_000), ("::int", 200), (" UNION SELECT 1", 500)];
        for (link, times) in most {
            assert!(parse(&chain(link, times)).is_ok(), "{link}");
            assert_eq!(parse(&chain(link, times + 1)).unwrap_err().kind(), ErrorKind::LimitExceeded, "{link}");
        }
        assert!(parse(&chain(", -1", 20_000)).is_ok());
        assert!(parse(&format!("INSERT INTO t VALUES (0){}", ", (1 + 2)".repeat(20_000))).is_ok());
        assert!(parse(&format!("SELECT 1 WHERE 1 IN (0{})", ", 1".repeat(20_000))).is_ok());
    }
}

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
/// Most brackets within brackets.
const MOST_BRACKETS: usize = 300;
/// How deeply all of it may nest together: chains within brackets within chains.
const MOST_NESTED: usize = 15_000;
/// Most arrays of arrays in a type that is written with `<`.
const MOST_TYPES: usize = 100;

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
    /// How deep the deepest brackets are in what `operators` counts.
    within: usize,
    /// How deep the deepest condition is that came before this one.
    deepest: usize,
    /// How deep the deepest item is that came before this one, since the last clause.
    items: usize,
    /// How deep the clauses, queries and tables before this one are, together: a word that begins one may be a column's name in
    /// a chain.
    clauses: usize,
    /// What follows are tables: a comma joins them.
    tables: bool,
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
        self.deepest = self.deepest.max(self.operators + self.within);
        (self.operators, self.calculations, self.steps, self.within) = (0, 0, 0, 0);
        self.conditions += 1;
    }

    /// How deep the item is that is read now.
    fn item(&self) -> usize {
        self.conditions + self.deepest.max(self.operators + self.within)
    }

    fn end_item(&mut self) {
        self.items = self.items.max(self.item());
        (self.operators, self.calculations, self.steps, self.within) = (0, 0, 0, 0);
        (self.conditions, self.deepest) = (0, 0);
    }

    fn clause(&mut self, tables: bool) {
        self.end_item();
        self.clauses += std::mem::take(&mut self.items);
        self.tables = tables;
    }

    /// Another query, put together with those before it, or another table, joined to them.
    fn query(&mut self, tables: bool) {
        self.clause(tables);
        self.queries += 1;
    }

    fn comma(&mut self) {
        if self.tables { self.query(true) } else { self.end_item() }
    }

    /// How deeply all of it nests at most.
    fn depth(&self) -> usize {
        self.queries + self.clauses + self.items.max(self.item())
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
    let mut before = Before::Other;
    let mut types = 0;
    for token in tokens {
        let mut now = Before::Other;
        match &token.token {
            Token::LParen | Token::LBracket | Token::LBrace => {
                // A subscript, a call: one link of the chain it stands in.
                links.operator();
                links.steps += usize::from(token.token == Token::LBracket);
                outer.push(std::mem::take(&mut links));
                if outer.len() > MOST_BRACKETS {
                    return Err(too_many("brackets within brackets"));
                }
            }
            Token::RParen | Token::RBracket | Token::RBrace => close(&mut links, &mut outer),
            Token::Comma => links.comma(),
            Token::Word(word) => {
                now = Before::Word(word.keyword);
                read_word(&mut links, word.keyword, before);
            }
            Token::Number(..) | Token::SingleQuotedString(_) | Token::Placeholder(_) | Token::Period => {}
            Token::Mul => {
                now = Before::Star;
                links.operator();
                links.calculations += 1;
            }
            Token::Plus | Token::Minus | Token::Div | Token::Mod => {
                now = Before::Operator;
                links.operator();
                links.calculations += 1;
            }
            Token::DoubleColon
            | Token::Caret
            | Token::Arrow
            | Token::LongArrow
            | Token::HashArrow
            | Token::HashLongArrow => {
                now = Before::Operator;
                links.step();
            }
            Token::Lt if matches!(before, Before::Word(Keyword::ARRAY | Keyword::STRUCT)) => {
                links.operator();
                types += 1;
            }
            _ => {
                now = Before::Operator;
                links.operator();
            }
        }
        before = now;
        if links.are_too_many() || types > MOST_TYPES {
            return Err(too_many("operators in one chain"));
        }
    }
    while !outer.is_empty() {
        close(&mut links, &mut outer);
    }
    match links.depth() > MOST_NESTED {
        true => Err(too_many("operators in chains within brackets")),
        false => Ok(()),
    }
}

/// The token before one, as far as that matters.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Before {
    Word(Keyword),
    /// An operator that only an operand can follow, whatever it is called.
    Operator,
    /// The same, or all columns: then tables follow.
    Star,
    Other,
}

fn read_word(links: &mut Links, word: Keyword, before: Before) {
    match word {
        Keyword::AND | Keyword::OR => links.condition(),
        Keyword::AT => links.step(),
        // The parser reads what follows as its text, whatever that is, and counts no level for it.
        // Statements within statements, each of which is read within the one before.
        Keyword::EXPLAIN if before != Before::Operator => links.step(),
        Keyword::INTERVAL if before == Before::Word(Keyword::INTERVAL) => links.step(),
        Keyword::NOT
        | Keyword::IS
        | Keyword::COLLATE
        | Keyword::NOTNULL
        | Keyword::LIKE
        | Keyword::ILIKE
        | Keyword::SIMILAR
        | Keyword::REGEXP
        | Keyword::RLIKE
        | Keyword::BETWEEN
        | Keyword::OVERLAPS
        | Keyword::OPERATOR
        | Keyword::MEMBER
        | Keyword::DIV
        | Keyword::XOR => links.operator(),
        _ if before == Before::Operator || before == Before::Star && word != Keyword::FROM => {}
        Keyword::UNION | Keyword::EXCEPT | Keyword::INTERSECT => links.query(false),
        Keyword::JOIN => links.query(links.tables),
        Keyword::FROM => links.clause(before != Before::Word(Keyword::DISTINCT)),
        Keyword::SELECT
        | Keyword::WHERE
        | Keyword::HAVING
        | Keyword::VALUES
        | Keyword::GROUP
        | Keyword::ORDER
        | Keyword::WINDOW
        | Keyword::LIMIT
        | Keyword::RETURNING => links.clause(false),
        _ => {}
    }
}

/// The brackets end: what is in them is within the chain that they stand in.
fn close(links: &mut Links, outer: &mut Vec<Links>) {
    // Brackets that close nothing are said to be wrong by the parser, which has read by then what comes before.
    let Some(around) = outer.pop() else { return };
    let depth = links.depth() + 1;
    *links = around;
    links.within = links.within.max(depth);
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
            return Err(too_many("operators in one chain"));
        }
    }
    Ok(())
}

fn too_many(what: &str) -> EngineError {
    let message = format!("the statement is too complex: too many {what}");
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
        for link in [" LIKE 'a'", " NOT BETWEEN 1 AND 2", " NOTNULL", " SIMILAR TO 'a'", " OPERATOR(pg_catalog.+) 1"] {
            let error = parse(&chain(link, 300_000)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::LimitExceeded, "{link}");
        }
        assert!(parse(&chain(", -1", 20_000)).is_ok());
        assert!(parse(&format!("INSERT INTO t VALUES (0){}", ", (1 + 2)".repeat(20_000))).is_ok());
        assert!(parse(&format!("SELECT 1 WHERE 1 IN (0{})", ", 1".repeat(20_000))).is_ok());
    }

    fn is_refused(text: &str) {
        let shown: String = text.chars().take(80).collect();
        assert_eq!(parse(text).unwrap_err().kind(), ErrorKind::LimitExceeded, "{shown}");
    }

    #[test]
    fn chains_within_brackets_within_chains_are_refused() {
        let nested = |links: usize, brackets: usize| {
            let mut text = "1".to_owned();
            for _ in 0..brackets {
                text = format!("({text}{})", "||'a'".repeat(links));
            }
            format!("SELECT {text}")
        };
        is_refused(&nested(1_900, 200));
        is_refused(&nested(1, 301));
        is_refused(&format!("SELECT {}'1 day'", "interval ".repeat(300)));
        is_refused(&format!("{}SELECT 1", "EXPLAIN ".repeat(100_000)));
        is_refused(&format!("{}SELECT 1", "EXPLAIN ANALYZE ".repeat(100_000)));
        assert!(parse("SELECT interval '1 day'").is_ok());
        // Words of clauses that are names of columns here.
        for chain in [" + where", " || from", " * from", " LIKE union", " LIKE join", " - limit"] {
            is_refused(&format!("SELECT 1{}", chain.repeat(100_000)));
            is_refused(&format!("SELECT 1{})", chain.repeat(100_000)));
        }
        assert!(parse(&nested(400, 10)).is_ok());
        assert!(
            parse(&format!("SELECT 1{}", " UNION SELECT 1 + 1 + 1 + 1 FROM t WHERE a + b + c > 1 + 1 + 1".repeat(500)))
                .is_ok()
        );
        // One after the other they nest no deeper.
        let beside = vec![format!("({})", vec!["1"; 1_000].join("||")); 50];
        assert!(parse(&format!("SELECT {}", beside.join(", "))).is_ok());
        assert!(parse(&format!("SELECT 1 WHERE {}", beside.join(" = '1' AND "))).is_ok());
        is_refused(&format!("SELECT CAST(1 AS {}int{})", "array<".repeat(200), ">".repeat(200)));
    }

    #[test]
    fn tables_that_commas_join_count_as_joins() {
        let tables = |count: usize| format!("SELECT 1 FROM t{}", ", t".repeat(count - 1));
        assert!(parse(&tables(500)).is_ok());
        is_refused(&tables(600));
        assert!(parse(&format!("SELECT a IS DISTINCT FROM b{} FROM t", ", a".repeat(2_000))).is_ok());
        assert!(parse(&format!("SELECT a FROM t ORDER BY a{}", ", a".repeat(2_000))).is_ok());
        assert!(parse(&format!("SELECT * FROM t, unnest(ARRAY[1{}])", ", 1".repeat(2_000))).is_ok());
    }
}

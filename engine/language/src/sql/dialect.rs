//! PostgreSQL's dialect, with forms that the parser's own lacks or reads otherwise: `BETWEEN SYMMETRIC`, `LIKE ALL (…)`,
//! `substring(text SIMILAR pattern ESCAPE escape)` and `IS DISTINCT FROM`.

use std::any::TypeId;

use datafusion::sql::sqlparser::ast::{BinaryOperator, Expr};
use datafusion::sql::sqlparser::dialect::{Dialect, PostgreSqlDialect, Precedence};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::Token;

use super::budget;
use super::postgres_operators::call;

/// The dialect of every SQL text zxq reads.
#[derive(Debug, Clone, Copy, Default)]
pub struct ZxqDialect;

const OWN: PostgreSqlDialect = PostgreSqlDialect {};

/// Hands these questions to PostgreSQL's dialect.
macro_rules! as_postgres {
    ($($name:ident),* $(,)?) => {
        $(fn $name(&self) -> bool { OWN.$name() })*
    };
}

impl Dialect for ZxqDialect {
    // The parser asks for PostgreSQL's dialect by its type.
    fn dialect(&self) -> TypeId {
        OWN.dialect()
    }

    fn identifier_quote_style(&self, identifier: &str) -> Option<char> {
        OWN.identifier_quote_style(identifier)
    }

    fn is_delimited_identifier_start(&self, c: char) -> bool {
        OWN.is_delimited_identifier_start(c)
    }

    fn is_identifier_start(&self, c: char) -> bool {
        OWN.is_identifier_start(c)
    }

    fn is_identifier_part(&self, c: char) -> bool {
        OWN.is_identifier_part(c)
    }

    fn is_reserved_for_identifier(&self, keyword: Keyword) -> bool {
        OWN.is_reserved_for_identifier(keyword)
    }

    fn is_custom_operator_part(&self, c: char) -> bool {
        OWN.is_custom_operator_part(c)
    }

    fn get_next_precedence(&self, parser: &Parser) -> Option<Result<u8, ParserError>> {
        OWN.get_next_precedence(parser)
    }

    /// `name := value`, the older form of `name => value`.
    fn supports_named_fn_args_with_assignment_operator(&self) -> bool {
        true
    }

    fn prec_value(&self, precedence: Precedence) -> u8 {
        OWN.prec_value(precedence)
    }

    // Not among them: names of arguments that are expressions. The parser would read each argument twice, and so what nests in
    // calls in time that doubles with each; and it would read `name := value` as an operator.
    as_postgres!(
        supports_unicode_string_literal,
        supports_filter_during_aggregation,
        supports_group_by_expr,
        allow_extract_custom,
        allow_extract_single_quotes,
        supports_create_index_with_clause,
        supports_explain_with_utility_options,
        supports_listen_notify,
        supports_factorial_operator,
        supports_bitwise_shift_operators,
        supports_comment_on,
        supports_load_extension,
        supports_named_fn_args_with_colon_operator,
        supports_empty_projections,
        supports_nested_comments,
        supports_string_escape_constant,
        supports_numeric_literal_underscores,
        supports_array_typedef_with_brackets,
        supports_geometric_types,
        supports_set_names,
        supports_alter_column_type_using,
        supports_notnull_operator,
        supports_interval_options,
        supports_insert_table_alias,
        supports_create_table_like_parenthesized,
        supports_select_wildcard_with_alias,
        supports_comma_separated_trim,
        supports_xml_expressions,
        supports_comment_optimizer_hint,
    );

    fn parse_prefix(&self, parser: &mut Parser) -> Option<Result<Expr, ParserError>> {
        if !budget::step() {
            return Some(Err(ParserError::RecursionLimitExceeded));
        }
        let trims = is_word(parser, 0, "TRIM")
            && parser.peek_nth_token_ref(1).token == Token::LParen
            && ["BOTH", "LEADING", "TRAILING"].iter().any(|side| is_word(parser, 2, side))
            && is_word(parser, 3, "FROM");
        if trims {
            return Some(trim_blanks(parser));
        }
        let starts = is_word(parser, 0, "SUBSTRING") && parser.peek_nth_token_ref(1).token == Token::LParen;
        if !starts {
            return None;
        }
        parser.maybe_parse(substring_similar).transpose()
    }

    fn parse_infix(&self, parser: &mut Parser, expr: &Expr, _precedence: u8) -> Option<Result<Expr, ParserError>> {
        if is_word(parser, 0, "IS") {
            return is_distinct(parser, expr);
        }
        let negated = is_word(parser, 0, "NOT");
        let first = usize::from(negated);
        if is_word(parser, first, "BETWEEN") && is_word(parser, first + 1, "SYMMETRIC") {
            skip(parser, first + 2);
            return Some(between_symmetric(parser, expr, negated));
        }
        let like = is_word(parser, first, "LIKE");
        if (like || is_word(parser, first, "ILIKE"))
            && is_word(parser, first + 1, "ALL")
            && parser.peek_nth_token_ref(first + 2).token == Token::LParen
        {
            skip(parser, first + 2);
            let operator = match (negated, like) {
                (false, true) => BinaryOperator::PGLikeMatch,
                (true, true) => BinaryOperator::PGNotLikeMatch,
                (false, false) => BinaryOperator::PGILikeMatch,
                (true, false) => BinaryOperator::PGNotILikeMatch,
            };
            let array = parser.parse_subexpr(self.prec_value(Precedence::Like));
            return Some(array.map(|array| Expr::AllOp {
                left: Box::new(expr.clone()),
                compare_op: operator,
                right: Box::new(array),
            }));
        }
        None
    }
}

/// `x IS [NOT] DISTINCT FROM y`: the parser takes all that follows for `y`, also behind AND and OR.
fn is_distinct(parser: &mut Parser, expr: &Expr) -> Option<Result<Expr, ParserError>> {
    let negated = is_word(parser, 1, "NOT");
    let first = 1 + usize::from(negated);
    if !is_word(parser, first, "DISTINCT") || !is_word(parser, first + 1, "FROM") {
        return None;
    }
    skip(parser, first + 2);
    let other = parser.parse_subexpr(OWN.prec_value(Precedence::Is));
    Some(other.map(|other| match negated {
        true => Expr::IsNotDistinctFrom(Box::new(expr.clone()), Box::new(other)),
        false => Expr::IsDistinctFrom(Box::new(expr.clone()), Box::new(other)),
    }))
}

fn is_word(parser: &Parser, place: usize, word: &str) -> bool {
    matches!(&parser.peek_nth_token_ref(place).token,
        Token::Word(found) if found.quote_style.is_none() && found.value.eq_ignore_ascii_case(word))
}

fn skip(parser: &mut Parser, tokens: usize) {
    for _ in 0..tokens {
        parser.next_token();
    }
}

/// `x BETWEEN SYMMETRIC a AND b`: between the one and the other, whichever is less.
fn between_symmetric(parser: &mut Parser, expr: &Expr, negated: bool) -> Result<Expr, ParserError> {
    let precedence = OWN.prec_value(Precedence::Between);
    let one = parser.parse_subexpr(precedence)?;
    parser.expect_keyword(Keyword::AND)?;
    let other = parser.parse_subexpr(precedence)?;
    if ![expr, &one, &other].into_iter().all(|operand| budget::copy(operand, 2)) {
        return Err(ParserError::RecursionLimitExceeded);
    }
    let between = |low: &Expr, high: &Expr| {
        Box::new(Expr::Nested(Box::new(Expr::Between {
            expr: Box::new(expr.clone()),
            negated,
            low: Box::new(low.clone()),
            high: Box::new(high.clone()),
        })))
    };
    Ok(Expr::Nested(Box::new(Expr::BinaryOp {
        left: between(&one, &other),
        op: if negated { BinaryOperator::And } else { BinaryOperator::Or },
        right: between(&other, &one),
    })))
}

/// `trim(both from text)`: of blanks.
fn trim_blanks(parser: &mut Parser) -> Result<Expr, ParserError> {
    let name = match parser.peek_nth_token_ref(2).token.to_string().to_ascii_uppercase().as_str() {
        "LEADING" => "ltrim",
        "TRAILING" => "rtrim",
        _ => "btrim",
    };
    skip(parser, 4);
    let text = parser.parse_expr()?;
    parser.expect_token(&Token::RParen)?;
    Ok(call(name, [text]))
}

/// `substring(text SIMILAR pattern ESCAPE escape)`, which is also written `substring(text FROM pattern FOR escape)`.
fn substring_similar(parser: &mut Parser) -> Result<Expr, ParserError> {
    skip(parser, 2);
    let text = parser.parse_subexpr(OWN.prec_value(Precedence::Like))?;
    if !is_word(parser, 0, "SIMILAR") {
        return parser.expected("SIMILAR", parser.peek_token());
    }
    skip(parser, 1);
    let pattern = parser.parse_subexpr(OWN.prec_value(Precedence::Like))?;
    parser.expect_keyword(Keyword::ESCAPE)?;
    let escape = parser.parse_expr()?;
    parser.expect_token(&Token::RParen)?;
    Ok(call("substring", [text, pattern, escape]))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn parsed(text: &str) -> String {
        let mut parser = Parser::new(&ZxqDialect).try_with_sql(text).unwrap();
        parser.parse_expr().unwrap().to_string()
    }

    #[test]
    fn forms_that_the_parser_lacks_are_read() {
        assert_eq!(parsed("5 BETWEEN SYMMETRIC 9 AND 1 AND ok"), "((5 BETWEEN 9 AND 1) OR (5 BETWEEN 1 AND 9)) AND ok");
        assert_eq!(parsed("x NOT BETWEEN SYMMETRIC a AND b"), "((x NOT BETWEEN a AND b) AND (x NOT BETWEEN b AND a))");
        assert_eq!(parsed("x NOT LIKE ALL (a)"), "x !~~ ALL((a))");
        assert_eq!(parsed("substring(x SIMILAR '%#\"a#\"%' ESCAPE '#')"), "substring(x, '%#\"a#\"%', '#')");
        assert_eq!(parsed("x IS DISTINCT FROM 1 AND y OR z"), "x IS DISTINCT FROM 1 AND y OR z");
        let mut parser = Parser::new(&ZxqDialect).try_with_sql("x IS NOT DISTINCT FROM y + 1 AND z").unwrap();
        assert!(matches!(parser.parse_expr().unwrap(), Expr::BinaryOp { op: BinaryOperator::And, .. }));
        for same in ["substring(x FROM 2 FOR 3)", "x BETWEEN 1 AND 2", "x LIKE 'a%'", "symmetric", "a.b @> c"] {
            assert_eq!(parsed(same).to_lowercase(), same.to_lowercase());
        }
    }
}

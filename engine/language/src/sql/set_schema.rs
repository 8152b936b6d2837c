//! `ALTER TABLE … SET SCHEMA` and the same of views and sequences, which the library's parser does not know.

use datafusion::sql::sqlparser::ast::ObjectName;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::ident::normalise;
use super::statement::DIALECT;
use super::syntax_error;
use crate::error::Result;

/// What goes to another schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moved {
    /// A table.
    Table,
    /// A view.
    View,
    /// A sequence.
    Sequence,
}

impl Moved {
    /// PostgreSQL's tag for the statement.
    pub fn tag(self) -> &'static str {
        match self {
            Moved::Table => "ALTER TABLE",
            Moved::View => "ALTER VIEW",
            Moved::Sequence => "ALTER SEQUENCE",
        }
    }
}

/// Something, and the schema that it goes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetSchema {
    /// What it is.
    pub moved: Moved,
    /// Which one, as the statement names it.
    pub name: ObjectName,
    /// `IF EXISTS`: where there is none, nothing happens.
    pub if_exists: bool,
    /// The schema that it goes to.
    pub schema: String,
}

/// The statement that these tokens are; `None` where they are another one.
///
/// # Errors
/// [`crate::ErrorKind::Syntax`].
pub(super) fn parse(tokens: &[TokenWithSpan]) -> Result<Option<SetSchema>> {
    let [before @ .., set, schema, _] = tokens else { return Ok(None) };
    if !is(set, Keyword::SET) || !is(schema, Keyword::SCHEMA) || !before.first().is_some_and(|t| is(t, Keyword::ALTER))
    {
        return Ok(None);
    }
    let moved = match before.get(1) {
        Some(token) if is(token, Keyword::TABLE) => Moved::Table,
        Some(token) if is(token, Keyword::VIEW) => Moved::View,
        Some(token) if is(token, Keyword::SEQUENCE) => Moved::Sequence,
        _ => return Ok(None),
    };
    let mut parser = Parser::new(&DIALECT).with_tokens_with_locations(tokens[2..].to_vec());
    let if_exists = parser.parse_keywords(&[Keyword::IF, Keyword::EXISTS]);
    let _ = moved == Moved::Table && parser.parse_keyword(Keyword::ONLY);
    let read = parser.parse_object_name(false).and_then(|name| {
        parser.expect_keywords(&[Keyword::SET, Keyword::SCHEMA])?;
        Ok((name, parser.parse_identifier()?))
    });
    let (name, schema) = read.map_err(|error| syntax_error::from_parser(&error))?;
    Ok(Some(SetSchema { moved, name, if_exists, schema: normalise(&schema) }))
}

fn is(token: &TokenWithSpan, keyword: Keyword) -> bool {
    matches!(&token.token, Token::Word(word) if word.keyword == keyword)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn what_goes_where_is_read() {
        for (text, moved, name, schema) in [
            ("ALTER TABLE IF EXISTS ONLY a.t SET SCHEMA B", Moved::Table, "a.t", "b"),
            ("alter view v set schema \"B\"", Moved::View, "v", "B"),
            ("ALTER SEQUENCE s SET SCHEMA public", Moved::Sequence, "s", "public"),
        ] {
            let parsed = crate::sql::parse(text).unwrap();
            let read = parsed[0].set_schema().unwrap();
            assert_eq!((read.moved, read.name.to_string().as_str(), read.schema.as_str()), (moved, name, schema));
        }
        assert!(crate::sql::parse("ALTER TABLE t SET SCHEMA").is_err());
    }
}

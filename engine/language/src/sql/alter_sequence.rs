//! `ALTER SEQUENCE`, which the library's parser does not know: it is read here, from the same tokens as every other statement.

use datafusion::sql::sqlparser::ast::{DataType, Expr, ObjectName};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::ident::normalise;
use super::role_statement::RoleName;
use super::sequence_def::integer;
use super::statement::DIALECT;
use super::syntax_error::{self, expected};
use crate::error::{EngineError, ErrorKind, Result};

/// What is changed, and of which sequence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlterSequence {
    /// The sequence, as the statement names it.
    pub name: ObjectName,
    /// `IF EXISTS`: where there is none, nothing happens.
    pub if_exists: bool,
    /// What becomes of it.
    pub change: SequenceChange,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SequenceChange {
    /// `RENAME TO name`.
    Rename(String),
    /// `OWNER TO role`.
    Owner(RoleName),
    /// Any of the others.
    Options(Box<SequenceOptionChanges>),
}

/// What the options say; `None` where they say nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SequenceOptionChanges {
    /// `AS type`.
    pub data_type: Option<DataType>,
    /// `INCREMENT BY number`.
    pub increment: Option<i64>,
    /// `Some(None)` is `NO MINVALUE`.
    pub least: Option<Option<i64>>,
    /// `Some(None)` is `NO MAXVALUE`.
    pub most: Option<Option<i64>>,
    /// `START WITH number`.
    pub start: Option<i64>,
    /// `Some(None)` is `RESTART` alone: from the start.
    pub restart: Option<Option<i64>>,
    /// `CYCLE`, or `NO CYCLE`.
    pub cycles: Option<bool>,
    /// `OWNED BY …`.
    pub owned_by: Option<OwnedBy>,
}

/// Whose sequence one is: it goes with that table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OwnedBy {
    /// `OWNED BY NONE`.
    Nobody,
    /// `OWNED BY table.column`.
    Column(ObjectName),
}

/// The `ALTER SEQUENCE` that these tokens are; `None` where they are another statement.
///
/// # Errors
/// [`ErrorKind::Syntax`]; numbers that are none.
pub(super) fn parse(tokens: &[TokenWithSpan]) -> Result<Option<AlterSequence>> {
    let is_it = tokens.iter().zip([Keyword::ALTER, Keyword::SEQUENCE]);
    let mut is_it = is_it.map(|(token, wanted)| matches!(&token.token, Token::Word(word) if word.keyword == wanted));
    if tokens.len() < 2 || !is_it.all(|is_it| is_it) {
        return Ok(None);
    }
    let mut parser = Parser::new(&DIALECT).with_tokens_with_locations(tokens[2..].to_vec());
    let alter = read(&mut parser)?;
    let next = parser.peek_token();
    if next.token == Token::EOF { Ok(Some(alter)) } else { Err(expected("end of statement", &next)) }
}

fn read(parser: &mut Parser<'_>) -> Result<AlterSequence> {
    let if_exists = parser.parse_keywords(&[Keyword::IF, Keyword::EXISTS]);
    let name = parser.parse_object_name(false).map_err(syntax)?;
    let change = if parser.parse_keywords(&[Keyword::RENAME, Keyword::TO]) {
        SequenceChange::Rename(normalise(&parser.parse_identifier().map_err(syntax)?))
    } else if parser.parse_keywords(&[Keyword::OWNER, Keyword::TO]) {
        SequenceChange::Owner(role(parser)?)
    } else {
        SequenceChange::Options(Box::new(options(parser)?))
    };
    Ok(AlterSequence { name, if_exists, change })
}

fn syntax(error: ParserError) -> EngineError {
    syntax_error::from_parser(&error)
}

fn role(parser: &mut Parser<'_>) -> Result<RoleName> {
    if parser.parse_one_of_keywords(&[Keyword::CURRENT_USER, Keyword::CURRENT_ROLE]).is_some() {
        return Ok(RoleName::Current);
    }
    if parser.parse_keyword(Keyword::SESSION_USER) {
        return Ok(RoleName::Session);
    }
    Ok(RoleName::Named(normalise(&parser.parse_identifier().map_err(syntax)?)))
}

fn options(parser: &mut Parser<'_>) -> Result<SequenceOptionChanges> {
    let mut changes = SequenceOptionChanges::default();
    let mut cached = None;
    let mut some = false;
    while parser.peek_token_ref().token != Token::EOF {
        some = true;
        if parser.parse_keyword(Keyword::AS) {
            once(&mut changes.data_type, parser.parse_data_type().map_err(syntax)?)?;
        } else if parser.parse_keyword(Keyword::INCREMENT) {
            let _ = parser.parse_keyword(Keyword::BY);
            once(&mut changes.increment, number(parser)?)?;
        } else if parser.parse_keyword(Keyword::MINVALUE) {
            once(&mut changes.least, Some(number(parser)?))?;
        } else if parser.parse_keywords(&[Keyword::NO, Keyword::MINVALUE]) {
            once(&mut changes.least, None)?;
        } else if parser.parse_keyword(Keyword::MAXVALUE) {
            once(&mut changes.most, Some(number(parser)?))?;
        } else if parser.parse_keywords(&[Keyword::NO, Keyword::MAXVALUE]) {
            once(&mut changes.most, None)?;
        } else if parser.parse_keyword(Keyword::START) {
            let _ = parser.parse_keyword(Keyword::WITH);
            once(&mut changes.start, number(parser)?)?;
        } else if parser.parse_keyword(Keyword::RESTART) {
            let given = parser.parse_keyword(Keyword::WITH) || begins_number(parser);
            once(&mut changes.restart, given.then(|| number(parser)).transpose()?)?;
        } else if parser.parse_keyword(Keyword::CACHE) {
            let numbers = number(parser)?;
            once(&mut cached, numbers)?;
            if numbers < 1 {
                let message = format!("CACHE ({numbers}) must be greater than zero");
                return Err(EngineError::new(ErrorKind::InvalidParameter, message));
            }
        } else if parser.parse_keyword(Keyword::CYCLE) {
            once(&mut changes.cycles, true)?;
        } else if parser.parse_keywords(&[Keyword::NO, Keyword::CYCLE]) {
            once(&mut changes.cycles, false)?;
        } else if parser.parse_keywords(&[Keyword::OWNED, Keyword::BY]) {
            let owner = match parser.parse_keyword(Keyword::NONE) {
                true => OwnedBy::Nobody,
                false => OwnedBy::Column(parser.parse_object_name(false).map_err(syntax)?),
            };
            once(&mut changes.owned_by, owner)?;
        } else {
            return Err(expected("an option of a sequence", &parser.peek_token()));
        }
    }
    if some { Ok(changes) } else { Err(expected("an option of a sequence", &parser.peek_token())) }
}

fn once<T>(option: &mut Option<T>, value: T) -> Result<()> {
    match option.replace(value) {
        None => Ok(()),
        Some(_) => Err(EngineError::new(ErrorKind::Syntax, "conflicting or redundant options")),
    }
}

fn begins_number(parser: &Parser<'_>) -> bool {
    matches!(parser.peek_token_ref().token, Token::Number(..) | Token::Minus | Token::Plus)
}

fn number(parser: &mut Parser<'_>) -> Result<i64> {
    let number: Expr = parser.parse_number().map_err(syntax)?;
    integer(&number)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use super::*;

    fn read(text: &str) -> AlterSequence {
        let statements = crate::sql::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        statements[0].alter_sequence().unwrap_or_else(|| panic!("{text} is no ALTER SEQUENCE")).clone()
    }

    #[test]
    fn changes_are_read() {
        let SequenceChange::Options(options) = read(
            "alter sequence if exists public.s as integer increment by -2 no minvalue maxvalue 9 start 5 \
             restart with 3 cache 10 no cycle owned by t.id",
        )
        .change
        else {
            panic!("options")
        };
        assert_eq!((options.increment, options.least, options.most), (Some(-2), Some(None), Some(Some(9))));
        assert_eq!((options.start, options.restart, options.cycles), (Some(5), Some(Some(3)), Some(false)));
        assert!(matches!(&options.owned_by, Some(OwnedBy::Column(name)) if name.to_string() == "t.id"));
        let SequenceChange::Options(options) = read("ALTER SEQUENCE s RESTART OWNED BY NONE").change else {
            panic!("options")
        };
        assert_eq!((options.restart, &options.owned_by), (Some(None), &Some(OwnedBy::Nobody)));
        assert_eq!(read("ALTER SEQUENCE s RENAME TO \"T\"").change, SequenceChange::Rename("T".to_owned()));
        assert_eq!(read("ALTER SEQUENCE s OWNER TO CURRENT_USER").change, SequenceChange::Owner(RoleName::Current));
        for text in ["ALTER SEQUENCE s", "ALTER SEQUENCE s FLY", "ALTER SEQUENCE s CYCLE NO CYCLE", "ALTER SEQUENCE"] {
            assert_eq!(crate::sql::parse(text).unwrap_err().kind(), ErrorKind::Syntax, "{text}");
        }
    }
}

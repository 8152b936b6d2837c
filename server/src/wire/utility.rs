//! Statements that are the connection's own business, recognised on their tokens: transactions, settings, cursors,
//! COPY. Everything else is the engine's.

mod cursors;
mod housekeeping;
mod modes;
#[cfg(test)]
mod tests;
mod users;

pub(crate) use cursors::Declare;
pub(crate) use modes::Modes;
use modes::transaction_modes;
pub(crate) use users::{ROLE, SESSION_AUTHORIZATION};

use zxq_engine::sql::quote_ident;

use super::copy::options::{CopyCommand, parse_copy};
use super::cursor::Movement;
use super::error::WireError;
use super::lexer::{Lexer, Token, TokenKind};

/// The tag of `DISCARD ALL`; of the other parts there is nothing to discard.
pub(crate) const DISCARD_ALL: &str = "DISCARD ALL";

/// A statement the connection handles by itself.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Utility {
    /// `BEGIN`, `START TRANSACTION`, which is the tag.
    Begin { modes: Modes, tag: &'static str },
    /// `COMMIT`, `END`; the flag is `AND CHAIN`.
    Commit { chain: bool },
    /// `ROLLBACK`, `ABORT`; the flag is `AND CHAIN`.
    Rollback { chain: bool },
    /// `SAVEPOINT name`.
    Savepoint(String),
    /// `RELEASE name`.
    Release(String),
    /// `ROLLBACK TO name`.
    RollbackTo(String),
    /// `SET name = value`; `None` is `DEFAULT`.
    Set { name: String, value: Option<String>, local: bool },
    /// `SET TRANSACTION …`; for the transactions to come, `SET SESSION CHARACTERISTICS AS TRANSACTION …`.
    SetTransaction { modes: Modes, session: bool },
    /// `SHOW name`; `all` for `SHOW ALL`.
    Show(String),
    /// `RESET name`; `all` for `RESET ALL`.
    Reset(String),
    /// `DISCARD ALL`, or a part of it, by its tag.
    Discard(&'static str),
    /// `DEALLOCATE name`; `None` is `ALL`.
    Deallocate(Option<String>),
    /// `PREPARE name AS statement`, with the declared types and the statement's text.
    Prepare { name: String, types: Vec<String>, statement: String },
    /// `EXECUTE name(values)`, with the values' text.
    Execute { name: String, values: Vec<String> },
    /// `DECLARE name CURSOR … FOR query`.
    Declare(Declare),
    /// `FETCH … FROM name` (`MOVE` where `skip`).
    Fetch { name: String, movement: Movement, skip: bool },
    /// `CLOSE name`; `None` is `ALL`.
    Close(Option<String>),
    /// `LISTEN channel`.
    Listen(String),
    /// `UNLISTEN channel`; `None` is `*`.
    Unlisten(Option<String>),
    /// `NOTIFY channel, 'payload'`.
    Notify { channel: String, payload: String },
    /// `LOCK TABLE`, with what it names: there is nothing to lock, since readers and writers do not wait for each other.
    Lock(Vec<Vec<String>>),
    /// `ANALYZE`, `VACUUM` and their like, by their tag, with the tables that they name: there is nothing to do.
    Housekeeping { tag: &'static str, tables: Vec<Vec<String>> },
    /// `COPY … FROM STDIN` or `TO STDOUT`.
    Copy(Box<CopyCommand>),
}

impl Utility {
    /// True where a failed transaction block still accepts it.
    pub(crate) fn ends_failed_block(&self) -> bool {
        matches!(self, Utility::Commit { .. } | Utility::Rollback { .. } | Utility::RollbackTo(_))
    }
}

/// Longest name that PostgreSQL knows, in bytes.
const LONGEST_NAME: usize = 63;

/// Tokens with one of lookahead.
pub(crate) struct Cursor<'a> {
    lexer: Lexer<'a>,
    peeked: Option<Token<'a>>,
    text: &'a str,
}

impl<'a> Cursor<'a> {
    /// A cursor at the start of the text.
    pub(crate) fn new(text: &'a str) -> Result<Self, WireError> {
        let mut lexer = Lexer::new(text);
        let peeked = lexer.next()?;
        Ok(Cursor { lexer, peeked, text })
    }

    /// The next token, which stays.
    pub(crate) fn peek(&self) -> Option<Token<'a>> {
        self.peeked
    }

    /// Takes the next token.
    pub(crate) fn next(&mut self) -> Result<Option<Token<'a>>, WireError> {
        let token = self.peeked;
        self.peeked = self.lexer.next()?;
        Ok(token)
    }

    /// Takes the keyword if it comes next.
    pub(crate) fn take(&mut self, keyword: &str) -> Result<bool, WireError> {
        let found = self.peeked.is_some_and(|token| token.is(keyword));
        if found {
            self.next()?;
        }
        Ok(found)
    }

    /// Takes the character if it comes next.
    pub(crate) fn take_symbol(&mut self, symbol: &str) -> Result<bool, WireError> {
        let found = self.peeked.is_some_and(|token| token.is_symbol(symbol));
        if found {
            self.next()?;
        }
        Ok(found)
    }

    /// A name, folded or unquoted.
    pub(crate) fn name(&mut self) -> Result<String, WireError> {
        match self.peeked {
            Some(token) if matches!(token.kind, TokenKind::Word | TokenKind::Quoted) => {
                self.next()?;
                Ok(token.value().into_owned())
            }
            _ => Err(self.unexpected("a name")),
        }
    }

    /// A name of what only the session knows, cut where PostgreSQL cuts names.
    pub(crate) fn short_name(&mut self) -> Result<String, WireError> {
        let mut name = self.name()?;
        name.truncate(name.floor_char_boundary(LONGEST_NAME));
        Ok(name)
    }

    /// A text literal.
    pub(crate) fn text(&mut self) -> Result<String, WireError> {
        match self.peeked {
            Some(token) if token.kind == TokenKind::Text => {
                self.next()?;
                Ok(token.value().into_owned())
            }
            _ => Err(self.unexpected("a text literal")),
        }
    }

    /// The text from the next token to the end.
    pub(crate) fn rest(&self) -> &'a str {
        self.peeked.map_or("", |token| &self.text[token.start..])
    }

    /// Requires the end.
    pub(crate) fn end(&self) -> Result<(), WireError> {
        if self.peeked.is_some() { Err(self.unexpected("the end of the statement")) } else { Ok(()) }
    }

    /// The error for a token that cannot stand here.
    pub(crate) fn unexpected(&self, wanted: &str) -> WireError {
        match self.peeked {
            Some(token) => WireError::syntax(format!("syntax error at or near \"{}\": expected {wanted}", token.raw))
                .at(token.start),
            None => WireError::syntax(format!("syntax error at end of input: expected {wanted}")).at(self.text.len()),
        }
    }

    /// The source text up to the bracket that closes the one just taken, which is taken too.
    pub(crate) fn bracketed(&mut self) -> Result<&'a str, WireError> {
        let start = self.peeked.map_or(self.text.len(), |token| token.start);
        let mut depth = 1;
        loop {
            let Some(token) = self.next()? else { return Err(self.unexpected("\")\"")) };
            if token.is_symbol("(") {
                depth += 1;
            } else if token.is_symbol(")") {
                depth -= 1;
                if depth == 0 {
                    return Ok(self.text[start..token.start].trim());
                }
            }
        }
    }
}

/// The utility that the statement is; `None` where it is the engine's.
///
/// # Errors
/// For a utility that is malformed, or refused.
pub(crate) fn parse(text: &str) -> Result<Option<Utility>, WireError> {
    let mut cursor = Cursor::new(text)?;
    let Some(first) = cursor.next()? else { return Ok(None) };
    let keyword = if first.kind == TokenKind::Word { first.raw.to_ascii_uppercase() } else { String::new() };
    let utility = match keyword.as_str() {
        "BEGIN" => {
            let _ = cursor.take("WORK")? || cursor.take("TRANSACTION")?;
            Utility::Begin { modes: transaction_modes(&mut cursor)?, tag: "BEGIN" }
        }
        "START" if cursor.take("TRANSACTION")? => {
            Utility::Begin { modes: transaction_modes(&mut cursor)?, tag: "START TRANSACTION" }
        }
        "COMMIT" | "END" => Utility::Commit { chain: chain(&mut cursor)? },
        "ABORT" => Utility::Rollback { chain: chain(&mut cursor)? },
        "ROLLBACK" => rollback(&mut cursor)?,
        "SAVEPOINT" => Utility::Savepoint(cursor.short_name()?),
        "RELEASE" => {
            cursor.take("SAVEPOINT")?;
            Utility::Release(cursor.short_name()?)
        }
        "SET" => set(&mut cursor)?,
        "SHOW" => match show(&mut cursor)? {
            Some(utility) => utility,
            None => return Ok(None),
        },
        "RESET" => {
            let name = setting_name(&mut cursor)?;
            cursor.end()?;
            Utility::Reset(name)
        }
        "DISCARD" => discard(&mut cursor)?,
        "DEALLOCATE" => {
            cursor.take("PREPARE")?;
            Utility::Deallocate(name_or_all(&mut cursor)?)
        }
        "PREPARE" => prepare(&mut cursor)?,
        "EXECUTE" => execute(&mut cursor)?,
        "DECLARE" => cursors::declare(&mut cursor)?,
        "FETCH" => cursors::fetch(&mut cursor, false)?,
        "MOVE" => cursors::fetch(&mut cursor, true)?,
        "CLOSE" => Utility::Close(name_or_all(&mut cursor)?),
        "LISTEN" => {
            let channel = cursor.short_name()?;
            cursor.end()?;
            Utility::Listen(channel)
        }
        "UNLISTEN" => {
            let channel = if cursor.take_symbol("*")? { None } else { Some(cursor.short_name()?) };
            cursor.end()?;
            Utility::Unlisten(channel)
        }
        "NOTIFY" => {
            let channel = cursor.short_name()?;
            let payload = if cursor.take_symbol(",")? { cursor.text()? } else { String::new() };
            cursor.end()?;
            Utility::Notify { channel, payload }
        }
        "CHECKPOINT" => {
            cursor.end()?;
            Utility::Housekeeping { tag: "CHECKPOINT", tables: Vec::new() }
        }
        "LOCK" => housekeeping::lock(&mut cursor)?,
        "ANALYZE" | "ANALYSE" => housekeeping::maintain(&mut cursor, "ANALYZE")?,
        "VACUUM" => housekeeping::maintain(&mut cursor, "VACUUM")?,
        "REINDEX" => housekeeping::maintain(&mut cursor, "REINDEX")?,
        "CLUSTER" => housekeeping::maintain(&mut cursor, "CLUSTER")?,
        "COPY" => Utility::Copy(Box::new(parse_copy(&mut cursor)?)),
        _ => return Ok(None),
    };
    Ok(Some(utility))
}

fn discard(cursor: &mut Cursor<'_>) -> Result<Utility, WireError> {
    for (word, tag) in [
        ("ALL", DISCARD_ALL),
        ("PLANS", "DISCARD PLANS"),
        ("SEQUENCES", "DISCARD SEQUENCES"),
        ("TEMP", "DISCARD TEMP"),
        ("TEMPORARY", "DISCARD TEMP"),
    ] {
        if cursor.take(word)? {
            cursor.end()?;
            return Ok(Utility::Discard(tag));
        }
    }
    Err(cursor.unexpected("ALL, PLANS, SEQUENCES or TEMP"))
}

fn chain(cursor: &mut Cursor<'_>) -> Result<bool, WireError> {
    let _ = cursor.take("WORK")? || cursor.take("TRANSACTION")?;
    if !cursor.take("AND")? {
        cursor.end()?;
        return Ok(false);
    }
    let chain = !cursor.take("NO")?;
    if !cursor.take("CHAIN")? {
        return Err(cursor.unexpected("CHAIN"));
    }
    cursor.end()?;
    Ok(chain)
}

fn rollback(cursor: &mut Cursor<'_>) -> Result<Utility, WireError> {
    let _ = cursor.take("WORK")? || cursor.take("TRANSACTION")?;
    if cursor.take("TO")? {
        cursor.take("SAVEPOINT")?;
        return Ok(Utility::RollbackTo(cursor.short_name()?));
    }
    Ok(Utility::Rollback { chain: chain(cursor)? })
}

/// `name` or `prefix.name`.
fn setting_name(cursor: &mut Cursor<'_>) -> Result<String, WireError> {
    let mut name = cursor.name()?;
    if name == "time" && cursor.take("ZONE")? {
        return Ok("timezone".to_owned());
    }
    if name == "session" && cursor.take("AUTHORIZATION")? {
        return Ok("session_authorization".to_owned());
    }
    while cursor.take_symbol(".")? {
        name.push('.');
        name.push_str(&cursor.name()?);
    }
    Ok(name)
}

fn set(cursor: &mut Cursor<'_>) -> Result<Utility, WireError> {
    let local = cursor.take("LOCAL")?;
    let session = !local && cursor.take("SESSION")?;
    if session && cursor.take("CHARACTERISTICS")? {
        if !(cursor.take("AS")? && cursor.take("TRANSACTION")?) {
            return Err(cursor.unexpected("AS TRANSACTION"));
        }
        return Ok(Utility::SetTransaction { modes: transaction_modes(cursor)?, session: true });
    }
    if cursor.take("TRANSACTION")? {
        return Ok(Utility::SetTransaction { modes: transaction_modes(cursor)?, session: false });
    }
    if let Some(user) = users::set(cursor, session, local)? {
        return Ok(user);
    }
    if cursor.take("NAMES")? {
        let value = match cursor.peek() {
            Some(_) if !cursor.take("DEFAULT")? => Some(setting_value(cursor, false)?),
            _ => None,
        };
        cursor.end()?;
        return Ok(Utility::Set { name: "client_encoding".to_owned(), value, local });
    }
    let name = setting_name(cursor)?;
    let assigns = name != "timezone" || cursor.peek().is_some_and(|token| token.is_symbol("=") || token.is("to"));
    if assigns && !cursor.take_symbol("=")? && !cursor.take("TO")? {
        return Err(cursor.unexpected("= or TO"));
    }
    let value = if cursor.take("DEFAULT")? || name == "timezone" && cursor.take("LOCAL")? {
        None
    } else if name == "timezone" && cursor.take("INTERVAL")? {
        Some(interval_zone(cursor)?)
    } else {
        Some(setting_value(cursor, name == "search_path")?)
    };
    cursor.end()?;
    Ok(Utility::Set { name, value, local })
}

/// The offset of `INTERVAL '-08:00' HOUR TO MINUTE`.
fn interval_zone(cursor: &mut Cursor<'_>) -> Result<String, WireError> {
    let offset = cursor.text()?;
    if cursor.take("HOUR")? && cursor.take("TO")? && !cursor.take("MINUTE")? {
        return Err(cursor.unexpected("MINUTE"));
    }
    Ok(offset.trim_end_matches(":00").to_owned())
}

/// Values separated by commas, each a literal, a word or a number with its sign.
/// With `names` they are names, which are quoted where they would be read as others.
fn setting_value(cursor: &mut Cursor<'_>, names: bool) -> Result<String, WireError> {
    let mut values: Vec<String> = Vec::new();
    loop {
        let mut value = String::new();
        let mut empty_text = false;
        while let Some(token) = cursor.peek() {
            if token.is_symbol(",") {
                break;
            }
            if matches!(token.kind, TokenKind::Symbol) && !matches!(token.raw, "-" | "+" | ".") {
                return Err(cursor.unexpected("a value"));
            }
            value.push_str(&token.value());
            empty_text |= matches!(token.kind, TokenKind::Text | TokenKind::Quoted);
            cursor.next()?;
        }
        if value.is_empty() && !empty_text {
            return Err(cursor.unexpected("a value"));
        }
        values.push(if names { quote_ident(&value) } else { value });
        if !cursor.take_symbol(",")? {
            return Ok(values.join(", "));
        }
    }
}

/// `SHOW TABLES` and its like are the engine's.
fn show(cursor: &mut Cursor<'_>) -> Result<Option<Utility>, WireError> {
    const ENGINE: [&str; 8] = ["tables", "columns", "functions", "create", "schemas", "databases", "catalogs", "full"];
    let Some(token) = cursor.peek() else { return Err(cursor.unexpected("the name of a setting")) };
    if ENGINE.iter().any(|word| token.is(word)) {
        return Ok(None);
    }
    if cursor.take("TRANSACTION")? {
        if cursor.take("ISOLATION")? && cursor.take("LEVEL")? {
            return Ok(Some(Utility::Show("transaction_isolation".to_owned())));
        }
        return Err(cursor.unexpected("ISOLATION LEVEL"));
    }
    let name = setting_name(cursor)?;
    cursor.end()?;
    Ok(Some(Utility::Show(name)))
}

fn name_or_all(cursor: &mut Cursor<'_>) -> Result<Option<String>, WireError> {
    let name = if cursor.take("ALL")? { None } else { Some(cursor.name()?) };
    cursor.end()?;
    Ok(name)
}

fn prepare(cursor: &mut Cursor<'_>) -> Result<Utility, WireError> {
    let name = cursor.name()?;
    let types = if cursor.take_symbol("(")? { split_list(cursor.bracketed()?)? } else { Vec::new() };
    if !cursor.take("AS")? {
        return Err(cursor.unexpected("AS"));
    }
    Ok(Utility::Prepare { name, types, statement: cursor.rest().to_owned() })
}

fn execute(cursor: &mut Cursor<'_>) -> Result<Utility, WireError> {
    let name = cursor.name()?;
    let values = if cursor.take_symbol("(")? { split_list(cursor.bracketed()?)? } else { Vec::new() };
    cursor.end()?;
    Ok(Utility::Execute { name, values })
}

/// The items of a list, cut at commas outside brackets.
fn split_list(text: &str) -> Result<Vec<String>, WireError> {
    let mut items = Vec::new();
    let (mut depth, mut start) = (0usize, 0);
    let mut lexer = Lexer::new(text);
    while let Some(token) = lexer.next()? {
        match token.raw {
            "(" | "[" if token.kind == TokenKind::Symbol => depth += 1,
            ")" | "]" if token.kind == TokenKind::Symbol => depth = depth.saturating_sub(1),
            "," if token.kind == TokenKind::Symbol && depth == 0 => {
                items.push(text[start..token.start].trim().to_owned());
                start = token.end();
            }
            _ => {}
        }
    }
    let last = text[start..].trim();
    if !last.is_empty() {
        items.push(last.to_owned());
    }
    Ok(items)
}

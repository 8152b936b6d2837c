//! The COPY statement: both spellings of its options, PostgreSQL's and zxq's.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::str::FromStr;

use zxq_engine::OnError;
use zxq_engine::catalog::Tier;
use zxq_engine::sql::options::LAYOUT;
use zxq_engine::sql::quoted;

use crate::sqlstate;
use crate::wire::error::WireError;
use crate::wire::lexer::TokenKind;
use crate::wire::utility::Cursor;

/// A COPY between the client and the server.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum CopyCommand {
    /// `COPY table [(columns)] FROM STDIN`.
    In {
        /// The table that gets the rows.
        table: String,
        /// The columns named, empty for all.
        columns: Vec<String>,
        /// Options.
        options: CopyOptions,
    },
    /// `COPY table [(columns)] TO STDOUT`, `COPY (query) TO STDOUT`.
    Out {
        /// The query whose rows go out.
        query: String,
        /// Options.
        options: CopyOptions,
    },
}

/// Layout of the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum CopyFormat {
    /// Tab-separated with backslash escapes.
    #[default]
    Text,
    /// Comma-separated with quotes.
    Csv,
    /// PostgreSQL's binary format.
    Binary,
    /// Apache Parquet, into zxq only.
    Parquet,
}

/// Options of a COPY.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CopyOptions {
    /// Layout.
    pub(crate) format: CopyFormat,
    /// The first line names the columns.
    pub(crate) header: bool,
    /// Between values; `None` is the format's own.
    delimiter: Option<u8>,
    /// What stands for NULL; `None` is the format's own.
    null: Option<String>,
    /// Quote of CSV.
    pub(crate) quote: u8,
    /// What makes a quote inside a quoted value a plain character.
    pub(crate) escape: u8,
    /// CSV out: quote every value that is not NULL.
    pub(crate) force_quote: bool,
    /// zxq: the tier to load into; `None` places rows by age.
    pub(crate) tier: Option<Tier>,
    /// zxq: what happens to bad rows.
    pub(crate) on_error: OnError,
    /// zxq: class of rows that have none.
    pub(crate) asset_class: Option<String>,
    /// zxq: create the table if it does not exist.
    pub(crate) create: bool,
    /// zxq: how a table that is created is laid out, options of `CREATE TABLE … WITH` by name.
    pub(crate) layout: BTreeMap<String, String>,
    /// `date_format`, and `types` of a table that is created.
    pub(crate) reading: BTreeMap<String, String>,
    /// zxq: what the data is called in messages and lineage.
    pub(crate) name: Option<String>,
}

impl Default for CopyOptions {
    fn default() -> Self {
        CopyOptions {
            format: CopyFormat::Text,
            header: false,
            delimiter: None,
            null: None,
            quote: b'"',
            escape: b'"',
            force_quote: false,
            tier: None,
            on_error: OnError::Reject,
            asset_class: None,
            create: false,
            layout: BTreeMap::new(),
            reading: BTreeMap::new(),
            name: None,
        }
    }
}

impl CopyOptions {
    /// Character between values.
    pub(crate) fn delimiter(&self) -> u8 {
        self.delimiter.unwrap_or(if self.format == CopyFormat::Csv { b',' } else { b'\t' })
    }

    /// What stands for NULL.
    pub(crate) fn null(&self) -> &str {
        self.null.as_deref().unwrap_or(if self.format == CopyFormat::Csv { "" } else { "\\N" })
    }

    fn check(&self, reads: bool) -> Result<(), WireError> {
        let bad = |message: &str| Err(WireError::new(sqlstate::INVALID_PARAMETER_VALUE, message));
        let is_csv = self.format == CopyFormat::Csv;
        let is_text = self.format == CopyFormat::Text;
        if (self.delimiter.is_some() || self.null.is_some()) && !is_csv && !is_text {
            return bad("DELIMITER and NULL are for the formats text and csv");
        }
        if self.format == CopyFormat::Binary && self.header {
            return bad("binary data has no header line");
        }
        if self.format == CopyFormat::Parquet && !reads {
            return bad("COPY TO cannot write parquet: use the format csv, text or binary");
        }
        let delimiter = self.delimiter();
        if matches!(delimiter, b'\n' | b'\r') || is_text && delimiter == b'\\' || is_csv && delimiter == self.quote {
            return bad("the DELIMITER must differ from the quote and cannot be a backslash or end a line");
        }
        if self.null().contains(['\n', '\r']) || self.null().as_bytes().contains(&delimiter) {
            return bad("NULL cannot hold the delimiter or end a line");
        }
        Ok(())
    }
}

/// Parses what follows the word COPY.
///
/// # Errors
/// For malformed text and unknown options; for files and programs of the server, which are refused.
pub(crate) fn parse_copy(cursor: &mut Cursor<'_>) -> Result<CopyCommand, WireError> {
    let mut options = CopyOptions::default();
    // COPY BINARY t: before PostgreSQL 7.3, and drivers still send it.
    if cursor.peek().is_some_and(|token| token.is("BINARY")) {
        cursor.next()?;
        options.format = CopyFormat::Binary;
    }
    if cursor.take_symbol("(")? {
        let query = cursor.bracketed()?.to_owned();
        if !cursor.take("TO")? {
            return Err(cursor.unexpected("TO"));
        }
        endpoint(cursor, "STDOUT")?;
        read_options(cursor, &mut options)?;
        options.check(false)?;
        return Ok(CopyCommand::Out { query, options });
    }
    let (mut table, mut source) = (cursor.name()?, String::new());
    source.push_str(&quoted(&table));
    while cursor.take_symbol(".")? {
        let part = cursor.name()?;
        source.push('.');
        source.push_str(&quoted(&part));
        // One catalog, and the schema public: the last part names the table.
        if !matches!(table.as_str(), "public" | "zxq") {
            let schema = table;
            if cursor.peek().is_some_and(|token| token.is("FROM") || token.is_symbol("(")) {
                return Err(WireError::unsupported(format!(
                    "rows go into tables of the schema public, not of {schema}"
                ))
                .hint("Name the tier with WITH (tier 'warm')"));
            }
        }
        table = part;
    }
    let mut columns = Vec::new();
    if cursor.take_symbol("(")? {
        loop {
            columns.push(cursor.name()?);
            if !cursor.take_symbol(",")? {
                break;
            }
        }
        if !cursor.take_symbol(")")? {
            return Err(cursor.unexpected("\")\""));
        }
    }
    if cursor.take("FROM")? {
        endpoint(cursor, "STDIN")?;
        read_options(cursor, &mut options)?;
        options.check(true)?;
        return Ok(CopyCommand::In { table, columns, options });
    }
    if !cursor.take("TO")? {
        return Err(cursor.unexpected("FROM or TO"));
    }
    endpoint(cursor, "STDOUT")?;
    read_options(cursor, &mut options)?;
    options.check(false)?;
    let list = if columns.is_empty() {
        "*".to_owned()
    } else {
        columns.iter().map(|column| quoted(column)).collect::<Vec<_>>().join(", ")
    };
    Ok(CopyCommand::Out { query: format!("SELECT {list} FROM {source}"), options })
}

/// STDIN or STDOUT; anything else names something of the server's machine.
fn endpoint(cursor: &mut Cursor<'_>, wanted: &str) -> Result<(), WireError> {
    if cursor.take("STDIN")? || cursor.take("STDOUT")? {
        return Ok(());
    }
    match cursor.peek() {
        Some(token) if token.kind == TokenKind::Text || token.is("PROGRAM") => Err(WireError::new(
            sqlstate::INSUFFICIENT_PRIVILEGE,
            "COPY with a file or program of the server is refused",
        )
        .hint(format!("Use COPY … {wanted}, \\copy in psql, zxq load, or CALL zxq.load('table', 'file')"))),
        _ => Err(cursor.unexpected(wanted)),
    }
}

fn read_options(cursor: &mut Cursor<'_>, options: &mut CopyOptions) -> Result<(), WireError> {
    cursor.take("WITH")?;
    if !cursor.take_symbol("(")? {
        return read_old_options(cursor, options);
    }
    while !cursor.take_symbol(")")? {
        let name = cursor.name()?;
        let mut value = String::new();
        let mut depth = 0;
        while let Some(token) = cursor.peek() {
            if depth == 0 && (token.is_symbol(",") || token.is_symbol(")")) {
                break;
            }
            depth += i32::from(token.is_symbol("(")) - i32::from(token.is_symbol(")"));
            value.push_str(&token.value());
            cursor.next()?;
        }
        apply(options, &name, &value)?;
        if !cursor.take_symbol(",")? && !cursor.peek().is_some_and(|token| token.is_symbol(")")) {
            return Err(cursor.unexpected("\",\" or \")\""));
        }
    }
    cursor.end()
}

/// `[BINARY] [CSV [HEADER] [QUOTE AS '"'] …] [DELIMITER AS ','] [NULL AS '']`.
fn read_old_options(cursor: &mut Cursor<'_>, options: &mut CopyOptions) -> Result<(), WireError> {
    while cursor.peek().is_some() {
        if cursor.take("BINARY")? {
            options.format = CopyFormat::Binary;
        } else if cursor.take("CSV")? {
            options.format = CopyFormat::Csv;
        } else if cursor.take("HEADER")? {
            options.header = true;
        } else {
            let name = cursor.name()?;
            if !matches!(name.as_str(), "delimiter" | "delimiters" | "null" | "quote" | "escape") {
                return Err(WireError::syntax(format!("unknown COPY option {name}")));
            }
            cursor.take("AS")?;
            let value = cursor.text()?;
            apply(options, name.trim_end_matches('s'), &value)?;
        }
    }
    Ok(())
}

fn apply(options: &mut CopyOptions, name: &str, value: &str) -> Result<(), WireError> {
    match name {
        "format" => {
            options.format = match value.to_ascii_lowercase().as_str() {
                "text" => CopyFormat::Text,
                "csv" => CopyFormat::Csv,
                "binary" => CopyFormat::Binary,
                "parquet" => CopyFormat::Parquet,
                _ => return Err(bad_value(name, value, "use text, csv, binary or parquet")),
            }
        }
        "header" => options.header = value.eq_ignore_ascii_case("match") || flag(name, value)?,
        "delimiter" => options.delimiter = Some(one_byte(name, value)?),
        "null" => options.null = Some(value.to_owned()),
        "quote" => options.quote = one_byte(name, value)?,
        "escape" => options.escape = one_byte(name, value)?,
        "force_quote" => options.force_quote = true,
        "encoding" if value.eq_ignore_ascii_case("utf8") || value.eq_ignore_ascii_case("utf-8") => {}
        "encoding" => return Err(bad_value(name, value, "zxq speaks UTF8")),
        "freeze" => {
            flag(name, value)?;
        }
        "tier" if value.eq_ignore_ascii_case("auto") => options.tier = None,
        "tier" => {
            let tier = Tier::from_str(value).map_err(|_| bad_value(name, value, "use auto, hot, warm or cold"))?;
            options.tier = Some(tier);
        }
        "on_error" => {
            options.on_error = match value.to_ascii_lowercase().as_str() {
                "reject" | "stop" => OnError::Reject,
                "quarantine" => OnError::Quarantine,
                _ => return Err(bad_value(name, value, "use reject or quarantine")),
            }
        }
        "asset_class" => options.asset_class = Some(value.to_owned()),
        "create" => options.create = flag(name, value)?,
        "name" => options.name = Some(value.to_owned()),
        "date_format" | "types" => {
            options.reading.insert(name.to_owned(), value.to_owned());
        }
        layout if LAYOUT.contains(&layout) => {
            options.layout.insert(layout.to_owned(), value.to_owned());
        }
        _ => {
            return Err(WireError::syntax(format!("option \"{name}\" not recognized")).hint(
                "COPY has format, header, delimiter, null, quote, escape, encoding, and of zxq tier, on_error, \
                 asset_class, create, name, date_format, types, time_column, partition_by, granularity, sort_by, lookup",
            ));
        }
    }
    Ok(())
}

fn flag(name: &str, value: &str) -> Result<bool, WireError> {
    match value.to_ascii_lowercase().as_str() {
        "" | "true" | "on" | "1" => Ok(true),
        "false" | "off" | "0" => Ok(false),
        _ => Err(bad_value(name, value, "use true or false")),
    }
}

fn one_byte(name: &str, value: &str) -> Result<u8, WireError> {
    match value.as_bytes() {
        [byte] if byte.is_ascii() => Ok(*byte),
        _ => Err(bad_value(name, value, "it has to be a single one-byte character")),
    }
}

fn bad_value(name: &str, value: &str, fix: &str) -> WireError {
    WireError::new(
        sqlstate::INVALID_PARAMETER_VALUE,
        format!("COPY option {} cannot be \"{value}\": {fix}", name.to_uppercase()),
    )
}

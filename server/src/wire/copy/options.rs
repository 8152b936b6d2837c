//! The COPY statement and its options: PostgreSQL's, and zxq's.

mod read;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use zxq_engine::catalog::Tier;
use zxq_engine::sql::quoted;
use zxq_engine::{ExportFormat, OnError};

use self::read::{read_old_options, read_options};
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
        /// The table, where all its columns are meant; those that are generated do not go out.
        whole: Option<String>,
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
    /// Apache Parquet.
    Parquet,
    /// A stream of Arrow's inter-process format, out of zxq only.
    Arrow,
}

/// What the first line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Header {
    /// A row.
    #[default]
    No,
    /// The names of the columns.
    Yes,
    /// The names of the columns, and they have to be those of the statement.
    Match,
}

/// Columns that an option is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ColumnList {
    /// `*`
    All,
    /// These.
    These(Vec<String>),
}

impl ColumnList {
    fn none() -> Self {
        ColumnList::These(Vec::new())
    }

    fn is_empty(&self) -> bool {
        *self == ColumnList::none()
    }

    /// Those of the columns that are meant.
    pub(crate) fn of(&self, columns: &[String]) -> Vec<String> {
        match self {
            ColumnList::All => columns.to_vec(),
            ColumnList::These(names) => names.clone(),
        }
    }

    /// True where this column is meant.
    pub(crate) fn has(&self, column: &str) -> bool {
        match self {
            ColumnList::All => true,
            ColumnList::These(names) => names.iter().any(|name| name == column),
        }
    }
}

/// Options of a COPY.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CopyOptions {
    /// Layout.
    pub(crate) format: CopyFormat,
    /// The first line names the columns.
    pub(crate) header: Header,
    /// Between values; `None` is the format's own.
    delimiter: Option<String>,
    /// What stands for NULL; `None` is the format's own.
    null: Option<String>,
    /// Quote of CSV; `None` is `"`.
    quote: Option<String>,
    /// What makes a quote inside a quoted value a plain character; `None` is the quote.
    escape: Option<String>,
    /// CSV out: values of these columns are quoted unless they are NULL.
    pub(crate) force_quote: ColumnList,
    /// CSV in: unquoted values of these columns are never NULL.
    pub(crate) force_not_null: ColumnList,
    /// CSV in: quoted values of these columns may be NULL, too.
    pub(crate) force_null: ColumnList,
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
    /// zxq: how a file that goes out is compressed.
    compression: Option<String>,
    /// Options that are given and are about rows that come in.
    of_loading: Vec<String>,
}

impl Default for CopyOptions {
    fn default() -> Self {
        CopyOptions {
            format: CopyFormat::Text,
            header: Header::No,
            delimiter: None,
            null: None,
            quote: None,
            escape: None,
            force_quote: ColumnList::none(),
            force_not_null: ColumnList::none(),
            force_null: ColumnList::none(),
            tier: None,
            on_error: OnError::Reject,
            asset_class: None,
            create: false,
            layout: BTreeMap::new(),
            reading: BTreeMap::new(),
            name: None,
            compression: None,
            of_loading: Vec::new(),
        }
    }
}

/// The one byte of an option; what is longer, [`CopyOptions::check`] refuses.
fn byte(text: Option<&str>, default: u8) -> u8 {
    text.and_then(|text| text.bytes().next()).unwrap_or(default)
}

fn is_one_byte(text: Option<&str>) -> bool {
    text.is_none_or(|text| text.len() == 1)
}

impl CopyOptions {
    /// Character between values.
    pub(crate) fn delimiter(&self) -> u8 {
        byte(self.delimiter.as_deref(), if self.format == CopyFormat::Csv { b',' } else { b'\t' })
    }

    /// What stands for NULL.
    pub(crate) fn null(&self) -> &str {
        self.null.as_deref().unwrap_or(if self.format == CopyFormat::Csv { "" } else { "\\N" })
    }

    /// Quote of CSV.
    pub(crate) fn quote(&self) -> u8 {
        byte(self.quote.as_deref(), b'"')
    }

    /// What makes a quote inside a quoted value a plain character.
    pub(crate) fn escape(&self) -> u8 {
        byte(self.escape.as_deref(), self.quote())
    }

    /// The file that the rows go out as; `None` where they go out one by one.
    ///
    /// # Errors
    /// 22023 for a compression that the format does not have.
    pub(crate) fn file_format(&self) -> Result<Option<ExportFormat>, WireError> {
        let compression = self.compression.as_deref();
        Ok(match self.format {
            CopyFormat::Parquet => Some(ExportFormat::parquet(compression)?),
            CopyFormat::Arrow => Some(ExportFormat::arrow(compression)?),
            CopyFormat::Text | CopyFormat::Csv | CopyFormat::Binary => None,
        })
    }

    /// Refuses what is only for the other direction, or for other formats.
    fn check_own(&self, reads: bool) -> Result<(), WireError> {
        if reads && self.format == CopyFormat::Arrow {
            return Err(bad("COPY FROM cannot read arrow: use the format csv, text, binary or parquet"));
        }
        if !reads && let Some(option) = self.of_loading.first() {
            return Err(WireError::unsupported(format!("COPY {option} only available using COPY FROM")));
        }
        if self.compression.is_some() {
            if reads {
                return Err(WireError::unsupported("COPY compression only available using COPY TO"));
            }
            if self.file_format()?.is_none() {
                return Err(WireError::unsupported("COPY compression available only in PARQUET and ARROW mode"));
            }
        }
        Ok(())
    }

    /// Refuses options that do not go together, in PostgreSQL's order and words.
    fn check(&self, reads: bool) -> Result<(), WireError> {
        let (is_csv, is_text) = (self.format == CopyFormat::Csv, self.format == CopyFormat::Text);
        let is_binary = !is_csv && !is_text;
        let shape = match self.format {
            CopyFormat::Parquet => "PARQUET",
            CopyFormat::Arrow => "ARROW",
            CopyFormat::Text | CopyFormat::Csv | CopyFormat::Binary => "BINARY",
        };
        for (given, name) in [(self.delimiter.is_some(), "DELIMITER"), (self.null.is_some(), "NULL")] {
            if is_binary && given {
                return Err(WireError::syntax(format!("cannot specify {name} in {shape} mode")));
            }
        }
        let delimiter = self.delimiter();
        if !is_one_byte(self.delimiter.as_deref()) {
            return Err(WireError::unsupported("COPY delimiter must be a single one-byte character"));
        }
        if matches!(delimiter, b'\n' | b'\r') {
            return Err(bad("COPY delimiter cannot be newline or carriage return"));
        }
        if self.null().contains(['\n', '\r']) {
            return Err(bad("COPY null representation cannot use newline or carriage return"));
        }
        if is_text
            && (matches!(delimiter, b'\\' | b'.') || delimiter.is_ascii_lowercase() || delimiter.is_ascii_digit())
        {
            return Err(bad(format!("COPY delimiter cannot be \"{}\"", char::from(delimiter))));
        }
        if is_binary && self.header != Header::No {
            return Err(WireError::unsupported(format!("cannot specify HEADER in {shape} mode")));
        }
        for (text, name) in [(&self.quote, "quote"), (&self.escape, "escape")] {
            if text.is_some() && !is_csv {
                return Err(WireError::unsupported(format!("COPY {name} available only in CSV mode")));
            }
            if !is_one_byte(text.as_deref()) {
                return Err(WireError::unsupported(format!("COPY {name} must be a single one-byte character")));
            }
            if name == "quote" && is_csv && delimiter == self.quote() {
                return Err(bad("COPY delimiter and quote must be different"));
            }
        }
        for (list, name, of_reading) in [
            (&self.force_quote, "force quote", false),
            (&self.force_not_null, "force not null", true),
            (&self.force_null, "force null", true),
        ] {
            if list.is_empty() {
                continue;
            }
            if !is_csv {
                return Err(WireError::unsupported(format!("COPY {name} available only in CSV mode")));
            }
            if of_reading != reads {
                let direction = if of_reading { "FROM" } else { "TO" };
                return Err(WireError::unsupported(format!("COPY {name} only available using COPY {direction}")));
            }
        }
        if self.null().as_bytes().contains(&delimiter) && !is_binary {
            return Err(WireError::unsupported("COPY delimiter must not appear in the NULL specification"));
        }
        if is_csv && self.null().as_bytes().contains(&self.quote()) {
            return Err(WireError::unsupported("CSV quote character must not appear in the NULL specification"));
        }
        if self.header == Header::Match && !reads {
            return Err(WireError::unsupported("cannot use \"match\" with HEADER in COPY TO"));
        }
        self.check_own(reads)
    }

    /// Refuses names in `FORCE_…` that are no columns of what is copied.
    ///
    /// # Errors
    /// 42703, 42P10.
    pub(crate) fn check_columns(&self, table: &str, all: &[String], copied: &[String]) -> Result<(), WireError> {
        let lists = [
            (&self.force_quote, "FORCE_QUOTE"),
            (&self.force_not_null, "FORCE_NOT_NULL"),
            (&self.force_null, "FORCE_NULL"),
        ];
        for (list, option) in lists {
            let ColumnList::These(names) = list else { continue };
            for name in names {
                if !all.contains(name) {
                    return Err(no_column(table, name));
                }
                if !copied.contains(name) {
                    let message = format!("{option} column \"{name}\" not referenced by COPY");
                    return Err(WireError::new(sqlstate::INVALID_COLUMN_REFERENCE, message));
                }
            }
        }
        Ok(())
    }
}

/// The error for a column that a table does not have, or where it has no name, a query.
pub(crate) fn no_column(table: &str, column: &str) -> WireError {
    let of = if table.is_empty() { String::new() } else { format!(" of relation \"{table}\"") };
    let message = format!("column \"{column}\"{of} does not exist");
    WireError::new(sqlstate::of(zxq_engine::ErrorKind::UndefinedColumn), message)
}

fn bad(message: impl Into<String>) -> WireError {
    WireError::new(sqlstate::INVALID_PARAMETER_VALUE, message)
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
        finish_options(cursor, &mut options, false)?;
        return Ok(CopyCommand::Out { query, whole: None, options });
    }
    let (mut table, mut source) = (cursor.name()?, String::new());
    source.push_str(&quoted(&table));
    while cursor.take_symbol(".")? {
        let part = cursor.name()?;
        source.push('.');
        source.push_str(&quoted(&part));
        // One catalog; what is in a schema that somebody made has that in the name under which it is kept.
        if !matches!(table.as_str(), "public" | "zxq") {
            let schema = table;
            let built_in = ["hot", "warm", "cold", "pg_catalog", "information_schema"].contains(&schema.as_str());
            if !built_in && !schema.starts_with("pg_temp") {
                table = format!("{schema}.{part}");
                continue;
            }
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
        finish_options(cursor, &mut options, true)?;
        return Ok(CopyCommand::In { table, columns, options });
    }
    if !cursor.take("TO")? {
        return Err(cursor.unexpected("FROM or TO"));
    }
    endpoint(cursor, "STDOUT")?;
    finish_options(cursor, &mut options, false)?;
    let list = if columns.is_empty() {
        "*".to_owned()
    } else {
        columns.iter().map(|column| quoted(column)).collect::<Vec<_>>().join(", ")
    };
    let whole = columns.is_empty().then_some(table);
    Ok(CopyCommand::Out { query: format!("SELECT {list} FROM {source}"), whole, options })
}

/// The options, up to the end.
fn finish_options(cursor: &mut Cursor<'_>, options: &mut CopyOptions, reads: bool) -> Result<(), WireError> {
    cursor.take("WITH")?;
    if cursor.take_symbol("(")? {
        read_options(cursor, options)?;
    } else {
        read_old_options(cursor, options)?;
    }
    if cursor.peek().is_some_and(|token| token.is("WHERE")) {
        return Err(WireError::unsupported("COPY FROM … WHERE is not supported")
            .hint("Load the rows into a table of their own, then INSERT … SELECT … WHERE"));
    }
    cursor.end()?;
    options.check(reads)
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

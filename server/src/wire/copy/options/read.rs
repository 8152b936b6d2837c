//! Options of COPY, read in both of PostgreSQL's spellings.

use std::str::FromStr;

use zxq_engine::OnError;
use zxq_engine::catalog::Tier;
use zxq_engine::sql::options::LAYOUT;

use super::{ColumnList, CopyFormat, CopyOptions, Header};
use crate::sqlstate;
use crate::wire::error::WireError;
use crate::wire::utility::Cursor;

/// What stands behind an option's name.
enum Value {
    Nothing,
    /// A word, a number or a text.
    Text(String),
    /// `(a, b)`
    Names(Vec<String>),
    /// `*`
    Star,
}

impl Value {
    /// The text that an option needs.
    fn text(&self, name: &str) -> Result<&str, WireError> {
        match self {
            Value::Text(text) => Ok(text),
            _ => Err(WireError::syntax(format!("{name} requires a parameter"))),
        }
    }

    /// True or false; an option without a value is on.
    fn flag(&self, name: &str) -> Result<bool, WireError> {
        let found = match self {
            Value::Nothing => Some(true),
            Value::Text(text) => flag(text),
            Value::Names(_) | Value::Star => None,
        };
        found.ok_or_else(|| WireError::syntax(format!("{name} requires a Boolean value")))
    }

    fn columns(self, name: &str, may_be_all: bool) -> Result<ColumnList, WireError> {
        match self {
            Value::Names(names) => Ok(ColumnList::These(names)),
            Value::Star if may_be_all => Ok(ColumnList::All),
            _ => {
                let message = format!("argument to option \"{name}\" must be a list of column names");
                Err(WireError::new(sqlstate::INVALID_PARAMETER_VALUE, message))
            }
        }
    }
}

fn flag(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "on" | "1" => Some(true),
        "false" | "off" | "0" => Some(false),
        _ => None,
    }
}

/// `(FORMAT csv, HEADER, FORCE_NULL (a, b))`, behind the opening bracket.
///
/// # Errors
/// For malformed text, options that there are not, and values that they cannot have.
pub(super) fn read_options(cursor: &mut Cursor<'_>, options: &mut CopyOptions) -> Result<(), WireError> {
    let mut seen = Vec::new();
    loop {
        let name = cursor.name()?;
        let value = read_value(cursor)?;
        if seen.contains(&name) {
            return Err(WireError::syntax("conflicting or redundant options"));
        }
        apply(options, &name, value)?;
        seen.push(name);
        if cursor.take_symbol(")")? {
            return Ok(());
        }
        if !cursor.take_symbol(",")? {
            return Err(cursor.unexpected("\",\" or \")\""));
        }
    }
}

fn read_value(cursor: &mut Cursor<'_>) -> Result<Value, WireError> {
    if cursor.take_symbol("*")? {
        return Ok(Value::Star);
    }
    if cursor.take_symbol("(")? {
        return Ok(Value::Names(names(cursor, true)?));
    }
    let mut text = String::new();
    let mut found = false;
    while let Some(token) = cursor.peek() {
        if token.is_symbol(",") || token.is_symbol(")") {
            break;
        }
        found = true;
        text.push_str(&token.value());
        cursor.next()?;
    }
    Ok(if found { Value::Text(text) } else { Value::Nothing })
}

/// Names separated by commas, up to a closing bracket where there is one.
fn names(cursor: &mut Cursor<'_>, bracketed: bool) -> Result<Vec<String>, WireError> {
    let mut names = vec![cursor.name()?];
    while cursor.take_symbol(",")? {
        names.push(cursor.name()?);
    }
    if bracketed && !cursor.take_symbol(")")? {
        return Err(cursor.unexpected("\")\""));
    }
    Ok(names)
}

/// `[BINARY] [CSV] [HEADER] [QUOTE AS '"'] [FORCE NOT NULL a] [DELIMITER AS ','] [NULL AS ''] [ENCODING 'utf8']`.
///
/// # Errors
/// As [`read_options`].
pub(super) fn read_old_options(cursor: &mut Cursor<'_>, options: &mut CopyOptions) -> Result<(), WireError> {
    let mut seen: Vec<&str> = Vec::new();
    while let Some(token) = cursor.peek().filter(|token| !token.is("WHERE")) {
        let (name, value) = if cursor.take("BINARY")? {
            ("format", Value::Text("binary".to_owned()))
        } else if cursor.take("CSV")? {
            ("format", Value::Text("csv".to_owned()))
        } else if cursor.take("HEADER")? {
            ("header", Value::Nothing)
        } else if cursor.take("FREEZE")? {
            ("freeze", Value::Nothing)
        } else if cursor.take("FORCE")? {
            old_force(cursor)?
        } else {
            let known = ["delimiter", "delimiters", "null", "quote", "escape", "encoding"];
            let Some(name) = known.into_iter().find(|known| token.is(known)) else {
                return Err(cursor.unexpected("an option of COPY"));
            };
            cursor.next()?;
            cursor.take("AS")?;
            (name.strip_suffix("ers").map_or(name, |_| "delimiter"), Value::Text(cursor.text()?))
        };
        if seen.contains(&name) {
            return Err(WireError::syntax("conflicting or redundant options"));
        }
        apply(options, name, value)?;
        seen.push(name);
    }
    Ok(())
}

fn old_force(cursor: &mut Cursor<'_>) -> Result<(&'static str, Value), WireError> {
    if cursor.take("QUOTE")? {
        if cursor.take_symbol("*")? {
            return Ok(("force_quote", Value::Star));
        }
        return Ok(("force_quote", Value::Names(names(cursor, false)?)));
    }
    let not = cursor.take("NOT")?;
    if !cursor.take("NULL")? {
        return Err(cursor.unexpected("QUOTE, NOT NULL or NULL"));
    }
    let name = if not { "force_not_null" } else { "force_null" };
    Ok((name, Value::Names(names(cursor, false)?)))
}

fn apply(options: &mut CopyOptions, name: &str, value: Value) -> Result<(), WireError> {
    match name {
        "format" => {
            let format = value.text(name)?;
            options.format = match format.to_ascii_lowercase().as_str() {
                "text" => CopyFormat::Text,
                "csv" => CopyFormat::Csv,
                "binary" => CopyFormat::Binary,
                "parquet" => CopyFormat::Parquet,
                "arrow" => CopyFormat::Arrow,
                _ => {
                    let message = format!("COPY format \"{format}\" not recognized");
                    return Err(WireError::new(sqlstate::INVALID_PARAMETER_VALUE, message)
                        .hint("use text, csv, binary, parquet or arrow"));
                }
            }
        }
        "header" => options.header = header(&value)?,
        "delimiter" => options.delimiter = Some(value.text(name)?.to_owned()),
        "null" => options.null = Some(value.text(name)?.to_owned()),
        "quote" => options.quote = Some(value.text(name)?.to_owned()),
        "escape" => options.escape = Some(value.text(name)?.to_owned()),
        "force_quote" => options.force_quote = value.columns(name, true)?,
        "force_not_null" => options.force_not_null = value.columns(name, false)?,
        "force_null" => options.force_null = value.columns(name, false)?,
        "encoding" => check_encoding(value.text(name)?)?,
        // Rows are never frozen later: there is nothing to save.
        "freeze" => {
            value.flag(name)?;
        }
        _ => apply_own(options, name, value)?,
    }
    Ok(())
}

/// Options that PostgreSQL does not have.
fn apply_own(options: &mut CopyOptions, name: &str, value: Value) -> Result<(), WireError> {
    if name == "compression" {
        options.compression = Some(value.text(name)?.to_owned());
        return Ok(());
    }
    options.of_loading.push(name.to_owned());
    match name {
        "tier" => {
            let text = value.text(name)?;
            options.tier = match text.eq_ignore_ascii_case("auto") {
                true => None,
                false => Some(Tier::from_str(text).map_err(|_| bad_value(name, text, "use auto, hot, warm or cold"))?),
            };
        }
        "on_error" => {
            let text = value.text(name)?;
            options.on_error = match text.to_ascii_lowercase().as_str() {
                "reject" | "stop" => OnError::Reject,
                "quarantine" => OnError::Quarantine,
                _ => return Err(bad_value(name, text, "use reject or quarantine")),
            }
        }
        "asset_class" => options.asset_class = Some(value.text(name)?.to_owned()),
        "create" => options.create = value.flag(name)?,
        "name" => options.name = Some(value.text(name)?.to_owned()),
        "date_format" | "types" => {
            options.reading.insert(name.to_owned(), value.text(name)?.to_owned());
        }
        layout if LAYOUT.contains(&layout) => {
            let text = match value {
                Value::Names(names) => names.join(","),
                other => other.text(name)?.to_owned(),
            };
            options.layout.insert(layout.to_owned(), text);
        }
        _ => {
            return Err(WireError::syntax(format!("option \"{name}\" not recognized")).hint(
                "COPY has format, freeze, header, delimiter, null, quote, escape, force_quote, force_not_null, \
                 force_null, encoding, and of zxq compression, tier, on_error, asset_class, create, name, date_format, types, \
                 time_column, partition_by, granularity, sort_by, lookup",
            ));
        }
    }
    Ok(())
}

fn header(value: &Value) -> Result<Header, WireError> {
    match value {
        Value::Nothing => Ok(Header::Yes),
        Value::Text(text) if text.eq_ignore_ascii_case("match") => Ok(Header::Match),
        Value::Text(text) if flag(text) == Some(true) => Ok(Header::Yes),
        Value::Text(text) if flag(text) == Some(false) => Ok(Header::No),
        _ => Err(WireError::syntax("header requires a Boolean value or \"match\"")),
    }
}

/// Texts are UTF-8; that is what may be asked for, in any spelling.
fn check_encoding(text: &str) -> Result<(), WireError> {
    const OTHERS: [&str; 21] = [
        "latin1",
        "latin2",
        "latin9",
        "iso88591",
        "iso885915",
        "win1250",
        "win1251",
        "win1252",
        "windows1252",
        "sjis",
        "shiftjis",
        "euc",
        "eucjp",
        "euccn",
        "euckr",
        "big5",
        "gbk",
        "gb18030",
        "koi8r",
        "koi8",
        "johab",
    ];
    let letters: String = text.chars().filter(char::is_ascii_alphanumeric).collect();
    match letters.to_ascii_lowercase().as_str() {
        "utf8" | "unicode" | "sqlascii" => Ok(()),
        other if OTHERS.contains(&other) => {
            Err(WireError::unsupported(format!("COPY with the encoding \"{text}\" is not supported"))
                .hint("zxq speaks UTF8: convert the data, for example with iconv"))
        }
        _ => {
            let message = "argument to option \"encoding\" must be a valid encoding name";
            Err(WireError::new(sqlstate::INVALID_PARAMETER_VALUE, message))
        }
    }
}

fn bad_value(name: &str, value: &str, fix: &str) -> WireError {
    WireError::new(
        sqlstate::INVALID_PARAMETER_VALUE,
        format!("COPY option {} cannot be \"{value}\": {fix}", name.to_uppercase()),
    )
}

//! How the text of a CSV file is laid out: delimiter, quote, what stands for NULL, whether there is a header, how dates are
//! written.

use std::collections::BTreeMap;

use chrono::{NaiveDate, NaiveDateTime};

use crate::error::{EngineError, ErrorKind, Result};

/// A CSV file's layout. What is not said is found out, or is as PostgreSQL has it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CsvOptions {
    /// Between two fields; a comma, or in TSV a tab.
    pub delimiter: Option<u8>,
    /// Around a field; a double quote.
    pub quote: Option<u8>,
    /// The unquoted text that is NULL; none, so that an empty field is.
    pub null: Option<String>,
    /// Whether the first line names the columns; it does.
    pub header: Option<bool>,
    /// How dates and times are written, where it is not year first: `DD/MM/YYYY`, `MM/DD/YYYY HH24:MI:SS`.
    pub date_format: Option<DateFormat>,
}

impl CsvOptions {
    /// Reads those among these options that are about text: `delimiter`, `quote`, `null_text`, `header` and `date_format`, as the
    /// command line, `CALL zxq.load` and COPY call them.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidParameter`] naming an option and what it can be.
    pub fn of(options: &BTreeMap<String, String>) -> Result<CsvOptions> {
        let text = |name: &str| options.get(name).map(String::as_str);
        Ok(CsvOptions {
            delimiter: text("delimiter").map(|value| one_byte("delimiter", value)).transpose()?,
            quote: text("quote").map(|value| one_byte("quote", value)).transpose()?,
            null: text("null_text").map(str::to_owned),
            header: text("header").map(|value| flag("header", value)).transpose()?,
            date_format: text("date_format").map(DateFormat::parse).transpose()?,
        })
    }
}

fn wrong(name: &str, value: &str, fix: &str) -> EngineError {
    EngineError::new(ErrorKind::InvalidParameter, format!("{name} cannot be \"{value}\": {fix}"))
}

fn one_byte(name: &str, value: &str) -> Result<u8> {
    match value {
        "\\t" | "tab" => Ok(b'\t'),
        _ => match value.as_bytes() {
            [byte] if byte.is_ascii() && !matches!(byte, b'\n' | b'\r') => Ok(*byte),
            _ => Err(wrong(name, value, "it is one ASCII character, or tab")),
        },
    }
}

fn flag(name: &str, value: &str) -> Result<bool> {
    match value.to_ascii_lowercase().as_str() {
        "true" | "on" | "yes" | "1" => Ok(true),
        "false" | "off" | "no" | "0" => Ok(false),
        _ => Err(wrong(name, value, "use true or false")),
    }
}

/// A template of dates and times, with PostgreSQL's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DateFormat {
    /// The same as chrono writes it.
    pattern: String,
    has_time: bool,
}

impl DateFormat {
    const WORDS: [(&str, &str); 8] = [
        ("YYYY", "%Y"),
        ("YY", "%y"),
        ("MON", "%b"),
        ("MM", "%m"),
        ("DD", "%d"),
        ("HH24", "%H"),
        ("MI", "%M"),
        ("SS", "%S%.f"),
    ];

    /// Reads a template such as `DD/MM/YYYY` or `MM/DD/YYYY HH24:MI:SS`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidParameter`] where day, month or year is missing, or a word is not known.
    pub fn parse(template: &str) -> Result<DateFormat> {
        let bad = || wrong("date_format", template, "write it with YYYY or YY, MM or MON, DD, and HH24, MI, SS");
        let mut pattern = String::new();
        let mut used = Vec::new();
        let mut rest = template.trim().to_ascii_uppercase();
        while let Some(first) = rest.chars().next() {
            match Self::WORDS.iter().find(|(word, _)| rest.starts_with(word)) {
                Some((word, directive)) => {
                    pattern.push_str(directive);
                    used.push(*word);
                    rest.drain(..word.len());
                }
                None if first.is_ascii_alphabetic() && first != 'T' || first == '%' => return Err(bad()),
                None => {
                    pattern.push(first);
                    rest.drain(..first.len_utf8());
                }
            }
        }
        let has = |words: &[&str]| words.iter().filter(|word| used.contains(word)).count() == 1;
        if !(has(&["YYYY", "YY"]) && has(&["MM", "MON"]) && has(&["DD"])) {
            return Err(bad());
        }
        Ok(DateFormat { pattern, has_time: used.contains(&"HH24") })
    }

    /// The text of a date or time as the loader reads it, year first; `None` where it is not of this form.
    pub fn iso(&self, text: &str) -> Option<String> {
        let text = text.trim();
        if self.has_time {
            let time = NaiveDateTime::parse_from_str(text, &self.pattern).ok()?;
            return Some(time.format("%Y-%m-%d %H:%M:%S%.f").to_string());
        }
        NaiveDate::parse_from_str(text, &self.pattern).ok().map(|date| date.format("%Y-%m-%d").to_string())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn templates_read_dates() {
        let day_first = DateFormat::parse("DD/MM/YYYY").unwrap();
        assert_eq!(day_first.iso("06/03/2024").as_deref(), Some("2024-03-06"));
        assert_eq!(day_first.iso("2024-03-06"), None);
        assert_eq!(day_first.iso("31/02/2024"), None);
        let american = DateFormat::parse("mm/dd/yyyy hh24:mi:ss").unwrap();
        assert_eq!(american.iso("03/06/2024 09:30:00.25").as_deref(), Some("2024-03-06 09:30:00.250"));
        assert_eq!(DateFormat::parse("DD-MON-YY").unwrap().iso("06-Mar-24").as_deref(), Some("2024-03-06"));
        for template in ["", "DD/MM", "DD/MM/YYYY YY", "day", "%d/%m/%Y"] {
            assert!(DateFormat::parse(template).is_err(), "{template}");
        }
    }

    #[test]
    fn options_are_checked() {
        let of = |name: &str, value: &str| CsvOptions::of(&BTreeMap::from([(name.to_owned(), value.to_owned())]));
        assert_eq!(of("delimiter", ";").unwrap().delimiter, Some(b';'));
        assert_eq!(of("delimiter", "tab").unwrap().delimiter, Some(b'\t'));
        assert_eq!(of("header", "off").unwrap().header, Some(false));
        assert_eq!(of("null_text", "NA").unwrap().null.as_deref(), Some("NA"));
        assert!(of("delimiter", "ab").is_err());
        assert!(of("header", "maybe").is_err());
    }
}

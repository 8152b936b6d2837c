//! COPY data in the formats text and csv, cut into rows and values, as PostgreSQL cuts it.

#[cfg(test)]
mod tests;

use std::ops::Range;

use super::escapes::unescape;
use super::options::{CopyFormat, CopyOptions, Header};
use crate::sqlstate;
use crate::wire::error::WireError;

/// Longest line, bytes: above it the data is taken for something that is no text.
const LONGEST_LINE: usize = 64 * 1024 * 1024;
/// Most of a line that is shown in an error, characters.
const SHOWN_CHARS: usize = 100;

/// Where rows go.
pub(crate) trait RowSink {
    /// The columns that the data has, told once, before the first row.
    fn columns(&mut self, names: &[String]);

    /// One row, and the line it ends in: of each column the place of its value among these bytes, or `None` for NULL.
    ///
    /// # Errors
    /// For a value that cannot be taken.
    fn row(&mut self, values: &[u8], fields: &[Option<Range<usize>>], line: u64) -> Result<(), WireError>;

    /// Data behind a header, taken without being cut into rows. False where it has to be.
    fn as_it_is(&mut self, _data: &[u8]) -> bool {
        false
    }
}

/// How a line ended first; all others have to end so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LineEnd {
    Feed,
    ReturnAndFeed,
}

/// Reads COPY data piece by piece.
#[derive(Debug)]
pub(crate) struct TextRows {
    table: String,
    is_csv: bool,
    header: Header,
    delimiter: u8,
    quote: u8,
    escape: u8,
    null: Vec<u8>,
    /// Columns of CSV whose unquoted NULL text is itself, or whose quoted one is NULL.
    never_null: Vec<String>,
    also_null: Vec<String>,
    /// Names of the columns the data has, in its order.
    columns: Vec<String>,
    /// True where the columns were named in the statement: a header line does not change them.
    named: bool,
    /// Columns the table has; empty for a table that the load creates.
    table_columns: Vec<String>,
    /// Bytes of a line that has not ended.
    line: Vec<u8>,
    /// Inside quotes at the end of `line`.
    quoted: bool,
    /// The last byte inside the quotes was an escape that is no quote.
    escaped: bool,
    /// Lines read.
    line_number: u64,
    line_end: Option<LineEnd>,
    columns_told: bool,
    /// `\.` was read: the rest is not data.
    ended: bool,
    /// The rest needs not be read here.
    as_it_is: bool,
    /// The values of a line, and where each of its fields is among them.
    values: Vec<u8>,
    fields: Vec<Option<Range<usize>>>,
    /// Which fields were in quotes.
    were_quoted: Vec<bool>,
}

impl TextRows {
    /// A reader for the columns named in the statement, or else for all `table_columns` in their order.
    pub(crate) fn new(table: &str, options: &CopyOptions, named: Vec<String>, table_columns: Vec<String>) -> Self {
        let is_named = !named.is_empty();
        let columns = if is_named { named } else { table_columns.clone() };
        TextRows {
            table: table.to_owned(),
            is_csv: options.format == CopyFormat::Csv,
            header: options.header,
            delimiter: options.delimiter(),
            quote: options.quote(),
            escape: options.escape(),
            null: options.null().as_bytes().to_vec(),
            never_null: options.force_not_null.of(&columns),
            also_null: options.force_null.of(&columns),
            columns,
            named: is_named,
            table_columns,
            line: Vec::new(),
            quoted: false,
            escaped: false,
            line_number: 0,
            line_end: None,
            columns_told: false,
            ended: false,
            as_it_is: false,
            values: Vec::new(),
            fields: Vec::new(),
            were_quoted: Vec::new(),
        }
    }

    /// Lines read so far.
    pub(crate) fn line_number(&self) -> u64 {
        self.line_number
    }

    /// Hands on what the data says.
    ///
    /// # Errors
    /// 22P04 for malformed data, naming the line; what the sink says.
    pub(crate) fn push(&mut self, mut data: &[u8], sink: &mut impl RowSink) -> Result<(), WireError> {
        while !self.ended {
            if self.as_it_is && sink.as_it_is(data) {
                return Ok(());
            }
            let Some(end) = self.end_of_line(data) else {
                self.line.extend_from_slice(data);
                if self.line.len() > LONGEST_LINE {
                    return Err(self.bad("line is too long"));
                }
                return Ok(());
            };
            if self.line.is_empty() {
                // A line that came in one piece is read where it is.
                self.take_line(&data[..end], sink)?;
            } else {
                let mut line = std::mem::take(&mut self.line);
                line.extend_from_slice(&data[..end]);
                let taken = self.take_line(&line, sink);
                line.clear();
                self.line = line;
                taken?;
            }
            data = &data[end + 1..];
        }
        Ok(())
    }

    /// The data has ended: what is left is a line without a line end.
    ///
    /// # Errors
    /// 22P04 for malformed data.
    pub(crate) fn finish(&mut self, sink: &mut impl RowSink) -> Result<(), WireError> {
        if self.quoted {
            return Err(self.bad("unterminated CSV quoted field"));
        }
        if !self.line.is_empty() && !self.ended {
            let line = std::mem::take(&mut self.line);
            self.line_number += 1;
            self.read_line(line.strip_suffix(b"\r").unwrap_or(&line), sink)?;
        }
        self.tell_columns(sink)
    }

    /// Position of the line feed that ends the line; quotes are followed from piece to piece.
    fn end_of_line(&mut self, data: &[u8]) -> Option<usize> {
        if !self.is_csv {
            return self.end_of_text_line(data);
        }
        for (at, byte) in data.iter().enumerate() {
            if self.escaped {
                self.escaped = false;
            } else if self.quoted && *byte == self.escape && self.escape != self.quote {
                self.escaped = true;
            } else if *byte == self.quote {
                self.quoted = !self.quoted;
            } else if *byte == b'\n' && !self.quoted {
                return Some(at);
            }
        }
        None
    }

    /// The same in text: behind a backslash a line feed is part of a value.
    fn end_of_text_line(&self, data: &[u8]) -> Option<usize> {
        let mut from = 0;
        loop {
            let end = from + data[from..].iter().position(|byte| *byte == b'\n')?;
            let is_slash = |byte: &&u8| **byte == b'\\';
            let mut slashes = data[..end].iter().rev().take_while(is_slash).count();
            if slashes == end {
                slashes += self.line.iter().rev().take_while(is_slash).count();
            }
            if slashes.is_multiple_of(2) {
                return Some(end);
            }
            from = end + 1;
        }
    }

    fn take_line(&mut self, line: &[u8], sink: &mut impl RowSink) -> Result<(), WireError> {
        self.line_number += 1;
        if self.is_csv || line.contains(&b'\n') {
            // Inside quotes, or behind a backslash.
            self.line_number += line.iter().filter(|byte| **byte == b'\n').count() as u64;
        }
        let (bare, end) = match line.strip_suffix(b"\r") {
            Some(bare) => (bare, LineEnd::ReturnAndFeed),
            None => (line, LineEnd::Feed),
        };
        match self.line_end {
            None => self.line_end = Some(end),
            Some(first) if first == end => {}
            Some(LineEnd::Feed) => return Err(self.bad_line(self.stray("carriage return"), line)),
            Some(LineEnd::ReturnAndFeed) => return Err(self.bad_line(self.stray("newline"), line)),
        }
        self.read_line(bare, sink)
    }

    fn read_line(&mut self, line: &[u8], sink: &mut impl RowSink) -> Result<(), WireError> {
        if line == b"\\." {
            self.ended = true;
            return Ok(());
        }
        if self.is_csv {
            self.cut_csv(line)?;
        } else {
            self.cut_text(line)?;
        }
        if self.header != Header::No && !self.columns_told {
            self.take_header(line)?;
            return self.tell_columns(sink);
        }
        self.tell_columns(sink)?;
        match self.fields.len().cmp(&self.columns.len()) {
            std::cmp::Ordering::Less => {
                let missing = &self.columns[self.fields.len()];
                return Err(self.bad_line(format!("missing data for column \"{missing}\""), line));
            }
            std::cmp::Ordering::Greater => {
                return Err(self.bad_line("extra data after last expected column".to_owned(), line));
            }
            std::cmp::Ordering::Equal => {}
        }
        if !self.never_null.is_empty() || !self.also_null.is_empty() {
            self.force_nulls();
        }
        sink.row(&self.values, &self.fields, self.line_number).map_err(|error| self.located(error, None))
    }

    /// FORCE_NOT_NULL and FORCE_NULL.
    fn force_nulls(&mut self) {
        for at in 0..self.fields.len() {
            match &self.fields[at] {
                None if self.never_null.contains(&self.columns[at]) => {
                    let start = self.values.len();
                    self.values.extend_from_slice(&self.null);
                    self.fields[at] = Some(start..self.values.len());
                }
                Some(place)
                    if self.values[place.clone()] == *self.null
                        && self.were_quoted[at]
                        && self.also_null.contains(&self.columns[at]) =>
                {
                    self.fields[at] = None;
                }
                _ => {}
            }
        }
    }

    /// A header whose names are the table's says which column is where; any other is skipped, as PostgreSQL does, or where
    /// it has to match, refused.
    fn take_header(&mut self, line: &[u8]) -> Result<(), WireError> {
        let value = |field: &Option<Range<usize>>| {
            String::from_utf8_lossy(field.clone().map_or(&[][..], |place| &self.values[place])).into_owned()
        };
        let names: Vec<String> = self.fields.iter().map(value).collect();
        if self.header == Header::Match {
            return self.match_header(&names, line);
        }
        if self.named {
            return Ok(());
        }
        let names: Vec<String> = names.iter().map(|name| name.trim().to_owned()).collect();
        let of_table = |name: &String| {
            let exact = self.table_columns.iter().find(|column| *column == name);
            exact.or_else(|| self.table_columns.iter().find(|column| column.eq_ignore_ascii_case(name)))
        };
        if self.table_columns.is_empty() {
            self.columns = names;
        } else if let Some(columns) = names.iter().map(of_table).collect::<Option<Vec<_>>>() {
            self.columns = columns.into_iter().cloned().collect();
        } else {
            return Ok(());
        }
        let layout = (self.delimiter, self.quote, self.escape, self.null.as_slice());
        let forced = !self.never_null.is_empty() || !self.also_null.is_empty();
        // A line without a value is no row to the loader: of one column it is a NULL.
        let one = self.columns.len() == 1;
        self.as_it_is = self.is_csv && !forced && !one && layout == (b',', b'"', b'"', b"".as_slice());
        Ok(())
    }

    fn match_header(&self, names: &[String], line: &[u8]) -> Result<(), WireError> {
        let (found, expected) = (names.len(), self.columns.len());
        if found != expected {
            let message = format!("wrong number of fields in header line: field count is {found}, expected {expected}");
            return Err(self.bad_line(message, line));
        }
        match names.iter().zip(&self.columns).position(|(name, column)| name != column) {
            None => Ok(()),
            Some(at) => {
                let (name, column) = (&names[at], &self.columns[at]);
                let place = at + 1;
                Err(self.bad_line(
                    format!("column name mismatch in header line field {place}: got \"{name}\", expected \"{column}\""),
                    line,
                ))
            }
        }
    }

    fn tell_columns(&mut self, sink: &mut impl RowSink) -> Result<(), WireError> {
        if self.columns_told {
            return Ok(());
        }
        if self.columns.is_empty() {
            return Err(self.bad("a table that does not exist needs a header line that names its columns"));
        }
        self.columns_told = true;
        sink.columns(&self.columns);
        Ok(())
    }

    fn begin_fields(&mut self) {
        self.values.clear();
        self.fields.clear();
        self.were_quoted.clear();
    }

    fn keep_field(&mut self, start: usize, quoted: bool) {
        let is_null = !quoted && self.values[start..] == *self.null;
        self.fields.push((!is_null).then_some(start..self.values.len()));
        self.were_quoted.push(quoted);
    }

    fn cut_csv(&mut self, line: &[u8]) -> Result<(), WireError> {
        self.begin_fields();
        let (mut inside, mut was_quoted) = (false, false);
        let mut start = 0;
        let mut at = 0;
        while at < line.len() {
            let byte = line[at];
            if inside {
                let next = line.get(at + 1).copied();
                if byte == self.escape && next.is_some_and(|next| next == self.quote || next == self.escape) {
                    self.values.extend(next);
                    at += 1;
                } else if byte == self.quote {
                    inside = false;
                } else {
                    self.values.push(byte);
                }
            } else if byte == self.quote {
                inside = true;
                was_quoted = true;
            } else if byte == self.delimiter {
                self.keep_field(start, was_quoted);
                was_quoted = false;
                start = self.values.len();
            } else if byte == b'\r' {
                return Err(self.bad_line(self.stray("carriage return"), line));
            } else {
                self.values.push(byte);
            }
            at += 1;
        }
        if inside {
            return Err(self.bad_line("unterminated CSV quoted field".to_owned(), line));
        }
        self.keep_field(start, was_quoted);
        Ok(())
    }

    fn cut_text(&mut self, mut line: &[u8]) -> Result<(), WireError> {
        self.begin_fields();
        let mut start = 0;
        loop {
            let mut end = start;
            let mut plain = true;
            while end < line.len() && line[end] != self.delimiter {
                match line[end] {
                    b'\\' if line.get(end + 1) == Some(&b'.') => {
                        if end + 2 != line.len() {
                            return Err(self.bad("end-of-copy marker corrupt"));
                        }
                        // The data ends behind this row.
                        self.ended = true;
                        line = &line[..end];
                        continue;
                    }
                    b'\\' => {
                        plain = false;
                        end += 1;
                    }
                    b'\r' => return Err(self.bad_line(self.stray("carriage return"), line)),
                    _ => {}
                }
                end += 1;
            }
            let raw = &line[start..end.min(line.len())];
            let from = self.values.len();
            if raw == self.null {
                self.fields.push(None);
            } else {
                if plain {
                    self.values.extend_from_slice(raw)
                } else {
                    unescape(raw, &mut self.values)
                }
                self.fields.push(Some(from..self.values.len()));
            }
            self.were_quoted.push(false);
            if end >= line.len() {
                return Ok(());
            }
            start = end + 1;
        }
    }

    /// What stands where only the end of a line can.
    fn stray(&self, what: &str) -> String {
        let kind = if self.is_csv { "unquoted" } else { "literal" };
        format!("{kind} {what} found in data")
    }

    fn bad(&self, message: impl Into<String>) -> WireError {
        self.located(WireError::new(sqlstate::BAD_COPY_FILE_FORMAT, message), None)
    }

    fn bad_line(&self, message: String, line: &[u8]) -> WireError {
        self.located(WireError::new(sqlstate::BAD_COPY_FILE_FORMAT, message), Some(line))
    }

    fn located(&self, error: WireError, line: Option<&[u8]>) -> WireError {
        let mut place = format!("COPY {}, line {}", self.table, self.line_number.max(1));
        if let Some(line) = line {
            place.push_str(&format!(": \"{}\"", shortened(&String::from_utf8_lossy(line))));
        }
        error.within(place)
    }
}

/// A text as errors show it.
pub(super) fn shortened(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

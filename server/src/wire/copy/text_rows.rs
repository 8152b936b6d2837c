//! COPY data in the formats text and csv, turned into the one CSV the loader reads: a header with the table's column
//! names, commas, double quotes, nothing between commas for NULL.

#[cfg(test)]
mod tests;

use super::options::{CopyFormat, CopyOptions};
use crate::sqlstate;
use crate::wire::error::WireError;

/// Longest line, bytes: above it the data is taken for something that is no text.
const LONGEST_LINE: usize = 64 * 1024 * 1024;

/// Reads COPY data piece by piece.
#[derive(Debug)]
pub(crate) struct TextRows {
    is_csv: bool,
    header: bool,
    delimiter: u8,
    quote: u8,
    escape: u8,
    null: Vec<u8>,
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
    header_written: bool,
    /// `\.` was read: the rest is not data.
    ended: bool,
    /// The layout is the loader's own, and the header is written: the rest goes on as it is.
    as_is: bool,
    fields: Vec<Option<Vec<u8>>>,
}

impl TextRows {
    /// A reader for the columns named in the statement, or else for all `table_columns` in their order.
    pub(crate) fn new(options: &CopyOptions, named: Vec<String>, table_columns: Vec<String>) -> Self {
        let is_named = !named.is_empty();
        TextRows {
            is_csv: options.format == CopyFormat::Csv,
            header: options.header,
            delimiter: options.delimiter(),
            quote: options.quote,
            escape: options.escape,
            null: options.null().as_bytes().to_vec(),
            columns: if is_named { named } else { table_columns.clone() },
            named: is_named,
            table_columns,
            line: Vec::new(),
            quoted: false,
            escaped: false,
            line_number: 0,
            header_written: false,
            ended: false,
            as_is: false,
            fields: Vec::new(),
        }
    }

    /// Appends what the data says to `out`.
    ///
    /// # Errors
    /// 22P04 for malformed data, naming the line.
    pub(crate) fn push(&mut self, mut data: &[u8], out: &mut Vec<u8>) -> Result<(), WireError> {
        while !self.ended {
            if self.as_is {
                out.extend_from_slice(data);
                return Ok(());
            }
            let Some(end) = self.line_end(data) else {
                self.line.extend_from_slice(data);
                if self.line.len() > LONGEST_LINE {
                    return Err(self.bad("line is too long".to_owned()));
                }
                return Ok(());
            };
            self.line.extend_from_slice(&data[..end]);
            data = &data[end + 1..];
            self.end_line(out)?;
        }
        Ok(())
    }

    /// The data has ended: what is left is a line without a line end.
    ///
    /// # Errors
    /// 22P04 for malformed data.
    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), WireError> {
        if self.quoted {
            return Err(self.bad("unterminated CSV quoted field".to_owned()));
        }
        if !self.line.is_empty() && !self.ended {
            self.end_line(out)?;
        }
        self.write_header(out)
    }

    /// Position of the line feed that ends the line; quotes are followed from piece to piece.
    fn line_end(&mut self, data: &[u8]) -> Option<usize> {
        if !self.is_csv {
            return data.iter().position(|b| *b == b'\n');
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

    fn end_line(&mut self, out: &mut Vec<u8>) -> Result<(), WireError> {
        self.line_number += 1;
        let mut line = std::mem::take(&mut self.line);
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        let result = self.read_line(&line, out);
        line.clear();
        self.line = line;
        result
    }

    fn read_line(&mut self, line: &[u8], out: &mut Vec<u8>) -> Result<(), WireError> {
        if line == b"\\." {
            self.ended = true;
            return Ok(());
        }
        if self.is_csv {
            self.cut_csv(line)?
        } else {
            self.cut_text(line)?
        }
        if self.header && self.line_number == 1 {
            self.take_header();
            return self.write_header(out);
        }
        // A line without a value is an empty line where there is more than one column.
        if line.is_empty() && self.columns.len() != 1 {
            return Err(self.bad(format!("missing data for column \"{}\"", self.columns.first().map_or("", |c| c))));
        }
        self.write_header(out)?;
        match self.fields.len().cmp(&self.columns.len()) {
            std::cmp::Ordering::Less => {
                let missing = &self.columns[self.fields.len()];
                return Err(self.bad(format!("missing data for column \"{missing}\"")));
            }
            std::cmp::Ordering::Greater => return Err(self.bad("extra data after last expected column".to_owned())),
            std::cmp::Ordering::Equal => {}
        }
        if let [None] = self.fields.as_slice() {
            // The loader takes an empty line for no row at all.
            return Err(self.bad("NULL in data of one column is not supported: use INSERT".to_owned()));
        }
        for (at, field) in self.fields.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            if let Some(value) = field {
                write_csv(out, value);
            }
        }
        out.push(b'\n');
        Ok(())
    }

    /// A header whose names are the table's says which column is where; any other is skipped, as PostgreSQL does.
    fn take_header(&mut self) {
        let names: Vec<String> = self
            .fields
            .iter()
            .map(|field| String::from_utf8_lossy(field.as_deref().unwrap_or_default()).trim().to_owned())
            .collect();
        let of_table = |name: &String| self.table_columns.iter().find(|column| column.eq_ignore_ascii_case(name));
        if self.named {
            return;
        }
        if self.table_columns.is_empty() {
            self.columns = names;
        } else if let Some(columns) = names.iter().map(of_table).collect::<Option<Vec<_>>>() {
            self.columns = columns.into_iter().cloned().collect();
        } else {
            return;
        }
        let layout = (self.delimiter, self.quote, self.escape, self.null.as_slice());
        self.as_is = self.is_csv && layout == (b',', b'"', b'"', b"".as_slice());
    }

    fn write_header(&mut self, out: &mut Vec<u8>) -> Result<(), WireError> {
        if self.header_written {
            return Ok(());
        }
        if self.columns.is_empty() {
            return Err(self.bad("a table that does not exist needs a header line that names its columns".to_owned()));
        }
        self.header_written = true;
        for (at, column) in self.columns.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            write_csv(out, column.as_bytes());
        }
        out.push(b'\n');
        Ok(())
    }

    fn cut_csv(&mut self, line: &[u8]) -> Result<(), WireError> {
        self.fields.clear();
        let mut value = Vec::new();
        let (mut inside, mut was_quoted) = (false, false);
        let mut at = 0;
        while at < line.len() {
            let byte = line[at];
            if inside {
                let next = line.get(at + 1).copied();
                if byte == self.escape && next.is_some_and(|next| next == self.quote || next == self.escape) {
                    value.extend(next);
                    at += 1;
                } else if byte == self.quote {
                    inside = false;
                } else {
                    value.push(byte);
                }
            } else if byte == self.quote {
                inside = true;
                was_quoted = true;
            } else if byte == self.delimiter {
                self.keep_field(&mut value, &mut was_quoted);
            } else {
                value.push(byte);
            }
            at += 1;
        }
        if inside {
            return Err(self.bad("unterminated CSV quoted field".to_owned()));
        }
        self.keep_field(&mut value, &mut was_quoted);
        Ok(())
    }

    fn keep_field(&mut self, value: &mut Vec<u8>, was_quoted: &mut bool) {
        let is_null = !*was_quoted && *value == self.null;
        let value = std::mem::take(value);
        self.fields.push((!is_null).then_some(value));
        *was_quoted = false;
    }

    fn cut_text(&mut self, line: &[u8]) -> Result<(), WireError> {
        self.fields.clear();
        let mut start = 0;
        let mut at = 0;
        while at <= line.len() {
            if at < line.len() && line[at] == b'\\' {
                at += 2;
            } else if at >= line.len() || line[at] == self.delimiter {
                let end = at.min(line.len());
                let raw = &line[start..end];
                self.fields.push((raw != self.null).then(|| unescape(raw)));
                start = end + 1;
                at = end + 1;
            } else {
                at += 1;
            }
        }
        if start <= line.len() {
            // The line ended right after a backslash.
            let raw = &line[start..];
            self.fields.push((raw != self.null).then(|| unescape(raw)));
        }
        Ok(())
    }

    fn bad(&self, message: String) -> WireError {
        WireError::new(sqlstate::BAD_COPY_FILE_FORMAT, message)
            .detail(format!("COPY data, line {}", self.line_number.max(1)))
    }
}

/// The value of a text field: `\t`, `\n`, `\\`, `\101`, `\x41`.
fn unescape(raw: &[u8]) -> Vec<u8> {
    let mut value = Vec::with_capacity(raw.len());
    let mut at = 0;
    while at < raw.len() {
        if raw[at] != b'\\' || at + 1 == raw.len() {
            value.push(raw[at]);
            at += 1;
            continue;
        }
        at += 2;
        match raw[at - 1] {
            b'b' => value.push(8),
            b'f' => value.push(12),
            b'n' => value.push(b'\n'),
            b'r' => value.push(b'\r'),
            b't' => value.push(b'\t'),
            b'v' => value.push(11),
            b'0'..=b'7' => {
                let (code, used) = digits(&raw[at - 1..], 8, 3);
                value.push(code);
                at += used - 1;
            }
            b'x' if raw.get(at).is_some_and(u8::is_ascii_hexdigit) => {
                let (code, used) = digits(&raw[at..], 16, 2);
                value.push(code);
                at += used;
            }
            other => value.push(other),
        }
    }
    value
}

/// Up to `most` digits as a byte, and how many there were.
fn digits(raw: &[u8], radix: u32, most: usize) -> (u8, usize) {
    let mut code = 0u32;
    let mut used = 0;
    for digit in raw.iter().take(most).map_while(|b| char::from(*b).to_digit(radix)) {
        code = code * radix + digit;
        used += 1;
    }
    ((code & 0xff) as u8, used)
}

/// A value as CSV; text that would read as NULL is quoted.
fn write_csv(out: &mut Vec<u8>, value: &[u8]) {
    let plain = !value.is_empty() && !value.iter().any(|b| matches!(b, b',' | b'"' | b'\n' | b'\r'));
    if plain {
        out.extend_from_slice(value);
        return;
    }
    out.push(b'"');
    for byte in value {
        if *byte == b'"' {
            out.push(b'"');
        }
        out.push(*byte);
    }
    out.push(b'"');
}

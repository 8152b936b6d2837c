//! CSV text cut into records and fields.
//!
//! Fields are separated by the delimiter, records by `\n` or `\r\n`. A field that begins with a quote ends at the next
//! lone quote, and holds anything in between; two quotes stand for one. An empty field without quotes is NULL, as in
//! PostgreSQL; with quotes it is an empty text.

use std::borrow::Cow;

#[cfg(test)]
mod tests;

/// One field of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CsvField {
    /// Where its text starts in the buffer, after the quote.
    start: usize,
    /// Where its text ends, before the quote.
    end: usize,
    quoted: bool,
    /// It holds doubled quotes.
    doubled: bool,
    quote: u8,
}

impl CsvField {
    /// The field's text; `None` for NULL.
    pub(super) fn value<'a>(&self, text: &'a str, base: usize) -> Option<Cow<'a, str>> {
        if self.start == self.end && !self.quoted {
            return None;
        }
        let raw = text.get(self.start - base..self.end - base)?;
        if !self.doubled {
            return Some(Cow::Borrowed(raw));
        }
        let one = char::from(self.quote).to_string();
        Some(Cow::Owned(raw.replace(&one.repeat(2), &one)))
    }

    /// The field's text, where a text without quotes stands for NULL; an empty field is an empty text then.
    pub(super) fn value_but<'a>(&self, null: &str, text: &'a str, base: usize) -> Option<Cow<'a, str>> {
        let raw = text.get(self.start - base..self.end - base)?;
        if self.quoted {
            return self.value(text, base);
        }
        (raw != null).then_some(Cow::Borrowed(raw))
    }
}

/// What parsing one record found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Record {
    /// A whole record.
    Complete {
        /// Where its text ends, without the line end.
        end: usize,
        /// Where the next record starts.
        next: usize,
        /// Lines it takes up.
        lines: u64,
        /// What is wrong with its quotes, if anything.
        problem: Option<&'static str>,
    },
    /// The buffer ends before the record does.
    Incomplete,
}

/// Parses the record that starts at `start`; its fields replace those in `fields`. At the end of the input
/// (`last`) the record may end without a line end.
pub(super) fn parse_record(
    buffer: &[u8],
    start: usize,
    last: bool,
    (delimiter, quote): (u8, u8),
    fields: &mut Vec<CsvField>,
) -> Record {
    fields.clear();
    let mut at = start;
    let mut lines = 1;
    let mut problem = None;
    loop {
        if buffer.get(at) == Some(&quote) {
            let open = at + 1;
            let mut close = open;
            let mut doubled = false;
            loop {
                match buffer.get(close) {
                    Some(&found) if found == quote && buffer.get(close + 1) == Some(&quote) => {
                        doubled = true;
                        close += 2;
                    }
                    // Whether a quote at the end of the buffer is lone, only more input can tell.
                    Some(&found) if found == quote && close + 1 == buffer.len() && !last => return Record::Incomplete,
                    Some(&found) if found == quote => break,
                    Some(b'\n') => {
                        lines += 1;
                        close += 1;
                    }
                    Some(_) => close += 1,
                    None if last => {
                        fields.push(CsvField { start: open, end: close, quoted: true, doubled, quote });
                        let problem = Some("a quote is opened and never closed");
                        return Record::Complete { end: close, next: close, lines, problem };
                    }
                    None => return Record::Incomplete,
                }
            }
            fields.push(CsvField { start: open, end: close, quoted: true, doubled, quote });
            at = close + 1;
            let after = plain_end(buffer, at, delimiter);
            if !matches!(buffer.get(at..after), Some([] | b"\r")) {
                problem = Some("there is text after a closing quote");
            }
            at = after;
        } else {
            let end = plain_end(buffer, at, delimiter);
            fields.push(CsvField { start: at, end, quoted: false, doubled: false, quote });
            at = end;
        }
        match buffer.get(at) {
            Some(b'\n') => break,
            Some(_) => at += 1,
            None if last => {
                trim_carriage_return(buffer, fields);
                return Record::Complete { end: at, next: at, lines, problem };
            }
            None => return Record::Incomplete,
        }
    }
    trim_carriage_return(buffer, fields);
    let end = if at > start && buffer[at - 1] == b'\r' { at - 1 } else { at };
    Record::Complete { end, next: at + 1, lines, problem }
}

fn plain_end(buffer: &[u8], from: usize, delimiter: u8) -> usize {
    let rest = buffer.get(from..).unwrap_or_default();
    rest.iter().position(|b| *b == delimiter || *b == b'\n').map_or(buffer.len(), |n| from + n)
}

/// Takes the `\r` of `\r\n` off the record's last field.
fn trim_carriage_return(buffer: &[u8], fields: &mut [CsvField]) {
    if let Some(field) = fields.last_mut()
        && !field.quoted
        && field.end > field.start
        && buffer[field.end - 1] == b'\r'
    {
        field.end -= 1;
    }
}

//! Rows as lines of text or CSV, as COPY writes them.

use bytes::{BufMut, BytesMut};

use super::options::{CopyFormat, CopyOptions};
use crate::wire::encode::source::ColumnValues;
use crate::wire::encode::{ColumnEncoding, Format};
use crate::wire::error::WireError;
use crate::wire::types::Column;

/// Writes lines.
#[derive(Debug)]
pub(crate) struct TextLines {
    options: CopyOptions,
    encodings: Vec<ColumnEncoding>,
    names: Vec<String>,
    /// Of which columns every value is quoted.
    forced: Vec<bool>,
    scratch: BytesMut,
}

impl TextLines {
    /// For rows of these columns.
    pub(crate) fn new(columns: &[Column], options: &CopyOptions) -> Self {
        TextLines {
            options: options.clone(),
            encodings: columns.iter().map(|column| ColumnEncoding::of(column, Format::Text)).collect(),
            names: columns.iter().map(|column| column.name.clone()).collect(),
            forced: columns.iter().map(|column| options.force_quote.has(&column.name)).collect(),
            scratch: BytesMut::new(),
        }
    }

    /// How each column goes out.
    pub(crate) fn encodings(&self) -> &[ColumnEncoding] {
        &self.encodings
    }

    /// Appends the line that names the columns.
    pub(crate) fn put_header(&self, buf: &mut BytesMut) {
        for (at, name) in self.names.iter().enumerate() {
            if at > 0 {
                buf.put_u8(self.options.delimiter());
            }
            let quotes = Quotes { always: false, alone: self.names.len() == 1 };
            put_text(buf, name.as_bytes(), &self.options, quotes);
        }
        buf.put_u8(b'\n');
    }

    /// Appends the line of a row.
    ///
    /// # Errors
    /// When a value has no text.
    pub(crate) fn put_row(
        &mut self,
        buf: &mut BytesMut,
        sources: &[ColumnValues<'_>],
        row: usize,
    ) -> Result<(), WireError> {
        for (at, source) in sources.iter().enumerate() {
            if at > 0 {
                buf.put_u8(self.options.delimiter());
            }
            if source.is_null(row) {
                buf.put_slice(self.options.null().as_bytes());
                continue;
            }
            self.scratch.clear();
            source.write_text(row, &mut self.scratch)?;
            let always = self.forced.get(at).copied().unwrap_or(false);
            put_text(buf, &self.scratch, &self.options, Quotes { always, alone: sources.len() == 1 });
        }
        buf.put_u8(b'\n');
        Ok(())
    }
}

/// Where CSV needs quotes besides those that a value needs by itself.
#[derive(Debug, Clone, Copy)]
struct Quotes {
    /// FORCE_QUOTE.
    always: bool,
    /// It is the only column: `\.` would end the data.
    alone: bool,
}

/// A value that is not NULL: escaped in text, quoted where it has to be in CSV.
fn put_text(buf: &mut BytesMut, value: &[u8], options: &CopyOptions, wanted: Quotes) {
    let delimiter = options.delimiter();
    if options.format != CopyFormat::Csv {
        for byte in value {
            match byte {
                b'\n' => buf.put_slice(b"\\n"),
                b'\r' => buf.put_slice(b"\\r"),
                b'\t' => buf.put_slice(b"\\t"),
                8 => buf.put_slice(b"\\b"),
                11 => buf.put_slice(b"\\v"),
                12 => buf.put_slice(b"\\f"),
                b'\\' => buf.put_slice(b"\\\\"),
                byte if *byte == delimiter => buf.put_slice(&[b'\\', *byte]),
                byte => buf.put_u8(*byte),
            }
        }
        return;
    }
    let (quote, escape) = (options.quote(), options.escape());
    let quotes = wanted.always
        || value == options.null().as_bytes()
        || wanted.alone && value == b"\\."
        || value.iter().any(|b| *b == delimiter || *b == quote || matches!(b, b'\n' | b'\r'));
    if !quotes {
        buf.put_slice(value);
        return;
    }
    buf.put_u8(quote);
    for byte in value {
        if *byte == quote || *byte == escape {
            buf.put_u8(escape);
        }
        buf.put_u8(*byte);
    }
    buf.put_u8(quote);
}

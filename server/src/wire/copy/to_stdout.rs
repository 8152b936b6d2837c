//! `COPY … TO STDOUT`: rows as `CopyData`, one message per row, in the formats text, csv and binary.

use bytes::{BufMut, BytesMut};
use pgwire::messages::PgWireBackendMessage;
use pgwire::messages::copy::{CopyDone, CopyOutResponse};

use super::options::{CopyFormat, CopyOptions, Header};
use crate::wire::encode::source::ColumnValues;
use crate::wire::encode::{ColumnEncoding, EncodableBatch, Format, put_value, set_length};
use crate::wire::error::{Stop, WireError};
use crate::wire::link::{Guard, Link};
use crate::wire::rows::{RowCursor, RowWriter};
use crate::wire::types::Column;

/// What binary COPY data begins with: signature, flags, length of the header's extension.
const BINARY_HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// Sends all rows and returns how many there were.
///
/// # Errors
/// What the rows or their encoding say, the guard's reason, or that the client is gone.
pub(crate) async fn send(
    cursor: RowCursor,
    columns: &[Column],
    options: &CopyOptions,
    link: &mut Link,
    guard: &Guard,
) -> Result<u64, Stop> {
    let is_binary = options.format == CopyFormat::Binary;
    let code = i8::from(is_binary);
    let count = i16::try_from(columns.len())
        .map_err(|_| WireError::too_many(format!("a result has at most 32767 columns, not {}", columns.len())))?;
    let formats = vec![i16::from(code); columns.len()];
    link.put(&PgWireBackendMessage::CopyOutResponse(CopyOutResponse::new(code, count, formats)))?;
    let sent = if is_binary {
        let encodings = columns.iter().map(|column| ColumnEncoding::of(column, Format::Binary)).collect();
        let sent = cursor.send_all(BinaryRows { encodings, begun: false }, link, guard).await?;
        let buf = link.buffer();
        let start = begin_message(buf);
        if sent == 0 {
            buf.put_slice(BINARY_HEADER);
        }
        buf.put_i16(-1);
        set_length(buf, start, 0)?;
        sent
    } else {
        if options.header != Header::No {
            write_header(link.buffer(), columns, options)?;
        }
        let encodings = columns.iter().map(|column| ColumnEncoding::of(column, Format::Text)).collect();
        let forced = columns.iter().map(|column| options.force_quote.has(&column.name)).collect();
        cursor
            .send_all(TextRows { options: options.clone(), encodings, forced, scratch: BytesMut::new() }, link, guard)
            .await?
    };
    link.put(&PgWireBackendMessage::CopyDone(CopyDone::new()))?;
    Ok(sent)
}

/// Begins a `CopyData` message; returns where its length goes.
fn begin_message(buf: &mut BytesMut) -> usize {
    buf.put_u8(b'd');
    let start = buf.len();
    buf.put_i32(0);
    start
}

/// Rows in binary. The header goes out in one message with the first row, as PostgreSQL sends it.
#[derive(Debug)]
struct BinaryRows {
    encodings: Vec<ColumnEncoding>,
    begun: bool,
}

impl RowWriter for BinaryRows {
    fn write(
        &mut self,
        batch: &EncodableBatch,
        from: usize,
        until: usize,
        full: usize,
        buf: &mut BytesMut,
    ) -> Result<usize, WireError> {
        let sources = batch.sources(&self.encodings)?;
        let mut row = from;
        while row < until && buf.len() < full {
            let start = begin_message(buf);
            if !self.begun {
                buf.put_slice(BINARY_HEADER);
                self.begun = true;
            }
            buf.put_i16(sources.len() as i16);
            for (source, encoding) in sources.iter().zip(&self.encodings) {
                put_value(buf, source, row, encoding)?;
            }
            set_length(buf, start, 0)?;
            row += 1;
        }
        Ok(row)
    }
}

/// Rows in text or CSV.
#[derive(Debug)]
struct TextRows {
    options: CopyOptions,
    encodings: Vec<ColumnEncoding>,
    /// Of which columns every value is quoted.
    forced: Vec<bool>,
    scratch: BytesMut,
}

impl RowWriter for TextRows {
    fn write(
        &mut self,
        batch: &EncodableBatch,
        from: usize,
        until: usize,
        full: usize,
        buf: &mut BytesMut,
    ) -> Result<usize, WireError> {
        let sources = batch.sources(&self.encodings)?;
        let mut row = from;
        while row < until && buf.len() < full {
            let start = begin_message(buf);
            for (at, source) in sources.iter().enumerate() {
                if at > 0 {
                    buf.put_u8(self.options.delimiter());
                }
                let quotes =
                    Quotes { always: self.forced.get(at).copied().unwrap_or(false), alone: sources.len() == 1 };
                self.write_value(buf, source, row, quotes)?;
            }
            buf.put_u8(b'\n');
            set_length(buf, start, 0)?;
            row += 1;
        }
        Ok(row)
    }
}

impl TextRows {
    fn write_value(
        &mut self,
        buf: &mut BytesMut,
        source: &ColumnValues<'_>,
        row: usize,
        quotes: Quotes,
    ) -> Result<(), WireError> {
        if source.is_null(row) {
            buf.put_slice(self.options.null().as_bytes());
            return Ok(());
        }
        self.scratch.clear();
        source.write_text(row, &mut self.scratch)?;
        put_text(buf, &self.scratch, &self.options, quotes);
        Ok(())
    }
}

/// The line that names the columns.
fn write_header(buf: &mut BytesMut, columns: &[Column], options: &CopyOptions) -> Result<(), WireError> {
    let start = begin_message(buf);
    for (at, column) in columns.iter().enumerate() {
        if at > 0 {
            buf.put_u8(options.delimiter());
        }
        put_text(buf, column.name.as_bytes(), options, Quotes { always: false, alone: columns.len() == 1 });
    }
    buf.put_u8(b'\n');
    set_length(buf, start, 0)
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

//! `COPY … TO STDOUT` as `CopyData`: one message per row in the formats text, csv and binary; in the others the bytes of a file.

use bytes::{BufMut, BytesMut};
use pgwire::messages::PgWireBackendMessage;
use pgwire::messages::copy::{CopyDone, CopyOutResponse};
use zxq_engine::FileBytes;

use super::options::{CopyFormat, CopyOptions, Header};
use super::text_lines::TextLines;
use crate::wire::encode::{ColumnEncoding, EncodableBatch, Format, put_value, whole_message};
use crate::wire::error::{Stop, WireError};
use crate::wire::link::{Guard, Link};
use crate::wire::rows::{RowCursor, RowWriter};
use crate::wire::types::Column;

/// The kind of a `CopyData` message.
const COPY_DATA: u8 = b'd';

/// What binary COPY data begins with: signature, flags, length of the header's extension.
const BINARY_HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// Bytes of a message before its data.
const MESSAGE_HEAD: usize = 5;

/// Sends all rows and returns how many there were.
///
/// # Errors
/// What the rows or their encoding say, the guard's reason, or that the client is gone.
pub(crate) async fn send(
    mut cursor: RowCursor,
    columns: &[Column],
    options: &CopyOptions,
    link: &mut Link,
    guard: &Guard,
) -> Result<u64, Stop> {
    let is_binary = options.format == CopyFormat::Binary;
    // What fails before the first row is the statement's error: amid the data, drivers tell it without its SQLSTATE.
    cursor.begin(link, guard).await?;
    announce(columns.len(), is_binary, link)?;
    let sent = if is_binary {
        let encodings = columns.iter().map(|column| ColumnEncoding::of(column, Format::Binary)).collect();
        let sent = cursor.send_all(BinaryRows { encodings, begun: false }, link, guard).await?;
        whole_message(link.buffer(), COPY_DATA, |buf| {
            if sent == 0 {
                buf.put_slice(BINARY_HEADER);
            }
            buf.put_i16(-1);
            Ok(())
        })?;
        sent
    } else {
        let lines = TextLines::new(columns, options);
        if options.header != Header::No {
            whole_message(link.buffer(), COPY_DATA, |buf| {
                lines.put_header(buf);
                Ok(())
            })?;
        }
        cursor.send_all(TextRows(lines), link, guard).await?
    };
    link.put(&PgWireBackendMessage::CopyDone(CopyDone::new()))?;
    Ok(sent)
}

/// Sends the bytes of a file and returns how many rows it holds. They are made no faster than the client takes them.
///
/// # Errors
/// As [`send`].
pub(crate) async fn send_file(
    mut file: FileBytes,
    columns: usize,
    link: &mut Link,
    guard: &Guard,
) -> Result<u64, Stop> {
    // As with rows: what fails before the first byte is the statement's error.
    let mut piece = link.run(guard, async { file.next().await.transpose() }).await?;
    announce(columns, true, link)?;
    while let Some(bytes) = piece {
        let mut message = BytesMut::with_capacity(bytes.len() + MESSAGE_HEAD);
        whole_message(&mut message, COPY_DATA, |buf| {
            buf.put_slice(&bytes);
            Ok(())
        })?;
        link.send_chunk(message, guard).await?;
        piece = link.run(guard, async { file.next().await.transpose() }).await?;
    }
    link.put(&PgWireBackendMessage::CopyDone(CopyDone::new()))?;
    Ok(file.rows())
}

/// Says that data comes, in which format and of how many columns.
fn announce(columns: usize, is_binary: bool, link: &mut Link) -> Result<(), Stop> {
    let count = i16::try_from(columns)
        .map_err(|_| WireError::too_many(format!("a result has at most 32767 columns, not {columns}")))?;
    let formats = vec![i16::from(is_binary); columns];
    link.put(&PgWireBackendMessage::CopyOutResponse(CopyOutResponse::new(i8::from(is_binary), count, formats)))
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
            let begun = std::mem::replace(&mut self.begun, true);
            whole_message(buf, COPY_DATA, |buf| {
                if !begun {
                    buf.put_slice(BINARY_HEADER);
                }
                buf.put_i16(sources.len() as i16);
                let mut values = sources.iter().zip(&self.encodings);
                values.try_for_each(|(source, encoding)| put_value(buf, source, row, encoding))
            })?;
            row += 1;
        }
        Ok(row)
    }
}

/// Rows in text or CSV, a message for each line.
#[derive(Debug)]
struct TextRows(TextLines);

impl RowWriter for TextRows {
    fn write(
        &mut self,
        batch: &EncodableBatch,
        from: usize,
        until: usize,
        full: usize,
        buf: &mut BytesMut,
    ) -> Result<usize, WireError> {
        let sources = batch.sources(self.0.encodings())?;
        let mut row = from;
        while row < until && buf.len() < full {
            whole_message(buf, COPY_DATA, |buf| self.0.put_row(buf, &sources, row))?;
            row += 1;
        }
        Ok(row)
    }
}

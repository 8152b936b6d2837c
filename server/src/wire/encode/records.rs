//! Records, as `ROW(1, 'a')` makes them, in either format.

use bytes::{BufMut, BytesMut};
use pgwire::api::Type;

use super::set_length;
use super::source::ColumnValues;
use crate::wire::error::WireError;

/// `(1,,"a b")`: a value is quoted where PostgreSQL would read it differently otherwise, and NULL is nothing at all.
pub(super) fn write_record_text(
    buf: &mut BytesMut,
    values: &[(Type, ColumnValues<'_>)],
    row: usize,
) -> Result<(), WireError> {
    let mut text = BytesMut::new();
    buf.put_u8(b'(');
    for (position, (_, value)) in values.iter().enumerate() {
        if position > 0 {
            buf.put_u8(b',');
        }
        if value.is_null(row) {
            continue;
        }
        text.clear();
        value.write_text(row, &mut text)?;
        if !needs_quotes(&text) {
            buf.put_slice(&text);
            continue;
        }
        buf.put_u8(b'"');
        for byte in &text {
            if matches!(byte, b'"' | b'\\') {
                buf.put_u8(*byte);
            }
            buf.put_u8(*byte);
        }
        buf.put_u8(b'"');
    }
    buf.put_u8(b')');
    Ok(())
}

fn needs_quotes(text: &[u8]) -> bool {
    text.is_empty()
        || text.iter().any(|b| matches!(b, b'(' | b')' | b',' | b'"' | b'\\') || b.is_ascii_whitespace() || *b == 0x0b)
}

/// The number of values, and each with its type and its own length.
pub(super) fn write_record_binary(
    buf: &mut BytesMut,
    values: &[(Type, ColumnValues<'_>)],
    row: usize,
) -> Result<(), WireError> {
    buf.put_i32(values.len() as i32);
    for (pg_type, value) in values {
        buf.put_u32(pg_type.oid());
        if value.is_null(row) {
            buf.put_i32(-1);
            continue;
        }
        let start = buf.len();
        buf.put_i32(0);
        value.write_binary(row, pg_type, buf)?;
        set_length(buf, start, 4)?;
    }
    Ok(())
}

//! Arrays in either format; arrays of arrays have one more dimension each.

use bytes::{BufMut, BytesMut};
use datafusion::arrow::array::{Array, ListArray};
use pgwire::api::Type;
use tokio_postgres::types::Kind;
use zxq_engine::ErrorKind;

use super::set_length;
use super::source::ColumnValues;
use crate::sqlstate;
use crate::wire::error::WireError;

/// Most dimensions of an array.
const MOST_DIMENSIONS: usize = 6;

/// `{1,NULL,"a b"}`: an element is quoted where PostgreSQL would read it differently otherwise.
pub(super) fn write_list_text(
    buf: &mut BytesMut,
    lists: &ListArray,
    items: &ColumnValues<'_>,
    row: usize,
) -> Result<(), WireError> {
    let offsets = lists.value_offsets();
    let mut element = BytesMut::new();
    let nested = matches!(items, ColumnValues::List { .. });
    buf.put_u8(b'{');
    for (position, item) in (offsets[row] as usize..offsets[row + 1] as usize).enumerate() {
        if position > 0 {
            buf.put_u8(b',');
        }
        if items.is_null(item) {
            buf.put_slice(b"NULL");
            continue;
        }
        if nested {
            items.write_text(item, buf)?;
            continue;
        }
        element.clear();
        items.write_text(item, &mut element)?;
        if !needs_quotes(&element) {
            buf.put_slice(&element);
            continue;
        }
        buf.put_u8(b'"');
        for byte in &element {
            if matches!(byte, b'"' | b'\\') {
                buf.put_u8(b'\\');
            }
            buf.put_u8(*byte);
        }
        buf.put_u8(b'"');
    }
    buf.put_u8(b'}');
    Ok(())
}

fn needs_quotes(element: &[u8]) -> bool {
    element.is_empty()
        || element.eq_ignore_ascii_case(b"NULL")
        || element
            .iter()
            .any(|b| matches!(b, b'{' | b'}' | b',' | b'"' | b'\\') || b.is_ascii_whitespace() || *b == 0x0b)
}

/// The number of dimensions, their lengths, and the elements, each with its own length.
pub(super) fn write_list_binary(
    buf: &mut BytesMut,
    lists: &ListArray,
    items: &ColumnValues<'_>,
    row: usize,
    pg_type: &Type,
) -> Result<(), WireError> {
    let Kind::Array(element) = pg_type.kind() else {
        return Err(WireError::internal(format!("{pg_type} is no array type")));
    };
    let mut lengths = Vec::new();
    let mut elements = Vec::new();
    gather(lists, items, row, 0, &mut lengths, &mut elements)?;
    if elements.is_empty() {
        buf.put_i32(0);
        buf.put_i32(0);
        buf.put_u32(element.oid());
        return Ok(());
    }
    buf.put_i32(lengths.len() as i32);
    buf.put_i32(i32::from(elements.iter().any(|(items, at)| items.is_null(*at))));
    buf.put_u32(element.oid());
    for length in lengths {
        buf.put_i32(length as i32);
        buf.put_i32(1);
    }
    for (items, at) in elements {
        if items.is_null(at) {
            buf.put_i32(-1);
            continue;
        }
        let start = buf.len();
        buf.put_i32(0);
        items.write_binary(at, element, buf)?;
        set_length(buf, start, 4)?;
    }
    Ok(())
}

/// The elements of an array in their order, and the length of each dimension.
///
/// # Errors
/// Where arrays beside each other are not of one length, which PostgreSQL does not have.
fn gather<'a, 'b>(
    lists: &ListArray,
    items: &'b ColumnValues<'a>,
    row: usize,
    depth: usize,
    lengths: &mut Vec<usize>,
    elements: &mut Vec<(&'b ColumnValues<'a>, usize)>,
) -> Result<(), WireError> {
    let offsets = lists.value_offsets();
    let range = offsets[row] as usize..offsets[row + 1] as usize;
    match lengths.get(depth) {
        None if depth == MOST_DIMENSIONS => {
            return Err(WireError::too_many(format!("an array has at most {MOST_DIMENSIONS} dimensions")));
        }
        None => lengths.push(range.len()),
        Some(length) if *length == range.len() => {}
        Some(_) => return Err(ragged()),
    }
    let ColumnValues::List { lists: inner, items: inner_items } = items else {
        elements.extend(range.map(|at| (items, at)));
        return Ok(());
    };
    for at in range {
        if inner.is_null(at) {
            return Err(ragged());
        }
        gather(inner, inner_items, at, depth + 1, lengths, elements)?;
    }
    Ok(())
}

fn ragged() -> WireError {
    let message = "multidimensional arrays must have array expressions with matching dimensions";
    WireError::new(sqlstate::of(ErrorKind::ArraySubscript), message)
}

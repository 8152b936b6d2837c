//! Arrow to PostgreSQL: rows of a batch as `DataRow` messages, text or binary by column.
//!
//! Each column is resolved to a typed [`ColumnValues`] once per call; the loop over rows only reads and writes.

pub(crate) mod binary;
mod lists;
pub(crate) mod normalise;
mod records;
pub(crate) mod source;
pub(crate) mod text;

#[cfg(test)]
mod tests;

use bytes::{BufMut, BytesMut};
use datafusion::arrow::array::{Array, ArrayRef, RecordBatch};
use pgwire::api::Type;
use zxq_engine::QuotientDigits;
use zxq_engine::catalog::declared::declared;

use super::error::WireError;
use super::types::{Column, declared_length};
use source::ColumnValues;

/// Text or binary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// As `psql` shows it.
    Text,
    /// PostgreSQL's binary format.
    Binary,
}

impl Format {
    /// The format a protocol format code means.
    ///
    /// # Errors
    /// For any code but 0 and 1.
    pub(crate) fn from_code(code: i16) -> Result<Self, WireError> {
        match code {
            0 => Ok(Format::Text),
            1 => Ok(Format::Binary),
            other => Err(WireError::protocol(format!("format code {other} is neither 0 (text) nor 1 (binary)"))),
        }
    }

    /// The protocol's code.
    pub(crate) fn code(self) -> i16 {
        match self {
            Format::Text => 0,
            Format::Binary => 1,
        }
    }

    /// One format per column from the codes of a `Bind` message: none (all text), one (for all), or one for each.
    ///
    /// # Errors
    /// For any other number of codes, or an unknown code.
    pub(crate) fn for_columns(codes: &[i16], columns: usize) -> Result<Vec<Format>, WireError> {
        match codes {
            [] => Ok(vec![Format::Text; columns]),
            [code] => Ok(vec![Format::from_code(*code)?; columns]),
            codes if codes.len() == columns => codes.iter().map(|code| Format::from_code(*code)).collect(),
            codes => Err(WireError::protocol(format!("{} format codes for {columns} columns", codes.len()))),
        }
    }
}

/// How one column of a result goes out.
#[derive(Debug, Clone)]
pub(crate) struct ColumnEncoding {
    /// Wire type.
    pub(crate) pg_type: Type,
    /// Text or binary.
    pub(crate) format: Format,
    /// For quotients: what says how many digits behind the point a value has.
    pub(crate) quotient: Option<QuotientDigits>,
}

impl ColumnEncoding {
    /// How this column goes out in this format.
    pub(crate) fn of(column: &Column, format: Format) -> Self {
        ColumnEncoding { pg_type: column.pg_type.clone(), format, quotient: column.quotient }
    }
}

/// How each column of a result goes out.
pub(crate) fn column_encodings(columns: &[Column], formats: &[Format]) -> Vec<ColumnEncoding> {
    columns.iter().zip(formats).map(|(column, format)| ColumnEncoding::of(column, *format)).collect()
}

/// A batch made ready for encoding: uncommon types cast to the ones [`ColumnValues`] reads.
#[derive(Debug)]
pub(crate) struct EncodableBatch {
    arrays: Vec<ArrayRef>,
    rows: usize,
}

impl EncodableBatch {
    /// Casts what has to be cast.
    ///
    /// # Errors
    /// When a value does not fit its wire type.
    pub(crate) fn new(batch: &RecordBatch) -> Result<Self, WireError> {
        let fields = batch.schema_ref().fields().iter();
        let arrays = batch.columns().iter().zip(fields).map(|(array, field)| match declared(field) {
            Some("bpchar") => normalise::padded(array, declared_length(field)),
            _ => normalise::normalise(array),
        });
        let arrays = arrays.collect::<Result<_, _>>()?;
        Ok(EncodableBatch { arrays, rows: batch.num_rows() })
    }

    /// The rows from one on, in memory of their own, with the bytes that they take there: what is kept for a client must not
    /// keep what these rows are a small part of.
    ///
    /// # Errors
    /// None but bugs.
    pub(crate) fn rest(&self, from: usize) -> Result<(Self, usize), WireError> {
        let rows = self.rows - from;
        let arrays = self.arrays.iter().map(|array| normalise::copied(&array.slice(from, rows)));
        let arrays = arrays.collect::<Result<Vec<_>, _>>()?;
        let bytes = arrays.iter().map(|array| array.get_array_memory_size()).sum();
        Ok((EncodableBatch { arrays, rows }, bytes))
    }

    /// Number of rows.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// One typed reader per column, which are to go out so.
    ///
    /// # Errors
    /// For a type without a reader.
    pub(crate) fn sources(&self, encodings: &[ColumnEncoding]) -> Result<Vec<ColumnValues<'_>>, WireError> {
        let digits = encodings.iter().map(|encoding| encoding.quotient).chain(std::iter::repeat(None));
        self.arrays
            .iter()
            .zip(digits)
            .map(|(array, digits)| {
                let values = ColumnValues::new(array.as_ref())?;
                Ok(match digits {
                    Some(digits) => values.into_quotients(digits),
                    None => values,
                })
            })
            .collect()
    }
}

/// Appends rows `from..` as `DataRow` messages until `until` (exclusive), or until the buffer holds `full` bytes.
/// Returns the first row not written.
///
/// # Errors
/// When a value has no form in its wire type.
pub(crate) fn encode_data_rows(
    batch: &EncodableBatch,
    encodings: &[ColumnEncoding],
    from: usize,
    until: usize,
    full: usize,
    buf: &mut BytesMut,
) -> Result<usize, WireError> {
    let sources = batch.sources(encodings)?;
    let count = i16::try_from(sources.len())
        .map_err(|_| WireError::too_many(format!("a result has at most 32767 columns, not {}", sources.len())))?;
    let mut row = from;
    while row < until && buf.len() < full {
        whole_message(buf, b'D', |buf| {
            buf.put_i16(count);
            let mut values = sources.iter().zip(encodings);
            values.try_for_each(|(source, encoding)| put_value(buf, source, row, encoding))
        })?;
        row += 1;
    }
    Ok(row)
}

/// Appends one message, whose body `write` appends. Where that fails nothing of it stays: what follows would be read as its rest.
///
/// # Errors
/// What `write` says, and for a message larger than the protocol allows.
pub(crate) fn whole_message(
    buf: &mut BytesMut,
    kind: u8,
    write: impl FnOnce(&mut BytesMut) -> Result<(), WireError>,
) -> Result<(), WireError> {
    let begin = buf.len();
    buf.put_u8(kind);
    buf.put_i32(0);
    let written = write(buf).and_then(|()| set_length(buf, begin + 1, 0));
    written.inspect_err(|_| buf.truncate(begin))
}

/// Appends one value with its length in front; -1 for NULL.
pub(crate) fn put_value(
    buf: &mut BytesMut,
    source: &ColumnValues<'_>,
    row: usize,
    encoding: &ColumnEncoding,
) -> Result<(), WireError> {
    if source.is_null(row) {
        buf.put_i32(-1);
        return Ok(());
    }
    let start = buf.len();
    buf.put_i32(0);
    match encoding.format {
        Format::Text if matches!(encoding.pg_type, Type::INT2_VECTOR | Type::OID_VECTOR) => {
            source.write_vector_text(row, buf)?;
        }
        Format::Text => source.write_text(row, buf)?,
        Format::Binary => source.write_binary(row, &encoding.pg_type, buf)?,
    }
    set_length(buf, start, 4)
}

/// Fills in the length at `start`: the bytes written since, less `not_counted`.
pub(crate) fn set_length(buf: &mut BytesMut, start: usize, not_counted: usize) -> Result<(), WireError> {
    let length = i32::try_from(buf.len() - start - not_counted)
        .map_err(|_| WireError::too_many("a row or value is larger than 2 GiB".to_owned()))?;
    buf[start..start + 4].copy_from_slice(&length.to_be_bytes());
    Ok(())
}

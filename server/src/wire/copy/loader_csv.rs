//! Rows as the one CSV that the loader reads by itself: a header with the table's column names, commas, double quotes, nothing
//! between commas for NULL. For tables that the load makes, whose columns' types the loader guesses, and for CSV that is in this
//! layout already.

use std::ops::Range;

use super::text_rows::RowSink;
use crate::wire::error::WireError;

/// CSV for the loader.
#[derive(Debug, Default)]
pub(crate) struct LoaderCsv(pub(crate) Vec<u8>);

impl RowSink for LoaderCsv {
    fn columns(&mut self, names: &[String]) {
        for (at, column) in names.iter().enumerate() {
            if at > 0 {
                self.0.push(b',');
            }
            self.value(column.as_bytes());
        }
        self.0.push(b'\n');
    }

    fn row(&mut self, values: &[u8], fields: &[Option<Range<usize>>], _line: u64) -> Result<(), WireError> {
        if let [None] = fields {
            // The loader takes an empty line for no row at all.
            return Err(WireError::unsupported("a table cannot be made of rows whose only value is NULL"));
        }
        for (at, field) in fields.iter().enumerate() {
            if at > 0 {
                self.0.push(b',');
            }
            if let Some(place) = field {
                self.value(&values[place.clone()]);
            }
        }
        self.0.push(b'\n');
        Ok(())
    }

    fn as_it_is(&mut self, data: &[u8]) -> bool {
        self.0.extend_from_slice(data);
        true
    }
}

impl LoaderCsv {
    /// A value; text that would read as NULL is quoted.
    fn value(&mut self, value: &[u8]) {
        let plain = !value.is_empty() && !value.iter().any(|b| matches!(b, b',' | b'"' | b'\n' | b'\r'));
        if plain {
            self.0.extend_from_slice(value);
            return;
        }
        self.0.push(b'"');
        for byte in value {
            if *byte == b'"' {
                self.0.push(b'"');
            }
            self.0.push(*byte);
        }
        self.0.push(b'"');
    }
}

//! How many rows are in a file that a server sends: it does not say, and the bytes do.

use bytes::{Buf, Bytes, BytesMut};
use zxq_engine::rows_in_parquet;

use super::ExportFormat;

/// Bytes kept of a file's end, where Parquet says what is in it.
const END_BYTES: usize = 4 * 1024 * 1024;

/// Looks at the pieces of a file as they come.
pub(super) struct Counter {
    format: ExportFormat,
    /// Lines of CSV, each of which is a piece.
    lines: u64,
    /// Those of them that name the columns.
    names: u64,
    end: BytesMut,
}

impl Counter {
    /// Before the first piece.
    pub(super) fn new(format: ExportFormat, has_header: bool) -> Self {
        Counter { format, lines: 0, names: u64::from(has_header), end: BytesMut::new() }
    }

    /// The next piece.
    pub(super) fn see(&mut self, piece: &Bytes) {
        match self.format {
            ExportFormat::Csv => self.lines += 1,
            ExportFormat::Parquet => {
                self.end.extend_from_slice(piece);
                let too_many = self.end.len().saturating_sub(END_BYTES);
                if too_many > END_BYTES {
                    self.end.advance(too_many);
                }
            }
            ExportFormat::Arrow => {}
        }
    }

    /// The rows of the whole file, where they can be told.
    pub(super) fn rows(&self) -> Option<u64> {
        match self.format {
            ExportFormat::Csv => Some(self.lines.saturating_sub(self.names)),
            ExportFormat::Parquet => rows_in_parquet(&self.end),
            ExportFormat::Arrow => None,
        }
    }
}

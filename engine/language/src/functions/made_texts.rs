//! The texts that a function makes of a batch.

use std::sync::Arc;

use arrow::array::{ArrayRef, StringBuilder};
use datafusion::common::Result;

use crate::error::{EngineError, ErrorKind};

/// Most bytes of the texts of one batch: PostgreSQL's longest text.
pub(crate) const MOST_BYTES: usize = (1 << 30) - 1;

/// Texts, one per row, that together stay within what a batch may have. What would be too long is refused before it is made.
#[derive(Debug, Default)]
pub(crate) struct MadeTexts {
    made: StringBuilder,
}

impl MadeTexts {
    /// Puts the text of the next row.
    ///
    /// # Errors
    /// As [`MadeTexts::room_for`].
    pub(crate) fn push(&mut self, text: &str) -> Result<(), EngineError> {
        self.room_for(text.len())?;
        self.made.append_value(text);
        Ok(())
    }

    /// Puts NULL for the next row.
    pub(crate) fn push_null(&mut self) {
        self.made.append_null();
    }

    /// Checks that a text of so many bytes can be put.
    ///
    /// # Errors
    /// [`ErrorKind::LimitExceeded`].
    pub(crate) fn room_for(&self, bytes: usize) -> Result<(), EngineError> {
        if bytes > MOST_BYTES - self.made.values_slice().len() {
            return Err(EngineError::new(ErrorKind::LimitExceeded, "requested length too large"));
        }
        Ok(())
    }

    /// Checks that the text of the next row, made so far, can grow by so many bytes.
    ///
    /// # Errors
    /// As [`MadeTexts::room_for`].
    pub(crate) fn room_to_grow(&self, made: &str, more: usize) -> Result<(), EngineError> {
        self.room_for(made.len().saturating_add(more))
    }

    /// The texts that were put, in their order.
    pub(crate) fn finish(mut self) -> ArrayRef {
        Arc::new(self.made.finish())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn what_is_too_long_is_refused_before_it_is_made() {
        let mut texts = MadeTexts::default();
        texts.push("abc").unwrap();
        texts.push_null();
        assert!(texts.room_for(MOST_BYTES - 3).is_ok());
        assert_eq!(texts.room_for(MOST_BYTES - 2).unwrap_err().kind(), ErrorKind::LimitExceeded);
        assert_eq!(texts.room_for(usize::MAX).unwrap_err().kind(), ErrorKind::LimitExceeded);
        assert!(texts.room_to_grow("abc", MOST_BYTES - 6).is_ok());
        assert_eq!(texts.room_to_grow("abc", MOST_BYTES - 5).unwrap_err().kind(), ErrorKind::LimitExceeded);
        assert_eq!(texts.finish().len(), 2);
    }
}

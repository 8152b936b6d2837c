//! The texts that a function makes of a batch.

use std::sync::Arc;

use arrow::array::{ArrayRef, StringBuilder};
use datafusion::common::Result;

use crate::error::{EngineError, ErrorKind};

/// Most bytes of the texts of one batch: PostgreSQL's longest text.
const MOST_BYTES: usize = (1 << 30) - 1;

/// Texts, one per row, that together stay within what a batch may have. What would be too long is refused before it is made.
#[derive(Debug, Default)]
pub(super) struct MadeTexts {
    made: StringBuilder,
}

impl MadeTexts {
    /// Puts the text of the next row.
    ///
    /// # Errors
    /// As [`MadeTexts::room_for`].
    pub(super) fn push(&mut self, text: &str) -> Result<(), EngineError> {
        self.room_for(text.len())?;
        self.made.append_value(text);
        Ok(())
    }

    /// Puts NULL for the next row.
    pub(super) fn push_null(&mut self) {
        self.made.append_null();
    }

    /// Checks that a text of so many bytes can be put.
    ///
    /// # Errors
    /// [`ErrorKind::LimitExceeded`].
    pub(super) fn room_for(&self, bytes: usize) -> Result<(), EngineError> {
        if bytes > MOST_BYTES - self.made.values_slice().len() {
            return Err(EngineError::new(ErrorKind::LimitExceeded, "requested length too large"));
        }
        Ok(())
    }

    /// All texts.
    pub(super) fn finish(mut self) -> ArrayRef {
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
        assert_eq!(texts.finish().len(), 2);
    }
}

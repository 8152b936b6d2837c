//! Columns whose values are numbers one after the other: `SERIAL` and `GENERATED … AS IDENTITY`.
//!
//! The next number is one more than the greatest that there is: of rows in any tier, when the table is first written to, and of
//! those written since. A number is given once, and those of rows that were not kept are left out.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array};
use arrow::compute::{cast, max};
use arrow::datatypes::{DataType, Int64Type};
use parking_lot::Mutex;
use zxq_catalog::ColumnDef;

use crate::error::{EngineError, ErrorKind, Result};

/// What the DEFAULT of such a column begins with.
const NEXT: &str = "nextval(";

/// True for a column that is numbered.
pub(crate) fn is_numbered(column: &ColumnDef) -> bool {
    column.default.as_deref().is_some_and(is_next)
}

/// True for the DEFAULT of such a column.
pub(crate) fn is_next(default: &str) -> bool {
    default.trim_start().get(..NEXT.len()).is_some_and(|start| start.eq_ignore_ascii_case(NEXT))
}

/// The numbers of one column. Clones give out of the same ones.
#[derive(Debug, Clone, Default)]
pub(crate) struct Numbers(Arc<Mutex<Option<i64>>>);

impl Numbers {
    /// Tells the greatest number that there is, where that is not known yet.
    pub(super) fn begin(&self, greatest: impl FnOnce() -> i64) {
        let mut last = self.0.lock();
        if last.is_none() {
            *last = Some(greatest());
        }
    }

    /// The next numbers.
    ///
    /// # Errors
    /// [`ErrorKind::NumericOutOfRange`] when there are no more.
    pub(super) fn next(&self, count: usize) -> Result<ArrayRef> {
        let mut last = self.0.lock();
        let from = last.ok_or_else(|| EngineError::internal("the numbers of a column have not begun"))?;
        let until = i64::try_from(count).ok().and_then(|count| from.checked_add(count)).ok_or_else(|| {
            EngineError::new(
                ErrorKind::NumericOutOfRange,
                "nextval: reached maximum value of sequence (9223372036854775807)",
            )
        })?;
        *last = Some(until);
        Ok(Arc::new(Int64Array::from_iter_values(from + 1..=until)))
    }

    /// The next number.
    ///
    /// # Errors
    /// As [`Numbers::next`].
    pub(crate) fn next_one(&self) -> Result<i64> {
        self.next(1).map(|numbers| numbers.as_primitive::<Int64Type>().value(0))
    }

    /// Goes on behind this number, whether or not greater ones were given.
    pub(crate) fn set(&self, last: i64) {
        *self.0.lock() = Some(last);
    }

    /// Notes numbers that came with rows: they are not given out again.
    pub(super) fn note(&self, given: &ArrayRef) -> Result<()> {
        let numbers = cast(given, &DataType::Int64)?;
        if let (Some(greatest), Some(last)) = (max(numbers.as_primitive::<Int64Type>()), self.0.lock().as_mut()) {
            *last = (*last).max(greatest);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn numbers_are_given_once() {
        let numbers = Numbers::default();
        assert!(numbers.next(1).is_err());
        numbers.begin(|| 4);
        numbers.begin(|| 1);
        let given = |array: ArrayRef| array.as_primitive::<Int64Type>().values().to_vec();
        assert_eq!(given(numbers.next(2).unwrap()), [5, 6]);
        numbers.note(&(Arc::new(Int64Array::from(vec![Some(9), None, Some(2)])) as ArrayRef)).unwrap();
        assert_eq!(given(numbers.next(1).unwrap()), [10]);
        numbers.set(3);
        assert_eq!(numbers.next_one().unwrap(), 4);
        numbers.note(&(Arc::new(Int64Array::from(vec![i64::MAX])) as ArrayRef)).unwrap();
        assert_eq!(numbers.next(1).unwrap_err().kind(), ErrorKind::NumericOutOfRange);
    }
}

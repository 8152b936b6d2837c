//! One value per group, of any type.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, PrimitiveArray, downcast_primitive};
use arrow::buffer::NullBuffer;
use arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::EmitTo;

/// Values held for groups: numbers, dates and times in a plain vector, anything else as scalars.
pub(super) struct GroupValues {
    store: Box<dyn Store>,
}

impl GroupValues {
    /// An empty store for values of a type.
    pub(super) fn for_type(data_type: &DataType) -> Self {
        macro_rules! primitive {
            ($t:ty, $data_type:expr) => {
                Box::new(Primitives::<$t> { values: Vec::new(), valid: Vec::new(), data_type: $data_type.clone() })
            };
        }
        let store: Box<dyn Store> = downcast_primitive! {
            data_type => (primitive, data_type),
            _ => Box::new(Scalars { values: Vec::new(), data_type: data_type.clone(), heap: 0 }),
        };
        GroupValues { store }
    }

    /// Makes room for `groups` groups; new ones hold NULL.
    pub(super) fn resize(&mut self, groups: usize) {
        self.store.resize(groups);
    }

    /// Gives each `(group, row)` the row's value.
    pub(super) fn set(&mut self, values: &ArrayRef, picks: &[(usize, usize)]) -> Result<()> {
        self.store.set(values, picks)
    }

    /// Hands out the first `taken` groups' values.
    pub(super) fn take(&mut self, emit: EmitTo, taken: usize) -> Result<ArrayRef> {
        self.store.take(emit, taken)
    }

    /// Bytes held.
    pub(super) fn size(&self) -> usize {
        self.store.size()
    }
}

trait Store: Send {
    fn resize(&mut self, groups: usize);
    fn set(&mut self, values: &ArrayRef, picks: &[(usize, usize)]) -> Result<()>;
    fn take(&mut self, emit: EmitTo, taken: usize) -> Result<ArrayRef>;
    fn size(&self) -> usize;
}

struct Primitives<T: ArrowPrimitiveType> {
    values: Vec<T::Native>,
    valid: Vec<bool>,
    data_type: DataType,
}

impl<T: ArrowPrimitiveType> Store for Primitives<T> {
    fn resize(&mut self, groups: usize) {
        self.values.resize(groups, T::Native::default());
        self.valid.resize(groups, false);
    }

    fn set(&mut self, values: &ArrayRef, picks: &[(usize, usize)]) -> Result<()> {
        let values = values.as_primitive::<T>();
        for &(group, row) in picks {
            self.values[group] = values.values()[row];
            self.valid[group] = values.nulls().is_none_or(|nulls| nulls.is_valid(row));
        }
        Ok(())
    }

    fn take(&mut self, emit: EmitTo, _: usize) -> Result<ArrayRef> {
        let values = emit.take_needed(&mut self.values);
        let valid = emit.take_needed(&mut self.valid);
        let array = PrimitiveArray::<T>::new(values.into(), Some(NullBuffer::from(valid)));
        Ok(Arc::new(array.with_data_type(self.data_type.clone())))
    }

    fn size(&self) -> usize {
        self.values.capacity() * size_of::<T::Native>() + self.valid.capacity()
    }
}

struct Scalars {
    values: Vec<Option<ScalarValue>>,
    data_type: DataType,
    /// Bytes the values hold beside their own size.
    heap: usize,
}

impl Store for Scalars {
    fn resize(&mut self, groups: usize) {
        self.values.resize(groups, None);
    }

    fn set(&mut self, values: &ArrayRef, picks: &[(usize, usize)]) -> Result<()> {
        for &(group, row) in picks {
            let value = ScalarValue::try_from_array(values, row)?.compacted();
            self.heap += value.size();
            if let Some(old) = self.values[group].replace(value) {
                self.heap = self.heap.saturating_sub(old.size());
            }
        }
        Ok(())
    }

    fn take(&mut self, emit: EmitTo, taken: usize) -> Result<ArrayRef> {
        if taken == 0 {
            return Ok(arrow::array::new_empty_array(&self.data_type));
        }
        let nothing = ScalarValue::try_from(&self.data_type)?;
        let values = emit.take_needed(&mut self.values);
        self.heap = self.values.iter().flatten().map(ScalarValue::size).sum();
        ScalarValue::iter_to_array(values.into_iter().map(|v| v.unwrap_or_else(|| nothing.clone())))
    }

    fn size(&self) -> usize {
        self.values.capacity() * size_of::<Option<ScalarValue>>() + self.heap
    }
}

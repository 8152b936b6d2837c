//! Sums of doubles in frames that move.
//!
//! A sum from which what leaves is subtracted is wrong after large numbers, and for ever after a NaN. So nothing is
//! subtracted: values that came lately are kept with their sum, older ones each with the sum of what came after, and what
//! leaves takes its sum with it.

/// Sums over a queue: what came first leaves first.
#[derive(Debug)]
pub(crate) struct QueueSum<const N: usize> {
    recent: Vec<[f64; N]>,
    recent_sum: [f64; N],
    /// The oldest is the last; each is the sum of itself and all that came after it before the recent ones.
    older: Vec<[f64; N]>,
}

impl<const N: usize> Default for QueueSum<N> {
    fn default() -> Self {
        QueueSum { recent: Vec::new(), recent_sum: [0.0; N], older: Vec::new() }
    }
}

fn plus<const N: usize>(a: [f64; N], b: [f64; N]) -> [f64; N] {
    std::array::from_fn(|i| a[i] + b[i])
}

impl<const N: usize> QueueSum<N> {
    /// Values come.
    pub(crate) fn push(&mut self, values: [f64; N]) {
        self.recent.push(values);
        self.recent_sum = plus(self.recent_sum, values);
    }

    /// The oldest leave.
    pub(crate) fn pop(&mut self, count: usize) {
        for _ in 0..count {
            if self.older.is_empty() {
                let mut sum = [0.0; N];
                for values in self.recent.drain(..).rev() {
                    sum = plus(values, sum);
                    self.older.push(sum);
                }
                self.recent_sum = [0.0; N];
            }
            self.older.pop();
        }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.recent.len() + self.older.len()
    }

    /// The sum of what is in the queue.
    pub(crate) fn sum(&self) -> [f64; N] {
        self.older.last().map_or(self.recent_sum, |older| plus(*older, self.recent_sum))
    }

    /// Bytes taken.
    pub(crate) fn size(&self) -> usize {
        size_of_val(self) + (self.recent.capacity() + self.older.capacity()) * size_of::<[f64; N]>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leaves_leaves_nothing_behind() {
        let mut queue = QueueSum::<1>::default();
        for value in [1e20, 1.0, f64::NAN, 1.0, 1.0] {
            queue.push([value]);
        }
        assert!(queue.sum()[0].is_nan());
        queue.pop(3);
        assert_eq!((queue.sum(), queue.len()), ([2.0], 2));
        queue.push([4.0]);
        queue.pop(1);
        assert_eq!(queue.sum(), [5.0]);
        queue.pop(2);
        assert_eq!((queue.sum(), queue.len()), ([0.0], 0));
    }
}

//! How the pieces of a scan are dealt out to output partitions, and whether each of those is then in order.

use std::cmp::Ordering;
use std::ops::Range;
use std::sync::Arc;

use arrow::datatypes::DataType;
use zxq_catalog::{Segment, Value};

use super::segment::HotSegment;

/// Rows below which an output partition is not split further for parallelism.
const MIN_SPLIT_ROWS: usize = 64 * 1024;

/// Ordered output may take this many times the wanted number of output partitions.
const ORDERED_PARTITIONS_FACTOR: usize = 4;

/// Consecutive rows of one segment.
#[derive(Debug, Clone)]
pub(crate) struct Piece {
    pub(crate) segment: Arc<HotSegment>,
    pub(crate) facts: Arc<Segment>,
    pub(crate) rows: Range<usize>,
}

/// Pieces by output partition.
#[derive(Debug, Clone)]
pub(crate) struct ScanLayout {
    pub(crate) partitions: Vec<Vec<Piece>>,
    /// True when the rows of every output partition are in the order of the sort key.
    pub(crate) ordered: bool,
}

type Key = Vec<Option<Value>>;

impl ScanLayout {
    /// Deals the pieces out to about `target` output partitions (at least one), in order by `sort_by` where pieces that
    /// overlap are few enough.
    pub(crate) fn new(pieces: Vec<Piece>, sort_by: &[String], target: usize) -> ScanLayout {
        let target = target.max(1);
        if pieces.is_empty() {
            return ScanLayout { partitions: vec![Vec::new()], ordered: true };
        }
        let sortable = !sort_by.is_empty() && pieces.iter().all(|p| p.facts.sorted && p.segment.sort_by() == sort_by);
        if sortable {
            let mut partitions = chains(&pieces);
            if partitions.len() <= target * ORDERED_PARTITIONS_FACTOR {
                split_largest(&mut partitions, target);
                return ScanLayout { partitions, ordered: true };
            }
        }
        ScanLayout { partitions: deal(pieces, target), ordered: false }
    }
}

/// The fewest sequences of pieces in which no piece starts before the one ahead of it ends.
fn chains(pieces: &[Piece]) -> Vec<Vec<Piece>> {
    let mut keyed: Vec<(Option<(Key, Key)>, &Piece)> = pieces.iter().map(|p| (edges(p), p)).collect();
    keyed.sort_by(|(a, _), (b, _)| match (a, b) {
        (Some((a, _)), Some((b, _))) => compare_keys(a, b),
        (a, b) => a.is_none().cmp(&b.is_none()),
    });
    let mut chains: Vec<(Option<Key>, Vec<Piece>)> = Vec::new();
    for (edges, piece) in keyed {
        let piece = piece.clone();
        let Some((first, last)) = edges else {
            chains.push((None, vec![piece]));
            continue;
        };
        let fits = |end: &Option<Key>| end.as_ref().is_some_and(|end| compare_keys(end, &first).is_le());
        match chains.iter_mut().find(|(end, _)| fits(end)) {
            Some((end, chain)) => {
                *end = Some(last);
                chain.push(piece);
            }
            None => chains.push((Some(last), vec![piece])),
        }
    }
    chains.into_iter().map(|(_, chain)| chain).collect()
}

/// The first and the last key of a piece; `None` when keys of its types cannot be compared with other segments' (floats,
/// because of NaN).
fn edges(piece: &Piece) -> Option<(Key, Key)> {
    let segment = &piece.segment;
    let last_row = piece.rows.end.checked_sub(1)?;
    let comparable = |column: &usize| {
        let data_type = segment.schema().field(*column).data_type();
        matches!(
            data_type,
            DataType::Boolean
                | DataType::Int16
                | DataType::Int32
                | DataType::Int64
                | DataType::Date32
                | DataType::Timestamp(_, _)
                | DataType::Decimal128(_, _)
                | DataType::Utf8View
        )
    };
    if !segment.sort_columns().iter().all(comparable) {
        return None;
    }
    let key = |row: usize| segment.sort_columns().iter().map(|column| segment.value(*column, row)).collect();
    Some((key(piece.rows.start), key(last_row)))
}

fn compare_keys(a: &Key, b: &Key) -> Ordering {
    for pair in a.iter().zip(b) {
        let order = match pair {
            (Some(a), Some(b)) => a.compare(b).unwrap_or(Ordering::Greater),
            // NULLs first.
            (a, b) => a.is_some().cmp(&b.is_some()),
        };
        if order.is_ne() {
            return order;
        }
    }
    Ordering::Equal
}

pub(crate) fn row_count(pieces: &[Piece]) -> usize {
    pieces.iter().map(|p| p.rows.len()).sum()
}

/// Cuts the largest output partition in two, in order, until there are `target` of them or all are small.
fn split_largest(partitions: &mut Vec<Vec<Piece>>, target: usize) {
    while partitions.len() < target {
        let Some(largest) = (0..partitions.len()).max_by_key(|i| partitions.get(*i).map_or(0, |p| row_count(p))) else {
            return;
        };
        let Some(pieces) = partitions.get_mut(largest) else { return };
        let rows = row_count(pieces);
        if rows < 2 * MIN_SPLIT_ROWS {
            return;
        }
        let tail = split_off(pieces, rows / 2);
        partitions.insert(largest + 1, tail);
    }
}

/// Leaves the first `rows` rows and returns the rest.
fn split_off(pieces: &mut Vec<Piece>, rows: usize) -> Vec<Piece> {
    let mut left = rows;
    let mut tail = Vec::new();
    let mut head = Vec::new();
    for piece in pieces.drain(..) {
        if left == 0 {
            tail.push(piece);
        } else if piece.rows.len() <= left {
            left -= piece.rows.len();
            head.push(piece);
        } else {
            let middle = piece.rows.start + left;
            left = 0;
            head.push(Piece { rows: piece.rows.start..middle, ..piece.clone() });
            tail.push(Piece { rows: middle..piece.rows.end, ..piece });
        }
    }
    *pieces = head;
    tail
}

/// Deals pieces out by number of rows, in no order that matters.
fn deal(mut pieces: Vec<Piece>, target: usize) -> Vec<Vec<Piece>> {
    let total = row_count(&pieces);
    let count = (total / MIN_SPLIT_ROWS).clamp(1, target);
    let mut partitions = Vec::with_capacity(count);
    for number in 0..count - 1 {
        let share = row_count(&pieces) / (count - number);
        let tail = split_off(&mut pieces, share);
        partitions.push(std::mem::replace(&mut pieces, tail));
    }
    partitions.push(pieces);
    partitions
}

#[cfg(test)]
mod tests;

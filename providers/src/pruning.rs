//! Which segments can hold a row that passes a predicate.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, UInt64Array};
use arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::pruning::PruningStatistics;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, ScalarValue};
use datafusion::physical_expr::expressions::{CastExpr, LikeExpr, Literal};
use datafusion::physical_optimizer::pruning::PruningPredicate;
use datafusion::physical_plan::PhysicalExpr;
use zxq_catalog::{ColumnStats, Segment, Value};

use crate::error::Result;
use crate::scalar;

#[cfg(test)]
mod tests;

/// For each segment: can it hold a row for which `predicate` is true? `true` means keep.
///
/// The predicate's columns are positions in `schema`, the table's schema. A segment without statistics for a column (it
/// was added later, or holds NaN) is kept. A dynamic filter is read as it stands now.
///
/// # Errors
/// When the predicate cannot be analysed; a predicate that statistics say nothing about is not an error, it keeps all.
pub fn prune(schema: &SchemaRef, segments: &[Arc<Segment>], predicate: &Arc<dyn PhysicalExpr>) -> Result<Vec<bool>> {
    let predicate = with_plain_patterns(predicate, schema)?;
    let pruning = PruningPredicate::try_new(predicate, Arc::clone(schema))?;
    if pruning.always_true() || segments.is_empty() {
        return Ok(vec![true; segments.len()]);
    }
    Ok(pruning.prune(&SegmentStatistics { schema, segments })?)
}

/// `LIKE` on string views as `LIKE` on plain strings: DataFusion prunes `LIKE 'ES%'` with bounds that are always plain
/// strings, and would fail to compare them with views.
fn with_plain_patterns(predicate: &Arc<dyn PhysicalExpr>, schema: &SchemaRef) -> Result<Arc<dyn PhysicalExpr>> {
    let plain = |node: Arc<dyn PhysicalExpr>| {
        let Some(like) = node.downcast_ref::<LikeExpr>() else { return Ok(Transformed::no(node)) };
        let Some(pattern) = like.pattern().downcast_ref::<Literal>().and_then(|l| l.value().try_as_str()) else {
            return Ok(Transformed::no(node));
        };
        if like.expr().data_type(schema)? != DataType::Utf8View {
            return Ok(Transformed::no(node));
        }
        let text = Arc::new(CastExpr::new(Arc::clone(like.expr()), DataType::Utf8, None));
        let pattern = Arc::new(Literal::new(ScalarValue::Utf8(pattern.map(str::to_owned))));
        let like = LikeExpr::new(like.negated(), like.case_insensitive(), text, pattern);
        Ok(Transformed::yes(Arc::new(like) as Arc<dyn PhysicalExpr>))
    };
    Ok(Arc::clone(predicate).transform_up(plain)?.data)
}

struct SegmentStatistics<'a> {
    schema: &'a SchemaRef,
    segments: &'a [Arc<Segment>],
}

impl SegmentStatistics<'_> {
    /// One bound per segment, NULL where it is unknown.
    fn bounds(&self, column: &Column, bound: impl Fn(&ColumnStats) -> Option<&Value>) -> Option<ArrayRef> {
        let data_type = self.schema.field_with_name(&column.name).ok()?.data_type();
        let values = self
            .segments
            .iter()
            .map(|segment| segment.stats.get(&column.name).filter(|stats| stats.has_bounds).and_then(&bound));
        scalar::array_of(values, data_type)
    }
}

impl PruningStatistics for SegmentStatistics<'_> {
    fn min_values(&self, column: &Column) -> Option<ArrayRef> {
        self.bounds(column, |stats| stats.min.as_ref())
    }

    fn max_values(&self, column: &Column) -> Option<ArrayRef> {
        self.bounds(column, |stats| stats.max.as_ref())
    }

    fn num_containers(&self) -> usize {
        self.segments.len()
    }

    fn null_counts(&self, column: &Column) -> Option<ArrayRef> {
        let counts = self.segments.iter().map(|s| s.stats.get(&column.name).map(|stats| stats.null_count));
        Some(Arc::new(counts.collect::<UInt64Array>()))
    }

    fn row_counts(&self) -> Option<ArrayRef> {
        Some(Arc::new(self.segments.iter().map(|s| Some(s.rows)).collect::<UInt64Array>()))
    }

    fn contained(&self, _column: &Column, _values: &HashSet<ScalarValue>) -> Option<BooleanArray> {
        None
    }
}

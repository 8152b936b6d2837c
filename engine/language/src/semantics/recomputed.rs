//! Aggregates over windows that move, computed anew for each frame: those that cannot take a row back, and those that lose digits by
//! it, or stay NaN once they have met one.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef};
use arrow::compute::concat;
use arrow::datatypes::{FieldRef, Schema};
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::logical_expr::function::AccumulatorArgs;
use datafusion::logical_expr::{Accumulator, AggregateUDF};
use datafusion::physical_expr::{PhysicalExpr, PhysicalSortExpr};

/// The aggregates that are.
pub(super) const RECOMPUTED: [&str; 26] = [
    "bit_and",
    "bit_or",
    "bit_xor",
    "bool_and",
    "bool_or",
    "corr",
    "covar_pop",
    "covar_samp",
    "regr_avgx",
    "regr_avgy",
    "regr_count",
    "regr_intercept",
    "regr_r2",
    "regr_slope",
    "regr_sxx",
    "regr_sxy",
    "regr_syy",
    "stddev",
    "stddev_pop",
    "stddev_samp",
    "string_agg",
    "var",
    "var_pop",
    "var_samp",
    "var_sample",
    "variance",
];

/// What makes an accumulator of an aggregate.
pub(super) struct Maker {
    aggregate: Arc<AggregateUDF>,
    return_field: FieldRef,
    schema: Schema,
    ignore_nulls: bool,
    order_bys: Vec<PhysicalSortExpr>,
    is_reversed: bool,
    name: String,
    is_distinct: bool,
    exprs: Vec<Arc<dyn PhysicalExpr>>,
    expr_fields: Vec<FieldRef>,
}

impl fmt::Debug for Maker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Maker").field("aggregate", &self.name).finish_non_exhaustive()
    }
}

impl Maker {
    pub(super) fn new(aggregate: &Arc<AggregateUDF>, args: &AccumulatorArgs<'_>) -> Self {
        Maker {
            aggregate: Arc::clone(aggregate),
            return_field: Arc::clone(&args.return_field),
            schema: args.schema.clone(),
            ignore_nulls: args.ignore_nulls,
            order_bys: args.order_bys.to_vec(),
            is_reversed: args.is_reversed,
            name: args.name.to_owned(),
            is_distinct: args.is_distinct,
            exprs: args.exprs.to_vec(),
            expr_fields: args.expr_fields.to_vec(),
        }
    }

    fn make(&self) -> Result<Box<dyn Accumulator>> {
        self.aggregate.accumulator(self.args())
    }

    /// One that can take rows back, where the aggregate has such.
    pub(super) fn make_sliding(&self) -> Result<Box<dyn Accumulator>> {
        self.aggregate.create_sliding_accumulator(self.args())
    }

    fn args(&self) -> AccumulatorArgs<'_> {
        AccumulatorArgs {
            return_field: Arc::clone(&self.return_field),
            schema: &self.schema,
            ignore_nulls: self.ignore_nulls,
            order_bys: &self.order_bys,
            is_reversed: self.is_reversed,
            name: &self.name,
            is_distinct: self.is_distinct,
            exprs: &self.exprs,
            expr_fields: &self.expr_fields,
        }
    }
}

/// The rows of the frame.
pub(super) struct Recomputed {
    maker: Maker,
    /// The arguments of rows that came together, in order.
    rows: VecDeque<Vec<ArrayRef>>,
    /// How many of the first of them have left the frame.
    left: usize,
}

impl fmt::Debug for Recomputed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recomputed").field("aggregate", &self.maker.name).finish_non_exhaustive()
    }
}

impl Recomputed {
    pub(super) fn new(aggregate: &Arc<AggregateUDF>, args: &AccumulatorArgs<'_>) -> Self {
        Recomputed { maker: Maker::new(aggregate, args), rows: VecDeque::new(), left: 0 }
    }

    /// The arguments of all rows in the frame.
    fn frame(&self) -> Result<Vec<ArrayRef>> {
        let width = self.rows.front().map_or(0, Vec::len);
        let column = |at: usize| {
            let parts: Vec<ArrayRef> = self
                .rows
                .iter()
                .enumerate()
                .map(|(place, rows)| {
                    let from = if place == 0 { self.left } else { 0 };
                    rows[at].slice(from, rows[at].len() - from)
                })
                .collect();
            let parts: Vec<&dyn Array> = parts.iter().map(AsRef::as_ref).collect();
            Ok(concat(&parts)?)
        };
        (0..width).map(column).collect()
    }
}

impl Accumulator for Recomputed {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        if values.first().is_some_and(|values| !values.is_empty()) {
            self.rows.push_back(values.to_vec());
        }
        Ok(())
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.left += values.first().map_or(0, |values| values.len());
        while let Some(length) = self.rows.front().and_then(|rows| rows.first()).map(|rows| rows.len())
            && self.left >= length
        {
            self.left -= length;
            self.rows.pop_front();
        }
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let mut anew = self.maker.make()?;
        if !self.rows.is_empty() {
            anew.update_batch(&self.frame()?)?;
        }
        anew.evaluate()
    }

    fn size(&self) -> usize {
        let rows = self.rows.iter().flatten().map(|values| values.get_array_memory_size());
        size_of_val(self) + rows.sum::<usize>()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        exec_err!("a frame that moves has no partial state")
    }

    fn merge_batch(&mut self, _states: &[ArrayRef]) -> Result<()> {
        exec_err!("a frame that moves has no partial state")
    }
}

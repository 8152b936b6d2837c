//! The value of a scalar subquery, which must not have a second row.

use std::sync::{Arc, LazyLock};

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Field, FieldRef, Int64Type};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{Accumulator, AggregateUDF, AggregateUDFImpl, Expr, Signature, Volatility};

use crate::error::{EngineError, ErrorKind};

/// The one value of an expression; NULL where there is no row, an error where there are two.
pub fn single_value(expr: Expr) -> Expr {
    static FUNCTION: LazyLock<Arc<AggregateUDF>> = LazyLock::new(|| Arc::new(AggregateUDF::from(SingleValue::new())));
    FUNCTION.call(vec![expr])
}

/// The function; no user can call it.
#[derive(Debug, PartialEq, Eq, Hash)]
struct SingleValue {
    signature: Signature,
}

impl SingleValue {
    fn new() -> Self {
        SingleValue { signature: Signature::any(1, Volatility::Immutable) }
    }
}

impl AggregateUDFImpl for SingleValue {
    fn name(&self) -> &str {
        "single_value"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, given: &[DataType]) -> Result<DataType> {
        Ok(given.first().cloned().unwrap_or(DataType::Null))
    }

    fn return_field(&self, given: &[FieldRef]) -> Result<FieldRef> {
        // With what the value is declared as.
        let value = given.first().map_or_else(|| Field::new("", DataType::Null, true), |field| field.as_ref().clone());
        Ok(Arc::new(value.with_name(self.name()).with_nullable(true)))
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(One { rows: 0, value: ScalarValue::try_from(args.return_field.data_type())? }))
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        Ok(vec![
            Arc::new(Field::new(format!("{}[rows]", args.name), DataType::Int64, false)),
            Arc::new(Field::new(format!("{}[value]", args.name), args.return_type().clone(), true)),
        ])
    }
}

#[derive(Debug)]
struct One {
    rows: i64,
    value: ScalarValue,
}

impl One {
    fn add(&mut self, rows: i64) -> Result<()> {
        self.rows += rows;
        match self.rows {
            0 | 1 => Ok(()),
            _ => Err(EngineError::new(
                ErrorKind::CardinalityViolation,
                "more than one row returned by a subquery used as an expression",
            )
            .into()),
        }
    }
}

impl Accumulator for One {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let rows = values[0].len();
        self.add(rows as i64)?;
        if rows > 0 {
            self.value = ScalarValue::try_from_array(&values[0], 0)?;
        }
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for (at, rows) in states[0].as_primitive::<Int64Type>().iter().enumerate() {
            let rows = rows.unwrap_or(0);
            self.add(rows)?;
            if rows > 0 {
                self.value = ScalarValue::try_from_array(&states[1], at)?;
            }
        }
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(self.value.clone())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![ScalarValue::Int64(Some(self.rows)), self.value.clone()])
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.value.size()
    }
}

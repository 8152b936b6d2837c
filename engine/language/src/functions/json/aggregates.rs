//! `json_agg`, `json_object_agg` and their `jsonb` forms: what `array_agg` gathers, in its order, as JSON.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StructArray};
use arrow::datatypes::{DataType, Field, FieldRef, Fields};
use datafusion::common::{DFSchema, Result, ScalarValue, internal_err};
use datafusion::functions_aggregate::array_agg::array_agg_udaf;
use datafusion::logical_expr::expr::{AggregateFunction, ScalarFunction};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Expr, ExprSchemable, ReversedUDAF, Signature, Volatility,
};
use zxq_catalog::declared::annotated;

use super::whole_rows::is_row;
use super::write::Column;
use crate::error::ErrorKind;
use crate::functions::declared::failed;
use crate::values::json;

/// `json_agg` and `json_object_agg`, each of both kinds of JSON.
pub(crate) fn functions() -> Vec<AggregateUDF> {
    [
        ("json_agg", Shape::Array, false),
        ("jsonb_agg", Shape::Array, true),
        ("json_object_agg", Shape::Object, false),
        ("jsonb_object_agg", Shape::Object, true),
    ]
    .map(|(name, shape, binary)| {
        let signature = Signature::any(if shape == Shape::Array { 1 } else { 2 }, Volatility::Stable);
        AggregateUDF::from(JsonAgg { name, shape, binary, gathers: array_agg_udaf(), signature })
    })
    .into()
}

/// True for the names of these aggregates.
pub(crate) fn is_one(name: &str) -> bool {
    matches!(name, "json_agg" | "jsonb_agg" | "json_object_agg" | "jsonb_object_agg")
}

/// The aggregate with moments as the session's zone has them: what gathers values does not know the session.
pub(super) fn in_zone(mut call: AggregateFunction, schema: &DFSchema) -> AggregateFunction {
    let to_json = super::build::to_json();
    call.params.args = call
        .params
        .args
        .into_iter()
        .map(|argument| {
            let has_zone = argument.to_field(schema).is_ok_and(|(_, field)| has_zone(field.data_type()));
            match has_zone {
                true => Expr::ScalarFunction(ScalarFunction::new_udf(Arc::clone(&to_json), vec![argument])),
                false => argument,
            }
        })
        .collect();
    call
}

fn has_zone(data_type: &DataType) -> bool {
    match data_type {
        DataType::Timestamp(_, zone) => zone.is_some(),
        DataType::List(item) => has_zone(item.data_type()),
        _ => false,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Shape {
    Array,
    /// Of names and values.
    Object,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct JsonAgg {
    name: &'static str,
    shape: Shape,
    binary: bool,
    gathers: Arc<AggregateUDF>,
    signature: Signature,
}

impl JsonAgg {
    /// What is gathered: the value, or the name and the value.
    fn item(&self, inputs: &[FieldRef]) -> FieldRef {
        match (self.shape, inputs) {
            (Shape::Object, [name, value, ..]) => {
                let named = |field: &FieldRef, name: &str| field.as_ref().clone().with_name(name).with_nullable(true);
                let fields = Fields::from(vec![named(name, "name"), named(value, "value")]);
                Arc::new(Field::new("item", DataType::Struct(fields), true))
            }
            (_, [value, ..]) => Arc::new(value.as_ref().clone().with_name("item").with_nullable(true)),
            _ => Arc::new(Field::new("item", DataType::Null, true)),
        }
    }

    fn gathered(&self, item: &FieldRef) -> FieldRef {
        Arc::new(Field::new("gathered", DataType::new_list(item.data_type().clone(), true), true))
    }
}

impl AggregateUDFImpl for JsonAgg {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8View)
    }

    fn return_field(&self, _: &[FieldRef]) -> Result<FieldRef> {
        let declared = if self.binary { "jsonb" } else { "json" };
        Ok(Arc::new(annotated(DataType::Utf8View, declared).as_ref().clone().with_name(self.name)))
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let item = self.item(args.input_fields);
        let return_field = self.gathered(&item);
        self.gathers.state_fields(StateFieldsArgs { input_fields: &[item], return_field, ..args })
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::SoftRequirement
    }

    fn with_beneficial_ordering(self: Arc<Self>, _ordered: bool) -> Result<Option<Arc<dyn AggregateUDFImpl>>> {
        // What gathers puts the rows in order, however they come.
        Ok(Some(self))
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let item = self.item(args.expr_fields);
        let gathered = self.gathers.accumulator(AccumulatorArgs {
            return_field: self.gathered(&item),
            exprs: &args.exprs[..1],
            expr_fields: &[Arc::clone(&item)],
            ..args
        })?;
        Ok(Box::new(Gathered { gathered, item, shape: self.shape, binary: self.binary }))
    }

    fn groups_accumulator_supported(&self, _: AccumulatorArgs) -> bool {
        false
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::NotSupported
    }
}

#[derive(Debug)]
struct Gathered {
    gathered: Box<dyn Accumulator>,
    item: FieldRef,
    shape: Shape,
    binary: bool,
}

impl Gathered {
    /// The arguments as one column, before those of the order.
    fn items(&self, values: &[ArrayRef]) -> Result<Vec<ArrayRef>> {
        let (DataType::Struct(fields), [name, value, order @ ..]) = (self.item.data_type(), values) else {
            return Ok(values.to_vec());
        };
        if self.shape == Shape::Array {
            return Ok(values.to_vec());
        }
        if name.data_type().is_null() && !name.is_empty() || name.null_count() > 0 {
            return Err(failed(ErrorKind::InvalidParameter, "field name must not be null".to_owned()));
        }
        let pairs = StructArray::try_new(fields.clone(), vec![Arc::clone(name), Arc::clone(value)], None)?;
        let mut items: Vec<ArrayRef> = vec![Arc::new(pairs)];
        items.extend_from_slice(order);
        Ok(items)
    }

    fn write_array(&self, items: &ArrayRef, out: &mut String) -> Result<()> {
        let column = Column::new(items, &self.item, None)?;
        let on_lines = is_row(&self.item) || matches!(items.data_type(), DataType::List(_) | DataType::Struct(_));
        out.push('[');
        for row in 0..items.len() {
            if row > 0 {
                out.push_str(", ");
                if on_lines && !column.is_null(row) {
                    out.push_str("\n ");
                }
            }
            column.write(row, out);
        }
        out.push(']');
        Ok(())
    }

    fn write_object(&self, items: &ArrayRef, out: &mut String) -> Result<()> {
        let DataType::Struct(fields) = self.item.data_type() else { return internal_err!("pairs are a struct") };
        let pairs = items.as_struct();
        let [names, values] = [0, 1].map(|at| Column::new(pairs.column(at), &fields[at], None));
        let (names, values) = (names?, values?);
        out.push_str("{ ");
        for row in 0..items.len() {
            if row > 0 {
                out.push_str(", ");
            }
            names.write_name(row, out);
            out.push_str(" : ");
            values.write(row, out);
        }
        out.push_str(" }");
        Ok(())
    }
}

impl Accumulator for Gathered {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.gathered.update_batch(&self.items(values)?)
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let ScalarValue::List(list) = self.gathered.evaluate()? else {
            return internal_err!("array_agg gives a list");
        };
        if list.is_null(0) {
            return Ok(ScalarValue::Utf8View(None));
        }
        let items = list.value(0);
        let mut text = String::new();
        match self.shape {
            Shape::Array => self.write_array(&items, &mut text)?,
            Shape::Object => self.write_object(&items, &mut text)?,
        }
        Ok(ScalarValue::Utf8View(match self.binary {
            true => json::normalise(&text),
            false => Some(text),
        }))
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.gathered.size()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        self.gathered.state()
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.gathered.merge_batch(states)
    }
}

//! Whole rows: as JSON in `row_to_json(t)`, where `t` is a table or a subquery of FROM, and `row_to_json(row(1, 'a'))`; as records
//! in `SELECT t`.
//!
//! The statement's text becomes `whole_row(t.*)`, or `record_of(t.*)`; which columns that are is known once there is a plan, where
//! [`WholeRows`] writes them out.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, StringViewBuilder};
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::tree_node::Transformed;
use datafusion::common::{Column as ColumnName, DFSchema, Result, ScalarValue};
use datafusion::config::ConfigOptions;
use datafusion::functions::core::expr_fn::named_struct;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::expr_rewriter::FunctionRewrite;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature,
    Volatility, lit, not, when,
};
use datafusion::sql::TableReference;
use zxq_catalog::declared::PG_TYPE;

use super::aggregates;
use super::write::Column;
use crate::values::json;

/// Rows of tables that each join gives.
const ROW: &str = "whole_row";
/// Rows of tables that an outer join may leave without one: NULL where all columns are.
const ROW_OR_NULL: &str = "whole_row_or_null";
/// Rows of tables as records, of tables that each join gives.
const RECORD: &str = "record_of";
/// The same of tables that an outer join may leave without a row.
const RECORD_OR_NULL: &str = "record_of_or_null";
/// Key of a field's metadata: it is a row, as JSON.
const IS_ROW: &str = "zxq.row";

/// The functions that the plan writes out.
pub(super) fn functions() -> Vec<ScalarUDF> {
    [ROW, ROW_OR_NULL, RECORD, RECORD_OR_NULL].map(|name| ScalarUDF::from(WholeRow::new(name, None))).into()
}

/// True for a field whose values are rows as JSON.
pub(super) fn is_row(field: &Field) -> bool {
    field.metadata().contains_key(IS_ROW)
}

/// Values in a row as JSON.
#[derive(Debug, PartialEq, Eq, Hash)]
struct WholeRow {
    name: &'static str,
    /// The names of the columns; without, `f1`, `f2` and so on.
    columns: Option<Vec<String>>,
    signature: Signature,
}

impl WholeRow {
    fn new(name: &'static str, columns: Option<Vec<String>>) -> WholeRow {
        let any = vec![TypeSignature::Nullary, TypeSignature::VariadicAny];
        WholeRow { name, columns, signature: Signature::one_of(any, Volatility::Stable) }
    }
}

impl ScalarUDFImpl for WholeRow {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8View)
    }

    fn return_field_from_args(&self, _: ReturnFieldArgs) -> Result<FieldRef> {
        let metadata = [(PG_TYPE, "json"), (IS_ROW, "true")];
        let metadata = metadata.map(|(key, value)| (key.to_owned(), value.to_owned()));
        Ok(Arc::new(Field::new(self.name, DataType::Utf8View, true).with_metadata(HashMap::from(metadata))))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let all_scalar = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let rows = if all_scalar { 1 } else { args.number_rows };
        let zone = args.config_options.execution.time_zone.as_deref();
        let columns = args.args.iter().zip(&args.arg_fields);
        let columns = columns.map(|(arg, field)| Column::new(&arg.to_array(rows)?, field, zone));
        let columns = columns.collect::<Result<Vec<_>>>()?;
        let names = (0..columns.len()).map(|at| {
            let given = self.columns.as_ref().and_then(|names| names.get(at)).cloned();
            let mut name = String::new();
            json::write_string(&given.unwrap_or_else(|| format!("f{}", at + 1)), &mut name);
            name
        });
        let names: Vec<String> = names.collect();
        let mut out = StringViewBuilder::with_capacity(rows);
        let mut text = String::new();
        for row in 0..rows {
            if self.name == ROW_OR_NULL && columns.iter().all(|column| column.is_null(row)) {
                out.append_null();
                continue;
            }
            text.clear();
            text.push('{');
            for (at, (name, column)) in names.iter().zip(&columns).enumerate() {
                if at > 0 {
                    text.push(',');
                }
                text.push_str(name);
                text.push(':');
                column.write(row, &mut text);
            }
            text.push('}');
            out.append_value(&text);
        }
        let built: ArrayRef = Arc::new(out.finish());
        Ok(match all_scalar {
            true => ColumnarValue::Scalar(ScalarValue::try_from_array(&built, 0)?),
            false => ColumnarValue::Array(built),
        })
    }
}

/// Writes out the columns of whole rows.
#[derive(Debug)]
pub(crate) struct WholeRows;

impl FunctionRewrite for WholeRows {
    fn name(&self) -> &str {
        "whole_rows"
    }

    fn rewrite(&self, expr: Expr, schema: &DFSchema, _config: &ConfigOptions) -> Result<Transformed<Expr>> {
        let call = match expr {
            Expr::AggregateFunction(call) if aggregates::is_one(call.func.name()) => {
                return Ok(Transformed::yes(Expr::AggregateFunction(aggregates::in_zone(call, schema))));
            }
            Expr::ScalarFunction(ref call) => call,
            other => return Ok(Transformed::no(other)),
        };
        let name = match call.func.name() {
            ROW => ROW,
            ROW_OR_NULL => ROW_OR_NULL,
            RECORD => RECORD,
            RECORD_OR_NULL => RECORD_OR_NULL,
            _ => return Ok(Transformed::no(expr)),
        };
        let [argument] = call.args.as_slice() else { return Ok(Transformed::no(expr)) };
        let Some(relation) = all_columns_of(argument) else { return Ok(Transformed::no(expr)) };
        // A column of that name comes first.
        let same_name = schema.iter().find(|(_, field)| field.name() == relation.table());
        if let Some((qualifier, field)) = same_name {
            return Ok(Transformed::yes(Expr::Column(ColumnName::new(qualifier.cloned(), field.name()))));
        }
        let fields: Vec<&FieldRef> =
            schema.iter().filter(|(qualifier, _)| *qualifier == Some(&relation)).map(|(_, field)| field).collect();
        let names: Vec<String> = fields.iter().map(|field| field.name().clone()).collect();
        let columns = fields.iter().map(|field| Expr::Column(ColumnName::new(Some(relation.clone()), field.name())));
        if matches!(name, RECORD | RECORD_OR_NULL) {
            return record(&names, columns.collect(), name == RECORD_OR_NULL).map(Transformed::yes);
        }
        let function = Arc::new(ScalarUDF::from(WholeRow::new(name, Some(names))));
        Ok(Transformed::yes(Expr::ScalarFunction(ScalarFunction::new_udf(function, columns.collect()))))
    }
}

/// A record of columns; `or_null`: NULL where all of them are.
fn record(names: &[String], columns: Vec<Expr>, or_null: bool) -> Result<Expr> {
    let all_null = columns.iter().cloned().map(Expr::is_null).reduce(Expr::and).filter(|_| or_null);
    let named = names.iter().zip(columns).flat_map(|(name, column)| [lit(name.as_str()), column]);
    let record = named_struct(named.collect());
    match all_null {
        Some(all_null) => when(not(all_null), record).end(),
        None => Ok(record),
    }
}

/// The relation of `t.*` as an argument.
#[expect(deprecated, reason = "the planner gives arguments such as t.* as no other expression")]
fn all_columns_of(argument: &Expr) -> Option<TableReference> {
    match argument {
        Expr::Wildcard { qualifier, .. } => qualifier.clone(),
        _ => None,
    }
}

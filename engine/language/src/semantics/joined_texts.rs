//! `a || b` of texts: DataFusion's operator, but for two things. What it makes of a batch has an end, as what `concat` makes: a
//! text that is joined to itself again and again would take all memory. And a chain is one call, however long it is.

use std::sync::{Arc, LazyLock};

use arrow::array::{Array, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::expr::{BinaryExpr, ScalarFunction};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::arithmetic::type_of;
use crate::functions::made_texts::MadeTexts;

/// The function behind the operator.
static JOINED: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| Arc::new(JoinedTexts::default().into()));

/// The operator as a call; unchanged where it does not take two texts.
pub(super) fn binary(binary: BinaryExpr, schema: &DFSchema) -> Expr {
    let joins = |expr: &Expr| matches!(expr, Expr::ScalarFunction(call) if is_ours(call));
    let is_text = |expr: &Expr| joins(expr) || type_of(expr, schema).is_ok_and(|data_type| is_text(&data_type));
    if !(is_text(&binary.left) && is_text(&binary.right)) {
        return Expr::BinaryExpr(binary);
    }
    let mut parts = match *binary.left {
        Expr::ScalarFunction(call) if is_ours(&call) => call.args,
        left => vec![left],
    };
    parts.push(*binary.right);
    Expr::ScalarFunction(ScalarFunction::new_udf(Arc::clone(&JOINED), parts))
}

fn is_ours(call: &ScalarFunction) -> bool {
    call.func.inner().is::<JoinedTexts>()
}

fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

/// Texts one after the other; NULL where one is.
#[derive(Debug, PartialEq, Eq, Hash)]
struct JoinedTexts {
    signature: Signature,
}

impl Default for JoinedTexts {
    fn default() -> Self {
        JoinedTexts { signature: Signature::variadic_any(Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for JoinedTexts {
    fn name(&self) -> &str {
        "||"
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        let parts: Vec<String> = args.iter().map(|part| part.schema_name().to_string()).collect();
        Ok(parts.join(" || "))
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    /// As the operator's: the type that holds all of them.
    fn return_type(&self, given: &[DataType]) -> Result<DataType> {
        let of = [DataType::Utf8View, DataType::LargeUtf8];
        Ok(of.into_iter().find(|wanted| given.contains(wanted)).unwrap_or(DataType::Utf8))
    }

    /// Never NULL where none of them is.
    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let types: Vec<DataType> = args.arg_fields.iter().map(|field| field.data_type().clone()).collect();
        let nullable = args.arg_fields.iter().any(|field| field.is_nullable());
        Ok(Arc::new(Field::new(self.name(), self.return_type(&types)?, nullable)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let is_constant = args.args.iter().all(|part| matches!(part, ColumnarValue::Scalar(_)));
        let rows = if is_constant { 1 } else { args.number_rows };
        let parts = args.args.iter().map(|part| Ok(cast(&part.to_array(rows)?, &DataType::Utf8View)?));
        let parts = parts.collect::<Result<Vec<_>>>()?;
        let mut texts = MadeTexts::default();
        let mut text = String::new();
        for row in 0..rows {
            if parts.iter().any(|part| part.is_null(row)) {
                texts.push_null();
                continue;
            }
            text.clear();
            for part in &parts {
                let part = part.as_string_view().value(row);
                texts.room_to_grow(&text, part.len())?;
                text.push_str(part);
            }
            texts.push(&text)?;
        }
        let joined = cast(&texts.finish(), args.return_field.data_type())?;
        Ok(match is_constant {
            true => ColumnarValue::Scalar(ScalarValue::try_from_array(&joined, 0)?),
            false => ColumnarValue::Array(joined),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use arrow::array::{ArrayRef, LargeStringArray, StringArray, StringViewArray};
    use datafusion::config::ConfigOptions;
    use datafusion::logical_expr::{Operator, binary_expr, col, lit};

    use super::*;

    fn joined(parts: &[ArrayRef]) -> ArrayRef {
        let function = JoinedTexts::default();
        let types: Vec<DataType> = parts.iter().map(|part| part.data_type().clone()).collect();
        let fields = types.iter().map(|data_type| Arc::new(Field::new("", data_type.clone(), true))).collect();
        let args = ScalarFunctionArgs {
            args: parts.iter().cloned().map(ColumnarValue::Array).collect(),
            arg_fields: fields,
            number_rows: parts[0].len(),
            return_field: Arc::new(Field::new("", function.return_type(&types).unwrap(), true)),
            config_options: Arc::new(ConfigOptions::default()),
        };
        function.invoke_with_args(args).unwrap().to_array(parts[0].len()).unwrap()
    }

    #[test]
    fn texts_of_all_kinds_are_joined_and_null_stays_null() {
        let plain: ArrayRef = Arc::new(StringArray::from(vec![Some("a"), None, Some("")]));
        let views: ArrayRef = Arc::new(StringViewArray::from(vec![Some("b"), Some("c"), Some("d")]));
        let large: ArrayRef = Arc::new(LargeStringArray::from(vec![Some("x"), Some("y"), Some("z")]));
        let all = joined(&[Arc::clone(&plain), views, Arc::clone(&large)]);
        assert_eq!(all.as_string_view().iter().collect::<Vec<_>>(), [Some("abx"), None, Some("dz")]);
        assert_eq!(*joined(&[Arc::clone(&plain), large]).data_type(), DataType::LargeUtf8);
        assert_eq!(joined(&[Arc::clone(&plain), plain]).as_string::<i32>().value(0), "aa");
    }

    #[test]
    fn a_chain_is_one_call_and_other_types_are_left_alone() {
        let schema = Arc::new(arrow::datatypes::Schema::new(vec![
            Field::new("t", DataType::Utf8View, true),
            Field::new("n", DataType::Int32, true),
        ]));
        let schema = DFSchema::try_from(schema).unwrap();
        let join = |left, right| match binary_expr(left, Operator::StringConcat, right) {
            Expr::BinaryExpr(operator) => binary(operator, &schema),
            other => other,
        };
        let chain = join(join(join(col("t"), lit("a")), col("t")), lit("b"));
        let Expr::ScalarFunction(call) = &chain else { unreachable!("{chain}") };
        assert_eq!(call.args.len(), 4);
        assert_eq!(chain.schema_name().to_string(), "t || Utf8(\"a\") || t || Utf8(\"b\")");
        assert!(matches!(join(col("t"), col("n")), Expr::BinaryExpr(_)));
    }
}

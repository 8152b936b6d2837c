//! Operators on texts and arrays, and functions of DataFusion's, as the functions of ours that answer as PostgreSQL does.
//!
//! `~`, `SIMILAR TO`, `LIKE … ESCAPE`, `^`, `^@`, `&&`, and what DataFusion's planner makes of `substring(…)`, `a[1]` and
//! their like.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result};
use datafusion::config::ConfigOptions;
use datafusion::logical_expr::expr::{BinaryExpr, Like, ScalarFunction};
use datafusion::logical_expr::expr_rewriter::FunctionRewrite;
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::{Expr, ExprSchemable, Operator, ScalarUDF, lit};
use datafusion::sql::sqlparser::ast::BinaryOperator;

use super::numbers::powers::{DECIMAL_POWER, DECIMAL_SQRT};
use super::regex::matching::{MATCHES, MATCHES_ANY_CASE, SIMILAR_TO_ESCAPE};
use crate::error::{EngineError, type_names};

mod mixed_types;

/// The one that everything uses.
static FORMS: LazyLock<TextForms> = LazyLock::new(|| TextForms::new(&super::own_functions()));

/// Rewrites an expression that is not part of a plan.
pub fn rewrite(expr: Expr, schema: &DFSchema) -> Result<Expr> {
    Ok(expr.transform_up(|e| FORMS.rewrite_one(e, schema))?.data)
}

/// Puts our functions in the place of operators and of DataFusion's functions.
#[derive(Debug)]
pub(crate) struct TextForms {
    /// Our functions, by each name under which DataFusion may have planned its own.
    ours: HashMap<String, Arc<ScalarUDF>>,
}

impl TextForms {
    /// With these functions of ours.
    pub(super) fn new(functions: &[ScalarUDF]) -> Self {
        let mut ours = HashMap::new();
        for function in functions {
            let function = Arc::new(function.clone());
            for alias in function.aliases() {
                ours.insert(alias.clone(), Arc::clone(&function));
            }
            ours.insert(function.name().to_owned(), function);
        }
        TextForms { ours }
    }

    fn call(&self, name: &str, arguments: Vec<Expr>) -> Result<Expr> {
        let Some(function) = self.ours.get(name) else {
            return Err(EngineError::internal(format!("function {name} is not registered")).into());
        };
        Ok(Expr::ScalarFunction(ScalarFunction::new_udf(Arc::clone(function), arguments)))
    }

    fn rewrite_one(&self, expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
        match expr {
            Expr::BinaryExpr(binary) => self.binary(binary, schema),
            Expr::SimilarTo(similar) => {
                let mut arguments = vec![*similar.pattern];
                if let Some(escape) = similar.escape_char {
                    arguments.push(lit(escape.to_string()));
                }
                let pattern = self.call(SIMILAR_TO_ESCAPE, arguments)?;
                self.matches(MATCHES, *similar.expr, pattern, similar.negated)
            }
            Expr::Like(like) if like.escape_char.is_some_and(|escape| escape != '\\') => self.escaped(like),
            Expr::ScalarFunction(function) if self.of_decimals(&function, schema).is_some() => {
                let name = self.of_decimals(&function, schema).unwrap_or_default();
                Ok(Transformed::yes(self.call(name, function.args)?))
            }
            Expr::ScalarFunction(function) => Ok(match self.ours.get(function.func.name()) {
                Some(ours) if *ours != function.func => {
                    Transformed::yes(Expr::ScalarFunction(ScalarFunction::new_udf(Arc::clone(ours), function.args)))
                }
                _ => {
                    let call = Expr::ScalarFunction(function);
                    mixed_types::check(&call, schema)?;
                    Transformed::no(call)
                }
            }),
            Expr::Negative(inner) if inner.get_type(schema).is_ok_and(|given| is_text(&given) && !given.is_null()) => {
                Err(EngineError::no_operator("- text").into())
            }
            other => {
                mixed_types::check(&other, schema)?;
                Ok(Transformed::no(other))
            }
        }
    }

    fn binary(&self, binary: BinaryExpr, schema: &DFSchema) -> Result<Transformed<Expr>> {
        let (name, negated) = match binary.op {
            Operator::RegexMatch => (MATCHES, false),
            Operator::RegexNotMatch => (MATCHES, true),
            Operator::RegexIMatch => (MATCHES_ANY_CASE, false),
            Operator::RegexNotIMatch => (MATCHES_ANY_CASE, true),
            Operator::BitwiseAnd
            | Operator::BitwiseOr
            | Operator::BitwiseXor
            | Operator::BitwiseShiftLeft
            | Operator::BitwiseShiftRight => {
                for side in [&binary.left, &binary.right] {
                    if let Ok(data_type) = side.get_type(schema)
                        && (data_type.is_floating() || data_type.is_decimal())
                    {
                        return Err(no_such_operator(&binary, schema).into());
                    }
                }
                return Ok(Transformed::no(Expr::BinaryExpr(binary)));
            }
            _ => {
                mixed_types::check_comparison(&binary, schema)?;
                return Ok(Transformed::no(Expr::BinaryExpr(binary)));
            }
        };
        for side in [&binary.left, &binary.right] {
            if side.get_type(schema).is_ok_and(|data_type| !is_text(&data_type)) {
                return Err(no_such_operator(&binary, schema).into());
            }
        }
        if name == MATCHES
            && let Some(pattern) = text_of(&binary.right).and_then(as_like)
        {
            let like = Like::new(negated, binary.left, Box::new(lit(pattern)), None, false);
            return Ok(Transformed::yes(Expr::Like(like)));
        }
        self.matches(name, *binary.left, *binary.right, negated)
    }

    /// The function for decimals that stands in for one of doubles.
    fn of_decimals(&self, function: &ScalarFunction, schema: &DFSchema) -> Option<&'static str> {
        let name = match function.func.name() {
            "power" => DECIMAL_POWER,
            "sqrt" => DECIMAL_SQRT,
            _ => return None,
        };
        let mut decimals = false;
        for arg in &function.args {
            match arg.get_type(schema).ok()? {
                DataType::Decimal128(_, _) => decimals = true,
                integer if integer.is_integer() => {}
                _ => return None,
            }
        }
        decimals.then_some(name)
    }

    fn matches(&self, name: &str, text: Expr, pattern: Expr, negated: bool) -> Result<Transformed<Expr>> {
        let matches = self.call(name, vec![text, pattern])?;
        Ok(Transformed::yes(if negated { Expr::Not(Box::new(matches)) } else { matches }))
    }

    /// `LIKE 'a#%' ESCAPE '#'` as `LIKE 'a\%'`.
    fn escaped(&self, like: Like) -> Result<Transformed<Expr>> {
        let Some(escape) = like.escape_char else { return Ok(Transformed::no(Expr::Like(like))) };
        let pattern = match text_of(&like.pattern) {
            Some(text) => lit(super::like::with_backslashes(text, Some(escape))?),
            None => self.call(super::like::LIKE_ESCAPE, vec![*like.pattern, lit(escape.to_string())])?,
        };
        let like = Like { pattern: Box::new(pattern), escape_char: None, ..like };
        Ok(Transformed::yes(Expr::Like(like)))
    }
}

impl FunctionRewrite for TextForms {
    fn name(&self) -> &str {
        "text_forms"
    }

    fn rewrite(&self, expr: Expr, schema: &DFSchema, _config: &ConfigOptions) -> Result<Transformed<Expr>> {
        self.rewrite_one(expr, schema)
    }
}

fn is_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null => true,
        DataType::Dictionary(_, inner) => is_text(inner),
        _ => false,
    }
}

fn text_of(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Literal(value, _) => value.try_as_str().flatten(),
        _ => None,
    }
}

fn no_such_operator(binary: &BinaryExpr, schema: &DFSchema) -> EngineError {
    let name = |side: &Expr| side.get_type(schema).map_or_else(|_| "unknown".to_owned(), |t| type_names::of(&t));
    let symbol = match binary.op {
        Operator::BitwiseXor => "#".to_owned(),
        other => other.to_string(),
    };
    EngineError::no_operator(format!("{} {symbol} {}", name(&binary.left), name(&binary.right)))
}

/// The `LIKE` of a regular expression that is plain text, but for `^` and `$` at its ends: segments can be left out by it.
fn as_like(pattern: &str) -> Option<String> {
    let (anchored, rest) = match pattern.strip_prefix('^') {
        Some(rest) => (true, rest),
        None => (false, pattern),
    };
    let (ended, text) = match rest.strip_suffix('$') {
        Some(text) => (true, text),
        None => (false, rest),
    };
    if text.is_empty() || !text.chars().all(|c| c.is_alphanumeric() || " /:,-_@=\"'<>%;".contains(c)) {
        return None;
    }
    let mut like = String::with_capacity(text.len() + 2);
    if !anchored {
        like.push('%');
    }
    for c in text.chars() {
        if matches!(c, '%' | '_') {
            like.push('\\');
        }
        like.push(c);
    }
    if !ended {
        like.push('%');
    }
    Some(like)
}

/// Plans operators that DataFusion has no plan for.
#[derive(Debug)]
pub(super) struct TextOperators {
    starts_with: Arc<ScalarUDF>,
    power: Arc<ScalarUDF>,
    arrays_overlap: Option<Arc<ScalarUDF>>,
}

impl Default for TextOperators {
    fn default() -> Self {
        TextOperators {
            starts_with: datafusion::functions::string::starts_with(),
            power: datafusion::functions::math::power(),
            arrays_overlap: FORMS.ours.get(super::arrays::OVERLAP).cloned(),
        }
    }
}

impl ExprPlanner for TextOperators {
    fn plan_binary_op(&self, expr: RawBinaryExpr, _schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
        let function = match expr.op {
            BinaryOperator::PGStartsWith => Some(&self.starts_with),
            BinaryOperator::PGExp => Some(&self.power),
            BinaryOperator::PGOverlap => self.arrays_overlap.as_ref(),
            _ => None,
        };
        let Some(function) = function else { return Ok(PlannerResult::Original(expr)) };
        let call = ScalarFunction::new_udf(Arc::clone(function), vec![expr.left, expr.right]);
        Ok(PlannerResult::Planned(Expr::ScalarFunction(call)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_expressions_are_likes() {
        assert_eq!(as_like("^GET /api").as_deref(), Some("GET /api%"));
        assert_eq!(as_like("500$").as_deref(), Some("%500"));
        assert_eq!(as_like("a_b").as_deref(), Some("%a\\_b%"));
        assert_eq!(as_like("^exact$").as_deref(), Some("exact"));
        for not_plain in ["", "^", "a.b", "a*", "a|b", "(a)", "[a]", "a\\d", "^$", "***=a", "a{2}"] {
            assert_eq!(as_like(not_plain), None, "{not_plain}");
        }
    }
}

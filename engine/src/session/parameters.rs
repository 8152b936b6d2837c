//! Which types `$1 …` have: what stands beside them says, by PostgreSQL's rules, or the client.
//!
//! DataFusion gives a parameter the type of what it is compared with. What it leaves open is settled here, in the plan itself,
//! so that the types of columns are known before there are values: a cast's type, the type of a `LIMIT`, the type of the column
//! that an `INSERT … SELECT` puts it into, the elements' type beside `ANY`, and text for the rest.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, StringViewArray};
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, DFSchemaRef};
use datafusion::logical_expr::expr::Placeholder;
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, LogicalPlan, Operator};
use datafusion::scalar::ScalarValue;
use zxq_catalog::declared::declared;

use crate::error::{EngineError, ErrorKind, Result};
use crate::functions::text_beside_times::value_in;
use crate::semantics::day_ranges;
use crate::session::positional;
use crate::sql::postgres_operators::{ALL_OF, ANY_OF};
use crate::values::array_text;
use crate::values::zone::Zone;

#[cfg(test)]
mod tests;

/// Most parameters of a statement: as many as the wire protocol counts.
pub const MOST_PARAMETERS: usize = 65_535;

/// A plan whose parameters all have types, and those types.
pub(crate) struct Settled {
    pub(crate) plan: LogicalPlan,
    pub(crate) fields: Vec<FieldRef>,
}

/// Gives every parameter one type. `hints` are the types that the client declared.
///
/// # Errors
/// [`ErrorKind::IndeterminateType`] for a parameter whose type nothing tells, or whose number is left out;
/// [`ErrorKind::UndefinedParameter`] for one beyond [`MOST_PARAMETERS`].
pub(crate) fn settle(plan: LogicalPlan, hints: &[Option<DataType>]) -> Result<Settled> {
    let mut found = Parameters::default();
    found.of_plan(&plan)?;
    if let Some(name) = found.unknown {
        return Err(EngineError::new(ErrorKind::Syntax, format!("parameter {name} is not of the form $1")));
    }
    if let Some(number) = found.known.keys().next_back().filter(|number| **number > MOST_PARAMETERS) {
        return Err(EngineError::new(ErrorKind::UndefinedParameter, format!("there is no parameter ${number}"))
            .with_hint(format!("a statement has at most {MOST_PARAMETERS} parameters")));
    }
    let count = found.known.keys().next_back().copied().unwrap_or(0).max(hints.len());
    if count == 0 {
        return Ok(Settled { plan, fields: Vec::new() });
    }
    let fields = (1..=count)
        .map(|number| settled(number, found.known.get(&number), hints.get(number - 1).cloned().flatten()))
        .collect::<Result<Vec<_>>>()?;
    Ok(Settled { plan: with_types(plan, &fields)?, fields })
}

/// As [`settle`], of a plan whose statement has these parameters already: they keep their types.
///
/// # Errors
/// As there.
pub(crate) fn settle_beside(plan: LogicalPlan, known: &[FieldRef]) -> Result<Settled> {
    let hints: Vec<_> = known.iter().map(|field| Some(field.data_type().clone())).collect();
    let Settled { plan, mut fields } = settle(plan, &hints)?;
    fields[..known.len()].clone_from_slice(known);
    Ok(Settled { plan: with_types(plan, &fields)?, fields })
}

/// The plan with these values for its parameters, and the days that ranges of times are of told from them.
///
/// # Errors
/// Parameters that there are not.
pub(crate) fn with_values(plan: LogicalPlan, values: &[ScalarValue]) -> Result<LogicalPlan> {
    if values.is_empty() {
        return Ok(plan);
    }
    Ok(day_ranges::with_values(plan.replace_params_with_values(&positional(values.to_vec()))?)?)
}

/// The value of a parameter that is given as a text.
///
/// # Errors
/// [`ErrorKind::InvalidText`] and its like for what is no value of the type.
pub(crate) fn from_text(text: &str, data_type: &DataType, zone: Zone) -> Result<ScalarValue> {
    match data_type {
        DataType::List(item) => {
            let texts: ArrayRef = Arc::new(StringViewArray::from(vec![text]));
            match array_text::lists(&texts, item)? {
                (lists, bad) if bad.is_empty() => Ok(ScalarValue::try_from_array(&lists, 0)?),
                _ => Err(EngineError::new(ErrorKind::InvalidText, format!("malformed array literal: \"{text}\""))),
            }
        }
        time if time.is_temporal() || matches!(time, DataType::Interval(_)) => Ok(value_in(text, time, zone)?),
        other => Ok(ScalarValue::Utf8View(Some(text.to_owned())).cast_to(other)?),
    }
}

/// True where a parameter has come to another kind of type than it is declared as. Texts are declared for anything.
pub(crate) fn contradict(fields: &[FieldRef], declared: &[DataType]) -> bool {
    fields.iter().zip(declared).any(|(field, declared)| {
        let (settled, declared) = (kind(field.data_type()), kind(declared));
        declared != TypeFamily::Text && settled != declared
    })
}

/// True where an operator was chosen because nothing was known of a parameter, which is declared as something else:
/// `$1 - interval '1 day'` of a timestamp, `$1 - $2` of two.
pub(crate) fn is_misread(plan: &LogicalPlan) -> Result<bool> {
    let declared = |arg: &Expr| match arg {
        Expr::Placeholder(Placeholder { field: Some(field), .. }) => Some(field.data_type().clone()),
        _ => None,
    };
    let is_other = |arg: &Expr| declared(arg).is_some_and(|declared| !matches!(declared, DataType::Interval(_)));
    let is_time = |arg: &Expr| declared(arg).is_some_and(|declared| declared.is_temporal());
    let mut found = false;
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|part| {
                if let Expr::ScalarFunction(call) = part
                    && matches!(call.func.name(), "interval_plus" | "interval_minus")
                {
                    found |= call.args.iter().any(is_other);
                }
                if let Expr::BinaryExpr(BinaryExpr { left, op: Operator::Plus | Operator::Minus, right }) = part {
                    found |= is_time(left) && is_time(right);
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(found)
}

#[derive(PartialEq, Eq)]
enum TypeFamily {
    Number,
    Time,
    Interval,
    Text,
    Other(std::mem::Discriminant<DataType>),
}

fn kind(data_type: &DataType) -> TypeFamily {
    match data_type {
        number if number.is_numeric() => TypeFamily::Number,
        DataType::Interval(_) | DataType::Duration(_) => TypeFamily::Interval,
        time if time.is_temporal() => TypeFamily::Time,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => TypeFamily::Text,
        other => TypeFamily::Other(std::mem::discriminant(other)),
    }
}

/// What is known of one parameter.
#[derive(Debug, Default)]
struct Known {
    /// The first type that something beside it gives it.
    field: Option<FieldRef>,
    /// How often it stands somewhere.
    places: usize,
    /// How often only whether it is NULL is asked.
    null_tests: usize,
    /// Beside it stands an integer constant, which says that it is one, and not how long.
    beside_constant: bool,
}

fn settled(number: usize, known: Option<&Known>, hint: Option<DataType>) -> Result<FieldRef> {
    let beside = known.and_then(|known| known.field.clone());
    let says_little = known.is_some_and(|known| known.beside_constant);
    match (beside, hint) {
        (Some(beside), Some(hint)) if says_little && beside.data_type().is_integer() && hint.is_integer() => {
            Ok(plain(hint))
        }
        (Some(beside), Some(hint)) if !holds(beside.data_type(), &hint) => Ok(plain(hint)),
        (Some(beside), _) => Ok(beside),
        (None, Some(hint)) => Ok(plain(hint)),
        (None, None) if known.is_some_and(|known| known.places > known.null_tests) => Ok(plain(DataType::Utf8View)),
        (None, None) => Err(EngineError::new(
            ErrorKind::IndeterminateType,
            format!("could not determine data type of parameter ${number}"),
        )),
    }
}

fn plain(data_type: DataType) -> FieldRef {
    Arc::new(Field::new("", data_type, true))
}

/// True where a value of the declared type is one of the wanted type as well: then what stands beside decides, and nothing has
/// to be cast row by row.
fn holds(wanted: &DataType, declared: &DataType) -> bool {
    let bits = |data_type: &DataType| match data_type {
        DataType::Int16 => Some(16),
        DataType::Int32 => Some(32),
        DataType::Int64 => Some(64),
        _ => None,
    };
    if wanted.is_temporal() && declared.is_temporal() {
        return wanted == declared;
    }
    match (bits(wanted), bits(declared)) {
        (Some(wanted), Some(declared)) => declared <= wanted,
        (None, Some(_)) => !wanted.is_numeric() || wanted.is_decimal(),
        (Some(_), None) => !declared.is_numeric(),
        (None, None) => !(declared.is_floating() && wanted.is_decimal()),
    }
}

/// All parameters of a plan.
#[derive(Debug, Default)]
struct Parameters {
    known: BTreeMap<usize, Known>,
    /// One that has a name instead of a number.
    unknown: Option<String>,
}

impl Parameters {
    fn of_plan(&mut self, plan: &LogicalPlan) -> Result<()> {
        plan.apply_with_subqueries(|node| {
            if let LogicalPlan::Dml(dml) = node {
                self.of_inserted_query(&dml.input);
            }
            if let LogicalPlan::Limit(limit) = node {
                for bound in [&limit.skip, &limit.fetch].into_iter().flatten() {
                    self.beside(bound, || Some(plain(DataType::Int64)));
                }
            }
            let schema = input_schema(node);
            let is_values = matches!(node, LogicalPlan::Values(_));
            node.apply_expressions(|expr| {
                expr.apply(|part| {
                    self.of_expr(part, &schema, is_values);
                    Ok(TreeNodeRecursion::Continue)
                })
            })
        })?;
        Ok(())
    }

    fn entry(&mut self, id: &str) -> Option<&mut Known> {
        match id.strip_prefix('$').and_then(|number| number.parse().ok()).filter(|number| *number > 0) {
            Some(number) => Some(self.known.entry(number).or_default()),
            None => {
                self.unknown.get_or_insert_with(|| id.to_owned());
                None
            }
        }
    }

    /// Notes the type of something beside a parameter, casts of it left aside.
    fn beside(&mut self, expr: &Expr, field: impl FnOnce() -> Option<FieldRef>) {
        // What a parameter is cast to is its type.
        let field = || first_cast(expr).map(|field| as_parameter(field)).or_else(field);
        if let Some(Placeholder { id, .. }) = placeholder(expr)
            && let Some(known) = self.entry(id)
            && known.field.is_none()
        {
            known.field = field().filter(|field| !field.data_type().is_null());
        }
    }

    fn of_expr(&mut self, expr: &Expr, schema: &DFSchema, is_values: bool) {
        let type_of = |expr: &Expr| {
            // The types of outer columns, for one, are not known here.
            let (_, field) = expr.to_field(schema).ok()?;
            Some(if is_values { as_parameter(&field) } else { beside_text(&field) })
        };
        match expr {
            Expr::Placeholder(Placeholder { id, field }) => {
                let field =
                    field.as_ref().map(|field| if is_values { as_parameter(field) } else { beside_text(field) });
                if let Some(known) = self.entry(id) {
                    known.places += 1;
                    if known.field.is_none() {
                        known.field = field.filter(|field| !field.data_type().is_null());
                    }
                }
            }
            Expr::IsNull(inner) | Expr::IsNotNull(inner) => {
                if let Expr::Placeholder(Placeholder { id, .. }) = inner.as_ref()
                    && let Some(known) = self.entry(id)
                {
                    known.null_tests += 1;
                }
            }
            Expr::Cast(cast) => {
                if matches!(cast.expr.as_ref(), Expr::Placeholder(_)) {
                    self.beside(&cast.expr, || Some(as_parameter(&cast.field)));
                }
            }
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
                let text = *op == Operator::StringConcat;
                self.beside(left, || if text { Some(plain(DataType::Utf8View)) } else { type_of(right) });
                self.beside(right, || if text { Some(plain(DataType::Utf8View)) } else { type_of(left) });
                for (part, other) in [(left, right), (right, left)] {
                    if let Expr::Placeholder(Placeholder { id, .. }) = part.as_ref()
                        && is_integer_constant(other)
                        && let Some(known) = self.entry(id)
                    {
                        known.beside_constant = true;
                    }
                }
            }
            Expr::Between(between) => {
                self.beside(&between.expr, || type_of(&between.low).or_else(|| type_of(&between.high)));
                self.beside(&between.low, || type_of(&between.expr));
                self.beside(&between.high, || type_of(&between.expr));
            }
            Expr::Case(case) => {
                let results = || case.when_then_expr.iter().map(|(_, then)| then).chain(&case.else_expr);
                let known = results().find(|result| placeholder(result).is_none()).and_then(|result| type_of(result));
                for result in results() {
                    self.beside(result, || known.clone());
                }
                if let Some(operand) = &case.expr {
                    for (when, _) in &case.when_then_expr {
                        self.beside(when, || type_of(operand));
                    }
                }
            }
            Expr::ScalarFunction(call) => match (call.func.name(), call.args.as_slice()) {
                ("coalesce" | "nullif" | "greatest" | "least", args) => {
                    let known = args.iter().find(|arg| placeholder(arg).is_none()).and_then(type_of);
                    for arg in args {
                        self.beside(arg, || known.clone());
                    }
                }
                ("array_has", [array, value]) => {
                    let list = |field: FieldRef| {
                        plain(DataType::List(Arc::new(Field::new("item", field.data_type().clone(), true))))
                    };
                    self.beside(array, || type_of(value).map(list));
                }
                ("make_array", args) => {
                    let known = args.iter().find(|arg| placeholder(arg).is_none()).and_then(type_of);
                    for arg in args {
                        self.beside(arg, || known.clone());
                    }
                }
                (ANY_OF | ALL_OF, [_, value, array]) => {
                    let item = || match type_of(array)?.data_type() {
                        DataType::List(item) => Some(plain(item.data_type().clone())),
                        _ => None,
                    };
                    self.beside(value, item);
                    let list = |field: FieldRef| {
                        plain(DataType::List(Arc::new(Field::new("item", field.data_type().clone(), true))))
                    };
                    self.beside(array, || type_of(value).map(list));
                }
                ("round" | "trunc", [_, digits]) => self.beside(digits, || Some(plain(DataType::Int32))),
                _ => {}
            },
            _ => {}
        }
    }

    /// `INSERT … SELECT $1`: the type of the column that it goes into.
    fn of_inserted_query(&mut self, input: &LogicalPlan) {
        let LogicalPlan::Projection(outer) = input else { return };
        let LogicalPlan::Projection(inner) = outer.input.as_ref() else { return };
        for expr in &outer.expr {
            let Expr::Alias(alias) = expr else { continue };
            let Expr::Cast(cast) = alias.expr.as_ref() else { continue };
            let Expr::Column(column) = cast.expr.as_ref() else { continue };
            let place = inner.schema.fields().iter().position(|field| *field.name() == column.name);
            if let Some(selected) = place.and_then(|place| inner.expr.get(place)) {
                let selected = if let Expr::Alias(named) = selected { named.expr.as_ref() } else { selected };
                self.beside(selected, || Some(as_parameter(&cast.field)));
            }
        }
    }
}

/// The parameter that an expression is, perhaps cast.
fn placeholder(expr: &Expr) -> Option<&Placeholder> {
    match expr {
        Expr::Placeholder(placeholder) => Some(placeholder),
        Expr::Cast(cast) => placeholder(&cast.expr),
        _ => None,
    }
}

/// What a parameter is cast to before anything else.
fn first_cast(expr: &Expr) -> Option<&FieldRef> {
    match expr {
        Expr::Cast(cast) if matches!(*cast.expr, Expr::Placeholder(_)) => Some(&cast.field),
        Expr::Cast(cast) => first_cast(&cast.expr),
        _ => None,
    }
}

fn is_integer_constant(expr: &Expr) -> bool {
    match expr {
        Expr::Literal(value, _) => value.data_type().is_integer(),
        Expr::Negative(inner) => is_integer_constant(inner),
        _ => false,
    }
}

/// A field as the type of a parameter.
fn as_parameter(field: &Field) -> FieldRef {
    Arc::new(field.clone().with_name("").with_nullable(true))
}

/// The same, where it is the type of something beside the parameter: beside `VARCHAR` it is text, as in PostgreSQL.
fn beside_text(field: &Field) -> FieldRef {
    match declared(field) {
        Some("uuid" | "json" | "jsonb") => as_parameter(field),
        _ => plain(field.data_type().clone()),
    }
}

/// What the expressions of a node read.
fn input_schema(node: &LogicalPlan) -> DFSchemaRef {
    match node.inputs().as_slice() {
        [input] => Arc::clone(input.schema()),
        _ => Arc::clone(node.schema()),
    }
}

/// The plan with these types of its parameters.
fn with_types(plan: LogicalPlan, fields: &[FieldRef]) -> Result<LogicalPlan> {
    let field_of = |id: &str| id.strip_prefix('$').and_then(|n| fields.get(n.parse::<usize>().ok()?.checked_sub(1)?));
    let settled = plan.transform_up_with_subqueries(|node| {
        let node = node.map_expressions(|expr| {
            expr.transform_up(|part| match part {
                Expr::Placeholder(Placeholder { id, field }) => match field_of(&id) {
                    Some(known) if field.as_ref() != Some(known) => Ok(Transformed::yes(Expr::Placeholder(
                        Placeholder::new_with_field(id, Some(Arc::clone(known))),
                    ))),
                    _ => Ok(Transformed::no(Expr::Placeholder(Placeholder { id, field }))),
                },
                other => Ok(Transformed::no(other)),
            })
        })?;
        if node.transformed { node.map_data(LogicalPlan::recompute_schema) } else { Ok(node) }
    })?;
    Ok(settled.data)
}

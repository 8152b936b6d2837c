//! Functions that make rows of JSON: `json_each`, `json_array_elements`, `json_object_keys`, `json_to_recordset` and their
//! like, as `unnest` of arrays of its parts.

use datafusion::sql::sqlparser::ast::{
    AccessExpr, BinaryOperator, CastKind, DataType, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments,
    Ident, TableAlias, TableAliasColumnDef, TableFactor, Value,
};

use super::ident::normalise;
use super::postgres_operators::call;
use super::{budget, series};

/// One of the functions.
struct Rows {
    /// Its columns: how they are called, and the function that gives their values as an array.
    columns: &'static [(&'static str, &'static str)],
    /// The values of the last column are JSON.
    gives_json: bool,
    /// What one row of it is as a single value, where it has several columns.
    record: &'static str,
}

/// What of JSON the values of a column are, and the rows of which function.
fn rows_of(name: &str) -> Option<(Rows, bool)> {
    const NAMES: &str = "json_member_names";
    let (binary, which) = match (name.strip_prefix("jsonb_"), name.strip_prefix("json_")) {
        (Some(which), _) => (true, which),
        (None, Some(which)) => (false, which),
        (None, None) => return None,
    };
    let rows = match which {
        "each" => Rows {
            columns: &[("key", NAMES), ("value", "json_member_values")],
            gives_json: true,
            record: "json_members",
        },
        "each_text" => Rows {
            columns: &[("key", NAMES), ("value", "json_member_texts")],
            gives_json: false,
            record: "json_member_texts_in_rows",
        },
        "array_elements" => {
            Rows { columns: &[("value", "json_element_values")], gives_json: true, record: "json_element_values" }
        }
        "array_elements_text" => {
            Rows { columns: &[("value", "json_element_texts")], gives_json: false, record: "json_element_texts" }
        }
        "object_keys" => Rows { columns: &[("", NAMES)], gives_json: false, record: NAMES },
        _ => return None,
    };
    Some((rows, binary))
}

/// Says that the values are JSON, where they are.
fn declared(rows: Expr, is_json: bool, binary: bool) -> Expr {
    match (is_json, binary) {
        (false, _) => rows,
        (true, false) => call("json_as_it_is", [rows]),
        (true, true) => call("jsonb_as_it_is", [rows]),
    }
}

impl Rows {
    /// The values of one column, as rows.
    fn column(&self, at: usize, argument: &Expr, binary: bool) -> Option<Expr> {
        let (_, array) = self.columns.get(at)?;
        let rows = call("unnest", [call(array, [argument.clone()])]);
        Some(declared(rows, self.gives_json && at + 1 == self.columns.len(), binary))
    }
}

fn name_of(function: &Function) -> Option<String> {
    function.name.0.last().and_then(|part| part.as_ident()).map(normalise)
}

/// The only argument of a call; a text that is written out and a parameter are JSON.
fn argument_of(args: &[FunctionArg], binary: bool) -> Option<Expr> {
    let [FunctionArg::Unnamed(FunctionArgExpr::Expr(argument))] = args else { return None };
    Some(match argument {
        Expr::Value(value) if matches!(value.value, Value::SingleQuotedString(_) | Value::Placeholder(_)) => {
            cast(argument.clone(), if binary { DataType::JSONB } else { DataType::JSON })
        }
        other => other.clone(),
    })
}

fn cast(expr: Expr, data_type: DataType) -> Expr {
    Expr::Cast { kind: CastKind::DoubleColon, expr: Box::new(expr), data_type, array: false, format: None }
}

/// The rows that a call gives, with the JSON that they are of.
fn called(expr: &Expr) -> Option<(Rows, bool, Expr)> {
    let Expr::Function(function) = expr else { return None };
    let (rows, binary) = rows_of(&name_of(function)?)?;
    let FunctionArguments::List(list) = &function.args else { return None };
    let argument = argument_of(&list.args, binary)?;
    function.over.is_none().then_some((rows, binary, argument))
}

/// A call among the columns of a SELECT, or a column of what it gives: `(json_each(j)).key`.
pub(super) fn in_expression(expr: &mut Expr) {
    let rewritten = match expr {
        Expr::CompoundFieldAccess { root, access_chain } => field_of(root, access_chain),
        Expr::Function(_) => called(expr).map(|(rows, binary, argument)| {
            let values = call("unnest", [call(rows.record, [argument])]);
            declared(values, rows.gives_json && rows.columns.len() == 1, binary)
        }),
        _ => None,
    };
    if let Some(rewritten) = rewritten {
        *expr = rewritten;
    }
}

fn field_of(root: &Expr, access: &[AccessExpr]) -> Option<Expr> {
    let (Expr::Nested(inner), [AccessExpr::Dot(Expr::Identifier(field))]) = (root, access) else { return None };
    let (rows, binary, argument) = called(inner)?;
    let at = rows.columns.iter().position(|(name, _)| *name == normalise(field))?;
    rows.column(at, &argument, binary)
}

/// A call in FROM as a subquery. `is_named` says whether a name stands alone anywhere in the statement: an alias does so
/// that means the value itself, `SELECT e ->> 'k' FROM json_array_elements(j) e`.
pub(super) fn in_from(table: &mut TableFactor, is_named: impl Fn(&str) -> bool) -> Option<TableFactor> {
    let (name, args, alias, with_ordinality) = match table {
        TableFactor::Table { name, args: Some(args), alias, with_ordinality, .. } => {
            (name, &args.args, alias, *with_ordinality)
        }
        TableFactor::Function { name, args, alias, with_ordinality, .. } => (name, &*args, alias, *with_ordinality),
        _ => return None,
    };
    let name = name.0.last().and_then(|part| part.as_ident())?.clone();
    if let Some(of_records) = records(&normalise(&name), args, alias) {
        return Some(of_records);
    }
    let (rows, binary) = rows_of(&normalise(&name))?;
    let argument = argument_of(args, binary)?;
    let alias = alias.take().unwrap_or_else(|| named(name));
    let mut columns = Vec::new();
    for (at, (column, array)) in rows.columns.iter().enumerate() {
        let given = alias.columns.get(at).map(|column| column.name.clone());
        let own = match rows.columns.len() {
            1 if column.is_empty() || is_named(&normalise(&alias.name)) => alias.name.clone(),
            _ => Ident::new(*column),
        };
        let values = rows.column(at, &argument, binary)?;
        columns.push((values, call(array, [argument.clone()]), given.unwrap_or(own)));
    }
    series::rows_in_from(columns, alias, with_ordinality)
}

/// `json_to_recordset(j) AS t(a int, b text)` and `json_to_record`.
fn records(function: &str, args: &[FunctionArg], alias: &mut Option<TableAlias>) -> Option<TableFactor> {
    let (binary, many) = match function {
        "json_to_recordset" => (false, true),
        "jsonb_to_recordset" => (true, true),
        "json_to_record" => (false, false),
        "jsonb_to_record" => (true, false),
        _ => return None,
    };
    let argument = argument_of(args, binary)?;
    let record = match many {
        true => declared(call("unnest", [call("json_element_values", [argument.clone()])]), true, binary),
        false => argument.clone(),
    };
    // Each column has it twice.
    let given = &alias.as_ref()?.columns;
    if !budget::copy(&record, 2 * given.len()) {
        return None;
    }
    let mut columns = Vec::new();
    for TableAliasColumnDef { name, data_type } in given {
        let data_type = data_type.clone()?;
        let member = |op| Expr::BinaryOp {
            left: Box::new(record.clone()),
            op,
            right: Box::new(Expr::Value(Value::SingleQuotedString(normalise(name)).into())),
        };
        let value = match data_type {
            DataType::JSON | DataType::JSONB => cast(member(BinaryOperator::Arrow), data_type),
            _ => cast(Expr::Nested(Box::new(member(BinaryOperator::LongArrow))), data_type),
        };
        columns.push((value, argument.clone(), name.clone()));
    }
    let mut alias = alias.take()?;
    alias.columns.clear();
    (!columns.is_empty()).then(|| series::rows_in_from(columns, alias, false)).flatten()
}

fn named(name: Ident) -> TableAlias {
    TableAlias { explicit: true, name, columns: Vec::new(), at: None }
}

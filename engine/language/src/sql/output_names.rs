//! What the columns of a result are called: PostgreSQL's rule, which clients and BI tools rely on.
//!
//! A column reference gives its name, a function call the function's, a cast the name of what it casts or else of the
//! type, `CASE` that of its ELSE or `case`; anything else is `?column?`. Follows `FigureColname` in PostgreSQL's
//! `src/backend/parser/parse_target.c`.

use datafusion::sql::parser::Statement as DfStatement;
use datafusion::sql::sqlparser::ast::{
    AccessExpr, DataType, Expr, Ident, Query, SelectItem, SetExpr, Statement as Ast, TrimWhereField,
};

use super::ident::normalise;

#[cfg(test)]
mod tests;

/// Names of a query's columns, in order; `None` where a wildcard stands, whose columns keep the names they have.
/// Nothing for what is not a `SELECT`.
pub fn output_names(statement: &DfStatement) -> Option<Vec<Option<String>>> {
    let DfStatement::Statement(ast) = statement else { return None };
    let Ast::Query(query) = ast.as_ref() else { return None };
    query_names(query)
}

/// What the columns of a query are declared as by a cast around them, as the metadata of a field has it: `varchar(10)`, else
/// nothing. As [`output_names`], with `None` for a wildcard.
pub fn output_declarations(statement: &DfStatement) -> Option<Vec<Option<String>>> {
    let DfStatement::Statement(ast) = statement else { return None };
    let Ast::Query(query) = ast.as_ref() else { return None };
    let SetExpr::Select(select) = query.body.as_ref() else { return None };
    Some(select.projection.iter().map(item_declaration).collect())
}

fn item_declaration(item: &SelectItem) -> Option<String> {
    match item {
        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => Some(declaration(expr)),
        _ => None,
    }
}

fn declaration(expr: &Expr) -> String {
    match expr {
        Expr::Nested(inner) => declaration(inner),
        Expr::Cast {
            data_type: DataType::Varchar(length) | DataType::CharacterVarying(length) | DataType::CharVarying(length),
            ..
        } => match length {
            Some(length) => format!("varchar({length})"),
            None => "varchar".to_owned(),
        },
        _ => String::new(),
    }
}

/// The names laid over a plan's own: a wildcard takes as many of these as are left over.
pub fn lay_over(names: &[Option<String>], planned: &[&str]) -> Option<Vec<String>> {
    let wildcards = names.iter().filter(|n| n.is_none()).count();
    let spread = match wildcards {
        0 if names.len() == planned.len() => 0,
        1 => planned.len().checked_sub(names.len() - 1)?,
        _ => return None,
    };
    let mut laid = Vec::with_capacity(planned.len());
    for name in names {
        match name {
            Some(name) => laid.push(name.clone()),
            None => {
                let from = laid.len();
                laid.extend(planned.get(from..from + spread)?.iter().map(|n| (*n).to_owned()));
            }
        }
    }
    Some(laid)
}

fn query_names(query: &Query) -> Option<Vec<Option<String>>> {
    set_names(&query.body)
}

fn set_names(body: &SetExpr) -> Option<Vec<Option<String>>> {
    match body {
        SetExpr::Select(select) => Some(select.projection.iter().map(item_name).collect()),
        SetExpr::Query(query) => query_names(query),
        SetExpr::SetOperation { left, .. } => set_names(left),
        _ => None,
    }
}

fn item_name(item: &SelectItem) -> Option<String> {
    match item {
        SelectItem::UnnamedExpr(expr) => Some(expr_name(expr).unwrap_or_else(|| "?column?".to_owned())),
        SelectItem::ExprWithAlias { alias, .. } => Some(normalise(alias)),
        _ => None,
    }
}

fn last(idents: &[Ident]) -> Option<String> {
    idents.last().map(normalise)
}

pub(super) fn expr_name(expr: &Expr) -> Option<String> {
    named(expr).map(|(name, _)| name)
}

/// The name, and whether it is that of a value rather than of a type only: the type of a cast around it does not replace it.
fn named(expr: &Expr) -> Option<(String, bool)> {
    let fixed = |name: &str| Some((name.to_owned(), true));
    let of_type = |name: String| Some((name, false));
    match expr {
        Expr::Identifier(ident) => Some((normalise(ident), true)),
        Expr::CompoundIdentifier(parts) => last(parts).map(|name| (name, true)),
        Expr::CompoundFieldAccess { root, access_chain } => match access_chain.last() {
            Some(AccessExpr::Dot(Expr::Identifier(field))) => Some((normalise(field), true)),
            _ => named(root),
        },
        Expr::Nested(inner) | Expr::Collate { expr: inner, .. } => named(inner),
        Expr::Function(function) => {
            function.name.0.last().and_then(|part| part.as_ident()).map(|name| (normalise(name), true))
        }
        Expr::Cast { expr, data_type, .. } => {
            named(expr).filter(|(_, is_value)| *is_value).or_else(|| of_type(type_name(data_type)))
        }
        Expr::TypedString(typed) => of_type(type_name(&typed.data_type)),
        Expr::Case { else_result, .. } => {
            let otherwise = else_result.as_deref().and_then(named).filter(|(_, is_value)| *is_value);
            otherwise.or_else(|| of_type("case".to_owned()))
        }
        Expr::Extract { .. } => fixed("extract"),
        Expr::Exists { .. } => fixed("exists"),
        Expr::Subquery(query) => {
            query_names(query)?.into_iter().next().flatten().filter(|name| name != "?column?").map(|name| (name, true))
        }
        Expr::Interval(_) => of_type("interval".to_owned()),
        Expr::Array(_) => fixed("array"),
        Expr::Tuple(_) => fixed("row"),
        Expr::Substring { shorthand, .. } => fixed(if *shorthand { "substr" } else { "substring" }),
        Expr::Trim { trim_where, .. } => fixed(match trim_where {
            Some(TrimWhereField::Leading) => "ltrim",
            Some(TrimWhereField::Trailing) => "rtrim",
            Some(TrimWhereField::Both) | None => "btrim",
        }),
        Expr::Position { .. } => fixed("position"),
        Expr::Overlay { .. } => fixed("overlay"),
        Expr::Ceil { .. } => fixed("ceil"),
        Expr::Floor { .. } => fixed("floor"),
        Expr::AtTimeZone { .. } => fixed("timezone"),
        _ => None,
    }
}

/// PostgreSQL's internal name of a type, which is what it shows.
fn type_name(data_type: &DataType) -> String {
    let text = data_type.to_string().to_ascii_lowercase();
    // An array is called after its elements.
    let base = text.split(['(', '[']).next().unwrap_or(&text).trim();
    match base {
        "int" | "integer" | "int4" => "int4",
        "bigint" | "int8" => "int8",
        "smallint" | "int2" => "int2",
        "double precision" | "double" | "float8" | "float" => "float8",
        "real" | "float4" => "float4",
        "decimal" | "dec" | "numeric" => "numeric",
        "character varying" | "varchar" | "char varying" => "varchar",
        "character" | "char" => "bpchar",
        "boolean" | "bool" => "bool",
        "timestamp with time zone" | "timestamptz" => "timestamptz",
        "timestamp without time zone" | "timestamp" => "timestamp",
        "time without time zone" | "time" => "time",
        other => other,
    }
    .to_owned()
}

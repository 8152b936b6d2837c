//! `quote_literal`, `quote_nullable` and `quote_ident`: values and names as SQL has them.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringBuilder};
use datafusion::common::Result;
use datafusion::logical_expr::ScalarUDF;

use super::shown;
use crate::functions::overloads::{Form, Overloaded, Takes, text};

pub(super) fn functions() -> Vec<ScalarUDF> {
    const LITERAL: &[Form] = &[Form::new(&[Takes::Any], text, quote_literal)];
    const NULLABLE: &[Form] = &[Form::new(&[Takes::Any], text, quote_nullable)];
    const IDENT: &[Form] = &[Form::new(&[Takes::Text], text, quote_ident)];
    vec![
        Overloaded::new("quote_literal", LITERAL).into(),
        Overloaded::new("quote_nullable", NULLABLE).into(),
        Overloaded::new("quote_ident", IDENT).into(),
    ]
}

/// A text in quotes; one with a backslash as `E'…'`.
pub(super) fn literal(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 3);
    if text.contains('\\') {
        out.push('E');
    }
    out.push('\'');
    for c in text.chars() {
        if matches!(c, '\'' | '\\') {
            out.push(c);
        }
        out.push(c);
    }
    out.push('\'');
    out
}

/// A name, in quotes where it would be read otherwise.
pub(super) fn identifier(name: &str) -> String {
    let starts = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
    let plain = name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    match starts && plain && KEYWORDS.binary_search(&name).is_err() {
        true => name.to_owned(),
        false => format!("\"{}\"", name.replace('"', "\"\"")),
    }
}

fn quote_literal(args: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    let texts = shown::texts(&args[0])?;
    let mut results = StringBuilder::new();
    for row in 0..rows {
        results.append_option(texts.is_valid(row).then(|| literal(texts.value(row))));
    }
    Ok(Arc::new(results.finish()))
}

fn quote_nullable(args: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    let texts = shown::texts(&args[0])?;
    let mut results = StringBuilder::new();
    for row in 0..rows {
        match texts.is_valid(row) {
            true => results.append_value(literal(texts.value(row))),
            false => results.append_value("NULL"),
        }
    }
    Ok(Arc::new(results.finish()))
}

fn quote_ident(args: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    let names = args[0].as_string_view();
    let mut results = StringBuilder::new();
    for row in 0..rows {
        results.append_option(names.is_valid(row).then(|| identifier(names.value(row))));
    }
    Ok(Arc::new(results.finish()))
}

/// Words that are no names without quotes, in order.
const KEYWORDS: [&str; 151] = [
    "all",
    "analyse",
    "analyze",
    "and",
    "any",
    "array",
    "as",
    "asc",
    "asymmetric",
    "authorization",
    "between",
    "bigint",
    "binary",
    "bit",
    "boolean",
    "both",
    "case",
    "cast",
    "char",
    "character",
    "check",
    "coalesce",
    "collate",
    "collation",
    "column",
    "concurrently",
    "constraint",
    "create",
    "cross",
    "current_catalog",
    "current_date",
    "current_role",
    "current_schema",
    "current_time",
    "current_timestamp",
    "current_user",
    "dec",
    "decimal",
    "default",
    "deferrable",
    "desc",
    "distinct",
    "do",
    "else",
    "end",
    "except",
    "exists",
    "extract",
    "false",
    "fetch",
    "float",
    "for",
    "foreign",
    "freeze",
    "from",
    "full",
    "grant",
    "greatest",
    "group",
    "grouping",
    "having",
    "ilike",
    "in",
    "initially",
    "inner",
    "inout",
    "int",
    "integer",
    "intersect",
    "interval",
    "into",
    "is",
    "isnull",
    "join",
    "lateral",
    "leading",
    "least",
    "left",
    "like",
    "limit",
    "localtime",
    "localtimestamp",
    "national",
    "natural",
    "nchar",
    "none",
    "normalize",
    "not",
    "notnull",
    "null",
    "nullif",
    "numeric",
    "offset",
    "on",
    "only",
    "or",
    "order",
    "out",
    "outer",
    "overlaps",
    "overlay",
    "placing",
    "position",
    "precision",
    "primary",
    "real",
    "references",
    "returning",
    "right",
    "row",
    "select",
    "session_user",
    "setof",
    "similar",
    "smallint",
    "some",
    "substring",
    "symmetric",
    "table",
    "tablesample",
    "then",
    "time",
    "timestamp",
    "to",
    "trailing",
    "treat",
    "trim",
    "true",
    "union",
    "unique",
    "user",
    "using",
    "values",
    "varchar",
    "variadic",
    "verbose",
    "when",
    "where",
    "window",
    "with",
    "xmlattributes",
    "xmlconcat",
    "xmlelement",
    "xmlexists",
    "xmlforest",
    "xmlnamespaces",
    "xmlparse",
    "xmlpi",
    "xmlroot",
    "xmlserialize",
    "xmltable",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_values_are_quoted_where_they_must() {
        assert!(KEYWORDS.is_sorted());
        assert_eq!(identifier("price"), "price");
        assert_eq!(identifier("select"), "\"select\"");
        assert_eq!(identifier("Price"), "\"Price\"");
        assert_eq!(identifier("1st"), "\"1st\"");
        assert_eq!(identifier("a\"b"), "\"a\"\"b\"");
        assert_eq!(literal("it's"), "'it''s'");
        assert_eq!(literal("a\\b"), "E'a\\\\b'");
    }
}

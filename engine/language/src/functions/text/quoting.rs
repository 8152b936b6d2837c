//! `quote_literal`, `quote_nullable` and `quote_ident`: values and names as SQL has them.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringBuilder};
use datafusion::common::Result;
use datafusion::logical_expr::ScalarUDF;
pub(super) use zxq_catalog::quoting::quoted_literal as literal;

use super::shown;
use crate::functions::overloads::{Form, Overloaded, Takes, text};
use crate::sql::quote_ident_as_postgres;

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
        results.append_option(names.is_valid(row).then(|| quote_ident_as_postgres(names.value(row))));
    }
    Ok(Arc::new(results.finish()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_where_they_must() {
        assert_eq!(quote_ident_as_postgres("price"), "price");
        assert_eq!(quote_ident_as_postgres("select"), "\"select\"");
        assert_eq!(quote_ident_as_postgres("Price"), "\"Price\"");
        assert_eq!(quote_ident_as_postgres("1st"), "\"1st\"");
        assert_eq!(quote_ident_as_postgres("a\"b"), "\"a\"\"b\"");
    }
}

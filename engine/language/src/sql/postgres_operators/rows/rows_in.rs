//! `(a, b) IN (SELECT …)`, as `EXISTS (SELECT 1 FROM (SELECT …) AS r (x, y) WHERE a = x AND b = y)`.

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, Ident, Query, Select, SetExpr, TableAlias, TableAliasColumnDef, TableFactor, TableWithJoins,
};

use crate::sql::postgres_operators::binary;
use crate::sql::statement::parse_expression;

/// Whether a row is among those of a query. Where that is unknown, because of NULLs, it is false: what WHERE makes of it.
pub(super) fn exists(row: Vec<Expr>, query: &Query) -> Option<Expr> {
    let names: Vec<Ident> = (1..=row.len()).map(|place| Ident::new(format!("in_{place}"))).collect();
    let equal = |(value, name): (Expr, &Ident)| {
        let column = Expr::CompoundIdentifier(vec![Ident::new(ROWS), name.clone()]);
        binary(value, BinaryOperator::Eq, column)
    };
    let condition =
        row.into_iter().zip(&names).map(equal).reduce(|left, right| binary(left, BinaryOperator::And, right))?;
    let columns = names.iter().map(|name| TableAliasColumnDef { name: name.clone(), data_type: None });
    let rows = TableFactor::Derived {
        lateral: false,
        subquery: Box::new(query.clone()),
        alias: Some(TableAlias { explicit: true, name: Ident::new(ROWS), columns: columns.collect(), at: None }),
        sample: None,
    };
    let Expr::Exists { mut subquery, .. } = parse_expression("EXISTS (SELECT 1)").ok()? else { return None };
    let SetExpr::Select(select) = subquery.body.as_mut() else { return None };
    let select: &mut Select = select;
    select.from = vec![TableWithJoins { relation: rows, joins: Vec::new() }];
    select.selection = Some(condition);
    Some(Expr::Exists { subquery, negated: false })
}

/// What the rows of the query are called.
const ROWS: &str = "rows_in_query";

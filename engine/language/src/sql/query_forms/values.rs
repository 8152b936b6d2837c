//! `VALUES` whose cells have types, and those within an `INSERT … SELECT`.

use datafusion::sql::sqlparser::ast::{
    CastKind, Expr, Ident, SelectItem, SetExpr, SetOperator, SetQuantifier, Value, Values,
};

use crate::sql::statement::parse_expression;

/// `VALUES (1, 2), (3, 4)` as `SELECT 1 AS column1, 2 AS column2 UNION ALL SELECT 3, 4`.
pub(super) fn as_selects(body: &mut SetExpr) {
    match body {
        SetExpr::Values(values) => {
            give_types(values);
            let rows = values.rows.iter_mut().filter_map(|row| selected(std::mem::take(&mut row.content)));
            let rows: Vec<SetExpr> = rows.collect();
            if let Some(selects) = united(rows) {
                *body = selects;
            }
        }
        SetExpr::SetOperation { left, right, .. } => {
            as_selects(left);
            as_selects(right);
        }
        _ => {}
    }
}

fn selected(row: Vec<Expr>) -> Option<SetExpr> {
    let Expr::Subquery(query) = parse_expression("(SELECT 1)").ok()? else { return None };
    let SetExpr::Select(mut select) = *query.body else { return None };
    let named = |(at, expr)| SelectItem::ExprWithAlias { expr, alias: Ident::new(format!("column{}", at + 1)) };
    select.projection = row.into_iter().enumerate().map(named).collect();
    Some(SetExpr::Select(select))
}

/// All of them, in their order; as a tree that is not deep.
fn united(mut rows: Vec<SetExpr>) -> Option<SetExpr> {
    if rows.len() < 2 {
        return rows.pop();
    }
    let right = rows.split_off(rows.len() / 2);
    Some(SetExpr::SetOperation {
        op: SetOperator::Union,
        set_quantifier: SetQuantifier::All,
        left: Box::new(united(rows)?),
        right: Box::new(united(right)?),
    })
}

/// Texts beside a cast in the same column of VALUES are cast as well.
pub(super) fn give_types(values: &mut Values) {
    let width = values.rows.iter().map(|row| row.len()).min().unwrap_or(0);
    for at in 0..width {
        let named = values.rows.iter().find_map(|row| match &row[at] {
            Expr::Cast { data_type, .. } => Some(data_type.clone()),
            Expr::TypedString(typed) => Some(typed.data_type.clone()),
            _ => None,
        });
        let Some(data_type) = named else { continue };
        for row in &mut values.rows {
            let is_text = matches!(&row[at], Expr::Value(v) if matches!(v.value, Value::SingleQuotedString(_)));
            if is_text {
                let text = std::mem::replace(&mut row[at], Expr::Value(Value::Null.into()));
                row[at] = Expr::Cast {
                    kind: CastKind::DoubleColon,
                    expr: Box::new(text),
                    data_type: data_type.clone(),
                    array: false,
                    format: None,
                };
            }
        }
    }
}

//! `SELECT … INTO t FROM …` as `CREATE TABLE t AS SELECT … FROM …`, which it is.

use datafusion::sql::parser::Statement as DfStatement;
use datafusion::sql::sqlparser::ast::helpers::stmt_create_table::CreateTableBuilder;
use datafusion::sql::sqlparser::ast::{Query, SelectInto, SetExpr, Statement as Ast};

/// Rewrites it; leaves everything else.
pub(super) fn unfold(statement: &mut DfStatement) {
    let DfStatement::Statement(ast) = statement else { return };
    let Ast::Query(query) = ast.as_mut() else { return };
    let Some(into) = take_into(query) else { return };
    let create = CreateTableBuilder::new(into.name).temporary(into.temporary).query(Some(query.clone())).build();
    **ast = Ast::CreateTable(create);
}

/// Takes the INTO out of the first SELECT of a query, where PostgreSQL has it too.
fn take_into(query: &mut Query) -> Option<SelectInto> {
    let mut body = query.body.as_mut();
    loop {
        match body {
            SetExpr::Select(select) => return select.into.take(),
            SetExpr::SetOperation { left, .. } => body = left.as_mut(),
            _ => return None,
        }
    }
}

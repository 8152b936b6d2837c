//! `SHOW CREATE TABLE` and `DESCRIBE`, as queries of what the definition says.

use std::sync::Arc;

use datafusion::sql::sqlparser::ast::{ObjectName, ShowCreateObject, Statement as Ast};
use zxq_catalog::TableDef;

use crate::error::Result;
use crate::session::EngineSession;
use crate::sql::{self, Statement, quoted_text};

/// The query that such a statement about a table or view is; `None` for any other.
///
/// # Errors
/// A relation that there is not.
pub(crate) fn as_query(session: &EngineSession, statement: &Statement) -> Result<Option<Statement>> {
    let text = match statement.ast() {
        Some(Ast::ShowCreate { obj_type: ShowCreateObject::Table | ShowCreateObject::View, obj_name }) => {
            definition(session, obj_name)?.map(|def| {
                let create = sql::show_create_table(&def);
                format!("SELECT {} AS table_name, {} AS create_statement", quoted_text(&def.name), quoted_text(&create))
            })
        }
        Some(Ast::ExplainTable { table_name, .. }) => definition(session, table_name)?.map(|def| columns(&def)),
        _ => None,
    };
    match text {
        Some(text) => Ok(sql::parse(&text)?.pop()),
        None => Ok(None),
    }
}

/// What such a statement is about, where that is a table or view of the user's.
///
/// # Errors
/// A relation that there is not.
pub(crate) fn described(session: &EngineSession, statement: &Statement) -> Result<Option<Arc<TableDef>>> {
    match statement.ast() {
        Some(Ast::ShowCreate { obj_type: ShowCreateObject::Table | ShowCreateObject::View, obj_name }) => {
            definition(session, obj_name)
        }
        Some(Ast::ExplainTable { table_name, .. }) => definition(session, table_name),
        _ => Ok(None),
    }
}

/// The definition of a table or view of the user's.
fn definition(session: &EngineSession, name: &ObjectName) -> Result<Option<Arc<TableDef>>> {
    let parts = sql::relations::parts(name);
    session.check_relation(&parts)?;
    let full = session.full_name(&parts)?;
    let [schema, table] = full.as_slice() else { return Ok(None) };
    if schema == crate::session::temporary::TEMPORARY {
        let own = &session.names.temporaries;
        return Ok(own.view(table).or_else(|| own.table(table).map(|table| Arc::clone(table.definition()))));
    }
    let is_user = schema != "zxq";
    Ok(session.engine.snapshot().table(table).filter(|_| is_user).map(|state| Arc::clone(&state.def)))
}

fn columns(def: &TableDef) -> String {
    let text_or_null = |text: Option<&str>| text.map_or_else(|| "NULL".to_owned(), quoted_text);
    let row = |column: &zxq_catalog::ColumnDef| {
        format!(
            "({}, {}, {}, {})",
            quoted_text(&column.name),
            quoted_text(&column.sql_type),
            quoted_text(if column.nullable { "YES" } else { "NO" }),
            text_or_null(column.default.as_deref().or(column.generated.as_deref())),
        )
    };
    let rows: Vec<String> = def.columns.iter().map(row).collect();
    format!(
        "SELECT column_name, data_type, is_nullable, CAST(column_default AS TEXT) AS column_default FROM (VALUES {}) \
         AS described (column_name, data_type, is_nullable, column_default)",
        rows.join(", ")
    )
}

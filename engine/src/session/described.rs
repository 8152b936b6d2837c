//! `SHOW CREATE TABLE` and `DESCRIBE`, as queries of what the definition says.

use std::sync::Arc;

use datafusion::sql::sqlparser::ast::{ObjectName, ShowCreateObject, Statement as Ast};
use zxq_catalog::TableDef;

use crate::error::Result;
use crate::session::EngineSession;
use crate::sql::{self, Statement, quoted_text};

/// What a statement is about.
struct Described {
    def: Arc<TableDef>,
    /// It is this session's alone.
    temporary: bool,
}

impl Described {
    /// The statement that makes it again.
    fn create_statement(&self, session: &EngineSession) -> String {
        let snapshot = session.engine.snapshot();
        let schema = snapshot.own_schema(&self.def.name).filter(|_| !self.temporary);
        let create = sql::show_create_table(&self.def, schema.map(|(schema, _)| schema));
        if self.temporary { create.replacen("CREATE ", "CREATE TEMPORARY ", 1) } else { create }
    }
}

/// The query that such a statement about a table or view is; `None` for any other.
///
/// # Errors
/// A relation that there is not.
pub(crate) fn as_query(session: &EngineSession, statement: &Statement) -> Result<Option<Statement>> {
    let Some(described) = find(session, statement)? else { return Ok(None) };
    let text = match statement.ast() {
        Some(Ast::ShowCreate { .. }) => format!(
            "SELECT {} AS table_name, {} AS create_statement",
            quoted_text(&described.def.name),
            quoted_text(&described.create_statement(session))
        ),
        _ => columns(&described.def),
    };
    Ok(sql::parse(&text)?.pop())
}

/// What such a statement is about, where that is a table or view of the user's.
///
/// # Errors
/// A relation that there is not.
pub(crate) fn described(session: &EngineSession, statement: &Statement) -> Result<Option<Arc<TableDef>>> {
    Ok(find(session, statement)?.map(|described| described.def))
}

fn find(session: &EngineSession, statement: &Statement) -> Result<Option<Described>> {
    match statement.ast() {
        Some(Ast::ShowCreate { obj_type: ShowCreateObject::Table | ShowCreateObject::View, obj_name: name })
        | Some(Ast::ExplainTable { table_name: name, .. }) => find_named(session, name),
        _ => Ok(None),
    }
}

/// The table or view of the user's that is called so.
fn find_named(session: &EngineSession, name: &ObjectName) -> Result<Option<Described>> {
    let parts = sql::relations::parts(name);
    session.check_relation(&parts)?;
    let full = session.full_name(&parts)?;
    let [schema, table] = full.as_slice() else { return Ok(None) };
    if schema == crate::session::temporary::TEMPORARY {
        let own = &session.names.temporaries;
        let def = own.view(table).or_else(|| own.table(table).map(|table| Arc::clone(table.definition())));
        return Ok(def.map(|def| Described { def, temporary: true }));
    }
    let is_user = schema != "zxq";
    let def = session.engine.snapshot().table(table).filter(|_| is_user).map(|state| Arc::clone(&state.def));
    Ok(def.map(|def| Described { def, temporary: false }))
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

//! `INSERT … ON CONFLICT` as queries: which of the rows that are to be inserted are there already, and what becomes of those.
//!
//! The rows that are to be inserted stand in them as [`EXCLUDED`], a query of the table itself for as long as there are no rows.

use std::ops::ControlFlow;

use datafusion::sql::parser::Statement as DfStatement;
use datafusion::sql::sqlparser::ast::{
    ConflictTarget, DoUpdate, Expr, Ident, Insert, ObjectName, OnConflict, OnConflictAction, OnInsert, Query,
    TableObject, VisitMut, VisitorMut, With,
};
use zxq_catalog::TableDef;
use zxq_catalog::quoting::quoted;

use super::ident::normalise;
use super::relations::parts;
use super::row_correction::{RowCorrection, assignments_of};
use super::statement::parse;
use crate::error::{EngineError, ErrorKind, Result};

/// What the rows that are to be inserted are called.
pub const EXCLUDED: &str = "excluded";

/// The clause, with what it needs of its statement.
#[derive(Debug, Clone, PartialEq)]
pub struct InsertConflict {
    /// The table, as it is written.
    pub target: ObjectName,
    alias: Option<Ident>,
    with: Option<With>,
    conflict: OnConflict,
}

impl InsertConflict {
    /// Takes the clause off an INSERT; `with` is what stands before it. `None` where there is none.
    ///
    /// # Errors
    /// Where the INSERT goes to no table.
    pub fn take(insert: &mut Insert, with: Option<&With>) -> Result<Option<Self>> {
        let Some(on) = insert.on.take() else { return Ok(None) };
        let (OnInsert::OnConflict(conflict), TableObject::TableName(target)) = (on, &insert.table) else {
            let message = "ON CONFLICT needs an INSERT into a table";
            return Err(EngineError::new(ErrorKind::FeatureNotSupported, message));
        };
        let alias = insert.table_alias.as_ref().map(|alias| Ident::with_quote('"', normalise(&alias.alias)));
        Ok(Some(InsertConflict { target: target.clone(), alias, with: with.cloned(), conflict }))
    }

    /// The keys that rows may already be there by, as places of columns: the one that is named, or, where none is, all.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidColumnReference`] where no key has those columns; [`ErrorKind::UndefinedObject`] for a constraint that
    /// there is not.
    pub fn keys(&self, table: &TableDef) -> Result<Vec<Vec<usize>>> {
        let unique = |kind: zxq_catalog::KeyKind| kind != zxq_catalog::KeyKind::Index;
        let keys: Vec<_> = table.keys().into_iter().filter(|key| unique(key.kind)).collect();
        let places = |columns: &[String]| {
            let place = |column: &String| {
                table.column_index(column).ok_or_else(|| {
                    let message = format!("column \"{column}\" does not exist");
                    EngineError::new(ErrorKind::UndefinedColumn, message).about_name(column)
                })
            };
            let mut places = columns.iter().map(place).collect::<Result<Vec<usize>>>()?;
            places.sort_unstable();
            places.dedup();
            Ok::<_, EngineError>(places)
        };
        match &self.conflict.conflict_target {
            Some(ConflictTarget::Columns(columns)) => {
                let wanted = places(&columns.iter().map(normalise).collect::<Vec<_>>())?;
                for key in &keys {
                    if places(&key.columns)? == wanted {
                        return Ok(vec![wanted]);
                    }
                }
                let message = "there is no unique or exclusion constraint matching the ON CONFLICT specification";
                Err(EngineError::new(ErrorKind::InvalidColumnReference, message)
                    .with_hint("Declare PRIMARY KEY or UNIQUE, or CREATE UNIQUE INDEX, on those columns"))
            }
            Some(ConflictTarget::OnConstraint(name)) => {
                let name = parts(name).pop().unwrap_or_default();
                match keys.iter().find(|key| key.name == name && key.kind.is_constraint()) {
                    Some(key) => Ok(vec![places(&key.columns)?]),
                    None => {
                        let message = format!("constraint \"{name}\" for table \"{}\" does not exist", table.name);
                        Err(EngineError::new(ErrorKind::UndefinedObject, message))
                    }
                }
            }
            None if self.update().is_some() => {
                let message = "ON CONFLICT DO UPDATE requires inference specification or constraint name";
                Err(EngineError::new(ErrorKind::Syntax, message).with_hint("For example, ON CONFLICT (column_name)."))
            }
            None => keys.iter().map(|key| places(&key.columns)).collect(),
        }
    }

    fn update(&self) -> Option<&DoUpdate> {
        match &self.conflict.action {
            OnConflictAction::DoUpdate(update) => Some(update),
            OnConflictAction::DoNothing => None,
        }
    }

    /// The query that gives a key's columns of those rows that are there.
    ///
    /// # Errors
    /// None but bugs.
    pub fn existing(&self, table: &TableDef, key: &[usize]) -> Result<DfStatement> {
        let columns = key.iter().map(|place| format!("{EXCLUDED}.{}", quoted(&table.columns[*place].name)));
        let columns: Vec<String> = columns.collect();
        let text = format!(
            "WITH {EXCLUDED} AS (SELECT * FROM {target}) SELECT DISTINCT {} FROM {target} AS {own}, {EXCLUDED} WHERE {}",
            columns.join(", "),
            self.is_there(table, key),
            target = self.target,
            own = self.own(),
        );
        statement(&text)
    }

    /// What becomes of those; `None` where nothing does.
    ///
    /// # Errors
    /// As [`RowCorrection::of`].
    pub fn correction(&self, table: &TableDef, key: &[usize]) -> Result<Option<RowCorrection>> {
        let Some(update) = self.update() else { return Ok(None) };
        let text = format!(
            "WITH {EXCLUDED} AS (SELECT * FROM {target}) UPDATE {target} AS {own} SET {any} = DEFAULT FROM {EXCLUDED} WHERE {}",
            self.is_there(table, key),
            target = self.target,
            own = self.own(),
            any = quoted(&table.columns[0].name),
        );
        let Some(mut correction) = RowCorrection::of(&statement(&text)?)? else {
            return Err(EngineError::internal("an UPDATE became another statement"));
        };
        let mut qualify = Qualify { own: self.own(), table, queries: 0 };
        correction.assignments = assignments_of(&update.assignments)?;
        for (_, value) in &mut correction.assignments {
            let _: ControlFlow<()> = value.visit(&mut qualify);
        }
        if let Some(mut condition) = update.selection.clone() {
            let _: ControlFlow<()> = condition.visit(&mut qualify);
            correction.and_where(condition);
        }
        if let (Some(own), Some(of_insert)) = (&mut correction.with, &self.with) {
            own.recursive |= of_insert.recursive;
            own.cte_tables.extend(of_insert.cte_tables.iter().cloned());
        }
        Ok(Some(correction))
    }

    /// What the table is called beside the rows.
    fn own(&self) -> Ident {
        match &self.alias {
            Some(alias) => alias.clone(),
            None => Ident::with_quote('"', parts(&self.target).pop().unwrap_or_default()),
        }
    }

    fn is_there(&self, table: &TableDef, key: &[usize]) -> String {
        let own = self.own();
        let same = key.iter().map(|place| {
            let column = quoted(&table.columns[*place].name);
            format!("{own}.{column} = {EXCLUDED}.{column}")
        });
        same.collect::<Vec<_>>().join(" AND ")
    }
}

/// Names of columns alone are those of the table, and not of the rows beside it.
struct Qualify<'a> {
    own: Ident,
    table: &'a TableDef,
    /// Queries that what is visited now is within: what names mean there is not known here.
    queries: usize,
}

impl VisitorMut for Qualify<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.queries += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.queries -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Identifier(name) = expr
            && self.queries == 0
            && self.table.column(&normalise(name)).is_some()
        {
            *expr = Expr::CompoundIdentifier(vec![self.own.clone(), name.clone()]);
        }
        ControlFlow::Continue(())
    }
}

fn statement(text: &str) -> Result<DfStatement> {
    let parsed = parse(text)?.pop().map(super::Statement::into_parsed);
    parsed.ok_or_else(|| EngineError::internal("a statement without text"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use datafusion::sql::sqlparser::ast::Statement as Ast;

    use super::*;

    fn table() -> TableDef {
        let text = "CREATE TABLE t (id BIGINT PRIMARY KEY, day DATE, name TEXT, n BIGINT, UNIQUE (name, day))";
        let Some(Ast::CreateTable(create)) = parse(text).unwrap().remove(0).ast().cloned() else {
            unreachable!("it is one")
        };
        crate::sql::create_table(&create).unwrap()
    }

    fn conflict(text: &str) -> InsertConflict {
        let DfStatement::Statement(ast) = statement(text).unwrap() else { unreachable!("it is one") };
        let Ast::Insert(mut insert) = *ast else { unreachable!("it is one") };
        let conflict = InsertConflict::take(&mut insert, None).unwrap().unwrap();
        assert!(insert.on.is_none());
        conflict
    }

    #[test]
    fn rows_that_are_there_are_updated_by_a_join_with_those_that_are_not_inserted() {
        let update = conflict(
            "INSERT INTO t AS q VALUES (1) ON CONFLICT (day, name) DO UPDATE SET n = n + excluded.n WHERE q.n < 5",
        );
        let keys = update.keys(&table()).unwrap();
        assert_eq!(keys, [[1, 2]]);
        let query = update.correction(&table(), &keys[0]).unwrap().unwrap().query(&table()).unwrap();
        let text = query.query.to_string();
        let expected = "\"q\".n + excluded.n AS \"new 3\" FROM t AS \"q\", excluded WHERE (\"q\".\"day\" = excluded.\"day\" AND \"q\".\"name\" = excluded.\"name\") AND \
                        (q.n < 5)";
        assert!(text.ends_with(expected), "{text}");
        let existing = update.existing(&table(), &keys[0]).unwrap().to_string();
        assert!(
            existing.contains("SELECT DISTINCT excluded.\"day\", excluded.\"name\" FROM t AS \"q\", excluded"),
            "{existing}"
        );
    }

    #[test]
    fn a_key_has_to_be_there() {
        let keys = |text: &str| conflict(text).keys(&table());
        assert_eq!(keys("INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING").unwrap(), [vec![1, 2], vec![0]]);
        assert_eq!(keys("INSERT INTO t VALUES (1) ON CONFLICT ON CONSTRAINT t_pkey DO NOTHING").unwrap(), [[0]]);
        for (text, kind) in [
            ("INSERT INTO t VALUES (1) ON CONFLICT (n) DO NOTHING", ErrorKind::InvalidColumnReference),
            ("INSERT INTO t VALUES (1) ON CONFLICT (none) DO NOTHING", ErrorKind::UndefinedColumn),
            ("INSERT INTO t VALUES (1) ON CONFLICT ON CONSTRAINT none DO NOTHING", ErrorKind::UndefinedObject),
            ("INSERT INTO t VALUES (1) ON CONFLICT DO UPDATE SET n = 1", ErrorKind::Syntax),
        ] {
            assert_eq!(keys(text).unwrap_err().kind(), kind, "{text}");
        }
    }
}

//! The relations that a statement names, each replaced by what its name means: with the schema that it is in, or, where it is
//! a view, by the view's query.

use std::ops::ControlFlow;

use datafusion::sql::parser::Statement as DfStatement;
use datafusion::sql::sqlparser::ast::{
    Expr, Ident, ObjectName, ObjectNamePart, Query, Statement as Ast, TableAlias, TableAliasColumnDef, TableFactor,
    TableObject, VisitMut, VisitorMut,
};

use super::ident::normalise;
use crate::error::{EngineError, ErrorKind, Result};

/// Views that one statement may name, those in views counted.
const MOST_VIEWS: usize = 1_000;
/// Bytes of their texts: what is read of one takes some fifty times as much.
const MOST_VIEW_BYTES: usize = 4 << 20;
/// How deeply a statement may nest once views stand in it as their queries. Each text may be nearly as deep by itself.
const MOST_NESTED: usize = 20_000;

/// What a name means.
pub enum Meaning {
    /// What it says.
    AsItIs,
    /// The relation of this name.
    Relation(Vec<String>),
    /// A view.
    View(View),
}

/// A view that a name means.
pub struct View {
    /// Its query.
    pub query: Box<Query>,
    /// The names of its columns.
    pub columns: Vec<String>,
    /// Bytes of its text.
    pub bytes: usize,
}

/// Replaces the relations of a statement by what `meaning` says of their names, given in parts and folded. Names that WITH
/// defines are left alone.
///
/// # Errors
/// What `meaning` says; [`ErrorKind::LimitExceeded`] for views without an end.
pub fn resolve<E: From<EngineError>>(
    statement: &mut DfStatement,
    meaning: &mut dyn FnMut(&[String]) -> Result<Meaning, E>,
) -> Result<(), E> {
    match statement {
        DfStatement::Statement(ast) => resolve_ast(ast, meaning),
        DfStatement::Explain(explain) => resolve(&mut explain.statement, meaning),
        _ => Ok(()),
    }
}

/// As [`resolve`], of a syntax tree.
///
/// # Errors
/// As there.
pub fn resolve_ast<E: From<EngineError>>(
    ast: &mut Ast,
    meaning: &mut dyn FnMut(&[String]) -> Result<Meaning, E>,
) -> Result<(), E> {
    let mut resolver = Resolver { scopes: Vec::new(), meaning, views: 0, bytes: 0, depth: 0, prefixes: Vec::new() };
    if let ControlFlow::Break(error) = ast.visit(&mut resolver) {
        return Err(error);
    }
    let prefixes = resolver.prefixes;
    if !prefixes.is_empty() {
        let _: ControlFlow<()> = ast.visit(&mut Columns { prefixes });
    }
    Ok(())
}

/// The relations that a query names, in parts and folded, but for those that its WITH defines.
pub fn named(query: &Query) -> Vec<Vec<String>> {
    let mut names = Vec::new();
    let mut query = Ast::Query(Box::new(query.clone()));
    let mut note = |name: &[String]| -> Result<Meaning> {
        names.push(name.to_vec());
        Ok(Meaning::AsItIs)
    };
    // Noting a name cannot fail.
    let _ = resolve_ast(&mut query, &mut note);
    names
}

/// What WITH of a query defines, as far as it is defined yet.
struct Scope {
    names: Vec<String>,
    /// How many of them can be named.
    visible: usize,
    /// How many of their queries have been visited.
    visited: usize,
    /// The query is itself one that WITH defines.
    is_defined: bool,
}

struct Resolver<'a, E> {
    scopes: Vec<Scope>,
    meaning: &'a mut dyn FnMut(&[String]) -> Result<Meaning, E>,
    views: usize,
    /// Bytes of their texts.
    bytes: usize,
    /// Expressions, queries and tables that what is visited now is within.
    depth: usize,
    /// Qualified names of relations that columns may begin with and that have no such name any more.
    prefixes: Vec<Vec<String>>,
}

impl<E: From<EngineError>> Resolver<'_, E> {
    fn is_defined(&self, name: &str) -> bool {
        self.scopes.iter().any(|scope| scope.names[..scope.visible].iter().any(|defined| defined == name))
    }

    /// The table that an INSERT is into.
    fn target(&mut self, name: &mut ObjectName) -> Result<(), E> {
        let parts = parts(name);
        match (self.meaning)(&parts)? {
            Meaning::AsItIs => Ok(()),
            Meaning::Relation(relation) => {
                *name = object_name(relation);
                Ok(())
            }
            Meaning::View(..) => {
                let view = parts.last().cloned().unwrap_or_default();
                let message = format!("cannot insert into view \"{view}\"");
                Err(EngineError::new(ErrorKind::WrongObjectType, message).into())
            }
        }
    }

    fn factor(&mut self, factor: &mut TableFactor) -> Result<(), E> {
        let TableFactor::Table { name, alias, args: None, .. } = factor else { return Ok(()) };
        let parts = parts(name);
        let Some(last) = parts.last() else { return Ok(()) };
        if parts.len() == 1 && self.is_defined(last) {
            return Ok(());
        }
        match (self.meaning)(&parts)? {
            Meaning::AsItIs => {}
            Meaning::Relation(relation) => {
                // What is in a schema of its own has that in its name: columns are found by the name that was written.
                let is_renamed = relation.last() != Some(last);
                if is_renamed && alias.is_none() {
                    let name = Ident::with_quote('"', last.clone());
                    *alias = Some(TableAlias { explicit: true, name, columns: Vec::new(), at: None });
                }
                if parts.len() > relation.len() || (is_renamed && parts.len() > 1) {
                    self.prefixes.push(parts);
                }
                *name = object_name(relation);
            }
            Meaning::View(View { query, columns, bytes }) => {
                self.views += 1;
                self.bytes += bytes;
                if self.views > MOST_VIEWS || self.bytes > MOST_VIEW_BYTES {
                    let most = MOST_VIEW_BYTES >> 20;
                    let message = format!("a statement names at most {MOST_VIEWS} views, of {most} MiB of text");
                    return Err(EngineError::new(ErrorKind::LimitExceeded, message).into());
                }
                let mut names: Vec<String> = columns;
                let given = alias.take();
                if parts.len() > 1 && given.is_none() {
                    self.prefixes.push(parts.clone());
                }
                let (explicit, alias_name) = match given {
                    Some(given) => {
                        for (name, column) in names.iter_mut().zip(&given.columns) {
                            *name = normalise(&column.name);
                        }
                        (given.explicit, given.name)
                    }
                    None => (true, Ident::with_quote('"', last.clone())),
                };
                let column = |name: String| TableAliasColumnDef { name: Ident::with_quote('"', name), data_type: None };
                let columns = names.into_iter().map(column).collect();
                *factor = TableFactor::Derived {
                    lateral: false,
                    subquery: query,
                    alias: Some(TableAlias { explicit, name: alias_name, columns, at: None }),
                    sample: None,
                };
            }
        }
        Ok(())
    }
}

impl<E: From<EngineError>> Resolver<'_, E> {
    fn enter(&mut self) -> ControlFlow<E> {
        self.depth += 1;
        if self.depth <= MOST_NESTED {
            return ControlFlow::Continue(());
        }
        let message = "the statement is too complex: views within views nest too deeply";
        ControlFlow::Break(EngineError::new(ErrorKind::LimitExceeded, message).into())
    }

    fn leave(&mut self) -> ControlFlow<E> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }
}

impl<E: From<EngineError>> VisitorMut for Resolver<'_, E> {
    type Break = E;

    fn pre_visit_expr(&mut self, _: &mut Expr) -> ControlFlow<E> {
        self.enter()
    }

    fn post_visit_expr(&mut self, _: &mut Expr) -> ControlFlow<E> {
        self.leave()
    }

    fn pre_visit_statement(&mut self, statement: &mut Ast) -> ControlFlow<E> {
        let Ast::Insert(insert) = statement else { return ControlFlow::Continue(()) };
        let TableObject::TableName(name) = &mut insert.table else { return ControlFlow::Continue(()) };
        match self.target(name) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        }
    }

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<E> {
        let is_defined = self.scopes.last().is_some_and(|scope| scope.visited < scope.names.len());
        let names: Vec<String> = match &query.with {
            Some(with) => with.cte_tables.iter().map(|cte| normalise(&cte.alias.name)).collect(),
            None => Vec::new(),
        };
        let recursive = query.with.as_ref().is_some_and(|with| with.recursive);
        let visible = if recursive { names.len() } else { 0 };
        self.scopes.push(Scope { names, visible, visited: 0, is_defined });
        self.enter()
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<E> {
        let ended = self.scopes.pop();
        if ended.is_some_and(|scope| scope.is_defined)
            && let Some(scope) = self.scopes.last_mut()
        {
            scope.visited += 1;
            scope.visible = scope.visible.max(scope.visited);
        }
        self.leave()
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<E> {
        match self.factor(factor) {
            Ok(()) => self.enter(),
            Err(error) => ControlFlow::Break(error),
        }
    }

    fn post_visit_table_factor(&mut self, _: &mut TableFactor) -> ControlFlow<E> {
        self.leave()
    }
}

/// `public.v.column` to `v.column`, where `v` is not what it was in `public`.
struct Columns {
    prefixes: Vec<Vec<String>>,
}

impl VisitorMut for Columns {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::CompoundIdentifier(idents) = expr
            && let Some((_, qualifier)) = idents.split_last()
        {
            let qualifier: Vec<String> = qualifier.iter().map(normalise).collect();
            if self.prefixes.contains(&qualifier) {
                idents.drain(..qualifier.len() - 1);
            }
        }
        ControlFlow::Continue(())
    }
}

/// The parts of a name, folded.
pub fn parts(name: &ObjectName) -> Vec<String> {
    name.0.iter().filter_map(|part| part.as_ident()).map(normalise).collect()
}

/// A name of these parts, exactly.
pub fn object_name(parts: Vec<String>) -> ObjectName {
    ObjectName(parts.into_iter().map(|part| ObjectNamePart::Identifier(Ident::with_quote('"', part))).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::sql::parse;

    fn resolved(sql: &str) -> String {
        let mut statement = parse(sql).unwrap().remove(0).into_parsed();
        let mut meaning = |name: &[String]| -> Result<Meaning> {
            Ok(match name.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
                ["v"] | ["public", "v"] => {
                    let Ast::Query(query) = *parse_ast("SELECT a, b FROM public.t") else { unreachable!() };
                    Meaning::View(View { query, columns: vec!["x".to_owned(), "y".to_owned()], bytes: 0 })
                }
                [one] => Meaning::Relation(vec!["public".to_owned(), (*one).to_owned()]),
                ["db", schema, table] => Meaning::Relation(vec![(*schema).to_owned(), (*table).to_owned()]),
                _ => Meaning::AsItIs,
            })
        };
        resolve(&mut statement, &mut meaning).unwrap();
        let DfStatement::Statement(ast) = statement else { unreachable!() };
        ast.to_string()
    }

    fn parse_ast(sql: &str) -> Box<Ast> {
        match parse(sql).unwrap().remove(0).into_parsed() {
            DfStatement::Statement(ast) => ast,
            _ => unreachable!(),
        }
    }

    #[test]
    fn names_get_their_schema_but_those_of_with_do_not() {
        assert_eq!(resolved("SELECT * FROM t"), r#"SELECT * FROM "public"."t""#);
        assert_eq!(
            resolved("WITH t AS (SELECT * FROM t), u AS (SELECT * FROM t) SELECT * FROM t, u, w"),
            r#"WITH t AS (SELECT * FROM "public"."t"), u AS (SELECT * FROM t) SELECT * FROM t, u, "public"."w""#
        );
        assert_eq!(
            resolved("WITH RECURSIVE t AS (SELECT 1 UNION ALL SELECT * FROM t) SELECT * FROM t"),
            "WITH RECURSIVE t AS (SELECT 1 UNION ALL SELECT * FROM t) SELECT * FROM t"
        );
        assert_eq!(
            resolved("SELECT (SELECT max(a) FROM t) FROM (WITH t AS (SELECT 1) SELECT * FROM t) AS s"),
            r#"SELECT (SELECT max(a) FROM "public"."t") FROM (WITH t AS (SELECT 1) SELECT * FROM t) AS s"#
        );
        assert_eq!(resolved("INSERT INTO t SELECT * FROM t"), r#"INSERT INTO "public"."t" SELECT * FROM "public"."t""#);
    }

    #[test]
    fn views_become_their_queries() {
        assert_eq!(
            resolved("SELECT public.v.x, v.y FROM public.v"),
            r#"SELECT v.x, v.y FROM (SELECT a, b FROM public.t) AS "v" ("x", "y")"#
        );
        assert_eq!(
            resolved("SELECT s.k FROM v AS s(k) JOIN db.public.t ON db.public.t.a = s.k"),
            r#"SELECT s.k FROM (SELECT a, b FROM public.t) AS s ("k", "y") JOIN "public"."t" ON t.a = s.k"#
        );
        assert_eq!(resolved("WITH v AS (SELECT 1) SELECT * FROM v"), "WITH v AS (SELECT 1) SELECT * FROM v");
    }
    #[test]
    fn views_that_name_too_much_are_refused() {
        for bytes in [0, 1 << 20] {
            let mut statement = parse("SELECT a FROM v").unwrap().remove(0).into_parsed();
            let mut names = 0;
            let mut endless = |_: &[String]| {
                names += 1;
                let DfStatement::Statement(ast) = parse("SELECT a FROM v").unwrap().remove(0).into_parsed() else {
                    unreachable!()
                };
                let Ast::Query(query) = *ast else { unreachable!() };
                Ok(Meaning::View(View { query, columns: vec!["a".to_owned()], bytes }))
            };
            assert_eq!(
                resolve::<EngineError>(&mut statement, &mut endless).unwrap_err().kind(),
                ErrorKind::LimitExceeded
            );
            assert_eq!(names, if bytes == 0 { MOST_VIEWS + 1 } else { 5 });
        }
    }
}

//! How large a statement becomes in its plan, where every query that WITH defines stands wherever it is named:
//! `b AS (SELECT … FROM a, a), c AS (SELECT … FROM b, b)` doubles with each line. So does `coalesce(coalesce(…, b), c)`, which becomes a
//! CASE that names what comes first twice.

use std::ops::ControlFlow;

use datafusion::sql::parser::Statement as DfStatement;
use datafusion::sql::sqlparser::ast::{Expr, Function, ObjectNamePart, Query, TableFactor, Visit, Visitor};

use super::ident::normalise;
use super::relations::parts;
use crate::error::{EngineError, ErrorKind, Result};

/// Most of them: a plan over so many takes seconds to make.
const MOST: usize = 1_000;
/// Most columns of a CUBE, as in PostgreSQL: it groups by each set of them.
const MOST_OF_A_CUBE: usize = 12;
/// Most calls of `coalesce` within each other.
const MOST_WITHIN: usize = 10;

/// Checks a statement, its views resolved.
///
/// # Errors
/// [`ErrorKind::LimitExceeded`].
pub fn check(statement: &DfStatement) -> Result<()> {
    let ast = match statement {
        DfStatement::Statement(ast) => ast,
        DfStatement::Explain(explain) => return check(&explain.statement),
        _ => return Ok(()),
    };
    match ast.visit(&mut Sizes::default()) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(TooMany::Columns) => {
            let message = format!("CUBE is limited to {MOST_OF_A_CUBE} elements");
            Err(EngineError::new(ErrorKind::LimitExceeded, message))
        }
        ControlFlow::Break(TooMany::Calls) => {
            let message = format!("calls of coalesce stand at most {MOST_WITHIN} deep within each other");
            Err(EngineError::new(ErrorKind::LimitExceeded, message).with_hint("One call takes any number of values"))
        }
        ControlFlow::Break(TooMany::Relations) => {
            let message =
                format!("a statement reads at most {MOST} relations, those in what WITH defines wherever it is named");
            let hint = "Put what is named often into a temporary table";
            Err(EngineError::new(ErrorKind::LimitExceeded, message).with_hint(hint))
        }
    }
}

/// What there is too much of.
enum TooMany {
    Relations,
    Columns,
    Calls,
}

#[derive(Default)]
struct Sizes {
    queries: Vec<Counted>,
    /// Calls of `coalesce` that what is looked at now is within.
    calls: usize,
}

/// A query that is being looked at.
struct Counted {
    /// What its WITH defines, by name, with how many relations that reads, as far as that is known.
    defined: Vec<(String, usize)>,
    /// How many of those have been looked at.
    known: usize,
    /// It is itself one that WITH defines.
    is_defined: bool,
    /// Relations that it reads.
    relations: usize,
}

impl Sizes {
    fn read(&mut self, relations: usize) -> ControlFlow<TooMany> {
        let Some(query) = self.queries.last_mut() else { return ControlFlow::Continue(()) };
        query.relations = query.relations.saturating_add(relations);
        if query.relations > MOST { ControlFlow::Break(TooMany::Relations) } else { ControlFlow::Continue(()) }
    }

    /// How many relations stand behind a name: one, or those of what WITH has defined under it.
    fn behind(&self, name: &str) -> usize {
        let mut defined = self.queries.iter().rev().flat_map(|query| query.defined[..query.known].iter().rev());
        defined.find(|(defined, _)| defined == name).map_or(1, |(_, relations)| *relations)
    }
}

impl Visitor for Sizes {
    type Break = TooMany;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<TooMany> {
        let is_defined = self.queries.last().is_some_and(|outer| outer.known < outer.defined.len());
        let defined = query.with.iter().flat_map(|with| &with.cte_tables);
        let defined = defined.map(|table| (normalise(&table.alias.name), 1)).collect();
        self.queries.push(Counted { defined, known: 0, is_defined, relations: 1 });
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &Query) -> ControlFlow<TooMany> {
        let Some(ended) = self.queries.pop() else { return ControlFlow::Continue(()) };
        match self.queries.last_mut() {
            Some(outer) if ended.is_defined => {
                if let Some((_, relations)) = outer.defined.get_mut(outer.known) {
                    *relations = ended.relations;
                }
                outer.known += 1;
                ControlFlow::Continue(())
            }
            _ => self.read(ended.relations),
        }
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<TooMany> {
        match expr {
            Expr::Cube(columns) if columns.len() > MOST_OF_A_CUBE => ControlFlow::Break(TooMany::Columns),
            Expr::Function(function) if names_first_twice(function) => {
                self.calls += 1;
                if self.calls > MOST_WITHIN { ControlFlow::Break(TooMany::Calls) } else { ControlFlow::Continue(()) }
            }
            _ => ControlFlow::Continue(()),
        }
    }

    fn post_visit_expr(&mut self, expr: &Expr) -> ControlFlow<TooMany> {
        if matches!(expr, Expr::Function(function) if names_first_twice(function)) {
            self.calls -= 1;
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<TooMany> {
        let TableFactor::Table { name, .. } = factor else { return ControlFlow::Continue(()) };
        let relations = match parts(name).as_slice() {
            [name] => self.behind(name),
            _ => 1,
        };
        self.read(relations)
    }
}

/// True for a call that becomes a CASE.
fn names_first_twice(function: &Function) -> bool {
    match function.name.0.as_slice() {
        [ObjectNamePart::Identifier(name)] => ["coalesce", "nvl", "ifnull"].contains(&normalise(name).as_str()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::sql::parse;

    fn checked(text: &str) -> Result<()> {
        check(parse(text).unwrap().remove(0).parsed())
    }

    fn doubling(times: usize) -> String {
        let next = |at: usize| format!("c{at} AS (SELECT x.a FROM c{} AS x, c{} AS y)", at - 1, at - 1);
        let more: Vec<String> = (1..=times).map(next).collect();
        format!("WITH c0 AS (SELECT 1 AS a), {} SELECT a FROM c{times}", more.join(", "))
    }

    #[test]
    fn what_doubles_with_each_line_is_refused() {
        assert!(checked(&doubling(8)).is_ok());
        for text in [doubling(40), format!("EXPLAIN {}", doubling(40)), format!("CREATE TABLE t AS {}", doubling(40))] {
            assert_eq!(checked(&text).unwrap_err().kind(), ErrorKind::LimitExceeded);
        }
    }

    #[test]
    fn what_is_named_once_counts_once() {
        let lines: Vec<String> = (1..800).map(|at| format!("c{at} AS (SELECT a FROM c{})", at - 1)).collect();
        assert!(checked(&format!("WITH c0 AS (SELECT 1 AS a), {} SELECT a FROM c799", lines.join(", "))).is_ok());
        let beside: Vec<String> = (0..400).map(|at| format!("(SELECT a FROM t WHERE a = {at})")).collect();
        assert!(checked(&format!("SELECT {}", beside.join(", "))).is_ok());
        // A name of an inner WITH hides one of an outer.
        let hiding = format!("SELECT a FROM (WITH c8 AS (SELECT 1 AS a) SELECT {} FROM c8) AS s", "x.a");
        let hiding = hiding.replace("x.a", &vec!["(SELECT a FROM c8)"; 100].join(", "));
        assert!(checked(&doubling(8).replace("SELECT a FROM c8", &hiding)).is_ok());
    }

    #[test]
    fn a_cube_has_so_many_columns() {
        let cube = |columns: usize| format!("SELECT 1 FROM t GROUP BY CUBE({})", vec!["a"; columns].join(", "));
        assert!(checked(&cube(12)).is_ok());
        assert_eq!(checked(&cube(13)).unwrap_err().kind(), ErrorKind::LimitExceeded);
    }

    #[test]
    fn calls_that_double_stand_so_deep() {
        let deep = |times: usize| format!("SELECT {}1{}", "coalesce(".repeat(times), ", 2)".repeat(times));
        assert!(checked(&deep(10)).is_ok());
        assert_eq!(checked(&deep(11)).unwrap_err().kind(), ErrorKind::LimitExceeded);
        assert!(checked(&format!("SELECT {}", vec!["coalesce(1, 2)"; 100].join(", "))).is_ok());
    }

    #[test]
    fn recursion_counts_what_it_names_once() {
        let text = "WITH RECURSIVE r AS (SELECT 1 AS a UNION ALL SELECT x.a + 1 FROM r AS x, r AS y WHERE x.a < 3) SELECT a FROM r";
        assert!(checked(text).is_ok());
    }
}

//! Columns that a join merges: `USING (c)` has one `c`, first of all columns, and not NULL where either side has a value.
//!
//! DataFusion gives the left side's `c`, which outer joins leave NULL, and keeps it among that side's columns. Here a bare `c`
//! becomes the side's that has it, or `coalesce` of both, and `*` is written out.

use std::ops::ControlFlow;

use datafusion::sql::parser::Statement as DfStatement;
use datafusion::sql::sqlparser::ast::{
    ExceptSelectItem, Expr, Ident, JoinConstraint, JoinOperator, ObjectName, OrderBy, OrderByKind, Query, Select,
    SelectItem, SelectItemQualifiedWildcardKind, SetExpr, TableFactor, TableWithJoins, VisitMut, VisitorMut,
    WildcardAdditionalOptions,
};

use super::ident::normalise;
use super::postgres_operators::call;
use crate::error::EngineError;

/// Rewrites all queries of a statement.
pub fn rewrite(statement: &mut DfStatement) {
    match statement {
        DfStatement::Statement(ast) => {
            let _: ControlFlow<EngineError> = ast.visit(&mut Queries);
        }
        DfStatement::Explain(explain) => rewrite(&mut explain.statement),
        _ => {}
    }
}

struct Queries;

impl VisitorMut for Queries {
    type Break = EngineError;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<EngineError> {
        let order = match &mut query.order_by {
            Some(OrderBy { kind: OrderByKind::Expressions(order), .. }) => order.as_mut_slice(),
            _ => &mut [],
        };
        match query.body.as_mut() {
            SetExpr::Select(select) => {
                if let Some(merged) = merge(select) {
                    for item in order {
                        // A bare name is the result's, where that has it.
                        if !matches!(item.expr, Expr::Identifier(_)) {
                            let _: ControlFlow<()> = item.expr.visit(&mut Names::new(&merged));
                        }
                    }
                }
            }
            body => operands(body),
        }
        ControlFlow::Continue(())
    }
}

fn operands(body: &mut SetExpr) {
    match body {
        SetExpr::Select(select) => {
            merge(select);
        }
        SetExpr::SetOperation { left, right, .. } => {
            operands(left);
            operands(right);
        }
        _ => {}
    }
}

/// A part of what `*` stands for.
#[allow(clippy::large_enum_variant, reason = "a few live while one SELECT is read")]
enum Part {
    /// A merged column.
    Merged(Ident, Expr),
    /// A relation's columns but these.
    Relation(Ident, Vec<Ident>),
}

/// Rewrites one SELECT; its merged columns, where it has any.
fn merge(select: &mut Select) -> Option<Vec<(String, Expr)>> {
    let joins = select.from.iter().flat_map(|from| &from.joins);
    if !joins.into_iter().any(|join| using(&join.join_operator).is_some()) {
        return None;
    }
    let mut parts = Vec::new();
    for from in &select.from {
        parts.extend(parts_of(from)?);
    }
    let merged: Vec<(String, Expr)> = parts
        .iter()
        .filter_map(|part| match part {
            Part::Merged(name, expr) => Some((normalise(name), expr.clone())),
            Part::Relation(..) => None,
        })
        .collect();
    let mut projection = Vec::new();
    for item in std::mem::take(&mut select.projection) {
        match item {
            SelectItem::Wildcard(options) if is_plain(&options) => {
                projection.extend(parts.iter().map(written_out));
            }
            SelectItem::UnnamedExpr(Expr::Identifier(name)) => {
                match merged.iter().find(|(known, _)| *known == normalise(&name)) {
                    Some((_, expr)) => {
                        projection.push(SelectItem::ExprWithAlias { expr: expr.clone(), alias: name });
                    }
                    None => projection.push(SelectItem::UnnamedExpr(Expr::Identifier(name))),
                }
            }
            mut other => {
                let _: ControlFlow<()> = other.visit(&mut Names::new(&merged));
                projection.push(other);
            }
        }
    }
    select.projection = projection;
    let mut names = Names::new(&merged);
    let _: ControlFlow<()> = select.selection.visit(&mut names);
    let _: ControlFlow<()> = select.group_by.visit(&mut names);
    let _: ControlFlow<()> = select.having.visit(&mut names);
    let _: ControlFlow<()> = select.qualify.visit(&mut names);
    Some(merged)
}

/// True without EXCEPT, REPLACE and their like.
fn is_plain(options: &WildcardAdditionalOptions) -> bool {
    options.opt_ilike.is_none()
        && options.opt_exclude.is_none()
        && options.opt_except.is_none()
        && options.opt_replace.is_none()
        && options.opt_rename.is_none()
}

fn written_out(part: &Part) -> SelectItem {
    match part {
        Part::Merged(name, expr) => SelectItem::ExprWithAlias { expr: expr.clone(), alias: name.clone() },
        Part::Relation(name, left_out) => {
            let mut options = WildcardAdditionalOptions::default();
            if let Some((first, more)) = left_out.split_first() {
                options.opt_except =
                    Some(ExceptSelectItem { first_element: first.clone(), additional_elements: more.to_vec() });
            }
            let kind = SelectItemQualifiedWildcardKind::ObjectName(ObjectName::from(vec![name.clone()]));
            SelectItem::QualifiedWildcard(kind, options)
        }
    }
}

/// The columns of `USING`, with what remains of a column where a side has no row.
fn using(operator: &JoinOperator) -> Option<(&[ObjectName], Side)> {
    let (constraint, side) = match operator {
        JoinOperator::Join(c) | JoinOperator::Inner(c) | JoinOperator::Left(c) | JoinOperator::LeftOuter(c) => {
            (c, Side::Left)
        }
        JoinOperator::Right(c) | JoinOperator::RightOuter(c) => (c, Side::Right),
        JoinOperator::FullOuter(c) => (c, Side::Both),
        _ => return None,
    };
    match constraint {
        JoinConstraint::Using(names) => Some((names, side)),
        _ => None,
    }
}

#[derive(Clone, Copy)]
enum Side {
    Left,
    Right,
    Both,
}

/// What the columns of a FROM are; `None` where a relation has no name, or a column could be of several.
fn parts_of(from: &TableWithJoins) -> Option<Vec<Part>> {
    let mut parts = vec![Part::Relation(name_of(&from.relation)?, Vec::new())];
    for join in &from.joins {
        let right = name_of(&join.relation)?;
        let Some((names, side)) = using(&join.join_operator) else {
            let natural = matches!(
                &join.join_operator,
                JoinOperator::Join(JoinConstraint::Natural)
                    | JoinOperator::Inner(JoinConstraint::Natural)
                    | JoinOperator::Left(JoinConstraint::Natural)
                    | JoinOperator::LeftOuter(JoinConstraint::Natural)
                    | JoinOperator::Right(JoinConstraint::Natural)
                    | JoinOperator::RightOuter(JoinConstraint::Natural)
                    | JoinOperator::FullOuter(JoinConstraint::Natural)
            );
            if natural {
                return None;
            }
            parts.push(Part::Relation(right, Vec::new()));
            continue;
        };
        let names: Vec<Ident> =
            names.iter().map(|name| name.0.last().and_then(|part| part.as_ident()).cloned()).collect::<Option<_>>()?;
        let mut merged = Vec::new();
        for name in &names {
            let known = parts.iter().find_map(|part| match part {
                Part::Merged(known, expr) if normalise(known) == normalise(name) => Some(expr.clone()),
                _ => None,
            });
            let left = match known {
                Some(expr) => expr,
                None => {
                    // Of several relations only their columns tell.
                    let mut relations = parts.iter().filter_map(|part| match part {
                        Part::Relation(relation, _) => Some(relation),
                        Part::Merged(..) => None,
                    });
                    let (relation, None) = (relations.next()?, relations.next()) else { return None };
                    Expr::CompoundIdentifier(vec![relation.clone(), name.clone()])
                }
            };
            let right = Expr::CompoundIdentifier(vec![right.clone(), name.clone()]);
            let expr = match side {
                Side::Left => left,
                Side::Right => right,
                Side::Both => call("coalesce", [left, right]),
            };
            merged.push(Part::Merged(name.clone(), expr));
        }
        let left_out = |name: &Ident| names.iter().any(|n| normalise(n) == normalise(name));
        for part in parts {
            match part {
                Part::Merged(name, _) if left_out(&name) => {}
                Part::Relation(relation, mut without) => {
                    without.extend(names.iter().cloned());
                    merged.push(Part::Relation(relation, without));
                }
                other => merged.push(other),
            }
        }
        merged.push(Part::Relation(right, names));
        parts = merged;
    }
    Some(parts)
}

/// What columns of a relation are qualified with.
pub(super) fn name_of(table: &TableFactor) -> Option<Ident> {
    match table {
        TableFactor::Table { alias: Some(alias), .. }
        | TableFactor::Derived { alias: Some(alias), .. }
        | TableFactor::Function { alias: Some(alias), .. }
        | TableFactor::UNNEST { alias: Some(alias), .. } => Some(alias.name.clone()),
        TableFactor::Table { name, .. } => name.0.last().and_then(|part| part.as_ident()).cloned(),
        _ => None,
    }
}

/// Puts merged columns in place of their names, in one SELECT and not in queries within it.
pub(super) struct Names<'a> {
    merged: &'a [(String, Expr)],
    depth: usize,
}

impl<'a> Names<'a> {
    /// Expressions for names.
    pub(super) fn new(merged: &'a [(String, Expr)]) -> Self {
        Names { merged, depth: 0 }
    }
}

impl VisitorMut for Names<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if self.depth == 0
            && let Expr::Identifier(name) = expr
            && let Some((_, merged)) = self.merged.iter().find(|(known, _)| *known == normalise(name))
        {
            *expr = merged.clone();
        }
        ControlFlow::Continue(())
    }
}

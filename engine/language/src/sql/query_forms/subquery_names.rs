//! Names of columns of subqueries, where the planner would find two of one name.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{Expr, Ident, Query, Select, SelectItem, SetExpr, VisitMut, VisitorMut};

/// A subquery of one aggregate beside the same one: `HAVING max(a) = (SELECT max(a) FROM t)`. Its column gets a name of its own, since
/// the planner joins the two and would find two of one name.
pub(super) fn give(select: &mut Select) {
    let mut found = Subqueries { aggregates: Vec::new(), named: None, depth: 0, count: 0 };
    let _ = select.projection.visit(&mut found);
    let _ = select.having.visit(&mut found);
    if found.aggregates.is_empty() {
        return;
    }
    let text = select.to_string();
    found.aggregates.retain(|aggregate| text.matches(aggregate.as_str()).count() > 1);
    found.named = Some(std::mem::take(&mut found.aggregates));
    let _ = select.projection.visit(&mut found);
    let _ = select.having.visit(&mut found);
}

/// Subqueries among the expressions of one SELECT, not those within them.
struct Subqueries {
    /// The calls that were found, as texts.
    aggregates: Vec<String>,
    /// Those that get names.
    named: Option<Vec<String>>,
    depth: usize,
    count: usize,
}

impl VisitorMut for Subqueries {
    type Break = ();

    fn pre_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if self.depth == 0
            && let Expr::Subquery(query) = expr
            && let SetExpr::Select(select) = query.body.as_mut()
            && let [item] = select.projection.as_mut_slice()
            && let SelectItem::UnnamedExpr(Expr::Function(function)) = item
        {
            let text = function.to_string();
            match &self.named {
                None => self.aggregates.push(text),
                Some(named) if named.contains(&text) => {
                    self.count += 1;
                    let alias = Ident::with_quote('"', format!("{text} {}", self.count));
                    *item = SelectItem::ExprWithAlias { expr: Expr::Function(function.clone()), alias };
                }
                Some(_) => {}
            }
        }
        ControlFlow::Continue(())
    }
}

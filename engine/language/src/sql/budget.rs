//! What reading one statement may take. The parser tries several ways to read what nests, and what it read for one way it reads
//! again for the next: time that doubles with each level. And some forms of PostgreSQL's become expressions in which an operand
//! stands several times: memory that doubles with each level.
//!
//! A statement is read on one thread, from its tokens to the forms that the planner takes.

use std::cell::Cell;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{Expr, Visit, Visitor};

use crate::error::{EngineError, ErrorKind, Result};

/// Operands that the parser may begin to read, beside those for each token.
const STEPS: usize = 100_000;
const STEPS_OF_A_TOKEN: usize = 2;
/// Expressions that may be copied, each with those in it.
const COPIES: usize = 1_000_000;

thread_local! {
    static STEPS_LEFT: Cell<usize> = const { Cell::new(usize::MAX) };
    static COPIES_LEFT: Cell<usize> = const { Cell::new(usize::MAX) };
    static IS_EXCEEDED: Cell<bool> = const { Cell::new(false) };
}

/// Does the work within what a statement of so many tokens may take.
///
/// # Errors
/// The work's own; [`ErrorKind::LimitExceeded`] where it took too much, whatever the work made of that.
pub fn within<T>(tokens: usize, work: impl FnOnce() -> Result<T>) -> Result<T> {
    // Some forms are made of texts, which are read on the way.
    let steps = STEPS_LEFT.replace(STEPS.saturating_add(tokens.saturating_mul(STEPS_OF_A_TOKEN)));
    let copies = COPIES_LEFT.replace(COPIES);
    let was_exceeded = IS_EXCEEDED.replace(false);
    let done = work();
    STEPS_LEFT.set(steps);
    COPIES_LEFT.set(copies);
    match IS_EXCEEDED.replace(was_exceeded) {
        true => {
            let message = "the statement is too complex: what nests in it can be read in too many ways";
            Err(EngineError::new(ErrorKind::LimitExceeded, message).with_hint("Take it apart, with WITH or a subquery"))
        }
        false => done,
    }
}

/// The parser begins to read an operand; false where it has to stop.
pub(super) fn step() -> bool {
    take(&STEPS_LEFT, 1)
}

/// An expression is to be copied so many times; false where that is too much.
pub(super) fn copy(expr: &Expr, times: usize) -> bool {
    let most = COPIES_LEFT.get() / times.max(1);
    let mut counted = Counted { left: most };
    // One more than there may be is not counted on.
    let _ = expr.visit(&mut counted);
    let wanted = (most - counted.left + 1).saturating_mul(times);
    take(&COPIES_LEFT, wanted)
}

fn take(left: &'static std::thread::LocalKey<Cell<usize>>, wanted: usize) -> bool {
    match left.get().checked_sub(wanted) {
        Some(rest) => {
            left.set(rest);
            true
        }
        None => {
            left.set(0);
            IS_EXCEEDED.set(true);
            false
        }
    }
}

struct Counted {
    left: usize,
}

impl Visitor for Counted {
    type Break = ();

    fn pre_visit_expr(&mut self, _: &Expr) -> ControlFlow<()> {
        match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                ControlFlow::Continue(())
            }
            None => ControlFlow::Break(()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::sql::parse;
    use crate::sql::postgres_forms::rewrite;

    fn is_refused(text: &str) {
        let read = parse(text).and_then(|mut statements| rewrite(&mut statements.remove(0).into_parsed()));
        assert_eq!(read.unwrap_err().kind(), ErrorKind::LimitExceeded, "{text}");
    }

    fn nested(open: &str, close: &str, times: usize) -> String {
        format!("SELECT {}1{}", open.repeat(times), close.repeat(times))
    }

    #[test]
    fn what_the_parser_would_read_again_and_again_is_refused() {
        is_refused(&nested("cast(", " AS x y)", 40));
        is_refused(&nested("position(", ")", 60));
        is_refused(&nested("substring(", ", 1)", 60));
        assert!(parse(&nested("substring(", ", 1)", 8)).is_ok());
        assert!(parse(&nested("coalesce(", ", 2)", 90)).is_ok());
        assert!(parse(&format!("SELECT {}", vec!["1"; 200_000].join(", "))).is_ok());
    }

    #[test]
    fn what_would_be_copied_again_and_again_is_refused() {
        is_refused(&format!("SELECT 1{}", " BETWEEN SYMMETRIC 0 AND 1".repeat(30)));
        is_refused(&nested("((", ", 2)::text, 1) < ('3', 2)", 30));
        let listed = vec!["'a'"; 100].join(", ");
        is_refused(&nested("(", &format!(" LIKE ANY (ARRAY[{listed}]))::text"), 10));
        let rows = vec!["(1, 2)"; 100].join(", ");
        is_refused(&nested("((", &format!(")::int, 2) IN ({rows})"), 10));
        let many = vec!["(1, 2)"; 2_000].join(", ");
        let mut statement = parse(&format!("SELECT (1, 2) IN ({many})")).unwrap().remove(0).into_parsed();
        assert!(rewrite(&mut statement).is_ok());
    }
}

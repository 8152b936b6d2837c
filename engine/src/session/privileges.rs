//! What a statement needs, found on its plan before that is optimised, and asked for each time it runs: a statement that was
//! prepared before a REVOKE is refused after it.
//!
//! A view of a tier, what a view reads, a subquery, a CTE, the query of `INSERT … SELECT`, `CREATE TABLE AS` and `COPY`, and what EXPLAIN
//! explains: all of them end as scans and changes of tables in the plan, and nothing else reads or writes one.

use std::sync::Arc;

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::logical_expr::{LogicalPlan, TableSource, WriteOp};
use zxq_catalog::roles::Privileges;
use zxq_catalog::{TableDef, TableId};

use crate::error::Result;
use crate::roles::rights::Rights;
use crate::session::{EngineSession, current_plan, described};
use crate::sql::Statement;

/// What a statement does with which tables; what it only describes needs no privilege but some.
#[derive(Debug, Clone, Default)]
pub(super) struct Needs(Vec<(TableId, Privileges)>);

impl Needs {
    /// What a statement needs.
    pub(super) fn of(session: &EngineSession, statement: &Statement, plan: &LogicalPlan) -> Result<Needs> {
        let mut needs = Needs::default();
        if let Some(described) = described::described(session, statement)? {
            needs.0.push((described.id, Privileges::NONE));
        }
        plan.apply_with_subqueries(|node| {
            match node {
                LogicalPlan::TableScan(scan) => needs.add(&scan.source, Privileges::SELECT),
                LogicalPlan::Dml(change) => needs.add(&change.target, of_change(&change.op)),
                _ => {}
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
        Ok(needs)
    }

    /// Privileges on one table.
    pub(super) fn on(table: &TableDef, privileges: Privileges) -> Needs {
        Needs(vec![(table.id, privileges)])
    }

    /// Those of the views that it names: whoever reads one needs the privilege to, and those on what it reads.
    pub(super) fn of_views(views: &[Arc<TableDef>]) -> Needs {
        Needs(views.iter().map(|view| (view.id, Privileges::SELECT)).collect())
    }

    fn add(&mut self, source: &Arc<dyn TableSource>, privileges: Privileges) {
        if let Some(table) = current_plan::definition(source) {
            self.and(Needs(vec![(table.id, privileges)]));
        }
    }

    /// What the other needs, too.
    pub(super) fn and(&mut self, other: Needs) {
        for (table, privileges) in other.0 {
            match self.0.iter_mut().find(|(id, _)| *id == table) {
                Some((_, all)) => *all = all.with(privileges),
                None => self.0.push((table, privileges)),
            }
        }
    }

    /// That the session has it now.
    ///
    /// # Errors
    /// [`crate::ErrorKind::InsufficientPrivilege`].
    pub(super) fn check(&self, session: &EngineSession) -> Result<()> {
        let snapshot = session.engine.snapshot();
        let rights = Rights::of(&snapshot, &session.who())?;
        if rights.is_superuser() {
            return Ok(());
        }
        for (id, privileges) in &self.0 {
            // One that was dropped meanwhile is found missing where it is read.
            let Some(table) = snapshot.table_by_id(*id) else { continue };
            if privileges.is_empty() {
                rights.check_sees(&table.def)?;
            } else {
                rights.check_table(&table.def, *privileges)?;
            }
        }
        Ok(())
    }
}

fn of_change(change: &WriteOp) -> Privileges {
    match change {
        WriteOp::Insert(_) => Privileges::INSERT,
        WriteOp::Update => Privileges::UPDATE,
        WriteOp::Delete => Privileges::DELETE,
        WriteOp::Truncate => Privileges::TRUNCATE,
        // What is made belongs to who makes it; that one may is asked where it is made.
        WriteOp::Ctas => Privileges::NONE,
    }
}

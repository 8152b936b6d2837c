//! `TieredTable`: the one `TableProvider` users see. One table, whatever tier its rows lie in.

use std::fmt;
use std::sync::{Arc, Weak};

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{Statistics, exec_datafusion_err, plan_err};
use datafusion::datasource::TableType;
use datafusion::error::Result;
use datafusion::logical_expr::dml::InsertOp;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::union::UnionExec;
use zxq_catalog::{ColumnStats, Segment, TableDef, TableState, Tier};
use zxq_providers::ScanRequest;
use zxq_providers::stats::{Sums, statistics, statistics_from};

use crate::scan::counted_rows_exec::CountedRowsExec;
use crate::scan::kept_columns::{as_rows, uses_kept_columns};
use crate::scan::scan_plan::{ScanPlan, is_partition_filter, plan_scan};
use crate::scan::session_options::ZxqOptions;
use crate::scan::tier_scan_exec::{ScanReport, ScanReports, TierScanExec};
use crate::sql::cold_format::ColdFormat;
use crate::state::engine::Engine;
use crate::state::pins::Pin;
use crate::write::insert_sink::insert_plan;

/// One zxq table as DataFusion sees it. Planning is pure; streams do the work.
#[derive(Clone)]
pub struct TieredTable {
    engine: Weak<Engine>,
    def: Arc<TableDef>,
    /// Tiers that the schema `hot`, `warm` or `cold` narrows to.
    only: Option<Tier>,
    pin: Option<Arc<Pin>>,
    defaults: Arc<Vec<(String, Expr)>>,
}

impl fmt::Debug for TieredTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TieredTable").field("table", &self.def.name).field("only", &self.only).finish_non_exhaustive()
    }
}

impl TieredTable {
    pub(crate) fn new(engine: Weak<Engine>, def: Arc<TableDef>, only: Option<Tier>) -> Self {
        TieredTable { engine, def, only, pin: None, defaults: Arc::default() }
    }

    /// The same table with the planned `DEFAULT` expressions that INSERT fills in.
    #[must_use]
    pub(crate) fn with_defaults(mut self, defaults: Arc<Vec<(String, Expr)>>) -> Self {
        self.defaults = defaults;
        self
    }

    /// The same table, read at the pinned snapshot.
    #[must_use]
    pub(crate) fn pinned(&self, pin: &Arc<Pin>) -> Self {
        TieredTable { pin: Some(Arc::clone(pin)), ..self.clone() }
    }

    /// True where a snapshot was chosen.
    pub(crate) fn is_pinned(&self) -> bool {
        self.pin.is_some()
    }

    /// The table's definition when the statement was planned.
    pub fn definition(&self) -> &Arc<TableDef> {
        &self.def
    }

    /// Its definition, where the rows of all tiers are read and no snapshot was chosen yet.
    pub(crate) fn whole(&self) -> Option<&Arc<TableDef>> {
        (self.only.is_none() && self.pin.is_none()).then_some(&self.def)
    }

    fn engine(&self) -> Result<Arc<Engine>> {
        self.engine.upgrade().ok_or_else(|| exec_datafusion_err!("the engine has been shut down"))
    }

    fn tiers(&self, state: &dyn Session) -> Vec<Tier> {
        let hinted = ZxqOptions::of(state.config()).tiers();
        match self.only {
            Some(only) => vec![only],
            None => hinted,
        }
    }
}

/// What is known of the rows of the segments that are kept. Where those are all segments of their tiers, their columns'
/// statistics are those that the snapshot has gathered already.
fn statistics_of(
    table: &TableState,
    plan: &ScanPlan,
    kept: &[Arc<Segment>],
    projection: &[usize],
    exact: bool,
) -> Statistics {
    let schema = table.def.schema();
    let read: Vec<Tier> = Tier::ALL.into_iter().filter(|tier| !plan.tiers[tier.index()].segments.is_empty()).collect();
    if !read.iter().all(|tier| plan.tiers[tier.index()].segments.len() == table.tier(*tier).len()) {
        return statistics(&schema, kept, projection, exact);
    }
    let column = |name: &str| {
        let mut total = ColumnStats { has_bounds: true, ..ColumnStats::default() };
        for tier in &read {
            total.widen(table.column(*tier, name)?.as_ref());
        }
        Some(total)
    };
    let sums = |sums: Sums, tier: &Tier| {
        let totals = table.tier(*tier).totals();
        Sums { rows: sums.rows + totals.owned_rows + totals.replica_rows, bytes: sums.bytes + totals.bytes }
    };
    statistics_from(&schema, read.iter().fold(Sums::default(), sums), projection, exact, column)
}

/// All rows of these tiers, of which nobody wants to know more than how many they are: no segment is looked at.
fn counted(
    table: &TableState,
    tiers: &[Tier],
    limit: Option<usize>,
    state: &dyn Session,
    pin: &Arc<Pin>,
) -> TierScanExec {
    let of = |tier: Tier| if tiers.contains(&tier) { Some(table.tier(tier)) } else { None };
    let rows: [u64; 3] = Tier::ALL.map(|tier| of(tier).map_or(0, |segments| segments.totals().owned_rows));
    let all: u64 = rows.iter().sum();
    let report = ScanReport {
        table: table.def.name.clone(),
        table_id: table.def.id,
        epoch: pin.snapshot().epoch,
        segments: Tier::ALL.map(|tier| (of(tier).map_or(0, |segments| segments.len()), 0)),
        rows,
        cold_format: ColdFormat::of(&table.def),
        rows_left_out: table.row_count().saturating_sub(all),
    };
    if let Some(reports) = state.config().get_extension::<ScanReports>() {
        reports.add(report.clone());
    }
    let all = usize::try_from(all).unwrap_or(usize::MAX);
    let input = CountedRowsExec::new(limit.map_or(all, |limit| limit.min(all)));
    let statistics = input.statistics();
    TierScanExec::of_all(Arc::new(input), report, statistics, limit.is_none(), Arc::clone(pin))
}

#[async_trait]
impl TableProvider for TieredTable {
    fn schema(&self) -> SchemaRef {
        self.def.row_schema()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn get_column_default(&self, column: &str) -> Option<&Expr> {
        self.defaults.iter().find(|(name, _)| name == column).map(|(_, expr)| expr)
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(filters
            .iter()
            .map(|filter| {
                if uses_kept_columns(&self.def, filter) {
                    TableProviderFilterPushDown::Unsupported
                } else if is_partition_filter(&self.def, filter) {
                    TableProviderFilterPushDown::Exact
                } else {
                    TableProviderFilterPushDown::Inexact
                }
            })
            .collect())
    }

    fn statistics(&self) -> Option<Statistics> {
        let engine = self.engine.upgrade()?;
        let snapshot = self.pin.as_ref().map_or_else(|| engine.snapshot(), |pin| Arc::clone(pin.snapshot()));
        let state = snapshot.table_by_id(self.def.id)?;
        let mut statistics = Statistics::new_unknown(&self.schema());
        statistics.num_rows = datafusion::common::stats::Precision::Exact(state.row_count() as usize);
        Some(statistics)
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let engine = self.engine()?;
        let pin = self.pin.clone().unwrap_or_else(|| engine.pin());
        let Some(table) = pin.snapshot().table_by_id(self.def.id) else {
            return plan_err!("table '{}' not found: it was dropped", self.def.name);
        };
        // Older plans may know fewer columns than the table has by now; positions stay the same.
        let table_schema = table.def.schema();
        let projection: Vec<usize> = projection.cloned().unwrap_or_else(|| (0..self.def.columns.len()).collect());
        if projection.is_empty() && filters.is_empty() && !table.has_replicas() {
            return Ok(Arc::new(counted(table, &self.tiers(state), limit, state, &pin)));
        }
        let mut plan = plan_scan(table, filters, &self.tiers(state), state.execution_props())?;
        let limit = if plan.exact { limit } else { None };

        let report = ScanReport {
            table: table.def.name.clone(),
            table_id: table.def.id,
            epoch: pin.snapshot().epoch,
            segments: std::array::from_fn(|i| (plan.tiers[i].segments.len(), plan.tiers[i].pruned)),
            rows: std::array::from_fn(|i| plan.tiers[i].segments.iter().map(|s| s.rows).sum()),
            cold_format: ColdFormat::of(&table.def),
            rows_left_out: plan.rows_left_out,
        };
        let kept: Vec<_> = plan.kept().cloned().collect();
        let exact = plan.exact && limit.is_none();
        let statistics = statistics_of(table, &plan, &kept, &projection, exact);
        let mut inputs = Vec::with_capacity(3);
        for tier in Tier::ALL {
            let segments = std::mem::take(&mut plan.tiers[tier.index()].segments);
            if segments.is_empty() {
                continue;
            }
            let request = ScanRequest {
                state,
                table: Arc::clone(&table.def),
                segments,
                projection: projection.clone(),
                filters: filters.to_vec(),
                limit,
            };
            inputs.push(engine.store(tier).scan(request).await?);
        }
        let projected = Arc::new(table_schema.project(&projection)?);
        let input: Arc<dyn ExecutionPlan> =
            if inputs.is_empty() { Arc::new(EmptyExec::new(projected)) } else { UnionExec::try_new(inputs)? };

        if let Some(reports) = state.config().get_extension::<ScanReports>() {
            reports.add(report.clone());
        }
        engine.note_access(self.def.id, &kept);
        let definition = Arc::clone(&table.def);
        let scan = Arc::new(TierScanExec::new(input, report, kept, statistics, exact, pin));
        as_rows(&definition, &projection, scan, state.config().options())
    }

    async fn insert_into(
        &self,
        _state: &dyn Session,
        input: Arc<dyn ExecutionPlan>,
        insert_op: InsertOp,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if insert_op != InsertOp::Append {
            return plan_err!("{insert_op} is not supported: zxq tables are appended to");
        }
        if let Some(tier) = self.only {
            return plan_err!("cannot insert into {tier}.{}: insert into {} instead", self.def.name, self.def.name);
        }
        let reads_tables = reads_tables(&input);
        Ok(insert_plan(self.engine()?, Arc::clone(&self.def), input, reads_tables))
    }
}

/// True for a plan in which some table is scanned, at a snapshot that it keeps.
fn reads_tables(plan: &Arc<dyn ExecutionPlan>) -> bool {
    plan.downcast_ref::<TierScanExec>().is_some() || plan.children().into_iter().any(reads_tables)
}

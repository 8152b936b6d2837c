//! The rows of some segments as SQL statements: the part of a plan node that is the same for every database.

use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::sync::{Arc, OnceLock};

use arrow::datatypes::SchemaRef;
use datafusion::common::Statistics;
use datafusion::error::Result as DataFusionResult;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{EquivalenceProperties, LexOrdering, Partitioning, PhysicalSortExpr};
use datafusion::physical_expr_common::physical_expr::is_dynamic_physical_expr;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, SchedulingType};
use datafusion::physical_plan::filter_pushdown::{ChildPushdownResult, PushedDown};
use datafusion::physical_plan::{DisplayFormatType, PhysicalExpr, PlanProperties};
use zxq_catalog::{Segment, TableDef};

use super::facts::Facts;
use super::filter::{Predicate, translate};
use super::runs::runs;
use super::select::Select;
use super::types::is_float;
use super::{Dialect, quote};
use crate::error::Result;
use crate::pruning::prune;
use crate::stats;

/// Segments of the first statement while a dynamic filter may still grow stronger: it is read again before each statement. Each
/// has twice the segments of the one before it, so that thousands of them take few statements.
const SEGMENTS_BEFORE_FILTER: usize = 16;

/// One SELECT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Statement {
    /// The SQL.
    pub(crate) sql: String,
    /// How many rows must come, where that is known. Anything else is damage, and an error.
    pub(crate) expected_rows: Option<usize>,
    /// For a count: how many of the counted rows are wanted at most.
    pub(crate) most_rows: Option<usize>,
}

/// The statements of one stream, one after the other.
pub(crate) trait Statements: Send + Sync {
    /// The next statement, given how many rows the ones before gave. `None` when there are no more.
    fn next(&mut self, rows_so_far: usize) -> Result<Option<Statement>>;
}

/// A list of statements is what it says.
impl Statements for VecDeque<Statement> {
    fn next(&mut self, _rows_so_far: usize) -> Result<Option<Statement>> {
        Ok(self.pop_front())
    }
}

/// What is read: columns of the rows of some segments of one table, with filters, an order and a limit taken over.
#[derive(Debug, Clone)]
pub(crate) struct SqlScan {
    dialect: &'static dyn Dialect,
    /// The table whose segments are read.
    pub(crate) table: Arc<TableDef>,
    /// Segments of each output partition.
    pub(crate) partitions: Vec<Vec<Arc<Segment>>>,
    projection: Vec<usize>,
    /// The columns that come back.
    pub(crate) schema: SchemaRef,
    /// Conditions that are part of the SQL.
    pub(crate) filters: Vec<Predicate>,
    /// Filters that other parts of the plan tighten while it runs.
    dynamic: Vec<Arc<dyn PhysicalExpr>>,
    /// `ORDER BY …`, or nothing.
    order: String,
    /// The first column of the order, and whether it descends.
    lead: Option<(String, bool)>,
    /// Most rows of each output partition.
    pub(crate) fetch: Option<usize>,
    known: Arc<Known>,
}

/// What the catalog knows about all rows of the segments, gathered when it is first asked for. Scans that differ in filters,
/// order and limit alone share it.
#[derive(Debug, Default)]
struct Known {
    all: OnceLock<Statistics>,
    partitions: OnceLock<Vec<Statistics>>,
}

impl SqlScan {
    /// A scan of these columns of these segments (at least one), in at most `most_partitions` parts, of which each is to
    /// have `rows_per_partition` rows.
    pub(crate) fn new(
        dialect: &'static dyn Dialect,
        table: Arc<TableDef>,
        segments: Vec<Arc<Segment>>,
        projection: Vec<usize>,
        most_partitions: usize,
        rows_per_partition: u64,
    ) -> DataFusionResult<Self> {
        let schema = Arc::new(table.schema().project(&projection)?);
        let partitions = split(segments, most_partitions, rows_per_partition);
        Ok(SqlScan {
            dialect,
            table,
            partitions,
            projection,
            schema,
            filters: Vec::new(),
            dynamic: Vec::new(),
            order: String::new(),
            lead: None,
            fetch: None,
            known: Arc::default(),
        })
    }

    /// The SQL that one output partition sends, as far as it is known before the plan runs.
    ///
    /// # Errors
    /// When a segment's location is not one of this store.
    #[cfg(test)]
    pub(crate) fn sql(&self, partition: usize) -> Result<String> {
        let segments = self.partitions.get(partition).map(Vec::as_slice).unwrap_or_default();
        self.with_select(&[], self.fetch, |select| select.sql(segments))
    }

    /// All segments.
    pub(crate) fn segments(&self) -> Vec<&Arc<Segment>> {
        self.partitions.iter().flatten().collect()
    }

    /// The scan with the filter in its SQL if all of it can be said there. `None` when it cannot, or when rows have been
    /// limited already.
    pub(crate) fn with_exact_filter(&self, filter: &Arc<dyn PhysicalExpr>) -> Option<Self> {
        if self.fetch.is_some() {
            return None;
        }
        let segments = self.segments();
        let predicate = translate(filter, &Facts::new(self.dialect, &self.table, &segments)).filter(|p| p.exact)?;
        let mut scan = self.clone();
        scan.add_filter(predicate);
        Some(scan)
    }

    /// Adds as much of the filter to the SQL as can be said there; true when that is all of it.
    pub(crate) fn push_filter(&mut self, filter: &Arc<dyn PhysicalExpr>) -> bool {
        let segments = self.segments();
        let predicate = translate(filter, &Facts::new(self.dialect, &self.table, &segments));
        let exact = predicate.as_ref().is_some_and(|p| p.exact);
        if let Some(predicate) = predicate {
            self.add_filter(predicate);
        }
        exact
    }

    fn add_filter(&mut self, predicate: Predicate) {
        if predicate.sql != "true" && !self.filters.iter().any(|f| f.sql == predicate.sql) {
            self.filters.push(predicate);
        }
    }

    /// Takes over what it can of the filters that the plan offers, and says which. `None` when it takes nothing.
    pub(crate) fn take_filters(&self, offered: ChildPushdownResult) -> (Option<Self>, Vec<PushedDown>) {
        let offered = offered.parent_filters;
        if self.fetch.is_some() || offered.is_empty() {
            // A filter above a limit must not move below it.
            return (None, vec![PushedDown::No; offered.len()]);
        }
        let mut scan = self.clone();
        let mut answers = Vec::with_capacity(offered.len());
        for filter in offered {
            let filter = filter.filter;
            if is_dynamic_physical_expr(&filter) {
                scan.dynamic.push(filter);
                answers.push(PushedDown::No);
            } else {
                answers.push(if scan.push_filter(&filter) { PushedDown::Yes } else { PushedDown::No });
            }
        }
        (Some(scan), answers)
    }

    /// Limits each output partition's rows.
    pub(crate) fn limited(mut self, fetch: Option<usize>) -> Self {
        self.fetch = fetch;
        self
    }

    /// The scan with each output partition sorted, where the database sorts as DataFusion does.
    pub(crate) fn sorted(&self, order: &[PhysicalSortExpr]) -> Option<(Self, LexOrdering)> {
        if self.fetch.is_some() {
            return None;
        }
        let ordering = LexOrdering::new(order.iter().cloned())?;
        let first = order.first().and_then(|key| Some((key.expr.downcast_ref::<Column>()?, key.options.descending)));
        let lead = first.map(|(column, descending)| (column.name().to_owned(), descending));
        Some((SqlScan { order: self.order_by(order)?, lead, ..self.clone() }, ordering))
    }

    fn order_by(&self, order: &[PhysicalSortExpr]) -> Option<String> {
        let mut keys = Vec::with_capacity(order.len());
        let segments = self.segments();
        let facts = Facts::new(self.dialect, &self.table, &segments);
        for key in order {
            let column = key.expr.downcast_ref::<Column>()?;
            let (_, data_type) = facts.column(column.name())?;
            // Databases hold the two zeros equal and sort NaN their own way.
            if is_float(data_type) || self.dialect.sql_type(data_type).is_none() {
                return None;
            }
            let direction = if key.options.descending { "DESC" } else { "ASC" };
            // Without NULLs their place is free to choose: as in an index whose order starts with them, read either way.
            let nulls_first =
                if facts.no_null(column.name()) { !key.options.descending } else { key.options.nulls_first };
            let nulls = if nulls_first { "FIRST" } else { "LAST" };
            let sql = self.dialect.ordered(quote(column.name()), data_type);
            keys.push(format!("{sql} {direction} NULLS {nulls}"));
        }
        (!keys.is_empty()).then(|| format!("ORDER BY {}", keys.join(", ")))
    }

    fn with_select<T>(
        &self,
        more: &[Predicate],
        limit: Option<usize>,
        render: impl FnOnce(Select<'_>) -> Result<T>,
    ) -> Result<T> {
        let counting = self.projection.is_empty();
        let expressions: Vec<String> = match counting {
            true => vec!["count(*)".to_owned()],
            false => self.schema.fields().iter().map(|f| quote(f.name())).collect(),
        };
        let columns: BTreeSet<usize> = self.projection.iter().copied().collect();
        let filters: Vec<Predicate> = self.filters.iter().chain(more).cloned().collect();
        render(Select {
            dialect: self.dialect,
            table: &self.table,
            expressions: &expressions,
            columns: &columns,
            filters: &filters,
            tail: &self.order,
            // A count is one row; its limit is applied to what it counts, when the rows are made.
            limit: limit.filter(|_| !counting),
        })
    }

    /// What EXPLAIN shows, with the SQL that is sent.
    pub(crate) fn describe(&self, node: &str, format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let segments = self.segments();
        let sql = self.with_select(&[], self.fetch, |select| select.shown(&segments)).map_err(|_| fmt::Error)?;
        match format {
            DisplayFormatType::TreeRender => write!(f, "segments={}\nsql={sql}", segments.len()),
            DisplayFormatType::Default | DisplayFormatType::Verbose => {
                write!(f, "{node}: segments={}, statements={}", segments.len(), self.partitions.len())?;
                if !self.dynamic.is_empty() {
                    let filters: Vec<String> = self.dynamic.iter().map(ToString::to_string).collect();
                    write!(f, ", dynamic_filters=[{}]", filters.join(", "))?;
                }
                write!(f, ", sql=[{sql}]")
            }
        }
    }

    /// What the catalog knows about the rows that come back.
    pub(crate) fn statistics(&self, partition: Option<usize>) -> DataFusionResult<Statistics> {
        let of = |segments: &[Arc<Segment>]| stats::statistics(&self.table.schema(), segments, &self.projection, true);
        let known = match partition {
            Some(partition) => {
                let each = || self.partitions.iter().map(|segments| of(segments)).collect();
                self.known.partitions.get_or_init(each).get(partition).cloned().unwrap_or_else(|| of(&[]))
            }
            None => self.known.all.get_or_init(|| of(&self.partitions.concat())).clone(),
        };
        let exact = self.filters.is_empty() && self.dynamic.is_empty();
        let statistics = if exact { known } else { known.to_inexact() };
        let parts = if partition.is_some() { 1 } else { self.partitions.len() };
        match self.fetch {
            Some(fetch) => statistics.with_fetch(Some(fetch), 0, parts),
            None => Ok(statistics),
        }
    }

    /// The statements of one output partition: one, unless dynamic filters are read again on the way, or a sorted scan's
    /// limit is likely to be met by the first segments.
    pub(crate) fn statements(&self, partition: usize) -> Box<dyn Statements> {
        let segments = self.partitions.get(partition).map(Vec::as_slice).unwrap_or_default();
        let groups = match &self.lead {
            Some((column, descending)) if self.fetch.is_some() => doubling(runs(segments, column, *descending)),
            _ if self.dynamic.is_empty() || !self.order.is_empty() => VecDeque::from([segments.to_vec()]),
            _ => growing(segments),
        };
        Box::new(ScanStatements { scan: self.clone(), groups })
    }
}

/// Splits segments into output partitions of about equal numbers of rows.
fn split(segments: Vec<Arc<Segment>>, most: usize, rows_per_partition: u64) -> Vec<Vec<Arc<Segment>>> {
    let rows: u64 = segments.iter().map(|s| s.rows).sum();
    let worth = usize::try_from(rows / rows_per_partition.max(1)).unwrap_or(usize::MAX);
    let count = worth.min(most).min(segments.len()).max(1);
    if count == 1 {
        return vec![segments];
    }
    let mut partitions: Vec<(u64, Vec<Arc<Segment>>)> = vec![(0, Vec::new()); count];
    for segment in segments {
        if let Some((rows, list)) = partitions.iter_mut().min_by_key(|(rows, _)| *rows) {
            *rows += segment.rows;
            list.push(segment);
        }
    }
    partitions.into_iter().map(|(_, list)| list).collect()
}

/// Properties of a leaf that reads a database.
pub(crate) fn properties(schema: &SchemaRef, partitions: usize, order: Option<LexOrdering>) -> Arc<PlanProperties> {
    let equivalence = EquivalenceProperties::new_with_orderings(Arc::clone(schema), order);
    let properties = PlanProperties::new(
        equivalence,
        Partitioning::UnknownPartitioning(partitions),
        EmissionType::Incremental,
        Boundedness::Bounded,
    );
    // The stream reads a tokio channel, which takes part in tokio's budget.
    Arc::new(properties.with_scheduling_type(SchedulingType::Cooperative))
}

/// One run first, then two at once, then four: a limit that the first runs do not meet costs few statements more.
fn doubling(runs: Vec<Vec<Arc<Segment>>>) -> VecDeque<Vec<Arc<Segment>>> {
    let mut groups = VecDeque::new();
    let mut rest = runs.into_iter();
    let mut size = 1;
    loop {
        let group: Vec<Arc<Segment>> = rest.by_ref().take(size).flatten().collect();
        if group.is_empty() {
            return groups;
        }
        groups.push_back(group);
        size *= 2;
    }
}

fn growing(segments: &[Arc<Segment>]) -> VecDeque<Vec<Arc<Segment>>> {
    let (mut groups, mut rest, mut size) = (VecDeque::new(), segments, SEGMENTS_BEFORE_FILTER);
    while !rest.is_empty() {
        let (group, others) = rest.split_at(size.min(rest.len()));
        groups.push_back(group.to_vec());
        (rest, size) = (others, size * 2);
    }
    groups
}

struct ScanStatements {
    scan: SqlScan,
    /// Segments of each statement to come.
    groups: VecDeque<Vec<Arc<Segment>>>,
}

impl Statements for ScanStatements {
    fn next(&mut self, rows_so_far: usize) -> Result<Option<Statement>> {
        let scan = &self.scan;
        let left = scan.fetch.map(|fetch| fetch.saturating_sub(rows_so_far));
        if left == Some(0) {
            return Ok(None);
        }
        loop {
            let Some(mut segments) = self.groups.pop_front() else { return Ok(None) };
            let mut more = Vec::new();
            for filter in &scan.dynamic {
                let keep = prune(&scan.schema, &segments, filter)?;
                let mut keep = keep.into_iter();
                segments.retain(|_| keep.next().unwrap_or(true));
                let kept: Vec<&Arc<Segment>> = segments.iter().collect();
                more.extend(translate(filter, &Facts::new(scan.dialect, &scan.table, &kept)));
            }
            if segments.is_empty() {
                continue;
            }
            let rows: u64 = segments.iter().map(|s| s.rows).sum();
            let whole = scan.filters.is_empty() && more.is_empty() && left.is_none();
            return Ok(Some(Statement {
                sql: scan.with_select(&more, left, |select| select.sql(&segments))?,
                expected_rows: whole.then(|| usize::try_from(rows).unwrap_or(usize::MAX)),
                most_rows: left,
            }));
        }
    }
}

//! All that a client can see of some tables: definitions, rows, and where the rows lie.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use zxq_catalog::{Granularity, TableDef, TableState};
use zxq_engine::Engine;

/// What one name and the names that begin with it stand for. The name itself is left out, so that states of different names
/// can be compared.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    tables: BTreeMap<String, Table>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Table {
    definition: String,
    partitions: BTreeMap<String, Partition>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Partition {
    /// Rows by the tier that owns them.
    owners: BTreeMap<&'static str, u64>,
    /// Rows of replicas.
    replicas: u64,
    /// All rows as text, in order.
    rows: Vec<String>,
}

/// Whether a table is the one of that name, or one that is made along with it.
pub fn belongs(table: &str, prefix: &str) -> bool {
    table.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
}

/// Rows as text.
pub fn lines(batches: &[RecordBatch]) -> Vec<String> {
    batches.iter().flat_map(cells).map(|cells| cells.join(" | ")).collect()
}

fn cells(batch: &RecordBatch) -> Vec<Vec<String>> {
    let options = FormatOptions::default().with_null("NULL");
    let columns = batch.columns().iter().map(|column| ArrayFormatter::try_new(column.as_ref(), &options).unwrap());
    let columns: Vec<ArrayFormatter<'_>> = columns.collect();
    (0..batch.num_rows()).map(|row| columns.iter().map(|column| column.value(row).to_string()).collect()).collect()
}

impl Table {
    async fn of(engine: &Arc<Engine>, state: &TableState, prefix: &str) -> Table {
        let def = &state.def;
        let by_day = def.partitioning.class_column.is_none() && def.partitioning.granularity == Granularity::Day;
        let day = def.partitioning.date_column.as_ref().filter(|_| by_day);
        let mut partitions: BTreeMap<String, Partition> = BTreeMap::new();
        for segment in state.all() {
            let name = match day {
                Some(_) => segment.partition.text(&def.partitioning),
                None => "all".to_owned(),
            };
            let partition = partitions.entry(name).or_default();
            if segment.is_owner() {
                *partition.owners.entry(segment.tier.name()).or_default() += segment.rows;
            } else {
                partition.replicas += segment.rows;
            }
        }
        // When a row was rejected is another time each time.
        let columns = if def.name.ends_with("_rejects") { "source, row_number, reason, \"row\"" } else { "*" };
        let sql = format!("SELECT {columns} FROM {}", def.name);
        for batch in engine.sql(&sql).await.unwrap_or_else(|e| panic!("{sql}: {e}")) {
            let day = day.map(|day| batch.schema().index_of(day).expect("the column of the partitions"));
            for cells in cells(&batch) {
                let name = day.map_or_else(|| "all".to_owned(), |day| cells[day].clone());
                let row = cells.join(" | ").replace(prefix, "T");
                partitions.entry(name).or_default().rows.push(row);
            }
        }
        for (name, partition) in &mut partitions {
            partition.rows.sort();
            let owned: u64 = partition.owners.values().sum();
            assert_eq!(owned, partition.rows.len() as u64, "{}, {name}: rows by the catalog, and rows read", def.name);
        }
        // A table that is made again has another id.
        let definition = TableDef { id: 0, ..TableDef::clone(def) };
        Table { definition: format!("{definition:?}").replace(prefix, "T"), partitions }
    }

    fn has_rows(&self) -> bool {
        self.partitions.values().any(|partition| !partition.rows.is_empty())
    }
}

impl State {
    /// Reads it.
    pub async fn of(engine: &Arc<Engine>, prefix: &str) -> State {
        let snapshot = engine.snapshot();
        let mut tables = BTreeMap::new();
        for state in snapshot.tables.values().filter(|state| belongs(&state.def.name, prefix)) {
            tables.insert(state.def.name.replace(prefix, "T"), Table::of(engine, state, prefix).await);
        }
        State { tables }
    }

    fn with_partitions(mut self, change: impl Fn(&mut Partition)) -> State {
        self.tables.values_mut().flat_map(|table| table.partitions.values_mut()).for_each(change);
        self
    }

    /// What a restart leaves of it: replicas are in memory only.
    pub fn without_replicas(&self) -> State {
        self.clone().with_partitions(|partition| partition.replicas = 0)
    }

    /// Rows and definitions, wherever the rows lie.
    pub fn without_places(&self) -> State {
        self.without_replicas().with_partitions(|partition| partition.owners.clear())
    }

    /// Without tables that hold no rows and are none of the others'.
    pub fn without_unused(&self, others: &State) -> State {
        let mut state = self.clone();
        state.tables.retain(|name, table| table.has_rows() || others.tables.contains_key(name));
        state
    }

    fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for (name, table) in &self.tables {
            lines.push(format!("{name}: {}", table.definition));
            for (partition, content) in &table.partitions {
                let places = content.owners.iter().map(|(tier, rows)| format!("{rows} rows in {tier}"));
                let replicas = (content.replicas > 0).then(|| format!("{} rows in replicas", content.replicas));
                let all = places.chain(replicas).chain(content.rows.iter().cloned());
                lines.extend(all.map(|line| format!("{name}, {partition}: {line}")));
            }
        }
        lines
    }

    /// The test fails unless it is as expected.
    pub fn expect(&self, expected: &State, what: &str) {
        let mut counts: BTreeMap<String, i64> = BTreeMap::new();
        self.lines().into_iter().for_each(|line| *counts.entry(line).or_default() += 1);
        expected.lines().into_iter().for_each(|line| *counts.entry(line).or_default() -= 1);
        counts.retain(|_, count| *count != 0);
        let shown = counts.iter().map(|(line, count)| {
            let which = if *count > 0 { "too many" } else { "missing" };
            format!("{} {which}: {line}", count.abs())
        });
        assert!(counts.is_empty(), "{what}:\n{}", shown.collect::<Vec<_>>().join("\n"));
    }

    /// The test fails unless each partition is either as before or as after.
    pub fn expect_between(&self, before: &State, after: &State, what: &str) {
        let keys = |state: &State| -> BTreeSet<(String, String)> {
            let tables = state.tables.iter();
            tables.flat_map(|(name, table)| table.partitions.keys().map(move |p| (name.clone(), p.clone()))).collect()
        };
        let all: BTreeSet<(String, String)> = [self, before, after].into_iter().flat_map(keys).collect();
        for (table, partition) in all {
            let of = |state: &State| state.tables.get(&table).and_then(|t| t.partitions.get(&partition)).cloned();
            let (here, one, other) = (of(self), of(before), of(after));
            assert!(
                here == one || here == other,
                "{what}: {table}, {partition} is\n{here:?}\nand neither as before\n{one:?}\nnor as after\n{other:?}"
            );
        }
        let definitions = |state: &State| -> Vec<(String, String)> {
            state.tables.iter().map(|(name, table)| (name.clone(), table.definition.clone())).collect()
        };
        let (here, one, other) = (definitions(self), definitions(before), definitions(after));
        assert!(here == one || here == other, "{what}: definitions are {here:?}");
    }
}

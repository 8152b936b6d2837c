//! Where a test's rows lie: the same statements have to give the same answers at every placement.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use zxq_catalog::Segment;
use zxq_engine::{Engine, ErrorKind, Tier};

/// Which tiers hold a test's rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placement {
    /// All in memory, but for rows that were corrected there.
    Hot,
    /// All in the warm database.
    Warm,
    /// All in the lakehouse.
    Cold,
    /// Partitions, and what later statements add to them, take turns: hot, warm, cold.
    Split,
    /// All in the lakehouse, with a replica of each partition in memory.
    Replicated,
}

impl Placement {
    /// All placements.
    pub const ALL: [Placement; 5] =
        [Placement::Hot, Placement::Warm, Placement::Cold, Placement::Split, Placement::Replicated];

    /// Its name in test names.
    pub const fn name(self) -> &'static str {
        match self {
            Placement::Hot => "hot",
            Placement::Warm => "warm",
            Placement::Cold => "cold",
            Placement::Split => "split",
            Placement::Replicated => "replicated",
        }
    }
}

impl fmt::Display for Placement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Keeps the tables of one engine in a placement.
pub struct Placer {
    engine: Arc<Engine>,
    placement: Placement,
    /// Whether tables that can be are made hypertables in warm.
    hypertables: bool,
    /// By table: how many parts have had their turn.
    turns: Mutex<BTreeMap<String, usize>>,
}

impl Placer {
    /// A placer for an engine.
    pub fn new(engine: &Arc<Engine>, placement: Placement) -> Placer {
        Placer { engine: Arc::clone(engine), placement, hypertables: false, turns: Mutex::default() }
    }

    /// The same, with each table a hypertable in warm that can be one.
    #[must_use]
    pub fn with_hypertables(self, hypertables: bool) -> Placer {
        Placer { hypertables, ..self }
    }

    /// Moves the rows of a table that are not where the placement wants them, and checks that they went there.
    pub async fn place(&self, table: &str) {
        if self.hypertables {
            self.make_hypertable(table).await;
        }
        match self.placement {
            Placement::Hot => {}
            Placement::Warm => self.migrate(table, Tier::Warm, None).await,
            Placement::Cold => self.migrate(table, Tier::Cold, None).await,
            Placement::Replicated => {
                self.migrate(table, Tier::Cold, None).await;
                self.migrate(table, Tier::Hot, None).await;
            }
            Placement::Split => {
                for partition in self.partitions_in_hot(table) {
                    let turn = {
                        let mut turns = self.turns.lock();
                        let turn = turns.entry(table.to_owned()).or_default();
                        *turn += 1;
                        (*turn - 1) % 3
                    };
                    let to = [Tier::Hot, Tier::Warm, Tier::Cold][turn];
                    if to != Tier::Hot {
                        self.migrate(table, to, Some(&partition)).await;
                    }
                }
            }
        }
        self.check(table);
    }

    /// Half of the tables compressed, all of them in several chunks.
    async fn make_hypertable(&self, table: &str) {
        let compress = if table.len().is_multiple_of(2) { ", compress_after = '1 day'" } else { "" };
        let options = format!("hypertable = true, chunk_time_interval = '1 day'{compress}");
        let sql = format!("ALTER TABLE \"{}\" SET ({options})", table.replace('"', "\"\""));
        match self.engine.sql(&sql).await {
            Ok(_) => {}
            // It has no column to make chunks by.
            Err(error) if error.kind() == ErrorKind::InvalidParameter => {}
            Err(error) => panic!("{sql}: {error}"),
        }
    }

    async fn migrate(&self, table: &str, to: Tier, partition_in_hot: Option<&str>) {
        let table = table.replace('\'', "''");
        let sql = match partition_in_hot {
            Some(partition) => {
                let partition = partition.replace('\'', "''");
                format!("CALL zxq.migrate('{table}', '{to}', 'hot', '{partition}')")
            }
            None => format!("CALL zxq.migrate('{table}', '{to}')"),
        };
        self.engine.sql(&sql).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
    }

    fn partitions_in_hot(&self, table: &str) -> Vec<String> {
        let state = self.engine.table(table).expect("the table is there");
        let mut names: Vec<String> = state
            .tier(Tier::Hot)
            .iter()
            .filter(|s| s.is_owner())
            .map(|s| s.partition.text(&state.def.partitioning))
            .collect();
        names.sort();
        names.dedup();
        names
    }

    fn check(&self, table: &str) {
        let state = self.engine.table(table).expect("the table is there");
        let owned = |tier: Tier| state.tier(tier).iter().filter(|s| s.is_owner()).map(|s| s.rows).sum::<u64>();
        let all = state.row_count();
        if state.def.options.get("hypertable").is_some_and(|asked| self.hypertables && asked == "true") {
            let is_one = |segment: &Segment| segment.location.ends_with("_h") || segment.location.ends_with("_c");
            assert!(state.tier(Tier::Warm).iter().all(|s| is_one(s)), "not all segments of {table} are hypertables");
        }
        let expected = match self.placement {
            // Rows of hot that are corrected go to warm.
            Placement::Hot if owned(Tier::Warm) > 0 => {
                assert_eq!(owned(Tier::Hot) + owned(Tier::Warm), all, "not all rows of {table} lie in hot or warm");
                return;
            }
            Placement::Hot => Tier::Hot,
            Placement::Warm => Tier::Warm,
            Placement::Cold | Placement::Replicated => Tier::Cold,
            Placement::Split => return,
        };
        assert_eq!(owned(expected), all, "not all rows of {table} lie in {expected}");
        if self.placement == Placement::Replicated {
            let replicas: u64 = state.tier(Tier::Hot).iter().filter(|s| !s.is_owner()).map(|s| s.rows).sum();
            assert_eq!(replicas, all, "not all rows of {table} have a replica in hot");
        }
    }
}

/// Re-reads everything and fails the test on any damage.
pub async fn verify(engine: &Arc<Engine>) {
    let rows = engine.sql("CALL zxq.verify()").await.expect("verify runs");
    for batch in &rows {
        let ok = batch.column_by_name("ok").expect("column ok");
        let ok = ok.as_any().downcast_ref::<arrow::array::BooleanArray>().expect("a boolean");
        let all_ok = ok.iter().all(|ok| ok == Some(true));
        let shown = || arrow::util::pretty::pretty_format_batches(&rows).map(|t| t.to_string()).unwrap_or_default();
        assert!(all_ok, "verify found damage:\n{}", shown());
    }
}

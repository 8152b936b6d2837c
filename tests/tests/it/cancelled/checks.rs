//! What must hold after any interruption: everything reads back as the catalog has it, and nothing lies about.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use arrow::array::AsArray;
use arrow::record_batch::RecordBatch;
use zxq_engine::{Engine, Tier};
use zxq_providers::lake::iceberg::is_iceberg_location;

use super::bench::{Bench, Stores};
use super::state::{belongs, lines};

/// How often something that is merely slow to go away is looked at again.
const LOOKS: usize = 50;

/// Re-reads all segments of these tables.
pub async fn verify(bench: &Bench, prefix: &str, what: &str) {
    let snapshot = bench.engine().snapshot();
    for state in snapshot.tables.values().filter(|state| belongs(&state.def.name, prefix)) {
        let batches = bench.sql(&format!("CALL zxq.verify('{}')", state.def.name)).await;
        let is_ok = |batch: &RecordBatch| {
            let ok = batch.column_by_name("ok").expect("column ok").as_boolean().clone();
            ok.iter().all(|ok| ok == Some(true))
        };
        assert!(batches.iter().all(is_ok), "{what}: verify found damage:\n{}", lines(&batches).join("\n"));
    }
}

/// Jobs that have not ended: what is known of each, by its id.
pub type Open = BTreeMap<String, String>;

/// Jobs that have not ended, but for those that are known.
pub async fn open_jobs(bench: &Bench, known: &Open) -> Open {
    let sql = "SELECT job, kind, table_name, phase, error FROM zxq.moves WHERE phase NOT IN ('done', 'failed')";
    let split = |line: String| line.split_once(" | ").map(|(id, rest)| (id.to_owned(), rest.to_owned()));
    let open = lines(&bench.sql(sql).await).into_iter().filter_map(split);
    open.filter(|(id, _)| !known.contains_key(id)).collect()
}

/// No job is open, but for those that are known, and nothing lies about.
pub async fn tidy(bench: &Bench, known: &Open, what: &str) {
    let open = open_jobs(bench, known).await;
    assert!(open.is_empty(), "{what}: jobs that have not ended: {open:?}");
    no_litter(bench, what).await;
}

/// Memory, warm and cold hold what the catalog names and nothing else.
pub async fn no_litter(bench: &Bench, what: &str) {
    let mut found = litter(bench).await;
    for _ in 0..LOOKS {
        if found.is_none() {
            return;
        }
        // What is retired stays for a reader that is slow to let go, until the next collection. (What nobody names is not
        // collected, so this hides none of it.)
        bench.collect().await;
        tokio::time::sleep(Duration::from_millis(10)).await;
        found = litter(bench).await;
    }
    panic!("{what}: {}", found.unwrap_or_default());
}

/// What lies where it should not, or does not where it should.
pub async fn litter(bench: &Bench) -> Option<String> {
    for found in [in_hot(bench).await, in_cold(bench), in_postgres(bench).await] {
        if found.is_some() {
            return found;
        }
    }
    None
}

/// Where the segments of a tier lie.
pub fn locations(engine: &Engine, tier: Tier) -> BTreeSet<String> {
    let snapshot = engine.snapshot();
    snapshot.tables.values().flat_map(|state| state.tier(tier)).map(|segment| segment.location.clone()).collect()
}

fn storage_names(engine: &Engine) -> BTreeSet<String> {
    engine.snapshot().tables.values().map(|state| state.def.storage_name()).collect()
}

/// `None` for equal sets, else how they differ.
fn differing(what: &str, found: &BTreeSet<String>, wanted: &BTreeSet<String>) -> Option<String> {
    let more: Vec<&String> = found.difference(wanted).collect();
    let missing: Vec<&String> = wanted.difference(found).collect();
    (found != wanted).then(|| format!("{what}: too many {more:?}, missing {missing:?}"))
}

async fn in_hot(bench: &Bench) -> Option<String> {
    let snapshot = bench.engine().snapshot();
    let wanted: u64 =
        snapshot.tables.values().flat_map(|state| state.tier(Tier::Hot)).map(|segment| segment.bytes).sum();
    let found = lines(&bench.sql("SELECT store_bytes FROM zxq.tiers WHERE tier = 'hot'").await);
    (found != [wanted.to_string()]).then(|| format!("hot uses {found:?} bytes, its segments have {wanted}"))
}

fn in_cold(bench: &Bench) -> Option<String> {
    let (place, dir) = (&bench.place, bench.dir());
    let wanted: BTreeSet<String> = locations(bench.engine(), Tier::Cold)
        .into_iter()
        .map(|location| if is_iceberg_location(&location) { format!("iceberg/{location}") } else { location })
        .collect();
    let all = place.cold_files(dir);
    let is_data = |name: &&String| name.ends_with(".parquet") && !name.contains("/_delta_log/");
    let data: BTreeSet<String> = all.iter().filter(is_data).cloned().collect();
    if let Some(problem) = differing("files in cold", &data, &wanted) {
        return Some(problem);
    }
    let folder = |name: &str| {
        let name = name.strip_prefix("iceberg/").unwrap_or(name);
        name.split_once('/').map(|(folder, _)| folder.to_owned())
    };
    let folders: BTreeSet<String> = all.iter().filter_map(|name| folder(name)).collect();
    let tables = storage_names(bench.engine());
    let gone: Vec<&String> = folders.difference(&tables).collect();
    if !gone.is_empty() {
        return Some(format!("folders in cold of tables that are not there: {gone:?}"));
    }
    if bench.place.stores == Stores::Postgres {
        return None;
    }
    let logs = all.iter().filter(|name| name.contains("/_delta_log/") && name.ends_with(".json"));
    let listed = listed(logs.map(|name| (name.as_str(), place.cold_file(dir, name))));
    differing("files in the Delta logs", &listed, &wanted)
}

/// The files that Delta logs list, by the rules of their protocol. The versions of a log come in order.
fn listed<'a>(logs: impl Iterator<Item = (&'a str, Vec<u8>)>) -> BTreeSet<String> {
    let mut files = BTreeSet::new();
    for (name, bytes) in logs {
        let table = name.split("/_delta_log/").next().unwrap_or_default();
        for line in String::from_utf8(bytes).unwrap().lines() {
            let action: serde_json::Value = serde_json::from_str(line).unwrap();
            let path = |kind: &str| action[kind]["path"].as_str().map(|path| format!("{table}/{path}"));
            if let Some(path) = path("remove") {
                files.remove(&path);
            }
            if let Some(path) = path("add") {
                assert!(files.insert(path.clone()), "{path} is added twice");
            }
        }
    }
    files
}

async fn in_postgres(bench: &Bench) -> Option<String> {
    let client = bench.direct()?;
    let (schema, segments) = (&bench.place.name, format!("{}_segments", bench.place.name));
    let of = "SELECT c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = ";
    let names = async |sql: String| -> BTreeSet<String> {
        let rows = client.query(&sql, &[]).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
        rows.iter().map(|row| row.get(0)).collect()
    };
    let wanted: BTreeSet<String> = locations(bench.engine(), Tier::Warm)
        .into_iter()
        .map(|location| location.strip_prefix(&format!("{segments}.")).map(str::to_owned).unwrap_or(location))
        .collect();
    let found = names(format!("{of}'{segments}' AND c.relkind = 'r' AND c.relname ~ '^t[0-9]+_s'")).await;
    if let Some(problem) = differing("segments in PostgreSQL", &found, &wanted) {
        return Some(problem);
    }
    let shown = names(format!("SELECT name::text FROM {segments}.visible WHERE visible")).await;
    if let Some(problem) = differing("segments that people see in PostgreSQL", &shown, &wanted) {
        return Some(problem);
    }
    let people = names(format!("{of}'{schema}' AND c.relkind IN ('p', 'v')")).await;
    differing("tables that people query in PostgreSQL", &people, &storage_names(bench.engine()))
}

/// The warm file, closed, holds these segments and no other.
pub fn only_these_in_duckdb(dir: &Path, wanted: &BTreeSet<String>) {
    let connection = duckdb::Connection::open(dir.join("warm.duckdb")).unwrap();
    let sql = "SELECT schema_name || '.' || table_name FROM duckdb_tables()";
    let mut statement = connection.prepare(sql).unwrap();
    let names = statement.query_map([], |row| row.get::<_, String>(0)).unwrap();
    let mut found = BTreeSet::new();
    for name in names.map(|name| name.unwrap()) {
        if !name.contains(".p") {
            found.insert(name);
            continue;
        }
        // Small segments that came together lie in one table.
        let mut positions = connection.prepare(&format!("SELECT DISTINCT zxq_position FROM {name}")).unwrap();
        let positions = positions.query_map([], |row| row.get::<_, i32>(0)).unwrap();
        found.extend(positions.map(|position| format!("{name}#{}", position.unwrap())));
    }
    assert_eq!(differing("tables in DuckDB", &found, wanted), None);
}

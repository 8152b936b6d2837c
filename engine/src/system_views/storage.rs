//! `zxq.tables`, `zxq.partitions`, `zxq.segments`, `zxq.tiers`.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use zxq_catalog::{PartitionKey, Role, Segment, TableState, Tier};

use super::ColumnKind;
use super::columns::{flag, number, share, text, time};
use crate::error::Result;
use crate::sql::cold_format::ColdFormat;
use crate::state::engine::Engine;

pub(super) const TABLES: &[(&str, ColumnKind)] = &[
    ("table_name", ColumnKind::Text),
    ("rows", ColumnKind::Number),
    ("hot_rows", ColumnKind::Number),
    ("warm_rows", ColumnKind::Number),
    ("cold_rows", ColumnKind::Number),
    ("partitions", ColumnKind::Number),
    ("segments", ColumnKind::Number),
    ("bytes", ColumnKind::Number),
    ("storage_name", ColumnKind::Text),
    ("cold_format", ColumnKind::Text),
    ("definition", ColumnKind::Text),
];

pub(super) fn tables(engine: &Engine, schema: SchemaRef) -> Result<RecordBatch> {
    let snapshot = engine.snapshot();
    let mut states: Vec<&Arc<TableState>> = snapshot.tables.values().collect();
    states.sort_by(|a, b| a.def.name.cmp(&b.def.name));
    let rows_in = |state: &TableState, tier: Tier| state.tier(tier).totals().owned_rows;
    let bytes = |state: &TableState| Tier::ALL.map(|tier| state.tier(tier).totals().bytes).iter().sum::<u64>();
    let definition = |state: &TableState| {
        let schema = snapshot.own_schema(&state.def.name).map(|(schema, _)| schema);
        crate::sql::show_create_table(&state.def, schema)
    };
    Ok(RecordBatch::try_new(
        schema,
        vec![
            text(states.iter().map(|s| Some(&s.def.name))),
            number(states.iter().map(|s| s.def.is_stored().then(|| s.row_count()))),
            number(states.iter().map(|s| Some(rows_in(s, Tier::Hot)))),
            number(states.iter().map(|s| Some(rows_in(s, Tier::Warm)))),
            number(states.iter().map(|s| Some(rows_in(s, Tier::Cold)))),
            number(states.iter().map(|s| Some(s.partition_count() as u64))),
            number(states.iter().map(|s| Some(s.segment_count() as u64))),
            number(states.iter().map(|s| Some(bytes(s)))),
            text(states.iter().map(|s| Some(s.def.storage_name()))),
            text(states.iter().map(|s| Some(ColdFormat::of(&s.def).name()))),
            text(states.iter().map(|s| Some(definition(s)))),
        ],
    )?)
}

pub(super) const PARTITIONS: &[(&str, ColumnKind)] = &[
    ("table_name", ColumnKind::Text),
    ("partition", ColumnKind::Text),
    ("tier", ColumnKind::Text),
    ("role", ColumnKind::Text),
    ("segments", ColumnKind::Number),
    ("rows", ColumnKind::Number),
    ("bytes", ColumnKind::Number),
    ("min_time", ColumnKind::Time),
    ("max_time", ColumnKind::Time),
    ("accesses", ColumnKind::Number),
    ("last_access", ColumnKind::Time),
];

pub(super) fn partitions(engine: &Engine, schema: SchemaRef) -> Result<RecordBatch> {
    struct Row<'a> {
        state: &'a TableState,
        key: &'a PartitionKey,
        tier: Tier,
        owner: bool,
        segments: Vec<&'a Arc<Segment>>,
    }
    let snapshot = engine.snapshot();
    let mut rows: Vec<Row<'_>> = Vec::new();
    for state in snapshot.tables.values() {
        for (key, partition) in state.partitions() {
            for (tier, owner) in Tier::ALL.into_iter().flat_map(|tier| [(tier, false), (tier, true)]) {
                let of_role = partition.tier(tier).iter().filter(|segment| segment.is_owner() == owner);
                let segments: Vec<&Arc<Segment>> = of_role.collect();
                if !segments.is_empty() {
                    rows.push(Row { state, key, tier, owner, segments });
                }
            }
        }
    }
    let bound = |row: &Row<'_>, newest: bool| {
        let column = row.state.def.time_column.as_ref()?;
        let values = row.segments.iter().filter_map(|s| {
            let stats = s.stats.get(column)?;
            crate::config::ages::value_us(if newest { stats.max.as_ref()? } else { stats.min.as_ref()? })
        });
        if newest { values.max() } else { values.min() }
    };
    let accesses: Vec<_> = rows.iter().map(|r| engine.accesses.of(r.state.def.id, r.key)).collect();
    Ok(RecordBatch::try_new(
        schema,
        vec![
            text(rows.iter().map(|r| Some(&r.state.def.name))),
            text(rows.iter().map(|r| Some(r.key.text(&r.state.def.partitioning)))),
            text(rows.iter().map(|r| Some(r.tier.name()))),
            text(rows.iter().map(|r| Some(if r.owner { "owner" } else { "replica" }))),
            number(rows.iter().map(|r| Some(r.segments.len() as u64))),
            number(rows.iter().map(|r| Some(r.segments.iter().map(|s| s.rows).sum()))),
            number(rows.iter().map(|r| Some(r.segments.iter().map(|s| s.bytes).sum()))),
            time(rows.iter().map(|r| bound(r, false))),
            time(rows.iter().map(|r| bound(r, true))),
            number(accesses.iter().map(|a| Some(a.count))),
            time(accesses.iter().map(|a| (a.count > 0).then_some(a.last_us))),
        ],
    )?)
}

pub(super) const SEGMENTS: &[(&str, ColumnKind)] = &[
    ("segment_id", ColumnKind::Number),
    ("table_name", ColumnKind::Text),
    ("partition", ColumnKind::Text),
    ("tier", ColumnKind::Text),
    ("role", ColumnKind::Text),
    ("location", ColumnKind::Text),
    ("rows", ColumnKind::Number),
    ("bytes", ColumnKind::Number),
    ("row_hash", ColumnKind::Text),
    ("sorted", ColumnKind::Flag),
    ("job", ColumnKind::Text),
    ("created_epoch", ColumnKind::Number),
    ("replica_of", ColumnKind::Text),
];

pub(super) fn segments(engine: &Engine, schema: SchemaRef) -> Result<RecordBatch> {
    let snapshot = engine.snapshot();
    let rows: Vec<(&Arc<TableState>, &Arc<Segment>)> =
        snapshot.tables.values().flat_map(|state| state.all().map(move |segment| (state, segment))).collect();
    let owners = |segment: &Segment| match &segment.role {
        Role::Owner => None,
        Role::ReplicaOf(ids) => Some(ids.iter().map(u64::to_string).collect::<Vec<_>>().join(",")),
    };
    Ok(RecordBatch::try_new(
        schema,
        vec![
            number(rows.iter().map(|(_, s)| Some(s.id))),
            text(rows.iter().map(|(t, _)| Some(&t.def.name))),
            text(rows.iter().map(|(t, s)| Some(s.partition.text(&t.def.partitioning)))),
            text(rows.iter().map(|(_, s)| Some(s.tier.name()))),
            text(rows.iter().map(|(_, s)| Some(if s.is_owner() { "owner" } else { "replica" }))),
            text(rows.iter().map(|(_, s)| Some(&s.location))),
            number(rows.iter().map(|(_, s)| Some(s.rows))),
            number(rows.iter().map(|(_, s)| Some(s.bytes))),
            text(rows.iter().map(|(_, s)| Some(s.hash.to_string()))),
            flag(rows.iter().map(|(_, s)| s.sorted)),
            text(rows.iter().map(|(_, s)| Some(&s.job.0))),
            number(rows.iter().map(|(_, s)| Some(s.created_epoch))),
            text(rows.iter().map(|(_, s)| owners(s))),
        ],
    )?)
}

pub(super) const TIERS: &[(&str, ColumnKind)] = &[
    ("tier", ColumnKind::Text),
    ("store", ColumnKind::Text),
    ("tables", ColumnKind::Number),
    ("segments", ColumnKind::Number),
    ("rows", ColumnKind::Number),
    ("replica_rows", ColumnKind::Number),
    // Of its segments, as in the other views: these add up.
    ("bytes", ColumnKind::Number),
    // What the store takes, with its own files, rows of open transactions and what is not collected yet.
    ("store_bytes", ColumnKind::Number),
    ("limit_bytes", ColumnKind::Number),
    ("used_share", ColumnKind::Share),
];

pub(super) async fn tiers(engine: &Engine, schema: SchemaRef) -> Result<RecordBatch> {
    let snapshot = engine.snapshot();
    let mut taken = Vec::with_capacity(3);
    for tier in Tier::ALL {
        taken.push(engine.store(tier).bytes_used().await?);
    }
    let of = |tier: Tier| snapshot.tables.values().map(move |state| state.tier(tier));
    let limit = |tier: Tier| (tier == Tier::Hot).then_some(engine.config.hot.memory_limit_bytes);
    let used = |tier: Tier| limit(tier).map(|limit| taken[tier.index()] as f64 / limit.max(1) as f64);
    let tables = |tier: Tier| snapshot.tables.values().filter(|t| !t.tier(tier).is_empty()).count() as u64;
    let segments = |tier: Tier| of(tier).map(|segments| segments.len() as u64).sum::<u64>();
    let owned = |tier: Tier| of(tier).map(|segments| segments.totals().owned_rows).sum::<u64>();
    let replicated = |tier: Tier| of(tier).map(|segments| segments.totals().replica_rows).sum::<u64>();
    Ok(RecordBatch::try_new(
        schema,
        vec![
            text(Tier::ALL.map(|t| Some(t.name()))),
            text(Tier::ALL.map(|t| Some(engine.store(t).name()))),
            number(Tier::ALL.map(|t| Some(tables(t)))),
            number(Tier::ALL.map(|t| Some(segments(t)))),
            number(Tier::ALL.map(|t| Some(owned(t)))),
            number(Tier::ALL.map(|t| Some(replicated(t)))),
            number(Tier::ALL.map(|t| Some(of(t).map(|segments| segments.totals().bytes).sum()))),
            number(taken.iter().copied().map(Some)),
            number(Tier::ALL.map(limit)),
            share(Tier::ALL.map(used)),
        ],
    )?)
}

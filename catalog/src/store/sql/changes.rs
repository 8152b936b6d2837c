//! Writes the changes of one commit.
//!
//! Runs of additions, of retirements and of covered partitions are gathered and written by few statements each, as lineage is, so
//! that a commit of thousands of segments takes milliseconds, and few round trips where the database is a server. Segments of the hot tier are not written at all: the write-ahead log keeps them.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::super::database::{Param, ROWS_PER_INSERT, SqlDatabase, execute, query, rows_of_places};
use super::commit::key_text;
use super::roles;
use super::stored::{encode, from_db, id_list, to_db};
use crate::change::Change;
use crate::error::{CatalogError, Result};
use crate::job::LineageEntry;
use crate::roles::SCHEMA;
use crate::segment::{Role, Segment, SegmentId};
use crate::store::Commit;
use crate::table::{TableDef, TableId};
use crate::tier::Tier;

/// Columns of `segments`.
const SEGMENT_COLUMNS: [&str; 10] =
    ["id", "table_id", "tier", "role", "partition", "location", "rows", "bytes", "created_epoch", "body"];

/// Writes changes in order; [`ChangeWriter::finish`] writes what is still gathered.
pub(super) struct ChangeWriter<'a, D> {
    db: &'a mut D,
    epoch: i64,
    epoch_u64: u64,
    /// Live tables as of the last change: name and storage name.
    tables: BTreeMap<TableId, (String, String)>,
    /// Table of every segment this commit adds, hot ones too: lineage entries do not say it.
    added: HashMap<SegmentId, TableId>,
    adds: Vec<Segment>,
    retires: Vec<(TableId, SegmentId)>,
    /// How far the log is covered, by table and partition.
    covers: BTreeMap<(TableId, String), u64>,
}

impl<'a, D: SqlDatabase> ChangeWriter<'a, D> {
    /// Starts a commit inside the caller's transaction.
    pub(super) async fn new(db: &'a mut D, commit: &Commit) -> Result<ChangeWriter<'a, D>> {
        let sql = "SELECT id, name, storage_name FROM tables";
        let tables = query(
            &mut *db,
            sql,
            Vec::new(),
            || "reading tables".to_owned(),
            |row| {
                let id = from_db(row.int(0, "a table")?, "a table id")?;
                Ok((id, (row.text(1, "a table")?, row.text(2, "a table")?)))
            },
        );
        Ok(ChangeWriter {
            tables: tables.await?.into_iter().collect(),
            db,
            epoch: to_db(commit.epoch, "epoch")?,
            epoch_u64: commit.epoch,
            added: HashMap::new(),
            adds: Vec::new(),
            retires: Vec::new(),
            covers: BTreeMap::new(),
        })
    }

    /// Writes one change, or gathers it.
    pub(super) async fn write(&mut self, change: &Change) -> Result<()> {
        if !matches!(change, Change::AddSegment(_)) {
            self.write_adds().await?;
        }
        if !matches!(change, Change::RetireSegment { .. }) {
            self.write_retires().await?;
        }
        if !matches!(change, Change::CoverWal { .. }) {
            self.write_covers().await?;
        }
        match change {
            Change::CreateTable(def) => self.create_table(def).await,
            Change::AlterTable(def) => self.alter_table(def).await,
            Change::DropTable(table) => self.drop_table(*table).await,
            Change::AddSegment(segment) => self.add(segment),
            Change::RetireSegment { table, segment } => {
                self.need_table(*table)?;
                self.retires.push((*table, *segment));
                Ok(())
            }
            Change::CoverWal { table, partition, lsn } => {
                self.need_table(*table)?;
                let covered = self.covers.entry((*table, key_text(partition)?)).or_default();
                *covered = (*covered).max(*lsn);
                Ok(())
            }
            Change::PutRole(role) => roles::put(self.db, role).await,
            Change::DropRole(id) => roles::remove(self.db, *id).await,
            Change::SetGrants { on, grants } => {
                if *on != SCHEMA {
                    self.need_table(*on)?;
                }
                roles::set_grants(self.db, *on, grants).await
            }
        }
    }

    /// Writes what is still gathered, then the lineage of the segments added.
    pub(super) async fn finish(mut self, lineage: &[LineageEntry]) -> Result<()> {
        self.write_adds().await?;
        self.write_retires().await?;
        self.write_covers().await?;
        self.write_lineage(lineage).await
    }

    fn need_table(&self, table: TableId) -> Result<&(String, String)> {
        self.tables.get(&table).ok_or_else(|| CatalogError::Conflict(format!("no table with id {table}")))
    }

    fn need_free_name(&self, def: &TableDef) -> Result<()> {
        if self.tables.iter().any(|(id, (name, _))| *name == def.name && *id != def.id) {
            return Err(CatalogError::TableExists(def.name.clone()));
        }
        Ok(())
    }

    async fn create_table(&mut self, def: &TableDef) -> Result<()> {
        self.need_free_name(def)?;
        if def.id == 0 || self.tables.contains_key(&def.id) || self.was_dropped(def.id).await? {
            return Err(CatalogError::Conflict(format!("table id {} is not fresh", def.id)));
        }
        let sql = "INSERT INTO tables (id, name, storage_name, body) VALUES ($1, $2, $3, $4)";
        execute(self.db, sql, table_params(def)?, || format!("creating table \"{}\"", def.name)).await?;
        self.tables.insert(def.id, (def.name.clone(), def.storage_name()));
        Ok(())
    }

    /// True for the id of a table whose storage still waits to be dropped: a new one would lose its own to that.
    async fn was_dropped(&mut self, table: TableId) -> Result<bool> {
        let sql = "SELECT table_id FROM dropped_tables WHERE table_id = $1";
        let params = vec![to_db(table, "table id")?.into()];
        let context = || format!("checking the id of table {table}");
        let found = query(self.db, sql, params, context, |row| row.int(0, "a dropped table"));
        Ok(!found.await?.is_empty())
    }

    async fn alter_table(&mut self, def: &TableDef) -> Result<()> {
        self.need_table(def.id)?;
        self.need_free_name(def)?;
        let sql = "UPDATE tables SET name = $2, storage_name = $3, body = $4 WHERE id = $1";
        execute(self.db, sql, table_params(def)?, || format!("altering table \"{}\"", def.name)).await?;
        self.tables.insert(def.id, (def.name.clone(), def.storage_name()));
        Ok(())
    }

    async fn drop_table(&mut self, table: TableId) -> Result<()> {
        let (name, storage_name) = self.need_table(table)?.clone();
        let context = || format!("dropping table \"{name}\"");
        let id = to_db(table, "table id")?;
        let sql = "INSERT INTO retired (id, table_id, storage_name, retired_epoch, body)
             SELECT id, table_id, $1, $2, body FROM segments WHERE table_id = $3";
        let params = vec![storage_name.as_str().into(), self.epoch.into(), id.into()];
        execute(self.db, sql, params, context).await?;
        let sql = "INSERT INTO dropped_tables (table_id, storage_name, dropped_epoch) VALUES ($1, $2, $3)";
        execute(self.db, sql, vec![id.into(), storage_name.into(), self.epoch.into()], context).await?;
        for sql in [
            "DELETE FROM segments WHERE table_id = $1",
            "DELETE FROM wal_covered WHERE table_id = $1",
            "DELETE FROM leases WHERE table_id = $1",
            "DELETE FROM grants WHERE table_id = $1",
            "DELETE FROM tables WHERE id = $1",
        ] {
            execute(self.db, sql, vec![id.into()], context).await?;
        }
        self.tables.remove(&table);
        Ok(())
    }

    fn add(&mut self, segment: &Segment) -> Result<()> {
        self.need_table(segment.table)?;
        if self.added.insert(segment.id, segment.table).is_some() {
            return Err(CatalogError::Conflict(format!("segment {} is added twice", segment.id)));
        }
        if segment.tier != Tier::Hot {
            self.adds.push(Segment { created_epoch: self.epoch_u64, ..segment.clone() });
        }
        Ok(())
    }

    async fn write_adds(&mut self) -> Result<()> {
        let adds = std::mem::take(&mut self.adds);
        if adds.is_empty() {
            return Ok(());
        }
        let ids = adds.iter().map(|s| to_db(s.id, "segment id")).collect::<Result<Vec<_>>>()?;
        self.need_fresh(&ids).await?;
        for (chunk, ids) in adds.chunks(ROWS_PER_INSERT).zip(ids.chunks(ROWS_PER_INSERT)) {
            self.insert_segments(chunk, ids).await?;
        }
        for segment in &adds {
            if let Role::ReplicaOf(owners) = &segment.role {
                self.insert_replica(segment, owners).await?;
            }
        }
        Ok(())
    }

    /// Refuses ids that are, or were until they were collected, of other segments.
    async fn need_fresh(&mut self, ids: &[i64]) -> Result<()> {
        let among = D::ids_in("$1");
        let sql = format!(
            "SELECT id FROM segments WHERE id IN ({among})
             UNION ALL SELECT id FROM retired WHERE id IN ({among}) LIMIT 1"
        );
        let context = || "checking segment ids".to_owned();
        let taken = query(self.db, &sql, vec![id_list(ids).into()], context, |row| row.int(0, "a segment"));
        match taken.await?.first() {
            None => Ok(()),
            Some(id) => Err(CatalogError::Conflict(format!("segment {id} exists already"))),
        }
    }

    async fn insert_segments(&mut self, segments: &[Segment], ids: &[i64]) -> Result<()> {
        let mut params: Vec<Param> = Vec::with_capacity(segments.len() * SEGMENT_COLUMNS.len());
        for (segment, id) in segments.iter().zip(ids) {
            params.extend([
                Param::Int(*id),
                to_db(segment.table, "table id")?.into(),
                segment.tier.name().into(),
                if segment.is_owner() { "owner" } else { "replica" }.into(),
                key_text(&segment.partition)?.into(),
                segment.location.as_str().into(),
                to_db(segment.rows, "row count")?.into(),
                to_db(segment.bytes, "size")?.into(),
                self.epoch.into(),
                encode(segment, || format!("segment {}", segment.id))?.into(),
            ]);
        }
        let rows = rows_of_places(segments.len(), SEGMENT_COLUMNS.len());
        let sql = format!("INSERT INTO segments ({}) VALUES {rows}", SEGMENT_COLUMNS.join(", "));
        execute(self.db, &sql, params, || "adding segments".to_owned()).await.map(|_| ())
    }

    async fn insert_replica(&mut self, replica: &Segment, owners: &[SegmentId]) -> Result<()> {
        for owner in owners {
            let sql = "INSERT INTO replicas (owner, replica)
                 SELECT id, $1 FROM segments WHERE id = $2 AND table_id = $3 AND role = 'owner'
                 ON CONFLICT DO NOTHING";
            let params = vec![
                to_db(replica.id, "segment id")?.into(),
                to_db(*owner, "segment id")?.into(),
                to_db(replica.table, "table id")?.into(),
            ];
            if execute(self.db, sql, params, || format!("adding replica {}", replica.id)).await? == 0 {
                return Err(CatalogError::Conflict(format!(
                    "{} replica {} names owner {owner}, which is not in the catalog",
                    replica.tier, replica.id
                )));
            }
        }
        Ok(())
    }

    async fn write_retires(&mut self) -> Result<()> {
        let mut by_table: BTreeMap<TableId, Vec<i64>> = BTreeMap::new();
        let mut seen = HashSet::new();
        for (table, segment) in std::mem::take(&mut self.retires) {
            if !seen.insert(segment) {
                return Err(CatalogError::Conflict(format!("segment {segment} is retired twice")));
            }
            by_table.entry(table).or_default().push(to_db(segment, "segment id")?);
        }
        for (table, ids) in by_table {
            self.retire(table, &ids).await?;
        }
        Ok(())
    }

    /// Moves segments, and replicas of them, to the retired list. Ids the catalog never saw are of hot segments.
    async fn retire(&mut self, table: TableId, ids: &[i64]) -> Result<()> {
        let context = || format!("retiring segments of table {table}");
        let list = id_list(ids);
        let table_id = to_db(table, "table id")?;
        let among = D::ids_in("$1");
        let sql = format!(
            "SELECT id FROM retired WHERE id IN ({among})
             UNION ALL SELECT id FROM segments WHERE id IN ({among}) AND table_id <> $2 LIMIT 1"
        );
        let params = vec![list.as_str().into(), table_id.into()];
        let misfits = query(self.db, &sql, params, context, |row| row.int(0, "a segment"));
        if let Some(id) = misfits.await?.first() {
            return Err(CatalogError::Conflict(format!("segment {id} is not there to retire")));
        }
        let sql = format!(
            "SELECT id FROM segments WHERE id IN ({among})
             UNION SELECT replica FROM replicas WHERE owner IN ({among})"
        );
        let gone = query(self.db, &sql, vec![list.into()], context, |row| row.int(0, "a segment")).await?;
        if gone.is_empty() {
            return Ok(());
        }
        let list = id_list(&gone);
        let storage_name = self.need_table(table)?.1.clone();
        let sql = format!(
            "INSERT INTO retired (id, table_id, storage_name, retired_epoch, body)
             SELECT id, table_id, $2, $3, body FROM segments WHERE id IN ({among})"
        );
        let params = vec![list.as_str().into(), storage_name.into(), self.epoch.into()];
        execute(self.db, &sql, params, context).await?;
        let sql = format!("DELETE FROM segments WHERE id IN ({among})");
        execute(self.db, &sql, vec![list.into()], context).await.map(|_| ())
    }

    async fn write_covers(&mut self) -> Result<()> {
        let covers: Vec<_> = std::mem::take(&mut self.covers).into_iter().collect();
        for covers in covers.chunks(ROWS_PER_INSERT) {
            let mut params: Vec<Param> = Vec::with_capacity(covers.len() * 3);
            for ((table, partition), lsn) in covers {
                let (table, lsn) = (to_db(*table, "table id")?, to_db(*lsn, "log position")?);
                params.extend([table.into(), partition.as_str().into(), lsn.into()]);
            }
            let sql = format!(
                "INSERT INTO wal_covered (table_id, partition, lsn) VALUES {}
                 ON CONFLICT (table_id, partition) DO UPDATE SET lsn = excluded.lsn WHERE wal_covered.lsn < excluded.lsn",
                rows_of_places(covers.len(), 3)
            );
            execute(self.db, &sql, params, || "covering the log".to_owned()).await?;
        }
        Ok(())
    }

    async fn write_lineage(&mut self, lineage: &[LineageEntry]) -> Result<()> {
        // A statement that inserts a row twice is refused by PostgreSQL: the last one holds.
        let entries: BTreeMap<SegmentId, &LineageEntry> = lineage.iter().map(|entry| (entry.segment, entry)).collect();
        let entries: Vec<&LineageEntry> = entries.into_values().collect();
        for entries in entries.chunks(ROWS_PER_INSERT) {
            let mut params: Vec<Param> = Vec::with_capacity(entries.len() * 4);
            for entry in entries {
                let Some(table) = self.added.get(&entry.segment) else {
                    return Err(CatalogError::Conflict(format!(
                        "lineage names segment {}, which this commit does not add",
                        entry.segment
                    )));
                };
                params.extend([
                    to_db(entry.segment, "segment id")?.into(),
                    to_db(*table, "table id")?.into(),
                    entry.at_us.into(),
                    encode(*entry, || format!("the lineage of segment {}", entry.segment))?.into(),
                ]);
            }
            let sql = format!(
                "INSERT INTO lineage (segment, table_id, at_us, body) VALUES {}
                 ON CONFLICT (segment) DO UPDATE SET table_id = excluded.table_id, at_us = excluded.at_us,
                     body = excluded.body",
                rows_of_places(entries.len(), 4)
            );
            execute(self.db, &sql, params, || "recording lineage".to_owned()).await?;
        }
        Ok(())
    }
}

/// A table's row: id, name, storage name, definition.
fn table_params(def: &TableDef) -> Result<Vec<Param>> {
    Ok(vec![
        to_db(def.id, "table id")?.into(),
        def.name.as_str().into(),
        def.storage_name().into(),
        encode(def, || format!("table {}", def.id))?.into(),
    ])
}

//! Writes the changes of one commit.
//!
//! Runs of additions and of retirements are gathered and written by one statement each, so that a commit of thousands
//! of segments takes milliseconds. Segments of the hot tier are not written at all: the write-ahead log keeps them.

use std::collections::{BTreeMap, HashMap, HashSet};

use sqlx::{QueryBuilder, Row, Sqlite, SqliteConnection};

use super::commit::key_text;
use super::stored::{encode, failed, from_db, id_list, to_db};
use crate::change::Change;
use crate::error::{CatalogError, Result};
use crate::job::LineageEntry;
use crate::segment::{Role, Segment, SegmentId};
use crate::store::Commit;
use crate::table::{TableDef, TableId};
use crate::tier::Tier;

/// Rows per INSERT: 10 values each stay far below SQLite's limit of 32,766 per statement, and long statements gain
/// nothing.
const ROWS_PER_INSERT: usize = 256;

/// Writes changes in order; [`ChangeWriter::finish`] writes what is still gathered.
pub(super) struct ChangeWriter<'a> {
    connection: &'a mut SqliteConnection,
    epoch: i64,
    epoch_u64: u64,
    /// Live tables as of the last change: name and storage name.
    tables: BTreeMap<TableId, (String, String)>,
    /// Table of every segment this commit adds, hot ones too: lineage entries do not say it.
    added: HashMap<SegmentId, TableId>,
    adds: Vec<Segment>,
    retires: Vec<(TableId, SegmentId)>,
}

impl<'a> ChangeWriter<'a> {
    /// Starts a commit inside the caller's transaction.
    pub(super) async fn new(connection: &'a mut SqliteConnection, commit: &Commit) -> Result<ChangeWriter<'a>> {
        let rows = sqlx::query("SELECT id, name, storage_name FROM tables")
            .fetch_all(&mut *connection)
            .await
            .map_err(|e| failed("reading tables", e))?;
        let mut tables = BTreeMap::new();
        for row in &rows {
            let read = |e| failed("reading tables", e);
            let id = from_db(row.try_get(0).map_err(read)?, "a table id")?;
            tables.insert(id, (row.try_get(1).map_err(read)?, row.try_get(2).map_err(read)?));
        }
        Ok(ChangeWriter {
            connection,
            epoch: to_db(commit.epoch, "epoch")?,
            epoch_u64: commit.epoch,
            tables,
            added: HashMap::new(),
            adds: Vec::new(),
            retires: Vec::new(),
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
                self.cover_wal(*table, &key_text(partition)?, *lsn).await
            }
        }
    }

    /// Writes what is still gathered, then the lineage of the segments added.
    pub(super) async fn finish(mut self, lineage: &[LineageEntry]) -> Result<()> {
        self.write_adds().await?;
        self.write_retires().await?;
        for entry in lineage {
            self.write_lineage(entry).await?;
        }
        Ok(())
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
        if def.id == 0 || self.tables.contains_key(&def.id) {
            return Err(CatalogError::Conflict(format!("table id {} is not fresh", def.id)));
        }
        sqlx::query("INSERT INTO tables (id, name, storage_name, body) VALUES (?, ?, ?, ?)")
            .bind(to_db(def.id, "table id")?)
            .bind(&def.name)
            .bind(def.storage_name())
            .bind(encode(def, || format!("table {}", def.id))?)
            .execute(&mut *self.connection)
            .await
            .map_err(|e| failed(format!("creating table \"{}\"", def.name), e))?;
        self.tables.insert(def.id, (def.name.clone(), def.storage_name()));
        Ok(())
    }

    async fn alter_table(&mut self, def: &TableDef) -> Result<()> {
        self.need_table(def.id)?;
        self.need_free_name(def)?;
        sqlx::query("UPDATE tables SET name = ?, storage_name = ?, body = ? WHERE id = ?")
            .bind(&def.name)
            .bind(def.storage_name())
            .bind(encode(def, || format!("table {}", def.id))?)
            .bind(to_db(def.id, "table id")?)
            .execute(&mut *self.connection)
            .await
            .map_err(|e| failed(format!("altering table \"{}\"", def.name), e))?;
        self.tables.insert(def.id, (def.name.clone(), def.storage_name()));
        Ok(())
    }

    async fn drop_table(&mut self, table: TableId) -> Result<()> {
        let (name, storage_name) = self.need_table(table)?.clone();
        let context = || format!("dropping table \"{name}\"");
        let id = to_db(table, "table id")?;
        sqlx::query(
            "INSERT INTO retired (id, table_id, storage_name, retired_epoch, body)
             SELECT id, table_id, ?, ?, body FROM segments WHERE table_id = ?",
        )
        .bind(&storage_name)
        .bind(self.epoch)
        .bind(id)
        .execute(&mut *self.connection)
        .await
        .map_err(|e| failed(context(), e))?;
        for sql in [
            "DELETE FROM segments WHERE table_id = ?",
            "DELETE FROM wal_covered WHERE table_id = ?",
            "DELETE FROM leases WHERE table_id = ?",
            "DELETE FROM tables WHERE id = ?",
        ] {
            sqlx::query(sql).bind(id).execute(&mut *self.connection).await.map_err(|e| failed(context(), e))?;
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
        let list = id_list(ids);
        let taken = sqlx::query(
            "SELECT id FROM segments WHERE id IN (SELECT value FROM json_each(?1))
             UNION ALL SELECT id FROM retired WHERE id IN (SELECT value FROM json_each(?1)) LIMIT 1",
        )
        .bind(list)
        .fetch_optional(&mut *self.connection)
        .await
        .map_err(|e| failed("checking segment ids", e))?;
        match taken {
            None => Ok(()),
            Some(row) => {
                let id: i64 = row.try_get(0).map_err(|e| failed("checking segment ids", e))?;
                Err(CatalogError::Conflict(format!("segment {id} exists already")))
            }
        }
    }

    async fn insert_segments(&mut self, segments: &[Segment], ids: &[i64]) -> Result<()> {
        let mut insert = QueryBuilder::<Sqlite>::new(
            "INSERT INTO segments (id, table_id, tier, role, partition, location, rows, bytes, created_epoch, body) ",
        );
        let mut rows = Vec::with_capacity(segments.len());
        for (segment, id) in segments.iter().zip(ids) {
            rows.push(SegmentRow {
                id: *id,
                table: to_db(segment.table, "table id")?,
                rows: to_db(segment.rows, "row count")?,
                bytes: to_db(segment.bytes, "size")?,
                partition: key_text(&segment.partition)?,
                body: encode(segment, || format!("segment {}", segment.id))?,
                segment,
            });
        }
        let epoch = self.epoch;
        insert.push_values(rows, |mut values, row| {
            values
                .push_bind(row.id)
                .push_bind(row.table)
                .push_bind(row.segment.tier.name())
                .push_bind(if row.segment.is_owner() { "owner" } else { "replica" })
                .push_bind(row.partition)
                .push_bind(row.segment.location.as_str())
                .push_bind(row.rows)
                .push_bind(row.bytes)
                .push_bind(epoch)
                .push_bind(row.body);
        });
        insert.build().execute(&mut *self.connection).await.map_err(|e| failed("adding segments", e))?;
        Ok(())
    }

    async fn insert_replica(&mut self, replica: &Segment, owners: &[SegmentId]) -> Result<()> {
        let context = || format!("adding replica {}", replica.id);
        for owner in owners {
            let done = sqlx::query(
                "INSERT OR IGNORE INTO replicas (owner, replica)
                 SELECT id, ? FROM segments WHERE id = ? AND table_id = ? AND role = 'owner'",
            )
            .bind(to_db(replica.id, "segment id")?)
            .bind(to_db(*owner, "segment id")?)
            .bind(to_db(replica.table, "table id")?)
            .execute(&mut *self.connection)
            .await
            .map_err(|e| failed(context(), e))?;
            if done.rows_affected() == 0 {
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
        let misfit = sqlx::query(
            "SELECT id FROM retired WHERE id IN (SELECT value FROM json_each(?1))
             UNION ALL
             SELECT id FROM segments WHERE id IN (SELECT value FROM json_each(?1)) AND table_id <> ?2 LIMIT 1",
        )
        .bind(&list)
        .bind(table_id)
        .fetch_optional(&mut *self.connection)
        .await
        .map_err(|e| failed(context(), e))?;
        if let Some(row) = misfit {
            let id: i64 = row.try_get(0).map_err(|e| failed(context(), e))?;
            return Err(CatalogError::Conflict(format!("segment {id} is not there to retire")));
        }
        let gone: Vec<i64> = sqlx::query(
            "SELECT id FROM segments WHERE id IN (SELECT value FROM json_each(?1))
             UNION
             SELECT replica FROM replicas WHERE owner IN (SELECT value FROM json_each(?1))",
        )
        .bind(&list)
        .fetch_all(&mut *self.connection)
        .await
        .map_err(|e| failed(context(), e))?
        .iter()
        .map(|row| row.try_get(0))
        .collect::<Result<_, _>>()
        .map_err(|e| failed(context(), e))?;
        if gone.is_empty() {
            return Ok(());
        }
        let list = id_list(&gone);
        let storage_name = self.need_table(table)?.1.clone();
        sqlx::query(
            "INSERT INTO retired (id, table_id, storage_name, retired_epoch, body)
             SELECT id, table_id, ?, ?, body FROM segments WHERE id IN (SELECT value FROM json_each(?))",
        )
        .bind(storage_name)
        .bind(self.epoch)
        .bind(&list)
        .execute(&mut *self.connection)
        .await
        .map_err(|e| failed(context(), e))?;
        sqlx::query("DELETE FROM segments WHERE id IN (SELECT value FROM json_each(?))")
            .bind(&list)
            .execute(&mut *self.connection)
            .await
            .map_err(|e| failed(context(), e))?;
        Ok(())
    }

    async fn cover_wal(&mut self, table: TableId, partition: &str, lsn: u64) -> Result<()> {
        sqlx::query(
            "INSERT INTO wal_covered (table_id, partition, lsn) VALUES (?, ?, ?)
             ON CONFLICT (table_id, partition) DO UPDATE SET lsn = max(lsn, excluded.lsn)",
        )
        .bind(to_db(table, "table id")?)
        .bind(partition)
        .bind(to_db(lsn, "log position")?)
        .execute(&mut *self.connection)
        .await
        .map_err(|e| failed(format!("covering the log of table {table}"), e))?;
        Ok(())
    }

    async fn write_lineage(&mut self, entry: &LineageEntry) -> Result<()> {
        let Some(table) = self.added.get(&entry.segment) else {
            return Err(CatalogError::Conflict(format!(
                "lineage names segment {}, which this commit does not add",
                entry.segment
            )));
        };
        sqlx::query("INSERT OR REPLACE INTO lineage (segment, table_id, at_us, body) VALUES (?, ?, ?, ?)")
            .bind(to_db(entry.segment, "segment id")?)
            .bind(to_db(*table, "table id")?)
            .bind(entry.at_us)
            .bind(encode(entry, || format!("the lineage of segment {}", entry.segment))?)
            .execute(&mut *self.connection)
            .await
            .map_err(|e| failed(format!("recording the lineage of segment {}", entry.segment), e))?;
        Ok(())
    }
}

/// One row of the `segments` table, encoded before it is bound.
struct SegmentRow<'s> {
    id: i64,
    table: i64,
    rows: i64,
    bytes: i64,
    partition: String,
    body: String,
    segment: &'s Segment,
}

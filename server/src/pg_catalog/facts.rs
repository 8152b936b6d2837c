//! What there is now, as INSERTs into the tables of facts.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, SchemaRef};
use zxq_engine::catalog::{ColumnDef, KeyKind, Snapshot, TableDef, TableId, TableState, Tier};
use zxq_engine::roles::ZXQ;
use zxq_engine::sql::{SequenceFacts, columns_read, quoted_text, sequence_facts, sequences};

use super::oids::Oids;
use super::role_facts;
use crate::wire::settings::all;
use crate::wire::settings::known::Values;
use crate::wire::types::column_of;

/// OID of the schema `public` in every PostgreSQL.
pub(super) const PUBLIC_OID: u32 = 2200;
/// OID of `pg_catalog` in every PostgreSQL.
const PG_CATALOG_OID: u32 = 11;
/// OID of `information_schema`, as PostgreSQL 15 gives it.
const INFORMATION_SCHEMA_OID: u32 = 13_000;

/// A view of the engine itself: its name and columns.
#[derive(Debug, Clone)]
pub(super) struct SystemView {
    /// Name within the schema `zxq`.
    pub(super) name: String,
    /// Columns.
    pub(super) schema: SchemaRef,
}

/// Rows for the tables of facts, as one INSERT per table: DuckDB parses those much faster than one per row.
#[derive(Default)]
pub(super) struct Inserts(BTreeMap<&'static str, Vec<String>>);

impl Inserts {
    /// One row.
    pub(super) fn add(&mut self, table: &'static str, values: &[String]) {
        self.0.entry(table).or_default().push(format!("({})", values.join(", ")));
    }

    fn sql(self) -> String {
        self.0
            .into_iter()
            .map(|(table, rows)| format!("INSERT INTO facts.{table} VALUES {};", rows.join(", ")))
            .collect()
    }
}

/// Facts that never change.
pub(super) fn fixed() -> String {
    let mut rows = Inserts::default();
    for known in all() {
        let (kind, unit, least, most) = match known.values {
            Values::Bool | Values::AlwaysOn => ("bool", None, None, None),
            Values::Integer(least, most) => ("integer", None, Some(least.to_string()), Some(most.to_string())),
            Values::Measured(unit, least, most) => {
                ("integer", Some(unit.name()), Some(least.to_string()), Some(most.to_string()))
            }
            Values::Real(least, most) => ("real", None, Some(least.to_string()), Some(most.to_string())),
            Values::OneOf(_) => ("enum", None, None, None),
            _ => ("string", None, None, None),
        };
        let options = match known.values {
            Values::OneOf(options) => {
                format!("[{}]", options.iter().map(|option| quoted_text(option)).collect::<Vec<_>>().join(", "))
            }
            _ => "NULL".to_owned(),
        };
        let number = match known.values {
            Values::Measured(unit, ..) => unit.parse(known.default).map(|number| number.to_string()),
            _ => None,
        };
        let text_or_null = |value: Option<&str>| value.map_or_else(|| "NULL".to_owned(), quoted_text);
        let values = [
            text(known.name),
            quoted_text(known.default),
            text_or_null(number.as_deref()),
            text(known.about),
            text(known.context.name()),
            text(kind),
            text_or_null(unit),
            text_or_null(least.as_deref()),
            text_or_null(most.as_deref()),
            options,
        ];
        rows.add("settings", &values);
    }
    rows.sql()
}

/// Empties the tables of facts and fills them with what the snapshot holds.
pub(super) fn current(snapshot: &Snapshot, views: &[SystemView]) -> String {
    let mut rows = Inserts::default();
    let mut oids = Oids::default();
    let schema = |rows: &mut Inserts, oid: u32, name: &str, about: &str| {
        let (owner, no_acl) = (ZXQ.to_string(), "NULL".to_owned());
        rows.add("stored_schemas", &[oid.to_string(), text(name), text(about), owner, no_acl]);
        oid
    };
    schema(&mut rows, PG_CATALOG_OID, "pg_catalog", "system catalog schema");
    schema(&mut rows, INFORMATION_SCHEMA_OID, "information_schema", "standard catalog schema");
    schema(&mut rows, PUBLIC_OID, "public", "tables, over all tiers");
    for (tier, oid) in Tier::ALL.into_iter().zip(oids_of_tiers(&mut oids)) {
        let about = format!("the same tables, their rows in {tier} only");
        schema(&mut rows, oid, tier.name(), &about);
    }
    let system = schema(&mut rows, oids.of(SYSTEM), SYSTEM, "views of zxq itself");
    let tables: Vec<u32> = oids_of_tables(&mut oids, snapshot.tables.keys());
    let mut schemas = BTreeMap::from([("", PUBLIC_OID)]);
    for (table, oid) in snapshot.tables.values().zip(&tables) {
        if let Some(name) = table.def.name.strip_suffix('.').filter(|_| table.def.is_schema()) {
            let owner = table.def.owner.unwrap_or(ZXQ).to_string();
            let acl = role_facts::acl(&snapshot.roles, &table.def);
            rows.add("stored_schemas", &[oid.to_string(), text(name), text(""), owner, acl]);
            role_facts::insert_grants(&mut rows, *oid, snapshot.roles.grants(table.def.id));
            schemas.insert(name, *oid);
        }
    }
    // The tiers' tables are not listed: clients that look a table up by its name alone would find four.
    let of_tables: BTreeMap<TableId, u32> = snapshot.tables.keys().copied().zip(tables.iter().copied()).collect();
    for ((id, table), oid) in snapshot.tables.iter().zip(tables).filter(|((_, table), _)| !table.def.is_schema()) {
        let kept = Kept { owner: table.def.owner.unwrap_or(ZXQ), acl: role_facts::acl(&snapshot.roles, &table.def) };
        role_facts::insert_grants(&mut rows, oid, snapshot.roles.grants(*id));
        insert_table(&mut rows, &mut oids, oid, (table.as_ref(), &schemas), &kept);
        if let Some(sequence) = sequence_facts(&table.def) {
            insert_sequence(&mut rows, oid, &sequence, snapshot, &of_tables);
        }
        let numbered =
            |(place, column): (usize, &ColumnDef)| Some((place, sequences::of_default(column.default.as_deref()?)?));
        for (place, sequence) in table.def.columns.iter().enumerate().filter_map(numbered) {
            if snapshot.table(&sequence).is_none() {
                insert_implied_sequence(&mut rows, &mut oids, oid, (&table.def, place), &sequence, &schemas, &kept);
            }
        }
    }
    for view in views {
        let oid = oids.of(&format!("view {}", view.name));
        insert_view(&mut rows, oid, system, view);
    }
    role_facts::insert(&mut rows, snapshot);
    const TABLES: [&str; 11] = [
        "stored_schemas",
        "stored_relations",
        "stored_columns",
        "stored_checks",
        "stored_keys",
        "stored_sequences",
        "roles",
        "memberships",
        "acts_as",
        "belongs_to",
        "grants",
    ];
    let emptied: String = TABLES.iter().map(|table| format!("DELETE FROM facts.{table};")).collect();
    format!("{emptied}{}", rows.sql())
}

/// The schema of zxq's own views.
const SYSTEM: &str = "zxq";

/// The OIDs of these tables, which are all that there are, in the order of their ids.
pub(super) fn table_oids<'a>(tables: impl Iterator<Item = &'a TableId>) -> Vec<u32> {
    let mut oids = Oids::default();
    let _ = oids_of_tiers(&mut oids);
    let _ = oids.of(SYSTEM);
    oids_of_tables(&mut oids, tables)
}

fn oids_of_tiers(oids: &mut Oids) -> Vec<u32> {
    Tier::ALL.iter().map(|tier| oids.of(tier.name())).collect()
}

fn oids_of_tables<'a>(oids: &mut Oids, tables: impl Iterator<Item = &'a TableId>) -> Vec<u32> {
    tables.map(|id| oids.of(&format!("table {id}"))).collect()
}

/// Whose a table is, and who may do what with it.
struct Kept {
    owner: u64,
    /// `relacl` as SQL.
    acl: String,
}

/// One table or view.
fn insert_table(
    rows: &mut Inserts,
    oids: &mut Oids,
    oid: u32,
    (table, schemas): (&TableState, &BTreeMap<&str, u32>),
    kept: &Kept,
) {
    let def = &table.def;
    // In a schema that somebody made, that is in the name.
    let (schema, name) = match def.name.split_once('.') {
        Some((schema, name)) if schemas.contains_key(schema) => (schema, name),
        _ => ("", def.name.as_str()),
    };
    let schema = schemas.get(schema).copied().unwrap_or(PUBLIC_OID);
    let row_count = table.row_count();
    let bytes: u64 = Tier::ALL.into_iter().map(|tier| table.tier(tier).totals().bytes).sum();
    let values = [
        oid.to_string(),
        schema.to_string(),
        text(name),
        text(kind_of(def)),
        row_count.to_string(),
        bytes.to_string(),
        def.checks.len().to_string(),
        def.comment(None).map_or_else(|| "NULL".to_owned(), text),
        match def.view() {
            Some(query) if def.sequence().is_none() => text(&format!(" {query};")),
            _ => "NULL".to_owned(),
        },
        oid.to_string(),
        kept.owner.to_string(),
        kept.acl.clone(),
    ];
    rows.add("stored_relations", &values);
    for (at, column) in def.columns.iter().enumerate() {
        insert_column(rows, oid, at + 1, column, def.comment(Some(&column.name)));
    }
    for key in def.keys() {
        let places = key.columns.iter().filter_map(|column| def.column_index(column)).map(|at| (at + 1).to_string());
        let values = [
            oids.of(&format!("key {} {}", def.id, key.name)).to_string(),
            oids.of(&format!("index {} {}", def.id, key.name)).to_string(),
            oid.to_string(),
            text(&key.name),
            (key.kind == KeyKind::Primary).to_string(),
            (key.kind != KeyKind::Index).to_string(),
            key.kind.is_constraint().to_string(),
            format!("[{}]", places.collect::<Vec<_>>().join(", ")),
        ];
        rows.add("stored_keys", &values);
    }
    for check in &def.checks {
        let read = columns_read(&check.expression);
        let mentioned: Vec<String> = def
            .columns
            .iter()
            .enumerate()
            .filter(|(_, column)| read.contains(&column.name))
            .map(|(at, _)| (at + 1).to_string())
            .collect();
        let values = [
            oids.of(&format!("check {} {}", def.id, check.name)).to_string(),
            oid.to_string(),
            text(&check.name),
            text(&check.expression),
            format!("[{}]", mentioned.join(", ")),
        ];
        rows.add("stored_checks", &values);
    }
}

/// What one sequence counts, and the column that it goes with.
fn insert_sequence(
    rows: &mut Inserts,
    oid: u32,
    sequence: &SequenceFacts,
    snapshot: &Snapshot,
    of_tables: &BTreeMap<TableId, u32>,
) {
    let null_or = |number: Option<String>| number.unwrap_or_else(|| "NULL".to_owned());
    let owner = sequence.owner.as_ref().and_then(|(table, column)| {
        let place = snapshot.table_by_id(*table)?.def.column_index(column)?;
        Some((of_tables.get(table)?, place + 1))
    });
    let type_oid = match sequence.data_type {
        "smallint" => 21,
        "integer" => 23,
        _ => 20,
    };
    let values = [
        oid.to_string(),
        type_oid.to_string(),
        sequence.start.to_string(),
        sequence.increment.to_string(),
        sequence.most.to_string(),
        sequence.least.to_string(),
        sequence.cycles.to_string(),
        null_or(sequence.last.map(|last| last.to_string())),
        null_or(owner.map(|(table, _)| table.to_string())),
        null_or(owner.map(|(_, column)| column.to_string())),
    ];
    rows.add("stored_sequences", &values);
}

/// The sequence of a column that is numbered by itself, which nobody has made.
fn insert_implied_sequence(
    rows: &mut Inserts,
    oids: &mut Oids,
    table: u32,
    (def, place): (&TableDef, usize),
    sequence: &str,
    schemas: &BTreeMap<&str, u32>,
    kept: &Kept,
) {
    let oid = oids.of(&format!("sequence {} {place}", def.id));
    let (schema, name) = match sequence.split_once('.') {
        Some((schema, name)) if schemas.contains_key(schema) => (schema, name),
        _ => ("", sequence),
    };
    let schema = schemas.get(schema).copied().unwrap_or(PUBLIC_OID);
    let head = [oid.to_string(), schema.to_string(), text(name), text("S")];
    let rest = ["0", "0", "0", "NULL", "NULL"].map(str::to_owned);
    let whose = [table.to_string(), kept.owner.to_string(), kept.acl.clone()];
    rows.add("stored_relations", &[head.as_slice(), rest.as_slice(), whose.as_slice()].concat());
    let (type_oid, most) = match def.columns.get(place).map(|column| &column.data_type) {
        Some(DataType::Int16) => (21, i64::from(i16::MAX)),
        Some(DataType::Int32) => (23, i64::from(i32::MAX)),
        _ => (20, i64::MAX),
    };
    let values = [
        oid.to_string(),
        type_oid.to_string(),
        "1".to_owned(),
        "1".to_owned(),
        most.to_string(),
        "1".to_owned(),
        "false".to_owned(),
        "NULL".to_owned(),
        table.to_string(),
        (place + 1).to_string(),
    ];
    rows.add("stored_sequences", &values);
}

/// `relkind`.
fn kind_of(def: &TableDef) -> &'static str {
    match (def.sequence(), def.view()) {
        (Some(_), _) => "S",
        (None, Some(_)) => "v",
        (None, None) => "r",
    }
}

fn insert_column(rows: &mut Inserts, relation: u32, number: usize, column: &ColumnDef, about: Option<&str>) {
    let (oid, typmod) = declared_type(column);
    let default = column.generated.as_ref().or(column.default.as_ref());
    let values = [
        relation.to_string(),
        number.to_string(),
        text(&column.name),
        oid.to_string(),
        typmod.to_string(),
        (!column.nullable).to_string(),
        default.map_or_else(|| "NULL".to_owned(), |default| text(default)),
        column.generated.is_some().to_string(),
        about.map_or_else(|| "NULL".to_owned(), text),
    ];
    rows.add("stored_columns", &values);
}

fn insert_view(rows: &mut Inserts, oid: u32, schema: u32, view: &SystemView) {
    // Everybody may read it; it shows what one may see.
    let unknown = ["NULL", "NULL", "0", "NULL", "NULL", "0", "10", "NULL"].map(str::to_owned);
    let head = [oid.to_string(), schema.to_string(), text(&view.name), text("v")];
    rows.add("stored_relations", &[head.as_slice(), unknown.as_slice()].concat());
    for (at, field) in view.schema.fields().iter().enumerate() {
        let column = ColumnDef {
            nullable: field.is_nullable(),
            ..ColumnDef::new(field.name().clone(), field.data_type().clone(), String::new())
        };
        insert_column(rows, oid, at + 1, &column, None);
    }
}

/// OID of the schema of a session's own tables.
const TEMPORARY_OID: u32 = 16_000;
/// From here on temporary tables have theirs: none that is given out by name comes so far.
const FIRST_TEMPORARY_OID: u64 = 2_147_483_648;

/// A session's own tables and views, and their columns, each as a struct in DuckDB's SQL.
pub(super) fn of_session(tables: &[Arc<TableDef>]) -> (Vec<String>, Vec<String>) {
    let null_or = |value: Option<&str>| value.map_or_else(|| "NULL".to_owned(), quoted_text);
    let (mut relations, mut columns) = (Vec::new(), Vec::new());
    for def in tables {
        let oid = FIRST_TEMPORARY_OID + def.id % 1_000_000_000;
        relations.push(format!(
            "{{oid: {oid}, schema_oid: {TEMPORARY_OID}, name: {}, kind: '{}', rows: 0, bytes: 0, checks: {}, about: NULL, \
             definition: {}}}",
            quoted_text(&def.name),
            if def.view().is_some() { "v" } else { "r" },
            def.checks.len(),
            null_or(def.view()),
        ));
        for (at, column) in def.columns.iter().enumerate() {
            let (type_oid, typmod) = declared_type(column);
            columns.push(format!(
                "{{relation_oid: {oid}, num: {}, name: {}, type_oid: {type_oid}, typmod: {typmod}, not_null: {}, \
                 default_text: {}, generated: {}, about: NULL}}",
                at + 1,
                quoted_text(&column.name),
                !column.nullable,
                null_or(column.generated.as_deref().or(column.default.as_deref())),
                column.generated.is_some(),
            ));
        }
    }
    (relations, columns)
}

/// Type OID and modifier of a column, as declared.
fn declared_type(column: &ColumnDef) -> (u32, i32) {
    let wire = column_of(&column.row_field());
    (wire.pg_type.oid(), wire.typmod)
}

/// A text as SQL; an empty one is NULL.
pub(super) fn text(value: &str) -> String {
    if value.is_empty() { "NULL".to_owned() } else { quoted_text(value) }
}

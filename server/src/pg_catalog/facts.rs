//! What there is now, as INSERTs into the tables of facts.

use std::collections::BTreeMap;

use datafusion::arrow::datatypes::SchemaRef;
use zxq_engine::catalog::{ColumnDef, Snapshot, TableDef, TableState, Tier};
use zxq_engine::roles::ZXQ;
use zxq_engine::sql::{quoted, quoted_text};

use super::oids::Oids;
use super::role_facts;
use crate::wire::settings::known::{KNOWN, Values};
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
    for known in KNOWN {
        let kind = match known.values {
            Values::Bool | Values::AlwaysOn => "bool",
            Values::Integer(..) | Values::Millis => "integer",
            Values::OneOf(_) => "enum",
            _ => "string",
        };
        let context = if known.values == Values::ReadOnly { "internal" } else { "user" };
        rows.add("settings", &[text(known.name), text(known.default), text(known.about), text(context), text(kind)]);
    }
    rows.sql()
}

/// Empties the tables of facts and fills them with what the snapshot holds.
pub(super) fn current(snapshot: &Snapshot, views: &[SystemView]) -> String {
    let mut rows = Inserts::default();
    let mut oids = Oids::default();
    let schema = |rows: &mut Inserts, oid: u32, name: &str, about: &str| {
        rows.add("schemas", &[oid.to_string(), text(name), text(about)]);
        oid
    };
    schema(&mut rows, PG_CATALOG_OID, "pg_catalog", "system catalog schema");
    schema(&mut rows, INFORMATION_SCHEMA_OID, "information_schema", "standard catalog schema");
    schema(&mut rows, PUBLIC_OID, "public", "tables, over all tiers");
    let tier_schemas = Tier::ALL.map(|tier| {
        let about = format!("the same tables, their rows in {tier} only");
        schema(&mut rows, oids.of(tier.name()), tier.name(), &about)
    });
    let system = schema(&mut rows, oids.of("zxq"), "zxq", "views of zxq itself");
    for (id, table) in &snapshot.tables {
        let oid = oids.of(&format!("table {id}"));
        let kept = Kept {
            table: oid,
            owner: table.def.owner.unwrap_or(ZXQ),
            acl: role_facts::acl(&snapshot.roles, &table.def),
        };
        role_facts::insert_grants(&mut rows, oid, snapshot.roles.grants(*id));
        insert_table(&mut rows, &mut oids, (oid, PUBLIC_OID), table, None, &kept);
        for (tier, schema) in Tier::ALL.into_iter().zip(tier_schemas) {
            let oid = oids.of(&format!("{tier} table {id}"));
            insert_table(&mut rows, &mut oids, (oid, schema), table, Some(tier), &kept);
        }
    }
    for view in views {
        let oid = oids.of(&format!("view {}", view.name));
        insert_view(&mut rows, oid, system, view);
    }
    role_facts::insert(&mut rows, snapshot);
    const TABLES: [&str; 9] = [
        "schemas",
        "all_relations",
        "all_columns",
        "all_checks",
        "roles",
        "memberships",
        "acts_as",
        "belongs_to",
        "grants",
    ];
    let emptied: String = TABLES.iter().map(|table| format!("DELETE FROM facts.{table};")).collect();
    format!("{emptied}{}", rows.sql())
}

/// Whose a table is, and who may do what with it.
struct Kept {
    /// Its OID, under which its grants are.
    table: u32,
    owner: u64,
    /// `relacl` as SQL.
    acl: String,
}

/// One table: whole, or one tier of it, which looks like a view.
fn insert_table(
    rows: &mut Inserts,
    oids: &mut Oids,
    (oid, schema): (u32, u32),
    table: &TableState,
    tier: Option<Tier>,
    kept: &Kept,
) {
    let def = &table.def;
    let segments = || table.all().filter(|s| tier.is_none_or(|tier| s.tier == tier));
    let row_count: u64 = segments().filter(|s| s.is_owner() || tier.is_some()).map(|s| s.rows).sum();
    let bytes: u64 = segments().map(|s| s.bytes).sum();
    let checks = if tier.is_none() { def.checks.len() } else { 0 };
    let definition = tier.map(|tier| format!(" SELECT * FROM {} -- the rows in {tier}", quoted(&def.name)));
    let values = [
        oid.to_string(),
        schema.to_string(),
        text(&def.name),
        text(if tier.is_none() { "r" } else { "v" }),
        row_count.to_string(),
        bytes.to_string(),
        checks.to_string(),
        tier.map_or_else(|| text(&about(def)), |_| "NULL".to_owned()),
        definition.map_or_else(|| "NULL".to_owned(), |definition| text(&definition)),
        kept.table.to_string(),
        kept.owner.to_string(),
        kept.acl.clone(),
    ];
    rows.add("all_relations", &values);
    for (at, column) in def.columns.iter().enumerate() {
        insert_column(rows, oid, at + 1, column);
    }
    if tier.is_some() {
        return;
    }
    for check in &def.checks {
        let mentioned: Vec<String> = def
            .columns
            .iter()
            .enumerate()
            .filter(|(_, column)| mentions(&check.expression, &column.name))
            .map(|(at, _)| (at + 1).to_string())
            .collect();
        let values = [
            oids.of(&format!("check {} {}", def.id, check.name)).to_string(),
            oid.to_string(),
            text(&check.name),
            text(&check.expression),
            format!("[{}]", mentioned.join(", ")),
        ];
        rows.add("all_checks", &values);
    }
}

/// One line about how a table is kept.
fn about(def: &TableDef) -> String {
    let mut parts = Vec::new();
    let partition: Vec<&str> = def.partitioning.columns().collect();
    if !partition.is_empty() {
        let granularity = match def.partitioning.date_column {
            Some(_) => format!(" by {}", def.partitioning.granularity.name()),
            None => String::new(),
        };
        parts.push(format!("partitioned on {}{granularity}", partition.join(", ")));
    }
    if !def.sort_by.is_empty() {
        parts.push(format!("sorted by {}", def.sort_by.join(", ")));
    }
    if !def.lookup.is_empty() {
        parts.push(format!("looked up by {}", def.lookup.join(", ")));
    }
    parts.join("; ")
}

fn insert_column(rows: &mut Inserts, relation: u32, number: usize, column: &ColumnDef) {
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
        "NULL".to_owned(),
    ];
    rows.add("all_columns", &values);
}

fn insert_view(rows: &mut Inserts, oid: u32, schema: u32, view: &SystemView) {
    // Everybody may read it; it shows what one may see.
    let unknown = ["NULL", "NULL", "0", "NULL", "NULL", "0", "10", "NULL"].map(str::to_owned);
    let head = [oid.to_string(), schema.to_string(), text(&view.name), text("v")];
    rows.add("all_relations", &[head.as_slice(), unknown.as_slice()].concat());
    for (at, field) in view.schema.fields().iter().enumerate() {
        let column = ColumnDef {
            name: field.name().clone(),
            data_type: field.data_type().clone(),
            sql_type: String::new(),
            nullable: field.is_nullable(),
            default: None,
            generated: None,
            max_chars: None,
        };
        insert_column(rows, oid, at + 1, &column);
    }
}

/// Type OID and modifier of a column, as declared.
fn declared_type(column: &ColumnDef) -> (u32, i32) {
    let wire = column_of(&column.row_field());
    (wire.pg_type.oid(), wire.typmod)
}

/// True when the expression names the column, as a word of its own.
fn mentions(expression: &str, column: &str) -> bool {
    expression.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word.eq_ignore_ascii_case(column))
}

/// A text as SQL; an empty one is NULL.
pub(super) fn text(value: &str) -> String {
    if value.is_empty() { "NULL".to_owned() } else { quoted_text(value) }
}

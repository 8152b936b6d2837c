#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use datafusion::sql::sqlparser::ast::Statement as Ast;

use super::*;
use crate::sql::create_table::tests::{TRADES, table};
use crate::sql::parse;

fn alter(def: &TableDef, sql: &str, has_rows: bool) -> Result<TableDef> {
    match parse(sql).unwrap_or_else(|e| panic!("{sql}: {e}"))[0].ast() {
        Some(Ast::AlterTable(alter)) => alter_table(def, &alter.operations, has_rows),
        other => panic!("not an ALTER TABLE: {other:?}"),
    }
}

#[test]
fn tables_change_as_told() {
    let def = table(TRADES).unwrap();
    let changed = alter(
        &def,
        "ALTER TABLE trades_data ADD COLUMN venue TEXT DEFAULT 'X', ADD COLUMN IF NOT EXISTS price INT,
         ADD COLUMN n BIGINT NOT NULL DEFAULT 0",
        true,
    )
    .unwrap();
    assert_eq!(changed.columns.len(), def.columns.len() + 2);
    assert_eq!(changed.column("venue").unwrap().default.as_deref(), Some("'X'"));
    let changed = alter(&def, "ALTER TABLE t SET (hot_to_warm_age = '1 day', lookup = 'instrument_id')", true).unwrap();
    assert_eq!(changed.options["hot_to_warm_age"], "86400");
    assert_eq!((changed.lookup, changed.sort_by), (vec!["instrument_id".to_owned()], def.sort_by.clone()));
    let renamed = alter(&def, "ALTER TABLE t RENAME TO u", true).unwrap();
    assert_eq!((renamed.name.as_str(), renamed.storage_name()), ("u", def.storage_name()));
    let again = alter(&renamed, "ALTER TABLE u RENAME TO v", true).unwrap();
    assert_eq!((again.name.as_str(), again.storage_name()), ("v", def.storage_name()));
    let changed = alter(&def, "ALTER TABLE t DROP CONSTRAINT trades_size_check", true).unwrap();
    assert_eq!(changed.checks.len(), def.checks.len() - 1);
    let changed = alter(&def, "ALTER TABLE t SET (sort_by = 'timestamp', granularity = 'month')", false).unwrap();
    assert_eq!(changed.sort_by, ["timestamp"]);
    let changed = alter(&def, "ALTER TABLE t SET (time_column = 'created_at')", false).unwrap();
    assert_eq!(changed.sort_by, ["symbol", "created_at"]);
}

#[test]
fn what_rows_would_contradict_is_refused() {
    use ErrorKind as K;
    let def = table(TRADES).unwrap();
    for (sql, kind, part) in [
        ("ALTER TABLE t ADD COLUMN n INT NOT NULL", K::NotNullViolation, "DEFAULT"),
        ("ALTER TABLE t ADD COLUMN n INT CHECK (n > 0)", K::FeatureNotSupported, "CHECK"),
        ("ALTER TABLE t ADD CONSTRAINT c CHECK (size > 0)", K::FeatureNotSupported, "INSERT INTO"),
        ("ALTER TABLE t SET (sort_by = 'timestamp')", K::FeatureNotSupported, "sort_by"),
        ("ALTER TABLE t SET (granularity = 'month')", K::FeatureNotSupported, "granularity"),
    ] {
        let error = alter(&def, sql, true).expect_err(sql);
        assert_eq!(error.kind(), kind, "{sql}: {error}");
        assert!(error.to_string().contains(part), "{sql}: {error}");
        alter(&def, sql, false).unwrap_or_else(|e| panic!("{sql} on an empty table: {e}"));
    }
}

#[test]
fn what_zxq_does_not_do_is_refused() {
    use ErrorKind as K;
    let def = table(TRADES).unwrap();
    for (sql, kind) in [
        ("ALTER TABLE t ADD COLUMN price INT", K::DuplicateColumn),
        ("ALTER TABLE t DROP COLUMN nothing", K::UndefinedColumn),
        ("ALTER TABLE t RENAME COLUMN nothing TO p", K::UndefinedColumn),
        ("ALTER TABLE t ALTER COLUMN price TYPE INT", K::FeatureNotSupported),
        ("ALTER TABLE t ADD PRIMARY KEY (nothing)", K::UndefinedColumn),
        ("ALTER TABLE t ADD FOREIGN KEY (price) REFERENCES u (price)", K::FeatureNotSupported),
        ("ALTER TABLE t DROP CONSTRAINT nothing", K::UndefinedObject),
        ("ALTER TABLE t SET (nothing = 1)", K::InvalidParameter),
    ] {
        let error = alter(&def, sql, false).expect_err(sql);
        assert_eq!(error.kind(), kind, "{sql}: {error}");
        assert!(error.to_string().starts_with("ALTER TABLE trades_data: "), "{error}");
    }
}

#[test]
fn a_table_keeps_its_cold_format() {
    let def = table(TRADES).unwrap();
    let error = alter(&def, "ALTER TABLE t SET (cold_format = 'iceberg')", false).expect_err("it is a Delta table");
    assert_eq!(error.kind(), ErrorKind::FeatureNotSupported);
    assert!(error.to_string().contains("INSERT INTO it SELECT"), "{error}");
    assert!(alter(&def, "ALTER TABLE t SET (cold_format = 'Delta')", true).is_ok());
}

#[test]
fn columns_of_an_empty_table_go_and_get_other_names() {
    let def = table("CREATE TABLE t (a INT, b TEXT, c INT, UNIQUE (a), UNIQUE (b)) WITH (sort_by = 'b, a')").unwrap();
    let changed =
        alter(&def, "ALTER TABLE t RENAME COLUMN b TO name, DROP COLUMN a, DROP COLUMN IF EXISTS z", false).unwrap();
    assert_eq!(changed.columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>(), ["name", "c"]);
    assert_eq!(changed.sort_by, ["name"]);
    assert_eq!(changed.keys().into_iter().map(|key| key.columns).collect::<Vec<_>>(), [["name"]]);
    for sql in ["ALTER TABLE t DROP COLUMN a", "ALTER TABLE t RENAME COLUMN a TO x"] {
        assert_eq!(alter(&def, sql, true).unwrap_err().kind(), ErrorKind::FeatureNotSupported, "{sql}");
    }
    let checked = table("CREATE TABLE t (a INT CHECK (a > 0), b INT)").unwrap();
    let error = alter(&checked, "ALTER TABLE t DROP COLUMN a", false).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DependentObjects);
    assert_eq!(
        alter(&def, "ALTER TABLE t RENAME COLUMN a TO c", false).unwrap_err().kind(),
        ErrorKind::DuplicateColumn
    );
}

#[test]
fn a_primary_key_wants_columns_without_null() {
    let def = table("CREATE TABLE t (a INT, b INT NOT NULL)").unwrap();
    assert!(!alter(&def, "ALTER TABLE t ADD PRIMARY KEY (a)", false).unwrap().columns[0].nullable);
    assert!(alter(&def, "ALTER TABLE t ADD PRIMARY KEY (a)", true).is_err());
    let keyed = alter(&def, "ALTER TABLE t ADD CONSTRAINT k PRIMARY KEY (b)", true).unwrap();
    assert_eq!(keyed.keys()[0].name, "k");
    assert!(alter(&keyed, "ALTER TABLE t ADD PRIMARY KEY (b)", true).is_err());
    assert!(alter(&keyed, "ALTER TABLE t DROP CONSTRAINT k", true).unwrap().keys().is_empty());
}

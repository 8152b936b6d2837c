#![allow(clippy::unwrap_used)]

use zxq_engine::catalog::Snapshot;

use super::database::{CatalogDatabase, Interrupt};
use super::detect::{is_catalog, may_be_catalog};
use super::rewrite::Rewriter;
use super::{Identity, facts, scan};

fn rewritten(sql: &str, literals: &[&str]) -> String {
    let tokens = scan::scan(sql).unwrap();
    let literals: Vec<String> = literals.iter().map(|l| (*l).to_owned()).collect();
    Rewriter::new(sql, &tokens, &literals).rewrite(&[]).unwrap()
}

fn detected(sql: &str) -> bool {
    may_be_catalog(sql) && is_catalog(&scan::scan(sql).unwrap())
}

#[test]
fn only_statements_about_the_catalog_alone_are_taken() {
    for sql in [
        "SELECT * FROM pg_catalog.pg_class",
        "select relname from pg_class c, pg_namespace n where n.oid = c.relnamespace",
        "SELECT version()",
        "select current_schema, 1",
        "SELECT t.oid FROM (SELECT oid FROM pg_type) t",
        "WITH x AS (SELECT 1 AS a) SELECT a, pg_backend_pid() FROM x",
        "WITH x(a) AS (SELECT oid FROM pg_class) SELECT a FROM x JOIN information_schema.tables ON true",
        "SELECT 'x'::regclass",
        "SELECT pg_size_pretty(pg_total_relation_size('trades'))",
        "SELECT extract(epoch from pg_postmaster_start_time())",
        "SELECT s.r FROM generate_series(1, array_upper(current_schemas(false), 1)) AS s(r)",
    ] {
        assert!(detected(sql), "{sql}");
    }
    for sql in [
        "SELECT * FROM trades",
        "SELECT version FROM trades",
        "SELECT current_database(), symbol FROM trades",
        "SELECT count(*) FROM trades WHERE symbol = 'pg_class'",
        "SELECT * FROM trades t JOIN pg_catalog.pg_class c ON c.relname = t.symbol",
        "SELECT (SELECT max(t.x) FROM trades t), version()",
        "INSERT INTO trades SELECT * FROM pg_class",
        "SELECT pg_notes FROM trades",
        "SELECT 1",
    ] {
        assert!(!detected(sql), "{sql}");
    }
}

#[test]
fn settings_are_computed_for_each_row() {
    let text = "SELECT set_config(name, 'view', false), 1 FROM pg_settings WHERE name = 'x';";
    let tokens = scan::scan(text).unwrap();
    let calls = super::effects::computed(&tokens).unwrap();
    assert_eq!(
        super::effects::question(text, &tokens, &calls),
        "SELECT (name)::text, ('view')::text, (false)::text FROM pg_settings WHERE name = 'x'"
    );
    let computed = |sql: &str| super::effects::computed(&scan::scan(sql).unwrap()).map(|calls| calls.len());
    assert_eq!(computed("SELECT set_config('a', 'b', false)").unwrap(), 0);
    assert_eq!(computed("SELECT set_config('a', current_setting('b') || 'c', false)").unwrap(), 1);
    assert_eq!(computed("SELECT (SELECT set_config(name, 'b', false) FROM pg_settings)").unwrap_err().code, "0A000");
    assert_eq!(computed("SELECT set_config(name, 'b', false) FROM pg_settings GROUP BY 1").unwrap_err().code, "0A000");
}

#[test]
fn names_casts_and_operators_are_rewritten() {
    for (sql, wanted) in [
        ("SELECT c.oid FROM pg_catalog.pg_class c", "SELECT c.oid FROM pgc.pg_class c"),
        ("SELECT oid FROM pg_class", "SELECT oid FROM pgc.pg_class"),
        ("SELECT pg_catalog.format_type(1, 2)", "SELECT format_type(1, 2)"),
        ("SELECT 1::pg_catalog.int8", "SELECT 1::int8"),
        ("SELECT * FROM information_schema.tables t", "SELECT * FROM pgi.tables t"),
        (
            "SELECT 'a' OPERATOR(pg_catalog.~) '^(b)$' COLLATE pg_catalog.default",
            "SELECT 'a' ~ '(?s:.*)(?:^(b)$)(?s:.*)'  ",
        ),
        (
            "SELECT 'a' !~ 'b', 'a' ~* 'c', 'a' ~~ 'd'",
            "SELECT 'a' !~ '(?s:.*)(?:b)(?s:.*)', 'a' ~ '(?i)(?s:.*)(?:c)(?s:.*)', 'a' ~~ 'd'",
        ),
        ("SELECT 'public.t'::regclass", "SELECT regclass_out(regclass_in('public.t'))"),
        (
            "SELECT typinput = 'array_in'::regproc AS is_array FROM pg_type",
            "SELECT typinput = regproc_in('array_in') AS is_array FROM pgc.pg_type",
        ),
        ("SELECT 1 FROM pg_class WHERE oid = 't'::regclass", "SELECT 1 FROM pgc.pg_class WHERE oid = regclass_in('t')"),
        ("SELECT 't'::pg_catalog.regclass::oid", "SELECT regclass_in('t')::oid"),
        ("SELECT c.oid::pg_catalog.regclass::text", "SELECT regclass_out(c.oid)::text"),
        ("SELECT c.reltype::pg_catalog.regtype::pg_catalog.text", "SELECT regtype_out(c.reltype)::text"),
        ("SELECT c.oid::regclass::oid", "SELECT c.oid::oid"),
        ("SELECT f(a, b)::regtype", "SELECT regtype_out(f(a, b))"),
        ("SELECT current_user, session_user", "SELECT session_user_name(), login_user_name()"),
        ("SELECT x FROM pg_catalog.unnest(a) x", "SELECT x FROM unnest(a) x(x)"),
        ("SELECT unnest(a) x", "SELECT unnest(a) x"),
        ("SELECT 'd' = ANY ('{r,v}')", "SELECT 'd' = ANY (['r', 'v'])"),
        ("SELECT '{1,2}'::int2[]", "SELECT [1, 2]::int2[]"),
        (
            "SELECT typreceive, t.typinput FROM pg_type t",
            "SELECT regproc_out(typreceive) AS typreceive, regproc_out(t.typinput) AS typinput FROM pgc.pg_type t",
        ),
        ("SELECT relname FROM ONLY pg_class", "SELECT relname FROM ONLY pgc.pg_class"),
        ("SELECT proargtypes::regtype[]::text[]", "SELECT regtype_array_out(proargtypes)::text[]"),
        (
            "SELECT 1 FROM pg_proc WHERE prorettype::regtype <> 'trigger'::regtype",
            "SELECT 1 FROM pgc.pg_proc WHERE prorettype <> regtype_in('trigger')",
        ),
        (
            "SELECT tableoid, oid, c.tableoid AS t FROM pg_class c",
            "SELECT regclass_in('pg_class') AS tableoid, oid, regclass_in('pg_class') AS t FROM pgc.pg_class c",
        ),
        (
            "SELECT a FROM unnest(ARRAY[1, 2], b) AS t(a, c)",
            "SELECT a FROM (SELECT unnest(ARRAY[1, 2]), unnest( b)) AS t(a, c)",
        ),
        (
            "SELECT count FROM (SELECT current_database()::text, count(*), c.oid::int8, current_user, relname FROM pg_class c) s",
            "SELECT count FROM (SELECT current_database()::text AS \"current_database\", count(*) AS \"count\", c.oid::int8 \
             AS \"oid\", session_user_name() AS \"current_user\", relname FROM pgc.pg_class c) s",
        ),
        (
            "WITH w AS (SELECT regexp_split_to_table(prosrc, ' ') AS word FROM pg_proc WHERE true GROUP BY word) SELECT word FROM w",
            "WITH w AS (SELECT word  AS word FROM pgc.pg_proc, unnest(regexp_split_to_array(prosrc , ' ')) AS \
             \"rows of word\"(word) WHERE true GROUP BY word) SELECT word FROM w",
        ),
        (
            "SELECT set_config(name, setting || 'x', false), 1 FROM pg_settings",
            "SELECT ( setting || 'x')::VARCHAR AS set_config , 1 FROM pgc.pg_settings",
        ),
        (
            "SELECT c.xmin, age(c.xmin) FROM pg_class c WHERE xmin::varchar <> '0'",
            "SELECT 3::UINTEGER AS xmin, xid_age(3::UINTEGER) FROM pgc.pg_class c WHERE 3::UINTEGER::varchar <> '0'",
        ),
        (
            "SELECT 1 FROM pg_class WHERE relname LIKE 'a\\_b' AND relname LIKE 'a_b'",
            "SELECT 1 FROM pgc.pg_class WHERE relname LIKE 'a\\_b' ESCAPE '\\' AND relname LIKE 'a_b'",
        ),
        (
            "SELECT attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid WHERE relname LIKE 'x'",
            "SELECT attname FROM pgc.pg_class c JOIN pgc.pg_attribute a ON a.attrelid = c.oid WHERE relname LIKE 'x' \
             ORDER BY \"a\".attrelid, \"a\".attnum",
        ),
        (
            "SELECT s.r FROM pg_catalog.generate_series(0, array_upper(a, 1)) AS s(r), generate_subscripts(b, 1)",
            "SELECT s.r FROM (SELECT series_items(0, array_upper(a, 1))) AS s(r), (SELECT subscript_items(b, 1)) AS \
             generate_subscripts(generate_subscripts)",
        ),
        ("SELECT 1 FROM generate_series(1, 3) i", "SELECT 1 FROM generate_series(1, 3) i(i)"),
        (
            "SELECT key FROM unnest(a, b.c) WITH ORDINALITY k(key, option, place)",
            "SELECT key FROM (SELECT unnest(a), unnest( b.c), ordinal_items(greatest(len(a), len(b . c))))   k(key, option, place)",
        ),
        (
            "SELECT a ~ ('x' || b), a !~* c.d, a ~ lower(e)",
            "SELECT a ~ ('(?s:.*)(?:' || (('x' || b))::VARCHAR || ')(?s:.*)'), a !~ ('(?i)(?s:.*)(?:' || (c.d)::VARCHAR || \
             ')(?s:.*)'), a ~ ('(?s:.*)(?:' || (lower(e))::VARCHAR || ')(?s:.*)')",
        ),
        (
            "SELECT (a || '.' || b)::\"regtype\" AS r, ('\"' || a || '\"')::regclass::oid",
            "SELECT regtype_out(regtype_in((a || '.' || b))) AS r, regclass_in(('\"' || a || '\"'))::oid",
        ),
        ("SELECT count(*) FROM pg_attribute", "SELECT count(*) FROM pgc.pg_attribute"),
        ("SELECT attname FROM pg_attribute LIMIT 1", "SELECT attname FROM pgc.pg_attribute LIMIT 1"),
        (
            "SELECT 1 FROM \"zxq\".INFORMATION_SCHEMA.columns, zxq.pg_catalog.pg_class",
            "SELECT 1 FROM pgi.columns, pgc.pg_class",
        ),
    ] {
        assert_eq!(rewritten(sql, &[]), wanted, "{sql}");
    }
    assert_eq!(rewritten("SELECT $2, $1::regclass", &["'t'", "5"]), "SELECT 5, regclass_out(regclass_in('t'))");
}

/// Every statement that clients are known to send, over an empty database: none may fail.
#[test]
fn captured_statements_run() {
    let database = CatalogDatabase::open().unwrap();
    let identity = Identity {
        user: "u".to_owned(),
        session_user: "u".to_owned(),
        role: zxq_engine::roles::ZXQ,
        superuser: true,
        sees_all: true,
        database: "d".to_owned(),
        pid: 1,
        schemas: vec!["public".to_owned()],
        ..Identity::default()
    };
    let variables = super::statement::variables(&identity, 1, 0);
    let captured = [
        include_str!("../../../sql/clients/psql15.sql"),
        include_str!("../../../sql/clients/drivers.sql"),
        include_str!("../../../sql/clients/pg_dump15.sql"),
        include_str!("../../../sql/clients/pgcli.sql"),
        include_str!("../../../sql/clients/tools.sql"),
    ];
    let mut failures = Vec::new();
    for statement in captured.iter().flat_map(|text| crate::wire::lexer::split(text).unwrap()) {
        let tokens = scan::scan(statement.text).unwrap();
        assert!(may_be_catalog(statement.text) && is_catalog(&tokens), "not about the catalog: {}", statement.text);
        let sql = rewritten(statement.text, &[]);
        let current = || facts::current(&Snapshot::default(), &[]);
        if let Err(error) = database.query(1, current, &variables, &sql, &Interrupt::default()) {
            failures.push(format!("{error}\n{}\n-- became\n{sql}", statement.text));
        }
    }
    assert!(failures.is_empty(), "{} fail:\n{}", failures.len(), failures.join("\n\n"));
}

/// What comes through is DuckDB's to run, so it must not change anything, reach anything, or take all memory.
#[test]
fn only_queries_over_harmless_functions_run() {
    let database = CatalogDatabase::open().unwrap();
    let ask = |sql: &str| {
        let current = || facts::current(&Snapshot::default(), &[]);
        database.query(1, current, &super::statement::variables(&Identity::default(), 1, 0), sql, &Interrupt::default())
    };
    for (sql, code) in [
        ("WITH x AS (SELECT 1) DELETE FROM pgc.pg_type", "0A000"),
        ("DROP TABLE pgc.pg_type", "0A000"),
        ("SELECT 1; DELETE FROM pgc.pg_type", "0A000"),
        ("ATTACH ':memory:' AS other", "0A000"),
        ("COPY pgc.pg_type TO 'x.csv'", "0A000"),
        ("SET memory_limit = '1TB'", "0A000"),
        ("SELECT * FROM enable_logging('QueryLog')", "42883"),
        ("SELECT (SELECT count(*) FROM read_text('/etc/passwd'))", "42883"),
        ("SELECT * FROM pgc.pg_type, LATERAL (SELECT * FROM glob('*'))", "42883"),
        ("SELECT repeat('x', 1000000000)", "42883"),
        ("SELECT printf('%2000000000d', 1)", "42883"),
        ("SELECT replace('aaaa', 'a', typname) FROM pgc.pg_type", "0A000"),
        ("SELECT regexp_replace('aaaa', 'a', typname, 'g') FROM pgc.pg_type", "0A000"),
        ("SELECT * FROM range(100000000)", "54000"),
        // What the catalog's relations are made of holds everybody's tables.
        ("SELECT version(), (FROM facts.stored_relations SELECT max(name))", "42P01"),
        ("SELECT version(), (TABLE facts.stored_columns)", "42P01"),
        ("SELECT version() WHERE EXISTS (FROM FACTS.stored_checks)", "42P01"),
        ("SELECT version(), (FROM memory.facts.stored_keys SELECT max(name))", "42P01"),
        ("SELECT version(), (FROM duckdb_tables SELECT max(table_name))", "42P01"),
        ("SELECT * FROM (SUMMARIZE pgc.pg_type)", "0A000"),
        ("SELECT * FROM (SHOW TABLES)", "0A000"),
        ("SELECT FROM WHERE", "42601"),
    ] {
        assert_eq!(ask(sql).unwrap_err().code, code, "{sql}");
    }
    let long = format!("SELECT '{}'", "x".repeat(2 << 20));
    assert_eq!(ask(&long).unwrap_err().code, "54000");
    for sql in [
        "SELECT count(*), max(typname) FROM pgc.pg_type, unnest([1, 2])",
        "SELECT replace(typname, '_', '') FROM PGC.PG_TYPE",
        "WITH \"X\" AS (SELECT 1 AS a) SELECT a FROM x, (WITH y AS (FROM pgi.tables) SELECT count(*) FROM y)",
        "WITH RECURSIVE r AS (SELECT 1 AS a UNION ALL SELECT a + 1 FROM r WHERE a < 3) SELECT * FROM r",
    ] {
        assert!(ask(sql).is_ok(), "{sql}");
    }
}

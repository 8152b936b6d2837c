#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;

fn parse(sql: &str) -> Result<CopyCommand, WireError> {
    let mut cursor = Cursor::new(sql)?;
    cursor.next()?;
    parse_copy(&mut cursor)
}

#[test]
fn both_spellings_of_options() {
    let CopyCommand::In { table, columns, options } =
        parse("COPY public.t (a, \"B\") FROM STDIN WITH (FORMAT csv, HEADER true, DELIMITER ';', NULL 'x')").unwrap()
    else {
        panic!("not a COPY FROM")
    };
    assert_eq!((table.as_str(), columns), ("t", vec!["a".to_owned(), "B".to_owned()]));
    assert_eq!((options.format, options.header), (CopyFormat::Csv, Header::Yes));
    assert_eq!((options.delimiter(), options.null()), (b';', "x"));

    let CopyCommand::Out { query, options, .. } =
        parse("COPY (select (1)) TO STDOUT WITH CSV HEADER NULL AS '-'").unwrap()
    else {
        panic!("not a COPY TO")
    };
    assert_eq!(query, "select (1)");
    assert_eq!((options.format, options.header, options.null()), (CopyFormat::Csv, Header::Yes, "-"));

    let CopyCommand::Out { query, options, .. } = parse("COPY warm.t TO STDOUT (FORMAT \"binary\")").unwrap() else {
        panic!("not a COPY TO")
    };
    assert_eq!((query.as_str(), options.format), ("SELECT * FROM \"warm\".\"t\"", CopyFormat::Binary));
}

#[test]
fn options_of_zxq() {
    let CopyCommand::In { options, .. } = parse(
        "COPY t FROM STDIN WITH (FORMAT parquet, tier 'cold', on_error 'quarantine', asset_class 'FX', create 'true', sort_by 'a')",
    )
    .unwrap() else {
        panic!("not a COPY FROM")
    };
    assert_eq!(options.format, CopyFormat::Parquet);
    assert_eq!(options.tier, Some(Tier::Cold));
    assert_eq!(options.on_error, OnError::Quarantine);
    assert_eq!(options.asset_class.as_deref(), Some("FX"));
    assert!(options.create);
    assert_eq!(options.layout.get("sort_by").map(String::as_str), Some("a"));
}

#[test]
fn files_that_go_out() {
    let format = |sql: &str| match parse(sql).unwrap() {
        CopyCommand::Out { options, .. } => options.file_format().unwrap(),
        CopyCommand::In { .. } => panic!("not a COPY TO"),
    };
    assert_eq!(format("COPY t TO STDOUT"), None);
    assert_eq!(format("COPY t TO STDOUT (FORMAT parquet)"), Some(ExportFormat::parquet(Some("zstd")).unwrap()));
    let packed = format("COPY (SELECT 1) TO STDOUT (FORMAT parquet, COMPRESSION 'gzip(9)')");
    assert_eq!(packed, Some(ExportFormat::parquet(Some("gzip(9)")).unwrap()));
    let arrow = format("COPY (SELECT 1) TO STDOUT WITH (COMPRESSION lz4, FORMAT 'ARROW')");
    assert_eq!(arrow, Some(ExportFormat::arrow(Some("lz4")).unwrap()));
}

#[test]
fn columns_of_options() {
    let force = |sql: &str| match parse(sql).unwrap() {
        CopyCommand::In { options, .. } | CopyCommand::Out { options, .. } => {
            (options.force_quote, options.force_not_null, options.force_null)
        }
    };
    let these = |names: &[&str]| ColumnList::These(names.iter().map(|name| (*name).to_owned()).collect());
    assert_eq!(force("COPY t TO STDOUT (FORMAT csv, FORCE_QUOTE *)").0, ColumnList::All);
    assert_eq!(force("COPY t TO STDOUT CSV FORCE QUOTE a, \"B\"").0, these(&["a", "B"]));
    let (_, not_null, null) = force("COPY t FROM STDIN (FORMAT csv, FORCE_NOT_NULL (a), FORCE_NULL (b, c), FREEZE)");
    assert_eq!((not_null, null), (these(&["a"]), these(&["b", "c"])));
    let (_, not_null, null) = force("COPY t FROM STDIN WITH CSV FORCE NOT NULL a FORCE NULL b ENCODING 'utf-8'");
    assert_eq!((not_null, null), (these(&["a"]), these(&["b"])));
}

#[test]
fn what_cannot_be_is_refused() {
    for (sql, code) in [
        ("COPY t FROM STDIN (FORMAT xml)", "22023"),
        ("COPY t FROM STDIN (FORMAT csv, FORMAT csv)", "42601"),
        ("COPY t FROM STDIN (colour 'red')", "42601"),
        ("COPY t FROM STDIN ()", "42601"),
        ("COPY t FROM STDIN (FORMAT)", "42601"),
        ("COPY t FROM STDIN (FORMAT arrow)", "22023"),
        ("COPY t TO STDOUT (FORMAT parquet, DELIMITER ',')", "42601"),
        ("COPY t TO STDOUT (FORMAT arrow, NULL '')", "42601"),
        ("COPY t TO STDOUT (FORMAT arrow, HEADER)", "0A000"),
        ("COPY t TO STDOUT (FORMAT parquet, QUOTE '\"')", "0A000"),
        ("COPY t TO STDOUT (FORMAT parquet, FORCE_QUOTE *)", "0A000"),
        ("COPY t TO STDOUT (FORMAT parquet, COMPRESSION 'rar')", "22023"),
        ("COPY t TO STDOUT (FORMAT arrow, COMPRESSION snappy)", "22023"),
        ("COPY t TO STDOUT (FORMAT csv, COMPRESSION zstd)", "0A000"),
        ("COPY t FROM STDIN (FORMAT parquet, COMPRESSION zstd)", "0A000"),
        ("COPY t TO STDOUT (FORMAT parquet, TIER 'cold')", "0A000"),
        ("COPY t TO STDOUT (CREATE)", "0A000"),
        ("COPY t FROM STDIN (FORMAT binary, DELIMITER ',')", "42601"),
        ("COPY t FROM STDIN (FORMAT binary, NULL '')", "42601"),
        ("COPY t FROM STDIN (FORMAT binary, HEADER)", "0A000"),
        ("COPY t FROM STDIN (DELIMITER 'ab')", "0A000"),
        ("COPY t FROM STDIN (DELIMITER E'\\n')", "22023"),
        ("COPY t FROM STDIN (DELIMITER 'a')", "22023"),
        ("COPY t FROM STDIN (NULL E'\\n')", "22023"),
        ("COPY t FROM STDIN (FORMAT csv, DELIMITER '\"')", "22023"),
        ("COPY t FROM STDIN (FORMAT csv, NULL ',')", "0A000"),
        ("COPY t FROM STDIN (FORMAT csv, NULL '\"')", "0A000"),
        ("COPY t FROM STDIN (QUOTE 'q')", "0A000"),
        ("COPY t FROM STDIN (FORMAT csv, ESCAPE 'ab')", "0A000"),
        ("COPY t FROM STDIN (FORMAT csv, FORCE_QUOTE *)", "0A000"),
        ("COPY t TO STDOUT (FORMAT csv, FORCE_NULL (a))", "0A000"),
        ("COPY t FROM STDIN (FORMAT csv, FORCE_NULL a)", "22023"),
        ("COPY t FROM STDIN (FORCE_NULL (a))", "0A000"),
        ("COPY t TO STDOUT (FORMAT csv, HEADER match)", "0A000"),
        ("COPY t FROM STDIN (FORMAT csv, HEADER maybe)", "42601"),
        ("COPY t FROM STDIN (FREEZE perhaps)", "42601"),
        ("COPY t FROM STDIN (ENCODING 'latin1')", "0A000"),
        ("COPY t FROM STDIN (ENCODING 'klingon')", "22023"),
        ("COPY t FROM STDIN WHERE a > 1", "0A000"),
        ("COPY t FROM '/etc/passwd'", "42501"),
        ("COPY hot.t FROM STDIN", "0A000"),
        ("COPY t", "42601"),
    ] {
        assert_eq!(parse(sql).unwrap_err().code, code, "{sql}");
    }
}

use super::*;

fn parse(sql: &str) -> Result<Procedure> {
    Procedure::parse(&zxq_language::sql::parse(sql)?.remove(0))
}

#[test]
fn migrate_takes_positions_and_names() {
    let by_position = parse("CALL zxq.migrate('prices', 'warm', true)").unwrap();
    let by_name = parse("CALL zxq.migrate(table => 'prices', to => 'warm', dry_run => true)").unwrap();
    let expected =
        Procedure::Migrate { table: "prices".to_owned(), to: Tier::Warm, from: None, partition: None, dry_run: true };
    assert_eq!(by_position, expected);
    assert_eq!(by_name, expected);
    assert_eq!(
        parse("CALL zxq.migrate('prices', 'cold', 'warm', '2024-01-02/FX')").unwrap(),
        Procedure::Migrate {
            table: "prices".to_owned(),
            to: Tier::Cold,
            from: Some(Tier::Warm),
            partition: Some("2024-01-02/FX".to_owned()),
            dry_run: false,
        }
    );
}

#[test]
fn load_takes_the_layout_of_a_new_table() {
    let sql = "CALL zxq.load('t', 'a.csv,b.csv', create => true, partition_by => 'day', sort_by => 'symbol, ts')";
    let Procedure::Load { files, request } = parse(sql).unwrap() else { panic!("no load") };
    assert_eq!((files.len(), request.create), (2, true));
    let layout: Vec<(&str, &str)> = request.layout.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    assert_eq!(layout, [("partition_by", "day"), ("sort_by", "symbol, ts")]);
}

#[test]
fn wrong_calls_name_the_fix() {
    for (sql, word) in [
        ("CALL zxq.migrate('prices', 'lukewarm')", "hot, warm and cold"),
        ("CALL zxq.migrate('prices')", "needs to"),
        ("CALL zxq.migrate('prices', 'warm', speed => 'high')", "speed"),
        ("CALL zxq.frobnicate()", "zxq.migrate"),
        ("CALL zxq.load('t', 'f.csv', on_error => 'ignore')", "quarantine"),
    ] {
        let error = parse(sql).unwrap_err().to_string();
        assert!(error.contains(word), "{sql}: {error}");
    }
}

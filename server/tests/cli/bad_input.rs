//! Every mistake gives one clear line and a code that is not 0.

use crate::support::{Place, Server, fail, run};
use crate::{PRICES, PRICES_TABLE};

#[test]
fn wrong_command_lines_name_the_mistake() {
    for (args, words) in [
        (vec!["load", "--table", "t", "--tier", "lukewarm", "f.csv"], vec!["lukewarm", "hot", "warm", "cold"]),
        (vec!["storage", "migrate", "--table", "t", "--to", "freezer"], vec!["freezer", "cold"]),
        (vec!["load", "--table", "t", "--colour", "red", "f.csv"], vec!["--colour"]),
        (vec!["load", "f.csv"], vec!["--table"]),
        (vec!["load", "--table", "t", "-", "f.csv"], vec!["standard input"]),
        (vec!["load", "--table", "t", "--format", "csv", "f.csv"], vec!["--format"]),
        (vec!["sql", "SELECT 1", "--format", "xml"], vec!["xml", "json"]),
        (vec!["sql", " ; -- nothing"], vec!["no SQL"]),
        (vec!["fly"], vec!["fly"]),
    ] {
        fail(&args, 2, &words);
    }
}

#[test]
fn a_missing_file_is_named() {
    let place = Place::new();
    fail(&["load", "--table", "t", "--create", "no-such.csv", "--data", &place.data()], 1, &["no-such.csv"]);
    fail(&["sql", "-f", "no-such.sql", "--data", &place.data()], 1, &["no-such.sql"]);
    let config = place.path("no-such.yaml");
    fail(&["sql", "SELECT 1", "--data", &place.data(), "--config", config.to_str().unwrap()], 1, &["no-such.yaml"]);
}

#[test]
fn a_missing_data_directory_is_named() {
    let place = Place::new();
    for command in ["status", "verify", "maintain"] {
        fail(&["storage", command, "--data", &place.data()], 1, &[&place.data(), "--data"]);
    }
    let file = place.file("prices.csv", PRICES);
    fail(&["load", "--table", "prices", &file, "--data", &place.data()], 1, &[&place.data(), "--create"]);
    assert!(!place.path("data").exists(), "a mistyped name was made a directory");
}

#[test]
fn an_unknown_table_is_named() {
    let place = Place::with_directory();
    let (data, file) = (place.data(), place.file("prices.csv", PRICES));
    fail(&["load", "--table", "nowhere", &file, "--data", &data], 1, &["nowhere"]);
    fail(&["sql", "SELECT * FROM nowhere", "--data", &data], 1, &["nowhere"]);
    fail(&["storage", "migrate", "--table", "nowhere", "--to", "cold", "--data", &data], 1, &["nowhere"]);
    fail(&["storage", "verify", "--table", "nowhere", "--data", &data], 1, &["nowhere"]);
}

#[test]
fn an_unknown_table_option_is_named() {
    let place = Place::new();
    let sql = "CREATE TABLE t (a INT) WITH (colour = 'red')";
    fail(&["sql", sql, "--data", &place.data()], 1, &["colour", "sort_by"]);
}

#[test]
fn an_unknown_key_in_the_configuration_is_named_with_its_line() {
    let place = Place::new();
    let config = place.file("storage.yaml", "listen: 127.0.0.1:0\nhot:\n  memory_limt: 1GiB\n");
    for command in [vec!["sql", "SELECT 1"], vec!["serve"], vec!["storage", "status"]] {
        std::fs::create_dir_all(place.data()).unwrap();
        let data = place.data();
        let args = [command, vec!["--data", &data, "--config", &config]].concat();
        fail(&args, 1, &["storage.yaml:3", "memory_limt", "memory_limit"]);
    }
}

#[test]
fn a_port_in_use_is_named() {
    let place = Place::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    fail(&["serve", "--data", &place.data(), "--listen", &address], 1, &[&address, "in use", "--listen"]);
    fail(&["demo", "--data", &place.data(), "--listen", &address], 1, &[&address, "in use"]);
    assert!(!place.path("data").exists(), "a refused server makes no data directory");
    fail(&["serve", "--data", &place.data(), "--listen", "nonsense"], 1, &["nonsense", "host:port"]);
}

#[test]
fn a_data_directory_in_use_is_named_with_its_holder() {
    let place = Place::new();
    let server = Server::start(&["serve", "--data", &place.data(), "--listen", "127.0.0.1:0"]);
    let words = [place.data(), "in use".to_owned(), server.address.clone()];
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    fail(&["serve", "--data", &place.data(), "--listen", "127.0.0.1:0"], 1, &words);
}

#[test]
fn a_bad_row_refuses_the_whole_load_and_is_named() {
    for (name, row, words) in [
        ("null", ",2024-06-03 14:30:02,1.0,1,2024-06-03", vec!["symbol", "line 5"]),
        ("check", "IBM,2024-06-03 14:30:02,1.0,-5,2024-06-03", vec!["size", "line 5"]),
        ("text", "IBM,2024-06-03 14:30:02,cheap,5,2024-06-03", vec!["price", "cheap"]),
        ("range", "IBM,2024-06-03 14:30:02,9999999999999.5,5,2024-06-03", vec!["price"]),
        ("columns", "IBM,2024-06-03 14:30:02", vec!["bad.csv"]),
    ] {
        let place = Place::new();
        let data = place.data();
        let sql = ["sql", PRICES_TABLE, "--data", &data];
        crate::support::succeed(&sql);
        let good = place.file("good.csv", PRICES);
        let bad = place.file("bad.csv", &format!("{PRICES}{row}\n"));
        let words = [vec!["bad.csv"], words].concat();
        fail(&["load", "--table", "prices", &good, &bad, "--data", &data], 1, &words);
        assert_eq!(place.answer("SELECT count(*) FROM prices"), "0", "{name}: something was loaded");
    }
}

#[test]
fn files_that_do_not_fit_are_named() {
    let place = Place::new();
    let data = place.data();
    crate::support::succeed(&["sql", PRICES_TABLE, "--data", &data]);
    let other = place.file("other.csv", "colour,taste\nred,sweet\n");
    fail(&["load", "--table", "prices", &other, "--data", &data], 1, &["other.csv", "colour"]);
    let broken = place.file("broken.parquet", "PAR1 this is no Parquet file PAR1");
    fail(&["load", "--table", "prices", &broken, "--data", &data], 1, &["broken.parquet"]);
    let what = place.file("what.docx", "?");
    fail(&["load", "--table", "prices", &what, "--data", &data], 1, &["what.docx"]);
    assert_eq!(place.answer("SELECT count(*) FROM prices"), "0");
}

#[test]
fn messages_are_sentences() {
    let place = Place::new();
    let data = place.data();
    let sql =
        "CREATE TABLE days (day DATE, n INT) WITH (partition_by = 'day'); INSERT INTO days VALUES ('2024-06-03', 1)";
    crate::support::succeed(&["sql", sql, "--data", &data]);
    let nowhere = place.path("nowhere.parquet");
    let external = format!("CREATE EXTERNAL TABLE x STORED AS parquet LOCATION '{}'", nowhere.display());
    for (sql, sentence) in [
        (external.as_str(), format!("there is no parquet table at {}", nowhere.display())),
        (
            "CREATE EXTERNAL TABLE x STORED AS csv LOCATION '/a.csv'",
            "zxq cannot read external tables stored as CSV: use parquet, delta or iceberg".to_owned(),
        ),
        (
            "CALL zxq.migrate('days', 'warm', partition => '2024-06-04')",
            "table days has no partition \"2024-06-04\": it has 2024-06-03\n".to_owned(),
        ),
        ("SELECT 1 FROM days days2 days3", "(line 1, column 26)".to_owned()),
    ] {
        let run = run(&["sql", sql, "--data", &data]);
        assert!(run.code == Some(1) && run.err.contains(&sentence), "{sql}: {}", run.err);
    }
    let file = place.file("one.csv", "day,n\n2024-06-03,2\n");
    let loaded = crate::support::succeed(&["load", "--table", "days", &file, "--data", &data]);
    assert!(loaded.starts_with("days: 1 row from 1 file in "), "{loaded}");
    let short = place.file("short.csv", "day,n\n2024-06-04\n");
    fail(&["load", "--table", "days", &short, "--data", &data], 1, &["line 2: 1 field where the header has 2"]);
    let hidden = run(&["sql", "SET zxq.tiers = 'warm'; SELECT * FROM days WHERE n = 1", "--data", &data]);
    assert!(hidden.err.contains("2 rows of days lie in tiers that this statement does not read"), "{hidden:?}");
}

#[test]
fn help_and_version_are_no_mistakes() {
    for args in [["--help"], ["--version"]] {
        assert_eq!(run(&args).code, Some(0));
    }
}

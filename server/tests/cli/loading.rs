//! `zxq load`, embedded and through a server.

use crate::support::{Place, Run, Server, fail, run, run_with_input, succeed, zxq};
use crate::{PRICES, PRICES_TABLE};

const EVERYTHING: &str = "SELECT * FROM prices ORDER BY symbol, ts";
const EXPECTED: &str = "\
AAPL,2024-06-03 14:30:00+00,194.03000000,100,2024-06-03
AAPL,2024-06-03 14:30:01+00,194.05000000,200,2024-06-03
MSFT,2024-06-04 14:30:00+00,415.10000000,50,2024-06-04";

#[test]
fn loads_alike_embedded_and_through_a_server() {
    for served in [false, true] {
        let place = Place::new();
        let data = place.data();
        let _server = served.then(|| Server::start(&["serve", "--data", &data, "--listen", "127.0.0.1:0"]));
        succeed(&["sql", PRICES_TABLE, "--data", &data]);
        let file = place.file("prices.csv", PRICES);
        let summary = succeed(&["load", "--table", "prices", "--tier", "warm", &file, "--data", &data]);
        assert!(summary.starts_with("prices: 3 rows from 1 file in "), "{summary}");
        assert!(summary.contains("hot 0, warm 3, cold 0") && summary.contains("rejected: 0"), "{summary}");
        assert_eq!(place.answer(EVERYTHING), EXPECTED, "served: {served}");
        assert_eq!(place.answer("SELECT warm_rows FROM zxq.tables"), "3");
    }
}

#[test]
fn standard_input_loads_alike_embedded_and_through_a_server() {
    for served in [false, true] {
        let place = Place::new();
        let data = place.data();
        let _server = served.then(|| Server::start(&["serve", "--data", &data, "--listen", "127.0.0.1:0"]));
        succeed(&["sql", PRICES_TABLE, "--data", &data]);
        let args = ["load", "--table", "prices", "--tier", "cold", "--format", "csv", "-", "--data", &data];
        let Run { code, out, err } = run_with_input(&args, PRICES.as_bytes());
        assert_eq!(code, Some(0), "{err}");
        assert!(out.starts_with("prices: 3 rows from standard input"), "{out}");
        assert_eq!(place.answer(EVERYTHING), EXPECTED, "served: {served}");
        assert_eq!(place.answer("SELECT cold_rows FROM zxq.tables"), "3");
        let Run { code, err, .. } = run_with_input(&args, b"symbol,ts\nIBM\n");
        assert_eq!(code, Some(1), "{err}");
        assert!(err.starts_with("error: "), "{err}");
        assert_eq!(place.answer("SELECT count(*) FROM prices"), "3", "served: {served}");
    }
}

#[test]
fn creates_the_table_from_the_file() {
    let place = Place::new();
    let data = place.data();
    let file = place.file("prices.csv", PRICES);
    succeed(&["load", "--table", "made", "--create", "--asset-class", "EQUITY", &file, "--data", &data]);
    assert_eq!(place.answer("SELECT count(*), sum(price) FROM made"), "3,803.18000000");
    assert_eq!(place.answer("SELECT DISTINCT asset_class FROM made"), "EQUITY");
}

#[test]
fn a_created_table_is_laid_out_as_asked() {
    for (served, from_stdin) in [(false, false), (true, false), (true, true)] {
        let place = Place::new();
        let data = place.data();
        let _server = served.then(|| Server::start(&["serve", "--data", &data, "--listen", "127.0.0.1:0"]));
        let layout = ["--partition-by", "trade_date", "--granularity", "month", "--sort-by", "symbol,ts"];
        let mut args = vec!["load", "--table", "made", "--create", "--data", &data];
        args.extend(layout);
        if from_stdin {
            args.extend(["--format", "csv", "-"]);
            let Run { code, err, .. } = run_with_input(&args, PRICES.as_bytes());
            assert_eq!(code, Some(0), "{err}");
        } else {
            succeed(&[&args[..], &[&place.file("prices.csv", PRICES)]].concat());
        }
        assert_eq!(place.answer("SELECT DISTINCT partition FROM zxq.partitions"), "2024-06", "served: {served}");
    }
}

#[test]
fn a_layout_is_for_new_tables_and_names_columns() {
    let place = Place::new();
    let (data, file) = (place.data(), place.file("prices.csv", PRICES));
    fail(&["load", "--table", "made", "--partition-by", "trade_date", &file, "--data", &data], 2, &["--create"]);
    let wrong = ["load", "--table", "made", "--create", "--sort-by", "colour", &file, "--data", &data];
    fail(&wrong, 1, &["sort_by", "colour", "symbol"]);
}

#[test]
fn many_files_are_one_load() {
    let place = Place::new();
    let data = place.data();
    succeed(&["sql", PRICES_TABLE, "--data", &data]);
    let (one, two) = (place.file("one.csv", PRICES), place.file("two, of 2.csv", PRICES));
    let summary = succeed(&["load", "--table", "prices", &one, &two, "--data", &data]);
    assert!(summary.starts_with("prices: 6 rows from 2 files"), "{summary}");
}

#[test]
fn quarantine_keeps_bad_rows_with_their_reason() {
    for served in [false, true] {
        let place = Place::new();
        let data = place.data();
        let _server = served.then(|| Server::start(&["serve", "--data", &data, "--listen", "127.0.0.1:0"]));
        succeed(&["sql", PRICES_TABLE, "--data", &data]);
        let file = place.file("bad.csv", &format!("{PRICES}IBM,2024-06-03 14:30:02,1.0,-5,2024-06-03\n"));
        let summary = succeed(&["load", "--table", "prices", "--on-error", "quarantine", &file, "--data", &data]);
        assert!(
            summary.contains("prices: 3 rows") && summary.contains("rejected: 1 (see prices_rejects)"),
            "{summary}"
        );
        assert_eq!(place.answer("SELECT count(*) FROM prices"), "3");
        assert_eq!(place.answer("SELECT count(*) FROM prices_rejects"), "1", "served: {served}");
    }
}

#[test]
fn what_is_cut_and_where_rows_went_is_said() {
    for served in [false, true] {
        let place = Place::new();
        let data = place.data();
        let _server = served.then(|| Server::start(&["serve", "--data", &data, "--listen", "127.0.0.1:0"]));
        let fine = place.file("fine.csv", "day,ts\n2024-06-03,2024-06-03 10:00:00.123456789\n");
        let loaded = run(&["load", "--table", "fine", "--create", "--tier", "auto", &fine, "--data", &data]);
        assert_eq!(loaded.code, Some(0), "{}", loaded.err);
        assert!(loaded.err.contains("times were cut to microseconds in fine"), "{}", loaded.err);
        assert_eq!(place.answer("SELECT ts FROM fine"), "2024-06-03 10:00:00.123456");
        assert_eq!(place.answer("SELECT hot_rows FROM zxq.tables"), "1", "the newest day stays in memory");
        assert_eq!(place.answer("SELECT to_tier FROM zxq.moves WHERE kind = 'load'"), "hot");
        let coarse = place.file("coarse.csv", "day,ts\n2020-06-03,2020-06-03 10:00:00.123456\n");
        let loaded = run(&["load", "--table", "fine", "--tier", "warm", &coarse, "--data", &data]);
        assert_eq!((loaded.code, loaded.err.contains("were cut")), (Some(0), false), "{}", loaded.err);
        assert_eq!(place.answer("SELECT DISTINCT to_tier FROM zxq.moves WHERE kind = 'load' ORDER BY 1"), "hot\nwarm");
    }
}

#[test]
fn a_table_that_never_ages_is_announced() {
    const NOTICE: &str = "notice: made is not partitioned by a date: all its rows are one partition, which never ages; \
                          name a DATE column with partition_by (zxq load --partition-by)\n";
    for (served, from_stdin) in [(false, false), (true, false), (true, true)] {
        for (layout, expected) in [(&[][..], NOTICE), (&["--partition-by", "trade_date"][..], "")] {
            let place = Place::new();
            let data = place.data();
            let _server = served.then(|| Server::start(&["serve", "--data", &data, "--listen", "127.0.0.1:0"]));
            let file = place.file("prices.csv", PRICES);
            let source = if from_stdin { vec!["--format", "csv", "-"] } else { vec![file.as_str()] };
            let args = [&["load", "--table", "made", "--create", "--data", &data][..], layout, &source].concat();
            let loaded = run_with_input(&args, PRICES.as_bytes());
            assert_eq!((loaded.code, loaded.err.as_str()), (Some(0), expected), "served: {served}");
        }
    }
}

#[test]
fn files_of_another_form_are_read_as_told() {
    const OTHER: &str = "day;price;size;note\n06/03/2024;1.5;NA;'a;b'\n07/03/2024;2.25;7;NA\n";
    for (served, from_stdin) in [(false, false), (false, true), (true, false), (true, true)] {
        for (format, days) in
            [("DD/MM/YYYY", ["2024-03-06", "2024-03-07"]), ("MM/DD/YYYY", ["2024-06-03", "2024-07-03"])]
        {
            let place = Place::new();
            let data = place.data();
            let _server = served.then(|| Server::start(&["serve", "--data", &data, "--listen", "127.0.0.1:0"]));
            let file = place.file("other.csv", OTHER);
            let mut args = vec!["load", "--table", "made", "--create", "--partition-by", "day", "--data", &data];
            args.extend(["--delimiter", ";", "--quote", "'", "--null", "NA", "--date-format", format]);
            args.extend(["--types", "price DECIMAL(18,4), size INTEGER"]);
            args.extend(if from_stdin { vec!["--format", "csv", "-"] } else { vec![file.as_str()] });
            let loaded = run_with_input(&args, OTHER.as_bytes());
            assert_eq!(loaded.code, Some(0), "served: {served}, from stdin: {from_stdin}: {}", loaded.err);
            let expected = format!("{},1.5000,,a;b\n{},2.2500,7,", days[0], days[1]);
            assert_eq!(place.answer("SELECT * FROM made ORDER BY day"), expected, "served: {served}");
            let types =
                "SELECT definition LIKE '%price DECIMAL(18,4)%' AND definition LIKE '%size INTEGER%' FROM zxq.tables";
            assert_eq!(place.answer(types), "t", "served: {served}");
        }
    }
}

#[test]
fn a_load_that_is_refused_is_no_error_of_the_server() {
    let place = Place::new();
    let (data, log) = (place.data(), place.path("log"));
    let mut serve = zxq(&["serve", "--data", &data, "--listen", "127.0.0.1:0"]);
    serve.env("ZXQ_LOG", "info").stderr(std::fs::File::create(&log).unwrap());
    let server = Server::start_command(serve);
    succeed(&["sql", PRICES_TABLE, "--data", &data]);
    let bad = format!("{PRICES}IBM,2024-06-03 14:30:02,1.0,-5,2024-06-03\n");
    let file = place.file("bad.csv", &bad);
    for tier in ["hot", "warm", "cold"] {
        let load = ["load", "--table", "prices", "--tier", tier, "--data", &data];
        fail(&[&load[..], &[&file]].concat(), 1, &["size", "line 5"]);
        let piped = run_with_input(&[&load[..], &["--format", "csv", "-"]].concat(), bad.as_bytes());
        assert_eq!(piped.code, Some(1), "{}", piped.err);
    }
    assert_eq!(server.end_with("TERM").code(), Some(0));
    let log = std::fs::read_to_string(&log).unwrap();
    assert!(log.contains("a job was refused") && !log.contains("ERROR"), "{log}");
}

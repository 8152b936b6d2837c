//! `zxq export`, embedded and through a server: files that appear when they are whole, here and in a bucket.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use zxq_test_support::s3_server::{BUCKET, KEY, S3Server, SECRET};

use crate::support::{Place, Run, Server, fail, psql_command, succeed, zxq};
use crate::{PRICES, PRICES_TABLE};

/// A place with the prices, and a server over it where one is wanted.
fn with_prices(served: bool) -> (Place, Option<Server>) {
    let place = Place::new();
    let data = place.data();
    succeed(&["sql", PRICES_TABLE, "--data", &data]);
    succeed(&["load", "--table", "prices", &place.file("prices.csv", PRICES), "--data", &data]);
    let server = served.then(|| Server::start(&["serve", "--data", &data, "--listen", "127.0.0.1:0"]));
    (place, server)
}

/// What is in a folder, in order, but for the data directory and what was loaded.
fn names(folder: &Path) -> Vec<String> {
    let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| name != "data" && name != "prices.csv").collect();
    names.sort();
    names
}

#[test]
fn parquet_comes_back_as_it_was() {
    for served in [false, true] {
        let (place, _server) = with_prices(served);
        let (data, file) = (place.data(), place.path("out.parquet").display().to_string());
        let said = succeed(&["export", "prices", "--to", &file, "--data", &data]);
        assert!(said.starts_with(&format!("{file}: ")), "{said}");
        assert!(said.contains("3 rows, "), "{said}");
        let mode = std::fs::metadata(&file).unwrap().permissions().mode();
        assert_ne!(mode & 0o600, 0, "{mode:o}");
        succeed(&["load", "--table", "again", "--create", &file, "--data", &data]);
        let types = "SELECT string_agg(format_type(atttypid, atttypmod), ',' ORDER BY attnum) FROM pg_attribute \
                     WHERE attrelid = 'again'::regclass AND attnum > 0";
        if served {
            assert_eq!(place.answer(types), "\"text,timestamp with time zone,numeric(20,8),bigint,date\"");
        }
        let both = "SELECT symbol, ts, price, size, trade_date FROM";
        let differ = format!("SELECT count(*) FROM ({both} prices EXCEPT {both} again)");
        assert_eq!(place.answer(&differ), "0", "served: {served}");
        assert_eq!(place.answer("SELECT count(*) FROM again"), "3");
        assert_eq!(names(data_parent(&data)), ["out.parquet"]);
    }
}

#[test]
fn psql_writes_files_too() {
    let (place, server) = with_prices(true);
    let server = server.unwrap();
    for format in ["parquet", "arrow"] {
        let file = place.path(&format!("prices.{format}"));
        let copy = format!("copy (select * from prices order by ts) to stdout (format {format})");
        let mut psql = psql_command(&server, "user=zxq", None, &[], &copy);
        let done = psql.stdout(std::fs::File::create(&file).unwrap()).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        let bytes = std::fs::read(&file).unwrap();
        match format {
            "parquet" => assert!(bytes.starts_with(b"PAR1") && bytes.ends_with(b"PAR1")),
            _ => assert!(bytes.starts_with(&[0xff; 4]) && bytes.ends_with(&[0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0])),
        }
    }
    let file = place.path("prices.parquet").display().to_string();
    succeed(&["load", "--table", "again", "--create", &file, "--data", &place.data()]);
    assert_eq!(place.answer("SELECT count(*), sum(price) FROM again"), "3,803.18000000");
}

fn data_parent(data: &str) -> &Path {
    Path::new(data).parent().unwrap()
}

#[test]
fn csv_is_the_same_embedded_and_through_a_server() {
    let query = "SELECT symbol, price, ts, NULL AS nothing, 'a;b' AS text FROM prices ORDER BY ts -- in order";
    let mut written = Vec::new();
    for served in [false, true] {
        let (place, _server) = with_prices(served);
        let (data, file) = (place.data(), place.path("out.csv").display().to_string());
        let options = ["--delimiter", ";", "--null", "NA", "--data", &data];
        let said = succeed(&[&["export", query, "--to", &file][..], &options].concat());
        assert!(said.contains("out.csv: 3 rows, "), "{said}");
        written.push(std::fs::read_to_string(&file).unwrap());
        let (plain, none) =
            (place.path("plain.csv").display().to_string(), place.path("none.csv").display().to_string());
        succeed(&["export", query, "--to", &plain, "--header", "false", "--data", &data]);
        assert_eq!(std::fs::read_to_string(&plain).unwrap().lines().count(), 3);
        succeed(&["export", "SELECT * FROM prices WHERE false", "--to", &none, "--data", &data]);
        assert_eq!(std::fs::read_to_string(&none).unwrap(), "symbol,ts,price,size,trade_date\n");
    }
    assert_eq!(
        written[0],
        "symbol;price;ts;nothing;text\n\
         AAPL;194.03000000;2024-06-03 14:30:00+00;NA;\"a;b\"\n\
         AAPL;194.05000000;2024-06-03 14:30:01+00;NA;\"a;b\"\n\
         MSFT;415.10000000;2024-06-04 14:30:00+00;NA;\"a;b\"\n"
    );
    assert_eq!(written[0], written[1]);
}

#[test]
fn folders_take_a_file_with_the_name_of_the_table() {
    let (place, _) = with_prices(false);
    let (data, folder) = (place.data(), place.path("out"));
    std::fs::create_dir(&folder).unwrap();
    let to = folder.to_str().unwrap();
    succeed(&["export", "cold.prices", "--to", to, "--data", &data]);
    succeed(&["export", "prices", "--to", to, "--format", "arrow", "--compression", "lz4", "--data", &data]);
    assert_eq!(names(&folder), ["prices.arrow", "prices.parquet"]);
    let arrow = std::fs::read(folder.join("prices.arrow")).unwrap();
    assert_eq!(&arrow[..4], [0xff; 4], "a stream of messages");
    fail(&["export", "SELECT 1", "--to", to, "--data", &data], 2, &["name the file", "NAME.parquet"]);
}

#[test]
fn what_is_there_is_not_replaced_unasked() {
    for served in [false, true] {
        let (place, _server) = with_prices(served);
        let (data, file) = (place.data(), place.file("out.csv", "mine"));
        fail(&["export", "prices", "--to", &file, "--data", &data], 1, &["out.csv is there already", "--overwrite"]);
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine");
        // What fails replaces nothing either.
        let fails = "SELECT 1 / (size - 50) FROM prices";
        fail(&["export", fails, "--to", &file, "--overwrite", "--data", &data], 1, &["division by zero"]);
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine");
        succeed(&["export", "prices", "--to", &file, "--overwrite", "--data", &data]);
        assert_eq!(std::fs::read_to_string(&file).unwrap().lines().count(), 4);
        assert_eq!(names(data_parent(&data)), ["out.csv"]);
    }
}

#[test]
fn mistakes_are_named_with_their_fix() {
    for served in [false, true] {
        let (place, _server) = with_prices(served);
        let (data, folder) = (place.data(), place.path("nowhere"));
        let to = |name: &str| place.path(name).display().to_string();
        let inside = folder.join("a.csv").display().to_string();
        /// What is exported, where to, with which options; the exit status, and words of the message.
        type Case<'a> = (&'a str, &'a str, &'a [&'a str], i32, &'a [&'a str]);
        let cases: [Case<'_>; 7] = [
            ("nosuch", &to("a.csv"), &[], 1, &["nosuch"]),
            ("prices", &inside, &[], 1, &["there is no folder", "nowhere", "mkdir"]),
            ("prices", &to("a.txt"), &[], 2, &["does not tell a format", "--format"]),
            ("prices", &to("a.csv.gz"), &[], 2, &["compress"]),
            ("prices", &to("a.parquet"), &["--compression", "rar"], 1, &["rar", "zstd"]),
            ("prices", &to("a.parquet"), &["--delimiter", ";"], 2, &["--delimiter", "CSV"]),
            ("SELECT 1 AS a, 2 AS a", &to("a.parquet"), &[], 1, &["\"a\"", "names that differ"]),
        ];
        for (what, to, options, code, words) in cases {
            fail(&[&["export", what, "--to", to, "--data", &data][..], options].concat(), code, words);
        }
        fail(
            &["export", "DROP TABLE prices", "--to", &to("a.csv"), "--data", &data],
            if served { 1 } else { 2 },
            &["query"],
        );
        assert_eq!(place.answer("SELECT count(*) FROM prices"), "3");
        assert!(names(data_parent(&data)).is_empty());
    }
}

/// Starts an export that takes long, waits until it writes, interrupts it; what it said.
fn interrupted(mut command: Command, writes: impl Fn() -> bool) -> Run {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let started = Instant::now();
    while !writes() {
        assert!(started.elapsed() < Duration::from_secs(60), "nothing was written");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(Command::new("kill").args(["-s", "INT", &child.id().to_string()]).status().unwrap().success());
    child.wait_with_output().unwrap().into()
}

const LONG: &str = "SELECT value, md5(value::text) FROM generate_series(1, 200000000) AS t(value)";

#[test]
fn an_interrupted_export_leaves_nothing() {
    for served in [false, true] {
        let (place, _server) = with_prices(served);
        let (data, file) = (place.data(), place.path("out.csv"));
        let folder = data_parent(&data).to_owned();
        let to = file.display().to_string();
        let stopped = interrupted(zxq(&["export", LONG, "--to", &to, "--data", &data]), || {
            let unfinished = names(&folder).into_iter().find(|name| name.ends_with(".incomplete"));
            unfinished.is_some_and(|name| folder.join(name).metadata().is_ok_and(|file| file.len() > 0))
        });
        assert_eq!(stopped.code, Some(1), "{stopped:?}");
        assert!(stopped.err.contains("interrupted") && stopped.err.contains("out.csv"), "{}", stopped.err);
        assert!(names(&folder).is_empty(), "{:?}", names(&folder));
    }
}

/// `zxq` that reaches the bucket by its environment.
fn with_bucket(s3: &S3Server, args: &[&str]) -> Command {
    let mut command = zxq(args);
    command.env("AWS_ENDPOINT_URL", s3.endpoint()).env("AWS_ACCESS_KEY_ID", KEY).env("AWS_SECRET_ACCESS_KEY", SECRET);
    command
}

#[test]
fn objects_are_there_when_they_are_whole() {
    let s3 = S3Server::start();
    for served in [false, true] {
        let (place, _server) = with_prices(served);
        let data = place.data();
        let key = format!("exports/{served}/prices.parquet");
        let to = format!("s3://{BUCKET}/{key}");
        let export = |more: &[&str]| -> Run {
            let args = [&["export", "prices", "--to", &to, "--data", &data][..], more].concat();
            with_bucket(&s3, &args).output().unwrap().into()
        };
        let done = export(&[]);
        assert_eq!(done.code, Some(0), "{}", done.err);
        let file = place.path("from-bucket.parquet");
        std::fs::write(&file, s3.object(&key)).unwrap();
        succeed(&["load", "--table", "again", "--create", file.to_str().unwrap(), "--data", &data]);
        assert_eq!(place.answer("SELECT count(*), sum(price) FROM again"), "3,803.18000000");
        let refused = export(&[]);
        assert_eq!(refused.code, Some(1));
        assert!(refused.err.contains("is there already"), "{}", refused.err);
        assert_eq!(export(&["--overwrite"]).code, Some(0));
    }
}

#[test]
fn large_objects_go_up_in_parts_or_not_at_all() {
    let s3 = S3Server::start();
    let (place, _) = with_prices(false);
    let data = place.data();
    let query = "SELECT value, repeat(md5(value::text), 4) AS text FROM generate_series(1, 300000) AS t(value)";
    let to = format!("s3://{BUCKET}/large.csv");
    let done: Run = with_bucket(&s3, &["export", query, "--to", &to, "--data", &data]).output().unwrap().into();
    assert_eq!(done.code, Some(0), "{}", done.err);
    let written = s3.object("large.csv");
    assert!(written.len() > 32 * 1024 * 1024, "more than one part");
    let lines: Vec<String> = BufReader::new(written.as_slice()).lines().map(Result::unwrap).collect();
    assert_eq!((lines.len(), lines[0].as_str()), (300_001, "value,text"));
    assert!(lines.iter().any(|line| line.starts_with("300000,")), "the last one, wherever it is");

    let to = format!("s3://{BUCKET}/never.csv");
    let stopped =
        interrupted(with_bucket(&s3, &["export", LONG, "--to", &to, "--data", &data]), || s3.open_uploads() > 0);
    assert_eq!(stopped.code, Some(1), "{stopped:?}");
    assert!(stopped.err.contains("never.csv"), "{}", stopped.err);
    assert!(s3.keys("never").is_empty());
    assert_eq!(s3.open_uploads(), 0, "its parts are taken back");
}

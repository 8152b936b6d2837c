//! `zxq storage`.

use crate::support::{Place, Server, fail, files_ending, succeed};
use crate::{PRICES, PRICES_TABLE};

fn loaded(tier: &str) -> Place {
    let place = Place::new();
    let file = place.file("prices.csv", PRICES);
    succeed(&["sql", PRICES_TABLE, "--data", &place.data()]);
    succeed(&["load", "--table", "prices", "--tier", tier, &file, "--data", &place.data()]);
    place
}

const PLACES: &str = "SELECT hot_rows, warm_rows, cold_rows FROM zxq.tables";

#[test]
fn moves_what_a_dry_run_announced() {
    for served in [false, true] {
        let place = loaded("hot");
        let data = place.data();
        let _server = served.then(|| Server::start(&["serve", "--data", &data, "--listen", "127.0.0.1:0"]));
        let migrate = ["storage", "migrate", "--table", "prices", "--to", "warm", "--data", &data];
        let plan = succeed(&[&migrate[..], &["--dry-run"]].concat());
        assert!(plan.contains("2024-06-03") && plan.contains("2024-06-04") && plan.contains("(2 rows)"), "{plan}");
        assert_eq!(place.answer(PLACES), "3,0,0");
        let one = [&migrate[..], &["--partition", "2024-06-04", "--from", "hot"]].concat();
        succeed(&one);
        assert_eq!(place.answer(PLACES), "2,1,0");
        succeed(&migrate);
        assert_eq!(place.answer(PLACES), "0,3,0", "served: {served}");
        assert_eq!(place.answer("SELECT count(*), sum(price) FROM prices"), "3,803.18000000");
        succeed(&["storage", "verify", "--data", &data]);
    }
}

#[test]
fn maintains_by_age() {
    let place = loaded("hot");
    let data = place.data();
    let config = place.file("storage.yaml", "hot_to_warm_age: 1 day\nmaintenance_interval: 0\n");
    let maintain = ["storage", "maintain", "--data", &data, "--config", &config];
    let plan = succeed(&[&maintain[..], &["--dry-run"]].concat());
    assert!(plan.contains("2024-06-03"), "{plan}");
    assert_eq!(place.answer(PLACES), "3,0,0");
    succeed(&maintain);
    assert_eq!(place.answer(PLACES), "1,2,0");
}

#[test]
fn status_shows_tiers_and_tables() {
    let place = loaded("cold");
    let status = succeed(&["storage", "status", "--data", &place.data()]);
    for words in ["hot", "warm", "cold", "duckdb", "delta", "prices", "csv_bytes", "csv_ratio"] {
        assert!(status.contains(words), "no {words:?} in {status}");
    }
}

#[test]
fn status_for_programs_is_one_result() {
    let place = loaded("cold");
    let csv = succeed(&["storage", "status", "--format", "csv", "--data", &place.data()]);
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(lines.len(), 5, "{csv}");
    assert!(lines[0].starts_with("kind,name,rows,segments,bytes"), "{csv}");
    assert!(lines[1].starts_with("tier,cold,3,2,") && lines[4].starts_with("table,prices,3,2,"), "{csv}");
    let json = succeed(&["storage", "status", "--format", "json", "--data", &place.data()]);
    let rows: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(rows.as_array().map(Vec::len), Some(4), "{json}");
}

#[test]
fn bytes_of_tiers_and_of_tables_add_up() {
    let place = loaded("cold");
    let data = place.data();
    succeed(&["storage", "migrate", "--table", "prices", "--to", "warm", "--partition", "2024-06-03", "--data", &data]);
    let rows = "INSERT INTO prices VALUES ('IBM', TIMESTAMPTZ '2024-06-05 14:30:00+00', 169.5, 1, DATE '2024-06-05'); \
                CREATE TABLE other (a INT); INSERT INTO other VALUES (1)";
    succeed(&["sql", rows, "--data", &data]);
    let sums = place.answer("SELECT (SELECT sum(bytes) FROM zxq.tiers), (SELECT sum(bytes) FROM zxq.tables)");
    let (tiers, tables) = sums.split_once(',').unwrap();
    assert!(tiers == tables && tiers != "0", "{sums}");
    let status = succeed(&["storage", "status", "--data", &data]);
    assert!(status.contains(" bytes ") && status.contains(" store_bytes "), "{status}");
    let used = place.answer("SELECT used_share FROM zxq.tiers WHERE tier = 'hot'");
    assert!(used.len() <= "0.123".len(), "{used}");
    for ratio in place.answer("SELECT csv_ratio FROM zxq.compression").lines() {
        let digits = ratio.split_once('.').map_or("", |(_, digits)| digits);
        assert!(digits.len() <= 3, "{ratio}");
    }
}

#[test]
fn copies_in_hot_are_verified_and_counted() {
    let place = loaded("cold");
    let data = place.data();
    succeed(&["storage", "migrate", "--table", "prices", "--to", "hot", "--partition", "2024-06-03", "--data", &data]);
    // Copies are gone after a restart, so they are looked at in the same process.
    let both = "CALL zxq.migrate('prices', 'hot', partition => '2024-06-03'); CALL zxq.verify('prices')";
    let verified = succeed(&["sql", both, "--format", "csv", "--data", &data]);
    assert!(verified.contains("\nprices,hot,1,2,t,\n") && verified.contains("prices,cold,2,3,t,"), "{verified}");
}

#[test]
fn verify_finds_a_damaged_file() {
    let place = loaded("cold");
    let verified = succeed(&["storage", "verify", "--table", "prices", "--data", &place.data()]);
    assert!(verified.contains("prices"), "{verified}");
    let files = files_ending(&place.path("data"), ".parquet");
    assert_eq!(files.len(), 2, "{files:?}");
    let mut bytes = std::fs::read(&files[0]).unwrap();
    for byte in bytes.iter_mut().skip(4).take(200) {
        *byte ^= 0x5a;
    }
    std::fs::write(&files[0], bytes).unwrap();
    fail(&["storage", "verify", "--data", &place.data()], 1, &["1 of 1 checks failed"]);
}

//! `zxq serve` and `zxq demo`.

use std::process::{Command, Stdio};

use crate::PRICES_TABLE;
use crate::support::{Place, Server, succeed};

#[test]
fn both_signals_end_a_server_cleanly_and_its_data_stays() {
    let place = Place::new();
    let data = place.data();
    succeed(&["sql", PRICES_TABLE, "--data", &data]);
    for (round, signal) in ["TERM", "INT"].into_iter().enumerate() {
        let server = Server::start(&["serve", "--data", &data, "--listen", "127.0.0.1:0"]);
        assert_eq!((&server.data, server.role.as_str()), (&place.path("data"), "as the writer"));
        assert!(!server.address.ends_with(":0"), "{}", server.address);
        let insert =
            "INSERT INTO prices VALUES ('IBM', TIMESTAMPTZ '2024-06-03 14:30:00+00', 169.5, 1, DATE '2024-06-03')";
        assert_eq!(succeed(&["sql", insert, "--data", &data]), "INSERT 0 1\n");
        assert_eq!(server.end_with(signal).code(), Some(0), "SIG{signal}");
        assert_eq!(place.answer("SELECT count(*) FROM prices"), (round + 1).to_string());
    }
}

#[test]
fn a_result_of_any_size_takes_little_memory() {
    let place = Place::new();
    let server = Server::start(&["serve", "--data", &place.data(), "--listen", "127.0.0.1:0"]);
    let before = server.peak_mib();
    let (host, port) = server.address.rsplit_once(':').unwrap();
    // 1 GB of rows, to a client that throws them away.
    let sql = "COPY (SELECT value, repeat('x', 1000) FROM generate_series(1, 1000000)) TO STDOUT";
    let client = Command::new("psql")
        .args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-h", host, "-p", port, "-U", "zxq", "-d", "zxq", "-c", sql])
        .stdout(Stdio::null())
        .status()
        .expect("psql is installed");
    assert!(client.success());
    let after = server.peak_mib();
    assert!(after < before + 400, "memory went from {before} to {after} MiB");
}

#[test]
fn the_configuration_says_where_to_listen() {
    let place = Place::new();
    let config = place.file("storage.yaml", "listen: 127.0.0.1:0\nhot:\n  memory_limit: 64MiB\n");
    let server = Server::start(&["serve", "--data", &place.data(), "--config", &config]);
    assert_eq!(place.answer("SELECT limit_bytes FROM zxq.tiers WHERE tier = 'hot'"), (64 << 20).to_string());
    assert_eq!(server.end_with("TERM").code(), Some(0));
}

#[test]
fn the_demo_shows_four_queries_serves_and_cleans_up() {
    let demo = Server::start(&["demo", "--rows", "6000", "--listen", "127.0.0.1:0"]);
    let text = demo.before.join("\n");
    for number in 1..=4 {
        assert!(text.contains(&format!("{number}. ")), "{text}");
    }
    for words in ["trades_data", "hot (", "warm (", "cold (", " ms"] {
        assert!(text.contains(words), "no {words:?} in {text}");
    }
    let data = demo.data.to_str().unwrap().to_owned();
    let count = "SELECT count(*) FROM trades_data";
    assert_eq!(succeed(&["sql", count, "--format", "csv", "--data", &data]).lines().nth(1), Some("3000"));
    succeed(&["storage", "verify", "--data", &data]);
    let folder = demo.data.clone();
    assert!(folder.exists());
    assert_eq!(demo.end_with("INT").code(), Some(0));
    assert!(!folder.exists(), "{} was left", folder.display());
}

//! PostgreSQL's clients against the real program, once plainly and once over TLS with a password: the scripts of `clients/`, and
//! tokio-postgres here. What each can do is in `docs/clients.md`, which the run checks.
//!
//! `ZXQ_CLIENTS_ENV` is where `clients/install` has put them (`~/.cache/zxq-clients`); `ZXQ_REQUIRE_CLIENTS=1` fails where one is
//! missing, `ZXQ_CLIENTS_WRITE=1` writes the page.

mod target;
mod tokio_client;

use std::path::PathBuf;
use std::process::Command;

use crate::login::{add_user, place_with_tls, start};
use crate::support::{Place, Server, succeed};
use target::Target;

/// Of the user over TLS.
const PASSWORD: &str = "open-sesame";

fn is_set(variable: &str) -> bool {
    std::env::var(variable).is_ok_and(|value| value == "1")
}

/// The Python that has the clients; `None`, said aloud, where they are not installed.
fn python() -> Option<PathBuf> {
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache/zxq-clients");
    let environment = std::env::var_os("ZXQ_CLIENTS_ENV").map_or_else(home, PathBuf::from);
    let python = environment.join("python/bin/python3");
    if python.exists() {
        return Some(python);
    }
    assert!(
        !is_set("ZXQ_REQUIRE_CLIENTS"),
        "ZXQ_REQUIRE_CLIENTS is set and there is no {}: run clients/install",
        python.display()
    );
    zxq_test_support::say_skipped("clients", &format!("there is no {}: run clients/install", python.display()));
    None
}

#[test]
fn every_client_of_postgresql_works() {
    let Some(python) = python() else { return };
    let place = Place::new();
    let plain = Server::start(&["serve", "--data", &place.data(), "--listen", "127.0.0.1:0"]);
    let (with_users, authority, config) = place_with_tls("");
    add_user(&with_users, "carol", PASSWORD, &["--superuser"]);
    let tls = start(&with_users, &config);
    let root = authority.file("ca.pem");

    let here = [Target::plain(&plain.address), Target::tls(&tls.address, "carol", PASSWORD, &root)];
    let results: String = here.iter().map(tokio_client::run).collect();
    let results = place.file("results", &results);

    let project = zxq_test_support::project();
    let page = project.join("docs/clients.md").to_str().unwrap().to_owned();
    let mut command = Command::new(python);
    command.arg(project.join("clients/run.py"));
    command.args(["--plain", &plain.address, "--user", "zxq"]);
    command.args(["--tls", &tls.address, "--tls-user", "carol", "--root", &root, "--results", &results]);
    command.args([if is_set("ZXQ_CLIENTS_WRITE") { "--table" } else { "--check" }, &page]);
    if is_set("ZXQ_REQUIRE_CLIENTS") {
        command.arg("--require");
    }
    let output = command.env("ZXQ_CLIENT_PASSWORD", PASSWORD).output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}");
    for line in said.lines().filter(|line| line.contains("SKIPPED")) {
        eprintln!("{line}");
    }
    println!("{said}");
    // After all of that both end as they should, and what they have kept is whole.
    assert_eq!(plain.end_with("TERM").code(), Some(0));
    assert_eq!(tls.end_with("TERM").code(), Some(0));
    for place in [place, with_users] {
        succeed(&["storage", "verify", "--data", &place.data()]);
    }
}

#![allow(clippy::unwrap_used)]

use super::*;

#[test]
fn values_are_checked_and_normalised() {
    let mut settings = SessionSettings::default();
    for (name, value, kept) in [
        ("Client_Encoding", "utf-8", "UTF8"),
        ("client_encoding", "'UTF-8'", "UTF8"),
        ("datestyle", "ISO", "ISO, MDY"),
        ("timezone", "etc/utc", "Etc/UTC"),
        ("statement_timeout", "90000", "90s"),
        ("statement_timeout", "1min", "1min"),
        ("statement_timeout", "1500", "1500ms"),
        ("work_mem", "65536", "64MB"),
        ("random_page_cost", "1.10", "1.1"),
        ("synchronous_commit", "yes", "on"),
        ("synchronous_commit", "remote_write", "remote_write"),
        ("enable_sort", "0", "off"),
        ("application_name", "caf\u{e9}", "caf??"),
        ("search_path", "cold", "cold"),
        ("jit", "TRUE", "on"),
        ("search_path", "\"$user\", public, cold", "\"$user\", public, cold"),
        ("search_path", "", ""),
    ] {
        let known = settings.set(name, Some(value)).unwrap();
        assert_eq!(settings.get(known), kept, "{name} = {value}");
    }
    for (name, value, code) in [
        ("client_encoding", "LATIN1", "22023"),
        ("datestyle", "SQL, DMY", "22023"),
        ("timezone", "Mars/Olympus", "22023"),
        ("statement_timeout", "soon", "22023"),
        ("statement_timeout", "-1", "22023"),
        ("work_mem", "1", "22023"),
        ("work_mem", "1 parsec", "22023"),
        ("random_page_cost", "dear", "22023"),
        ("synchronous_commit", "perhaps", "22023"),
        ("shared_buffers", "1GB", "55P02"),
        ("checkpoint_timeout", "5min", "55P02"),
        ("standard_conforming_strings", "off", "22023"),
        ("server_version", "9.1", "55P02"),
        ("no_such_thing", "1", "42704"),
    ] {
        assert_eq!(settings.set(name, Some(value)).unwrap_err().code, code, "{name} = {value}");
    }
}

#[test]
fn reset_goes_back_to_what_the_client_connected_with() {
    let mut settings = SessionSettings::default();
    settings.set("application_name", Some("psql")).unwrap();
    settings.keep_as_initial();
    settings.set("application_name", Some("other")).unwrap();
    settings.set("statement_timeout", Some("5s")).unwrap();
    assert_eq!(settings.statement_timeout(), Some(Duration::from_secs(5)));
    settings.set("application_name", None).unwrap();
    assert_eq!(settings.value("application_name"), "psql");
    settings.reset_all();
    assert_eq!(settings.statement_timeout(), None);
}

#[test]
fn values_are_not_longer_than_they_may_be() {
    let mut settings = SessionSettings::default();
    let long = "x".repeat(10_000);
    assert_eq!(settings.set("TimeZone", Some(&long)).unwrap_err().code, "22023");
    assert_eq!(settings.set("application_name", Some(&long)).unwrap_err().code, "22023");
    settings.set("application_name", Some(&long[..100])).unwrap();
    assert_eq!(settings.value("application_name").len(), 63);
    assert_eq!(settings.set("search_path", Some(&"a,".repeat(200))).unwrap_err().code, "22023");
}

#[test]
fn names_are_unique() {
    let mut names: Vec<String> = all().map(|known| known.name.to_lowercase()).collect();
    names.sort();
    let count = names.len();
    names.dedup();
    assert_eq!(names.len(), count);
}

#[test]
fn clients_have_settings_of_their_own() {
    let mut settings = SessionSettings::default();
    assert!(is_custom("app.user_id") && is_custom("a.b.c"));
    assert!(!is_custom("app") && !is_custom("app.") && !is_custom("app.1x") && !is_custom(".x"));
    assert_eq!(settings.custom("app.user"), None);
    settings.set_custom("App.User", Some("42")).unwrap();
    assert_eq!(settings.custom("app.USER"), Some("42"));
    // Many small ones, or one that is large: together they have a limit, and what was refused changes nothing.
    let refused = (0..1_000).find_map(|at| settings.set_custom(&format!("a.b{at}"), Some(&"x".repeat(1_000))).err());
    assert_eq!(refused.unwrap().code, "54000");
    assert_eq!(settings.set_custom("app.user", Some(&"x".repeat(1 << 20))).unwrap_err().code, "54000");
    assert_eq!(settings.custom("app.user"), Some("42"));
    settings.set_custom("app.user", Some("43")).unwrap();
    let version = settings.version();
    settings.reset_all();
    assert_eq!(settings.custom("app.user"), Some(""));
    assert_ne!(settings.version(), version);
}

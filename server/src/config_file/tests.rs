#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use zxq_engine::{CatalogRole, ColdFormat, S3Credentials, S3Encryption};

use super::*;
use crate::serve::{Addresses, Method, Names};

const EXAMPLE: &str = include_str!("../../../storage.example.yaml");

fn parse(text: &str) -> Result<Settings, String> {
    Settings::parse(text, Path::new("storage.yaml"), Path::new("data")).map_err(|e| e.to_string())
}

fn error_of(text: &str) -> String {
    parse(text).expect_err("must be refused")
}

#[test]
fn the_example_file_lists_the_defaults() {
    let settings = Settings::parse(EXAMPLE, Path::new("storage.yaml"), Path::new("data")).unwrap();
    let defaults = EngineConfig::at("data");
    assert_eq!(settings.listen.as_deref(), Some("127.0.0.1:5454"));
    assert_eq!(settings.engine.hot.memory_limit_bytes, defaults.hot.memory_limit_bytes);
    assert_eq!(settings.engine.hot.full_wait, defaults.hot.full_wait);
    assert_eq!(settings.engine.hot.wal_segment_bytes, defaults.hot.wal_segment_bytes);
    assert_eq!(settings.engine.warm.memory_limit_bytes, defaults.warm.memory_limit_bytes);
    assert_eq!(settings.engine.cold.compression, defaults.cold.compression);
    assert_eq!(settings.engine.cold.metadata_cache_bytes, defaults.cold.metadata_cache_bytes);
    assert_eq!(settings.engine.policy.hot_to_warm_age, defaults.policy.hot_to_warm_age);
    assert_eq!(settings.engine.policy.warm_to_cold_age, defaults.policy.warm_to_cold_age);
    assert_eq!(settings.engine.policy.maintenance_interval, defaults.policy.maintenance_interval);
    assert_eq!(settings.engine.policy.segment_rows, defaults.policy.segment_rows);
    assert_eq!(settings.engine.query_memory_bytes, defaults.query_memory_bytes);
    assert_eq!(settings.engine.most_statements, Settings::defaults(Path::new("x")).engine.most_statements);
}

#[test]
fn every_commented_key_of_the_example_is_known() {
    // Keys that are shown commented out (`#threads: 4`) must be accepted when they are switched on.
    let on: String = EXAMPLE
        .lines()
        .map(|l| l.strip_prefix('#').filter(|l| !l.starts_with(' ')).unwrap_or(l))
        .map(|l| format!("{l}\n"))
        .collect();
    parse(&on).unwrap();
}

#[test]
fn an_empty_file_means_defaults() {
    assert_eq!(parse("").unwrap().engine.hot.memory_limit_bytes, EngineConfig::at("x").hot.memory_limit_bytes);
    assert!(parse("# nothing\n").is_ok());
}

#[test]
fn values_reach_the_engine() {
    let settings =
        parse("hot_to_warm_age: 2 h\nwarm_to_cold_age: 3600000\nthreads: 3\nhot:\n  memory_limit: 4GiB\n").unwrap();
    assert_eq!(settings.engine.policy.hot_to_warm_age, Duration::from_secs(7_200));
    assert_eq!(settings.engine.policy.warm_to_cold_age, Duration::from_secs(3_600_000));
    assert_eq!(settings.engine.hot.memory_limit_bytes, 4 << 30);
    assert_eq!((settings.engine.target_partitions, settings.engine.warm.threads), (3, 3));
    assert_eq!(parse("max_running_statements: 5").unwrap().engine.most_statements, Some(5));
    assert_eq!(parse("").unwrap().engine.most_statements, Some(64));
}

#[test]
fn clients_may_take_as_long_as_the_file_says() {
    assert_eq!(parse("").unwrap().timeouts, Timeouts::default());
    let text = "statement_timeout: 90 s\nidle_session_timeout: never\nidle_in_transaction_session_timeout: 10 min\n";
    let timeouts = parse(text).unwrap().timeouts;
    let (statement, idle) = (Some(Duration::from_secs(90)), Some(Duration::from_secs(600)));
    assert_eq!(timeouts, Timeouts { statement, idle_session: None, idle_in_transaction: idle });
    let settings: Vec<_> = timeouts.settings().collect();
    assert_eq!(settings[0], ("statement_timeout", "90000".to_owned()));
    assert_eq!(settings[1], ("idle_in_transaction_session_timeout", "600000".to_owned()));
    assert_eq!(parse("statement_timeout: 0").unwrap().timeouts.statement, None);
    assert!(error_of("statement_timeout: 1 year").contains("statement_timeout: must not be longer than 24 days"));
}

#[test]
fn a_url_makes_warm_a_postgresql_database() {
    let text = "warm:\n  url: postgres://ann:s3cret@h:1/d\n  schema: x\n  pool_size: 2\n  max_overflow: 0\n  \
                pool_timeout: 5 s\n  pool_recycle: never\n  pool_pre_ping: false\n";
    let settings = parse(text).unwrap();
    assert!(!format!("{settings:?}").contains("s3cret"));
    let options = settings.engine.warm.postgres.unwrap();
    assert_eq!((options.server().as_str(), options.schema.as_str()), ("postgres://ann@h:1/d", "x"));
    assert_eq!((options.pool.pool_size, options.pool.max_overflow), (2, 0));
    assert_eq!(options.pool.pool_timeout, Duration::from_secs(5));
    assert_eq!((options.pool.pool_recycle, options.pool.pool_pre_ping), (None, false));
}

#[test]
fn a_url_makes_cold_a_bucket() {
    let text = "cold:\n  url: s3://market/zxq\n  endpoint: http://localhost:9000\n  access_key_id: ann\n  \
                secret_access_key: s3cret\n  encryption: sse-kms\n  kms_key_id: k\n  part_size: 8MiB\n  \
                max_retries: 3\n  retry_pause_ms: 50\n  timeout: 20 s\n  range_cache: 0\n  disk_cache: /fast/cache\n  \
                disk_cache_size: 5GiB\n";
    let settings = parse(text).unwrap();
    assert!(!format!("{settings:?}").contains("s3cret"));
    let options = settings.engine.cold.s3.unwrap();
    assert_eq!(options.url().as_str(), "s3://market/zxq/");
    assert_eq!(options.endpoint.unwrap().as_str(), "http://localhost:9000/");
    assert_eq!(options.encryption, S3Encryption::Kms { key: Some("k".to_owned()) });
    assert_eq!((options.part_size, options.timeout), (8 << 20, Duration::from_secs(20)));
    assert_eq!((options.retry.max_retries, options.retry.first_pause), (3, Duration::from_millis(50)));
    let disk = options.cache.disk.unwrap();
    assert_eq!((options.cache.memory_bytes, disk.bytes), (0, 5 << 30));
    assert_eq!(disk.folder, Path::new("/fast/cache"));
    let secret = "s3cret".to_owned();
    let keys = S3Credentials::Keys { access_key_id: "ann".to_owned(), secret_access_key: secret, session_token: None };
    assert!(options.credentials == keys);
    let of = |text: &str| parse(text).unwrap().engine.cold.s3.unwrap().credentials;
    assert_eq!(of("cold:\n  url: s3://b\n"), S3Credentials::Automatic);
    assert_eq!(of("cold:\n  url: s3://b\n  profile: research\n"), S3Credentials::Profile("research".to_owned()));
    assert_eq!(of("cold:\n  url: s3://b\n  credentials: machine\n"), S3Credentials::Machine);
}

#[test]
fn a_catalog_of_several_nodes() {
    let settings = parse(
        "catalog:\n  url: postgres://ann:s3cret@h:1/d\n  schema: x\n  role: reader\n  lease_time: 4 s\n  writer_wait: 0\n\
         cold:\n  folder: /srv/cold\n",
    )
    .unwrap();
    assert!(!format!("{settings:?}").contains("s3cret"));
    let (catalog, cold) = (settings.engine.catalog, settings.engine.cold);
    assert_eq!(catalog.postgres.unwrap().server(), "postgres://ann@h:1/d");
    assert_eq!((catalog.role, catalog.take_over), (CatalogRole::Reader, false));
    assert_eq!((catalog.lease_time, catalog.writer_wait), (Duration::from_secs(4), Duration::ZERO));
    assert_eq!(cold.folder.as_deref(), Some(Path::new("/srv/cold")));
}

#[test]
fn rules_say_who_may_come_in_and_how() {
    let text = "authentication:\n- {address: loopback, method: trust}\n\
                - {address: 10.1.0.0/16, user: [ann, bob], database: all, method: cert}\n\
                - {address: 10.1.0.0/16, database: zxq, method: scram, tls: any}\n\
                - {address: all, user: mallory, method: reject}\n- {address: all, method: scram}\n";
    let rules = parse(text).unwrap().authentication.unwrap();
    let [trust, cert, plain, reject, scram] = &rules[..] else { panic!("{rules:?}") };
    assert_eq!((trust.method, trust.addresses, trust.tls), (Method::Trust, Addresses::Loopback, false));
    let names = |names: &[&str]| Names::These(names.iter().map(|name| (*name).to_owned()).collect());
    assert_eq!((cert.method, cert.tls), (Method::Certificate, true));
    assert_eq!((&cert.users, &cert.databases), (&names(&["ann", "bob"]), &Names::All));
    assert_eq!((plain.method, &plain.databases, plain.tls), (Method::Scram, &names(&["zxq"]), false));
    // Who is refused is refused with and without TLS; passwords of other machines need it unless the file says otherwise.
    assert_eq!((reject.method, reject.tls), (Method::Reject, false));
    assert_eq!((scram.method, scram.addresses, scram.tls), (Method::Scram, Addresses::All, true));
    assert_eq!(parse("authentication: []\n").unwrap().authentication, Some(Vec::new()), "nobody");
    assert_eq!(parse("").unwrap().authentication, None);

    for (rule, words) in [
        ("{address: all, method: trust}", "method trust is for loopback addresses"),
        ("{address: 10.0.0.1, method: trust, tls: required}", "method trust is for loopback addresses"),
        ("{address: 10.0.0.0/99, method: scram}", "is no address"),
        ("{address: all, method: md5}", "unknown method"),
        ("{address: all, method: scram, tls: maybe}", "neither required nor any"),
        ("{address: loopback, method: cert, tls: any}", "method cert needs TLS"),
        ("{address: all}", "method"),
        ("{method: scram}", "address"),
        ("{address: all, method: scram, role: x}", "unknown key \"role\""),
    ] {
        let error = error_of(&format!("authentication:\n- {rule}\n"));
        assert!(error.contains("authentication") && error.contains(words), "{rule}: {error}");
    }
}

#[test]
fn tls_files_lie_beside_the_configuration() {
    let path = Path::new("/etc/zxq/storage.yaml");
    let read = |text: &str| Settings::parse(text, path, Path::new("data")).map(|settings| settings.tls);
    let tls = read("tls: {certificate: server.pem, key: /keys/server.key, require: true}").unwrap().unwrap();
    assert_eq!(
        (tls.certificate.as_path(), tls.key.as_path()),
        (Path::new("/etc/zxq/server.pem"), Path::new("/keys/server.key"))
    );
    assert_eq!((tls.client_ca, tls.require), (None, true));
    assert!(read("tls: {certificate: server.pem}").unwrap_err().to_string().contains("key"));
    assert_eq!(read("").unwrap(), None);
}

#[test]
fn never_keeps_data_where_it_is() {
    let policy = parse("hot_to_warm_age: 1.5h\nwarm_to_cold_age: never\n").unwrap().engine.policy;
    assert_eq!((policy.hot_to_warm_age, policy.warm_to_cold_age), (Duration::from_secs(5_400), Duration::MAX));
}

#[test]
fn an_unknown_key_is_named_with_its_line_and_the_known_ones() {
    let error = error_of("listen: 127.0.0.1:1\nhot:\n  memory_limt: 4GiB\n");
    assert!(error.starts_with("storage.yaml:3:"), "{error}");
    assert!(error.contains("unknown key \"memory_limt\"") && error.contains("wal_segment_size"), "{error}");
}

#[test]
fn keys_that_would_do_nothing_are_refused() {
    let error = error_of("low_hit_threshold: 2\n");
    assert!(error.contains("low_hit_threshold does nothing in this version"), "{error}");
}

#[test]
fn wrong_values_name_their_key() {
    for (text, words) in [
        ("hot:\n  memory_limit: lots\n", "cannot read \"lots\" as a size"),
        ("hot_to_warm_age: soon\n", "\"soon\" is not an age"),
        ("hot_usage_threshold: 1.5\n", "hot_usage_threshold: 1.5 is not between 0 and 1"),
        ("warm:\n  backend: mysql\n", "warm.backend: unknown backend \"mysql\""),
        ("warm:\n  backend: postgres\n", "warm.url: is missing"),
        ("warm:\n  pool_size: 3\n", "warm.pool_size: has an effect only with warm.url"),
        ("warm:\n  url: postgres://a:s3cret@h/d\n  pool_size: 0\n", "warm.pool_size: must be at least 1"),
        ("warm:\n  url: postgres://a:s3cret@h\n", "warm.url: postgres: the database's URL cannot be used"),
        ("warm:\n  url: postgres://a:s3cret@h/d\n  pool_timout: 3\n", "unknown key \"pool_timout\""),
        ("catalog:\n  role: writer\n", "catalog.role: has an effect only with catalog.url"),
        ("catalog:\n  url: postgres://a:s3cret@h/d\n  role: boss\n", "catalog.role: unknown role \"boss\""),
        ("catalog:\n  url: postgres://a:s3cret@h/d\n  lease_time: 1 s\n", "catalog.lease_time: must be"),
        ("catalog:\n  url: postgres://a:s3cret@h/d\n  writer_wait: never\n", "catalog.writer_wait: cannot be never"),
        ("catalog:\n  url: postgres://a:s3cret@h/d\n  role: reader\n  take_over: true\n", "catalog.take_over: is for"),
        ("catalog:\n  url: postgres://a:s3cret@h/d\n  schema: a-b\n", "catalog.schema: "),
        ("catalog:\n  url: postgres://a:s3cret@h\n", "catalog.url: "),
        ("catalog:\n  urll: postgres://a:s3cret@h/d\n", "unknown key \"urll\""),
        ("cold:\n  folder: here\n", "cold.folder: must be an absolute path"),
        ("cold:\n  format: hudi\n", "cold.format: \"hudi\" is no table format"),
        ("cold:\n  iceberg:\n    catalog: hive\n", "cold.iceberg.catalog: unknown catalog \"hive\""),
        ("cold:\n  iceberg:\n    catalog: rest\n", "cold.iceberg.uri: is missing"),
        ("cold:\n  iceberg:\n    catalog: sql\n    uri: http://h\n", "cold.iceberg.uri: is for catalog rest"),
        ("cold:\n  iceberg:\n    uri: h:8181\n", "cold.iceberg.uri: \"h:8181\" is no address"),
        ("cold:\n  iceberg:\n    token: s3cret\n", "cold.iceberg.token: has an effect only with cold.iceberg.uri"),
        ("cold:\n  iceberg:\n    uri: http://h\n    credential: s3cret\n", "must be CLIENT_ID:CLIENT_SECRET"),
        ("cold:\n  iceberg:\n    uri: http://h\n    token: s3cret\n    credential: a:s3cret\n", "exclude each other"),
        (
            "cold:\n  iceberg:\n    uri: http://h\n    token: s3cret\n    scope: x\n",
            "only with cold.iceberg.credential",
        ),
        ("cold:\n  iceberg:\n    snapshots_kept: 0\n", "cold.iceberg.snapshots_kept: must be at least 1"),
        ("cold:\n  compression: zstd(99)\n", "cold.compression: unknown compression"),
        ("cold:\n  url: https://b\n", "cold.url: s3: the address"),
        ("cold:\n  region: x\n", "cold.region: has an effect only with cold.url"),
        ("cold:\n  url: s3://b\n  part_size: 1MiB\n", "cold.part_size: must be at least 5MiB"),
        ("cold:\n  url: s3://b\n  endpoint: localhost\n", "cold.endpoint: "),
        ("cold:\n  url: s3://b\n  timeout: never\n", "cold.timeout: cannot be never"),
        ("cold:\n  url: s3://b\n  retry_timeout: 1 h\n", "cold.retry_timeout: must be below 5 min"),
        ("cold:\n  url: s3://b\n  access_key_id: a\n", "cold.secret_access_key: is missing"),
        ("cold:\n  url: s3://b\n  secret_access_key: s3cret\n", "cold.access_key_id: is missing"),
        ("cold:\n  url: s3://b\n  session_token: s3cret\n", "cold.session_token: belongs to"),
        ("cold:\n  url: s3://a:s3cret@b\n", "no user, password or port"),
        ("cold:\n  url: s3://b\n  credentials: mine\n", "cold.credentials: unknown credentials"),
        ("cold:\n  url: s3://b\n  credentials: machine\n  profile: p\n", "machine uses neither"),
        ("cold:\n  url: s3://b\n  encryption: rot13\n", "cold.encryption: unknown encryption"),
        ("cold:\n  url: s3://b\n  kms_key_id: k\n", "cold.kms_key_id: has an effect only"),
        ("cold:\n  url: s3://b\n  disk_cache_size: 1GiB\n", "cold.disk_cache_size: has an effect only"),
        ("hot_to_warm_age: 9 days\nwarm_to_cold_age: 1 day\n", "must not be less than hot_to_warm_age"),
        ("maintenance_interval: never\n", "maintenance_interval: cannot be never"),
        ("threads: 0\n", "threads: must be at least 1"),
        ("hot:\n  memory_limit: 10\n", "hot.memory_limit: must be at least 1MiB"),
    ] {
        let error = error_of(text);
        assert!(error.contains(words) && error.starts_with("storage.yaml"), "{text}: {error}");
        assert!(!error.contains("s3cret"), "{error}");
    }
}

#[test]
fn iceberg_settings_reach_the_engine() {
    let text = "cold:\n  format: Iceberg\n  iceberg:\n    uri: https://c.example.com\n    warehouse: w\n    namespace: n\n    \
                credential: me:s3:cret\n    oauth2_uri: https://l.example.com/token\n    snapshots_kept: 5\n";
    let cold = parse(text).unwrap().engine.cold;
    assert_eq!((cold.format, cold.iceberg.snapshots_kept), (ColdFormat::Iceberg, 5));
    let rest = cold.iceberg.rest.clone().unwrap();
    assert_eq!((rest.uri.as_str(), rest.warehouse.as_deref()), ("https://c.example.com", Some("w")));
    assert_eq!(rest.namespace, "n");
    let expected = zxq_engine::RestAuth::ClientCredentials {
        client_id: "me".to_owned(),
        client_secret: "s3:cret".to_owned(),
        token_uri: Some("https://l.example.com/token".to_owned()),
        scope: "catalog".to_owned(),
    };
    assert_eq!(rest.auth, expected);
    assert!(!format!("{cold:?}").contains("s3:cret"), "{cold:?}");
    let usual = parse("").unwrap().engine.cold;
    assert!(usual.format == ColdFormat::Delta && usual.iceberg.rest.is_none());
}

#[test]
fn sizes() {
    for (text, expected) in [("1024", 1024), ("4 GiB", 4 << 30), ("1.5MiB", 1_572_864), ("2GB", 2_000_000_000)] {
        assert_eq!(units::bytes(text), Ok(expected), "{text}");
    }
    for text in ["", "GiB", "4 parsecs", "-1", "1e400"] {
        assert!(units::bytes(text).is_err(), "{text}");
    }
}

#![allow(clippy::unwrap_used)]

use super::*;

fn parse(url: &str) -> Result<PostgresAddress, AddressError> {
    PostgresAddress::parse_with(url, "zxq", &|_| None)
}

#[test]
fn urls_are_read_and_shown_without_the_password() {
    let address = parse("postgres://ann:s3cret@db.example:5433/market?sslmode=require&connect_timeout=3").unwrap();
    assert_eq!(address.ssl_mode(), SslMode::Require);
    assert_eq!(address.config().get_password(), Some(b"s3cret".as_slice()));
    assert_eq!(address.server(), "postgres://ann@db.example:5433/market");
    assert_eq!(address.connect_timeout(), Duration::from_secs(3));
    assert!(!format!("{address:?}").contains("s3cret"));
    let plain = parse("postgres://ann@db.example/market").unwrap();
    assert_eq!((plain.connect_timeout(), plain.ssl_mode()), (Duration::from_secs(10), SslMode::Prefer));
    assert_eq!(plain.config().get_application_name(), Some("zxq"));
}

#[test]
fn tls_without_a_check_becomes_one_with_a_root_certificate() {
    let mode = |query: &str| parse(&format!("postgres://u@h/d?{query}")).unwrap().ssl_mode();
    assert_eq!(mode("sslmode=require"), SslMode::Require);
    assert_eq!(mode("sslmode=require&sslrootcert=/x"), SslMode::VerifyCa);
    assert_eq!(mode("sslrootcert=/x&sslmode=verify-full"), SslMode::VerifyFull);
    assert_eq!(mode("sslmode=allow"), SslMode::Allow);
}

#[test]
fn urls_that_cannot_be_used_say_why_and_keep_secrets() {
    for (url, reason) in [
        ("http://a:s3cret@b/c", "begin with postgres://"),
        ("postgres://a:s3cret@h", "names no database"),
        ("postgres://h/d", "names no user"),
        ("postgres://a:s3cret@/d", "names no host"),
        ("postgres://a:s3cret@h/d?sslmode=verify", "sslmode \"verify\""),
        ("postgres://a:s3cret@h/d?sslrootcert=/x", "only with sslmode=verify-full"),
        ("postgres://a:s3cret@h/d?sslrootcert=/x&sslmode=allow", "only with sslmode=verify-full"),
        ("postgres://a:s3cret@h/d?colour=red", "colour"),
        ("postgres://a:s3@cret@h/d", "write %40"),
        ("postgres://a:s3cret@h:port/d", "port"),
    ] {
        let text = parse(url).unwrap_err().to_string();
        assert!(text.contains(reason), "{url}: {text}");
        assert!(!text.contains("cret"), "{text}");
    }
}

#[test]
fn passwords_come_from_the_url_then_the_environment_then_a_file() {
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("pass");
    std::fs::write(&file, "# comment\nother:*:*:*:no\nh:5432:d:u:a\\:b\\\\c\n*:*:*:u:rest\n").unwrap();
    private(&file);
    let path = file.display().to_string();
    let env = |name: &str| match name {
        "PGPASSFILE" => Some(path.clone()),
        _ => None,
    };
    let password =
        |address: PostgresAddress| address.config().get_password().map(|p| String::from_utf8_lossy(p).into_owned());
    let with_file = |url: &str| PostgresAddress::parse_with(url, "zxq", &env).map(password).unwrap();
    assert_eq!(with_file("postgres://u@h/d").as_deref(), Some("a:b\\c"));
    assert_eq!(with_file("postgres://u@h2/d").as_deref(), Some("rest"));
    assert_eq!(with_file("postgres://v@h2/d"), None);
    assert_eq!(with_file("postgres://u:url@h/d").as_deref(), Some("url"));
    let variable = |name: &str| (name == "PGPASSWORD").then(|| "env".to_owned());
    let address = PostgresAddress::parse_with(&format!("postgres://u@h/d?passfile={path}"), "zxq", &variable).unwrap();
    assert_eq!(password(address).as_deref(), Some("env"));
    assert!(parse("postgres://u@h/d?passfile=/nowhere/at/all").unwrap_err().to_string().contains("/nowhere/at/all"));
}

#[cfg(unix)]
fn private(file: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600)).unwrap();
}

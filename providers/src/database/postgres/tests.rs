//! URLs, password files and names: what can be tested without a server. The rest is in the conformance suite.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use zxq_catalog::JobId;

use super::hypertable::SegmentForm;
use super::names;
use super::options::{PostgresOptions, SslMode};

fn parse(url: &str) -> crate::Result<PostgresOptions> {
    PostgresOptions::parse_with(url, &|_| None)
}

#[test]
fn urls_are_read_and_shown_without_the_password() {
    let options = parse("postgres://ann:s3cret@db.example:5433/market?sslmode=require&connect_timeout=3").unwrap();
    assert_eq!(options.ssl_mode, SslMode::Require);
    assert_eq!(options.config.get_password(), Some(b"s3cret".as_slice()));
    assert_eq!(options.server(), "postgres://ann@db.example:5433/market");
    assert!(!format!("{options:?}").contains("s3cret"));
}

#[test]
fn tls_without_a_check_becomes_one_with_a_root_certificate() {
    let mode = |query: &str| parse(&format!("postgres://u@h/d?{query}")).unwrap().ssl_mode;
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
        |options: PostgresOptions| options.config.get_password().map(|p| String::from_utf8_lossy(p).into_owned());
    let with_file = |url: &str| PostgresOptions::parse_with(url, &env).map(password).unwrap();
    assert_eq!(with_file("postgres://u@h/d").as_deref(), Some("a:b\\c"));
    assert_eq!(with_file("postgres://u@h2/d").as_deref(), Some("rest"));
    assert_eq!(with_file("postgres://v@h2/d"), None);
    assert_eq!(with_file("postgres://u:url@h/d").as_deref(), Some("url"));
    let variable = |name: &str| (name == "PGPASSWORD").then(|| "env".to_owned());
    let options = PostgresOptions::parse_with(&format!("postgres://u@h/d?passfile={path}"), &variable).unwrap();
    assert_eq!(password(options).as_deref(), Some("env"));
    assert!(parse("postgres://u@h/d?passfile=/nowhere/at/all").unwrap_err().to_string().contains("/nowhere/at/all"));
}

#[cfg(unix)]
fn private(file: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn names_fit_and_stay_apart() {
    let long = format!("{}_17", "x".repeat(80));
    assert_eq!(names::parent(&long).len(), 63);
    assert!(names::parent(&long).ends_with("_17"));
    let job = JobId::new();
    let name = names::segment_table("t_7", 42, &job, SegmentForm::Plain);
    assert_eq!(name, format!("t7_s42_{job}"));
    assert!(
        names::segment_table("t_99999999", 9_999_999_999_999, &JobId("x-source".repeat(9)), SegmentForm::Chunked).len()
            <= names::LONGEST
    );
    assert!(names::parts(&names::location("zxq_segments", &name)).is_ok());
    assert!(names::parts("zxq_segments.a;b").is_err());
}

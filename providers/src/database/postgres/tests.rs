//! Names and options: what can be tested without a server. The rest is in the conformance suite.
#![allow(clippy::unwrap_used)]

use zxq_catalog::JobId;

use super::hypertable::SegmentForm;
use super::names;
use super::options::PostgresOptions;

#[test]
fn what_is_wrong_with_a_url_is_said_without_its_password() {
    let error = PostgresOptions::parse("postgres://a:s3cret@h/d?sslmode=verify").unwrap_err().to_string();
    assert!(error.contains("the database's URL cannot be used") && error.contains("sslmode \"verify\""), "{error}");
    assert!(!error.contains("s3cret"), "{error}");
    let options = PostgresOptions::parse("postgres://ann:s3cret@db.example:5433/market").unwrap();
    assert_eq!(options.server(), "postgres://ann@db.example:5433/market");
    assert!(!format!("{options:?}").contains("s3cret"));
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

//! Addresses, credentials and settings; nothing is connected to.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::credentials::resolve;
use super::*;

fn env<'a>(pairs: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<String> + Sync + 'a {
    move |name| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
}

#[test]
fn addresses_are_read_strictly() {
    let options = S3Options::parse("s3://market-data/zxq/cold").unwrap();
    assert_eq!((options.bucket.as_str(), options.url().as_str()), ("market-data", "s3://market-data/zxq/cold/"));
    assert_eq!(S3Options::parse("s3://b").unwrap().url().as_str(), "s3://b/");
    for (url, words) in [
        ("http://b/x", "must begin with s3://"),
        ("s3:///x", "names no bucket"),
        ("s3://AKIA:s3cret@b/x", "no user, password or port"),
        ("s3://b/x?region=y", "settings of their own"),
        ("s3://b/a b", "may hold letters"),
        ("s3://b/x//y", "may hold letters"),
        ("b/x", "cannot be used"),
    ] {
        let error = S3Options::parse(url).unwrap_err().to_string();
        assert!(error.contains(words), "{url}: {error}");
        assert!(!error.contains("s3cret"), "{error}");
    }
}

#[test]
fn credentials_are_looked_for_in_order() {
    let auto = S3Credentials::Automatic;
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().to_str().unwrap();
    let all = [
        ("AWS_ACCESS_KEY_ID", "id"),
        ("AWS_SECRET_ACCESS_KEY", "s3cret"),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", "/token"),
        ("AWS_ROLE_ARN", "arn"),
        ("AWS_PROFILE", "research"),
        ("HOME", home),
    ];
    let keys = resolve(&auto, &env(&all)).unwrap();
    assert!(matches!(&keys, S3Credentials::Keys { access_key_id, .. } if access_key_id == "id"));
    assert!(!format!("{keys:?}").contains("s3cret"));
    assert_eq!(resolve(&auto, &env(&all[2..])).unwrap(), S3Credentials::WebIdentity);
    assert_eq!(resolve(&auto, &env(&all[4..])).unwrap(), S3Credentials::Profile("research".to_owned()));
    assert_eq!(resolve(&auto, &env(&all[5..])).unwrap(), S3Credentials::Machine, "nothing is given");
    std::fs::create_dir(folder.path().join(".aws")).unwrap();
    std::fs::write(folder.path().join(".aws/config"), "[profile default-not]\n[ default ]\nregion = x\n").unwrap();
    assert_eq!(resolve(&auto, &env(&all[5..])).unwrap(), S3Credentials::Profile("default".to_owned()));
    let error = resolve(&auto, &env(&all[..1])).unwrap_err().to_string();
    assert!(error.contains("AWS_SECRET_ACCESS_KEY is not"), "{error}");
    let error = resolve(&auto, &env(&[("AWS_WEB_IDENTITY_TOKEN_FILE", "/token")])).unwrap_err().to_string();
    assert!(error.contains("AWS_ROLE_ARN is not"), "{error}");
    // What is asked for is what is used, whatever the environment says.
    assert_eq!(resolve(&S3Credentials::Machine, &env(&all)).unwrap(), S3Credentials::Machine);
}

#[test]
fn settings_that_cannot_be_are_named() {
    let check = |adjust: &dyn Fn(&mut S3Options)| {
        let mut options = S3Options::parse("s3://b").unwrap();
        adjust(&mut options);
        options.check().map_err(|(key, _)| key)
    };
    assert_eq!(check(&|_| {}), Ok(()));
    assert_eq!(check(&|o| o.part_size = 1024), Err("part_size"));
    assert_eq!(check(&|o| o.timeout = std::time::Duration::ZERO), Err("timeout"));
    assert_eq!(check(&|o| o.endpoint = Some("ftp://x".parse().unwrap())), Err("endpoint"));
    assert_eq!(check(&|o| o.endpoint = Some("http://u:p@x".parse().unwrap())), Err("endpoint"));
    assert_eq!(check(&|o| o.retry.give_up_after = std::time::Duration::from_secs(900)), Err("retry_timeout"));
}

#[tokio::test]
async fn a_web_identity_needs_its_variables() {
    let mut options = S3Options::parse("s3://b").unwrap();
    options.credentials = S3Credentials::WebIdentity;
    let error = super::connect::connect_with(&options, &env(&[("AWS_ROLE_ARN", "arn")])).await.unwrap_err();
    assert!(error.to_string().contains("AWS_WEB_IDENTITY_TOKEN_FILE is not set"), "{error}");
}

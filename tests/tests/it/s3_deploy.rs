//! `deploy/s3/`: the policies name what zxq does and nothing else, no rule makes a file unreadable, and a server that knows
//! bucket configuration takes all of it.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::Value;
use zxq_test_support::moto_server::MotoServer;
use zxq_test_support::s3_server::{Break, RequestKind, S3Server};
use zxq_tests::test_server::TestEngine;

fn folder() -> PathBuf {
    zxq_test_support::project().join("deploy/s3")
}

fn json(name: &str) -> Value {
    let text = std::fs::read_to_string(folder().join(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{name}: {e}"))
}

fn list(value: &Value) -> Vec<String> {
    match value {
        Value::Array(values) => values.iter().map(|v| v.as_str().unwrap().to_owned()).collect(),
        one => vec![one.as_str().unwrap().to_owned()],
    }
}

/// Actions of S3 that a policy allows.
fn allowed(policy: &Value) -> BTreeSet<String> {
    let mut actions = BTreeSet::new();
    for statement in policy["Statement"].as_array().unwrap() {
        assert_eq!(statement["Effect"], "Allow");
        for action in list(&statement["Action"]).into_iter().filter(|action| action.starts_with("s3:")) {
            assert!(!action.contains('*'), "{action} allows more than it names");
            let on_objects = action != "s3:ListBucket";
            for resource in list(&statement["Resource"]) {
                assert_eq!(resource.ends_with("/zxq/*"), on_objects, "{action} on {resource}");
            }
            actions.insert(action);
        }
    }
    actions
}

/// The permission that a request needs.
fn permission(kind: RequestKind) -> &'static str {
    match kind {
        RequestKind::Get | RequestKind::Head => "s3:GetObject",
        RequestKind::List => "s3:ListBucket",
        RequestKind::Put
        | RequestKind::PutNew
        | RequestKind::CreateUpload
        | RequestKind::UploadPart
        | RequestKind::CompleteUpload => "s3:PutObject",
        RequestKind::AbortUpload => "s3:AbortMultipartUpload",
        RequestKind::Delete => "s3:DeleteObject",
        RequestKind::Other => panic!("a request that no permission is known for"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_policies_allow_what_is_done_and_nothing_else() {
    let server = S3Server::start();
    let test = TestEngine::open(|config| {
        let mut options = server.options("zxq");
        options.part_size = 5 << 20;
        config.cold.s3 = Some(options);
        config.cold.compression = "uncompressed".to_owned();
    })
    .await;
    let engine = &test.engine;
    let create = "CREATE TABLE t (id BIGINT NOT NULL, name TEXT, day DATE NOT NULL) WITH (partition_by = 'day')";
    engine.sql(create).await.unwrap();
    let insert = "INSERT INTO t SELECT value, md5(value || 'a') || md5(value || 'b') || md5(value || 'c'), \
                  DATE '2024-01-02' FROM generate_series(1, 80000)";
    engine.sql(insert).await.unwrap();
    // Once in vain, in parts; then through all that happens to a table.
    server.break_next(100, RequestKind::UploadPart, "", Break::SlowDown);
    engine.sql("CALL zxq.migrate('t', 'cold')").await.expect_err("no part can be written");
    server.heal();
    engine.sql("CALL zxq.migrate('t', 'cold')").await.unwrap();
    engine.sql("SELECT count(DISTINCT name) FROM t").await.unwrap();
    engine.sql("ALTER TABLE t ADD COLUMN more BIGINT").await.unwrap();
    zxq_tests::placement::verify(engine).await;
    engine.sql("CALL zxq.migrate('t', 'warm')").await.unwrap();
    engine.sql("DROP TABLE t").await.unwrap();
    test.close().await;
    let done: BTreeSet<String> = server.take_seen().iter().map(|s| permission(s.kind).to_owned()).collect();
    assert_eq!(allowed(&json("policy.json")), done, "policy.json allows one thing and the engine does another");
    let reading: BTreeSet<String> = ["s3:GetObject", "s3:ListBucket"].map(str::to_owned).into();
    assert_eq!(allowed(&json("reader-policy.json")), reading);
}

#[test]
fn no_rule_makes_a_file_unreadable() {
    let lifecycle = json("lifecycle.json");
    let rules = lifecycle["Rules"].as_array().unwrap();
    assert!(!rules.is_empty());
    let mut classes = Vec::new();
    for rule in rules {
        assert_eq!(rule["Status"], "Enabled");
        assert_eq!(rule["Filter"]["Prefix"], "zxq/", "a rule for zxq's files only");
        for transition in rule["Transitions"].as_array().into_iter().flatten() {
            let (days, class) = (transition["Days"].as_u64().unwrap(), transition["StorageClass"].as_str().unwrap());
            // Others (GLACIER, DEEP_ARCHIVE) have to be restored before they can be read.
            assert!(["STANDARD_IA", "GLACIER_IR"].contains(&class), "{class} cannot be read at once");
            assert!(days >= 30, "S3 moves nothing to {class} before 30 days");
            classes.push((days, class.to_owned()));
        }
        // Only what is not current any more may expire: zxq itself says which files go, and the log names the others.
        assert!(rule["Expiration"].get("Days").is_none() && rule["Expiration"].get("Date").is_none(), "{rule}");
    }
    assert_eq!(classes, [(30, "STANDARD_IA".to_owned()), (90, "GLACIER_IR".to_owned())]);
    assert!(rules.iter().any(|r| r["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"].as_u64() >= Some(1)));
    let kept = json("object-lock.json")["Rule"]["DefaultRetention"]["Days"].as_u64().unwrap();
    let old = rules.iter().find_map(|r| r["NoncurrentVersionExpiration"]["NoncurrentDays"].as_u64()).unwrap();
    assert!(old >= kept, "versions expire after {old} days, the lock lasts {kept}");
    assert_eq!(json("versioning.json")["Status"], "Enabled", "locks and replication need versions");
    let replication = json("replication.json");
    let rule = &replication["Rules"][0];
    assert_eq!((&rule["Filter"]["Prefix"], &rule["Status"]), (&"zxq/".into(), &"Enabled".into()));
    assert_eq!(rule["DeleteMarkerReplication"]["Status"], "Enabled", "else the replica keeps collected files for ever");
}

#[test]
fn a_server_takes_the_configuration_as_it_is_written() {
    let Some(server) = MotoServer::start() else { return };
    let script = folder().join("apply.py");
    let said = server.run(&script, &[]);
    assert!(said.contains("are as written"), "{said}");
    // A second time, as after a change.
    server.run(&script, &[]);
}

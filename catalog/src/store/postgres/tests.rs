//! What only the PostgreSQL catalog has: a lease, readers, a server that goes away.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::time::Duration;

use super::writer::{Claim, Claimed};
use super::{PostgresCatalog, PostgresCatalogOptions};
use crate::fixtures::{partition, segment, table};
use zxq_test_support::postgres_server;

use crate::store::tests::{claim, fresh_schema, open_writer, options, raw_in_schema};
use crate::store::{CatalogStore, Commit};
use crate::{CatalogError, Change, Tier};

const SHORT: Duration = Duration::from_millis(300);

fn create(base: u64, id: u64, name: &str) -> Commit {
    let changes = vec![Change::CreateTable(Box::new(table(id, name)))];
    Commit { base_epoch: base, epoch: base + 1, changes, ..Commit::default() }
}

async fn open(schema: &str) -> PostgresCatalog {
    PostgresCatalog::open(options(schema), true).await.unwrap()
}

#[tokio::test]
async fn one_process_writes_at_a_time() {
    if postgres_server::shared().is_none() {
        return;
    }
    let schema = fresh_schema();
    let first = open_writer(&schema).await;
    first.commit(&create(0, 1, "trades")).await.unwrap();
    first.renew(Duration::from_secs(60), Some("127.0.0.1:5454"), &BTreeMap::from([(1, 7)])).await.unwrap();
    let second = open(&schema).await;
    match second.claim(&claim("b")).await.unwrap() {
        Claimed::Held(writer) => {
            assert!(writer.alive && !writer.settled && writer.place == "/data/a", "{writer:?}");
            assert!(writer.name().contains("serving on 127.0.0.1:5454"), "{}", writer.name());
            assert_eq!(writer.hot, BTreeMap::from([(1, 7)]));
        }
        other => panic!("{other:?}"),
    }
    let refused = second.commit(&create(1, 2, "quotes")).await.unwrap_err();
    assert!(
        matches!(&refused, CatalogError::NotWriter { held: 0, holder, .. } if holder.contains("5454")),
        "{refused}"
    );
    assert!(matches!(second.reserve_segment_ids(1).await, Err(CatalogError::NotWriter { .. })));
    assert!(matches!(second.lease(1, &partition("FX")).await, Err(CatalogError::NotWriter { .. })));
    assert!(matches!(second.forget_retired(&[1]).await, Err(CatalogError::NotWriter { .. })));
    assert!(matches!(second.forget_dropped(&[1]).await, Err(CatalogError::NotWriter { .. })));
    // Reading needs no lease.
    assert_eq!(second.load().await.unwrap(), first.load().await.unwrap());
    assert_eq!(second.state().await.unwrap().epoch, 1);
}

#[tokio::test]
async fn a_commit_tells_which_rows_only_the_writer_has() {
    if postgres_server::shared().is_none() {
        return;
    }
    let writer = open_writer(&fresh_schema()).await;
    writer.commit(&create(0, 1, "trades")).await.unwrap();
    writer.renew(Duration::from_secs(60), None, &BTreeMap::from([(1, 7), (2, 9)])).await.unwrap();
    // With the commit that moves rows they are gone from memory for everybody.
    let moved = Commit { base_epoch: 1, epoch: 2, hot: Some(BTreeMap::from([(2, 9)])), ..Commit::default() };
    writer.commit(&moved).await.unwrap();
    let state = writer.state().await.unwrap();
    assert_eq!((state.epoch, state.writer.hot), (2, BTreeMap::from([(2, 9)])));
    let stale = Commit { hot: Some(BTreeMap::new()), ..moved };
    writer.commit(&stale).await.unwrap_err();
    assert_eq!(writer.state().await.unwrap().writer.hot, BTreeMap::from([(2, 9)]));
}

#[tokio::test]
async fn a_stalled_writer_is_fenced_off() {
    if postgres_server::shared().is_none() {
        return;
    }
    let schema = fresh_schema();
    let stalled = open(&schema).await;
    stalled.claim(&Claim { lease: SHORT, ..claim("a") }).await.unwrap();
    stalled.commit(&create(0, 1, "trades")).await.unwrap();
    tokio::time::sleep(SHORT * 2).await;
    // Nobody took the lease, so the writer may go on.
    stalled.renew(SHORT, None, &BTreeMap::new()).await.unwrap();
    tokio::time::sleep(SHORT * 2).await;
    let next = open(&schema).await;
    let decided = Claim { take_over: true, ..claim("b") };
    assert!(matches!(next.claim(&decided).await.unwrap(), Claimed::Taken(former) if former.directory == "a"));
    next.commit(&create(1, 2, "quotes")).await.unwrap();
    let refused = stalled.commit(&create(1, 3, "lost")).await.unwrap_err();
    assert!(matches!(refused, CatalogError::NotWriter { held: 1, current: 2, .. }), "{refused}");
    let refused = stalled.renew(SHORT, None, &BTreeMap::new()).await.unwrap_err();
    assert!(matches!(refused, CatalogError::NotWriter { held: 1, current: 2, .. }), "{refused}");
    stalled.release(true).await.unwrap();
    assert!(next.state().await.unwrap().writer.alive, "a former writer gave back what it does not hold");
    assert!(next.load().await.unwrap().table("lost").is_none());
}

#[tokio::test]
async fn rows_in_hot_of_another_directory_are_not_left_behind_unsaid() {
    if postgres_server::shared().is_none() {
        return;
    }
    let schema = fresh_schema();
    let first = open(&schema).await;
    first.claim(&claim("a")).await.unwrap();
    first.release(false).await.unwrap();
    let other = open(&schema).await;
    assert!(matches!(other.claim(&claim("b")).await.unwrap(), Claimed::HotElsewhere(w) if w.place == "/data/a"));
    // The directory that has them goes on, also at once after a crash on its host.
    let again = open(&schema).await;
    assert!(matches!(again.claim(&claim("a")).await.unwrap(), Claimed::Taken(_)));
    let crashed = open(&schema).await;
    assert!(matches!(crashed.claim(&claim("a")).await.unwrap(), Claimed::Taken(_)));
    let elsewhere = Claim { host: "there".to_owned(), ..claim("a") };
    assert!(matches!(open(&schema).await.claim(&elsewhere).await.unwrap(), Claimed::Held(_)));
    crashed.release(true).await.unwrap();
    assert!(matches!(other.claim(&claim("b")).await.unwrap(), Claimed::Taken(former) if former.settled));
}

#[tokio::test]
async fn readers_hold_epochs_until_they_move_on_or_run_out() {
    if postgres_server::shared().is_none() {
        return;
    }
    let schema = fresh_schema();
    let writer = open_writer(&schema).await;
    assert_eq!(writer.oldest_reader().await.unwrap(), None);
    let (slow, quick) = (open(&schema).await, open(&schema).await);
    slow.register_reader("here", Duration::from_secs(60)).await.unwrap();
    assert_eq!(writer.oldest_reader().await.unwrap(), Some(0));
    assert!(slow.renew_reader(5, SHORT).await.unwrap());
    quick.register_reader("here", Duration::from_secs(60)).await.unwrap();
    assert!(quick.renew_reader(9, Duration::from_secs(60)).await.unwrap());
    assert_eq!(writer.oldest_reader().await.unwrap(), Some(5));
    tokio::time::sleep(SHORT * 2).await;
    assert_eq!(writer.oldest_reader().await.unwrap(), Some(9));
    assert!(!slow.renew_reader(5, SHORT).await.unwrap(), "it may not go on reading what was perhaps dropped");
    slow.register_reader("here", Duration::from_secs(60)).await.unwrap();
    assert_eq!(writer.oldest_reader().await.unwrap(), Some(0));
    slow.unregister_reader().await.unwrap();
    quick.unregister_reader().await.unwrap();
    assert_eq!(writer.oldest_reader().await.unwrap(), None);
}

#[tokio::test]
async fn a_server_that_restarts_is_found_again_and_commits_are_not_doubled() {
    let Some(server) = postgres_server::PostgresServer::start_another() else { return };
    let options = PostgresCatalogOptions::parse(&server.superuser_url()).unwrap();
    let catalog = PostgresCatalog::open(options.clone(), true).await.unwrap();
    catalog.claim(&claim("a")).await.unwrap();
    catalog.commit(&create(0, 1, "trades")).await.unwrap();
    server.crash();
    let error = catalog.commit(&create(1, 2, "quotes")).await.unwrap_err();
    assert!(matches!(error, CatalogError::Unreachable { .. }), "{error}");
    let error = catalog.state().await.unwrap_err();
    assert!(matches!(error, CatalogError::Unreachable { .. }), "{error}");
    server.start_again();
    // Connecting waits for the server.
    let mut tries = 0;
    while let Err(error) = catalog.commit(&create(1, 2, "quotes")).await {
        assert!(matches!(error, CatalogError::Unreachable { .. }) && tries < 10, "{error}");
        tries += 1;
    }
    let snapshot = catalog.load().await.unwrap();
    assert_eq!((snapshot.epoch, snapshot.tables.len()), (2, 2));
    catalog.renew(Duration::from_secs(60), None, &BTreeMap::new()).await.unwrap();
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_found_out() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let Some(server) = postgres_server::shared() else { return };
    // A proxy that, once told to, passes the next COMMIT on and breaks the connection instead of the answer; or breaks it
    // before the COMMIT.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mode = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0));
    let (for_proxy, server_port) = (std::sync::Arc::clone(&mode), server.port());
    tokio::spawn(async move {
        loop {
            let (mut client, _) = listener.accept().await.unwrap();
            let mode = std::sync::Arc::clone(&for_proxy);
            tokio::spawn(async move {
                let mut upstream = tokio::net::TcpStream::connect(("127.0.0.1", server_port)).await.unwrap();
                let (mut from_client, mut from_server) = (vec![0; 65536], vec![0; 65536]);
                loop {
                    tokio::select! {
                        read = client.read(&mut from_client) => {
                            let Ok(n @ 1..) = read else { return };
                            let commits = from_client[..n].windows(6).any(|w| w == b"COMMIT");
                            let how = if commits { mode.swap(0, std::sync::atomic::Ordering::SeqCst) } else { 0 };
                            if how == 2 {
                                return;
                            }
                            upstream.write_all(&from_client[..n]).await.unwrap();
                            if how == 1 {
                                let _ = upstream.read(&mut from_server).await;
                                return;
                            }
                        }
                        read = upstream.read(&mut from_server) => {
                            let Ok(n @ 1..) = read else { return };
                            if client.write_all(&from_server[..n]).await.is_err() {
                                return;
                            }
                        }
                    }
                }
            });
        }
    });
    let url = server.superuser_url().replace(&format!(":{}/", server.port()), &format!(":{port}/"));
    let options = PostgresCatalogOptions::parse(&format!("{url}?sslmode=disable")).unwrap();
    let catalog = PostgresCatalog::open(options.with_schema(&fresh_schema()).unwrap(), true).await.unwrap();
    catalog.claim(&claim("a")).await.unwrap();
    catalog.commit(&create(0, 1, "first")).await.unwrap();

    mode.store(1, std::sync::atomic::Ordering::SeqCst);
    catalog.commit(&create(1, 2, "answer_lost")).await.unwrap();
    assert_eq!(mode.load(std::sync::atomic::Ordering::SeqCst), 0, "the proxy saw no COMMIT");

    mode.store(2, std::sync::atomic::Ordering::SeqCst);
    let error = catalog.commit(&create(2, 3, "never_sent")).await.unwrap_err();
    assert!(matches!(error, CatalogError::Unreachable { .. }), "{error}");
    let names: Vec<String> = catalog.load().await.unwrap().tables.values().map(|t| t.def.name.clone()).collect();
    assert_eq!(names, ["first", "answer_lost"]);
    catalog.commit(&create(2, 3, "again")).await.unwrap();
}

#[tokio::test]
async fn opening_says_what_is_wrong_and_never_the_password() {
    let Some(server) = postgres_server::shared() else { return };
    let role = "catalog_limited";
    let sql = format!(
        "DROP ROLE IF EXISTS {role}; CREATE ROLE {role} LOGIN PASSWORD 'hunter2 x'; \
         DROP ROLE IF EXISTS {role}_ro; CREATE ROLE {role}_ro LOGIN PASSWORD 'hunter2 x'; \
         ALTER ROLE {role}_ro SET default_transaction_read_only = on"
    );
    raw_in_schema("public", &sql).await;
    let secret = "hunter2 x";
    let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let cases = [
        (server.url("postgres", "hunter2 x!", "postgres"), "password authentication failed"),
        (server.url("postgres", postgres_server::PASSWORD, "nowhere"), "\"nowhere\" does not exist"),
        (server.url(role, secret, "postgres"), "permission denied"),
        (server.url(&format!("{role}_ro"), secret, "postgres"), "is read-only"),
        (format!("postgres://u:hunter2%20x@127.0.0.1:{unused}/db"), "onnection refused"),
        ("postgres://u:hunter2%20x@no-such-host.invalid/db".to_owned(), "no-such-host.invalid"),
    ];
    for (url, words) in cases {
        let options = PostgresCatalogOptions::parse(&url).unwrap().with_schema(&fresh_schema()).unwrap();
        let error = PostgresCatalog::open(options.clone(), true).await.unwrap_err();
        let text = format!("{error} {error:?} {options:?}");
        assert!(text.contains(words), "{url}: {text}");
        assert!(!text.contains("hunter2"), "{text}");
        assert!(matches!(error, CatalogError::Refused { .. } | CatalogError::Unreachable { .. }), "{error:?}");
    }
    for (url, words) in [
        ("http://u:hunter2@h/db", "begin with postgres://"),
        ("postgres://u:hunter2@/db", "host"),
        ("postgres://u:hunter2@h", "no database"),
        ("postgres://u:hunt@er2@h/db", "%40"),
        ("postgres://u:hunter2@h/db?sslmode=maybe", "maybe"),
        ("postgres://u@h/db?passfile=/nowhere/at/all", "/nowhere/at/all"),
        ("postgres://u:hunter2@h/db?passfle=x", "passfle"),
        ("postgres://u:hunter2@h:port/db", "port"),
    ] {
        let error = PostgresCatalogOptions::parse(url).unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(text.contains(words) && !text.contains("hunter2") && !text.contains("hunt@"), "{url}: {text}");
    }
}

#[tokio::test]
async fn a_password_comes_from_the_file_that_the_url_names() {
    use std::os::unix::fs::PermissionsExt;
    let Some(server) = postgres_server::shared() else { return };
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("pass word");
    std::fs::write(&file, format!("127.0.0.1:*:postgres:postgres:{}\n", postgres_server::PASSWORD)).unwrap();
    let place = format!("127.0.0.1:{}/postgres", server.port());
    let query = format!("?sslmode=prefer&passfile={}", file.display().to_string().replace(' ', "%20"));
    let url = format!("postgres://postgres@{place}{query}");
    let error = PostgresCatalogOptions::parse(&url).unwrap_err().to_string();
    assert!(error.contains("chmod 600"), "{error}");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let options = PostgresCatalogOptions::parse(&url).unwrap().with_schema(&fresh_schema()).unwrap();
    PostgresCatalog::open(options, true).await.unwrap();
    // The URL's own password wins.
    let wrong = PostgresCatalogOptions::parse(&format!("postgres://postgres:wrong@{place}{query}")).unwrap();
    let error = PostgresCatalog::open(wrong, true).await.unwrap_err().to_string();
    assert!(error.contains("password authentication failed"), "{error}");
}

#[tokio::test]
async fn a_foreign_change_is_told_and_not_overwritten() {
    if postgres_server::shared().is_none() {
        return;
    }
    let schema = fresh_schema();
    open_writer(&schema).await.commit(&create(0, 1, "trades")).await.unwrap();
    for (sql, words) in [
        ("ALTER TABLE segments RENAME COLUMN body TO text", "segments.body"),
        ("ALTER TABLE segments RENAME COLUMN text TO body; DROP TABLE readers", "readers.id"),
        ("CREATE TABLE readers (id bigint)", "readers.id"),
    ] {
        raw_in_schema(&schema, sql).await;
        let error = PostgresCatalog::open(options(&schema), true).await.unwrap_err();
        assert!(matches!(&error, CatalogError::Corrupt(text) if text.contains(words)), "{sql}: {error}");
    }
    let other = fresh_schema();
    raw_in_schema("public", &format!("CREATE SCHEMA {other}; CREATE TABLE {other}.prices (x int)")).await;
    let error = PostgresCatalog::open(options(&other), true).await.unwrap_err();
    assert!(matches!(&error, CatalogError::Refused { reason, .. } if reason.contains("other tables")), "{error}");
}

#[tokio::test]
async fn a_reader_makes_no_catalog_and_needs_few_rights() {
    let Some(server) = postgres_server::shared() else { return };
    let schema = fresh_schema();
    let error = PostgresCatalog::open(options(&schema), false).await.unwrap_err();
    assert!(matches!(&error, CatalogError::Refused { reason, .. } if reason.contains("start the writer")), "{error}");
    let writer = open_writer(&schema).await;
    writer.commit(&create(0, 1, "trades")).await.unwrap();
    let add = vec![Change::AddSegment(Box::new(segment(10, 1, Tier::Cold)))];
    writer.commit(&Commit { base_epoch: 1, epoch: 2, changes: add, ..Commit::default() }).await.unwrap();
    let sql = format!(
        "DROP ROLE IF EXISTS {schema}_reader; CREATE ROLE {schema}_reader LOGIN PASSWORD 'pw'; \
         GRANT USAGE ON SCHEMA {schema} TO {schema}_reader; \
         GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {schema}_reader"
    );
    raw_in_schema("public", &sql).await;
    let url = server.url(&format!("{schema}_reader"), "pw", "postgres");
    let reader_options = PostgresCatalogOptions::parse(&url).unwrap().with_schema(&schema).unwrap();
    let reader = PostgresCatalog::open(reader_options, false).await.unwrap();
    assert_eq!(reader.load().await.unwrap(), writer.load().await.unwrap());
    let error = reader.register_reader("here", Duration::from_secs(5)).await.unwrap_err();
    let grant = format!("ON {schema}.readers");
    assert!(matches!(&error, CatalogError::Refused { reason, .. } if reason.contains(&grant)), "{error}");
    let sql = format!("GRANT SELECT, INSERT, UPDATE, DELETE ON {schema}.readers TO {schema}_reader");
    raw_in_schema("public", &sql).await;
    reader.register_reader("here", Duration::from_secs(5)).await.unwrap();
    assert!(reader.renew_reader(2, Duration::from_secs(5)).await.unwrap());
    assert_eq!(reader.oldest_reader().await.unwrap(), Some(2));
    assert!(matches!(reader.claim(&claim("b")).await, Err(CatalogError::Refused { .. })));
}

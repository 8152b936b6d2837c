//! What roles may do, where one script on one connection cannot ask: statements prepared before a REVOKE, COPY, files, sessions
//! of roles that are dropped, and what is there after a restart. The other refusals are in `slt/roles.slt`.

use std::path::Path;
use std::pin::pin;
use std::sync::Arc;

use futures::{SinkExt, TryStreamExt};
use zxq_engine::{Engine, EngineError, ErrorKind, Outcome};
use zxq_tests::test_server::{TestEngine, TestServer, close, error_text, must, one_text, test_config};

async fn sql(engine: &Arc<Engine>, text: &str) {
    engine.sql(text).await.unwrap_or_else(|e| panic!("{text}: {e}"));
}

async fn as_role(engine: &Arc<Engine>, role: &str, text: &str) -> Result<Outcome, EngineError> {
    let mut session = engine.session();
    session.log_in(role);
    session.run(text).await
}

fn kind(outcome: &Result<Outcome, EngineError>) -> Option<ErrorKind> {
    outcome.as_ref().err().map(EngineError::kind)
}

const DENIED: Option<ErrorKind> = Some(ErrorKind::InsufficientPrivilege);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_that_was_prepared_before_a_revoke_is_refused_after_it() {
    let server = TestServer::start().await;
    let (owner, ada) = (server.connect().await, server.connect().await);
    must(&owner, "CREATE TABLE t (id INTEGER); INSERT INTO t VALUES (1); CREATE ROLE ada; CREATE ROLE desk").await;
    must(&owner, "GRANT SELECT, INSERT ON t TO desk; GRANT desk TO ada").await;
    must(&ada, "SET ROLE ada").await;
    let read = ada.prepare("SELECT id FROM t WHERE id = $1").await.unwrap();
    let write = ada.prepare("INSERT INTO t VALUES ($1)").await.unwrap();
    let explained = ada.prepare("EXPLAIN ANALYZE SELECT count(*) FROM t").await.unwrap();
    assert_eq!(ada.query(&read, &[&1i32]).await.unwrap().len(), 1);
    assert_eq!(ada.execute(&write, &[&2i32]).await.unwrap(), 1);
    must(&ada, "BEGIN; DECLARE c CURSOR FOR SELECT id FROM t").await;

    for taken in ["REVOKE SELECT, INSERT ON t FROM desk", "REVOKE desk FROM ada", "ALTER ROLE ada NOINHERIT"] {
        must(&owner, taken).await;
        if taken.starts_with("REVOKE SELECT") {
            // It was opened before.
            must(&ada, "FETCH ALL FROM c; COMMIT").await;
        }
        for (statement, value) in [(&read, Some(1i32)), (&write, Some(3)), (&explained, None)] {
            let outcome = match &value {
                Some(value) => ada.query(statement, &[value]).await,
                None => ada.query(statement, &[]).await,
            };
            assert_eq!(error_text(&outcome.unwrap_err()), "42501: permission denied for table t", "{taken}");
        }
        must(&owner, "GRANT SELECT, INSERT ON t TO desk; GRANT desk TO ada; ALTER ROLE ada INHERIT").await;
        assert_eq!(ada.query(&read, &[&1i32]).await.unwrap().len(), 1, "{taken}");
    }
    assert_eq!(owner.query("SELECT id FROM t", &[]).await.unwrap().len(), 2);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copy_needs_what_it_does() {
    let server = TestServer::start().await;
    let owner = server.connect().await;
    must(&owner, "CREATE TABLE t (id INTEGER); INSERT INTO t VALUES (1); CREATE ROLE ada").await;
    // A connection for each: after a refused COPY this client sends one Sync more than it waits for.
    let ada = async || {
        let client = server.connect().await;
        must(&client, "SET ROLE ada").await;
        client
    };
    let copy_in = async |text: &str| -> Result<u64, tokio_postgres::Error> {
        let client = ada().await;
        let sink = client.copy_in::<_, bytes::Bytes>(text).await?;
        let mut sink = pin!(sink);
        sink.send(bytes::Bytes::from_static(b"7\n")).await?;
        sink.finish().await
    };
    let copy_out = async |text: &str| -> Result<Vec<u8>, tokio_postgres::Error> {
        let pieces: Vec<bytes::Bytes> = ada().await.copy_out(text).await?.try_collect().await?;
        Ok(pieces.concat())
    };
    let refused = "42501: permission denied for table t";
    assert_eq!(error_text(&copy_in("COPY t FROM STDIN").await.unwrap_err()), refused);
    let made = copy_in("COPY made FROM STDIN WITH (create, format csv)").await.unwrap_err();
    assert_eq!(error_text(&made), "42501: permission denied for schema public");
    for out in ["COPY t TO STDOUT", "COPY (SELECT id FROM t) TO STDOUT"] {
        assert_eq!(error_text(&copy_out(out).await.unwrap_err()), refused, "{out}");
    }
    must(&owner, "GRANT INSERT ON t TO ada").await;
    assert_eq!(copy_in("COPY t FROM STDIN").await.unwrap(), 1);
    assert_eq!(error_text(&copy_out("COPY t TO STDOUT").await.unwrap_err()), refused);
    must(&owner, "GRANT SELECT ON t TO PUBLIC").await;
    assert_eq!(copy_out("COPY (SELECT id FROM t ORDER BY id) TO STDOUT").await.unwrap(), b"1\n7\n");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_of_the_server_are_for_those_who_may() {
    let server = TestServer::start().await;
    let engine = &server.engine;
    let file = server.dir().join("rows.csv");
    std::fs::write(&file, "id\n1\n").unwrap();
    sql(engine, "CREATE TABLE t (id INTEGER); CREATE ROLE ada; GRANT SELECT, INSERT ON t TO ada").await;
    let load = format!("CALL zxq.load('t', '{}')", file.display());
    let foreign = format!("CREATE EXTERNAL TABLE f STORED AS PARQUET LOCATION '{}'", server.dir().display());
    assert_eq!(kind(&as_role(engine, "ada", &load).await), DENIED);
    assert_eq!(kind(&as_role(engine, "ada", &foreign).await), DENIED);
    sql(engine, "GRANT zxq_files TO ada").await;
    as_role(engine, "ada", &load).await.unwrap();
    assert_eq!(kind(&as_role(engine, "ada", &foreign).await), DENIED, "it makes a table");
    sql(engine, "REVOKE INSERT ON t FROM ada").await;
    assert_eq!(kind(&as_role(engine, "ada", &load).await), DENIED);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_that_loads_make_belong_to_who_loads() {
    let engine = TestEngine::open(|_| {}).await;
    let file = |name: &str, text: &str| {
        let path = engine.dir().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let good = file("good.csv", "id\n1\n");
    let bad = file("bad.csv", "id\nx\n");
    let on = &engine.engine;
    sql(on, "CREATE ROLE ada; CREATE ROLE eve; GRANT CREATE ON SCHEMA public TO ada, eve; GRANT zxq_files TO ada, eve")
        .await;
    as_role(on, "ada", &format!("CALL zxq.load('t', '{good}', create => true)")).await.unwrap();
    let quarantine = format!("CALL zxq.load('t', '{bad}', on_error => 'quarantine')");
    // A table for the rejected rows that is somebody else's: she would read what she may not.
    as_role(on, "eve", "CREATE TABLE t_rejects (id INTEGER)").await.unwrap();
    assert_eq!(kind(&as_role(on, "ada", &quarantine).await), DENIED);
    as_role(on, "eve", "DROP TABLE t_rejects").await.unwrap();
    as_role(on, "ada", &quarantine).await.unwrap();
    let snapshot = on.snapshot();
    for table in ["t", "t_rejects"] {
        let owner = snapshot.table(table).unwrap().def.owner.unwrap();
        assert_eq!(on.roles().by_id(owner).unwrap().name, "ada", "{table}");
    }
    drop(snapshot);
    drop(engine.close().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn roles_and_grants_are_there_after_a_restart_and_ids_do_not_come_back() {
    let engine = TestEngine::open(|_| {}).await;
    let on = &engine.engine;
    sql(on, "CREATE TABLE t (id INTEGER); CREATE ROLE ada LOGIN PASSWORD 'pencil' CONNECTION LIMIT 3 VALID UNTIL '2030-01-01'").await;
    sql(on, "CREATE ROLE desk; GRANT desk TO ada; GRANT SELECT ON t TO desk; CREATE ROLE late").await;
    let before = on.roles();
    let mut session = on.session();
    session.log_in("late");
    let late = before.role("late").unwrap().id;
    sql(on, "DROP ROLE late; CREATE ROLE late").await;
    let said = session.run("SELECT 1").await.map(drop).unwrap_err();
    assert_eq!(said.kind(), ErrorKind::InsufficientPrivilege, "the same name is not the same role");
    assert_ne!(on.roles().role("late").unwrap().id, late);
    drop(session);
    let dir = engine.close().await;

    let again = reopen(dir.path()).await;
    let after = again.roles();
    for name in ["ada", "desk"] {
        assert_eq!(after.role(name), before.role(name), "{name}");
    }
    let ada = after.role("ada").unwrap();
    assert!(ada.login && ada.verifier.as_ref().unwrap().starts_with("SCRAM-SHA-256$4096:"));
    assert_eq!((ada.connection_limit, ada.valid_until), (Some(3), Some(1_893_456_000_000_000)));
    assert!(as_role(&again, "ada", "SELECT * FROM t").await.is_ok());
    assert_eq!(kind(&as_role(&again, "late", "SELECT * FROM t").await), DENIED);
    assert_eq!(kind(&as_role(&again, "nobody", "SELECT 1").await), DENIED);
    close(again).await;
}

async fn reopen(dir: &Path) -> Arc<Engine> {
    Engine::open(test_config(dir)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn set_role_is_a_setting_that_transactions_undo() {
    let server = TestServer::start().await;
    let (client, owner) = (server.connect().await, server.connect().await);
    must(&owner, "CREATE TABLE t (id INTEGER); INSERT INTO t VALUES (1); CREATE ROLE ada; GRANT SELECT ON t TO ada")
        .await;
    let user = async || one_text(&client, "SELECT current_user").await;
    let in_query = async || one_text(&client, "SELECT current_user FROM t").await;
    let root = user().await;
    for (statements, expected) in [
        ("BEGIN; SET LOCAL ROLE ada; COMMIT", root.as_str()),
        ("BEGIN; SET ROLE ada; ROLLBACK", root.as_str()),
        ("BEGIN; SET ROLE ada; COMMIT", "ada"),
        ("RESET ALL", "ada"),
        ("DISCARD ALL", root.as_str()),
        ("SET SESSION ROLE 'ada'", "ada"),
        ("SET ROLE NONE", root.as_str()),
        ("SET SESSION AUTHORIZATION ada", "ada"),
        ("RESET ROLE", "ada"),
        ("RESET SESSION AUTHORIZATION", root.as_str()),
    ] {
        must(&client, statements).await;
        assert_eq!(user().await, expected, "{statements}");
        assert_eq!(in_query().await, expected, "{statements}");
    }
    must(&client, "BEGIN; SET LOCAL ROLE ada").await;
    assert_eq!((user().await, one_text(&client, "SHOW role").await), ("ada".to_owned(), "ada".to_owned()));
    assert_eq!(one_text(&client, "SELECT session_user").await, root);
    // The role is gone when the transaction ends, and so is what it may.
    must(&owner, "REVOKE SELECT ON t FROM ada; DROP ROLE ada").await;
    let error = client.simple_query("SELECT id FROM t").await.unwrap_err();
    assert!(error_text(&error).starts_with("42501: permission denied"), "{}", error_text(&error));
    must(&client, "ROLLBACK").await;
    assert_eq!(in_query().await, root);
    server.stop().await;
}

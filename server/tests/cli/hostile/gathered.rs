//! What a connection keeps for its client, or has not sent yet: all of it has an end.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use tokio_postgres::types::ToSql;

use super::{code, connect};
use crate::login::{add_user, start};
use crate::support::{Place, Server, psql};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_kept_for_a_client_is_bounded() {
    let place = Place::new();
    let server = Server::start(&["serve", "--data", &place.data(), "--listen", "127.0.0.1:0"]);
    let client = connect(&server).await;
    let many = |each: &dyn Fn(usize) -> String, count: usize| (0..count).map(each).collect::<Vec<_>>().join(";");
    let payload = "x".repeat(7_000);
    let statements = [
        format!("BEGIN;{}", many(&|at| format!("NOTIFY c, '{at}{payload}'"), 1_000)),
        format!("BEGIN;{}", many(&|at| format!("SAVEPOINT s{at}"), 100_000)),
        many(&|at| format!("LISTEN c{at}"), 10_001),
        many(&|at| format!("SET a.b{at} = '{payload}'"), 100),
        many(&|at| format!("CREATE TEMP VIEW v{at} AS SELECT 1 AS a"), 1_001),
    ];
    for sql in &statements {
        let shown: String = sql.chars().take(60).collect();
        assert_eq!(code(&client, sql).await, "54000", "{shown}");
        client.simple_query("ROLLBACK; DISCARD TEMP; UNLISTEN *").await.unwrap();
    }

    // Parameters of portals that are open at once.
    let mut client = client;
    let transaction = client.transaction().await.unwrap();
    let statement = transaction.prepare("SELECT length($1::text)").await.unwrap();
    let large = "x".repeat(20 << 20);
    let parameters: [&(dyn ToSql + Sync); 1] = [&large];
    let mut portals = Vec::new();
    let refused = loop {
        match transaction.bind(&statement, &parameters).await {
            Ok(portal) => portals.push(portal),
            Err(error) => break error,
        }
        assert!(portals.len() < 100, "there is no end of portals");
    };
    assert_eq!(refused.code().map(tokio_postgres::error::SqlState::code), Some("54000"));
    assert_eq!(portals.len(), 3);
    drop(transaction);
    assert_eq!(server.end_with("TERM").code(), Some(0));
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
    [&[kind][..], &length, body].concat()
}

/// A client that asks and asks, sends no Sync, and reads nothing.
#[test]
fn answers_that_nobody_reads_are_not_gathered() {
    let place = Place::new();
    let server = Server::start(&["serve", "--data", &place.data(), "--listen", "127.0.0.1:0"]);
    let mut socket = TcpStream::connect(&server.address).unwrap();
    socket.set_write_timeout(Some(Duration::from_secs(2))).unwrap();
    let body = b"\0\x03\0\0user\0zxq\0database\0zxq\0\0";
    let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
    socket.write_all(&[&length[..], body].concat()).unwrap();
    let columns = vec!["1"; 1_000].join(", ");
    socket.write_all(&message(b'P', format!("wide\0SELECT {columns}\0\0\0").as_bytes())).unwrap();
    let before = server.resident_mib();
    // Each is answered with some tens of thousands of bytes.
    let asked = message(b'D', b"Swide\0").repeat(1_000);
    for _ in 0..100 {
        match socket.write_all(&asked) {
            Ok(()) => {}
            // The server reads no further while what it has to say is not read.
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => break,
            Err(error) => panic!("{error}"),
        }
    }
    std::thread::sleep(Duration::from_secs(1));
    let after = server.peak_mib();
    assert!(after < before + 200, "{before} MiB before, {after} MiB after");
    // Others can end it, though it is busy with its answers.
    let ended = psql(
        &server,
        "user=zxq",
        None,
        "SELECT pg_terminate_backend(1); SELECT pg_sleep(5); SELECT count(*) FROM pg_stat_activity WHERE pid = 1",
    );
    assert!(ended.out.trim_end().ends_with('0'), "{ended:?}");
    let mut rest = Vec::new();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let _ = socket.read_to_end(&mut rest);
    assert_eq!(server.end_with("TERM").code(), Some(0));
}

/// Who has to put a server right gets in when all places are taken, and clients have the times that the file says.
#[test]
fn superusers_have_places_of_their_own_and_times_come_from_the_file() {
    let place = Place::new();
    add_user(&place, "alice", "open sesame", &["--superuser"]);
    add_user(&place, "bob", "open barley", &[]);
    let config = place.file(
        "storage.yaml",
        "listen: 127.0.0.1:0\nmax_connections: 1\nstatement_timeout: 5 s\nidle_session_timeout: 10 min\n",
    );
    let server = start(&place, &config);
    let sleeping = "SET statement_timeout = 0; SELECT pg_sleep(30)";
    std::thread::scope(|scope| {
        // The only place may be another's when it comes first.
        let busy = scope.spawn(|| {
            while psql(&server, "user=bob", Some("open barley"), sleeping).err.contains("too many clients") {}
        });
        let who = "SELECT pid FROM pg_stat_activity WHERE usename = 'bob'";
        let pid = loop {
            let pid = psql(&server, "user=alice", Some("open sesame"), who).out.trim().to_owned();
            if !pid.is_empty() {
                break pid;
            }
            std::thread::sleep(Duration::from_millis(100));
        };
        let run = psql(&server, "user=bob", Some("open barley"), "SELECT 1");
        assert!(run.err.contains("too many clients"), "{run:?}");
        let run = psql(&server, "user=alice", Some("open sesame"), "SHOW statement_timeout; SHOW idle_session_timeout");
        assert_eq!(run.out, "5s\n10min\n", "{}", run.err);
        let run = psql(&server, "user=alice", Some("open sesame"), "SELECT pg_sleep(30)");
        assert!(run.err.contains("statement timeout"), "{run:?}");
        // So do commands on the data directory, which take as long as they take.
        assert_eq!(place.answer("SELECT current_setting('statement_timeout')"), "0");
        let end = format!("SELECT pg_terminate_backend({pid})");
        let run = psql(&server, "user=alice", Some("open sesame"), &end);
        assert_eq!((run.code, run.out.as_str()), (Some(0), "t\n"), "{}", run.err);
        busy.join().unwrap();
    });
    assert_eq!(server.end_with("TERM").code(), Some(0));
}

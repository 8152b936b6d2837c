//! `zxq user`, and what a user may be: expired, limited, not allowed to log in. What the server writes down about it.

use crate::support::{Place, Server, fail, psql, run_with_input, succeed, zxq};

/// Runs `zxq user …` with a password on standard input.
#[track_caller]
fn with_password(place: &Place, args: &[&str], password: &str) -> String {
    let data = place.data();
    let args = [&["user"], args, &["--password-stdin", "--data", &data]].concat();
    let run = run_with_input(&args, password.as_bytes());
    assert_eq!(run.code, Some(0), "{args:?}: {}", run.err);
    run.out
}

fn serve(place: &Place) -> Server {
    Server::start(&["serve", "--data", &place.data(), "--listen", "127.0.0.1:0"])
}

#[test]
fn users_come_and_go_with_and_without_a_server() {
    let place = Place::new();
    let data = place.data();
    let list = || succeed(&["user", "list", "--format", "csv", "--data", &data]);
    assert_eq!(with_password(&place, &["add", "alice", "--superuser"], "first"), "CREATE ROLE\n");
    assert!(list().contains("alice,t,t,f,,,t"), "{}", list());

    let server = serve(&place);
    let connect = |user: &str, password: &str| {
        psql(&server, &format!("user={user}"), Some(password), "SELECT current_user").code == Some(0)
    };
    assert!(connect("alice", "first") && !connect("alice", "second"));
    // Through the server; it counts at once.
    let limited = ["add", "b\"ob", "--create-role", "--connection-limit", "5", "--valid-until", "2099-01-01"];
    assert_eq!(with_password(&place, &limited, "b"), "CREATE ROLE\n");
    assert!(connect("b\"ob", "b"));
    assert!(list().contains("\"b\"\"ob\",f,t,t,5,2099-01-01"), "{}", list());
    assert_eq!(with_password(&place, &["password", "alice"], "second"), "ALTER ROLE\n");
    assert!(connect("alice", "second") && !connect("alice", "first"));
    assert_eq!(succeed(&["user", "drop", "b\"ob", "--data", &data]), "DROP ROLE\n");
    assert!(!connect("b\"ob", "b") && !list().contains("ob"));
    assert_eq!(server.end_with("TERM").code(), Some(0));
    assert!(list().contains("alice"), "users outlive the server");
}

#[test]
fn passwords_are_not_taken_from_where_others_see_them() {
    let place = Place::with_directory();
    let data = place.data();
    fail(&["user", "add", "alice", "--data", &data], 1, &["no terminal", "--password-stdin"]);
    fail(&["user", "add", "alice", "--password", "secret", "--data", &data], 2, &["--password"]);
    let run = run_with_input(&["user", "add", "alice", "--password-stdin", "--data", &data], b"\n");
    assert!(run.code == Some(1) && run.err.contains("the password is empty"), "{run:?}");
    assert_eq!(place.answer("SELECT count(*) FROM zxq.roles WHERE name = 'alice'"), "0");
}

#[test]
fn without_users_everything_is_as_it_was() {
    let place = Place::new();
    let server = serve(&place);
    let run = psql(&server, "user=anybody", None, "SELECT current_user");
    assert_eq!((run.code, run.out.as_str()), (Some(0), "anybody\n"), "{}", run.err);
    with_password(&place, &["add", "alice"], "first");
    assert_eq!(psql(&server, "user=anybody", None, "SELECT 1").code, Some(2));
}

#[test]
fn who_may_not_log_in() {
    let place = Place::new();
    with_password(&place, &["add", "root", "--superuser"], "r");
    with_password(&place, &["add", "late", "--valid-until", "2001-01-01"], "l");
    with_password(&place, &["add", "one", "--connection-limit", "1"], "o");
    let server = serve(&place);
    let connect = |user: &str, sql: &str| psql(&server, &format!("user={user}"), Some(&user[..1]), sql);
    assert_eq!(connect("root", "CREATE ROLE nologin PASSWORD 'n'").code, Some(0));
    assert!(connect("late", "SELECT 1").err.contains("password authentication failed for user \"late\""));
    assert!(connect("nologin", "SELECT 1").err.contains("role \"nologin\" is not permitted to log in"));
    // One connection within another: psql's own shell.
    assert_eq!(connect("one", "SELECT 1").code, Some(0));
    let (host, port) = server.address.rsplit_once(':').unwrap();
    let within =
        format!("\\! PGPASSWORD=o psql -X -w -c 'SELECT 1' 'host={host} port={port} dbname=zxq user=one' 2>&1");
    let run = connect("one", &within);
    assert!(run.out.contains("too many connections for role \"one\""), "{run:?}");
    // A password that was made elsewhere comes over as it is.
    let verifier = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:\
                    wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";
    assert_eq!(connect("root", &format!("CREATE ROLE user_of_rfc LOGIN PASSWORD '{verifier}'")).code, Some(0));
    assert_eq!(psql(&server, "user=user_of_rfc", Some("pencil"), "SELECT 1").code, Some(0));
}

#[test]
fn log_ins_and_refusals_are_written_down_and_secrets_are_not() {
    let place = Place::new();
    with_password(&place, &["add", "alice", "--superuser"], "open sesame");
    let log = place.path("log");
    let mut command = zxq(&["serve", "--data", &place.data(), "--listen", "127.0.0.1:0"]);
    command.stderr(std::fs::File::create(&log).unwrap());
    let server = Server::start_command(command);
    assert_eq!(psql(&server, "user=alice", Some("open sesame"), "SELECT 1").code, Some(0));
    assert_eq!(psql(&server, "user=alice", Some("close sesame"), "SELECT 1").code, Some(2));
    assert_eq!(psql(&server, "user='mal\nlory'", Some("close sesame"), "SELECT 1").code, Some(2));
    let sql = "ALTER ROLE alice PASSWORD 'another word'";
    assert_eq!(psql(&server, "user=alice", Some("open sesame"), sql).code, Some(0));
    assert_eq!(server.end_with("TERM").code(), Some(0));
    let log = std::fs::read_to_string(log).unwrap();
    let lines: Vec<&str> = log.lines().filter(|line| line.contains("zxq_audit")).collect();
    let count = |words: &[&str]| lines.iter().filter(|line| words.iter().all(|word| line.contains(word))).count();
    assert_eq!(count(&["logged in", "user=\"alice\"", "address=127.0.0.1", "how=\"scram\""]), 2, "{log}");
    assert_eq!(count(&["log-in refused", "user=\"alice\"", "28P01", "the password is wrong"]), 1, "{log}");
    assert_eq!(count(&["log-in refused", "user=\"mal\\nlory\"", "28P01", "there is no such role"]), 1, "{log}");
    for secret in ["sesame", "another word", "SCRAM-SHA-256$"] {
        assert!(!log.contains(secret), "{log}");
    }
}

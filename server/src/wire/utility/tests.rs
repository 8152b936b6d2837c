#![allow(clippy::unwrap_used)]

use super::*;
use crate::wire::cursor::Scroll;

fn parsed(sql: &str) -> Utility {
    parse(sql).unwrap().unwrap()
}

fn set_to(name: &str, value: &str) -> Utility {
    Utility::Set { name: name.to_owned(), value: Some(value.to_owned()), local: false }
}

#[test]
fn settings_in_every_spelling() {
    assert_eq!(parsed("set extra_float_digits = 3"), set_to("extra_float_digits", "3"));
    assert_eq!(parsed("SET zxq.tiers TO 'hot,warm'"), set_to("zxq.tiers", "hot,warm"));
    assert_eq!(parsed("SET search_path = public, \"$user\""), set_to("search_path", "public, \"$user\""));
    assert_eq!(parsed("SET TIME ZONE 'UTC'"), set_to("timezone", "UTC"));
    assert_eq!(parsed("SET TimeZone='UTC'"), set_to("timezone", "UTC"));
    assert_eq!(parsed("SET SESSION statement_timeout = -1"), set_to("statement_timeout", "-1"));
    assert_eq!(parsed("SET NAMES 'UTF8'"), set_to("client_encoding", "UTF8"));
    assert_eq!(parsed("SET search_path = ''"), set_to("search_path", "\"\""));
    assert_eq!(
        parsed("SET LOCAL statement_timeout TO DEFAULT"),
        Utility::Set { name: "statement_timeout".to_owned(), value: None, local: true }
    );
    assert_eq!(parsed("SET search_path TO Cold, 'a b'"), set_to("search_path", "cold, \"a b\""));
    assert_eq!(parsed("SET SESSION AUTHORIZATION 'ann'"), set_to("session_authorization", "ann"));
    assert_eq!(parsed("SET ROLE ann"), set_to("role", "ann"));
    assert_eq!(parsed("SET ROLE none"), Utility::Set { name: "role".to_owned(), value: None, local: false });
    assert_eq!(parsed("SET TIME ZONE INTERVAL '-08:00' HOUR TO MINUTE"), set_to("timezone", "-08"));
    assert_eq!(parsed("SET app.user_id = 42"), set_to("app.user_id", "42"));
    assert_eq!(parsed("RESET SESSION AUTHORIZATION"), Utility::Reset("session_authorization".to_owned()));
    assert!(parse("SET x =").is_err() && parse("SET x = 1,").is_err() && parse("RESET x y").is_err());
    assert_eq!(parsed("SHOW TRANSACTION ISOLATION LEVEL"), Utility::Show("transaction_isolation".to_owned()));
    assert_eq!(parse("SHOW TABLES").unwrap(), None);
}

#[test]
fn transactions() {
    let modes = |read_only, isolation| Modes { read_only, isolation };
    assert_eq!(
        parsed("START TRANSACTION READ ONLY"),
        Utility::Begin { modes: modes(Some(true), None), tag: "START TRANSACTION" }
    );
    assert_eq!(
        parsed("BEGIN WORK ISOLATION LEVEL REPEATABLE READ, READ WRITE NOT DEFERRABLE"),
        Utility::Begin { modes: modes(Some(false), Some("repeatable read")), tag: "BEGIN" }
    );
    assert_eq!(
        parsed("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY"),
        Utility::SetTransaction { modes: modes(Some(true), None), session: true }
    );
    assert_eq!(
        parsed("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE"),
        Utility::SetTransaction { modes: modes(None, Some("serializable")), session: false }
    );
    assert_eq!(parsed("DISCARD TEMPORARY"), Utility::Discard("DISCARD TEMP"));
    assert!(parse("BEGIN QUICKLY").is_err() && parse("BEGIN READ").is_err());
    assert_eq!(parsed("COMMIT AND CHAIN"), Utility::Commit { chain: true });
    assert_eq!(parsed("rollback to savepoint a"), Utility::RollbackTo("a".to_owned()));
    assert_eq!(parsed("ABORT"), Utility::Rollback { chain: false });
}

#[test]
fn cursors_and_prepared_statements() {
    let declared = |name: &str, scroll, binary, hold, at| {
        let query = "select 1".to_owned();
        Utility::Declare(Declare { name: name.to_owned(), binary, scroll, hold, query, at })
    };
    assert_eq!(
        parsed("DECLARE \"C 1\" NO SCROLL CURSOR WITHOUT HOLD FOR select 1"),
        declared("C 1", Scroll::No, false, false, 48)
    );
    assert_eq!(
        parsed("declare c binary insensitive scroll cursor with hold for select 1"),
        declared("c", Scroll::Yes, true, true, 57)
    );
    assert_eq!(parsed("DECLARE c CURSOR FOR select 1"), declared("c", Scroll::WhileFew, false, false, 21));
    assert_eq!(parse("DECLARE c SCROLL NO SCROLL CURSOR FOR select 1").unwrap_err().code, "42P11");
    let fetched = |name: &str, movement| Utility::Fetch { name: name.to_owned(), movement, skip: false };
    for (sql, movement) in [
        ("FETCH c", Movement::Forward(1)),
        ("FETCH NEXT FROM c", Movement::Forward(1)),
        ("FETCH 0 IN c", Movement::Forward(0)),
        ("FETCH -2 FROM c", Movement::Forward(-2)),
        ("FETCH FORWARD 100 FROM c", Movement::Forward(100)),
        ("FETCH FORWARD ALL FROM c", Movement::ForwardAll),
        ("FETCH ALL c", Movement::ForwardAll),
        ("FETCH BACKWARD FROM c", Movement::Forward(-1)),
        ("FETCH BACKWARD 3 c", Movement::Forward(-3)),
        ("FETCH BACKWARD -3 c", Movement::Forward(3)),
        ("FETCH BACKWARD ALL IN c", Movement::BackwardAll),
        ("FETCH PRIOR FROM c", Movement::Forward(-1)),
        ("FETCH FIRST c", Movement::Absolute(1)),
        ("FETCH LAST FROM c", Movement::Absolute(-1)),
        ("FETCH ABSOLUTE -4 FROM c", Movement::Absolute(-4)),
        ("FETCH RELATIVE +4 FROM c", Movement::Relative(4)),
    ] {
        assert_eq!(parsed(sql), fetched("c", movement), "{sql}");
    }
    assert_eq!(
        parsed("MOVE ALL IN c"),
        Utility::Fetch { name: "c".to_owned(), movement: Movement::ForwardAll, skip: true }
    );
    for sql in ["FETCH ABSOLUTE FROM c", "FETCH 99999999999 FROM c", "FETCH - FROM c", "FETCH 1 FROM c d"] {
        assert_eq!(parse(sql).unwrap_err().code, "42601", "{sql}");
    }
    assert_eq!(
        parsed("PREPARE p(int, numeric(10,2)) AS SELECT $1 + $2"),
        Utility::Prepare {
            name: "p".to_owned(),
            types: vec!["int".to_owned(), "numeric(10,2)".to_owned()],
            statement: "SELECT $1 + $2".to_owned(),
        }
    );
    assert_eq!(
        parsed("EXECUTE p(1, array['a,b', 'c'])"),
        Utility::Execute { name: "p".to_owned(), values: vec!["1".to_owned(), "array['a,b', 'c']".to_owned()] }
    );
}

#[test]
fn files_of_the_server_are_refused() {
    for sql in [
        "COPY t FROM '/etc/passwd'",
        "COPY t TO 'x.csv'",
        "COPY (SELECT 1) TO 'x.parquet'",
        "COPY t FROM PROGRAM 'id'",
        "copy t to program 'id'",
    ] {
        assert_eq!(parse(sql).unwrap_err().code, "42501", "{sql}");
    }
}

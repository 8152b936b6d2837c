#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use crate::error::ErrorKind;
use crate::sql;

fn read(text: &str) -> RoleStatement {
    let statements = sql::parse(text).unwrap_or_else(|e| panic!("{text}: {e}"));
    let [statement] = statements.as_slice() else { panic!("{text}") };
    statement.role().unwrap_or_else(|| panic!("{text} is no statement about roles")).clone()
}

fn refused(text: &str) -> (ErrorKind, String) {
    match sql::parse(text) {
        Ok(statements) => panic!("{text}: {statements:?}"),
        Err(error) => (error.kind(), error.message().to_owned()),
    }
}

fn named(name: &str) -> RoleName {
    RoleName::Named(name.to_owned())
}

#[test]
fn roles_are_created_with_what_they_are() {
    let everything = "CREATE ROLE \"Ada\" WITH SUPERUSER LOGIN NOINHERIT CREATEROLE NOCREATEDB CONNECTION LIMIT 5 \
         VALID UNTIL '2030-01-01' ENCRYPTED PASSWORD 'it''s' IN ROLE desk, zxq_files ROLE bob ADMIN CURRENT_USER;";
    let RoleStatement::Create { name, options } = read(everything) else { panic!() };
    assert_eq!(name, "Ada");
    assert_eq!(
        options,
        RoleOptions {
            superuser: Some(true),
            login: Some(true),
            inherit: Some(false),
            create_role: Some(true),
            connection_limit: Some(Some(5)),
            valid_until: Some("2030-01-01".to_owned()),
            password: Some(Some(Password("it's".to_owned()))),
            in_roles: vec![named("desk"), named("zxq_files")],
            members: vec![named("bob")],
            admins: vec![RoleName::Current],
        }
    );
    let RoleStatement::Create { name, options } = read("create user BOB password null connection limit -1") else {
        panic!()
    };
    assert_eq!((name.as_str(), options.login), ("bob", Some(true)));
    assert_eq!((options.password, options.connection_limit), (Some(None), Some(None)));
    let options = RoleOptions { login: Some(false), ..RoleOptions::default() };
    assert_eq!(read("ALTER USER current_user NOLOGIN"), RoleStatement::Alter { role: RoleName::Current, options });
    let rename = RoleStatement::Rename { role: "a".to_owned(), to: "b".to_owned() };
    assert_eq!(read("ALTER ROLE a RENAME TO b"), rename);
    let drop = RoleStatement::Drop { roles: vec![named("a"), named("b")], if_exists: true };
    assert_eq!(read("DROP USER IF EXISTS a, b"), drop);
}

#[test]
fn grants_are_read() {
    let these = |privileges| NamedPrivileges::These { privileges, of_everybody: false };
    let table = |name: &str| match name.split_once('.') {
        Some((schema, table)) => NamedTable { schema: Some(schema.to_owned()), table: table.to_owned() },
        None => NamedTable { schema: None, table: name.to_owned() },
    };
    let tables = |names: &[&str]| GrantTarget::Tables(names.iter().map(|name| table(name)).collect());
    let grant = |privileges, on, to: &[Option<RoleName>], grantable| RoleStatement::Grant {
        privileges,
        on,
        to: to.to_vec(),
        grantable,
    };
    let both = Privileges::SELECT.with(Privileges::INSERT);
    for (text, expected) in [
        (
            "GRANT select, INSERT ON TABLE t, public.\"T\", zxq.desk.t TO ada, PUBLIC WITH GRANT OPTION",
            grant(these(both), tables(&["t", "public.T", "desk.t"]), &[Some(named("ada")), None], true),
        ),
        (
            "grant all privileges on all tables in schema public, desk to group desk granted by current_user",
            grant(
                NamedPrivileges::All,
                GrantTarget::AllTables(vec!["public".to_owned(), "desk".to_owned()]),
                &[Some(named("desk"))],
                false,
            ),
        ),
        (
            "GRANT CREATE ON SCHEMA public TO SESSION_USER",
            grant(
                these(Privileges::CREATE),
                GrantTarget::Schemas(vec!["public".to_owned()]),
                &[Some(RoleName::Session)],
                false,
            ),
        ),
        (
            "GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public, desk TO ada",
            grant(
                these(Privileges::USAGE.with(Privileges::SELECT)),
                GrantTarget::AllSequences(vec!["public".to_owned(), "desk".to_owned()]),
                &[Some(named("ada"))],
                false,
            ),
        ),
        (
            "GRANT ALL ON SEQUENCE desk.s, t TO ada",
            grant(
                NamedPrivileges::All,
                GrantTarget::Sequences(vec![table("desk.s"), table("t")]),
                &[Some(named("ada"))],
                false,
            ),
        ),
        (
            "GRANT CONNECT, TEMP ON DATABASE zxq TO ada",
            grant(
                NamedPrivileges::These { privileges: Privileges::NONE, of_everybody: true },
                GrantTarget::Database,
                &[Some(named("ada"))],
                false,
            ),
        ),
        (
            "REVOKE GRANT OPTION FOR select ON t FROM ada CASCADE",
            RoleStatement::Revoke {
                privileges: these(Privileges::SELECT),
                on: tables(&["t"]),
                from: vec![Some(named("ada"))],
                option_only: true,
                cascade: true,
            },
        ),
        (
            "GRANT desk, zxq_operate TO ada WITH ADMIN OPTION",
            RoleStatement::GrantRole {
                roles: vec![named("desk"), named("zxq_operate")],
                to: vec![named("ada")],
                admin: true,
            },
        ),
        (
            "REVOKE ADMIN OPTION FOR desk FROM ada RESTRICT",
            RoleStatement::RevokeRole { roles: vec![named("desk")], from: vec![named("ada")], admin_only: true },
        ),
    ] {
        assert_eq!(read(text), expected, "{text}");
    }
}

#[test]
fn what_there_is_not_is_refused_by_name() {
    for (text, kind, said) in [
        ("REASSIGN OWNED BY a TO b", ErrorKind::FeatureNotSupported, "REASSIGN OWNED"),
        ("DROP OWNED BY a", ErrorKind::FeatureNotSupported, "DROP OWNED"),
        ("ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO a", ErrorKind::FeatureNotSupported, "DEFAULT PRIVILEGES"),
        ("ALTER ROLE a SET work_mem = '1MB'", ErrorKind::FeatureNotSupported, "ALTER ROLE … SET"),
        ("CREATE ROLE a CREATEDB", ErrorKind::FeatureNotSupported, "CREATEDB"),
        ("GRANT SELECT (a) ON t TO b", ErrorKind::FeatureNotSupported, "columns"),
        ("GRANT SELECT ON hot.t TO b", ErrorKind::FeatureNotSupported, "schema hot"),
        ("GRANT SELECT ON t TO b GRANTED BY c", ErrorKind::FeatureNotSupported, "grantor must be current user"),
        ("GRANT INSERT ON SEQUENCE t TO b", ErrorKind::InvalidGrant, "invalid privilege type INSERT for sequence"),
        ("GRANT USAGE ON t TO b", ErrorKind::InvalidGrant, "invalid privilege type USAGE for table"),
        ("GRANT fly ON t TO b", ErrorKind::Syntax, "unrecognized privilege type \"fly\""),
        ("CREATE ROLE a LOGIN NOLOGIN", ErrorKind::Syntax, "conflicting or redundant options"),
        ("CREATE ROLE a FLY", ErrorKind::Syntax, "unrecognized role option \"fly\""),
        ("CREATE ROLE a CONNECTION LIMIT -2", ErrorKind::InvalidParameter, "invalid connection limit: -2"),
        ("CREATE ROLE public", ErrorKind::ReservedName, "\"public\" is reserved"),
        ("CREATE ROLE \"public\"", ErrorKind::ReservedName, "\"public\" is reserved"),
        ("CREATE ROLE zxq_all", ErrorKind::ReservedName, "\"zxq_all\" is reserved"),
        ("ALTER ROLE a RENAME TO pg_a", ErrorKind::ReservedName, "\"pg_a\" is reserved"),
        ("DROP ROLE a b", ErrorKind::Syntax, "expected the end of the statement"),
    ] {
        let (found, message) = refused(text);
        assert_eq!(found, kind, "{text}: {message}");
        assert!(message.contains(said), "{text}: {message}");
    }
}

#[test]
fn passwords_are_blanked() {
    for (text, shown) in [
        ("CREATE ROLE a PASSWORD 'x y' LOGIN", "CREATE ROLE a PASSWORD '***' LOGIN"),
        ("ALTER USER a\n password\n$$x$$", "ALTER USER a\n password\n'***'"),
        ("ALTER ROLE a PASSWORD /* 'a' */ E'x\\'y'; SELECT 'ü'", "ALTER ROLE a PASSWORD /* 'a' */ '***'; SELECT 'ü'"),
        ("CREATE ROLE a PASSWORD NULL", "CREATE ROLE a PASSWORD NULL"),
        ("SELECT 1", "SELECT 1"),
        ("ALTER ROLE a PASSWORD 'never ended", "ALTER ROLE …"),
    ] {
        assert_eq!(without_secrets(text), shown);
    }
    let statement = sql::parse("CREATE ROLE a PASSWORD 'secret'").unwrap();
    assert!(!format!("{:?}", statement[0].role()).contains("secret"));
    // Nor do syntax errors tell one.
    for text in ["CREATE ROLE a LOGIN 'secret'", "CREATE ROLE a PASSWORD 'a' 'secret'", "ALTER ROLE a VALID 'secret'"] {
        assert!(!refused(text).1.contains("secret"), "{text}");
    }
}

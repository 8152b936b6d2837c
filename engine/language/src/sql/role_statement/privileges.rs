//! `GRANT` and `REVOKE`, read.

use datafusion::sql::sqlparser::tokenizer::Token;
use zxq_catalog::roles::Privileges;

use super::parse::refused;
use super::tokens::Tokens;
use super::{GrantTarget, NamedPrivileges, NamedTable, RoleName, RoleStatement};
use crate::error::{EngineError, ErrorKind, Result};

/// What is granted: privileges by name, or roles. Which of the two shows the word behind them.
enum Granted {
    All,
    Names(Vec<String>),
}

/// `GRANT …`, behind that word.
pub(super) fn grant(tokens: &mut Tokens<'_>) -> Result<RoleStatement> {
    let granted = granted(tokens)?;
    if tokens.take("ON") {
        let (privileges, on) = on_what(tokens, granted)?;
        tokens.need(&["TO"])?;
        let to = tokens.list(grantee)?;
        let grantable = tokens.take_all(&["WITH", "GRANT", "OPTION"]);
        granted_by(tokens)?;
        return Ok(RoleStatement::Grant { privileges, on, to, grantable });
    }
    let roles = role_names(granted)?;
    tokens.need(&["TO"])?;
    let to = tokens.list(Tokens::role)?;
    let admin = tokens.take_all(&["WITH", "ADMIN", "OPTION"]);
    granted_by(tokens)?;
    Ok(RoleStatement::GrantRole { roles, to, admin })
}

/// `REVOKE …`, behind that word.
pub(super) fn revoke(tokens: &mut Tokens<'_>) -> Result<RoleStatement> {
    let option_only = tokens.take_all(&["GRANT", "OPTION", "FOR"]);
    let admin_only = !option_only && tokens.take_all(&["ADMIN", "OPTION", "FOR"]);
    let granted = granted(tokens)?;
    if !admin_only && tokens.take("ON") {
        let (privileges, on) = on_what(tokens, granted)?;
        tokens.need(&["FROM"])?;
        let from = tokens.list(grantee)?;
        granted_by(tokens)?;
        let cascade = tokens.take_one(&["CASCADE", "RESTRICT"]) == Some("CASCADE");
        return Ok(RoleStatement::Revoke { privileges, on, from, option_only, cascade });
    }
    let roles = role_names(granted)?;
    tokens.need(&["FROM"])?;
    let from = tokens.list(Tokens::role)?;
    granted_by(tokens)?;
    tokens.take_one(&["CASCADE", "RESTRICT"]);
    Ok(RoleStatement::RevokeRole { roles, from, admin_only })
}

fn granted(tokens: &mut Tokens<'_>) -> Result<Granted> {
    if tokens.take("ALL") {
        tokens.take("PRIVILEGES");
        return columns_refused(tokens).map(|()| Granted::All);
    }
    let names = tokens.list(|tokens| {
        let name = tokens.name("a privilege or a role")?;
        columns_refused(tokens)?;
        Ok(name)
    })?;
    Ok(Granted::Names(names))
}

fn columns_refused(tokens: &Tokens<'_>) -> Result<()> {
    match tokens.is_token(&Token::LParen) {
        true => Err(refused("a privilege on columns", "GRANT it on the table")),
        false => Ok(()),
    }
}

fn role_names(granted: Granted) -> Result<Vec<RoleName>> {
    match granted {
        Granted::All => Err(EngineError::new(ErrorKind::Syntax, "syntax error: expected ON behind ALL PRIVILEGES")),
        Granted::Names(names) => Ok(names.into_iter().map(RoleName::Named).collect()),
    }
}

fn grantee(tokens: &mut Tokens<'_>) -> Result<Option<RoleName>> {
    tokens.take("GROUP");
    if tokens.take("PUBLIC") { Ok(None) } else { tokens.role().map(Some) }
}

/// Grants are by who makes them, as in PostgreSQL.
fn granted_by(tokens: &mut Tokens<'_>) -> Result<()> {
    if tokens.take_all(&["GRANTED", "BY"]) && tokens.role()? != RoleName::Current {
        return Err(EngineError::new(ErrorKind::FeatureNotSupported, "grantor must be current user"));
    }
    Ok(())
}

fn on_what(tokens: &mut Tokens<'_>, granted: Granted) -> Result<(NamedPrivileges, GrantTarget)> {
    let (target, possible, kind) = if tokens.take("ALL") {
        let kind = tokens.word("TABLES")?;
        tokens.need(&["IN", "SCHEMA"])?;
        let schemas = tokens.list(schema)?;
        match kind.as_str() {
            "TABLES" => (GrantTarget::AllTables(schemas), Privileges::ON_TABLE, "table"),
            "SEQUENCES" => (GrantTarget::AllSequences(schemas), Privileges::ON_SEQUENCE, "sequence"),
            "FUNCTIONS" | "PROCEDURES" | "ROUTINES" => return Ok((NamedPrivileges::All, GrantTarget::NoThings)),
            other => {
                let instead = "there are privileges on tables and sequences";
                return Err(refused(&format!("GRANT ON ALL {other}"), instead));
            }
        }
    } else if tokens.take("SCHEMA") {
        (GrantTarget::Schemas(tokens.list(schema)?), Privileges::ON_SCHEMA, "schema")
    } else if tokens.take("SEQUENCE") {
        (GrantTarget::Sequences(tokens.list(table)?), Privileges::ON_SEQUENCE, "sequence")
    } else if tokens.take("DATABASE") {
        tokens.list(|tokens| tokens.name("the name of a database"))?;
        (GrantTarget::Database, Privileges::NONE, "database")
    } else if let Some(kind) = tokens.take_one(&["FUNCTION", "PROCEDURE", "LANGUAGE", "TYPE", "DOMAIN"]) {
        return Err(refused(&format!("GRANT ON {kind}"), "there are privileges on tables, sequences and schemas"));
    } else {
        tokens.take("TABLE");
        (GrantTarget::Tables(tokens.list(table)?), Privileges::ON_TABLE, "table")
    };
    Ok((privileges(granted, possible, &target, kind)?, target))
}

fn privileges(granted: Granted, possible: Privileges, target: &GrantTarget, kind: &str) -> Result<NamedPrivileges> {
    let Granted::Names(names) = granted else { return Ok(NamedPrivileges::All) };
    let (mut privileges, mut of_everybody) = (Privileges::NONE, false);
    for name in names {
        match Privileges::named(&name) {
            Some(privilege) if possible.has(privilege) => privileges = privileges.with(privilege),
            None if *target == GrantTarget::Database && ["connect", "temporary", "temp"].contains(&name.as_str()) => {
                of_everybody = true;
            }
            Some(Privileges::CREATE) if *target == GrantTarget::Database => {
                return Err(refused(
                    "GRANT CREATE ON DATABASE",
                    "who has CREATE ON SCHEMA public makes tables and schemas",
                ));
            }
            Some(known) => {
                let known = known.names().next().unwrap_or_default();
                let message = format!("invalid privilege type {known} for {kind}");
                return Err(EngineError::new(ErrorKind::InvalidGrant, message));
            }
            None => {
                let message = format!("unrecognized privilege type \"{name}\"");
                return Err(EngineError::new(ErrorKind::Syntax, message));
            }
        }
    }
    Ok(NamedPrivileges::These { privileges, of_everybody })
}

/// Schemas that hold no tables of their own.
const WITHOUT_TABLES: [&str; 6] = ["hot", "warm", "cold", "zxq", "pg_catalog", "information_schema"];

/// A schema that privileges are about: `public`, or one that somebody has made.
fn schema(tokens: &mut Tokens<'_>) -> Result<String> {
    let name = tokens.name("the name of a schema")?;
    if WITHOUT_TABLES.contains(&name.as_str()) { Err(not_there(&name)) } else { Ok(name) }
}

/// `table`, `schema.table` or `database.schema.table`.
fn table(tokens: &mut Tokens<'_>) -> Result<NamedTable> {
    let mut parts = vec![tokens.name("the name of a table")?];
    while tokens.take_token(&Token::Period) {
        parts.push(tokens.name("the name of a table")?);
    }
    let table = parts.pop().unwrap_or_default();
    match parts.pop() {
        Some(schema) if WITHOUT_TABLES.contains(&schema.as_str()) => Err(not_there(&schema)),
        schema => Ok(NamedTable { schema, table }),
    }
}

fn not_there(schema: &str) -> EngineError {
    refused(
        &format!("a privilege in schema {schema}"),
        "privileges are given on the tables of public and of schemas that were made; those in hot, warm and cold are the \
         same tables",
    )
}

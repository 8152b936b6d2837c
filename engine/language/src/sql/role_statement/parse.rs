//! Text to a [`RoleStatement`].

use datafusion::sql::sqlparser::tokenizer::TokenWithSpan;

use super::privileges;
use super::tokens::Tokens;
use super::{Password, RoleName, RoleOptions, RoleStatement};
use crate::error::{EngineError, ErrorKind, Result};
use crate::sql::ident::check_name;

/// Words for a role; as a user it may log in.
const ROLE: [&str; 3] = ["ROLE", "USER", "GROUP"];

/// The statement about roles that these tokens are; `None` where they are another statement.
///
/// # Errors
/// [`ErrorKind::Syntax`]; [`ErrorKind::FeatureNotSupported`] for what PostgreSQL has and zxq does not.
pub(in crate::sql) fn parse(tokens: &[TokenWithSpan]) -> Result<Option<RoleStatement>> {
    let mut tokens = Tokens::new(tokens);
    let statement = if tokens.take("GRANT") {
        privileges::grant(&mut tokens)?
    } else if tokens.take("REVOKE") {
        privileges::revoke(&mut tokens)?
    } else if tokens.take_all(&["REASSIGN", "OWNED"]) {
        return Err(refused("REASSIGN OWNED", "ALTER TABLE … OWNER TO gives one table to another role"));
    } else if tokens.take_all(&["DROP", "OWNED"]) {
        return Err(refused("DROP OWNED", "DROP TABLE and REVOKE do it one by one"));
    } else if tokens.take_all(&["ALTER", "DEFAULT", "PRIVILEGES"]) {
        return Err(refused("ALTER DEFAULT PRIVILEGES", "GRANT the privileges when the table is there"));
    } else if let Some(word) = first(&mut tokens, "CREATE") {
        create(&mut tokens, word == "USER")?
    } else if let Some(word) = first(&mut tokens, "ALTER") {
        alter(&mut tokens, word)?
    } else if first(&mut tokens, "DROP").is_some() {
        let if_exists = tokens.take_all(&["IF", "EXISTS"]);
        RoleStatement::Drop { roles: tokens.list(Tokens::role)?, if_exists }
    } else {
        return Ok(None);
    };
    tokens.end()?;
    Ok(Some(statement))
}

pub(super) fn refused(what: &str, instead: &str) -> EngineError {
    EngineError::new(ErrorKind::FeatureNotSupported, format!("{what} is not supported: {instead}"))
}

/// `CREATE ROLE` and its like: the verb, then what a role is called.
fn first(tokens: &mut Tokens<'_>, verb: &str) -> Option<&'static str> {
    ROLE.into_iter().find(|word| tokens.take_all(&[verb, word]))
}

fn create(tokens: &mut Tokens<'_>, is_user: bool) -> Result<RoleStatement> {
    let name = new_name(tokens)?;
    let mut options = options(tokens)?;
    if is_user {
        options.login.get_or_insert(true);
    }
    Ok(RoleStatement::Create { name, options })
}

/// The name of a role to come.
fn new_name(tokens: &mut Tokens<'_>) -> Result<String> {
    let name = tokens.role_name()?;
    check_name("role", &name)?;
    if name == "zxq" || name == "public" || name == "none" || name.starts_with("zxq_") || name.starts_with("pg_") {
        let message = format!("role name \"{name}\" is reserved");
        return Err(EngineError::new(ErrorKind::ReservedName, message)
            .with_hint("zxq, and names that begin with zxq_ or pg_, are those of built-in roles"));
    }
    Ok(name)
}

fn alter(tokens: &mut Tokens<'_>, word: &str) -> Result<RoleStatement> {
    if tokens.is("ALL") {
        return Err(settings_refused());
    }
    let role = tokens.role()?;
    if tokens.take_all(&["RENAME", "TO"]) {
        let RoleName::Named(role) = role else { return Err(tokens.unexpected("the name of a role")) };
        return Ok(RoleStatement::Rename { role, to: new_name(tokens)? });
    }
    if tokens.is("SET") || tokens.is("RESET") || tokens.take_all(&["IN", "DATABASE"]) {
        return Err(settings_refused());
    }
    if word == "GROUP" {
        return Err(refused("ALTER GROUP … ADD USER", "GRANT role TO role"));
    }
    let options = options(tokens)?;
    if !(options.in_roles.is_empty() && options.members.is_empty() && options.admins.is_empty()) {
        let message = "ALTER ROLE changes no memberships: GRANT role TO role";
        return Err(EngineError::new(ErrorKind::Syntax, message));
    }
    Ok(RoleStatement::Alter { role, options })
}

fn settings_refused() -> EngineError {
    refused("ALTER ROLE … SET", "settings are those of a connection: give them when connecting, or SET them there")
}

fn options(tokens: &mut Tokens<'_>) -> Result<RoleOptions> {
    let mut options = RoleOptions::default();
    tokens.take("WITH");
    while !tokens.is_at_end() {
        let word = tokens.word("an option of a role")?;
        match word.as_str() {
            "SUPERUSER" => once(&mut options.superuser, true)?,
            "NOSUPERUSER" => once(&mut options.superuser, false)?,
            "LOGIN" => once(&mut options.login, true)?,
            "NOLOGIN" => once(&mut options.login, false)?,
            "INHERIT" => once(&mut options.inherit, true)?,
            "NOINHERIT" => once(&mut options.inherit, false)?,
            "CREATEROLE" => once(&mut options.create_role, true)?,
            "NOCREATEROLE" => once(&mut options.create_role, false)?,
            // What no role of zxq has.
            "NOCREATEDB" | "NOREPLICATION" | "NOBYPASSRLS" => {}
            "CREATEDB" => return Err(refused("CREATEDB", "there is one database")),
            "REPLICATION" => return Err(refused("REPLICATION", "nobody replicates from zxq")),
            "BYPASSRLS" => return Err(refused("BYPASSRLS", "there are no policies on rows")),
            "CONNECTION" => {
                tokens.need(&["LIMIT"])?;
                once(&mut options.connection_limit, connection_limit(tokens.number()?)?)?;
            }
            "VALID" => {
                tokens.need(&["UNTIL"])?;
                once(&mut options.valid_until, tokens.text("a time in quotes")?)?;
            }
            "PASSWORD" => once(&mut options.password, password(tokens)?)?,
            "ENCRYPTED" => {
                tokens.need(&["PASSWORD"])?;
                once(&mut options.password, password(tokens)?)?;
            }
            "UNENCRYPTED" => {
                return Err(refused("UNENCRYPTED PASSWORD", "leave UNENCRYPTED out: what is kept tells no password"));
            }
            "IN" => {
                if tokens.take_one(&["ROLE", "GROUP"]).is_none() {
                    return Err(tokens.unexpected("ROLE"));
                }
                options.in_roles.extend(tokens.list(Tokens::role)?);
            }
            "ROLE" | "USER" => options.members.extend(tokens.list(Tokens::role)?),
            "ADMIN" => options.admins.extend(tokens.list(Tokens::role)?),
            other => {
                let message = format!("unrecognized role option \"{}\"", other.to_ascii_lowercase());
                return Err(EngineError::new(ErrorKind::Syntax, message));
            }
        }
    }
    Ok(options)
}

fn once<T>(option: &mut Option<T>, value: T) -> Result<()> {
    match option.replace(value) {
        None => Ok(()),
        Some(_) => Err(EngineError::new(ErrorKind::Syntax, "conflicting or redundant options")),
    }
}

fn connection_limit(number: i64) -> Result<Option<u32>> {
    match number {
        -1 => Ok(None),
        number => u32::try_from(number)
            .map(Some)
            .map_err(|_| EngineError::new(ErrorKind::InvalidParameter, format!("invalid connection limit: {number}"))),
    }
}

fn password(tokens: &mut Tokens<'_>) -> Result<Option<Password>> {
    match tokens.take("NULL") {
        true => Ok(None),
        false => Ok(Some(Password(tokens.text("a password in quotes")?))),
    }
}

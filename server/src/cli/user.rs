//! `zxq user`: those who may log in. The first one can be made no other way, since nobody can log in before.
//!
//! A password is asked for without being shown, or read from standard input; never from the command line, which everybody
//! on the machine can see. What the statements below hold is its verifier, from which nobody learns it.

use std::io::{BufRead, IsTerminal};

use clap::{Args, Subcommand};
use console::Term;
use zxq_engine::roles::scram::Verifier;

use super::backend::Backend;
use super::output::{self, Format};
use super::{CliError, DataArgs, Result, statements};

/// Most bytes of a password.
const MOST_BYTES: u64 = 1024;

/// Arguments of `zxq user`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  zxq user add alice --superuser --data ./zxq-data
  zxq user list
  psql 'host=db.example.com port=5454 user=alice dbname=zxq sslmode=verify-full sslrootcert=ca.pem'")]
pub(super) struct UserArgs {
    #[command(subcommand)]
    command: UserCommand,
}

#[derive(Debug, Subcommand)]
enum UserCommand {
    /// Make a user; the password is asked for
    #[command(after_help = "\
Examples:
  zxq user add alice --superuser
  zxq user add bob --valid-until 2030-01-01 --connection-limit 5
  pass show zxq/app | zxq user add app --password-stdin")]
    Add(AddArgs),
    /// Give a user another password
    #[command(after_help = "Example:\n  zxq user password alice")]
    Password(PasswordArgs),
    /// Show all users
    #[command(after_help = "Example:\n  zxq user list --format csv")]
    List(ListArgs),
    /// Drop a user
    #[command(after_help = "Example:\n  zxq user drop bob")]
    Drop(DropArgs),
}

#[derive(Debug, Args)]
struct AddArgs {
    /// Name
    name: String,
    /// May do everything
    #[arg(long)]
    superuser: bool,
    /// May make, change and drop roles
    #[arg(long)]
    create_role: bool,
    /// Most connections at once
    #[arg(long, value_name = "N")]
    connection_limit: Option<u32>,
    /// When the password ends: 2030-01-01, or with a time of day and a zone
    #[arg(long, value_name = "TIME")]
    valid_until: Option<String>,
    /// No password: the user logs in with a certificate, or where a rule trusts
    #[arg(long, conflicts_with = "password_stdin")]
    no_password: bool,
    /// Read the password from standard input, its first line
    #[arg(long)]
    password_stdin: bool,
    #[command(flatten)]
    data: DataArgs,
}

#[derive(Debug, Args)]
struct PasswordArgs {
    /// Name
    name: String,
    /// Read the password from standard input, its first line
    #[arg(long)]
    password_stdin: bool,
    #[command(flatten)]
    data: DataArgs,
}

#[derive(Debug, Args)]
struct ListArgs {
    /// How to print
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
    #[command(flatten)]
    data: DataArgs,
}

#[derive(Debug, Args)]
struct DropArgs {
    /// Name
    name: String,
    #[command(flatten)]
    data: DataArgs,
}

/// What `list` shows.
const LIST: &str = "SELECT name, superuser, login, create_role, connection_limit, valid_until, has_password FROM zxq.roles ORDER BY name";

/// Runs `zxq user`.
pub(super) async fn run(args: UserArgs) -> Result<()> {
    match args.command {
        UserCommand::Add(args) => {
            let verifier = if args.no_password { None } else { Some(verifier(args.password_stdin)?) };
            // A first user may come before the first data.
            let backend = Backend::open(&args.data).await?;
            print(backend, &add_sql(&args, verifier.as_ref()), Format::Table).await
        }
        UserCommand::Password(args) => {
            let verifier = verifier(args.password_stdin)?;
            let name = statements::identifier(&args.name);
            let sql = format!("ALTER ROLE {name} PASSWORD {}", statements::literal(&verifier.to_string()));
            print(Backend::open_existing(&args.data).await?, &sql, Format::Table).await
        }
        UserCommand::List(args) => print(Backend::open_existing(&args.data).await?, LIST, args.format).await,
        UserCommand::Drop(args) => {
            let sql = format!("DROP ROLE {}", statements::identifier(&args.name));
            print(Backend::open_existing(&args.data).await?, &sql, Format::Table).await
        }
    }
}

fn add_sql(args: &AddArgs, verifier: Option<&Verifier>) -> String {
    let mut sql = format!("CREATE ROLE {} LOGIN", statements::identifier(&args.name));
    if args.superuser {
        sql.push_str(" SUPERUSER");
    }
    if args.create_role {
        sql.push_str(" CREATEROLE");
    }
    if let Some(limit) = args.connection_limit {
        sql.push_str(&format!(" CONNECTION LIMIT {limit}"));
    }
    if let Some(time) = &args.valid_until {
        sql.push_str(&format!(" VALID UNTIL {}", statements::literal(time)));
    }
    if let Some(verifier) = verifier {
        sql.push_str(&format!(" PASSWORD {}", statements::literal(&verifier.to_string())));
    }
    sql
}

async fn print(backend: Backend, sql: &str, format: Format) -> Result<()> {
    let outcome = match backend.run(sql).await {
        Ok(reply) => output::print(&mut std::io::stdout().lock(), format, reply).await,
        Err(error) => Err(error),
    };
    backend.print_notices();
    let closed = backend.close().await;
    outcome.and(closed)
}

/// Gets a password, and keeps what is kept of it.
fn verifier(from_stdin: bool) -> Result<Verifier> {
    let password = if from_stdin { first_line(std::io::stdin().lock())? } else { ask()? };
    if password.is_empty() {
        return Err(CliError::failed("the password is empty", "nothing was changed; try again"));
    }
    Ok(Verifier::of(&password))
}

/// The first line, without its end.
fn first_line(input: impl BufRead) -> Result<String> {
    let mut line = String::new();
    input
        .take(MOST_BYTES + 2)
        .read_line(&mut line)
        .map_err(|source| CliError::io("cannot read the password from standard input", source))?;
    let line = line.strip_suffix('\n').unwrap_or(&line);
    let line = line.strip_suffix('\r').unwrap_or(line);
    if line.len() as u64 > MOST_BYTES {
        return Err(CliError::failed(
            format!("the password is longer than {MOST_BYTES} bytes"),
            "choose a shorter one",
        ));
    }
    Ok(line.to_owned())
}

/// Asks for a password twice, on a terminal, without showing it.
fn ask() -> Result<String> {
    let terminal = Term::stderr();
    if !terminal.is_term() || !std::io::stdin().is_terminal() {
        return Err(CliError::failed(
            "there is no terminal to ask for the password on",
            "pipe it in, with --password-stdin",
        ));
    }
    let ask = |prompt: &str| {
        eprint!("{prompt}: ");
        terminal.read_secure_line().map_err(|source| CliError::io("cannot read the password", source))
    };
    let password = ask("Password")?;
    if ask("The same again")? != password {
        return Err(CliError::failed("the two passwords differ", "nothing was changed; try again"));
    }
    Ok(password)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_first_line_is_the_password() {
        for (input, password) in
            [("secret\n", "secret"), ("secret", "secret"), (" a b \r\nmore", " a b "), ("", ""), ("\n", "")]
        {
            assert_eq!(first_line(input.as_bytes()).unwrap(), password);
        }
        let longest = "x".repeat(1024);
        assert_eq!(first_line(format!("{longest}\r\n").as_bytes()).unwrap(), longest);
        assert!(first_line(format!("{longest}x\n").as_bytes()).is_err());
        assert!(first_line(&b"\xff\n"[..]).is_err());
    }

    #[test]
    fn names_and_times_are_quoted() {
        let args = AddArgs {
            name: "al\"ice; DROP TABLE t".to_owned(),
            superuser: true,
            create_role: true,
            connection_limit: Some(5),
            valid_until: Some("it's over".to_owned()),
            no_password: true,
            password_stdin: false,
            data: DataArgs { data: "data".into(), config: None },
        };
        let expected = "CREATE ROLE \"al\"\"ice; DROP TABLE t\" LOGIN SUPERUSER CREATEROLE CONNECTION LIMIT 5 \
            VALID UNTIL 'it''s over'";
        assert_eq!(add_sql(&args, None), expected);
        let verifier = Verifier::of("secret");
        assert!(add_sql(&args, Some(&verifier)).ends_with(&format!(" PASSWORD '{verifier}'")));
    }
}

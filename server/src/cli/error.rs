//! Why a command failed, in one line for people.

use std::io;

use zxq_engine::error::{EngineError, ErrorKind};

use crate::config_file::ConfigError;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    /// The engine in this process refused.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The server that holds the data directory refused, or could not be reached.
    #[error("{}", server_message(.0))]
    Server(#[from] tokio_postgres::Error),
    /// The configuration file cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Reading or writing failed.
    #[error("{doing}: {source}")]
    Io {
        /// What was being done.
        doing: String,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// The command line is well-formed and asks for something that cannot be.
    #[error("{0}")]
    Usage(String),
    /// Anything else, with advice.
    #[error("{message}")]
    Failed {
        /// What is wrong.
        message: String,
        /// What to do.
        hint: Option<String>,
    },
    /// Standard output is closed: whoever read it has had enough.
    #[error("standard output is closed")]
    OutputClosed,
    /// Everything has been said; only the exit code is left.
    #[error("exit code {0}")]
    Reported(u8),
}

impl CliError {
    /// A failed read or write.
    pub(crate) fn io(doing: impl Into<String>, source: io::Error) -> Self {
        CliError::Io { doing: doing.into(), source }
    }

    /// A failed write to standard output.
    pub(crate) fn output(source: io::Error) -> Self {
        if source.kind() == io::ErrorKind::BrokenPipe {
            CliError::OutputClosed
        } else {
            CliError::io("cannot write to standard output", source)
        }
    }

    /// A failure with advice.
    pub(crate) fn failed(message: impl Into<String>, hint: impl Into<String>) -> Self {
        CliError::Failed { message: message.into(), hint: Some(hint.into()) }
    }

    /// What to print, unless the command ends quietly. One line.
    pub(crate) fn message(&self) -> Option<String> {
        match self {
            CliError::OutputClosed | CliError::Reported(_) => None,
            other => Some(other.to_string().trim_end().replace('\n', " ")),
        }
    }

    /// What the user can do about it, where the message does not say.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            CliError::Engine(error) => match error.kind() {
                ErrorKind::UndefinedTable => {
                    Some("zxq storage status lists the tables; zxq load --create makes one from a file".to_owned())
                }
                _ => None,
            },
            CliError::Server(error) => match error.as_db_error() {
                Some(db) => db.hint().map(str::to_owned),
                None => Some("is the server still running?".to_owned()),
            },
            CliError::Config(_) => Some("storage.example.yaml lists every key with its default".to_owned()),
            CliError::Usage(_) => Some("--help shows an example".to_owned()),
            CliError::Failed { hint, .. } => hint.clone(),
            CliError::Io { .. } | CliError::OutputClosed | CliError::Reported(_) => None,
        }
    }

    /// The exit code of the program.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            CliError::OutputClosed => 0,
            CliError::Usage(_) => 2,
            CliError::Reported(code) => *code,
            _ => 1,
        }
    }
}

/// The server's own words, where it said any.
fn server_message(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(db) => match db.detail() {
            Some(detail) => format!("{} ({detail})", db.message()),
            None => db.message().to_owned(),
        },
        None => {
            let cause = std::error::Error::source(error).map_or_else(String::new, |cause| format!(": {cause}"));
            format!("the server did not answer: {error}{cause}")
        }
    }
}

//! Where a command's statements run: in the server that holds the data directory, or in this process.

use std::time::Duration;

use zxq_engine::error::ErrorKind;
use zxq_engine::lock;

use super::embedded::Embedded;
use super::remote::Remote;
use super::reply::{Copied, Reply};
use super::{CliError, DataArgs, Result};

/// How often, and how long apart, a directory is tried again whose holder does not serve (yet).
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(150);

/// Runs statements.
pub(crate) enum Backend {
    /// In this process: nobody else holds the data directory.
    Embedded(Embedded),
    /// In the server that holds it.
    Remote(Remote),
}

impl Backend {
    /// Finds the server of the data directory, or opens the directory here. Two processes never open one directory.
    pub(crate) async fn open(data: &DataArgs) -> Result<Self> {
        // Read it also where the server's own configuration holds, so that a mistake in it is never passed over.
        let settings = data.settings()?;
        let mut tries = 0;
        loop {
            let holder = lock::holder(&data.data);
            let secret = holder.as_ref().and_then(|holder| holder.secret.clone());
            if let Some(address) = holder.and_then(|holder| holder.address) {
                if data.config.is_some() {
                    eprintln!("note: the server on {address} holds {}: its configuration applies", data.data.display());
                }
                return Ok(Backend::Remote(Remote::connect(&address, secret.as_deref()).await?));
            }
            match Embedded::open(settings.engine.clone()).await {
                Ok(embedded) => return Ok(Backend::Embedded(embedded)),
                // Perhaps a server that starts, or a command that ends.
                Err(CliError::Engine(error)) if error.kind() == ErrorKind::DirectoryInUse && tries < TRIES => {
                    tries += 1;
                    tokio::time::sleep(PAUSE).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// As [`Backend::open`], for commands that make no sense without data.
    pub(crate) async fn open_existing(data: &DataArgs) -> Result<Self> {
        // A mistake in the configuration may be why there is no such directory.
        data.settings()?;
        if !data.data.is_dir() {
            return Err(CliError::failed(
                format!("there is no data directory {}", data.data.display()),
                "name it with --data DIR, or load something first: zxq load --create",
            ));
        }
        Backend::open(data).await
    }

    /// Runs one statement.
    pub(crate) async fn run(&self, statement: &str) -> Result<Reply> {
        match self {
            Backend::Embedded(embedded) => embedded.run(statement).await,
            Backend::Remote(remote) => remote.run(statement).await,
        }
    }

    /// Begins a `COPY … TO STDOUT`.
    pub(super) async fn copy_out(&self, statement: &str) -> Result<Copied> {
        match self {
            Backend::Embedded(embedded) => embedded.copy_out(statement).await,
            Backend::Remote(remote) => remote.copy_out(statement).await,
        }
    }

    /// Prints the notices of the last statement to standard error.
    pub(crate) fn print_notices(&self) {
        let notices = match self {
            Backend::Embedded(embedded) => embedded.take_notices(),
            Backend::Remote(remote) => remote.take_notices(),
        };
        for notice in notices {
            eprintln!("notice: {notice}");
        }
    }

    /// Closes the engine, if it is ours.
    pub(crate) async fn close(self) -> Result<()> {
        match self {
            Backend::Embedded(embedded) => embedded.close().await,
            Backend::Remote(_) => Ok(()),
        }
    }
}

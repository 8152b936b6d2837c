//! Ctrl-C and SIGTERM.

use tokio::signal::unix::{SignalKind, signal};

use super::{CliError, Result};

/// Waits until somebody asks the process to stop: SIGTERM or SIGINT (Ctrl-C).
pub(crate) async fn stop_requested() -> Result<()> {
    let listen = |kind| signal(kind).map_err(|e| CliError::io("cannot listen for signals", e));
    let mut terminate = listen(SignalKind::terminate())?;
    let mut interrupt = listen(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

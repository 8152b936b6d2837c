//! The threads that statements and jobs run on, apart from those of the sockets and timers.

use tokio::runtime::{Builder, Handle, Runtime};

use super::{CliError, Result, STACK_BYTES};

/// Threads for each core: one that computes on and on is not the only one.
const PER_CORE: usize = 4;

/// Those threads, until it is dropped. What still computes then is left behind: the process ends.
pub(crate) struct StatementThreads(Option<Runtime>);

impl StatementThreads {
    /// Starts them.
    ///
    /// # Errors
    /// When the system gives no threads.
    pub(crate) fn start() -> Result<(Self, Handle)> {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        let runtime = Builder::new_multi_thread()
            .worker_threads(cores * PER_CORE)
            .thread_name("statement")
            .thread_stack_size(STACK_BYTES)
            .enable_all()
            .build()
            .map_err(|source| CliError::io("cannot start the threads of statements", source))?;
        let handle = runtime.handle().clone();
        Ok((StatementThreads(Some(runtime)), handle))
    }
}

impl Drop for StatementThreads {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

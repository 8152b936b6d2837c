//! A step of a job that meets a bug fails as any other step does, so that what the job wrote is swept now and not at the
//! next start.

use std::future::Future;
use std::panic::AssertUnwindSafe;

use futures::FutureExt;

use crate::error::{EngineError, Result};

/// The work's outcome; a panic in it is an internal error, and the panic's own text is in the log.
///
/// What the work shares with others lies behind locks that a panic releases, or is the job's own and given up with it.
///
/// # Errors
/// The work's, and [`crate::ErrorKind::Internal`] for a panic.
pub(crate) async fn caught<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    let outcome = AssertUnwindSafe(work).catch_unwind().await;
    outcome.unwrap_or_else(|_| Err(EngineError::internal("the job met a bug, which the log names")))
}

#[cfg(test)]
mod tests {
    //! Panics and outcomes.
    #![allow(clippy::unwrap_used, clippy::panic)]

    use super::*;
    use crate::error::ErrorKind;

    #[tokio::test]
    async fn a_panic_is_an_error_and_an_outcome_stays() {
        assert_eq!(caught(async { Ok(7) }).await.unwrap(), 7);
        let broken = async {
            tokio::task::yield_now().await;
            panic!("broken on purpose")
        };
        assert_eq!(caught::<()>(broken).await.unwrap_err().kind(), ErrorKind::Internal);
    }
}

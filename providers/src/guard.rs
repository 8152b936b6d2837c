//! Libraries that decode bytes which others wrote: where one of them panics, the bytes are at fault, and the caller gets an
//! error instead.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

use futures::stream::{self, Stream, StreamExt};

use crate::error::ProviderError;

thread_local! {
    static DEPTH: Cell<u32> = const { Cell::new(0) };
}

/// A decoder panicked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Panicked;

impl Panicked {
    /// The error to give for it: `what` names the file or table.
    pub fn in_file(self, store: &'static str, what: impl Into<String>) -> ProviderError {
        let reason = "its bytes do not follow its format, and its decoder gave up on them".to_owned();
        ProviderError::Corrupt { store, what: what.into(), reason }
    }
}

/// True while this thread runs a decoder whose panics become errors: whoever reports panics as bugs leaves those out.
pub fn is_decoding() -> bool {
    DEPTH.with(Cell::get) > 0
}

struct Decoding;

impl Decoding {
    fn enter() -> Decoding {
        DEPTH.with(|depth| depth.set(depth.get() + 1));
        Decoding
    }
}

impl Drop for Decoding {
    fn drop(&mut self) {
        DEPTH.with(|depth| depth.set(depth.get().saturating_sub(1)));
    }
}

/// Runs a decoder. What it worked on must not be used again once it panicked.
///
/// # Errors
/// [`Panicked`] where it did.
pub fn call<T>(work: impl FnOnce() -> T) -> Result<T, Panicked> {
    let decoding = Decoding::enter();
    let outcome = catch_unwind(AssertUnwindSafe(work));
    drop(decoding);
    outcome.map_err(|payload| {
        let text = payload.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("no message");
        tracing::debug!(text, "a decoder panicked");
        Panicked
    })
}

/// As [`call`], for a decoder that waits.
///
/// # Errors
/// As [`call`].
pub async fn future<F: Future>(future: F) -> Result<F::Output, Panicked> {
    let mut future = pin!(future);
    poll_fn(|context| match call(|| future.as_mut().poll(context)) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(value)) => Poll::Ready(Ok(value)),
        Err(panicked) => Poll::Ready(Err(panicked)),
    })
    .await
}

/// As [`call`], for a decoder that gives one thing after the other. Nothing comes after the panic.
pub fn stream<S: Stream + Unpin>(mut inner: S) -> impl Stream<Item = Result<S::Item, Panicked>> {
    let mut is_over = false;
    stream::poll_fn(move |context| {
        if is_over {
            return Poll::Ready(None);
        }
        match call(|| inner.poll_next_unpin(context)) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(item)) => Poll::Ready(item.map(Ok)),
            Err(panicked) => {
                is_over = true;
                Poll::Ready(Some(Err(panicked)))
            }
        }
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use super::*;

    #[tokio::test]
    async fn panics_become_errors_and_are_known_as_such_while_they_happen() {
        assert!(!is_decoding());
        assert!(call(is_decoding).unwrap());
        assert_eq!(call(|| panic!("damaged")).map(|()| 0), Err(Panicked));
        assert!(!is_decoding());

        assert_eq!(
            future(async {
                tokio::task::yield_now().await;
                7
            })
            .await,
            Ok(7)
        );
        let broken = async {
            tokio::task::yield_now().await;
            panic!("damaged")
        };
        assert_eq!(future(broken).await.map(|()| 0), Err(Panicked));

        let numbers = stream::iter(0..5).map(|n| if n == 2 { panic!("damaged") } else { n });
        let seen: Vec<_> = stream(numbers).collect().await;
        assert_eq!(seen, [Ok(0), Ok(1), Err(Panicked)]);
        assert!(Panicked.in_file("parquet", "file a.parquet").to_string().contains("file a.parquet is damaged"));
    }
}

//! Work of a connection itself that takes long because a text or a value is long: no other connection waits for it.

use tokio::runtime::{Handle, RuntimeFlavor};

/// From so many bytes on it is long: what takes as many microseconds as there are thousands of them is no matter.
const LONG: usize = 256 << 10;

/// Does the work, which goes through so many bytes. Where they are many, other tasks of this thread go on elsewhere meanwhile.
pub(crate) fn beside_others<T>(bytes: usize, work: impl FnOnce() -> T) -> T {
    let threads = || Handle::try_current().is_ok_and(|handle| handle.runtime_flavor() == RuntimeFlavor::MultiThread);
    if bytes >= LONG && threads() { tokio::task::block_in_place(work) } else { work() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_done_where_there_is_no_runtime() {
        assert_eq!(beside_others(LONG, || 1), 1);
    }

    #[tokio::test]
    async fn it_is_done_where_there_is_one_thread() {
        assert_eq!(beside_others(LONG, || 2), 2);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn others_go_on_meanwhile() {
        let (said, heard) = std::sync::mpsc::channel();
        let long = tokio::spawn(async move {
            tokio::spawn(async move { said.send(3) });
            // It would wait for ever where the other task had to wait for it.
            beside_others(LONG, || heard.recv())
        });
        assert_eq!(long.await.ok(), Some(Ok(3)));
    }
}

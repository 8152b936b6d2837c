//! Clients that have not said yet who they are. They take no place from those who have: where too many come and say nothing,
//! the one that has been silent longest goes.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

/// Most of them.
const MOST: usize = 500;

/// Those that are starting, the oldest first.
#[derive(Debug, Default)]
pub(crate) struct Starting {
    clients: Mutex<VecDeque<(u64, CancellationToken)>>,
}

/// One of them; it is none any more when this is dropped.
#[derive(Debug)]
pub(crate) struct StartingClient {
    all: Arc<Starting>,
    number: u64,
    /// Cancelled when it has to make room.
    pub(crate) gone: CancellationToken,
}

impl Starting {
    /// A client that has just come.
    pub(crate) fn enter(self: &Arc<Self>) -> StartingClient {
        let gone = CancellationToken::new();
        let mut clients = self.clients.lock();
        if clients.len() >= MOST
            && let Some((_, oldest)) = clients.pop_front()
        {
            oldest.cancel();
        }
        let number = clients.back().map_or(0, |(number, _)| number + 1);
        clients.push_back((number, gone.clone()));
        StartingClient { all: Arc::clone(self), number, gone }
    }
}

impl Drop for StartingClient {
    fn drop(&mut self) {
        self.all.clients.lock().retain(|(number, _)| *number != self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_silent_makes_room() {
        let all = Arc::new(Starting::default());
        let mut clients: Vec<StartingClient> = (0..MOST).map(|_| all.enter()).collect();
        assert!(clients.iter().all(|client| !client.gone.is_cancelled()));
        clients.push(all.enter());
        assert!(clients[0].gone.is_cancelled() && !clients[1].gone.is_cancelled());
        clients.remove(5);
        clients.push(all.enter());
        assert!(!clients[1].gone.is_cancelled(), "one that has started takes no room");
    }
}

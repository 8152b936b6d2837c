//! Room in hot: who waits for it, whoever makes it being told, and what became of that.
//!
//! Rows that do not fit wait, one ingest at a time, in the order in which they came: a large one is not overtaken by small
//! ones for ever. Who waits asks for room ([`Room::ask`]); the moves that make it are run elsewhere and answer
//! ([`Room::answer`]).

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{MutexGuard, Notify, watch};
use tokio::time::Instant;

/// How long nobody is asked again in passing where nothing could be moved.
const QUIET: Duration = Duration::from_secs(1);

/// What became of a wish for room: of all those up to a number.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Answer {
    up_to: u64,
    /// Why nothing was moved; `None` where something was, or nothing had to be.
    problem: Option<String>,
}

/// Who waits for room in hot, and who makes it.
#[derive(Debug)]
pub(crate) struct Room {
    /// Held by the ingest that waits; others wait for it.
    turn: tokio::sync::Mutex<()>,
    /// Bytes that it waits for; 0 while nobody waits.
    wanted: AtomicU64,
    asked: AtomicU64,
    came: Notify,
    answers: watch::Sender<Answer>,
    /// Nobody moves anything by itself.
    by_hand: bool,
    quiet_until: Mutex<Option<Instant>>,
    /// Since when nothing can be moved, and no memory is given back.
    stuck_since: Mutex<Option<Instant>>,
}

/// The turn of one ingest; the next one's when dropped.
pub(crate) struct Turn<'a> {
    room: &'a Room,
    _held: MutexGuard<'a, ()>,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.room.wanted.store(0, Ordering::SeqCst);
    }
}

impl Room {
    /// `by_hand`: rows move only where somebody says so.
    pub(crate) fn new(by_hand: bool) -> Self {
        Room {
            turn: tokio::sync::Mutex::default(),
            wanted: AtomicU64::new(0),
            asked: AtomicU64::new(0),
            came: Notify::new(),
            answers: watch::Sender::default(),
            by_hand,
            quiet_until: Mutex::default(),
            stuck_since: Mutex::default(),
        }
    }

    /// Waits for those who came before.
    pub(crate) async fn turn(&self) -> Turn<'_> {
        Turn { _held: self.turn.lock().await, room: self }
    }

    /// Asks for room for so many bytes, of whoever's turn it is; gives the wish's number.
    pub(crate) fn ask(&self, turn: &Turn<'_>, bytes: u64) -> u64 {
        turn.room.wanted.store(bytes, Ordering::SeqCst);
        let number = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        self.came.notify_one();
        number
    }

    /// Lets those know who make room that there is little: what comes next need not wait then.
    pub(crate) fn mention(&self) {
        if !self.by_hand && self.quiet_until.lock().is_none_or(|until| Instant::now() >= until) {
            self.came.notify_one();
        }
    }

    /// Waits for what became of a wish: nothing where something was moved, else why not.
    pub(crate) async fn answer_to(&self, number: u64) -> Option<String> {
        if self.by_hand {
            return Some("nothing moves by itself, since maintenance_interval is 0".to_owned());
        }
        let mut answers = self.answers.subscribe();
        let answer = answers.wait_for(|answer| answer.up_to >= number).await.map(|answer| answer.problem.clone());
        // The sender lives as long as this does.
        answer.unwrap_or_default()
    }

    /// Waits until somebody asks for room; gives the number of the newest wish.
    pub(crate) async fn wish(&self) -> u64 {
        self.came.notified().await;
        self.asked.load(Ordering::SeqCst)
    }

    /// Nothing could be moved; since when that is so, whoever found out first.
    pub(crate) fn note_stuck(&self) -> Instant {
        *self.stuck_since.lock().get_or_insert_with(Instant::now)
    }

    /// Something was moved, or memory given back.
    pub(crate) fn note_progress(&self) {
        *self.stuck_since.lock() = None;
    }

    /// Bytes that somebody waits for.
    pub(crate) fn wanted(&self) -> u64 {
        self.wanted.load(Ordering::SeqCst)
    }

    /// Answers all wishes up to a number.
    pub(crate) fn answer(&self, up_to: u64, problem: Option<String>) {
        *self.quiet_until.lock() = problem.as_ref().and_then(|_| Instant::now().checked_add(QUIET));
        self.answers.send_replace(Answer { up_to, problem });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_wish_is_answered_by_whoever_makes_room() {
        let room = Room::new(false);
        let turn = room.turn().await;
        let first = room.ask(&turn, 70);
        assert_eq!(room.wanted(), 70);
        let wish = room.wish().await;
        assert_eq!(wish, first);
        let second = room.ask(&turn, 80);
        room.answer(wish, None);
        assert_eq!(room.answer_to(first).await, None);
        let mut later = std::pin::pin!(room.answer_to(second));
        assert!(futures::poll!(later.as_mut()).is_pending(), "it came after the moves were chosen");
        assert_eq!(room.wish().await, second);
        room.answer(second, Some("a store is away".to_owned()));
        assert_eq!(later.await.as_deref(), Some("a store is away"));
        drop(turn);
        assert_eq!(room.wanted(), 0, "who goes away wants nothing any more");
    }

    #[tokio::test]
    async fn who_comes_later_waits_for_those_before() {
        let room = Room::new(false);
        let first = room.turn().await;
        let mut second = std::pin::pin!(room.turn());
        assert!(futures::poll!(second.as_mut()).is_pending());
        drop(first);
        drop(second.await);
    }

    #[tokio::test]
    async fn what_one_finds_stuck_is_so_for_the_next() {
        let room = Room::new(false);
        let since = room.note_stuck();
        assert_eq!(room.note_stuck(), since);
        room.note_progress();
        assert!(room.note_stuck() >= since);
    }

    #[tokio::test]
    async fn where_nothing_moves_by_itself_that_is_the_answer() {
        let room = Room::new(true);
        let turn = room.turn().await;
        let number = room.ask(&turn, 1);
        assert!(room.answer_to(number).await.is_some_and(|problem| problem.contains("maintenance_interval")));
    }
}

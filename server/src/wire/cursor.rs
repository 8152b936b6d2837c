//! The rows of a cursor: read from its statement as they are asked for, and kept as far as the cursor may go back.
//!
//! Positions are PostgreSQL's: before the first row, on a row, after the last one.

use std::collections::VecDeque;
use std::sync::Arc;

use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, MemoryReservation};
use futures::StreamExt;
use parking_lot::Mutex;

use super::encode::EncodableBatch;
use super::error::{Stop, WireError};
use super::link::{Guard, Link, SEND_BYTES};
use super::rows::{RowCursor, RowWriter};
use crate::sqlstate;

/// What a cursor keeps that was declared neither SCROLL nor NO SCROLL: it can go back while its rows are few.
const KEPT_WITHOUT_SCROLL: usize = 4 << 20;

/// Whether a cursor can go back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Scroll {
    /// `SCROLL`: always.
    Yes,
    /// `NO SCROLL`: never.
    No,
    /// Nothing was said: as long as its rows are few.
    #[default]
    WhileFew,
}

/// Which rows a FETCH or MOVE is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Movement {
    /// So many forward, or backward where negative; the current row again where 0.
    Forward(i64),
    /// All that follow.
    ForwardAll,
    /// All before, the nearest first.
    BackwardAll,
    /// The row of that number, from the end where negative.
    Absolute(i64),
    /// The row that many further on.
    Relative(i64),
}

/// Rows of a batch, and where they stand among all rows.
struct Held {
    /// Number of its first row, from 1.
    first: u64,
    /// Bytes counted for it.
    bytes: usize,
    rows: EncodableBatch,
}

impl Held {
    /// Number of the first row after it.
    fn end(&self) -> u64 {
        self.first + self.rows.rows() as u64
    }
}

/// The rows of a cursor and the place it is at.
pub(crate) struct CursorRows {
    /// Never locked: the mutex makes the cursor `Sync`, as a session that keeps it has to be.
    stream: Mutex<SendableRecordBatchStream>,
    /// Rows that were read and not given up.
    held: VecDeque<Held>,
    /// Rows read from the stream.
    read: u64,
    /// Rows that were given up: the cursor cannot go back to them.
    gone: u64,
    /// The stream has no more.
    ended: bool,
    /// 0 before the first row, the number of the current one, or one more than there are.
    at: u64,
    scroll: Scroll,
    memory: MemoryReservation,
}

impl CursorRows {
    /// A cursor before its first row.
    pub(crate) fn new(stream: SendableRecordBatchStream, scroll: Scroll, pool: &Arc<dyn MemoryPool>) -> Self {
        CursorRows {
            stream: Mutex::new(stream),
            held: VecDeque::new(),
            read: 0,
            gone: 0,
            ended: false,
            at: 0,
            scroll,
            memory: MemoryConsumer::new("rows of a cursor").register(pool),
        }
    }

    /// A cursor over what is left of rows that were being sent.
    pub(crate) fn going_on(rows: RowCursor, pool: &Arc<dyn MemoryPool>) -> Self {
        let (stream, current, ended) = rows.into_parts();
        let mut cursor = CursorRows::new(stream, Scroll::No, pool);
        cursor.ended = ended;
        if let Some((batch, sent)) = current {
            // How many rows came before is not known, and does not matter to a cursor that goes forward.
            cursor.read = batch.rows() as u64;
            cursor.at = sent as u64;
            cursor.held.push_back(Held { first: 1, bytes: 0, rows: batch });
        }
        cursor
    }

    /// Moves, and sends the rows that it meets where there is a writer. Returns how many there are.
    ///
    /// # Errors
    /// 55000 for a cursor that cannot go back there; what the stream or the encoding says; the guard's reason; or that the
    /// client is gone.
    pub(crate) async fn go(
        &mut self,
        movement: Movement,
        writer: Option<&mut dyn RowWriter>,
        link: &mut Link,
        guard: &Guard,
    ) -> Result<u64, Stop> {
        match movement {
            Movement::Forward(0) | Movement::Relative(0) => self.current(writer, link, guard).await,
            Movement::Forward(rows) if rows < 0 => self.backward(rows.unsigned_abs(), writer, link, guard).await,
            Movement::Forward(rows) => self.forward(rows.unsigned_abs(), writer, link, guard).await,
            Movement::ForwardAll => self.forward(u64::MAX, writer, link, guard).await,
            Movement::BackwardAll => self.backward(u64::MAX, writer, link, guard).await,
            Movement::Absolute(row) if row < 0 => {
                self.check_back(u64::MAX)?;
                while self.load(link, guard).await? {
                    self.at = self.read;
                    self.give_up();
                }
                let target = (self.read + 1).saturating_sub(row.unsigned_abs());
                self.stand_on(target, writer, link, guard).await
            }
            Movement::Absolute(row) => self.stand_on(row.unsigned_abs(), writer, link, guard).await,
            Movement::Relative(rows) => {
                let target = if rows < 0 {
                    self.at.saturating_sub(rows.unsigned_abs())
                } else {
                    self.at.saturating_add(rows.unsigned_abs())
                };
                self.stand_on(target, writer, link, guard).await
            }
        }
    }

    /// The current row again.
    async fn current(
        &mut self,
        writer: Option<&mut dyn RowWriter>,
        link: &mut Link,
        guard: &Guard,
    ) -> Result<u64, Stop> {
        if self.at == 0 || self.at > self.read {
            return Ok(0);
        }
        if let Some(writer) = writer {
            self.check_back(self.at)?;
            self.send(self.at, writer, link, guard).await?;
        }
        Ok(1)
    }

    async fn forward(
        &mut self,
        count: u64,
        mut writer: Option<&mut dyn RowWriter>,
        link: &mut Link,
        guard: &Guard,
    ) -> Result<u64, Stop> {
        let mut met = 0;
        while met < count {
            if self.at >= self.read && !self.load(link, guard).await? {
                self.at = self.read + 1;
                return Ok(met);
            }
            // A whole batch, or as much of it as is wanted.
            let Some(batch) = self.held.iter().find(|held| self.at + 1 < held.end()) else { break };
            let from = (self.at + 1).saturating_sub(batch.first);
            let until = (batch.rows.rows() as u64).min(from.saturating_add(count - met));
            if let Some(writer) = writer.as_deref_mut() {
                let (mut row, until) = (as_index(from), as_index(until));
                while row < until {
                    row = writer.write(&batch.rows, row, until, SEND_BYTES, link.buffer())?;
                    if link.buffer().len() >= SEND_BYTES {
                        link.flush_guarded(guard).await?;
                    }
                }
            }
            self.at += until - from;
            met += until - from;
            self.give_up();
        }
        Ok(met)
    }

    async fn backward(
        &mut self,
        count: u64,
        writer: Option<&mut dyn RowWriter>,
        link: &mut Link,
        guard: &Guard,
    ) -> Result<u64, Stop> {
        if self.scroll == Scroll::No {
            return Err(forward_only().into());
        }
        let met = count.min(self.at.saturating_sub(1));
        if met > 0 {
            self.check_back(self.at - met)?;
        }
        if let Some(writer) = writer {
            for row in (self.at - met..self.at).rev() {
                self.send(row, writer, link, guard).await?;
            }
        }
        self.at = if met < count { 0 } else { self.at - met };
        Ok(met)
    }

    /// Goes to the row of that number and sends it; before the first for 0, behind the last where there is no such row.
    async fn stand_on(
        &mut self,
        row: u64,
        writer: Option<&mut dyn RowWriter>,
        link: &mut Link,
        guard: &Guard,
    ) -> Result<u64, Stop> {
        if row <= self.at && !(row == 0 && self.at == 0) {
            self.check_back(row.max(1))?;
        }
        while self.read < row {
            if !self.load(link, guard).await? {
                self.at = self.read + 1;
                return Ok(0);
            }
            if self.scroll != Scroll::Yes {
                self.at = self.read.min(row).saturating_sub(1);
                self.give_up();
            }
        }
        self.at = row;
        if row == 0 {
            return Ok(0);
        }
        if let Some(writer) = writer {
            self.send(row, writer, link, guard).await?;
        }
        self.give_up();
        Ok(1)
    }

    /// Sends one row that is held.
    async fn send(&self, row: u64, writer: &mut dyn RowWriter, link: &mut Link, guard: &Guard) -> Result<(), Stop> {
        let at = self.held.partition_point(|held| held.end() <= row);
        let held = self.held.get(at).filter(|held| held.first <= row);
        let held = held.ok_or_else(|| WireError::internal("a row of a cursor is not there"))?;
        let place = as_index(row - held.first);
        writer.write(&held.rows, place, place + 1, usize::MAX, link.buffer())?;
        if link.buffer().len() >= SEND_BYTES {
            link.flush_guarded(guard).await?;
        }
        Ok(())
    }

    /// Refuses to go back to a row that is not held any more, or at all.
    fn check_back(&self, row: u64) -> Result<(), WireError> {
        if self.scroll == Scroll::No || row <= self.gone { Err(forward_only()) } else { Ok(()) }
    }

    /// Reads the next rows; false when there are none.
    async fn load(&mut self, link: &mut Link, guard: &Guard) -> Result<bool, Stop> {
        while !self.ended {
            let stream = self.stream.get_mut();
            let Some(batch) = link.run(guard, async { stream.next().await.transpose() }).await? else {
                self.ended = true;
                break;
            };
            if batch.num_rows() == 0 {
                continue;
            }
            let bytes = batch.get_array_memory_size();
            self.memory.try_grow(bytes).map_err(WireError::from)?;
            self.held.push_back(Held { first: self.read + 1, bytes, rows: EncodableBatch::new(&batch)? });
            self.read += batch.num_rows() as u64;
            return Ok(true);
        }
        Ok(false)
    }

    /// Forgets rows that the cursor does not have to go back to.
    fn give_up(&mut self) {
        let most = match self.scroll {
            Scroll::Yes => return,
            Scroll::WhileFew => KEPT_WITHOUT_SCROLL,
            Scroll::No => 0,
        };
        while self.memory.size() > most
            && let Some(first) = self.held.front()
            && first.end() <= self.at
        {
            self.memory.shrink(first.bytes.min(self.memory.size()));
            self.gone = first.end() - 1;
            self.held.pop_front();
        }
    }
}

fn as_index(row: u64) -> usize {
    usize::try_from(row).unwrap_or(usize::MAX)
}

fn forward_only() -> WireError {
    WireError::new(sqlstate::OBJECT_NOT_IN_PREREQUISITE_STATE, "cursor can only scan forward")
        .hint("Declare it with SCROLL option to enable backward scan.")
}

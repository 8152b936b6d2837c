//! A bounded pipe from the connection to the thread that loads: the client is read no faster than rows are loaded.

use std::io::{self, Read};

use bytes::{Buf, Bytes};
use tokio::sync::mpsc;

/// Pieces of data under way at most.
const DEPTH: usize = 8;

/// The end the connection writes to. Dropping it without [`PipeWriter::finish`] makes the reader fail, so that a COPY
/// that breaks off loads nothing.
#[derive(Debug)]
pub(crate) struct PipeWriter(mpsc::Sender<Piece>);

/// The end the loader reads from.
#[derive(Debug)]
pub(crate) struct PipeReader {
    pieces: mpsc::Receiver<Piece>,
    current: Bytes,
    finished: bool,
}

#[derive(Debug)]
enum Piece {
    Data(Bytes),
    Failed(String),
    End,
}

/// A pipe from the connection, which writes without blocking, to the loader's thread, which reads and may block.
pub(crate) fn pipe() -> (PipeWriter, PipeReader) {
    let (sender, receiver) = mpsc::channel(DEPTH);
    (PipeWriter(sender), PipeReader { pieces: receiver, current: Bytes::new(), finished: false })
}

impl PipeWriter {
    /// Hands data on, waiting while the loader is behind. False when the loader has stopped reading.
    pub(crate) async fn write(&self, data: Bytes) -> bool {
        data.is_empty() || self.0.send(Piece::Data(data)).await.is_ok()
    }

    /// Makes the reader fail with this message.
    pub(crate) async fn fail(self, message: String) {
        // A loader that has stopped reading has failed already.
        let _ = self.0.send(Piece::Failed(message)).await;
    }

    /// Ends the data.
    pub(crate) async fn finish(self) {
        // A loader that has stopped reading has failed already, and says why.
        let _ = self.0.send(Piece::End).await;
    }
}

impl Read for PipeReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            if self.finished {
                return Ok(0);
            }
            // Tokio's own blocking receive panics on a runtime's thread; the loader may look at the first bytes on one.
            match futures::executor::block_on(self.pieces.recv()) {
                Some(Piece::Data(data)) => self.current = data,
                Some(Piece::End) => self.finished = true,
                Some(Piece::Failed(message)) => return Err(io::Error::new(io::ErrorKind::InvalidData, message)),
                None => {
                    return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the client broke the COPY off"));
                }
            }
        }
        let length = buffer.len().min(self.current.len());
        self.current.copy_to_slice(&mut buffer[..length]);
        Ok(length)
    }
}

//! The protocol's codec with a limit to what one message of a client may be, and those of all together; a look at its parts, and
//! a count of its bytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::BytesMut;
use pgwire::error::PgWireError;
use pgwire::messages::{PgWireBackendMessage, PgWireFrontendMessage};
use pgwire::tokio::server::PgWireMessageServerCodec;
use tokio_util::codec::{Decoder, Encoder};

use super::message_shape;

/// Most bytes of one message. A message is held as a whole, and only then looked at.
pub(crate) const MOST_BYTES: usize = 256 << 20;

/// From so many bytes on a message counts among those of all clients.
const LARGE: usize = 1 << 20;
/// Most bytes of large messages of all clients together that have come and are not dealt with.
const MOST_OF_ALL: usize = 1 << 30;

/// The large messages of all clients.
#[derive(Debug)]
pub(crate) struct LargeMessages {
    bytes: AtomicUsize,
    most: usize,
}

impl Default for LargeMessages {
    fn default() -> Self {
        LargeMessages { bytes: AtomicUsize::new(0), most: MOST_OF_ALL }
    }
}

/// What a message counts for.
pub(crate) fn counted(bytes: usize) -> usize {
    if bytes > LARGE { bytes } else { 0 }
}

/// The codec of a connection that has got through its startup.
#[derive(Debug)]
pub(crate) struct LimitedCodec {
    codec: PgWireMessageServerCodec<()>,
    /// Bytes of the message that was read last.
    pub(crate) last_bytes: usize,
    all: Arc<LargeMessages>,
    /// What this client's messages are counted for among those of all.
    taken: usize,
    /// Of that, the message that is being read.
    coming: usize,
}

impl LimitedCodec {
    /// The codec with its limits.
    pub(crate) fn new(codec: PgWireMessageServerCodec<()>, all: Arc<LargeMessages>) -> Self {
        LimitedCodec { codec, last_bytes: 0, all, taken: 0, coming: 0 }
    }

    /// Gives back what was counted for messages, but for so many bytes and the message that is being read.
    pub(crate) fn keep_counted(&mut self, bytes: usize) {
        let over = self.taken.saturating_sub(bytes + self.coming);
        self.taken -= over;
        self.all.bytes.fetch_sub(over, Ordering::Relaxed);
    }

    /// Counts what has come of a message: what is only announced takes no memory yet, and nobody's room.
    fn count_coming(&mut self, bytes: usize) -> Result<(), PgWireError> {
        let more = counted(bytes).saturating_sub(self.coming);
        if more == 0 {
            return Ok(());
        }
        let all = self.all.bytes.fetch_add(more, Ordering::Relaxed) + more;
        self.taken += more;
        self.coming += more;
        if all > self.all.most { Err(PgWireError::MessageTooLarge(self.all.most, all)) } else { Ok(()) }
    }
}

impl Drop for LimitedCodec {
    fn drop(&mut self) {
        self.coming = 0;
        self.keep_counted(0);
    }
}

impl Decoder for LimitedCodec {
    type Item = PgWireFrontendMessage;
    type Error = PgWireError;

    fn decode(&mut self, source: &mut BytesMut) -> Result<Option<PgWireFrontendMessage>, PgWireError> {
        // A letter, then the length, which counts itself.
        if let Some((&[kind, ref length @ ..], rest)) = source.split_first_chunk::<5>() {
            let length = u32::from_be_bytes(*length) as usize;
            if length > MOST_BYTES {
                return Err(PgWireError::MessageTooLarge(MOST_BYTES, length));
            }
            let Some(body) = length.checked_sub(4) else { return Err(malformed()) };
            if rest.get(..body).is_some_and(|body| !message_shape::fits(kind, body)) {
                return Err(malformed());
            }
            self.count_coming((length + 1).min(source.len()))?;
        }
        let before = source.len();
        let message = self.codec.decode(source)?;
        self.last_bytes = before.saturating_sub(source.len());
        if message.is_some() {
            self.coming = 0;
        }
        Ok(message)
    }
}

fn malformed() -> PgWireError {
    PgWireError::ApiError("invalid message format".into())
}

impl Encoder<PgWireBackendMessage> for LimitedCodec {
    type Error = std::io::Error;

    fn encode(&mut self, message: PgWireBackendMessage, target: &mut BytesMut) -> Result<(), std::io::Error> {
        self.codec.encode(message, target)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::net::{Ipv4Addr, SocketAddr};

    use pgwire::api::{ClientInfo, DefaultClient, PgWireConnectionState};

    use super::*;

    const MIB: usize = 1 << 20;

    fn codec(all: &Arc<LargeMessages>) -> LimitedCodec {
        let mut client = DefaultClient::new(SocketAddr::from((Ipv4Addr::LOCALHOST, 1)), false);
        client.set_state(PgWireConnectionState::ReadyForQuery);
        LimitedCodec::new(PgWireMessageServerCodec::new(client), Arc::clone(all))
    }

    /// So many bytes of a message that is to be so long.
    fn beginning(bytes: usize, of: usize) -> BytesMut {
        let length = u32::try_from(of).unwrap().to_be_bytes();
        let text = vec![b'x'; bytes - 5];
        BytesMut::from([&b"Q"[..], &length, &text].concat().as_slice())
    }

    #[test]
    fn large_messages_of_all_clients_have_a_limit_together() {
        let all = Arc::new(LargeMessages { most: 10 * MIB, ..LargeMessages::default() });
        let mut first: Vec<LimitedCodec> = (0..3).map(|_| codec(&all)).collect();
        for codec in &mut first {
            let mut bytes = beginning(3 * MIB, 200 * MIB);
            assert!(codec.decode(&mut bytes).unwrap().is_none());
            assert!(codec.decode(&mut bytes).unwrap().is_none(), "it is counted once");
        }
        assert!(codec(&all).decode(&mut beginning(2 * MIB, 2 * MIB)).is_err());
        assert!(codec(&all).decode(&mut beginning(10, 200 * MIB)).unwrap().is_none(), "nothing of it has come");
        drop(first.pop());
        assert!(codec(&all).decode(&mut beginning(2 * MIB, 2 * MIB)).unwrap().is_none());
        drop(first);
        assert_eq!(all.bytes.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_message_counts_until_it_is_dealt_with() {
        let all = Arc::new(LargeMessages::default());
        let mut codec = codec(&all);
        let mut bytes = beginning(2 * MIB, 2 * MIB);
        bytes.extend_from_slice(b"\0");
        assert!(codec.decode(&mut bytes).unwrap().is_some());
        codec.keep_counted(counted(codec.last_bytes));
        assert_eq!(all.bytes.load(Ordering::Relaxed), 2 * MIB + 1);
        codec.keep_counted(0);
        assert_eq!(all.bytes.load(Ordering::Relaxed), 0);
    }
}

//! The protocol's codec with a limit to what one message of a client may be, and a count of its bytes.

use std::panic::AssertUnwindSafe;

use bytes::BytesMut;
use pgwire::error::PgWireError;
use pgwire::messages::{PgWireBackendMessage, PgWireFrontendMessage};
use pgwire::tokio::server::PgWireMessageServerCodec;
use tokio_util::codec::{Decoder, Encoder};

/// Most bytes of one message. A message is held as a whole, and only then looked at.
pub(crate) const MOST_BYTES: usize = 256 << 20;

/// The codec of a connection that has got through its startup.
#[derive(Debug)]
pub(crate) struct LimitedCodec {
    codec: PgWireMessageServerCodec<()>,
    /// Bytes of the message that was read last.
    pub(crate) last_bytes: usize,
}

impl LimitedCodec {
    /// The codec with its limit.
    pub(crate) fn new(codec: PgWireMessageServerCodec<()>) -> Self {
        LimitedCodec { codec, last_bytes: 0 }
    }
}

impl Decoder for LimitedCodec {
    type Item = PgWireFrontendMessage;
    type Error = PgWireError;

    fn decode(&mut self, source: &mut BytesMut) -> Result<Option<PgWireFrontendMessage>, PgWireError> {
        // A letter, then the length.
        if let Some(length) = source.get(1..5).and_then(|bytes| <[u8; 4]>::try_from(bytes).ok()) {
            let length = u32::from_be_bytes(length) as usize;
            if length > MOST_BYTES {
                return Err(PgWireError::MessageTooLarge(MOST_BYTES, length));
            }
        }
        let before = source.len();
        // The codec reads the parts of a message without asking whether they are there, and panics where they are not.
        let decoded = std::panic::catch_unwind(AssertUnwindSafe(|| self.codec.decode(source)));
        let message = decoded.unwrap_or_else(|_| Err(PgWireError::ApiError("invalid message format".into())))?;
        self.last_bytes = before.saturating_sub(source.len());
        Ok(message)
    }
}

impl Encoder<PgWireBackendMessage> for LimitedCodec {
    type Error = std::io::Error;

    fn encode(&mut self, message: PgWireBackendMessage, target: &mut BytesMut) -> Result<(), std::io::Error> {
        self.codec.encode(message, target)
    }
}

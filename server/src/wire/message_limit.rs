//! The protocol's codec with a limit to what one message of a client may be, a look at its parts, and a count of its bytes.

use bytes::BytesMut;
use pgwire::error::PgWireError;
use pgwire::messages::{PgWireBackendMessage, PgWireFrontendMessage};
use pgwire::tokio::server::PgWireMessageServerCodec;
use tokio_util::codec::{Decoder, Encoder};

use super::message_shape;

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
        }
        let before = source.len();
        let message = self.codec.decode(source)?;
        self.last_bytes = before.saturating_sub(source.len());
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

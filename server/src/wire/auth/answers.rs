//! What a client answers while it logs in.
//!
//! Read here rather than by the codec: until the client has shown who it is, it may send nothing but answers, and small ones.

use bytes::{Buf, BytesMut};
use tokio::io::AsyncReadExt;

use crate::wire::error::{Stop, WireError};
use crate::wire::link::Socket;

/// Most bytes of an answer, as in PostgreSQL.
const MOST_BYTES: usize = 1024;

/// The letter of an answer.
const ANSWER: u8 = b'p';

/// The next answer.
///
/// # Errors
/// For any other message and for one that is too large, and when the client is gone.
pub(super) async fn next(socket: &mut Socket) -> Result<BytesMut, Stop> {
    loop {
        if let Some(answer) = take(socket.read_buffer_mut())? {
            return Ok(answer);
        }
        let mut bytes = [0; MOST_BYTES];
        let read = socket.get_mut().read(&mut bytes).await?;
        if read == 0 {
            return Err(Stop::Gone(std::io::ErrorKind::UnexpectedEof.into()));
        }
        socket.read_buffer_mut().extend_from_slice(&bytes[..read]);
    }
}

/// Takes an answer from the bytes that have come, if all of it has.
fn take(bytes: &mut BytesMut) -> Result<Option<BytesMut>, WireError> {
    let Some(letter) = bytes.first() else { return Ok(None) };
    if *letter != ANSWER {
        return Err(WireError::protocol(format!("expected SASL response, got message type {letter}")));
    }
    let Some(length) = bytes.get(1..5).and_then(|length| <[u8; 4]>::try_from(length).ok()) else { return Ok(None) };
    // The length counts itself.
    let length = usize::try_from(u32::from_be_bytes(length)).ok().and_then(|length| length.checked_sub(4));
    let length = length.filter(|length| *length <= MOST_BYTES);
    let length = length.ok_or_else(|| WireError::protocol("invalid length of a SASL response"))?;
    if bytes.len() < 5 + length {
        return Ok(None);
    }
    bytes.advance(5);
    Ok(Some(bytes.split_to(length)))
}

/// The mechanism that the client has chosen, and its first text.
///
/// # Errors
/// When it is no such answer.
pub(super) fn chosen(answer: &[u8]) -> Result<(&str, &str), WireError> {
    let malformed = || WireError::protocol("malformed SASL initial response");
    let end = answer.iter().position(|byte| *byte == 0).ok_or_else(malformed)?;
    let (mechanism, rest) = answer.split_at(end);
    let (length, said) = rest[1..].split_first_chunk::<4>().ok_or_else(malformed)?;
    // A length of -1 would mean that nothing is said, which SCRAM does not know.
    if usize::try_from(i32::from_be_bytes(*length)).ok() != Some(said.len()) {
        return Err(malformed());
    }
    Ok((text(mechanism)?, text(said)?))
}

/// An answer as text.
///
/// # Errors
/// When it is none.
pub(super) fn text(answer: &[u8]) -> Result<&str, WireError> {
    std::str::from_utf8(answer).map_err(|_| WireError::protocol("malformed SCRAM message"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn answers_are_taken_whole_and_one_by_one() {
        let mut bytes = BytesMut::new();
        for byte in [b'p', 0, 0, 0, 7, b'a', b'b'] {
            assert_eq!(take(&mut bytes).unwrap(), None);
            bytes.extend_from_slice(&[byte]);
        }
        assert_eq!(take(&mut bytes).unwrap(), None);
        bytes.extend_from_slice(b"cp");
        assert_eq!(take(&mut bytes).unwrap().unwrap(), "abc");
        assert_eq!(bytes, "p");
    }

    #[test]
    fn nothing_else_is_read_before_the_log_in() {
        for wrong in [&b"Q"[..], b"X\0\0\0\x04", b"p\0\0\0\x03", b"p\x7f\xff\xff\xff", b"p\xff\xff\xff\xff"] {
            assert_eq!(take(&mut BytesMut::from(wrong)).unwrap_err().code, "08P01", "{wrong:?}");
        }
    }

    #[test]
    fn what_the_client_chose() {
        assert_eq!(chosen(b"SCRAM-SHA-256\0\0\0\0\x03n,,").unwrap(), ("SCRAM-SHA-256", "n,,"));
        for wrong in [
            &b""[..],
            b"SCRAM-SHA-256",
            b"SCRAM-SHA-256\0",
            b"SCRAM-SHA-256\0\0\0\0",
            b"SCRAM-SHA-256\0\xff\xff\xff\xff",
            b"SCRAM-SHA-256\0\0\0\0\x04n,,",
            b"SCRAM-SHA-256\0\0\0\0\x02n,,",
            b"SCRAM-SHA-256\0\0\0\0\x01\xff",
        ] {
            assert!(chosen(wrong).is_err(), "{wrong:?}");
        }
    }
}

//! Whether a message of a client has the parts that its kind promises. The codec takes them as given, and reads on into
//! the next message, or past the end of the buffer, where they are missing.

/// True if the body holds the parts of a message of this kind, and nothing behind them. Kinds without parts of their own
/// (rows of a COPY, passwords, kinds there are not) pass: the codec takes or refuses them as a whole.
///
/// Source: PostgreSQL's manual, "Message Formats".
pub(super) fn fits(kind: u8, body: &[u8]) -> bool {
    parts(kind, &mut Parts(body)).is_some()
}

fn parts(kind: u8, body: &mut Parts<'_>) -> Option<()> {
    match kind {
        b'Q' | b'f' => body.text()?,
        b'P' => {
            body.text()?;
            body.text()?;
            body.numbers(4)?;
        }
        b'B' => {
            body.text()?;
            body.text()?;
            body.numbers(2)?;
            for _ in 0..body.count()? {
                body.value()?;
            }
            body.numbers(2)?;
        }
        b'C' | b'D' => {
            body.skip(1)?;
            body.text()?;
        }
        b'E' => {
            body.text()?;
            body.skip(4)?;
        }
        b'S' | b'H' | b'c' => {}
        _ => return Some(()),
    }
    body.0.is_empty().then_some(())
}

/// What is left of a body. Each step is `None` where its part is cut off.
struct Parts<'a>(&'a [u8]);

impl Parts<'_> {
    fn skip(&mut self, bytes: usize) -> Option<()> {
        self.0 = self.0.get(bytes..)?;
        Some(())
    }

    /// A text and the zero byte that ends it.
    fn text(&mut self) -> Option<()> {
        let end = self.0.iter().position(|byte| *byte == 0)?;
        self.skip(end + 1)
    }

    fn count(&mut self) -> Option<usize> {
        let (count, rest) = self.0.split_first_chunk::<2>()?;
        self.0 = rest;
        Some(usize::from(u16::from_be_bytes(*count)))
    }

    /// So many numbers as their count says, each of so many bytes.
    fn numbers(&mut self, bytes: usize) -> Option<()> {
        let count = self.count()?;
        self.skip(count * bytes)
    }

    /// A value behind its length; NULL has the length -1 and no bytes.
    fn value(&mut self) -> Option<()> {
        let (length, rest) = self.0.split_first_chunk::<4>()?;
        self.0 = rest;
        match i32::from_be_bytes(*length) {
            -1 => Some(()),
            length => self.skip(usize::try_from(length).ok()?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::fits;

    /// One whole message of each kind that has parts.
    const WHOLE: [(u8, &[u8]); 10] = [
        (b'Q', b"SELECT 1\0"),
        (b'f', b"why\0"),
        (b'P', b"a\0SELECT $1\0\0\x01\0\0\0\x17"),
        (b'B', b"\0a\0\0\x01\0\x01\0\x02\0\0\0\x02xy\xff\xff\xff\xff\0\x01\0\0"),
        (b'C', b"Sa\0"),
        (b'D', b"P\0"),
        (b'E', b"\0\0\0\0\x05"),
        (b'S', b""),
        (b'H', b""),
        (b'c', b""),
    ];

    #[test]
    fn whole_messages_fit() {
        for (kind, body) in WHOLE {
            assert!(fits(kind, body), "{}", char::from(kind));
        }
    }

    #[test]
    fn a_message_cut_anywhere_does_not_fit_nor_one_with_more_behind_it() {
        for (kind, body) in WHOLE {
            for end in 0..body.len() {
                assert!(!fits(kind, &body[..end]), "{} with {end} bytes", char::from(kind));
            }
            assert!(!fits(kind, &[body, b"\0"].concat()), "{} and a byte", char::from(kind));
        }
    }

    #[test]
    fn numbers_larger_than_the_message_do_not_fit() {
        assert!(!fits(b'P', b"\0\0\xff\xff"));
        assert!(!fits(b'B', b"\0\0\0\0\0\x01\x7f\xff\xff\xff\0\0"));
        assert!(!fits(b'B', b"\0\0\0\0\0\x01\x80\0\0\0\0\0"));
    }

    #[test]
    fn rows_and_unknown_kinds_are_left_to_the_codec() {
        assert!(fits(b'd', b"1\tone\n"));
        assert!(fits(b'?', b"anything"));
    }
}

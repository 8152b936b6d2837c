//! Bytes as PostgreSQL writes them: `\x0aff`, and the older form with octal escapes.

/// The bytes of a text; `None` where it is neither form.
pub fn parse(text: &str) -> Option<Vec<u8>> {
    if let Some(hex) = text.strip_prefix("\\x") {
        let mut bytes = Vec::with_capacity(hex.len() / 2);
        let mut high = None;
        for c in hex.chars().filter(|c| !c.is_ascii_whitespace()) {
            let digit = c.to_digit(16)? as u8;
            match high.take() {
                None => high = Some(digit),
                Some(first) => bytes.push(first << 4 | digit),
            }
        }
        return high.is_none().then_some(bytes);
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        (rest, _) = match (first, tail) {
            (b'\\', [b'\\', tail @ ..]) => (tail, bytes.push(b'\\')),
            (b'\\', [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', tail @ ..]) => {
                (tail, bytes.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0')))
            }
            (b'\\', _) => return None,
            _ => (tail, bytes.push(*first)),
        };
    }
    Some(bytes)
}

/// Bytes in the hex form.
pub(crate) fn text(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(2 + 2 * bytes.len());
    text.push_str("\\x");
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read_and_one_is_written() {
        assert_eq!(parse("\\x00Ff41"), Some(vec![0, 255, 65]));
        assert_eq!(parse("\\x"), Some(Vec::new()));
        assert_eq!(parse("a\\\\b\\001"), Some(vec![b'a', b'\\', b'b', 1]));
        assert_eq!(parse("\\x0"), None);
        assert_eq!(parse("\\xzz"), None);
        assert_eq!(parse("\\9"), None);
        assert_eq!(text(&[0, 255, 65]), "\\x00ff41");
    }
}

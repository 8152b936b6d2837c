//! UUIDs as text, in the one form in which they are kept: lower case, with dashes.

/// The UUID of a text in any of PostgreSQL's forms: with or without dashes, in braces, in capitals. `None` for no UUID.
pub fn canonical(text: &str) -> Option<String> {
    let text = text.trim();
    let inner = match text.strip_prefix('{') {
        Some(rest) => rest.strip_suffix('}')?,
        None => text,
    };
    let mut out = String::with_capacity(36);
    let mut digits = 0;
    let mut dash = false;
    for byte in inner.bytes() {
        if byte == b'-' {
            // After every fourth digit there may be one.
            if dash || digits == 0 || digits % 4 != 0 || digits == 32 {
                return None;
            }
            dash = true;
            continue;
        }
        if !byte.is_ascii_hexdigit() || digits == 32 {
            return None;
        }
        if matches!(digits, 8 | 12 | 16 | 20) {
            out.push('-');
        }
        out.push(char::from(byte.to_ascii_lowercase()));
        digits += 1;
        dash = false;
    }
    (digits == 32).then_some(out)
}

/// True for a text that is kept as it is.
pub fn is_canonical(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte),
        })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn every_form_has_one_text() {
        let kept = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11";
        for text in [
            kept,
            "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11",
            "{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}",
            "a0eebc999c0b4ef8bb6d6bb9bd380a11",
            " a0ee-bc99-9c0b-4ef8-bb6d-6bb9-bd38-0a11 ",
        ] {
            assert_eq!(canonical(text).unwrap(), kept, "{text}");
        }
        assert!(is_canonical(kept));
        assert!(!is_canonical("A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11"));
        for text in [
            "",
            "a0eebc99",
            "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1g",
            "a0eebc999c0b4ef8bb6d6bb9bd380a1155",
            "{a0eebc999c0b4ef8bb6d6bb9bd380a11",
        ] {
            assert_eq!(canonical(text), None, "{text}");
        }
    }
}

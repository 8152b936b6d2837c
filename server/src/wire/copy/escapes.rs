//! What stands behind a backslash in the format text.

/// The value of a text field: `\t`, `\n`, `\\`, `\101`, `\x41`.
pub(super) fn unescape(raw: &[u8], value: &mut Vec<u8>) {
    let mut at = 0;
    while at < raw.len() {
        if raw[at] != b'\\' || at + 1 == raw.len() {
            value.push(raw[at]);
            at += 1;
            continue;
        }
        at += 2;
        match raw[at - 1] {
            b'b' => value.push(8),
            b'f' => value.push(12),
            b'n' => value.push(b'\n'),
            b'r' => value.push(b'\r'),
            b't' => value.push(b'\t'),
            b'v' => value.push(11),
            b'0'..=b'7' => {
                let (code, used) = digits(&raw[at - 1..], 8, 3);
                value.push(code);
                at += used - 1;
            }
            b'x' if raw.get(at).is_some_and(u8::is_ascii_hexdigit) => {
                let (code, used) = digits(&raw[at..], 16, 2);
                value.push(code);
                at += used;
            }
            other => value.push(other),
        }
    }
}

/// Up to `most` digits as a byte, and how many there were.
fn digits(raw: &[u8], radix: u32, most: usize) -> (u8, usize) {
    let mut code = 0u32;
    let mut used = 0;
    for digit in raw.iter().take(most).map_while(|b| char::from(*b).to_digit(radix)) {
        code = code * radix + digit;
        used += 1;
    }
    ((code & 0xff) as u8, used)
}

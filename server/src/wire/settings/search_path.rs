//! `search_path`: the schemas that names without one are looked up in.

/// The schemas that a list names, in order: quoted names are exact, others are in lower case.
pub(crate) fn schemas(list: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut name = String::new();
    let mut chars = list.chars().peekable();
    let mut was_quoted = false;
    while let Some(c) = chars.next() {
        match c {
            ',' => {
                push(&mut found, &mut name, was_quoted);
                was_quoted = false;
            }
            '"' => {
                was_quoted = true;
                while let Some(c) = chars.next() {
                    if c == '"' && chars.next_if_eq(&'"').is_none() {
                        break;
                    }
                    name.push(c);
                }
            }
            c if c.is_whitespace() => {}
            c => name.extend(c.to_lowercase()),
        }
    }
    push(&mut found, &mut name, was_quoted);
    found
}

fn push(found: &mut Vec<String>, name: &mut String, was_quoted: bool) {
    let name = std::mem::take(name);
    if was_quoted || !name.is_empty() {
        found.push(name);
    }
}

#[cfg(test)]
mod tests {
    use super::schemas;

    #[test]
    fn lists_of_names() {
        assert_eq!(schemas("\"$user\", public"), ["$user", "public"]);
        assert_eq!(schemas("Cold,\"Odd \"\"One\", public"), ["cold", "Odd \"One", "public"]);
        assert_eq!(schemas("\"\""), [""]);
        assert!(schemas("").is_empty());
    }
}

//! Sets of characters: `[a-z]`, `[^[:digit:]]`.

use super::parse::{Parser, SPACE, WORD, class, in_set};
use super::syntax::{Node, Place, invalid};
use crate::error::EngineError;

/// What stands behind `[`.
pub(super) fn parse(parser: &mut Parser) -> Result<Node, EngineError> {
    if parser.eat("[:<:]]") {
        return Ok(Node::Place(Place::WordStart));
    }
    if parser.eat("[:>:]]") {
        return Ok(Node::Place(Place::WordEnd));
    }
    let not = parser.eat("^");
    let mut set = String::new();
    let mut first = true;
    loop {
        let c = parser.next().ok_or_else(unbalanced)?;
        if c == ']' && !first {
            break;
        }
        first = false;
        let start = match element(parser, c)? {
            Element::Class(class) => {
                set.push_str(&class);
                // A class begins no range; a hyphen behind it is one, or an error.
                if parser.peek() == Some('-') && parser.chars.get(parser.at + 1).is_some_and(|c| *c != ']') {
                    return Err(invalid("invalid character range"));
                }
                continue;
            }
            Element::One(c) => c,
        };
        let ranges = parser.peek() == Some('-') && parser.chars.get(parser.at + 1).is_some_and(|c| *c != ']');
        if !ranges {
            set.push_str(&in_set(start));
            continue;
        }
        parser.at += 1;
        let c = parser.next().ok_or_else(unbalanced)?;
        let Element::One(end) = element(parser, c)? else { return Err(invalid("invalid character range")) };
        if end < start {
            return Err(invalid("invalid character range"));
        }
        set.push_str(&format!("{}-{}", in_set(start), in_set(end)));
    }
    Ok(Node::Set(match not {
        true if parser.options.stop_at_newline => format!(r"[^{set}\n]"),
        true => format!("[^{set}]"),
        false => format!("[{set}]"),
    }))
}

enum Element {
    One(char),
    Class(String),
}

fn unbalanced() -> EngineError {
    invalid("brackets [] not balanced")
}

fn element(parser: &mut Parser, c: char) -> Result<Element, EngineError> {
    match (c, parser.peek()) {
        ('[', Some(kind @ (':' | '.' | '='))) => {
            parser.at += 1;
            let name = named(parser, kind)?;
            if kind == ':' {
                return Ok(Element::Class(class_named(&name)?.to_owned()));
            }
            let mut chars = name.chars();
            match (chars.next(), chars.next()) {
                (Some(only), None) => Ok(Element::One(only)),
                _ => Err(invalid("invalid collating element")),
            }
        }
        ('\\', _) => {
            let c = parser.next().ok_or_else(|| invalid("invalid escape \\ sequence"))?;
            Ok(match c {
                'd' | 's' | 'w' => Element::Class(class(c).to_owned()),
                'D' | 'S' | 'W' => Element::Class(format!("[^{}]", class(c.to_ascii_lowercase()))),
                other => Element::One(parser.character_escape(other)?),
            })
        }
        _ => Ok(Element::One(c)),
    }
}

/// The name up to `:]`, `.]` or `=]`.
fn named(parser: &mut Parser, kind: char) -> Result<String, EngineError> {
    let mut name = String::new();
    loop {
        let c = parser.next().ok_or_else(unbalanced)?;
        if c == kind && parser.peek() == Some(']') {
            parser.at += 1;
            return Ok(name);
        }
        name.push(c);
    }
}

fn class_named(name: &str) -> Result<&'static str, EngineError> {
    Ok(match name {
        "alnum" => r"\p{Alphabetic}\p{Nd}",
        "alpha" => r"\p{Alphabetic}",
        "ascii" => r"\x00-\x7F",
        "blank" => r"\t\x20\u{1680}\u{2000}-\u{2006}\u{2008}-\u{200A}\u{205F}\u{3000}",
        "cntrl" => r"\p{Cc}\u{2028}\u{2029}",
        "digit" => "0-9",
        "graph" => r"\p{L}\p{M}\p{N}\p{P}\p{S}\p{Co}",
        "lower" => r"\p{Lowercase}",
        "print" => r"\p{L}\p{M}\p{N}\p{P}\p{S}\p{Zs}\p{Co}",
        "punct" => r"\p{P}\p{S}",
        "space" => SPACE,
        "upper" => r"\p{Uppercase}",
        "word" => WORD,
        "xdigit" => "0-9A-Fa-f",
        _ => return Err(invalid("invalid character class")),
    })
}

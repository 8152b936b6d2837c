//! Reads PostgreSQL's "advanced" regular expressions.

use super::brackets;
use super::syntax::{Node, Options, Place, Tree, invalid};
use crate::error::EngineError;

/// Most repetitions that a bound can ask for.
const MOST_REPEATS: usize = 255;
/// Most parts of an expression, with those that are there twice.
const MOST_NODES: usize = 20_000;
/// How deeply groups may nest.
const DEEPEST: usize = 100;

pub(super) const DIGITS: &str = "0-9";
pub(super) const WORD: &str = r"\p{Alphabetic}\p{Nd}_";
pub(super) const SPACE: &str = r"\t-\r\x20\u{1680}\u{2000}-\u{2006}\u{2008}-\u{200A}\u{2028}\u{2029}\u{205F}\u{3000}";

/// The tree of a pattern, and the options that it is read with: those given, and those it begins with.
pub(super) fn parse(pattern: &str, mut options: Options) -> Result<(Tree, Options), EngineError> {
    let mut rest = pattern;
    if let Some(literal) = rest.strip_prefix("***=") {
        options.literal = true;
        rest = literal;
    } else if let Some(advanced) = rest.strip_prefix("***:") {
        rest = advanced;
    } else if rest.starts_with("***") {
        return Err(invalid("invalid regexp (reg version 0.8)"));
    }
    if !options.literal
        && let Some(after) = rest.strip_prefix("(?")
        && after.starts_with(|first: char| first.is_ascii_alphabetic())
    {
        let Some((letters, after)) = after.split_once(')') else { return Err(invalid("invalid embedded option")) };
        for letter in letters.chars() {
            if !options.take(letter)? {
                return Err(invalid("invalid embedded option"));
            }
        }
        rest = after;
    }
    let mut parser =
        Parser { chars: rest.chars().collect(), at: 0, tree: Tree::new(), options, closed: Vec::new(), depth: 0 };
    let root = if options.literal { parser.literal() } else { parser.alternatives()? };
    if parser.at < parser.chars.len() {
        return Err(invalid("parentheses () not balanced"));
    }
    let mut tree = parser.tree;
    tree.root = root;
    Ok((tree, options))
}

pub(super) struct Parser {
    pub(super) chars: Vec<char>,
    pub(super) at: usize,
    pub(super) tree: Tree,
    pub(super) options: Options,
    /// Groups whose end was seen.
    closed: Vec<usize>,
    depth: usize,
}

impl Parser {
    pub(super) fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    pub(super) fn next(&mut self) -> Option<char> {
        let found = self.peek();
        self.at += usize::from(found.is_some());
        found
    }

    pub(super) fn eat(&mut self, text: &str) -> bool {
        let fits = text.chars().enumerate().all(|(place, c)| self.chars.get(self.at + place) == Some(&c));
        if fits {
            self.at += text.chars().count();
        }
        fits
    }

    fn literal(&mut self) -> usize {
        let mut nodes = Vec::new();
        while let Some(c) = self.next() {
            nodes.push(self.tree.add(Node::Set(format!("[{}]", in_set(c)))));
        }
        self.sequence(nodes)
    }

    /// A chain whose every link is the first node and the rest.
    fn sequence(&mut self, nodes: Vec<usize>) -> usize {
        let mut nodes = nodes.into_iter().rev();
        let Some(mut chain) = nodes.next() else { return self.tree.add(Node::Empty) };
        for node in nodes {
            chain = self.tree.add(Node::Both(node, chain));
        }
        chain
    }

    fn alternatives(&mut self) -> Result<usize, EngineError> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(invalid("regular expression is too complex"));
        }
        let mut branches = vec![self.branch()?];
        while self.peek() == Some('|') {
            self.at += 1;
            branches.push(self.branch()?);
        }
        self.depth -= 1;
        Ok(match branches.as_slice() {
            [only] => *only,
            _ => self.tree.add(Node::Either(branches)),
        })
    }

    fn branch(&mut self) -> Result<usize, EngineError> {
        let mut nodes = Vec::new();
        loop {
            self.skip_comments()?;
            match self.peek() {
                None | Some('|' | ')') => break,
                Some(_) => nodes.push(self.quantified()?),
            }
        }
        Ok(self.sequence(nodes))
    }

    fn skip_comments(&mut self) -> Result<(), EngineError> {
        loop {
            if self.eat("(?#") {
                while self.next().ok_or_else(|| invalid("parentheses () not balanced"))? != ')' {}
            } else if self.options.expanded && self.peek().is_some_and(char::is_whitespace) {
                self.at += 1;
            } else if self.options.expanded && self.peek() == Some('#') {
                while self.next().is_some_and(|c| c != '\n') {}
            } else {
                return Ok(());
            }
        }
    }

    fn quantified(&mut self) -> Result<usize, EngineError> {
        let atom = self.atom()?;
        self.skip_comments()?;
        let start = self.at;
        let Some((least, most)) = self.bounds()? else { return Ok(atom) };
        if matches!(self.tree.nodes[atom], Node::Place(_) | Node::Look { .. }) {
            return Err(invalid("quantifier operand invalid"));
        }
        let fixed = most == Some(least) && !self.chars[start..self.at].contains(&',');
        let greedy = !self.eat("?");
        if self.peek().is_some_and(|c| "*+?".contains(c)) || self.is_bound() {
            return Err(invalid("quantifier operand invalid"));
        }
        if self.tree.marked[atom] && least > 0 && most != Some(1) && !self.refers_back(atom) {
            // Only the last round is looked into, so that those before it are one stretch, which takes what it can.
            let before = self.without_groups(atom)?;
            let most = most.map(|most| most - 1);
            let before = self.tree.add(Node::Repeat { what: before, least: least - 1, most, greedy, fixed });
            return Ok(self.tree.add(Node::Both(before, atom)));
        }
        Ok(self.tree.add(Node::Repeat { what: atom, least, most, greedy, fixed }))
    }

    fn refers_back(&self, node: usize) -> bool {
        match &self.tree.nodes[node] {
            Node::Back(_) => true,
            Node::Group(_, inner) | Node::Repeat { what: inner, .. } => self.refers_back(*inner),
            Node::Both(left, right) => self.refers_back(*left) || self.refers_back(*right),
            Node::Either(branches) => branches.iter().any(|branch| self.refers_back(*branch)),
            _ => false,
        }
    }

    /// The same once more, without its groups.
    fn without_groups(&mut self, node: usize) -> Result<usize, EngineError> {
        if self.tree.nodes.len() > MOST_NODES {
            return Err(invalid("regular expression is too complex"));
        }
        let copy = match self.tree.nodes[node].clone() {
            Node::Group(_, inner) => return self.without_groups(inner),
            Node::Both(left, right) => Node::Both(self.without_groups(left)?, self.without_groups(right)?),
            Node::Either(branches) => {
                let branches = branches.into_iter().map(|branch| self.without_groups(branch));
                Node::Either(branches.collect::<Result<_, _>>()?)
            }
            Node::Repeat { what, least, most, greedy, fixed } => {
                Node::Repeat { what: self.without_groups(what)?, least, most, greedy, fixed }
            }
            other => other,
        };
        Ok(self.tree.add(copy))
    }

    fn is_bound(&self) -> bool {
        self.peek() == Some('{') && self.chars.get(self.at + 1).is_some_and(char::is_ascii_digit)
    }

    fn bounds(&mut self) -> Result<Option<(usize, Option<usize>)>, EngineError> {
        let bounds = match self.peek() {
            Some('*') => (0, None),
            Some('+') => (1, None),
            Some('?') => (0, Some(1)),
            Some('{') if self.is_bound() => {
                self.at += 1;
                let least = self.number()?;
                let most = match self.eat(",") {
                    false => Some(least),
                    true if self.peek() == Some('}') => None,
                    true => Some(self.number()?),
                };
                if self.peek() != Some('}') || most.is_some_and(|most| most < least) {
                    return Err(invalid("invalid repetition count(s)"));
                }
                (least, most)
            }
            _ => return Ok(None),
        };
        self.at += 1;
        Ok(Some(bounds))
    }

    fn number(&mut self) -> Result<usize, EngineError> {
        let mut value = None;
        while let Some(digit) = self.peek().and_then(|c| c.to_digit(10)) {
            let more = value.unwrap_or(0) * 10 + digit as usize;
            if more > MOST_REPEATS {
                return Err(invalid("invalid repetition count(s)"));
            }
            value = Some(more);
            self.at += 1;
        }
        value.ok_or_else(|| invalid("invalid repetition count(s)"))
    }

    fn atom(&mut self) -> Result<usize, EngineError> {
        let Some(c) = self.next() else { return Ok(self.tree.add(Node::Empty)) };
        let node = match c {
            '(' => return self.group(),
            '[' => brackets::parse(self)?,
            '.' if self.options.stop_at_newline => Node::Set(r"[^\n]".to_owned()),
            '.' => Node::Set(r"[\s\S]".to_owned()),
            '^' if self.options.anchors_at_newline => Node::Place(Place::LineStart),
            '^' => Node::Place(Place::TextStart),
            '$' if self.options.anchors_at_newline => Node::Place(Place::LineEnd),
            '$' => Node::Place(Place::TextEnd),
            '\\' => self.escape()?,
            '*' | '+' | '?' => return Err(invalid("quantifier operand invalid")),
            '{' if self.peek().is_some_and(|c| c.is_ascii_digit()) => {
                return Err(invalid("quantifier operand invalid"));
            }
            other => Node::Set(format!("[{}]", in_set(other))),
        };
        Ok(self.tree.add(node))
    }

    fn group(&mut self) -> Result<usize, EngineError> {
        let look = [("?<=", true, false), ("?<!", true, true), ("?=", false, false), ("?!", false, true)];
        let kind = if self.eat("?:") {
            GroupKind::Plain
        } else if let Some((_, behind, not)) = look.into_iter().find(|(start, _, _)| self.eat(start)) {
            GroupKind::Look { behind, not }
        } else if self.peek() == Some('?') {
            return Err(invalid("quantifier operand invalid"));
        } else {
            self.tree.groups += 1;
            GroupKind::Captures(self.tree.groups)
        };
        let before = self.tree.groups;
        let inner = self.alternatives()?;
        if self.next() != Some(')') {
            return Err(invalid("parentheses () not balanced"));
        }
        Ok(match kind {
            GroupKind::Plain => inner,
            GroupKind::Look { behind, not } => {
                if self.tree.groups > before {
                    return Err(invalid("groups inside of a lookaround must not capture: write (?:…)"));
                }
                self.tree.add(Node::Look { what: inner, behind, not })
            }
            GroupKind::Captures(number) => {
                self.closed.push(number);
                self.tree.add(Node::Group(number, inner))
            }
        })
    }

    fn escape(&mut self) -> Result<Node, EngineError> {
        let c = self.next().ok_or_else(|| invalid("invalid escape \\ sequence"))?;
        Ok(match c {
            'A' => Node::Place(Place::TextStart),
            'Z' => Node::Place(Place::TextEnd),
            'm' => Node::Place(Place::WordStart),
            'M' => Node::Place(Place::WordEnd),
            'y' => Node::Place(Place::WordEdge),
            'Y' => Node::Place(Place::NoWordEdge),
            'd' | 's' | 'w' => Node::Set(format!("[{}]", class(c))),
            'D' | 'S' | 'W' => Node::Set(format!("[^{}]", class(c.to_ascii_lowercase()))),
            '1'..='9' => return self.back_reference(c),
            other => {
                let c = self.character_escape(other)?;
                Node::Set(format!("[{}]", in_set(c)))
            }
        })
    }

    fn back_reference(&mut self, first: char) -> Result<Node, EngineError> {
        let start = self.at - 1;
        let mut number = first.to_digit(10).unwrap_or(0) as usize;
        while let Some(digit) = self.peek().and_then(|c| c.to_digit(10)) {
            let more = number * 10 + digit as usize;
            if more > self.tree.groups {
                break;
            }
            number = more;
            self.at += 1;
        }
        if self.closed.contains(&number) {
            return Ok(Node::Back(number));
        }
        // Two digits and more can be an octal number.
        if self.chars.get(start + 1).is_some_and(|c| c.is_digit(8)) && first < '8' {
            self.at = start + 1;
            let c = self.octal(first)?;
            return Ok(Node::Set(format!("[{}]", in_set(c))));
        }
        Err(invalid("invalid backreference number"))
    }

    fn octal(&mut self, first: char) -> Result<char, EngineError> {
        let mut value = first.to_digit(8).unwrap_or(0);
        for _ in 0..2 {
            let Some(digit) = self.peek().and_then(|c| c.to_digit(8)) else { break };
            value = value * 8 + digit;
            self.at += 1;
        }
        char::from_u32(value).ok_or_else(|| invalid("invalid escape \\ sequence"))
    }

    /// The character that an escape stands for, inside of brackets and outside.
    pub(super) fn character_escape(&mut self, c: char) -> Result<char, EngineError> {
        Ok(match c {
            'a' => '\x07',
            'b' => '\x08',
            'B' => '\\',
            'e' => '\x1b',
            'f' => '\x0c',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\x0b',
            'c' => {
                let of = self.next().ok_or_else(|| invalid("invalid escape \\ sequence"))?;
                char::from_u32(of as u32 & 0x1f).ok_or_else(|| invalid("invalid escape \\ sequence"))?
            }
            'u' => self.hexadecimal(4, 4)?,
            'U' => self.hexadecimal(8, 8)?,
            'x' => self.hexadecimal(1, 255)?,
            '0' => self.octal('0')?,
            other if other.is_ascii_alphanumeric() => return Err(invalid("invalid escape \\ sequence")),
            other => other,
        })
    }

    fn hexadecimal(&mut self, least: usize, most: usize) -> Result<char, EngineError> {
        let mut value: u32 = 0;
        let mut digits = 0;
        while digits < most
            && let Some(digit) = self.peek().and_then(|c| c.to_digit(16))
        {
            value = value.checked_mul(16).and_then(|v| v.checked_add(digit)).unwrap_or(u32::MAX);
            digits += 1;
            self.at += 1;
        }
        char::from_u32(value).filter(|_| digits >= least).ok_or_else(|| invalid("invalid escape \\ sequence"))
    }
}

enum GroupKind {
    Plain,
    Captures(usize),
    Look { behind: bool, not: bool },
}

/// The characters of `\d`, `\s` and `\w`, as a set has them.
pub(super) fn class(letter: char) -> &'static str {
    match letter {
        'd' => DIGITS,
        's' => SPACE,
        _ => WORD,
    }
}

/// A character as a set of Rust's `regex` has it.
pub(super) fn in_set(c: char) -> String {
    format!("\\u{{{:X}}}", c as u32)
}

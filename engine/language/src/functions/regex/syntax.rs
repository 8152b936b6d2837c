//! The parts of a regular expression as PostgreSQL reads it.

use crate::error::{EngineError, ErrorKind};

/// A node of the tree; nodes know each other by their place in [`Tree::nodes`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Node {
    /// Nothing, which matches everywhere.
    Empty,
    /// One character of a set, in the words of Rust's `regex`: `[a-c]`.
    Set(String),
    /// A place between characters.
    Place(Place),
    /// What stands in parentheses that capture.
    Group(usize, usize),
    /// The one, and then the other.
    Both(usize, usize),
    /// The first that fits.
    Either(Vec<usize>),
    /// Repeated at least and at most so often. `{3}`, but not `{3,3}`, leaves it to what is repeated how much it takes.
    Repeat { what: usize, least: usize, most: Option<usize>, greedy: bool, fixed: bool },
    /// What a group has matched, once more.
    Back(usize),
    /// What follows (or comes before) matches, or does not.
    Look { what: usize, behind: bool, not: bool },
}

/// Places that an expression can ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    TextStart,
    TextEnd,
    LineStart,
    LineEnd,
    WordStart,
    WordEnd,
    WordEdge,
    NoWordEdge,
}

/// Whether the longest or the shortest match is wanted; it may not matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Preference {
    None,
    Longest,
    Shortest,
}

impl Preference {
    /// The preference of what begins with this and goes on with another.
    fn or(self, other: Preference) -> Preference {
        if self == Preference::None { other } else { self }
    }
}

/// An expression, read.
#[derive(Debug, Clone)]
pub(super) struct Tree {
    pub(super) nodes: Vec<Node>,
    pub(super) preferences: Vec<Preference>,
    /// For each node, whether a group or a back reference is in it.
    pub(super) marked: Vec<bool>,
    pub(super) root: usize,
    /// How many groups capture.
    pub(super) groups: usize,
    /// Refers back, or looks around: Rust's `regex` cannot do that.
    pub(super) beyond_automata: bool,
}

impl Tree {
    pub(super) fn new() -> Self {
        Tree {
            nodes: Vec::new(),
            preferences: Vec::new(),
            marked: Vec::new(),
            root: 0,
            groups: 0,
            beyond_automata: false,
        }
    }

    pub(super) fn add(&mut self, node: Node) -> usize {
        let preference = match &node {
            Node::Empty | Node::Set(_) | Node::Place(_) | Node::Back(_) | Node::Look { .. } => Preference::None,
            Node::Group(_, what) => self.preferences[*what],
            Node::Both(left, right) => self.preferences[*left].or(self.preferences[*right]),
            Node::Either(_) => Preference::Longest,
            Node::Repeat { what, fixed: true, .. } => self.preferences[*what],
            Node::Repeat { greedy: true, .. } => Preference::Longest,
            Node::Repeat { .. } => Preference::Shortest,
        };
        let marked = match &node {
            Node::Group(_, _) | Node::Back(_) => true,
            Node::Both(left, right) => self.marked[*left] || self.marked[*right],
            Node::Either(branches) => branches.iter().any(|branch| self.marked[*branch]),
            Node::Repeat { what, .. } => self.marked[*what],
            _ => false,
        };
        self.beyond_automata |= matches!(node, Node::Back(_) | Node::Look { .. });
        self.nodes.push(node);
        self.preferences.push(preference);
        self.marked.push(marked);
        self.nodes.len() - 1
    }
}

/// What letters can ask for, before the pattern or beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Options {
    /// Upper and lower case are one.
    pub(crate) ignore_case: bool,
    /// `.` and `[^…]` stop at the end of a line.
    pub(crate) stop_at_newline: bool,
    /// `^` and `$` match at every line.
    pub(crate) anchors_at_newline: bool,
    /// White space and comments in the pattern mean nothing.
    pub(crate) expanded: bool,
    /// The pattern is the text itself.
    pub(crate) literal: bool,
    /// All matches are wanted, not only the first.
    pub(crate) global: bool,
}

impl Options {
    /// Takes a letter in; false for one that has no meaning. `g` has one for functions only.
    pub(super) fn take(&mut self, letter: char) -> Result<bool, EngineError> {
        match letter {
            'i' => self.ignore_case = true,
            'c' => self.ignore_case = false,
            'm' | 'n' => (self.stop_at_newline, self.anchors_at_newline) = (true, true),
            'p' => (self.stop_at_newline, self.anchors_at_newline) = (true, false),
            's' => (self.stop_at_newline, self.anchors_at_newline) = (false, false),
            'w' => (self.stop_at_newline, self.anchors_at_newline) = (false, true),
            'x' => self.expanded = true,
            't' => self.expanded = false,
            'q' => self.literal = true,
            'b' | 'e' => {
                return Err(invalid("options b and e (basic and extended expressions) are not supported"));
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// The options of a function's last argument.
    ///
    /// # Errors
    /// Letters without a meaning.
    pub(crate) fn parse(flags: &str) -> Result<Options, EngineError> {
        let mut options = Options::default();
        for letter in flags.chars() {
            if letter == 'g' {
                options.global = true;
            } else if !options.take(letter)? {
                let message = format!("invalid regular expression option: \"{letter}\"");
                return Err(EngineError::new(ErrorKind::InvalidParameter, message));
            }
        }
        Ok(options)
    }
}

/// A pattern that cannot be read.
pub(super) fn invalid(what: &str) -> EngineError {
    EngineError::new(ErrorKind::InvalidRegex, format!("invalid regular expression: {what}"))
}

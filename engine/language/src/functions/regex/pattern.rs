//! A pattern, ready to search with.

use std::collections::HashMap;
use std::sync::Arc;

use regex::{Regex, RegexBuilder};
use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Class, HirKind};

use super::dissect::{Ranges, Search};
use super::syntax::{Node, Options, Tree, invalid};
use super::{automaton, parse};
use crate::error::EngineError;

/// Most memory that a compiled pattern takes.
const MOST_BYTES: usize = 16 << 20;
/// Most parts of a pattern that is taken apart.
const MOST_NODES: usize = 1_500;

/// Where a match and its groups lie, in bytes; the first is the match itself.
pub(crate) type Found = Vec<Option<(usize, usize)>>;

/// A regular expression of PostgreSQL's.
#[derive(Debug)]
pub(crate) struct Pattern {
    tree: Tree,
    ignore_case: bool,
    sets: Vec<Ranges>,
    /// Rust's own, where it can do what is asked.
    automaton: Option<Regex>,
    /// Its matches are PostgreSQL's.
    same: bool,
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// Patterns that are not right, by PostgreSQL's words.
    pub(crate) fn new(pattern: &str, options: Options) -> Result<Pattern, EngineError> {
        let (tree, options) = parse::parse(pattern, options)?;
        let too_complex = || invalid("regular expression is too complex");
        let automaton = match tree.beyond_automata {
            true => None,
            false => Some(
                RegexBuilder::new(&automaton::pattern_of(&tree, tree.root))
                    .case_insensitive(options.ignore_case)
                    .size_limit(MOST_BYTES)
                    .build()
                    .map_err(|_| too_complex())?,
            ),
        };
        let same = automaton.is_some() && automaton::finds_the_same(&tree);
        let mut sets = Vec::new();
        if !same {
            if tree.nodes.len() > MOST_NODES {
                return Err(too_complex());
            }
            sets.reserve(tree.nodes.len());
            for node in &tree.nodes {
                sets.push(match node {
                    Node::Set(set) => ranges(set, options.ignore_case).ok_or_else(too_complex)?,
                    _ => Ranges::new(),
                });
            }
        }
        Ok(Pattern { tree, ignore_case: options.ignore_case, sets, automaton, same })
    }

    /// How many groups capture.
    pub(crate) fn groups(&self) -> usize {
        self.tree.groups
    }

    /// Whether the text has a match.
    ///
    /// # Errors
    /// Searches that would take too long.
    pub(crate) fn is_match(&self, text: &str) -> Result<bool, EngineError> {
        match &self.automaton {
            Some(automaton) => Ok(automaton.is_match(text)),
            None => Ok(Matches::new(self, text).next_from(0)?.is_some()),
        }
    }
}

fn ranges(set: &str, ignore_case: bool) -> Option<Ranges> {
    let parsed = ParserBuilder::new().case_insensitive(ignore_case).build().parse(set).ok()?;
    match parsed.into_kind() {
        HirKind::Class(Class::Unicode(class)) => Some(class.iter().map(|r| (r.start(), r.end())).collect()),
        HirKind::Class(Class::Bytes(class)) => {
            Some(class.iter().map(|r| (char::from(r.start()), char::from(r.end()))).collect())
        }
        HirKind::Literal(literal) => {
            let only = std::str::from_utf8(&literal.0).ok()?.chars().next()?;
            Some(vec![(only, only)])
        }
        HirKind::Empty => Some(Ranges::new()),
        _ => None,
    }
}

/// Matches of a pattern in one text.
pub(crate) struct Matches<'a> {
    pattern: &'a Pattern,
    text: &'a str,
    /// The characters of the text and where each begins, where they are needed.
    chars: Option<(Vec<char>, Vec<usize>)>,
}

impl<'a> Matches<'a> {
    pub(crate) fn new(pattern: &'a Pattern, text: &'a str) -> Self {
        Matches { pattern, text, chars: None }
    }

    /// The first match that begins at this byte or later.
    ///
    /// # Errors
    /// Searches that would take too long.
    pub(crate) fn next_from(&mut self, from: usize) -> Result<Option<Found>, EngineError> {
        if from > self.text.len() {
            return Ok(None);
        }
        let mut from = from;
        if let Some(automaton) = &self.pattern.automaton {
            if self.pattern.same {
                let mut places = automaton.capture_locations();
                let Some(_) = automaton.captures_read_at(&mut places, self.text, from) else { return Ok(None) };
                return Ok(Some((0..places.len()).map(|group| places.get(group)).collect()));
            }
            // It begins where Rust's does, and may end elsewhere.
            match automaton.find_at(self.text, from) {
                Some(found) => from = found.start(),
                None => return Ok(None),
            }
        }
        let (chars, starts) = self.chars.get_or_insert_with(|| {
            let mut starts: Vec<usize> = self.text.char_indices().map(|(at, _)| at).collect();
            starts.push(self.text.len());
            (self.text.chars().collect(), starts)
        });
        let from = starts.partition_point(|start| *start < from);
        let mut search = Search::new(&self.pattern.tree, &self.pattern.sets, self.pattern.ignore_case, chars);
        let found = search.first(from)?;
        Ok(found
            .map(|spans| spans.into_iter().map(|span| span.map(|(start, end)| (starts[start], starts[end]))).collect()))
    }

    /// Every match from this byte on, one behind the other: after an empty one the search goes on one character later.
    ///
    /// # Errors
    /// As [`Matches::next_from`].
    pub(crate) fn each(
        &mut self,
        from: usize,
        mut act: impl FnMut(&Found) -> Result<bool, EngineError>,
    ) -> Result<(), EngineError> {
        let mut from = from;
        while let Some(found) = self.next_from(from)? {
            let Some(Some((start, end))) = found.first().copied() else { return Ok(()) };
            if !act(&found)? {
                return Ok(());
            }
            from = end;
            if start == end {
                match self.text[end..].chars().next() {
                    Some(c) => from += c.len_utf8(),
                    None => return Ok(()),
                }
            }
        }
        Ok(())
    }
}

/// Patterns of a batch: rows mostly share one.
#[derive(Debug, Default)]
pub(crate) struct Patterns {
    known: HashMap<(String, Options), Arc<Pattern>>,
    last: Option<(String, Options, Arc<Pattern>)>,
}

impl Patterns {
    /// The pattern, read once.
    ///
    /// # Errors
    /// As [`Pattern::new`].
    pub(crate) fn get(&mut self, pattern: &str, options: Options) -> Result<Arc<Pattern>, EngineError> {
        if let Some((text, with, last)) = &self.last
            && text == pattern
            && *with == options
        {
            return Ok(Arc::clone(last));
        }
        let key = (pattern.to_owned(), options);
        let found = match self.known.get(&key) {
            Some(found) => Arc::clone(found),
            None => {
                let found = Arc::new(Pattern::new(pattern, options)?);
                if self.known.len() < 1_000 {
                    self.known.insert(key, Arc::clone(&found));
                }
                found
            }
        };
        self.last = Some((pattern.to_owned(), options, Arc::clone(&found)));
        Ok(found)
    }
}

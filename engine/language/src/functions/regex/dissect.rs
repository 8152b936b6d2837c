//! Matches as PostgreSQL finds them: the leftmost, of those the longest (or the shortest, where the expression says so), and
//! within it each group by its own preference. Also what Rust's `regex` cannot do: back references and lookaround.
//!
//! [`Search::ends`] knows where a node can end that begins at a place (not looking at back references, which may end
//! anywhere); [`Search::dissect`] then splits a match into its parts.

use std::collections::HashMap;
use std::rc::Rc;

use super::syntax::{Node, Place, Preference, Tree};
use crate::error::{EngineError, ErrorKind};

/// Steps after which a search is given up: such an expression over such a text would take minutes.
const MOST_STEPS: usize = 4_000_000;

/// Characters of a set, in order.
pub(super) type Ranges = Vec<(char, char)>;
/// Where groups begin and end, in characters; the first is the whole match.
pub(super) type Spans = Vec<Option<(usize, usize)>>;

/// One search through one text.
pub(super) struct Search<'a> {
    tree: &'a Tree,
    /// For each node that is a set, its characters.
    sets: &'a [Ranges],
    ignore_case: bool,
    text: &'a [char],
    known: HashMap<(usize, usize), Rc<Vec<usize>>>,
    steps: usize,
}

impl<'a> Search<'a> {
    pub(super) fn new(tree: &'a Tree, sets: &'a [Ranges], ignore_case: bool, text: &'a [char]) -> Self {
        Search { tree, sets, ignore_case, text, known: HashMap::new(), steps: 0 }
    }

    /// The first match that begins at `from` or later.
    pub(super) fn first(&mut self, from: usize) -> Result<Option<Spans>, EngineError> {
        for start in from..=self.text.len() {
            if let Some(found) = self.at(start)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// The match that begins at a place.
    pub(super) fn at(&mut self, start: usize) -> Result<Option<Spans>, EngineError> {
        let ends = self.ends(self.tree.root, start)?;
        let shortest = self.tree.preferences[self.tree.root] == Preference::Shortest;
        for end in in_order(&ends, shortest) {
            let mut spans = vec![None; self.tree.groups + 1];
            if self.dissect(self.tree.root, start, end, &mut spans)? {
                spans[0] = Some((start, end));
                return Ok(Some(spans));
            }
        }
        Ok(None)
    }

    fn step(&mut self, count: usize) -> Result<(), EngineError> {
        self.steps += count;
        if self.steps > MOST_STEPS {
            return Err(EngineError::new(
                ErrorKind::LimitExceeded,
                "regular expression is too complex for a text of this length",
            ));
        }
        Ok(())
    }

    fn in_set(&self, node: usize, at: usize) -> bool {
        let Some(c) = self.text.get(at) else { return false };
        let ranges = &self.sets[node];
        ranges
            .binary_search_by(|(low, high)| match (c < low, c > high) {
                (true, _) => std::cmp::Ordering::Greater,
                (_, true) => std::cmp::Ordering::Less,
                _ => std::cmp::Ordering::Equal,
            })
            .is_ok()
    }

    fn is_word(&self, at: Option<usize>) -> bool {
        at.and_then(|at| self.text.get(at)).is_some_and(|c| c.is_alphanumeric() || *c == '_')
    }

    fn is_place(&self, place: Place, at: usize) -> bool {
        let before = self.is_word(at.checked_sub(1));
        let after = self.is_word(Some(at));
        match place {
            Place::TextStart => at == 0,
            Place::TextEnd => at == self.text.len(),
            Place::LineStart => at == 0 || self.text[at - 1] == '\n',
            Place::LineEnd => at == self.text.len() || self.text[at] == '\n',
            Place::WordStart => !before && after,
            Place::WordEnd => before && !after,
            Place::WordEdge => before != after,
            Place::NoWordEdge => before == after,
        }
    }

    /// Where a node can end that begins at `start`, in order.
    fn ends(&mut self, node: usize, start: usize) -> Result<Rc<Vec<usize>>, EngineError> {
        if let Some(known) = self.known.get(&(node, start)) {
            return Ok(Rc::clone(known));
        }
        let tree = self.tree;
        let ends = match &tree.nodes[node] {
            Node::Empty => vec![start],
            Node::Set(_) => {
                if self.in_set(node, start) {
                    vec![start + 1]
                } else {
                    Vec::new()
                }
            }
            Node::Place(place) => {
                if self.is_place(*place, start) {
                    vec![start]
                } else {
                    Vec::new()
                }
            }
            Node::Back(_) => (start..=self.text.len()).collect(),
            Node::Group(_, inner) => return self.ends(*inner, start),
            Node::Look { what, behind, not } => {
                let found = match behind {
                    false => !self.ends(*what, start)?.is_empty(),
                    true => {
                        let mut found = false;
                        for before in 0..=start {
                            found |= self.ends(*what, before)?.binary_search(&start).is_ok();
                        }
                        found
                    }
                };
                if found != *not { vec![start] } else { Vec::new() }
            }
            Node::Both(left, right) => {
                let mut ends = Vec::new();
                for middle in self.ends(*left, start)?.iter() {
                    let more = self.ends(*right, *middle)?;
                    self.step(more.len())?;
                    ends.extend_from_slice(&more);
                }
                sorted(ends)
            }
            Node::Either(branches) => {
                let mut ends = Vec::new();
                for branch in branches {
                    ends.extend_from_slice(&self.ends(*branch, start)?);
                }
                sorted(ends)
            }
            Node::Repeat { what, least, most, .. } if matches!(tree.nodes[*what], Node::Set(_)) => {
                let mut run = 0;
                while most.is_none_or(|most| run < most) && self.in_set(*what, start + run) {
                    run += 1;
                }
                (*least..=run).map(|length| start + length).collect()
            }
            Node::Repeat { what, least, most, .. } => self.repeated(*what, *least, *most, start)?,
        };
        self.step(ends.len() + 1)?;
        let ends = Rc::new(ends);
        self.known.insert((node, start), Rc::clone(&ends));
        Ok(ends)
    }

    fn repeated(
        &mut self,
        what: usize,
        least: usize,
        most: Option<usize>,
        start: usize,
    ) -> Result<Vec<usize>, EngineError> {
        let mut reached = if least == 0 { vec![start] } else { Vec::new() };
        let mut level = vec![start];
        let mut round = 0;
        // Beyond the least, a round that reaches nothing new is the last.
        while !level.is_empty() && most.is_none_or(|most| round < most) {
            round += 1;
            let mut next = Vec::new();
            for place in &level {
                let more = self.ends(what, *place)?;
                self.step(more.len())?;
                next.extend_from_slice(&more);
            }
            next = sorted(next);
            if round >= least {
                next.retain(|end| reached.binary_search(end).is_err());
                reached.extend_from_slice(&next);
                reached = sorted(reached);
            }
            level = next;
        }
        Ok(reached)
    }

    /// Splits the match of a node between two places; false where it is none after all.
    fn dissect(&mut self, node: usize, start: usize, end: usize, spans: &mut Spans) -> Result<bool, EngineError> {
        self.step(1)?;
        if self.ends(node, start)?.binary_search(&end).is_err() {
            return Ok(false);
        }
        let tree = self.tree;
        if !tree.marked[node] {
            return Ok(true);
        }
        match &tree.nodes[node] {
            Node::Group(number, inner) => {
                let fits = self.dissect(*inner, start, end, spans)?;
                if fits {
                    spans[*number] = Some((start, end));
                }
                Ok(fits)
            }
            Node::Back(number) => {
                let Some((from, to)) = spans[*number] else { return Ok(false) };
                let (same, here) = (&self.text[from..to], &self.text[start..end]);
                let lower = |c: &char| c.to_lowercase().next();
                Ok(same.len() == here.len()
                    && same.iter().zip(here).all(|(a, b)| a == b || self.ignore_case && lower(a) == lower(b)))
            }
            Node::Both(left, right) => {
                let middles = self.ends(*left, start)?;
                let before = spans.clone();
                for middle in in_order(&middles, tree.preferences[*left] == Preference::Shortest) {
                    if middle <= end
                        && self.ends(*right, middle)?.binary_search(&end).is_ok()
                        && self.dissect(*left, start, middle, spans)?
                        && self.dissect(*right, middle, end, spans)?
                    {
                        return Ok(true);
                    }
                    spans.clone_from(&before);
                }
                Ok(false)
            }
            Node::Either(branches) => {
                let before = spans.clone();
                for branch in branches {
                    if self.dissect(*branch, start, end, spans)? {
                        return Ok(true);
                    }
                    spans.clone_from(&before);
                }
                Ok(false)
            }
            Node::Repeat { what, least, most, .. } => {
                if *least == 0 && start == end {
                    // Nothing is one round of nothing where that can be.
                    if self.ends(*what, start)?.first() == Some(&start) {
                        self.dissect(*what, start, end, spans)?;
                    }
                    return Ok(true);
                }
                // More rounds than characters only where so many are asked for.
                let most = most.unwrap_or(usize::MAX).min((end - start).max(*least).max(1));
                self.rounds(*what, (*least).max(1), most, (start, end), spans)
            }
            _ => Ok(true),
        }
    }

    /// Finds the rounds of a repetition that fill what lies between two places, and splits each.
    fn rounds(
        &mut self,
        what: usize,
        least: usize,
        most: usize,
        (start, end): (usize, usize),
        spans: &mut Spans,
    ) -> Result<bool, EngineError> {
        let mut rounds: Vec<(usize, usize)> = Vec::new();
        // Where each round begins, and the ends not tried yet, the best one last.
        let mut open = vec![(start, self.untried(what, start)?)];
        while let Some((at, untried)) = open.last_mut() {
            let at = *at;
            let Some(next) = untried.pop() else {
                open.pop();
                rounds.pop();
                continue;
            };
            if next > end || (next == at && next != end && rounds.len() + 1 >= least) {
                continue;
            }
            self.step(1)?;
            rounds.push((at, next));
            if next == end && rounds.len() >= least {
                let before = spans.clone();
                let mut fits = true;
                for (from, to) in &rounds {
                    // What a round before has left in its groups is forgotten.
                    self.forget(what, spans);
                    fits = fits && self.dissect(what, *from, *to, spans)?;
                }
                if fits {
                    return Ok(true);
                }
                spans.clone_from(&before);
            } else if rounds.len() < most {
                open.push((next, self.untried(what, next)?));
                continue;
            }
            rounds.pop();
        }
        Ok(false)
    }

    fn forget(&self, node: usize, spans: &mut Spans) {
        if !self.tree.marked[node] {
            return;
        }
        match &self.tree.nodes[node] {
            Node::Group(number, inner) => {
                spans[*number] = None;
                self.forget(*inner, spans);
            }
            Node::Both(left, right) => {
                self.forget(*left, spans);
                self.forget(*right, spans);
            }
            Node::Either(branches) => branches.iter().for_each(|branch| self.forget(*branch, spans)),
            Node::Repeat { what, .. } => self.forget(*what, spans),
            _ => {}
        }
    }

    fn untried(&mut self, what: usize, at: usize) -> Result<Vec<usize>, EngineError> {
        let ends = self.ends(what, at)?;
        Ok(in_order(&ends, self.tree.preferences[what] != Preference::Shortest))
    }
}

fn in_order(ends: &[usize], ascending: bool) -> Vec<usize> {
    match ascending {
        true => ends.to_vec(),
        false => ends.iter().rev().copied().collect(),
    }
}

fn sorted(mut ends: Vec<usize>) -> Vec<usize> {
    ends.sort_unstable();
    ends.dedup();
    ends
}

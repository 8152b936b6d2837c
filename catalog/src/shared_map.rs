//! A sorted map whose copies share what is the same in them.
//!
//! Snapshots are such maps: a copy costs nothing, and a change to it copies the few nodes on the way to what changes, however
//! much there is. It is a B-tree whose nodes are shared until one of their owners changes them.

use std::fmt;
use std::sync::Arc;

#[cfg(test)]
pub(crate) mod tests;

/// Most entries of a leaf, and most children of a node above leaves.
const MOST: usize = 32;
/// Fewest of either, in all nodes but the topmost.
const FEWEST: usize = MOST / 4;

/// A sorted map. Cloning it is cheap, whatever its size; looking up and changing one entry takes time in proportion to the
/// logarithm of its size.
pub struct SharedMap<K, V> {
    root: Option<Arc<Node<K, V>>>,
    len: usize,
}

/// A leaf has as many values as keys. A node above has one more child than keys: what is below a child is smaller than the
/// key behind it, and not smaller than the key before it.
#[derive(Clone)]
struct Node<K, V> {
    keys: Vec<K>,
    values: Vec<V>,
    children: Vec<Arc<Node<K, V>>>,
}

impl<K, V> SharedMap<K, V> {
    /// A map without entries.
    pub const fn new() -> Self {
        SharedMap { root: None, len: 0 }
    }

    /// Number of entries.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// True without entries.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// True when the two are known to be equal because they share everything. Equal maps need not.
    pub fn ptr_eq(&self, other: &Self) -> bool {
        match (&self.root, &other.root) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            (None, None) => true,
            _ => false,
        }
    }

    /// All entries, in the order of their keys.
    pub fn iter(&self) -> Iter<'_, K, V> {
        let mut iter = Iter { above: Vec::new(), keys: [].iter(), values: [].iter(), at_least: self.len };
        if let Some(root) = &self.root {
            iter.descend(root);
        }
        iter
    }

    /// All keys, in order.
    pub fn keys(&self) -> impl Iterator<Item = &K> + Clone {
        self.iter().map(|(key, _)| key)
    }

    /// All values, in the order of their keys.
    pub fn values(&self) -> impl Iterator<Item = &V> + Clone {
        self.iter().map(|(_, value)| value)
    }
}

impl<K: Ord, V> SharedMap<K, V> {
    /// The value of a key.
    pub fn get(&self, key: &K) -> Option<&V> {
        let mut node = self.root.as_ref()?;
        while !node.is_leaf() {
            node = node.children.get(node.child_of(key))?;
        }
        node.values.get(node.keys.binary_search(key).ok()?)
    }

    /// True when the key has a value.
    pub fn contains_key(&self, key: &K) -> bool {
        self.get(key).is_some()
    }

    /// The entries whose keys are not smaller than `first`, in order.
    pub fn iter_from(&self, first: &K) -> Iter<'_, K, V> {
        let mut iter = Iter { above: Vec::new(), keys: [].iter(), values: [].iter(), at_least: 0 };
        let Some(mut node) = self.root.as_ref() else { return iter };
        while !node.is_leaf() {
            let at = node.child_of(first);
            let mut later = node.children.iter();
            let Some(child) = later.nth(at) else { return iter };
            iter.above.push(later);
            node = child;
        }
        let at = node.keys.partition_point(|key| key < first);
        iter.keys = node.keys.get(at..).unwrap_or_default().iter();
        iter.values = node.values.get(at..).unwrap_or_default().iter();
        iter
    }
}

impl<K: Ord + Clone, V: Clone> SharedMap<K, V> {
    /// The value of a key, to be changed. Other copies of the map keep theirs.
    pub fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        // Nothing is copied for a key that is not there.
        self.get(key)?;
        let mut node = self.root.as_mut()?;
        loop {
            let own = Arc::make_mut(node);
            if own.is_leaf() {
                let at = own.keys.binary_search(key).ok()?;
                return own.values.get_mut(at);
            }
            let at = own.child_of(key);
            node = own.children.get_mut(at)?;
        }
    }

    /// Gives a key a value, and returns the one it had.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        let Some(root) = &mut self.root else {
            self.root = Some(Arc::new(Node { keys: vec![key], values: vec![value], children: Vec::new() }));
            self.len = 1;
            return None;
        };
        let (former, split) = Arc::make_mut(root).insert(key, value);
        if let Some((separator, right)) = split {
            let left = Arc::clone(root);
            let children = vec![left, Arc::new(right)];
            *root = Arc::new(Node { keys: vec![separator], values: Vec::new(), children });
        }
        self.len += usize::from(former.is_none());
        former
    }

    /// Takes a key out, and returns the value it had.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        self.get(key)?;
        let root = self.root.as_mut()?;
        let removed = Arc::make_mut(root).remove(key)?;
        self.len -= 1;
        if self.len == 0 {
            self.root = None;
        } else if let [only] = root.children.as_slice() {
            *root = Arc::clone(only);
        }
        Some(removed)
    }
}

impl<K, V> Node<K, V> {
    fn is_leaf(&self) -> bool {
        self.children.is_empty()
    }

    /// What [`MOST`] and [`FEWEST`] are about.
    fn size(&self) -> usize {
        if self.is_leaf() { self.keys.len() } else { self.children.len() }
    }
}

impl<K: Ord, V> Node<K, V> {
    /// The child that the key is under, if it is there.
    fn child_of(&self, key: &K) -> usize {
        self.keys.partition_point(|separator| separator <= key)
    }
}

/// The right half of a node that had become too large, and the smallest key that may be under it.
type Split<K, V> = Option<(K, Node<K, V>)>;

impl<K: Ord + Clone, V: Clone> Node<K, V> {
    fn insert(&mut self, key: K, value: V) -> (Option<V>, Split<K, V>) {
        if self.is_leaf() {
            return match self.keys.binary_search(&key) {
                Ok(at) => (Some(std::mem::replace(&mut self.values[at], value)), None),
                Err(at) => {
                    self.keys.insert(at, key);
                    self.values.insert(at, value);
                    (None, self.split_if_large(at))
                }
            };
        }
        let at = self.child_of(&key);
        let (former, split) = Arc::make_mut(&mut self.children[at]).insert(key, value);
        let Some((separator, right)) = split else { return (former, None) };
        self.keys.insert(at, separator);
        self.children.insert(at + 1, Arc::new(right));
        (former, self.split_if_large(at + 1))
    }

    /// `grown_at`: where something was added. Where that is the end, more is likely to come there, and the left half is left
    /// fuller: keys are mostly handed out in ascending order.
    fn split_if_large(&mut self, grown_at: usize) -> Split<K, V> {
        if self.size() <= MOST {
            return None;
        }
        let at_end = grown_at + 1 == self.size();
        Some(self.split_at(if at_end { MOST - FEWEST } else { MOST / 2 }))
    }

    /// Keeps the first `left` entries or children.
    fn split_at(&mut self, left: usize) -> (K, Node<K, V>) {
        if self.is_leaf() {
            let keys = self.keys.split_off(left);
            let values = self.values.split_off(left);
            return (keys[0].clone(), Node { keys, values, children: Vec::new() });
        }
        let children = self.children.split_off(left);
        let mut keys = self.keys.split_off(left - 1);
        let separator = keys.remove(0);
        (separator, Node { keys, values: Vec::new(), children })
    }

    fn remove(&mut self, key: &K) -> Option<V> {
        if self.is_leaf() {
            let at = self.keys.binary_search(key).ok()?;
            self.keys.remove(at);
            return Some(self.values.remove(at));
        }
        let at = self.child_of(key);
        let removed = Arc::make_mut(self.children.get_mut(at)?).remove(key)?;
        if self.children[at].size() < FEWEST {
            self.refill(at);
        }
        Some(removed)
    }

    /// Joins a child that has become small with one beside it, and splits the two evenly where they are too large for one.
    fn refill(&mut self, child: usize) {
        let Some(last_but_one) = self.children.len().checked_sub(2) else { return };
        let left = child.min(last_but_one);
        let separator = self.keys.remove(left);
        let right = Arc::unwrap_or_clone(self.children.remove(left + 1));
        let joined = Arc::make_mut(&mut self.children[left]);
        if !joined.is_leaf() {
            joined.keys.push(separator);
        }
        joined.keys.extend(right.keys);
        joined.values.extend(right.values);
        joined.children.extend(right.children);
        if joined.size() > MOST {
            let (separator, right) = joined.split_at(joined.size() / 2);
            self.keys.insert(left, separator);
            self.children.insert(left + 1, Arc::new(right));
        }
    }
}

/// Entries in the order of their keys.
pub struct Iter<'a, K, V> {
    /// What is still to come at each level above the leaf that is read.
    above: Vec<std::slice::Iter<'a, Arc<Node<K, V>>>>,
    keys: std::slice::Iter<'a, K>,
    values: std::slice::Iter<'a, V>,
    at_least: usize,
}

impl<'a, K, V> Iter<'a, K, V> {
    /// Goes to the first leaf under a node.
    fn descend(&mut self, mut node: &'a Arc<Node<K, V>>) {
        loop {
            let mut children = node.children.iter();
            let Some(first) = children.next() else { break };
            self.above.push(children);
            node = first;
        }
        self.keys = node.keys.iter();
        self.values = node.values.iter();
    }
}

impl<'a, K, V> Iterator for Iter<'a, K, V> {
    type Item = (&'a K, &'a V);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let (Some(key), Some(value)) = (self.keys.next(), self.values.next()) {
                self.at_least = self.at_least.saturating_sub(1);
                return Some((key, value));
            }
            match self.above.last_mut()?.next() {
                Some(node) => self.descend(node),
                None => drop(self.above.pop()),
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.at_least, None)
    }
}

impl<K, V> Clone for Iter<'_, K, V> {
    fn clone(&self) -> Self {
        Iter {
            above: self.above.clone(),
            keys: self.keys.clone(),
            values: self.values.clone(),
            at_least: self.at_least,
        }
    }
}

impl<'a, K, V> IntoIterator for &'a SharedMap<K, V> {
    type Item = (&'a K, &'a V);
    type IntoIter = Iter<'a, K, V>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<K: Ord + Clone, V: Clone> FromIterator<(K, V)> for SharedMap<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let mut map = SharedMap::new();
        for (key, value) in entries {
            map.insert(key, value);
        }
        map
    }
}

impl<K, V> Clone for SharedMap<K, V> {
    fn clone(&self) -> Self {
        SharedMap { root: self.root.clone(), len: self.len }
    }
}

impl<K, V> Default for SharedMap<K, V> {
    fn default() -> Self {
        SharedMap::new()
    }
}

impl<K: PartialEq, V: PartialEq> PartialEq for SharedMap<K, V> {
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len && (self.ptr_eq(other) || self.iter().eq(other.iter()))
    }
}

impl<K: fmt::Debug, V: fmt::Debug> fmt::Debug for SharedMap<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

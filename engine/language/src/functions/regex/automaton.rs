//! The same expression in the words of Rust's `regex`, whose time grows with the text only.

use std::fmt::Write;

use super::syntax::{Node, Place, Tree};

/// The pattern of a tree that neither refers back nor looks around.
pub(super) fn pattern_of(tree: &Tree, node: usize) -> String {
    let mut out = String::new();
    write_node(tree, node, &mut out);
    out
}

fn write_node(tree: &Tree, node: usize, out: &mut String) {
    let mut node = node;
    while let Node::Both(left, right) = tree.nodes[node] {
        write_node(tree, left, out);
        node = right;
    }
    match &tree.nodes[node] {
        Node::Empty | Node::Back(_) | Node::Look { .. } => out.push_str("(?:)"),
        Node::Set(set) => out.push_str(set),
        Node::Place(place) => out.push_str(match place {
            Place::TextStart => r"\A",
            Place::TextEnd => r"\z",
            Place::LineStart => "(?m:^)",
            Place::LineEnd => "(?m:$)",
            Place::WordStart => r"\b{start}",
            Place::WordEnd => r"\b{end}",
            Place::WordEdge => r"\b",
            Place::NoWordEdge => r"\B",
        }),
        Node::Group(_, inner) => {
            out.push('(');
            write_node(tree, *inner, out);
            out.push(')');
        }
        Node::Both(_, _) => {}
        Node::Either(branches) => {
            out.push_str("(?:");
            for (place, branch) in branches.iter().enumerate() {
                if place > 0 {
                    out.push('|');
                }
                write_node(tree, *branch, out);
            }
            out.push(')');
        }
        Node::Repeat { what, least, most, greedy, .. } => {
            out.push_str("(?:");
            write_node(tree, *what, out);
            let _ = match most {
                Some(most) => write!(out, "){{{least},{most}}}"),
                None => write!(out, "){{{least},}}"),
            };
            if !greedy {
                out.push('?');
            }
        }
    }
}

/// Whether Rust's first match is PostgreSQL's, with the same groups: greedy single characters in a row, which take all they
/// can, with places to match at only at both ends. Alternatives and repeated groups may differ, where PostgreSQL takes the
/// longest.
pub(super) fn finds_the_same(tree: &Tree) -> bool {
    let mut parts = Vec::new();
    if !flatten(tree, tree.root, &mut parts) {
        return false;
    }
    let last = parts.len().saturating_sub(1);
    parts.iter().enumerate().all(|(place, node)| match tree.nodes[*node] {
        Node::Place(Place::TextStart | Place::LineStart) => place == 0,
        Node::Place(Place::TextEnd | Place::LineEnd) => place == last,
        Node::Place(_) => false,
        _ => true,
    })
}

fn flatten(tree: &Tree, node: usize, parts: &mut Vec<usize>) -> bool {
    let mut node = node;
    while let Node::Both(left, right) = tree.nodes[node] {
        if !flatten(tree, left, parts) {
            return false;
        }
        node = right;
    }
    match &tree.nodes[node] {
        Node::Empty => true,
        Node::Set(_) | Node::Place(_) => {
            parts.push(node);
            true
        }
        Node::Group(_, inner) => flatten(tree, *inner, parts),
        Node::Repeat { what, greedy: true, .. } if matches!(tree.nodes[*what], Node::Set(_)) => {
            parts.push(node);
            true
        }
        _ => false,
    }
}

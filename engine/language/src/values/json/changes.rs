//! JSON with parts of it put together, taken out or replaced, as `||`, `-`, `#-`, `jsonb_set` and `jsonb_insert` do it, and
//! JSON written on lines.

use std::borrow::Cow;

use super::{Json, write, write_string};

/// Why a change cannot be.
pub(crate) type Refusal = &'static str;

/// A value in the form that `JSONB` is kept in. `None` where a number has too many digits.
pub(crate) fn normal(value: Json<'_>) -> Option<String> {
    let mut out = String::new();
    write(value, &mut out)?;
    Some(out)
}

/// `a || b`: two objects become one with the members of both, all else an array of the elements of both.
pub(crate) fn concat<'a>(a: Json<'a>, b: Json<'a>) -> Json<'a> {
    let elements = |value| match value {
        Json::Array(elements) => elements,
        other => vec![other],
    };
    match (a, b) {
        (Json::Object(mut all), Json::Object(more)) => {
            all.extend(more);
            Json::Object(all)
        }
        (a, b) => {
            let mut all = elements(a);
            all.extend(elements(b));
            Json::Array(all)
        }
    }
}

/// `value - name`: without the members of that name, or the elements that are that text.
///
/// # Errors
/// A value that has no parts.
pub(crate) fn without_name<'a>(value: Json<'a>, gone: &str) -> Result<Json<'a>, Refusal> {
    match value {
        Json::Object(mut members) => {
            members.retain(|(name, _)| name != gone);
            Ok(Json::Object(members))
        }
        Json::Array(mut elements) => {
            elements.retain(|element| !matches!(element, Json::Text(text) if text == gone));
            Ok(Json::Array(elements))
        }
        _ => Err("cannot delete from scalar"),
    }
}

/// `value - place`: without the element there; below zero it counts from the end.
///
/// # Errors
/// What is no array.
pub(crate) fn without_place(value: Json<'_>, place: i64) -> Result<Json<'_>, Refusal> {
    match value {
        Json::Array(mut elements) => {
            if let Some(at) = inside(place, elements.len()) {
                elements.remove(at);
            }
            Ok(Json::Array(elements))
        }
        Json::Object(_) => Err("cannot delete from object using integer index"),
        _ => Err("cannot delete from scalar"),
    }
}

/// `value #- path`.
///
/// # Errors
/// A value that has no parts; a place that is no number.
pub(crate) fn without_path<'a>(value: Json<'a>, path: &[&str]) -> Result<Json<'a>, Refusal> {
    let Some((step, rest)) = path.split_first() else { return Ok(value) };
    match value {
        Json::Object(mut members) => {
            if rest.is_empty() {
                members.retain(|(name, _)| name != step);
                return Ok(Json::Object(members));
            }
            for (name, member) in &mut members {
                if name == step && matches!(member, Json::Object(_) | Json::Array(_)) {
                    *member = without_path(std::mem::replace(member, Json::Null), rest)?;
                }
            }
            Ok(Json::Object(members))
        }
        Json::Array(mut elements) => {
            if let Some(at) = inside(place(step)?, elements.len()) {
                if rest.is_empty() {
                    elements.remove(at);
                } else if matches!(elements[at], Json::Object(_) | Json::Array(_)) {
                    elements[at] = without_path(std::mem::replace(&mut elements[at], Json::Null), rest)?;
                }
            }
            Ok(Json::Array(elements))
        }
        _ => Err("cannot delete path in scalar"),
    }
}

/// What to do at the end of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Put {
    /// Replaces what is there.
    Replace,
    /// Replaces what is there, or adds it.
    Set,
    /// Adds it before what is there.
    Before,
    /// Adds it behind what is there.
    Behind,
}

/// `jsonb_set` and `jsonb_insert`: a value at the end of a path, of which all but the end has to be there.
///
/// # Errors
/// A value that has no parts; a place that is no number; a member that is there already and may not be replaced.
pub(crate) fn put<'a>(value: Json<'a>, path: &[&str], new: &Json<'a>, how: Put) -> Result<Json<'a>, Refusal> {
    match value {
        Json::Object(_) | Json::Array(_) => put_within(value, path, new, how),
        _ => Err("cannot set path in scalar"),
    }
}

fn put_within<'a>(value: Json<'a>, path: &[&str], new: &Json<'a>, how: Put) -> Result<Json<'a>, Refusal> {
    let Some((step, rest)) = path.split_first() else { return Ok(value) };
    match value {
        Json::Object(mut members) => {
            let found = members.iter().rposition(|(name, _)| name == step);
            match (found, rest.is_empty()) {
                (Some(at), true) => match how {
                    Put::Replace | Put::Set => members[at].1 = new.clone(),
                    Put::Before | Put::Behind => return Err("cannot replace existing key"),
                },
                (None, true) if how != Put::Replace => members.push((Cow::Owned((*step).to_owned()), new.clone())),
                (Some(at), false) => {
                    let member = std::mem::replace(&mut members[at].1, Json::Null);
                    members[at].1 = put_within(member, rest, new, how)?;
                }
                (None, _) => {}
            }
            Ok(Json::Object(members))
        }
        Json::Array(mut elements) => {
            let place = place(step)?;
            match (inside(place, elements.len()), rest.is_empty()) {
                (Some(at), true) => match how {
                    Put::Replace | Put::Set => elements[at] = new.clone(),
                    Put::Before => elements.insert(at, new.clone()),
                    Put::Behind => elements.insert(at + 1, new.clone()),
                },
                (None, true) if how != Put::Replace => {
                    let at = if place < 0 { 0 } else { elements.len() };
                    elements.insert(at, new.clone());
                }
                (Some(at), false) => {
                    let element = std::mem::replace(&mut elements[at], Json::Null);
                    elements[at] = put_within(element, rest, new, how)?;
                }
                (None, _) => {}
            }
            Ok(Json::Array(elements))
        }
        scalar => Ok(scalar),
    }
}

/// Without the members of objects that are `null`.
pub(crate) fn without_nulls(value: Json<'_>) -> Json<'_> {
    match value {
        Json::Object(members) => {
            let members = members.into_iter().filter(|(_, member)| *member != Json::Null);
            Json::Object(members.map(|(name, member)| (name, without_nulls(member))).collect())
        }
        Json::Array(elements) => Json::Array(elements.into_iter().map(without_nulls).collect()),
        other => other,
    }
}

/// Writes a value without blanks, members in the order that they have.
pub(crate) fn write_close(value: &Json<'_>, out: &mut String) {
    match value {
        Json::Null => out.push_str("null"),
        Json::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Json::Number(digits) => out.push_str(digits),
        Json::Text(text) => write_string(text, out),
        Json::Array(elements) => {
            out.push('[');
            for (at, element) in elements.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write_close(element, out);
            }
            out.push(']');
        }
        Json::Object(members) => {
            out.push('{');
            for (at, (name, member)) in members.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write_string(name, out);
                out.push(':');
                write_close(member, out);
            }
            out.push('}');
        }
    }
}

/// `jsonb_pretty`: each part on a line of its own, four blanks for each level.
pub(crate) fn write_lines(value: &Json<'_>, level: usize, out: &mut String) {
    let line = |level: usize, out: &mut String| {
        out.push('\n');
        out.extend(std::iter::repeat_n("    ", level));
    };
    match value {
        Json::Array(elements) => {
            out.push('[');
            for (at, element) in elements.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                line(level + 1, out);
                write_lines(element, level + 1, out);
            }
            line(level, out);
            out.push(']');
        }
        Json::Object(members) => {
            out.push('{');
            for (at, (name, member)) in members.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                line(level + 1, out);
                write_string(name, out);
                out.push_str(": ");
                write_lines(member, level + 1, out);
            }
            line(level, out);
            out.push('}');
        }
        scalar => write_close(scalar, out),
    }
}

fn place(step: &str) -> Result<i64, Refusal> {
    step.trim().parse().map_err(|_| "a step of the path that leads into an array is not an integer")
}

/// A place that is counted from the end where it is below zero; `None` outside.
fn inside(place: i64, length: usize) -> Option<usize> {
    let at = if place < 0 { place.checked_add(i64::try_from(length).ok()?)? } else { place };
    usize::try_from(at).ok().filter(|at| *at < length)
}

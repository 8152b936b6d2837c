//! What DataFusion says of functions and operators that do not fit their arguments, in PostgreSQL's words.

use super::type_names::of_shown;
use super::{EngineError, ErrorKind};

/// What an error that says that types do not fit says to users.
pub(super) fn in_words_of_postgres(text: &str) -> Option<EngineError> {
    own_words(text).or_else(|| function(text)).or_else(|| operator(text)).or_else(|| not_boolean(text))
}

/// `function lpad(bigint) does not exist`, which one of our functions said, inside of what DataFusion makes of it: a text, of
/// which nothing else can be had.
fn own_words(text: &str) -> Option<EngineError> {
    text.match_indices("function ").find_map(|(at, word)| {
        let (call, _) = text[at + word.len()..].split_once(" does not exist")?;
        let (name, arguments) = call.strip_suffix(')')?.split_once('(')?;
        (!call.contains('\'')).then(|| EngineError::no_function(name, arguments))
    })
}

/// From `No function matches the given name and argument types 'gcd(Decimal128(3, 1), Int64)'`.
fn function(text: &str) -> Option<EngineError> {
    let (_, call) = text.split_once("argument types '")?;
    let (call, _) = call.split_once('\'')?;
    let (name, arguments) = call.split_once('(')?;
    let types: Vec<String> = split(arguments.strip_suffix(')')?).into_iter().map(of_shown).collect();
    Some(EngineError::no_function(name, &types.join(", ")))
}

/// Arguments at their commas, but not at those inside of a type.
fn split(arguments: &str) -> Vec<&str> {
    let mut depth = 0;
    let mut start = 0;
    let mut parts = Vec::new();
    for (at, c) in arguments.char_indices() {
        match c {
            '(' | '{' | '[' => depth += 1,
            ')' | '}' | ']' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(arguments[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    if !arguments[start..].trim().is_empty() {
        parts.push(arguments[start..].trim());
    }
    parts
}

/// From `Cannot coerce arithmetic expression Date32 + Date32 to valid types` and its like.
fn operator(text: &str) -> Option<EngineError> {
    if let Some((_, rest)) = text.split_once("Cannot coerce arithmetic expression ") {
        let (expression, _) = rest.split_once(" to valid types").unwrap_or((first_line(rest), ""));
        return Some(EngineError::no_operator(with_names(expression)));
    }
    if let Some((_, rest)) = text.split_once("Cannot infer common argument type for ") {
        let (kind, expression) = rest.split_once(" operation ")?;
        let of_texts = matches!(kind, "comparison" | "regex" | "string" | "bitwise" | "Bitwise" | "like");
        if of_texts && !expression.contains(" IS DISTINCT FROM Boolean") {
            return Some(EngineError::no_operator(with_names(first_line(expression))));
        }
    }
    if let Some((_, rest)) = text.split_once("Cannot infer common string type for string concat operation ") {
        return Some(EngineError::no_operator(with_names(first_line(rest))));
    }
    if let Some((_, rest)) = text.split_once("There isn't a common type to coerce ") {
        let (types, what) = rest.split_once(" in ")?;
        let (left, right) = types.split_once(" and ")?;
        let symbol = if what.starts_with("ILIKE") { "~~*" } else { "~~" };
        return Some(EngineError::no_operator(format!("{} {symbol} {}", of_shown(left), of_shown(right))));
    }
    None
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or(text)
}

/// `Date32 + Date32` as `date + date`.
fn with_names(expression: &str) -> String {
    let symbols = [
        " IS NOT DISTINCT FROM ",
        " IS DISTINCT FROM ",
        " !~* ",
        " !~ ",
        " ~* ",
        " ~ ",
        " != ",
        " <> ",
        " <= ",
        " >= ",
        " << ",
        " >> ",
        " || ",
        " = ",
        " < ",
        " > ",
        " + ",
        " - ",
        " * ",
        " / ",
        " % ",
        " & ",
        " | ",
        " # ",
        " ^ ",
    ];
    let sides = symbols.into_iter().find_map(|symbol| Some((symbol, expression.split_once(symbol)?)));
    let Some((symbol, (left, right))) = sides else { return "for values of these types".to_owned() };
    let shown = match symbol.trim() {
        "!=" => "<>",
        "IS DISTINCT FROM" | "IS NOT DISTINCT FROM" => "=",
        other => other,
    };
    format!("{} {shown} {}", of_shown(left), of_shown(right))
}

/// `argument of WHERE must be type boolean, not type bigint`
fn not_boolean(text: &str) -> Option<EngineError> {
    if let Some((_, rest)) = text.split_once("Cannot create filter with non-boolean predicate '") {
        let (_, returned) = rest.split_once("' returning ")?;
        return Some(must_be_boolean("WHERE", returned));
    }
    if let Some((_, rest)) = text.split_once("Cannot infer common argument type for logical boolean operation ") {
        let expression = first_line(rest);
        let (word, (left, right)) = [(" AND ", "AND"), (" OR ", "OR")]
            .into_iter()
            .find_map(|(symbol, word)| expression.split_once(symbol).map(|sides| (word, sides)))?;
        let other = if left.trim() == "Boolean" { right } else { left };
        return Some(must_be_boolean(word, other));
    }
    if let Some((_, rest)) = text.split_once("Cannot infer common argument type for comparison operation ") {
        let (given, _) = rest.split_once(" IS DISTINCT FROM Boolean")?;
        return Some(must_be_boolean("NOT", given));
    }
    None
}

fn must_be_boolean(word: &str, shown: &str) -> EngineError {
    let message = format!("argument of {word} must be type boolean, not type {}", of_shown(shown));
    EngineError::new(ErrorKind::DatatypeMismatch, message)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn types_have_their_names_in_sql() {
        let said = |text: &str| in_words_of_postgres(text).unwrap().message().to_owned();
        assert_eq!(
            said(
                "Failed to coerce arguments to satisfy a call to 'gcd' function: coercion from Decimal128(3, 1), Int64 to \
                 the signature Uniform(2, [Int64]) failed. No function matches the given name and argument types \
                 'gcd(Decimal128(3, 1), Int64)'. You might need to add explicit type casts."
            ),
            "function gcd(numeric, bigint) does not exist"
        );
        assert_eq!(
            said(
                "Function 'lpad' user-defined coercion failed with: External error: function lpad(bigint) does not exist"
            ),
            "function lpad(bigint) does not exist"
        );
        assert_eq!(
            said("No function matches the given name and argument types 'f(Timestamp(µs, \"UTC\"), List(Utf8))'."),
            "function f(timestamp with time zone, text[]) does not exist"
        );
        assert_eq!(
            said("Cannot coerce arithmetic expression Date32 + Date32 to valid types"),
            "operator does not exist: date + date"
        );
        assert_eq!(
            said("There isn't a common type to coerce Int64 and Utf8 in LIKE expression"),
            "operator does not exist: bigint ~~ text"
        );
        assert_eq!(
            said("Cannot coerce arithmetic expression Utf8View + Decimal128(12, 2) to valid types"),
            "operator does not exist: text + numeric"
        );
        let kind = |text: &str| in_words_of_postgres(text).map(|error| error.kind());
        assert_eq!(
            kind("Cannot create filter with non-boolean predicate 't.i' returning Int64"),
            Some(ErrorKind::DatatypeMismatch)
        );
        assert_eq!(kind("table 'x' not found"), None);
    }
}

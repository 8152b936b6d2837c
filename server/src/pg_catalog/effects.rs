//! Functions of the catalog that do something: `set_config`, `pg_notify`, `pg_cancel_backend`, `pg_terminate_backend`, and
//! those of advisory locks. All take literals; `set_config` also what has to be computed, for each row of a query.

use zxq_engine::sql::quoted_text;

use super::scan::{Clause, Scanned};
use crate::sqlstate;
use crate::wire::advisory::AdvisoryCall;
use crate::wire::error::WireError;
use crate::wire::lexer::TokenKind;

/// What a statement does besides answering.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Changes a setting.
    Set {
        name: String,
        /// As text, the way `SET` takes it; `None` goes back to what holds without a change.
        value: Option<String>,
        /// Until the end of the transaction only.
        local: bool,
    },
    /// Sends a notification.
    Notify {
        channel: String,
        /// What listeners get with it.
        payload: String,
    },
    /// Takes or gives back an advisory lock.
    Lock(AdvisoryCall),
    /// Cancels the statement of another connection.
    Cancel(i32),
    /// Ends another connection.
    Terminate(i32),
}

/// A call with an effect: which tokens it is, and what it does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct EffectCall {
    /// Its first token.
    pub(super) first: usize,
    /// Its last token, the closing bracket.
    pub(super) last: usize,
    /// What it does.
    pub(super) effect: Effect,
    /// What the call gives, as SQL.
    pub(super) result: String,
}

/// The calls with an effect. `values` are the tokens' texts with parameters filled in.
///
/// # Errors
/// 0A000 for arguments that are no literals: then it would be unknown what to do, or how often.
pub(super) fn find(tokens: &[Scanned<'_>], values: &[String]) -> Result<Vec<EffectCall>, WireError> {
    let mut calls = Vec::new();
    for (at, scanned) in tokens.iter().enumerate() {
        let name = scanned.token;
        if name.kind != TokenKind::Word || !tokens.get(at + 1).is_some_and(|next| next.token.is_symbol("(")) {
            continue;
        }
        if name.is("set_config") && arguments_of_computed(tokens, at).is_some() {
            continue;
        }
        let advisory = AdvisoryCall::named(&name.value());
        let effect: fn(&[String]) -> Option<(Effect, String)> = if name.is("set_config") {
            set_config
        } else if name.is("pg_notify") {
            |arguments| {
                let [channel, payload] = arguments else { return None };
                let effect = Effect::Notify { channel: channel.clone(), payload: payload.clone() };
                Some((effect, "''".to_owned()))
            }
        } else if advisory.is_some() {
            |_| Some((Effect::Cancel(0), "true".to_owned()))
        } else if name.is("pg_cancel_backend") {
            |arguments| Some((Effect::Cancel(arguments.first()?.parse().ok()?), "true".to_owned()))
        } else if name.is("pg_terminate_backend") {
            |arguments| Some((Effect::Terminate(arguments.first()?.parse().ok()?), "true".to_owned()))
        } else {
            continue;
        };
        let depth = scanned.depth;
        let last = (at + 1..tokens.len()).find(|i| tokens[*i].token.is_symbol(")") && tokens[*i].depth == depth + 1);
        let unsupported = || WireError::unsupported(format!("{} takes literals only", name.value()));
        let last = last.ok_or_else(unsupported)?;
        let arguments: Vec<String> = (at + 2..last)
            .filter(|i| {
                matches!(
                    tokens[*i].token.kind,
                    TokenKind::Text | TokenKind::Number | TokenKind::Word | TokenKind::Parameter
                )
            })
            .map(|i| literal_value(&values[i]))
            .collect();
        let (mut effect, result) = effect(&arguments).ok_or_else(unsupported)?;
        if let Some(call) = advisory {
            let key: String = values[at + 2..last].concat();
            effect = Effect::Lock(call.with_key(&key));
        }
        calls.push(EffectCall { first: at, last, effect, result });
    }
    Ok(calls)
}

/// A call of `set_config` with arguments that have to be computed, or in a query that reads rows: it is done for each of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ComputedCall {
    /// Its name.
    pub(super) first: usize,
    /// The closing bracket.
    pub(super) last: usize,
    /// First and last token of its arguments: name, value, and whether it is for the transaction only.
    pub(super) arguments: [(usize, usize); 3],
}

/// The calls of `set_config` that have to be computed.
///
/// # Errors
/// 0A000 where it would be unknown how often they are done: in subqueries, beside groups and the like.
pub(super) fn computed(tokens: &[Scanned<'_>]) -> Result<Vec<ComputedCall>, WireError> {
    let mut calls = Vec::new();
    for (at, scanned) in tokens.iter().enumerate() {
        let is_call = scanned.token.kind == TokenKind::Word
            && scanned.token.is("set_config")
            && tokens.get(at + 1).is_some_and(|next| next.token.is_symbol("("));
        let Some(arguments) = is_call.then(|| arguments_of_computed(tokens, at)).flatten() else { continue };
        let others = ["distinct", "group", "having", "union", "intersect", "except", "window"];
        let mut outer = tokens.iter().filter(|token| token.depth == 0);
        let is_plain = tokens.first().is_some_and(|first| first.token.is("select"))
            && scanned.depth == 0
            && scanned.clause == Clause::Select
            && !outer.any(|token| others.iter().any(|word| token.token.is(word)));
        let (true, [name, value, local]) = (is_plain, arguments.as_slice()) else {
            return Err(WireError::unsupported(
                "set_config with computed arguments stands among the columns of a plain query only",
            ));
        };
        let last = local.1 + 1;
        calls.push(ComputedCall { first: at, last, arguments: [*name, *value, *local] });
    }
    Ok(calls)
}

/// The arguments of a call, by their first and last tokens, where it is not done once with what is written there.
fn arguments_of_computed(tokens: &[Scanned<'_>], call: usize) -> Option<Vec<(usize, usize)>> {
    let depth = tokens.get(call)?.depth + 1;
    let close = (call + 2..tokens.len()).find(|i| tokens[*i].token.is_symbol(")") && tokens[*i].depth == depth)?;
    let commas = (call + 2..close).filter(|i| tokens[*i].token.is_symbol(",") && tokens[*i].depth == depth);
    let mut arguments = Vec::new();
    let mut first = call + 2;
    for end in commas.chain([close]) {
        arguments.push((first, end.checked_sub(1)?));
        first = end + 1;
    }
    let is_literal = |(first, last): &(usize, usize)| {
        let token = tokens[*first].token;
        let is_word = ["true", "false", "null"].iter().any(|word| token.is(word));
        first == last && (matches!(token.kind, TokenKind::Text | TokenKind::Number | TokenKind::Parameter) || is_word)
    };
    let reads_rows = tokens.iter().any(|token| token.depth == 0 && token.begins_table);
    (reads_rows || !arguments.iter().all(is_literal)).then_some(arguments)
}

/// The query that computes the arguments of these calls, in the order of the calls.
pub(super) fn question(text: &str, tokens: &[Scanned<'_>], calls: &[ComputedCall]) -> String {
    let written = |(first, last): &(usize, usize)| {
        let (start, end) = (tokens[*first].token.start, tokens[*last].token.end());
        format!("({})::text", text.get(start..end).unwrap_or_default())
    };
    let arguments: Vec<String> = calls.iter().flat_map(|call| call.arguments.iter().map(written)).collect();
    let from = tokens.iter().find(|token| token.depth == 0 && token.token.is("from"));
    let rest = from.map_or("", |from| text.get(from.token.start..).unwrap_or_default());
    format!("SELECT {} {}", arguments.join(", "), rest.trim_end().trim_end_matches(';'))
}

/// The change that computed arguments ask for.
///
/// # Errors
/// 22023 for a setting without a name.
pub(super) fn computed_set(name: Option<&str>, value: Option<&str>, local: Option<&str>) -> Result<Effect, WireError> {
    let Some(name) = name else {
        return Err(WireError::new(sqlstate::INVALID_PARAMETER_VALUE, "SET requires parameter name"));
    };
    let value = value.map(str::to_owned);
    Ok(Effect::Set { name: name.to_lowercase(), value, local: local.is_some_and(is_true) })
}

fn is_true(text: &str) -> bool {
    matches!(text.to_ascii_lowercase().as_str(), "true" | "t" | "on" | "yes" | "1")
}

fn set_config(arguments: &[String]) -> Option<(Effect, String)> {
    let [name, value, local, ..] = arguments else { return None };
    let value = (!value.eq_ignore_ascii_case("null")).then(|| value.clone());
    let local = is_true(local);
    let result = quoted_text(value.as_deref().unwrap_or_default());
    Some((Effect::Set { name: name.to_lowercase(), value, local }, result))
}

/// The value of an SQL literal.
fn literal_value(sql: &str) -> String {
    match sql.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')) {
        Some(inner) => inner.replace("''", "'"),
        None => sql.to_owned(),
    }
}

//! Functions of the catalog that do something: `set_config`, `pg_notify`, `pg_cancel_backend`, `pg_terminate_backend`, and
//! those of advisory locks.

use zxq_engine::sql::quoted_text;

use super::scan::Scanned;
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
        /// The text.
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

fn set_config(arguments: &[String]) -> Option<(Effect, String)> {
    let [name, value, local, ..] = arguments else { return None };
    let value = (!value.eq_ignore_ascii_case("null")).then(|| value.clone());
    let local = matches!(local.to_ascii_lowercase().as_str(), "true" | "t" | "on" | "yes" | "1");
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

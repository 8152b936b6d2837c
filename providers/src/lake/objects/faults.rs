//! What went wrong at a server that keeps objects, by what can be done about it.
//!
//! The client keeps its own error types to itself, so the server's answer is found in the text of the causes.

use std::error::Error;

use object_store::client::{HttpError, HttpErrorKind};

use crate::error::{Cause, ProviderError};

/// How the client begins its words about an answer that is not success.
const STATUS: &str = "Server returned non-2xx status code: ";
/// How it begins those about an answer of success with an error in its body.
const BODY: &str = "Server returned error response: ";
/// How it begins those about an answer that sends it to another region.
const REDIRECT: &str = "Received redirect without LOCATION";

/// What a server that keeps objects did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It has no such object.
    NoObject,
    /// It has no such bucket, or the credentials or the request may not do this.
    Refused(String),
    /// It asks for fewer requests.
    Throttled(String),
    /// It does not answer, breaks off, or is in trouble itself.
    Unreachable(String),
    /// The object is shorter than it should be.
    TooShort,
}

/// The error and its causes, outermost first.
fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error: &&'a (dyn Error + 'static)| (*error).source())
}

/// All causes in one line, each said once.
pub(crate) fn chain_text(error: &(dyn Error + 'static)) -> String {
    let mut text = String::new();
    for cause in chain(error).map(ToString::to_string) {
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
    }
    text
}

/// What a remote server did; `None` for errors that are about something else, such as a local disk.
pub(crate) fn fault(error: &(dyn Error + 'static)) -> Option<Fault> {
    for cause in chain(error) {
        if let Some(http) = cause.downcast_ref::<HttpError>() {
            return Some(Fault::Unreachable(transport(http)));
        }
        let text = cause.to_string();
        if let Some(answer) = text.strip_prefix(STATUS) {
            return Some(answered(answer));
        }
        if let Some(body) = text.strip_prefix(BODY) {
            return Some(answered(body));
        }
        // A range that ends beyond the object is answered with what there is of it.
        if text.starts_with("Requested ") && text.contains(", got ") {
            return Some(Fault::TooShort);
        }
        if text.starts_with(REDIRECT) {
            return Some(Fault::Refused("the bucket is in another region: set region to the bucket's".to_owned()));
        }
    }
    chain(error).find_map(|cause| match cause.downcast_ref::<object_store::Error>()? {
        object_store::Error::Unauthenticated { source, .. } | object_store::Error::PermissionDenied { source, .. } => {
            Some(Fault::Refused(chain_text(source.as_ref())))
        }
        // The client's own, before anything is sent: credentials that cannot be had, settings that cannot be.
        object_store::Error::Generic { store: "S3", source } => Some(Fault::Refused(chain_text(source.as_ref()))),
        _ => None,
    })
}

/// A failure below HTTP.
fn transport(error: &HttpError) -> String {
    let words = match error.kind() {
        HttpErrorKind::Timeout => "no answer in time",
        HttpErrorKind::Connect => "cannot connect",
        HttpErrorKind::Request | HttpErrorKind::Interrupted => "the connection broke",
        _ => "the answer cannot be read",
    };
    let source = error.source().map(chain_text).unwrap_or_default();
    format!("{words}: {source}")
}

/// An answer: `503 Service Unavailable: <Error><Code>SlowDown</Code>…`.
fn answered(answer: &str) -> Fault {
    let status = answer.split([' ', ':']).next().and_then(|code| code.parse::<u16>().ok()).unwrap_or(500);
    let code = element(answer, "Code").unwrap_or_default();
    let message = element(answer, "Message").unwrap_or_default();
    let head = answer.split_once('<').map_or(answer, |(head, _)| head).trim_end_matches([':', ' ']);
    let said = match (code, message) {
        ("", _) => head.chars().take(200).collect(),
        (code, "") => format!("{code} ({head})"),
        (code, message) => format!("{code}: {message}"),
    };
    match (status, code) {
        (_, "NoSuchBucket") => Fault::Refused(format!("there is no such bucket ({said})")),
        (_, "PermanentRedirect" | "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException") => {
            Fault::Refused(format!("{said}: set region to the bucket's"))
        }
        (_, "InvalidObjectState") => {
            Fault::Refused(format!("{said}: the object is archived; restore it, and archive to GLACIER_IR instead"))
        }
        (_, "SlowDown" | "ServiceUnavailable" | "RequestLimitExceeded") | (429 | 503, _) => Fault::Throttled(said),
        (404, _) => Fault::NoObject,
        (416, _) => Fault::TooShort,
        (500.., _) | (408, _) => Fault::Unreachable(said),
        _ => Fault::Refused(said),
    }
}

/// The text of the first such XML element.
fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    rest.split_once(&format!("</{name}>")).map(|(text, _)| text.trim())
}

/// The error for `store` while `doing` something to its objects; `error` stays its cause where it says more.
pub(crate) fn failed(store: &'static str, doing: &str, error: Cause) -> ProviderError {
    let what = doing.to_owned();
    match fault(error.as_ref()) {
        Some(Fault::NoObject) => ProviderError::Missing { store, what: format!("{doing}: the object") },
        Some(Fault::Refused(reason)) => ProviderError::Refused { store, what, reason },
        Some(Fault::Throttled(reason)) => {
            ProviderError::Busy { store, what, reason: format!("the server asks for fewer requests: {reason}") }
        }
        Some(Fault::Unreachable(reason)) => ProviderError::Unreachable { store, what, reason },
        Some(Fault::TooShort) | None => ProviderError::store(store, what, error),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    fn status(text: &str) -> Fault {
        answered(text)
    }

    #[test]
    fn answers_are_told_apart() {
        let slow = "503 Service Unavailable: <Error><Code>SlowDown</Code><Message>Reduce your rate.</Message></Error>";
        assert_eq!(status(slow), Fault::Throttled("SlowDown: Reduce your rate.".to_owned()));
        assert_eq!(status("404 Not Found: "), Fault::NoObject);
        assert_eq!(status("416 Range Not Satisfiable: "), Fault::TooShort);
        assert_eq!(status("500 Internal Server Error: "), Fault::Unreachable("500 Internal Server Error".to_owned()));
        let Fault::Refused(text) = status("403 Forbidden: <Error><Code>InvalidAccessKeyId</Code></Error>") else {
            panic!("a wrong key is a refusal")
        };
        assert_eq!(text, "InvalidAccessKeyId (403 Forbidden)");
        let Fault::Refused(text) = status("404 Not Found: <Error><Code>NoSuchBucket</Code></Error>") else {
            panic!("a missing bucket is a refusal")
        };
        assert!(text.contains("no such bucket"), "{text}");
    }

    #[test]
    fn a_range_beyond_the_end_is_no_refusal() {
        let generic = |text: &'static str| object_store::Error::Generic { store: "S3", source: text.into() };
        assert_eq!(fault(&generic("Requested 0..10, got 0..5")), Some(Fault::TooShort));
        assert_eq!(fault(&generic("no such setting")), Some(Fault::Refused("no such setting".to_owned())));
    }

    #[test]
    fn errors_of_a_local_disk_are_no_faults_of_a_server() {
        let error = object_store::Error::Generic { store: "LocalFileSystem", source: "disk".into() };
        assert_eq!(fault(&error), None);
        assert_eq!(fault(&std::io::Error::other("x")), None);
    }
}

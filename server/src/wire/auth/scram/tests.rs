#![allow(clippy::unwrap_used)]

use std::num::NonZeroU32;

use ring::{digest, hmac, pbkdf2};

use super::*;

const CERTIFICATE: &[u8] = b"the hash of a certificate";

fn verifier() -> Verifier {
    Verifier::derive("pencil", NonZeroU32::new(4096).unwrap(), b"salt of some sort")
}

/// What a client that knows the password answers: the last text, and the signature that it then expects of the server.
fn client(password: &str, header: &[u8], first_bare: &str, challenge: &str) -> (String, String) {
    let part = |name: &str| challenge.split(',').find_map(|part| part.strip_prefix(name)).unwrap().to_owned();
    let (salt, rounds) = (STANDARD.decode(part("s=")).unwrap(), part("i=").parse().unwrap());
    let sign = |key: &[u8], text: &[u8]| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text).as_ref().to_vec();
    let mut salted = [0; 32];
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, rounds, &salt, password.as_bytes(), &mut salted);
    let unproved = format!("c={},r={}", STANDARD.encode(header), part("r="));
    let said = format!("{first_bare},{challenge},{unproved}");
    let key = sign(&salted, b"Client Key");
    let signature = sign(digest::digest(&digest::SHA256, &key).as_ref(), said.as_bytes());
    let proof: Vec<u8> = key.iter().zip(&signature).map(|(a, b)| a ^ b).collect();
    let server = sign(&sign(&salted, b"Server Key"), said.as_bytes());
    (format!("{unproved},p={}", STANDARD.encode(proof)), format!("v={}", STANDARD.encode(server)))
}

/// A whole exchange; what the server says at its end, and what the client expects of it.
fn exchange(password: &str, mechanism: &str, flag: &str, binding: Option<&[u8]>) -> (Option<String>, String) {
    let verifier = verifier();
    let bare = "n=,r=fyko+d2lbbFgONRv9qkxdawL";
    let challenge =
        Exchange::new(&verifier, binding).begin(mechanism, &format!("{flag},,{bare}")).expect("a first text");
    let header = [format!("{flag},,").as_bytes(), binding.filter(|_| mechanism == PLUS).unwrap_or_default()].concat();
    let (last, expected) = client(password, &header, bare, &challenge.text);
    (challenge.answer(&last).expect("a last text").check(), expected)
}

#[test]
fn who_knows_the_password_gets_in_and_knows_the_server() {
    let bound = "p=tls-server-end-point";
    for (mechanism, flag, binding) in
        [(PLAIN, "n", None), (PLAIN, "y", None), (PLAIN, "n", Some(CERTIFICATE)), (PLUS, bound, Some(CERTIFICATE))]
    {
        let (said, expected) = exchange("pencil", mechanism, flag, binding);
        assert_eq!(said, Some(expected), "{mechanism} {flag}");
        assert_eq!(exchange("pencils", mechanism, flag, binding).0, None, "{mechanism} {flag}");
    }
}

#[test]
fn the_best_mechanism_is_offered_first() {
    let verifier = verifier();
    assert_eq!(Exchange::new(&verifier, None).mechanisms(), [PLAIN]);
    assert_eq!(Exchange::new(&verifier, Some(CERTIFICATE)).mechanisms(), [PLUS, PLAIN]);
}

#[test]
fn first_texts_that_are_refused() {
    let verifier = verifier();
    let refused = |mechanism: &str, text: &str, binding: Option<&'static [u8]>| {
        Exchange::new(&verifier, binding).begin(mechanism, text).expect_err(text)
    };
    let cases = [
        (PLUS, "p=tls-server-end-point,,n=,r=abc", None, "08P01", "invalid SASL"),
        ("PLAIN", "n,,n=,r=abc", None, "08P01", "invalid SASL"),
        (PLUS, "n,,n=,r=abc", Some(CERTIFICATE), "08P01", "does not include channel binding"),
        (PLUS, "y,,n=,r=abc", Some(CERTIFICATE), "08P01", "does not include channel binding"),
        (PLUS, "p=tls-unique,,n=,r=abc", Some(CERTIFICATE), "08P01", "unsupported SCRAM channel-binding type"),
        (PLAIN, "p=tls-server-end-point,,n=,r=abc", Some(CERTIFICATE), "08P01", "includes channel"),
        // Somebody in between has taken the better mechanism away.
        (PLAIN, "y,,n=,r=abc", Some(CERTIFICATE), "28000", "channel binding negotiation error"),
        (PLAIN, "n,a=alice,n=,r=abc", None, "0A000", "authorization identity"),
        (PLAIN, "n,,m=x,n=,r=abc", None, "0A000", "unsupported SCRAM extension"),
        (PLAIN, "", None, "08P01", "malformed"),
        (PLAIN, "n", None, "08P01", "malformed"),
        (PLAIN, "n,,", None, "08P01", "malformed"),
        (PLAIN, "n,,n=", None, "08P01", "malformed"),
        (PLAIN, "n,,n=,r=", None, "08P01", "malformed"),
        (PLAIN, "n,,r=abc,n=", None, "08P01", "malformed"),
        (PLAIN, "n,,n=,r=a\u{e9}c", None, "08P01", "malformed"),
        (PLAIN, "x,,n=,r=abc", None, "08P01", "malformed"),
    ];
    for (mechanism, text, binding, code, words) in cases {
        let error = refused(mechanism, text, binding);
        assert!(error.code == code && error.message.contains(words), "{mechanism} {text}: {error:?}");
    }
}

#[test]
fn last_texts_that_are_refused() {
    let verifier = verifier();
    let bare = "n=,r=abc";
    let spoil = |mechanism: &str, binding: Option<&'static [u8]>, spoil: &dyn Fn(&str) -> String| {
        let flag = if mechanism == PLUS { "p=tls-server-end-point" } else { "n" };
        let challenge = Exchange::new(&verifier, binding).begin(mechanism, &format!("{flag},,{bare}")).unwrap();
        let header = [format!("{flag},,").as_bytes(), binding.unwrap_or_default()].concat();
        let (last, _) = client("pencil", &header, bare, &challenge.text);
        challenge.answer(&spoil(&last)).expect_err("a text that is spoilt")
    };
    let other = |text: &str| text.replacen("c=", "c=AAAA", 1);
    assert_eq!(spoil(PLUS, Some(CERTIFICATE), &other).message, "SCRAM channel binding check failed");
    assert_eq!(spoil(PLUS, Some(CERTIFICATE), &other).code, "28000");
    assert!(spoil(PLAIN, None, &other).message.starts_with("unexpected SCRAM channel-binding attribute"));
    assert_eq!(spoil(PLAIN, None, &|text| text.replace("r=abc", "r=abd")).message, "invalid SCRAM response");
    for (what, spoilt) in [("p=", "q="), ("c=", "d="), (",p=", ",p=AAAA"), (",p=", ",p=no base64"), ("r=", "s=")] {
        let error = spoil(PLAIN, None, &|text| text.replacen(what, spoilt, 1));
        assert_eq!((error.code, error.message.as_str()), ("08P01", "malformed SCRAM message"), "{spoilt}");
    }
}

#[test]
fn no_two_challenges_are_the_same() {
    let verifier = verifier();
    let challenge = || Exchange::new(&verifier, None).begin(PLAIN, "n,,n=,r=abc").unwrap().text;
    assert_ne!(challenge(), challenge());
}

#![allow(clippy::unwrap_used)]

use super::*;

/// The exchange of RFC 7677, section 3: user "user", password "pencil".
const SALT: &str = "W22ZaJ0SNY7soEsUEjb6gQ==";
const SAID: &str = "n=user,r=rOprNGfwEbeRWgbNEkqO,\
    r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,\
    c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
const PROOF: &str = "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
const SIGNATURE: &str = "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

fn pencil() -> Verifier {
    Verifier::derive("pencil", ITERATIONS, &STANDARD.decode(SALT).unwrap())
}

fn proof(text: &str) -> [u8; KEY_BYTES] {
    STANDARD.decode(text).unwrap().try_into().unwrap()
}

#[test]
fn the_exchange_of_the_standard() {
    let verifier = pencil();
    assert_eq!(ITERATIONS.get(), 4096);
    assert!(verifier.accepts(SAID.as_bytes(), &proof(PROOF)));
    assert_eq!(STANDARD.encode(verifier.server_signature(SAID.as_bytes())), SIGNATURE);

    let mut wrong = proof(PROOF);
    wrong[31] ^= 1;
    assert!(!verifier.accepts(SAID.as_bytes(), &wrong));
    assert!(!verifier.accepts(SAID.replace("n=user", "n=uses").as_bytes(), &proof(PROOF)));
    let other = Verifier::derive("pencils", ITERATIONS, &STANDARD.decode(SALT).unwrap());
    assert!(!other.accepts(SAID.as_bytes(), &proof(PROOF)));
}

#[test]
fn the_text_is_postgresqls() {
    // Its keys are those that the exchange above, computed from the password, agrees with.
    let text = pencil().to_string();
    let (front, keys) = text.rsplit_once('$').unwrap();
    assert_eq!(front, format!("SCRAM-SHA-256$4096:{SALT}"));
    assert_eq!(keys.split(':').map(str::len).collect::<Vec<_>>(), [44, 44]);
    assert_eq!(Verifier::parse(&text).unwrap(), pencil());

    let good = text.as_str();
    let spoilt = [
        String::new(),
        "secret".to_owned(),
        "md5c10f5b1e9d0bb2d37ba9ea5b1dd4d1f5".to_owned(),
        good.replace("SCRAM-SHA-256", "SCRAM-SHA-1"),
        good.replace("4096", "0"),
        good.replace("4096", "-1"),
        good.replace("4096", "99999999999"),
        good.replace(SALT, "no base64"),
        good[..good.len() - 4].to_owned(),
        format!("{good}AAAA"),
        good.replacen(':', "$", 1),
    ];
    for text in spoilt {
        assert_eq!(Verifier::parse(&text), None, "{text}");
    }
}

#[test]
fn passwords_are_compared_in_their_normal_form() {
    let salt = b"0123456789abcdef";
    let of = |password: &str| Verifier::derive(password, ITERATIONS, salt);
    // RFC 4013: a soft hyphen counts for nothing, a Roman nine for its letters, a space for a space.
    assert_eq!(of("I\u{AD}X"), of("IX"));
    assert_eq!(of("\u{2168}"), of("IX"));
    assert_eq!(of("a\u{A0}b"), of("a b"));
    assert_ne!(of("user"), of("USER"));
    // What has no normal form counts as it is: a control character, both directions of writing at once.
    assert_ne!(of("\u{7}"), of(""));
    assert_ne!(of("\u{627}1"), of("\u{627}"));
}

#[test]
fn each_has_a_salt_of_its_own_and_nobodys_stays() {
    let (one, other) = (Verifier::of("secret"), Verifier::of("secret"));
    assert_ne!(one.salt(), other.salt());
    assert_eq!(one.salt().len(), SALT_BYTES);

    let nobody = Verifier::of_nobody(b"of this server", "alice");
    assert_eq!(nobody, Verifier::of_nobody(b"of this server", "alice"));
    assert_ne!(nobody.salt(), Verifier::of_nobody(b"of this server", "bob").salt());
    assert_ne!(nobody.salt(), Verifier::of_nobody(b"of another", "alice").salt());
    assert_eq!((nobody.salt().len(), nobody.iterations()), (SALT_BYTES, ITERATIONS));
}

#[test]
fn keys_are_not_shown() {
    let shown = format!("{:?}", pencil());
    assert_eq!(shown, "Verifier { iterations: 4096, .. }");
}

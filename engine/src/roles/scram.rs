//! Passwords as PostgreSQL keeps them: not at all. A verifier of SCRAM-SHA-256 (RFC 5802, RFC 7677) tells whether a client
//! knows the password, and nobody who reads it learns the password or can log in with it.
//!
//! `SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>`, the three in base64: what `pg_authid.rolpassword` holds, so
//! that roles come over from PostgreSQL with their passwords.

use std::borrow::Cow;
use std::fmt;
use std::num::NonZeroU32;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::{digest, hmac, pbkdf2};
use subtle::ConstantTimeEq;

#[cfg(test)]
mod tests;

/// What a verifier's text begins with.
const MECHANISM: &str = "SCRAM-SHA-256$";

/// Rounds of new verifiers, as PostgreSQL's.
const ITERATIONS: NonZeroU32 = NonZeroU32::MIN.saturating_add(4095);

/// Bytes of a key, and of what proves that a client knows one.
pub const KEY_BYTES: usize = digest::SHA256_OUTPUT_LEN;

/// Bytes of the salt of those who do not exist, as many as others have.
const SALT_BYTES: usize = 16;

/// What is kept of a password.
#[derive(Clone, PartialEq, Eq)]
pub struct Verifier {
    iterations: NonZeroU32,
    salt: Vec<u8>,
    stored_key: [u8; KEY_BYTES],
    server_key: [u8; KEY_BYTES],
}

/// Neither key is shown: with them somebody could pretend to be the server.
impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").field("iterations", &self.iterations).finish_non_exhaustive()
    }
}

/// The text to keep.
impl fmt::Display for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [salt, stored, server] = [&self.salt[..], &self.stored_key, &self.server_key].map(|b| STANDARD.encode(b));
        write!(f, "{MECHANISM}{}:{salt}${stored}:{server}", self.iterations)
    }
}

impl Verifier {
    /// A new one for a password, with a salt of its own.
    pub fn of(password: &str) -> Verifier {
        Verifier::derive(password, ITERATIONS, uuid::Uuid::new_v4().as_bytes())
    }

    /// The one that PostgreSQL computes of this password, these rounds and this salt.
    pub fn derive(password: &str, iterations: NonZeroU32, salt: &[u8]) -> Verifier {
        let mut salted = [0; KEY_BYTES];
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, iterations, salt, normalised(password).as_bytes(), &mut salted);
        Verifier {
            iterations,
            salt: salt.to_vec(),
            stored_key: hash(&mac(&salted, b"Client Key")),
            server_key: mac(&salted, b"Server Key"),
        }
    }

    /// One that nothing passes, for a name that no role has: it looks like a real one, and is the same each time for as long
    /// as the secret is, so that nobody finds out by asking twice.
    pub fn of_nobody(secret: &[u8], name: &str) -> Verifier {
        let derive = |what: &str| mac(secret, format!("{what} of {name}").as_bytes());
        Verifier {
            iterations: ITERATIONS,
            salt: derive("salt")[..SALT_BYTES].to_vec(),
            stored_key: derive("stored key"),
            server_key: derive("server key"),
        }
    }

    /// Reads the text of one; `None` for anything else, such as a password.
    pub fn parse(text: &str) -> Option<Verifier> {
        let (rounds, keys) = text.strip_prefix(MECHANISM)?.split_once('$')?;
        let (iterations, salt) = rounds.split_once(':')?;
        let (stored_key, server_key) = keys.split_once(':')?;
        let key = |text: &str| <[u8; KEY_BYTES]>::try_from(STANDARD.decode(text).ok()?).ok();
        Some(Verifier {
            iterations: iterations.parse().ok()?,
            salt: STANDARD.decode(salt).ok()?,
            stored_key: key(stored_key)?,
            server_key: key(server_key)?,
        })
    }

    /// Rounds that the client has to compute.
    pub fn iterations(&self) -> NonZeroU32 {
        self.iterations
    }

    /// The salt, which the client is told.
    pub fn salt(&self) -> &[u8] {
        &self.salt
    }

    /// Whether the client's proof over all that was said shows that it knows the password. How long it takes tells nothing.
    pub fn accepts(&self, said: &[u8], proof: &[u8; KEY_BYTES]) -> bool {
        let mut client_key = mac(&self.stored_key, said);
        client_key.iter_mut().zip(proof).for_each(|(byte, other)| *byte ^= other);
        hash(&client_key).ct_eq(&self.stored_key).into()
    }

    /// What shows the client that the server knows the verifier.
    pub fn server_signature(&self, said: &[u8]) -> [u8; KEY_BYTES] {
        mac(&self.server_key, said)
    }
}

/// The password in the form in which it is compared (SASLprep, RFC 4013). One that has no such form counts as it is, as
/// PostgreSQL and its clients have it.
fn normalised(password: &str) -> Cow<'_, str> {
    stringprep::saslprep(password).unwrap_or(Cow::Borrowed(password))
}

fn mac(key: &[u8], text: &[u8]) -> [u8; KEY_BYTES] {
    to_key(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text).as_ref())
}

fn hash(bytes: &[u8]) -> [u8; KEY_BYTES] {
    to_key(digest::digest(&digest::SHA256, bytes).as_ref())
}

/// SHA-256 gives that many bytes.
fn to_key(bytes: &[u8]) -> [u8; KEY_BYTES] {
    let mut key = [0; KEY_BYTES];
    key.copy_from_slice(bytes);
    key
}

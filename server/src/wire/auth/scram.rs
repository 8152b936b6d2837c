//! The exchange of SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, RFC 7677), the server's side: two texts of the client, two
//! of the server. No secret goes over the wire, and each side shows the other that it knows its part.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zxq_engine::roles::scram::{KEY_BYTES, Verifier};

use crate::sqlstate;
use crate::wire::error::WireError;

#[cfg(test)]
mod tests;

/// The mechanism, and the one that is bound to the TLS connection.
const PLAIN: &str = "SCRAM-SHA-256";
const PLUS: &str = "SCRAM-SHA-256-PLUS";

/// What a client binds to: the hash of the server's certificate.
const BINDING: &str = "tls-server-end-point";

/// Random bytes that the server adds to the client's.
const NONCE_BYTES: usize = 18;

/// An exchange that has not begun.
#[derive(Debug)]
pub(super) struct Exchange<'a> {
    verifier: &'a Verifier,
    /// The hash of the server's certificate, on a connection with TLS.
    binding: Option<&'a [u8]>,
}

/// An exchange whose last text is to come.
#[derive(Debug)]
pub(super) struct Challenge<'a> {
    verifier: &'a Verifier,
    /// What both have said.
    said: String,
    nonce: String,
    /// What the client has to repeat of the connection, in base64, and whether that is a hash of the certificate.
    bound_to: String,
    is_bound: bool,
    /// The server's first text.
    pub(super) text: String,
}

/// The client's last text, with what is needed to judge it.
#[derive(Debug)]
pub(super) struct Proof<'a> {
    verifier: &'a Verifier,
    said: String,
    proof: [u8; KEY_BYTES],
}

impl<'a> Exchange<'a> {
    /// An exchange over a verifier, and over the certificate's hash where the connection has one.
    pub(super) fn new(verifier: &'a Verifier, binding: Option<&'a [u8]>) -> Self {
        Exchange { verifier, binding }
    }

    /// The mechanisms to offer, the best first.
    pub(super) fn mechanisms(&self) -> Vec<String> {
        let plus = self.binding.is_some().then_some(PLUS);
        plus.into_iter().chain([PLAIN]).map(str::to_owned).collect()
    }

    /// Takes the client's first text.
    ///
    /// # Errors
    /// When it breaks the protocol, or somebody may have changed what was offered.
    pub(super) fn begin(self, mechanism: &str, text: &str) -> Result<Challenge<'a>, WireError> {
        let is_bound = match mechanism {
            PLAIN => false,
            PLUS if self.binding.is_some() => true,
            _ => return Err(WireError::protocol("client selected an invalid SASL authentication mechanism")),
        };
        // gs2-header: flag "," [ "a=" name ] ",", then the rest, which both sides sign.
        let (flag, rest) = text.split_once(',').ok_or_else(malformed)?;
        let (identity, bare) = rest.split_once(',').ok_or_else(malformed)?;
        match (flag, flag.strip_prefix("p="), is_bound) {
            (_, Some(BINDING), true) | ("n", _, false) => {}
            ("y", _, false) if self.binding.is_none() => {}
            // The client could have bound it and was told that the server could not: not by the server.
            ("y", _, false) => {
                return Err(WireError::new(
                    sqlstate::INVALID_AUTHORIZATION,
                    "SCRAM channel binding negotiation error",
                )
                .detail(
                    "The client supports SCRAM channel binding but thinks the server does not.  However, this server \
                     does support channel binding.",
                ));
            }
            (_, Some(_), true) => return Err(WireError::protocol("unsupported SCRAM channel-binding type")),
            ("n" | "y", _, true) => {
                return Err(WireError::protocol(
                    "client selected SCRAM-SHA-256-PLUS, but the SCRAM message does not include channel binding data",
                ));
            }
            (_, Some(_), false) => {
                return Err(WireError::protocol(
                    "client selected SCRAM-SHA-256 without channel binding, but the SCRAM message includes channel \
                     binding data",
                ));
            }
            _ => return Err(malformed()),
        }
        if !identity.is_empty() {
            return Err(WireError::unsupported("client uses authorization identity, but it is not supported"));
        }
        if bare.starts_with("m=") {
            return Err(WireError::unsupported("client requires an unsupported SCRAM extension"));
        }
        // The name is not read: the startup message has said it.
        let (name, rest) = bare.split_once(',').ok_or_else(malformed)?;
        let client_nonce = rest.split(',').next().and_then(|part| part.strip_prefix("r=")).ok_or_else(malformed)?;
        if !name.starts_with("n=") || client_nonce.is_empty() || !client_nonce.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(malformed());
        }
        let nonce = format!("{client_nonce}{}", STANDARD.encode(rand::random::<[u8; NONCE_BYTES]>()));
        let salt = STANDARD.encode(self.verifier.salt());
        let answer = format!("r={nonce},s={salt},i={}", self.verifier.iterations());
        let header = &text[..text.len() - bare.len()];
        let bytes = [header.as_bytes(), self.binding.filter(|_| is_bound).unwrap_or_default()].concat();
        Ok(Challenge {
            verifier: self.verifier,
            said: format!("{bare},{answer}"),
            nonce,
            bound_to: STANDARD.encode(bytes),
            is_bound,
            text: answer,
        })
    }
}

impl<'a> Challenge<'a> {
    /// Takes the client's last text; whether it proves anything is asked of what this gives.
    ///
    /// # Errors
    /// When it breaks the protocol, answers another challenge, or is bound to another connection.
    pub(super) fn answer(self, text: &str) -> Result<Proof<'a>, WireError> {
        let (unproved, proof) = text.rsplit_once(",p=").ok_or_else(malformed)?;
        let mut parts = unproved.split(',');
        let bound_to = parts.next().and_then(|part| part.strip_prefix("c=")).ok_or_else(malformed)?;
        let nonce = parts.next().and_then(|part| part.strip_prefix("r=")).ok_or_else(malformed)?;
        let proof = STANDARD.decode(proof).ok().and_then(|bytes| bytes.try_into().ok()).ok_or_else(malformed)?;
        if bound_to != self.bound_to {
            return Err(if self.is_bound {
                WireError::new(sqlstate::INVALID_AUTHORIZATION, "SCRAM channel binding check failed")
            } else {
                WireError::protocol("unexpected SCRAM channel-binding attribute in client-final-message")
            });
        }
        if nonce != self.nonce {
            return Err(WireError::protocol("invalid SCRAM response").detail("Nonce does not match."));
        }
        Ok(Proof { verifier: self.verifier, said: format!("{},{unproved}", self.said), proof })
    }
}

impl Proof<'_> {
    /// What to tell a client that knows the password, so that it knows that the server is the right one; `None` for one that
    /// does not know it.
    pub(super) fn check(&self) -> Option<String> {
        let said = self.said.as_bytes();
        self.verifier
            .accepts(said, &self.proof)
            .then(|| format!("v={}", STANDARD.encode(self.verifier.server_signature(said))))
    }
}

fn malformed() -> WireError {
    WireError::protocol("malformed SCRAM message")
}

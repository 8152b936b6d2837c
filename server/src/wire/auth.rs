//! Who a client is: the rule that holds for it, what it has to show, and as which role it is let in.
//!
//! A client whose name nobody has, or whose role has no password or one that has expired, goes the same way as one with a
//! wrong password, and is told the same: [`Engine::verifier_of_nobody`] stands in for what is not there.

mod answers;
pub(crate) mod rules;
mod scram;
pub(crate) mod throttle;

use std::net::IpAddr;

use futures::SinkExt;
use pgwire::messages::PgWireBackendMessage;
use pgwire::messages::startup::Authentication;
use tokio::time::Instant;
use zxq_engine::Engine;
use zxq_engine::roles::scram::Verifier;
use zxq_engine::roles::{Role, Roles};

use self::rules::{Asking, Method, Rule};
use self::throttle::Throttle;
use super::error::{Stop, WireError};
use super::greeting::TlsSession;
use super::link::Socket;
use crate::sqlstate;

/// What decides who comes in.
#[derive(Debug)]
pub(crate) struct Gate {
    /// The rules; `None` for the usual ones.
    pub(crate) rules: Option<Vec<Rule>>,
    /// Other machines can reach the server: it never does without users, also when the last one is dropped.
    pub(crate) needs_users: bool,
    /// Slows those who guess.
    pub(crate) throttle: Throttle,
}

/// A client that wants in.
#[derive(Debug)]
pub(crate) struct Caller<'a> {
    /// Whom it says it is.
    pub(crate) user: &'a str,
    /// The database it names.
    pub(crate) database: &'a str,
    /// Where it is.
    pub(crate) address: IpAddr,
    /// How it encrypts, if it does.
    pub(crate) tls: Option<&'a TlsSession>,
}

/// A client that is let in.
#[derive(Debug)]
pub(crate) struct Admitted {
    /// Its role; `None` for one that may do everything: there are no users, or it may read the data directory.
    pub(crate) role: Option<Role>,
    /// How it has shown who it is, for the log.
    pub(crate) how: &'static str,
}

/// Why a client is not let in.
struct Refusal {
    stop: Stop,
    /// What the log says beyond what the client is told.
    why: &'static str,
}

impl<E: Into<Stop>> From<E> for Refusal {
    fn from(error: E) -> Self {
        Refusal { stop: error.into(), why: "" }
    }
}

impl Gate {
    /// Lets a client in, or not; both are written to the log.
    ///
    /// # Errors
    /// Why it is refused, and that it is gone.
    pub(crate) async fn admit(
        &self,
        socket: &mut Socket,
        caller: &Caller<'_>,
        engine: &Engine,
    ) -> Result<Admitted, Stop> {
        self.decide(socket, caller, engine).await.map_err(|refusal| {
            if let Stop::Failed(error) = &refusal.stop {
                caller.log_refusal(error, refusal.why);
            }
            refusal.stop
        })
    }

    async fn decide(&self, socket: &mut Socket, caller: &Caller<'_>, engine: &Engine) -> Result<Admitted, Refusal> {
        let has_users = self.needs_users || engine.roles().all().any(|role| role.login);
        let asking = Asking {
            address: caller.address,
            encrypted: caller.tls.is_some(),
            database: caller.database,
            user: caller.user,
        };
        let method = rules::method(self.rules.as_deref(), asking, has_users);
        let method = method.ok_or_else(|| no_access("no authentication rule", "for", caller))?;
        let how = match method {
            // Rules that trust others are refused where they are read.
            Method::Trust if caller.address.is_loopback() => {
                if !has_users {
                    return Ok(Admitted { role: None, how: "no users" });
                }
                "trust"
            }
            Method::Trust | Method::Reject => {
                return Err(no_access("an authentication rule", "rejects connection for", caller).into());
            }
            Method::Scram => {
                self.check_password(socket, caller, engine).await?;
                "scram"
            }
            Method::Certificate => {
                check_certificate(caller)?;
                "cert"
            }
        };
        // As the roles are now: it may have taken a while.
        let role = who_may_log_in(&engine.roles(), caller.user)?;
        Ok(Admitted { role: Some(role), how })
    }

    /// Has the client show that it knows the password.
    async fn check_password(&self, socket: &mut Socket, caller: &Caller<'_>, engine: &Engine) -> Result<(), Refusal> {
        let nobody = engine.verifier_of_nobody(caller.user);
        let (verifier, why) = match verifier_of(&engine.roles(), caller.user) {
            Ok(verifier) => (verifier, "the password is wrong"),
            Err(why) => (nobody, why),
        };
        let exchange = scram::Exchange::new(&verifier, caller.tls.and_then(|tls| tls.binding.as_deref()));
        ask(socket, Authentication::SASL(exchange.mechanisms())).await?;
        let answer = answers::next(socket).await?;
        let (mechanism, text) = answers::chosen(&answer)?;
        let challenge = exchange.begin(mechanism, text)?;
        ask(socket, Authentication::SASLContinue(challenge.text.clone().into())).await?;
        let answer = answers::next(socket).await?;
        let proof = challenge.answer(answers::text(&answer)?)?;
        // From here to the failure's count nothing waits but this, so that those who come at once are counted too.
        match self.throttle.turn(caller.address, Instant::now()) {
            Some(wait) => tokio::time::sleep(wait).await,
            None => {
                let message = "too many failed log-ins from this address";
                let error = WireError::new(sqlstate::INVALID_AUTHORIZATION, message);
                return Err(error.hint("Try again in some minutes.").into());
            }
        }
        let Some(signature) = proof.check() else {
            self.throttle.failed(caller.address, Instant::now());
            let message = format!("password authentication failed for user \"{}\"", caller.user);
            return Err(Refusal { stop: WireError::new(sqlstate::INVALID_PASSWORD, message).into(), why });
        };
        let last = Authentication::SASLFinal(signature.into());
        Ok(socket.feed(PgWireBackendMessage::Authentication(last)).await?)
    }
}

impl Caller<'_> {
    /// Writes to the log that the client is in. What clients say is written so that no line of it passes for another.
    pub(crate) fn log_login(&self, admitted: &Admitted, pid: i32) {
        let (user, database, address, encrypted) = (self.user, self.database, self.address, self.tls.is_some());
        if admitted.role.is_some() {
            tracing::info!(target: "zxq_audit", ?user, ?database, %address, encrypted, how = admitted.how, pid, "logged in");
        } else {
            tracing::debug!(target: "zxq_audit", ?user, ?database, %address, encrypted, how = admitted.how, pid, "logged in");
        }
    }

    /// Writes to the log that the client was refused.
    pub(crate) fn log_refusal(&self, error: &WireError, why: &str) {
        let (user, database, address, encrypted) = (self.user, self.database, self.address, self.tls.is_some());
        let (code, error) = (error.code, error.message.as_str());
        tracing::warn!(target: "zxq_audit", ?user, ?database, %address, encrypted, code, error, why, "log-in refused");
    }
}

async fn ask(socket: &mut Socket, question: Authentication) -> Result<(), Stop> {
    Ok(socket.send(PgWireBackendMessage::Authentication(question)).await?)
}

/// What a role's password is checked with.
///
/// # Errors
/// Why there is nothing to check it with.
fn verifier_of(roles: &Roles, user: &str) -> Result<Verifier, &'static str> {
    let role = roles.role(user).ok_or("there is no such role")?;
    let verifier = role.verifier.as_deref().ok_or("the role has no password")?;
    if role.valid_until.is_some_and(|end| end <= chrono::Utc::now().timestamp_micros()) {
        return Err("the password has expired");
    }
    Verifier::parse(verifier).ok_or("the role's verifier cannot be read")
}

/// The role of that name, which may log in.
fn who_may_log_in(roles: &Roles, user: &str) -> Result<Role, WireError> {
    let refused = |message: String| WireError::new(sqlstate::INVALID_AUTHORIZATION, message);
    let role = roles.role(user).ok_or_else(|| refused(format!("role \"{user}\" does not exist")))?;
    if role.login { Ok(role.clone()) } else { Err(refused(format!("role \"{user}\" is not permitted to log in"))) }
}

/// A certificate of an authority that the server trusts, which is about the user.
fn check_certificate(caller: &Caller<'_>) -> Result<(), WireError> {
    let refused = |message: String| WireError::new(sqlstate::INVALID_AUTHORIZATION, message);
    let Some(client) = caller.tls.and_then(|tls| tls.client.as_ref()) else {
        return Err(refused("connection requires a valid client certificate".to_owned()));
    };
    if client.common_name.as_deref() != Some(caller.user) {
        return Err(refused(format!("certificate authentication failed for user \"{}\"", caller.user)));
    }
    Ok(())
}

/// What one is told for whom the rules have no way in.
fn no_access(rules: &str, what: &str, caller: &Caller<'_>) -> WireError {
    let encryption = if caller.tls.is_some() { "TLS encryption" } else { "no encryption" };
    let (address, user, database) = (caller.address, caller.user, caller.database);
    let message = format!("{rules} {what} host \"{address}\", user \"{user}\", database \"{database}\", {encryption}");
    WireError::new(sqlstate::INVALID_AUTHORIZATION, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_are_about_their_user() {
        use crate::wire::greeting::ClientCertificate;
        let code = |tls: Option<&TlsSession>| {
            let caller = Caller { user: "alice", database: "zxq", address: [127, 0, 0, 1].into(), tls };
            check_certificate(&caller).map_err(|error| error.message)
        };
        let session = |name: Option<&str>| TlsSession {
            binding: None,
            client: Some(ClientCertificate { common_name: name.map(str::to_owned) }),
        };
        assert_eq!(code(Some(&session(Some("alice")))), Ok(()));
        let failed = Err("certificate authentication failed for user \"alice\"".to_owned());
        for other in [Some("Alice"), Some("alice2"), None] {
            assert_eq!(code(Some(&session(other))), failed, "{other:?}");
        }
        let none = Err("connection requires a valid client certificate".to_owned());
        assert_eq!(code(Some(&TlsSession { binding: None, client: None })), none);
        assert_eq!(code(None), none);
    }
}

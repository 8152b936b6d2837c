//! In which way a client has to show who it is: rules by address, database and user. The first that fits counts.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

#[cfg(test)]
mod tests;

/// How a client shows who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// It need not. For clients of this machine only.
    Trust,
    /// By a password (SCRAM-SHA-256, over TLS also bound to the connection).
    Scram,
    /// By a certificate whose common name is the user's.
    Certificate,
    /// It is refused.
    Reject,
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Where the client is.
    pub addresses: Addresses,
    /// Which database it names.
    pub databases: Names,
    /// Whom it says it is.
    pub users: Names,
    /// What holds for it then.
    pub method: Method,
    /// The rule is for encrypted connections only.
    pub tls: bool,
}

/// Where clients are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Addresses {
    /// Anywhere.
    All,
    /// On this machine, by its loopback addresses.
    Loopback,
    /// In a network.
    Network {
        /// One of its addresses.
        base: IpAddr,
        /// How many bits all of its addresses share.
        prefix: u8,
    },
}

/// Which names fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Names {
    /// Any.
    All,
    /// One of these.
    These(Vec<String>),
}

/// A client as rules see it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asking<'a> {
    /// Where it is.
    pub(crate) address: IpAddr,
    /// It encrypts.
    pub(crate) encrypted: bool,
    /// The database it names.
    pub(crate) database: &'a str,
    /// Whom it says it is.
    pub(crate) user: &'a str,
}

/// What holds for a client; `None` when no rule fits. Without rules, passwords for all, from other machines over TLS; and
/// nothing on the loopback addresses for as long as there is nobody to log in.
pub(crate) fn method(rules: Option<&[Rule]>, asking: Asking<'_>, has_users: bool) -> Option<Method> {
    let local = asking.address.is_loopback();
    match rules {
        Some(rules) => rules.iter().find(|rule| rule.fits(asking)).map(|rule| rule.method),
        None if local && !has_users => Some(Method::Trust),
        None => (local || asking.encrypted).then_some(Method::Scram),
    }
}

impl Rule {
    fn fits(&self, asking: Asking<'_>) -> bool {
        (asking.encrypted || !self.tls)
            && self.addresses.contain(asking.address)
            && self.databases.contain(asking.database)
            && self.users.contain(asking.user)
    }
}

impl Names {
    fn contain(&self, name: &str) -> bool {
        match self {
            Names::All => true,
            Names::These(names) => names.iter().any(|other| other == name),
        }
    }
}

impl Addresses {
    fn contain(&self, address: IpAddr) -> bool {
        match *self {
            Addresses::All => true,
            Addresses::Loopback => address.is_loopback(),
            Addresses::Network { base, prefix } => match (base, address) {
                (IpAddr::V4(base), IpAddr::V4(address)) => {
                    let shared = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
                    (base.to_bits() ^ address.to_bits()) & shared == 0
                }
                (IpAddr::V6(base), IpAddr::V6(address)) => {
                    let shared = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
                    (base.to_bits() ^ address.to_bits()) & shared == 0
                }
                _ => false,
            },
        }
    }

    /// True when no other machine is among them.
    pub fn are_loopback(&self) -> bool {
        match *self {
            Addresses::All => false,
            Addresses::Loopback => true,
            Addresses::Network { base: IpAddr::V4(base), prefix } => {
                prefix >= 8 && base.octets()[0] == Ipv4Addr::LOCALHOST.octets()[0]
            }
            Addresses::Network { base: IpAddr::V6(base), prefix } => prefix == 128 && base == Ipv6Addr::LOCALHOST,
        }
    }
}

/// `all`, `loopback`, an address, or a network: `10.1.0.0/16`.
impl FromStr for Addresses {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no address: write all, loopback, 10.1.2.3, 10.1.0.0/16 or fd00::/8");
        match text {
            "all" => return Ok(Addresses::All),
            "loopback" => return Ok(Addresses::Loopback),
            _ => {}
        }
        let (base, prefix) = text.split_once('/').map_or((text, None), |(base, prefix)| (base, Some(prefix)));
        let base: IpAddr = base.parse().map_err(|_| wrong())?;
        let most = if base.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            Some(prefix) => prefix.parse().ok().filter(|bits| *bits <= most).ok_or_else(wrong)?,
            None => most,
        };
        Ok(Addresses::Network { base, prefix })
    }
}

/// The name of a method in configuration files and logs.
impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Method::Trust => "trust",
            Method::Scram => "scram",
            Method::Certificate => "cert",
            Method::Reject => "reject",
        })
    }
}

impl FromStr for Method {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "trust" => Ok(Method::Trust),
            "scram" => Ok(Method::Scram),
            "cert" => Ok(Method::Certificate),
            "reject" => Ok(Method::Reject),
            other => Err(format!("unknown method {other:?}: there are scram, cert, trust and reject")),
        }
    }
}

//! The list `authentication`: rules that say how clients show who they are, the first that fits counts.

use serde::Deserialize;

use crate::serve::{Addresses, Method, Names, Rule};

/// What one rule may say.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRule {
    address: String,
    #[serde(default)]
    database: RawNames,
    #[serde(default)]
    user: RawNames,
    method: String,
    tls: Option<String>,
}

/// `all`, a name, or a list of names.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum RawNames {
    One(String),
    Several(Vec<String>),
}

impl Default for RawNames {
    fn default() -> Self {
        RawNames::One("all".to_owned())
    }
}

impl RawNames {
    fn read(self) -> Names {
        match self {
            RawNames::One(name) if name == "all" => Names::All,
            RawNames::One(name) => Names::These(vec![name]),
            RawNames::Several(names) => Names::These(names),
        }
    }
}

impl RawRule {
    /// What the entry says, checked.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn read(self) -> Result<Rule, String> {
        let addresses: Addresses = self.address.parse()?;
        let method: Method = self.method.parse()?;
        let local = addresses.are_loopback();
        if method == Method::Trust && !local {
            return Err(format!(
                "method trust is for loopback addresses, and {} holds others: anybody there could do anything",
                self.address
            ));
        }
        let tls = match self.tls.as_deref() {
            // What leaves the machine is encrypted unless the file says otherwise.
            None => !local || method == Method::Certificate,
            Some("required") => true,
            Some("any") if method == Method::Certificate => {
                return Err("method cert needs TLS: leave tls out, or write tls: required".to_owned());
            }
            Some("any") => false,
            Some(other) => return Err(format!("tls: {other:?} is neither required nor any")),
        };
        // Who shall not come in shall not come in without TLS either.
        let tls = tls && (method != Method::Reject || self.tls.is_some());
        Ok(Rule { addresses, databases: self.database.read(), users: self.user.read(), method, tls })
    }
}

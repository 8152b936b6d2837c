#![allow(clippy::unwrap_used)]

use super::*;

fn rule(address: &str, database: &str, user: &str, method: Method, tls: bool) -> Rule {
    let names = |text: &str| match text {
        "all" => Names::All,
        names => Names::These(names.split(' ').map(str::to_owned).collect()),
    };
    Rule { addresses: address.parse().unwrap(), databases: names(database), users: names(user), method, tls }
}

fn asking<'a>(address: &str, encrypted: bool, database: &'a str, user: &'a str) -> Asking<'a> {
    Asking { address: address.parse().unwrap(), encrypted, database, user }
}

#[test]
fn the_first_rule_that_fits_counts() {
    let rules = [
        rule("10.1.0.0/16", "all", "mallory", Method::Reject, false),
        rule("10.1.0.0/16", "market risk", "all", Method::Scram, true),
        rule("10.1.2.3", "all", "all", Method::Certificate, true),
        rule("loopback", "all", "all", Method::Trust, false),
    ];
    let decided = |client: Asking<'_>| method(Some(&rules), client, true);
    assert_eq!(decided(asking("10.1.2.3", true, "market", "mallory")), Some(Method::Reject));
    assert_eq!(decided(asking("10.1.2.3", true, "market", "alice")), Some(Method::Scram));
    assert_eq!(decided(asking("10.1.2.3", true, "other", "alice")), Some(Method::Certificate));
    assert_eq!(decided(asking("10.1.2.4", true, "other", "alice")), None);
    assert_eq!(decided(asking("10.1.2.3", false, "market", "alice")), None);
    assert_eq!(decided(asking("10.2.2.3", true, "market", "alice")), None);
    assert_eq!(decided(asking("127.0.0.1", false, "market", "mallory")), Some(Method::Trust));
    assert_eq!(decided(asking("::1", false, "market", "alice")), Some(Method::Trust));

    // In the other order the one who was refused gets in.
    let turned: Vec<Rule> = rules.iter().rev().cloned().collect();
    assert_eq!(method(Some(&turned), asking("10.1.2.3", true, "x", "mallory"), true), Some(Method::Certificate));
    assert_eq!(method(Some(&[]), asking("127.0.0.1", true, "x", "alice"), false), None);
}

#[test]
fn without_rules_everybody_needs_a_password_once_there_is_a_user() {
    let here = asking("127.0.0.1", false, "zxq", "alice");
    assert_eq!(method(None, here, false), Some(Method::Trust));
    assert_eq!(method(None, here, true), Some(Method::Scram));
    for anybody in [false, true] {
        assert_eq!(method(None, asking("10.1.2.3", true, "zxq", "alice"), anybody), Some(Method::Scram));
        assert_eq!(method(None, asking("10.1.2.3", false, "zxq", "alice"), anybody), None);
    }
}

#[test]
fn networks_of_every_size() {
    let contain = |network: &str, address: &str| {
        network.parse::<Addresses>().unwrap().contain(address.parse::<IpAddr>().unwrap())
    };
    assert!(contain("0.0.0.0/0", "203.0.113.9") && !contain("0.0.0.0/0", "::1"));
    assert!(contain("::/0", "2001:db8::1") && !contain("::/0", "203.0.113.9"));
    assert!(contain("10.0.0.0/9", "10.127.255.255") && !contain("10.0.0.0/9", "10.128.0.0"));
    assert!(contain("10.1.2.3/32", "10.1.2.3") && !contain("10.1.2.3", "10.1.2.2"));
    assert!(contain("2001:db8::/33", "2001:db8:7fff::") && !contain("2001:db8::/33", "2001:db8:8000::"));
    for wrong in ["", "10.0.0.0/33", "::/129", "10.0.0", "10.0.0.0/x", "10.0.0.0/-1", "example.com", "All"] {
        assert!(wrong.parse::<Addresses>().is_err(), "{wrong}");
    }
}

#[test]
fn it_is_known_which_networks_hold_this_machine_alone() {
    for local in ["loopback", "127.0.0.1", "127.0.0.0/8", "127.1.0.0/16", "::1", "::1/128"] {
        assert!(local.parse::<Addresses>().unwrap().are_loopback(), "{local}");
    }
    for open in ["all", "0.0.0.0/0", "127.0.0.0/7", "10.0.0.1", "::/0", "::1/127", "::2"] {
        assert!(!open.parse::<Addresses>().unwrap().are_loopback(), "{open}");
    }
}

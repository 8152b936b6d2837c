#![allow(clippy::unwrap_used)]

use super::*;

fn role(id: RoleId, name: &str, of: &[RoleId]) -> Role {
    let membership = Membership { grantor: ZXQ, admin: false };
    Role { member_of: of.iter().map(|of| (*of, membership)).collect(), ..Role::new(FIRST_ROLE + id, name) }
}

fn roles(all: &[Role]) -> Roles {
    let mut roles = Roles::default();
    for role in all {
        roles.put(role).unwrap();
    }
    roles
}

#[test]
fn a_role_has_what_it_inherits_and_no_more() {
    let (reader, desk, ada) = (FIRST_ROLE, FIRST_ROLE + 1, FIRST_ROLE + 2);
    let mut all = roles(&[role(0, "reader", &[]), role(1, "desk", &[reader, OPERATE]), role(2, "ada", &[desk])]);
    assert_eq!(all.acts_as(ada), BTreeSet::from([ada, desk, reader, OPERATE]));
    all.put(&Role { inherit: false, ..role(1, "desk", &[reader, OPERATE]) }).unwrap();
    assert_eq!(all.acts_as(ada), BTreeSet::from([ada, desk]));
    assert_eq!(all.belongs_to(ada), BTreeSet::from([ada, desk, reader, OPERATE]));
    assert_eq!(all.members(desk).map(|role| role.name.as_str()).collect::<Vec<_>>(), ["ada"]);
}

#[test]
fn roles_that_cannot_be_are_refused() {
    let (a, b) = (FIRST_ROLE, FIRST_ROLE + 1);
    let mut all = roles(&[role(0, "a", &[]), role(1, "b", &[a])]);
    assert!(all.put(&role(0, "a", &[b])).is_err(), "a circle");
    assert!(all.put(&role(0, "a", &[a])).is_err(), "in itself");
    assert!(all.put(&role(2, "a", &[])).is_err(), "the name is taken");
    assert!(all.put(&role(2, "zxq_operate", &[])).is_err(), "the name is of one that is built in");
    assert!(all.put(&role(2, "c", &[99])).is_err(), "in a role that is not there");
    assert!(all.put(&Role { superuser: true, ..Role::new(OPERATE, "zxq_operate") }).is_err(), "built in");
    assert!(all.remove(a).is_err(), "it has members");
    let grant = Grant { to: Some(b), by: ZXQ, privileges: Privileges::SELECT, grantable: Privileges::NONE };
    all.set_grants(7, &[grant]).unwrap();
    assert!(all.set_grants(8, &[Grant { to: Some(99), ..grant }]).is_err());
    assert!(all.remove(b).is_err(), "it is in a grant");
    all.forget(7);
    all.remove(b).unwrap();
    all.remove(a).unwrap();
    assert!(all.remove(a).is_err());
    assert_eq!(all, Roles::default());
}

#[test]
fn privileges_are_written_as_in_postgres() {
    let some = Privileges::SELECT.with(Privileges::INSERT);
    assert_eq!(some.letters(Privileges::SELECT), "ar*");
    assert_eq!(Privileges::ON_TABLE.letters(Privileges::NONE), "arwdDxt");
    assert_eq!(Privileges::ON_SCHEMA.letters(Privileges::NONE), "UC");
    assert_eq!(some.names().collect::<Vec<_>>(), ["INSERT", "SELECT"]);
    assert_eq!(Privileges::named("truncate"), Some(Privileges::TRUNCATE));
    assert_eq!(Privileges::named("maintain"), None);
    assert!(some.has(Privileges::SELECT) && !Privileges::SELECT.has(some) && some.without(some).is_empty());
}

#[test]
fn what_is_kept_of_a_password_is_not_shown() {
    let role = Role { verifier: Some("SCRAM-SHA-256$secret".to_owned()), ..Role::new(FIRST_ROLE, "a") };
    assert!(!format!("{role:?}").contains("secret"));
    assert!(!format!("{:?}", roles(&[role])).contains("secret"));
}

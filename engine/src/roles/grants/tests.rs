#![allow(clippy::unwrap_used)]

use super::*;

const OWNER: RoleId = 1;
const ADA: RoleId = 2;
const BOB: RoleId = 3;
const EVE: RoleId = 4;
const READ: Privileges = Privileges::SELECT;

fn grants(all: &[(RoleId, RoleId, bool)]) -> Grants {
    let mut grants = Grants::new(OWNER, &[]);
    for (by, to, option) in all {
        grants.add(Some(*to), *by, READ, *option).unwrap();
    }
    grants
}

fn holders(grants: &Grants) -> Vec<Option<RoleId>> {
    grants.all.iter().map(|grant| grant.to).collect()
}

#[test]
fn options_hold_what_was_granted_with_them() {
    let mut chain = grants(&[(OWNER, ADA, true), (ADA, BOB, true), (BOB, EVE, false)]);
    let before = chain.clone();
    let error = before.clone().remove(Some(ADA), OWNER, READ, false, false).unwrap_err();
    assert_eq!((error.kind(), error.message()), (ErrorKind::DependentObjects, "dependent privileges exist"));
    chain.remove(Some(ADA), OWNER, READ, true, true).unwrap();
    assert_eq!(holders(&chain), [Some(ADA)]);
    assert_eq!(chain.grantable_by(ADA), Privileges::NONE);
    // A second way to the option keeps what hangs on it.
    let mut two = before;
    two.add(Some(BOB), OWNER, READ, true).unwrap();
    two.remove(Some(ADA), OWNER, READ, false, true).unwrap();
    assert_eq!(holders(&two), [Some(EVE), Some(BOB)]);
}

#[test]
fn options_do_not_go_in_circles() {
    let mut circle = grants(&[(OWNER, ADA, true), (ADA, BOB, true)]);
    let error = circle.add(Some(ADA), BOB, READ, true).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidGrant);
    circle.add(Some(ADA), BOB, READ, false).unwrap();
    assert_eq!(circle.add(None, OWNER, READ, true).unwrap_err().kind(), ErrorKind::InvalidGrant);
}

#[test]
fn what_is_not_there_is_taken_back_without_a_word() {
    let mut some = grants(&[(OWNER, ADA, false)]);
    some.remove(Some(ADA), BOB, READ, false, false).unwrap();
    some.remove(Some(ADA), OWNER, Privileges::INSERT, false, false).unwrap();
    assert_eq!(holders(&some), [Some(ADA)]);
    some.add(Some(OWNER), OWNER, READ, false).unwrap();
    assert_eq!(holders(&some), [Some(ADA)], "the owner needs no grant");
}

#[test]
fn a_new_owner_takes_the_place_of_the_old_one() {
    let before = grants(&[(OWNER, ADA, true), (ADA, BOB, false), (OWNER, BOB, false)]);
    let after = before.owned_by(EVE);
    assert_eq!(
        after.all.iter().map(|g| (g.by, g.to)).collect::<Vec<_>>(),
        [(EVE, Some(ADA)), (ADA, Some(BOB)), (EVE, Some(BOB))]
    );
    // Who owns it now needs no grants, and those that she made are the owner's.
    let after = before.owned_by(ADA);
    assert_eq!(after.all.iter().map(|g| (g.by, g.to)).collect::<Vec<_>>(), [(ADA, Some(BOB))]);
}

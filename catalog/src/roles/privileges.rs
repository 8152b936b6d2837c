//! Privileges and who has them by grant.

use serde::{Deserialize, Serialize};

use super::RoleId;

/// A set of privileges.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Privileges(u16);

/// Their names and the letters that `relacl` has for them, in the order in which it has them.
const NAMES: [(Privileges, &str, char); 9] = [
    (Privileges::INSERT, "INSERT", 'a'),
    (Privileges::SELECT, "SELECT", 'r'),
    (Privileges::UPDATE, "UPDATE", 'w'),
    (Privileges::DELETE, "DELETE", 'd'),
    (Privileges::TRUNCATE, "TRUNCATE", 'D'),
    (Privileges::REFERENCES, "REFERENCES", 'x'),
    (Privileges::TRIGGER, "TRIGGER", 't'),
    (Privileges::USAGE, "USAGE", 'U'),
    (Privileges::CREATE, "CREATE", 'C'),
];

impl Privileges {
    /// None.
    pub const NONE: Privileges = Privileges(0);
    /// To read a table, or where a sequence has come to.
    pub const SELECT: Privileges = Privileges(1);
    /// To add rows to a table.
    pub const INSERT: Privileges = Privileges(1 << 1);
    /// To change rows of a table, to set a sequence.
    pub const UPDATE: Privileges = Privileges(1 << 2);
    /// To delete rows of a table.
    pub const DELETE: Privileges = Privileges(1 << 3);
    /// To empty a table.
    pub const TRUNCATE: Privileges = Privileges(1 << 4);
    /// To refer to a table: kept for PostgreSQL's clients, there are no foreign keys.
    pub const REFERENCES: Privileges = Privileges(1 << 5);
    /// To have triggers on a table: kept for PostgreSQL's clients, there are no triggers.
    pub const TRIGGER: Privileges = Privileges(1 << 6);
    /// To make tables in a schema.
    pub const CREATE: Privileges = Privileges(1 << 7);
    /// To find the tables of a schema, which everybody has; to take numbers of a sequence.
    pub const USAGE: Privileges = Privileges(1 << 8);
    /// All that there are on a table.
    pub const ON_TABLE: Privileges = Privileges(0x7f);
    /// All that there are on a sequence.
    pub const ON_SEQUENCE: Privileges = Privileges(0x105);
    /// All that there are on a schema.
    pub const ON_SCHEMA: Privileges = Privileges(0x180);

    /// The privilege of that name, in any case.
    pub fn named(name: &str) -> Option<Privileges> {
        NAMES.iter().find(|(_, known, _)| known.eq_ignore_ascii_case(name)).map(|(privilege, _, _)| *privilege)
    }

    /// One by one.
    pub fn iter(self) -> impl Iterator<Item = Privileges> {
        NAMES.into_iter().map(|(privilege, _, _)| privilege).filter(move |privilege| self.has(*privilege))
    }

    /// The names of those in it.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        NAMES.into_iter().filter(move |(privilege, _, _)| self.has(*privilege)).map(|(_, name, _)| name)
    }

    /// As `relacl` has them, a star after those that may be granted on.
    pub fn letters(self, grantable: Privileges) -> String {
        let mut letters = String::new();
        for (privilege, _, letter) in NAMES.into_iter().filter(|(privilege, _, _)| self.has(*privilege)) {
            letters.push(letter);
            if grantable.has(privilege) {
                letters.push('*');
            }
        }
        letters
    }

    /// True where all of `others` are in it.
    pub const fn has(self, others: Privileges) -> bool {
        self.0 & others.0 == others.0
    }

    /// Those in both.
    #[must_use]
    pub const fn common(self, others: Privileges) -> Privileges {
        Privileges(self.0 & others.0)
    }

    /// These and the others.
    #[must_use]
    pub const fn with(self, others: Privileges) -> Privileges {
        Privileges(self.0 | others.0)
    }

    /// These but for the others.
    #[must_use]
    pub const fn without(self, others: Privileges) -> Privileges {
        Privileges(self.0 & !others.0)
    }

    /// True for none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// What one role granted to another, or to everybody, on one table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// Who has them; `None` is everybody (`PUBLIC`).
    pub to: Option<RoleId>,
    /// Who gave them.
    pub by: RoleId,
    /// What was granted.
    pub privileges: Privileges,
    /// What of it may be granted on.
    pub grantable: Privileges,
}

//! Keys and indexes that were declared: nothing makes them hold, and clients that look for them find them.
//!
//! They are kept among the table's options, so that a catalog that does not know them yet keeps them all the same.

use crate::table::{COMMENT, SCHEMA_OF_ITS_OWN, SEQUENCE, TableDef, VIEW_QUERY};

/// What the options that hold them begin with; a colon and the name follow.
const PREFIX: &str = "key:";

/// What was declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// `PRIMARY KEY`.
    Primary,
    /// `UNIQUE`.
    Unique,
    /// `CREATE INDEX`.
    Index,
    /// `CREATE UNIQUE INDEX`.
    UniqueIndex,
}

impl KeyKind {
    const ALL: [KeyKind; 4] = [KeyKind::Primary, KeyKind::Unique, KeyKind::Index, KeyKind::UniqueIndex];

    fn name(self) -> &'static str {
        match self {
            KeyKind::Primary => "primary",
            KeyKind::Unique => "unique",
            KeyKind::Index => "index",
            KeyKind::UniqueIndex => "unique index",
        }
    }

    /// True for a constraint of the table.
    pub fn is_constraint(self) -> bool {
        matches!(self, KeyKind::Primary | KeyKind::Unique)
    }
}

/// A declared key or index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyDef {
    /// The name of the constraint or index, unique among the table's.
    pub name: String,
    /// What it was declared as.
    pub kind: KeyKind,
    /// Its columns, in order.
    pub columns: Vec<String>,
}

/// True for an option that holds what a definition says elsewhere than in WITH.
pub fn is_inner_option(name: &str) -> bool {
    name.contains(':') || [COMMENT, VIEW_QUERY, SEQUENCE, SCHEMA_OF_ITS_OWN].contains(&name)
}

impl TableDef {
    /// The keys and indexes that were declared, by name.
    pub fn keys(&self) -> Vec<KeyDef> {
        let key = |(option, value): (&String, &String)| {
            let name = option.strip_prefix(PREFIX)?.to_owned();
            // Names hold no line breaks.
            let mut lines = value.split('\n');
            let word = lines.next()?;
            let kind = KeyKind::ALL.into_iter().find(|kind| kind.name() == word)?;
            Some(KeyDef { name, kind, columns: lines.map(str::to_owned).collect() })
        };
        self.options.iter().filter_map(key).collect()
    }

    /// Keeps a declared key.
    pub fn add_key(&mut self, key: &KeyDef) {
        let mut value = key.kind.name().to_owned();
        for column in &key.columns {
            value.push('\n');
            value.push_str(column);
        }
        self.options.insert(format!("{PREFIX}{}", key.name), value);
    }

    /// Forgets a declared key; false where there is none of that name.
    pub fn remove_key(&mut self, name: &str) -> bool {
        self.options.remove(&format!("{PREFIX}{name}")).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::table;

    #[test]
    fn keys_come_back_as_they_were_declared() {
        let mut def = table(1, "t");
        let key = KeyDef {
            name: "t_pkey".to_owned(),
            kind: KeyKind::Primary,
            columns: vec!["a, b".to_owned(), "c".to_owned()],
        };
        let index = KeyDef { name: "i".to_owned(), kind: KeyKind::UniqueIndex, columns: vec!["a".to_owned()] };
        def.add_key(&key);
        def.add_key(&index);
        assert_eq!(def.keys(), [index, key]);
        assert_eq!(def.options.keys().filter(|option| is_inner_option(option)).count(), 2);
        assert!(def.remove_key("t_pkey") && !def.remove_key("t_pkey"));
        assert_eq!(def.keys().len(), 1);
    }
}

//! Statements that have to agree with one another, whatever the right answer is.
//!
//! After "Testing Database Engines via Query Partitioning" (TLP) and "Detecting Optimization Bugs in Database Engines via
//! Non-Optimizing Reference Engine Construction" (NoREC), both of Rigger and Su, 2020.

use proptest::prelude::*;

/// What is compared.
#[derive(Debug, Clone)]
pub(crate) enum Relation {
    /// A place in [`PAIRS`].
    Pair(usize),
    /// The rows of an ordered answer that LIMIT and OFFSET keep, against the whole answer: a place in [`ORDERS`], the two.
    Limit { order: usize, limit: usize, offset: usize },
    /// A statement with its constants as parameters, planned and executed twice, against the statement with constants.
    Prepared(usize),
}

/// Any relation.
pub(crate) fn relation() -> impl Strategy<Value = Relation> {
    prop_oneof![
        3 => (0..PAIRS.len()).prop_map(Relation::Pair),
        1 => (0..ORDERS.len(), 0..9usize, 0..7usize)
            .prop_map(|(order, limit, offset)| Relation::Limit { order, limit, offset }),
        2 => (0..PREPARED.len()).prop_map(Relation::Prepared),
    ]
}

/// Statements with equal answers, and whether the order of their rows is told; written as questions are.
pub(crate) const PAIRS: &[(&str, &str, bool)] = &[
    // A predicate is true, false or NULL of each row.
    (
        "SELECT * FROM {t}",
        "SELECT * FROM {t} WHERE {p} UNION ALL SELECT * FROM {t} WHERE NOT {p} \
         UNION ALL SELECT * FROM {t} WHERE {p} IS NULL",
        false,
    ),
    (
        "SELECT id FROM {t} ORDER BY id DESC",
        "SELECT id FROM (SELECT id FROM {t} WHERE {p} UNION ALL SELECT id FROM {t} WHERE NOT {p} \
         UNION ALL SELECT id FROM {t} WHERE {p} IS NULL) parts ORDER BY id DESC",
        true,
    ),
    (
        "SELECT DISTINCT symbol, class FROM {t}",
        "SELECT symbol, class FROM {t} WHERE {p} UNION SELECT symbol, class FROM {t} WHERE NOT {p} \
         UNION SELECT symbol, class FROM {t} WHERE {p} IS NULL",
        false,
    ),
    (
        "SELECT count(*)::numeric, sum(qty), min(price), max(ts) FROM {t}",
        "SELECT sum(n), sum(s), min(m), max(x) FROM \
         (SELECT count(*) AS n, sum(qty) AS s, min(price) AS m, max(ts) AS x FROM {t} WHERE {p} \
         UNION ALL SELECT count(*), sum(qty), min(price), max(ts) FROM {t} WHERE NOT {p} \
         UNION ALL SELECT count(*), sum(qty), min(price), max(ts) FROM {t} WHERE {p} IS NULL) parts",
        true,
    ),
    (
        "SELECT day, class, count(*)::numeric, max(qty) FROM {t} GROUP BY day, class",
        "SELECT day, class, sum(n), max(m) FROM \
         (SELECT day, class, count(*) AS n, max(qty) AS m FROM {t} WHERE {p} GROUP BY day, class \
         UNION ALL SELECT day, class, count(*), max(qty) FROM {t} WHERE NOT {p} GROUP BY day, class \
         UNION ALL SELECT day, class, count(*), max(qty) FROM {t} WHERE {p} IS NULL GROUP BY day, class) parts \
         GROUP BY day, class",
        false,
    ),
    (
        "SELECT day, count(*) FROM {t} GROUP BY day",
        "SELECT day, count(*) FROM {t} GROUP BY day, {p} IS NULL AND FALSE",
        false,
    ),
    (
        "SELECT id, other FROM {t} JOIN (SELECT id AS other, symbol AS same FROM {t}) o ON symbol = same",
        "SELECT id, other FROM {t} JOIN (SELECT id AS other, symbol AS same FROM {t}) o ON symbol = same AND {p} \
         UNION ALL SELECT id, other FROM {t} JOIN (SELECT id AS other, symbol AS same FROM {t}) o \
         ON symbol = same AND NOT {p} \
         UNION ALL SELECT id, other FROM {t} JOIN (SELECT id AS other, symbol AS same FROM {t}) o \
         ON symbol = same AND {p} IS NULL",
        false,
    ),
    // A predicate that nothing prunes or is pushed by, against one that both happens to.
    (
        "SELECT count(*) FROM {t} WHERE {p}",
        "SELECT coalesce(sum(CASE WHEN {p} THEN 1 ELSE 0 END), 0)::bigint FROM {t}",
        true,
    ),
    ("SELECT id FROM {t} WHERE {p}", "SELECT id FROM (SELECT id, {p} AS kept FROM {t} OFFSET 0) x WHERE kept", false),
    (
        "SELECT day, count(*) FROM {t} WHERE {p} GROUP BY day",
        "SELECT day, n FROM (SELECT day, count(CASE WHEN {p} THEN id END) AS n FROM {t} GROUP BY day) x WHERE n > 0",
        false,
    ),
    (
        "SELECT max(ts), min(price) FROM {t} WHERE {p}",
        "SELECT max(CASE WHEN {p} THEN ts END), min(CASE WHEN {p} THEN price END) FROM {t}",
        true,
    ),
    (
        "SELECT symbol, qty FROM {t} WHERE {p}",
        "SELECT symbol, qty FROM {t} EXCEPT ALL SELECT symbol, qty FROM {t} WHERE {p} IS NOT TRUE",
        false,
    ),
];

/// Orders that say which rows LIMIT keeps.
pub(crate) const ORDERS: &[&str] = &[
    "id",
    "id DESC",
    "symbol, ts, id",
    "symbol DESC NULLS LAST, id DESC",
    "ts DESC, id",
    "price, symbol, id",
    "qty NULLS FIRST, id",
    "x DESC NULLS LAST, id",
    "day DESC, class, id",
];

/// What is asked with parameters.
pub(crate) const PREPARED: &[(&str, bool)] = &[
    ("SELECT * FROM {t} WHERE {p} ORDER BY id", true),
    ("SELECT count(*), sum(qty), min(ts), max(price) FROM {t} WHERE {p}", true),
    ("SELECT day, class, count(*) FROM {t} WHERE {p} GROUP BY day, class", false),
    ("SELECT symbol, ts FROM {t} WHERE {p} ORDER BY symbol, ts, id LIMIT 5", true),
    ("SELECT id, sum(qty) OVER (PARTITION BY day ORDER BY id) FROM {t} WHERE {p}", false),
];

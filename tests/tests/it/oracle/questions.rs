//! What is asked of a table, and of a plain copy of its rows.

/// What is asked: SQL with `{t}` for the table and `{p}` for the predicate, and whether it fixes the order of its rows.
pub(crate) const QUESTIONS: &[(&str, bool)] = &[
    ("SELECT * FROM {t} WHERE {p}", false),
    ("SELECT * FROM {t} WHERE {p} ORDER BY id", true),
    ("SELECT id, symbol, ts FROM {t} WHERE {p} ORDER BY symbol, ts, id", true),
    ("SELECT id FROM {t} WHERE {p} ORDER BY symbol DESC, ts DESC, id LIMIT 7", true),
    ("SELECT id, ts FROM {t} WHERE {p} ORDER BY ts DESC NULLS LAST, id DESC LIMIT 5 OFFSET 2", true),
    ("SELECT symbol FROM {t} WHERE {p} ORDER BY symbol NULLS FIRST LIMIT 9", true),
    ("SELECT symbol, ts FROM {t} WHERE {p} ORDER BY symbol, ts", true),
    ("SELECT symbol, ts FROM {t} WHERE {p} ORDER BY symbol NULLS FIRST, ts NULLS FIRST LIMIT 6", true),
    ("SELECT price, id FROM {t} WHERE {p} ORDER BY price DESC, id LIMIT 3", true),
    (
        "SELECT count(*), count(price), count(symbol), count(DISTINCT symbol), count(DISTINCT day) FROM {t} WHERE {p}",
        true,
    ),
    ("SELECT count(*) FROM {t} WHERE {p}", true),
    (
        "SELECT sum(qty), min(qty), max(qty), sum(price), min(price), max(price), avg(price), sum(x) FROM {t} WHERE {p}",
        true,
    ),
    (
        "SELECT min(ts), max(ts), min(day), max(day), min(symbol), max(symbol), min(class), max(class) FROM {t} WHERE {p}",
        true,
    ),
    ("SELECT day, class, count(*), sum(qty), max(ts) FROM {t} WHERE {p} GROUP BY day, class", false),
    ("SELECT day, count(*) FROM {t} WHERE {p} GROUP BY day", false),
    ("SELECT class, count(*), min(price) FROM {t} WHERE {p} GROUP BY class ORDER BY class", true),
    ("SELECT symbol, count(*), sum(price), sum(qty), min(x), max(x) FROM {t} WHERE {p} GROUP BY symbol", false),
    ("SELECT symbol, count(*) FROM {t} WHERE {p} GROUP BY symbol HAVING count(*) > 2 ORDER BY symbol", true),
    ("SELECT DISTINCT symbol, class FROM {t} WHERE {p}", false),
    ("SELECT count(*) FROM (SELECT id FROM {t} WHERE {p} LIMIT 4) x", true),
    (
        "SELECT a.id, b.id FROM {t} a JOIN {t} b ON a.symbol = b.symbol AND a.day = b.day AND a.id < b.id WHERE a.qty > 0",
        false,
    ),
    ("SELECT id, row_number() OVER (PARTITION BY symbol ORDER BY ts, id) FROM {t} WHERE {p}", false),
    ("SELECT id, lag(price) OVER (PARTITION BY symbol ORDER BY ts, id) FROM {t} WHERE {p}", false),
    ("SELECT id FROM {t} WHERE {p} AND ts = (SELECT max(ts) FROM {t})", false),
    ("SELECT class, count(*) FROM {t} WHERE symbol IN (SELECT symbol FROM {t} WHERE {p}) GROUP BY class", false),
    ("SELECT symbol, time_bucket('1 hour', ts) AS b, sum(qty) FROM {t} WHERE {p} GROUP BY symbol, b", false),
    ("SELECT symbol, price FROM {t} WHERE {p} EXCEPT SELECT symbol, price FROM {t} WHERE qty > 0", false),
    ("SELECT class, day FROM {t} WHERE {p} INTERSECT SELECT class, day FROM {t} WHERE qty > 0", false),
    ("SELECT id FROM {t} WHERE {p} AND symbol NOT IN (SELECT symbol FROM {t} WHERE qty > 50)", false),
    (
        "SELECT a.id, b.id FROM {t} a JOIN {t} b ON (a.price IS NOT DISTINCT FROM b.price) AND a.id < b.id WHERE a.qty > 9",
        false,
    ),
    ("SELECT id, -x, qty * 2, price + 1 FROM {t} WHERE {p}", false),
    // What is known after a filter of the order and of the values of a column.
    ("SELECT id, ts FROM {t} WHERE {p} AND ts::date = DATE '2024-01-02' ORDER BY ts, id", true),
    ("SELECT id, ts FROM {t} WHERE {p} AND ts::date = day ORDER BY ts, id", true),
    ("SELECT id, ts FROM {t} WHERE {p} AND ts::date >= DATE '2024-01-02' ORDER BY ts DESC NULLS LAST, id", true),
    ("SELECT id FROM {t} WHERE {p} AND id + qty = id ORDER BY id", true),
    ("SELECT qty, id FROM {t} WHERE {p} AND - qty = qty ORDER BY qty, id", true),
    // Where a limit, an order or a constant stands between what is counted and the table.
    ("SELECT day, count(*) FROM (SELECT * FROM {t} WHERE {p} ORDER BY symbol, ts, id LIMIT 3) x GROUP BY day", false),
    ("SELECT day, class, count(*) FROM (SELECT * FROM {t} ORDER BY id OFFSET 4) x GROUP BY day, class", false),
    ("SELECT count(*) FROM (SELECT DISTINCT day, class FROM {t} WHERE {p}) x", true),
    (
        "SELECT day, count(*) FROM {t} WHERE {p} GROUP BY day UNION ALL SELECT day, count(*) FROM {t} GROUP BY day",
        false,
    ),
    ("SELECT count(*) FROM {t} WHERE {p} UNION ALL SELECT count(*) FROM {t} UNION ALL SELECT max(id) FROM {t}", false),
    (
        "SELECT a.day, a.n, b.n FROM (SELECT day, count(*) AS n FROM {t} WHERE {p} GROUP BY day) a \
         JOIN (SELECT day, count(*) AS n FROM {t} GROUP BY day) b ON a.day = b.day",
        false,
    ),
    ("SELECT day, count(*) FROM {t} WHERE {p} GROUP BY day ORDER BY day DESC", true),
    ("SELECT id, count(*) FROM {t} WHERE {p} GROUP BY id ORDER BY id", true),
    ("SELECT id, 7 AS seven FROM {t} WHERE {p} ORDER BY seven, id DESC LIMIT 4", true),
    ("SELECT qty, id FROM {t} WHERE {p} ORDER BY qty, id LIMIT 6", true),
    ("SELECT qty, id FROM {t} WHERE {p} ORDER BY qty DESC NULLS LAST, id", true),
    ("SELECT price, symbol, id FROM {t} WHERE {p} ORDER BY price NULLS FIRST, symbol, id LIMIT 8", true),
    ("SELECT x, id FROM {t} WHERE {p} ORDER BY x DESC, id LIMIT 5", true),
    ("SELECT class, max(ts) AS newest FROM {t} WHERE {p} GROUP BY class ORDER BY newest DESC, class LIMIT 2", true),
    ("SELECT symbol, max(qty) AS most FROM {t} WHERE {p} GROUP BY symbol ORDER BY most, symbol LIMIT 3", true),
    ("SELECT DISTINCT ON (symbol) symbol, id FROM {t} WHERE {p} ORDER BY symbol, ts DESC, id", true),
    ("SELECT id FROM {t} WHERE {p} AND qty > (SELECT avg(qty) FROM {t})", false),
    (
        "SELECT id FROM {t} o WHERE {p} AND EXISTS (SELECT 1 FROM {t} i WHERE i.symbol = o.symbol AND i.id > o.id)",
        false,
    ),
    ("SELECT a.id, b.id FROM {t} a LEFT JOIN {t} b ON a.day = b.day AND a.qty = b.qty AND b.x > 0", false),
    (
        "SELECT a.n, b.n FROM (SELECT count(*) AS n FROM {t} WHERE {p}) a CROSS JOIN (SELECT count(*) AS n FROM {t}) b",
        true,
    ),
    // Windows, with every kind of frame.
    ("SELECT id, sum(qty) OVER (PARTITION BY day ORDER BY id) FROM {t} WHERE {p}", false),
    ("SELECT id, sum(price) OVER (ORDER BY id ROWS BETWEEN 2 PRECEDING AND 1 FOLLOWING) FROM {t} WHERE {p}", false),
    ("SELECT id, sum(x) OVER (ORDER BY id ROWS BETWEEN 1 FOLLOWING AND 3 FOLLOWING) FROM {t} WHERE {p}", false),
    (
        "SELECT id, min(ts) OVER (ORDER BY id ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING) FROM {t} WHERE {p}",
        false,
    ),
    ("SELECT id, count(*) OVER (ORDER BY id RANGE BETWEEN 3 PRECEDING AND 3 FOLLOWING) FROM {t} WHERE {p}", false),
    ("SELECT id, max(qty) OVER (PARTITION BY class ORDER BY id RANGE UNBOUNDED PRECEDING) FROM {t} WHERE {p}", false),
    ("SELECT id, first_value(x) OVER (PARTITION BY class ORDER BY qty, id ROWS 3 PRECEDING) FROM {t} WHERE {p}", false),
    ("SELECT id, ntile(3) OVER (ORDER BY price, id), rank() OVER (ORDER BY qty) FROM {t} WHERE {p}", false),
];

/// A question about a table.
pub(crate) fn asked(sql: &str, table: &str, predicate: &str) -> String {
    sql.replace("{t}", table).replace("{p}", &format!("({predicate})"))
}

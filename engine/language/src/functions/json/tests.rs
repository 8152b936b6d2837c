//! Functions of JSON as SQL calls them.
#![allow(clippy::unwrap_used)]

use crate::tests::answer;

#[tokio::test]
async fn parts_of_json_are_found() {
    let json = r#"'{"a": [1, {"b":  "x"}], "t": "q\"r", "n": null}'::json"#;
    let cases = [
        (format!("SELECT {json} -> 'a' -> 1 ->> 'b'"), "x"),
        (format!("SELECT {json} -> 'a' -> 1"), r#"{"b":  "x"}"#),
        (format!("SELECT {json} #>> '{{a,1,b}}', {json} ->> 't', {json} ->> 'n', {json} -> 'n'"), "x|q\"r||null"),
        (format!("SELECT json_typeof({json}), json_array_length({json} -> 'a')"), "object|2"),
        (format!("SELECT json_extract_path_text({json}, 'a', '0')"), "1"),
        (
            r#"SELECT '{"b":1,"a":2}'::jsonb, '{"a": 1}'::jsonb @> '{"a":1.0}', '{"a":1}'::jsonb ? 'b'"#.to_owned(),
            r#"{"a": 2, "b": 1}|true|false"#,
        ),
        ("SELECT (('{\"n\": 3}'::json) ->> 'n')::int + 1".to_owned(), "4"),
    ];
    for (sql, wanted) in cases {
        assert_eq!(answer(&sql).await.unwrap(), wanted, "{sql}");
    }
}

#[tokio::test]
async fn json_is_made_of_values() {
    let cases = [
        ("SELECT json_build_object('a', 1, 'b', make_array(true, false))", r#"{"a" : 1, "b" : [true,false]}"#),
        ("SELECT json_build_array(1, 'x', NULL, 2.50)", r#"[1, "x", null, 2.50]"#),
        ("SELECT jsonb_build_object('bb', 'x', 'a', '[1]'::json)", r#"{"a": [1], "bb": "x"}"#),
        ("SELECT to_json('x\"y'::text), to_jsonb(1.0::float8)", r#""x\"y"|1"#),
    ];
    for (sql, wanted) in cases {
        assert_eq!(answer(sql).await.unwrap(), wanted, "{sql}");
    }
}

#[tokio::test]
async fn what_is_no_json_is_refused() {
    for (sql, part) in [
        ("SELECT '{bad json'::json", "invalid input syntax for type json"),
        ("SELECT 'x'::text -> 'a'", "operator does not exist"),
        ("SELECT json_array_length('{}'::json)", "non-array"),
        ("SELECT json_build_object('a')", "even number"),
        ("SELECT 5::json", "cannot cast"),
    ] {
        let error = answer(sql).await.unwrap_err();
        assert!(error.contains(part), "{sql}: {error}");
    }
}

#[tokio::test]
async fn many_rows_become_one_value() {
    let rows = "(VALUES (2, 'b', 0.25), (1, 'a', NULL), (3, NULL, 2.50)) AS t(n, name, px)";
    let cases = [
        ("json_agg(n ORDER BY n DESC)", "[3, 2, 1]"),
        ("json_agg(name ORDER BY n)", r#"["a", "b", null]"#),
        ("jsonb_agg(px ORDER BY n) FILTER (WHERE n < 3)", "[null, 0.25]"),
        ("json_agg(n) FILTER (WHERE n > 9)", ""),
        ("json_object_agg(n, name ORDER BY n)", r#"{ "1" : "a", "2" : "b", "3" : null }"#),
        ("jsonb_object_agg(coalesce(name, 'a'), n ORDER BY n)", r#"{"a": 3, "b": 2}"#),
    ];
    for (call, wanted) in cases {
        assert_eq!(answer(&format!("SELECT {call} FROM {rows}")).await.unwrap(), wanted, "{call}");
    }
    let error = answer(&format!("SELECT json_object_agg(name, n) FROM {rows}")).await.unwrap_err();
    assert!(error.contains("must not be null"), "{error}");
}

#[tokio::test]
async fn whole_rows_have_the_columns_of_their_relation() {
    let cases = [
        ("SELECT row_to_json(whole_row(r.*)) FROM (SELECT 1 AS id, 'n' AS name) r", r#"{"id":1,"name":"n"}"#),
        ("SELECT to_jsonb(whole_row(r.*)) FROM (SELECT 1 AS bb, NULL AS a) r", r#"{"a": null, "bb": 1}"#),
        ("SELECT to_json(whole_row_or_null(r.*)) FROM (SELECT NULL AS a) r", ""),
        ("SELECT json_agg(whole_row(r.*)) FROM (SELECT 'x' AS r) r", r#"["x"]"#),
        ("SELECT row_to_json(whole_row(1, 'a'))", r#"{"f1":1,"f2":"a"}"#),
        ("SELECT record_of(r.*) FROM (SELECT 1 AS id, 'n' AS name) r", "{id: 1, name: n}"),
        ("SELECT record_of_or_null(r.*) FROM (SELECT CAST(NULL AS INT) AS id, CAST(NULL AS TEXT) AS name) r", ""),
        ("SELECT record_of(r.*) FROM (SELECT 'x' AS r) r", "x"),
    ];
    for (sql, wanted) in cases {
        assert_eq!(answer(sql).await.unwrap(), wanted, "{sql}");
    }
}

#[tokio::test]
async fn jsonb_is_changed_by_operators() {
    let cases = [
        (r#"SELECT '{"a":1}'::jsonb || '{"b":2}', '[1]'::jsonb || '2'::jsonb"#, r#"{"a": 1, "b": 2}|[1, 2]"#),
        (r#"SELECT '{"a":1,"b":2}'::jsonb - 'a', '["a","b"]'::jsonb - 0"#, r#"{"b": 2}|["b"]"#),
        (r#"SELECT '{"a":{"b":[1,2]}}'::jsonb #- '{a,b,0}'"#, r#"{"a": {"b": [2]}}"#),
        (r#"SELECT jsonb_set('{"a":1}', '{a}', '[2]'), jsonb_pretty('{}')"#, "{\"a\": [2]}|{\n}"),
    ];
    for (sql, wanted) in cases {
        assert_eq!(answer(sql).await.unwrap(), wanted, "{sql}");
    }
}

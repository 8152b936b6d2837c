//! Values of declared types as SQL writes them.
#![allow(clippy::unwrap_used)]

use crate::tests::answer;

#[tokio::test]
async fn texts_become_values_of_declared_types() {
    let cases = [
        ("SELECT '{A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11}'::uuid", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
        ("SELECT 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid = 'A0EEBC999C0B4EF8BB6D6BB9BD380A11'", "true"),
        ("SELECT '\\x00ff'::bytea::text, '\\x00ff'::bytea = '\\x00FF'", "\\x00ff|true"),
        (
            "SELECT '{1,NULL,3}'::int[] AS a, '{1,NULL,3}'::int[]::text AS b, make_array('a', 'b c')::text",
            "[1, , 3]|{1,NULL,3}|{a,\"b c\"}",
        ),
        ("SELECT array_has('{1,3}'::int[], 3::bigint), array_has('{a,b}'::text[], 'b')", "true|true"),
        ("SELECT '{1,2}'::int[] = '{1, 2}'", "true"),
        ("SELECT NULL::uuid AS a, NULL::int[] AS b", "|"),
    ];
    for (sql, wanted) in cases {
        assert_eq!(answer(sql).await.unwrap(), wanted, "{sql}");
    }
}

#[tokio::test]
async fn what_is_no_value_is_refused() {
    for (sql, part) in [
        ("SELECT 'x'::uuid", "invalid input syntax for type uuid: \"x\""),
        ("SELECT '\\xz'::bytea", "invalid input syntax for type bytea"),
        ("SELECT '{1,x}'::int[]", "malformed array literal"),
        ("SELECT 5::uuid", "cannot cast"),
    ] {
        let error = answer(sql).await.unwrap_err();
        assert!(error.contains(part), "{sql}: {error}");
    }
}

//! Column names as PostgreSQL gives them: DuckDB names a column after its whole expression.

/// The name PostgreSQL gives to a column that DuckDB calls `name`.
pub(super) fn postgres_name(name: &str) -> String {
    if is_plain(name) {
        return name.to_owned();
    }
    if name.to_ascii_uppercase().starts_with("CASE ") {
        return "case".to_owned();
    }
    if let Some(inner) = name.strip_prefix("CAST(").and_then(|rest| rest.strip_suffix(')'))
        && let Some((operand, type_name)) = inner.rsplit_once(" AS ")
    {
        let operand = postgres_name(operand);
        return if operand == "?column?" { type_name.to_lowercase() } else { operand };
    }
    let Some((function, rest)) = name.split_once('(') else {
        return last_part(name).map_or("?column?", |part| part).to_owned();
    };
    let function = function.trim_matches('"');
    let function = function.rsplit('.').next().unwrap_or(function).trim_matches('"');
    if !is_plain(function) || !rest.ends_with(')') {
        return "?column?".to_owned();
    }
    match function {
        "session_user_name" => "current_user".to_owned(),
        "login_user_name" => "session_user".to_owned(),
        "series_items" => "generate_series".to_owned(),
        "subscript_items" => "generate_subscripts".to_owned(),
        "xid_age" => "age".to_owned(),
        // A cast is named after what it casts.
        "regclass_out" | "regtype_out" | "regproc_out" | "regnamespace_out" | "regrole_out" => {
            last_part(&rest[..rest.len() - 1]).map_or(function.trim_end_matches("_out"), |part| part).to_owned()
        }
        "regclass_in" | "regtype_in" | "regproc_in" | "regnamespace_in" | "regrole_in" => {
            function.trim_end_matches("_in").to_owned()
        }
        function => function.to_owned(),
    }
}

fn is_plain(name: &str) -> bool {
    !name.is_empty()
        && name.chars().all(|c| c.is_alphanumeric() || c == '_' || c == ' ' || c == '?' || c == '$')
        && !name.starts_with(|c: char| c.is_ascii_digit() || c == ' ')
        && !name.to_ascii_uppercase().starts_with("CASE ")
}

/// The column of `table.column`.
fn last_part(name: &str) -> Option<&str> {
    name.split('.')
        .all(|part| is_plain(part.trim_matches('"')))
        .then(|| name.rsplit('.').next())?
        .map(|p| p.trim_matches('"'))
}

#[cfg(test)]
mod tests {
    use super::postgres_name;

    #[test]
    fn names_are_postgres() {
        for (duckdb, postgres) in [
            ("relname", "relname"),
            ("Schema", "Schema"),
            ("Access privileges", "Access privileges"),
            ("\"version\"()", "version"),
            ("version()", "version"),
            ("main.format_type(a.atttypid, a.atttypmod)", "format_type"),
            ("CASE  WHEN (true) THEN (1) ELSE 2 END", "case"),
            ("CAST(a.attname AS VARCHAR)", "attname"),
            ("CAST('x' AS VARCHAR)", "varchar"),
            ("regclass_out(c.oid)", "oid"),
            ("(1 + 1)", "?column?"),
            ("'x'", "?column?"),
            ("1", "?column?"),
        ] {
            assert_eq!(postgres_name(duckdb), postgres, "{duckdb}");
        }
    }
}

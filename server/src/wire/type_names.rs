//! Types by the names that SQL has for them.

use pgwire::api::Type;

use super::types::array_type;

/// The type of this name, with or without its length, or an array of it.
pub(super) fn type_named(name: &str) -> Option<Type> {
    let name = name.trim().to_ascii_lowercase();
    let name = name.strip_prefix("pg_catalog.").unwrap_or(&name).trim();
    if let Some(element) = name.strip_suffix("[]") {
        let array = array_type(&type_named(element)?);
        return (array != Type::JSON).then_some(array);
    }
    // `varchar(10)`, `timestamp(3) with time zone`
    let bare = match (name.find('('), name.rfind(')')) {
        (Some(open), Some(close)) if open < close => format!("{} {}", &name[..open], &name[close + 1..]),
        _ => name.to_owned(),
    };
    let words: Vec<&str> = bare.split_whitespace().collect();
    Some(match words.join(" ").as_str() {
        "boolean" | "bool" => Type::BOOL,
        "smallint" | "int2" => Type::INT2,
        "integer" | "int" | "int4" => Type::INT4,
        "bigint" | "int8" => Type::INT8,
        "real" | "float4" => Type::FLOAT4,
        "double precision" | "float8" | "float" => Type::FLOAT8,
        "numeric" | "decimal" | "dec" => Type::NUMERIC,
        "text" => Type::TEXT,
        "varchar" | "character varying" | "char varying" => Type::VARCHAR,
        "char" | "character" | "bpchar" => Type::BPCHAR,
        "\"char\"" => Type::CHAR,
        "name" => Type::NAME,
        "oid" => Type::OID,
        "bytea" => Type::BYTEA,
        "uuid" => Type::UUID,
        "json" => Type::JSON,
        "jsonb" => Type::JSONB,
        "date" => Type::DATE,
        "timestamp" | "timestamp without time zone" => Type::TIMESTAMP,
        "timestamptz" | "timestamp with time zone" => Type::TIMESTAMPTZ,
        "time" | "time without time zone" => Type::TIME,
        "interval" => Type::INTERVAL,
        "unknown" => Type::UNKNOWN,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_as_people_write_them() {
        assert_eq!(type_named(" INT "), Some(Type::INT4));
        assert_eq!(type_named("varchar(20)"), Some(Type::VARCHAR));
        assert_eq!(type_named("timestamp(3)  with time zone"), Some(Type::TIMESTAMPTZ));
        assert_eq!(type_named("numeric(10,2)[]"), Some(Type::NUMERIC_ARRAY));
        assert_eq!(type_named("pg_catalog.uuid"), Some(Type::UUID));
        assert_eq!(type_named("colour"), None);
        assert_eq!(type_named("unknown[]"), None);
    }
}

-- information_schema, over the same facts.

CREATE VIEW pgi.schemata AS
SELECT
    current_database() AS catalog_name, nspname AS schema_name, session_user_name() AS schema_owner,
    NULL::VARCHAR AS default_character_set_catalog, NULL::VARCHAR AS default_character_set_schema,
    NULL::VARCHAR AS default_character_set_name, NULL::VARCHAR AS sql_path
FROM pgc.pg_namespace;

CREATE VIEW pgi.tables AS
SELECT
    current_database() AS table_catalog, n.nspname AS table_schema, c.relname AS table_name,
    CASE WHEN c.relkind = 'v' THEN 'VIEW' WHEN c.relpersistence = 't' THEN 'LOCAL TEMPORARY' ELSE 'BASE TABLE' END
        AS table_type,
    NULL::VARCHAR AS self_referencing_column_name, NULL::VARCHAR AS reference_generation,
    NULL::VARCHAR AS user_defined_type_catalog, NULL::VARCHAR AS user_defined_type_schema,
    NULL::VARCHAR AS user_defined_type_name, CASE c.relkind WHEN 'r' THEN 'YES' ELSE 'NO' END AS is_insertable_into,
    'NO' AS is_typed, NULL::VARCHAR AS commit_action
FROM pgc.pg_class c JOIN pgc.pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'v');

CREATE VIEW pgi.views AS
SELECT
    current_database() AS table_catalog, schemaname AS table_schema, viewname AS table_name,
    definition AS view_definition, 'NONE' AS check_option, 'NO' AS is_updatable, 'NO' AS is_insertable_into,
    'NO' AS is_trigger_updatable, 'NO' AS is_trigger_deletable, 'NO' AS is_trigger_insertable_into
FROM pgc.pg_views;

CREATE VIEW pgi.columns AS
SELECT
    current_database() AS table_catalog, n.nspname AS table_schema, c.relname AS table_name, a.attname AS column_name,
    a.attnum::INTEGER AS ordinal_position, CASE WHEN a.attgenerated = '' THEN d.adbin END AS column_default,
    CASE WHEN a.attnotnull THEN 'NO' ELSE 'YES' END AS is_nullable,
    CASE WHEN t.typcategory = 'A' THEN 'ARRAY' ELSE format_type(a.atttypid, NULL) END AS data_type,
    _pg_char_max_length(a.atttypid, a.atttypmod)::INTEGER AS character_maximum_length,
    CASE WHEN a.atttypid IN (25, 1042, 1043) THEN 1073741824 END AS character_octet_length,
    _pg_numeric_precision(a.atttypid, a.atttypmod)::INTEGER AS numeric_precision,
    _pg_numeric_precision_radix(a.atttypid, a.atttypmod)::INTEGER AS numeric_precision_radix,
    _pg_numeric_scale(a.atttypid, a.atttypmod)::INTEGER AS numeric_scale,
    _pg_datetime_precision(a.atttypid, a.atttypmod)::INTEGER AS datetime_precision,
    NULL::VARCHAR AS interval_type, NULL::INTEGER AS interval_precision, NULL::VARCHAR AS character_set_catalog,
    NULL::VARCHAR AS character_set_schema, NULL::VARCHAR AS character_set_name, NULL::VARCHAR AS collation_catalog,
    NULL::VARCHAR AS collation_schema, NULL::VARCHAR AS collation_name, NULL::VARCHAR AS domain_catalog,
    NULL::VARCHAR AS domain_schema, NULL::VARCHAR AS domain_name, current_database() AS udt_catalog,
    'pg_catalog' AS udt_schema, t.typname AS udt_name, NULL::VARCHAR AS scope_catalog, NULL::VARCHAR AS scope_schema,
    NULL::VARCHAR AS scope_name, NULL::INTEGER AS maximum_cardinality, a.attnum::VARCHAR AS dtd_identifier,
    'NO' AS is_self_referencing, 'NO' AS is_identity, NULL::VARCHAR AS identity_generation,
    NULL::VARCHAR AS identity_start, NULL::VARCHAR AS identity_increment, NULL::VARCHAR AS identity_maximum,
    NULL::VARCHAR AS identity_minimum, 'NO' AS identity_cycle,
    CASE WHEN a.attgenerated = '' THEN 'NEVER' ELSE 'ALWAYS' END AS is_generated,
    CASE WHEN a.attgenerated <> '' THEN d.adbin END AS generation_expression,
    CASE WHEN c.relkind = 'r' AND a.attgenerated = '' THEN 'YES' ELSE 'NO' END AS is_updatable
FROM pgc.pg_attribute a
JOIN pgc.pg_class c ON c.oid = a.attrelid AND c.relkind IN ('r', 'v')
JOIN pgc.pg_namespace n ON n.oid = c.relnamespace
JOIN pgc.pg_type t ON t.oid = a.atttypid
LEFT JOIN pgc.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum;

CREATE VIEW pgi.table_constraints AS
SELECT
    current_database() AS constraint_catalog, n.nspname AS constraint_schema, k.conname AS constraint_name,
    current_database() AS table_catalog, n.nspname AS table_schema, c.relname AS table_name,
    CASE k.contype WHEN 'p' THEN 'PRIMARY KEY' WHEN 'u' THEN 'UNIQUE' ELSE 'CHECK' END AS constraint_type,
    'NO' AS is_deferrable, 'NO' AS initially_deferred, CASE k.contype WHEN 'c' THEN 'YES' ELSE 'NO' END AS enforced,
    NULL::VARCHAR AS nulls_distinct
FROM pgc.pg_constraint k JOIN pgc.pg_class c ON c.oid = k.conrelid JOIN pgc.pg_namespace n ON n.oid = c.relnamespace;

CREATE VIEW pgi.check_constraints AS
SELECT
    current_database() AS constraint_catalog, n.nspname AS constraint_schema, k.conname AS constraint_name,
    '(' || k.conbin || ')' AS check_clause
FROM pgc.pg_constraint k JOIN pgc.pg_namespace n ON n.oid = k.connamespace WHERE k.contype = 'c';

CREATE VIEW pgi.key_column_usage AS
SELECT
    current_database() AS constraint_catalog, 'public' AS constraint_schema, k.name AS constraint_name,
    current_database() AS table_catalog, 'public' AS table_schema, r.name AS table_name, c.name AS column_name,
    list_position(k.columns, c.num)::INTEGER AS ordinal_position, NULL::INTEGER AS position_in_unique_constraint
FROM facts.keys k JOIN facts.relations r ON r.oid = k.relation_oid
JOIN facts.columns c ON c.relation_oid = k.relation_oid AND list_contains(k.columns, c.num)
WHERE k.is_constraint;
CREATE VIEW pgi.constraint_column_usage AS
SELECT
    table_catalog, table_schema, table_name, column_name, constraint_catalog, constraint_schema, constraint_name
FROM pgi.key_column_usage;
CREATE TABLE pgi.constraint_table_usage (
    table_catalog VARCHAR, table_schema VARCHAR, table_name VARCHAR, constraint_catalog VARCHAR,
    constraint_schema VARCHAR, constraint_name VARCHAR
);
CREATE TABLE pgi.referential_constraints (
    constraint_catalog VARCHAR, constraint_schema VARCHAR, constraint_name VARCHAR, unique_constraint_catalog VARCHAR,
    unique_constraint_schema VARCHAR, unique_constraint_name VARCHAR, match_option VARCHAR, update_rule VARCHAR,
    delete_rule VARCHAR
);
CREATE VIEW pgi.sequences AS
SELECT
    current_database() AS sequence_catalog, q.schemaname AS sequence_schema, q.sequencename AS sequence_name,
    format_type(q.data_type, NULL) AS data_type, _pg_numeric_precision(q.data_type, -1) AS numeric_precision,
    2 AS numeric_precision_radix, 0 AS numeric_scale, q.start_value::VARCHAR AS start_value,
    q.min_value::VARCHAR AS minimum_value, q.max_value::VARCHAR AS maximum_value, q.increment_by::VARCHAR AS increment,
    CASE WHEN q.cycle THEN 'YES' ELSE 'NO' END AS cycle_option
FROM pgc.pg_sequences q;
CREATE TABLE pgi.routines (
    specific_catalog VARCHAR, specific_schema VARCHAR, specific_name VARCHAR, routine_catalog VARCHAR,
    routine_schema VARCHAR, routine_name VARCHAR, routine_type VARCHAR, data_type VARCHAR, type_udt_name VARCHAR,
    routine_definition VARCHAR, external_language VARCHAR
);
CREATE TABLE pgi.parameters (
    specific_catalog VARCHAR, specific_schema VARCHAR, specific_name VARCHAR, ordinal_position INTEGER,
    parameter_mode VARCHAR, parameter_name VARCHAR, data_type VARCHAR, udt_name VARCHAR
);
CREATE TABLE pgi.triggers (
    trigger_catalog VARCHAR, trigger_schema VARCHAR, trigger_name VARCHAR, event_manipulation VARCHAR,
    event_object_catalog VARCHAR, event_object_schema VARCHAR, event_object_table VARCHAR, action_order INTEGER,
    action_condition VARCHAR, action_statement VARCHAR, action_orientation VARCHAR, action_timing VARCHAR
);
-- What the session's user may do, granted, or may do to others; the owner's privileges are by itself.
CREATE VIEW facts.table_grants AS
SELECT r.oid, r.owner AS grantor, r.owner AS grantee, p.privilege_type, true AS grantable
FROM facts.relations r,
    (VALUES ('SELECT'), ('INSERT'), ('UPDATE'), ('DELETE'), ('TRUNCATE'), ('REFERENCES'), ('TRIGGER')) p (privilege_type)
WHERE r.table_oid <> 0
UNION ALL
SELECT r.oid, g.grantor, g.grantee, g.privilege, g.grantable
FROM facts.relations r JOIN facts.grants g ON g.thing = r.oid;
CREATE VIEW pgi.table_privileges AS
SELECT
    _zxq_role_name(t.grantor) AS grantor, CASE t.grantee WHEN 0 THEN 'PUBLIC' ELSE _zxq_role_name(t.grantee) END AS grantee,
    current_database() AS table_catalog, n.nspname AS table_schema, c.relname AS table_name, t.privilege_type,
    CASE WHEN t.grantable THEN 'YES' ELSE 'NO' END AS is_grantable,
    CASE WHEN t.privilege_type = 'SELECT' THEN 'YES' ELSE 'NO' END AS with_hierarchy
FROM facts.table_grants t JOIN pgc.pg_class c ON c.oid = t.oid JOIN pgc.pg_namespace n ON n.oid = c.relnamespace
WHERE _zxq_superuser() OR t.grantee = 0
    OR t.grantor IN (SELECT a.of FROM facts.acts_as a WHERE a.role = _zxq_role())
    OR t.grantee IN (SELECT a.of FROM facts.acts_as a WHERE a.role = _zxq_role());
CREATE VIEW pgi.role_table_grants AS SELECT * FROM pgi.table_privileges WHERE grantee <> 'PUBLIC';
CREATE VIEW pgi.enabled_roles AS
SELECT _zxq_role_name(oid) AS role_name FROM facts.roles
WHERE oid = _zxq_role() OR oid IN (SELECT a.of FROM facts.acts_as a WHERE a.role = _zxq_role());
CREATE VIEW pgi.applicable_roles AS
SELECT
    _zxq_role_name(m.member) AS grantee, _zxq_role_name(m.roleid) AS role_name,
    CASE WHEN m.admin THEN 'YES' ELSE 'NO' END AS is_grantable
FROM facts.memberships m
WHERE _zxq_superuser() OR m.member IN (SELECT a.of FROM facts.acts_as a WHERE a.role = _zxq_role());
CREATE VIEW pgi.character_sets AS
SELECT
    NULL::VARCHAR AS character_set_catalog, NULL::VARCHAR AS character_set_schema, 'UTF8' AS character_set_name,
    'UCS' AS character_repertoire, 'UTF8' AS form_of_use, current_database() AS default_collate_catalog,
    'pg_catalog' AS default_collate_schema, 'C' AS default_collate_name;
CREATE VIEW pgi.information_schema_catalog_name AS SELECT current_database() AS catalog_name;

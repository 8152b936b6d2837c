-- What PostgreSQL clients look at to find out what there is, as views over the facts.

-- Of keys and indexes, for the catalog's views.
CREATE MACRO shown_name(name_) AS
    CASE WHEN regexp_full_match(name_, '[a-z_][a-z0-9_$]*') THEN name_ ELSE '"' || replace(name_, '"', '""') || '"' END;
CREATE MACRO key_columns(oid_) AS (
    SELECT string_agg(shown_name(c_key_columns.name), ', ' ORDER BY list_position(k_key_columns.columns, c_key_columns.num))
    FROM facts.keys k_key_columns JOIN facts.columns c_key_columns
        ON c_key_columns.relation_oid = k_key_columns.relation_oid
        AND list_contains(k_key_columns.columns, c_key_columns.num)
    WHERE k_key_columns.index_oid = oid_
);
CREATE MACRO index_text(oid_) AS (
    SELECT 'CREATE ' || CASE WHEN k_index_text.is_unique THEN 'UNIQUE ' ELSE '' END || 'INDEX ' || shown_name(k_index_text.name)
        || ' ON public.' || shown_name(r_index_text.name) || ' USING btree (' || key_columns(k_index_text.index_oid) || ')'
    FROM facts.keys k_index_text JOIN facts.relations r_index_text ON r_index_text.oid = k_index_text.relation_oid
    WHERE k_index_text.index_oid = oid_
);

CREATE VIEW pgc.pg_namespace AS
SELECT oid, name AS nspname, owner AS nspowner, acl AS nspacl FROM facts.schemas;

CREATE VIEW pgc.pg_class AS
SELECT
    r.oid, r.name AS relname, r.schema_oid AS relnamespace,
    -- Rows of tables and views have a type, of which nothing more is told.
    CASE r.kind WHEN 'S' THEN 0 ELSE r.oid::BIGINT + 1073741824 END::UINTEGER AS reltype, 0::UINTEGER AS reloftype,
    r.owner AS relowner, CASE r.kind WHEN 'r' THEN 2 ELSE 0 END::UINTEGER AS relam,
    CASE r.kind WHEN 'r' THEN r.oid ELSE 0 END::UINTEGER AS relfilenode, 0::UINTEGER AS reltablespace,
    -- There are no pages: DuckDB reads a table that has some by them. Rows are not estimated, as before an ANALYZE; how many
    -- there are is in pg_stat_user_tables.
    0::INTEGER AS relpages, -1::REAL AS reltuples, 0 AS relallvisible,
    0::UINTEGER AS reltoastrelid,
    EXISTS (SELECT 1 FROM facts.keys k WHERE k.relation_oid = r.oid) AS relhasindex, false AS relisshared,
    CASE r.schema_oid WHEN 16000 THEN 't' ELSE 'p' END AS relpersistence,
    r.kind AS relkind, (SELECT count(*) FROM facts.columns c WHERE c.relation_oid = r.oid)::SMALLINT AS relnatts,
    r.checks AS relchecks, r.kind = 'v' AS relhasrules, false AS relhastriggers, false AS relhassubclass,
    false AS relrowsecurity, false AS relforcerowsecurity, true AS relispopulated,
    CASE r.kind WHEN 'r' THEN 'd' ELSE 'n' END AS relreplident, false AS relispartition, 0::UINTEGER AS relrewrite,
    0::UINTEGER AS relfrozenxid, 0::UINTEGER AS relminmxid, r.acl AS relacl, NULL::VARCHAR[] AS reloptions,
    NULL::VARCHAR AS relpartbound
FROM facts.relations r
UNION ALL
SELECT
    s.oid, s.name, 11, 0, 0, 10, 0, 0, 0, 0, 0, 0, 0, false, false, 'p',
    CASE WHEN s.oid < 10000 THEN 'r' ELSE 'v' END, 0, 0, false, false, false, false, false, true, 'n', false, 0, 0, 0,
    NULL, NULL, NULL
FROM facts.system_relations s
UNION ALL
SELECT
    k.index_oid, k.name, 2200, 0, 0, r.owner, 403, k.index_oid, 0, 0, 0, 0, 0, false, false, 'p', 'i', len(k.columns), 0,
    false, false, false, false, false, true, 'n', false, 0, 0, 0, NULL, NULL, NULL
FROM facts.keys k JOIN facts.relations r ON r.oid = k.relation_oid;

CREATE VIEW pgc.pg_index AS
SELECT
    k.index_oid AS indexrelid, k.relation_oid AS indrelid, len(k.columns)::SMALLINT AS indnatts,
    len(k.columns)::SMALLINT AS indnkeyatts, k.is_unique AS indisunique, false AS indnullsnotdistinct,
    k.is_primary AS indisprimary, false AS indisexclusion, true AS indimmediate, false AS indisclustered,
    true AS indisvalid, false AS indcheckxmin, true AS indisready, true AS indislive, false AS indisreplident,
    k.columns AS indkey, list_transform(k.columns, lambda x_: 0::UINTEGER) AS indcollation,
    list_transform(k.columns, lambda x_: 0::UINTEGER) AS indclass,
    list_transform(k.columns, lambda x_: 0::SMALLINT) AS indoption, NULL::VARCHAR AS indexprs, NULL::VARCHAR AS indpred
FROM facts.keys k;

CREATE VIEW pgc.pg_attribute AS
SELECT
    c.relation_oid AS attrelid, c.name AS attname, c.type_oid AS atttypid, -1 AS attstattarget, t.typlen AS attlen,
    c.num AS attnum, CASE WHEN t.typcategory = 'A' THEN 1 ELSE 0 END AS attndims, -1 AS attcacheoff,
    c.typmod AS atttypmod, t.typbyval AS attbyval, t.typalign AS attalign, t.typstorage AS attstorage,
    '' AS attcompression, c.not_null AS attnotnull, c.default_text IS NOT NULL AS atthasdef, false AS atthasmissing,
    '' AS attidentity, CASE WHEN c.generated THEN 's' ELSE '' END AS attgenerated, false AS attisdropped,
    true AS attislocal, 0 AS attinhcount, t.typcollation AS attcollation, NULL::VARCHAR[] AS attacl,
    NULL::VARCHAR[] AS attoptions, NULL::VARCHAR[] AS attfdwoptions, NULL::VARCHAR AS attmissingval
FROM (
    SELECT relation_oid, name, type_oid, num, typmod, not_null, default_text, generated FROM facts.columns
    UNION ALL
    SELECT k.index_oid, c.name, c.type_oid, list_position(k.columns, c.num)::SMALLINT, c.typmod, false, NULL, false
    FROM facts.keys k JOIN facts.columns c ON c.relation_oid = k.relation_oid AND list_contains(k.columns, c.num)
) c JOIN pgc.pg_type t ON t.oid = c.type_oid;

CREATE VIEW pgc.pg_attrdef AS
SELECT
    (relation_oid + num)::UINTEGER AS oid, relation_oid AS adrelid, num AS adnum, default_text AS adbin
FROM facts.columns WHERE default_text IS NOT NULL;

CREATE VIEW pgc.pg_constraint AS
SELECT
    k.oid, k.name AS conname, r.schema_oid AS connamespace, 'c' AS contype, false AS condeferrable,
    false AS condeferred, true AS convalidated, k.relation_oid AS conrelid, 0::UINTEGER AS contypid,
    0::UINTEGER AS conindid, 0::UINTEGER AS conparentid, 0::UINTEGER AS confrelid, ' ' AS confupdtype,
    ' ' AS confdeltype, ' ' AS confmatchtype, true AS conislocal, 0 AS coninhcount, false AS connoinherit,
    k.columns AS conkey, NULL::SMALLINT[] AS confkey, NULL::UINTEGER[] AS conpfeqop, NULL::UINTEGER[] AS conppeqop,
    NULL::UINTEGER[] AS conffeqop, NULL::SMALLINT[] AS confdelsetcols, NULL::UINTEGER[] AS conexclop,
    k.expression AS conbin
FROM facts.checks k JOIN facts.relations r ON r.oid = k.relation_oid
UNION ALL
SELECT
    k.oid, k.name, 2200, CASE WHEN k.is_primary THEN 'p' ELSE 'u' END, false, false, true, k.relation_oid, 0, k.index_oid,
    0, 0, ' ', ' ', ' ', true, 0, true, k.columns, NULL, NULL, NULL, NULL, NULL, NULL, NULL
FROM facts.keys k WHERE k.is_constraint;

CREATE VIEW pgc.pg_description AS
SELECT oid AS objoid, 1259::UINTEGER AS classoid, 0 AS objsubid, about AS description
FROM facts.relations WHERE about IS NOT NULL
UNION ALL
SELECT relation_oid, 1259, num, about FROM facts.columns WHERE about IS NOT NULL
UNION ALL
SELECT oid, 2615, 0, about FROM facts.schemas WHERE about IS NOT NULL;

CREATE VIEW pgc.pg_sequence AS
SELECT
    q.oid AS seqrelid, q.type_oid AS seqtypid, q.start AS seqstart, q.increment AS seqincrement, q.most AS seqmax,
    q.least AS seqmin, 1::BIGINT AS seqcache, q.cycles AS seqcycle
FROM facts.stored_sequences q WHERE q.oid IN (SELECT s.oid FROM facts.seen s);
CREATE VIEW pgc.pg_sequences AS
SELECT
    n.name AS schemaname, r.name AS sequencename, _zxq_role_name(r.owner) AS sequenceowner, q.type_oid AS data_type,
    q.start AS start_value, q.least AS min_value, q.most AS max_value, q.increment AS increment_by, q.cycles AS cycle,
    1::BIGINT AS cache_size, q.last AS last_value
FROM facts.stored_sequences q JOIN facts.relations r ON r.oid = q.oid JOIN facts.schemas n ON n.oid = r.schema_oid;
-- What depends on something else: sequences on the columns that they go with.
CREATE VIEW pgc.pg_depend AS
SELECT
    1259::UINTEGER AS classid, q.oid AS objid, 0 AS objsubid, 1259::UINTEGER AS refclassid, q.owner_oid AS refobjid,
    q.owner_column AS refobjsubid, 'a' AS deptype
FROM facts.stored_sequences q WHERE q.owner_oid IS NOT NULL AND q.oid IN (SELECT s.oid FROM facts.seen s);

CREATE VIEW pgc.pg_database AS
SELECT
    16384::UINTEGER AS oid, current_database() AS datname, 10::UINTEGER AS datdba, 6 AS encoding,
    'c' AS datlocprovider, false AS datistemplate, true AS datallowconn, -1 AS datconnlimit,
    0::UINTEGER AS datfrozenxid, 0::UINTEGER AS datminmxid, 1663::UINTEGER AS dattablespace, 'C' AS datcollate,
    'C.UTF-8' AS datctype, NULL::VARCHAR AS daticulocale, NULL::VARCHAR AS datcollversion, NULL::VARCHAR[] AS datacl;

CREATE VIEW pgc.pg_tablespace AS
SELECT
    1663::UINTEGER AS oid, 'pg_default' AS spcname, 10::UINTEGER AS spcowner, NULL::VARCHAR[] AS spcacl,
    NULL::VARCHAR[] AS spcoptions;

CREATE VIEW pgc.pg_settings AS
SELECT
    s.name,
    coalesce(
        (getvariable('zxq_numbers')::MAP(VARCHAR, VARCHAR))[lower(s.name)],
        (getvariable('zxq_settings')::MAP(VARCHAR, VARCHAR))[lower(s.name)], s.number, s.default_value
    ) AS setting,
    s.unit, 'zxq' AS category, s.about AS short_desc, NULL::VARCHAR AS extra_desc, s.context, s.type AS vartype,
    CASE WHEN (getvariable('zxq_settings')::MAP(VARCHAR, VARCHAR))[lower(s.name)] IS NULL THEN 'default' ELSE 'session' END
        AS source,
    s.least AS min_val, s.most AS max_val, s.options AS enumvals, coalesce(s.number, s.default_value) AS boot_val,
    coalesce(s.number, s.default_value) AS reset_val, NULL::VARCHAR AS sourcefile, NULL::INTEGER AS sourceline,
    false AS pending_restart
FROM facts.settings s;

CREATE VIEW pgc.pg_tables AS
SELECT
    n.nspname AS schemaname, c.relname AS tablename, _zxq_role_name(c.relowner) AS tableowner, NULL::VARCHAR AS tablespace,
    c.relhasindex AS hasindexes, c.relhasrules AS hasrules, c.relhastriggers AS hastriggers,
    c.relrowsecurity AS rowsecurity
FROM pgc.pg_class c JOIN pgc.pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'r';
CREATE VIEW pgc.pg_views AS
SELECT n.nspname AS schemaname, c.relname AS viewname, _zxq_role_name(c.relowner) AS viewowner, r.definition
FROM pgc.pg_class c JOIN pgc.pg_namespace n ON n.oid = c.relnamespace JOIN facts.relations r ON r.oid = c.oid
WHERE c.relkind = 'v';
CREATE VIEW pgc.pg_indexes AS
SELECT
    'public' AS schemaname, r.name AS tablename, k.name AS indexname, NULL::VARCHAR AS tablespace,
    index_text(k.index_oid) AS indexdef
FROM facts.keys k JOIN facts.relations r ON r.oid = k.relation_oid;

CREATE VIEW pgc.pg_stat_all_tables AS
SELECT
    r.oid AS relid, s.name AS schemaname, r.name AS relname, NULL::BIGINT AS seq_scan, NULL::BIGINT AS seq_tup_read,
    NULL::BIGINT AS idx_scan, NULL::BIGINT AS idx_tup_fetch, NULL::BIGINT AS n_tup_ins, NULL::BIGINT AS n_tup_upd,
    NULL::BIGINT AS n_tup_del, NULL::BIGINT AS n_tup_hot_upd, r.rows::BIGINT AS n_live_tup, 0::BIGINT AS n_dead_tup,
    NULL::BIGINT AS n_mod_since_analyze, NULL::BIGINT AS n_ins_since_vacuum, NULL::TIMESTAMP AS last_vacuum,
    NULL::TIMESTAMP AS last_autovacuum, NULL::TIMESTAMP AS last_analyze, NULL::TIMESTAMP AS last_autoanalyze,
    0::BIGINT AS vacuum_count, 0::BIGINT AS autovacuum_count, 0::BIGINT AS analyze_count,
    0::BIGINT AS autoanalyze_count
FROM facts.relations r JOIN facts.schemas s ON s.oid = r.schema_oid WHERE r.kind = 'r';
CREATE VIEW pgc.pg_stat_user_tables AS SELECT * FROM pgc.pg_stat_all_tables;

CREATE VIEW pgc.pg_timezone_names AS
SELECT 'UTC' AS name, 'UTC' AS abbrev, INTERVAL '0 seconds' AS utc_offset, false AS is_dst;
CREATE VIEW pgc.pg_timezone_abbrevs AS
SELECT 'UTC' AS abbrev, INTERVAL '0 seconds' AS utc_offset, false AS is_dst;

-- Of one session, or of those that there are now.
CREATE VIEW pgc.pg_cursors AS
SELECT unnest(getvariable('zxq_cursors')::STRUCT(
    name VARCHAR, statement VARCHAR, is_holdable BOOLEAN, is_binary BOOLEAN, is_scrollable BOOLEAN,
    creation_time TIMESTAMP
)[], recursive := true);
CREATE VIEW pgc.pg_prepared_statements AS
SELECT unnest(getvariable('zxq_statements')::STRUCT(
    name VARCHAR, statement VARCHAR, prepare_time TIMESTAMP, parameter_types UINTEGER[], from_sql BOOLEAN,
    generic_plans BIGINT, custom_plans BIGINT
)[], recursive := true);
CREATE VIEW pgc.pg_stat_activity AS
SELECT
    16384::UINTEGER AS datid, a.datname, a.pid, NULL::INTEGER AS leader_pid, coalesce(_zxq_role_named(a.usename), 10)::UINTEGER AS usesysid, a.usename,
    a.application_name, a.client_addr, NULL::VARCHAR AS client_hostname, a.client_port, a.backend_start, a.xact_start,
    a.query_start, a.state_change,
    CASE WHEN a.queued THEN 'IPC' WHEN a.state = 'active' THEN NULL ELSE 'Client' END AS wait_event_type,
    CASE WHEN a.queued THEN 'StatementQueue' WHEN a.state = 'active' THEN NULL ELSE 'ClientRead' END AS wait_event, a.state, NULL::UINTEGER AS backend_xid,
    NULL::UINTEGER AS backend_xmin, NULL::BIGINT AS query_id, a.query, 'client backend' AS backend_type
FROM (SELECT unnest(getvariable('zxq_activity')::STRUCT(
    datname VARCHAR, pid INTEGER, usename VARCHAR, application_name VARCHAR, client_addr VARCHAR, client_port INTEGER,
    backend_start TIMESTAMP, xact_start TIMESTAMP, query_start TIMESTAMP, state_change TIMESTAMP, state VARCHAR,
    query VARCHAR, queued BOOLEAN
)[], recursive := true)) a;

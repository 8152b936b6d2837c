-- Where everything else goes.
--
-- Schemas: `facts` is filled by zxq and emptied with every change; `pgc` stands for pg_catalog, `pgi` for
-- information_schema (both names are taken by DuckDB). Names and types of columns are PostgreSQL 15's.

CREATE SCHEMA facts;
CREATE SCHEMA pgc;
CREATE SCHEMA pgi;

-- Types that clients cast to and DuckDB does not know.
CREATE TYPE name AS VARCHAR;
CREATE TYPE regproc AS UINTEGER;
CREATE TYPE xid AS UINTEGER;
CREATE TYPE int2vector AS SMALLINT[];
CREATE TYPE oidvector AS UINTEGER[];
CREATE TYPE aclitem AS VARCHAR;
CREATE TYPE cstring AS VARCHAR;
CREATE TYPE sql_identifier AS VARCHAR;
CREATE TYPE character_data AS VARCHAR;
CREATE TYPE cardinal_number AS INTEGER;
CREATE TYPE yes_or_no AS VARCHAR;

CREATE TABLE facts.stored_schemas (oid UINTEGER, name VARCHAR, about VARCHAR, owner UINTEGER, acl VARCHAR[]);
CREATE TABLE facts.stored_relations (
    oid UINTEGER, schema_oid UINTEGER, name VARCHAR, kind VARCHAR, rows UBIGINT, bytes UBIGINT, checks SMALLINT,
    about VARCHAR, definition VARCHAR,
    -- The table whose rows it shows, 0 for none; its owner and grants.
    table_oid UINTEGER, owner UINTEGER, acl VARCHAR[]
);
CREATE TABLE facts.stored_columns (
    relation_oid UINTEGER, num SMALLINT, name VARCHAR, type_oid UINTEGER, typmod INTEGER, not_null BOOLEAN,
    default_text VARCHAR, generated BOOLEAN, about VARCHAR
);
-- With the session's temporary tables, which zxq puts into variables: they are its user's own. Who may see which of these is
-- in privileges.sql.
CREATE VIEW facts.schemas AS
SELECT oid, name, about, owner, acl FROM facts.stored_schemas
UNION ALL
SELECT 16000::UINTEGER, 'pg_temp_1', NULL, 10::UINTEGER, NULL WHERE len(getvariable('zxq_relations')) > 0;
CREATE VIEW facts.all_relations AS
SELECT * FROM facts.stored_relations
UNION ALL
SELECT t.*, t.oid, getvariable('zxq_role')::UINTEGER, NULL::VARCHAR[]
FROM (SELECT unnest(getvariable('zxq_relations')::STRUCT(
    oid UINTEGER, schema_oid UINTEGER, name VARCHAR, kind VARCHAR, rows UBIGINT, bytes UBIGINT, checks SMALLINT,
    about VARCHAR, definition VARCHAR
)[], recursive := true)) t;
CREATE VIEW facts.all_columns AS
SELECT * FROM facts.stored_columns
UNION ALL
SELECT unnest(getvariable('zxq_columns')::STRUCT(
    relation_oid UINTEGER, num SMALLINT, name VARCHAR, type_oid UINTEGER, typmod INTEGER, not_null BOOLEAN,
    default_text VARCHAR, generated BOOLEAN, about VARCHAR
)[], recursive := true);
CREATE TABLE facts.stored_checks (
    oid UINTEGER, relation_oid UINTEGER, name VARCHAR, expression VARCHAR, columns SMALLINT[]
);
-- Keys and indexes that were declared: `is_constraint` tells PRIMARY KEY and UNIQUE from CREATE INDEX.
CREATE TABLE facts.stored_keys (
    oid UINTEGER, index_oid UINTEGER, relation_oid UINTEGER, name VARCHAR, is_primary BOOLEAN, is_unique BOOLEAN,
    is_constraint BOOLEAN, columns SMALLINT[]
);
-- With the column that each goes with.
CREATE TABLE facts.stored_sequences (
    oid UINTEGER, type_oid UINTEGER, start BIGINT, increment BIGINT, most BIGINT, least BIGINT, cycles BOOLEAN, last BIGINT,
    owner_oid UINTEGER, owner_column INTEGER
);
CREATE TABLE facts.system_relations (oid UINTEGER, name VARCHAR);
CREATE TABLE facts.roles (
    oid UINTEGER, name VARCHAR, superuser BOOLEAN, inherit BOOLEAN, create_role BOOLEAN, create_db BOOLEAN, login BOOLEAN,
    connection_limit INTEGER, valid_until TIMESTAMP, has_password BOOLEAN
);
CREATE TABLE facts.memberships (roleid UINTEGER, member UINTEGER, grantor UINTEGER, admin BOOLEAN);
-- Whose privileges a role has, and what it is in; both with itself. Everybody has those of 0, which is PUBLIC.
CREATE TABLE facts.acts_as (role UINTEGER, of UINTEGER);
CREATE TABLE facts.belongs_to (role UINTEGER, of UINTEGER);
-- On a table, a sequence or a schema. Grantee 0 is everybody.
CREATE TABLE facts.grants (thing UINTEGER, grantee UINTEGER, grantor UINTEGER, privilege VARCHAR, grantable BOOLEAN);
CREATE TABLE facts.settings (
    name VARCHAR, default_value VARCHAR, number VARCHAR, about VARCHAR, context VARCHAR, type VARCHAR, unit VARCHAR,
    least VARCHAR, most VARCHAR, options VARCHAR[]
);

CREATE TABLE pgc.pg_type (
    oid UINTEGER, typname VARCHAR, typnamespace UINTEGER DEFAULT 11, typowner UINTEGER DEFAULT 10, typlen SMALLINT,
    typbyval BOOLEAN, typtype VARCHAR, typcategory VARCHAR, typispreferred BOOLEAN, typisdefined BOOLEAN DEFAULT true,
    typdelim VARCHAR, typrelid UINTEGER DEFAULT 0, typsubscript UINTEGER DEFAULT 0, typelem UINTEGER, typarray UINTEGER,
    typinput UINTEGER, typoutput UINTEGER, typreceive UINTEGER, typsend UINTEGER, typmodin UINTEGER,
    typmodout UINTEGER, typanalyze UINTEGER DEFAULT 0, typalign VARCHAR, typstorage VARCHAR,
    typnotnull BOOLEAN DEFAULT false, typbasetype UINTEGER, typtypmod INTEGER, typndims INTEGER DEFAULT 0,
    typcollation UINTEGER, typdefaultbin VARCHAR, typdefault VARCHAR, typacl VARCHAR[]
);
CREATE TABLE pgc.pg_proc (
    oid UINTEGER, proname VARCHAR, pronamespace UINTEGER DEFAULT 11, proowner UINTEGER DEFAULT 10,
    prolang UINTEGER DEFAULT 12, procost REAL DEFAULT 1, prorows REAL DEFAULT 0, provariadic UINTEGER DEFAULT 0,
    prosupport UINTEGER DEFAULT 0, prokind VARCHAR DEFAULT 'f', prosecdef BOOLEAN DEFAULT false,
    proleakproof BOOLEAN DEFAULT false, proisstrict BOOLEAN DEFAULT true, proretset BOOLEAN DEFAULT false,
    provolatile VARCHAR DEFAULT 'i', proparallel VARCHAR DEFAULT 's', pronargs SMALLINT,
    pronargdefaults SMALLINT DEFAULT 0, prorettype UINTEGER, proargtypes UINTEGER[], proallargtypes UINTEGER[],
    proargmodes VARCHAR[], proargnames VARCHAR[], proargdefaults VARCHAR, protrftypes UINTEGER[], prosrc VARCHAR,
    probin VARCHAR, prosqlbody VARCHAR, proconfig VARCHAR[], proacl VARCHAR[]
);

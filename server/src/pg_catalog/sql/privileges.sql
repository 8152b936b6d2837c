-- Who may do what. The facts hold roles and grants; what belongs to one session comes from variables: `zxq_role` (the OID
-- of its role, 10 where nobody logged in), `zxq_superuser`, `zxq_sees_all`.
--
-- A question about somebody is answered from the facts, and so is one about a session that is no superuser's.

CREATE MACRO _zxq_superuser() AS getvariable('zxq_superuser')::BOOLEAN;
CREATE MACRO _zxq_role() AS getvariable('zxq_role')::UINTEGER;

-- Role 10 is the session's user where nobody logged in.
CREATE MACRO _zxq_role_name(oid_) AS CASE
    WHEN oid_ = 10 AND _zxq_role() = 10 THEN session_user_name()
    ELSE (SELECT r_role_name.name FROM facts.roles r_role_name WHERE r_role_name.oid = oid_) END;
CREATE MACRO _zxq_role_named(name_) AS (
    SELECT min(r_role_named.oid) FROM facts.roles r_role_named
    WHERE r_role_named.name = name_::VARCHAR OR r_role_named.oid = 10 AND _zxq_role() = 10 AND name_::VARCHAR = session_user_name()
);
-- A role by its name or OID; 0 is PUBLIC.
CREATE MACRO _zxq_role_in(user_) AS CASE
    WHEN typeof(user_) <> 'VARCHAR' THEN TRY_CAST(user_ AS UINTEGER)
    WHEN user_::VARCHAR = 'public' THEN 0
    ELSE coalesce(_zxq_role_named(user_), error('role "' || user_::VARCHAR || '" does not exist')) END::UINTEGER;

CREATE MACRO _zxq_is_superuser(role_) AS
    role_ = 10 OR EXISTS (SELECT 1 FROM facts.roles r_is_superuser WHERE r_is_superuser.oid = role_ AND r_is_superuser.superuser);
CREATE MACRO _zxq_acts_as(role_, of_) AS
    EXISTS (SELECT 1 FROM facts.acts_as a_acts_as WHERE a_acts_as.role = role_ AND a_acts_as.of = of_);
CREATE MACRO _zxq_belongs_to(role_, of_) AS
    EXISTS (SELECT 1 FROM facts.belongs_to b_belongs_to WHERE b_belongs_to.role = role_ AND b_belongs_to.of = of_);

CREATE MACRO _zxq_on_tables() AS [
    'SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER', 'SELECT WITH GRANT OPTION',
    'INSERT WITH GRANT OPTION', 'UPDATE WITH GRANT OPTION', 'DELETE WITH GRANT OPTION', 'TRUNCATE WITH GRANT OPTION',
    'REFERENCES WITH GRANT OPTION', 'TRIGGER WITH GRANT OPTION'];
CREATE MACRO _zxq_owns(role_, relation_) AS EXISTS (
    SELECT 1 FROM facts.all_relations r_owns JOIN facts.acts_as a_owns ON a_owns.of = r_owns.owner
    WHERE r_owns.oid = relation_ AND a_owns.role = role_
);
CREATE MACRO _zxq_is_table(relation_) AS EXISTS (
    SELECT 1 FROM facts.all_relations r_is_table WHERE r_is_table.oid = relation_ AND r_is_table.table_oid <> 0
);
CREATE MACRO _zxq_granted(role_, relation_) AS coalesce((
    SELECT list_concat(
        list(g_granted.privilege), list(g_granted.privilege || ' WITH GRANT OPTION') FILTER (WHERE g_granted.grantable))
    FROM facts.all_relations r_granted
    JOIN facts.grants g_granted ON g_granted.thing = r_granted.table_oid
    JOIN facts.acts_as a_granted ON a_granted.of = g_granted.grantee
    WHERE r_granted.oid = relation_ AND a_granted.role = role_
), []::VARCHAR[]);
-- All privileges of a role on a table. Views of zxq itself and of the catalog are for everybody to read.
CREATE MACRO _zxq_privileges(role_, relation_) AS CASE
    WHEN _zxq_is_superuser(role_) OR _zxq_owns(role_, relation_) THEN _zxq_on_tables()
    ELSE list_concat(
        _zxq_granted(role_, relation_),
        CASE WHEN _zxq_acts_as(role_, 9001) OR NOT _zxq_is_table(relation_) THEN ['SELECT'] ELSE []::VARCHAR[] END) END;

-- 'SELECT, INSERT WITH GRANT OPTION': any of them will do.
CREATE MACRO _zxq_split(text_) AS
    list_transform(string_split(text_, ','), lambda p_: regexp_replace(upper(trim(p_)), '\s+', ' ', 'g'));
CREATE MACRO _zxq_asked(text_, known_) AS CASE
    WHEN len(list_filter(_zxq_split(text_), lambda p_: NOT list_contains(known_, p_))) > 0
    THEN error('unrecognized privilege type: "' || lower(list_filter(_zxq_split(text_), lambda p_: NOT list_contains(known_, p_))[1]) || '"')
    ELSE _zxq_split(text_) END;
CREATE MACRO _zxq_any(asked_, wanted_) AS len(list_intersect(asked_, wanted_)) > 0;

-- What a session sees: all, or the tables that it has something to do with.
CREATE VIEW facts.seen AS
SELECT r.oid FROM facts.all_relations r
WHERE getvariable('zxq_sees_all')::BOOLEAN OR r.table_oid = 0 OR r.schema_oid = 16000
    OR r.owner IN (SELECT a.of FROM facts.acts_as a WHERE a.role = _zxq_role())
    OR r.table_oid IN (
        SELECT g.thing FROM facts.grants g JOIN facts.acts_as a ON a.of = g.grantee WHERE a.role = _zxq_role()
    );
CREATE VIEW facts.relations AS
SELECT r.* FROM facts.all_relations r WHERE r.oid IN (SELECT s.oid FROM facts.seen s);
CREATE VIEW facts.columns AS
SELECT c.* FROM facts.all_columns c WHERE c.relation_oid IN (SELECT s.oid FROM facts.seen s);
CREATE VIEW facts.checks AS
SELECT k.* FROM facts.stored_checks k WHERE k.relation_oid IN (SELECT s.oid FROM facts.seen s);
CREATE VIEW facts.keys AS
SELECT k.* FROM facts.stored_keys k WHERE k.relation_oid IN (SELECT s.oid FROM facts.seen s);
-- Under which names relations are found: of those with the same name, the one with the least rank.
CREATE VIEW facts.relation_names AS
SELECT r.oid, s.name || '.' || r.name AS name, 0 AS rank
FROM facts.relations r JOIN facts.schemas s ON s.oid = r.schema_oid
UNION ALL
SELECT r.oid, r.name, CASE WHEN r.schema_oid = 16000 THEN -2 ELSE list_position(path_schemas(), s.name) END
FROM facts.relations r JOIN facts.schemas s ON s.oid = r.schema_oid
WHERE r.schema_oid = 16000 OR list_contains(path_schemas(), s.name)
UNION ALL
-- A table's rows in one tier are the table to all who ask what it is.
SELECT r.oid, t.tier || '.' || r.name, 1
FROM facts.relations r CROSS JOIN (VALUES ('hot'), ('warm'), ('cold')) t(tier) WHERE r.schema_oid = 2200
UNION ALL
SELECT index_oid, name, 1000 FROM facts.keys
UNION ALL
SELECT index_oid, 'public.' || name, 1000 FROM facts.keys
UNION ALL
SELECT oid, name, -1 FROM facts.system_relations
UNION ALL
SELECT oid, 'pg_catalog.' || name, 0 FROM facts.system_relations;

-- Roles, as everybody may look them up.
CREATE VIEW pgc.pg_roles AS
SELECT
    _zxq_role_name(oid) AS rolname, superuser AS rolsuper, inherit AS rolinherit, create_role AS rolcreaterole,
    create_db AS rolcreatedb, login AS rolcanlogin, false AS rolreplication, connection_limit AS rolconnlimit,
    '********' AS rolpassword, valid_until AS rolvaliduntil, superuser AS rolbypassrls, NULL::VARCHAR[] AS rolconfig, oid
FROM facts.roles;
CREATE VIEW pgc.pg_user AS
SELECT
    rolname AS usename, oid AS usesysid, rolcreatedb AS usecreatedb, rolsuper AS usesuper, rolreplication AS userepl,
    rolbypassrls AS usebypassrls, rolpassword AS passwd, rolvaliduntil AS valuntil, rolconfig AS useconfig
FROM pgc.pg_roles WHERE rolcanlogin;
CREATE VIEW pgc.pg_group AS
SELECT
    rolname AS groname, oid AS grosysid,
    (SELECT coalesce(list(m.member ORDER BY m.member), []::UINTEGER[]) FROM facts.memberships m WHERE m.roleid = r.oid)
        AS grolist
FROM pgc.pg_roles r WHERE NOT rolcanlogin;
CREATE VIEW pgc.pg_auth_members AS
SELECT roleid, member, grantor, admin AS admin_option FROM facts.memberships;

-- The same for superusers; what is kept of passwords is not shown to them either.
CREATE MACRO _zxq_for_superusers(table_) AS
    CASE WHEN _zxq_superuser() THEN true ELSE error('permission denied for table ' || table_) END;
CREATE VIEW pgc.pg_authid AS
SELECT
    oid, _zxq_role_name(oid) AS rolname, superuser AS rolsuper, inherit AS rolinherit, create_role AS rolcreaterole,
    create_db AS rolcreatedb, login AS rolcanlogin, false AS rolreplication, superuser AS rolbypassrls,
    connection_limit AS rolconnlimit, CASE WHEN has_password THEN '********' END AS rolpassword,
    valid_until AS rolvaliduntil
FROM facts.roles WHERE _zxq_for_superusers('pg_authid');
CREATE VIEW pgc.pg_shadow AS
SELECT
    rolname AS usename, oid AS usesysid, rolcreatedb AS usecreatedb, rolsuper AS usesuper, rolreplication AS userepl,
    rolbypassrls AS usebypassrls, rolpassword AS passwd, rolvaliduntil AS valuntil, NULL::VARCHAR[] AS useconfig
FROM pgc.pg_authid WHERE rolcanlogin;

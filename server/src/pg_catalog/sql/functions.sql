-- Functions of pg_catalog over the facts and the catalog's views, as DuckDB macros. Parameters end in `_` so that they
-- hide no column, and tables in them have names of their own: a macro is put in place as text, and a client's `c` must
-- stay the client's.

-- Names and OIDs. `…_in` read what a client writes as a literal, `…_out` show an OID by name.
CREATE MACRO bare_name(text_) AS
    CASE WHEN regexp_matches(text_, '^".*"$') THEN replace(text_[2:-2], '""', '"') ELSE lower(text_) END;
CREATE MACRO name_parts(text_) AS regexp_extract_all(text_, '"(?:[^"]|"")*"|[^."\s]+');
-- A name in quotes is exact, another one is in lower case.
-- That of the database before it goes.
CREATE MACRO folded_name(text_) AS concat_ws('.',
    CASE WHEN len(name_parts(text_)) < 3 THEN bare_name(name_parts(text_)[1]) END, bare_name(name_parts(text_)[2]),
    bare_name(name_parts(text_)[3]));
CREATE MACRO parse_ident
    (text_) AS list_transform(name_parts(text_), lambda n_: bare_name(n_)),
    (text_, strict_) AS list_transform(name_parts(text_), lambda n_: bare_name(n_));
CREATE MACRO to_regclass(text_) AS coalesce(
    TRY_CAST(text_ AS UINTEGER),
    (SELECT arg_min(n_to_regclass.oid, n_to_regclass.rank) FROM facts.relation_names n_to_regclass WHERE n_to_regclass.name = folded_name(text_))
);
CREATE MACRO regclass_in(text_) AS
    coalesce(to_regclass(text_), error('relation "' || text_ || '" does not exist'))::UINTEGER;
CREATE MACRO quote_ident(name_) AS
    CASE WHEN regexp_full_match(name_, '[a-z_][a-z0-9_$]*') THEN name_ ELSE '"' || replace(name_, '"', '""') || '"' END;
CREATE MACRO quote_literal(text_) AS '''' || replace(text_, '''', '''''') || '''';
CREATE MACRO quote_nullable(text_) AS CASE WHEN text_ IS NULL THEN 'NULL' ELSE quote_literal(text_::VARCHAR) END;
CREATE MACRO regclass_out(oid_) AS coalesce(
    (SELECT CASE WHEN n_regclass_out.nspname IN ('public', 'pg_catalog') THEN '' ELSE quote_ident(n_regclass_out.nspname) || '.' END
        || quote_ident(c_regclass_out.relname)
    FROM pgc.pg_class c_regclass_out JOIN pgc.pg_namespace n_regclass_out ON n_regclass_out.oid = c_regclass_out.relnamespace WHERE c_regclass_out.oid = oid_),
    CASE WHEN oid_ = 0 THEN '-' ELSE oid_::VARCHAR END
);
CREATE MACRO regnamespace_in(text_) AS
    coalesce((SELECT n_regnamespace_in.oid FROM pgc.pg_namespace n_regnamespace_in WHERE n_regnamespace_in.nspname = bare_name(text_)),
        error('schema "' || text_ || '" does not exist'))::UINTEGER;
CREATE MACRO to_regnamespace(text_) AS (SELECT n_to_regnamespace.oid FROM pgc.pg_namespace n_to_regnamespace WHERE n_to_regnamespace.nspname = bare_name(text_));
CREATE MACRO regnamespace_out(oid_) AS
    coalesce((SELECT quote_ident(n_regnamespace_out.nspname) FROM pgc.pg_namespace n_regnamespace_out WHERE n_regnamespace_out.oid = oid_), oid_::VARCHAR);
CREATE MACRO regproc_in(text_) AS
    coalesce((SELECT min(p_regproc_in.oid) FROM pgc.pg_proc p_regproc_in WHERE p_regproc_in.proname = bare_name(name_parts(text_)[-1])), 0)::UINTEGER;
CREATE MACRO to_regproc(text_) AS
    (SELECT min(p_to_regproc.oid) FROM pgc.pg_proc p_to_regproc WHERE p_to_regproc.proname = bare_name(name_parts(text_)[-1]));
CREATE MACRO regproc_out(oid_) AS
    coalesce((SELECT p_regproc_out.proname FROM pgc.pg_proc p_regproc_out WHERE p_regproc_out.oid = oid_), CASE WHEN oid_ = 0 THEN '-' ELSE oid_::VARCHAR END);
CREATE MACRO regrole_in(text_) AS coalesce(TRY_CAST(text_ AS UINTEGER), _zxq_role_named(bare_name(text_)),
    error('role "' || text_ || '" does not exist'))::UINTEGER;
CREATE MACRO to_regrole(text_) AS coalesce(TRY_CAST(text_ AS UINTEGER), _zxq_role_named(bare_name(text_)));
CREATE MACRO regrole_out(oid_) AS
    coalesce(quote_ident(_zxq_role_name(oid_)), CASE WHEN oid_ = 0 THEN '-' ELSE oid_::VARCHAR END);
CREATE MACRO to_regtype(text_) AS (
    SELECT t_to_regtype.oid FROM pgc.pg_type t_to_regtype
    WHERE t_to_regtype.typname = CASE regexp_replace(lower(replace(text_, 'pg_catalog.', '')), '\(.*\)', '')
        WHEN 'integer' THEN 'int4' WHEN 'int' THEN 'int4' WHEN 'bigint' THEN 'int8' WHEN 'smallint' THEN 'int2'
        WHEN 'boolean' THEN 'bool' WHEN 'real' THEN 'float4' WHEN 'double precision' THEN 'float8'
        WHEN 'decimal' THEN 'numeric' WHEN 'character varying' THEN 'varchar' WHEN 'character' THEN 'bpchar'
        WHEN 'timestamp with time zone' THEN 'timestamptz' WHEN 'timestamp without time zone' THEN 'timestamp'
        WHEN 'time without time zone' THEN 'time' WHEN 'time with time zone' THEN 'timetz'
        ELSE bare_name(regexp_replace(text_, '^("pg_catalog"|pg_catalog)[.]', '')) END
);
CREATE MACRO regtype_in(text_) AS coalesce(to_regtype(text_), error('type "' || text_ || '" does not exist'))::UINTEGER;
CREATE MACRO base_type_name(oid_, typmod_) AS CASE oid_
    WHEN 16 THEN 'boolean' WHEN 20 THEN 'bigint' WHEN 21 THEN 'smallint' WHEN 23 THEN 'integer'
    WHEN 700 THEN 'real' WHEN 701 THEN 'double precision' WHEN 18 THEN '"char"'
    WHEN 1082 THEN 'date' WHEN 1083 THEN 'time without time zone' WHEN 1266 THEN 'time with time zone'
    WHEN 1114 THEN 'timestamp without time zone' WHEN 1184 THEN 'timestamp with time zone'
    WHEN 1043 THEN 'character varying' || CASE WHEN typmod_ > 4 THEN '(' || (typmod_ - 4) || ')' ELSE '' END
    WHEN 1042 THEN CASE WHEN typmod_ > 4 THEN 'character(' || (typmod_ - 4) || ')' ELSE 'character' END
    WHEN 1700 THEN 'numeric' || CASE WHEN typmod_ > 4
        THEN '(' || ((typmod_ - 4) >> 16) || ',' || ((typmod_ - 4) & 2047) || ')' ELSE '' END
    ELSE (SELECT t_base_type_name.typname FROM pgc.pg_type t_base_type_name WHERE t_base_type_name.oid = oid_) END;
CREATE MACRO format_type(oid_, typmod_) AS CASE
    WHEN oid_ IS NULL THEN NULL
    WHEN oid_ = 0 THEN '-'
    ELSE coalesce(
        (SELECT CASE WHEN t_format_type.typcategory = 'A' AND t_format_type.typelem <> 0 AND t_format_type.typname LIKE '\_%' ESCAPE '\'
            THEN base_type_name(t_format_type.typelem, coalesce(typmod_, -1)) || '[]'
            ELSE base_type_name(t_format_type.oid, coalesce(typmod_, -1)) END
        FROM pgc.pg_type t_format_type WHERE t_format_type.oid = oid_), '???') END;

CREATE MACRO regtype_out(oid_) AS CASE WHEN oid_ = 0 THEN '-' ELSE format_type(oid_, NULL) END;

-- Arrays of them.
CREATE MACRO regtype_array_out(oids_) AS CASE WHEN len(oids_) = 0 THEN []::VARCHAR[] ELSE (
    SELECT list(regtype_out(u_regtype_array_out.oid) ORDER BY u_regtype_array_out.place)
    FROM (SELECT unnest(oids_) AS oid, generate_subscripts(oids_, 1) AS place) u_regtype_array_out) END;
CREATE MACRO regclass_array_out(oids_) AS CASE WHEN len(oids_) = 0 THEN []::VARCHAR[] ELSE (
    SELECT list(regclass_out(u_regclass_array_out.oid) ORDER BY u_regclass_array_out.place)
    FROM (SELECT unnest(oids_) AS oid, generate_subscripts(oids_, 1) AS place) u_regclass_array_out) END;
CREATE MACRO regproc_array_out(oids_) AS CASE WHEN len(oids_) = 0 THEN []::VARCHAR[] ELSE (
    SELECT list(regproc_out(u_regproc_array_out.oid) ORDER BY u_regproc_array_out.place)
    FROM (SELECT unnest(oids_) AS oid, generate_subscripts(oids_, 1) AS place) u_regproc_array_out) END;
CREATE MACRO regrole_array_out(oids_) AS CASE WHEN len(oids_) = 0 THEN []::VARCHAR[] ELSE (
    SELECT list(regrole_out(u_regrole_array_out.oid) ORDER BY u_regrole_array_out.place)
    FROM (SELECT unnest(oids_) AS oid, generate_subscripts(oids_, 1) AS place) u_regrole_array_out) END;
CREATE MACRO regnamespace_array_out(oids_) AS CASE WHEN len(oids_) = 0 THEN []::VARCHAR[] ELSE (
    SELECT list(regnamespace_out(u_regnamespace_array_out.oid) ORDER BY u_regnamespace_array_out.place)
    FROM (SELECT unnest(oids_) AS oid, generate_subscripts(oids_, 1) AS place) u_regnamespace_array_out) END;

CREATE MACRO pg_get_userbyid(oid_) AS
    coalesce(_zxq_role_name(oid_), 'unknown (OID=' || oid_ || ')');
CREATE MACRO pg_table_is_visible(oid_) AS
    EXISTS (SELECT 1 FROM pgc.pg_class c_pg_table_is_visible JOIN pgc.pg_namespace n_pg_table_is_visible ON n_pg_table_is_visible.oid = c_pg_table_is_visible.relnamespace
        WHERE c_pg_table_is_visible.oid = oid_ AND (n_pg_table_is_visible.nspname IN ('pg_catalog', 'pg_temp_1') OR list_contains(path_schemas(), n_pg_table_is_visible.nspname)));
CREATE MACRO pg_type_is_visible(oid_) AS true;
CREATE MACRO pg_function_is_visible(oid_) AS true;
CREATE MACRO pg_operator_is_visible(oid_) AS true;
CREATE MACRO pg_opclass_is_visible(oid_) AS true;
CREATE MACRO pg_opfamily_is_visible(oid_) AS true;
CREATE MACRO pg_collation_is_visible(oid_) AS true;
CREATE MACRO pg_conversion_is_visible(oid_) AS true;
CREATE MACRO pg_statistics_obj_is_visible(oid_) AS true;
CREATE MACRO pg_ts_config_is_visible(oid_) AS true;
CREATE MACRO pg_ts_dict_is_visible(oid_) AS true;
CREATE MACRO pg_ts_parser_is_visible(oid_) AS true;
CREATE MACRO pg_ts_template_is_visible(oid_) AS true;

-- Expressions and definitions: they are kept as text, so showing them is handing them back.
CREATE MACRO pg_get_expr
    (expression_, relation_) AS expression_,
    (expression_, relation_, pretty_) AS expression_;
CREATE MACRO constraint_text(oid_) AS coalesce(
    (SELECT 'CHECK (' || k_constraint_text.expression || ')' FROM facts.checks k_constraint_text WHERE k_constraint_text.oid = oid_),
    (SELECT CASE WHEN y_constraint_text.is_primary THEN 'PRIMARY KEY (' ELSE 'UNIQUE (' END
        || key_columns(y_constraint_text.index_oid) || ')'
    FROM facts.keys y_constraint_text WHERE y_constraint_text.oid = oid_ AND y_constraint_text.is_constraint)
);
-- An operator stands in brackets of its own unless it is to look pretty.
CREATE MACRO pg_get_constraintdef
    (oid_) AS CASE
        WHEN regexp_full_match(constraint_text(oid_), 'CHECK \((\w+|\w+\([^()]*\)|"[^"]*")\)') THEN constraint_text(oid_)
        ELSE regexp_replace(constraint_text(oid_), '^CHECK \((.*)\)$', 'CHECK ((\1))', 's') END,
    (oid_, pretty_) AS constraint_text(oid_);
CREATE MACRO view_text(oid_) AS (SELECT r_view_text.definition FROM facts.relations r_view_text WHERE r_view_text.oid = oid_);
CREATE MACRO pg_get_viewdef
    (oid_) AS view_text(to_regclass(oid_::VARCHAR)),
    (oid_, pretty_) AS view_text(to_regclass(oid_::VARCHAR));
CREATE MACRO pg_get_indexdef
    (oid_) AS index_text(oid_),
    (oid_, column_, pretty_) AS CASE WHEN column_ = 0 THEN index_text(oid_) ELSE (
        SELECT quote_ident(c_pg_get_indexdef.name) FROM facts.keys k_pg_get_indexdef
        JOIN facts.columns c_pg_get_indexdef ON c_pg_get_indexdef.relation_oid = k_pg_get_indexdef.relation_oid
            AND c_pg_get_indexdef.num = k_pg_get_indexdef.columns[column_]
        WHERE k_pg_get_indexdef.index_oid = oid_
    ) END;
CREATE MACRO pg_get_ruledef
    (oid_) AS NULL::VARCHAR,
    (oid_, pretty_) AS NULL::VARCHAR;
CREATE MACRO pg_get_triggerdef
    (oid_) AS NULL::VARCHAR,
    (oid_, pretty_) AS NULL::VARCHAR;
CREATE MACRO pg_get_partkeydef(oid_) AS NULL::VARCHAR;
CREATE MACRO pg_get_statisticsobjdef_columns(oid_) AS NULL::VARCHAR;
CREATE MACRO pg_get_statisticsobjdef(oid_) AS NULL::VARCHAR;
CREATE MACRO pg_get_serial_sequence(table_, column_) AS (
    SELECT 'public.' || regexp_extract(c_pg_get_serial_sequence.default_text, '^nextval[(]''([^'']*)''', 1)
    FROM facts.columns c_pg_get_serial_sequence
    JOIN facts.relations r_pg_get_serial_sequence ON r_pg_get_serial_sequence.oid = c_pg_get_serial_sequence.relation_oid
    WHERE r_pg_get_serial_sequence.name = trim(regexp_replace(table_, '^"?public"?[.]', ''), '"')
        AND c_pg_get_serial_sequence.name = column_ AND c_pg_get_serial_sequence.default_text LIKE 'nextval(%'
);
CREATE MACRO pg_get_function_result(oid_) AS
    (SELECT format_type(p_pg_get_function_result.prorettype, NULL) FROM pgc.pg_proc p_pg_get_function_result WHERE p_pg_get_function_result.oid = oid_);
CREATE MACRO pg_get_function_arguments(oid_) AS (
    SELECT string_agg(base_type_name(a_pg_get_function_arguments.type_oid, -1), ', ')
    FROM (SELECT unnest(p_pg_get_function_arguments.proargtypes) AS type_oid FROM pgc.pg_proc p_pg_get_function_arguments WHERE p_pg_get_function_arguments.oid = oid_) a_pg_get_function_arguments
);
CREATE MACRO pg_get_function_identity_arguments(oid_) AS pg_get_function_arguments(oid_);
CREATE MACRO pg_get_functiondef(oid_) AS NULL::VARCHAR;
CREATE MACRO pg_get_function_sqlbody(oid_) AS NULL::VARCHAR;
CREATE MACRO pg_relation_is_publishable(oid_) AS false;
CREATE MACRO pg_partition_ancestors(oid_) AS NULL::UINTEGER;
CREATE MACRO pg_relation_is_updatable(oid_, triggers_) AS 8;
CREATE MACRO pg_column_is_updatable(oid_, column_, triggers_) AS false;
CREATE MACRO pg_index_column_has_property(oid_, column_, name_) AS NULL::BOOLEAN;
CREATE MACRO pg_index_has_property(oid_, name_) AS NULL::BOOLEAN;
CREATE MACRO pg_indexam_has_property(oid_, name_) AS NULL::BOOLEAN;

CREATE MACRO obj_description
    (oid_) AS (SELECT min(d_obj_description.description) FROM pgc.pg_description d_obj_description WHERE d_obj_description.objoid = oid_ AND d_obj_description.objsubid = 0),
    (oid_, catalog_) AS (
        SELECT min(d_obj_description.description) FROM pgc.pg_description d_obj_description
        WHERE d_obj_description.objoid = oid_ AND d_obj_description.objsubid = 0 AND d_obj_description.classoid = to_regclass(catalog_)
    );
CREATE MACRO col_description(oid_, column_) AS (
    SELECT min(d_col_description.description) FROM pgc.pg_description d_col_description
    WHERE d_col_description.objoid = oid_ AND d_col_description.objsubid = column_ AND d_col_description.classoid = 1259
);
CREATE MACRO pg_describe_object(class_, oid_, sub_) AS NULL::VARCHAR;
CREATE MACRO pg_identify_object(class_, oid_, sub_) AS NULL::VARCHAR;
CREATE MACRO shobj_description(oid_, catalog_) AS NULL::VARCHAR;

-- Sizes in bytes, over all tiers.
CREATE MACRO relation_bytes(relation_) AS coalesce((
    SELECT r_relation_bytes.bytes FROM facts.relations r_relation_bytes
    WHERE r_relation_bytes.oid = regclass_in(relation_::VARCHAR)
), 0)::BIGINT;
CREATE MACRO pg_table_size(relation_) AS relation_bytes(relation_);
CREATE MACRO pg_total_relation_size(relation_) AS relation_bytes(relation_);
CREATE MACRO pg_relation_size
    (relation_) AS relation_bytes(relation_),
    (relation_, fork_) AS relation_bytes(relation_);
CREATE MACRO pg_indexes_size(relation_) AS 0::BIGINT;
CREATE MACRO pg_database_size(database_) AS (SELECT coalesce(sum(r_pg_database_size.bytes), 0)::BIGINT FROM facts.relations r_pg_database_size WHERE r_pg_database_size.kind = 'r');
CREATE MACRO pg_tablespace_size(tablespace_) AS pg_database_size('');
CREATE MACRO pg_relation_filenode(relation_) AS NULL::UINTEGER;
CREATE MACRO pg_tablespace_location(oid_) AS '';
CREATE MACRO pg_size_pretty(bytes_) AS CASE
    WHEN abs(bytes_) < 10240 THEN bytes_::BIGINT || ' bytes'
    WHEN abs(bytes_) < 10485247 THEN round(bytes_ / 1024.0)::BIGINT || ' kB'
    WHEN abs(bytes_) < 10736893952 THEN round(bytes_ / 1048576.0)::BIGINT || ' MB'
    WHEN abs(bytes_) < 10994579406848 THEN round(bytes_ / 1073741824.0)::BIGINT || ' GB'
    ELSE round(bytes_ / 1099511627776.0)::BIGINT || ' TB' END;

-- Privileges. A superuser's session need not be looked up.
CREATE MACRO _zxq_table_privilege(role_, relation_, privilege_) AS CASE
    WHEN relation_ IS NULL OR privilege_ IS NULL THEN NULL
    ELSE _zxq_any(_zxq_asked(privilege_, _zxq_on_tables()), _zxq_privileges(role_, relation_)) END;
CREATE MACRO has_table_privilege
    (relation_, privilege_) AS CASE
        WHEN relation_ IS NULL OR privilege_ IS NULL THEN NULL
        WHEN _zxq_superuser() THEN _zxq_any(_zxq_asked(privilege_, _zxq_on_tables()), _zxq_on_tables())
        ELSE _zxq_table_privilege(_zxq_role(), regclass_in(relation_::VARCHAR), privilege_) END,
    (user_, relation_, privilege_) AS _zxq_table_privilege(_zxq_role_in(user_), regclass_in(relation_::VARCHAR), privilege_);
CREATE MACRO has_any_column_privilege
    (relation_, privilege_) AS has_table_privilege(relation_, privilege_),
    (user_, relation_, privilege_) AS has_table_privilege(user_, relation_, privilege_);
CREATE MACRO has_column_privilege
    (relation_, column_, privilege_) AS has_table_privilege(relation_, privilege_),
    (user_, relation_, column_, privilege_) AS has_table_privilege(user_, relation_, privilege_);

-- Everybody may look into every schema.
CREATE MACRO _zxq_on_schemas() AS ['USAGE', 'CREATE', 'USAGE WITH GRANT OPTION', 'CREATE WITH GRANT OPTION'];
CREATE MACRO _zxq_schema_of(schema_) AS CASE
    WHEN typeof(schema_) <> 'VARCHAR' THEN TRY_CAST(schema_ AS UINTEGER) ELSE regnamespace_in(schema_::VARCHAR) END;
CREATE MACRO _zxq_owns_schema(role_, schema_) AS EXISTS (
    SELECT 1 FROM facts.schemas s_owns_schema JOIN facts.acts_as a_owns_schema ON a_owns_schema.of = s_owns_schema.owner
    WHERE s_owns_schema.oid = schema_ AND a_owns_schema.role = role_
);
CREATE MACRO _zxq_schema_privileges(role_, schema_) AS CASE
    WHEN _zxq_is_superuser(role_) OR _zxq_owns_schema(role_, schema_) THEN _zxq_on_schemas()
    ELSE list_concat(['USAGE'], coalesce((
        SELECT list_concat(
            list(g_schema_privileges.privilege),
            list(g_schema_privileges.privilege || ' WITH GRANT OPTION') FILTER (WHERE g_schema_privileges.grantable))
        FROM facts.grants g_schema_privileges
        JOIN facts.acts_as a_schema_privileges ON a_schema_privileges.of = g_schema_privileges.grantee
        WHERE g_schema_privileges.thing = schema_ AND a_schema_privileges.role = role_), []::VARCHAR[])) END;
CREATE MACRO has_schema_privilege
    (schema_, privilege_) AS CASE
        WHEN _zxq_superuser() OR upper(privilege_) = 'USAGE' THEN true
        ELSE _zxq_any(_zxq_asked(privilege_, _zxq_on_schemas()), _zxq_schema_privileges(_zxq_role(), _zxq_schema_of(schema_))) END,
    (user_, schema_, privilege_) AS
        _zxq_any(_zxq_asked(privilege_, _zxq_on_schemas()), _zxq_schema_privileges(_zxq_role_in(user_), _zxq_schema_of(schema_)));
CREATE MACRO _zxq_on_database() AS [
    'CONNECT', 'TEMPORARY', 'TEMP', 'CREATE', 'CONNECT WITH GRANT OPTION', 'TEMPORARY WITH GRANT OPTION',
    'TEMP WITH GRANT OPTION', 'CREATE WITH GRANT OPTION'];
CREATE MACRO _zxq_of_everybody(superuser_) AS
    CASE WHEN superuser_ THEN _zxq_on_database() ELSE ['CONNECT', 'TEMPORARY', 'TEMP'] END;
CREATE MACRO has_database_privilege
    (database_, privilege_) AS _zxq_any(_zxq_asked(privilege_, _zxq_on_database()), _zxq_of_everybody(_zxq_superuser())),
    (user_, database_, privilege_) AS
        _zxq_any(_zxq_asked(privilege_, _zxq_on_database()), _zxq_of_everybody(_zxq_is_superuser(_zxq_role_in(user_))));
-- Functions, types and languages are for everybody to use.
CREATE MACRO has_function_privilege
    (function_, privilege_) AS true,
    (user_, function_, privilege_) AS true;
-- The sequence of a numbered column comes with its table.
CREATE MACRO _zxq_sequence_privilege(role_, sequence_, privilege_) AS
    sequence_ IS NULL OR _zxq_is_superuser(role_) OR _zxq_owns(role_, sequence_)
    OR _zxq_any(_zxq_split(privilege_), _zxq_granted(role_, sequence_));
CREATE MACRO has_sequence_privilege
    (sequence_, privilege_) AS
        _zxq_superuser() OR _zxq_sequence_privilege(_zxq_role(), to_regclass(sequence_::VARCHAR), privilege_),
    (user_, sequence_, privilege_) AS
        _zxq_sequence_privilege(_zxq_role_in(user_), to_regclass(sequence_::VARCHAR), privilege_);
CREATE MACRO has_type_privilege
    (type_, privilege_) AS true,
    (user_, type_, privilege_) AS true;
CREATE MACRO has_tablespace_privilege
    (tablespace_, privilege_) AS true,
    (user_, tablespace_, privilege_) AS true;
CREATE MACRO has_language_privilege
    (language_, privilege_) AS true,
    (user_, language_, privilege_) AS true;
CREATE MACRO has_foreign_data_wrapper_privilege
    (wrapper_, privilege_) AS true,
    (user_, wrapper_, privilege_) AS true;
CREATE MACRO has_server_privilege
    (server_, privilege_) AS true,
    (user_, server_, privilege_) AS true;
-- USAGE: has its privileges now. MEMBER: is in it, and may SET ROLE. With the option: may put others there.
CREATE MACRO _zxq_has_role(user_, role_, privilege_) AS _zxq_is_superuser(user_) OR CASE upper(trim(privilege_))
    WHEN 'USAGE' THEN _zxq_acts_as(user_, role_)
    WHEN 'MEMBER' THEN _zxq_belongs_to(user_, role_)
    WHEN 'MEMBER WITH GRANT OPTION' THEN EXISTS (
        SELECT 1 FROM facts.memberships m_has_role JOIN facts.acts_as a_has_role ON a_has_role.of = m_has_role.member
        WHERE m_has_role.roleid = role_ AND m_has_role.admin AND a_has_role.role = user_)
    WHEN 'MEMBER WITH ADMIN OPTION' THEN EXISTS (
        SELECT 1 FROM facts.memberships m_has_role2 JOIN facts.acts_as a_has_role2 ON a_has_role2.of = m_has_role2.member
        WHERE m_has_role2.roleid = role_ AND m_has_role2.admin AND a_has_role2.role = user_)
    ELSE error('unrecognized privilege type: "' || privilege_ || '"') END;
CREATE MACRO pg_has_role
    (role_, privilege_) AS CASE
        WHEN _zxq_superuser() THEN true ELSE _zxq_has_role(_zxq_role(), _zxq_role_in(role_), privilege_) END,
    (user_, role_, privilege_) AS _zxq_has_role(_zxq_role_in(user_), _zxq_role_in(role_), privilege_);
CREATE MACRO row_security_active(relation_) AS false;

-- Rows from functions among the columns of a query.
CREATE MACRO series_items
    (from_, to_) AS unnest(range(from_::BIGINT, least(to_::BIGINT, from_::BIGINT + 100000) + 1)),
    (from_, to_, step_) AS
        unnest(range(from_::BIGINT, least(to_::BIGINT, from_::BIGINT + 100000 * step_::BIGINT) + 1, step_::BIGINT));
CREATE MACRO ordinal_items(count_) AS unnest(range(1, count_ + 1));
CREATE MACRO subscript_items(array_, dimension_) AS unnest(range(1, len(array_) + 1));

-- Arrays.
CREATE MACRO array_upper(array_, dimension_) AS CASE WHEN dimension_ = 1 AND len(array_) > 0 THEN len(array_)::INTEGER END;
CREATE MACRO array_lower(array_, dimension_) AS CASE WHEN dimension_ = 1 AND len(array_) > 0 THEN 1 END;
CREATE MACRO array_remove(array_, element_) AS list_filter(array_, lambda x_: x_ IS DISTINCT FROM element_);
CREATE MACRO _pg_expandarray(array_) AS
    unnest(list_transform(array_, lambda x_, i_: {'x': x_, 'n': i_::INTEGER}));
CREATE MACRO _pg_char_max_length(oid_, typmod_) AS CASE WHEN oid_ IN (1042, 1043) AND typmod_ > 4 THEN typmod_ - 4 END;
CREATE MACRO _pg_numeric_precision(oid_, typmod_) AS CASE
    WHEN oid_ = 21 THEN 16 WHEN oid_ = 23 THEN 32 WHEN oid_ = 20 THEN 64 WHEN oid_ = 700 THEN 24 WHEN oid_ = 701 THEN 53
    WHEN oid_ = 1700 AND typmod_ > 4 THEN (typmod_ - 4) >> 16 END;
CREATE MACRO _pg_numeric_scale(oid_, typmod_) AS CASE
    WHEN oid_ IN (20, 21, 23) THEN 0 WHEN oid_ = 1700 AND typmod_ > 4 THEN (typmod_ - 4) & 2047 END;
CREATE MACRO _pg_numeric_precision_radix(oid_, typmod_) AS CASE
    WHEN oid_ IN (20, 21, 23, 700, 701) THEN 2 WHEN oid_ = 1700 THEN 10 END;
CREATE MACRO _pg_datetime_precision(oid_, typmod_) AS CASE
    WHEN oid_ = 1082 THEN 0 WHEN oid_ IN (1083, 1114, 1184, 1266, 1186) THEN CASE WHEN typmod_ >= 0 THEN typmod_ ELSE 6 END END;

-- What PostgreSQL's privileges are where nothing was granted, by the letter of a kind of object.
CREATE MACRO acldefault(kind_, owner_) AS string_split(replace(
    CASE kind_
        WHEN 'r' THEN '@=arwdDxt/@' WHEN 's' THEN '@=rwU/@' WHEN 'n' THEN '@=UC/@' WHEN 't' THEN '@=C/@'
        WHEN 'd' THEN '=Tc/@ @=CTc/@' WHEN 'f' THEN '=X/@ @=X/@' WHEN 'l' THEN '=U/@ @=U/@'
        WHEN 'T' THEN '=U/@ @=U/@' WHEN 'F' THEN '@=U/@' WHEN 'S' THEN '@=U/@' END,
    '@', quote_ident(_zxq_role_name(owner_))), ' ');
-- Nothing in the catalog has options of foreign tables.
CREATE MACRO pg_options_to_table(options_) AS TABLE
    SELECT NULL::VARCHAR AS option_name, NULL::VARCHAR AS option_value WHERE options_ IS NOT NULL AND false;

-- Statistics that nothing keeps.
CREATE MACRO pg_stat_get_numscans(oid_) AS 0::BIGINT;
CREATE MACRO pg_stat_get_live_tuples(oid_) AS
    (SELECT r_pg_stat_get_live_tuples.rows::BIGINT FROM facts.relations r_pg_stat_get_live_tuples
    WHERE r_pg_stat_get_live_tuples.oid = oid_);
CREATE MACRO pg_stat_get_dead_tuples(oid_) AS 0::BIGINT;

-- JSON objects, as text.
CREATE MACRO json_agg(value_) AS json_group_array(value_)::VARCHAR;
CREATE MACRO jsonb_agg(value_) AS json_group_array(value_)::VARCHAR;
CREATE MACRO json_object_agg(key_, value_) AS json_group_object(key_, value_)::VARCHAR;
CREATE MACRO jsonb_object_agg(key_, value_) AS json_group_object(key_, value_)::VARCHAR;
CREATE MACRO json_pair(key_, value_) AS '"' || key_ || '": ' || CASE
    WHEN value_ IS NULL THEN 'null'
    WHEN typeof(value_) IN ('BOOLEAN', 'SMALLINT', 'INTEGER', 'BIGINT', 'DOUBLE') THEN value_::VARCHAR
    ELSE '"' || replace(replace(value_::VARCHAR, '\', '\\'), '"', '\"') || '"' END;
CREATE MACRO json_build_object
    (k1_, v1_) AS '{' || json_pair(k1_, v1_) || '}',
    (k1_, v1_, k2_, v2_) AS '{' || json_pair(k1_, v1_) || ', ' ||
        json_pair(k2_, v2_) || '}',
    (k1_, v1_, k2_, v2_, k3_, v3_) AS '{' || json_pair(k1_, v1_) || ', ' ||
        json_pair(k2_, v2_) || ', ' ||
        json_pair(k3_, v3_) || '}',
    (k1_, v1_, k2_, v2_, k3_, v3_, k4_, v4_) AS '{' || json_pair(k1_, v1_) || ', ' ||
        json_pair(k2_, v2_) || ', ' ||
        json_pair(k3_, v3_) || ', ' ||
        json_pair(k4_, v4_) || '}',
    (k1_, v1_, k2_, v2_, k3_, v3_, k4_, v4_, k5_, v5_) AS '{' || json_pair(k1_, v1_) || ', ' ||
        json_pair(k2_, v2_) || ', ' ||
        json_pair(k3_, v3_) || ', ' ||
        json_pair(k4_, v4_) || ', ' ||
        json_pair(k5_, v5_) || '}',
    (k1_, v1_, k2_, v2_, k3_, v3_, k4_, v4_, k5_, v5_, k6_, v6_) AS '{' || json_pair(k1_, v1_) || ', ' ||
        json_pair(k2_, v2_) || ', ' ||
        json_pair(k3_, v3_) || ', ' ||
        json_pair(k4_, v4_) || ', ' ||
        json_pair(k5_, v5_) || ', ' ||
        json_pair(k6_, v6_) || '}',
    (k1_, v1_, k2_, v2_, k3_, v3_, k4_, v4_, k5_, v5_, k6_, v6_, k7_, v7_) AS '{' || json_pair(k1_, v1_) || ', ' ||
        json_pair(k2_, v2_) || ', ' ||
        json_pair(k3_, v3_) || ', ' ||
        json_pair(k4_, v4_) || ', ' ||
        json_pair(k5_, v5_) || ', ' ||
        json_pair(k6_, v6_) || ', ' ||
        json_pair(k7_, v7_) || '}',
    (k1_, v1_, k2_, v2_, k3_, v3_, k4_, v4_, k5_, v5_, k6_, v6_, k7_, v7_, k8_, v8_) AS '{' || json_pair(k1_, v1_) || ', ' ||
        json_pair(k2_, v2_) || ', ' ||
        json_pair(k3_, v3_) || ', ' ||
        json_pair(k4_, v4_) || ', ' ||
        json_pair(k5_, v5_) || ', ' ||
        json_pair(k6_, v6_) || ', ' ||
        json_pair(k7_, v7_) || ', ' ||
        json_pair(k8_, v8_) || '}';

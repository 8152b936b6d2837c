-- The functions of pg_catalog that clients call, as DuckDB macros. Parameters end in `_` so that they hide no column.
--
-- What belongs to one session comes from variables that zxq sets for each statement: `zxq_version`, `zxq_user`,
-- `zxq_session_user`, `zxq_database`, `zxq_pid`, `zxq_port`, `zxq_settings` (a map of lower-case names to values, of those that
-- differ from their defaults), `zxq_numbers` (of these the numbers without units), `zxq_path` (the schemas that are looked in).

-- `current_user`, and `session_user`: they differ after SET ROLE.
CREATE MACRO session_user_name() AS getvariable('zxq_user')::VARCHAR;
CREATE MACRO login_user_name() AS getvariable('zxq_session_user')::VARCHAR;
CREATE MACRO setting_value(name_) AS coalesce(
    (getvariable('zxq_settings')::MAP(VARCHAR, VARCHAR))[lower(name_)],
    (SELECT min(s_setting_value.default_value) FROM facts.settings s_setting_value
        WHERE lower(s_setting_value.name) = lower(name_))
);
CREATE MACRO path_schemas() AS getvariable('zxq_path')::VARCHAR[];

CREATE MACRO version() AS getvariable('zxq_version')::VARCHAR;
CREATE MACRO current_database() AS getvariable('zxq_database')::VARCHAR;
CREATE MACRO current_schema() AS path_schemas()[1];
CREATE MACRO current_schemas(implicit_) AS CASE
    WHEN implicit_ AND NOT list_contains(path_schemas(), 'pg_catalog') THEN list_prepend('pg_catalog', path_schemas())
    ELSE path_schemas() END;
CREATE MACRO pg_backend_pid() AS getvariable('zxq_pid')::INTEGER;
CREATE MACRO pg_is_in_recovery() AS false;
CREATE MACRO pg_is_wal_replay_paused() AS false;
CREATE MACRO pg_my_temp_schema() AS 0::UINTEGER;
CREATE MACRO pg_is_other_temp_schema(oid_) AS false;
CREATE MACRO pg_postmaster_start_time() AS getvariable('zxq_started')::TIMESTAMP;
CREATE MACRO pg_conf_load_time() AS getvariable('zxq_started')::TIMESTAMP;
CREATE MACRO inet_server_addr() AS '127.0.0.1';
CREATE MACRO inet_server_port() AS getvariable('zxq_port')::INTEGER;
CREATE MACRO inet_client_addr() AS '127.0.0.1';
CREATE MACRO inet_client_port() AS NULL::INTEGER;
CREATE MACRO pg_encoding_to_char(encoding_) AS CASE encoding_ WHEN 6 THEN 'UTF8' WHEN 0 THEN 'SQL_ASCII' ELSE '' END;
CREATE MACRO pg_char_to_encoding(name_) AS CASE replace(lower(name_), '-', '') WHEN 'utf8' THEN 6 ELSE -1 END;
CREATE MACRO pg_client_encoding() AS 'UTF8';
CREATE MACRO getdatabaseencoding() AS 'UTF8';
CREATE MACRO setting_or_error(name_, value_) AS
    CASE WHEN value_ IS NULL THEN error('unrecognized configuration parameter "' || name_ || '"') ELSE value_ END;
CREATE MACRO current_setting
    (name_) AS setting_or_error(name_, setting_value(name_)),
    (name_, missing_ok_) AS CASE WHEN missing_ok_ THEN setting_value(name_) ELSE setting_or_error(name_, setting_value(name_)) END;
-- Every row of the catalog is of one transaction, and the one that asks is a later one.
CREATE MACRO txid_current() AS 1000::BIGINT;
CREATE MACRO txid_current_if_assigned() AS NULL::BIGINT;
CREATE MACRO pg_current_xact_id() AS 1000::BIGINT;
CREATE MACRO pg_current_xact_id_if_assigned() AS NULL::BIGINT;
CREATE MACRO txid_current_snapshot() AS '1000:1000:';
CREATE MACRO pg_current_snapshot() AS '1000:1000:';
CREATE MACRO xid_age(xid_) AS greatest(0, 1000 - xid_::BIGINT)::INTEGER;
CREATE MACRO mxid_age(xid_) AS 0::INTEGER;
-- Without ICU a moment has no other zone than UTC.
CREATE MACRO timezone(zone_, time_) AS time_::TIMESTAMP;
CREATE MACRO pg_current_wal_lsn() AS '0/0';
CREATE MACRO pg_jit_available() AS false;
CREATE MACRO pg_blocking_pids(pid_) AS []::INTEGER[];
CREATE MACRO pg_listening_channels() AS NULL::VARCHAR;
CREATE MACRO pg_notification_queue_usage() AS 0::DOUBLE;
CREATE MACRO pg_export_snapshot() AS error('snapshots cannot be exported');

-- These do something, and zxq does it before the statement runs, with the result put in their place. Here they only have
-- to give the right type while a statement with parameters is planned.
CREATE MACRO set_config(name_, value_, local_) AS value_::VARCHAR;
CREATE MACRO pg_notify(channel_, payload_) AS ''::VARCHAR;
CREATE MACRO pg_cancel_backend(pid_) AS true;
CREATE MACRO pg_terminate_backend(pid_) AS true;
CREATE MACRO pg_advisory_unlock_all() AS ''::VARCHAR;
CREATE MACRO pg_advisory_lock
    (key_) AS ''::VARCHAR,
    (key1_, key2_) AS ''::VARCHAR;
CREATE MACRO pg_advisory_lock_shared
    (key_) AS ''::VARCHAR,
    (key1_, key2_) AS ''::VARCHAR;
CREATE MACRO pg_advisory_xact_lock
    (key_) AS ''::VARCHAR,
    (key1_, key2_) AS ''::VARCHAR;
CREATE MACRO pg_advisory_xact_lock_shared
    (key_) AS ''::VARCHAR,
    (key1_, key2_) AS ''::VARCHAR;
CREATE MACRO pg_try_advisory_lock
    (key_) AS true,
    (key1_, key2_) AS true;
CREATE MACRO pg_try_advisory_lock_shared
    (key_) AS true,
    (key1_, key2_) AS true;
CREATE MACRO pg_try_advisory_xact_lock
    (key_) AS true,
    (key1_, key2_) AS true;
CREATE MACRO pg_try_advisory_xact_lock_shared
    (key_) AS true,
    (key1_, key2_) AS true;
CREATE MACRO pg_advisory_unlock
    (key_) AS true,
    (key1_, key2_) AS true;
CREATE MACRO pg_advisory_unlock_shared
    (key_) AS true,
    (key1_, key2_) AS true;

-- The rest of PostgreSQL 15's system tables and views: nothing is in them here, and clients that look find their columns.
CREATE TABLE pgc.pg_amop (oid UINTEGER, amopfamily UINTEGER, amoplefttype UINTEGER, amoprighttype UINTEGER,
    amopstrategy SMALLINT, amoppurpose VARCHAR, amopopr UINTEGER, amopmethod UINTEGER, amopsortfamily UINTEGER);
CREATE TABLE pgc.pg_amproc (oid UINTEGER, amprocfamily UINTEGER, amproclefttype UINTEGER, amprocrighttype UINTEGER,
    amprocnum SMALLINT, amproc UINTEGER);
CREATE TABLE pgc.pg_backend_memory_contexts (name VARCHAR, ident VARCHAR, parent VARCHAR, level INTEGER, total_bytes
    BIGINT, total_nblocks BIGINT, free_bytes BIGINT, free_chunks BIGINT, used_bytes BIGINT);
CREATE TABLE pgc.pg_config (name VARCHAR, setting VARCHAR);
CREATE TABLE pgc.pg_file_settings (sourcefile VARCHAR, sourceline INTEGER, seqno INTEGER, name VARCHAR, setting
    VARCHAR, applied BOOLEAN, error VARCHAR);
CREATE TABLE pgc.pg_hba_file_rules (line_number INTEGER, type VARCHAR, database VARCHAR[], user_name VARCHAR[],
    address VARCHAR, netmask VARCHAR, auth_method VARCHAR, options VARCHAR[], error VARCHAR);
CREATE TABLE pgc.pg_ident_file_mappings (line_number INTEGER, map_name VARCHAR, sys_name VARCHAR, pg_username VARCHAR,
    error VARCHAR);
CREATE TABLE pgc.pg_init_privs (objoid UINTEGER, classoid UINTEGER, objsubid INTEGER, privtype VARCHAR, initprivs
    VARCHAR[]);
CREATE TABLE pgc.pg_largeobject (loid UINTEGER, pageno INTEGER, data BLOB);
CREATE TABLE pgc.pg_parameter_acl (oid UINTEGER, parname VARCHAR, paracl VARCHAR[]);
CREATE TABLE pgc.pg_replication_origin (roident UINTEGER, roname VARCHAR);
CREATE TABLE pgc.pg_replication_origin_status (local_id UINTEGER, external_id VARCHAR, remote_lsn VARCHAR, local_lsn
    VARCHAR);
CREATE TABLE pgc.pg_shmem_allocations (name VARCHAR, off BIGINT, size BIGINT, allocated_size BIGINT);
CREATE TABLE pgc.pg_stat_archiver (archived_count BIGINT, last_archived_wal VARCHAR, last_archived_time TIMESTAMP,
    failed_count BIGINT, last_failed_wal VARCHAR, last_failed_time TIMESTAMP, stats_reset TIMESTAMP);
CREATE TABLE pgc.pg_stat_database_conflicts (datid UINTEGER, datname VARCHAR, confl_tablespace BIGINT, confl_lock
    BIGINT, confl_snapshot BIGINT, confl_bufferpin BIGINT, confl_deadlock BIGINT);
CREATE TABLE pgc.pg_stat_progress_analyze (pid INTEGER, datid UINTEGER, datname VARCHAR, relid UINTEGER, phase
    VARCHAR, sample_blks_total BIGINT, sample_blks_scanned BIGINT, ext_stats_total BIGINT, ext_stats_computed BIGINT,
    child_tables_total BIGINT, child_tables_done BIGINT, current_child_table_relid UINTEGER);
CREATE TABLE pgc.pg_stat_progress_basebackup (pid INTEGER, phase VARCHAR, backup_total BIGINT, backup_streamed BIGINT,
    tablespaces_total BIGINT, tablespaces_streamed BIGINT);
CREATE TABLE pgc.pg_stat_progress_cluster (pid INTEGER, datid UINTEGER, datname VARCHAR, relid UINTEGER, command
    VARCHAR, phase VARCHAR, cluster_index_relid UINTEGER, heap_tuples_scanned BIGINT, heap_tuples_written BIGINT,
    heap_blks_total BIGINT, heap_blks_scanned BIGINT, index_rebuild_count BIGINT);
CREATE TABLE pgc.pg_stat_progress_copy (pid INTEGER, datid UINTEGER, datname VARCHAR, relid UINTEGER, command VARCHAR,
    type VARCHAR, bytes_processed BIGINT, bytes_total BIGINT, tuples_processed BIGINT, tuples_excluded BIGINT);
CREATE TABLE pgc.pg_stat_progress_create_index (pid INTEGER, datid UINTEGER, datname VARCHAR, relid UINTEGER,
    index_relid UINTEGER, command VARCHAR, phase VARCHAR, lockers_total BIGINT, lockers_done BIGINT,
    current_locker_pid BIGINT, blocks_total BIGINT, blocks_done BIGINT, tuples_total BIGINT, tuples_done BIGINT,
    partitions_total BIGINT, partitions_done BIGINT);
CREATE TABLE pgc.pg_stat_progress_vacuum (pid INTEGER, datid UINTEGER, datname VARCHAR, relid UINTEGER, phase VARCHAR,
    heap_blks_total BIGINT, heap_blks_scanned BIGINT, heap_blks_vacuumed BIGINT, index_vacuum_count BIGINT,
    max_dead_tuples BIGINT, num_dead_tuples BIGINT);
CREATE TABLE pgc.pg_stat_recovery_prefetch (stats_reset TIMESTAMP, prefetch BIGINT, hit BIGINT, skip_init BIGINT,
    skip_new BIGINT, skip_fpw BIGINT, skip_rep BIGINT, wal_distance INTEGER, block_distance INTEGER, io_depth
    INTEGER);
CREATE TABLE pgc.pg_stat_replication_slots (slot_name VARCHAR, spill_txns BIGINT, spill_count BIGINT, spill_bytes
    BIGINT, stream_txns BIGINT, stream_count BIGINT, stream_bytes BIGINT, total_txns BIGINT, total_bytes BIGINT,
    stats_reset TIMESTAMP);
CREATE TABLE pgc.pg_stat_slru (name VARCHAR, blks_zeroed BIGINT, blks_hit BIGINT, blks_read BIGINT, blks_written
    BIGINT, blks_exists BIGINT, flushes BIGINT, truncates BIGINT, stats_reset TIMESTAMP);
CREATE TABLE pgc.pg_stat_subscription_stats (subid UINTEGER, subname VARCHAR, apply_error_count BIGINT,
    sync_error_count BIGINT, stats_reset TIMESTAMP);
CREATE TABLE pgc.pg_stat_sys_indexes (relid UINTEGER, indexrelid UINTEGER, schemaname VARCHAR, relname VARCHAR,
    indexrelname VARCHAR, idx_scan BIGINT, idx_tup_read BIGINT, idx_tup_fetch BIGINT);
CREATE TABLE pgc.pg_stat_sys_tables (relid UINTEGER, schemaname VARCHAR, relname VARCHAR, seq_scan BIGINT,
    seq_tup_read BIGINT, idx_scan BIGINT, idx_tup_fetch BIGINT, n_tup_ins BIGINT, n_tup_upd BIGINT, n_tup_del BIGINT,
    n_tup_hot_upd BIGINT, n_live_tup BIGINT, n_dead_tup BIGINT, n_mod_since_analyze BIGINT, n_ins_since_vacuum BIGINT,
    last_vacuum TIMESTAMP, last_autovacuum TIMESTAMP, last_analyze TIMESTAMP, last_autoanalyze TIMESTAMP, vacuum_count
    BIGINT, autovacuum_count BIGINT, analyze_count BIGINT, autoanalyze_count BIGINT);
CREATE TABLE pgc.pg_stat_wal (wal_records BIGINT, wal_fpi BIGINT, wal_bytes DECIMAL(38,0), wal_buffers_full BIGINT,
    wal_write BIGINT, wal_sync BIGINT, wal_write_time DOUBLE, wal_sync_time DOUBLE, stats_reset TIMESTAMP);
CREATE TABLE pgc.pg_stat_wal_receiver (pid INTEGER, status VARCHAR, receive_start_lsn VARCHAR, receive_start_tli
    INTEGER, written_lsn VARCHAR, flushed_lsn VARCHAR, received_tli INTEGER, last_msg_send_time TIMESTAMP,
    last_msg_receipt_time TIMESTAMP, latest_end_lsn VARCHAR, latest_end_time TIMESTAMP, slot_name VARCHAR, sender_host
    VARCHAR, sender_port INTEGER, conninfo VARCHAR);
CREATE TABLE pgc.pg_stat_xact_all_tables (relid UINTEGER, schemaname VARCHAR, relname VARCHAR, seq_scan BIGINT,
    seq_tup_read BIGINT, idx_scan BIGINT, idx_tup_fetch BIGINT, n_tup_ins BIGINT, n_tup_upd BIGINT, n_tup_del BIGINT,
    n_tup_hot_upd BIGINT);
CREATE TABLE pgc.pg_stat_xact_sys_tables (relid UINTEGER, schemaname VARCHAR, relname VARCHAR, seq_scan BIGINT,
    seq_tup_read BIGINT, idx_scan BIGINT, idx_tup_fetch BIGINT, n_tup_ins BIGINT, n_tup_upd BIGINT, n_tup_del BIGINT,
    n_tup_hot_upd BIGINT);
CREATE TABLE pgc.pg_stat_xact_user_functions (funcid UINTEGER, schemaname VARCHAR, funcname VARCHAR, calls BIGINT,
    total_time DOUBLE, self_time DOUBLE);
CREATE TABLE pgc.pg_stat_xact_user_tables (relid UINTEGER, schemaname VARCHAR, relname VARCHAR, seq_scan BIGINT,
    seq_tup_read BIGINT, idx_scan BIGINT, idx_tup_fetch BIGINT, n_tup_ins BIGINT, n_tup_upd BIGINT, n_tup_del BIGINT,
    n_tup_hot_upd BIGINT);
CREATE TABLE pgc.pg_statio_all_indexes (relid UINTEGER, indexrelid UINTEGER, schemaname VARCHAR, relname VARCHAR,
    indexrelname VARCHAR, idx_blks_read BIGINT, idx_blks_hit BIGINT);
CREATE TABLE pgc.pg_statio_all_sequences (relid UINTEGER, schemaname VARCHAR, relname VARCHAR, blks_read BIGINT,
    blks_hit BIGINT);
CREATE TABLE pgc.pg_statio_all_tables (relid UINTEGER, schemaname VARCHAR, relname VARCHAR, heap_blks_read BIGINT,
    heap_blks_hit BIGINT, idx_blks_read BIGINT, idx_blks_hit BIGINT, toast_blks_read BIGINT, toast_blks_hit BIGINT,
    tidx_blks_read BIGINT, tidx_blks_hit BIGINT);
CREATE TABLE pgc.pg_statio_sys_indexes (relid UINTEGER, indexrelid UINTEGER, schemaname VARCHAR, relname VARCHAR,
    indexrelname VARCHAR, idx_blks_read BIGINT, idx_blks_hit BIGINT);
CREATE TABLE pgc.pg_statio_sys_sequences (relid UINTEGER, schemaname VARCHAR, relname VARCHAR, blks_read BIGINT,
    blks_hit BIGINT);
CREATE TABLE pgc.pg_statio_sys_tables (relid UINTEGER, schemaname VARCHAR, relname VARCHAR, heap_blks_read BIGINT,
    heap_blks_hit BIGINT, idx_blks_read BIGINT, idx_blks_hit BIGINT, toast_blks_read BIGINT, toast_blks_hit BIGINT,
    tidx_blks_read BIGINT, tidx_blks_hit BIGINT);
CREATE TABLE pgc.pg_statio_user_indexes (relid UINTEGER, indexrelid UINTEGER, schemaname VARCHAR, relname VARCHAR,
    indexrelname VARCHAR, idx_blks_read BIGINT, idx_blks_hit BIGINT);
CREATE TABLE pgc.pg_statio_user_sequences (relid UINTEGER, schemaname VARCHAR, relname VARCHAR, blks_read BIGINT,
    blks_hit BIGINT);
CREATE TABLE pgc.pg_statistic (starelid UINTEGER, staattnum SMALLINT, stainherit BOOLEAN, stanullfrac REAL, stawidth
    INTEGER, stadistinct REAL, stakind1 SMALLINT, stakind2 SMALLINT, stakind3 SMALLINT, stakind4 SMALLINT, stakind5
    SMALLINT, staop1 UINTEGER, staop2 UINTEGER, staop3 UINTEGER, staop4 UINTEGER, staop5 UINTEGER, stacoll1 UINTEGER,
    stacoll2 UINTEGER, stacoll3 UINTEGER, stacoll4 UINTEGER, stacoll5 UINTEGER, stanumbers1 REAL[], stanumbers2
    REAL[], stanumbers3 REAL[], stanumbers4 REAL[], stanumbers5 REAL[], stavalues1 VARCHAR, stavalues2 VARCHAR,
    stavalues3 VARCHAR, stavalues4 VARCHAR, stavalues5 VARCHAR);
CREATE TABLE pgc.pg_stats_ext (schemaname VARCHAR, tablename VARCHAR, statistics_schemaname VARCHAR, statistics_name
    VARCHAR, statistics_owner VARCHAR, attnames VARCHAR[], exprs VARCHAR[], kinds VARCHAR[], inherited BOOLEAN,
    n_distinct VARCHAR, dependencies VARCHAR, most_common_vals VARCHAR[], most_common_val_nulls BOOLEAN[],
    most_common_freqs DOUBLE[], most_common_base_freqs DOUBLE[]);
CREATE TABLE pgc.pg_stats_ext_exprs (schemaname VARCHAR, tablename VARCHAR, statistics_schemaname VARCHAR,
    statistics_name VARCHAR, statistics_owner VARCHAR, expr VARCHAR, inherited BOOLEAN, null_frac REAL, avg_width
    INTEGER, n_distinct REAL, most_common_vals VARCHAR, most_common_freqs REAL[], histogram_bounds VARCHAR,
    correlation REAL, most_common_elems VARCHAR, most_common_elem_freqs REAL[], elem_count_histogram REAL[]);
CREATE TABLE pgc.pg_transform (oid UINTEGER, trftype UINTEGER, trflang UINTEGER, trffromsql UINTEGER, trftosql
    UINTEGER);
CREATE TABLE pgc.pg_ts_config_map (mapcfg UINTEGER, maptokentype INTEGER, mapseqno INTEGER, mapdict UINTEGER);
CREATE TABLE pgi.administrable_role_authorizations (grantee VARCHAR, role_name VARCHAR, is_grantable VARCHAR);
CREATE TABLE pgi.attributes (udt_catalog VARCHAR, udt_schema VARCHAR, udt_name VARCHAR, attribute_name VARCHAR,
    ordinal_position INTEGER, attribute_default VARCHAR, is_nullable VARCHAR, data_type VARCHAR,
    character_maximum_length INTEGER, character_octet_length INTEGER, character_set_catalog VARCHAR,
    character_set_schema VARCHAR, character_set_name VARCHAR, collation_catalog VARCHAR, collation_schema VARCHAR,
    collation_name VARCHAR, numeric_precision INTEGER, numeric_precision_radix INTEGER, numeric_scale INTEGER,
    datetime_precision INTEGER, interval_type VARCHAR, interval_precision INTEGER, attribute_udt_catalog VARCHAR,
    attribute_udt_schema VARCHAR, attribute_udt_name VARCHAR, scope_catalog VARCHAR, scope_schema VARCHAR, scope_name
    VARCHAR, maximum_cardinality INTEGER, dtd_identifier VARCHAR, is_derived_reference_attribute VARCHAR);
CREATE TABLE pgi.check_constraint_routine_usage (constraint_catalog VARCHAR, constraint_schema VARCHAR,
    constraint_name VARCHAR, specific_catalog VARCHAR, specific_schema VARCHAR, specific_name VARCHAR);
CREATE TABLE pgi.collation_character_set_applicability (collation_catalog VARCHAR, collation_schema VARCHAR,
    collation_name VARCHAR, character_set_catalog VARCHAR, character_set_schema VARCHAR, character_set_name VARCHAR);
CREATE TABLE pgi.collations (collation_catalog VARCHAR, collation_schema VARCHAR, collation_name VARCHAR,
    pad_attribute VARCHAR);
CREATE TABLE pgi.column_column_usage (table_catalog VARCHAR, table_schema VARCHAR, table_name VARCHAR, column_name
    VARCHAR, dependent_column VARCHAR);
CREATE TABLE pgi.column_domain_usage (domain_catalog VARCHAR, domain_schema VARCHAR, domain_name VARCHAR,
    table_catalog VARCHAR, table_schema VARCHAR, table_name VARCHAR, column_name VARCHAR);
CREATE TABLE pgi.column_options (table_catalog VARCHAR, table_schema VARCHAR, table_name VARCHAR, column_name VARCHAR,
    option_name VARCHAR, option_value VARCHAR);
CREATE TABLE pgi.column_privileges (grantor VARCHAR, grantee VARCHAR, table_catalog VARCHAR, table_schema VARCHAR,
    table_name VARCHAR, column_name VARCHAR, privilege_type VARCHAR, is_grantable VARCHAR);
CREATE TABLE pgi.column_udt_usage (udt_catalog VARCHAR, udt_schema VARCHAR, udt_name VARCHAR, table_catalog VARCHAR,
    table_schema VARCHAR, table_name VARCHAR, column_name VARCHAR);
CREATE TABLE pgi.data_type_privileges (object_catalog VARCHAR, object_schema VARCHAR, object_name VARCHAR, object_type
    VARCHAR, dtd_identifier VARCHAR);
CREATE TABLE pgi.domain_constraints (constraint_catalog VARCHAR, constraint_schema VARCHAR, constraint_name VARCHAR,
    domain_catalog VARCHAR, domain_schema VARCHAR, domain_name VARCHAR, is_deferrable VARCHAR, initially_deferred
    VARCHAR);
CREATE TABLE pgi.domain_udt_usage (udt_catalog VARCHAR, udt_schema VARCHAR, udt_name VARCHAR, domain_catalog VARCHAR,
    domain_schema VARCHAR, domain_name VARCHAR);
CREATE TABLE pgi.domains (domain_catalog VARCHAR, domain_schema VARCHAR, domain_name VARCHAR, data_type VARCHAR,
    character_maximum_length INTEGER, character_octet_length INTEGER, character_set_catalog VARCHAR,
    character_set_schema VARCHAR, character_set_name VARCHAR, collation_catalog VARCHAR, collation_schema VARCHAR,
    collation_name VARCHAR, numeric_precision INTEGER, numeric_precision_radix INTEGER, numeric_scale INTEGER,
    datetime_precision INTEGER, interval_type VARCHAR, interval_precision INTEGER, domain_default VARCHAR, udt_catalog
    VARCHAR, udt_schema VARCHAR, udt_name VARCHAR, scope_catalog VARCHAR, scope_schema VARCHAR, scope_name VARCHAR,
    maximum_cardinality INTEGER, dtd_identifier VARCHAR);
CREATE TABLE pgi.element_types (object_catalog VARCHAR, object_schema VARCHAR, object_name VARCHAR, object_type
    VARCHAR, collection_type_identifier VARCHAR, data_type VARCHAR, character_maximum_length INTEGER,
    character_octet_length INTEGER, character_set_catalog VARCHAR, character_set_schema VARCHAR, character_set_name
    VARCHAR, collation_catalog VARCHAR, collation_schema VARCHAR, collation_name VARCHAR, numeric_precision INTEGER,
    numeric_precision_radix INTEGER, numeric_scale INTEGER, datetime_precision INTEGER, interval_type VARCHAR,
    interval_precision INTEGER, domain_default VARCHAR, udt_catalog VARCHAR, udt_schema VARCHAR, udt_name VARCHAR,
    scope_catalog VARCHAR, scope_schema VARCHAR, scope_name VARCHAR, maximum_cardinality INTEGER, dtd_identifier
    VARCHAR);
CREATE TABLE pgi.foreign_data_wrapper_options (foreign_data_wrapper_catalog VARCHAR, foreign_data_wrapper_name
    VARCHAR, option_name VARCHAR, option_value VARCHAR);
CREATE TABLE pgi.foreign_data_wrappers (foreign_data_wrapper_catalog VARCHAR, foreign_data_wrapper_name VARCHAR,
    authorization_identifier VARCHAR, library_name VARCHAR, foreign_data_wrapper_language VARCHAR);
CREATE TABLE pgi.foreign_server_options (foreign_server_catalog VARCHAR, foreign_server_name VARCHAR, option_name
    VARCHAR, option_value VARCHAR);
CREATE TABLE pgi.foreign_servers (foreign_server_catalog VARCHAR, foreign_server_name VARCHAR,
    foreign_data_wrapper_catalog VARCHAR, foreign_data_wrapper_name VARCHAR, foreign_server_type VARCHAR,
    foreign_server_version VARCHAR, authorization_identifier VARCHAR);
CREATE TABLE pgi.foreign_table_options (foreign_table_catalog VARCHAR, foreign_table_schema VARCHAR,
    foreign_table_name VARCHAR, option_name VARCHAR, option_value VARCHAR);
CREATE TABLE pgi.foreign_tables (foreign_table_catalog VARCHAR, foreign_table_schema VARCHAR, foreign_table_name
    VARCHAR, foreign_server_catalog VARCHAR, foreign_server_name VARCHAR);
CREATE TABLE pgi.role_column_grants (grantor VARCHAR, grantee VARCHAR, table_catalog VARCHAR, table_schema VARCHAR,
    table_name VARCHAR, column_name VARCHAR, privilege_type VARCHAR, is_grantable VARCHAR);
CREATE TABLE pgi.role_routine_grants (grantor VARCHAR, grantee VARCHAR, specific_catalog VARCHAR, specific_schema
    VARCHAR, specific_name VARCHAR, routine_catalog VARCHAR, routine_schema VARCHAR, routine_name VARCHAR,
    privilege_type VARCHAR, is_grantable VARCHAR);
CREATE TABLE pgi.role_udt_grants (grantor VARCHAR, grantee VARCHAR, udt_catalog VARCHAR, udt_schema VARCHAR, udt_name
    VARCHAR, privilege_type VARCHAR, is_grantable VARCHAR);
CREATE TABLE pgi.role_usage_grants (grantor VARCHAR, grantee VARCHAR, object_catalog VARCHAR, object_schema VARCHAR,
    object_name VARCHAR, object_type VARCHAR, privilege_type VARCHAR, is_grantable VARCHAR);
CREATE TABLE pgi.routine_column_usage (specific_catalog VARCHAR, specific_schema VARCHAR, specific_name VARCHAR,
    routine_catalog VARCHAR, routine_schema VARCHAR, routine_name VARCHAR, table_catalog VARCHAR, table_schema
    VARCHAR, table_name VARCHAR, column_name VARCHAR);
CREATE TABLE pgi.routine_privileges (grantor VARCHAR, grantee VARCHAR, specific_catalog VARCHAR, specific_schema
    VARCHAR, specific_name VARCHAR, routine_catalog VARCHAR, routine_schema VARCHAR, routine_name VARCHAR,
    privilege_type VARCHAR, is_grantable VARCHAR);
CREATE TABLE pgi.routine_routine_usage (specific_catalog VARCHAR, specific_schema VARCHAR, specific_name VARCHAR,
    routine_catalog VARCHAR, routine_schema VARCHAR, routine_name VARCHAR);
CREATE TABLE pgi.routine_sequence_usage (specific_catalog VARCHAR, specific_schema VARCHAR, specific_name VARCHAR,
    routine_catalog VARCHAR, routine_schema VARCHAR, routine_name VARCHAR, sequence_catalog VARCHAR, sequence_schema
    VARCHAR, sequence_name VARCHAR);
CREATE TABLE pgi.routine_table_usage (specific_catalog VARCHAR, specific_schema VARCHAR, specific_name VARCHAR,
    routine_catalog VARCHAR, routine_schema VARCHAR, routine_name VARCHAR, table_catalog VARCHAR, table_schema
    VARCHAR, table_name VARCHAR);
CREATE TABLE pgi.sql_features (feature_id VARCHAR, feature_name VARCHAR, sub_feature_id VARCHAR, sub_feature_name
    VARCHAR, is_supported VARCHAR, is_verified_by VARCHAR, comments VARCHAR);
CREATE TABLE pgi.sql_implementation_info (implementation_info_id VARCHAR, implementation_info_name VARCHAR,
    integer_value INTEGER, character_value VARCHAR, comments VARCHAR);
CREATE TABLE pgi.sql_parts (feature_id VARCHAR, feature_name VARCHAR, is_supported VARCHAR, is_verified_by VARCHAR,
    comments VARCHAR);
CREATE TABLE pgi.sql_sizing (sizing_id INTEGER, sizing_name VARCHAR, supported_value INTEGER, comments VARCHAR);
CREATE TABLE pgi.transforms (udt_catalog VARCHAR, udt_schema VARCHAR, udt_name VARCHAR, specific_catalog VARCHAR,
    specific_schema VARCHAR, specific_name VARCHAR, group_name VARCHAR, transform_type VARCHAR);
CREATE TABLE pgi.triggered_update_columns (trigger_catalog VARCHAR, trigger_schema VARCHAR, trigger_name VARCHAR,
    event_object_catalog VARCHAR, event_object_schema VARCHAR, event_object_table VARCHAR, event_object_column
    VARCHAR);
CREATE TABLE pgi.udt_privileges (grantor VARCHAR, grantee VARCHAR, udt_catalog VARCHAR, udt_schema VARCHAR, udt_name
    VARCHAR, privilege_type VARCHAR, is_grantable VARCHAR);
CREATE TABLE pgi.usage_privileges (grantor VARCHAR, grantee VARCHAR, object_catalog VARCHAR, object_schema VARCHAR,
    object_name VARCHAR, object_type VARCHAR, privilege_type VARCHAR, is_grantable VARCHAR);
CREATE TABLE pgi.user_defined_types (user_defined_type_catalog VARCHAR, user_defined_type_schema VARCHAR,
    user_defined_type_name VARCHAR, user_defined_type_category VARCHAR, is_instantiable VARCHAR, is_final VARCHAR,
    ordering_form VARCHAR, ordering_category VARCHAR, ordering_routine_catalog VARCHAR, ordering_routine_schema
    VARCHAR, ordering_routine_name VARCHAR, reference_type VARCHAR, data_type VARCHAR, character_maximum_length
    INTEGER, character_octet_length INTEGER, character_set_catalog VARCHAR, character_set_schema VARCHAR,
    character_set_name VARCHAR, collation_catalog VARCHAR, collation_schema VARCHAR, collation_name VARCHAR,
    numeric_precision INTEGER, numeric_precision_radix INTEGER, numeric_scale INTEGER, datetime_precision INTEGER,
    interval_type VARCHAR, interval_precision INTEGER, source_dtd_identifier VARCHAR, ref_dtd_identifier VARCHAR);
CREATE TABLE pgi.user_mapping_options (authorization_identifier VARCHAR, foreign_server_catalog VARCHAR,
    foreign_server_name VARCHAR, option_name VARCHAR, option_value VARCHAR);
CREATE TABLE pgi.user_mappings (authorization_identifier VARCHAR, foreign_server_catalog VARCHAR, foreign_server_name
    VARCHAR);
CREATE TABLE pgi.view_column_usage (view_catalog VARCHAR, view_schema VARCHAR, view_name VARCHAR, table_catalog
    VARCHAR, table_schema VARCHAR, table_name VARCHAR, column_name VARCHAR);
CREATE TABLE pgi.view_routine_usage (table_catalog VARCHAR, table_schema VARCHAR, table_name VARCHAR, specific_catalog
    VARCHAR, specific_schema VARCHAR, specific_name VARCHAR);
CREATE TABLE pgi.view_table_usage (view_catalog VARCHAR, view_schema VARCHAR, view_name VARCHAR, table_catalog
    VARCHAR, table_schema VARCHAR, table_name VARCHAR);

-- Their OIDs, as those of the other system relations.
INSERT INTO facts.system_relations (oid, name) VALUES
    (2602, 'pg_amop'), (2603, 'pg_amproc'), (12138, 'pg_backend_memory_contexts'), (12130, 'pg_config'),
    (12110, 'pg_file_settings'), (12114, 'pg_hba_file_rules'), (12118, 'pg_ident_file_mappings'),
    (3394, 'pg_init_privs'), (2613, 'pg_largeobject'), (6243, 'pg_parameter_acl'), (6000, 'pg_replication_origin'),
    (12332, 'pg_replication_origin_status'), (12134, 'pg_shmem_allocations'), (12285, 'pg_stat_archiver'),
    (12271, 'pg_stat_database_conflicts'), (12297, 'pg_stat_progress_analyze'), (12317, 'pg_stat_progress_basebackup'),
    (12307, 'pg_stat_progress_cluster'), (12322, 'pg_stat_progress_copy'), (12312, 'pg_stat_progress_create_index'),
    (12302, 'pg_stat_progress_vacuum'), (12240, 'pg_stat_recovery_prefetch'), (12262, 'pg_stat_replication_slots'),
    (12232, 'pg_stat_slru'), (12336, 'pg_stat_subscription_stats'), (12188, 'pg_stat_sys_indexes'),
    (12152, 'pg_stat_sys_tables'), (12293, 'pg_stat_wal'), (12236, 'pg_stat_wal_receiver'),
    (12147, 'pg_stat_xact_all_tables'), (12157, 'pg_stat_xact_sys_tables'), (12280, 'pg_stat_xact_user_functions'),
    (12166, 'pg_stat_xact_user_tables'), (12196, 'pg_statio_all_indexes'), (12209, 'pg_statio_all_sequences'),
    (12170, 'pg_statio_all_tables'), (12201, 'pg_statio_sys_indexes'), (12214, 'pg_statio_sys_sequences'),
    (12175, 'pg_statio_sys_tables'), (12205, 'pg_statio_user_indexes'), (12218, 'pg_statio_user_sequences'),
    (2619, 'pg_statistic'), (12058, 'pg_stats_ext'), (12063, 'pg_stats_ext_exprs'), (3576, 'pg_transform'),
    (3603, 'pg_ts_config_map');

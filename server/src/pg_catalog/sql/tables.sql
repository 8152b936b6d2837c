-- System tables of PostgreSQL 15 that hold nothing in zxq, or only the rows of static_rows.sql. Clients join and count
-- them, so their columns have to be there. `oid`, `xid` and `reg…` columns are UINTEGER; clients see them as oid.
CREATE TABLE pgc.pg_aggregate (aggfnoid UINTEGER, aggkind VARCHAR, aggnumdirectargs SMALLINT, aggtransfn UINTEGER,
    aggfinalfn UINTEGER, aggcombinefn UINTEGER, aggserialfn UINTEGER, aggdeserialfn UINTEGER, aggmtransfn UINTEGER,
    aggminvtransfn UINTEGER, aggmfinalfn UINTEGER, aggfinalextra BOOLEAN, aggmfinalextra BOOLEAN, aggfinalmodify
    VARCHAR, aggmfinalmodify VARCHAR, aggsortop UINTEGER, aggtranstype UINTEGER, aggtransspace INTEGER, aggmtranstype
    UINTEGER, aggmtransspace INTEGER, agginitval VARCHAR, aggminitval VARCHAR);
CREATE TABLE pgc.pg_am (oid UINTEGER, amname VARCHAR, amhandler UINTEGER, amtype VARCHAR);
CREATE TABLE pgc.pg_cast (oid UINTEGER, castsource UINTEGER, casttarget UINTEGER, castfunc UINTEGER, castcontext
    VARCHAR, castmethod VARCHAR);
CREATE TABLE pgc.pg_collation (oid UINTEGER, collname VARCHAR, collnamespace UINTEGER, collowner UINTEGER,
    collprovider VARCHAR, collisdeterministic BOOLEAN, collencoding INTEGER, collcollate VARCHAR, collctype VARCHAR,
    colliculocale VARCHAR, collversion VARCHAR);
CREATE TABLE pgc.pg_conversion (oid UINTEGER, conname VARCHAR, connamespace UINTEGER, conowner UINTEGER,
    conforencoding INTEGER, contoencoding INTEGER, conproc UINTEGER, condefault BOOLEAN);
CREATE TABLE pgc.pg_db_role_setting (setdatabase UINTEGER, setrole UINTEGER, setconfig VARCHAR[]);
CREATE TABLE pgc.pg_default_acl (oid UINTEGER, defaclrole UINTEGER, defaclnamespace UINTEGER, defaclobjtype VARCHAR,
    defaclacl VARCHAR[]);
CREATE TABLE pgc.pg_enum (oid UINTEGER, enumtypid UINTEGER, enumsortorder REAL, enumlabel VARCHAR);
CREATE TABLE pgc.pg_event_trigger (oid UINTEGER, evtname VARCHAR, evtevent VARCHAR, evtowner UINTEGER, evtfoid
    UINTEGER, evtenabled VARCHAR, evttags VARCHAR[]);
CREATE TABLE pgc.pg_extension (oid UINTEGER, extname VARCHAR, extowner UINTEGER, extnamespace UINTEGER, extrelocatable
    BOOLEAN, extversion VARCHAR, extconfig UINTEGER[], extcondition VARCHAR[]);
CREATE TABLE pgc.pg_foreign_data_wrapper (oid UINTEGER, fdwname VARCHAR, fdwowner UINTEGER, fdwhandler UINTEGER,
    fdwvalidator UINTEGER, fdwacl VARCHAR[], fdwoptions VARCHAR[]);
CREATE TABLE pgc.pg_foreign_server (oid UINTEGER, srvname VARCHAR, srvowner UINTEGER, srvfdw UINTEGER, srvtype
    VARCHAR, srvversion VARCHAR, srvacl VARCHAR[], srvoptions VARCHAR[]);
CREATE TABLE pgc.pg_foreign_table (ftrelid UINTEGER, ftserver UINTEGER, ftoptions VARCHAR[]);
CREATE TABLE pgc.pg_inherits (inhrelid UINTEGER, inhparent UINTEGER, inhseqno INTEGER, inhdetachpending BOOLEAN);
CREATE TABLE pgc.pg_language (oid UINTEGER, lanname VARCHAR, lanowner UINTEGER, lanispl BOOLEAN, lanpltrusted BOOLEAN,
    lanplcallfoid UINTEGER, laninline UINTEGER, lanvalidator UINTEGER, lanacl VARCHAR[]);
CREATE TABLE pgc.pg_opclass (oid UINTEGER, opcmethod UINTEGER, opcname VARCHAR, opcnamespace UINTEGER, opcowner
    UINTEGER, opcfamily UINTEGER, opcintype UINTEGER, opcdefault BOOLEAN, opckeytype UINTEGER);
CREATE TABLE pgc.pg_operator (oid UINTEGER, oprname VARCHAR, oprnamespace UINTEGER, oprowner UINTEGER, oprkind
    VARCHAR, oprcanmerge BOOLEAN, oprcanhash BOOLEAN, oprleft UINTEGER, oprright UINTEGER, oprresult UINTEGER, oprcom
    UINTEGER, oprnegate UINTEGER, oprcode UINTEGER, oprrest UINTEGER, oprjoin UINTEGER);
CREATE TABLE pgc.pg_opfamily (oid UINTEGER, opfmethod UINTEGER, opfname VARCHAR, opfnamespace UINTEGER, opfowner
    UINTEGER);
CREATE TABLE pgc.pg_partitioned_table (partrelid UINTEGER, partstrat VARCHAR, partnatts SMALLINT, partdefid UINTEGER,
    partattrs SMALLINT[], partclass UINTEGER[], partcollation UINTEGER[], partexprs VARCHAR);
CREATE TABLE pgc.pg_policy (oid UINTEGER, polname VARCHAR, polrelid UINTEGER, polcmd VARCHAR, polpermissive BOOLEAN,
    polroles UINTEGER[], polqual VARCHAR, polwithcheck VARCHAR);
CREATE TABLE pgc.pg_publication (oid UINTEGER, pubname VARCHAR, pubowner UINTEGER, puballtables BOOLEAN, pubinsert
    BOOLEAN, pubupdate BOOLEAN, pubdelete BOOLEAN, pubtruncate BOOLEAN, pubviaroot BOOLEAN);
CREATE TABLE pgc.pg_publication_namespace (oid UINTEGER, pnpubid UINTEGER, pnnspid UINTEGER);
CREATE TABLE pgc.pg_publication_rel (oid UINTEGER, prpubid UINTEGER, prrelid UINTEGER, prqual VARCHAR, prattrs
    SMALLINT[]);
CREATE TABLE pgc.pg_range (rngtypid UINTEGER, rngsubtype UINTEGER, rngmultitypid UINTEGER, rngcollation UINTEGER,
    rngsubopc UINTEGER, rngcanonical UINTEGER, rngsubdiff UINTEGER);
CREATE TABLE pgc.pg_rewrite (oid UINTEGER, rulename VARCHAR, ev_class UINTEGER, ev_type VARCHAR, ev_enabled VARCHAR,
    is_instead BOOLEAN, ev_qual VARCHAR, ev_action VARCHAR);
CREATE TABLE pgc.pg_seclabel (objoid UINTEGER, classoid UINTEGER, objsubid INTEGER, provider VARCHAR, label VARCHAR);
CREATE TABLE pgc.pg_shdepend (dbid UINTEGER, classid UINTEGER, objid UINTEGER, objsubid INTEGER, refclassid UINTEGER,
    refobjid UINTEGER, deptype VARCHAR);
CREATE TABLE pgc.pg_shdescription (objoid UINTEGER, classoid UINTEGER, description VARCHAR);
CREATE TABLE pgc.pg_shseclabel (objoid UINTEGER, classoid UINTEGER, provider VARCHAR, label VARCHAR);
CREATE TABLE pgc.pg_statistic_ext (oid UINTEGER, stxrelid UINTEGER, stxname VARCHAR, stxnamespace UINTEGER, stxowner
    UINTEGER, stxstattarget INTEGER, stxkeys SMALLINT[], stxkind VARCHAR[], stxexprs VARCHAR);
CREATE TABLE pgc.pg_statistic_ext_data (stxoid UINTEGER, stxdinherit BOOLEAN, stxdndistinct VARCHAR, stxddependencies
    VARCHAR, stxdmcv VARCHAR, stxdexpr VARCHAR[]);
CREATE TABLE pgc.pg_subscription (oid UINTEGER, subdbid UINTEGER, subskiplsn VARCHAR, subname VARCHAR, subowner
    UINTEGER, subenabled BOOLEAN, subbinary BOOLEAN, substream BOOLEAN, subtwophasestate VARCHAR, subdisableonerr
    BOOLEAN, subconninfo VARCHAR, subslotname VARCHAR, subsynccommit VARCHAR, subpublications VARCHAR[]);
CREATE TABLE pgc.pg_subscription_rel (srsubid UINTEGER, srrelid UINTEGER, srsubstate VARCHAR, srsublsn VARCHAR);
CREATE TABLE pgc.pg_trigger (oid UINTEGER, tgrelid UINTEGER, tgparentid UINTEGER, tgname VARCHAR, tgfoid UINTEGER,
    tgtype SMALLINT, tgenabled VARCHAR, tgisinternal BOOLEAN, tgconstrrelid UINTEGER, tgconstrindid UINTEGER,
    tgconstraint UINTEGER, tgdeferrable BOOLEAN, tginitdeferred BOOLEAN, tgnargs SMALLINT, tgattr SMALLINT[], tgargs
    BLOB, tgqual VARCHAR, tgoldtable VARCHAR, tgnewtable VARCHAR);
CREATE TABLE pgc.pg_ts_config (oid UINTEGER, cfgname VARCHAR, cfgnamespace UINTEGER, cfgowner UINTEGER, cfgparser
    UINTEGER);
CREATE TABLE pgc.pg_ts_dict (oid UINTEGER, dictname VARCHAR, dictnamespace UINTEGER, dictowner UINTEGER, dicttemplate
    UINTEGER, dictinitoption VARCHAR);
CREATE TABLE pgc.pg_ts_parser (oid UINTEGER, prsname VARCHAR, prsnamespace UINTEGER, prsstart UINTEGER, prstoken
    UINTEGER, prsend UINTEGER, prsheadline UINTEGER, prslextype UINTEGER);
CREATE TABLE pgc.pg_ts_template (oid UINTEGER, tmplname VARCHAR, tmplnamespace UINTEGER, tmplinit UINTEGER, tmpllexize
    UINTEGER);
CREATE TABLE pgc.pg_user_mapping (oid UINTEGER, umuser UINTEGER, umserver UINTEGER, umoptions VARCHAR[]);
CREATE TABLE pgc.pg_available_extension_versions (name VARCHAR, version VARCHAR, installed BOOLEAN, superuser BOOLEAN,
    trusted BOOLEAN, relocatable BOOLEAN, schema VARCHAR, requires VARCHAR[], comment VARCHAR);
CREATE TABLE pgc.pg_available_extensions (name VARCHAR, default_version VARCHAR, installed_version VARCHAR, comment
    VARCHAR);
CREATE TABLE pgc.pg_locks (locktype VARCHAR, database UINTEGER, relation UINTEGER, page INTEGER, tuple SMALLINT,
    virtualxid VARCHAR, transactionid UINTEGER, classid UINTEGER, objid UINTEGER, objsubid SMALLINT,
    virtualtransaction VARCHAR, pid INTEGER, mode VARCHAR, granted BOOLEAN, fastpath BOOLEAN, waitstart TIMESTAMP);
CREATE TABLE pgc.pg_matviews (schemaname VARCHAR, matviewname VARCHAR, matviewowner VARCHAR, tablespace VARCHAR,
    hasindexes BOOLEAN, ispopulated BOOLEAN, definition VARCHAR);
CREATE TABLE pgc.pg_policies (schemaname VARCHAR, tablename VARCHAR, policyname VARCHAR, permissive VARCHAR, roles
    VARCHAR[], cmd VARCHAR, qual VARCHAR, with_check VARCHAR);
CREATE TABLE pgc.pg_prepared_xacts (transaction UINTEGER, gid VARCHAR, prepared TIMESTAMP, owner VARCHAR, database
    VARCHAR);
CREATE TABLE pgc.pg_publication_tables (pubname VARCHAR, schemaname VARCHAR, tablename VARCHAR, attnames VARCHAR[],
    rowfilter VARCHAR);
CREATE TABLE pgc.pg_replication_slots (slot_name VARCHAR, plugin VARCHAR, slot_type VARCHAR, datoid UINTEGER, database
    VARCHAR, temporary BOOLEAN, active BOOLEAN, active_pid INTEGER, xmin UINTEGER, catalog_xmin UINTEGER, restart_lsn
    VARCHAR, confirmed_flush_lsn VARCHAR, wal_status VARCHAR, safe_wal_size BIGINT, two_phase BOOLEAN);
CREATE TABLE pgc.pg_rules (schemaname VARCHAR, tablename VARCHAR, rulename VARCHAR, definition VARCHAR);
CREATE TABLE pgc.pg_seclabels (objoid UINTEGER, classoid UINTEGER, objsubid INTEGER, objtype VARCHAR, objnamespace
    UINTEGER, objname VARCHAR, provider VARCHAR, label VARCHAR);
CREATE TABLE pgc.pg_stat_all_indexes (relid UINTEGER, indexrelid UINTEGER, schemaname VARCHAR, relname VARCHAR,
    indexrelname VARCHAR, idx_scan BIGINT, idx_tup_read BIGINT, idx_tup_fetch BIGINT);
CREATE TABLE pgc.pg_stat_bgwriter (checkpoints_timed BIGINT, checkpoints_req BIGINT, checkpoint_write_time DOUBLE,
    checkpoint_sync_time DOUBLE, buffers_checkpoint BIGINT, buffers_clean BIGINT, maxwritten_clean BIGINT,
    buffers_backend BIGINT, buffers_backend_fsync BIGINT, buffers_alloc BIGINT, stats_reset TIMESTAMP);
CREATE TABLE pgc.pg_stat_database (datid UINTEGER, datname VARCHAR, numbackends INTEGER, xact_commit BIGINT,
    xact_rollback BIGINT, blks_read BIGINT, blks_hit BIGINT, tup_returned BIGINT, tup_fetched BIGINT, tup_inserted
    BIGINT, tup_updated BIGINT, tup_deleted BIGINT, conflicts BIGINT, temp_files BIGINT, temp_bytes BIGINT, deadlocks
    BIGINT, checksum_failures BIGINT, checksum_last_failure TIMESTAMP, blk_read_time DOUBLE, blk_write_time DOUBLE,
    session_time DOUBLE, active_time DOUBLE, idle_in_transaction_time DOUBLE, sessions BIGINT, sessions_abandoned
    BIGINT, sessions_fatal BIGINT, sessions_killed BIGINT, stats_reset TIMESTAMP);
CREATE TABLE pgc.pg_stat_gssapi (pid INTEGER, gss_authenticated BOOLEAN, principal VARCHAR, encrypted BOOLEAN);
CREATE TABLE pgc.pg_stat_replication (pid INTEGER, usesysid UINTEGER, usename VARCHAR, application_name VARCHAR,
    client_addr VARCHAR, client_hostname VARCHAR, client_port INTEGER, backend_start TIMESTAMP, backend_xmin UINTEGER,
    state VARCHAR, sent_lsn VARCHAR, write_lsn VARCHAR, flush_lsn VARCHAR, replay_lsn VARCHAR, write_lag INTERVAL,
    flush_lag INTERVAL, replay_lag INTERVAL, sync_priority INTEGER, sync_state VARCHAR, reply_time TIMESTAMP);
CREATE TABLE pgc.pg_stat_ssl (pid INTEGER, ssl BOOLEAN, version VARCHAR, cipher VARCHAR, bits INTEGER, client_dn
    VARCHAR, client_serial DECIMAL(38,0), issuer_dn VARCHAR);
CREATE TABLE pgc.pg_stat_subscription (subid UINTEGER, subname VARCHAR, pid INTEGER, relid UINTEGER, received_lsn
    VARCHAR, last_msg_send_time TIMESTAMP, last_msg_receipt_time TIMESTAMP, latest_end_lsn VARCHAR, latest_end_time
    TIMESTAMP);
CREATE TABLE pgc.pg_stat_user_functions (funcid UINTEGER, schemaname VARCHAR, funcname VARCHAR, calls BIGINT,
    total_time DOUBLE, self_time DOUBLE);
CREATE TABLE pgc.pg_stat_user_indexes (relid UINTEGER, indexrelid UINTEGER, schemaname VARCHAR, relname VARCHAR,
    indexrelname VARCHAR, idx_scan BIGINT, idx_tup_read BIGINT, idx_tup_fetch BIGINT);
CREATE TABLE pgc.pg_statio_user_tables (relid UINTEGER, schemaname VARCHAR, relname VARCHAR, heap_blks_read BIGINT,
    heap_blks_hit BIGINT, idx_blks_read BIGINT, idx_blks_hit BIGINT, toast_blks_read BIGINT, toast_blks_hit BIGINT,
    tidx_blks_read BIGINT, tidx_blks_hit BIGINT);
CREATE TABLE pgc.pg_stats (schemaname VARCHAR, tablename VARCHAR, attname VARCHAR, inherited BOOLEAN, null_frac REAL,
    avg_width INTEGER, n_distinct REAL, most_common_vals VARCHAR, most_common_freqs REAL[], histogram_bounds VARCHAR,
    correlation REAL, most_common_elems VARCHAR, most_common_elem_freqs REAL[], elem_count_histogram REAL[]);
CREATE TABLE pgc.pg_largeobject_metadata (oid UINTEGER, lomowner UINTEGER, lomacl VARCHAR[]);
CREATE TABLE pgc.pg_user_mappings (umid UINTEGER, srvid UINTEGER, srvname VARCHAR, umuser UINTEGER, usename VARCHAR,
    umoptions VARCHAR[]);

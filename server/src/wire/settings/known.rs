//! The settings PostgreSQL clients know, and what zxq lets them be.

use zxq_engine::functions::POSTGRES_VERSION;

use super::measured::Unit;

/// What a setting can be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Values {
    /// Any text.
    Any,
    /// Cannot be changed.
    ReadOnly,
    /// On or off.
    Bool,
    /// Can only be on.
    AlwaysOn,
    /// A whole number within bounds.
    Integer(i64, i64),
    /// A number with a decimal point, within bounds.
    Real(f64, f64),
    /// Bytes or a time, within bounds.
    Measured(Unit, i64, i64),
    /// One of these.
    OneOf(&'static [&'static str]),
    /// A name of UTF-8.
    Utf8,
    /// A spelling of `ISO, MDY`.
    Iso,
    /// A time zone.
    Zone,
    /// A list of schemas.
    SearchPath,
}

/// Who may change a setting, and when; PostgreSQL's groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Context {
    /// Everybody.
    User,
    /// In PostgreSQL superusers: here everybody, since it changes nothing.
    Superuser,
    /// The connection string only.
    Start,
    /// The configuration, while the server runs.
    File,
    /// The configuration, before the server starts.
    Server,
    /// Nobody.
    Internal,
}

impl Context {
    /// As `pg_settings` names it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Context::User => "user",
            Context::Superuser => "superuser",
            Context::Start => "superuser-backend",
            Context::File => "sighup",
            Context::Server => "postmaster",
            Context::Internal => "internal",
        }
    }
}

/// One setting.
#[derive(Debug, PartialEq)]
pub(crate) struct Known {
    /// Its name, spelled as PostgreSQL shows it.
    pub(crate) name: &'static str,
    /// Its value unless changed.
    pub(crate) default: &'static str,
    /// What it can be.
    pub(crate) values: Values,
    /// Who may change it.
    pub(crate) context: Context,
    /// The client is told when it changes, and when it connects.
    pub(crate) reported: bool,
    /// One line about it.
    pub(crate) about: &'static str,
}

const LEVELS: Values = Values::OneOf(&["read committed", "repeatable read", "read uncommitted", "serializable"]);
const MESSAGES: Values =
    Values::OneOf(&["debug5", "debug4", "debug3", "debug2", "debug1", "log", "notice", "warning", "error"]);

const LOG_MESSAGES: Values = Values::OneOf(&[
    "debug5", "debug4", "debug3", "debug2", "debug1", "info", "notice", "warning", "error", "log", "fatal", "panic",
]);
const MILLIS: Values = Values::Measured(Unit::Millisecond, 0, i32::MAX as i64);

const fn context_of(values: Values) -> Context {
    match values {
        Values::ReadOnly => Context::Internal,
        _ => Context::User,
    }
}

const fn setting(name: &'static str, default: &'static str, values: Values, about: &'static str) -> Known {
    Known { name, default, values, context: context_of(values), reported: false, about }
}

const fn reported(name: &'static str, default: &'static str, values: Values, about: &'static str) -> Known {
    Known { name, default, values, context: context_of(values), reported: true, about }
}

/// All of them, by name.
pub(crate) const KNOWN: &[Known] = &[
    reported("application_name", "", Values::Any, "Name of the client program."),
    setting("backslash_quote", "safe_encoding", Values::OneOf(&["safe_encoding"]), "No effect."),
    setting("block_size", "8192", Values::ReadOnly, "No effect."),
    setting("bytea_output", "hex", Values::OneOf(&["hex"]), "Format of bytea text."),
    setting("check_function_bodies", "on", Values::Bool, "No effect."),
    reported("client_encoding", "UTF8", Values::Utf8, "Encoding of text to and from the client."),
    setting("client_min_messages", "notice", MESSAGES, "Least severe message sent to the client."),
    setting("cursor_tuple_fraction", "0.1", Values::Real(0.0, 1.0), "No effect."),
    reported("DateStyle", "ISO, MDY", Values::Iso, "Format of dates and timestamps."),
    setting("default_table_access_method", "heap", Values::Any, "No effect."),
    setting("default_tablespace", "", Values::Any, "No effect."),
    setting("default_text_search_config", "pg_catalog.simple", Values::Any, "No effect."),
    setting("default_transaction_deferrable", "off", Values::Bool, "No effect."),
    setting("default_transaction_isolation", "read committed", LEVELS, "Isolation of transactions that name none."),
    reported("default_transaction_read_only", "off", Values::Bool, "Transactions only read unless they say otherwise."),
    setting("enable_hashjoin", "on", Values::Bool, "No effect."),
    setting("enable_mergejoin", "on", Values::Bool, "No effect."),
    setting("enable_nestloop", "on", Values::Bool, "No effect."),
    setting("enable_seqscan", "on", Values::Bool, "No effect."),
    setting("escape_string_warning", "on", Values::Bool, "No effect."),
    setting("extra_float_digits", "1", Values::Integer(-15, 3), "Floats are always exact: no effect."),
    setting("geqo", "on", Values::Bool, "No effect."),
    setting("gin_fuzzy_search_limit", "0", Values::Integer(0, 2147483647), "No effect."),
    setting(
        "idle_in_transaction_session_timeout",
        "0",
        MILLIS,
        "Longest time a client may be idle in a transaction; 0 is for ever.",
    ),
    setting("idle_session_timeout", "0", MILLIS, "Longest time a client may be idle; 0 is for ever."),
    reported("in_hot_standby", "off", Values::ReadOnly, "Always off."),
    reported("integer_datetimes", "on", Values::ReadOnly, "Dates and times are whole numbers on the wire."),
    reported("IntervalStyle", "postgres", Values::OneOf(&["postgres"]), "Format of intervals."),
    reported("is_superuser", "off", Values::ReadOnly, "The session may do everything."),
    setting("jit", "off", Values::Bool, "No effect."),
    setting("lc_collate", "C", Values::ReadOnly, "Text sorts by bytes."),
    setting("lc_ctype", "C.UTF-8", Values::ReadOnly, "Character classes."),
    setting("lc_messages", "C", Values::Any, "Messages are in English."),
    setting("lc_monetary", "C", Values::Any, "No effect."),
    setting("lc_numeric", "C", Values::Any, "No effect."),
    setting("lc_time", "C", Values::Any, "No effect."),
    setting("lock_timeout", "0", MILLIS, "No effect: readers and writers do not wait for each other."),
    setting("log_min_messages", "warning", LOG_MESSAGES, "No effect."),
    setting("log_statement", "none", Values::OneOf(&["none", "ddl", "mod", "all"]), "No effect."),
    setting("maintenance_work_mem", "64MB", Values::Measured(Unit::Kilobyte, 1024, 2147483647), "No effect."),
    setting("max_identifier_length", "63", Values::ReadOnly, "Longest name PostgreSQL clients expect, bytes."),
    setting("max_index_keys", "32", Values::ReadOnly, "No effect."),
    setting("password_encryption", "scram-sha-256", Values::ReadOnly, "No effect."),
    setting("random_page_cost", "4", Values::Real(0.0, 1.79769e+308), "No effect."),
    setting("role", "none", Values::Any, "Role that the session acts as."),
    setting("row_security", "on", Values::Bool, "No effect."),
    setting("search_path", "\"$user\", public", Values::SearchPath, "Schemas of unqualified names."),
    reported("server_encoding", "UTF8", Values::ReadOnly, "Encoding of stored text."),
    reported("server_version", POSTGRES_VERSION, Values::ReadOnly, "PostgreSQL version that clients may expect."),
    setting("server_version_num", "150007", Values::ReadOnly, "The same as a number."),
    reported("session_authorization", "zxq", Values::Any, "User of the session."),
    setting("session_replication_role", "origin", Values::OneOf(&["origin", "replica", "local"]), "No effect."),
    setting("ssl", "off", Values::ReadOnly, "TLS is not spoken."),
    reported("standard_conforming_strings", "on", Values::AlwaysOn, "A backslash in '…' is a backslash."),
    setting("statement_timeout", "0", MILLIS, "Longest time a statement may run; 0 is for ever."),
    setting(
        "synchronous_commit",
        "on",
        Values::OneOf(&["local", "remote_write", "remote_apply", "on", "off"]),
        "No effect: see hot.wal_sync in the configuration.",
    ),
    setting("synchronize_seqscans", "on", Values::Bool, "No effect."),
    setting("tcp_keepalives_idle", "0", Values::Measured(Unit::Second, 0, 2147483647), "No effect."),
    setting("temp_buffers", "8MB", Values::Measured(Unit::Page, 100, 1073741823), "No effect."),
    reported("TimeZone", "UTC", Values::Zone, "Time zone of timestamps shown and read."),
    setting("transaction_deferrable", "off", Values::Bool, "No effect."),
    setting("transaction_isolation", "read committed", LEVELS, "Isolation of the transaction."),
    setting("transaction_read_only", "off", Values::Bool, "The transaction only reads."),
    setting(
        "work_mem",
        "4MB",
        Values::Measured(Unit::Kilobyte, 64, 2147483647),
        "No effect: see memory_limit in the configuration.",
    ),
    setting("xmloption", "content", Values::OneOf(&["content", "document"]), "No effect."),
];

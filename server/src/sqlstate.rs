//! SQLSTATE codes: the one place that says which failure has which code.

use zxq_engine::ErrorKind;

/// A five-character SQLSTATE.
pub type SqlState = &'static str;

/// 01000: a warning without a class of its own.
pub const WARNING: SqlState = "01000";
/// 00000: a notice; nothing is wrong.
pub const SUCCESSFUL_COMPLETION: SqlState = "00000";
/// 08P01: the client broke the protocol.
pub const PROTOCOL_VIOLATION: SqlState = "08P01";
/// 0A000: valid SQL that zxq does not do.
pub const FEATURE_NOT_SUPPORTED: SqlState = "0A000";
/// 22003: a number does not fit.
pub const NUMERIC_VALUE_OUT_OF_RANGE: SqlState = "22003";
/// 22021: bytes that are no text of the encoding.
pub const CHARACTER_NOT_IN_REPERTOIRE: SqlState = "22021";
/// 22023: a parameter or option has a value it cannot have.
pub const INVALID_PARAMETER_VALUE: SqlState = "22023";
/// 22P02: a text is no value of its type.
pub const INVALID_TEXT_REPRESENTATION: SqlState = "22P02";
/// 22P03: bytes are no value of their type.
pub const INVALID_BINARY_REPRESENTATION: SqlState = "22P03";
/// 22P04: COPY data is malformed.
pub const BAD_COPY_FILE_FORMAT: SqlState = "22P04";
/// 25001: not possible inside a transaction block.
pub const ACTIVE_SQL_TRANSACTION: SqlState = "25001";
/// 25006: this process, or this transaction, only reads.
pub const READ_ONLY_SQL_TRANSACTION: SqlState = "25006";
/// 25P01: there is no transaction to end.
pub const NO_ACTIVE_SQL_TRANSACTION: SqlState = "25P01";
/// 25P02: the transaction block has failed; only its end is accepted.
pub const IN_FAILED_SQL_TRANSACTION: SqlState = "25P02";
/// 26000: no such prepared statement.
pub const INVALID_SQL_STATEMENT_NAME: SqlState = "26000";
/// 28000: the client is not who it says.
pub const INVALID_AUTHORIZATION: SqlState = "28000";
/// 28P01: the password is wrong, or there is nobody of that name.
pub const INVALID_PASSWORD: SqlState = "28P01";
/// 34000: no such cursor or portal.
pub const INVALID_CURSOR_NAME: SqlState = "34000";
/// 3B001: no such savepoint.
pub const INVALID_SAVEPOINT: SqlState = "3B001";
/// 42501: refused for safety.
pub const INSUFFICIENT_PRIVILEGE: SqlState = "42501";
/// 42601: not SQL.
pub const SYNTAX_ERROR: SqlState = "42601";
/// 42P10: a column that cannot be named there.
pub const INVALID_COLUMN_REFERENCE: SqlState = "42P10";
/// 3D000: no such database.
pub const INVALID_CATALOG_NAME: SqlState = "3D000";
/// 42704: no such setting or other object.
pub const UNDEFINED_OBJECT: SqlState = "42704";
/// 42P02: no such parameter.
pub const UNDEFINED_PARAMETER: SqlState = "42P02";
/// 42P03: the cursor exists already.
pub const DUPLICATE_CURSOR: SqlState = "42P03";
/// 42P11: what a cursor is declared with contradicts itself.
pub const INVALID_CURSOR_DEFINITION: SqlState = "42P11";
/// 42P05: the prepared statement exists already.
pub const DUPLICATE_PREPARED_STATEMENT: SqlState = "42P05";
/// 53300: all connections are taken.
pub const TOO_MANY_CONNECTIONS: SqlState = "53300";
/// 54000: a limit of the server was passed.
pub const PROGRAM_LIMIT_EXCEEDED: SqlState = "54000";
/// 55000: not possible in the state that the object is in.
pub const OBJECT_NOT_IN_PREREQUISITE_STATE: SqlState = "55000";
/// 55P02: this setting cannot be changed now.
pub const CANT_CHANGE_RUNTIME_PARAM: SqlState = "55P02";
/// 57014: cancelled, by the user or by a timeout.
pub const QUERY_CANCELED: SqlState = "57014";
/// 25P03: idle in a transaction for longer than `idle_in_transaction_session_timeout`.
pub const IDLE_IN_TRANSACTION_TIMEOUT: SqlState = "25P03";
/// 57P05: idle for longer than `idle_session_timeout`.
pub const IDLE_SESSION_TIMEOUT: SqlState = "57P05";
/// 57P01: the server is shutting down.
pub const ADMIN_SHUTDOWN: SqlState = "57P01";
/// XX000: a bug in zxq.
pub const INTERNAL_ERROR: SqlState = "XX000";

/// The SQLSTATE of an engine error.
pub fn of(kind: ErrorKind) -> SqlState {
    match kind {
        ErrorKind::Syntax => SYNTAX_ERROR,
        ErrorKind::UndefinedTable => "42P01",
        ErrorKind::UndefinedColumn => "42703",
        ErrorKind::UndefinedFunction => "42883",
        ErrorKind::UndefinedObject => UNDEFINED_OBJECT,
        ErrorKind::AmbiguousColumn => "42702",
        ErrorKind::DuplicateTable => "42P07",
        ErrorKind::DuplicateColumn => "42701",
        ErrorKind::NotNullViolation => "23502",
        ErrorKind::CheckViolation => "23514",
        ErrorKind::SequenceExhausted => "2200H",
        ErrorKind::NotReady => OBJECT_NOT_IN_PREREQUISITE_STATE,
        ErrorKind::GeneratedAlways => "428C9",
        ErrorKind::NumericOutOfRange => NUMERIC_VALUE_OUT_OF_RANGE,
        ErrorKind::DatetimeOutOfRange => "22008",
        ErrorKind::InvalidDatetime => "22007",
        ErrorKind::StringTooLong => "22001",
        ErrorKind::InvalidText => INVALID_TEXT_REPRESENTATION,
        ErrorKind::InvalidEncoding => CHARACTER_NOT_IN_REPERTOIRE,
        ErrorKind::InvalidParameter => INVALID_PARAMETER_VALUE,
        ErrorKind::InvalidRegex => "2201B",
        ErrorKind::InvalidPower => "2201F",
        ErrorKind::InvalidLogarithm => "2201E",
        ErrorKind::InvalidWidthBucket => "2201G",
        ErrorKind::InvalidSubstring => "22011",
        ErrorKind::InvalidEscape => "22025",
        ErrorKind::NullNotAllowed => "22004",
        ErrorKind::ArraySubscript => "2202E",
        ErrorKind::LimitExceeded => PROGRAM_LIMIT_EXCEEDED,
        ErrorKind::InvalidDefinition => "42P16",
        ErrorKind::WrongObjectType => "42809",
        ErrorKind::DependentObjects => "2BP01",
        ErrorKind::UndefinedSchema => "3F000",
        ErrorKind::DuplicateSchema => "42P06",
        ErrorKind::DuplicateObject => "42710",
        ErrorKind::InvalidObjectDefinition => "42P17",
        ErrorKind::DatatypeMismatch => "42804",
        ErrorKind::CannotCast => "42846",
        ErrorKind::UndefinedParameter => UNDEFINED_PARAMETER,
        ErrorKind::InsufficientPrivilege => INSUFFICIENT_PRIVILEGE,
        ErrorKind::ReservedName => "42939",
        ErrorKind::InvalidGrant => "0LP01",
        ErrorKind::ObjectInUse => "55006",
        ErrorKind::IndeterminateType => "42P18",
        ErrorKind::CardinalityViolation => "21000",
        ErrorKind::Grouping => "42803",
        ErrorKind::Windowing => "42P20",
        ErrorKind::InvalidColumnReference => INVALID_COLUMN_REFERENCE,
        ErrorKind::DuplicateAlias => "42712",
        ErrorKind::InvalidRowCount => "2201W",
        ErrorKind::InvalidRowOffset => "2201X",
        ErrorKind::FeatureNotSupported => FEATURE_NOT_SUPPORTED,
        ErrorKind::DivisionByZero => "22012",
        ErrorKind::OutOfMemory => "53200",
        ErrorKind::DiskFull => "53100",
        ErrorKind::DataCorrupted => "XX001",
        ErrorKind::DirectoryInUse => "55006",
        ErrorKind::FileNotFound => "58P01",
        ErrorKind::InvalidFile => BAD_COPY_FILE_FORMAT,
        ErrorKind::ActiveTransaction => ACTIVE_SQL_TRANSACTION,
        ErrorKind::FenceLost => "40001",
        ErrorKind::Deadlock => "40P01",
        ErrorKind::ReadOnly => READ_ONLY_SQL_TRANSACTION,
        ErrorKind::OutcomeUnknown => "08007",
        ErrorKind::SnapshotTooOld => "72000",
        ErrorKind::Cancelled => QUERY_CANCELED,
        ErrorKind::ShuttingDown => ADMIN_SHUTDOWN,
        // As a foreign-data wrapper reports it. Class 08 would tell clients that their own connection is broken.
        ErrorKind::Unreachable => "HV00N",
        ErrorKind::Io => "58030",
        // New kinds have to be given a code here; until then they are reported as what they then are.
        _ => INTERNAL_ERROR,
    }
}

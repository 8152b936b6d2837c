//! The kinds of failures.

/// What kind of failure it is; a server maps each kind to one SQLSTATE.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The text is not SQL.
    Syntax,
    /// No such table.
    UndefinedTable,
    /// No such column.
    UndefinedColumn,
    /// No such function, or not with these argument types.
    UndefinedFunction,
    /// No such setting, option or other named object.
    UndefinedObject,
    /// A column name fits several tables.
    AmbiguousColumn,
    /// The table exists already.
    DuplicateTable,
    /// The column exists already.
    DuplicateColumn,
    /// NULL in a NOT NULL column.
    NotNullViolation,
    /// A CHECK constraint failed.
    CheckViolation,
    /// A sequence gives no more numbers.
    SequenceExhausted,
    /// The object is not in the state that this needs.
    NotReady,
    /// A value for a column that is always generated.
    GeneratedAlways,
    /// A number does not fit its column.
    NumericOutOfRange,
    /// A date, time or interval lies outside of what its type holds.
    DatetimeOutOfRange,
    /// A text is no date, time or interval.
    InvalidDatetime,
    /// A text is longer than its column allows.
    StringTooLong,
    /// A text is no value of its column's type.
    InvalidText,
    /// Bytes that are no text in the encoding that they are said to be in.
    InvalidEncoding,
    /// An option or argument has a value it cannot have.
    InvalidParameter,
    /// A regular expression cannot be read, or asks for what cannot be done.
    InvalidRegex,
    /// The argument of a power or a root has no such power or root.
    InvalidPower,
    /// The argument of a logarithm has none.
    InvalidLogarithm,
    /// Buckets of no width, or no buckets.
    InvalidWidthBucket,
    /// A part of a text with a negative length.
    InvalidSubstring,
    /// An escape character, or what follows it, is not right.
    InvalidEscape,
    /// NULL where a function needs a value.
    NullNotAllowed,
    /// Arrays whose bounds do not fit.
    ArraySubscript,
    /// Something asked for is larger, longer or deeper than can be done.
    LimitExceeded,
    /// The table definition cannot be right.
    InvalidDefinition,
    /// The name is one of another kind of object: a view where a table has to be.
    WrongObjectType,
    /// Something else needs the object.
    DependentObjects,
    /// No such schema, or none to create in.
    UndefinedSchema,
    /// The schema exists already.
    DuplicateSchema,
    /// The object, which is no table, exists already.
    DuplicateObject,
    /// A view that reads itself.
    InvalidObjectDefinition,
    /// Types do not fit together.
    DatatypeMismatch,
    /// No value of the one type becomes one of the other.
    CannotCast,
    /// A parameter with a number that none can have.
    UndefinedParameter,
    /// What only those may do who are on this machine, or whom the configuration allows.
    InsufficientPrivilege,
    /// A name that only built-in things have.
    ReservedName,
    /// A grant that cannot be.
    InvalidGrant,
    /// What the statement is about is in use.
    ObjectInUse,
    /// Nothing says of which type a parameter is.
    IndeterminateType,
    /// A subquery that must give one row gave several.
    CardinalityViolation,
    /// A column or an aggregate stands where grouping does not allow it.
    Grouping,
    /// A window function stands where there can be none, or its window cannot be.
    Windowing,
    /// A position or an expression names no column of the result.
    InvalidColumnReference,
    /// Two tables of one FROM have the same name.
    DuplicateAlias,
    /// LIMIT is negative.
    InvalidRowCount,
    /// OFFSET is negative.
    InvalidRowOffset,
    /// Valid SQL that zxq does not do.
    FeatureNotSupported,
    /// Division by zero.
    DivisionByZero,
    /// A memory limit was reached.
    OutOfMemory,
    /// The disk is full.
    DiskFull,
    /// Stored data is damaged or missing.
    DataCorrupted,
    /// Another process has the data directory.
    DirectoryInUse,
    /// A file the user named is not there or cannot be read.
    FileNotFound,
    /// A file the user named cannot be understood.
    InvalidFile,
    /// What cannot be done within a transaction.
    ActiveTransaction,
    /// Another process took over the partition, or others changed what a transaction has written to.
    FenceLost,
    /// Two transactions wait for each other.
    Deadlock,
    /// This process may read and not write, or not any more.
    ReadOnly,
    /// Whether a change was made is not known.
    OutcomeUnknown,
    /// The snapshot that a statement reads may be gone.
    SnapshotTooOld,
    /// The statement was cancelled.
    Cancelled,
    /// The engine is shutting down.
    ShuttingDown,
    /// A database or object store that holds rows does not answer; a later try may succeed.
    Unreachable,
    /// Reading or writing failed.
    Io,
    /// A bug in zxq.
    Internal,
}

impl ErrorKind {
    /// Whether something is wrong with this server, its disk or its stores, rather than with what was asked.
    pub fn is_of_this_server(self) -> bool {
        matches!(
            self,
            ErrorKind::OutOfMemory
                | ErrorKind::DiskFull
                | ErrorKind::DataCorrupted
                | ErrorKind::FenceLost
                | ErrorKind::OutcomeUnknown
                | ErrorKind::SnapshotTooOld
                | ErrorKind::Unreachable
                | ErrorKind::Io
                | ErrorKind::Internal
        )
    }
}

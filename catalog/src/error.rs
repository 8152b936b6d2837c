//! Errors of the catalog, by what the caller can do.

/// Result with [`CatalogError`].
pub type Result<T, E = CatalogError> = std::result::Result<T, E>;

/// What can go wrong with the catalog.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CatalogError {
    /// The definition a user gave cannot be right; the text says what and how to fix it.
    #[error("{0}")]
    InvalidDefinition(String),
    /// No such table.
    #[error("table \"{0}\" does not exist")]
    TableNotFound(String),
    /// No such tier.
    #[error("unknown tier \"{0}\": the tiers are hot, warm and cold")]
    UnknownTier(String),
    /// The name is taken.
    #[error("table \"{0}\" already exists")]
    TableExists(String),
    /// Somebody else holds a newer lease on the partition: this job must stop and may be retried from its start.
    #[error("job {job} lost its lease (fence {held}, now {current}): another process took the partition over")]
    Fenced {
        /// The job that was refused.
        job: String,
        /// The fence it held.
        held: u64,
        /// The fence in force.
        current: u64,
    },
    /// The change does not fit the state it was meant for; a bug or a lost race, nothing was changed.
    #[error("catalog change refused: {0}")]
    Conflict(String),
    /// The stored catalog cannot be understood; restore it from a backup.
    #[error("the catalog is damaged: {0}")]
    Corrupt(String),
    /// A newer version of this program wrote the catalog; nothing was read or changed.
    #[error(
        "the catalog was written by a newer version (schema {found}, this program knows {known}): start that version"
    )]
    NewerSchema {
        /// Schema version of the stored catalog.
        found: u64,
        /// Newest schema version this program knows.
        known: u64,
    },
    /// Another process became the catalog's writer, or this one never was: it must stop writing. Nothing was changed.
    #[error("this process is not the catalog's writer (fence {held}, now {current}): that is {holder}")]
    NotWriter {
        /// The fence this process held; 0 for none.
        held: u64,
        /// The fence in force.
        current: u64,
        /// Who writes, as messages name it.
        holder: String,
    },
    /// Whether a commit happened cannot be known: its answer was lost and the database does not come back. Nothing that it
    /// names may be dropped.
    #[error("{0}")]
    OutcomeUnknown(String),
    /// The catalog's server does not answer, or went away: try again, or look after it. Nothing was changed.
    #[error("catalog: {what}: {reason}")]
    Unreachable {
        /// What was being done.
        what: String,
        /// Why it did not work.
        reason: String,
    },
    /// The catalog's server does not let us in, or not do this: correct the configuration or the server's grants.
    #[error("catalog: {what}: {reason}")]
    Refused {
        /// What was being done.
        what: String,
        /// Why it was refused.
        reason: String,
    },
    /// The database under the catalog failed; may work later.
    #[error("catalog database {context}: {source}")]
    Store {
        /// What was being done.
        context: String,
        /// The database's error.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

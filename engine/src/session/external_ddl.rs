//! `CREATE EXTERNAL TABLE`.

use datafusion::sql::parser::CreateExternalTable;
use zxq_catalog::{EXTERNAL_FOLDER, EXTERNAL_FORMAT, EXTERNAL_LOCATION, Partitioning};
use zxq_providers::ProviderError;
use zxq_providers::external::{self, ExternalFormat};

use crate::error::{EngineError, ErrorKind, Result};
use crate::session::EngineSession;
use crate::sql;
use crate::supervisor::control::JobControl;

/// Registers a table of others: looks at it once, and keeps its name, place and columns.
///
/// # Errors
/// [`ErrorKind::DuplicateTable`]; [`ErrorKind::InsufficientPrivilege`] for places that the session must not read;
/// [`ErrorKind::FeatureNotSupported`] for clauses that have no meaning here and for tables
/// that cannot be read exactly.
pub(crate) async fn create(session: &EngineSession, create: &CreateExternalTable, control: &JobControl) -> Result<()> {
    let engine = &session.engine;
    let (name, temporary) = session.object(&create.name, create.temporary)?;
    if engine.snapshot().table(&name).is_some() && create.if_not_exists {
        session.notice(format!("relation \"{name}\" already exists, skipping"));
        return Ok(());
    }
    let rights = session.rights()?;
    rights.check_create(None)?;
    let (location, folder) = session.table_place(&create.location)?;
    check_clauses(create, temporary)?;
    let format: ExternalFormat = create.file_type.parse()?;
    let state = session.context().state();
    let opened = async {
        external::open_within(&state, format, &location, folder.as_deref()).await.map_err(|error| match error {
            ProviderError::Missing { .. } => {
                EngineError::new(ErrorKind::FileNotFound, format!("there is no {format} table at {location}"))
            }
            other => other.into(),
        })
    };
    let table = control.stoppable(opened).await?;
    let mut def = sql::table_from_schema(&name, &table.schema())?;
    def.owner = rights.owner_of_new_tables();
    def.partitioning = Partitioning::none();
    def.time_column = None;
    def.sort_by.clear();
    def.lookup.clear();
    def.options.insert(EXTERNAL_FORMAT.to_owned(), format.name().to_owned());
    def.options.insert(EXTERNAL_LOCATION.to_owned(), location);
    if let Some(folder) = folder {
        def.options.insert(EXTERNAL_FOLDER.to_owned(), folder.display().to_string());
    }
    engine.create_table(def, control).await?;
    Ok(())
}

fn check_clauses(create: &CreateExternalTable, temporary: bool) -> Result<()> {
    let problems = [
        (create.or_replace, "OR REPLACE", "drop the table first"),
        (temporary, "TEMPORARY", "leave it out, and drop the table when it is no longer needed"),
        (!create.columns.is_empty(), "a list of columns", "leave it out: the columns are those of the files"),
        (!create.table_partition_cols.is_empty(), "PARTITIONED BY", "leave it out: folders tell by themselves"),
        (!create.order_exprs.is_empty(), "WITH ORDER", "leave it out"),
        (create.unbounded, "UNBOUNDED", "leave it out"),
        (!create.options.is_empty(), "OPTIONS", "leave it out"),
        (!create.constraints.is_empty(), "constraints", "leave them out: zxq does not write to this table"),
    ];
    match problems.into_iter().find(|(there, _, _)| *there) {
        Some((_, what, instead)) => Err(EngineError::new(
            ErrorKind::FeatureNotSupported,
            format!("CREATE EXTERNAL TABLE with {what} is not supported: {instead}"),
        )),
        None => Ok(()),
    }
}
